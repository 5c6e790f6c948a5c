/* rows: the row operations of ops.h, row after row, each while it lies in the first caches. What
 * one row is asked is row.c, how far two distributions are apart lib/method/divergence. */
#include "compute/cpu/rows.h"
#include "compute/cpu/floats.h"
#include "base/threads.h"
#include "compute/cpu/row.h"
#include "compute/cpu/support.h"
#include "compute/cpu/vec.h"
#include "base/err.h"
#include <math.h>
#include <stdlib.h>

#define SHARE_FLOATS 8192 /* smallest piece of work worth another thread */

struct work { /* of one operation, on rows of several threads */
    float *z;
    int V;
    const void *ask, *got;
};

static void run(float *z, long n, int V, void (*f)(void *, long, long), const void *ask,
                const void *got)
{
    struct work w = {z, V, ask, got};
    ptd_parallel(n, SHARE_FLOATS / V + 1, f, &w);
}

static void begin(const struct ptd_row_rules *r, float *z, int V)
{
    for (int i = 0; i < r->n_banned; i++) z[r->banned[i]] = -INFINITY;
    if (r->temperature != 1) vec_scale(z, 1 / r->temperature, V);
}

/* ---- words ---- */

static long first_word(const struct ptd_row_words *w, long r)
{
    return w->first ? w->first[r] : r;
}

static int is_word(int32_t id, int V)
{
    return id >= 0 && id < V;
}

/* ---- score ---- */

/* What is asked of the logits as they are, before they become shares. */
static void name_words(const struct ptd_ask_score *a, const struct ptd_got_score *g, const float *z,
                       int V, long r)
{
    long end = first_word(&a->words, r + 1);
    for (long i = first_word(&a->words, r); g->logp && i < end; i++)
        g->logp[i] = is_word(a->words.id[i], V) ? z[a->words.id[i]] : -INFINITY;
}

static void name_best(const struct ptd_ask_score *a, const struct ptd_got_score *g, const float *z,
                      int V, long r, double lse)
{
    long at = r * a->top_k;
    ptd_row_topk(z, V, lse, a->top_k, g->top_id + at, g->top_logp ? g->top_logp + at : NULL);
}

static double sum_up(const struct ptd_ask_score *a, const struct ptd_got_score *g, float *z, int V,
                     long r)
{
    struct ptd_shares s;
    if (a->top_k || !a->shares) s.lse = ptd_row_lse(z, V);
    if (a->top_k) name_best(a, g, z, V, r, s.lse);
    if (!a->shares) return s.lse;
    ptd_row_shares(z, V, &s);
    g->total[r] = s.total;
    if (g->entropy) g->entropy[r] = s.entropy;
    return s.lse;
}

static void score(void *ctx, long first, long last)
{
    const struct work *w = ctx;
    const struct ptd_ask_score *a = w->ask;
    const struct ptd_got_score *g = w->got;
    for (long r = first; r < last; r++) {
        float *z = w->z + r * w->V;
        begin(&a->rules, z, w->V);
        name_words(a, g, z, w->V, r);
        double lse = sum_up(a, g, z, w->V, r);
        if (g->lse) g->lse[r] = lse;
        long end = first_word(&a->words, r + 1);
        for (long i = first_word(&a->words, r); g->logp && i < end; i++) g->logp[i] -= lse;
    }
}

void ptd_cpu_rows_score(struct ptd_device *d, ptd_stat *z, long n, int V,
                        const struct ptd_ask_score *ask, const struct ptd_got_score *got)
{
    run(FLOATS(z), n, V, score, ask, got);
}

/* ---- draw ---- */

static void draw(void *ctx, long first, long last)
{
    const struct work *w = ctx;
    const struct ptd_ask_draw *a = w->ask;
    const struct ptd_got_draw *g = w->got;
    for (long r = first; r < last; r++) {
        float *z = w->z + r * w->V;
        begin(&a->rules, z, w->V);
        double lse = ptd_row_lse(z, w->V);
        for (long i = r * a->draws; i < (r + 1) * a->draws; i++) {
            g->id[i] = ptd_row_sample(z, w->V, lse, a->top_k, a->top_p, a->min_p, a->u[i]);
            if (g->logp) g->logp[i] = (float)(z[g->id[i]] - lse);
        }
        if (a->best) ptd_row_topk(z, w->V, lse, a->best, g->best_id + r * a->best, NULL);
    }
}

void ptd_cpu_rows_draw(struct ptd_device *d, ptd_stat *z, long n, int V,
                       const struct ptd_ask_draw *ask, const struct ptd_got_draw *got)
{
    run(FLOATS(z), n, V, draw, ask, got);
}

/* ---- gradient ---- */

/* Of row r, whose shares become their gradient. */
static double diverge(const struct ptd_ask_gradient *a, struct ptd_share_row row, long r, double c)
{
    const struct ptd_lesson *l = &a->lesson[r];
    double weight = a->weights ? a->weight * a->weights[r] : a->weight;
    struct ptd_support u;
    if (l->whole) {
        float *t = FLOATS(a->tutor) + (l->whole - 1) * row.V;
        struct ptd_shares shares;
        begin(&a->rules, t, row.V);
        ptd_row_shares(t, row.V, &shares);
        return ptd_whole_diverge((struct ptd_share_row){t, row.V, shares.total}, a->divergence, row,
                                 weight, c);
    }
    ptd_support_join(&u, l, a->no_tail);
    return ptd_support_diverge(&u, a->divergence, row, weight, c, a->no_tail);
}

/* g [V] = d times the gradient of the row's entropy, from its shares e: -d p (ln p + entropy). */
static void surprise(const float *e, int V, double total, double entropy, double d, float *g)
{
    for (int v = 0; v < V; v++) {
        double p = e[v] / total;
        g[v] = e[v] == 0 ? 0 : (float)(-d * p * (log(p) + entropy));
    }
}

static void gradient(void *ctx, long first, long last)
{
    const struct work *w = ctx;
    const struct ptd_ask_gradient *a = w->ask;
    double *value = (double *)w->got;
    float *more = a->dentropy ? ptd_array(w->V, sizeof *more) : NULL;
    for (long r = first; r < last; r++) {
        float *z = w->z + r * w->V;
        long from = first_word(&a->words, r), end = first_word(&a->words, r + 1);
        double c = 0, far = 0;
        for (long i = from; i < end; i++) c -= is_word(a->words.id[i], w->V) ? a->dlogp[i] : 0;
        if (more) surprise(z, w->V, a->total[r], a->entropy[r], a->dentropy[r], more);
        if (a->lesson && ptd_lesson_says(&a->lesson[r]))
            far = diverge(a, (struct ptd_share_row){z, w->V, a->total[r]}, r, c);
        else
            vec_scale(z, (float)(c / a->total[r]), w->V);
        for (long i = from; i < end; i++)
            if (is_word(a->words.id[i], w->V)) z[a->words.id[i]] += (float)a->dlogp[i];
        for (int v = 0; more && v < w->V; v++) z[v] += more[v];
        if (value) value[r] = far;
        for (int i = 0; i < a->rules.n_banned; i++) z[a->rules.banned[i]] = 0;
        if (a->rules.temperature != 1) vec_scale(z, 1 / a->rules.temperature, w->V);
    }
    free(more);
}

void ptd_cpu_rows_gradient(struct ptd_device *d, ptd_stat *z, long n, int V,
                           const struct ptd_ask_gradient *ask, double *value)
{
    run(FLOATS(z), n, V, gradient, ask, value);
}
