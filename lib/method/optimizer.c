/* optimizer: see optimizer.h. The step's arithmetic is an operation; learning rates are train.c's.
 */
#include "method/optimizer.h"
#include "method/forms.h"
#include "method/sources.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- forms ---- */

#define BLOCKWISE "Dettmers et al. 2022, 8-bit Optimizers via Block-wise Quantization, ICLR"
static const struct ptd_form
    f32_moments = {{"f32", "m, v in float32", ""}, 0},
    eight = {{"8bit", "m, v as codes of 8 bits in blocks of 256", BLOCKWISE}, 1},
    f32_master = {{"f32", "w in float32", ""}, PTD_MASTER_F32},
    split = {{"split", "w = bfloat16 + 16 bits, exact", ""}, PTD_MASTER_SPLIT},
    none = {{"none", "w in bfloat16, rounded at random", ""}, PTD_MASTER_NONE};
const struct ptd_method *const ptd_moment_forms[] = {&f32_moments.is, &eight.is, NULL};
const struct ptd_method *const ptd_masters[] = {&f32_master.is, &split.is, &none.is, NULL};

const struct ptd_form *ptd_moments_named(const char *name)
{
    return (const struct ptd_form *)ptd_method_named(ptd_moment_forms, "moments", name);
}

const struct ptd_form *ptd_master_named(const char *name)
{
    return (const struct ptd_form *)ptd_method_named(ptd_masters, "master", name);
}

static int master_of(const struct ptd_optimizer_rules *r, const struct ptd_param *p)
{
    return r->master && p->matrix ? r->master->code : PTD_MASTER_F32;
}

static int eight_of(const struct ptd_optimizer_rules *r, const struct ptd_param *p)
{
    return r->moments && r->moments->code && (p->matrix || p->adapter);
}

/* ---- memory ---- */

struct pass {
    int on, measures, bad, moved, spoilt;
    double lr, scale, squares;
    uint8_t *seen; /* [n_parts] */
};

struct ptd_optimizer {
    struct ptd_model *model;
    struct ptd_optimizer_rules rules;
    struct ptd_slot *slots; /* [n_params]; n 0: not trained */
    char **scales;          /* [n_params] names of their scales */
    void *memory;           /* of all slots */
    size_t bytes;           /* of it */
    int64_t updates;
    struct pass pass;
};

static size_t put(size_t *at, size_t bytes)
{
    size_t here = *at;
    *at += (bytes + 63) / 64 * 64;
    return here;
}

/* A slot with its places from base + *at on. */
static struct ptd_slot lay_out(const struct ptd_optimizer_rules *r, const struct ptd_param *p,
                               int number, char *base, size_t *at)
{
    /* of a weight where it is stepped: bfloat16, or as the device has it, which is float32 there */
    size_t width = master_of(r, p) ? sizeof(uint16_t) : r->width;
    size_t first = ptd_share_first(p->n, r->rank, r->ranks),
           n = ptd_share_first(p->n, r->rank + 1, r->ranks) - first;
    struct ptd_slot s = {.n = n,
                         .first = first,
                         .master = master_of(r, p),
                         .eight = eight_of(r, p),
                         .seed = r->seed,
                         .number = (uint32_t)number};
    size_t each = s.eight ? 1 : sizeof(float), scales = ptd_blocks(n) * sizeof(float);
    s.m = base + put(at, n * each);
    s.v = base + put(at, n * each);
    if (s.eight) s.ms = (ptd_stat *)(base + put(at, scales));
    if (s.eight) s.vs = (ptd_stat *)(base + put(at, scales));
    if (s.master == PTD_MASTER_SPLIT) s.low = base + put(at, n * sizeof(int16_t));
    if (p->blocks) s.w = (ptd_num *)((char *)(uintptr_t)p->blocks->at + first * width);
    return s;
}

void ptd_optimizer_plan(const struct ptd_model *m, const struct ptd_optimizer_rules *r,
                        struct ptd_optimizer_size *size)
{
    *size = (struct ptd_optimizer_size){0};
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        size_t n =
            ptd_share_first(p->n, r->rank + 1, r->ranks) - ptd_share_first(p->n, r->rank, r->ranks);
        if (!p->trained) continue;
        size->low += master_of(r, p) == PTD_MASTER_SPLIT ? n * 2 : 0;
        size->moments += eight_of(r, p) ? 2 * (n + ptd_blocks(n) * 4) : n * 8;
    }
}

struct ptd_optimizer *ptd_optimizer_new(struct ptd_model *m, const struct ptd_optimizer_rules *r)
{
    struct ptd_optimizer *o = ptd_alloc(sizeof *o);
    size_t at = 0;
    o->model = m;
    o->rules = *r;
    o->rules.width = m->device->num_size;
    r = &o->rules;
    o->slots = ptd_array(m->n_params + 1, sizeof *o->slots);
    o->scales = ptd_array(m->n_params + 1, sizeof *o->scales);
    o->pass.seen = ptd_alloc(m->n_parts + 1);
    for (int i = 0; i < m->n_params; i++)
        if (m->params[i].trained) lay_out(r, &m->params[i], i, NULL, &o->bytes);
    if (o->bytes) o->memory = ptd_device_alloc(m->device, o->bytes, "moments");
    ptd_optimizer_clear(o); /* pages are there from now on */
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        if (p->trained) o->slots[i] = lay_out(r, p, i, o->memory, &at);
        if (o->slots[i].eight) o->scales[i] = ptd_format("%s.scale", p->name);
    }
    ptd_model_train(m);
    ptd_device_resting(m->device, o->memory, PTD_RESTS_NOT);
    ptd_device_resting(m->device, m->weights, PTD_RESTS_NOT);
    ptd_device_resting(m->device, m->grads, PTD_RESTS_FORGOTTEN);
    return o;
}

void ptd_optimizer_clear(struct ptd_optimizer *o)
{
    struct ptd_device *d = o->model->device;
    if (o->bytes) d->ops->zero(d, o->memory, o->bytes);
    o->updates = 0;
}

void ptd_optimizer_free(struct ptd_optimizer *o)
{
    if (!o) return;
    for (int i = 0; i < o->model->n_params; i++) free(o->scales[i]);
    ptd_device_free(o->model->device, o->memory);
    free(o->pass.seen);
    free(o->scales);
    free(o->slots);
    free(o);
}

/* ---- views ---- */

/* Of m or v with their scales, or of the low halves; *n of them. */
static struct ptd_tensor_view *views_of(const struct ptd_optimizer *o, char which, int *n)
{
    const struct ptd_model *m = o->model;
    struct ptd_tensor_view *v = ptd_array(2 * (size_t)m->n_params + 1, sizeof *v);
    *n = 0;
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_slot *s = &o->slots[i];
        const struct ptd_param *p = &m->params[i];
        struct ptd_param scale = {.n_dims = 1, .n = ptd_blocks(s->n)};
        if (!s->n || (which == 'l' && !s->low)) continue;
        struct ptd_param own = *p;
        if (o->rules.ranks > 1) own.n_dims = 1, own.dims[0] = (int64_t)s->n, own.n = s->n;
        if (which == 'l') {
            v[*n] = ptd_model_view(m, &own, s->low, PTD_I16);
            v[(*n)++].name = p->name;
            continue;
        }
        v[*n] = ptd_model_view(m, &own, which == 'm' ? s->m : s->v, s->eight ? PTD_U8 : PTD_F32);
        v[(*n)++].name = p->name;
        if (!s->eight) continue;
        scale.dims[0] = (int64_t)scale.n;
        v[*n] = ptd_model_view(m, &scale, which == 'm' ? s->ms : s->vs, PTD_F32);
        v[(*n)++].name = o->scales[i];
    }
    return v;
}

static int load_slot(struct ptd_optimizer *o, struct ptd_store *s, int i, int64_t generation)
{
    const struct ptd_forms f = {s, o->model, &o->model->params[i], &o->slots[i], o->scales[i]};
    if (o->rules.sources) return ptd_sources_load(o->rules.sources, &f, o->updates > 0);
    if (o->updates && (ptd_forms_load_moments(&f, 'm') || ptd_forms_load_moments(&f, 'v')))
        return -1;
    return generation ? ptd_forms_load_master(&f, generation) : 0;
}

int ptd_optimizer_load(struct ptd_optimizer *o, struct ptd_store *s, int64_t updates,
                       int64_t generation)
{
    int r = 0;
    o->updates = updates;
    if (ptd_store_hold(s)) return -1;
    for (int i = 0; i < o->model->n_params && !r; i++)
        if (o->slots[i].n) r = load_slot(o, s, i, generation);
    ptd_store_release(s);
    return r || ptd_device_wait(o->model->device) ? -1 : 0;
}

void ptd_optimizer_publish(const struct ptd_optimizer *o, struct ptd_publication *p)
{
    p->weights = ptd_model_views(o->model, &p->n);
    p->low = views_of(o, 'l', &p->n_low);
    if (!o->updates) return;
    p->m = views_of(o, 'm', &p->n_moments);
    p->v = views_of(o, 'v', &p->n_moments);
}

void ptd_optimizer_published(struct ptd_publication *p)
{
    free(p->weights);
    free(p->low);
    free(p->m);
    free(p->v);
}

int64_t ptd_optimizer_updates(const struct ptd_optimizer *o)
{
    return o->updates;
}

/* ---- the whole gradient ---- */

void ptd_optimizer_zero(struct ptd_optimizer *o)
{
    struct ptd_device *d = o->model->device;
    d->ops->zero(d, o->model->grads, o->model->n_grads * d->acc_size);
    ptd_device_resting(d, o->model->grads, PTD_RESTS_FORGOTTEN);
}

static ptd_acc *gradient_of(const struct ptd_optimizer *o, int i)
{
    const struct ptd_model *m = o->model;
    return ptd_acc_at(m->device, m->grads, m->params[i].grad + o->slots[i].first);
}

static int is_of(const struct ptd_optimizer *o, int i, int part)
{
    return o->slots[i].n && (part < 0 || o->model->params[i].part == part);
}

/* Of a part; -1: of all. Each rank knows the sum of its own. */
static double norm_of_shares(const struct ptd_optimizer *o, int part)
{
    struct ptd_device *d = o->model->device;
    double squares = 0;
    for (int i = 0; i < o->model->n_params; i++) {
        if (!is_of(o, i, part)) continue;
        double norm = d->ops->norm(d, gradient_of(o, i), PTD_ACCS, o->slots[i].n);
        squares += norm * norm;
    }
    if (o->rules.total(o->rules.sum_ctx, &squares, 1)) ptd_die_last();
    return sqrt(squares);
}

double ptd_optimizer_norm(const struct ptd_optimizer *o)
{
    struct ptd_device *d = o->model->device;
    return d->ops->norm(d, o->model->grads, PTD_ACCS, o->model->n_grads);
}

double ptd_optimizer_scale(const struct ptd_optimizer *o, double norm)
{
    return o->rules.clip > 0 && norm > o->rules.clip ? o->rules.clip / norm : 1;
}

/* Update number t of the parameters of a part; -1: of all. */
static void step_part(struct ptd_optimizer *o, int part, double lr, double scale, int64_t t)
{
    struct ptd_model *m = o->model;
    struct ptd_device *d = m->device;
    struct ptd_adamw a = o->rules.adamw;
    a.lr = lr;
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        if (!is_of(o, i, part)) continue;
        a.decay = p->n_dims > 1 ? o->rules.adamw.decay : 0;
        d->ops->adamw(d, &a, t, scale, &o->slots[i], gradient_of(o, i));
    }
}

/* All get what each has stepped. */
static void spread(const struct ptd_optimizer *o)
{
    if (o->rules.ranks > 1 && o->rules.spread(o->rules.sum_ctx)) ptd_die_last();
}

int ptd_optimizer_step(struct ptd_optimizer *o, double lr, double *norm)
{
    *norm = o->rules.ranks > 1 ? norm_of_shares(o, -1) : ptd_optimizer_norm(o);
    if (!isfinite(*norm)) return 1;
    step_part(o, -1, lr, ptd_optimizer_scale(o, *norm), ++o->updates);
    spread(o);
    return 0;
}

/* ---- part by part ---- */

static void on_part(void *ctx, int part)
{
    struct ptd_optimizer *o = ctx;
    struct ptd_model *m = o->model;
    struct ptd_device *d = m->device;
    struct pass *pass = &o->pass;
    size_t first, n = ptd_model_part(m, part, &first);
    pass->seen[part] = 1;
    if (!n) return;
    ptd_acc *g = ptd_acc_at(d, m->grads, first);
    if (o->rules.sum && o->rules.sum(o->rules.sum_ctx, part, pass->spoilt)) ptd_die_last();
    double norm = o->rules.ranks > 1 ? norm_of_shares(o, part) : d->ops->norm(d, g, PTD_ACCS, n);
    pass->squares += norm * norm;
    if (!isfinite(norm)) pass->bad = 1;
    if (!pass->measures && !pass->bad) {
        step_part(o, part, pass->lr, pass->scale, o->updates + 1);
        pass->moved = 1;
    }
    d->ops->zero(d, g, n * d->acc_size);
}

void ptd_optimizer_watch(struct ptd_optimizer *o, double lr, double scale, int measures)
{
    uint8_t *seen = o->pass.seen;
    memset(seen, 0, o->model->n_parts);
    o->pass = (struct pass){.on = 1, .measures = measures, .lr = lr, .scale = scale, .seen = seen};
    o->model->done = on_part;
    o->model->done_ctx = o;
    ptd_optimizer_zero(o);
}

void ptd_optimizer_drop(struct ptd_optimizer *o)
{
    o->model->done = NULL;
    o->pass.on = 0;
    ptd_optimizer_zero(o);
}

void ptd_optimizer_spoil(struct ptd_optimizer *o)
{
    o->pass.spoilt = 1;
}

struct ptd_optimizer_rules *ptd_optimizer_rules(struct ptd_optimizer *o)
{
    return &o->rules;
}

int ptd_optimizer_end(struct ptd_optimizer *o, double *norm)
{
    struct pass *pass = &o->pass;
    for (int k = 0; k < o->model->n_parts; k++) {
        int i = o->rules.order ? o->rules.order[k] : k;
        if (!pass->seen[i]) on_part(o, i);
    }
    *norm = pass->bad ? NAN : sqrt(pass->squares);
    ptd_optimizer_drop(o);
    if (pass->bad && pass->moved)
        return ptd_fail(PTD_DIVERGED,
                        "a gradient is not finite, and parts of the network have moved already");
    if (!isfinite(*norm)) return 1;
    if (pass->measures) return 0;
    o->updates++;
    spread(o);
    return 0;
}

/* ---- what may be published ---- */

static int is_finite(struct ptd_device *d, const void *x, enum ptd_entries of, size_t n)
{
    return isfinite(d->ops->norm(d, x, of, n));
}

const char *ptd_optimizer_not_finite(const struct ptd_optimizer *o)
{
    struct ptd_device *d = o->model->device;
    for (int i = 0; i < o->model->n_params; i++) {
        const struct ptd_slot *s = &o->slots[i];
        size_t blocks = ptd_blocks(s->n);
        if (!s->n) continue;
        if (!is_finite(d, s->w, s->master ? PTD_HALVES : PTD_NUMS, s->n)) return "weights";
        if (s->eight
                ? !is_finite(d, s->ms, PTD_STATS, blocks) || !is_finite(d, s->vs, PTD_STATS, blocks)
                : !is_finite(d, s->m, PTD_STATS, s->n) || !is_finite(d, s->v, PTD_STATS, s->n))
            return "moments";
    }
    return NULL;
}
