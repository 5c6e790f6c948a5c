#!/usr/bin/env python3
"""peer.py [DEVICE]: speed.c's works as a user of PyTorch and transformers would write them, on cuda or, to try it, on cpu: by the
same requests, seconds each, the median of seven after one that does not count. "nan": this PyTorch does not have what it takes.
Answers that share a prompt are rows of a padded batch here, each with the prompt's words again."""
import statistics
import sys
import time

import torch
import torch.nn.functional as F

DEVICE = torch.device(sys.argv[1] if len(sys.argv) > 1 else "cuda")
TYPE = torch.bfloat16 if DEVICE.type == "cuda" else torch.float32
TIMES, TOP_K = 7, 100
model = optimizer = None


def wait():
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def timed(once):
    t = []
    for _ in range(1 + TIMES):
        start = time.perf_counter()
        once()
        wait()
        t.append(time.perf_counter() - start)
    return statistics.median(t[1:])


def numbers(argument, n):
    return ([int(x) for x in argument.split(":")] + [0] * n)[:n]


def random(*shape, scale=1.0):
    return (torch.rand(shape, device=DEVICE, dtype=torch.float32) * 2 * scale - scale).to(TYPE)


def copy(argument):
    x = random(int(argument))
    y = torch.empty_like(x)
    return timed(lambda: y.copy_(x))


def product(argument):
    n, i, o = numbers(argument, 3)
    x, w = random(n, i), random(o, i)
    return timed(lambda: F.linear(x, w))


def looking(argument):
    """All answers as rows of a batch, the prompt in front of each; FlashAttention or cuDNN, as PyTorch chooses."""
    prompt, answers, answer, heads, kv, dim, causal = numbers(argument, 7)
    rows, length = max(answers, 1), prompt + answer
    q, k, v = random(rows, heads, length, dim), random(rows, kv, length, dim), random(rows, kv, length, dim)
    wide = lambda x: x.repeat_interleave(heads // kv, 1)
    for x in q, k, v:
        x.requires_grad_()
    forward = lambda: F.scaled_dot_product_attention(q, wide(k), wide(v), is_causal=bool(causal))
    return forward, (q, k, v)


def attention(argument):
    forward, _ = looking(argument)
    with torch.no_grad():
        return timed(forward)


def backward(argument):
    forward, moving = looking(argument)
    o = forward()
    g = torch.ones_like(o)
    return timed(lambda: torch.autograd.grad(o, moving, g, retain_graph=True))


def divergence(logp, best, tutor):
    """Jensen-Shannon on the tutor's best words and one bucket for the rest."""
    rest = lambda x: torch.log1p(-x.exp().sum(-1, keepdim=True).clamp(max=1 - 1e-6))
    s = logp.gather(-1, best)
    s, t = torch.cat((s, rest(s)), -1), torch.cat((tutor, rest(tutor)), -1)
    m = torch.logaddexp(s, t) - 0.6931471805599453
    return 0.5 * ((s.exp() * (s - m)).sum(-1) + (t.exp() * (t - m)).sum(-1))


def chunks(rows, V):
    """As many rows at once as its memory takes, and not more than 2,048."""
    return range(0, rows, 2048), 2048


def score(argument):
    rows, w, V = numbers(argument, 3)
    x, head, ids = random(rows, w), random(V, w, scale=0.1), torch.randint(V, (rows,), device=DEVICE)
    starts, n = chunks(rows, V)

    def once():
        for i in starts:
            logp = F.log_softmax(F.linear(x[i:i + n], head).float(), -1)
            logp.gather(1, ids[i:i + n, None]), logp.topk(TOP_K, -1)
    with torch.no_grad():
        return timed(once)


def learn(argument):
    rows, w, V = numbers(argument, 3)
    x, head = random(rows, w).requires_grad_(), random(V, w, scale=0.1).requires_grad_()
    ids, best = torch.randint(V, (rows,), device=DEVICE), torch.randint(V, (rows, TOP_K), device=DEVICE)
    tutor = (-5 - 0.01 * torch.arange(TOP_K, device=DEVICE)).expand(rows, -1).float()
    starts, n = chunks(rows, V)

    def once():
        for i in starts:
            logp = F.log_softmax(F.linear(x[i:i + n], head).float(), -1)
            d = divergence(logp, best[i:i + n], tutor[i:i + n]).sum() - logp.gather(1, ids[i:i + n, None]).sum()
            (d * 1e-4).backward()
    return timed(once)


# ---- whole networks, by transformers ----

def load(argument):
    """The built-in shape, from the config beside this file or in the tree; random weights."""
    global model, optimizer
    import json
    import pathlib
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
    name, master = argument.split(":")[:2]
    here = pathlib.Path(__file__).resolve().parent
    path = next(p for p in (here / f"{name}.json", here.parents[1] / f"lib/builtin/{name}/config.json") if p.exists())
    start = time.perf_counter()
    model = optimizer = None
    config = Qwen3VLConfig(**json.loads(path.read_text()))
    config._attn_implementation = "sdpa"
    torch.set_default_dtype(TYPE)
    with torch.device(DEVICE):
        model = Qwen3VLForConditionalGeneration._from_config(config, attn_implementation="sdpa", dtype=TYPE)
    torch.set_default_dtype(torch.float32)
    if master != "read":
        model.train()
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01, fused=DEVICE.type == "cuda")
    wait()
    return time.perf_counter() - start


def sequences(argument):
    """[answers, prompt + answer] words."""
    prompts, prompt, answers, answer = numbers(argument, 4)
    most = model.config.vision_start_token_id
    head = torch.randint(most, (prompts, prompt), device=DEVICE).repeat_interleave(answers, 0)
    return torch.cat((head, torch.randint(most, (prompts * answers, answer), device=DEVICE)), 1), answer


def logits(x, answer):
    return model(input_ids=x, use_cache=False, logits_to_keep=answer + 1).logits[:, :-1]


def read(argument):
    x, answer = sequences(argument)

    def once():
        for part in x.split(max(1, 16384 // x.shape[1])):
            F.log_softmax(logits(part, answer).float(), -1).gather(2, part[:, -answer:, None])
    with torch.no_grad():
        return timed(once)


def step(argument):
    x, answer = sequences(argument)

    def once():
        for part in x.split(max(1, 8192 // x.shape[1])):
            z = logits(part, answer)
            F.cross_entropy(z.reshape(-1, z.shape[-1]).float(), part[:, -answer:].reshape(-1), reduction="sum").backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return timed(once)


def decode(argument):
    """Its cache grows, and holds each answer's own copy of the prompt."""
    prompts, prompt, answers, tokens = numbers(argument, 4)
    x = torch.randint(model.config.vision_start_token_id, (prompts * answers, prompt), device=DEVICE)
    with torch.inference_mode():
        out = model(input_ids=x, use_cache=True, logits_to_keep=1)
        cache, z, t = out.past_key_values, out.logits[:, -1], []
        for _ in range(tokens):
            start = time.perf_counter()
            y = torch.multinomial(torch.softmax(z.float(), -1), 1)
            z = model(input_ids=y, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
            wait()
            t.append(time.perf_counter() - start)
    return statistics.median(t[1:])


WORKS = dict(copy=copy, product=product, attention=attention, backward=backward, score=score, learn=learn, model=load, read=read,
             step=step, decode=decode)


def asked(work, argument):
    try:
        return WORKS[work](argument)
    except (AttributeError, ImportError, RuntimeError, TypeError, StopIteration) as e:
        print(f"peer {work} {argument}: {type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}", file=sys.stderr, flush=True)
        return float("nan")
    finally:
        if DEVICE.type == "cuda":
            torch.cuda.empty_cache()


torch.manual_seed(0)
for request in sys.stdin:
    work, argument = request.split()
    print(f"{asked(work, argument):.9g}", flush=True)
