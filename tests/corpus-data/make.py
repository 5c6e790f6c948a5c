#!/usr/bin/env python3
"""Makes the damaged data sets of this folder and EXPECT: for each file its exit status and a pattern of the message behind the file's name.

usage: tests/corpus-data/make.py      (Python alone; only to change the corpus)

What single fields may hold is tried in tests/test-dataset.c; these files are about bytes, lines, nesting and whole files.
"""
import base64
import gzip
import json
import os
import struct
import zlib

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
put("json-list-of-rows", b"[" + ROW + b",\n" + ROW + b"]\n", 0)
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
put("image-url", row(b'"image":"https://example.org/a.png"'), 65, '1: field "image": a web address, expected a file or its bytes')
put("image-long-name", row(b'"image":"' + b"x" * 300 + b'.png"'), 65, '1: field "image": xxx*')
put("image-folder", row(b'"image":"."'), 65, '1: field "image": *')


# ---- lists of rows ----
put("list-one-line", b"[" + ROW + b"," + ROW + b"]", 0)
put("list-pretty", json.dumps([{"prompt": "p ]}", "answer": 1}] * 3, indent=4).encode(), 0)
put("list-with-mark", b"\xef\xbb\xbf \r\n[" + ROW + b"]\n\n", 0)
put("list-empty", b"[]\n", 65, "no rows*")
put("list-of-lists", b"[[" + ROW + b"]]", 65, "1: a list, expected one JSON object*")
put("list-of-null", b"[null]", 65, "1: null, expected one JSON object*")
put("list-nothing-first", b"[," + ROW + b"]", 65, "1: empty, expected one JSON object")
put("list-nothing-last", b"[" + ROW + b",]", 65, "2: empty, expected one JSON object")
put("list-nothing-between", b"[" + ROW + b",," + ROW + b"]", 65, "2: empty, expected one JSON object")
put("list-no-comma", b"[" + ROW + b" " + ROW + b"]", 65, JSON)
put("list-row-cut", b"[" + ROW + b"," + ROW[:9], 65, "2: the file ends within the list*")
put("list-text-cut", b"[" + ROW[:13] + b"," + ROW + b"]", 65, "1: *")
put("list-open", b"[" + ROW, 65, "1: the file ends within the list*")
put("list-open-behind-comma", b"[" + ROW + b",\n", 65, "2: the file ends within the list*")
put("list-only-open", b"[", 65, "1: the file ends within the list*")
put("list-closed-twice", b"[" + ROW + b"]]", 65, "2: the list of rows has ended*")
put("list-twice", b"[" + ROW + b"]\n[" + ROW + b"]", 65, "2: the list of rows has ended*")
put("list-then-line", b"[" + ROW + b"]\n" + ROW, 65, "2: the list of rows has ended*")
put("list-brace-too-many", b"[" + ROW + b"}]", 65, JSON)
put("list-bracket-wrong", b"[" + ROW[:-1] + b"]," + ROW + b"]", 65, "1: *")
put("list-deep", b"[" + row(b'"x":' + b"[" * 64 + b"]" * 64).strip() + b"]", 65, JSON)
put("list-nul", b"[" + ROW + b"\0," + ROW + b"]", 65, JSON)
put("list-third", b"[" + ROW + b"," + ROW + b',{"prompt":"p"}]', 65, '3: field "answer": missing*')

# ---- other people's rows ----


def png(width, height):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = (b"\0" + bytes(3 * width)) * height
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


P = base64.b64encode(png(8, 8)).decode()


def puts(name, value, status, pattern=""):
    put(name, json.dumps(value).encode() + b"\n", status, pattern)


def user(content):
    return [{"role": "user", "content": content}]


def prompt(content, **rest):
    return {"prompt": content, "answer": "1", **rest}


puts("easyr1", {"problem": "<image>p", "answer": "1", "images": [{"bytes": P, "path": "x.png"}]}, 0)
puts("verl", {"data_source": "s", "prompt": user("<image>p"), "images": [{"bytes": P}], "ability": "math",
              "reward_model": {"style": "rule", "ground_truth": "1"}, "extra_info": {"split": "train", "index": 0}}, 0)
puts("trl", {"prompt": user([{"type": "image"}, {"type": "text", "text": "p"}]), "image": {"bytes": P, "path": None},
             "solution": "<answer>1</answer>"}, 0)
puts("sharegpt", {"conversations": [{"from": "human", "value": "<image>p"}, {"from": "gpt", "value": "1"}], "image": "data:image/png;base64," + P}, 0)
puts("messages", {"messages": user("p") + [{"role": "assistant", "content": "\\boxed{1}"}]}, 0)
puts("marks-numbered", prompt("<image 2><image1>", images=[{"bytes": P}] * 2), 0)
puts("options-python", prompt("p", options="['a', \"b's\"]") | {"answer": "B"}, 0)
puts("base64-bare", prompt("<image>p", image=P), 0)
puts("base64-cut", prompt("<image>p", image=P[:-9]), 65, '1: field "image": picture: *')
puts("base64-letter-wrong", prompt("<image>p", image={"bytes": P[:50] + "*" + P[51:]}), 65, '1: field "image": letter 51 of * is no base64')
puts("base64-padding-inside", prompt("<image>p", images=[{"bytes": P[:40] + "=" + P[41:]}]), 65, '1: field "images": item 1: letter 41 of * is no base64')
puts("base64-empty", prompt("<image>p", image={"bytes": ""}), 65, '1: field "image": holds no*')
puts("base64-padding-only", prompt("<image>p", image={"bytes": " \n"}), 65, '1: field "image": picture: empty*')
puts("base64-of-text", prompt("<image>p", image={"bytes": "aGVsbG8="}), 65, '1: field "image": picture: *')
puts("base64-bytes-list", prompt("<image>p", image={"bytes": [137, 80]}), 65, '1: field "image": expected a path*')
puts("base64-repr", prompt("<image>p", image={"bytes": "b'\\x89PNG'"}), 65, '1: field "image": letter 2 of 10 is no base64')
puts("uri-percent", prompt("<image>p", image="data:image/png,%89PNG"), 65, '1: field "image": a data URI without*')
puts("uri-no-comma", prompt("<image>p", image="data:image/png;base64"), 65, '1: field "image": a data URI without*')
puts("uri-cut", prompt("<image>p", image="data:"), 65, '1: field "image": a data URI without*')
puts("image-nested", prompt("p", image={"image": {"image": {"image": {"image": {"path": "a.png"}}}}}), 65, '1: field "image": expected a path*')
puts("image-object-empty", prompt("p", images=[{}]), 65, '1: field "images": item 1: holds no*')
puts("image-beside", prompt("p", picture="a.png"), 65, '1: field "images": missing, but field "picture"*')
puts("video", prompt("<video>p", videos=["a.mp4"]), 65, '1: field "videos": is not read*')
puts("video-mark", prompt("<video>p"), 65, '1: field "prompt": asks for a <video>*')
puts("video-part", prompt(user([{"type": "video", "video": "a.mp4"}])), 65, '1: field "prompt": turn 1: part 1: video, expected*')
puts("turns-none", prompt([]), 65, '1: field "prompt": 0 turns*')
puts("turns-65", prompt(user("p") * 65), 65, '1: field "prompt": 65 turns*')
puts("turns-no-role", prompt([{"content": "p"}]), 65, '1: field "prompt": turn 1: role ""*')
puts("turns-no-content", prompt([{"role": "user"}]), 65, '1: field "prompt": turn 1: content: missing*')
puts("turns-parts-deep", prompt(user([["p"]])), 65, '1: field "prompt": turn 1: part 1: a list*')
puts("turns-reply-only", {"messages": [{"role": "assistant", "content": "1"}]}, 65, '1: field "messages": turn 1: expected a user*')
puts("marks-both", prompt("<image><image 1>", images=[{"bytes": P}]), 65, '1: field "images": marked by*')
puts("marks-too-many", prompt("<image>" * 70, images=[{"bytes": P}] * 64), 65, '1: field "images": 64 pictures, expected 70*')
puts("marks-one-65-times", prompt("<image 1>" * 65, image={"bytes": P}), 65, '1: field "image": shown more than 64 times*')
puts("mark-99999999", prompt("<image 999999>", image={"bytes": P}), 65, '1: field "image": 1 pictures, expected 999999*')
puts("options-11", prompt("p", options=list("abcdefghijk")), 65, '1: field "options": expected at most 10*')
puts("options-cut", prompt("p", options="['a', 'b"), 65, '1: field "options": expected a list of texts')
puts("options-none-of", prompt("p", options=["a", "b"]) | {"answer": "z"}, 65, '1: field "answer": "z" is none of the 2*')
puts("answers-66", prompt("p") | {"answer": [str(i) for i in range(66)]}, 65, '1: field "answer": 66 answers*')
puts("judge-unknown", prompt("p", judge="by eye"), 65, '1: field "judge": "by eye", expected one of*')
puts("reward-model-text", {"prompt": "p", "reward_model": "rule"}, 65, '1: field "answer": missing*')
puts("solution-without", {"prompt": "p", "solution": "First\nthen."}, 65, '1: field "answer": missing*')
puts("box-empty", prompt("p") | {"answer": "\\boxed{}"}, 65, '1: field "answer": empty*')

with open(os.path.join(HERE, "EXPECT"), "w") as f:
    f.write("# Made by make.py. File, exit status (0: accepted), pattern of the message behind the file's name and a colon.\n")
    f.write("\n".join(expect) + "\n")
