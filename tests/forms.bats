#!/usr/bin/env bats
# Forms of the optimizer: any run in bfloat16, with short moments or without a whole gradient learns
# as float32 does, and is resumed to the same bits.
load lib

SFT=(--loss sft --lr 4e-3 --micro 4096)
FORMS=("--moments 8bit" "--master split" "--master none" "--apply layer"
    "--moments 8bit --master split --apply layer" "--master none --train text")

setup_file() {
    cd "$WORK" || return
    ptd-data digits -q train.jsonl -n 8 -k nbr
    ptd-init -q short.ptd --dtype bf16
    ptd-init -q long.ptd
}

setup() { cd "$WORK"; }

# The answers themselves: STORE STEPS [OPTIONS OF UPDATE...]
taught() {
    local store=$1 steps=$2
    shift 2
    ptd-gold -q -s "$store" -P 8 -n "$steps" train.jsonl | ptd-hint -q --always --share 0.5 | ptd-update -q "${SFT[@]}" "$@"
}

anew() { rm -rf "$1" && cp -r short.ptd "$1"; }

# Until FILE has at least N lines.
until_lines() {
    for _ in $(seq 1500); do
        [ "$(wc -l < "$1")" -lt "$2" ] || return 0
        sleep 0.02
    done
    return 1
}

last_loss() { tail -n 1 "$1" | jq '."actor/loss"'; }

@test "each form learns as float32 does" {
    anew f32.ptd
    taught f32.ptd 24 > f32.jsonl
    mark=$(last_loss f32.jsonl)
    jq -e -n "$mark < 1.5"
    for form in "${FORMS[@]:1:4}"; do
        anew form.ptd
        taught form.ptd 24 $form > form.jsonl
        echo "$form: $(last_loss form.jsonl), float32 $mark"
        jq -e -n "$(last_loss form.jsonl) < $mark * 1.1 + 0.05"
    done
}

@test "gradients applied by layer move the weights as a whole gradient does" {
    anew whole.ptd
    anew layer.ptd
    taught whole.ptd 4 --clip-grad 0 > whole.jsonl
    taught layer.ptd 4 --clip-grad 0 --apply layer > layer.jsonl
    [ "$(bits whole.ptd)" = "$(bits layer.ptd)" ]
}

# The first backward pass only measures.
@test "so they do where the norm is clipped" {
    for clip in 1 1000; do
        anew whole.ptd
        anew layer.ptd
        taught whole.ptd 3 --clip-grad $clip --master split --moments 8bit > whole.jsonl
        taught layer.ptd 3 --clip-grad $clip --master split --moments 8bit --apply layer > layer.jsonl
        [ "$(bits whole.ptd)" = "$(bits layer.ptd)" ]
        [ "$(jq '."actor/loss"' whole.jsonl)" = "$(jq '."actor/loss"' layer.jsonl)" ]
    done
}

# FOLDER, whose layer 0 gives what it gave, and gradients of its v_proj beyond what float32 holds:
# those above it have moved by then.
overflowing() {
    python3 - "$1/model.safetensors" <<'PY'
import array, json, struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
n = struct.unpack("<Q", data[:8])[0]
head = json.loads(data[8:8 + n])
scales = {"input_layernorm": 1e37, "self_attn.q_proj": 1e-37, "self_attn.k_proj": 1e-37,
          "self_attn.v_proj": 0, "self_attn.o_proj": 1e6}
for name, scale in scales.items():
    a, b = (8 + n + o for o in head[f"model.language_model.layers.0.{name}.weight"]["data_offsets"])
    data[a:b] = array.array("f", [x * scale for x in array.array("f", bytes(data[a:b]))]).tobytes()
open(sys.argv[1], "wb").write(data)
PY
}

@test "what is not finite is refused as a whole gradient is, whatever has moved by then" {
    ptd-export -q long.ptd over
    overflowing over
    ptd-init -q over.ptd --from over
    ptd-gold -q -s over.ptd -P 8 -n 5 train.jsonl | ptd-hint -q --always --share 0.5 > over.rec
    for apply in whole "layer --moments 8bit" layer "layer --clip-grad 1" "layer --publish-every 9"; do
        rm -rf refused.ptd
        cp -r over.ptd refused.ptd
        run --separate-stderr ptd-update -q -s refused.ptd --clip-grad 0 "${SFT[@]}" --apply $apply over.rec
        echo "$apply: $status $stderr"
        [ "$status" = 79 ]
        [ "${#stderr_lines[@]}" = 4 ]
        [[ "${stderr_lines[3]}" == "ptd-update: 3 refused steps in a row; the last good weights are those of generation "[03] ]]
        [ "$(head_of refused.ptd)" = 3 ]
        [ "$(ptd-dump refused.ptd | jq -r 'select(.kind == "weights").xxh3' | sort -u | wc -l)" = 1 ]
    done
}

@test "an update that is no one micro-batch cannot be applied by layer" {
    anew many.ptd
    ptd-gold -q -s many.ptd -P 8 -n 1 train.jsonl > one.rec
    fails 78 '*one micro-batch*expected a larger --micro*' \
        ptd-update -q --loss sft --apply layer --micro 10 one.rec
    [ "$(head_of many.ptd)" = 0 ]
}

@test "killed in any form, resumed to the same bits" {
    for form in "${FORMS[@]}" "--master split --moments 8bit --publish-every 2"; do
        anew whole.ptd
        anew torn.ptd
        taught whole.ptd 12 $form > whole.jsonl
        for told in 1 3; do
            : > torn.jsonl
            taught torn.ptd 12 $form > torn.jsonl 3>&- &
            until_lines torn.jsonl $((told / 2 + 1))
            kill -9 "$(cut -d' ' -f2 torn.ptd/lock)"
            wait || true
            run -0 ptd-dump --check torn.ptd
            [ "$(head_of torn.ptd)" -ge "$told" ]
            [ "$(head_of torn.ptd)" -lt 12 ]
        done
        taught torn.ptd 12 $form > torn.jsonl
        echo "$form"
        [ "$(bits torn.ptd)" = "$(bits whole.ptd)" ]
    done
}

@test "steps between publications are sampled from weights in bfloat16" {
    anew live.ptd
    anew each.ptd
    pipeline live.ptd 5 --master none --publish-every 3 > live.jsonl
    pipeline each.ptd 5 --master none > each.jsonl
    [ "$(timeless live.jsonl)" = "$(timeless each.jsonl)" ]
    [ "$(bits live.ptd)" = "$(bits each.ptd)" ]
}

@test "a form that does not fit the run is refused" {
    fails 78 "ptd-update: long.ptd: --master split trains weights in bfloat16, and generation 0 holds * others: expected a store made with --dtype bf16" \
        bash -c "ptd-gold -q -s long.ptd -P 8 -n 1 train.jsonl | ptd-hint -q --always | ptd-update -q --loss sft --master split"
    fails 2 "ptd-update: --moments \"4bit\": expected *" ptd-update --moments 4bit /dev/null
    fails 2 "ptd-update: --master \"half\": expected *" ptd-update --master half /dev/null
    fails 2 "ptd-update: --apply \"rows\": expected whole or layer*" ptd-update --apply rows /dev/null
    anew other.ptd
    taught other.ptd 2 --moments 8bit > other.jsonl
    ptd-gold -q -s other.ptd -P 8 -n 3 train.jsonl | ptd-hint -q --always --share 0.5 > rest.rec
    fails 78 "*resuming at step 2 would not be exact: --moments was*" ptd-update -q "${SFT[@]}" rest.rec
}
# Of a split master: the float32 numbers whose nearest bfloat16 are those of the store.
@test "ptd-export writes the exact master as f32, and as bf16 what the network computes with" {
    rm -rf exact.ptd out32 out16
    anew exact.ptd
    taught exact.ptd 3 --master split > /dev/null
    ptd-export -q exact.ptd out32 --dtype f32
    ptd-export -q exact.ptd out16 --dtype bf16
    python3 - <<'PY'
import json, struct
def tensors(folder):
    data = open(folder + "/model.safetensors", "rb").read()
    n = struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8:8 + n])
    return {k: (v["dtype"], data[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]])
            for k, v in head.items() if k != "__metadata__"}
a, b = tensors("out32"), tensors("out16")
below = 0
for k, (dtype, raw) in a.items():
    assert dtype == "F32" and b[k][0] == "BF16", (k, dtype)
    if len(raw) < 4096: continue
    full = struct.unpack("<%dI" % (len(raw) // 4), raw)
    short = struct.unpack("<%dH" % (len(raw) // 4), b[k][1])
    if "pos_embed" in k: continue
    for x, y in zip(full, short):
        assert (x + 0x8000) >> 16 == y, (k, hex(x), hex(y))
        below += x & 0xffff != 0
assert below > 10000, below
PY
}

# Exactly: f32 from split and split from f32; moments as a step would round them.
@test "a run may go on in other forms, if its resume need not be exact" {
    anew begun.ptd
    taught begun.ptd 3 > begun.jsonl
    anew split.ptd
    taught split.ptd 3 --master split --moments 8bit > split.jsonl
    for change in "begun --moments 8bit" "begun --master split" "begun --master none --moments 8bit" \
        "split --moments 8bit" "split --master split" "split" "split --master none"; do
        from=${change%% *}
        form=${change#"$from"}
        rm -rf other.ptd
        cp -r $from.ptd other.ptd
        run ! taught other.ptd 8 $form
        [ "$(head_of other.ptd)" = 3 ]
        taught other.ptd 8 $form --resume-anyway > other.jsonl 2> other.err
        echo "$change: $(cat other.err) $(last_loss other.jsonl)"
        grep -q 'resuming although' other.err
        [ "$(head_of other.ptd)" = 8 ]
        jq -e -n "$(last_loss other.jsonl) < $(last_loss $from.jsonl)"
        run -0 ptd-dump --check other.ptd
        # from now on it is one of that form
        taught other.ptd 9 $form > more.jsonl
        [ "$(head_of other.ptd)" = 9 ]
    done
}

# The folders' tensors, whatever their order.
same_tensors() {
    python3 - "$@" <<'PY'
import json, struct, sys
def tensors(folder):
    data = open(folder + "/model.safetensors", "rb").read()
    n = struct.unpack("<Q", data[:8])[0]
    return {k: (v["dtype"], data[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]])
            for k, v in json.loads(data[8:8 + n]).items() if k != "__metadata__"}
assert tensors(sys.argv[1]) == tensors(sys.argv[2])
PY
}

@test "a split master's exact weights outlive the change of form, and a new store" {
    anew exact.ptd
    taught exact.ptd 3 --master split --clip-grad 0 > /dev/null
    rm -rf out now next copy
    ptd-export -q exact.ptd out --dtype f32
    # a step of no size: what is published is what was read
    taught exact.ptd 4 --lr 0 --weight-decay 0 --clip-grad 0 --resume-anyway > /dev/null 2>&1
    ptd-export -q exact.ptd now --dtype f32
    same_tensors out now
    taught exact.ptd 5 --lr 0 --weight-decay 0 --clip-grad 0 --master split --resume-anyway > /dev/null 2>&1
    ptd-export -q exact.ptd next --dtype f32
    same_tensors out next
    rm -rf new.ptd short.new.ptd
    run -0 --separate-stderr ptd-init new.ptd --from-store exact.ptd --dtype f32
    [[ "$stderr" == "ptd-init: new.ptd: "*" bytes, f32, from exact.ptd generation 5" ]]
    ptd-export -q new.ptd copy
    same_tensors out copy
    run -0 --separate-stderr ptd-init short.new.ptd --from-store exact.ptd
    [[ "$stderr" == "ptd-init: short.new.ptd: "*" bytes, bf16"*", from exact.ptd generation 5" ]]
}
