#!/bin/bash
# measure.sh FILE COMMAND...: runs it as a session of its own and prints, for each program ptd-* in it, the most memory it had
# (proportional set size: pages that several programs map are shared out among them), how much of that nobody else could have
# (anonymous), its processor seconds and the bytes it had written; and the most that all had at one time. FILE keeps the samples,
# one every half second: seconds, pid, program, KiB of PSS, of anonymous memory, of the largest resident size, bytes written,
# hundredths of processor seconds. FILE.session names the session while it lives. Status: the command's.
set -u -o pipefail
file=$1
shift
: > "$file"

sample() { # SECONDS PID
    local comm pss anon most written ticks
    comm=$(< "/proc/$2/comm") || return
    case $comm in ptd-*) ;; *) return ;; esac
    read -r pss anon < <(awk '/^Pss:/ { p = $2 } /^Pss_Anon:/ { a = $2 } END { print p, a }' "/proc/$2/smaps_rollup") || return
    most=$(awk '/^VmHWM:/ { print $2 }' "/proc/$2/status")
    written=$(awk '/^write_bytes:/ { print $2 }' "/proc/$2/io")
    ticks=$(awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$2/stat")
    [ -n "$pss" ] && [ -n "$ticks" ] && echo "$1 $2 $comm $pss $anon $most $written $ticks" >> "$file"
}

setsid -w "$@" &
pid=$!
session=
while kill -0 "$pid" 2> /dev/null; do
    # setsid forks only where it leads a group already
    [ -n "$session" ] || session=$(ps -o sid= -p "$(pgrep -P "$pid" | head -n 1)" 2> /dev/null || ps -o sid= -p "$pid" 2> /dev/null)
    echo "${session// /}" > "$file.session"
    now=$(date +%s.%N)
    for each in $(pgrep -s "${session// /}" 2> /dev/null); do sample "$now" "$each" 2> /dev/null; done
    sleep 0.5
done
wait "$pid"
status=$?
rm -f "$file.session"

awk '{ name[$2] = $3; if ($4 > pss[$2]) pss[$2] = $4; if ($5 > anon[$2]) anon[$2] = $5; written[$2] = $7; cpu[$2] = $8
       at[$1] += $4; if (at[$1] > all) all = at[$1] }
    END {
        printf "%-12s %10s %10s %10s %12s\n", "program", "PSS GB", "own GB", "cpu s", "written MB"
        for (p in name) {
            n = name[p]; if (pss[p] > P[n]) P[n] = pss[p]; if (anon[p] > A[n]) A[n] = anon[p]; W[n] += written[p]; C[n] += cpu[p]
        }
        split("ptd-rollout ptd-verify ptd-hint ptd-ref ptd-update", order, " ")
        for (i = 1; i <= 5; i++) if ((n = order[i]) in P) {
            printf "%-12s %10.2f %10.2f %10.1f %12.1f\n", n, P[n] * 1024 / 1e9, A[n] * 1024 / 1e9, C[n] / 100, W[n] / 1e6
            w += W[n]; c += C[n]
        }
        printf "%-12s %10.2f %10s %10.1f %12.1f\n", "all at once", all * 1024 / 1e9, "", c / 100, w / 1e6
    }' "$file"
exit "$status"
