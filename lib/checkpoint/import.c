/* import: matches a folder's tensors with a model's parameters and fills a new store, from files or
 * at random. Reading files is left to shards.c and safetensors.c, the store's transactions to
 * store_publish.c. */
#include "checkpoint/import.h"
#include "base/progress.h"
#include "base/size.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- the head ---- */

enum { PIECE = 1 << 18 }; /* numbers compared at once */

/* n numbers of t from number `at` on, into x; `raw` has room for them. */
static int read_floats(const struct ptd_shard_tensor *t, size_t at, size_t n, void *raw, float *x)
{
    int dtype = ptd_dtype_from_name(t->t->dtype);
    size_t size = ptd_dtype_size(dtype);
    if (ptd_safetensors_read(t->file, t->t, at * size, n * size, raw) < 0) return -1;
    ptd_dtype_to_float(x, raw, dtype, n);
    return 0;
}

static size_t numbers(const struct ptd_shard_tensor *t)
{
    int dtype = ptd_dtype_from_name(t->t->dtype);
    return dtype ? (t->t->end - t->t->begin) / ptd_dtype_size(dtype) : 0;
}

/* 1 if two tensors hold the same values, in whatever format, 0 if not, -1 on failure. */
static int same(const struct ptd_shard_tensor *a, const struct ptd_shard_tensor *b)
{
    size_t n = numbers(a);
    if (!n || n != numbers(b)) return 0;
    float *x = ptd_array(PIECE, sizeof *x), *y = ptd_array(PIECE, sizeof *y);
    void *raw = ptd_array(PIECE, sizeof *x);
    int rc = 1;
    for (size_t at = 0; at < n && rc == 1; at += PIECE) {
        size_t len = n - at < PIECE ? n - at : PIECE;
        if (read_floats(a, at, len, raw, x) < 0 || read_floats(b, at, len, raw, y) < 0)
            rc = -1;
        else
            for (size_t i = 0; i < len && rc; i++) rc = x[i] == y[i];
    }
    free(raw);
    free(x);
    free(y);
    return rc;
}

static int tie_without_head(struct ptd_config *c, const char *dir)
{
    if (!c->tied && !c->text_tied)
        return ptd_fail(
            PTD_DATAERR,
            "%s: tensor \"" PTD_HEAD "\": missing, and config.json does not tie it to "
            "the embedding (if it is the embedding, set \"tie_word_embeddings\" to true)",
            dir);
    if (!c->tied)
        ptd_warn("%s: tensor \"" PTD_HEAD
                 "\": missing, and only text_config of config.json ties it: "
                 "the embedding is taken for the head",
                 dir);
    c->tied = 1;
    return 0;
}

int ptd_import_tie(struct ptd_config *c, const struct ptd_shards *s, const char *dir)
{
    const struct ptd_shard_tensor *head = ptd_shards_find(s, PTD_HEAD),
                                  *embedding = ptd_shards_find(s, PTD_EMBEDDING);
    if (!head) return tie_without_head(c, dir);
    if (!c->tied || !embedding) return 0;
    int rc = same(head, embedding);
    if (rc == 0)
        ptd_warn("%s: tensor \"" PTD_HEAD
                 "\": differs from the embedding to which config.json ties "
                 "it: used as it is, untied",
                 head->file->path);
    c->tied = rc == 1;
    return rc < 0 ? -1 : 0;
}

/* The tensor with a parameter's numbers; NULL: there is none. */
static const struct ptd_shard_tensor *source_of(const struct ptd_model *m,
                                                const struct ptd_shards *s, const char *name)
{
    const struct ptd_shard_tensor *t = ptd_shards_find(s, name);
    return !t && m->config.tied && !strcmp(name, PTD_EMBEDDING) ? ptd_shards_find(s, PTD_HEAD) : t;
}

/* ---- matching ---- */

static int check_param(const struct ptd_model *m, const struct ptd_param *p,
                       const struct ptd_shards *s, const char *dir)
{
    const struct ptd_shard_tensor *t = source_of(m, s, p->name);
    char found[256], wanted[256];
    ptd_shape_text(p->n_dims, p->dims, wanted, sizeof wanted);
    if (!t)
        return ptd_fail(PTD_DATAERR, "%s: tensor \"%s\": missing, expected %s", dir, p->name,
                        wanted);
    ptd_shape_text(t->t->n_dims, t->t->dims, found, sizeof found);
    if (t->t->n_dims != p->n_dims ||
        memcmp(t->t->dims, p->dims, (size_t)p->n_dims * sizeof *p->dims) != 0)
        return ptd_fail(PTD_DATAERR, "%s: tensor \"%s\": shape %s, expected %s", t->file->path,
                        p->name, found, wanted);
    if (ptd_dtype_from_name(t->t->dtype)) return 0;
    return ptd_fail(PTD_DATAERR, "%s: tensor \"%s\": dtype %s, expected BF16, F16 or F32",
                    t->file->path, p->name, t->t->dtype);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_strangers(const struct ptd_model *m, const struct ptd_shards *s)
{
    const char **names = ptd_array((size_t)m->n_params, sizeof *names);
    int rc = 0;
    for (int i = 0; i < m->n_params; i++) names[i] = m->params[i].name;
    qsort(names, (size_t)m->n_params, sizeof *names, by_text);
    for (int i = 0; i < s->n && rc == 0; i++) {
        const char *name = s->tensors[i].t->name;
        if (m->config.tied && !strcmp(name, PTD_HEAD)) continue;
        if (!bsearch(&name, names, (size_t)m->n_params, sizeof *names, by_text))
            rc = ptd_fail(PTD_DATAERR,
                          "%s: tensor \"%.128s\": not part of the model that config.json describes",
                          s->tensors[i].file->path, name);
    }
    free(names);
    return rc;
}

int ptd_import_check(const struct ptd_model *m, const struct ptd_shards *s, const char *dir)
{
    for (int i = 0; i < m->n_params; i++)
        if (!m->params[i].adapter && check_param(m, &m->params[i], s, dir) < 0) return -1;
    return check_strangers(m, s);
}

/* ---- filling ---- */

struct filler {
    const struct ptd_model *model;
    const struct ptd_import *from;
    struct ptd_tensor_about *tensors;
    int first; /* parameter that is the first tensor */
    uint64_t bytes;
    struct ptd_progress progress;
};

static int check_finite(const struct ptd_shard_tensor *t, int dtype, size_t first, size_t n,
                        const void *values)
{
    long at = ptd_dtype_not_finite(values, dtype, n);
    if (at < 0) return 0;
    return ptd_fail(PTD_DATAERR, "%s: tensor \"%s\": value %zu is no finite number", t->file->path,
                    t->t->name, first + (size_t)at);
}

/* What is finite in its own format may be too large for another. */
static int convert(const struct ptd_shard_tensor *t, int dtype, size_t first, size_t n, void *raw,
                   void *out)
{
    int own = ptd_dtype_from_name(t->t->dtype);
    if (check_finite(t, own, first, n, raw) < 0) return -1;
    ptd_dtype_convert(out, dtype, raw, own, n);
    long at = ptd_dtype_not_finite(out, dtype, n);
    if (at < 0) return 0;
    return ptd_fail(PTD_DATAERR, "%s: tensor \"%s\": value %zu is too large for %s", t->file->path,
                    t->t->name, first + (size_t)at, ptd_dtype_name(dtype));
}

static int fill_from_file(const struct filler *f, int i, size_t first, size_t n, void *out)
{
    const struct ptd_shard_tensor *t = source_of(f->model, f->from->shards, f->tensors[i].name);
    int own = ptd_dtype_from_name(t->t->dtype), dtype = f->tensors[i].dtype;
    size_t size = ptd_dtype_size(own);
    void *raw = own == dtype ? out : ptd_array(n, size);
    int rc = ptd_safetensors_read(t->file, t->t, first * size, n * size, raw);
    if (rc == 0)
        rc = own == dtype ? check_finite(t, own, first, n, out)
                          : convert(t, dtype, first, n, raw, out);
    if (own != dtype) free(raw);
    return rc;
}

static int fill_one(const struct filler *f, int i, size_t first, size_t n, void *out)
{
    int which = f->first + i, adapter = f->model->params[which].adapter;
    struct ptd_law law = ptd_model_law(f->model, which);
    if (adapter && f->from->adapter)
        return ptd_peft_read(f->from->adapter, f->tensors[i].name, first, n, out);
    if (!adapter && f->from->shards) return fill_from_file(f, i, first, n, out);
    if (f->tensors[i].dtype == PTD_F32)
        ptd_initial_floats(law, f->from->seed, which, first, n, out);
    else
        ptd_initial_bf16(law, f->from->seed, which, first, n, out);
    return 0;
}

static int fill(void *ctx, int i, size_t first, size_t n, void *out)
{
    struct filler *f = ctx;
    if (*f->from->stop) return ptd_fail(PTD_STOPPED, "stopped");
    if (fill_one(f, i, first, n, out) < 0) return -1;
    f->bytes += n * ptd_dtype_size(f->tensors[i].dtype);
    ptd_progress_set(&f->progress, (long)(f->bytes / PTD_MB), f->tensors[i].name);
    return 0;
}

static int dtype_of(const struct filler *f, const struct ptd_param *p)
{
    if (p->adapter) return PTD_F32;
    if (f->from->dtype) return f->from->dtype;
    return ptd_dtype_from_name(source_of(f->model, f->from->shards, p->name)->t->dtype);
}

/* Parameters from number f->first on; the bytes that they take. */
static struct ptd_filling plan(struct filler *f, uint64_t *total)
{
    int n = f->model->n_params - f->first;
    f->tensors = ptd_array((size_t)n + 1, sizeof *f->tensors);
    *total = 0;
    for (int i = 0; i < n; i++) {
        const struct ptd_param *p = &f->model->params[f->first + i];
        f->tensors[i] = (struct ptd_tensor_about){p->name, dtype_of(f, p), p->n_dims, {0}, p->n};
        memcpy(f->tensors[i].dims, p->dims, sizeof p->dims);
        *total += p->n * ptd_dtype_size(f->tensors[i].dtype);
    }
    return (struct ptd_filling){f->tensors, n, fill, f};
}

int ptd_import(struct ptd_store *to, const struct ptd_model *m, const struct ptd_import *from)
{
    struct filler f = {.model = m, .from = from};
    uint64_t total;
    struct ptd_filling filling = plan(&f, &total);
    ptd_progress_start(&f.progress, from->shards ? "importing, MB" : "random weights, MB", 0,
                       (long)(total / PTD_MB));
    int rc = ptd_store_fill(to, &filling);
    ptd_progress_clear(&f.progress);
    free(f.tensors);
    return rc;
}

int ptd_import_clone(struct ptd_store *from, int64_t generation, struct ptd_store *to,
                     const struct ptd_model *m, const struct ptd_import *adapter)
{
    struct filler f = {.model = m, .from = adapter};
    uint64_t total;
    while (f.first < m->n_params && !m->params[f.first].adapter) f.first++;
    struct ptd_filling filling = plan(&f, &total);
    int rc = ptd_store_clone(from, generation, adapter->dtype, to, &filling);
    free(f.tensors);
    return rc;
}
