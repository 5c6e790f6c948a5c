/* worth: see worth.h. */
#include "method/worth.h"
#include "method/shares.h"
#include <stdlib.h>
#include <string.h>

/* A group as advantages see it, with what that is kept in. */
struct seen {
    double *reward, *part, *advantage, **returns;
    int *tokens;
};

static void free_seen(struct seen *s, int n)
{
    for (int k = 0; k < n; k++) {
        free(s[k].reward);
        free(s[k].part);
        free(s[k].advantage);
        free(s[k].returns);
        free(s[k].tokens);
    }
    free(s);
}

static void take_parts(const struct ptd_group *g, struct seen *s, struct ptd_rewarded *r)
{
    r->n_parts = g->n_rollouts ? g->rollouts[0].n_shares : 0;
    if (!r->n_parts) return;
    r->weight = g->rollouts[0].share_weights;
    r->part = s->part = ptd_array((size_t)r->n_parts * r->n, sizeof *s->part);
    for (int k = 0; k < r->n_parts; k++)
        for (int i = 0; i < r->n; i++) s->part[k * r->n + i] = g->rollouts[i].shares[k];
}

static void take(const struct ptd_group *g, struct seen *s, struct ptd_rewarded *r)
{
    size_t n = (size_t)g->n_rollouts;
    *r = (struct ptd_rewarded){.n = g->n_rollouts,
                               .reward = s->reward = ptd_array(n, sizeof *s->reward),
                               .tokens = s->tokens = ptd_array(n, sizeof *s->tokens),
                               .advantage = s->advantage = ptd_array(n, sizeof *s->advantage),
                               .baseline = g->has_baseline ? &g->baseline : NULL};
    for (size_t i = 0; i < n; i++) {
        s->reward[i] = g->rollouts[i].reward;
        s->tokens[i] = g->rollouts[i].n;
    }
    take_parts(g, s, r);
}

static int check(const struct ptd_advantage *a, const struct ptd_group *g)
{
    if (!a->baseline || g->has_baseline) return 0;
    return ptd_fail(PTD_DATAERR,
                    "group \"%.200s\": no greedy answer beside it, which --advantage %s compares "
                    "with: expected the output of ptd-rollout --greedy-baseline",
                    g->uid, a->is.name);
}

static int take_all(const struct ptd_advantage *a, struct ptd_group **g, int n, struct seen *s,
                    struct ptd_rewarded *r)
{
    for (int k = 0; k < n; k++) {
        if (check(a, g[k])) return -1;
        take(g[k], &s[k], &r[k]);
    }
    return 0;
}

static void give(struct ptd_group **g, int n, const struct ptd_rewarded *r)
{
    for (int k = 0; k < n; k++)
        for (int i = 0; i < r[k].n; i++) g[k]->rollouts[i].advantage = r[k].advantage[i];
}

static struct ptd_comm *ranks;

void ptd_worth_over(struct ptd_comm *c)
{
    ranks = c;
}

static int value(const struct ptd_advantage *a, const struct ptd_rewarded *r, int n)
{
    if (a->step && ranks) return ptd_shares_worth(ranks, a, r, n);
    a->value(a->is.own, r, n);
    return 0;
}

int ptd_worth(const struct ptd_advantage *a, struct ptd_group **g, int n)
{
    struct seen *s = ptd_array(n, sizeof *s);
    struct ptd_rewarded *r = ptd_array(n, sizeof *r);
    int rc = take_all(a, g, n, s, r);
    if (!rc) rc = value(a, r, n);
    if (!rc) give(g, n, r);
    free_seen(s, n);
    free(r);
    return rc;
}

/* ---- less a KL ---- */

static void put_returns(const struct ptd_rollout *y, const struct ptd_kl *kl, double beta,
                        double *returns)
{
    double earned = y->reward, ignored;
    for (int t = y->n - 1; t >= 0; t--) {
        if (beta != 0) earned -= beta * kl->value(y->logp[t], y->logp[t], y->ref_logp[t], &ignored);
        returns[t] = earned;
    }
}

/* Returns where the next group's begin. */
static double *less_kl(const struct ptd_group *g, const struct ptd_less *less, struct seen *s,
                       struct ptd_rewarded *r, double *returns)
{
    double beta = less->leaves_out && less->leaves_out(less->ctx, g) ? 0 : less->beta;
    r->returns = s->returns = ptd_array((size_t)r->n + 1, sizeof *s->returns);
    for (int i = 0; i < r->n; returns += r->tokens[i++]) {
        put_returns(&g->rollouts[i], less->kl, beta, returns);
        s->returns[i] = returns;
        if (r->tokens[i]) s->reward[i] = *returns;
    }
    return returns;
}

/* Rows that are not asked by token leave the returns alone: their advantage is all tokens'. */
static void give_tokens(const struct ptd_advantage *a, const struct ptd_rewarded *r, int n,
                        double *advantage)
{
    for (int k = 0; k < n; k++)
        for (int i = 0; i < r[k].n; i++)
            for (int t = 0; t < r[k].tokens[i]; t++)
                *advantage++ = a->tokens ? r[k].returns[i][t] : r[k].advantage[i];
}

static int ask_less_kl(const struct ptd_advantage *a, struct ptd_group **g, int n,
                       const struct ptd_less *less, struct seen *s, struct ptd_rewarded *r,
                       double *advantage, double *returns)
{
    double *at = returns, *end;
    for (int k = 0; k < n; k++) at = less_kl(g[k], less, &s[k], &r[k], at);
    end = at;
    /* by token, the row writes over them */
    double *kept = ptd_array((size_t)(end - returns) + 1, sizeof *kept);
    for (at = returns; at < end; at++) kept[at - returns] = *at;
    int rc = value(a, r, n);
    give_tokens(a, r, n, advantage);
    for (at = returns; at < end; at++) *at = kept[at - returns];
    free(kept);
    give(g, n, r);
    return rc;
}

int ptd_worth_less_kl(const struct ptd_advantage *a, struct ptd_group **g, int n,
                      const struct ptd_less *less, double *advantage, double *returns)
{
    if (a->parts)
        return ptd_fail(PTD_USAGE,
                        "--kl-in reward: --advantage %s needs the parts of rewards, which only "
                        "ptd-verify has: expected another, or --kl-in loss",
                        a->is.name);
    struct seen *s = ptd_array(n, sizeof *s);
    struct ptd_rewarded *r = ptd_array(n, sizeof *r);
    int rc = take_all(a, g, n, s, r);
    if (!rc) rc = ask_less_kl(a, g, n, less, s, r, advantage, returns);
    free_seen(s, n);
    free(r);
    return rc;
}

/* ---- what was noted ---- */

static const char *decided_by_verify(const struct ptd_head *h)
{
    const char *decided = NULL;
    for (int i = 0; i < h->n_stages; i++)
        if (h->stages[i].name && !strcmp(h->stages[i].name, "ptd-verify"))
            decided = h->stages[i].decided;
    return decided;
}

/* Where `mark` stands outside of quotes, or NULL. */
static const char *find_plain(const char *text, const char *mark)
{
    int quoted = 0;
    for (; *text; text++) {
        if (*text == '\'') quoted = !quoted;
        if (!quoted && !strncmp(text, mark, strlen(mark))) return text;
    }
    return NULL;
}

/* The word behind " --name ", malloc'd, or NULL. */
static char *word_behind(const char *decided, const char *name)
{
    char *mark = ptd_format(" --%s ", name), *word = NULL;
    const char *at = find_plain(decided, mark);
    if (at) at += strlen(mark);
    if (at) word = ptd_format("%.*s", (int)strcspn(at, " "), at);
    free(mark);
    return word;
}

static void set_options(const struct ptd_advantage *a, const char *decided)
{
    for (const struct ptd_opt *o = a->is.options; o && o->name; o++) {
        char *word = word_behind(decided, o->name);
        if (word && o->kind == PTD_OPT_DOUBLE) *(double *)o->value = strtod(word, NULL);
        free(word);
    }
}

const struct ptd_advantage *ptd_worth_noted(const struct ptd_head *h)
{
    const char *decided = decided_by_verify(h);
    if (!decided) {
        ptd_fail(PTD_DATAERR, "--kl-in reward: nothing in the stream's head says how advantages "
                              "are made: expected the output of ptd-verify");
        return NULL;
    }
    char *name = word_behind(decided, "advantage");
    const struct ptd_advantage *a = ptd_advantage_named(name ? name : "grpo");
    free(name);
    if (a) set_options(a, decided);
    return a;
}

int ptd_worth_leaves_cut(const struct ptd_head *h)
{
    const char *decided = decided_by_verify(h);
    return decided && find_plain(decided, " --overlong-filter") != NULL;
}

/* Options of ptd-verify that decide no reward. */
static const char *const beside_rewards[] = {" --advantage ", " --eps ", " --keep ", NULL};

/* Without those; malloc'd. */
static char *judging(const char *decided)
{
    char *rest = ptd_strdup(decided);
    for (const char *const *o = beside_rewards; *o; o++) {
        const char *at = find_plain(rest, *o);
        if (!at) continue;
        const char *end = at + strlen(*o);
        char *shorter = ptd_format("%.*s%s", (int)(at - rest), rest, end + strcspn(end, " "));
        free(rest);
        rest = shorter;
    }
    return rest;
}

int ptd_worth_judged_so(const struct ptd_head *h, const char *decided)
{
    const char *noted = decided_by_verify(h);
    if (!noted) return 0;
    char *was = judging(noted), *now = judging(decided);
    int same = !strcmp(was, now);
    free(was);
    free(now);
    return same;
}
