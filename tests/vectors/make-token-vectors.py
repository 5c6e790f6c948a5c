#!/usr/bin/env python3
"""Makes the tokenizer's test vectors with the `tokenizers` library as oracle.

    make-token-vectors.py TOKENIZER_JSON_GZ OUT_DIR [--many N]

writes into OUT_DIR
    token-encode.jsonl.gz  2,000 hard strings:  ["text", [ids]]
    token-decode.jsonl.gz  600 lists of ids:    [[ids], "text", "text without special tokens"]
    token-points.txt.gz    every Unicode code point in contexts: a line per 1,024 of them, FIRST CRC32
and, with --many N, token-many.jsonl.gz: N strings of all kinds, for `bench-token compare` by hand.

A string is hard if at least one plausible mistake (see MISTAKES) changes its ids.
Made with: Python 3.11.7, tokenizers 0.23.3. Everything random comes from one seed.
"""
import argparse
import gzip
import json
import pathlib
import random
import sys
import unicodedata
import zlib

import tokenizers
from tokenizers import Tokenizer

HARD, LISTS = 2000, 600

# ---- material ----

# First and last code point of stretches of scripts and symbols; holes in them are welcome.
STRETCHES = [
    (0x20, 0x7E), (0xA0, 0x17F), (0x180, 0x24F), (0x250, 0x2FF), (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x58F),
    (0x590, 0x5FF), (0x600, 0x6FF), (0x700, 0x74F), (0x750, 0x77F), (0x780, 0x7BF), (0x7C0, 0x7FF), (0x800, 0x85F),
    (0x8A0, 0x8FF), (0x900, 0x97F), (0x980, 0x9FF), (0xA00, 0xA7F), (0xA80, 0xAFF), (0xB00, 0xB7F), (0xB80, 0xBFF),
    (0xC00, 0xC7F), (0xC80, 0xCFF), (0xD00, 0xD7F), (0xD80, 0xDFF), (0xE00, 0xE7F), (0xE80, 0xEFF), (0xF00, 0xFFF),
    (0x1000, 0x109F), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x139F), (0x13A0, 0x13FF), (0x1400, 0x167F),
    (0x1680, 0x169F), (0x16A0, 0x16FF), (0x1700, 0x177F), (0x1780, 0x17FF), (0x1800, 0x18AF), (0x1900, 0x19FF),
    (0x1A00, 0x1AAF), (0x1B00, 0x1BFF), (0x1C00, 0x1C8F), (0x1C90, 0x1CBF), (0x1D00, 0x1DBF), (0x1E00, 0x1EFF),
    (0x1F00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x209F), (0x20A0, 0x20CF), (0x2100, 0x218F), (0x2190, 0x22FF),
    (0x2300, 0x245F), (0x2460, 0x24FF), (0x2500, 0x27BF), (0x27C0, 0x2BFF), (0x2C00, 0x2DFF), (0x2E00, 0x2E7F),
    (0x2E80, 0x2FFF), (0x3000, 0x303F), (0x3040, 0x309F), (0x30A0, 0x30FF), (0x3100, 0x31FF), (0x3200, 0x33FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA000, 0xA4CF), (0xA4D0, 0xA69F), (0xA700, 0xA7FF), (0xA800, 0xABFF),
    (0xAC00, 0xD7FF), (0xE000, 0xE100), (0xF900, 0xFAFF), (0xFB00, 0xFDFF), (0xFE00, 0xFEFF), (0xFF00, 0xFFEF),
    (0x10000, 0x100FF), (0x10140, 0x101FF), (0x10280, 0x1037F), (0x10380, 0x104FF), (0x10500, 0x107BF),
    (0x10800, 0x10FFF), (0x11000, 0x114FF), (0x11580, 0x11FFF), (0x12000, 0x1254F), (0x13000, 0x143FA),
    (0x14400, 0x1467F), (0x16100, 0x16FFF), (0x17000, 0x18CFF), (0x1B000, 0x1B2FF), (0x1BC00, 0x1BCAF),
    (0x1CC00, 0x1CFFF), (0x1D000, 0x1D3FF), (0x1D400, 0x1D7FF), (0x1D800, 0x1DAAF), (0x1DF00, 0x1E2FF),
    (0x1E4D0, 0x1E5FF), (0x1E800, 0x1EEFF), (0x1F000, 0x1F2FF), (0x1F300, 0x1F9FF), (0x1FA00, 0x1FBFF),
    (0x20000, 0x2A6DF), (0x2B730, 0x2EE5D), (0x2F800, 0x2FA1F), (0x30000, 0x323AF), (0xE0000, 0xE01EF),
    (0xF0000, 0xF0100), (0x10FF00, 0x10FFFF)]
WHITE = [chr(c) for c in (9, 10, 11, 12, 13, 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F,
                          0x205F, 0x3000)]
NEARLY_WHITE = ["\u180e", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\x1c", "\x1d", "\x1e", "\x1f"]
SENTENCES = """The quick brown fox doesn't jump over 13 lazy dogs; they're asleep, aren't they?
Im Café saßen übermütige Gäste, die Größe 42 trugen – „schön“, sagte er.
L'été dernier, où l'on s'est vu à l'œuvre, ça m'a coûté 1 234,50 €.
¿Cuántos años tiene el señor Núñez? ¡Mañana cumple 71!
Zażółć gęślą jaźń; pchnąć w tę łódź jeża lub ośm skrzyń fig.
Příliš žluťoučký kůň úpěl ďábelské ódy.
Съешь ещё этих мягких французских булок, да выпей же чаю (№ 5).
Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Τι κάνεις; Ὦ ἄνδρες Ἀθηναῖοι.
זה כיף סתם לשמוע איך תנצח קרפד עץ טוב בגן. שָׁלוֹם
نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر ٣٤٥
ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश करने वाले विष्णुवतार भगवान श्रीराम १२३
আমি কাঁচ খেতে পারি, তাতে আমার কোনো ক্ষতি হয় না।
நான் கண்ணாடி சாப்பிடுவேன், அதனால் எனக்கு ஒரு கேடும் வராது.
เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน ๑๒๓
ကျွန်တော် မှန်စားနိုင်တယ်။ ខ្ញុំអាចញុំកញ្ចក់បាន
我能吞下玻璃而不伤身体。2024年10月1日,价格¥3,500元!
我能吞下玻璃而不傷身體。《紅樓夢》第一回……
いろはにほへと ちりぬるを。ガラスを食べられます、それは私を傷つけません。バ゛パ゜
나는 유리를 먹을 수 있어요. 그래도 아프지 않아요. 다람쥐 헌 쳇바퀴에 타고파 한글
Tôi có thể ăn thuỷ tinh mà không hại gì. Người Việt Nam đẹp.
İstanbul'da ığdır şöför; DİYARBAKIR ı i I İ
እኔ መስታወት መብላት እችላለሁ ᚠᛇᚻ᛫ᛒᛦᚦ ᐊᓂᒍᐃ ᏣᎳᎩ
Je peux manger du verre‚ ça ne me fait pas mal… l’œil, aujourd’hui, y'all'd've
Let x ∈ ℝ, ∀ε>0 ∃δ: |x−a|<δ ⇒ |f(x)−f(a)|<ε. ½ + ⅓ = ⅚, x² + y³ ≤ Ⅷ, ①②③ ㈱ ㎏
ﬁnd the oﬃce — naïve coöperation, Å vs Å, Ω vs Ω, K vs K, ẛ̣""".split("\n")
WORDS = """return if else while for int void char struct static const def class self lambda import from None True False
function var let null undefined async await public private fn impl mut match use SELECT WHERE INSERT http www com json
tokenizer getElementById std::vector printf errno i j k n x_1 camelCaseName snake_case_name CONSTANT_NAME __init__ 0xFF 1e-5
3.14159 127.0.0.1 v1.2.3 #include <stdio.h> // /* */ -> => == != <= >= && || ++ -- += << >> :: ... ?? ?. @property""".split()
LATEX = r"""\frac{a}{b} \boxed{42} \sum_{i=1}^{n} \int_0^\infty e^{-x^2}\,dx \begin{align*} \end{align*} x &= y \\ \mathbb{R}
\left( \right) \sqrt[3]{2} \cdot \times \alpha\beta\gamma \text{if } \vec{v} $$ $ \[ \] \( \) ^{\circ} _{k+1} \ldots \quad
\operatorname{argmax} \lim_{x\to0} \%  \# \& ~ {} \frac12 \not= \overline{AB} \angle ABC 10^{-3} \langle\psi|""".split()
EMOJI = [chr(c) for c in (0x1F600, 0x1F468, 0x1F469, 0x1F467, 0x1F466, 0x1F3FB, 0x1F3FF, 0x2764, 0x1F525, 0x1F308,
                          0x1F3F3, 0x1F3F4, 0x2620, 0x1F1E9, 0x1F1EA, 0x1F1FA, 0x1F1F8, 0x1F9D1, 0x1F680, 0x26A7,
                          0x2328, 0x1F577, 0x1FAE8, 0xA9, 0xAE, 0x203C, 0x2139, 0x1F468, 0x1F32B)]
JOINERS = ["\u200d", "\ufe0f", "\ufe0e", "\u20e3", "\U000e0067", "\U000e007f", "1\ufe0f\u20e3", "#\u20e3", "\u200d\u2640\ufe0f"]
MARKS = [chr(c) for c in range(0x300, 0x1E950) if unicodedata.combining(chr(c))]
BASES = list("aeiounAEIOUNycszdtq") + list("αωΑη") + list("иеИ") + list("かは") + list("שכ") + list("ुनर") + ["\u1100", "\uac00"]
COMPOSABLE = [chr(c) for c in range(0xA0, 0x30000) if unicodedata.normalize("NFD", chr(c)) != chr(c)]
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'T", "'RE", "'Ve", "'M", "'lL", "'D", "'\u017f",
                "\u2019s", "'", "''", "'l", "'r", "'v", "'\u1e9e", "'\ufb06", "'\u212a", "`s", "' s"]


# ---- kinds of strings: each takes R (random), V (vocabulary) and gives one string ----

def pick(r, source, low, high, glue=""):
    return glue.join(r.choice(source) for _ in range(r.randint(low, high)))


def script(r, v):
    low, high = r.choice(STRETCHES)
    low, high = (low, high) if high - low < 300 else (lambda a: (a, a + 300))(r.randint(low, high - 300))
    letters = [chr(c) for c in range(low, high + 1)]
    return "".join(r.choice([pick(r, letters, 1, 8), pick(r, letters, 1, 3), " ", " ", "\n", str(r.randint(0, 3000)), ", ", "."])
                   for _ in range(r.randint(1, 14)))


def sentence(r, v):
    s = r.choice(SENTENCES)
    s = r.choice([str, str, str.upper, str.lower, str.title, str.swapcase])(s)
    s = unicodedata.normalize(r.choice(["NFC", "NFD", "NFD", "NFKC", "NFKD"]), s)
    a, b = sorted((r.randint(0, len(s)), r.randint(0, len(s))))
    return s[a:] if r.random() < 0.3 else s[a:b + 3]


def code(r, v):
    out = ""
    for _ in range(r.randint(1, 8)):
        out += r.choice(["", " " * 4, " " * r.randint(0, 40), "\t" * r.randint(1, 5), " \t "])
        out += pick(r, WORDS, 1, 8, r.choice([" ", " ", "", "  ", "(", ", "]))
        out += r.choice(["\n", "\n", "\r\n", ";\n", "{\n", ");\n\n", "\r", "\n\n\n", " \n", ""])
    return out


def latex(r, v):
    return pick(r, LATEX + ["x", "y", "=", "+", "2", "\n", "where"], 1, 20, r.choice([" ", "", " ", "\n"]))


def emoji(r, v):
    return pick(r, EMOJI + JOINERS + JOINERS + [" ", "a", "1", "!", "\n"], 1, 14)


def accents(r, v):
    return "".join(r.choice(BASES) + pick(r, MARKS[:112] if r.random() < 0.7 else MARKS, 0, 5) + r.choice(["", "", " ", "1"])
                   for _ in range(r.randint(1, 10)))


def decomposed(r, v):
    s = pick(r, COMPOSABLE, 1, 12, r.choice(["", "", " "]))
    return unicodedata.normalize(r.choice(["NFD", "NFD", "NFC", "NFKD"]), s) if r.random() < 0.8 else s


def jamo(r, v):
    return "".join(chr(r.randint(0x1100, 0x1112)) + chr(r.randint(0x1161, 0x1175)) +
                   (chr(r.randint(0x11A7, 0x11C3)) if r.random() < 0.6 else "") + r.choice(["", "", " ", chr(r.randint(0xAC00, 0xD7A3))])
                   for _ in range(r.randint(1, 9)))


def controls(r, v):
    pool = [chr(c) for c in (*range(0, 32), 127, *range(128, 160))] + NEARLY_WHITE + [chr(c) for c in range(0x202A, 0x2070)] + \
        [chr(c) for c in range(0xFFF0, 0x10000)] + ["\ue000", "\U0010ffff"]
    return pick(r, pool + ["a", "1", " ", "!"], 1, 20)


def white(r, v):
    pool = WHITE + NEARLY_WHITE[:4] + ["\n", "\r", " ", " ", "\t"]
    return "".join(pick(r, pool, 0, 6) + r.choice(["a", "word", "1", "!", "?!", "é", "中", "", "🙂", "'s", "<|im_end|>"])
                   for _ in range(r.randint(1, 8)))


def contractions(r, v):
    return "".join(r.choice(["I", "we", "it", "中", "é", "1", "!", " ", "x\u0301", ""]) + r.choice(CONTRACTIONS) +
                   r.choice(["", "", " ", "x", "1", "e", "E", "l", "\u0301"]) for _ in range(r.randint(1, 8)))


def added(r, v):
    pool = v["added"]
    cut = [s[:k] for s in pool for k in (1, 3, len(s) - 1)] + [s[1:] for s in pool]
    return "".join(r.choice([r.choice(pool), r.choice(pool), r.choice(cut), " ", "\n", "user", "\u0301", "a", "e", "  ", "'s", "1"])
                   for _ in range(r.randint(1, 12)))


def vocabulary(r, v):
    return b"".join(r.choice(v["bytes"]) for _ in range(r.randint(1, 12))).decode("utf-8", "replace")


def halves(r, v):
    out = b""
    for _ in range(r.randint(1, 10)):
        t = r.choice(v["bytes"])
        a = r.randint(0, len(t))
        out += r.choice([t[:a], t[a:], t, t[:a] + t])
    return out.decode("utf-8", "ignore")


def glued_letters(r, v):
    return "".join(r.choice(v["words"]) for _ in range(r.randint(2, 12)))


def noise(r, v):
    return bytes(r.randint(0, 255) for _ in range(r.randint(1, 60))).decode("utf-8", "replace")


def latin_noise(r, v):
    return bytes(r.randint(0, 255) for _ in range(r.randint(1, 60))).decode("latin-1")


def points(r, v):
    out = ""
    for _ in range(r.randint(1, 20)):
        c = r.randint(0, r.choice([0xFFF, 0xFFFF, 0x1FFFF, 0x10FFFF]))
        out += chr(c) if not 0xD800 <= c < 0xE000 else "\ud7ff"
    return out


def runs(r, v):
    unit = r.choice([lambda: chr(r.randint(32, 126)), lambda: r.choice(WHITE), lambda: r.choice(EMOJI), lambda: str(r.randint(0, 9)),
                     lambda: r.choice(BASES) + r.choice(MARKS), lambda: pick(r, "abcdefgh", 2, 4), lambda: r.choice("=-_*#~.\n "),
                     lambda: chr(r.randint(0x4E00, 0x9FFF)), lambda: r.choice(v["words"])])()
    return unit * r.choice([2, 3, 7, 15, 16, 17, 31, 33, 64, 100, r.randint(1, 300)]) + r.choice(["", "a", " ", "\n", "!"])


def mixed(r, v):
    return "".join(r.choice(KINDS[:-1])(r, v)[:r.randint(1, 30)] for _ in range(r.randint(2, 5)))


KINDS = [script, script, script, sentence, sentence, code, latex, emoji, accents, decomposed, jamo, controls, white, contractions,
         added, vocabulary, halves, glued_letters, noise, latin_noise, points, runs, mixed]


# ---- the oracle, and tokenizers with one mistake each ----

def symbols():
    own = [b for b in range(256) if 0x21 <= b <= 0x7E or 0xA1 <= b <= 0xAC or b >= 0xAE]
    rest = [b for b in range(256) if b not in own]
    return {chr(b): b for b in own} | {chr(256 + i): b for i, b in enumerate(rest)}


def material(root):
    byte = symbols()
    raw = [bytes(byte[c] for c in s) for s in root["model"]["vocab"]]
    return {"bytes": raw, "words": [b.decode() for b in raw if b.isalpha()], "added": [a["content"] for a in root["added_tokens"]]}


def changed(root, **what):
    new = dict(root, **{k: v for k, v in what.items() if k != "pattern"})
    if "pattern" in what:
        split = root["pre_tokenizer"]["pretokenizers"]
        new["pre_tokenizer"] = dict(root["pre_tokenizer"], pretokenizers=[
            dict(split[0], pattern={"Regex": what["pattern"](split[0]["pattern"]["Regex"])}), split[1]])
    return Tokenizer.from_str(json.dumps(new))


def mistakes(root):
    """No NFC, NFKC, words taken whole, marks in words, ASCII white space, ASCII digits, grouped digits, case, no added
    tokens, no look-ahead."""
    ascii_white = lambda p: p.replace("[^\\s", "[^ \\t\\n\\v\\f\\r").replace("\\S", "[^ \\t\\n\\v\\f\\r]").replace("\\s", "[ \\t\\n\\v\\f\\r]")
    return [changed(root, normalizer=None), changed(root, normalizer={"type": "NFKC"}),
            changed(root, model=dict(root["model"], ignore_merges=True)),
            changed(root, pattern=lambda p: p.replace("\\p{L}+", "[\\p{L}\\p{M}]+")), changed(root, pattern=ascii_white),
            changed(root, pattern=lambda p: p.replace("\\p{N}", "0-9", 1).replace("\\p{N}|", "[0-9]|").replace("\\p{L}\\p{N}]+", "\\p{L}0-9]+")),
            changed(root, pattern=lambda p: p.replace("\\p{N}|", "\\p{N}{1,3}|")),
            changed(root, pattern=lambda p: p.replace("(?i:", "(?:")), changed(root, added_tokens=[]),
            changed(root, pattern=lambda p: p.replace("|\\s+(?!\\S)", ""))]


def encode(tokenizer, strings):
    return [e.ids for e in tokenizer.encode_batch(strings, add_special_tokens=False)]


def strings(n, root, seed):
    r, v = random.Random(seed), material(root)
    for i in range(n):
        yield KINDS[i % len(KINDS)](r, v)


def hard(oracle, root):
    """HARD strings, as many of each kind as there are, short ones first within a kind."""
    pool = list(dict.fromkeys(strings(10 * HARD, root, 2)))
    right = encode(oracle, pool)
    caught = [0] * len(pool)
    for wrong in mistakes(root):
        caught = [c + (a != b) for c, a, b in zip(caught, right, encode(wrong, pool))]
    print("each of the mistakes changes some; strings changed by at least one:", sum(c > 0 for c in caught), "of", len(pool))
    at = sorted((i for i in range(len(pool)) if caught[i]), key=lambda i: (-caught[i], len(right[i])))
    chosen = at[:HARD // 2] + random.Random(3).sample(at[HARD // 2:], HARD - HARD // 2)
    return [[pool[i], right[i]] for i in sorted(chosen, key=lambda i: (len(right[i]), pool[i]))]


# ---- what is written ----

def write(path, lines):
    with open(path, "wb") as f, gzip.GzipFile("", "wb", 9, f, 0) as z:
        z.write("".join(line + "\n" for line in lines).encode())
    print(path, len(lines), "lines", path.stat().st_size, "bytes")


def write_json(path, values):
    write(path, [json.dumps(x, ensure_ascii=False, separators=(",", ":")) for x in values])


def decode_lists(oracle, root):
    r, size = random.Random(4), 151669
    byte_ids = [root["model"]["vocab"][s] for s in symbols()]
    kinds = [lambda: r.randint(0, size - 1), lambda: r.choice(byte_ids), lambda: r.choice(byte_ids[94:]),
             lambda: r.randint(151643, size - 1), lambda: r.randint(size, size + 300)]
    out = [[[i], None, None] for i in range(151643, size)]
    while len(out) < LISTS:
        some = r.sample(kinds, r.randint(1, len(kinds)))
        out.append([[r.choice(some)() for _ in range(r.randint(1, 24))], None, None])
    for case in out:
        case[1:] = [oracle.decode(case[0], skip_special_tokens=s) for s in (False, True)]
    return out


def in_context(c):
    return c + "\na" + c + "1" + c + "'" + c + " " + c + "!e" + c + "\u0301\n"


def all_points(oracle):
    """For each 1,024 code points: CRC-32 of the ids (32 bits, little end first) of one text that holds each in context."""
    lines = []
    for first in range(0, 0x110000, 1024):
        if not 0xD800 <= first < 0xE000:
            [ids] = encode(oracle, ["".join(in_context(chr(c)) for c in range(first, first + 1024))])
            lines.append("%X %08X" % (first, zlib.crc32(b"".join(i.to_bytes(4, "little") for i in ids))))
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("json")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--many", type=int)
    args = parser.parse_args()
    root = json.loads(gzip.open(args.json).read())
    oracle = Tokenizer.from_str(json.dumps(root))
    print("Python", sys.version.split()[0], "tokenizers", tokenizers.__version__)
    if args.many:
        pool = list(strings(args.many, root, 1))
        write_json(args.out / "token-many.jsonl.gz", [list(x) for x in zip(pool, encode(oracle, pool))])
    write_json(args.out / "token-encode.jsonl.gz", hard(oracle, root))
    write_json(args.out / "token-decode.jsonl.gz", decode_lists(oracle, root))
    write(args.out / "token-points.txt.gz", all_points(oracle))


if __name__ == "__main__":
    main()
