#!/usr/bin/env python3
"""peak.py FILE COMMAND...: runs it, and writes to FILE the most memory that it had, in bytes: its own
pages, those mapped from files left out. Looks every two milliseconds, and the exit status is the
command's."""
import subprocess
import sys
import time


def own_pages(pid):
    """Anonymous and shared memory of a process, or 0 when it is gone."""
    total = 0
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith(("RssAnon:", "RssShmem:")):
                    total += int(line.split()[1]) * 1024
    except OSError:
        return 0
    return total


def main():
    process = subprocess.Popen(sys.argv[2:])
    most = 0
    while process.poll() is None:
        most = max(most, own_pages(process.pid))
        time.sleep(0.002)
    with open(sys.argv[1], "w", encoding="ascii") as out:
        print(most, file=out)
    sys.exit(process.returncode)


main()
