/* shards: the tensors of a folder, in model.safetensors or in the files that
 * model.safetensors.index.json names.
 *
 * Index and files must agree both ways: each tensor is in the file that the index names, each
 * tensor of each file is in the index, and no other model-N-of-M.safetensors lies beside them. A
 * total_size that differs from the sum gets a warning only: it describes, nothing is read by it.
 * Pickle files (.bin .pt .pth .ckpt .pkl) are refused by name, because opening one runs what is in
 * it. */
#ifndef PTD_SHARDS_H
#define PTD_SHARDS_H
#include "checkpoint/safetensors.h"

#define PTD_INDEX_FILE "model.safetensors.index.json"

struct ptd_index_entry {
    char *name, *file;
};
struct ptd_index {
    struct ptd_index_entry *entries; /* sorted by name */
    int n;
    double total_size; /* -1: not said */
};
/* `text` with a NUL behind its len bytes. */
int ptd_index_parse(struct ptd_index *x, const char *path, const char *text,
                    size_t len) PTD_MUST_CHECK;
void ptd_index_clear(struct ptd_index *x);

struct ptd_shard_tensor {
    const struct ptd_safetensor *t;
    struct ptd_safetensors *file;
};
struct ptd_shards {
    struct ptd_safetensors **files;
    struct ptd_shard_tensor *tensors; /* sorted by name */
    int n_files, n;
};
/* 66 if there is nothing to read */
int ptd_shards_open(struct ptd_shards **s, const char *dir) PTD_MUST_CHECK;
const struct ptd_shard_tensor *ptd_shards_find(const struct ptd_shards *s, const char *name);
int ptd_shards_close(struct ptd_shards *s); /* -1 if a file changed meanwhile */

int ptd_is_pickle(const char *name); /* by its ending */
/* A whole file of at most `most` bytes with a NUL behind it, malloc'd; NULL: *failed tells (0:
 * there is none). Text has no other NUL. */
char *ptd_file_text(const char *path, size_t most, size_t *len, int *failed);
#endif
