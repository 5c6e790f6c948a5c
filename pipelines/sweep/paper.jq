# Cells {set, method, seed, right: {uid: 0..1}} against those of another set with the same seeds: the mean difference of greedy
# accuracy over the questions, each the mean over seeds, with its 95 % interval; and the range over seeds.
include "table";
def difference($other): . as $cells
    | [$cells[] | . as $c | ($other[] | select(.seed == $c.seed)) as $o | {seed: $c.seed, d: ($c.right | to_entries | map({(.key): (.value - $o.right[.key])}) | add)}]
    | if length == 0 then null else . as $pairs
        | ([$pairs[0].d | keys_unsorted[] as $q | [$pairs[].d[$q]] | mean]) as $d
        | ($d | mean) as $m | ($d | length) as $n
        | {mean: $m, half: (if $n < 2 then null else 1.96 * ($d | map((. - $m) * (. - $m)) | add / ($n - 1) / $n | sqrt) end),
           seeds: ($pairs | map([.d[]] | mean) | [min, max])} end;
def signed($n): if . == null then "-" elif . < 0 then digits($n) else "+" + digits($n) end;
def shown_difference: if . == null then "-" else "\(.mean * 100 | signed(1)) (\((.mean - .half) * 100 | signed(1)) to \((.mean + .half) * 100 | signed(1))); seeds \(.seeds[0] * 100 | signed(1)) to \(.seeds[1] * 100 | signed(1))" end;
def paired($against): group_by(.set) as $sets | ($sets | map(select(.[0].method == $against and (.[0].ablation | not)))[0] // []) as $other
    | "| method | accuracy, % | difference to \($against): over questions (95 %), over seeds |", "|---|---|---|",
    ($sets | sort_by(-([.[].right | [.[]] | mean] | mean)) | .[] | "| \(.[0].set | words) | \([.[].right | [.[]] | mean] | mean | . * 100 | digits(1)) | \(difference($other) | shown_difference) |");
