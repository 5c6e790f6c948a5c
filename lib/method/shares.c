/* shares: see shares.h. */
#include "method/shares.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that grow. */
struct packed {
    char *bytes;
    size_t n, cap;
};

static void pack(struct packed *p, const void *x, size_t n)
{
    if (p->n + n > p->cap) {
        p->cap = 2 * (p->n + n) + 4096;
        p->bytes = ptd_realloc(p->bytes, p->cap);
    }
    if (n) memcpy(p->bytes + p->n, x, n);
    p->n += n;
}

/* ---- the order of a step ---- */

/* How many of all places are before this one. */
static long before(const int64_t *all, long n, int64_t place)
{
    long less = 0;
    for (long i = 0; i < n; i++) less += all[i] < place;
    return less;
}

int ptd_shares_order(struct ptd_shares *s, struct ptd_comm *c, struct ptd_group *const *g, int n)
{
    int ranks = ptd_comm_ranks(c), rc = 0;
    int64_t *mine = ptd_array((size_t)n + 1, sizeof *mine), *all = NULL;
    size_t *bytes = ptd_array((size_t)ranks, sizeof *bytes);
    for (int i = 0; i < n; i++) mine[i] = c ? g[i]->place : i + 1;
    rc = ptd_comm_gather_all(c, mine, (size_t)n * sizeof *mine, (void **)&all, bytes);
    s->all = 0;
    for (int r = 0; r < ranks; r++) s->all += (long)(bytes[r] / sizeof *mine);
    s->number = ptd_realloc(s->number, ((size_t)n + 1) * sizeof *s->number);
    s->n = n;
    for (int i = 0; i < n && !rc; i++) s->number[i] = c ? before(all, s->all, mine[i]) : i;
    free(mine);
    free(all);
    free(bytes);
    return rc;
}

int ptd_shares_part(const struct ptd_shares *s, int u, int updates, int *from, int *to)
{
    long first = s->all * u / updates, end = s->all * (u + 1) / updates;
    *from = *to = 0;
    for (int i = 0; i < s->n; i++) {
        *from += s->number[i] < first;
        *to += s->number[i] < end;
    }
    return first == end;
}

int ptd_shares_limit(struct ptd_shares *s, int most)
{
    if (s->all > most) s->all = most;
    while (s->n && s->number[s->n - 1] >= most) s->n--;
    return s->n;
}

void ptd_shares_clear(struct ptd_shares *s)
{
    free(s->number);
    *s = (struct ptd_shares){0};
}

/* ---- metrics ---- */

static void least(double *x, double y)
{
    if (y < *x) *x = y;
}

static void most(double *x, double y)
{
    if (y > *x) *x = y;
}

static void join_range(struct ptd_range *r, const struct ptd_range *p)
{
    if (!p->n) return;
    if (!r->n) r->least = p->least, r->most = p->most;
    least(&r->least, p->least);
    most(&r->most, p->most);
    r->sum += p->sum;
    r->n += p->n;
}

static void join_part(struct ptd_metrics *m, const struct ptd_metrics_part *p)
{
    for (int i = 0; i < m->n_parts; i++)
        if (!strcmp(m->parts[i].name, p->name)) {
            m->parts[i].sum += p->sum;
            m->parts[i].n += p->n;
            return;
        }
    if (m->n_parts < PTD_LIST_MAX) m->parts[m->n_parts++] = *p;
}

static void join_groups(struct ptd_metrics *m, const struct ptd_metrics *p)
{
    long *counts[] = {&m->group.all_fail,  &m->group.all_pass,         &m->group.informative,
                      &m->group.active,    &m->group.hinted,           &m->group.truncated,
                      &m->group.gated,     &m->group.prompts_at_limit, &m->group.passed,
                      &m->group.responses, &m->group.groups,           &m->group.judged};
    double *sums[] = {&m->group.length,   &m->group.prompt, &m->group.read,
                      &m->group.accuracy, &m->group.format, &m->group.unparsable};
    const char *theirs = (const char *)p, *ours = (const char *)m;
    if (p->group.groups && !m->group.groups) {
        m->group.prompt_min = p->group.prompt_min;
        m->group.prompt_max = p->group.prompt_max;
    }
    if (p->group.responses && !m->group.responses) {
        m->group.length_min = p->group.length_min;
        m->group.length_max = p->group.length_max;
    }
    if (p->group.groups) least(&m->group.prompt_min, p->group.prompt_min);
    if (p->group.responses) least(&m->group.length_min, p->group.length_min);
    most(&m->group.prompt_max, p->group.prompt_max);
    most(&m->group.length_max, p->group.length_max);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        *counts[i] += *(const long *)(theirs + ((const char *)counts[i] - ours));
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        *sums[i] += *(const double *)(theirs + ((const char *)sums[i] - ours));
    join_range(&m->group.score, &p->group.score);
    join_range(&m->group.reward, &p->group.reward);
    join_range(&m->group.advantage, &p->group.advantage);
    join_range(&m->group.returns, &p->group.returns);
}

static void join(struct ptd_metrics *m, const struct ptd_metrics *p)
{
    double norm = m->norm;
    int updates = m->updates;
    ptd_metrics_add(m, &p->sum, norm, 0);
    m->norm = norm, m->updates = updates; /* all ranks have these */
    m->gap += p->gap;
    most(&m->max_gap, p->max_gap);
    most(&m->wait, p->wait);
    most(&m->update, p->update);
    most(&m->sent, p->sent);
    join_groups(m, p);
    for (int i = 0; i < p->n_parts; i++) join_part(m, &p->parts[i]);
}

static void join_before(struct ptd_before *b, const struct ptd_before *p)
{
    if (p->tokens && (!b->tokens || p->least < b->least)) b->least = p->least;
    b->tokens += p->tokens;
    b->gap += p->gap;
    most(&b->max_gap, p->max_gap);
    b->weights += p->weights;
    b->truncated += p->truncated;
    b->kl += p->kl;
    b->kl_tokens += p->kl_tokens;
}

/* A normal form, the answer as it was written, and how often. */
static void pack_answers(struct packed *p, const struct ptd_answers *a)
{
    for (int i = 0; i < a->names.n; i++) {
        const struct ptd_answer_tally *t = &a->at[i];
        int64_t counts[3] = {t->times, t->right, t->expected};
        pack(p, counts, sizeof counts);
        pack(p, a->names.at[i], strlen(a->names.at[i]) + 1);
        pack(p, t->as, strlen(t->as) + 1);
    }
}

static const char *unpack_answer(struct ptd_answers *a, const char *at)
{
    int64_t counts[3];
    memcpy(counts, at, sizeof counts);
    const char *name = at + sizeof counts, *as = name + strlen(name) + 1;
    struct ptd_answer_tally t = {(char *)(uintptr_t)as, (long)counts[0], (long)counts[1],
                                 (long)counts[2]};
    ptd_answers_join(a, name, &t);
    return as + strlen(as) + 1;
}

/* All ranks', in the order of ranks. */
static int gather_answers(struct ptd_comm *c, struct ptd_answers *a)
{
    size_t *bytes = ptd_array((size_t)ptd_comm_ranks(c), sizeof *bytes), sum = 0;
    struct packed p = {0};
    void *came;
    pack_answers(&p, a);
    int rc = ptd_comm_gather_all(c, p.bytes ? p.bytes : "", p.n, &came, bytes);
    for (int r = 0; r < ptd_comm_ranks(c); r++) sum += bytes[r];
    ptd_answers_clear(a);
    for (const char *at = came, *end = at + sum; at < end && !rc;) at = unpack_answer(a, at);
    free(came);
    free(p.bytes);
    free(bytes);
    return rc;
}

/* All that is summed, from one rank. */
struct told {
    struct ptd_metrics metrics;
    struct ptd_before before;
};

int ptd_shares_metrics(struct ptd_comm *c, struct ptd_metrics *m, struct ptd_before *sum)
{
    int ranks = ptd_comm_ranks(c);
    if (ranks == 1) return 0;
    struct told *mine = ptd_alloc(sizeof *mine), *all = ptd_array((size_t)ranks, sizeof *all);
    mine->metrics = *m;
    mine->before = *m->before;
    int rc = ptd_comm_gather(c, mine, sizeof *mine, all);
    struct ptd_metrics own = *m;
    *m = all[0].metrics;
    *sum = all[0].before;
    for (int r = 1; r < ranks && !rc; r++) {
        join(m, &all[r].metrics);
        join_before(sum, &all[r].before);
    }
    m->rules = own.rules;
    m->before = sum;
    m->answers = own.answers; /* its pointers are ours again */
    if (!rc) rc = gather_answers(c, &m->answers);
    /* said of whether there is any, and looked at no further */
    sum->old = own.before->old;
    sum->weight = own.before->weight;
    sum->advantage = own.before->advantage;
    sum->returns = own.before->returns;
    free(mine);
    free(all);
    return rc;
}

/* ---- advantages of a step ---- */

/* A group as bytes: counts, then rewards, lengths, the baseline, and returns by token. */
static void pack_group(struct packed *p, const struct ptd_rewarded *g)
{
    int64_t head[4] = {g->n, g->baseline != NULL, g->returns != NULL, 0};
    double none = 0;
    pack(p, head, sizeof head);
    pack(p, g->reward, (size_t)g->n * sizeof *g->reward);
    for (int i = 0; i < g->n; i++) {
        int64_t tokens = g->tokens[i];
        pack(p, &tokens, sizeof tokens);
    }
    pack(p, g->baseline ? g->baseline : &none, sizeof none);
    for (int i = 0; g->returns && i < g->n; i++)
        pack(p, g->returns[i], (size_t)g->tokens[i] * sizeof **g->returns);
}

/* The next group of what came, everything in it malloc'd or pointing there. */
static char *unpack(char *at, struct ptd_rewarded *g)
{
    int64_t *head = (int64_t *)at;
    int n = (int)head[0];
    *g = (struct ptd_rewarded){.n = n, .reward = (double *)(at + 4 * sizeof *head)};
    const int64_t *tokens = (const int64_t *)(g->reward + n);
    double *rest = (double *)(uintptr_t)(tokens + n);
    int *lengths = ptd_array((size_t)n + 1, sizeof *lengths);
    double **returns = head[2] ? ptd_array((size_t)n + 1, sizeof *returns) : NULL;
    if (head[1]) g->baseline = rest;
    rest++;
    for (int i = 0; i < n; i++) {
        lengths[i] = (int)tokens[i];
        if (returns) returns[i] = rest, rest += lengths[i];
    }
    g->tokens = lengths;
    g->returns = returns;
    g->advantage = ptd_array((size_t)n + 1, sizeof *g->advantage);
    return (char *)rest;
}

static void give(const struct ptd_rewarded *from, const struct ptd_rewarded *to)
{
    memcpy(to->advantage, from->advantage, (size_t)to->n * sizeof *to->advantage);
    for (int i = 0; to->returns && i < to->n; i++)
        memcpy(to->returns[i], from->returns[i], (size_t)to->tokens[i] * sizeof **to->returns);
}

static void forget(struct ptd_rewarded *g)
{
    free((void *)(uintptr_t)g->tokens);
    free((void *)(uintptr_t)g->returns);
    free(g->advantage);
}

int ptd_shares_worth(struct ptd_comm *c, const struct ptd_advantage *a,
                     const struct ptd_rewarded *g, int n)
{
    struct packed p = {0};
    int ranks = ptd_comm_ranks(c), many = 0, ours = 0;
    size_t *bytes = ptd_array((size_t)ranks, sizeof *bytes), sum = 0, before = 0;
    void *came;
    for (int i = 0; i < n; i++) pack_group(&p, &g[i]);
    int rc = ptd_comm_gather_all(c, p.bytes ? p.bytes : "", p.n, &came, bytes);
    for (int r = 0; r < ranks; r++) {
        if (r < ptd_comm_rank(c)) before += bytes[r];
        sum += bytes[r];
    }
    struct ptd_rewarded *all = NULL;
    for (char *at = came, *end = at + sum; at < end && !rc; many++) {
        all = ptd_realloc(all, ((size_t)many + 1) * sizeof *all);
        if ((size_t)(at - (char *)came) < before) ours++;
        at = unpack(at, &all[many]);
    }
    if (!rc && many) a->value(a->is.own, all, many);
    for (int i = 0; i < n && !rc; i++) give(&all[ours + i], &g[i]);
    for (int i = 0; i < many; i++) forget(&all[i]);
    free(all);
    free(came);
    free(bytes);
    free(p.bytes);
    return rc;
}
