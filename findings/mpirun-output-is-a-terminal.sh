#!/bin/bash
# Open MPI 4.1.4 (Debian 12: openmpi-bin 4.1.4-3+b1) gives each rank a terminal of its own as
# standard output, though mpirun's own goes to a file or pipe: programs that behave otherwise before
# people do so in the file.
#
# A good guess: a rank's output is a pipe, since mpirun collects it, and `mpirun ... >
# metrics.jsonl` holds what the program writes to a file. Seen: jq 1.6 finds a terminal and colours
# its lines, so that the file holds escape sequences and is no JSON any more; a filter that refuses
# to write binary records to a terminal refuses. The bytes themselves pass unchanged (newlines stay
# one byte), and standard input of rank 0 is a pipe.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
[ "$(dpkg-query -W -f '${Version}' openmpi-bin 2> /dev/null)" = 4.1.4-3+b1 ] && command -v jq > /dev/null ||
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends openmpi-bin=4.1.4-3+b1 jq; } > /dev/null
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

echo '{"loss":0.25}' > line
jq -c . line > alone.jsonl
mpirun --oversubscribe -n 1 jq -c . line > ranked.jsonl < /dev/null
echo "jq -c . > FILE: $(wc -c < alone.jsonl) bytes; under mpirun: $(wc -c < ranked.jsonl) bytes:"
cat -v ranked.jsonl
cat > ends.sh << 'S'
for fd in 0 1 2; do
    if [ -t $fd ]; then echo "$fd: a terminal"; else echo "$fd: none"; fi
done
S
mpirun --oversubscribe -n 1 sh ends.sh > ends < /dev/null
cat ends
printf '\n\r\0\377\n' > bytes
mpirun --oversubscribe -n 1 cat bytes > passed < /dev/null

grep -q "$(printf '\033')" ranked.jsonl || { echo "changed: no colours"; exit 1; }
[ "$(jq -c . alone.jsonl)" = '{"loss":0.25}' ] || { echo "changed: coloured alone as well"; exit 1; }
if jq -e . ranked.jsonl > again 2> /dev/null; then echo "changed: the coloured lines are JSON"; exit 1; fi
grep -qx '1: a terminal' ends || { echo "changed: standard output is no terminal"; exit 1; }
grep -qx '0: none' ends || { echo "changed: standard input is a terminal"; exit 1; }
cmp -s bytes passed || { echo "changed: bytes do not pass unchanged"; exit 1; }
echo "as found: behind mpirun a program writes to a terminal, whatever mpirun writes to"
