#!/usr/bin/env python3
"""Makes chat-instruct.jinja, chat-thinking.jinja and prompts.json.gz: conversations and the ids that transformers makes of them.

usage: tests/vectors/make-prompts.py TOKENIZER      (a folder with Qwen3's tokenizer.json.gz; only to change the vectors)
Made with transformers 5.23.0, tokenizers 0.23.3, jinja2 3.1.6, torch 2.15.0 (CPU), Pillow 13.0.0.

The two templates are NOT the files of the published checkpoints, which were not at hand. They were written for this purpose from a description of
what those do (README.md), so the vectors prove that the C code does what these templates do in transformers' hands.
"""
import gzip
import json
import os
import random
import re
import sys
import tempfile

from PIL import Image
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast, Qwen2VLImageProcessor, Qwen3VLProcessor, Qwen3VLVideoProcessor

HERE = os.path.dirname(os.path.abspath(__file__))

PARTS = """
{%- set seen = namespace(images=0) %}
{%- macro parts(content, counted) %}
    {%- if content is string %}
        {{- content }}
    {%- else %}
        {%- for part in content %}
            {%- if part.type == 'image' %}
                {%- if counted %}{% set seen.images = seen.images + 1 %}{% endif %}
                {%- if add_vision_id %}{{ 'Picture ' ~ seen.images ~ ': ' }}{% endif %}
                {{- '<|vision_start|><|image_pad|><|vision_end|>' }}
            {%- elif part.type == 'text' %}
                {{- part.text }}
            {%- endif %}
        {%- endfor %}
    {%- endif %}
{%- endmacro %}
"""

INSTRUCT = "{#- Written from a description; not the published file. -#}" + PARTS + """
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + parts(message.content, true) + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

THINKING = "{#- Written from a description; not the published file. -#}" + PARTS + """
{%- set last = namespace(question=messages|length - 1, found=false) %}
{%- for message in messages[::-1] %}
    {%- if message.role == 'user' and not last.found %}
        {%- set text = parts(message.content, false) %}
        {%- if not (text.startswith('<tool_response>') and text.endswith('</tool_response>')) %}
            {%- set last.found = true %}
            {%- set last.question = messages|length - 1 - loop.index0 %}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set text = parts(message.content, true) %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.role == 'assistant' %}
        {%- set thought = '' %}
        {%- if message.reasoning_content is string %}
            {%- set thought = message.reasoning_content %}
        {%- elif '</think>' in text %}
            {%- set thought = text.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set text = text.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > last.question and (loop.last or thought) %}
            {{- '<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + text.lstrip('\\n') }}
        {%- else %}
            {{- text }}
        {%- endif %}
    {%- else %}
        {{- text }}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n<think>\\n' }}
{%- endif %}
"""

SIZES = [(256, 256), (256, 320), (512, 160), (288, 256), (480, 640), (96, 992)]
TEXTS = ["What is in the picture?", "Describe this image.", "", " leading and trailing ", "two\nlines\n\nand a third", "sum: 12 + 34 = ?",
         "Wie viele rote Ziffern?", "图里有什么？", "この絵は何ですか", "Что на картинке?", "मुझे बताओ", "ما هذا؟", "e\u0301tude vs étude", "👩‍👩‍👧 and 🌧️",
         "\\boxed{42}", "for (i = 0; i < n; i++) { x += y; }\n\treturn x;", "a" * 40, "   ", "\n", "don't I'M we'LL", "1234567890",
         "<tool_call> is not special", "less < more > & \"quoted\" {{ not jinja }} {% nor this %}", "x\u00a0y\u3000z", "$\\frac{a}{b}$",
         "spelled <|im_end|> counts", "Hint: look at b2"]
THOUGHTS = ["First the left one.", "\nlines around\n", "", "two\n\nparagraphs", "一步一步来"]


def text(s):
    return {"type": "text", "text": s}


def image(size):
    return {"type": "image", "size": list(size)}


def user(*parts):
    return {"role": "user", "content": list(parts)}


def assistant(s, thought=None):
    m = {"role": "assistant", "content": [text(s)]}
    if thought is not None:
        m["reasoning_content"] = thought
    return m


def system(s):
    return {"role": "system", "content": [text(s)]}


def written():
    a, b, c = image((256, 256)), image((256, 320)), image((512, 160))
    q = text("What is in the picture?")
    yield [user(q)]
    yield [user(a, q)]
    yield [user(q, a)]
    yield [user(text("First "), a, text(" then "), b, text(": which is larger?"))]
    yield [user(a, b, c, q)]
    yield [user(c, b, a, q)]
    yield [user(a)]
    yield [user(a, a)]
    yield [user()]
    yield [user(text(""))]
    yield [system("You are terse."), user(a, q)]
    yield [system(""), user(q)]
    yield [system("line one\nline two\n"), user(b, q)]
    yield [user(a, q), assistant("A cat."), user(text("And its colour?"))]
    yield [user(a, q), assistant("A cat."), user(b, text("And here?")), assistant("A dog."), user(text("Which is older?"))]
    yield [system("S"), user(a, q), assistant("<think>\nears, tail\n</think>\n\nA cat."), user(text("Sure?"))]
    yield [user(a, q), assistant("<think>\nears, tail\n</think>\n\nA cat.")]
    yield [user(q), assistant("A cat.", "ears, tail")]
    yield [user(q), assistant("A cat.")]
    yield [user(q), assistant("\n\nA cat.")]
    yield [user(q), assistant("A cat.", "")]
    yield [user(q), assistant("A cat.", "\n\n")]
    yield [user(q), assistant("no opening\n</think>\n\nA cat.")]
    yield [user(q), assistant("<think>one</think>x<think>two</think>\ny")]
    yield [user(q), assistant("<think>one</think>x<think>two</think>\ny"), user(text("Again?"))]
    yield [user(q), assistant("I look it up.", "call"), user(text("<tool_response>\n7\n</tool_response>")), assistant("Seven.", "so 7")]
    yield [user(q), assistant("I look it up."), user(text("<tool_response>\n7\n</tool_response>"))]
    yield [user(q), assistant("I look it up."), user(text("<tool_res"), text("ponse>\n7\n</tool_response>")), assistant("Seven.")]
    yield [user(q), assistant("Look."), user(text("<tool_response>"), a, text("</tool_response>")), assistant("Seven.", "so")]
    yield [user(text("<tool_response>\n7\n</tool_response>")), assistant("Seven.", "alone")]
    yield [assistant("I begin.")]
    yield [assistant("I begin.", "why not"), assistant("And go on.", "on")]
    yield [user(q), user(a), user(text("three in a row"))]
    yield [user(q), assistant("1"), assistant("2", "x"), assistant("3")]


def drawn(r):
    talk = [system(r.choice(TEXTS))] if r.random() < 0.4 else []
    for turn in range(r.randint(1, 4)):
        parts = [image(r.choice(SIZES)) if r.random() < 0.4 else text(r.choice(TEXTS)) for _ in range(r.randint(1, 4))]
        talk.append(user(*parts))
        if r.random() < 0.75:
            s = r.choice(TEXTS)
            if r.random() < 0.3:
                s = "<think>\n" + r.choice(THOUGHTS) + "\n</think>\n\n" + s
            talk.append(assistant(s, r.choice(THOUGHTS) if r.random() < 0.3 else None))
    return talk


def folded(ids):
    """[id, times, id, times, ...]"""
    out = []
    for i in ids:
        if out and out[-2] == i:
            out[-1] += 1
        else:
            out += [i, 1]
    return out


def processor(tokenizer_folder, template):
    with gzip.open(os.path.join(tokenizer_folder, "tokenizer.json.gz"), "rb") as f:
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(f.read().decode()), eos_token="<|im_end|>", pad_token="<|endoftext|>")
    settings = dict(patch_size=16, merge_size=2, temporal_patch_size=2, size=dict(shortest_edge=65536, longest_edge=16777216))
    return Qwen3VLProcessor(Qwen2VLImageProcessor(**settings), tokenizer, Qwen3VLVideoProcessor(), chat_template=template)


def ids_of(p, talk, reply, numbered):
    messages = []
    for m in talk:
        content = [{"type": "image", "image": Image.new("RGB", (c["size"][1], c["size"][0]))} if c["type"] == "image" else c for c in m["content"]]
        messages.append({**m, "content": content})
    out = p.apply_chat_template([messages], tokenize=True, add_generation_prompt=reply, add_vision_id=numbered, return_dict=True)
    ids = out["input_ids"][0]
    return [int(i) for i in ids]


def spelled_as_text(tokenizer, ids):
    """The same conversation where the <|im_end|> that a message spells stays text, which no template of transformers can say."""
    full = tokenizer.decode(ids, skip_special_tokens=False).replace("spelled <|im_end|> counts", "spelled \ue000 counts")
    if "\ue000" not in full:
        return ids
    tokenizer.encode_special_tokens = True
    out = []
    for piece in re.split(r"(<\|[a-z_]+\|>)", full):
        control = tokenizer.token_to_id(piece)
        out += [control] if control is not None and piece.startswith("<|") else tokenizer.encode(piece.replace("\ue000", "<|im_end|>")).ids
    return out


def main():
    r = random.Random(11)
    talks = list(written()) + [drawn(r) for _ in range(66)]
    vectors = []
    for kind, template in (("instruct", INSTRUCT), ("thinking", THINKING)):
        with open(os.path.join(HERE, f"chat-{kind}.jinja"), "w") as f:
            f.write(template)
        p = processor(sys.argv[1], template)
        for n, talk in enumerate(talks):
            reply, numbered = n % 5 != 4 or talk[-1]["role"] == "user", n % 3 == 2
            vectors.append(dict(kind=kind, reply=reply, numbered=numbered, messages=talk,
                                ids=folded(spelled_as_text(p.tokenizer.backend_tokenizer, ids_of(p, talk, reply, numbered)))))
    with open(os.path.join(HERE, "prompts.json.gz"), "wb") as f:
        f.write(gzip.compress(json.dumps(vectors, ensure_ascii=False, separators=(",", ":")).encode(), mtime=0))
    print(len(vectors), "conversations")


main()
