#!/bin/bash
# table.sh CELL...: what the cells in $OUT came to, as $OUT/cells.csv, table.csv and table.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
ask() { jq -L "$here" "$@"; }

row() {
    local c=$OUT/cells/$1
    if [ -d "$c" ]; then
        ask -n --slurpfile c "$c/cell.json" --slurpfile g "$c/greedy.json" --slurpfile s "$c/sampled.json" --slurpfile m "$c/metrics.jsonl" \
            'include "table"; cell($c[0]; $g[0]; $s[0]; $m)'
    else
        [ -e "$c.status" ] || echo "{\"cell\": \"$1\", \"status\": -1, \"words\": \"not made yet\"}" > "$c.status.part"
        ask 'include "table"; . + {set: (.cell | sub("_SEED-[^_]*$"; ""))}' "$(ls "$c.status" 2> /dev/null || echo "$c.status.part")"
        rm -f "$c.status.part"
    fi
}

mkdir -p "$OUT/cells"
for cell in "$@"; do row "$cell"; done > "$OUT/rows.json"
publish() {
    ask -sr "include \"table\"; $2" "$OUT/rows.json" > "$OUT/$1.part"
    mv "$OUT/$1.part" "$OUT/$1"
}
publish cells.csv csv_cells
publish table.csv 'sets | csv_sets'
publish table.md 'sets | markdown'
rm "$OUT/rows.json"
