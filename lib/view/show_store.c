/* Stores for people: what is in them, and the statistics of a tensor.
 * Leaves to store.c: reading and verifying values. */
#include "base/json.h"
#include "net/model.h"
#include "store/store.h"
#include "view/show.h"

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
    int dtype; /* of its tensors; -1: several */
    /* over the values in order of their keys: equal bits, equal digest, whatever the generation */
    uint64_t digest;
};

struct walk {
    struct ptd_store *store;
    void (*put)(json_t *line, void *ctx); /* takes what is said */
    void *ctx;
    int64_t head;
    struct part part;
    char *value; /* of base.mdb's numbers, as data.mdb would hold them */
};

static void print_part(struct walk *w)
{
    struct part *p = &w->part;
    json_t *j;
    if (!p->entries) return;
    if (strcmp(p->db, "weights") == 0) {
        long long generation = strtoll(p->name, NULL, 16);
        j = json_pack("{s:s, s:I, s:b}", "kind", "weights", "generation", (json_int_t)generation,
                      "head", generation == w->head);
        if (generation > w->head) json_object_set_new(j, "unfinished", json_true());
    } else
        j = json_pack("{s:s, s:o}", "kind", p->db, "name", ptd_show_text(p->name, strlen(p->name)));
    json_object_set_new(j, "entries", json_integer(p->entries));
    if (p->numbers) json_object_set_new(j, "numbers", json_integer((json_int_t)p->numbers));
    if (p->dtype)
        json_object_set_new(j, "dtype",
                            json_string(p->dtype < 0 ? "mixed" : ptd_dtype_name(p->dtype)));
    json_object_set_new(j, "bytes", json_integer((json_int_t)p->bytes));
    json_object_set_new(j, "xxh3", json_sprintf("%016llx", (unsigned long long)p->digest));
    w->put(j, w->ctx);
    p->entries = 0;
}

/* Of a tensor, for the reason kept. */
static int damaged(struct ptd_store *s, const char *db, const char *key, size_t n)
{
    return ptd_fail(ptd_failed_status(), "store %s: %s \"%.*s\": %s%s", ptd_store_path(s), db,
                    (int)(n > 200 ? 200 : n), key, ptd_failed_message(), ptd_store_doubt(s));
}

static void add_value(struct part *p, const void *value, size_t len)
{
    p->bytes += len;
    p->digest = XXH3_64bits_withSeed(value, len, p->digest);
}

/* The same weights get the same digest, wherever they lie. */
static void add_recut(struct walk *w, const struct ptd_tensor_piece *t)
{
    size_t size = ptd_dtype_size(t->whole.dtype), most = ptd_store_piece(t->whole.dtype), n;
    if (!w->value) w->value = ptd_alloc(PTD_TENSOR_HEAD + most * size);
    for (size_t done = 0; done < t->n; done += n) {
        size_t in = (t->first + done) % most, end;
        n = t->n - done < most - in ? t->n - done : most - in;
        memcpy(w->value + PTD_TENSOR_HEAD + in * size, (const char *)t->data + done * size,
               n * size);
        end = t->first + done + n;
        if (end % most && end != t->whole.n) continue;
        add_value(&w->part, w->value, ptd_store_recut(w->value, &t->whole, end - in - n, in + n));
    }
}

static int add_to_part(struct walk *w, const char *db, const char *name, size_t n,
                       const void *value, size_t len)
{
    struct part *p = &w->part;
    if (strcmp(p->db, db) != 0 || strncmp(p->name, name, n) != 0 || p->name[n]) {
        print_part(w);
        *p = (struct part){0};
        snprintf(p->db, sizeof p->db, "%s", db);
        snprintf(p->name, sizeof p->name, "%.*s", (int)n, name);
    }
    struct ptd_tensor_piece t = {.first = 0};
    if (strcmp(db, "dist") != 0) {
        if (ptd_store_tensor(value, len, &t) < 0) return damaged(w->store, db, name, n);
        p->numbers += t.n;
        p->dtype = !p->dtype || p->dtype == t.whole.dtype ? t.whole.dtype : -1;
    }
    p->entries += t.first == 0;
    if (t.head > PTD_TENSOR_HEAD)
        add_recut(w, &t);
    else
        add_value(p, value, len);
    return 0;
}

/* The numbers of a config.json that tell models apart. */
static void print_config(const struct walk *w, const char *text, size_t len)
{
    static const char *const names[] = {"hidden_size",         "num_hidden_layers",
                                        "num_attention_heads", "num_key_value_heads",
                                        "intermediate_size",   "vocab_size"};
    json_t *config = ptd_json_load(text, len, 0, NULL),
           *inner = json_object_get(config, "text_config");
    json_t *j = json_pack("{s:s}", "kind", "config");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *v = json_object_get(inner ? inner : config, names[i]);
        if (v) json_object_set(j, names[i], v);
    }
    json_t *vision = json_object_get(json_object_get(config, "vision_config"), "depth");
    if (vision) json_object_set(j, "vision_depth", vision);
    json_decref(config);
    w->put(j, w->ctx);
}

static int print_meta(struct walk *w, const char *key, size_t n, const void *value, size_t len)
{
    json_t *j = json_pack("{s:s, s:o, s:I, s:o}", "kind", "meta", "name", ptd_show_text(key, n),
                          "bytes", (json_int_t)len, "xxh3", ptd_show_digest(value, len));
    if (n == 5 && memcmp(key, "dtype", 5) == 0)
        json_object_set_new(j, "value", ptd_show_text(value, len));
    w->put(j, w->ctx);
    if (n == 11 && memcmp(key, "config.json", 11) == 0) print_config(w, value, len);
    return 0;
}

static int print_state(struct walk *w, const char *key, size_t n, const void *value, size_t len)
{
    json_t *v = json_loadb(value, len, JSON_DECODE_ANY, NULL);
    w->put(json_pack("{s:s, s:o, s:o}", "kind", "state", "name", ptd_show_text(key, n), "value",
                     v ? v : ptd_show_text(value, len)),
           w->ctx);
    return 0;
}

static int visit(const char *db, const char *key, size_t n, const void *value, size_t len,
                 void *ctx)
{
    struct walk *w = ctx;
    const char *slash = memchr(key, '/', n);
    int summed = strcmp(db, "weights") == 0 || strcmp(db, "optim") == 0 || strcmp(db, "dist") == 0;
    if (strcmp(db, "order") == 0) return 0; /* how the cache is kept, not what is in it */
    if (!summed) print_part(w);
    if (strcmp(db, "meta") == 0) return print_meta(w, key, n, value, len);
    if (!summed) return print_state(w, key, n, value, len);
    if (strcmp(db, "dist") == 0) return add_to_part(w, db, "cache", 5, value, len);
    size_t prefix = slash ? (size_t)(slash - key) : n;
    return add_to_part(w, db, key, prefix > 15 ? 15 : prefix, value, len);
}

static json_t *shape(const struct ptd_tensor_about *t)
{
    json_t *dims = json_array();
    for (int i = 0; i < t->n_dims; i++) json_array_append_new(dims, json_integer(t->dims[i]));
    return dims;
}

/* The tensors of the newest generation. */
static int print_list(struct ptd_store *s, const struct walk *w)
{
    struct ptd_tensor_about *list;
    int n;
    if (ptd_store_list(s, w->head, &list, &n) < 0) return -1;
    for (int i = 0; i < n; i++)
        w->put(json_pack("{s:s, s:o, s:s, s:o, s:I}", "kind", "tensor", "name",
                         ptd_show_text(list[i].name, strlen(list[i].name)), "dtype",
                         ptd_dtype_name(list[i].dtype), "shape", shape(&list[i]), "bytes",
                         (json_int_t)(list[i].n * ptd_dtype_size(list[i].dtype))),
               w->ctx);
    ptd_store_list_free(list, n);
    return 0;
}

static void print_line(json_t *line, void *ctx)
{
    ptd_show_print(line, *(const int *)ctx);
}

int ptd_show_store(const char *dir, int flags)
{
    return ptd_show_store_to(dir, print_line, &flags);
}

int ptd_show_store_to(const char *dir, void (*put)(json_t *line, void *ctx), void *ctx)
{
    struct ptd_store *s;
    struct walk w = {.put = put, .ctx = ctx, .head = -1};
    if (ptd_store_open(&s, dir, PTD_STORE_READ) < 0) return -1;
    w.store = s;
    int rc = ptd_store_hold(s);
    if (rc == 0) {
        rc = ptd_store_head(s, &w.head) < 0 ? -1 : ptd_store_walk(s, visit, &w);
        if (rc == 0) print_part(&w);
        if (rc == 0) rc = print_list(s, &w);
        ptd_store_release(s);
    }
    ptd_store_close(s);
    free(w.value);
    return rc;
}

/* ---- one tensor ---- */

struct stats {
    uint64_t n, finite;
    double min, max, sum, squares;
    json_t *values; /* NULL: not asked for */
    XXH3_state_t *digest;
};

static void measure(struct stats *s, const float *x, size_t n)
{
    s->n += n;
    for (size_t i = 0; i < n; i++) {
        if (s->values) json_array_append_new(s->values, ptd_show_number(x[i]));
        if (!isfinite(x[i])) continue;
        s->finite++;
        s->min = fmin(s->min, x[i]);
        s->max = fmax(s->max, x[i]);
        s->sum += x[i];
        s->squares += (double)x[i] * x[i];
    }
}

static int measure_pieces(struct ptd_store *store, int64_t generation,
                          const struct ptd_tensor_about *t, struct stats *s)
{
    size_t size = ptd_dtype_size(t->dtype), most = ptd_store_piece(t->dtype);
    void *raw = ptd_array(most, size);
    float *x = ptd_array(most, sizeof *x);
    int rc = 0;
    for (size_t at = 0; at < t->n && !rc; at += most) {
        size_t n = t->n - at < most ? t->n - at : most;
        if ((rc = ptd_store_read(store, generation, t, at, n, raw))) break;
        XXH3_64bits_update(s->digest, raw, n * size);
        ptd_dtype_to_float(x, raw, t->dtype, n);
        measure(s, x, n);
    }
    free(raw);
    free(x);
    return rc;
}

static void print_tensor(int64_t generation, const struct ptd_tensor_about *t,
                         const struct stats *s, int flags)
{
    double n = s->finite ? (double)s->finite : NAN, mean = s->sum / n;
    double deviation = sqrt(fmax(0, s->squares / n - mean * mean));
    json_t *j =
        json_pack("{s:o, s:I, s:s, s:o, s:I, s:o, s:o, s:o, s:o, s:I, s:o}", "name",
                  ptd_show_text(t->name, strlen(t->name)), "generation", (json_int_t)generation,
                  "dtype", ptd_dtype_name(t->dtype), "shape", shape(t), "bytes",
                  (json_int_t)(t->n * ptd_dtype_size(t->dtype)), "min", ptd_show_number(s->min),
                  "mean", ptd_show_number(mean), "max", ptd_show_number(s->max), "std",
                  ptd_show_number(deviation), "non_finite", (json_int_t)(s->n - s->finite), "xxh3",
                  json_sprintf("%016llx", (unsigned long long)XXH3_64bits_digest(s->digest)));
    if (s->values) json_object_set(j, "values", s->values);
    ptd_show_print(j, flags);
}

static int show_tensor(struct ptd_store *s, int64_t generation, const struct ptd_tensor_about *t,
                       int flags)
{
    struct stats stats = {.min = INFINITY, .max = -INFINITY, .digest = XXH3_createState()};
    if (!stats.digest) ptd_die(PTD_OSERR, "out of memory for a hash");
    XXH3_64bits_reset(stats.digest);
    if (flags & PTD_SHOW_FULL) stats.values = json_array();
    int rc = measure_pieces(s, generation, t, &stats);
    if (rc == 0) print_tensor(generation, t, &stats, flags);
    json_decref(stats.values);
    XXH3_freeState(stats.digest);
    return rc;
}

static int find_and_show(struct ptd_store *s, const char *name, int64_t generation, int flags)
{
    struct ptd_tensor_about *list;
    int n, at = 0, rc;
    if (generation < 0 && ptd_store_head(s, &generation) < 0) return -1;
    if (ptd_store_list(s, generation, &list, &n) < 0) return -1;
    while (at < n && strcmp(list[at].name, name) != 0) at++;
    rc = at < n ? show_tensor(s, generation, &list[at], flags)
                : ptd_fail(PTD_NOINPUT, "%s: no tensor \"%.64s\" in generation %lld",
                           ptd_store_path(s), name, (long long)generation);
    ptd_store_list_free(list, n);
    return rc;
}

int ptd_show_tensor(const char *dir, const char *name, int64_t generation, int flags)
{
    struct ptd_store *s;
    if (ptd_store_open(&s, dir, PTD_STORE_READ) < 0) return -1;
    int rc = ptd_store_hold(s);
    if (rc == 0) {
        rc = find_and_show(s, name, generation, flags);
        ptd_store_release(s);
    }
    ptd_store_close(s);
    return rc;
}

/* What a check has seen: tensors, the newest generation's moments, and the generations that weights
 * belong to. */
struct seen {
    struct ptd_store *store;
    int64_t head;
    long tensors, m, v;
    int64_t *generations;
    int n;
};

static void see_generation(struct seen *seen, const char *key)
{
    int64_t g = strtoll(key, NULL, 16);
    if (seen->n && seen->generations[seen->n - 1] == g) return;
    seen->generations = ptd_realloc(seen->generations, (size_t)(seen->n + 1) * sizeof g);
    seen->generations[seen->n++] = g;
}

static int is_scale(const char *key, size_t n)
{
    return n > 6 && !memcmp(key + n - 6, ".scale", 6);
}

/* "m/GENERATION/NAME", in stores of earlier programs "m/NAME" */
static void see_moment(struct seen *seen, const char *key, size_t n)
{
    char prefix[16];
    int m = snprintf(prefix, sizeof prefix, "%c/%08llx/", *key, (long long)seen->head);
    int dated = (int)n > m && key[m - 1] == '/' && strspn(key + 2, "0123456789abcdef") == 8;
    if (!dated || !memcmp(key, prefix, (size_t)m)) ++*(*key == 'm' ? &seen->m : &seen->v);
}

static int verify(const char *db, const char *key, size_t n, const void *value, size_t len,
                  void *ctx)
{
    struct seen *seen = ctx;
    struct ptd_tensor_piece t;
    if (strcmp(db, "weights") != 0 && strcmp(db, "optim") != 0) return 0;
    if (ptd_store_tensor(value, len, &t) < 0) return damaged(seen->store, db, key, n);
    seen->tensors += t.first == 0;
    if (*db == 'w' && n > 8) see_generation(seen, key);
    if (*db == 'o' && n > 2 && !t.first && *key != 'l' && !is_scale(key, n))
        see_moment(seen, key, n);
    return 0;
}

/* A tensor's digest does not know its name: every published generation must hold all that the model
 * asks for. */
static int check_names(struct ptd_store *s, const struct seen *seen, const struct ptd_model *m)
{
    for (int k = 0; k < seen->n; k++)
        for (int i = 0; i < m->n_params && seen->generations[k] <= seen->head; i++)
            if (!ptd_store_has(s, seen->generations[k], m->params[i].name))
                return ptd_fail(PTD_DATAERR, "store %s: generation %lld holds no tensor \"%s\"%s",
                                ptd_store_path(s), (long long)seen->generations[k],
                                m->params[i].name, ptd_store_doubt(s));
    return 0;
}

/* The first and the newest generation are always there, and moments whole or not at all. */
static int check_whole(struct ptd_store *s, const struct seen *seen)
{
    int first = 0, newest = 0;
    struct ptd_model *m = ptd_model_open(s, NULL);
    if (!m) return -1;
    for (int k = 0; k < seen->n; k++) {
        first |= seen->generations[k] == 0;
        newest |= seen->generations[k] == seen->head;
    }
    int rc = check_names(s, seen, m), moving = 0;
    for (int i = 0; i < m->n_params; i++)
        moving += ptd_store_holds(s, seen->head, m->params[i].name);
    if (rc == 0 && !(first && newest))
        rc = ptd_fail(PTD_DATAERR, "store %s: generation %lld is missing%s", ptd_store_path(s),
                      first ? (long long)seen->head : 0, ptd_store_doubt(s));
    if (rc == 0 && (seen->m != seen->v || (seen->m && seen->m != moving)))
        rc = ptd_fail(PTD_DATAERR, "store %s: %ld and %ld moments, expected %d or none%s",
                      ptd_store_path(s), seen->m, seen->v, moving, ptd_store_doubt(s));
    ptd_model_free(m);
    return rc;
}

/* The store is there and can be opened: what is missing in it, or cannot be configured, is damage.
 */
static void blame_damage(struct ptd_store *s)
{
    int status = ptd_failed_status();
    if (status == PTD_NOINPUT || status == PTD_CONFIG)
        ptd_fail(PTD_DATAERR, "%s%s", ptd_failed_message(), ptd_store_doubt(s));
}

int ptd_show_check_store(const char *dir, long *tensors)
{
    struct ptd_store *s;
    struct seen seen = {0};
    *tensors = 0;
    if (ptd_store_open(&s, dir, PTD_STORE_READ) < 0) return -1;
    seen.store = s;
    int rc = ptd_store_hold(s);
    if (rc == 0) {
        rc = ptd_store_head(s, &seen.head);
        if (rc == 0) rc = ptd_store_walk(s, verify, &seen);
        if (rc == 0) rc = check_whole(s, &seen);
        ptd_store_release(s);
    }
    if (rc < 0) blame_damage(s);
    ptd_store_close(s);
    free(seen.generations);
    *tensors = seen.tensors;
    return rc;
}
