#!/usr/bin/env bats
# Checkpoints in and out: folders of safetensors to stores and back, bit for bit; what does not fit
# is named; nothing half done is left.
load lib

setup_file() {
    cd "$WORK" || return
    ptd-init -q a.ptd --seed 3
    ptd-export -q a.ptd one
    ptd-export -q a.ptd some --shard-size 1000000
    ptd-export -q a.ptd short --dtype bf16
}

setup() { cd "$WORK"; }

# The digest of the weights in generation 0.
weights() { ptd-dump "$1" | jq -r 'select(.kind == "weights" and .generation == 0).xxh3'; }

# A copy of a folder to damage.
copy() { rm -rf bad bad.ptd && cp -r "${1:-one}" bad; }

# Edits the header of bad/FILE with a jq filter; the bytes behind it stay.
edit_header() {
    local f=bad/$1 n
    n=$(od -An -tu8 -N8 "$f" | tr -d ' ')
    tail -c +9 "$f" | head -c "$n" | jq -c "$2" | tr -d '\n' > header
    tail -c +$((9 + n)) "$f" > numbers
    n=$(stat -c %s header)
    { for i in 0 8 16 24 32 40 48 56; do printf "\\x$(printf %02x $((n >> i & 255)))"; done; cat header numbers; } > "$f"
}
edit_config() { jq "$1" bad/config.json > edited && mv edited bad/config.json; }

refused() {
    fails "$1" "$2" ptd-init bad.ptd --from bad
    [ ! -e bad.ptd ] || { echo "bad.ptd is left"; return 1; }
}

@test "a folder and back: every bit of weights and files" {
    [ "$(cd one && echo *)" = "config.json generation_config.json model.safetensors preprocessor_config.json tokenizer.json" ]
    [ "$(cd some && ls | wc -l)" -gt 8 ]
    for from in one some; do
        run -0 ptd-init "$from.ptd" --from "$from"
        [[ "$output" == "ptd-init: $from.ptd: tiny, 1376224 parameters, 5504896 bytes, f32, $from" ]]
        [ "$(weights "$from.ptd")" = "$(weights a.ptd)" ]
        ptd-export -q "$from.ptd" "$from.again"
        [ "$(cd "$from.again" && echo *)" = "$(cd one && echo *)" ]
        for f in one/*; do cmp "$f" "$from.again/${f#one/}"; done
    done
}

@test "numbers that no type holds: only a key that needs one minds" {
    copy some
    large='"model_max_length": 1000000000000000019884624838656, "other": [18446744073709551616, -1e999],'
    echo '{"eos_token": "<|im_end|>"}' > bad/tokenizer_config.json
    for f in config preprocessor_config generation_config tokenizer tokenizer_config model.safetensors.index; do
        sed -i "0,/{/s//{$large/" bad/$f.json
    done
    run -0 ptd-init -q large.ptd --from bad
    [ "$output" = "" ]
    [ "$(weights large.ptd)" = "$(weights a.ptd)" ]
    [ "$(ptd-dump large.ptd | jq 'select(.kind == "config").vocab_size')" = 640 ]
    ptd-export -q large.ptd large.again
    cmp bad/tokenizer_config.json large.again/tokenizer_config.json
    copy
    sed -i 's/"vocab_size": [0-9]*/"vocab_size": 18446744073709551616/' bad/config.json
    refused 65 'ptd-init: config.json: field "text_config.vocab_size": found "18446744073709551616", expected a whole number*'
    copy
    sed -i '2s/^/"large": 18446744073709551616, oops/' bad/config.json
    refused 65 "ptd-init: config.json: line 2, column 35: *'oops'*"
}

@test "shards: none too large, an index with the right total that names them all" {
    for f in some/model-*.safetensors; do [ "$(stat -c %s "$f")" -lt 1010000 ]; done
    [ "$(jq .metadata.total_size some/model.safetensors.index.json)" = 5504896 ]
    [ "$(jq -r '.weight_map | to_entries | map(.value) | unique | .[]' some/model.safetensors.index.json)" = "$(cd some && ls model-*.safetensors)" ]
    [ "$(jq '.weight_map | has("lm_head.weight")' some/model.safetensors.index.json)" = false ]
    head -c 400 one/model.safetensors | grep -q '"__metadata__":{"format":"pt"}'
}

@test "bf16: half the bytes, kept as bf16, exact from then on" {
    run -0 ptd-init short.ptd --from short
    [[ "$output" == *" 2752448 bytes, bf16, short" ]]
    [ "$(ptd-dump short.ptd | jq -r 'select(.kind == "weights").dtype')" = bf16 ]
    ptd-export -q short.ptd wide --dtype f32
    ptd-init -q wide.ptd --from wide
    ptd-export -q wide.ptd narrow --dtype bf16
    cmp narrow/model.safetensors short/model.safetensors
    x='.values[:50]'
    [ "$(ptd-dump -f short.ptd model.language_model.layers.0.mlp.up_proj.weight | jq -c "$x")" = \
      "$(ptd-dump -f wide.ptd model.language_model.layers.0.mlp.up_proj.weight | jq -c "$x")" ]
}

# The number format of generation 0 and of the run.
formats() { ptd-dump "$1" | jq -r 'select(.kind == "weights" and .generation == 0).dtype, select(.name == "dtype").value' | paste -sd ' '; }

@test "--dtype: weights rounded to nearest even from wherever they come, and the run's format" {
    rounded=$(ptd-init -q made.ptd --from short && weights made.ptd)
    [ "$(formats a.ptd).$(formats made.ptd)" = f32.bf16 ] # as they come; the run in f32
    for from in '--from one' '--from some' '--from short' '--from-store a.ptd' '--from-store made.ptd'; do
        rm -rf w.ptd v.ptd
        ptd-init -q w.ptd $from --dtype bf16
        [ "$(weights w.ptd)" = "$rounded" ]
        [ "$(formats w.ptd)" = "bf16 bf16" ]
        ptd-init -q v.ptd --from-store w.ptd
        [ "$(formats v.ptd)" = "bf16 bf16" ]
        rm -rf v.ptd
        ptd-init -q v.ptd --from-store w.ptd --dtype f32
        [ "$(formats v.ptd)" = "f32" ]
        ptd-export -q v.ptd y.hf --dtype bf16
        cmp y.hf/model.safetensors short/model.safetensors
        rm -rf y.hf
    done
    copy
    python3 - << 'EOF'
import struct
f = open('bad/model.safetensors', 'r+b')
n, = struct.unpack('<Q', f.read(8))
f.seek(8 + n)
f.write(struct.pack('<f', 3.4e38))
EOF
    rm -rf large.ptd
    ptd-init -q large.ptd --from bad
    fails 65 'ptd-init: bad/model.safetensors: tensor "*": value 0 is too large for bf16' ptd-init x2.ptd --from bad --dtype bf16
    [ ! -e x2.ptd ]
}

@test "a store in bf16 trains, and its newest generation is exported" {
    ptd-data digits -q train.jsonl -n 8 -k nbr
    ptd-init -q small.ptd --dtype bf16 --random 5
    ptd-gold -q -s small.ptd -P 8 -n 2 train.jsonl | ptd-update -q --loss sft --lr 1e-3 > metrics
    kept=$(ptd-dump small.ptd | jq -rc 'select(.kind == "weights") | [.generation, .dtype]' | tr '\n' ' ')
    [[ "$kept" == '[0,"bf16"] '*'[2,"f32"] ' ]]
    run -0 ptd-export small.ptd trained
    [[ "$output" == "ptd-export: trained: generation 2, 85 tensors, 5504896 bytes, 5 files" ]]
    run -0 ptd-export small.ptd begun --generation 0
    [[ "$output" == "ptd-export: begun: generation 0, 85 tensors, 2752448 bytes, 5 files" ]]
    fails 66 'ptd-export: store small.ptd: generation 7 is not kept: the newest is *' ptd-export small.ptd nothing -g 7
    [ ! -e nothing ] && [ ! -e nothing.ptd-part ]
}

# [shape, smallest, mean, largest] of a tensor.
about() { ptd-dump "$1" "$2" | jq -c '[.shape, .min, .mean, .max]'; }
embedding=model.language_model.embed_tokens.weight

@test "the head: an untied config without one is refused, as nobody knows it" {
    untie='.tie_word_embeddings = false | .text_config.tie_word_embeddings = false'
    missing='ptd-init: bad: tensor "lm_head.weight": missing, and config.json does not tie it to the embedding*'
    copy
    edit_config "$untie"
    refused 65 "$missing"
    edit_config 'del(.tie_word_embeddings)'
    refused 65 "$missing"
    edit_config '.text_config.tie_word_embeddings = true' # which counts for nothing: told, and the embedding taken
    run -0 ptd-init -q half.ptd --from bad
    [ "$output" = 'ptd-init: warning: bad: tensor "lm_head.weight": missing, and only text_config of config.json ties it: the embedding is taken for the head' ]
    [ "$(weights half.ptd)" = "$(weights a.ptd)" ]
    ptd-data digits -q t.jsonl -n 2 -k nbr
    ptd-rollout -q -s half.ptd -g latest -P 1 -G 2 -m 2 t.jsonl > /dev/null
    ptd-export -q half.ptd promised # config.json says that there is a head
    run -0 ptd-init -q promised.ptd --from promised
    [ "$output" = "" ]
    [ "$(about promised.ptd lm_head.weight)" = "$(about a.ptd $embedding)" ]
}

@test "the head: a file's own is used, tied or not" {
    copy
    edit_config '.tie_word_embeddings = false' # text_config ties it, which counts for nothing
    ptd-init -q untied.ptd --config bad
    [ "$(about untied.ptd lm_head.weight | jq -c '.[0]')" = '[640,128]' ]
    ptd-export -q untied.ptd two
    ptd-init -q two.ptd --from two
    [ "$(weights two.ptd)" = "$(weights untied.ptd)" ]
    copy two
    cp one/config.json bad/ # tied by its flag, and wrongly
    run -0 ptd-init -q wrong.ptd --from bad
    [ "$output" = 'ptd-init: warning: bad/model.safetensors: tensor "lm_head.weight": differs from the embedding to which config.json ties it: used as it is, untied' ]
    [ "$(weights wrong.ptd)" = "$(weights untied.ptd)" ]
    ptd-data digits -q t.jsonl -n 2 -k nbr
    for s in wrong untied; do
        ptd-rollout -q -s $s.ptd -g latest -P 1 -G 2 -m 4 t.jsonl | ptd-dump | jq -c 'select(.kind == "group").rollouts[] | [.ids, .logp]' > $s.said
    done
    cmp wrong.said untied.said
    ptd-export -q wrong.ptd wrong # tied by its flag no more: older readers would take the embedding
    [ "$(jq -c '[.tie_word_embeddings, .text_config.tie_word_embeddings]' wrong/config.json)" = '[false,false]' ]
    cmp wrong/model.safetensors two/model.safetensors
    diff wrong/config.json one/config.json > changed || true
    [ "$(grep -c '^[<>]' changed)" = 4 ]
}

@test "the head: one of the embedding's values is tied, in whatever format, and either stands for both" {
    copy
    edit_config '.tie_word_embeddings = false'
    ptd-init -q own.ptd --config bad
    ptd-export -q own.ptd own
    /usr/bin/python3 - bad own "$embedding" << 'P'
import json, struct, sys

out, source, embedding = sys.argv[1:]
data = open(source + "/model.safetensors", "rb").read()
n = struct.unpack("<Q", data[:8])[0]
head, numbers = json.loads(data[8 : 8 + n]), data[8 + n :]
head.pop("__metadata__")
rows = {name: numbers[t["data_offsets"][0] : t["data_offsets"][1]] for name, t in head.items()}
floats = struct.unpack("<%df" % (len(rows[embedding]) // 4), rows[embedding])
halves = struct.pack("<%de" % len(floats), *floats)
rows[embedding] = struct.pack("<%df" % len(floats), *struct.unpack("<%de" % len(floats), halves))


def write(path, dtypes):
    at, header = 0, {}
    for name in rows:
        header[name] = dict(head[name], dtype=dtypes.get(name, "F32"), data_offsets=[at, at + len(rows[name])])
        at += len(rows[name])
    text = json.dumps(header).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + b"".join(rows.values()))


rows["lm_head.weight"] = halves
write(out + "/model.safetensors", {"lm_head.weight": "F16"})
rows["lm_head.weight"] = rows.pop(embedding)
write("swapped", {})
P
    cp one/config.json bad/
    run -0 ptd-init -q same.ptd --from bad
    [ "$output" = "" ]
    [ "$(ptd-dump same.ptd | jq -c 'select(.name == "lm_head.weight")')" = "" ]
    mv swapped bad/model.safetensors # the head, and no embedding: tied all the same
    run -0 ptd-init -q swapped.ptd --from bad
    [ "$output" = "" ]
    [ "$(weights swapped.ptd)" = "$(weights same.ptd)" ]
    edit_config '.tie_word_embeddings = false'
    refused 65 "ptd-init: bad: tensor \"$embedding\": missing, expected *"
}

@test "an export in another format says so in config.json, and leaves every other byte" {
    copy
    /usr/bin/python3 - bad/model.safetensors << 'P'
import json, struct, sys

data = open(sys.argv[1], "rb").read()
n = struct.unpack("<Q", data[:8])[0]
head, numbers = json.loads(data[8 : 8 + n]), data[8 + n :]
for name in head:
    if name != "__metadata__":
        head[name] = dict(head[name], dtype="F16", data_offsets=[x // 2 for x in head[name]["data_offsets"]])
floats = struct.unpack("<%df" % (len(numbers) // 4), numbers)
text = json.dumps(head).encode()
open(sys.argv[1], "wb").write(struct.pack("<Q", len(text)) + text + struct.pack("<%de" % len(floats), *floats))
P
    said='[.dtype, .torch_dtype, .text_config.dtype, .text_config.torch_dtype, .vision_config.dtype]'
    for names in '.dtype = "float16" | .text_config.dtype = "float16" | .vision_config.dtype = "float16"' '.torch_dtype = "float16"' \
        '.dtype = "float16" | .torch_dtype = "float16" | .text_config.torch_dtype = "float16"' '.text_config.dtype = "float16"' '.'; do
        jq "$names" one/config.json > bad/config.json
        rm -rf halves.ptd stored brief broad
        ptd-init -q halves.ptd --from bad
        ptd-export -q halves.ptd stored
        cmp stored/config.json bad/config.json
        ptd-export -q halves.ptd brief --dtype bf16
        [ "$(jq -c "$said" brief/config.json)" = "$(jq -c "if .dtype or .torch_dtype then . else .dtype = 0 end | $said | map(if . == null then . else \"bfloat16\" end)" bad/config.json)" ]
        for f in brief bad; do sed 's/bfloat16/float16/; /^  "dtype": "float16",\?$/d' $f/config.json > $f.rest; done
        diff brief.rest bad.rest
        ptd-export -q halves.ptd broad --dtype f32
        [ "$(jq -r '.dtype // .torch_dtype' broad/config.json)" = float32 ]
    done
}

@test "tensors that do not fit the config are named" {
    m=model.safetensors n=model.language_model.norm.weight
    copy
    edit_header $m "with_entries(if .key == \"$n\" then .key = \"other\" else . end)"
    refused 65 "ptd-init: bad: tensor \"$n\": missing, expected [[]128]"
    copy
    edit_header $m "with_entries(if .key == \"$n\" then .value.shape = [2, 64] else . end)"
    refused 65 "ptd-init: bad/$m: tensor \"$n\": shape [[]2, 64], expected [[]128]"
    copy
    edit_header $m "with_entries(if .key == \"$n\" then .value.dtype = \"I32\" else . end)"
    refused 65 "ptd-init: bad/$m: tensor \"$n\": dtype I32, expected BF16, F16 or F32"
    copy
    edit_config '.text_config.num_hidden_layers = 3'
    refused 65 "ptd-init: bad/$m: tensor \"model.language_model.layers.3.input_layernorm.weight\": not part of the model that config.json describes"
    copy
    edit_config '.text_config.vocab_size = 641'
    refused 65 'ptd-init: bad/*: tensor "model.language_model.embed_tokens.weight": shape [[]640, 128], expected [[]641, 128]'
    copy
    edit_config '.text_config.vocab_size = 639 | .image_token_id = 630'
    refused 65 'ptd-init: config.json: field "text_config.vocab_size": found 639, expected at least 640 for tokenizer.json'
    copy
    printf '\x00\x00\xc0\x7f' | dd of=bad/$m bs=1 seek=$(($(stat -c %s bad/$m) - 4)) conv=notrunc status=none
    refused 65 "ptd-init: bad/$m: tensor \"*\": value * is no finite number"
}

@test "folders that lack something, pickles, other architectures" {
    for f in config.json tokenizer.json preprocessor_config.json; do
        copy
        rm bad/$f
        refused 66 "ptd-init: bad/$f: No such file or directory"
    done
    copy
    rm bad/generation_config.json
    ptd-init -q ok.ptd --from bad
    copy
    rm bad/model.safetensors
    refused 66 'ptd-init: bad: neither model.safetensors nor model.safetensors.index.json in it'
    touch bad/pytorch_model.bin
    refused 65 'ptd-init: bad/pytorch_model.bin: a pickle file, expected *'
    fails 65 'ptd-init: bad/pytorch_model.bin: a pickle file, *' ptd-init bad.ptd --from bad/pytorch_model.bin
    fails 66 'ptd-init: one/model.safetensors: expected a folder*' ptd-init bad.ptd --from one/model.safetensors
    fails 66 'ptd-init: nowhere: No such file or directory' ptd-init bad.ptd --from nowhere
    rm -rf bad
    mkdir bad
    echo '{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}' > bad/config.json
    refused 78 'ptd-init: config.json: field "model_type": found "llama", *'
    copy
    printf 'no template of ours' > bad/chat_template.jinja
    refused 78 "ptd-init: chat_template.jinja: neither Qwen3-VL's chat template of Instruct nor that of Thinking: it writes \"no template of ours\" where \"<|im_start|>user*\" is expected; ptd-init --template instruct or thinking says which to write"
    copy
    echo '{"chat_template": "no template of ours"}' > bad/tokenizer_config.json
    refused 78 "ptd-init: tokenizer_config.json: neither *"
    copy
    jq -c '.added_tokens |= map(select(.content != "<|im_end|>"))' one/tokenizer.json > bad/tokenizer.json
    refused 78 "ptd-init: tokenizer lacks <|im_start|> or <|im_end|>, *"
    copy
    echo '{"chat_template": ' > bad/chat_template.json
    refused 65 'ptd-init: chat_template.json: line *'
    copy some
    rm bad/model-00002-of-*
    refused 66 'ptd-init: bad/model-00002-of-*: No such file or directory'
}

@test "files of newer library versions: processor_config.json, the other rotary spelling" {
    copy
    jq '{image_processor: ., processor_class: "Qwen3VLProcessor"}' bad/preprocessor_config.json > bad/processor_config.json
    rm bad/preprocessor_config.json
    edit_config '.text_config.rope_parameters = .text_config.rope_scaling + {rope_theta: .text_config.rope_theta} | del(.text_config.rope_scaling, .text_config.rope_theta)'
    ptd-init -q newer.ptd --from bad
    ptd-data digits -q t.jsonl -n 2 -k nbr
    [ "$(ptd-rollout -q -s newer.ptd -g latest -P 1 -G 2 -m 4 t.jsonl | ptd-dump | jq -c 'select(.kind == "group").rollouts[].ids')" = \
      "$(ptd-rollout -q -s a.ptd -g latest -P 1 -G 2 -m 4 t.jsonl | ptd-dump | jq -c 'select(.kind == "group").rollouts[].ids')" ]
    copy
    jq '{image_processor: (. + {patch_size: 15})}' bad/preprocessor_config.json > bad/processor_config.json
    rm bad/preprocessor_config.json
    refused 65 '*found 15, expected 14 as config.json has it'
}

# The samples of a store's first steps.
said() { ptd-rollout -q -s "$1" -g latest -P 1 -G 2 -m 4 t.jsonl | ptd-dump | jq -c 'select(.kind == "group").rollouts[].ids'; }

@test "a template of neither kind is refused, unless --template says which to write" {
    ptd-data digits -q t.jsonl -n 2 -k nbr
    vectors=$BATS_TEST_DIRNAME/vectors
    for kind in instruct thinking; do
        copy
        cp "$vectors/chat-$kind.jinja" bad/chat_template.jinja
        ptd-init -q $kind.ptd --from bad
        said $kind.ptd > $kind.said
        sed 's/parts(message.content, true)/parts(message.content, true)|trim/' "$vectors/chat-$kind.jinja" > bad/chat_template.jinja
        refused 78 'ptd-init: chat_template.jinja: neither *"one two<|im_end|>*" where " *; ptd-init --template instruct or thinking says which to write'
        ptd-init -q chosen-$kind.ptd --from bad --template $kind
        said chosen-$kind.ptd > chosen-$kind.said
        cmp chosen-$kind.said $kind.said
    done
    run -1 cmp -s instruct.said thinking.said
    jq -Rs '{chat_template: .}' "$vectors/chat-instruct.jinja" > bad/chat_template.json # looked at first
    ptd-init -q first.ptd --from bad
    said first.ptd > first.said
    cmp first.said instruct.said
    ptd-init -q again.ptd --from-store first.ptd --template thinking
    said again.ptd > again.said
    cmp again.said thinking.said
    ptd-init -q third.ptd --from-store again.ptd # goes with the store
    said third.ptd > third.said
    cmp third.said thinking.said
    ptd-init -q tiny.ptd --seed 3 --template thinking
    said tiny.ptd > tiny.said
    cmp tiny.said thinking.said
    ptd-export -q again.ptd again # and no file of it
    [ "$(cd again && echo *)" = "chat_template.jinja chat_template.json config.json generation_config.json model.safetensors preprocessor_config.json tokenizer.json" ]
    fails 2 'ptd-init: --template: found "think", expected instruct or thinking; *' ptd-init x.ptd --from one --template think
}

@test "of two files for pictures processor_config.json wins, if it has rules at all" {
    copy
    jq '{image_processor: (. + {patch_size: 15})}' one/preprocessor_config.json > bad/processor_config.json
    refused 65 'ptd-init: processor_config.json: field "patch_size": found 15, expected 14 as config.json has it'
    cp one/preprocessor_config.json bad/
    jq '{image_processor: (. + {size: {shortest_edge: 50000, longest_edge: 60000}})}' one/preprocessor_config.json > bad/processor_config.json
    ptd-init -q newer.wins.ptd --from bad
    ptd-data digits -q t.jsonl -n 2 -k nbr
    [ "$(ptd-rollout -q -s newer.wins.ptd -g latest -P 1 -G 2 -m 4 t.jsonl | ptd-dump | jq -c 'select(.kind == "group").pictures[0] | [.height, .width]' | sort -u)" = '[224,224]' ]
    echo '{"processor_class": "Qwen3VLProcessor"}' > bad/processor_config.json
    ptd-init -q older.ptd --from bad
    rm bad/preprocessor_config.json
    refused 66 'ptd-init: bad/preprocessor_config.json: No such file or directory'
    cp one/preprocessor_config.json bad/
    echo '{"image_processor": ' > bad/processor_config.json
    refused 65 'ptd-init: processor_config.json: line *'
}

@test "the built-in sizes need a tokenizer; misuse" {
    fails 2 'ptd-init: qwen3-vl-4b has no tokenizer built in: give --tokenizer FILE; try *' ptd-init big.ptd --config qwen3-vl-4b --random 1
    gzip -c one/tokenizer.json > tok.gz
    fails 65 'ptd-init: config.json: field "image_token_id": found 151655, expected 636 as tokenizer.json has <|image_pad|>' ptd-init big.ptd --config qwen3-vl-4b --tokenizer tok.gz
    ptd-init -q gz.ptd --tokenizer tok.gz --seed 3
    [ "$(weights gz.ptd)" = "$(weights a.ptd)" ]
    copy
    rm bad/tokenizer.json bad/*.safetensors # config files without a tokenizer
    ptd-init -q folder.ptd --config bad --tokenizer tok.gz --seed 3
    [ "$(weights folder.ptd)" = "$(weights a.ptd)" ]
    head -c 2000 tok.gz > cut.gz
    fails 65 'ptd-init: cut.gz: *' ptd-init big.ptd --tokenizer cut.gz
    fails 2 'ptd-init: expected one of --from, *' ptd-init x.ptd --from one --seed 3
    fails 2 'ptd-init: expected one of --from, *' ptd-init x.ptd --from one --from-store a.ptd
    for from in '--seed 3' '--from one' '--from-store a.ptd'; do
        for dtype in f8 f16 int ''; do
            fails 2 "ptd-init: --dtype: found \"$dtype\", expected bf16 or f32; *" ptd-init x.ptd $from --dtype "$dtype"
        done
    done
    fails 2 'ptd-export: --dtype: found "f8", *' ptd-export a.ptd x --dtype f8
    fails 2 'ptd-export: expected a store and the folder to make; *' ptd-export a.ptd
    [ ! -e x ] && [ ! -e x.ptd ] && [ ! -e big.ptd ]
}

@test "an export is there whole or not at all" {
    mkdir there
    fails 73 'ptd-export: there: is there already' ptd-export a.ptd there
    fails 73 'ptd-export: no/such/folder.ptd-part: cannot create: No such file or directory' ptd-export a.ptd no/such/folder
    fails 66 'ptd-export: store missing.ptd: *' ptd-export missing.ptd x
    mkdir there2.part
    echo mine > there2.part/model.safetensors
    ptd-export -q a.ptd there2
    [ "$(cat there2.part/model.safetensors)" = mine ] # somebody else's download
    mkdir left.ptd-part
    cp one/* left.ptd-part/
    ptd-export -q a.ptd left/ # what a killed export left behind
    [ ! -e left.ptd-part ]
    cmp one/model.safetensors left/model.safetensors
    mkdir other.ptd-part
    touch other.ptd-part/mine
    fails 73 'ptd-export: other.ptd-part/mine: in the way, *' ptd-export a.ptd other
    [ -e other.ptd-part/mine ]
    [ ! -e other ]
    run -74 --separate-stderr bash -c 'ulimit -f 1000; exec ptd-export -q a.ptd full'
    [[ "$stderr" == "ptd-export: model.safetensors: cannot write: File too large" ]]
    [ ! -e full ] && [ ! -e full.ptd-part ]
}

@test "an export removes only what an export can have made, and nothing behind a link" {
    mkdir precious
    cp one/config.json one/model.safetensors precious/
    ln -s precious linked.ptd-part
    fails 73 'ptd-export: linked.ptd-part: is a symbolic link, expected a folder or nothing' ptd-export a.ptd linked
    cmp precious/model.safetensors one/model.safetensors
    cmp precious/config.json one/config.json
    mkdir mine.ptd-part
    for name in model-00000-of-00002.safetensors model-00003-of-00002.safetensors model-00001-of-00001.safetensors model-1-of-00002.safetensors \
        model-00001-of-00002.safetensors.old model-XXXXX-of-00002.safetensors config.json.bak; do
        touch mine.ptd-part/config.json "mine.ptd-part/$name"
        fails 73 "ptd-export: mine.ptd-part/$name: in the way, *" ptd-export a.ptd mine
        rm "mine.ptd-part/$name"
        [ -e mine.ptd-part/config.json ]
    done
    ln -s ../precious/config.json mine.ptd-part/merges.txt
    fails 73 'ptd-export: mine.ptd-part/merges.txt: in the way, *' ptd-export a.ptd mine
    rm mine.ptd-part/merges.txt
    touch mine.ptd-part/model-00002-of-00002.safetensors
    ptd-export -q a.ptd mine
    cmp one/model.safetensors mine/model.safetensors
}

@test "one export at a time" {
    mkdir busy.ptd-part
    run -77 flock -x busy.ptd-part ptd-export a.ptd busy
    [ "$output" = "ptd-export: busy.ptd-part: another program is writing it" ]
    [ ! -e busy ] && [ -d busy.ptd-part ]
}

# Runs COMMAND, which makes THING, and stops it after a moment, with either signal; what is there
# then must be whole.
stopped_at_any_moment() {
    local thing=$1 whole=$2 status i=0 sig
    shift 2
    for wait in 0 .005 .01 .015 .02 .03 .04 .06 .1 1; do
        sig=$([ $((i++ % 2)) = 0 ] && echo INT || echo TERM) status=0
        timeout --preserve-status -s $sig "$wait" "$@" || status=$?
        [ ! -e "$thing.ptd-part" ] || { echo "$thing.ptd-part is left"; return 1; }
        [ ! -e "$thing" ] || { [ $status = 0 ] && $whole; } || { echo "$thing is not whole, status $status"; return 1; }
        [ $status = 0 ] || [ $status = $((128 + $(kill -l $sig))) ] || { echo "status $status"; return 1; }
        rm -rf "$thing"
    done
}
whole_folder() { cmp one/model.safetensors stopped/model.safetensors; }
whole_store() { [ "$(weights stopped.ptd)" = "$(weights a.ptd)" ]; }

@test "what a signal stops leaves nothing, or all of it" {
    stopped_at_any_moment stopped whole_folder ptd-export -q a.ptd stopped
    stopped_at_any_moment stopped.ptd whole_store ptd-init -q stopped.ptd --from one
}

@test "ptd-dump tells format, sizes and shape" {
    run -0 ptd-dump a.ptd
    [ "$(jq -c 'select(.name == "model.language_model.norm.weight")' <<< "$output")" = '{"kind":"tensor","name":"model.language_model.norm.weight","dtype":"f32","shape":[128],"bytes":512}' ]
    [ "$(jq -c 'select(.kind == "tensor").name' <<< "$output" | wc -l)" = 85 ]
    [ "$(jq -s 'map(select(.kind == "tensor").bytes) | add' <<< "$output")" = 5504896 ]
    [ "$(ptd-dump short.ptd model.language_model.norm.weight | jq -c '[.dtype, .bytes, .min, .max]')" = '["bf16",256,1,1]' ]
}
