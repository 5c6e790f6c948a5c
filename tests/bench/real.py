"""real: the rows of real size, the 2B shape with random weights, beside llama.cpp, transformers and peft. What all of them read
is made first, about 17 GB in the objects' folder."""
import json
import os
import pathlib
import subprocess
import time

HERE = pathlib.Path(__file__).parent
LORA = "rank=16,alpha=32,targets=q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"
CUT = 7  # layers of the 28, and 4 of the picture tower's 24: what transformers trains in float32 in this memory
PICTURE = "640:480"
KEPT = {"4:0:256": 2.4e9, f"4:32:64:{PICTURE}": 0.9e9}  # bytes of activations in a LoRA step: what the goals of memory leave
PAIRS = ", bf16"  # the device cpu:bf16


class Real:
    def __init__(self, tools, scratch, build, bin_, peers):
        self.t, self.at, self.bin, self.peers, self.parties = tools, pathlib.Path(scratch), bin_, peers, {}
        self.real = build / "bench-real"

    def run(self, *command):
        subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL)

    def made(self, name, *commands):
        if not (self.at / name).exists():
            for c in commands:
                self.run(*c)
        return self.at / name

    def tokenizer(self):
        """The embedded model's few words, at the ids that Qwen3-VL has for its marks."""
        path = self.at / "tokenizer.json"
        if not path.exists():
            self.run(f"{self.bin}/ptd-init", "-q", self.at / "tiny.ptd")
            self.run(f"{self.bin}/ptd-export", "-q", self.at / "tiny.ptd", self.at / "tiny")
            t = json.loads((self.at / "tiny/tokenizer.json").read_text())
            for a in t["added_tokens"]:
                a["id"] += 151019 if a["id"] < 638 else 151029
            path.write_text(json.dumps(t))
        return path

    def config(self):
        """A folder whose config.json is the 2B's, cut."""
        folder = self.at / "cut-config"
        if not folder.exists():
            c = json.loads((HERE.parents[1] / "lib/builtin/qwen3-vl-2b/config.json").read_text())
            c["text_config"]["num_hidden_layers"] = CUT
            c["vision_config"].update(depth=4, deepstack_visual_indexes=[1, 2, 3])
            folder.mkdir()
            (folder / "config.json").write_text(json.dumps(c))
            for name in "generation_config.json", "preprocessor_config.json":
                (folder / name).write_text((HERE.parents[1] / "lib/builtin/qwen3-vl" / name).read_text())
        return folder

    def store(self):
        return self.made("big.ptd", [f"{self.bin}/ptd-init", "-q", self.at / "big.ptd", "--config", "qwen3-vl-2b", "--tokenizer", self.tokenizer(),
                                     "--template", "instruct", "--random", 1, "--dtype", "bf16"])

    def lora(self):
        return self.made("lora.ptd", [f"{self.bin}/ptd-init", "-q", self.at / "lora.ptd", "--from-store", self.store(), "--lora", LORA])

    def cut(self):
        return self.made("cut.ptd", [f"{self.bin}/ptd-init", "-q", self.at / "cut.ptd", "--config", self.config(), "--tokenizer", self.tokenizer(),
                                     "--template", "instruct", "--random", 1, "--dtype", "f32"])

    def folder(self, store):
        name = f"{store.stem}-hf"
        return self.made(name, [f"{self.bin}/ptd-export", "-q", store, self.at / name])

    def gguf(self):
        return self.made("big.gguf", [self.peers, HERE / "llama_peer.py", "make", self.folder(self.store()), self.at / "big.gguf"])

    def party(self, name):
        """One of ours, or a peer, with its weights read; those that were used before stay until `only` ends them."""
        if name not in self.parties:
            clean = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
            peer = [self.peers, HERE / "real_peer.py"]
            if name.endswith(PAIRS):
                clean["PTD_DEVICE"] = "cpu:bf16"
            command, argument = {
                "ours": lambda: ([self.real], self.store()), "ours lora": lambda: ([self.real], self.lora()),
                "ours cut": lambda: ([self.real], self.cut()),
                "llama": lambda: ([self.peers, HERE / "llama_peer.py", self.gguf()], "-"),
                "hf": lambda: ([*peer, self.folder(self.store()), "bf16"], "-"), "peft": lambda: ([*peer, self.folder(self.store()), "bf16"], "-"),
                "amp": lambda: ([*peer, self.folder(self.cut()), "amp"], "-")}[name.removesuffix(PAIRS)]()
            self.parties[name] = p = self.t.Party([str(c) for c in command], clean)
            p.ask("learn" if name.removesuffix(PAIRS) in ("ours lora", "ours cut") else "load", argument)
            if name == "peft":
                p.ask("adapt", "-")
        return self.parties[name]

    def only(self, *names):
        for name in list(self.parties):
            if name not in names:
                self.parties.pop(name).end()
        return [self.party(n) for n in names]

    # ---- rows ----

    def decode(self, sequences, n, ours):
        """Of 64 words and 33: what 32 steps take, beside llama.cpp's."""
        mine, peer = self.only(ours, "llama")
        long, short = f"{sequences}:64:33", f"{sequences}:64:1"
        answers = self.t.rounds(n, (mine, "sample", long), (mine, "sample", short), (peer, "sample", long), (peer, "sample", short))
        return (self.t.middle((c - d) / (a - b) for a, b, c, d in answers), self.t.middle(32 * sequences / (a - b) for a, b, _, _ in answers))

    def beside(self, work, argument, n, ours="ours", peer="hf"):
        parties = self.only(ours, peer)
        answers = self.t.rounds(n, *((p, work, argument) for p in parties))
        return (self.t.middle(b / a for a, b in answers), *((self.t.middle(a for a, _ in answers),)))

    def step(self, argument, n, ours):
        """Each begins anew, since its memory is the most that it ever had."""
        self.only()
        mine, _ = self.only(ours, "peft")
        mine.ask("keep", KEPT[argument])
        speed = self.beside("step", argument, n, ours, "peft")
        mine, peer = (self.parties[p].ask("memory", "-") for p in (ours, "peft"))
        return *speed, mine / peer, mine, peer

    def full(self, n, ours):
        """One after the other, since both at once need 26 GB. The first step meets fresh memory."""
        self.only()
        mine, = self.only(ours)
        first = mine.ask("step", "4:0:256")
        later = self.t.middle(a for a, in self.t.rounds(n, (mine, "step", "4:0:256")))
        peer, = self.only("amp")
        return self.t.middle(a for a, in self.t.rounds(n + 1, (peer, "step", "4:0:256"))) / later, later, first / later

    def start(self, n):
        """A program that has a step to do, until it has refused the data: none. Trusted, and verified again."""
        self.only()
        store, data = self.lora(), self.at / "start.jsonl"
        data.write_text('{"prompt": "1?", "answer": "1"}\n')
        command = [f"{self.bin}/ptd-rollout", "-q", "-s", str(store), "-G", "1", "-P", "1", "-m", "1", "-n", "1", str(data)]
        seconds = {True: [], False: []}
        for i in range(2 * n + 1):
            verify = i % 2 == 1
            if verify:
                (store / "base.ok").unlink(missing_ok=True)
            begin = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if i:
                seconds[verify].append(time.perf_counter() - begin)
        return self.t.middle(seconds[False]), self.t.middle(seconds[True])

    def rows_of(self, how, over, under):
        """The rows that run on either device; goals beside bfloat16 products are of bfloat16 products."""
        seconds, tokens, by_pairs = over(None, "{:.2f} s"), over(None, "{:.1f} tokens/s"), lambda goal: goal if how else None
        ours, lora = "ours" + how, "ours lora" + how
        memory = lambda goal: (under(goal, "{:.2f} of its memory"), under(None, "{:.1f} GB"), under(None, "{:.1f} GB"))
        return [
            ("decode, 1 sequence", lambda: self.decode(1, 5, ours), over(0.95, "{:.2f}x llama.cpp"), tokens),
            ("decode, 8 sequences", lambda: self.decode(8, 5, ours), over(1.25, "{:.2f}x llama.cpp"), tokens),
            ("prefill 512", lambda: self.beside("sample", "1:512:1", 5, ours), over(by_pairs(1.05), "{:.2f}x HF bf16"), seconds),
            ("256 scored behind a picture", lambda: self.beside("score", f"1:32:256:{PICTURE}", 3, ours),
             over(by_pairs(1.2), "{:.2f}x HF bf16"), seconds),
            ("LoRA step, 4 x 256", lambda: self.step("4:0:256", 3, lora), over(by_pairs(1.6), "{:.2f}x peft bf16"), seconds, *memory(0.75)),
            ("LoRA group, 4 x 64 behind a picture", lambda: self.step(f"4:32:64:{PICTURE}", 3, lora), over(by_pairs(4), "{:.2f}x peft bf16"),
             seconds, *memory(0.6)),
        ]

    def rows(self, over, under):
        """In an order that keeps parties from one row to the next."""
        both = zip(self.rows_of("", over, under), self.rows_of(PAIRS, over, under))
        seconds = over(None, "{:.2f} s")
        full = [(f"real 0.7B: full step, 4 x 256{how}", lambda ours="ours cut" + how: self.full(3, ours),
                 over(1.3 if how else None, "{:.2f}x HF autocast"), seconds, under(1.3, "first {:.2f}x the others")) for how in ("", PAIRS)]
        return [(f"real 2B: {label}{how}", *rest) for pair in both for (label, *rest), how in zip(pair, ("", PAIRS))] + full + [
            ("real 2B: start and one word", lambda: self.start(5), under(None, "{:.2f} s"), under(None, "{:.2f} s verified again")),
        ]
