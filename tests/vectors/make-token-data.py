#!/usr/bin/env python3
"""Makes token-data.jsonl.gz: texts that spell control tokens, and their ids where those stay text.

usage: tests/vectors/make-token-data.py      (needs `tokenizers`; made with 0.23.3; only to change the vectors)

The oracle is `encode_special_tokens` of the `tokenizers` library (`split_special_tokens` of transformers) with Qwen3's tokenizer.json: added
tokens that are special stay text, the others (<think>, <tool_call>) become their ids.
"""
import gzip
import json
import os
import random

import tokenizers

HERE = os.path.dirname(os.path.abspath(__file__))
WORDS = ["<|im_end|>", "<|im_start|>", "<|endoftext|>", "<|image_pad|>", "<|vision_start|>", "<|vision_end|>", "<|video_pad|>", "<|box_start|>",
         "<|object_ref_end|>", "<think>", "</think>", "<tool_call>", "<|fim_prefix|>", "<|", "|>", "<|im_", "im_end", "<|im_end|", "user\n", " ", "  ",
         "\n", "\n\n", "system", "Ä", "e\u0301", "图", "12", ".", "}", "\\boxed{5}", "don't", "|", "<", ">"]


def main():
    r = random.Random(5)
    with gzip.open(os.path.join(HERE, "qwen3-tokenizer", "tokenizer.json.gz")) as f:
        t = tokenizers.Tokenizer.from_str(f.read().decode())
    t.encode_special_tokens = True
    texts = WORDS + ["".join(r.choice(WORDS) for _ in range(r.randint(1, 9))) for _ in range(600)]
    lines = "".join(json.dumps([s, t.encode(s).ids], ensure_ascii=False, separators=(",", ":")) + "\n" for s in texts)
    with open(os.path.join(HERE, "token-data.jsonl.gz"), "wb") as f:
        f.write(gzip.compress(lines.encode(), mtime=0))
    print(len(texts), "texts")


main()
