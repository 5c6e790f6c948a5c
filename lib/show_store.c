/* Stores for people: what is in them, and the statistics of a tensor.
 * Leaves to store.c: reading and verifying values. */
#include "show.h"
#include "store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Sums over one generation (or one kind of moment, or the cache), printed when the next begins. */
struct part {
    char db[16], name[16];
    long entries;
    uint64_t bytes, numbers;
    uint64_t digest; /* over the values in order of their keys: equal bits, equal digest, whatever the generation */
};

struct walk {
    int flags;
    int64_t head;
    struct part part;
};

struct search {
    const char *name;
    int64_t generation;
    int flags, found;
};

static void print_part(struct walk *w)
{
    struct part *p = &w->part;
    json_t *j;
    if (!p->entries) return;
    if (strcmp(p->db, "weights") == 0) {
        long long generation = strtoll(p->name, NULL, 16);
        j = json_pack("{s:s, s:I, s:b}", "kind", "weights", "generation", (json_int_t)generation, "head",
                      generation == w->head);
    } else
        j = json_pack("{s:s, s:s}", "kind", p->db, "name", p->name);
    json_object_set_new(j, "entries", json_integer(p->entries));
    if (p->numbers) json_object_set_new(j, "numbers", json_integer((json_int_t)p->numbers));
    json_object_set_new(j, "bytes", json_integer((json_int_t)p->bytes));
    json_object_set_new(j, "xxh3", json_sprintf("%016llx", (unsigned long long)p->digest));
    ptd_show_print(j, w->flags);
    p->entries = 0;
}

static int add_to_part(struct walk *w, const char *db, const char *name, size_t n, const void *value,
                       size_t len)
{
    struct part *p = &w->part;
    if (strcmp(p->db, db) != 0 || strncmp(p->name, name, n) != 0 || p->name[n]) {
        print_part(w);
        *p = (struct part){0};
        snprintf(p->db, sizeof p->db, "%s", db);
        snprintf(p->name, sizeof p->name, "%.*s", (int)n, name);
    }
    if (strcmp(db, "dist") != 0) {
        struct ptd_tensor_view t;
        if (ptd_store_tensor(value, len, &t) < 0) return -1;
        p->numbers += t.n;
    }
    p->entries++;
    p->bytes += len;
    p->digest = XXH3_64bits_withSeed(value, len, p->digest);
    return 0;
}

/* The numbers of a config.json that tell models apart. */
static void print_config(const char *text, size_t len, int flags)
{
    static const char *const names[] = {"hidden_size",         "num_hidden_layers", "num_attention_heads",
                                        "num_key_value_heads", "intermediate_size", "vocab_size"};
    json_t *config = json_loadb(text, len, 0, NULL), *inner = json_object_get(config, "text_config");
    json_t *j = json_pack("{s:s}", "kind", "config");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *v = json_object_get(inner ? inner : config, names[i]);
        if (v) json_object_set(j, names[i], v);
    }
    json_t *vision = json_object_get(json_object_get(config, "vision_config"), "depth");
    if (vision) json_object_set(j, "vision_depth", vision);
    json_decref(config);
    ptd_show_print(j, flags);
}

static int print_meta(struct walk *w, const char *key, size_t n, const void *value, size_t len)
{
    ptd_show_print(json_pack("{s:s, s:o, s:I, s:o}", "kind", "meta", "name", ptd_show_text(key, n), "bytes",
                             (json_int_t)len, "xxh3", ptd_show_digest(value, len)),
                   w->flags);
    if (n == 11 && memcmp(key, "config.json", 11) == 0) print_config(value, len, w->flags);
    return 0;
}

static int print_state(struct walk *w, const char *key, size_t n, const void *value, size_t len)
{
    json_t *v = json_loadb(value, len, JSON_DECODE_ANY, NULL);
    ptd_show_print(json_pack("{s:s, s:o, s:o}", "kind", "state", "name", ptd_show_text(key, n), "value",
                             v ? v : ptd_show_text(value, len)),
                   w->flags);
    return 0;
}

static int visit(const char *db, const char *key, size_t n, const void *value, size_t len, void *ctx)
{
    struct walk *w = ctx;
    const char *slash = memchr(key, '/', n);
    int summed = strcmp(db, "weights") == 0 || strcmp(db, "optim") == 0 || strcmp(db, "dist") == 0;
    if (!summed) print_part(w);
    if (strcmp(db, "meta") == 0) return print_meta(w, key, n, value, len);
    if (!summed) return print_state(w, key, n, value, len);
    if (strcmp(db, "dist") == 0) return add_to_part(w, db, "cache", 5, value, len);
    size_t prefix = slash ? (size_t)(slash - key) : n;
    return add_to_part(w, db, key, prefix > 15 ? 15 : prefix, value, len);
}

int ptd_show_store(const char *dir, int flags)
{
    struct ptd_store *s;
    struct walk w = {.flags = flags, .head = -1};
    if (ptd_store_open(&s, dir, PTD_STORE_READ) < 0) return -1;
    int rc = ptd_store_head(s, &w.head) < 0 ? -1 : ptd_store_walk(s, visit, &w);
    if (rc == 0) print_part(&w);
    ptd_store_close(s);
    return rc;
}

/* ---- one tensor ---- */

struct stats {
    uint64_t finite;
    double min, max, sum, squares;
};

static json_t *values(const struct ptd_tensor_view *t)
{
    json_t *list = json_array();
    for (size_t i = 0; i < t->n; i++) {
        float x;
        memcpy(&x, (const char *)t->data + 4 * i, sizeof x);
        json_array_append_new(list, ptd_show_number(x));
    }
    return list;
}

static struct stats measure(const struct ptd_tensor_view *t)
{
    struct stats s = {.min = INFINITY, .max = -INFINITY};
    for (size_t i = 0; i < t->n; i++) {
        float x;
        memcpy(&x, (const char *)t->data + 4 * i, sizeof x);
        if (!isfinite(x)) continue;
        s.finite++;
        s.min = fmin(s.min, x);
        s.max = fmax(s.max, x);
        s.sum += x;
        s.squares += (double)x * x;
    }
    return s;
}

static json_t *shape(const struct ptd_tensor_view *t)
{
    json_t *dims = json_array();
    for (int i = 0; i < t->n_dims; i++) json_array_append_new(dims, json_integer(t->dims[i]));
    return dims;
}

static void print_tensor(const struct search *q, const struct ptd_tensor_view *t)
{
    struct stats s = measure(t);
    double n = s.finite ? (double)s.finite : NAN, mean = s.sum / n;
    double deviation = sqrt(fmax(0, s.squares / n - mean * mean));
    json_t *j =
        json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "name", q->name, "generation",
                  (json_int_t)q->generation, "shape", shape(t), "min", ptd_show_number(s.min), "mean",
                  ptd_show_number(mean), "max", ptd_show_number(s.max), "std", ptd_show_number(deviation),
                  "non_finite", (json_int_t)(t->n - s.finite), "xxh3", ptd_show_digest(t->data, 4 * t->n));
    if (q->flags & PTD_SHOW_FULL) json_object_set_new(j, "values", values(t));
    ptd_show_print(j, q->flags);
}

static int seek(const char *db, const char *key, size_t n, const void *value, size_t len, void *ctx)
{
    struct search *q = ctx;
    char wanted[600];
    struct ptd_tensor_view t;
    if (strcmp(db, "weights") != 0) return 0;
    int size = snprintf(wanted, sizeof wanted, "%08llx/%s", (unsigned long long)q->generation, q->name);
    if ((size_t)size != n || memcmp(wanted, key, n) != 0) return 0;
    if (ptd_store_tensor(value, len, &t) < 0) return -1;
    print_tensor(q, &t);
    q->found = 1;
    return 0;
}

int ptd_show_tensor(const char *dir, const char *name, int64_t generation, int flags)
{
    struct ptd_store *s;
    struct search q = {.name = name, .generation = generation, .flags = flags};
    if (strlen(name) > 500) return ptd_fail(PTD_NOINPUT, "%s: no tensor of such a long name", dir);
    if (ptd_store_open(&s, dir, PTD_STORE_READ) < 0) return -1;
    int rc = generation < 0 ? ptd_store_head(s, &q.generation) : 0;
    if (rc == 0) rc = ptd_store_walk(s, seek, &q);
    ptd_store_close(s);
    if (rc == 0 && !q.found)
        rc = ptd_fail(PTD_NOINPUT, "%s: no tensor \"%.64s\" in generation %lld", dir, name,
                      (long long)q.generation);
    return rc;
}

static int verify(const char *db, const char *key, size_t n, const void *value, size_t len, void *ctx)
{
    long *tensors = ctx;
    struct ptd_tensor_view t;
    if (strcmp(db, "weights") != 0 && strcmp(db, "optim") != 0) return 0;
    if (ptd_store_tensor(value, len, &t) < 0)
        return ptd_fail(ptd_failed_status(), "%s/%.*s: %s", db, (int)(n > 200 ? 200 : n), key,
                        ptd_failed_message());
    ++*tensors;
    return 0;
}

int ptd_show_check_store(const char *dir, long *tensors)
{
    struct ptd_store *s;
    *tensors = 0;
    if (ptd_store_open(&s, dir, PTD_STORE_READ) < 0) return -1;
    int rc = ptd_store_walk(s, verify, tensors);
    ptd_store_close(s);
    return rc;
}
