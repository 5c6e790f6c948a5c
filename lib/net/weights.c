/* weights: where the numbers of a model's parameters lie: memory of what is trained and of its
 * gradients, frozen parameters where a store maps them or in memory of their own, and the views
 * that a store reads and publishes. Names and shapes are model.c's. */
#include "base/dtype.h"
#include "net/adapter.h"
#include "net/encoder.h"
#include "net/net.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

static struct ptd_block *one_block(const struct ptd_param *p, const void *at)
{
    struct ptd_block *b = ptd_alloc(sizeof *b);
    *b = (struct ptd_block){at, p->n_dims > 1 ? (int)p->dims[0] : 1};
    return b;
}

/* More rows of a matrix; those that go on where the last ones end join them. */
static void bind_rows(const struct ptd_device *d, struct ptd_linear *l, const struct ptd_param *p)
{
    struct ptd_matrix *w = &l->weight;
    struct ptd_block *all = (struct ptd_block *)w->blocks;
    w->dtype = p->dtype;
    w->blocks = all = ptd_realloc(all, (w->n_blocks + p->n_blocks) * sizeof *all);
    for (int i = 0; i < p->n_blocks; i++) {
        struct ptd_block *last = w->n_blocks ? &all[w->n_blocks - 1] : NULL;
        size_t bytes = last ? (size_t)last->rows * w->cols * ptd_dtype_size(p->dtype) : 0;
        if (last && p->trained && (const char *)last->at + bytes == (const char *)p->blocks[i].at)
            last->rows += p->blocks[i].rows;
        else
            all[w->n_blocks++] = p->blocks[i];
    }
}

/* Gradient g of n rows from `first` on; it goes on where that of the rows before ends. */
static void bind_gradient(struct ptd_linear *l, ptd_acc *g, int first, int n)
{
    struct ptd_trained_rows *last = l->n_trained ? &l->trained[l->n_trained - 1] : NULL;
    if (last && last->first + last->n == first)
        last->n += n;
    else
        l->trained[l->n_trained++] = (struct ptd_trained_rows){g, first, n};
}

static int rows_bound(const struct ptd_matrix *w)
{
    int rows = 0;
    for (int i = 0; i < w->n_blocks; i++) rows += w->blocks[i].rows;
    return rows;
}

static void unbind(struct ptd_linear *l)
{
    l->weight.n_blocks = 0;
    l->n_trained = 0;
}

/* What uses parameters points at the memory there is. */
static void bind(struct ptd_model *m)
{
    m->bound = 1;
    for (int i = 0; i < m->n_params; i++)
        if (m->params[i].matrix) unbind(m->params[i].matrix);
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        ptd_acc *g = m->grads && p->trained ? ptd_acc_at(m->device, m->grads, p->grad) : NULL;
        if (p->role)
            *p->role = (struct ptd_weight){(ptd_num *)p->blocks->at, g};
        else {
            if (g) bind_gradient(p->matrix, g, rows_bound(&p->matrix->weight), (int)p->dims[0]);
            bind_rows(m->device, p->matrix, p);
        }
    }
    ptd_adapters_bind(m);
}

static int is_narrow(const struct ptd_model *m, const struct ptd_param *p)
{
    return m->narrow && p->trained && p->matrix;
}

/* Where a trained parameter's weights begin in the model's, in bytes; *at: where the next do. */
static size_t place_weights(const struct ptd_model *m, const struct ptd_param *p, size_t *at)
{
    size_t here = m->narrow ? (*at + 63) / 64 * 64 : *at;
    *at = here + p->n * (is_narrow(m, p) ? 2 : m->device->num_size);
    return here;
}

size_t ptd_model_weight_bytes(const struct ptd_model *m)
{
    size_t bytes = 0;
    for (int i = 0; i < m->n_params; i++)
        if (m->params[i].trained) place_weights(m, &m->params[i], &bytes);
    return bytes;
}

/* Of trained parameters. */
static void take_memory(struct ptd_model *m)
{
    size_t bytes = ptd_model_weight_bytes(m), at = 0;
    if (bytes) m->weights = ptd_device_alloc(m->device, bytes, "weights");
    for (int i = 0; i < m->n_params; i++) {
        struct ptd_param *p = &m->params[i];
        if (!p->trained) continue;
        if (is_narrow(m, p)) p->dtype = PTD_BF16;
        p->blocks = one_block(p, (char *)m->weights + place_weights(m, p, &at));
        p->n_blocks = 1;
    }
}

int ptd_model_head_part(const struct ptd_model *m)
{
    return m->config.tied ? m->layout->embed_part : m->n_parts - 1;
}

/* Numbers of each part's gradient, and the most that one but the head's has. */
static size_t measure_parts(const struct ptd_model *m, size_t *part)
{
    size_t most = 0;
    for (int i = 0; i < m->n_params; i++)
        if (m->params[i].trained) part[m->params[i].part] += m->params[i].n;
    for (int i = 0; i < m->n_parts; i++)
        if (i != ptd_model_head_part(m) && part[i] > most) most = part[i];
    return most;
}

size_t ptd_model_gradients(const struct ptd_model *m)
{
    size_t *part = ptd_array(m->n_parts, sizeof *part), most = measure_parts(m, part),
           head = part[ptd_model_head_part(m)];
    free(part);
    return m->by_part ? head + most : m->n_weights;
}

/* All one behind the other; or by part: the head's first, then the others in one place. */
static void place_gradients(struct ptd_model *m)
{
    size_t *part = ptd_array(m->n_parts, sizeof *part);
    int head = ptd_model_head_part(m);
    measure_parts(m, part);
    for (int i = 0; i < m->n_parts; i++)
        if (i != head) part[i] = part[head];
    part[head] = 0;
    for (int i = 0; i < m->n_params; i++) {
        struct ptd_param *p = &m->params[i];
        if (!p->trained) continue;
        p->grad = m->by_part ? part[p->part] : p->offset;
        part[p->part] += p->n;
    }
    m->n_grads = ptd_model_gradients(m);
    free(part);
}

void ptd_weights_take(struct ptd_model *m)
{
    take_memory(m);
    bind(m);
}

void ptd_model_train(struct ptd_model *m)
{
    if (m->grads) return;
    ptd_model_reach(m);
    place_gradients(m);
    m->grads = ptd_device_accs(m->device, m->n_grads, "gradients");
    bind(m);
}

static void give_back(struct ptd_model *m, struct ptd_param *p)
{
    if (p->common)
        ptd_common_give(&m->common, m->device);
    else
        ptd_device_free(m->device, p->own);
    p->common = 0;
    p->own = NULL;
}

static void free_param(struct ptd_model *m, struct ptd_param *p)
{
    if (p->matrix) {
        free((void *)(uintptr_t)p->matrix->weight.blocks);
        p->matrix->weight.blocks = NULL;
    }
    free(p->blocks);
    give_back(m, p);
}

void ptd_weights_free(struct ptd_model *m)
{
    for (int i = 0; i < m->n_params; i++) free_param(m, &m->params[i]);
    ptd_device_free(m->device, m->weights);
    ptd_device_free(m->device, m->grads);
}

/* ---- views ---- */

static void take_nums(const struct ptd_tensor_view *v, size_t first, size_t n, const float *from)
{
    struct ptd_device *d = v->owner;
    d->ops->put_nums(d, ptd_at(d, v->place, first), from, n);
}

static void give_nums(const struct ptd_tensor_view *v, size_t first, size_t n, float *to)
{
    struct ptd_device *d = v->owner;
    d->ops->get_nums(d, to, ptd_at(d, v->place, first), n);
}

static void take_raw(const struct ptd_tensor_view *v, size_t first, size_t n, const float *from)
{
    struct ptd_device *d = v->owner;
    size_t size = ptd_dtype_size(v->dtype);
    d->ops->put(d, (char *)v->place + first * size, from, n * size);
}

static void give_raw(const struct ptd_tensor_view *v, size_t first, size_t n, float *to)
{
    struct ptd_device *d = v->owner;
    size_t size = ptd_dtype_size(v->dtype);
    d->ops->get(d, to, (char *)v->place + first * size, n * size);
}

/* Parameter p's view, whose numbers begin at `place`. */
static struct ptd_tensor_view view_of(const struct ptd_model *m, const struct ptd_param *p,
                                      void *place)
{
    struct ptd_tensor_view v = {.name = p->name, .n_dims = p->n_dims, .n = p->n};
    memcpy(v.dims, p->dims, sizeof v.dims);
    v.data = m->device->is_host ? place : NULL;
    v.owner = m->device;
    v.place = place;
    return v;
}

struct ptd_tensor_view ptd_model_view(const struct ptd_model *m, const struct ptd_param *p,
                                      void *place, int dtype)
{
    struct ptd_tensor_view v = view_of(m, p, place);
    v.take = take_raw;
    v.give = give_raw;
    v.dtype = dtype;
    return v;
}

struct ptd_tensor_view *ptd_model_views(const struct ptd_model *m, int *n)
{
    struct ptd_tensor_view *v = ptd_array(m->n_params + 1, sizeof *v);
    *n = 0;
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        struct ptd_tensor_view *w = &v[*n];
        if (!p->trained) continue;
        *w = ptd_model_view(m, p, (void *)(uintptr_t)p->blocks->at, PTD_BF16);
        ++*n;
        if (is_narrow(m, p)) continue;
        w->dtype = PTD_F32;
        w->take = take_nums;
        w->give = give_nums;
    }
    return v;
}

/* bfloat16 as float32. Widened in their place, from the front: what is read lies behind. */
static void give_wide(const struct ptd_tensor_view *v, size_t first, size_t n, float *to)
{
    struct ptd_device *d = v->owner;
    uint16_t *half = (uint16_t *)to + n;
    d->ops->get(d, half, (const uint16_t *)v->place + first, n * sizeof *half);
    ptd_dtype_to_float(to, half, PTD_BF16, n);
}

struct ptd_tensor_view *ptd_model_live_views(const struct ptd_model *m, int *n)
{
    struct ptd_tensor_view *v = ptd_model_views(m, n);
    for (int i = 0; i < *n; i++) {
        if (v[i].dtype != PTD_BF16) continue;
        v[i].dtype = PTD_F32;
        v[i].data = NULL;
        v[i].take = NULL;
        v[i].give = give_wide;
    }
    return v;
}

size_t ptd_model_part(const struct ptd_model *m, int part, size_t *first)
{
    size_t n = 0;
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        if (p->part != part || !p->trained) continue;
        if (!n) *first = p->grad;
        n += p->n;
    }
    return n;
}

/* ---- loading ---- */

/* What is read of a frozen parameter: the tensor of that name, or its average. */
struct source {
    struct ptd_store *s;
    char name[sizeof(((struct ptd_param *)0)->name) + sizeof PTD_AVERAGE];
    int averaged;
};

/* Memory for a frozen parameter: a place in the model's common memory, or of its own. */
static void *take_frozen(struct ptd_model *m, struct ptd_param *p, size_t bytes)
{
    void *at = p->adapter ? NULL : ptd_common_take(&m->common, bytes);
    p->common = at != NULL;
    return at ? at : ptd_device_alloc(m->device, bytes, "weights");
}

/* 1: another program has put it there. */
static int is_filled(const struct ptd_model *m, const struct ptd_param *p)
{
    return p->common && m->common.filled;
}

/* As numbers of the device. */
static int load_nums(struct ptd_model *m, const struct source *from, struct ptd_param *p)
{
    struct ptd_tensor_view v;
    p->own = take_frozen(m, p, p->n * m->device->num_size);
    p->dtype = m->device->num;
    p->blocks = one_block(p, p->own);
    p->n_blocks = 1;
    v = view_of(m, p, p->own);
    v.name = from->name;
    v.take = take_nums;
    return is_filled(m, p) ? 0 : ptd_store_load(from->s, p->from, &v, 1);
}

/* bfloat16 as it is stored: rows that a piece of the store holds whole are a block. */
static int load_bf16(struct ptd_model *m, const struct source *from, struct ptd_param *p)
{
    struct ptd_device *d = m->device;
    struct ptd_tensor_about about = {
        .name = from->name, .dtype = PTD_BF16, .n_dims = p->n_dims, .n = p->n};
    size_t piece = ptd_store_piece(PTD_BF16);
    uint16_t *host = ptd_array(piece, sizeof *host);
    int r = 0;
    memcpy(about.dims, p->dims, sizeof about.dims);
    p->own = take_frozen(m, p, p->n * sizeof *host);
    p->dtype = PTD_BF16;
    p->blocks = one_block(p, p->own);
    p->n_blocks = 1;
    for (size_t at = is_filled(m, p) ? p->n : 0, n; at < p->n && !r; at += n) {
        n = p->n - at < piece ? p->n - at : piece;
        r = ptd_store_read(from->s, p->from, &about, at, n, host);
        if (!r) d->ops->put(d, (uint16_t *)p->own + at, host, n * sizeof *host);
    }
    free(host);
    return r;
}

/* In the blocks that it has in the store: where they lie, or copied to the device. */
static void take_mapped(struct ptd_model *m, struct ptd_param *p, const struct ptd_mapped *map)
{
    struct ptd_device *d = m->device;
    size_t cols = p->n / p->dims[0], size = ptd_dtype_size(map->dtype), at = 0;
    p->dtype = map->dtype;
    p->blocks = ptd_array(map->n_pieces, sizeof *p->blocks);
    p->n_blocks = map->n_pieces;
    if (!d->is_host) p->own = take_frozen(m, p, p->n * size);
    for (int i = 0; i < map->n_pieces; i++) {
        size_t n = map->pieces[i].rows * cols;
        void *to = d->is_host ? NULL : (char *)p->own + at * size;
        p->blocks[i] = (struct ptd_block){to ? to : map->pieces[i].data, (int)map->pieces[i].rows};
        if (is_filled(m, p))
            ;
        else if (to && map->dtype == d->num)
            d->ops->put_nums(d, to, map->pieces[i].data, n);
        else if (to)
            d->ops->put(d, to, map->pieces[i].data, n * size);
        at += n;
    }
}

/* As it is stored, or in the memory of what is trained. */
static int dtype_of_param(const struct ptd_model *m, const struct ptd_param *p,
                          const struct ptd_tensor_about *list, int n)
{
    int k = 0;
    if (p->trained) return p->dtype;
    while (k < n && strcmp(list[k].name, p->name) != 0) k++;
    return k < n ? list[k].dtype : m->device->num;
}

/* Format of all parts of a product: theirs, or that of numbers (PTD_F16) where they differ. */
static int dtype_of(const struct ptd_model *m, const struct ptd_linear *l,
                    const struct ptd_tensor_about *list, int n)
{
    int all = 0;
    for (int i = 0; i < m->n_params; i++) {
        if (m->params[i].matrix != l) continue;
        int dtype = dtype_of_param(m, &m->params[i], list, n);
        all = all && all != dtype ? PTD_F16 : dtype;
    }
    return all;
}

static int load_matrix(struct ptd_model *m, const struct source *from, struct ptd_param *p,
                       int dtype)
{
    struct ptd_mapped map;
    int r = dtype == PTD_BF16 || dtype == m->device->num
                ? ptd_store_map(from->s, p->from, from->name, &map)
                : 1;
    if (r < 0) return -1;
    if (r) return dtype == PTD_BF16 ? load_bf16(m, from, p) : load_nums(m, from, p);
    take_mapped(m, p, &map);
    ptd_mapped_clear(&map);
    return 0;
}

static void drop(struct ptd_model *m, struct ptd_param *p)
{
    free(p->blocks);
    p->blocks = NULL;
    give_back(m, p);
}

/* Where a generation has p: *from is filled, and the generation that it comes from is returned. */
static int64_t find(const struct ptd_model *m, struct ptd_store *s, int64_t generation,
                    const struct ptd_param *p, struct source *from)
{
    from->s = s;
    from->averaged = 0;
    if (m->averaged) {
        snprintf(from->name, sizeof from->name, PTD_AVERAGE "%s", p->name);
        from->averaged = ptd_store_holds(s, generation, from->name);
    }
    if (from->averaged) return generation;
    snprintf(from->name, sizeof from->name, "%s", p->name);
    return ptd_store_holds(s, generation, p->name) ? generation : 0;
}

/* 1: it was read; 0: it is there already. */
static int load_param(struct ptd_model *m, struct ptd_store *s, int64_t generation,
                      struct ptd_param *p, const struct ptd_tensor_about *list, int n)
{
    struct source source;
    int64_t from = find(m, s, generation, p, &source);
    if (p->blocks && p->from == from) return 0;
    drop(m, p);
    p->from = from;
    if (!p->matrix) return load_nums(m, &source, p) ? -1 : 1;
    int dtype = source.averaged ? PTD_F32 : dtype_of(m, p->matrix, list, n);
    return load_matrix(m, &source, p, dtype) ? -1 : 1;
}

/* Bytes that a frozen parameter takes, and where they come from. */
static int64_t want(struct ptd_model *m, struct ptd_store *s, int64_t generation,
                    const struct ptd_param *p, const struct ptd_tensor_about *list, int n)
{
    struct source source;
    int64_t from = find(m, s, generation, p, &source);
    int narrow = p->matrix && !source.averaged && dtype_of(m, p->matrix, list, n) == PTD_BF16;
    ptd_common_want(&m->common, source.name, p->n * (narrow ? 2 : m->device->num_size));
    return from;
}

/* All of a model that has nothing yet, but for adapters, which are not in all programs. */
static void want_common(struct ptd_model *m, struct ptd_store *s, int64_t generation,
                        const struct ptd_tensor_about *list, int n)
{
    int used[2] = {0}, bad = 0; /* generation 0, the one that is loaded */
    char identity[17];
    if (!m->device->ops->share || m->common.at) return;
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        if (!p->trained && !p->adapter) used[want(m, s, generation, p, list, n) != 0] = 1;
    }
    for (int i = 0; i < 2 && !bad; i++) {
        if (!used[i]) continue;
        bad = ptd_store_identity(s, i ? generation : 0, identity);
        if (!bad) ptd_common_want_text(&m->common, identity);
    }
    ptd_common_open(&m->common, m->device, !bad);
}

/* What is not there yet, or of another generation than it should be, of all or of one product's
 * parameters; *n_read counts. */
static int load_frozen(struct ptd_model *m, struct ptd_store *s, int64_t generation,
                       const struct ptd_linear *alone, int *n_read)
{
    struct ptd_tensor_about *list;
    int n, r = 0;
    *n_read = 0;
    if (ptd_store_list(s, generation, &list, &n)) return -1;
    if (!alone && !m->bound) want_common(m, s, generation, list, n);
    for (int i = 0; i < m->n_params && r >= 0; i++) {
        struct ptd_param *p = &m->params[i];
        if (p->trained || (alone && p->matrix != alone)) continue;
        r = load_param(m, s, generation, p, list, n);
        *n_read += r > 0;
    }
    ptd_common_close(&m->common, m->device, r < 0);
    ptd_store_list_free(list, n);
    return r < 0 ? -1 : 0;
}

int ptd_model_load_head(struct ptd_model *m, struct ptd_store *s, int64_t generation)
{
    const struct ptd_linear *head = m->layout->head;
    int n, r, first = 1;
    if (ptd_store_hold(s)) return -1;
    r = load_frozen(m, s, generation, head, &n);
    ptd_store_release(s);
    if (r) return -1;
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        if (p->matrix != head) continue;
        if (first) p->matrix->weight.n_blocks = 0;
        bind_rows(m->device, p->matrix, p);
        first = 0;
    }
    return ptd_device_wait(m->device);
}

int ptd_model_load(struct ptd_model *m, struct ptd_store *s, int64_t generation)
{
    int n = 0, r;
    if (ptd_store_hold(s)) return -1;
    if (!m->bound) take_memory(m);
    r = load_frozen(m, s, generation, NULL, &n);
    if (!r && (n || !m->bound)) bind(m);
    struct ptd_tensor_view *v = ptd_model_views(m, &n);
    if (n && !r) r = ptd_store_load(s, generation, v, n);
    free(v);
    ptd_store_release(s);
    if (!r) r = ptd_encoder_attach(m, s);
    return r || ptd_device_wait(m->device) ? -1 : 0;
}

/* ---- what a trainer has in memory ---- */

/* A parameter, frozen or not, as live.h knows it. */
static struct ptd_tensor_view live_view(const struct ptd_model *m, const struct ptd_param *p)
{
    struct ptd_tensor_view v = view_of(m, p, (void *)(uintptr_t)p->blocks->at);
    v.dtype = PTD_F32;
    v.take = take_nums;
    return v;
}

/* A frozen parameter's numbers in memory of its own, as numbers of the device. */
static void own_nums(struct ptd_model *m, struct ptd_param *p)
{
    struct ptd_device *d = m->device;
    size_t cols = p->n / (p->n_dims > 1 ? (size_t)p->dims[0] : 1), at = 0, size;
    ptd_num *own = ptd_device_nums(d, p->n, "weights");
    for (int i = 0; i < p->n_blocks; i++, at += size) {
        size = p->blocks[i].rows * cols;
        float *host = ptd_array(size, sizeof *host);
        uint16_t *half =
            (uint16_t *)host + size; /* read from the front: what is there lies behind */
        if (p->dtype == PTD_BF16) {
            d->ops->get(d, half, p->blocks[i].at, size * sizeof *half);
            ptd_dtype_to_float(host, half, PTD_BF16, size);
        } else
            d->ops->get_nums(d, host, p->blocks[i].at, size);
        d->ops->put_nums(d, ptd_at(d, own, at), host, size);
        free(host);
    }
    drop(m, p);
    p->own = own;
    p->dtype = d->num;
    p->blocks = one_block(p, own);
    p->n_blocks = 1;
}

static int is_other(const struct ptd_model *m, int i, int k)
{
    const struct ptd_param *a = &m->params[i], *b = &m->params[k];
    return i != k && a->matrix && a->matrix == b->matrix;
}

/* Frozen parameters that the trainer moves get memory that can be written, in its format; so do
 * frozen ones that are one product with them. *n_owned counts. */
static void own_shared(struct ptd_model *m, const uint8_t *shared, int *n_owned)
{
    for (int i = 0; i < m->n_params; i++) {
        struct ptd_param *p = &m->params[i];
        int moves = shared[i];
        for (int k = 0; k < m->n_params && !moves; k++)
            moves = shared[k] && is_other(m, i, k) && p->dtype == PTD_BF16;
        if (!moves || p->trained) continue;
        if (!p->own || p->common || p->dtype != m->device->num) own_nums(m, p), ++*n_owned;
        if (shared[i]) p->from = -1; /* no generation's of the store */
    }
}

int ptd_model_load_live(struct ptd_model *m, struct ptd_live *l, int64_t generation)
{
    int owned = 0, n = 0;
    if (!m->bound) return 0;
    uint8_t *shared = ptd_alloc(m->n_params + 1);
    struct ptd_tensor_view *v = ptd_array(m->n_params + 1, sizeof *v);
    for (int i = 0; i < m->n_params; i++) v[i] = live_view(m, &m->params[i]);
    int got = ptd_live_which(l, generation, v, m->n_params, shared);
    if (got > 0) own_shared(m, shared, &owned);
    if (owned) bind(m);
    if (owned) ptd_encoder_detach(m);
    for (int i = 0; got > 0 && i < m->n_params; i++)
        if (shared[i]) v[n++] = live_view(m, &m->params[i]);
    if (got > 0) got = ptd_live_get(l, generation, v, n);
    free(v);
    free(shared);
    return got > 0 && ptd_device_wait(m->device) ? -1 : got;
}
