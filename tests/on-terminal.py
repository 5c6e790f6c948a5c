#!/usr/bin/python3
"""Runs a command whose standard input or output is a terminal, as launchers of parallel jobs do it.

usage: tests/on-terminal.py in|out COMMAND... < BYTES > BYTES

in: what comes on standard input is typed into the terminal as soon as that passes bytes unchanged. out: what the command writes to the terminal goes to
standard output. The command's status; 99 if the terminal is not left as it was.
"""
import os
import pty
import sys
import termios
import time

end, command = sys.argv[1], sys.argv[2:]
master, slave = pty.openpty()
before = termios.tcgetattr(slave)
child = os.fork()
if child == 0:
    os.setsid()
    os.close(master)
    os.dup2(slave, 0 if end == "in" else 1)
    os.execvp(command[0], command)
ended = status = 0
if end == "in":
    while termios.tcgetattr(slave) == before and not ended:
        time.sleep(0.01)
        ended, status = os.waitpid(child, os.WNOHANG)
    data = sys.stdin.buffer.read()
    while data and not ended:
        data = data[os.write(master, data[:1000]):]
    os.close(slave)
    time.sleep(0.5)
    os.close(master)  # the end of the input
    if not ended:
        status = os.waitpid(child, 0)[1]
else:
    os.set_blocking(master, False)
    while True:
        try:
            os.write(1, os.read(master, 65536))
        except BlockingIOError:
            if ended:
                break
            ended, status = os.waitpid(child, os.WNOHANG)
            time.sleep(0.01)
    if termios.tcgetattr(slave) != before:
        sys.exit(99)
sys.exit(os.waitstatus_to_exitcode(status) % 256)
