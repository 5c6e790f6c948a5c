#!/bin/bash
# Puts NaN, Inf, -Inf and what overflows into every input of the update: stream, weights, moments,
# counters, options. No number that is not finite is ever published; a step is refused with its
# record, a damaged field is named, what the loss does not read changes no bit.
# shellcheck source=tests/torture-crash.bash
. "$(dirname "$0")/torture-crash.bash"
norm=model.language_model.norm.weight

weights_of() { ptd-dump "$1" | jq -r 'select(.kind == "weights").xxh3' | sort -u | wc -l; } # how many different ones
head_of() { ptd-dump "$1" | jq 'select(.name == "head").value'; }

# What the run of three steps holds at its end with OPTIONS, nothing edited; made once.
clean() {
    local name="clean.$*"
    if ! [ -e "$name" ]; then
        fresh good.ptd
        "${update[@]}" -s good.ptd "$@" run/0.rec > /dev/null
        contents good.ptd > "$name"
    fi
    cat "$name"
}

# After ptd-update on hit.ptd; its status is $status, its words are in said.
check() { # EXPECTED WHAT OPTIONS...
    local expected=$1 what=$2
    shift 2
    tried=$((tried + 1))
    [ "$(torture-crash-store hit.ptd)" = "${injected:-0}" ] || blame "$what: numbers that are not finite were published"
    case $expected.$status in
    refused.79) # three steps in a row
        [ "$(grep -c 'is not finite, first in record "nbr-00000.*"; step refused, weights unchanged$' said)" = 3 ] || blame "$what: $(cat said)"
        [[ "$(tail -n 1 said)" = *": 3 refused steps in a row; the last good weights are those of generation 0" ]] || blame "$what: $(cat said)"
        [ "$(weights_of hit.ptd)" = 1 ] || blame "$what: a refused step changed the weights"
        ;;
    kept.79) # nothing is published
        [[ "$(tail -n 1 said)" = "ptd-update: "@(weights|moments)" of generation "*" are not finite; not published" ]] || blame "$what: $(cat said)"
        [ "$(head_of hit.ptd)" = "$start" ] || blame "$what: a generation was published"
        ;;
    malformed.65)
        [ "$(wc -l < said)" = 1 ] || blame "$what: $(cat said)"
        contents hit.ptd | cmp -s - run/0 || blame "$what: the store is no longer what it was"
        ;;
    ignored.0) contents hit.ptd | cmp -s - <(clean "$@") || blame "$what: other bits" ;;
    finite.0) ;;
    *) blame "$what: status $status, expected to be $expected: $(cat said)" ;;
    esac
}

# ---- the stream ----

poison() { # FIELD EXPECTED VALUES OPTIONS...
    local field=$1 expected=$2 values=$3 value
    shift 3
    for value in $values; do
        fresh hit.ptd
        torture-crash-stream "$field" "$value" < "${from:-run/0.rec}" > bad.rec || blame "$field: not there"
        "${update[@]}" -s hit.ptd "$@" bad.rec > /dev/null 2> said
        status=$?
        check "$expected" "$field $value $*" "$@"
    done
}

poison_streams() {
    local all='nan inf -inf 1e39' above='inf 1e39' # above: no log-prob can be
    poison advantage refused 'nan inf -inf 1e308'
    poison advantage kept 1e30 --clip-grad 0 # the square overflows
    poison reward malformed "$all"
    poison accuracy malformed "$all"
    poison format malformed "$all"
    poison group_accuracy malformed "$all"
    poison temperature malformed "$all 0 1e-9"
    poison logp refused 'nan -inf'
    poison ref_logp refused 'nan -inf' --tau 0
    poison ref_logp ignored 'nan -inf' # of a group that has no such term
    poison ref_logp ignored 'nan -inf' --tau 0 --beta 0
    for kind in $(pick jsd 'jsd forward reverse'); do
        poison teacher_logp refused nan --divergence "$kind"
        poison teacher_on_top refused nan --divergence "$kind"
        poison teacher_logp finite -inf --divergence "$kind" # a probability of zero
        poison teacher_on_top finite -inf --divergence "$kind"
    done
    poison teacher_logp ignored 'nan -inf' --tau 0
    poison teacher_on_top ignored 'nan -inf' --tau 0
    for field in logp ref_logp teacher_logp teacher_on_top teacher_on_ids; do poison $field malformed "$above"; done
    poison teacher_on_ids refused 'nan -inf' --divergence sampled
    poison teacher_on_ids refused 'nan -inf' --tutor-as advantage
    poison teacher_on_ids ignored 'nan -inf'
    local from=rows.rec
    ptd-ref -q -s base.ptd --no-cache -k full --mask-picture 0.5 < run/0.rec > rows.rec
    poison teacher_rows refused "$all"
    poison masked_logp refused 'nan -inf' --masked-kl 0.1
    poison masked_logp malformed "$above"
}

one_bad_step() {
    fresh hit.ptd
    torture-crash-stream advantage nan once < run/0.rec > bad.rec
    "${update[@]}" -s hit.ptd bad.rec > lines 2> said || blame "one bad step ended the run: $(cat said)"
    [ "$(jq -c '."actor/refused_updates"' lines | tr '\n' ' ')" = '1 0 0 ' ] || blame "not one of three steps was refused: $(cat said)"
    [ "$(ptd-dump hit.ptd | jq -c 'select(.name == "run").value | [.updates, .bad_in_row]')" = '[2,0]' ] || blame "the counters are wrong"
    [ "$(weights_of hit.ptd)" = 3 ] || blame "the refused step changed the weights, or the others did not"
}

# ---- the store, after one step ----

poison_number() { # EXPECTED KIND TENSOR VALUES
    local value
    for value in $4; do
        rm -rf hit.ptd
        cp -r one.ptd hit.ptd
        torture-crash-store hit.ptd "$2" "$3" 0 "$value"
        injected=$(torture-crash-store hit.ptd)
        "${update[@]}" -s hit.ptd run/1.rec > /dev/null 2> said
        status=$?
        [ $status = 79 ] || injected=0 # by then the moments are others
        check "$1" "$2 of $3: $value"
    done
    injected=0
}

poison_counter() { # EXPECTED COUNTER VALUES
    local value
    for value in $3; do
        rm -rf hit.ptd
        cp -r one.ptd hit.ptd
        torture-crash-store hit.ptd "$2" "$value"
        "${update[@]}" -s hit.ptd run/1.rec > /dev/null 2> said
        status=$?
        check "$1" "$2 $value"
    done
}

poison_stores() {
    local tensor
    start=1
    fresh one.ptd
    scored one.ptd 1 | "${update[@]}" > /dev/null
    for tensor in $norm $(pick '' 'model.language_model.embed_tokens.weight model.visual.patch_embed.proj.weight'); do
        poison_number kept weights "$tensor" 'nan inf -inf'
        poison_number kept m "$tensor" 'nan inf -inf'
        poison_number kept v "$tensor" 'nan inf -inf -1'
    done
    poison_counter kept updates '-1 -5'
}

# From the first program on, with such a number in the weights that it begins with.
poison_base() {
    local value
    start=0
    for value in nan inf -inf; do
        # put into a generation that was trained, of which a new run then makes its base
        rm -rf seed.ptd hit.ptd
        cp -r one.ptd seed.ptd
        torture-crash-store seed.ptd weights $norm 0 $value
        ptd-init -q hit.ptd --from-store seed.ptd
        scored hit.ptd 3 2> others | "${update[@]}" > /dev/null 2> said
        status=$?
        check kept "base weights: $value"
    done
}

poison_options() {
    local option value
    for option in $(ptd-update --help | sed -n 's/^ *\(--[a-z0-9-]*\) X .*/\1/p;s/^ *\(--[a-z0-9-]*\) T .*/\1/p'); do
        for value in $(pick nan 'nan inf -inf 1e999'); do
            tried=$((tried + 1))
            ptd-update "$option=$value" run/0.rec > /dev/null 2> said
            [[ $?.$(wc -l < said) = 2.1 ]] || blame "$option=$value: $(cat said)"
        done
    done
}

tell() { report "$1: $tried values, none published"; tried=0; }

export PTD_THREADS=1
tried=0 injected=0 start=0
small_model 5
uninterrupted run 3
poison_streams
tell 'NaN, Inf, -Inf, overflow in every number that the update reads of a stream'
one_bad_step
report 'one bad step of three is refused and counted, the others train'
poison_stores
tell 'NaN, Inf, -Inf, overflow in weights, moments and counters of a run'
poison_base
tell 'NaN, Inf, -Inf in the weights that a whole pipeline begins with'
poison_options
tell 'NaN, Inf, -Inf, overflow in options of ptd-update'
