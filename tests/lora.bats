#!/usr/bin/env bats
# Adapters: a run of the five programs that trains one, what it publishes, killed and resumed; what
# is trained by name; PEFT folders out and in.
load lib.bash

setup_file() {
    small_run
    ptd-init -q first.ptd --from-store warm.ptd --lora rank=4,alpha=8 --seed 3
}
setup() { cd "$WORK" || return; }

# A new run with an adapter.
begin() { rm -rf "$1" && cp -r first.ptd "$1"; }
# Digest and number of tensors of generation N of STORE.
generation() { ptd-dump "$1" | jq -c "select(.kind == \"weights\" and .generation == $2) | [.xxh3, .entries]"; }

@test "a run trains the adapter alone, and what is sampled is what is trained" {
    begin run.ptd
    before=$(generation run.ptd 0)
    pipeline run.ptd 3 > run.jsonl
    [ "$(generation run.ptd 0)" = "$before" ]
    [ "$(generation run.ptd 3 | jq '.[1]')" = 56 ]
    run ! [ "$(generation run.ptd 3)" = "$(generation run.ptd 2)" ]
    run -0 jq -se 'length == 3 and all(.["actor/ppo_kl"] | fabs < 1e-5) and all(.["actor/grad_norm"] > 0)' run.jsonl
    run -0 ptd-dump --check run.ptd
    # weights, m and v of a step are a small part of the model
    [ "$(ptd-dump run.ptd | jq -s 'map(select((.kind == "weights" and .head) or .kind == "optim").bytes) | add')" -lt 600000 ]
}

@test "killed at some moment, it resumes to the same bits" {
    begin whole.ptd
    pipeline whole.ptd 8 > whole.jsonl
    begin hit.ptd
    : > hit.jsonl
    for steps in 2 5; do
        pipeline hit.ptd 8 >> hit.jsonl 2> hit.err &
        for _ in $(seq 500); do
            [ "$(wc -l < hit.jsonl)" -lt "$steps" ] || break
            sleep 0.02
        done
        pkill -9 -P $! ptd-update || true
        wait $! || true
    done
    pipeline hit.ptd 8 >> hit.jsonl
    [ "$(bits hit.ptd)" = "$(bits whole.ptd)" ]
}

@test "the reference is the base, whatever the adapter has become" {
    begin ref.ptd
    pipeline ref.ptd 2 > /dev/null
    ptd-rollout -q -s ref.ptd -g latest -P 4 -G 2 -m 8 train.jsonl | ptd-verify -q | ptd-hint -q > some.rec
    ptd-ref -q -s ref.ptd < some.rec > with.rec
    rm -rf base.ptd
    ptd-init -q base.ptd --from-store warm.ptd
    ptd-ref -q -s base.ptd --no-cache < some.rec > without.rec
    for f in with without; do
        ptd-dump --full $f.rec | jq -c 'select(.rollouts) | [.rollouts[] | .ref_logp, .teacher_logp]' > $f.txt
        [ -s $f.txt ]
    done
    grep -q '[0-9]' with.txt
    cmp with.txt without.txt
}

@test "what is trained is chosen by name, and stays" {
    rm -rf text.ptd
    ptd-init -q text.ptd --from-store warm.ptd
    pipeline text.ptd 2 --train text > text.jsonl
    [ "$(generation text.ptd 1 | jq '.[1]')" -lt "$(generation text.ptd 0 | jq '.[1]')" ]
    run -0 jq -se 'length == 2 and all(.["actor/ppo_kl"] | fabs < 1e-5)' text.jsonl
    rm -rf some.ptd
    ptd-init -q some.ptd --from-store warm.ptd
    pipeline some.ptd 1 --train 'model\.language_model\..*norm.*' > /dev/null
    [ "$(generation some.ptd 1 | jq '.[1]')" -gt 8 ]
    run -0 ptd-dump --check some.ptd
    # a clone of a generation that holds a part is a whole model
    ptd-init -q clone.ptd --from-store some.ptd
    [ "$(generation clone.ptd 0 | jq '.[1]')" = "$(generation some.ptd 0 | jq '.[1]')" ]
}

# q without k and v, up without gate: each is a part of one product.
@test "a part of a product is trained alone, as it is beside the rest" {
    for name in q_proj k_proj v_proj 'q_proj|.*v_proj' up_proj gate_proj; do
        rm -rf part.ptd all.ptd part all begun
        ptd-init -q part.ptd --from-store warm.ptd
        ptd-init -q all.ptd --from-store warm.ptd
        pipeline part.ptd 1 --clip-grad 0 --train ".*($name).*" > part.jsonl
        pipeline all.ptd 1 --clip-grad 0 > all.jsonl
        run -0 ptd-dump --check part.ptd
        ptd-export -q part.ptd part
        ptd-export -q all.ptd all
        ptd-export -q all.ptd begun -g 0
        python3 - "$name" <<'PY'
import array, json, re, struct, sys
def tensors(folder):
    data = open(folder + "/model.safetensors", "rb").read()
    n = struct.unpack("<Q", data[:8])[0]
    return {k: array.array("f", data[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]])
            for k, v in json.loads(data[8:8 + n]).items() if k != "__metadata__"}
part, every, begun = tensors("part"), tensors("all"), tensors("begun")
for k in part:
    if not re.fullmatch(".*(" + sys.argv[1] + ").*", k):
        assert part[k] == begun[k], k
        continue
    assert part[k] != begun[k], k
    assert max(abs(a - b) for a, b in zip(part[k], every[k])) < 1e-5, k
PY
        # and goes on: what is sampled is what is trained
        pipeline part.ptd 3 --clip-grad 0 --train ".*($name).*" >> part.jsonl
        run -0 jq -se 'length == 3 and all(.["actor/ppo_kl"] | fabs < 1e-5)' part.jsonl
    done
}

@test "so it is where the store is in bfloat16, whatever the master" {
    rm -rf half.ptd
    ptd-init -q half.ptd --from-store warm.ptd --dtype bf16
    for form in "" "--master split" "--master none --apply layer --micro 4096"; do
        rm -rf part.ptd
        cp -r half.ptd part.ptd
        pipeline part.ptd 3 --train '.*(q_proj|up_proj).*' $form > part.jsonl
        run -0 ptd-dump --check part.ptd
        echo "$form" "$(jq -c '[."actor/ppo_kl", ."actor/grad_norm"]' part.jsonl | tr '\n' ' ')"
        run -0 jq -se 'length == 3 and all(.["actor/ppo_kl"] | fabs < 1e-4) and all(.["actor/grad_norm"] > 0)' part.jsonl
    done
}

@test "whatever a store with an adapter trains, generations between publications are seen" {
    for what in text all '.*lora.*|.*[qk]_proj.*'; do
        begin each.ptd
        begin seldom.ptd
        pipeline each.ptd 5 --train "$what" > each.jsonl
        pipeline seldom.ptd 5 --train "$what" --publish-every 3 > seldom.jsonl
        echo "$what"
        [ "$(timeless seldom.jsonl)" = "$(timeless each.jsonl)" ]
        [ "$(bits seldom.ptd)" = "$(bits each.ptd)" ]
    done
}

@test "other parameters than before, an adapter that is not there, are refused" {
    begin other.ptd
    ptd-rollout -q -s other.ptd -P 4 -G 2 -m 8 -n 1 train.jsonl | ptd-verify -q | ptd-ref -q | tee one.rec | ptd-update -q > /dev/null
    fails 78 '*--train all would train*' ptd-update -q --train all one.rec
    fails 78 '*--train lora: the store has no adapter*' ptd-update -q -s warm.ptd --train lora one.rec
    fails 2 '*matches no parameter*' ptd-update -q -s other.ptd --train 'nothing.*' one.rec
    fails 2 '*expected lora, text, all or a regular expression*' ptd-update -q -s other.ptd --train '(' one.rec
    fails 2 '*"q_prj" is the name of no matrix*' ptd-init no.ptd --lora targets=q_prj
    fails 2 '*DoRA is not implemented*' ptd-init no.ptd --lora dora
    fails 2 '*expected one of --lora and --adapter*' ptd-init no.ptd --lora rank=2 --adapter x
    fails 78 '*has an adapter already*' ptd-init no.ptd --from-store first.ptd --lora rank=2
    fails 78 '*has no adapter that could be merged*' ptd-export warm.ptd no --merge
    [ ! -e no.ptd ]
    [ ! -e no ]
}

@test "a PEFT folder goes out and in again, bit for bit, and a merged one is a whole model" {
    begin peft.ptd
    pipeline peft.ptd 2 > /dev/null
    rm -rf adapter merged back.ptd whole.ptd base
    ptd-export -q peft.ptd adapter
    [ "$(ls adapter | tr '\n' ' ')" = "adapter_config.json adapter_model.safetensors " ]
    run -0 jq -e '.peft_type == "LORA" and .r == 4 and .lora_alpha == 8' adapter/adapter_config.json
    ptd-export -q warm.ptd base
    ptd-init -q back.ptd --from base --adapter adapter
    ptd-init -q now.ptd --from-store peft.ptd
    [ "$(generation back.ptd 0)" = "$(generation now.ptd 0)" ]
    ptd-export -q back.ptd again
    cmp adapter/adapter_model.safetensors again/adapter_model.safetensors
    ptd-export -q peft.ptd merged --merge
    ptd-init -q whole.ptd --from merged
    run ! [ "$(generation whole.ptd 0)" = "$(generation warm.ptd 0)" ]
    for s in whole now; do
        ptd-rollout -q -s $s.ptd -g 0 -G 1 -m 8 train.jsonl | ptd-dump - | jq -c 'select(.rollouts) | .rollouts[].text' > $s.txt
    done
    cmp whole.txt now.txt
}

@test "damaged and foreign PEFT folders are refused by name" {
    rm -rf bad
    cp -r "$BATS_TEST_DIRNAME/vectors/lora/names" bad
    fails 65 '*shape*expected*' ptd-init no.ptd --config tiny --adapter bad
    truncate -s 3000 bad/adapter_model.safetensors
    fails 65 '*bad/adapter_model.safetensors*' ptd-init no.ptd --config tiny --adapter bad
    jq '.use_dora = true' "$BATS_TEST_DIRNAME/vectors/lora/names/adapter_config.json" > bad/adapter_config.json
    fails 78 '*DoRA is not implemented*' ptd-init no.ptd --config tiny --adapter bad
    rm bad/adapter_config.json
    fails 66 '*bad/adapter_config.json*' ptd-init no.ptd --config tiny --adapter bad
    [ ! -e no.ptd ]
}

@test "pictures of the frozen tower are made once for the pipe, to the same bits, and leave nothing" {
    mkdir -p shelf
    begin kept.ptd
    PTD_SHM=$PWD/shelf pipeline kept.ptd 2 > /dev/null
    [ -z "$(ls shelf | grep -v "^ptd-board-")" ]
    begin made.ptd
    PTD_ROWS_MAX=0 PTD_SHM=$PWD/shelf pipeline made.ptd 2 > /dev/null
    [ "$(generation kept.ptd 2)" = "$(generation made.ptd 2)" ]
    # somebody who stays finds what others made
    mkdir -m 700 "shelf/ptd-rows-$(id -u)"
    flock -s "shelf/ptd-rows-$(id -u)/lock" sleep 30 &
    PTD_SHM=$PWD/shelf ptd-rollout -q -s kept.ptd -g 1 -G 1 -m 4 train.jsonl > first.rec
    [ "$(find shelf -name '*x*' | wc -l)" -gt 0 ]
    PTD_SHM=$PWD/shelf ptd-rollout -q -s kept.ptd -g 1 -G 1 -m 4 train.jsonl > second.rec
    kill %1
    cmp <(ptd-dump first.rec | jq -c '.rollouts') <(ptd-dump second.rec | jq -c '.rollouts')
    fails 78 '*PTD_ROWS_MAX: found "some"*' env PTD_ROWS_MAX=some ptd-rollout -s kept.ptd -g 1 -m 4 train.jsonl
    fails 78 '*PTD_SHM: found "train.jsonl", expected a folder' env PTD_SHM=train.jsonl ptd-rollout -s kept.ptd -g 1 -m 4 train.jsonl
    fails 78 '*PTD_PREFAULT: found "7", expected 0 or 1' env PTD_PREFAULT=7 ptd-rollout -s kept.ptd -g 1 -m 4 train.jsonl
    fails 78 '*PTD_PREFAULT: found "7", expected 0 or 1' env PTD_PREFAULT=7 ptd-dump kept.ptd
}
