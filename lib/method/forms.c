/* forms: see forms.h. A piece at a time, on the host; what a step does with a form is adamw.c's. */
#include "method/forms.h"
#include "base/threads.h"
#include "compute/cpu/eight.h"
#include "compute/cpu/halves.h"
#include <stdlib.h>
#include <string.h>

/* ---- moments ---- */

/* Blocks of one piece, on the host. */
struct piece {
    float *numbers, *scales;
    uint8_t *codes;
    size_t n;
    int is_signed;
};

static size_t part_of(const struct piece *p, long block)
{
    size_t left = p->n - (size_t)block * PTD_BLOCK;
    return left < PTD_BLOCK ? left : PTD_BLOCK;
}

static void encode_blocks(void *ctx, long first, long last)
{
    const struct piece *p = ctx;
    for (long b = first; b < last; b++) {
        float x[PTD_BLOCK] = {0};
        uint8_t code[PTD_BLOCK];
        size_t at = (size_t)b * PTD_BLOCK, n = part_of(p, b);
        memcpy(x, p->numbers + at, n * sizeof *x);
        p->scales[b] = ptd_eight_write(code, x, p->is_signed);
        memcpy(p->codes + at, code, n);
    }
}

static void decode_blocks(void *ctx, long first, long last)
{
    const struct piece *p = ctx;
    for (long b = first; b < last; b++) {
        float x[PTD_BLOCK];
        uint8_t code[PTD_BLOCK] = {0};
        size_t at = (size_t)b * PTD_BLOCK, n = part_of(p, b);
        memcpy(code, p->codes + at, n);
        ptd_eight_read(x, code, p->scales[b], p->is_signed);
        memcpy(p->numbers + at, x, n * sizeof *x);
    }
}

/* Where a slot's moments go, by way of a view's owner. */
struct moments {
    struct ptd_device *device;
    char *place;
    ptd_stat *scales;
    float *read; /* the store's scales */
    int is_signed;
};

/* Pieces are whole blocks, but the last. */
static void take_as_codes(const struct ptd_tensor_view *v, size_t first, size_t n,
                          const float *from)
{
    const struct moments *to = v->owner;
    struct ptd_device *d = to->device;
    size_t blocks = ptd_blocks(n);
    struct piece p = {(float *)(uintptr_t)from, ptd_array(blocks, sizeof(float)), ptd_alloc(n), n,
                      to->is_signed};
    ptd_parallel((long)blocks, 64, encode_blocks, &p);
    d->ops->put(d, to->place + first, p.codes, n);
    d->ops->put(d, (char *)to->scales + first / PTD_BLOCK * sizeof(float), p.scales,
                blocks * sizeof(float));
    free(p.scales);
    free(p.codes);
}

static void take_as_numbers(const struct ptd_tensor_view *v, size_t first, size_t n,
                            const float *from)
{
    const struct moments *to = v->owner;
    struct ptd_device *d = to->device;
    struct piece p = {ptd_array(n, sizeof(float)), to->read + first / PTD_BLOCK,
                      (uint8_t *)(uintptr_t)from, n, to->is_signed};
    ptd_parallel((long)ptd_blocks(n), 64, decode_blocks, &p);
    d->ops->put(d, to->place + first * sizeof(float), p.numbers, n * sizeof(float));
    free(p.numbers);
}

static struct ptd_tensor_view scales_view(const struct ptd_forms *f, ptd_stat *place)
{
    struct ptd_param scales = {.n_dims = 1, .n = ptd_blocks(f->slot->n)};
    scales.dims[0] = (int64_t)scales.n;
    struct ptd_tensor_view v = ptd_model_view(f->model, &scales, place, PTD_F32);
    v.name = f->scale;
    return v;
}

static int load_as_they_are(const struct ptd_forms *f, char which)
{
    const struct ptd_slot *s = f->slot;
    struct ptd_tensor_view v[2] = {ptd_model_view(f->model, f->param, which == 'm' ? s->m : s->v,
                                                  s->eight ? PTD_U8 : PTD_F32)};
    if (s->eight) v[1] = scales_view(f, which == 'm' ? s->ms : s->vs);
    return ptd_store_load_optim(f->store, which, v, 1 + s->eight);
}

/* The store's scales on the host, malloc'd; NULL on failure. */
static float *read_scales(const struct ptd_forms *f, char which)
{
    float *x = ptd_array(ptd_blocks(f->slot->n), sizeof *x);
    char *name = ptd_format("%s.scale", f->param->name);
    struct ptd_tensor_view v = scales_view(f, NULL);
    v.name = name;
    v.data = x;
    int r = ptd_store_load_optim(f->store, which, &v, 1);
    free(name);
    if (r == 0) return x;
    free(x);
    return NULL;
}

int ptd_forms_load_moments(const struct ptd_forms *f, char which)
{
    const struct ptd_slot *s = f->slot;
    int found = ptd_store_optim_dtype(f->store, which, f->param->name);
    struct moments to = {f->model->device, which == 'm' ? s->m : s->v, which == 'm' ? s->ms : s->vs,
                         NULL, which == 'm'};
    if (found < 0) return -1;
    if (!found || found == (s->eight ? PTD_U8 : PTD_F32)) return load_as_they_are(f, which);
    struct ptd_tensor_view v =
        ptd_model_view(f->model, f->param, NULL, s->eight ? PTD_F32 : PTD_U8);
    v.owner = &to;
    v.take = s->eight ? take_as_codes : take_as_numbers;
    if (!s->eight && !(to.read = read_scales(f, which))) return -1;
    int r = ptd_store_load_optim(f->store, which, &v, 1);
    free(to.read);
    return r;
}

/* ---- masters ---- */

static void take_split(const struct ptd_tensor_view *v, size_t first, size_t n, const float *from)
{
    const struct ptd_forms *f = v->owner;
    struct ptd_device *d = f->model->device;
    uint16_t *high = ptd_array(n, sizeof *high);
    int16_t *low = ptd_array(n, sizeof *low);
    ptd_halves_split(high, low, from, (int)n);
    d->ops->put(d, (uint16_t *)(uintptr_t)f->slot->w + first, high, n * sizeof *high);
    d->ops->put(d, (int16_t *)f->slot->low + first, low, n * sizeof *low);
    free(high);
    free(low);
}

/* What bfloat16 leaves out joins the float32 numbers that are there. */
static void take_low(const struct ptd_tensor_view *v, size_t first, size_t n, const float *from)
{
    const struct ptd_forms *f = v->owner;
    struct ptd_device *d = f->model->device;
    const int16_t *low = (const int16_t *)(const void *)from;
    ptd_num *at = ptd_at(d, f->slot->w, first);
    float *x = ptd_array(n, sizeof *x);
    uint32_t bits;
    d->ops->get_nums(d, x, at, n);
    for (size_t i = 0; i < n; i++) {
        memcpy(&bits, x + i, sizeof bits);
        bits += (uint32_t)(int32_t)low[i];
        memcpy(x + i, &bits, sizeof bits);
    }
    d->ops->put_nums(d, at, x, n);
    free(x);
}

/* How the generation holds the weights; 0 on failure. */
static int stored_dtype(const struct ptd_forms *f, int64_t generation)
{
    struct ptd_tensor_about *list;
    int n, dtype = PTD_F32;
    if (ptd_store_list(f->store, generation, &list, &n)) return 0;
    for (int i = 0; i < n; i++)
        if (!strcmp(list[i].name, f->param->name)) dtype = list[i].dtype;
    ptd_store_list_free(list, n);
    return dtype;
}

int ptd_forms_load_master(const struct ptd_forms *f, int64_t generation)
{
    const struct ptd_slot *s = f->slot;
    struct ptd_tensor_view low = ptd_model_view(f->model, f->param, s->low, PTD_I16), all = low;
    if (!f->param->matrix || s->master == PTD_MASTER_NONE) return 0;
    int found = ptd_store_optim_dtype(f->store, 'l', f->param->name);
    if (found < 0) return -1;
    if (!found && s->master == PTD_MASTER_F32) return 0;
    if (found && s->master == PTD_MASTER_F32) {
        low.data = NULL;
        low.owner = (void *)(uintptr_t)f;
        low.take = take_low;
    }
    if (found) return ptd_store_load_optim(f->store, 'l', &low, 1);
    int dtype = stored_dtype(f, generation);
    if (dtype != PTD_F32) return dtype ? 0 : -1; /* nothing is left out */
    all.data = NULL;
    all.dtype = PTD_F32;
    all.owner = (void *)(uintptr_t)f;
    all.take = take_split;
    return ptd_store_load(f->store, generation, &all, 1);
}
