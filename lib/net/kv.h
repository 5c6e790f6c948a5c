/* kv: keys and values of earlier tokens, in blocks of PTD_KV_ROWS tokens that a pool lends out:
 * numbers of the device, or bfloat16 where the model rounds them to that (half_keys) and the
 * device reads it.
 *
 *     struct ptd_kv *kv = ptd_kv_new(m, most); // blocks; memory is taken when they are wanted
 *     struct ptd_kv_list own = {0};
 *     if (ptd_kv_promise(kv, &own, most)) ...  // room for so many rows is kept for this list
 *     ptd_kv_grow(kv, &own, rows);             // it holds blocks for so many rows now
 *     slot = ptd_kv_slot(&own, i);             // where row i of the list lies in the pool
 *     ptd_kv_release(kv, &own);                // blocks and promise go back
 *
 * A list is one prompt's or one reply's, and grows with it. What is promised is never more than
 * `most`, and a list takes no more than it was promised, so that growing cannot fail: who waits for
 * room waits for a promise, and those who hold one need nothing more to end. Nobody waits for ever,
 * therefore, as long as one prompt and one of its replies fit. */
#ifndef PTD_KV_H
#define PTD_KV_H
#include "net/model.h"

#define PTD_KV_ROWS 32

struct ptd_kv {
    struct ptd_device *device;
    ptd_num **k, **v;          /* by layer: [blocks * PTD_KV_ROWS, kv_heads * head_dim] */
    int layers, width, halves; /* 1: bfloat16 lies there */
    long blocks, most;         /* there are; there may be */
    long promised;
    int32_t *spare; /* [n_spare] blocks that nobody has; the last one is lent next */
    long n_spare;
};

struct ptd_kv_list {
    int32_t *block; /* [n] */
    int n, cap;
    long promised; /* blocks, those taken included */
};

/* Blocks that so many rows take, and the bytes of one. */
long ptd_kv_blocks(long rows);
size_t ptd_kv_block_bytes(const struct ptd_model *m);
/* Most bytes that a group of replies to one prompt takes. */
size_t ptd_kv_group_bytes(const struct ptd_model *m, long prompt, int replies, int max_tokens);

struct ptd_kv *ptd_kv_new(const struct ptd_model *m, long most);
void ptd_kv_free(struct ptd_kv *kv); /* NULL: nothing */

/* Room for `rows` rows is kept for an empty list: 1. There is none: 0, and nothing has changed. */
int ptd_kv_promise(struct ptd_kv *kv, struct ptd_kv_list *l, long rows);
void ptd_kv_grow(struct ptd_kv *kv, struct ptd_kv_list *l, long rows);
long ptd_kv_slot(const struct ptd_kv_list *l, long row);
void ptd_kv_release(struct ptd_kv *kv, struct ptd_kv_list *l); /* the list is empty again */
#endif
