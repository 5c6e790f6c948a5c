#!/bin/bash
# TensorBoard (2.21.0) forgets nothing at the first session_log START of a run.
#
# A good guess: an event with session_log START and step N has TensorBoard drop what it has of the
# steps from N on, as writers do that begin anew ("purge_step"). That is what its data server in
# Rust does, for another reason: there a step that goes back is enough. The reader in Python, which
# stands in where that one is not installed or not wanted (--load_fast=false), takes the first START
# of a run for its beginning and only the next ones for restarts, so a file that has none at its
# beginning shows the steps from N on twice. A START right behind the file's version mends it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/v"
"$work/v/bin/pip" install -q tensorboard==2.21.0 'setuptools<81'
"$work/v/bin/python" - "$work" 2> /dev/null << 'PY'
import sys
from tensorboard.backend.event_processing import plugin_event_accumulator
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer import event_file_writer

def steps_kept(folder, begin):
    w = event_file_writer.EventFileWriter(folder)
    start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    if begin:
        w.add_event(event_pb2.Event(step=0, session_log=start))
    for first, last in ((1, 5), (3, 4)):
        if first > 1:
            w.add_event(event_pb2.Event(step=first, session_log=start))
        for step in range(first, last + 1):
            value = summary_pb2.Summary.Value(tag="a", simple_value=step)
            w.add_event(event_pb2.Event(step=step, summary=summary_pb2.Summary(value=[value])))
    w.close()
    run = plugin_event_accumulator.EventAccumulator(folder, {plugin_event_accumulator.TENSORS: 0})
    run.Reload()
    return [t.step for t in run.Tensors("a")]

print("steps 1 to 5, then 3 and 4 anew, one START:  ", steps_kept(sys.argv[1] + "/a", False))
print("the same with a START at the beginning, too:", steps_kept(sys.argv[1] + "/b", True))
PY
