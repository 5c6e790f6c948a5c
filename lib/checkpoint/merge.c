/* merge: see merge.h. A and B of the tensor at hand are kept until another one comes. */
#include "checkpoint/merge.h"
#include "base/threads.h"
#include "data/lora.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A_NAME ".lora_A.weight"
#define B_NAME ".lora_B.weight"

struct ptd_merge {
    struct ptd_store *store;
    int64_t generation;
    struct ptd_lora lora;
    char name[160]; /* of the tensor that A and B belong to */
    float *A, *B;   /* [rank, in], [out, rank] */
};

struct ptd_merge *ptd_merge_open(struct ptd_store *s, int64_t generation)
{
    struct ptd_merge *g = NULL;
    struct ptd_lora l;
    size_t len;
    char *json = ptd_store_get_meta(s, PTD_LORA_FILE, &len);
    if (!json)
        ptd_fail(PTD_CONFIG, "%s: has no adapter that could be merged", ptd_store_path(s));
    else if (ptd_lora_read(&l, json, len, PTD_LORA_FILE) == 0) {
        g = ptd_alloc(sizeof *g);
        g->store = s;
        g->generation = generation;
        g->lora = l;
    }
    free(json);
    return g;
}

static int ends_with(const char *s, const char *tail)
{
    size_t n = strlen(s), k = strlen(tail);
    return n >= k && !strcmp(s + n - k, tail);
}

int ptd_merge_is_part(const char *tensor)
{
    return ends_with(tensor, A_NAME) || ends_with(tensor, B_NAME);
}

/* "x.weight" gives "x.lora_A.weight". */
static int part_name(const char *tensor, const char *part, char *out, size_t cap)
{
    if (!ends_with(tensor, ".weight")) return -1;
    return snprintf(out, cap, "%.*s%s", (int)(strlen(tensor) - 7), tensor, part) < (int)cap ? 0
                                                                                            : -1;
}

int ptd_merge_changes(const struct ptd_merge *g, const char *tensor)
{
    char name[160];
    return part_name(tensor, A_NAME, name, sizeof name) == 0 &&
           ptd_store_has(g->store, g->generation, name);
}

static int read_part(struct ptd_merge *g, const char *tensor, const char *part, int64_t rows,
                     int64_t cols, float **to)
{
    char name[160];
    struct ptd_tensor_view v = {.name = name, .n_dims = 2, .dims = {rows, cols}};
    if (part_name(tensor, part, name, sizeof name) < 0)
        return ptd_fail(PTD_BUG, "tensor \"%s\" has no adapter", tensor);
    v.n = (size_t)rows * (size_t)cols;
    free(*to);
    v.data = *to = ptd_array(v.n, sizeof **to);
    return ptd_store_load(g->store, g->generation, &v, 1);
}

static int read_parts(struct ptd_merge *g, const struct ptd_tensor_about *t)
{
    int rank = g->lora.rank;
    if (!strcmp(g->name, t->name)) return 0;
    *g->name = 0;
    if (read_part(g, t->name, A_NAME, rank, t->dims[1], &g->A) < 0) return -1;
    if (read_part(g, t->name, B_NAME, t->dims[0], rank, &g->B) < 0) return -1;
    snprintf(g->name, sizeof g->name, "%s", t->name);
    return 0;
}

struct adding {
    const struct ptd_merge *g;
    size_t first, n, cols;
    float *x;
};

/* Rows first .. last of those that are touched. */
static void add_rows(void *ctx, long first, long last)
{
    const struct adding *j = ctx;
    const struct ptd_merge *g = j->g;
    int rank = g->lora.rank;
    float scale = (float)ptd_lora_scale(&g->lora);
    for (long i = first; i < last; i++) {
        size_t row = j->first / j->cols + (size_t)i, begin = row * j->cols, end = begin + j->cols;
        size_t from = begin > j->first ? begin : j->first,
               to = end < j->first + j->n ? end : j->first + j->n;
        float *x = j->x + (from - j->first);
        for (int k = 0; k < rank; k++) {
            float b = scale * g->B[row * (size_t)rank + (size_t)k];
            const float *a = g->A + (size_t)k * j->cols + (from - begin);
            for (size_t c = 0; c < to - from; c++) x[c] += b * a[c];
        }
    }
}

int ptd_merge_add(struct ptd_merge *g, const struct ptd_tensor_about *t, size_t first, size_t n,
                  float *x)
{
    struct adding j = {g, first, n, (size_t)t->dims[1], x};
    if (read_parts(g, t) < 0) return -1;
    long rows = (long)((first + n - 1) / j.cols - first / j.cols) + 1;
    ptd_parallel(rows, 16, add_rows, &j);
    return 0;
}

void ptd_merge_close(struct ptd_merge *g)
{
    if (!g) return;
    ptd_lora_clear(&g->lora);
    free(g->A);
    free(g->B);
    free(g);
}
