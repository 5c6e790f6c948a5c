#!/bin/bash
# transformers 5.23.0 saves a tokenizer without a length limit as "model_max_length":
# 1000000000000000019884624838656 (10^30 as a double, written as an integer), and JSON libraries
# with 64-bit integers take the whole file for broken.
#
# A good guess: an unlimited length is left out or null, and any JSON reader opens what transformers
# wrote. Seen: Jansson 2.14 (Debian 12) ends at that number with "too big integer", though nobody
# asked for the key; its flag JSON_DECODE_INT_AS_REAL reads it, but then turns every size and id of
# the file into a real number, which a reader that wants integers refuses. jq 1.6 rounds it to 1e+30
# without a word.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv python
python/bin/pip install -q --disable-pip-version-check transformers==5.23.0
cat > save.py << 'P'
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE())).save_pretrained("saved")
P
python/bin/python save.py 2> /dev/null
cat saved/tokenizer_config.json

apt-get download -q libjansson4=2.14-2 libjansson-dev=2.14-2 > /dev/null 2>&1
for package in ./*.deb; do dpkg -x "$package" root; done
libraries=$(echo root/usr/lib/*-linux-gnu)
cat > read.c << 'C'
#include <jansson.h>
#include <stdio.h>

int main(void)
{
    json_error_t e;
    printf("plain: %s\n", json_load_file("saved/tokenizer_config.json", 0, &e) ? "read" : e.text);
    json_t *all = json_load_file("saved/tokenizer_config.json", JSON_DECODE_INT_AS_REAL, &e);
    printf("integers as reals: %s, 7 is %s\n", all ? "read" : e.text,
           json_is_integer(json_loads("7", JSON_DECODE_INT_AS_REAL | JSON_DECODE_ANY, &e)) ? "an integer" : "none");
}
C
gcc -Iroot/usr/include -o read read.c "$libraries"/libjansson.so.4
LD_LIBRARY_PATH=$libraries ./read | tee seen

grep -q '"model_max_length": 1000000000000000019884624838656' saved/tokenizer_config.json || { echo "changed: another number"; exit 1; }
grep -qx 'plain: too big integer' seen || { echo "changed: Jansson reads it"; exit 1; }
grep -qx 'integers as reals: read, 7 is none' seen || { echo "changed: the flag does something else"; exit 1; }
echo "as found: the file is valid JSON, and Jansson refuses it for a key that nobody asked for"
