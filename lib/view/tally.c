/* tally: see tally.h. Two tallies side by side are tally_pair.c's. */
#include "view/tally.h"
#include "base/bootstrap.h"
#include "base/chance.h"
#include "base/escape.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* ---- figures ---- */

static void add_figure(struct ptd_tally_rules *r, int kind, int k)
{
    static const char *const words[] = {"pass", "mean", "maj"};
    struct ptd_figure *f = &r->figure[r->n_figures++];
    *f = (struct ptd_figure){.kind = kind, .k = k};
    snprintf(f->name, sizeof f->name, "%s@%d", words[kind], k);
}

void ptd_tallies_init(struct ptd_tallies *t, struct ptd_tally_rules *r)
{
    *t = (struct ptd_tallies){.rules = r, .total = {.name = ptd_strdup("total")}};
    r->n_figures = 0;
    for (int i = 0; i < r->n_ks; i++) add_figure(r, PTD_PASS_AT, r->ks[i]);
    add_figure(r, PTD_MEAN_AT, r->group);
    for (int i = 1; i < r->n_ks; i++) add_figure(r, PTD_MAJ_AT, r->ks[i]);
}

/* What is counted of a group. */
struct counted {
    const struct ptd_group *g;
    long right;
    long double accuracy; /* sum */
    struct ptd_votes votes;
};

/* NAN: the group has too few responses. */
static double value_of(const struct ptd_figure *f, const struct counted *c)
{
    int n = c->g->n_rollouts;
    const struct ptd_votes *v = &c->votes;
    if (f->kind == PTD_MEAN_AT) return (double)(c->accuracy / n);
    if (f->k > n) return NAN;
    if (f->kind == PTD_PASS_AT)
        return f->k == 1 ? (double)c->right / n : ptd_pass_at_k(n, c->right, f->k);
    return ptd_maj_at_k(v->votes, v->n, v->right, n, f->k);
}

/* ---- counting ---- */

/* Is the byte at s no part of UTF-8? *n: the bytes of the character. */
static int is_stray(const char *s, int *n)
{
    char piece[PTD_ESCAPED];
    int len;
    *n = ptd_escape(s, piece, &len);
    return *n == 1 && (unsigned char)*s >= 0x80;
}

static int has_stray(const char *s)
{
    for (int n; *s; s += n)
        if (is_stray(s, &n)) return 1;
    return 0;
}

/* The name as text that JSON can hold, another one for each name; malloc'd. Bytes that are no UTF-8
 * become \xff; where some do, or the name itself reads so, its backslashes are doubled. */
static char *key_of(const char *name)
{
    char *key = ptd_malloc(4 * strlen(name) + 1), *out = key;
    int n, doubled = has_stray(name) || strstr(name, "\\x");
    for (const char *s = name; *s; s += n) {
        if (is_stray(s, &n)) {
            out += sprintf(out, "\\x%02x", (unsigned char)*s);
            continue;
        }
        if (doubled && *s == '\\') *out++ = '\\';
        out = mempcpy(out, s, (size_t)n);
    }
    *out = '\0';
    return key;
}

static struct ptd_tally *row_of(struct ptd_tallies *t, const char *name)
{
    int at = ptd_names_add(&t->names, name);
    if (at == t->cap) {
        t->cap = 2 * t->cap + 16;
        t->row = ptd_realloc(t->row, (size_t)t->cap * sizeof *t->row);
    }
    if (at == t->n) t->row[t->n++] = (struct ptd_tally){.name = key_of(name)};
    return &t->row[at];
}

static uint64_t digest(const char *text)
{
    return text ? XXH3_64bits(text, strlen(text)) : 0;
}

/* The number of the group's prompt. */
static int prompt_of(struct ptd_tally *t, const struct ptd_group *g, int figures)
{
    int known = t->uids.n, at = ptd_names_add(&t->uids, g->uid);
    if (at == t->cap) {
        size_t n = (size_t)(t->cap = 2 * t->cap + 4), size = n * (size_t)figures * sizeof(double);
        t->sum = ptd_realloc(t->sum, size);
        t->tried = ptd_realloc(t->tried, size);
        t->gold = ptd_realloc(t->gold, n * sizeof *t->gold);
        t->most = ptd_realloc(t->most, n * sizeof *t->most);
    }
    if (at < known) return at;
    memset(t->sum + (size_t)at * (size_t)figures, 0, (size_t)figures * sizeof(double));
    memset(t->tried + (size_t)at * (size_t)figures, 0, (size_t)figures * sizeof(double));
    t->gold[at] = digest(g->answer);
    t->most[at] = 0;
    return at;
}

static void count_figures(struct ptd_tally *t, const struct ptd_tally_rules *r,
                          const struct counted *c)
{
    const struct ptd_votes *v = &c->votes;
    int n = c->g->n_rollouts, at = prompt_of(t, c->g, r->n_figures);
    double *sum = t->sum + (size_t)at * (size_t)r->n_figures,
           *tried = t->tried + (size_t)at * (size_t)r->n_figures;
    for (int i = 0; i < r->n_figures; i++) {
        double x = value_of(&r->figure[i], c);
        if (isnan(x)) continue;
        sum[i] += x;
        tried[i]++;
    }
    t->most[at] += ptd_maj_at_k(v->votes, v->n, v->right, n, n) > 0.5 ? 1 : -1;
    t->several |= tried[0] > 1 || n > 1;
}

static void count_response(struct ptd_tally *t, const struct ptd_rollout *y)
{
    t->n++;
    t->right += y->outcome == PTD_RIGHT;
    t->form += y->format > 0;
    t->unparsable += y->outcome == PTD_UNPARSABLE;
    t->cut += y->stop && strcmp(y->stop, "length") == 0;
    t->tokens += y->n;
    t->graded |= y->accuracy != (y->outcome == PTD_RIGHT);
    for (int j = 0; y->logp && j < y->n; j++, t->sampled++) t->surprise -= y->logp[j];
}

static void count(struct ptd_tally *t, const struct ptd_tally_rules *r, const struct counted *c)
{
    for (int i = 0; i < c->g->n_rollouts; i++) count_response(t, &c->g->rollouts[i]);
    count_figures(t, r, c);
    t->prompts++;
    t->all_fail += c->right == 0;
    t->all_pass += c->right == c->g->n_rollouts;
    ptd_answers_count(&t->answers, c->g);
}

int ptd_tallies_add(struct ptd_tallies *t, const struct ptd_group *g)
{
    struct counted c = {.g = g};
    if (g->n_rollouts == 0 || g->group_accuracy < 0)
        return ptd_fail(PTD_DATAERR,
                        "group \"%.200s\" was not judged: expected the output of ptd-verify",
                        g->uid);
    for (int i = 0; i < g->n_rollouts; i++) {
        c.right += g->rollouts[i].outcome == PTD_RIGHT;
        c.accuracy += g->rollouts[i].accuracy;
    }
    ptd_votes_count(&c.votes, g);
    if (g->category && *g->category) count(row_of(t, g->category), t->rules, &c);
    count(&t->total, t->rules, &c);
    ptd_votes_clear(&c.votes);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct ptd_tally *)a)->name, ((const struct ptd_tally *)b)->name);
}

void ptd_tallies_sort(struct ptd_tallies *t)
{
    if (t->n) qsort(t->row, (size_t)t->n, sizeof *t->row, by_name);
}

static void clear(struct ptd_tally *t)
{
    free(t->name);
    free(t->sum);
    free(t->tried);
    free(t->gold);
    free(t->most);
    ptd_names_clear(&t->uids);
    ptd_answers_clear(&t->answers);
}

void ptd_tallies_clear(struct ptd_tallies *t)
{
    for (int i = 0; i < t->n; i++) clear(&t->row[i]);
    clear(&t->total);
    free(t->row);
    ptd_names_clear(&t->names);
}

/* ---- ranges ---- */

/* 1: all prompts have the same value, of which *n are tried; drawing them anew says nothing. */
static int all_alike(const struct ptd_tally *t, int figures, int f, long *n)
{
    double first = NAN;
    int alike = 1;
    *n = 0;
    for (int i = 0; i < t->uids.n; i++) {
        double tried = t->tried[(size_t)i * (size_t)figures + (size_t)f],
               x = t->sum[(size_t)i * (size_t)figures + (size_t)f] / tried;
        if (!(tried > 0)) continue;
        if (!(*n)++) first = x;
        alike &= fabs(x - first) < 1e-12;
    }
    return alike;
}

void ptd_tally_ranges(const struct ptd_tally *t, const struct ptd_tally_rules *r,
                      struct ptd_range *out)
{
    ptd_bootstrap(&(struct ptd_clusters){t->uids.n, r->n_figures, t->sum, t->tried, NULL},
                  r->resamples, (uint64_t)r->seed, out);
    for (int f = 0; f < r->n_figures; f++) {
        long n;
        int alike = all_alike(t, r->n_figures, f, &n),
            shares = !t->several && (!t->graded || r->figure[f].kind != PTD_MEAN_AT);
        if (n && (shares || (alike && n > 1))) out[f] = ptd_wilson(out[f].value, (double)n);
    }
}
