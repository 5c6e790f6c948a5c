/* support: see support.h. */
#include "compute/cpu/support.h"
#include "base/half.h"
#include "compute/cpu/vec.h"

#define ABREAST 4                                 /* vectors */
#define BUCKETS (PTD_SUPPORT_MAX + ABREAST * VEC) /* in whole vectors, or a few of them */

/* For each of the ids' last bits: the latest such word's number plus 1, or 0; only where that is
 * not the one to be added are all of them compared. */
#define MARKS 1024

static int known(const int32_t *ids, int n, int32_t id)
{
    int found = 0;
    for (int i = 0; i < n; i++) found |= ids[i] == id;
    return found;
}

/* The first of all: where each finds its own mark again, no two are the same. 0: some may be, and
 * nothing is added. Marks of other words are neither read nor written. */
static int add_distinct(struct ptd_support *u, uint16_t *marks, uint16_t *all, const int32_t *ids,
                        const uint16_t *logp, int k)
{
    int others = 0;
    if (k > PTD_SUPPORT_MAX) return 0;
    for (int i = 0; i < k; i++) marks[(uint32_t)ids[i] % MARKS] = (uint16_t)(i + 1);
    for (int i = 0; i < k; i++) others |= marks[(uint32_t)ids[i] % MARKS] ^ (i + 1);
    if (others) return 0;
    memcpy(u->id, ids, k * sizeof *ids);
    memcpy(all, logp, k * sizeof *logp);
    u->n = k;
    return 1;
}

static void add_words(struct ptd_support *u, uint16_t *marks, uint16_t *all, const int32_t *ids,
                      const uint16_t *logp, int k)
{
    int n = u->n;
    for (int i = 0; i < k; i++) {
        uint16_t *mark = &marks[(uint32_t)ids[i] % MARKS];
        if (*mark && (u->id[*mark - 1] == ids[i] || known(u->id, n, ids[i]))) continue;
        if (n == PTD_SUPPORT_MAX) break;
        u->id[n] = ids[i];
        all[n] = logp[i];
        *mark = (uint16_t)++n;
    }
    u->n = n;
}

/* x [n], log-probs in pairs of vectors, become masses. Returns their sum; *rounding: what half a
 * unit in the last place of float16 makes of it. */
static double teacher_masses(float *x, int n, double *rounding)
{
    vec_d sum = {0}, off = {0};
    for (int i = n; i < n + ABREAST * VEC; i += VEC) vec_store(x + i, vec_set(-INFINITY));
    for (int i = 0; i < n; i += ABREAST * VEC) {
        vec_f logp[ABREAST], mass[ABREAST], s = {0}, o = {0};
        for (int k = 0; k < ABREAST; k++) /* finite: 0 ln 0 = 0 */
            logp[k] = vec_larger(vec_set(-88), vec_load(x + i + k * VEC));
        vec_exp_near(mass, logp, ABREAST);
        for (int k = 0; k < ABREAST; k++) {
            vec_store(x + i + k * VEC, mass[k]);
            s += mass[k];
            o -= mass[k] * logp[k];
        }
        sum += vec_widen(s);
        off += vec_widen(o);
    }
    *rounding = vec_lanes_sum_d(off) / 2048;
    return vec_lanes_sum_d(sum);
}

void ptd_support_join(struct ptd_support *u, const struct ptd_lesson *l, int no_tail)
{
    uint16_t half[PTD_SUPPORT_MAX];
    uint16_t marks[MARKS];
    float x[BUCKETS];
    double rounding;
    u->n = 0;
    if (l->top_k) memset(marks, 0, sizeof marks);
    if (l->k && !add_distinct(u, marks, half, l->ids, l->logp, l->k)) {
        memset(marks, 0, sizeof marks);
        add_words(u, marks, half, l->ids, l->logp, l->k);
    }
    add_words(u, marks, half, l->top_ids, l->on_top, l->top_k);
    ptd_unhalves(x, half, u->n);
    double inside = teacher_masses(x, u->n, &rounding), rest = 1 - inside;
    if (!(rest > rounding) || no_tail) rest = 0;
    float scale = (float)(1 / (inside + rest));
    for (int i = 0; i < u->n; i++) u->t[i] = x[i] * scale;
    vec_store(u->t + u->n, (vec_f){0});
    u->t[u->n] = (float)rest * scale;
}

/* Whether all ids are words of a vocabulary of V. */
static int all_words(const struct ptd_support *u, int V)
{
    int strange = 0;
    for (int b = 0; b < u->n; b++) strange |= (uint32_t)u->id[b] >= (uint32_t)V;
    return !strange;
}

/* One word a time: the vector instructions that compilers take for this are two to three times
 * slower. */
#define ONE_BY_ONE __attribute__((noinline, optimize("no-tree-vectorize")))

ONE_BY_ONE static void take(const int32_t *id, int n, const float *e, float *s)
{
    for (int b = 0; b < n; b++) s[b] = e[id[b]];
}

ONE_BY_ONE static void put(const int32_t *id, int n, float *e, const float *s)
{
    for (int b = 0; b < n; b++) e[id[b]] = s[b];
}

/* s[b] = e[id[b]], and back: 0 and nothing for an id that is no word. */
static void gather(const struct ptd_support *u, const float *e, int V, float *s)
{
    if (all_words(u, V))
        take(u->id, u->n, e, s);
    else
        for (int b = 0; b < u->n; b++) s[b] = (uint32_t)u->id[b] < (uint32_t)V ? e[u->id[b]] : 0;
}

static void scatter(const struct ptd_support *u, float *e, int V, const float *s)
{
    if (all_words(u, V))
        put(u->id, u->n, e, s);
    else
        for (int b = 0; b < u->n; b++)
            if ((uint32_t)u->id[b] < (uint32_t)V) e[u->id[b]] = s[b];
}

/* s[n + 1]: the student's masses, then zeros to the end of a vector. The tail is what the whole row
 * holds beyond the support; the very same floats are taken off again, so that nothing but the rest
 * remains, to 1e-7 of the row. Returns what they were divided by. */
static double student_masses(const struct ptd_support *u, struct ptd_share_row row, int no_tail,
                             float *s)
{
    vec_d inside = {0};
    int n = u->n;
    gather(u, row.e, row.V, s);
    vec_store(s + n, (vec_f){0});
    for (int b = 0; b < n; b += VEC) inside += vec_widen(vec_load(s + b));
    double sum = vec_lanes_sum_d(inside), rest = row.total - sum;
    double all = no_tail ? sum : row.total, share = 1 / all;
    s[n] = rest < 0 || no_tail ? 0 : (float)rest;
    for (int b = 0; b <= n; b++) s[b] = (float)(s[b] * share);
    return all;
}

/* In double: the derivatives are large beside what is left of them when their mean is taken off. */
static double sum_of(const float *g, int n)
{
    vec_d sum = {0};
    int b = 0;
    for (; b + VEC <= n; b += VEC) sum += vec_widen(vec_load(g + b));
    return vec_lanes_sum_d(sum + vec_widen(vec_load_part(g + b, n - b, 0)));
}

/* e becomes c p + weight dD/dz: dD/dz_v = s_v (h_b - sum s h) with h = dD/ds of v's bucket b, here
 * g = s h; words outside the support share the tail's h. */
static void write_gradient(const struct ptd_support *u, struct ptd_share_row row, double weight,
                           double c, const float *s, float *g)
{
    double mean = sum_of(g, u->n + 1), own = c - weight * mean,
           h = s[u->n] > 0 ? g[u->n] / s[u->n] - mean : s[u->n];
    vec_scale(row.e, (float)((c + weight * h) / row.total), row.V);
    for (int b = 0; b < u->n; b++) g[b] = (float)(weight * g[b] + own * s[b]);
    scatter(u, row.e, row.V, g);
}

/* Without a tail s sums to 1 over the support, of which the whole row gives it `inside`. */
static void write_inside(const struct ptd_support *u, struct ptd_share_row row, double weight,
                         double c, double inside, const float *s, float *g)
{
    double mean = weight * sum_of(g, u->n), share = c * (inside / row.total);
    vec_scale(row.e, (float)((c + 0 * mean) / row.total), row.V); /* NaN reaches all */
    for (int b = 0; b < u->n; b++) g[b] = (float)(weight * g[b] + (share - mean) * s[b]);
    scatter(u, row.e, row.V, g);
}

static double held(const struct ptd_divergence *d, double value)
{
    if (d->most && value > d->most) return d->most; /* rounding must not leave the bounds */
    return value < 0 ? 0 : value;
}

double ptd_support_diverge(const struct ptd_support *u, const struct ptd_divergence *d,
                           struct ptd_share_row row, double weight, double c, int no_tail)
{
    float s[BUCKETS], g[BUCKETS];
    double all = student_masses(u, row, no_tail, s);
    if (no_tail && all <= 0) {
        vec_scale(row.e, (float)(c / row.total), row.V);
        return 0 * row.total; /* NaN stays, wherever it is */
    }
    double value = d->value(d->is.own, s, u->t, u->n + 1, g);
    if (no_tail)
        write_inside(u, row, weight, c, all, s, g);
    else
        write_gradient(u, row, weight, c, s, g);
    return held(d, value + 0 * row.total);
}

/* ---- all words ---- */

#define PIECE 512 /* words, in whole vectors */

/* p[n] of e, then zeros to the end of a vector. */
static void piece_of(struct ptd_share_row row, int first, int n, float *p)
{
    double share = 1 / row.total;
    vec_store(p + n, (vec_f){0});
    for (int v = 0; v < n; v++) p[v] = (float)(row.e[first + v] * share);
}

double ptd_whole_diverge(struct ptd_share_row t, const struct ptd_divergence *d,
                         struct ptd_share_row row, double weight, double c)
{
    float s[PIECE + VEC], m[PIECE + VEC], g[PIECE + VEC];
    double value = 0, mean = 0;
    for (int v = 0, n; v < row.V; v += n) {
        n = row.V - v < PIECE ? row.V - v : PIECE;
        piece_of(row, v, n, s);
        piece_of(t, v, n, m);
        value += d->value(d->is.own, s, m, n, g);
        mean += sum_of(g, n);
        memcpy(t.e + v, g, n * sizeof *g);
    }
    double own = (c - weight * mean) / row.total;
    for (int v = 0; v < row.V; v++) row.e[v] = (float)(own * row.e[v] + weight * t.e[v]);
    return held(d, value);
}
