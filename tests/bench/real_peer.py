#!/usr/bin/env python3
"""real_peer.py FOLDER HOW: real.c's works by transformers and peft, on a Hugging Face folder with the same weights: by the same
requests, seconds each. HOW: bf16, numbers and products; amp, float32 numbers and bfloat16 products (autocast). Run by the Python
that PTD_PEERS names."""
import contextlib
import resource
import sys
import time
import warnings

import torch
import torch.nn.functional as F
from transformers import Qwen3VLForConditionalGeneration
from transformers.utils import logging

warnings.filterwarnings("ignore")
logging.set_verbosity_error()
logging.disable_progress_bar()
FOLDER, HOW = sys.argv[1:3]
TOP_K = 16
torch.set_num_threads(torch.get_num_threads())
model = optimizer = None


def products():
    return torch.autocast("cpu", torch.bfloat16) if HOW == "amp" else contextlib.nullcontext()


def words(stream, first, n):
    """bench_id of bench.h."""
    i = torch.arange(first, first + n)
    return ((((stream * 40503 + i + 1) * 2654435761) & 0xFFFFFFFF) >> 8).remainder(model.config.vision_start_token_id)


def prompt_of(n, width, height):
    """[ids] and what the model is given with it; pixels come prepared, as ours come resized."""
    c = model.config
    if not width:
        return words(2, 0, n), {}
    side = c.vision_config.patch_size * c.vision_config.spatial_merge_size
    pads = (width // side) * (height // side)
    ids = torch.cat((torch.tensor([c.vision_start_token_id]), torch.full((pads,), c.image_token_id),
                     torch.tensor([c.vision_end_token_id]), words(2, 0, n)))
    v = c.vision_config
    patches = pads * v.spatial_merge_size**2
    pixels = torch.rand((patches, 3 * v.temporal_patch_size * v.patch_size**2), generator=torch.Generator().manual_seed(0)) * 2 - 1
    grid = torch.tensor([[1, height // v.patch_size, width // v.patch_size]])
    return ids, dict(pixel_values=pixels.to(model.dtype), image_grid_thw=grid)


def given(x, picture):
    """x [sequences, tokens], each behind the same picture."""
    if not picture:
        return dict(input_ids=x)
    return dict(input_ids=x, mm_token_type_ids=(x == model.config.image_token_id).long(),
                **{k: torch.cat([t] * len(x)) for k, t in picture.items()})


def numbers(argument):
    return ([int(x) for x in argument.split(":")] + [0] * 5)[:5]


def load(argument):
    global model
    start = time.perf_counter()
    dtype = torch.bfloat16 if HOW == "bf16" else torch.float32
    model = Qwen3VLForConditionalGeneration.from_pretrained(FOLDER, dtype=dtype, attn_implementation="sdpa").eval()
    return time.perf_counter() - start


def sample(argument):
    """The prompt, and all steps but the first, whose words come with it."""
    sequences, n, tokens, width, height = numbers(argument)
    ids, picture = prompt_of(n, width, height)
    start = time.perf_counter()
    with torch.inference_mode(), products():
        out = model(**given(ids[None], picture), use_cache=True, logits_to_keep=1)
        cache, z = out.past_key_values, out.logits[:, -1].expand(sequences, -1)
        if sequences > 1:
            cache.batch_repeat_interleave(sequences)
        for _ in range(tokens - 1):
            x = torch.multinomial(torch.softmax(z.float(), -1), 1)
            z = model(input_ids=x, cache=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
        torch.multinomial(torch.softmax(z.float(), -1), 1)
    return time.perf_counter() - start


def score(argument):
    _, n, tokens, width, height = numbers(argument)
    ids, picture = prompt_of(n, width, height)
    x = torch.cat((ids, words(5, 0, tokens)))[None]
    start = time.perf_counter()
    with torch.inference_mode(), products():
        z = model(**given(x, picture), use_cache=False, logits_to_keep=tokens + 1).logits[0, :-1]
        logp = F.log_softmax(z.float(), -1)
        logp.gather(1, x[0, -tokens:, None]), logp.topk(TOP_K, -1)
    return time.perf_counter() - start


def adapt(argument):
    """An adapter of rank 16 on the language model's products, recomputation by layer; how many numbers it has."""
    global model
    from peft import LoraConfig, get_peft_model
    where = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
    inner = model
    model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=where))
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.enable_input_require_grads()
    model.config = inner.config
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def step(argument):
    global optimizer
    sequences, n, tokens, width, height = numbers(argument)
    moving = [p for p in model.parameters() if p.requires_grad]
    if optimizer is None:
        model.train()
        optimizer = torch.optim.AdamW(moving, lr=1e-5, weight_decay=0.01, fused=True)
    if n or width:
        ids, picture = prompt_of(n, width, height)
        x = torch.stack([torch.cat((ids, words(1, i * (tokens + 1) + 1, tokens))) for i in range(sequences)])
    else:
        x, picture = torch.stack([words(1, i * (tokens + 1), tokens + 1) for i in range(sequences)]), {}
    start = time.perf_counter()
    with products():
        z = model(**given(x, picture), use_cache=False, logits_to_keep=tokens + 1).logits[:, :-1]
        loss = F.cross_entropy(z.reshape(-1, z.shape[-1]).float(), x[:, -tokens:].reshape(-1))
    del z
    loss.backward()
    torch.nn.utils.clip_grad_norm_(moving, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return time.perf_counter() - start


def memory(argument):
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


WORKS = dict(load=load, sample=sample, score=score, adapt=adapt, step=step, memory=memory)
for request in sys.stdin:
    work, argument = request.split()
    print(f"{WORKS[work](argument):.9g}", flush=True)
