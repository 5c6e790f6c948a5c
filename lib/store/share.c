/* share: see share.h. */
#include "store/share.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ptd_share ptd_share_read(const char *run)
{
    struct ptd_share s = {0, 1};
    json_t *all = run ? json_loads(run, 0, NULL) : NULL, *pair = json_object_get(all, "share");
    if (json_array_size(pair) == 2) {
        s.rank = (int)json_integer_value(json_array_get(pair, 0));
        s.ranks = (int)json_integer_value(json_array_get(pair, 1));
    }
    json_decref(all);
    return s;
}

/* ---- the stores of other ranks ---- */

char *ptd_share_path(const char *base, int rank)
{
    size_t n = strlen(base);
    while (n > 1 && base[n - 1] == '/') n--;
    return rank ? ptd_format("%.*s.%d", (int)n, base, rank) : ptd_format("%.*s", (int)n, base);
}

static char *base_of(const struct ptd_store *store, const struct ptd_share *own)
{
    char *path = ptd_share_path(ptd_store_path(store), 0), *tail = ptd_format(".%d", own->rank);
    size_t n = strlen(path), k = strlen(tail);
    if (own->rank && n > k && !strcmp(path + n - k, tail)) path[n - k] = 0;
    free(tail);
    return path;
}

/* It holds share r, at this generation. */
static int check(struct ptd_store *s, int r, int ranks, int64_t generation)
{
    char *run = ptd_store_get_run(s);
    struct ptd_share has = ptd_share_read(run);
    int64_t head;
    free(run);
    if (ptd_store_head(s, &head)) return -1;
    if (has.rank == r && has.ranks == ranks && head == generation) return 0;
    return ptd_fail(PTD_CONFIG,
                    "%s: has share %d of %d of the moments of generation %lld, expected share %d "
                    "of %d of generation %lld",
                    ptd_store_path(s), has.rank, has.ranks, (long long)head, r, ranks,
                    (long long)generation);
}

static int open_other(struct ptd_shared_store *to, struct ptd_store *own, const char *base, int r,
                      int ranks)
{
    char *path = ptd_share_path(base, r);
    int64_t generation;
    int rc = ptd_store_head(own, &generation);
    to->share = (struct ptd_share){r, ranks};
    if (!rc && ptd_store_is(own, path))
        rc = ptd_fail(PTD_CONFIG,
                      "%s: share %d of %d of its moments is lost: it is a copy of that "
                      "of another rank",
                      path, r, ranks);
    if (!rc) rc = ptd_store_open(&to->store, path, PTD_STORE_READ);
    if (!rc) rc = check(to->store, r, ranks, generation);
    free(path);
    return rc ? -1 : 0;
}

static int same(struct ptd_share a, struct ptd_share b)
{
    return a.ranks == b.ranks && a.rank == b.rank;
}

static struct ptd_shared *open_all(struct ptd_store *store, const char *base, struct ptd_share own)
{
    struct ptd_shared *s = ptd_alloc(sizeof *s);
    char *first = base ? ptd_strdup(base) : base_of(store, &own);
    int rc = 0;
    s->own = own.rank;
    s->list = ptd_array((size_t)own.ranks, sizeof *s->list);
    s->n = own.ranks;
    s->list[own.rank] = (struct ptd_shared_store){store, own};
    for (int r = 0; r < own.ranks && !rc; r++)
        if (r != own.rank) rc = open_other(&s->list[r], store, first, r, own.ranks);
    free(first);
    if (!rc) return s;
    ptd_shared_close(s);
    return NULL;
}

struct ptd_shared *ptd_shared_open(struct ptd_store *store, const char *base, struct ptd_share own,
                                   struct ptd_share wanted, int *rc)
{
    *rc = 0;
    if (own.ranks < 2 && wanted.ranks < 2) return NULL;
    if (own.ranks < 2 || same(own, wanted)) {
        struct ptd_shared *s = ptd_alloc(sizeof *s);
        s->list = ptd_alloc(sizeof *s->list);
        *s->list = (struct ptd_shared_store){store, own};
        s->n = 1;
        return s;
    }
    struct ptd_shared *s = open_all(store, base, own);
    if (!s) *rc = -1;
    return s;
}

int ptd_shared_of(struct ptd_store *store, struct ptd_shared **s)
{
    char *run = ptd_store_get_run(store);
    struct ptd_share own = ptd_share_read(run);
    int rc;
    free(run);
    *s = ptd_shared_open(store, NULL, own, (struct ptd_share){0, 1}, &rc);
    return rc;
}

void ptd_shared_close(struct ptd_shared *s)
{
    if (!s) return;
    for (int i = 0; i < s->n; i++)
        if (i != s->own && s->list[i].store) ptd_store_close(s->list[i].store);
    free(s->list);
    free(s);
}

/* ---- low halves for an export ---- */

int ptd_shared_low(const struct ptd_shared *s, int64_t generation, const char *name, size_t all,
                   size_t first, size_t n, int16_t *out)
{
    size_t piece = ptd_store_piece(PTD_I16), part;
    int none = 0;
    for (int i = 0; i < s->n; i++) {
        struct ptd_share h = s->list[i].share;
        size_t a = ptd_share_first(all, h.rank, h.ranks),
               b = ptd_share_first(all, h.rank + 1, h.ranks), lo = first > a ? first : a,
               hi = first + n < b ? first + n : b;
        for (size_t at = lo; at < hi; at += part) {
            part = piece - (at - a) % piece;
            if (part > hi - at) part = hi - at;
            int rc = ptd_store_read_low(s->list[i].store, generation, name, at - a, part,
                                        out + (at - first));
            if (rc < 0) return -1;
            none |= rc;
        }
    }
    return none;
}
