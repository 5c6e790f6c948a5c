#!/usr/bin/env python3
"""Makes the damaged data sets of this folder and EXPECT: for each file its exit status and a pattern of the message behind the file's name.

usage: tests/corpus-data/make.py      (Python alone; only to change the corpus)

What single fields may hold is tried in tests/test-dataset.c; these files are about bytes, lines, nesting and whole files.
"""
import gzip
import os

HERE = os.path.dirname(os.path.abspath(__file__))
ROW = b'{"prompt":"p","answer":"1"}'
expect = []


def put(name, data, status, pattern=""):
    with open(os.path.join(HERE, name + ".jsonl"), "wb") as f:
        f.write(data)
    expect.append(f"{name}.jsonl {status} {pattern}".rstrip())


def row(rest):
    return b'{"prompt":"p","answer":"1",' + rest + b"}\n"


JSON = "1: *"

# ---- whole files ----
put("whole", ROW + b"\n", 0)
put("no-newline", ROW, 0)
put("crlf", ROW + b"\r\n" + ROW + b"\r\n", 0)
put("byte-order-mark", b"\xef\xbb\xbf" + ROW + b"\n", 0)
put("empty-lines", b"\n\r\n  \n" + ROW + b"\n\n", 0)
put("nothing", b"", 65, "no rows*")
put("newlines-only", b"\n\n\r\n", 65, "no rows*")
put("mark-only", b"\xef\xbb\xbf", 65, "no rows*")
put("half-a-mark", b"\xef\xbb" + ROW, 65, JSON)
put("mark-twice", b"\xef\xbb\xbf\xef\xbb\xbf" + ROW, 65, JSON)
put("mark-in-line-2", ROW + b"\n\xef\xbb\xbf" + ROW, 65, "2: *")
put("utf-16", ROW.decode().encode("utf-16"), 65, JSON)
put("utf-16-be", ROW.decode().encode("utf-16-be"), 65, JSON)
put("utf-32", ROW.decode().encode("utf-32"), 65, JSON)
put("zeros", bytes(100), 65, JSON)
put("gzip", gzip.compress(ROW * 3, mtime=0), 65, JSON)
put("png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 65, JSON)
put("parquet", b"PAR1\x15\x04\x15", 65, JSON)
put("csv", b"prompt,answer\np,1\n", 65, JSON)
put("yaml", b"prompt: p\nanswer: 1\n", 65, JSON)
put("json-list-of-rows", b"[" + ROW + b",\n" + ROW + b"]\n", 65, JSON)
put("json-pretty", b'{\n  "prompt": "p",\n  "answer": "1"\n}\n', 65, JSON)
put("carriage-returns-only", ROW + b"\r" + ROW + b"\r", 65, JSON)
put("third-line", ROW + b"\n\n" + ROW[:-1] + b"\n" + ROW, 65, "3: *")
put("cut-in-last-line", (ROW + b"\n") * 3 + ROW[:9], 65, "4: *")
put("rows-joined", ROW + ROW, 65, JSON)
put("rows-with-comma", ROW + b",\n" + ROW, 65, JSON)
for i in (1, 5, 9, 11, 16, len(ROW) - 2, len(ROW) - 1):
    put(f"cut-at-{i}", ROW[:i], 65, JSON)

# ---- JSON ----
put("null", b"null\n", 65, "1: null, expected one JSON object*")
put("true", b"true\n", 65, "1: true, expected one JSON object*")
put("string", b'"row"\n', 65, "1: text, expected one JSON object*")
put("number", b"17\n", 65, "1: a whole number, expected one JSON object*")
put("object-empty", b"{}\n", 65, '1: field "prompt": missing, expected text*')
put("comma-last", row(b'"id":"x",'), 65, JSON)
put("comma-missing", b'{"prompt":"p" "answer":"1"}', 65, JSON)
put("colon-missing", b'{"prompt" "p","answer":"1"}', 65, JSON)
put("quotes-single", b"{'prompt':'p','answer':'1'}", 65, JSON)
put("quotes-missing", b'{prompt:"p","answer":"1"}', 65, JSON)
put("quotes-curly", '{“prompt”:"p","answer":"1"}'.encode(), 65, JSON)
put("comment", b"// a row\n" + ROW, 65, JSON)
put("comment-inside", row(b"/* x */"), 65, JSON)
put("bracket-wrong", b'{"prompt":"p","answer":"1"]', 65, JSON)
for name, text in (("nan", b"NaN"), ("infinity", b"-Infinity"), ("real-too-large", b"1e999"), ("leading-zero", b"012"), ("hex", b"0x1f"),
                   ("plus", b"+1"), ("point-first", b".5"), ("point-last", b"5."), ("exponent-empty", b"1e"), ("minus-only", b"-"),
                   ("whole-too-large", b"9223372036854775808"), ("python-none", b"None"), ("python-true", b"True"), ("undefined", b"undefined")):
    put("number-" + name, b'{"prompt":"p","answer":' + text + b"}\n", *(0,) if "too-large" in name else (65, JSON))
put("key-twice", b'{"prompt":"p","answer":"1","prompt":"q"}', 65, '1: *"prompt"*')
put("key-twice-unknown", row(b'"x":1,"x":2'), 65, '1: *"x"*')
put("key-twice-below", row(b'"x":[{"y":1,"y":1}]'), 65, '1: *"y"*')
put("key-twice-escaped", row(b'"x":1,"\\u0078":2'), 65, '1: *duplicate object key*')
put("key-number", row(b"7:1"), 65, JSON)
put("deep-62", row(b'"x":' + b"[" * 62 + b"]" * 62), 0)
put("deep-lists", row(b'"x":' + b"[" * 64 + b"]" * 64), 65, JSON)
put("deep-objects", row(b'"x":' + b'{"y":' * 64 + b"1" + b"}" * 64), 65, JSON)
put("deep-5000", b"[" * 5000, 65, JSON)
put("deep-objects-5000", b'{"a":' * 5000, 65, JSON)

# ---- text ----
for name, text in (("latin-1", b"\xe4rger"), ("continuation-alone", b"\x80"), ("overlong-2", b"\xc0\x80"), ("overlong-3", b"\xe0\x80\xaf"),
                   ("overlong-4", b"\xf0\x80\x80\xaf"), ("surrogate", b"\xed\xa0\x80"), ("surrogate-pair", b"\xed\xa0\x81\xed\xb0\x80"),
                   ("past-unicode", b"\xf4\x90\x80\x80"), ("five-bytes", b"\xf8\x88\x80\x80\x80"), ("byte-255", b"\xff"), ("cut-letter", b"\xe4\xb8"),
                   ("newline-raw", b"a\nb"), ("tab-raw", b"a\tb"), ("escape-raw", b"\x1b[31m"), ("nul-raw", b"a\0b"), ("nul-escaped", b"a\\u0000b"),
                   ("escape-unknown", b"\\x41"), ("escape-cut", b"\\u12"), ("escape-last", b"\\"), ("low-alone", b"\\udc00"), ("high-alone", b"\\ud800x"),
                   ("high-twice", b"\\ud800\\ud800")):
    put("text-" + name, b'{"prompt":"' + text + b'","answer":"1"}\n', 65, JSON)
put("text-emoji", b'{"prompt":"\\ud83d\\ude00 \xf0\x9f\x98\x80","answer":"1"}\n', 0)
put("text-in-key", row(b'"\xff":1'), 65, JSON)
put("text-nul-in-key", row(b'"a\\u0000":1'), 65, JSON)

# ---- limits ----
BOX = b'{"box":[0,0,1,1]}'
put("steps-64", row(b'"steps":[' + b",".join([b'"x"'] * 64) + b"]"), 0)
put("steps-65", row(b'"steps":[' + b",".join([b'"x"'] * 65) + b"]"), 65, '1: field "steps": 65 *at most 64*')
put("regions-65", row(b'"regions":[' + b",".join([BOX] * 65) + b"]"), 65, '1: field "regions": 65 *at most 64*')
put("objects-65", row(b'"objects":[' + b",".join([BOX] * 65) + b"]"), 65, '1: field "objects": 65 *at most 64*')
put("images-65", row(b'"images":[' + b",".join([b'"x.png"'] * 65) + b"]"), 65, '1: field "images": 65 *at most 64*')
put("box-nan", row(b'"regions":[{"box":[0,0,1,1e400]}]'), 65, JSON)
put("box-reversed", row(b'"regions":[{"box":[0.5,0,0.25,1]}]'), 65, '1: field "regions": item 1: "box"*')
put("box-of-5", row(b'"regions":[{"box":[0,0,1,1,1]}]'), 65, '1: field "regions": item 1: "box"*')
put("image-missing", row(b'"image":"none.png"'), 66, '1: field "image": none.png: No such file or directory')
put("image-is-a-data-set", row(b'"image":"whole.jsonl"'), 65, '1: field "image": *neither PNG, JPEG, *')
put("image-url", row(b'"image":"https://example.org/a.png"'), 66, '1: field "image": https://example.org/a.png: No such file or directory')
put("image-base64", row(b'"image":"data:image/png;base64,iVBORw0KGgo="'), 66, '1: field "image": data:image/png;base64,iVBORw0KGgo=: No such file*')
put("image-long-name", row(b'"image":"' + b"x" * 300 + b'.png"'), 65, '1: field "image": xxx*')
put("image-folder", row(b'"image":"."'), 65, '1: field "image": *')

with open(os.path.join(HERE, "EXPECT"), "w") as f:
    f.write("# Made by make.py. File, exit status (0: accepted), pattern of the message behind the file's name and a colon.\n")
    f.write("\n".join(expect) + "\n")
