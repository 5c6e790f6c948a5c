#!/usr/bin/env python3
"""llama_peer.py make FOLDER FILE: the language model of a Hugging Face folder as a bf16 GGUF without a tokenizer.
llama_peer.py FILE: real.c's sampling by llama.cpp, by the same requests, seconds each; words are drawn by none: it is the
network's time. Run by the Python that PTD_PEERS names, with llama-cpp-python and gguf."""
import json
import os
import pathlib
import resource
import sys
import time

NAMES = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
         "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}


def name_of(name):
    """In GGUF; None: not the language model's."""
    _, found, rest = name.partition("language_model.")
    if not found:
        return None
    whole = {"embed_tokens.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}
    if rest in whole:
        return whole[rest]
    _, layer, inner = rest.split(".", 2)
    return f"blk.{layer}.{NAMES[inner.removesuffix('.weight')]}.weight"


def make(folder, path):
    import gguf
    import torch
    from safetensors import safe_open
    c = json.loads((pathlib.Path(folder) / "config.json").read_text())["text_config"]
    w = gguf.GGUFWriter(path, "qwen3")
    w.add_context_length(4096)
    w.add_vocab_size(c["vocab_size"])
    w.add_embedding_length(c["hidden_size"])
    w.add_block_count(c["num_hidden_layers"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_head_count_kv(c["num_key_value_heads"])
    w.add_key_length(c["head_dim"])
    w.add_value_length(c["head_dim"])
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    w.add_rope_freq_base(c.get("rope_theta") or c["rope_parameters"]["rope_theta"])
    w.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    w.add_tokenizer_model("none")
    for file in sorted(pathlib.Path(folder).glob("*.safetensors")):
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():
                if to := name_of(name):
                    t = tensors.get_tensor(name)
                    if t.dim() == 1:
                        w.add_tensor(to, t.float().numpy())
                    else:
                        w.add_tensor(to, t.bfloat16().view(torch.uint8).numpy(), raw_dtype=gguf.GGMLQuantizationType.BF16)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if sys.argv[1] == "make":
    sys.exit(make(*sys.argv[2:4]))

import llama_cpp as L  # noqa: E402

MOST = 1024
model = context = batch = words = None


def load(argument):
    global model, context, batch, words
    start = time.perf_counter()
    L.llama_backend_init()
    model = L.llama_model_load_from_file(sys.argv[1].encode(), L.llama_model_default_params())
    if not model:
        sys.exit(f"{sys.argv[1]}: llama.cpp cannot load it")
    p = L.llama_context_default_params()
    p.n_ctx, p.n_batch, p.n_ubatch, p.n_seq_max = 4096, MOST, 512, 8
    p.n_threads = p.n_threads_batch = len(os.sched_getaffinity(0))
    context = L.llama_init_from_model(model, p)
    batch = L.llama_batch_init(MOST, 0, 8)
    words = L.llama_vocab_n_tokens(L.llama_model_get_vocab(model))
    return time.perf_counter() - start


def add(token, position, sequence, wanted):
    i = batch.n_tokens
    batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, position, 1, wanted
    batch.seq_id[i][0] = sequence
    batch.n_tokens += 1


def run():
    if L.llama_decode(context, batch):
        sys.exit("llama_decode failed")
    batch.n_tokens = 0


def sample(argument):
    sequences, n, tokens = [int(x) for x in argument.split(":")][:3]
    memory = L.llama_get_memory(context)
    L.llama_memory_clear(memory, True)
    batch.n_tokens = 0
    start = time.perf_counter()
    for i in range(n):
        add(i * 7919 % words, i, 0, i == n - 1)
    run()
    for s in range(1, sequences):
        L.llama_memory_seq_cp(memory, 0, s, -1, -1)
    for t in range(tokens - 1):
        for s in range(sequences):
            add((t * 104729 + s * 7919) % words, n + t, s, True)
        run()
    L.llama_synchronize(context)
    return time.perf_counter() - start


def memory(argument):
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


WORKS = dict(load=load, sample=sample, memory=memory)
for request in sys.stdin:
    work, argument = request.split()
    print(f"{WORKS[work](argument):.9g}", flush=True)
