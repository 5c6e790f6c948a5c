/* import: the weights of a Hugging Face folder into a new store, in the format they came in, or in
 * one that was asked for.
 *
 * The folder must hold exactly the model's tensors, each of its shape, in BF16, F16 or F32, all
 * numbers finite; what is missing, too many, of another shape or format is named (65). A piece at a
 * time goes from the file into the store, so memory does not grow with the model.
 *
 * The head, lm_head.weight, is the file's if there is one, whatever config.json says: where that
 * ties it, a head of the embedding's values is tied, and another one is used as it is, with a
 * warning. Files that hold a tied head but no embedding have it all the same. Where there is no
 * head and config.json does not tie it, the reference implementation goes on with a random one:
 * such a folder is refused (65), unless text_config ties it, which gets a warning. */
#ifndef PTD_IMPORT_H
#define PTD_IMPORT_H
#include "checkpoint/peft.h"
#include "checkpoint/shards.h"
#include "net/model.h"

#define PTD_HEAD "lm_head.weight"
/* the head, where there is none */
#define PTD_EMBEDDING "model.language_model.embed_tokens.weight"

struct ptd_progress;

/* Sets c->tied by the files' head, as said above. */
int ptd_import_tie(struct ptd_config *c, const struct ptd_shards *s,
                   const char *dir) PTD_MUST_CHECK;
/* Everything that can be said without reading numbers. */
int ptd_import_check(const struct ptd_model *m, const struct ptd_shards *s,
                     const char *dir) PTD_MUST_CHECK;
/* Fills generation 0 of a new store; m as checked. An adapter's parameters, which are float32, come
 * from its folder, or begin at random as PEFT's do: A uniform within 1 / sqrt(in), B 0. */
struct ptd_import {
    const struct ptd_shards *shards; /* NULL: random weights */
    const struct ptd_peft *adapter;  /* NULL: none, or a random one */
    int dtype; /* f32 or bf16, to which all others are rounded; 0: as they come, if they do */
    uint64_t seed;
    const volatile int *stop; /* looked at between pieces: not 0 ends with -1 */
};
int ptd_import(struct ptd_store *to, const struct ptd_model *m,
               const struct ptd_import *from) PTD_MUST_CHECK;
/* A clone (store.h) with the adapter of m, a plan of its model, added. */
int ptd_import_clone(struct ptd_store *from, int64_t generation, struct ptd_store *to,
                     const struct ptd_model *m, const struct ptd_import *adapter) PTD_MUST_CHECK;
#endif
