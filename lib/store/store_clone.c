/* store_clone: a generation of one store as generation 0 of a new one. */
#include "store/share.h"
#include "store/store_private.h"
#include <stdlib.h>
#include <string.h>

struct clone {
    struct ptd_store *from;
    int64_t generation;
    const struct ptd_tensor_about *list; /* as they are */
    struct ptd_tensor_about *tensors;    /* as they are wanted, then what is added */
    int n;                               /* in list */
    const struct ptd_filling *more;
    struct ptd_shared *shared; /* where ranks share what bfloat16 leaves out; NULL: here is all */
    int looked;                /* 1: shared is known */
};

/* float32 numbers that were widened from bfloat16 get what that leaves out, where `from` has it. */
static int join_low(struct clone *c, const struct ptd_tensor_about *t, size_t first, size_t n,
                    uint32_t *x)
{
    if (!c->looked && ptd_shared_of(c->from, &c->shared)) return -1;
    c->looked = 1;
    size_t piece = ptd_store_piece(PTD_I16), part;
    int16_t *low = ptd_array(n, sizeof *low);
    int rc = 0;
    for (size_t at = 0; at < n && rc == 0; at += part) {
        part = piece - (first + at) % piece;
        if (part > n - at) part = n - at;
        rc = c->shared
                 ? ptd_shared_low(c->shared, c->generation, t->name, t->n, first + at, part,
                                  low + at)
                 : ptd_store_read_low(c->from, c->generation, t->name, first + at, part, low + at);
    }
    for (size_t i = 0; i < n && rc == 0; i++) x[i] += (uint32_t)(int32_t)low[i];
    free(low);
    return rc < 0 ? -1 : 0;
}

static int copy_values(void *ctx, int i, size_t first, size_t n, void *out)
{
    struct clone *c = ctx;
    if (i >= c->n) return c->more->fill(c->more->ctx, i - c->n, first, n, out);
    const struct ptd_tensor_about *t = &c->list[i];
    if (t->dtype == c->tensors[i].dtype)
        return ptd_store_read(c->from, c->generation, t, first, n, out);
    void *raw = ptd_array(n, ptd_dtype_size(t->dtype));
    int rc = ptd_store_read(c->from, c->generation, t, first, n, raw);
    if (rc == 0) ptd_dtype_convert(out, c->tensors[i].dtype, raw, t->dtype, n);
    if (rc == 0 && t->dtype == PTD_BF16 && c->tensors[i].dtype == PTD_F32)
        rc = join_low(c, t, first, n, out);
    free(raw);
    return rc;
}

int ptd_store_is_adapter(const char *name)
{
    return strstr(name, "lora_A.weight") || strstr(name, "lora_B.weight");
}

/* All that the clone is to hold. */
static struct ptd_filling to_clone(struct clone *c, int dtype)
{
    int more = c->more ? c->more->n : 0;
    c->tensors = ptd_array((size_t)(c->n + more) + 1, sizeof *c->tensors);
    if (c->n) memcpy(c->tensors, c->list, (size_t)c->n * sizeof *c->tensors);
    for (int i = 0; i < c->n && dtype; i++)
        if (!ptd_store_is_adapter(c->tensors[i].name)) c->tensors[i].dtype = dtype;
    if (more) memcpy(c->tensors + c->n, c->more->tensors, (size_t)more * sizeof *c->tensors);
    return (struct ptd_filling){c->tensors, c->n + more, copy_values, c};
}

int ptd_store_is_average(const char *name)
{
    return !strncmp(name, PTD_AVERAGE, strlen(PTD_AVERAGE));
}

/* A new store begins without those of another run. Returns how many are left. */
static int drop_averages(struct ptd_tensor_about *list, int n)
{
    int left = 0;
    for (int i = 0; i < n; i++)
        if (ptd_store_is_average(list[i].name))
            free((char *)(uintptr_t)list[i].name);
        else
            list[left++] = list[i];
    return left;
}

int ptd_store_clone(struct ptd_store *from, int64_t generation, int dtype, struct ptd_store *to,
                    const struct ptd_filling *more)
{
    struct ptd_tensor_about *list;
    int n;
    if (!(to->mode & PTD_STORE_CREATE))
        return ptd_fail(PTD_BUG, "store %s: not a new store", to->dir);
    if (ptd_store_hold(from) < 0) return -1;
    int rc = ptd_store_list(from, generation, &list, &n);
    if (rc == 0) n = drop_averages(list, n);
    struct clone c = {.from = from, .generation = generation, .list = list, .n = n, .more = more};
    struct ptd_filling f = to_clone(&c, dtype);
    if (rc == 0) rc = ptd_store_freeze(to, &f, from, dtype);
    ptd_store_list_free(list, n);
    free(c.tensors);
    ptd_shared_close(c.shared);
    ptd_store_release(from);
    return rc;
}
