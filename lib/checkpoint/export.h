/* export: one generation of a store as a Hugging Face folder: model.safetensors, or shards with
 * model.safetensors.index.json, and the small files byte for byte as they came. A tied head is left
 * out, as it is not in the store; but if config.json says that there is one, it is written. Changed
 * in config.json is what would be wrong: the dtype if `dtype` is another (top level, text_config
 * and vision_config, under the names it has there), and tie_word_embeddings if the store has a head
 * of its own. Float32 weights of the newest generation are exact where it was trained in bfloat16
 * with a split master; bfloat16 ones are what the network computes with.
 *
 * The folder appears whole or not at all: it is written under the name DIR.ptd-part, which is
 * locked, synced and renamed at the end; a name that is taken is refused (73). After a failure or a
 * stop nothing is left; what a kill left under DIR.ptd-part the next export removes, if there is
 * nothing in it but what an export writes and DIR.ptd-part is no symbolic link. */
#ifndef PTD_EXPORT_H
#define PTD_EXPORT_H
#include "store/store.h"

/* A store with an adapter gives a PEFT folder (peft.h), of the adapter alone, which PEFT puts on
 * the base; or, with `merge`, a folder as above whose matrices are W + scale B A, rounded once.
 * What trained more than its adapter has to be merged (78). */
struct ptd_export {
    int64_t generation;
    int dtype;                /* of all tensors; 0: as stored */
    int merge;                /* 1: the adapter becomes a part of the weights; 78 without one */
    uint64_t shard_bytes;     /* at most, in a file (a larger tensor gets a file of its own) */
    const volatile int *stop; /* looked at between pieces: not 0 ends with -1 */
    int n_tensors, n_files;   /* results */
    uint64_t bytes;
};
int ptd_export(struct ptd_store *s, const char *dir, struct ptd_export *x) PTD_MUST_CHECK;
#endif
