#!/usr/bin/python3
"""torch_peer: the works of engine.c and the loss heads of parts.c as a PyTorch user would write them, served in the same way.

The network is the same decoder (grouped heads, norms of queries and keys, rotary halves, SwiGLU, tied head) with the same
weights; bench.py compares the loss of a step. Settings are PyTorch's best on two cores: see bench.py.
"""
import math
import os
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F

SHAPES = {"tiny": (4, 128, 4, 2, 320, 640, 32, 128), "small": (4, 128, 4, 2, 352, 512, 32, 128),
          "medium": (12, 512, 8, 4, 1408, 8192, 4, 256)}
PROMPTS, GROUP, PROMPT, REPLY, HINT, TOP_K = 8, 8, 64, 64, 32, 100


def ids(stream, shape, vocab):
    i = torch.arange(math.prod(shape))
    return ((((stream * 40503 + i + 1) * 2654435761) & 0xFFFFFFFF) >> 8).remainder(vocab).view(shape)


def rms(x, gain):
    return gain * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


def turned(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


class Layer(torch.nn.Module):
    def __init__(self, d, heads, kv, ffn):
        super().__init__()
        self.heads, self.kv, self.dim = heads, kv, d // heads
        shapes = {"norm1": (d,), "q": (d, d), "k": (kv * self.dim, d), "v": (kv * self.dim, d), "o": (d, d),
                  "q_norm": (self.dim,), "k_norm": (self.dim,), "norm2": (d,), "gate": (ffn, d), "up": (ffn, d), "down": (d, ffn)}
        for name, shape in shapes.items():
            setattr(self, name, torch.nn.Parameter(torch.ones(shape)))

    def attend(self, x, cos, sin, mask, cache, at):
        b, t, _ = x.shape
        split = lambda y, heads: y.view(b, t, heads, self.dim)
        q = rms(split(F.linear(x, self.q), self.heads), self.q_norm).transpose(1, 2)
        k = rms(split(F.linear(x, self.k), self.kv), self.k_norm).transpose(1, 2)
        v = split(F.linear(x, self.v), self.kv).transpose(1, 2)
        q, k = turned(q, cos, sin), turned(k, cos, sin)
        if cache is not None:
            cache[0][:, :, at:at + t], cache[1][:, :, at:at + t] = k, v
            k, v = cache[0][:, :, :at + t], cache[1][:, :, :at + t]
        wide = lambda y: y[:, :, None].expand(-1, -1, self.heads // self.kv, -1, -1).reshape(b, self.heads, -1, self.dim)
        s = q @ wide(k).transpose(2, 3) / math.sqrt(self.dim)
        y = F.softmax(s if mask is None else s + mask, -1) @ wide(v)
        return F.linear(y.transpose(1, 2).reshape(b, t, -1), self.o)

    def forward(self, x, *rest):
        x = x + self.attend(rms(x, self.norm1), *rest)
        y = rms(x, self.norm2)
        return x + F.linear(F.silu(F.linear(y, self.gate)) * F.linear(y, self.up), self.down)


class Model(torch.nn.Module):
    def __init__(self, layers, d, heads, kv, ffn, vocab, *_):
        super().__init__()
        self.heads, self.kv, self.dim, self.vocab = heads, kv, d // heads, vocab
        self.embed = torch.nn.Parameter(torch.ones(vocab, d))
        self.layers = torch.nn.ModuleList(Layer(d, heads, kv, ffn) for _ in range(layers))
        self.norm = torch.nn.Parameter(torch.ones(d))
        turns = torch.outer(torch.arange(1024.0), 1e4 ** (-torch.arange(0, self.dim, 2) / self.dim)).repeat(1, 2)
        self.cos, self.sin = turns.cos(), turns.sin()

    def take(self, path):
        """Our weights lie in the order of the modules."""
        flat, at = torch.frombuffer(bytearray(open(path, "rb").read()), dtype=torch.float32), 0
        for p in [self.embed, *(p for l in self.layers for p in l.parameters()), self.norm]:
            p.data.copy_(flat[at:at + p.numel()].view_as(p))
            at += p.numel()
        assert at == len(flat)

    def forward(self, tokens, caches=None, at=0):
        t = tokens.shape[1]
        x, cos, sin = F.embedding(tokens, self.embed), self.cos[at:at + t], self.sin[at:at + t]
        mask = torch.full((t, t), -math.inf).triu(1) if t > 1 else None
        for i, layer in enumerate(self.layers):
            x = layer(x, cos, sin, mask, caches[i] if caches else None, at)
        return F.linear(rms(x if caches is None else x[:, -1:], self.norm), self.embed)

    def caches(self, rows, length):
        return [torch.zeros(2, rows, self.kv, length, self.dim) for _ in self.layers]


class Bed:
    def __init__(self, name):
        self.layers, self.vocab, self.batch, self.length = SHAPES[name][0], *SHAPES[name][5:]
        self.model, self.reference = Model(*SHAPES[name]), Model(*SHAPES[name])
        for m in self.model, self.reference:
            m.take(f"{sys.argv[1]}/{name}.weights")
        self.adam = torch.optim.AdamW(self.model.parameters(), lr=1e-5, weight_decay=0.01)

    def update(self, loss):
        self.loss = loss.item()
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.adam.step()

    def step(self):
        x = ids(1, (self.batch, self.length + 1), self.vocab)
        z = self.model(x[:, :-1])
        self.update(F.cross_entropy(z.reshape(-1, self.vocab), x[:, 1:].reshape(-1)))

    def sample(self):
        x = ids(2, (PROMPTS, PROMPT), self.vocab).repeat_interleave(GROUP, 0)
        caches, out, logp, at = self.model.caches(len(x), PROMPT + REPLY), [x], [], 0
        with torch.no_grad():
            for _ in range(REPLY):
                p = F.softmax(self.model(x, caches, at)[:, -1], -1)
                at += x.shape[1]
                x = torch.multinomial(p, 1)
                logp.append(p.gather(1, x).log())
                out.append(x)
        return torch.cat(out, 1), torch.cat(logp, 1)

    def read(self, x, keep, top):
        with torch.no_grad():
            logp = F.log_softmax(self.reference(x)[:, -keep - 1:-1], -1)
            return logp.gather(2, x[:, -keep:, None])[..., 0], logp.topk(TOP_K, -1) if top else None

    def score(self):
        self.read(ids(3, (PROMPTS * GROUP, PROMPT + REPLY), self.vocab), PROMPT + REPLY - 1, True)

    def whole(self, tutored):
        x, old = self.sample()
        reward = torch.tensor([1.0, 0.0]).repeat(PROMPTS, GROUP // 2)
        gain = ((reward - reward.mean(1, keepdim=True)) / (reward.std(1, keepdim=True) + 1e-6)).view(-1, 1)
        ref, _ = self.read(x, REPLY, False)
        failed = reward.view(-1) == 0
        if tutored:
            hint = ids(4, (PROMPTS, HINT), self.vocab).repeat_interleave(GROUP, 0)
            _, best = self.read(torch.cat((hint, x), 1)[failed], REPLY, True)
        z = F.log_softmax(self.model(x)[:, PROMPT - 1:-1], -1)
        logp = z.gather(2, x[:, PROMPT:, None])[..., 0]
        ratio, d = (logp - old).exp(), ref - logp
        loss = -torch.min(ratio * gain, ratio.clamp(0.8, 1.28) * gain).mean() + 0.01 * (d.exp() - d - 1).mean()
        if tutored:
            loss = loss + 0.5 * divergence(z[failed], best.indices, best.values).mean()
        self.update(loss)


def divergence(logp, best, tutor):
    """Jensen-Shannon on the tutor's best words and one bucket for the rest."""
    rest = lambda x: torch.log1p(-x.exp().sum(-1, keepdim=True).clamp(max=1 - 1e-6))
    s = logp.gather(-1, best)
    s, t = torch.cat((s, rest(s)), -1), torch.cat((tutor, rest(tutor)), -1)
    m = torch.logaddexp(s, t) - math.log(2)
    return 0.5 * ((s.exp() * (s - m)).sum(-1) + (t.exp() * (t - m)).sum(-1))


class Head:
    """ROWSxV logits and a tutor's best words."""

    def __init__(self, argument):
        rows, vocab = map(int, argument.split("x"))
        self.z = torch.randn(rows, vocab)
        self.tutor = F.log_softmax(torch.randn(rows, vocab), -1).topk(TOP_K, -1)

    def jsd_once(self):
        z = self.z.clone().requires_grad_(True)
        start = time.perf_counter()
        divergence(F.log_softmax(z, -1), self.tutor.indices, self.tutor.values).mean().backward()
        return time.perf_counter() - start

    def jsd(self):
        """The median of nine in a row, as parts.c does."""
        return statistics.median(self.jsd_once() for _ in range(9))


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def resident():
    """MiB in memory now; from here on the peak counts anew."""
    with open("/proc/self/statm") as statm, open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")
        return int(statm.read().split()[1]) * resource.getpagesize() / 2**20


def memory(bed):
    """MiB of a training step beyond weights, gradients and moments."""
    before = resident()
    bed.step(), bed.step()
    states = 3 * sum(p.numel() for p in bed.model.parameters()) * 4 / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before - states


BEDS = {}
WORKS = {"step": lambda b: timed(b.step), "sample": lambda b: timed(b.sample), "score": lambda b: timed(b.score),
         "grpo": lambda b: timed(lambda: b.whole(False)), "ptd": lambda b: timed(lambda: b.whole(True)),
         "loss": lambda b: b.loss, "memory": memory, "jsd": lambda h: h.jsd()}

torch.manual_seed(0)
torch.set_num_threads(len(os.sched_getaffinity(0)))
for line in sys.stdin:
    work, argument = line.split()
    if argument not in BEDS:
        BEDS[argument] = Head(argument) if work == "jsd" else Bed(argument)
    print(WORKS[work](BEDS[argument]), flush=True)
