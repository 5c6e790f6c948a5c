/* hint_answer: the answer itself, for the baselines of distillation that show it to the teacher
 * (OPSD, HDPO). It tells by its nature: no rule looks at it, and the record says so (`unchecked`).
 */
#include "method/hint/hint.h"

static void *open_answer(struct ptd_hint_tools *t, const struct ptd_hint_options *o,
                         const char *arg)
{
    static char nothing;
    (void)t, (void)o, (void)arg;
    return &nothing;
}

static int make_answer(void *source, struct ptd_group *g, struct ptd_hint *out)
{
    (void)source;
    if (!g->answer) return 0;
    const char **steps = ptd_group_alloc(g, sizeof *steps);
    steps[0] = ptd_group_text(g, "the answer is %s", g->answer);
    out->steps = steps;
    out->n_steps = 1;
    return 1;
}

static void close_answer(void *source)
{
    (void)source;
}

const struct ptd_hint_source ptd_hint_answer = {
    .name = "answer", .tells = 1, .open = open_answer, .make = make_answer, .close = close_answer};
