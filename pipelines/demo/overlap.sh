#!/bin/bash
# overlap.sh NAME ROWS.jsonl < hinted stream: hints beside the steps and regions of ROWS, as a row of a
# table: the share of groups with a hint, and of those with one, in which it has the annotation's
# places and its last step, its places, and the mean overlap (places in both / places in either).
set -euo pipefail
ptd-dump --full - | jq -r -n --arg name "$1" --slurpfile rows "$2" '
    INDEX($rows[]; .id) as $by
    | def places: map(split(" ")[]) | unique;
      def pc: . * 1000 | round / 10;
      def mean: if length > 0 then add / length else 0 end;
    [inputs | select(.kind == "group") | $by[.uid] as $row
        | if .hint.text then
              ([.hint.regions[][0]] | places) as $found | ([$row.regions[].label] | places) as $right
              | {places: ($found == $right), method: ((.hint.text | split(" then ")[-1]) == $row.steps[-1]),
                 overlap: (($found - ($found - $right) | length) / ($found + $right | unique | length))}
          else null end]
    | length as $n | map(values)
    | "| \($name) | \(length / $n | pc) | \(map(if .places and .method then 1 else 0 end) | mean | pc) | \(map(if .places then 1 else 0 end) | mean | pc) | \(map(.overlap) | mean * 1000 | round / 1000) |"'
