/* check_tally: see check_tally.h. */
#include "data/check_tally.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* ---- rows by name ---- */

void ptd_tally_name(json_t *names, const char *name)
{
    json_int_t before = json_integer_value(json_object_get(names, name));
    json_object_set_new(names, name, json_integer(before + 1));
}

struct place { /* in order of appearance */
    struct ptd_check_count count;
    long at;
};

static int by_rows(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->count.rows != y->count.rows
               ? (x->count.rows < y->count.rows) - (x->count.rows > y->count.rows)
               : (x->at > y->at) - (x->at < y->at);
}

struct ptd_check_count *ptd_tally_names(json_t *names, int shown, int *n)
{
    struct place *places = ptd_array(json_object_size(names) + 1, sizeof *places);
    struct ptd_check_count *list = ptd_array(json_object_size(names) + 1, sizeof *list);
    const char *name;
    json_t *rows;
    *n = 0;
    json_object_foreach (names, name, rows) {
        places[*n] = (struct place){{ptd_strdup(name), json_integer_value(rows)}, *n};
        ++*n;
    }
    if (*n > shown) qsort(places, *n, sizeof *places, by_rows);
    for (int i = 0; i < *n; i++) list[i] = places[i].count;
    json_decref(names);
    free(places);
    return list;
}

/* ---- faults by kind ---- */

static struct ptd_check_kind *kind_of(struct ptd_checked *r, const char *name)
{
    for (int i = 0; i < r->n_kinds; i++)
        if (strcmp(r->kinds[i].name, name) == 0) return &r->kinds[i];
    r->kinds = ptd_realloc(r->kinds, (r->n_kinds + 1) * sizeof *r->kinds);
    r->kinds[r->n_kinds] = (struct ptd_check_kind){.name = ptd_strdup(name)};
    return &r->kinds[r->n_kinds++];
}

void ptd_tally_line(struct ptd_check_kind *k, long line)
{
    int n = 0;
    while (n < PTD_CHECK_LINES && k->lines[n] && k->lines[n] != line) n++;
    if (n < PTD_CHECK_LINES) k->lines[n] = line;
    k->faults++;
}

void ptd_tally_fault(struct ptd_checked *r, const char *kind, long line)
{
    ptd_tally_line(kind_of(r, kind), line);
    r->faults++;
}

/* ---- tokens ---- */

void ptd_tally_int(struct ptd_tally_ints *t, int value)
{
    if (t->n == t->cap)
        t->value = ptd_realloc(t->value, (t->cap = 2 * t->cap + 1024) * sizeof *t->value);
    t->value[t->n++] = value;
}

static int by_value(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

struct ptd_check_tokens ptd_tally_ints_end(struct ptd_tally_ints *t)
{
    struct ptd_check_tokens out = {.rows = t->n};
    if (t->n) {
        qsort(t->value, t->n, sizeof *t->value, by_value);
        out.median = t->value[(t->n - 1) / 2];
        out.most95 = t->value[(t->n * 19 + 19) / 20 - 1];
        out.most = t->value[t->n - 1];
    }
    free(t->value);
    *t = (struct ptd_tally_ints){0};
    return out;
}

/* ---- ids ---- */

struct slot {
    XXH128_hash_t id;
    long line; /* 0: free */
};
struct ptd_tally_ids {
    struct slot *slots;
    size_t n, cap; /* cap: a power of 2, at least twice n */
};

struct ptd_tally_ids *ptd_tally_ids_new(void)
{
    struct ptd_tally_ids *ids = ptd_alloc(sizeof *ids);
    ids->cap = 1024;
    ids->slots = ptd_array(ids->cap, sizeof *ids->slots);
    return ids;
}

/* Where this id is, or would be. */
static struct slot *find(struct ptd_tally_ids *ids, XXH128_hash_t id)
{
    size_t at = id.low64 & (ids->cap - 1);
    while (ids->slots[at].line && !XXH128_isEqual(ids->slots[at].id, id))
        at = (at + 1) & (ids->cap - 1);
    return &ids->slots[at];
}

static void grow(struct ptd_tally_ids *ids)
{
    struct slot *old = ids->slots;
    size_t n = ids->cap;
    ids->cap *= 2;
    ids->slots = ptd_array(ids->cap, sizeof *ids->slots);
    for (size_t i = 0; i < n; i++)
        if (old[i].line) *find(ids, old[i].id) = old[i];
    free(old);
}

long ptd_tally_id(struct ptd_tally_ids *ids, const char *id, long line)
{
    XXH128_hash_t digest = XXH3_128bits(id, strlen(id));
    struct slot *s = find(ids, digest);
    if (s->line) return s->line;
    *s = (struct slot){digest, line};
    if (2 * ++ids->n >= ids->cap) grow(ids);
    return 0;
}

void ptd_tally_ids_free(struct ptd_tally_ids *ids)
{
    free(ids->slots);
    free(ids);
}
