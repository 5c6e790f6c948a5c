#!/bin/bash
# Power failures: the calls by which ptd-update and ptd-ref change a store are written down, and
# images of what a disk may hold are made for every moment among them: what was synced, and of the
# rest any part. Each image opens without repair, holds exactly what the uninterrupted run held
# after the last step that was published, or the one in flight, and the resumed run ends in the same
# bits.
# shellcheck source=tests/torture-crash.bash
. "$(dirname "$0")/torture-crash.bash"

# Runs COMMAND on hit.ptd; sets $moments.
record() {
    fresh hit.ptd
    RECORD=record LD_PRELOAD=$built/shim-crash-record.so "$@" > told || blame "$1 failed"
    moments=$(torture-crash-power record base.ptd/data.mdb)
}

# The store as it comes up after the failure: data.mdb from the image, all else as it was in use.
image() { # MOMENT VARIANT
    cp -r hit.ptd after.ptd
    torture-crash-power record base.ptd/data.mdb "$1" "$2" after.ptd/data.mdb
}

check_trained() { # WHEN COMMITS
    local at
    at=$(step_of after.ptd run) || blame "$1: the store holds no whole step: $(head -n 1 said)"
    [[ "$at" = @($2|$(($2 + 1))) ]] || blame "$1: at step $at after $2 commits"
    "${update[@]}" -s after.ptd "run/$at.rec" > /dev/null 2> said || blame "$1: resuming: $(head -n 1 said)"
    contents after.ptd | cmp -s - run/3 || blame "$1: resumed at step $at: other bits"
}

check_cached() { # WHEN COMMITS
    local at
    contents after.ptd 2> said | cmp -s - run/0 || blame "$1: the store holds something else: $(head -n 1 said)"
    at=$(cached after.ptd | which_of run .cached) || blame "$1: the cache holds a part of a step"
    [[ "$at" = @($2|$(($2 + 1))) ]] || blame "$1: the cache of step $at after $2 commits"
    ptd-ref -q -s after.ptd run/0.rec 2> said | cmp -s - whole || blame "$1: the second run writes something else: $(head -n 1 said)"
}

# Calls CHECK for every EVERY-th of all moments and VARIANTS.
fail_everywhere() { # CHECK VARIANTS EVERY
    local check=$1 variants=$2 every=$3 moment variant commits index=0
    images=0
    [ "$moments" -gt 1 ] || blame "nothing was written down"
    for ((moment = 0; moment < moments; moment++)); do
        for ((variant = 0; variant < variants; variant++)); do
            [ $((index++ % every)) = 0 ] || continue
            rm -rf after.ptd
            commits=$(image $moment $variant)
            $check "moment $moment, variant $variant" "$commits"
            images=$((images + 1))
        done
    done
}

export PTD_THREADS=1
small_model 5
uninterrupted run 3
record "${update[@]}" -s hit.ptd run/0.rec
fail_everywhere check_trained "$(pick 4 12)" "$(pick 40 1)"
report "ptd-update: $images images of a power failure at $moments moments of three steps: whole, at most the step in flight lost, resumed to the same bits"
fresh after.ptd
ptd-ref -q -s after.ptd run/0.rec > whole
record ptd-ref -q -s hit.ptd run/0.rec
fail_everywhere check_cached "$(pick 4 12)" "$(pick 40 1)"
report "ptd-ref: $images images of a power failure at $moments moments: store and cache whole, then the same bytes"
