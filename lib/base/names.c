/* names: see names.h. Open addressing; a slot holds a number + 1, 0 none. */
#include "base/names.h"
#include "base/err.h"
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* The slot that holds the name, or the empty one where it belongs. */
static int *slot_of(const struct ptd_names *t, const char *name)
{
    unsigned at = (unsigned)XXH3_64bits(name, strlen(name)), mask = (unsigned)t->slots - 1;
    while (t->slot[at & mask] && strcmp(t->at[t->slot[at & mask] - 1], name) != 0) at++;
    return &t->slot[at & mask];
}

static void grow(struct ptd_names *t)
{
    t->slots = t->slots ? 2 * t->slots : 16;
    free(t->slot);
    t->slot = ptd_array((size_t)t->slots, sizeof *t->slot);
    for (int i = 0; i < t->n; i++) *slot_of(t, t->at[i]) = i + 1;
}

int ptd_names_add(struct ptd_names *t, const char *name)
{
    if (2 * t->n >= t->slots) grow(t);
    int *slot = slot_of(t, name);
    if (*slot) return *slot - 1;
    if (t->n == t->cap) {
        t->cap = 2 * t->cap + 8;
        t->at = ptd_realloc(t->at, (size_t)t->cap * sizeof *t->at);
    }
    t->at[t->n++] = ptd_strdup(name);
    *slot = t->n;
    return t->n - 1;
}

int ptd_names_find(const struct ptd_names *t, const char *name)
{
    return t->slots ? *slot_of(t, name) - 1 : -1;
}

void ptd_names_clear(struct ptd_names *t)
{
    for (int i = 0; i < t->n; i++) free(t->at[i]);
    free(t->at);
    free(t->slot);
    *t = (struct ptd_names){0};
}
