#!/usr/bin/env python3
"""Opens an exported folder in transformers and compares its log-probs with those of ptd-ref, token by token.

usage: tests/vectors/check-export.py FOLDER STREAM [ADAPTER]     by hand; needs torch, transformers, msgpack, numpy (and peft)
    ptd-rollout -s S -g 0 -m 32 -P 4 train.jsonl | ptd-verify | ptd-ref > STREAM; ptd-export S FOLDER -g 0
Words that PTD neither samples nor scores (ptd_model_banned in lib/net/model.h) are taken out of transformers' logits.
The stream's ref_logp are the store's generation 0 on the stream's own prompt ids and pictures, so FOLDER must be that generation.
ADAPTER: a PEFT folder that PEFT puts on FOLDER, which is then the base.
Status 1 if a log-prob differs by over 2e-5 of the largest logit.
"""
import struct
import sys

import msgpack
import numpy as np
import torch
from transformers import AutoConfig, AutoProcessor, Qwen3VLForConditionalGeneration


def numbers(ext, code):
    return list(struct.unpack("<%d%s" % (len(ext.data) // 4, code), ext.data))


def pixels(processor, picture):
    """Pictures in a stream are resized already, so the processor only has to normalise and to cut."""
    image = np.frombuffer(picture["pixels"], np.uint8).reshape(picture["height"], picture["width"], 3)
    return processor.image_processor(images=[image.copy()], return_tensors="pt", do_resize=False)


def banned(config, processor):
    marks = [config.image_token_id, config.video_token_id, config.vision_start_token_id, config.vision_end_token_id]
    return marks + list(range(len(processor.tokenizer), config.text_config.vocab_size))


def main(folder, stream, adapter=None):
    config = AutoConfig.from_pretrained(folder)
    model = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    if adapter:
        from peft import PeftModel
        model = PeftModel.from_pretrained(model, adapter).eval()
    processor = AutoProcessor.from_pretrained(folder)
    never = banned(config, processor)
    worst, rows, temperature = 0.0, 0, 1.0
    for kind, _, _, body in msgpack.Unpacker(open(stream, "rb"), max_buffer_size=1 << 30):
        record = msgpack.unpackb(body)
        if kind == 1:
            temperature = record["temperature"]
        for y in record.get("rollouts", []) if kind == 2 else []:
            prompt, ids = numbers(record["prompt_ids"], "i"), numbers(y["ids"], "i")
            seen = [pixels(processor, p) for p in record.get("pictures", [])]
            all_ids = torch.tensor([prompt + ids])
            inputs = {"input_ids": all_ids, "mm_token_type_ids": (all_ids == config.image_token_id).int()}
            if seen:
                inputs["pixel_values"] = torch.cat([s["pixel_values"] for s in seen])
                inputs["image_grid_thw"] = torch.cat([s["image_grid_thw"] for s in seen])
            with torch.no_grad():
                logits = model(**inputs).logits[0, len(prompt) - 1 : -1]
            size = logits.abs().max()
            logits[:, never] = -torch.inf
            theirs = torch.log_softmax(logits / temperature, -1).gather(1, torch.tensor(ids)[:, None])[:, 0]
            ours = torch.tensor(numbers(y["ref_logp"], "f"))
            worst = max(worst, float((theirs - ours).abs().max() / size))
            rows += len(ids)
    print("%s: %d tokens, largest difference %.2g of the largest logit" % (folder, rows, worst))
    return worst > 2e-5 or not rows


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
