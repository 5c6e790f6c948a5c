# Cells in, settings out: means over seeds, 95 % intervals by Student's t (half widths; null of one).
def t975: [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042][. - 1] // 1.96;
def mean: if length == 0 or any(. == null) then null else add / length end;
def half: length as $n | mean as $m |
    if $n < 2 or $m == null then null
    else (map((. - $m) * (. - $m)) | add / ($n - 1) / $n | sqrt) * ($n - 1 | t975) end;
def columns: ["accuracy", "pass", "train_accuracy", "entropy", "all_fail", "length", "divergence"];

# What a cell came to: of its last steps (a tenth, at least one) the means of its metrics.
def last_of($metrics; $key): ($metrics | length) as $n | ([$n / 10 | floor, 1] | max) as $k |
    $metrics[-$k:] | map(.[$key]) | mean;
def cell($c; $greedy; $sampled; $metrics): {
    cell: $c.cell, set: ($c.cell | sub("_SEED-[^_]*$"; "")), seed: $c.settings.SEED, status: 0, weights: $c.weights, steps: $c.steps,
    accuracy: $greedy.total."pass@1",
    pass: ($sampled.total | to_entries | map(select(.key | test("^pass@[0-9]+$"))) | last.value),
    train_accuracy: last_of($metrics; "reward/accuracy"),
    entropy: ($sampled.total.entropy), all_fail: $sampled.total.all_fail, length: $sampled.total.length,
    divergence: last_of($metrics; "actor/ptd_kl")};

def sets: . as $all | (reduce $all[] as $c ([]; if any(.[]; . == $c.set) then . else . + [$c.set] end)) as $order
    | $order | map(. as $set | ($all | map(select(.set == $set))) as $cells | ($cells | map(select(.status == 0))) as $good
        | {set: $set, seeds: ($good | length), failed: ($cells | map(select(.status != 0) | {cell, status, words}))}
        + (columns | map(. as $k | ($good | map(.[$k])) as $v | {($k): ($v | mean), ($k + "_half"): ($v | half)}) | add));

def csv_cell: if . == null then "" elif type == "number" then tostring else "\"" + gsub("\""; "\"\"") + "\"" end;
def csv_sets: (["set", "seeds", "failed"] + (columns | map(., . + "_half")) | join(",")),
    (.[] | [(.set | csv_cell), (.seeds | tostring), (.failed | length | tostring)] + [.[columns[] as $c | $c, $c + "_half"] | csv_cell] | join(","));
def csv_cells: (["cell", "status", "steps", "weights"] + columns | join(",")),
    (.[] | [(.cell | csv_cell), (.status | tostring), (.steps | csv_cell), (.weights | csv_cell)] + [.[columns[]] | csv_cell] | join(","));

def digits($n): if . == null then null else pow(10; $n) as $p | (. * $p | round) as $r
    | (if $r < 0 then "-" else "" end) + (($r | fabs) / $p | floor | tostring)
    + (if $n == 0 then "" else "." + ("000000" + (($r | fabs) % $p | floor | tostring))[-$n:] end) end;
def shown($scale; $n; $h): if . == null then "-" else (. * $scale | digits($n)) + (if $h == null then "" else " ± " + ($h * $scale | digits($n)) end) end;
def words: sub("_"; ", ") | gsub("_"; ", ") | gsub("(?<a>[A-Z]+)-"; "\(.a) " | ascii_downcase);
def markdown: "| method | seeds | accuracy, % | pass@k, % | entropy | all-fail, % | length | divergence |",
    "|---|---|---|---|---|---|---|---|",
    (.[] | "| \(.set | words) | \(.seeds) | \(.accuracy_half as $h | .accuracy | shown(100; 1; $h)) | \(.pass_half as $h | .pass | shown(100; 1; $h)) | \(.entropy_half as $h | .entropy | shown(1; 3; $h)) | \(.all_fail_half as $h | .all_fail | shown(100; 1; $h)) | \(.length_half as $h | .length | shown(1; 1; $h)) | \(.divergence_half as $h | .divergence | shown(1; 4; $h)) |"),
    (map(.failed[]) | if length > 0 then "", "| failed cell | status | |", "|---|---|---|", (.[] | "| \(.cell) | \(.status) | \(.words | gsub("\\|"; "\\|")) |") else empty end);
