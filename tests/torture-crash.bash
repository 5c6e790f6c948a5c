# What the torture of crash and resume shares: a model of 29 thousand numbers and its run step by
# step, comparing whole stores, TAP. The programs are under $PTD_BIN, the tools under $PTD_BUILD.
# Everything happens in a folder of its own.
set -u
built=$(cd "$PTD_BUILD" && pwd)
PATH=$(cd "$PTD_BIN" && pwd):$built:$PATH
export OPENBLAS_NUM_THREADS=1 # every thread is then one of ours
unset PTD_STORE_MAX
sources=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap '[ $BASHPID != $$ ] || rm -rf "$work"' EXIT # not in a subshell that a signal ends before it forgets this trap
cd "$work" || exit
full() { [ "${PTD_TORTURE:-quick}" = full ]; }
pick() { if full; then echo "$2"; else echo "$1"; fi; } # QUICK FULL

# TAP: blame notes what went wrong, report closes what was tried.
reported=0 blamed=0
blame() {
    blamed=$((blamed + 1))
    [ $blamed -gt 20 ] || echo "# $*"
}
report() {
    reported=$((reported + 1))
    [ $blamed = 0 ] && echo "ok $reported - $*" || echo "not ok $reported - $*; $blamed failed"
    blamed=0
}

# For what everything else builds on.
must() {
    "$@" && return
    echo "not ok - $*"
    exit 1
}

# A smaller tiny model that has learned five questions by heart for a moment: some answers are
# right, some wrong.
small_model() { # QUESTIONS
    cp -r "$sources/lib/builtin/tiny" small
    jq '.text_config += {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 1, head_dim: 8, intermediate_size: 16}
        | .text_config.rope_scaling.mrope_section = [2, 1, 1]
        | .vision_config += {depth: 1, hidden_size: 16, num_heads: 2, intermediate_size: 16, out_hidden_size: 16, deepstack_visual_indexes: []}' \
        "$sources/lib/builtin/tiny/config.json" > small/config.json
    ptd-data digits -q train.jsonl -n "$1" -k nbr
    ptd-init -q warm.ptd --config small --tokenizer small/tokenizer.json
    ptd-gold -q -s warm.ptd -P 5 -n 60 train.jsonl | ptd-hint -q --always --share 0.5 | ptd-update -q --loss sft --lr 1e-2 > warm.jsonl
    must ptd-init -q base.ptd --from-store warm.ptd
}

# The five programs up to and with ptd-ref: STORE STEPS. Three prompts a step: steps cross epochs of
# five questions.
scored() { ptd-rollout -q -s "$1" -P 3 -G 4 -m 12 -n "$2" train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q; }
update=(ptd-update -q --lr 1e-3)

# Everything that is trained in a store, as text with a digest of every number, and what ptd-ref has
# put beside it; neither if not all of it is whole.
contents() { ptd-dump --check "$1" > /dev/null && ptd-dump "$1" | grep -v '"kind":"dist"'; }
cached() { ptd-dump "$1" | grep '"kind":"dist"'; }

# A new store NAME that begins where the uninterrupted run does.
fresh() { rm -rf "$1" && cp -r base.ptd "$1"; }

# The uninterrupted run of STEPS steps: what the store holds after each step in DIR/0 DIR/1 ..., the
# cache in DIR/0.cached ..., and the streams that go on from there in DIR/0.rec ...
uninterrupted() {
    local dir=$1 steps=$2 k
    mkdir "$dir"
    for ((k = steps; k >= 0; k--)); do
        fresh run.ptd
        scored run.ptd "$k" | "${update[@]}" > /dev/null
        must contents run.ptd > "$dir/$k"
        cached run.ptd > "$dir/$k.cached"
        scored run.ptd "$steps" | tee "$dir/$k.rec" | "${update[@]}" > /dev/null
        must ptd-dump --check "$dir/$k.rec" > checked
        contents run.ptd | cmp -s - "$dir/$steps" || blame "stopped at step $k and resumed: other bits"
    done
    [ -s "$dir/$steps.cached" ] || blame "the cache is empty: comparing it tests nothing"
}

# Which of the files DIR/0SUFFIX DIR/1SUFFIX ... equals standard input: its number; fails if none
# does.
which_of() {
    local k
    cat > found
    for ((k = 0; ; k++)); do
        [ -e "$1/$k${2:-}" ] || return
        cmp -s found "$1/$k${2:-}" && echo $k && return
    done
}
# The step after which the uninterrupted run in DIR held exactly what STORE holds.
step_of() { contents "$1" 2> said | which_of "$2"; }

milliseconds() { echo $((${EPOCHREALTIME/./} / 1000)); }

# How long a run of $steps steps takes: $pace milliseconds.
measure() {
    local started
    fresh timed.ptd
    started=$(milliseconds)
    scored timed.ptd "$steps" | "${update[@]}" > /dev/null
    pace=$(($(milliseconds) - started))
}

# "COUNT NAME" for each system call of COMMAND; threads count apart.
calls_of() {
    strace -f -qq -o trace "$@" > /dev/null 2>&1
    awk '$2 ~ /^[a-z]/ { sub(/\(.*/, "", $2); n = ++seen[$1, $2]; if (n > most[$2]) most[$2] = n }
         END { for (name in most) print most[name], name }' trace | sort -k 2
}
