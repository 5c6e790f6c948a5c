# lib/python/ptd.py: what it reads of streams, stores and metrics is what the programs say there is.
load lib

setup_file() {
    load lib
    small_run
    fresh run.ptd
    pipeline run.ptd 3 > metrics.jsonl
    ptd-rollout -q -s run.ptd -g latest -P 4 -G 3 -m 16 train.jsonl | ptd-verify -q | ptd-hint -q --from data > hinted.rec
    ptd-init -q lora.ptd --from-store warm.ptd --lora rank=2
    pipeline lora.ptd 2 > lora.jsonl
}

setup() {
    cd "$WORK" || return
    export PYTHONPATH="$BATS_TEST_DIRNAME/../lib/python"
}
python() { /usr/bin/python3 "$@"; }

@test "a stream: every field of every group" {
    ptd-dump --full hinted.rec | jq -c 'select(.kind == "group") | del(.kind, .record, .byte)' > dumped.json
    [ "$(wc -l < dumped.json)" = 8 ]
    python - << 'PY'
import json, math, ptd
def same(ours, said, where):
    if hasattr(ours, "shape"):  # an array; of pixels the dump says how many there are
        if where.endswith(".pixels"):
            assert ours.shape == (84, 84, 3) and said["bin"] == ours.size, where
            return
        ours = ours.ravel().tolist()
    if isinstance(ours, dict):
        assert ours.keys() == said.keys(), (where, ours.keys() ^ said.keys())
        for k in ours:
            same(ours[k], said[k], f"{where}.{k}")
    elif isinstance(ours, list):
        assert len(ours) == len(said), where
        for i, (a, b) in enumerate(zip(ours, said)):
            same(a, b, f"{where}[{i}]")
    else:
        assert ours == said or math.isclose(ours, said, rel_tol=1e-7), (where, ours, said)
groups = list(ptd.groups("hinted.rec"))
for g, line in zip(groups, open("dumped.json"), strict=True):
    same(g, json.loads(line), g["uid"])
y = groups[0]["rollouts"][0]
assert y["top_ids"].shape == (len(y["ids"]), 16)
PY
    [ "$(python -c 'import ptd; print(sum(k == "step" for k, _ in ptd.Stream("hinted.rec")), ptd.Stream("hinted.rec").head["group_size"])')" = "2 3" ]
}

@test "a stream that is cut, damaged or spliced is refused" {
    size=$(stat -c %s hinted.rec)
    for n in 0 10 100 $((size / 2)) $((size - 1)); do
        head -c "$n" hinted.rec > cut.rec
        run python -c 'import ptd; list(ptd.groups("cut.rec"))'
        [ "$status" = 1 ]
        [[ "$output" == *"ptd.Damaged: cut.rec"* ]]
    done
    { cat hinted.rec; echo x; } > more.rec
    run python -c 'import ptd; list(ptd.groups("more.rec"))'
    [[ "$output" == *"ptd.Damaged: more.rec"* ]]
    python -c 'import xxhash' 2> /dev/null || skip "no xxhash"
    cp hinted.rec bad.rec
    printf 'X' | dd of=bad.rec bs=1 seek=$((size / 2)) conv=notrunc status=none
    run python -c 'import ptd; list(ptd.groups("bad.rec"))'
    [[ "$output" == *"ptd.Damaged: bad.rec"* ]]
}

@test "a store: each tensor of each generation, moments, state and files" {
    python - > read.txt << 'PY'
import ptd
with ptd.Store("run.ptd") as s:
    assert s.head == 3 and 0 in s.generations and 3 in s.generations, s.generations
    assert s.meta("config.json").startswith(b"{") and s.meta("none") is None and isinstance(s.run, dict)
    for g in (0, 3):
        for name, x in s.tensors(g).items():
            assert (x == s.tensor(name, g)).all()
            print(g, name, *x.shape, repr(float(x.ravel()[0])), repr(float(x.ravel()[-1])))
    assert s.moments("m").keys() == s.moments("v").keys() != set()
    try:
        s.tensors(77)
        raise SystemExit("77 is not there")
    except KeyError:
        pass
PY
    [ "$(wc -l < read.txt)" -gt 100 ]
    for name in $(awk '$1 == 3 {print $2}' read.txt | sed -n '1p;7p;$p'); do
        ptd-dump --full -g 3 run.ptd "$name" > tensor.json
        python - "$name" << 'PY'
import json, sys, ptd
said = json.load(open("tensor.json"))
x = ptd.Store("run.ptd").tensor(sys.argv[1], 3)
assert list(x.shape) == said["shape"], said.keys()
assert all(abs(a - b) <= 1e-6 * abs(b) for a, b in zip(x.ravel().tolist(), said["values"]))
PY
    done
}

@test "a store with an adapter: what did not move is the base's" {
    python - << 'PY'
import numpy, ptd
with ptd.Store("lora.ptd") as s:
    base, now = s.tensors(0), s.tensors()
    moved = [n for n in now if not numpy.array_equal(now[n], base[n])]
    assert moved and all("lora" in n for n in moved), moved[:3]
    assert base.keys() == now.keys()
    name = next(n for n in base if "lora" not in n)
    assert (s.tensor(name) == base[name]).all()
PY
}

@test "metrics: arrays by name, the later lines where a run began anew" {
    { echo '{"step":1,"a":1}'; echo '{"step":2,"a":null,"b":3}'; echo '{"step":2,"val/c":5}'; echo '{"step":3,"a":9}'; echo '{"step":2,"a":4}'; printf '{"st'; } > m.jsonl
    [ "$(python -c 'import ptd; m = ptd.metrics("m.jsonl"); print(*[f"{k}{v.tolist()}" for k, v in m.items()])')" = "step[1, 2] a[1, 4]" ]
    [ "$(python -c 'import ptd; print(*ptd.metrics("metrics.jsonl")["step"])')" = "1 2 3" ]
}

@test "what cannot be read is named" {
    echo '{"step":1,"a":1}' > bad.jsonl
    for line in 'no json' '[1]' '{"a":1}' '{"step":"x"}' ''; do
        { head -n 1 bad.jsonl; echo "$line"; } > worse.jsonl
        [ "$(python -c 'import ptd
try: ptd.metrics("worse.jsonl")
except ptd.Damaged as e: print(e)')" = "worse.jsonl:2: expected a JSON object with a step" ]
    done
    python - << 'PY'
import ptd
def words(f):
    try:
        f()
    except (KeyError, ptd.Damaged) as e:
        return str(e.args[0])
with open("long.jsonl", "w") as f:
    f.write('{"step":1,"a":1}\n' * 9)
assert words(lambda: list(ptd.groups("long.jsonl"))) == "long.jsonl: not a ptd stream"
with ptd.Store("run.ptd") as s:
    name = next(iter(s.tensors()))
    assert words(lambda: s.tensor("nothing")) == f"no tensor nothing in generation {s.head}"
    assert words(lambda: s.tensor(name, 77)) == f"generation 77 is not kept, there are {s.generations}"
PY
}
