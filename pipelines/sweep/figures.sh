#!/bin/bash
# figures.sh SET... -- SEED...: curves of the sets in $OUT, with bands over the seeds, as $OUT/curves.svg and .png.
set -euo pipefail
files=() titles=()
while [ "$1" != -- ]; do
    for seed in "${@:$(($(printf '%s\n' "$@" | grep -nxe -- | cut -d: -f1) + 1))}"; do
        m=$OUT/cells/$1_SEED-$seed/metrics.jsonl
        [ -s "$m" ] || continue
        files+=("$m")
        titles+=("$(sed -E 's/,/;/g; s/_([A-Z]+)-/ \L\1 /g' <<< "$1")")
    done
    shift
done
[ ${#files[@]} != 0 ] || exit 0
fields=()
for f in reward/accuracy group_reward/all_fail_ratio actor/entropy response_length/mean actor/ptd_kl; do
    ! jq -es "any(.[]; .\"$f\" != null)" "${files[@]}" > /dev/null || fields+=("$f")
done
names=$(IFS=,; echo "${titles[*]}") list=$(IFS=,; echo "${fields[*]}")
for kind in svg png; do
    ptd-plot -q --band --smooth "${SMOOTH:-20}" --fields "$list" --titles "$names" "${files[@]}" -o "$OUT/curves.$kind"
done
