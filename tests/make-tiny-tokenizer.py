#!/usr/bin/env python3
"""Makes lib/builtin/tiny/tokenizer.json: byte-level BPE whose merges make every piece of the demo's language one token.

usage: make-tiny-tokenizer.py > lib/builtin/tiny/tokenizer.json     (deterministic; needed only to change the language)

Plain BPE on the list of pieces (each counted once): merge the most frequent adjacent pair, the first in byte order on ties,
until every piece is one symbol. Ids: 256 bytes, merges in order, then the added tokens in the Qwen order.
"""
import json
import sys

# Words that follow another word; those in STARTS also begin a line (a question, a role, an answer).
WORDS = """what is where find look at the and or in on to of an a it all each sum largest smallest difference digit digits number
cell cells row column line left right above below color colors colour red green blue yellow none empty first then next read add
subtract max min count take give answer hint question which with between picture image how many list from reading order not yes no
describe Hint user assistant system""".split()
STARTS = """user assistant system describe what is where find look the all sum largest smallest difference digit number cell cells
row column left right above below color red green blue yellow none empty first then read add subtract max min count take give
answer Hint hint question which how list yes no a b c""".split()
CELLS = [c + r for c in "abc" for r in "123"]
NUMBERS = [str(n) for n in range(41)]
MARKS = list(",.:;?!=+-()") + ["\\boxed{", "}"]

SPLIT = r" ?\\boxed\{| ?[A-Za-z]+[0-9]?| ?[0-9]+| ?[^\sA-Za-z0-9]|\s+(?!\S)|\s+"
SPECIAL = """<|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|> <|box_end|>
<|quad_start|> <|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> <|image_pad|> <|video_pad|>""".split()
PLAIN = ["<think>", "</think>"]


def pieces():
    spaced = WORDS + ["b", "c"] + CELLS + NUMBERS + MARKS
    bare = STARTS + CELLS + NUMBERS + MARKS
    return sorted(set([" " + w for w in spaced] + bare))


def byte_symbols():
    """Byte to printable character, as every byte-level BPE file writes them."""
    own = set(range(0x21, 0x7F)) | set(range(0xA1, 0xAD)) | set(range(0xAE, 0x100))
    others = [b for b in range(256) if b not in own]
    return {b: chr(b) if b in own else chr(0x100 + others.index(b)) for b in range(256)}


def train(words):
    merges = []
    while True:
        count = {}
        for w in words:
            for pair in zip(w, w[1:]):
                count[pair] = count.get(pair, 0) + 1
        if not count:
            return merges
        best = min(count, key=lambda p: (-count[p], p))
        merges.append(best)
        words = [join(w, best) for w in words]


def join(word, pair):
    out = []
    for s in word:
        if out and (out[-1], s) == pair:
            out[-1] = None, pair[0] + pair[1]  # marked, so that it does not join again in this pass
        else:
            out.append(s)
    return [s[1] if isinstance(s, tuple) else s for s in out]


def main():
    merges = train([list(p) for p in pieces()])
    symbol = byte_symbols()
    text = lambda s: "".join(symbol[b] for b in s.encode())
    vocab = {s: b for b, s in symbol.items()}
    for a, b in merges:
        vocab.setdefault(text(a + b), len(vocab))
    added = [{"id": len(vocab) + i, "content": t, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": t in SPECIAL} for i, t in enumerate(SPECIAL + PLAIN)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False}
    json.dump({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": byte_level, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": vocab, "merges": [text(a) + " " + text(b) for a, b in merges]},
    }, sys.stdout, ensure_ascii=False, indent=1)
    print()


main()
