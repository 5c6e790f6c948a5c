/* attention_plan: which spans of an attention are computed together, forward (runs) and backward
 * (families). */
#include "base/err.h"
#include "compute/cpu/attention.h"
#include "compute/cpu/ops.h"
#include <stdlib.h>
#include <string.h>

static int joins(const struct ptd_span *a, const struct ptd_span *b)
{
    return a->n_shared && a->shared == b->shared && a->n_shared == b->n_shared &&
           a->row + a->n == b->row;
}

static struct run *find_runs(const struct ptd_attention *a, int *n)
{
    struct run *r = ptd_array(a->n_spans + 1, sizeof *r);
    *n = 0;
    for (int i = 0; i < a->n_spans; i++)
        if (*n && joins(&a->spans[i - 1], &a->spans[i]))
            r[*n - 1].n++;
        else
            r[(*n)++] = (struct run){i, 1};
    return r;
}

static int family_end(const struct ptd_attention_plan *p, int first)
{
    const struct ptd_span *prompt = &p->shape.spans[p->runs[first].first];
    int i = first + 1;
    while (i < p->n_runs) {
        const struct ptd_span *s = &p->shape.spans[p->runs[i].first];
        if (!s->n_shared || (s->shared != prompt->own && s->shared != prompt->shared)) break;
        i++;
    }
    return i;
}

static void *copied(const void *from, size_t bytes)
{
    char *to = ptd_alloc(bytes + 1);
    if (bytes) memcpy(to, from, bytes);
    return to;
}

struct ptd_attention_plan *ptd_cpu_attention_plan(struct ptd_device *d,
                                                  const struct ptd_attention *a)
{
    struct ptd_attention_plan *p = ptd_alloc(sizeof *p);
    p->shape = *a;
    p->shape.spans = copied(a->spans, (size_t)a->n_spans * sizeof *a->spans);
    if (a->blocks) p->shape.blocks = copied(a->blocks, (size_t)a->n_blocks * sizeof *a->blocks);
    p->runs = find_runs(&p->shape, &p->n_runs);
    p->family = ptd_array((size_t)p->n_runs + 1, sizeof *p->family);
    for (int i = 0; i < p->n_runs; i = p->family[p->n_families])
        p->family[++p->n_families] = family_end(p, i);
    return p;
}

const struct ptd_attention *ptd_cpu_attention_shape(const struct ptd_attention_plan *p)
{
    return &p->shape;
}

void ptd_cpu_attention_plan_free(struct ptd_device *d, struct ptd_attention_plan *p)
{
    if (!p) return;
    free((void *)(uintptr_t)p->shape.spans);
    free((void *)(uintptr_t)p->shape.blocks);
    free(p->runs);
    free(p->family);
    free(p);
}
