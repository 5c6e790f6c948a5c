#!/bin/bash
# pages.sh BIN OUT DATE: the manual and the completions of the programs in BIN, made from what they say of themselves
# (--describe), the comments on top of their sources, and the headers that say what streams and stores are.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
bin=$1 out=$2 date=$3 here=lib/manual
mkdir -p "$out/man1" "$out/man5" "$out/man7" "$out/completion"
all=$(mktemp)
trap 'rm -f "$all"' EXIT

mdoc() { awk -f $here/fill.awk; }
describe() { "$bin/$1" ${2:+"$2"} --describe; }

# A program whose operands begin with a word is several: a section of options for each.
parts() { # PROGRAM
    describe "$1" | jq -r '.operands | select(test("^[a-z]")) | split(" | ")[] | split(" ")[0] | select(test("^[a-z]+$"))'
}

for program in "$bin"/ptd "$bin"/ptd-*; do
    name=${program##*/}
    comment=$(awk -f $here/comment.awk "stages/$name.c")
    {
        describe "$name" | tee -a "$all" | jq -r --arg date "$date" --arg description "$comment" -f $here/page.jq
    } | mdoc > "$out/man1/$name.1"
    [ "$name" != ptd ] || continue
    for part in $(parts "$name"); do
        describe "$name" "$part" | tee -a "$all" | jq -r --arg date "$date" --arg description "See
.Xr $name 1 ." -f $here/page.jq | mdoc > "$out/man1/$name-$part.1"
    done
done

# Headers: the comment, and the fields in C.
page() { # SECTION NAME WHAT HEADER...
    local section=$1 name=$2 what=$3 header
    shift 3
    printf '.Dd %s\n.Dt %s %s\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n.Sh DESCRIPTION\n' "$date" "${name^^}" "$section" "$name" "$what"
    for header in "$@"; do
        [ $# = 1 ] || printf '.Ss %s\n' "$header"
        awk -v code=1 -f $here/comment.awk "$header"
    done
    printf '.Sh SEE ALSO\n.Xr ptd 7\n'
}
page 5 ptd-stream "what flows between the programs" lib/flow/stream.h lib/flow/record.h | mdoc > "$out/man5/ptd-stream.5"
page 5 ptd-store "what a run keeps in its folder" lib/store/store.h | mdoc > "$out/man5/ptd-store.5"

# The metrics, of the table that ptd-plot prints.
{
    printf '.Dd %s\n.Dt PTD-METRICS 5\n.Os\n.Sh NAME\n.Nm ptd-metrics\n.Nd %s\n.Sh DESCRIPTION\n' "$date" "what the lines of ptd-update and ptd-eval say"
    awk -f $here/comment.awk lib/method/glossary.h
    printf '.Bl -tag -width Ds\n'
    "$bin/ptd-plot" --list | awk -F '  +' 'NR > 1 { printf ".It Li %s%s\n%s.\n", $1, NF < 3 ? "" : " Pq " $2, $NF }'
    printf '.El\n.Sh SEE ALSO\n.Xr ptd-eval 1 ,\n.Xr ptd-plot 1 ,\n.Xr ptd-update 1 ,\n.Xr ptd 7\n'
} | mdoc > "$out/man5/ptd-metrics.5"

{
    printf '.Dd %s\n' "$date"
    while IFS= read -r line; do
        case $line in
        '.\" programs') jq -rs 'map(select(.name | test(" ") or . == "ptd" | not)) | ".Bl -tag -width Ds", (.[] | ".It Xr \(.name) 1", .summary), ".El"' "$all" ;;
        '.\" statuses') sed -n 's|^ *PTD_[A-Z]* = \([0-9]*\), */\* \(.*\) \*/|.It \1\n\2|p; s|^ *PTD_OK = 0,$|.It 0\ndone|p' lib/base/err.h ;;
        *) printf '%s\n' "$line" ;;
        esac
    done < $here/ptd.7
    printf '.Sh SEE ALSO\n'
    jq -rs 'map(".Xr \(.name | gsub(" "; "-")) 1 ,") | sort[]' "$all"
    printf '.Xr ptd-metrics 5 ,\n.Xr ptd-store 5 ,\n.Xr ptd-stream 5\n'
} | mdoc > "$out/man7/ptd.7"

jq -rs -f $here/bash.jq "$all" > "$out/completion/ptd"
jq -rs -f $here/zsh.jq "$all" > "$out/completion/_ptd"
