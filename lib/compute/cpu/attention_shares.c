/* attention_shares: how much rows attend to keys that are asked for, summed over heads. */
#include "base/err.h"
#include "base/threads.h"
#include "compute/cpu/attention.h"
#include "compute/cpu/floats.h"
#include "compute/cpu/ops.h"
#include "compute/cpu/product.h"
#include "compute/cpu/vec.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_ROWS 64

struct share_job {
    const struct ptd_attention *a;
    const struct ptd_shares_asked *asked;
    const int32_t *keys;
    float *out;
    const float *q, *k, *lse;
};

/* The keys of one kv head side by side: [n_keys, D]. */
static void bring_keys(const struct share_job *j, int head, float *to)
{
    int D = j->a->dim;
    for (long t = 0; t < j->asked->n_keys; t++)
        memcpy(to + t * D, j->k + j->keys[t] * j->a->k_stride + (long)head * D, D * sizeof *to);
}

/* out += e^(s - lse) */
static void add_shares(float *out, const float *s, long n, float lse)
{
    long t = 0;
    for (; t + VEC <= n; t += VEC)
        vec_store(out + t, vec_load(out + t) + vec_exp(vec_load(s + t) - lse));
    if (t < n) {
        vec_f e = vec_exp(vec_load_part(s + t, n - t, -INFINITY) - lse);
        vec_store_part(out + t, vec_load_part(out + t, n - t, 0) + e, n - t);
    }
}

/* Blocks of rows, each over all heads, whose keys are fetched once a block. */
static void share_blocks(void *ctx, long first, long last)
{
    const struct share_job *j = ctx;
    const struct ptd_attention *a = j->a;
    long n_keys = j->asked->n_keys;
    int D = a->dim, group = a->heads / a->kv_heads;
    float *S = ptd_array((size_t)BLOCK_ROWS * n_keys, sizeof *S),
          *K = ptd_array((size_t)n_keys * D, sizeof *K);
    for (long b = first; b < last; b++) {
        long at = b * BLOCK_ROWS, left = j->asked->n - at,
             n = left < BLOCK_ROWS ? left : BLOCK_ROWS;
        for (int h = 0; h < a->heads; h++) {
            long row = j->asked->first + at;
            if (h % group == 0) bring_keys(j, h / group, K);
            if (j->asked->heads && !j->asked->heads[h]) continue;
            ptd_product_rows_nt(S, n_keys, 0, 1 / sqrtf(D), j->q + row * a->q_stride + (long)h * D,
                                a->q_stride, K, D, n, n_keys, D);
            for (long i = 0; i < n; i++)
                add_shares(j->out + (at + i) * n_keys, S + i * n_keys, n_keys,
                           j->lse[(row + i) * a->heads + h]);
        }
    }
    free(S);
    free(K);
}

void ptd_cpu_attention_shares(struct ptd_device *d, const struct ptd_attention_plan *p,
                              const struct ptd_shares_asked *a, ptd_stat *out, const ptd_num *q,
                              const ptd_num *k, const ptd_stat *lse)
{
    struct share_job j = {&p->shape, a,         INTS(a->keys), FLOATS(out),
                          FLOATS(q), FLOATS(k), FLOATS(lse)};
    ptd_parallel((a->n + BLOCK_ROWS - 1) / BLOCK_ROWS, 1, share_blocks, &j);
}
