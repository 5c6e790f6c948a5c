#!/bin/bash
# transformers 5.24.0 loads a Qwen3-VL folder with a random head if only text_config ties it, and with
# torchvision's resizing if the image processor's class is called "...Pil". (Downloads torch: 3 GB.)
#
# A good guess: "tie_word_embeddings": true in text_config, where the embedding is, ties the head, or a
# missing head is an error; "image_processor_type": "Qwen2VLImageProcessorPil", the class that
# resizes with Pillow, is what gets loaded. Seen: only the flag at the top level counts; without it a
# head that is not in the file is made at random, with a report among the warnings and no error. Of
# the image processor's name only the family counts: where torchvision is installed its class is
# loaded, for "...Pil", "...Fast" and no name at all.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv python
python/bin/pip install -q --disable-pip-version-check transformers==5.24.0 torch==2.15.0 torchvision==0.29.2 pillow==12.3.0
cat > load.py << 'P'
import json

import torch
from transformers import AutoImageProcessor, Qwen3VLConfig, Qwen3VLForConditionalGeneration

rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1], "mrope_interleaved": True}
text = {"vocab_size": 32, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 8, "rope_parameters": rope, "bos_token_id": 1, "eos_token_id": 2}
vision = {"depth": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 16, "out_hidden_size": 16, "num_position_embeddings": 4,
          "deepstack_visual_indexes": [0]}
ids = {"image_token_id": 3, "video_token_id": 4, "vision_start_token_id": 5, "vision_end_token_id": 6}
Qwen3VLForConditionalGeneration(Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **ids)).save_pretrained("model")
config = json.load(open("model/config.json"))
for above, below in (True, None), (True, False), (False, True), (None, True):
    for place, value in (config, above), (config["text_config"], below):
        place.pop("tie_word_embeddings", None)
        if value is not None:
            place["tie_word_embeddings"] = value
    json.dump(config, open("model/config.json", "w"))
    model, said = Qwen3VLForConditionalGeneration.from_pretrained("model", output_loading_info=True)
    same = torch.equal(model.lm_head.weight, model.model.language_model.embed_tokens.weight)
    print(f"top level {above}, text_config {below}:", "tied" if same else f"random, missing {said['missing_keys']}")
for name in "Qwen2VLImageProcessor", "Qwen2VLImageProcessorFast", "Qwen2VLImageProcessorPil", None:
    json.dump({"image_processor_type": name, "patch_size": 16}, open("model/preprocessor_config.json", "w"))
    print(name, "loads", type(AutoImageProcessor.from_pretrained("model")).__name__)
P
python/bin/python load.py 2> errors | tee seen || { tail -5 errors; exit 1; }
cmp seen - << 'T' || { echo "changed: other heads or classes"; exit 1; }
top level True, text_config None: tied
top level True, text_config False: tied
top level False, text_config True: random, missing {'lm_head.weight'}
top level None, text_config True: random, missing {'lm_head.weight'}
Qwen2VLImageProcessor loads Qwen2VLImageProcessor
Qwen2VLImageProcessorFast loads Qwen2VLImageProcessor
Qwen2VLImageProcessorPil loads Qwen2VLImageProcessor
None loads Qwen2VLImageProcessor
T
echo "as found: text_config does not tie, and Pil does not mean Pillow"
