/* hint_siblings: what right answers of the same group looked at and wrote, against the wrong ones.
 * Needs no annotation and no model. Leaves text, checks and rendering to hint.c.
 *
 * Places: of the sets of places that right answers name (grid.h), the one that most of them have;
 * of several, the one that fewest wrong answers have, then the first. Method: what these right
 * answers did with the numbers that they read there (working.h), as "add", unless the word breaks a
 * rule by itself. Words: those in more than half of the right answers and in no wrong one, none of
 * which breaks a rule by itself, at most WORDS, as "think of sum". A group in which nothing is
 * right, or nothing is wrong, has no hint. */
#include "method/hint/grid.h"
#include "method/hint/hint.h"
#include "method/hint/spoiler.h"
#include "method/hint/working.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define WORDS      4
#define WORD_BYTES 48

struct siblings {
    struct ptd_hint_grid grid;
};

static void *open_siblings(struct ptd_hint_tools *t, const struct ptd_hint_options *o,
                           const char *arg)
{
    (void)t, (void)arg;
    struct siblings *s = ptd_alloc(sizeof *s);
    if (ptd_hint_grid_parse(&s->grid, o->grid) == 0) return s;
    free(s);
    return NULL;
}

/* ---- places ---- */

/* Right answers (or wrong ones) that name these places. */
static int having(const struct ptd_group *g, const struct ptd_hint_named *named, int right,
                  const struct ptd_hint_named *p)
{
    int n = 0;
    for (int i = 0; i < g->n_rollouts; i++)
        n += ptd_rollout_right(&g->rollouts[i]) == right && ptd_hint_same_places(&named[i], p);
    return n;
}

static const struct ptd_hint_named *choose_places(const struct ptd_group *g,
                                                  const struct ptd_hint_named *named)
{
    const struct ptd_hint_named *best = NULL;
    int most = 0, fewest = 0;
    for (int i = 0; i < g->n_rollouts; i++) {
        if (!ptd_rollout_right(&g->rollouts[i]) || !named[i].n) continue;
        int right = having(g, named, 1, &named[i]), wrong = having(g, named, 0, &named[i]);
        if (right < most || (right == most && wrong >= fewest)) continue;
        best = &named[i], most = right, fewest = wrong;
    }
    return best;
}

/* ---- words ---- */

/* The next run of two letters or more at or behind s; NULL: none. */
static const char *next_word(const char *s, size_t *n)
{
    for (;; s += *n) {
        while (*s && !isalnum((unsigned char)*s) && *s != '\\') s++;
        if (!*s) return NULL;
        *n = *s == '\\';
        while (isalnum((unsigned char)s[*n])) ++*n;
        size_t letters = 0;
        while (letters < *n && isalpha((unsigned char)s[letters])) letters++;
        if (letters == *n && letters > 1 && letters < WORD_BYTES) return s;
    }
}

static int holds(const char *text, const char *word)
{
    size_t n;
    for (const char *s = text; s && (s = next_word(s, &n)); s += n)
        if (strlen(word) == n && strncasecmp(s, word, n) == 0) return 1;
    return 0;
}

static int is_telling(const struct ptd_group *g, const char *word)
{
    int right = 0, n_right = 0;
    for (int i = 0; i < g->n_rollouts; i++) {
        int is_right = ptd_rollout_right(&g->rollouts[i]), has = holds(g->rollouts[i].text, word);
        if (has && !is_right) return 0;
        right += has, n_right += is_right;
    }
    return 2 * right > n_right;
}

static int among(const char *const *word, int n, const char *w)
{
    for (int i = 0; i < n; i++)
        if (strcasecmp(word[i], w) == 0) return 1;
    return 0;
}

/* "think of WORDS"; NULL: there are none. */
static const char *words_step(struct ptd_group *g)
{
    const char *word[1 + WORDS] = {"think of"};
    int n = 1;
    for (int i = 0; i < g->n_rollouts; i++) {
        size_t len;
        if (!ptd_rollout_right(&g->rollouts[i])) continue;
        for (const char *s = g->rollouts[i].text; s && n <= WORDS && (s = next_word(s, &len));
             s += len) {
            char *w = ptd_group_text(g, "%.*s", (int)len, s);
            if (!among(word, n, w) && is_telling(g, w) && !ptd_spoiler_find(w, g)) word[n++] = w;
        }
    }
    return n > 1 ? ptd_group_join(g, " ", word, n) : NULL;
}

/* ---- together ---- */

static int is_mixed(const struct ptd_group *g)
{
    int right = 0;
    for (int i = 0; i < g->n_rollouts; i++) right += ptd_rollout_right(&g->rollouts[i]);
    return right > 0 && right < g->n_rollouts;
}

static int make_siblings(void *source, struct ptd_group *g, struct ptd_hint *out)
{
    const struct siblings *s = source;
    if (!is_mixed(g)) return 0;
    struct ptd_hint_named *named = ptd_group_alloc(g, (size_t)g->n_rollouts * sizeof *named);
    for (int i = 0; i < g->n_rollouts; i++)
        ptd_hint_named(&named[i], &s->grid, g->rollouts[i].text);
    const struct ptd_hint_named *p = choose_places(g, named);
    const char **steps = ptd_group_alloc(g, 4 * sizeof *steps), *words = words_step(g), *method;
    if (p) {
        method = ptd_hint_working(g, named, p);
        out->n_steps = ptd_hint_place_steps(&s->grid, g, p, steps);
        out->regions = ptd_hint_place_regions(&s->grid, g, p, &out->n_regions);
        if (method && !ptd_spoiler_find(method, g)) steps[out->n_steps++] = method;
    }
    if (words) steps[out->n_steps++] = words;
    out->steps = steps;
    return out->n_steps > 0;
}

static void close_siblings(void *source)
{
    free(source);
}

const struct ptd_hint_source ptd_hint_siblings = {
    .name = "siblings", .open = open_siblings, .make = make_siblings, .close = close_siblings};
