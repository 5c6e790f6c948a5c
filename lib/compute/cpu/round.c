/* round: see round.h; and the operations of the table that do it to rows. */
#include "compute/cpu/round.h"
#include "base/threads.h"
#include "compute/cpu/floats.h"
#include "compute/cpu/ops.h"
#include "compute/cpu/vec.h"

void ptd_round(uint16_t *to, const float *x, long n)
{
    long i = 0;
    uint16_t last[VEC];
    for (; i + VEC <= n; i += VEC) vec_store_bf16(to + i, vec_load(x + i));
    if (i == n) return;
    vec_store_bf16(last, vec_load_part(x + i, n - i, 0));
    memcpy(to + i, last, (size_t)(n - i) * sizeof *to);
}

void ptd_unround(float *to, const uint16_t *x, long n)
{
    long i = 0;
    for (; i + VEC <= n; i += VEC) vec_store(to + i, vec_load_bf16(x + i));
    if (i < n) vec_store_part(to + i, vec_load_bf16_part(x + i, n - i), n - i);
}

struct rounding {
    float *x;
    uint16_t *to; /* NULL: in their place */
    const int32_t *row;
    long stride, to_stride;
    int w;
};

static void round_in_place(float *x, long n)
{
    long i = 0;
    for (; i + VEC <= n; i += VEC) vec_store(x + i, vec_rounded(vec_load(x + i)));
    if (i < n) vec_store_part(x + i, vec_rounded(vec_load_part(x + i, n - i, 0)), n - i);
}

static void round_range(void *ctx, long first, long last)
{
    const struct rounding *r = ctx;
    for (long i = first; i < last; i++)
        if (r->to)
            ptd_round(r->to + (r->row ? r->row[i] : i) * r->to_stride, r->x + i * r->stride, r->w);
        else
            round_in_place(r->x + i * r->stride, r->w);
}

void ptd_cpu_round(struct ptd_device *d, ptd_num *x, long stride, long n, int w)
{
    struct rounding r = {.x = FLOATS(x), .stride = stride, .w = w};
    ptd_parallel(n, ptd_cpu_grain(w), round_range, &r);
}

void ptd_cpu_halve_rows(struct ptd_device *d, void *to, long to_stride, const ptd_int *to_row,
                        const ptd_num *from, long from_stride, long n, int w)
{
    struct rounding r = {.x = (float *)(uintptr_t)FLOATS(from),
                         .to = to,
                         .row = INTS(to_row),
                         .stride = from_stride,
                         .to_stride = to_stride,
                         .w = w};
    ptd_parallel(n, ptd_cpu_grain(w), round_range, &r);
}
