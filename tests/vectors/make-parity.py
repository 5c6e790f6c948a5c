#!/usr/bin/env python3
"""Makes parity/*.json.gz: what transformers computes for random networks that tests/test-parity.c builds, too.

Made with Python 3.11, torch 2.15.0, torchvision 0.29.2, transformers 5.23.0, numpy 2.4.6; on CPU, float32, attention "eager".
Usage: make-parity.py FOLDER [CASE...]        (the wide ones take minutes and some gigabytes)

Weights, pictures and prompts come from the hash of tests/tiny.h by their names, so that only the numbers to expect are stored. Of an array these are:
its shape, its norm, its largest size, some entries, and four sums of all entries under random signs (from the same hash), which no array with the right
entries in wrong places has. Greedy replies are of a prompt, found by trying, at which no choice is close.
"""
import gzip
import json
import os
import sys

import numpy as np
import torch
import transformers
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

GREEDY = 64
MARGIN = 0.002  # by which the best word of each step leads, as a share of the largest logit
DOTS = 4
M64 = (1 << 64) - 1


# ---- the hash of tests/tiny.h ----

def seed(name):
    h = 0xcbf29ce484222325
    for c in name.encode():
        h = (h ^ c) * 0x100000001b3 & M64
    return h


def hashes(name, first, n):
    with np.errstate(over="ignore"):
        z = np.arange(first, first + n, dtype=np.uint64) + np.uint64((seed(name) + 0x9E3779B97F4A7C15) & M64)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        return z ^ z >> np.uint64(31)


def pieces(n, size=1 << 22):
    return ((i, min(size, n - i)) for i in range(0, n, size))


def fill(name, shape):
    n, dims = int(np.prod(shape)), len(shape)
    scale, offset = np.sqrt(3 / (n / shape[0])), 0
    if name.endswith(("pos_embed.weight", "embed_tokens.weight", "lm_head.weight")):
        scale = 0.5
    elif name.endswith(".bias"):
        scale = 0.1
    elif dims == 1:
        scale, offset = 0.2, 1
    w = np.empty(n, np.float32)
    for i, k in pieces(n):
        u = 2 * ((hashes(name, i, k) >> np.uint64(11)).astype(np.float64) * 2.0**-53) - 1
        w[i:i + k] = u * scale + offset
    return torch.from_numpy(w.reshape(shape))


def picture(name, height, width):
    return (hashes(name, 0, 3 * height * width) & np.uint64(255)).astype(np.uint8).reshape(3, height, width)


# ---- what is stored of an array ----

def number(x):
    return float(f"{float(x):.9g}")


def summary(name, x):
    shape = list(x.shape)
    x = x.detach().reshape(-1).numpy()
    dots = np.zeros(DOTS)
    norm = 0.0
    for i, k in pieces(x.size):
        y = x[i:i + k].astype(np.float64)
        z = hashes("signs of " + name, i, k)
        norm += float(y @ y)
        for d in range(DOTS):
            dots[d] += float(np.where(z >> np.uint64(60 + d) & np.uint64(1), -y, y).sum())
    at = sorted({0, x.size - 1} | {int(h % np.uint64(x.size)) for h in hashes("places in " + name, 0, 4)})
    return {"shape": shape, "norm": number(norm**0.5), "largest": number(np.abs(x).max()), "dots": [number(d) for d in dots],
            "at": [[i, number(x[i])] for i in at]}


# ---- networks ----

def config_of(text, vision, tied=True, vocab=64, marks=(60, 61, 58, 59)):
    rope = {"rope_type": "default", "mrope_interleaved": True, "mrope_section": text.pop("sections"), "rope_theta": text.pop("theta")}
    text = {"vocab_size": vocab, "hidden_act": "silu", "rms_norm_eps": 1e-6, "attention_bias": False, "attention_dropout": 0.0,
            "initializer_range": 0.02, "bos_token_id": 1, "eos_token_id": 2, "max_position_embeddings": 4096, "rope_parameters": rope,
            "tie_word_embeddings": tied, **text}
    vision = {"in_channels": 3, "patch_size": 4, "temporal_patch_size": 2, "spatial_merge_size": 2, "hidden_act": "gelu_pytorch_tanh",
              "initializer_range": 0.02, "out_hidden_size": text["hidden_size"], **vision}
    image, video, start, end = marks
    return {"model_type": "qwen3_vl", "architectures": ["Qwen3VLForConditionalGeneration"], "image_token_id": image, "video_token_id": video,
            "vision_start_token_id": start, "vision_end_token_id": end, "tie_word_embeddings": tied,
            "text_config": {"model_type": "qwen3_vl_text", **text}, "vision_config": {"model_type": "qwen3_vl", **vision}}


def text(H, layers, nh, nkv, D, inner, sections, theta=100.0):
    return {"hidden_size": H, "num_hidden_layers": layers, "num_attention_heads": nh, "num_key_value_heads": nkv, "head_dim": D,
            "intermediate_size": inner, "sections": sections, "theta": theta}


def vision(h, depth, heads, inner, positions, deepstack, **other):
    return {"hidden_size": h, "depth": depth, "num_heads": heads, "intermediate_size": inner, "num_position_embeddings": positions,
            "deepstack_visual_indexes": deepstack, **other}


def real_width(H, nh, inner, h, f):
    return config_of(text(H, 1, nh, 8, 128, inner, [24, 20, 20], 5e6),
                     vision(h, 1, 16, f, 2304, [], patch_size=16), H < 4096, 256, (252, 253, 250, 251))


# A prompt: numbers of words, and grids of patches ("." before a grid: marks around the picture, "+": none).
CASES = {
    # The model of the specification.
    "tiny": (config_of(text(40, 3, 4, 2, 16, 56, [4, 2, 2]), vision(32, 4, 2, 52, 25, [1, 2])), None),
    # Tied head; vision heads of 36; a grid larger than the table of 4 x 4; one deepstack row; widths that are no multiples of 8.
    "tied": (config_of(text(44, 3, 4, 2, 16, 54, [4, 2, 2]), vision(72, 3, 2, 50, 16, [1]), vocab=97),
             [3, ".6x10", 4, ".4x2", 5]),
    # Untied; vision heads of 72; grids of two rows; pictures side by side with nothing between them; two deepstack rows; heads not shared.
    "untied": (config_of(text(40, 2, 3, 3, 16, 43, [3, 3, 2]), vision(144, 3, 2, 90, 36, [0, 2]), False, 80, (71, 72, 3, 4)),
               [2, "+2x26", "+6x4", 3, ".4x4", 6]),
    # Three deepstack rows; one key head for all; a grid as large as the table; sections that do not cover all frequencies.
    "three": (config_of(text(52, 4, 3, 1, 24, 70, [6, 3, 3], 1000.0), vision(36, 5, 3, 45, 64, [0, 2, 4]), False),
              [1, ".8x8", ".2x4", "+4x6", 7]),
    # No picture.
    "words": (config_of(text(36, 3, 6, 2, 20, 41, [2, 4, 4], 10000.0), vision(24, 2, 2, 20, 9, [0]), vocab=75), [40]),
    # Sections larger than there are frequencies, blocks of 3 x 3 patches of 5 x 5 pixels, no deepstack.
    "blocks": (config_of(text(36, 2, 4, 2, 8, 40, [16, 8, 8]), vision(40, 2, 5, 30, 49, [], patch_size=5, spatial_merge_size=3), False),
               [4, ".6x9", 3, ".3x3", 2]),
    # The rotary angles of the real models, a long prompt, a large picture.
    "long": (config_of(text(32, 2, 2, 1, 128, 40, [24, 20, 20], 5e6), vision(64, 2, 1, 48, 2304, [0]), vocab=70, marks=(66, 67, 68, 69)),
             [200, ".26x40", 300, ".16x10", 150]),
    # One layer and one block of the real widths.
    "width-2b": (real_width(2048, 16, 6144, 1024, 4096), [1, ".2x4", 2]),
    "width-4b": (real_width(2560, 32, 9728, 1024, 4096), [1, ".2x4", 2]),
    "width-8b": (real_width(4096, 32, 12288, 1152, 4304), [1, ".2x4", 2]),
}


def tiny_prompt():
    return [7, 3, 11, 58] + [60] * 6 + [59, 5, 9, 58] + [60] * 3 + [59, 13, 2, 17, 21], [["image0", 16, 24], ["image1", 24, 8]]


def prompt_of(case, config, plan, attempt):
    if plan is None:
        return tiny_prompt()
    marks = {config[k] for k in ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")}
    words = [i for i in range(config["text_config"]["vocab_size"]) if i not in marks]
    v, ids, pictures = config["vision_config"], [], []
    for k, part in enumerate(plan):
        if isinstance(part, int):
            ids += [words[int(h % np.uint64(len(words)))] for h in hashes(f"{case} {attempt} {k}", 0, part)]
            continue
        gh, gw = map(int, part[1:].split("x"))
        pads = [config["image_token_id"]] * (gh * gw // v["spatial_merge_size"]**2)
        pictures.append([f"{case} {k}", gh * v["patch_size"], gw * v["patch_size"]])
        ids += pads if part[0] == "+" else [config["vision_start_token_id"], *pads, config["vision_end_token_id"]]
    return ids, pictures


def model_of(config):
    m = Qwen3VLForConditionalGeneration._from_config(Qwen3VLConfig.from_dict(json.loads(json.dumps(config))), attn_implementation="eager",
                                                     dtype=torch.float32)
    with torch.no_grad():
        for name, p in m.named_parameters():
            p.copy_(fill(name, tuple(p.shape)))
    m.generation_config.eos_token_id = None
    return m.eval()


# ---- what the library makes of them ----

def patches_of(config, pictures):
    v = config["vision_config"]
    if not pictures:
        return {}
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
    cut = Qwen2VLImageProcessor(do_resize=False, patch_size=v["patch_size"], merge_size=v["spatial_merge_size"],
                                temporal_patch_size=v["temporal_patch_size"], image_mean=[0.5] * 3, image_std=[0.5] * 3)
    rows, grids = [], []
    for p in pictures:
        r = cut(images=[torch.from_numpy(picture(*p))], input_data_format="channels_first", return_tensors="pt")
        rows.append(r["pixel_values"])
        grids.append(r["image_grid_thw"])
    return {"pixel_values": torch.cat(rows), "image_grid_thw": torch.cat(grids)}


def watch(m, stages):
    """Calls stages(name, array) as the network computes."""
    visual, layers = m.model.visual, m.model.language_model.layers

    def after(module, name):
        module.register_forward_hook(lambda mod, args, out: stages(name, out[0] if isinstance(out, tuple) else out))

    def before(module, name):
        def hook(mod, args, kwargs):
            stages(name, args[0] if args else kwargs["hidden_states"])
        module.register_forward_pre_hook(hook, with_kwargs=True)

    def angles(module, name):  # cosine and sine, of which the second half repeats the first
        def hook(mod, args, out):
            for part, a in zip(("cosine", "sine"), out):
                stages(f"{name} {part}", a[..., :a.shape[-1] // 2])
        module.register_forward_hook(hook)

    angles(visual.rotary_pos_emb, "vision")
    angles(m.model.language_model.rotary_emb, "text")
    after(visual.patch_embed, "patch embed")
    for i, block in enumerate(visual.blocks):
        after(block, f"vision block {i}")
    for i, merger in enumerate(visual.deepstack_merger_list):
        after(merger, f"deepstack {i}")
    after(visual.merger, "merger")
    for i in range(len(layers)):  # rows of deepstack are added behind the layer: what comes next sees the sum
        before(layers[i + 1] if i + 1 < len(layers) else m.model.language_model.norm, f"text layer {i}")
    after(m.model.language_model.norm, "final norm")


def allow_neighbours(m):
    """The library takes neighbouring pads for one picture; here each picture keeps its own positions, which the library computes."""
    merge = m.config.vision_config.spatial_merge_size

    def rope_index(input_ids, mm_token_type_ids, image_grid_thw=None, **kwargs):
        apart, at, rows, cur = mm_token_type_ids[0].tolist(), 0, [], 0
        grids = iter(image_grid_thw)
        while at < len(apart):
            if apart[at]:
                grid = next(grids)
                rows.append(m.model.get_vision_position_ids(cur, grid, 1, merge))
                cur += int(max(grid[1], grid[2])) // merge
            else:
                rows.append(torch.full((3, 1), cur))
                cur += 1
            at += rows[-1].shape[1]
        positions = torch.cat(rows, 1)
        return positions[:, None], torch.tensor([[cur - len(apart)]])

    m.model.get_rope_index = rope_index


def inputs_of(config, ids, pictures):
    x = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long), **patches_of(config, pictures)}
    x["mm_token_type_ids"] = (x["input_ids"] == config["image_token_id"]).int()
    return x


def greedy(m, config, x):
    """64 words, and by how much of the largest logit the closest choice was decided."""
    marks = [config[k] for k in ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")]
    with torch.no_grad():
        r = m.generate(**x, do_sample=False, max_new_tokens=GREEDY, pad_token_id=0, suppress_tokens=marks, use_cache=True,
                       return_dict_in_generate=True, output_logits=True)
    logits = torch.cat([z.float() for z in r.logits])
    ids = r.sequences[0, x["input_ids"].shape[1]:]
    assert len(ids) == GREEDY
    z = logits.clone()
    z[:, marks] = -torch.inf
    best = z.topk(2).values
    assert torch.equal(z.argmax(1), ids)
    return ids.tolist(), float((best[:, 0] - best[:, 1]).min() / logits.abs().max()), logits


def with_choices(case, config, plan, m):
    for attempt in range(100):
        ids, pictures = prompt_of(case, config, plan, attempt)
        x = inputs_of(config, ids, pictures)
        if case.startswith("width"):
            return ids, pictures, x, None
        words, margin, logits = greedy(m, config, x)
        print(f"{case}: prompt {attempt}, closest choice {margin:.5f} of the largest logit", file=sys.stderr)
        if margin > MARGIN or plan is None:
            return ids, pictures, x, {"ids": words, "margin": number(margin), "logits": summary("greedy logits", logits)}
    sys.exit(f"{case}: every prompt has a close choice")


def run(case):
    config, plan = CASES[case]
    m = model_of(config)
    if plan and any(str(a)[0] == str(b)[0] == "+" for a, b in zip(plan, plan[1:])):
        allow_neighbours(m)
    ids, pictures, x, replies = with_choices(case, config, plan, m)
    marks = {config[k] for k in ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")}
    labels = torch.tensor([[-100 if i in marks else i for i in ids]])
    positions, delta = m.model.get_rope_index(**{k: v for k, v in x.items() if k != "pixel_values"})
    stages = {}
    watch(m, lambda name, a: stages.update({name: summary(name, a.reshape(-1, a.shape[-1]))}))
    out = m(**x, labels=labels, use_cache=False)
    out.loss.backward()
    logits = out.logits[0].detach()
    rows = sorted({0, len(ids) - 1} | {int(h % np.uint64(len(ids))) for h in hashes(f"rows of {case}", 0, 4)})
    result = {"made_with": f"transformers {transformers.__version__}, torch {torch.__version__}", "config": config, "ids": ids,
              "pictures": pictures, "positions": positions[:, 0].tolist(), "delta": int(delta), "stages": stages,
              "logits": summary("logits", logits),
              "logit_rows": [{"row": i, "values": [number(v) for v in logits[i]]} for i in rows], "loss": number(out.loss.detach()),
              "gradients": {n: summary(n, p.grad if p.grad is not None else torch.zeros_like(p)) for n, p in m.named_parameters()}}
    if replies:
        result["greedy"] = replies
    print(f"{case}: {sum(p.numel() for p in m.parameters())} parameters, {len(ids)} tokens, loss {result['loss']:.6f}, "
          f"largest logit {result['logits']['largest']:.3f}" + (f", closest choice {replies['margin']:.4f}" if replies else ""))
    return result


def write(path, result):
    with open(path, "wb") as f, gzip.GzipFile(fileobj=f, mode="wb", filename="", mtime=0) as z:
        z.write(json.dumps(result, separators=(",", ":")).encode())


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    torch.manual_seed(0)
    torch.set_num_threads(int(os.environ.get("THREADS", 1)))
    os.makedirs(sys.argv[1], exist_ok=True)
    for case in sys.argv[2:] or CASES:
        write(os.path.join(sys.argv[1], case + ".json.gz"), run(case))


main()
