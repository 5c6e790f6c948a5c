#!/bin/bash
# rates.sh DIR METHOD...: of each method the learning rate of the sweep in DIR whose sampled answers were right
# most often, the smallest of equal ones, as settings for sweep.mk, a line each.
set -euo pipefail
dir=$1
shift
for method in "$@"; do
    for cell in "$dir/cells/${method}"_LR-*_SEED-*/; do
        [ -d "$cell" ] || continue
        rate=${cell#*_LR-}
        echo "$(jq '.total."pass@1"' "$cell/sampled.json") ${rate%%_*}"
    done | sort -k1,1gr -k2,2g | awk -v m="$method" 'NR == 1 { print "LR_" m "=" $2 }'
done
