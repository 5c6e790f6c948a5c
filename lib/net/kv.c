/* kv: see kv.h. What is written into the blocks is lm.c's. */
#include "net/kv.h"
#include "base/err.h"
#include "net/net.h"
#include <stdlib.h>
#include <string.h>

long ptd_kv_blocks(long rows)
{
    return (rows + PTD_KV_ROWS - 1) / PTD_KV_ROWS;
}

static int in_halves(const struct ptd_model *m)
{
    return m->half_keys && m->device->ops->halve_rows;
}

size_t ptd_kv_block_bytes(const struct ptd_model *m)
{
    const struct ptd_config *c = &m->config;
    size_t nums = (size_t)PTD_KV_ROWS * c->kv_heads * c->head_dim;
    return 2 * (size_t)c->layers * nums * (in_halves(m) ? 2 : m->device->num_size);
}

size_t ptd_kv_group_bytes(const struct ptd_model *m, long prompt, int replies, int max_tokens)
{
    long blocks = ptd_kv_blocks(prompt) + replies * ptd_kv_blocks(max_tokens - 1L);
    return (size_t)blocks * ptd_kv_block_bytes(m);
}

/* ---- the pool ---- */

struct ptd_kv *ptd_kv_new(const struct ptd_model *m, long most)
{
    const struct ptd_config *c = &m->config;
    struct ptd_kv *kv = ptd_alloc(sizeof *kv);
    kv->device = m->device;
    kv->layers = c->layers;
    kv->width = c->kv_heads * c->head_dim;
    kv->halves = in_halves(m);
    kv->most = most;
    kv->k = ptd_array(c->layers, sizeof *kv->k);
    kv->v = ptd_array(c->layers, sizeof *kv->v);
    return kv;
}

void ptd_kv_free(struct ptd_kv *kv)
{
    if (!kv) return;
    for (int l = 0; l < kv->layers; l++) {
        ptd_device_free(kv->device, kv->k[l]);
        ptd_device_free(kv->device, kv->v[l]);
    }
    free(kv->k);
    free(kv->v);
    free(kv->spare);
    free(kv);
}

/* The same with room for more blocks. A copy looks into no number, and rows are even. */
static ptd_num *larger(const struct ptd_kv *kv, ptd_num *old, long blocks, const char *what)
{
    struct ptd_device *d = kv->device;
    int row = kv->halves ? kv->width / 2 : kv->width;
    ptd_num *new = ptd_device_nums(d, (size_t)blocks * PTD_KV_ROWS * row, what);
    if (kv->blocks)
        d->ops->copy_rows(d, new, row, NULL, old, row, NULL, kv->blocks * PTD_KV_ROWS, row);
    ptd_device_free(d, old);
    return new;
}

/* All blocks are lent, and another is wanted. Layer by layer, so that only one is there twice. */
static void enlarge(struct ptd_kv *kv)
{
    long blocks = 2 * kv->blocks < kv->most ? 2 * kv->blocks : kv->most;
    if (blocks < kv->promised) blocks = kv->promised;
    for (int l = 0; l < kv->layers; l++) {
        kv->k[l] = larger(kv, kv->k[l], blocks, "keys");
        kv->v[l] = larger(kv, kv->v[l], blocks, "values");
    }
    kv->spare = ptd_realloc(kv->spare, (size_t)blocks * sizeof *kv->spare);
    for (long i = blocks; i > kv->blocks; i--) kv->spare[kv->n_spare++] = (int32_t)(i - 1);
    kv->blocks = blocks;
}

/* ---- lists ---- */

int ptd_kv_promise(struct ptd_kv *kv, struct ptd_kv_list *l, long rows)
{
    long blocks = ptd_kv_blocks(rows);
    if (kv->promised + blocks > kv->most) return 0;
    kv->promised += blocks;
    l->promised = blocks;
    return 1;
}

void ptd_kv_grow(struct ptd_kv *kv, struct ptd_kv_list *l, long rows)
{
    long blocks = ptd_kv_blocks(rows);
    if (blocks > l->promised) ptd_die(PTD_BUG, "a list of keys is longer than was promised");
    if (blocks > l->cap) {
        l->cap = blocks < 2L * l->cap ? 2 * l->cap : (int)blocks;
        l->block = ptd_realloc(l->block, (size_t)l->cap * sizeof *l->block);
    }
    while (l->n < blocks) {
        if (!kv->n_spare) enlarge(kv);
        l->block[l->n++] = kv->spare[--kv->n_spare];
    }
}

long ptd_kv_slot(const struct ptd_kv_list *l, long row)
{
    return (long)l->block[row / PTD_KV_ROWS] * PTD_KV_ROWS + row % PTD_KV_ROWS;
}

void ptd_kv_release(struct ptd_kv *kv, struct ptd_kv_list *l)
{
    while (l->n) kv->spare[kv->n_spare++] = l->block[--l->n];
    kv->promised -= l->promised;
    free(l->block);
    memset(l, 0, sizeof *l);
}
