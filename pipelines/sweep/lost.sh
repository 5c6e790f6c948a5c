#!/bin/bash
# lost.sh OUT/CELL STATUS: what began a cell ended with this status, and the cell has said nothing: its
# launcher could not, or it was killed. That is noted as a failure of the cell; what cell.sh refused, or
# was stopped, ends the sweep.
set -euo pipefail
case $2 in 3 | 130) exit "$2" ;; esac
mkdir -p "$(dirname "$1")"
words="ended from outside, or never begun"
jq -n --arg cell "$(basename "$1")" --argjson status "$2" --arg words "$words" '{cell: $cell, status: $status, words: $words}' > "$1.status.part"
mv "$1.status.part" "$1.status"
echo "$(basename "$1"): status $2: $words" >&2
