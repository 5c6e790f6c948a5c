/* store_list: which tensors a generation has, and what it is told by. */
#include "store/store_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct listing {
    struct ptd_store *keeper;
    struct ptd_tensor_about **list;
    int *n;
};

static int list_one(void *ctx, const MDB_val *rest, const MDB_val *v)
{
    struct listing *l = ctx;
    struct ptd_tensor_piece p;
    char *name = ptd_format("%.*s", (int)rest->mv_size, (char *)rest->mv_data);
    int rc = ptd_store_parse_piece(v->mv_data, v->mv_size, &p);
    ptd_store_forget(v->mv_data, v->mv_size);
    if (rc < 0) ptd_store_blame(l->keeper, name, ptd_failed_message());
    if (rc < 0 || p.number) {
        free(name);
        return rc < 0 ? KEPT : 0;
    }
    *l->list = ptd_realloc(*l->list, (*l->n + 1) * sizeof **l->list);
    (*l->list)[*l->n] = p.whole;
    (*l->list)[(*l->n)++].name = name;
    return 0;
}

/* Of what lies under one prefix. */
static int list_prefix(struct ptd_store *s, const char *prefix, struct ptd_tensor_about **list,
                       int *n)
{
    struct listing l = {ptd_store_keeper(s, prefix), list, n};
    int rc = ptd_store_each(l.keeper, prefix, list_one, &l);
    return rc ? ptd_store_fail(l.keeper, rc, "listing") : 0;
}

static int by_name(const void *a, const void *b)
{
    const struct ptd_tensor_about *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* Those of generation 0 that are not in the list, which is in order. */
static int list_others(struct ptd_store *s, struct ptd_tensor_about **list, int *n)
{
    char prefix[PTD_PREFIX];
    struct ptd_tensor_about *first = NULL;
    int own = *n, all = 0;
    ptd_store_prefix(prefix, "", 0);
    int rc = list_prefix(s, prefix, &first, &all);
    *list = ptd_realloc(*list, (size_t)(own + all + 1) * sizeof **list);
    for (int i = 0; i < all; i++)
        if (bsearch(&first[i], *list, (size_t)own, sizeof **list, by_name))
            free((char *)(uintptr_t)first[i].name);
        else
            (*list)[(*n)++] = first[i];
    qsort(*list, (size_t)*n, sizeof **list, by_name);
    free(first);
    return rc;
}

int ptd_store_list(struct ptd_store *s, int64_t generation, struct ptd_tensor_about **list, int *n)
{
    char prefix[PTD_PREFIX];
    int partial;
    *list = NULL;
    *n = 0;
    if (ptd_store_view(s) < 0) return -1;
    int rc = ptd_store_find_generation(s, generation, prefix, &partial);
    if (!rc) rc = list_prefix(s, prefix, list, n);
    if (!rc && partial) rc = list_others(s, list, n);
    ptd_store_view_end(s);
    if (rc) ptd_store_list_free(*list, *n), *list = NULL, *n = 0;
    return rc;
}

void ptd_store_list_free(struct ptd_tensor_about *list, int n)
{
    for (int i = 0; i < n; i++) free((char *)(uintptr_t)list[i].name);
    free(list);
}

/* ---- identity ---- */

static int hash_meta(struct ptd_store *s, XXH3_state_t *hash)
{
    MDB_cursor *c;
    MDB_val k, v;
    int rc = mdb_cursor_open(s->view, s->db[DB_META], &c);
    if (rc) return rc;
    while (!(rc = mdb_cursor_get(c, &k, &v, MDB_NEXT))) {
        if (k.mv_size == strlen(PTD_ORIGIN) && !memcmp(k.mv_data, PTD_ORIGIN, k.mv_size)) continue;
        XXH3_64bits_update(hash, k.mv_data, k.mv_size);
        XXH3_64bits_update(hash, v.mv_data, v.mv_size);
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Of each piece the key and the header, which holds the digest of the numbers. */
static int hash_piece(void *hash, const MDB_val *rest, const MDB_val *v)
{
    size_t n = ptd_store_piece_head(v->mv_data, v->mv_size);
    if (n > v->mv_size) n = v->mv_size;
    XXH3_64bits_update(hash, rest->mv_data, rest->mv_size);
    XXH3_64bits_update(hash, v->mv_data, n);
    ptd_store_forget(v->mv_data, v->mv_size);
    return 0;
}

int ptd_store_digest(struct ptd_store *s, const char *prefix, uint64_t *digest)
{
    XXH3_state_t *hash = XXH3_createState();
    if (!hash) ptd_die(PTD_OSERR, "out of memory for a hash");
    XXH3_64bits_reset(hash);
    int rc = ptd_store_each(s, prefix, hash_piece, hash);
    *digest = XXH3_64bits_digest(hash);
    XXH3_freeState(hash);
    return rc;
}

int ptd_store_identity(struct ptd_store *s, int64_t generation, char hex[17])
{
    char prefix[PTD_PREFIX];
    int partial;
    XXH3_state_t *hash = XXH3_createState();
    if (!hash) ptd_die(PTD_OSERR, "out of memory for a hash");
    XXH3_64bits_reset(hash);
    int rc = ptd_store_view(s);
    if (!rc) {
        rc = ptd_store_find_generation(s, generation, prefix, &partial);
        int failed = rc ? 0 : hash_meta(s, hash);
        if (!rc && !failed)
            failed = ptd_store_each(ptd_store_keeper(s, prefix), prefix, hash_piece, hash);
        ptd_store_prefix(prefix, "", 0);
        if (!rc && !failed && partial)
            failed = ptd_store_each(ptd_store_keeper(s, prefix), prefix, hash_piece, hash);
        if (failed) rc = ptd_store_fail(s, failed, "reading what it holds");
        ptd_store_view_end(s);
    }
    snprintf(hex, 17, "%016llx", (unsigned long long)XXH3_64bits_digest(hash));
    XXH3_freeState(hash);
    return rc;
}
