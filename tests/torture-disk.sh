#!/bin/bash
# Lets programs run out of room: a disk that is full (tmpfs of 64 sizes), a store's map that is full
# (PTD_STORE_MAX), files that may not grow (ulimit -f).
# Whatever the size: status 74 and one line that names the cause, never a signal; what was there
# before is whole, nothing unfinished is published; with room
# made the same command goes on to the same bits. Where only the cache of ptd-ref has no room, one
# line says so, and the output is what it always is. Memory is torture-memory.sh's, full maps with
# readers in the way torture-readers.sh's.
# shellcheck source=tests/torture-crash.bash
. "$(dirname "$0")/torture-crash.bash"
disk=$work/disk

# ---- jobs: start_X lays out $disk, run_X may run out of room there, result_X describes what it
# made, rest_X what it left when it did not get through ----

start_init() { :; }
run_init() { "${limit[@]}" ptd-init -q "$disk/new.ptd" --config small --tokenizer small/tokenizer.json; }
result_init() { contents "$disk/new.ptd"; }
rest_init() { [ ! -e "$disk/new.ptd" ] || blame "$*: something is left of the store"; }

start_update() { cp -r base.ptd "$disk/run.ptd"; }
run_update() { "${limit[@]}" "${update[@]}" -s "$disk/run.ptd" "run/$(step_of "$disk/run.ptd" run).rec" > lines; }
result_update() { contents "$disk/run.ptd"; }
rest_update() {
    local at told
    at=$(step_of "$disk/run.ptd" run) told=$(wc -l < lines)
    [[ "$1.$at" = @(*.$told|file.$((told + 1))) ]] || blame "$*: the store does not hold the step that was told last"
}

start_ref() { cp -r bare.ptd "$disk/run.ptd"; }
run_ref() {
    "${limit[@]}" ptd-ref -q -s "$disk/run.ptd" hinted.rec | cat > scored.rec
    return "${PIPESTATUS[0]}"
}
result_ref() { contents "$disk/run.ptd" && md5sum < scored.rec; } # the cache holds what there is room for
without_cache() { [[ $1 = ref && $2 = 0 && $3 == 'ptd-ref: warning: store '*': caching values: '*'going on without' && $(md5sum < scored.rec) = "$(tail -n 1 expected.ref)" ]]; }
rest_ref() { [ "$(step_of "$disk/run.ptd" run)" = 0 ] || blame "$*: the store is not what it was"; }

files_of() { (cd "$disk/$1" && find . -type f | sort | xargs -r md5sum); }
start_data() { :; }
run_data() { "${limit[@]}" ptd-data digits -q "$disk/new.jsonl" -n 12; }
result_data() { files_of .; }
rest_data() { [ -z "$(ls "$disk")" ] || blame "$*: left over: $(ls "$disk")"; }

start_export() { :; }
run_export() { "${limit[@]}" ptd-export -q base.ptd "$disk/folder"; }
result_export() { files_of .; }
rest_export() { rest_data "$@"; }

start_verify() { :; }
run_verify() { "${limit[@]}" ptd-verify -q rollouts.rec > "$disk/out.rec"; }
result_verify() { files_of .; }
rest_verify() { [ ! -s "$disk/out.rec" ] || ! ptd-dump --check "$disk/out.rec" > /dev/null || blame "$*: half a stream passes for a whole one"; }

start_dump() { :; }
run_dump() { "${limit[@]}" ptd-dump --full rollouts.rec > "$disk/out.json"; }
result_dump() { files_of .; }
rest_dump() { :; }

start_plot() { :; }
run_plot() { "${limit[@]}" ptd-plot -q metrics.jsonl -o "$disk/curves.svg"; }
result_plot() { files_of .; }
rest_plot() { rest_data "$@"; }

# ---- shortages: shrink_X SIZE JOB runs a job with so many KiB, relax_X makes room ----

shrink_tmpfs() { mount -o "remount,size=${1}k" "$disk" && "run_$2"; }
relax_tmpfs() { mount -o remount,size=64m "$disk"; }
shrink_map() { PTD_STORE_MAX=${1}Ki "run_$2"; }
relax_map() { :; }
shrink_file() { limit=(prlimit "--fsize=$(($1 * 1024))") && "run_$2"; }
relax_file() { :; }
limit=() # of a program
declare -A cause=([tmpfs]='*: @(disk full \(*|No space left on device)'
    [map]='*: map full \(*' [file]='*: @(file size limit reached \(*|File too large)')

clear_disk() { find "$disk" -mindepth 1 -delete; }

trial() { # SHORTAGE JOB SIZE
    local status message
    clear_disk
    "start_$2"
    message=$("shrink_$1" "$3" "$2" 2>&1) # through a pipe, which has room
    status=$?
    "relax_$1"
    if [[ $status = 0 && -z $message ]]; then
        enough=$((enough + 1))
    else
        # shellcheck disable=SC2053
        [[ $status = 74 && $message != *$'\n'* && $message == ${cause[$1]} ]] || without_cache "$2" $status "$message" || blame "$*: status $status, $message"
        short=$((short + 1))
        "rest_$2" "$@"
        "run_$2" 2> said || blame "$*: with room made: $(cat said)"
    fi
    "result_$2" > result
    cmp -s result "expected.$2" || blame "$*: status $status, then other results"
}

# Lets JOB run with COUNT sizes from FROM to TO KiB, the last of which must do.
starve() { # SHORTAGE JOB FROM TO COUNT
    local i
    short=0 enough=0
    for ((i = 0; i < $5; i++)); do trial "$1" "$2" $(($3 + ($4 - $3) * i / ($5 - 1))); done
    [ $((enough * short)) != 0 ] || blame "$1 $2: $short times too little and $enough times enough: a bad choice of sizes"
    report "${words[$1]}, ptd-$2: $5 sizes, $short too small (${words[$2]:-74}, then on to the same bits), $enough enough"
}
declare -A words=([tmpfs]="disk full" [map]="map full" [file]="file size limited" [ref]="on without the cache, or 74")

# What a job makes undisturbed, and how many KiB are then in use: $used; $before at its start.
expect() {
    clear_disk
    "start_$1"
    before=$(du -sk "$disk" | cut -f 1)
    "run_$1" || blame "$1 fails undisturbed"
    "result_$1" > "expected.$1"
    used=$(du -sk "$disk" | cut -f 1)
}

small_model 5
uninterrupted run 3
scored base.ptd 1 | "${update[@]}" -s warm.ptd --resume-anyway > /dev/null 2>&1
ptd-init -q bare.ptd --from-store base.ptd # nothing is cached there
fresh trained.ptd
ptd-rollout -q -s base.ptd -g latest -G 4 -m 12 train.jsonl > rollouts.rec
ptd-verify -q rollouts.rec | ptd-hint -q > hinted.rec
"${update[@]}" -s trained.ptd run/0.rec > metrics.jsonl
mkdir "$disk"

tmpfs=1
mount -t tmpfs -o size=64m ptd-torture "$disk" 2> /dev/null && trap 'umount "$disk"; rm -rf "$work"' EXIT || tmpfs=0
for name in init update ref data export verify dump plot; do
    expect $name
    [ $name != ref ] || used=$((used + 4096)) # the cache leaves room for a publication
    if [ $tmpfs = 0 ]; then
        reported=$((reported + 1))
        echo "ok $reported - disk full, ptd-$name # SKIP a tmpfs cannot be mounted here"
    else
        starve tmpfs $name $((before + 8)) $((used * 9 / 8 + 512)) "$(pick 4 64)"
    fi
    case $name in
    init | update | ref) starve map $name 64 $((used * 9 / 8 + 512)) "$(pick 4 "$((used / 64 + 10))")" ;;
    esac
    starve file $name 0 $((used * 2 + 512)) "$(pick 3 64)"
done
echo "1..$reported"
