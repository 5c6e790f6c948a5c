"""TensorBoard's own readers, the old and the one of its pages, on what metrics.bats has written: the steps after a run that
began anew, a histogram, a picture, a text."""
import sys
from tensorboard.backend.event_processing import event_accumulator, plugin_event_accumulator
from tensorboard.util import tensor_util

old = event_accumulator.EventAccumulator(sys.argv[1], {event_accumulator.SCALARS: 0})
old.Reload()
new = plugin_event_accumulator.EventAccumulator(sys.argv[1], {plugin_event_accumulator.TENSORS: 0})
new.Reload()
a = [(s.step, round(s.value, 3)) for s in old.Scalars("reward/accuracy")]
b = [(t.step, round(tensor_util.make_ndarray(t.tensor_proto).item(), 3)) for t in new.Tensors("reward/accuracy")]
assert a == b == [(1, 0.1), (2, 0.2), (3, 0.9), (4, 0.9)], (a, b)
groups = plugin_event_accumulator.EventAccumulator(sys.argv[1] + "/groups", {plugin_event_accumulator.TENSORS: 0})
groups.Reload()
kinds = {tag: groups.SummaryMetadata(tag).plugin_data.plugin_name for tag in groups.Tags()["tensors"]}
assert {"response_length": "histograms", "reward": "histograms", "hint/1": "images", "hint_words/1": "text"}.items() <= kinds.items(), kinds
