/* lora: what an adapter is made of, in words and numbers: its rank, its scale, the matrices that it
 * belongs to. As PEFT has it: y = x W^T + scale x A^T B^T with A [rank, in] and B [out, rank]
 * (LoRA; Hu et al., 2021). Where it lies in the network is net/adapter.h's, its numbers the
 * store's.
 *
 *     ptd_lora_parse(&l, "rank=16,alpha=32,targets=q_proj,v_proj");  // what an option says
 *     ptd_lora_read(&l, json, n, "adapter_config.json");             // what PEFT's file says
 *     if (ptd_lora_wants(&l, "model.language_model.layers.0.self_attn.q_proj")) ...
 *     ptd_lora_clear(&l);
 *
 * Targets are names of modules, each of which means all modules that end with it; or "all-linear":
 * the matrices of text and vision, but not the embedding and the head; or a regular expression
 * (Perl's) that the whole name of a module has to match. A list of nothing but names is a list of
 * names.
 *
 * DoRA, biases that are trained, patterns of ranks, and whatever else of PEFT's file changes what
 * is computed, are refused by their names (78). Dropout is not done: a file that asks for it gets a
 * warning. */
#ifndef PTD_LORA_H
#define PTD_LORA_H
#include "base/err.h"
#include <stddef.h>

#define PTD_LORA_FILE "adapter_config.json" /* PEFT's, and its key in a store's meta */
#define PTD_LORA_RANK 16
#define PTD_LORA_MOST 1024 /* ranks */
/* targets unless others are named: all matrices of the text's layers */
#define PTD_LORA_TARGETS "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"
/* What --help says of --lora. */
#define PTD_LORA_HELP                                                                              \
    "train an adapter: \"rank=16,alpha=32,targets=...\", all with defaults: rank 16, alpha twice " \
    "the rank, targets " PTD_LORA_TARGETS " (names of modules, all-linear, or a regular "          \
    "expression; the last item); rslora: scale by alpha over the rank's root"

struct ptd_lora {
    int rank;
    double alpha;
    int rslora;  /* scale alpha / sqrt(rank) in place of alpha / rank */
    char **name; /* targets by name; "all-linear" is one of its own */
    int n_names;
    char *pattern; /* or by a regular expression; NULL: by name */
    void *code;    /* it, compiled */
    char *base;    /* base_model_name_or_path, which is only kept; NULL: none */
};

/* -1: 2 what is malformed, or asks for what is not there */
int ptd_lora_parse(struct ptd_lora *l, const char *option) PTD_MUST_CHECK;
/* -1: 65 what is malformed, 78 what is not there; `file` is for the message */
int ptd_lora_read(struct ptd_lora *l, const char *json, size_t len,
                  const char *file) PTD_MUST_CHECK;
/* As PEFT writes it, with a line feed at the end; malloc'd. */
char *ptd_lora_text(const struct ptd_lora *l);
double ptd_lora_scale(const struct ptd_lora *l);
/* 1 if it belongs to a matrix of this name, else 0; -1: 2 the expression cannot be followed.
 * `linear`: 1 if "all-linear" means it. */
int ptd_lora_wants(const struct ptd_lora *l, const char *module, int linear);
/* 1 if target number i, in the order given, means this module; for telling which means none. */
int ptd_lora_means(const struct ptd_lora *l, int i, const char *module, int linear);
/* Targets become this list of modules; the names are copied. */
void ptd_lora_list(struct ptd_lora *l, const char *const *modules, int n);
void ptd_lora_clear(struct ptd_lora *l);
#endif
