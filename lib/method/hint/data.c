/* hint_data: the data set's own steps and regions as a hint.
 * Leaves text, checks and rendering to hint.c. */
#include "method/hint/hint.h"
#include <string.h>

static void *open_data(struct ptd_hint_tools *t, const struct ptd_hint_options *o, const char *arg)
{
    (void)t, (void)o, (void)arg;
    static char nothing;
    return &nothing;
}

static int says_look(const struct ptd_group *g)
{
    for (int i = 0; i < g->n_steps; i++)
        if (strncmp(g->steps[i], "look at", 7) == 0) return 1;
    return 0;
}

static int named_before(const struct ptd_group *g, int i)
{
    for (int j = 0; j < i; j++)
        if (strcmp(g->regions[j].label, g->regions[i].label) == 0) return 1;
    return 0;
}

/* "look at a3 b3" from the regions' labels; NULL if none has one. */
static const char *look_step(struct ptd_group *g)
{
    const char *words[1 + PTD_LIST_MAX] = {"look at"};
    int n = 1;
    for (int i = 0; i < g->n_regions && n <= PTD_LIST_MAX; i++)
        if (g->regions[i].label[0] && !named_before(g, i)) words[n++] = g->regions[i].label;
    return n > 1 ? ptd_group_join(g, " ", words, n) : NULL;
}

static int make_data(void *source, struct ptd_group *g, struct ptd_hint *out)
{
    (void)source;
    const char *look = says_look(g) ? NULL : look_step(g);
    out->regions = g->regions;
    out->n_regions = g->n_regions;
    out->steps = g->steps;
    out->n_steps = g->n_steps;
    if (look) {
        const char **steps = ptd_group_alloc(g, ((size_t)g->n_steps + 1) * sizeof *steps);
        steps[0] = look;
        for (int i = 0; i < g->n_steps; i++) steps[i + 1] = g->steps[i];
        out->steps = steps;
        out->n_steps++;
    }
    return out->n_steps > 0;
}

static void close_data(void *source)
{
    (void)source;
}

const struct ptd_hint_source ptd_hint_data = {
    .name = "data", .open = open_data, .make = make_data, .close = close_data};
