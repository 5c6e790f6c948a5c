/* attention_plan: the operations of attention in compute/ops.h: a batch's lists go to the device
 * once, those of the backward when one is asked for; into memory of the last batch's, since a step
 * of decoding is a batch. */
#include "compute/cuda/attention_lists.h"
#include "compute/cuda/bundle.h"
#include "compute/cuda/driver.h"

struct ptd_attention_plan {
    struct ptd_attention shape; /* spans and blocks are copies */
    std::vector<struct ptd_span> spans;
    struct attention on, back;
    void *lists[2]; /* on the device: forward, backward */
};

static struct ptd_attention_plan *changed(const struct ptd_attention_plan *p)
{
    return const_cast<struct ptd_attention_plan *>(p);
}

static void plan_forward(struct ptd_device *d, struct ptd_attention_plan *p)
{
    struct attention_lists l;
    struct attention *a = &p->on;
    struct bundle b;
    attention_lists_forward(&l, &p->shape, PAIRS);
    size_t parts = b.add(l.parts), tiles = b.add(l.tiles), pieces = b.add(l.pieces),
           joins = b.add(l.joins), blocks = b.add(p->shape.blocks, (size_t)p->shape.n_blocks);
    void *base = p->lists[0] = cuda_lend_list(d, b.bytes.data(), b.bytes.size());
    if (!base) return;
    place(a->parts, base, parts);
    place(a->tiles, base, tiles);
    place(a->pieces, base, pieces);
    place(a->joins, base, joins);
    if (p->shape.blocks) place(a->blocks, base, blocks);
    a->n_tiles = (int)l.tiles.size(), a->n_pieces = (int)l.pieces.size();
    a->n_joins = (int)l.joins.size(), a->slots = l.slots;
    a->most_pairs = l.most_pairs, a->rows = l.rows;
}

static void plan_backward(struct ptd_device *d, struct ptd_attention_plan *p)
{
    struct attention_lists l;
    struct bundle b;
    if (p->shape.blocks || attention_lists_backward(&l, &p->shape)) {
        cuda_blame(d, PTD_BUG, "attention: gradients of keys that overlap, or lie in blocks");
        return;
    }
    size_t keys = b.add(l.key_tiles), views = b.add(l.views), parts = b.add(l.parts),
           tiles = b.add(l.tiles);
    if (!(p->lists[1] = cuda_lend_list(d, b.bytes.data(), b.bytes.size()))) return;
    p->back = p->on;
    place(p->back.parts, p->lists[1], parts);
    place(p->back.tiles, p->lists[1], tiles);
    place(p->back.key_tiles, p->lists[1], keys);
    place(p->back.views, p->lists[1], views);
    p->back.n_tiles = (int)l.tiles.size(), p->back.n_key_tiles = (int)l.key_tiles.size();
}

/* 0: n is no power of two, or 1. */
static int shift_of(int n)
{
    for (int i = 1; i < 31; i++)
        if (1 << i == n) return i;
    return 0;
}

struct ptd_attention_plan *cuda_attention_plan(struct ptd_device *d, const struct ptd_attention *a)
{
    struct ptd_attention_plan *p = new ptd_attention_plan();
    p->shape = *a;
    p->spans.assign(a->spans, a->spans + a->n_spans);
    p->shape.spans = p->spans.data();
    p->on.heads = a->heads, p->on.kv_heads = a->kv_heads, p->on.dim = a->dim;
    p->on.q_stride = a->q_stride, p->on.k_stride = a->k_stride;
    p->on.v_stride = a->v_stride, p->on.o_stride = a->o_stride;
    p->on.block_rows = a->block_rows, p->on.block_shift = shift_of(a->block_rows);
    if (a->dim > MOST_DIM)
        cuda_blame(d, PTD_DATAERR, "attention: heads of more than 256 numbers");
    else
        plan_forward(d, p);
    return p;
}

void cuda_attention_plan_free(struct ptd_device *d, struct ptd_attention_plan *p)
{
    if (!p) return;
    for (void *list : p->lists) cuda_return_list(d, list);
    delete p;
}

void cuda_attention(struct ptd_device *d, const struct ptd_attention_plan *p, ptd_num *o,
                    ptd_stat *lse, const ptd_num *q, const ptd_num *k, const ptd_num *v)
{
    size_t room = attention_scratch(p->on) * sizeof(float);
    void *scratch = room ? cuda_scratch(d, CUDA_SUMS, room) : NULL;
    if (!p->lists[0] || (room && !scratch)) return;
    CUDA_BY_TYPE(d,
                 attention_forward(p->on, as<T>(o), floats_of(lse), static_cast<float *>(scratch),
                                   as<T>(q), as<T>(k), as<T>(v), stream_of(d)));
}

void cuda_attention_backward(struct ptd_device *d, const struct ptd_attention_plan *p, ptd_num *dq,
                             ptd_num *dk, ptd_num *dv, const ptd_num *dout, const ptd_num *o,
                             const ptd_stat *lse, const ptd_num *q, const ptd_num *k,
                             const ptd_num *v)
{
    size_t room = ((size_t)p->on.rows * p->on.heads + 1) * sizeof(float);
    float *delta = static_cast<float *>(cuda_scratch(d, CUDA_SUMS, room));
    if (!p->lists[1]) plan_backward(d, changed(p));
    if (!p->lists[0] || !p->lists[1] || !delta) return;
    CUDA_BY_TYPE(d, attention_backward(p->back, as<T>(dq), as<T>(dk), as<T>(dv), delta, as<T>(dout),
                                       as<T>(o), floats_of(lse), as<T>(q), as<T>(k), as<T>(v),
                                       stream_of(d)));
}

void cuda_attention_shares(struct ptd_device *d, const struct ptd_attention_plan *p,
                           const struct ptd_shares_asked *a, ptd_stat *out, const ptd_num *q,
                           const ptd_num *k, const ptd_stat *lse)
{
    uint8_t *heads = NULL;
    if (a->heads)
        heads = static_cast<uint8_t *>(cuda_list(d, CUDA_LISTS, a->heads, (size_t)p->on.heads));
    if ((a->heads && !heads) || !a->n || !a->n_keys) return;
    CUDA_BY_TYPE(d, attention_shares(p->on, floats_of(out), a->first, a->n, ints_of(a->keys),
                                     a->n_keys, heads, as<T>(q), as<T>(k), floats_of(lse),
                                     stream_of(d)));
}
