#!/bin/bash
# Of one folder, transformers 5.24.0 gives the processor the chat template of chat_template.json and
# the tokenizer that of chat_template.jinja.
#
# A good guess: chat_template.jinja, the newer file, wins over chat_template.json, which the source
# calls legacy, and processor and tokenizer of a folder agree. Seen: the processor asks
# processor_config.json first, then chat_template.json, then chat_template.jinja, and never
# tokenizer_config.json; the tokenizer asks chat_template.jinja, then tokenizer_config.json, and
# never the other two. So a folder whose template was changed in the .jinja file, with an old
# chat_template.json left beside it, prompts a vision-language model with the old one. In the same
# way processor_config.json wins over preprocessor_config.json if it has an image_processor.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv python
python/bin/pip install -q --disable-pip-version-check transformers==5.24.0 pillow==12.3.0
cat > ask.py << 'P'
import json
import os
import shutil

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from transformers.image_processing_base import ImageProcessingMixin
from transformers.processing_utils import ProcessorMixin

texts = {
    "processor_config.json": json.dumps({"chat_template": "processor_config.json"}),
    "chat_template.json": json.dumps({"chat_template": "chat_template.json"}),
    "chat_template.jinja": "chat_template.jinja",
    "tokenizer_config.json": json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": "tokenizer_config.json"}),
}


def folder(*names):
    shutil.rmtree("folder", ignore_errors=True)
    os.mkdir("folder")
    Tokenizer(models.BPE()).save("folder/tokenizer.json")
    for name in names:
        open("folder/" + name, "w").write(texts[name])


left = list(texts)
while left:
    folder(*left)
    processor = ProcessorMixin.get_processor_dict("folder")[0].get("chat_template")
    tokenizer = PreTrainedTokenizerFast.from_pretrained("folder").chat_template
    print(f"{', '.join(left)}: processor {processor}, tokenizer {tokenizer}")
    left.pop(0)
texts["processor_config.json"] = json.dumps({"image_processor": {"patch_size": 2}})
texts["preprocessor_config.json"] = json.dumps({"patch_size": 1})
folder("processor_config.json", "preprocessor_config.json")
print("pictures:", ImageProcessingMixin.get_image_processor_dict("folder")[0])
P
python/bin/python ask.py 2> errors | tee seen || { cat errors; exit 1; }
sed 's/^[^:]*: //' seen > answers
cmp answers - << 'T' || { echo "changed: another order"; exit 1; }
processor processor_config.json, tokenizer chat_template.jinja
processor chat_template.json, tokenizer chat_template.jinja
processor chat_template.jinja, tokenizer chat_template.jinja
processor None, tokenizer tokenizer_config.json
{'patch_size': 2}
T
echo "as found: chat_template.json before chat_template.jinja for the processor, and not for the tokenizer"
