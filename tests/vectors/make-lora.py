#!/usr/bin/env python3
"""Makes lora/: what PEFT computes with an adapter on the model of tests/tiny.h, and the folders that it writes; read by tests/test-lora.c.

Made with Python 3.11, torch 2.15.0, transformers 5.24.0, peft 0.21.2; on CPU, float32, attention "eager".
Usage: make-lora.py FOLDER      (make-parity.py lies beside it)

Each folder is PEFT's own save_pretrained of a random adapter (from the hash of tests/tiny.h, by its tensors' names); logits.json has the logits of
tiny's prompt with it, some rows whole, and their norm.
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
exec(compile(open(os.path.join(HERE, "make-parity.py")).read().rsplit("\nmain()", 1)[0], "make-parity.py", "exec"))
import peft  # noqa: E402

# One of names, one of all matrices, vision too, one of an expression with the other scale.
ADAPTERS = {
    "names": dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "up_proj", "down_proj"]),
    "all": dict(r=2, lora_alpha=3, target_modules="all-linear"),
    "pattern": dict(r=3, lora_alpha=6, target_modules=r".*language_model.*\.(k_proj|o_proj|gate_proj)", use_rslora=True),
}


def adapted(name):
    torch.manual_seed(0)
    config, plan = CASES["tiny"]
    m = model_of(config)
    p = peft.get_peft_model(m, peft.LoraConfig(**ADAPTERS[name])).eval()
    with torch.no_grad():
        for full, w in p.named_parameters():
            if "lora_" in full:
                w.copy_(fill(full.replace(".default", "").removeprefix("base_model.model."), tuple(w.shape)) * 0.5)
    return config, plan, p


def main():
    folder = sys.argv[1]
    out = {"made_with": f"peft {peft.__version__}, transformers {transformers.__version__}, torch {torch.__version__}"}
    for name in ADAPTERS:
        config, plan, p = adapted(name)
        ids, pictures = prompt_of("tiny", config, plan, 0)
        with torch.no_grad():
            z = p(**inputs_of(config, ids, pictures), use_cache=False).logits[0]
        p.save_pretrained(os.path.join(folder, name))
        os.remove(os.path.join(folder, name, "README.md"))
        rows = [0, 9, len(ids) - 1]
        out[name] = {"ids": ids, "pictures": pictures, "norm": number(z.double().norm()), "largest": number(z.abs().max()),
                     "rows": [{"row": i, "values": [number(v) for v in z[i]]} for i in rows]}
        print(name, len(ids), out[name]["norm"])
    with open(os.path.join(folder, "logits.json"), "w") as f:
        json.dump(out, f, separators=(",", ":"))


if __name__ == "__main__":
    main()
