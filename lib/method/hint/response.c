/* hint_response: the first right response of the same group, as it was written, for the baseline
 * that shows it to the teacher of the wrong ones (SDPO, arXiv 2601.20802). It tells by its nature,
 * as answer.c does. What right responses have beside the answer is siblings.c's. */
#include "method/hint/hint.h"

static void *open_response(struct ptd_hint_tools *t, const struct ptd_hint_options *o,
                           const char *arg)
{
    static char nothing;
    (void)t, (void)o, (void)arg;
    return &nothing;
}

static const char *first_right(const struct ptd_group *g)
{
    for (int i = 0; i < g->n_rollouts; i++) {
        const struct ptd_rollout *y = &g->rollouts[i];
        if (ptd_rollout_right(y) && y->text && *y->text) return y->text;
    }
    return NULL;
}

static int make_response(void *source, struct ptd_group *g, struct ptd_hint *out)
{
    (void)source;
    const char *text = first_right(g);
    if (!text) return 0;
    const char **steps = ptd_group_alloc(g, sizeof *steps);
    steps[0] = text;
    out->steps = steps;
    out->n_steps = 1;
    return 1;
}

static void close_response(void *source)
{
    (void)source;
}

const struct ptd_hint_source ptd_hint_response = {.name = "response",
                                                  .tells = 1,
                                                  .open = open_response,
                                                  .make = make_response,
                                                  .close = close_response};
