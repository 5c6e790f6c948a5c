/* What a page tells of a store: what ptd-dump says of it, and what training has changed.
 * Leaves to show_store.c: what that is. */
#include "store/store.h"
#include "view/page_private.h"
#include "view/show.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of one tensor of the newest generation, and of the first. */
struct sums {
    double n, sum, squares, min, max, moved, start; /* moved, start: squares */
};

static void add(struct sums *s, const float *x, const float *first, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - first[i];
        if (!isfinite(x[i])) continue;
        s->n++;
        s->sum += x[i];
        s->squares += (double)x[i] * x[i];
        s->min = fmin(s->min, x[i]);
        s->max = fmax(s->max, x[i]);
        s->moved += d * d;
        s->start += (double)first[i] * first[i];
    }
}

/* The same tensor of two generations, which may have two formats. */
struct pair {
    const struct ptd_tensor_about *now, *first;
    int64_t generation;
};

static int read(struct ptd_store *store, int64_t generation, const struct ptd_tensor_about *t,
                size_t at, size_t n, float *x)
{
    void *raw = ptd_array(n, ptd_dtype_size(t->dtype));
    int rc = ptd_store_read(store, generation, t, at, n, raw);
    if (rc == 0) ptd_dtype_to_float(x, raw, t->dtype, n);
    free(raw);
    return rc;
}

static int measure(struct ptd_store *store, const struct pair *p, struct sums *s)
{
    size_t most = ptd_store_piece(PTD_F32), n;
    float *x = ptd_array(most, sizeof *x), *first = ptd_array(most, sizeof *first);
    int rc = 0;
    for (size_t at = 0; at < p->now->n && rc == 0; at += n) {
        n = p->now->n - at < most ? p->now->n - at : most;
        rc = read(store, p->generation, p->now, at, n, x);
        if (rc == 0) rc = p->first ? read(store, 0, p->first, at, n, first) : 0;
        if (rc == 0) add(s, x, p->first ? first : x, n);
    }
    free(x);
    free(first);
    return rc;
}

static void put_tensor(struct ptd_jot *j, const struct ptd_tensor_about *t, const struct sums *s)
{
    double mean = s->sum / s->n, deviation = sqrt(fmax(0, s->squares / s->n - mean * mean));
    ptd_jot_open(j, '[');
    ptd_jot_text(j, t->name);
    ptd_jot_text(j, ptd_dtype_name(t->dtype));
    ptd_jot_open(j, '[');
    for (int i = 0; i < t->n_dims; i++) ptd_jot_int(j, t->dims[i]);
    ptd_jot_close(j, ']');
    ptd_jot_int(j, (int64_t)t->n);
    ptd_jot_number(j, mean);
    ptd_jot_number(j, deviation);
    ptd_jot_number(j, s->min);
    ptd_jot_number(j, s->max);
    ptd_jot_number(j, s->start > 0 ? sqrt(s->moved / s->start) : NAN);
    ptd_jot_close(j, ']');
}

static const struct ptd_tensor_about *same(const struct ptd_tensor_about *list, int n,
                                           const struct ptd_tensor_about *t)
{
    for (int i = 0; i < n; i++)
        if (list[i].n == t->n && strcmp(list[i].name, t->name) == 0) return &list[i];
    return NULL;
}

static int put_tensors(struct ptd_jot *j, struct ptd_store *s)
{
    struct ptd_tensor_about *now, *first;
    int64_t head;
    int n, n_first, rc = 0;
    if (ptd_store_head(s, &head) < 0 || ptd_store_list(s, head, &now, &n) < 0) return -1;
    if (ptd_store_list(s, 0, &first, &n_first) < 0) {
        ptd_store_list_free(now, n);
        return -1;
    }
    ptd_jot_key(j, "tensors");
    ptd_jot_open(j, '[');
    for (int i = 0; i < n && rc == 0; i++) {
        struct sums sums = {.min = INFINITY, .max = -INFINITY};
        struct pair p = {&now[i], head ? same(first, n_first, &now[i]) : NULL, head};
        if ((rc = measure(s, &p, &sums)) == 0) put_tensor(j, &now[i], &sums);
    }
    ptd_jot_close(j, ']');
    ptd_store_list_free(now, n);
    ptd_store_list_free(first, n_first);
    return rc;
}

static void put_line(json_t *line, void *ctx)
{
    struct ptd_jot *j = ctx;
    char *text = json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
    if (text) ptd_jot_text(j, text);
    free(text);
    json_decref(line);
}

/* The store is not opened twice at a time. */
static int put_numbers(struct ptd_jot *j, const char *dir)
{
    struct ptd_store *s;
    if (ptd_store_open(&s, dir, PTD_STORE_READ) < 0) return -1;
    int rc = ptd_store_hold(s);
    if (rc == 0) {
        rc = put_tensors(j, s);
        ptd_store_release(s);
    }
    ptd_store_close(s);
    return rc;
}

int ptd_page_store_put(struct ptd_jot *j, const char *dir)
{
    ptd_jot_open(j, '{');
    ptd_jot_key(j, "name"), ptd_jot_text(j, dir);
    if (put_numbers(j, dir) < 0) return -1;
    ptd_jot_key(j, "lines");
    ptd_jot_open(j, '[');
    int rc = ptd_show_store_to(dir, put_line, j);
    ptd_jot_close(j, ']');
    ptd_jot_close(j, '}');
    return rc;
}
