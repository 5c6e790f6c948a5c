#!/usr/bin/env python3
"""Damaged config.json, safetensors files and indexes, with EXPECT: file, exit status, pattern of the one-line message.

Usage: make.py           (writes beside itself; Python's standard library only, 3.9 or newer)
The sound config is the built-in tiny model's, ../../lib/builtin/tiny/config.json. Names: config-*.json is one config; file-* one
safetensors file; index-*/ a folder with an index and its shards. Status 0 means accepted: the other side of a limit.
"""
import copy, json, os, shutil, struct

here = os.path.dirname(os.path.abspath(__file__))
expect = []


def case(name, status, pattern=""):
    assert name not in [e.split(" ")[0] for e in expect], name
    expect.append(f"{name} {status} {pattern}".rstrip())


def put(name, data):
    path = os.path.join(here, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())


for entry in os.listdir(here):
    path = os.path.join(here, entry)
    if entry != "make.py":
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)

# ---- config.json ----

with open(os.path.join(here, "../../lib/builtin/tiny/config.json")) as f:
    text = f.read()
sound = json.loads(text)
GONE = object()


def config(name, status, pattern, *edits):
    """Edits: ("text_config.hidden_size", value), value GONE removes."""
    c = copy.deepcopy(sound)
    for path, value in edits:
        *way, last = path.split(".")
        at = c
        for step in way:
            at = at[step]
        if value is GONE:
            at.pop(last)
        else:
            at[last] = value
    put(f"config-{name}.json", json.dumps(c, indent=1))
    case(f"config-{name}.json", status, pattern)


def raw_config(name, status, pattern, data):
    put(f"config-{name}.json", data)
    case(f"config-{name}.json", status, pattern)


field = 'config.json: field "%s": %s'
t, v = "text_config.", "vision_config."
raw_config("empty", 65, "config.json: line 1, column 0: *", "")
raw_config("cut", 65, "config.json: line *", text[: len(text) // 2])
raw_config("list", 65, "config.json: expected a JSON object", "[" + text + "]")
raw_config("number", 65, "config.json: *", "42")
raw_config("trailing", 65, "config.json: line *end of file expected*", text + "{}")
raw_config("comma", 65, "config.json: line *", text.replace('"head_dim": 32,', '"head_dim": 32,,'))
raw_config("single-quotes", 65, "config.json: line *", text.replace('"', "'"))
raw_config("no-utf8", 65, "config.json: line *unable to decode byte*", text.encode().replace(b"silu", b"sil\xff"))
raw_config("lone-surrogate", 65, "config.json: line *", text.replace("silu", "sil\\ud800"))
raw_config("twice", 65, "config.json: line *duplicate object key*", text.replace('"head_dim": 32,', '"head_dim": 32, "head_dim": 64,'))
raw_config("twice-above", 65, "config.json: line *duplicate object key*", text.replace('"image_token_id": 636,', '"image_token_id": 636, "image_token_id": 636,'))
raw_config("deep", 65, "config.json: line *", '{"a":' + "[" * 5000 + "]" * 5000 + "}")
raw_config("huge-number", 65, 'config.json: field "text_config.vocab_size": found "99999999999999999999", expected a whole number*', text.replace('"vocab_size": 640', '"vocab_size": 99999999999999999999'))
raw_config("infinite", 65, 'config.json: field "text_config.rms_norm_eps": found "1e999", expected a number*', text.replace('"rms_norm_eps": 1e-6', '"rms_norm_eps": 1e999'))
raw_config("nan", 65, "config.json: line *", text.replace('"rms_norm_eps": 1e-6', '"rms_norm_eps": NaN'))
config("no-model-type", 65, field % ("model_type", "missing, expected *"), ("model_type", GONE))
config("llama", 78, field % ("model_type", 'found "llama", expected "qwen3_vl" *'), ("model_type", "llama"))
config("moe", 78, field % ("model_type", 'found "qwen3_vl_moe", *'), ("model_type", "qwen3_vl_moe"))
config("other-architecture", 78, field % ("architectures", 'found "Qwen2VLForConditionalGeneration", *'), ("architectures", ["Qwen2VLForConditionalGeneration"]))
config("architecture-text", 65, field % ("architectures", "*"), ("architectures", "Qwen3VLForConditionalGeneration"))
config("no-architectures", 0, "", ("architectures", GONE))
config("quantized", 78, field % ("quantization_config", "found an object, *"), ("quantization_config", {"bits": 4}))
config("no-text", 65, field % ("text_config", "missing, *"), ("text_config", GONE))
config("text-list", 65, field % ("text_config", "found an array, *"), ("text_config", []))
config("no-vision", 65, field % ("vision_config", "missing, *"), ("vision_config", GONE))
for key in ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "intermediate_size"]:
    config("no-" + key.replace("_", "-"), 65, field % (t + key, "missing, *"), (t + key, GONE))
config("hidden-0", 65, field % (t + "hidden_size", "found 0, *"), (t + "hidden_size", 0))
config("hidden-negative", 65, field % (t + "hidden_size", "found -128, *"), (t + "hidden_size", -128))
config("hidden-text", 65, field % (t + "hidden_size", 'found "128", *'), (t + "hidden_size", "128"))
config("hidden-real", 65, field % (t + "hidden_size", "found 128.5, *"), (t + "hidden_size", 128.5))
config("hidden-huge", 65, field % (t + "hidden_size", "found 65537, *"), (t + "hidden_size", 65537))
config("layers-huge", 65, field % (t + "num_hidden_layers", "*"), (t + "num_hidden_layers", 1 << 40))
config("kv-heads-divide", 65, field % (t + "num_key_value_heads", "found 3, expected a divisor*"), (t + "num_key_value_heads", 3))
config("head-dim-odd", 65, field % (t + "head_dim", "found 31, *"), (t + "head_dim", 31))
config("act", 78, field % (t + "hidden_act", 'found "relu", *'), (t + "hidden_act", "relu"))
config("attention-bias", 78, field % (t + "attention_bias", "found true, *"), (t + "attention_bias", True))
config("no-rotary", 65, field % (t + "rope_scaling", "missing, *"), (t + "rope_scaling", GONE))
config("no-theta", 65, field % (t + "rope_theta", "missing, *"), (t + "rope_theta", GONE))
config("theta-0", 65, field % (t + "rope_theta", "found 0, *"), (t + "rope_theta", 0))
config("positions-0", 65, field % (t + "max_position_embeddings", "found 0, *"), (t + "max_position_embeddings", 0))
config("positions-missing", 0, "", (t + "max_position_embeddings", GONE))
config("sections-two", 65, field % (t + "rope_scaling.mrope_section", "*"), (t + "rope_scaling.mrope_section", [6, 5]))
config("sections-negative", 65, field % (t + "rope_scaling.mrope_section", "*"), (t + "rope_scaling.mrope_section", [6, -5, 5]))
config("not-interleaved", 78, field % (t + "rope_scaling.mrope_interleaved", "found false, *"), (t + "rope_scaling.mrope_interleaved", False))
config("yarn", 78, field % (t + "rope_scaling.rope_type", 'found "yarn", *'), (t + "rope_scaling.rope_type", "yarn"))
newer = {"mrope_interleaved": True, "mrope_section": [6, 5, 5], "rope_type": "default", "rope_theta": 10000}
config("newer-spelling", 0, "", (t + "rope_scaling", GONE), (t + "rope_theta", GONE), (t + "rope_parameters", newer))
config("newer-no-theta", 65, field % (t + "rope_parameters.rope_theta", "missing, *"), (t + "rope_scaling", GONE), (t + "rope_theta", GONE),
       (t + "rope_parameters", {k: x for k, x in newer.items() if k != "rope_theta"}))
config("both-spellings", 78, field % (t + "rope_scaling.rope_type", 'found "yarn", *'), (t + "rope_scaling.rope_type", "yarn"), (t + "rope_parameters", newer))
config("sliding-window", 78, field % (t + "use_sliding_window", "found true, expected false (no other is implemented)"), (t + "use_sliding_window", True))
config("vision-heads", 65, field % (v + "hidden_size", "*"), (v + "num_heads", 5))
config("vision-channels", 65, field % (v + "in_channels", "found 4, *"), (v + "in_channels", 4))
config("vision-positions", 65, field % (v + "num_position_embeddings", "found 37, expected a square*"), (v + "num_position_embeddings", 37))
config("vision-out", 65, field % (v + "out_hidden_size", "found 64, *"), (v + "out_hidden_size", 64))
config("vision-act", 78, field % (v + "hidden_act", 'found "gelu", *'), (v + "hidden_act", "gelu"))
config("vision-rotary", 78, field % (v + "rope_parameters.rope_theta", "found 500, *"), (v + "rope_parameters", {"rope_type": "axial", "rope_theta": 500}))
config("deepstack-past-end", 65, field % (v + "deepstack_visual_indexes", "*"), (v + "deepstack_visual_indexes", [2]))
config("deepstack-descends", 65, field % (v + "deepstack_visual_indexes", "*"), (v + "deepstack_visual_indexes", [1, 0]))
config("deepstack-text", 65, field % (v + "deepstack_visual_indexes", '*'), (v + "deepstack_visual_indexes", "0"))
config("tie-missing", 0, "", ("tie_word_embeddings", GONE), (t + "tie_word_embeddings", GONE))
config("tie-number", 65, field % ("tie_word_embeddings", "found 1, *"), ("tie_word_embeddings", 1))
config("token-past-end", 65, field % ("image_token_id", "found 640, *"), ("image_token_id", 640))
config("tokens-equal", 65, field % ("video_token_id", "*"), ("video_token_id", 636))
config("eos-past-end", 65, field % (t + "eos_token_id", "found 700, *"), (t + "eos_token_id", 700))

# ---- safetensors ----


def st(name, status, pattern, header, data=b"", length=None):
    """header: text, bytes or object. A pattern is what follows "PATH: "."""
    if not isinstance(header, (str, bytes)):
        header = json.dumps(header)
    header = header.encode() if isinstance(header, str) else header
    put(f"file-{name}", struct.pack("<Q", len(header) if length is None else length) + header + data)
    case(f"file-{name}", status, pattern)


def one(**changes):
    e = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    e.update(changes)
    return {"a": {k: x for k, x in e.items() if x is not GONE}}


def two(b):
    return {"a": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]}, "b": {"dtype": "U8", "shape": [8], "data_offsets": b}}


D = bytes(24)
a = 'tensor "a": '
st("sound", 0, "", one(), D)
put("file-0-bytes", b""), case("file-0-bytes", 65, "0 bytes, expected at least 8")
put("file-7-bytes", bytes(7)), case("file-7-bytes", 65, "7 bytes, expected at least 8")
put("file-8-bytes", bytes(8)), case("file-8-bytes", 65, 'the header does not begin with "{"')
put("file-pickle", b"\x80\x02}q\x00(X\x06\x00\x00\x00weightq\x01"), case("file-pickle", 65, "a pickle or zip file, *")
put("file-zip", b"PK\x03\x04\x14\x00\x00\x00\x08\x08archive/data.pkl"), case("file-zip", 65, "a pickle or zip file, *")
st("length-past-end", 65, "header of 1000 bytes in a file of *", one(), D, 1000)
st("length-one-past-end", 65, "header of * bytes in a file of *", json.dumps(one()), b"", len(json.dumps(one())) + 1)
st("length-over-limit", 65, "header of 100000001 bytes, expected at most 100000000", one(), D, 100000001)
st("length-all-ones", 65, "header of 18446744073709551615 bytes, *", one(), D, 2**64 - 1)
st("length-top-bit", 65, "header of 9223372036854775808 bytes, *", one(), D, 2**63)
st("length-short", 65, "header, byte *", json.dumps(one()), D, 20)
st("space-before", 65, 'the header does not begin with "{"', " " + json.dumps(one()), D)
st("space-behind", 0, "", json.dumps(one()) + "   ", D)
st("list", 65, 'the header does not begin with "{"', "[]")
st("no-json", 65, "header, byte *", "{nonsense}")
st("cut-json", 65, "header, byte *", json.dumps(one())[:-1], D)
st("nul-behind-number", 65, "header, byte *: a NUL byte", json.dumps(one()).replace("24]", "24\0]"), D)
st("nul-behind", 65, "header, byte *: a NUL byte", json.dumps(one()) + "\0", D)
st("two-objects", 65, "header, byte *end of file expected*", json.dumps(one()) + "{}", D)
st("deep", 65, "header, byte *", '{"a":' + "[" * 5000 + "]" * 5000 + "}")
st("no-utf8", 65, "header, byte *unable to decode byte*", b'{"\xff":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}')
st("nul-in-name", 65, "header, byte *", '{"a\\u0000b":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}')
st("name-twice", 65, "header, byte *duplicate object key*", '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', bytes(2))
st("field-twice", 65, "header, byte *duplicate object key*", '{"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}}', bytes(1))
st("metadata-twice", 65, "header, byte *duplicate object key*", '{"__metadata__":{},"__metadata__":{}}')
st("metadata", 0, "", {"__metadata__": {"format": "pt"}, **one()}, D)
st("metadata-list", 65, "__metadata__ is no object", {"__metadata__": [], **one()}, D)
st("metadata-number", 65, '__metadata__: "n" is no text', {"__metadata__": {"n": 1}, **one()}, D)
st("metadata-nested", 65, '__metadata__: "n" is no text', {"__metadata__": {"n": {"m": "x"}}, **one()}, D)
st("empty-header", 0, "", "{}")
st("empty-header-bytes-behind", 65, "1 bytes after the last tensor", "{}", b"x")
st("entry-list", 65, a + "its entry is no object", {"a": []})
st("entry-null", 65, a + "its entry is no object", {"a": None})
st("no-dtype", 65, a + "dtype is missing", one(dtype=GONE), D)
st("dtype-number", 65, a + "dtype is no text", one(dtype=32), D)
st("dtype-unknown", 65, a + 'unknown dtype "FLOAT"', one(dtype="FLOAT"), D)
st("dtype-small-letters", 65, a + 'unknown dtype "f32"', one(dtype="f32"), D)
st("no-shape", 65, a + "shape is missing", one(shape=GONE), D)
st("shape-number", 65, a + "shape is no list", one(shape=6), D)
st("shape-negative", 65, a + "shape holds *", one(shape=[-2, -3]), D)
st("shape-real", 65, a + "shape holds *", one(shape=[2.0, 3]), D)
st("shape-huge", 65, "header, byte *too big integer*", one(shape=[2**64]), D)
st("shape-overflow", 65, a + "shape [4294967296, 4294967296] is too large", one(shape=[2**32, 2**32]), D)
st("shape-overflow-by-width", 65, a + "shape * is too large", one(shape=[2**60]), D)
st("shape-wraps-to-24", 65, a + "shape * is too large", one(shape=[2**62 + 6, 4]), D)
st("axes-16", 0, "", one(shape=[1] * 14 + [2, 3]), D)
st("axes-17", 65, a + "17 axes, expected at most 16", one(shape=[1] * 15 + [2, 3]), D)
st("scalar", 0, "", one(shape=[], data_offsets=[0, 4]), bytes(4))
st("no-values", 0, "", one(shape=[0, 3], data_offsets=[0, 0]))
st("no-offsets", 65, a + "data_offsets are missing", one(data_offsets=GONE), D)
st("offsets-one", 65, a + "data_offsets are not two *", one(data_offsets=[24]), D)
st("offsets-three", 65, a + "data_offsets are not two *", one(data_offsets=[0, 12, 24]), D)
st("offsets-negative", 65, a + "data_offsets are not two *", one(data_offsets=[-24, 0]), D)
st("offsets-minus-zero", 65, "header, byte *: -0, expected numbers without a sign",
   '{"a-0":{"dtype":"F32","shape":[2,3],"data_offsets":[-0,24]}}', D)
st("offsets-real", 65, a + "data_offsets are not two *", one(data_offsets=[0, 24.0]), D)
st("offsets-text", 65, a + "data_offsets are not two *", one(data_offsets=["0", "24"]), D)
st("offsets-backwards", 65, a + "data_offsets end before they begin", one(data_offsets=[24, 0]), D)
st("offsets-too-few-bytes", 65, a + "data_offsets hold 20 bytes, expected 24 for F32 [2, 3]", one(data_offsets=[0, 20]), bytes(20))
st("offsets-too-many-bytes", 65, a + "data_offsets hold 28 bytes, expected 24 for F32 [2, 3]", one(data_offsets=[0, 28]), bytes(28))
st("width-of-other-type", 65, a + "data_offsets hold 24 bytes, expected 12 for BF16 [2, 3]", one(dtype="BF16"), D)
st("half-byte", 65, a + "its numbers do not fill whole bytes", one(dtype="F4", shape=[3], data_offsets=[0, 2]), bytes(2))
st("unknown-field", 65, a + 'unknown field "stride"', one(stride=[3, 1]), D)
st("cut-data", 65, a + "ends at byte 24 of 23: the file is cut short", one(), D[:-1])
st("bytes-behind", 65, "1 bytes after the last tensor", one(), D + b"x")
st("second-file-behind", 65, "* bytes after the last tensor", one(), D + b"PK\x03\x04" + bytes(60))
st("hole-at-start", 65, a + "a hole of 8 bytes before it", one(data_offsets=[8, 32]), bytes(32))
st("two", 0, "", two([8, 16]), bytes(16))
st("hole-between", 65, 'tensor "b": a hole of 1 bytes before it', two([9, 17]), bytes(17))
st("overlap", 65, 'tensor "b": overlaps tensor "a"', two([7, 15]), bytes(15))
st("same-bytes", 65, 'tensor "b": overlaps tensor "a"', two([0, 8]), bytes(8))
st("name-1024", 0, "", {"n" * 1024: one()["a"]}, D)
st("name-1025", 65, "a tensor's name of 1025 bytes, expected at most 1024", {"n" * 1025: one()["a"]}, D)
st("control-in-name", 65, 'tensor "x\\x1b[31m": shape is missing', '{"x\\u001b[31m":{"dtype":"U8"}}')

# ---- index ----

X = "model.safetensors.index.json"
A, B = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
tensor = {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}


def folder(name, status, pattern, index, shards=((A, ["a"]), (B, ["b"])), others=()):
    """A pattern is what follows "FOLDER/"."""
    if index is not None:
        put(f"index-{name}/{X}", index if isinstance(index, str) else json.dumps(index))
    for file, names in shards:
        h = json.dumps({n: {"dtype": "BF16", "shape": [4], "data_offsets": [8 * i, 8 * i + 8]} for i, n in enumerate(names)}).encode()
        put(f"index-{name}/{file}", struct.pack("<Q", len(h)) + h + bytes(8 * len(names)))
    for file, data in others:
        put(f"index-{name}/{file}", data)
    case(f"index-{name}", status, pattern)


def index(total=16, **changes):
    m = {"a": A, "b": B}
    m.update(changes)
    return {"metadata": {"total_size": total}, "weight_map": {k: x for k, x in m.items() if x is not GONE}}


folder("sound", 0, "", index())
folder("no-metadata", 0, "", {"weight_map": index()["weight_map"]})
folder("total-differs", 0, "", index(total=17))
folder("single-file", 0, "", None, [("model.safetensors", ["a", "b"])])
folder("empty", 65, X + ": line 1, *", "")
folder("cut", 65, X + ": line 1, *", json.dumps(index())[:40])
folder("list", 65, X + ": expected a JSON object", "[]")
folder("twice", 65, X + ": line * duplicate object key*", '{"weight_map":{"a":"%s","a":"%s"}}' % (A, B))
folder("no-map", 65, X + ": weight_map is missing", {"metadata": {}})
folder("map-list", 65, X + ": weight_map is no object", {"weight_map": []})
folder("map-empty", 65, X + ": weight_map is empty", {"weight_map": {}})
folder("metadata-text", 65, X + ": metadata is no object", {"metadata": "x", "weight_map": {"a": A}})
folder("total-text", 65, X + ": metadata.total_size is no number from 0 on", index(total="16"))
folder("total-negative", 65, X + ": metadata.total_size is no number from 0 on", index(total=-1))
folder("file-number", 65, X + ': tensor "b": its file is no text', index(b=2))
folder("file-pickle", 65, X + ': tensor "b": "pytorch_model.bin" is a pickle file, *', index(b="pytorch_model.bin"))
folder("file-elsewhere", 65, X + ': tensor "b": file "../x.safetensors", *', index(b="../x.safetensors"))
folder("file-absolute", 65, X + ': tensor "b": file "/etc/x.safetensors", *', index(b="/etc/x.safetensors"))
folder("file-hidden", 65, X + ': tensor "b": file ".safetensors", *', index(b=".safetensors"))
folder("file-empty", 65, X + ': tensor "b": file "", *', index(b=""))
folder("file-other-kind", 65, X + ': tensor "b": file "b.txt", *', index(b="b.txt"))
folder("shard-missing", 66, B + ": No such file or directory", index(), [(A, ["a"])])
folder("shard-damaged", 65, B + ": tensor \"b\": *cut short", index(), [(A, ["a"])],
       [(B, struct.pack("<Q", len(json.dumps({"b": tensor}))) + json.dumps({"b": tensor}).encode() + bytes(7))])
folder("tensor-missing", 65, X + ': tensor "c": not in *, where the index has it', index(c=A))
folder("tensor-not-listed", 65, A + ': tensor "c": not in the index', index(total=24), [(A, ["a", "c"]), (B, ["b"])])
folder("tensor-in-other-shard", 65, X + ': tensor "a": not in %s, *' % B, index(a=B), [(A, ["a"]), (B, ["b"])])
folder("tensor-in-both", 65, B + ': tensor "a": the index has it in ' + A, index(total=24), [(A, ["a"]), (B, ["a", "b"])])
folder("shard-not-named", 65, "model-00003-of-00003.safetensors: model.safetensors.index.json does not name it", index(), [(A, ["a"]), (B, ["b"]), ("model-00003-of-00003.safetensors", ["c"])])
folder("both", 65, ": both model.safetensors and model.safetensors.index.json, *", index(), [(A, ["a"]), (B, ["b"]), ("model.safetensors", ["a", "b"])])
folder("pickle-only", 65, "pytorch_model.bin: a pickle file, *", None, (), [("pytorch_model.bin", b"\x80\x02}")])
folder("nothing", 66, ": neither model.safetensors nor model.safetensors.index.json in it", None, (), [("README.md", b"no weights\n")])

put("EXPECT", "\n".join(sorted(expect)) + "\n")
print(len(expect), "cases")
