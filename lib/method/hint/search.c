/* hint_search: among many places to look at, those under which the model gives the right answer the
 * most log-prob (weigh.h). Needs no steps, no regions and no solution: the question, the picture
 * and the answer are enough, and the answer is in no hint. Leaves text, checks and rendering to
 * hint.c.
 *
 * A candidate is a set of places with one of the method words (--methods ONE/SEVERAL: of one place,
 * of several), behind the place that more than half of the responses start from, if there is one:
 * "first c3 then look at a3 b3 then add". At most `candidates` are tried, each once, in rounds:
 *
 *   1. places that right responses of the group read (grid.h), with every method
 *   2. places that wrong ones read, and the first place, two, three and four that the model's
 *      attention to the picture proposes while it reads the prompt
 *   3. every cell; every row and every column of more than one; every pair of cells, in both
 *      orders. Under reply with one method alone, that of the likeliest reply so far, right or
 *      wrong: what is to be done is plain from the question long before where is
 *
 * Under reply the search ends as soon as it is sure, if a response is right.
 *
 * The best must be right at all (under reply), or gain over no hint (otherwise). Under reply it
 * must besides have at least the share `sure` of exp(rank), summed over the different right
 * replies: where another way to the answer is nearly as likely, nobody knows which was asked for,
 * and the group has no hint. Of candidates of equal rank the first counts. */
#include "base/progress.h"
#include "method/hint/grid.h"
#include "method/hint/look.h"
#include "method/hint/weigh.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METHODS_MAX 16
#define PROPOSED    4 /* most places of attention together */

struct methods { /* words, none: the places alone */
    char *text;
    const char *word[METHODS_MAX];
    int n;
};

struct search {
    struct ptd_hint_grid grid;
    struct ptd_weigh *weigh;
    struct ptd_looker *looker;
    struct methods one, several;
    double sure;
    int most, teacher_forced;
    long groups;
    double seconds, candidates;
};

struct candidate {
    struct ptd_hint_named places;
    const char *steps[3], *text;
    int n_steps, method; /* -1: none */
};

struct candidates {
    struct candidate *at;
    struct ptd_weighed *weight; /* of the first `weighed` of them */
    int n, most, weighed, start;
    int method[2]; /* the only ones from now on, of one place and of several; -1: all */
};

/* ---- options ---- */

static int take_words(struct methods *m, const char *list, size_t n)
{
    m->text = ptd_format("%.*s", (int)n, list);
    m->n = 0;
    for (char *rest = m->text, *word; (word = strsep(&rest, ","));) {
        if (!*word || m->n == METHODS_MAX) return -1;
        m->word[m->n++] = word;
    }
    return 0;
}

static int take_methods(struct search *s, const char *list)
{
    const char *slash = list ? strchr(list, '/') : NULL;
    if (!list) return 0;
    if (take_words(&s->one, list, slash ? (size_t)(slash - list) : strlen(list)) == 0 &&
        take_words(&s->several, slash ? slash + 1 : list, strlen(slash ? slash + 1 : list)) == 0)
        return 0;
    return ptd_fail(PTD_USAGE,
                    "--methods \"%.80s\": expected words such as read/add,max (of one place, of "
                    "several), at most %d each",
                    list, METHODS_MAX);
}

static void close_search(void *source)
{
    struct search *s = source;
    if (s->groups)
        ptd_info("search: %ld groups, %.0f candidates each, %.1f ms a group", s->groups,
                 s->candidates / (double)s->groups, 1e3 * s->seconds / (double)s->groups);
    ptd_weigh_close(s->weigh);
    ptd_looker_close(s->looker);
    free(s->one.text);
    free(s->several.text);
    free(s);
}

static void *open_search(struct ptd_hint_tools *t, const struct ptd_hint_options *o,
                         const char *arg)
{
    (void)arg;
    struct search *s = ptd_alloc(sizeof *s);
    s->sure = o->sure;
    s->most = o->candidates;
    s->teacher_forced = o->weigh.by != PTD_BY_REPLY;
    if (ptd_hint_grid_parse(&s->grid, o->grid) == 0 && take_methods(s, o->methods) == 0 &&
        (s->weigh = ptd_weigh_open(ptd_hint_eye(t), &o->weigh)) &&
        (s->looker = ptd_looker_open(ptd_hint_eye(t), o)))
        return s;
    close_search(s);
    return NULL;
}

/* ---- candidates ---- */

static int known(const struct candidates *c, const char *text)
{
    for (int i = 0; i < c->n; i++)
        if (strcmp(c->at[i].text, text) == 0) return 1;
    return 0;
}

static void add(const struct search *s, struct ptd_group *g, struct candidates *c,
                const struct ptd_hint_named *places, const struct methods *m, int method)
{
    struct candidate *to = &c->at[c->n];
    if (c->n == c->most) return;
    to->places = *places;
    to->places.start = c->start;
    to->n_steps = ptd_hint_place_steps(&s->grid, g, &to->places, to->steps);
    to->method = method;
    if (method >= 0) to->steps[to->n_steps++] = m->word[method];
    to->text = ptd_group_join(g, " then ", to->steps, to->n_steps);
    c->n += !known(c, to->text);
}

static void add_methods(const struct search *s, struct ptd_group *g, struct candidates *c,
                        const struct ptd_hint_named *places)
{
    int several = places->n > 1, only = c->method[several];
    const struct methods *m = several ? &s->several : &s->one;
    for (int i = 0; i < m->n; i++)
        if (only < 0 || only == i) add(s, g, c, places, m, i);
    if (!m->n) add(s, g, c, places, m, -1);
}

static void add_responses(const struct search *s, struct ptd_group *g, struct candidates *c,
                          int right)
{
    for (int i = 0; i < g->n_rollouts; i++) {
        struct ptd_hint_named p;
        if (ptd_rollout_right(&g->rollouts[i]) != right) continue;
        ptd_hint_named(&p, &s->grid, g->rollouts[i].text);
        if (p.n) add_methods(s, g, c, &p);
    }
}

static int add_proposed(const struct search *s, struct ptd_group *g, struct candidates *c)
{
    int cell[PROPOSED], n = ptd_looker_places(s->looker, g, cell, PROPOSED);
    for (int k = 1; k <= n; k++) {
        struct ptd_hint_named p = {.n = k};
        memcpy(p.cell, cell, (size_t)k * sizeof *cell);
        add_methods(s, g, c, &p);
    }
    return n < 0 ? -1 : 0;
}

/* n cells from `from` on, each `by` behind the last. */
static void add_line(const struct search *s, struct ptd_group *g, struct candidates *c, int from,
                     int by, int n)
{
    struct ptd_hint_named p = {.n = n};
    for (int i = 0; i < n; i++) p.cell[i] = from + i * by;
    add_methods(s, g, c, &p);
}

static void add_grid(const struct search *s, struct ptd_group *g, struct candidates *c)
{
    int R = s->grid.rows, C = s->grid.columns;
    for (int i = 0; i < R * C; i++) add_line(s, g, c, i, 0, 1);
    for (int r = 0; r < R && C > 1 && C <= PTD_HINT_PLACES; r++) add_line(s, g, c, r * C, 1, C);
    for (int k = 0; k < C && R > 1; k++) add_line(s, g, c, k, C, R);
    for (int i = 0; i < R * C && c->n < c->most; i++)
        for (int k = 0; k < R * C && c->n < c->most; k++)
            if (k != i) add_line(s, g, c, i, k - i, 2);
}

/* ---- the best ---- */

static int is_first_of_reply(const struct candidates *c, int i)
{
    for (int k = 0; k < i; k++)
        if (c->weight[k].right && strcmp(c->weight[k].reply, c->weight[i].reply) == 0) return 0;
    return 1;
}

/* Its share among the different right replies. */
static double share_of(const struct candidates *c, int best)
{
    const struct ptd_weighed *w = c->weight;
    double sum = 0;
    for (int i = 0; i < c->weighed; i++)
        if (w[i].right && strcmp(w[i].reply, w[best].reply) != 0 && is_first_of_reply(c, i))
            sum += exp(w[i].rank - w[best].rank);
    return 1 / (1 + sum);
}

/* The candidate of the highest rank above `least`, of right ones alone or of all; -1: none. */
static int best_of(const struct candidates *c, double least, int all)
{
    int best = -1;
    for (int i = 0; i < c->weighed; i++) {
        double rank = c->weight[i].rank;
        if ((all || c->weight[i].right) && rank > (best < 0 ? least : c->weight[best].rank))
            best = i;
    }
    return best;
}

/* Those that are new. Given texts are weighed without a hint, too: *least. */
static int weigh_new(struct search *s, struct ptd_group *g, struct candidates *c, double *least)
{
    int n = c->n - c->weighed, rc = 0;
    const char **text = ptd_array((size_t)n + 1, sizeof *text);
    for (int i = 0; i < n; i++) text[i] = c->at[c->weighed + i].text;
    *least = -INFINITY;
    if (n) rc = ptd_weigh_rank(s->weigh, g, text, n + s->teacher_forced, c->weight + c->weighed);
    if (n && s->teacher_forced) *least = c->weight[c->n].rank;
    c->weighed = c->n;
    free(text);
    return rc;
}

/* The method of the likeliest reply of the first round, for the second. */
static void keep_method(const struct search *s, struct candidates *c)
{
    int best = best_of(c, -INFINITY, 1);
    if (best < 0) return;
    int several = c->at[best].places.n > 1;
    c->method[several] = c->at[best].method;
    if (s->several.n == s->one.n) c->method[!several] = c->at[best].method;
}

/* Where no response is right, none of them read the places that were asked for. */
static int is_sure(const struct search *s, const struct ptd_group *g, const struct candidates *c)
{
    int best = best_of(c, -INFINITY, 0), right = 0;
    for (int i = 0; i < g->n_rollouts; i++) right |= ptd_rollout_right(&g->rollouts[i]);
    return right && best >= 0 && share_of(c, best) >= s->sure;
}

/* Round 1, 2 or 3. */
static int add_round(struct search *s, struct ptd_group *g, struct candidates *c, int round)
{
    if (round < 3) add_responses(s, g, c, round == 1);
    if (round == 2) return add_proposed(s, g, c);
    if (round == 3) add_grid(s, g, c);
    return 0;
}

/* All at once. */
static int search_given(struct search *s, struct ptd_group *g, struct candidates *c, int *best)
{
    double least;
    for (int round = 1; round <= 3; round++)
        if (add_round(s, g, c, round) < 0) return -1;
    if (weigh_new(s, g, c, &least) < 0) return -1;
    *best = best_of(c, least, 0);
    return 0;
}

static int search_replies(struct search *s, struct ptd_group *g, struct candidates *c, int *best)
{
    double least;
    for (int round = 1; round <= 3 && !is_sure(s, g, c); round++) {
        if (round == 3) keep_method(s, c);
        if (add_round(s, g, c, round) < 0 || weigh_new(s, g, c, &least) < 0) return -1;
    }
    *best = best_of(c, -INFINITY, 0);
    if (*best >= 0 && share_of(c, *best) < s->sure) *best = -1;
    return 0;
}

static int search(struct search *s, struct ptd_group *g, struct candidates *c, int *best)
{
    *c = (struct candidates){.most = s->most, .method = {-1, -1}};
    c->start = ptd_hint_start(&s->grid, g);
    c->at = ptd_group_alloc(g, (size_t)(c->most + 1) * sizeof *c->at);
    c->weight = ptd_group_alloc(g, (size_t)(c->most + 1) * sizeof *c->weight);
    return (s->teacher_forced ? search_given : search_replies)(s, g, c, best);
}

static int make_search(void *source, struct ptd_group *g, struct ptd_hint *out)
{
    struct search *s = source;
    struct candidates c;
    int best;
    double began = ptd_now();
    if (!g->answer || g->n_pictures == 0) return 0;
    if (search(s, g, &c, &best) < 0) return -1;
    s->groups++;
    s->seconds += ptd_now() - began;
    s->candidates += c.n;
    if (best < 0) return 0;
    out->steps = c.at[best].steps;
    out->n_steps = c.at[best].n_steps;
    out->regions = ptd_hint_place_regions(&s->grid, g, &c.at[best].places, &out->n_regions);
    return 1;
}

const struct ptd_hint_source ptd_hint_search = {.name = "search",
                                                .computes = 1,
                                                .open = open_search,
                                                .make = make_search,
                                                .close = close_search};
