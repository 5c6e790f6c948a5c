/* sources: see sources.h. */
#include "method/sources.h"
#include <stdlib.h>

/* Where numbers of a source go that are ours. */
struct target {
    struct ptd_device *device;
    char *place;
    size_t size, from, first, n; /* from: of the source, first and n: ours, of the parameter's */
};

static void take_ours(const struct ptd_tensor_view *v, size_t first, size_t n, const float *from)
{
    const struct target *t = v->owner;
    size_t lo = t->from + first, hi = lo + n, begin = lo;
    if (lo < t->first) lo = t->first;
    if (hi > t->first + t->n) hi = t->first + t->n;
    if (lo >= hi) return;
    t->device->ops->put(t->device, t->place + (lo - t->first) * t->size,
                        (const char *)from + (lo - begin) * t->size, (hi - lo) * t->size);
}

/* One tensor of optim: n numbers of which the source has those from a to b. */
struct tensor {
    const char *name;
    char which;
    int dtype;
    void *place;
    size_t all, first, n; /* of it, and ours */
};

static int load_from(const struct ptd_shared_store *s, const struct ptd_forms *f,
                     const struct tensor *t, size_t a, size_t b)
{
    struct target to = {f->model->device, t->place, ptd_dtype_size(t->dtype), a, t->first, t->n};
    struct ptd_param shape = *f->param;
    if (b <= t->first || a >= t->first + t->n) return 0;
    int found = ptd_store_optim_dtype(s->store, t->which, t->name);
    if (found < 0) return -1;
    if (!found && t->which == 'l') return 0; /* nothing is left out */
    if (found != t->dtype)
        return ptd_fail(PTD_CONFIG,
                        "%s: moments of \"%.200s\" are kept in another form: expected the same "
                        "--moments and --master where ranks share them",
                        ptd_store_path(s->store), t->name);
    if (s->share.ranks > 1 || t->all != shape.n)
        shape.n_dims = 1, shape.dims[0] = (int64_t)(b - a), shape.n = b - a;
    struct ptd_tensor_view v = ptd_model_view(f->model, &shape, NULL, t->dtype);
    v.name = t->name;
    v.owner = &to;
    v.take = take_ours;
    return ptd_store_load_optim(s->store, t->which, &v, 1);
}

static int load(const struct ptd_shared *all, const struct ptd_forms *f, char which, int dtype,
                void *place)
{
    const struct ptd_slot *s = f->slot;
    struct tensor t = {f->param->name, which, dtype, place, f->param->n, s->first, s->n};
    for (int i = 0; i < all->n; i++) {
        struct ptd_share h = all->list[i].share;
        if (load_from(&all->list[i], f, &t, ptd_share_first(t.all, h.rank, h.ranks),
                      ptd_share_first(t.all, h.rank + 1, h.ranks)))
            return -1;
    }
    return 0;
}

/* Of 8-bit moments, a number a block. */
static int load_scales(const struct ptd_shared *all, const struct ptd_forms *f, char which,
                       void *place)
{
    const struct ptd_slot *s = f->slot;
    size_t n = f->param->n;
    struct tensor t = {f->scale,        which, PTD_F32, place, ptd_blocks(n), s->first / PTD_BLOCK,
                       ptd_blocks(s->n)};
    for (int i = 0; i < all->n; i++) {
        struct ptd_share h = all->list[i].share;
        size_t a = ptd_share_first(n, h.rank, h.ranks), b = ptd_share_first(n, h.rank + 1, h.ranks);
        if (load_from(&all->list[i], f, &t, a / PTD_BLOCK, ptd_blocks(b))) return -1;
    }
    return 0;
}

int ptd_sources_load(const struct ptd_shared *s, const struct ptd_forms *f, int moments)
{
    const struct ptd_slot *a = f->slot;
    int dtype = a->eight ? PTD_U8 : PTD_F32;
    if (moments && (load(s, f, 'm', dtype, a->m) || load(s, f, 'v', dtype, a->v))) return -1;
    if (moments && a->eight && (load_scales(s, f, 'm', a->ms) || load_scales(s, f, 'v', a->vs)))
        return -1;
    return a->low ? load(s, f, 'l', PTD_I16, a->low) : 0;
}
