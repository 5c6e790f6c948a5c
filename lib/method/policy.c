/* policy: advantages, the clipped objective, k3 and the divergences on buckets, each with its exact
 * gradient. Left to others: where log-probs and logits come from (head), which tokens count and by
 * how much (ptd-update). */
#include "method/policy.h"
#include "base/half.h"
#include "compute/cpu/vec.h"
#include "flow/record.h"
#include <float.h>

#define BUCKETS (PTD_SUPPORT_MAX + VEC) /* in whole vectors */

/* ---- scalars ---- */

static int all_equal(const double *x, int n)
{
    for (int i = 1; i < n; i++)
        if (x[i] != x[0]) return 0;
    return 1;
}

void ptd_advantages(const double *reward, int n, double eps, double *advantage)
{
    double mean = 0, square = 0;
    for (int i = 0; i < n; i++) mean += reward[i] / n;
    for (int i = 0; i < n; i++) square += (reward[i] - mean) * (reward[i] - mean);
    double deviation = n > 1 ? sqrt(square / (n - 1)) : 0;
    /* the mean of equal rewards may be off by a rounding, so ask them */
    int flat = all_equal(reward, n);
    for (int i = 0; i < n; i++) advantage[i] = flat ? 0 : (reward[i] - mean) / (deviation + eps);
}

double ptd_pg(double logp, double old_logp, double advantage, const struct ptd_clip *c,
              double *dlogp, int *side)
{
    double r = exp(logp - old_logp), near = fmin(fmax(r, 1 - c->low), 1 + c->high);
    double plain = -advantage * r, clipped = -advantage * near, ceiling = -advantage * c->dual;
    double loss = plain < clipped ? clipped : plain;
    *side = plain < clipped;
    *dlogp = *side ? 0 : plain;
    if (advantage < 0 && c->dual > 0 && loss > ceiling) {
        loss = ceiling;
        *side = -1;
        *dlogp = 0;
    }
    return loss;
}

double ptd_k3(double logp, double ref_logp, double *dlogp)
{
    const double far = 20, most = 10;
    double d = ref_logp - logp, inside = fmin(fmax(d, -far), far), k3;
    if (d != d) return *dlogp = d;
    k3 = expm1(inside) - inside;
    *dlogp = d != inside || k3 > most ? 0 : -expm1(inside);
    return k3 > most ? most : k3;
}

/* ---- buckets ---- */

/* Ids are marked by their last bits; only where a mark is set already are all of them compared. */
#define MARKS 2048

static int known(const int32_t *ids, int n, int32_t id)
{
    int found = 0;
    for (int i = 0; i < n; i++) found |= ids[i] == id;
    return found;
}

static void add_words(struct ptd_support *u, uint8_t *marks, uint16_t *all, const int32_t *ids,
                      const uint16_t *logp, int k)
{
    int n = u->n;
    for (int i = 0; i < k && n < PTD_SUPPORT_MAX; i++) {
        uint8_t *mark = &marks[(uint32_t)ids[i] % MARKS];
        if (*mark && known(u->id, n, ids[i])) continue;
        *mark = 1;
        u->id[n] = ids[i];
        all[n++] = logp[i];
    }
    u->n = n;
}

void ptd_support_join(struct ptd_support *u, const int32_t *teacher_ids,
                      const uint16_t *teacher_logp, int teacher_k, const int32_t *top_ids,
                      const uint16_t *teacher_on_top, int top_k)
{
    uint16_t half[PTD_SUPPORT_MAX];
    float x[BUCKETS];
    uint8_t marks[MARKS] = {0};
    vec_d sum = {0}, rounding = {0}; /* half a unit in the last place of float16 */
    u->n = 0;
    add_words(u, marks, half, teacher_ids, teacher_logp, teacher_k);
    add_words(u, marks, half, top_ids, teacher_on_top, top_k);
    ptd_unhalves(x, half, u->n);
    vec_store(x + u->n, vec_set(-INFINITY));
    for (int i = 0; i < u->n; i += VEC) {
        /* finite: 0 ln 0 = 0 */
        vec_f logp = vec_larger(vec_set(-88), vec_load(x + i)), mass = vec_exp(logp);
        vec_store(x + i, mass);
        sum += vec_widen(mass);
        rounding += vec_widen(mass * vec_larger(logp, -logp) * (1.0f / 2048));
    }
    double inside = vec_lanes_sum_d(sum), rest = 1 - inside;
    if (!(rest > vec_lanes_sum_d(rounding))) rest = 0;
    double scale = 1 / (inside + rest);
    for (int i = 0; i < u->n; i++) u->t[i] = x[i] * scale;
    u->t[u->n] = rest * scale;
}

static int is_word(const struct ptd_support *u, int b, int V)
{
    return u->id[b] >= 0 && u->id[b] < V;
}

/* s[n + 1]: the student's masses, then zeros to the end of a vector. The tail is what the whole row
 * holds beyond the support; the very same floats are taken off again, so that nothing but the rest
 * remains, to 1e-7 of the row. */
static void student_masses(const struct ptd_support *u, const float *e, int V, double total,
                           float *s)
{
    vec_d inside = {0};
    int n = u->n;
    for (int b = 0; b < n; b++) s[b] = is_word(u, b, V) ? e[u->id[b]] : 0;
    vec_store(s + n, (vec_f){0});
    for (int b = 0; b < n; b += VEC) inside += vec_widen(vec_load(s + b));
    double rest = total - vec_lanes_sum_d(inside);
    s[n] = rest < 0 ? 0 : (float)rest;
    for (int b = 0; b <= n; b++) s[b] = (float)(s[b] * (1 / total));
}

/* The sum over n buckets in whole vectors (empty ones add nothing); g[b] = s dJ/ds. With d = (s -
 * t)/(s + t) it is s/m = 1 + d, t/m = 1 - d: where s is near t, their difference is exact, and
 * float32 keeps its digits. A mass of 0 has a finite logarithm here, and adds 0. */
static double jsd(const float *s, const float *t, int n, float *g)
{
    vec_f sum = {0};
    for (int b = 0; b < n; b += VEC) {
        vec_f S = vec_load(s + b), T = vec_load(t + b);
        vec_f d = (S - T) / vec_larger(vec_set(FLT_MIN), S + T), own = 0.5f * S * vec_log1p(d);
        vec_store(g + b, own);
        sum += own + 0.5f * T * vec_log1p(-d);
    }
    double value = vec_lanes_sum_d(vec_widen(sum));
    return value > M_LN2 ? M_LN2 : value; /* rounding must not leave the bounds */
}

/* Keeps logarithms finite where a mass is zero; NaN passes. */
static double positive(double x)
{
    return x < PTD_MASS_FLOOR ? PTD_MASS_FLOOR : x;
}

static double bucket_forward(double s, double t, float *g)
{
    *g = (float)-t;
    return t > 0 ? t * log(t / positive(s)) : t + 0 * s;
}

static double bucket_reverse(double s, double t, float *g)
{
    double part = s > 0 ? s * log(s / positive(t)) : s;
    *g = (float)(part + s);
    return part;
}

/* e becomes c p + weight dD/dz: dD/dz_v = p_v (h_b - sum s h) with h = dD/ds of v's bucket b, here
 * g = s h; words outside the support share the tail's h. */
static void write_gradient(const struct ptd_support *u, float *e, int V, double total,
                           double weight, double c, const float *s, float *g)
{
    double mean = vec_sum(g, u->n + 1), h = s[u->n] > 0 ? g[u->n] / s[u->n] - mean : s[u->n];
    vec_scale(e, (float)((c + weight * h) / total), V);
    for (int b = 0; b < u->n; b++) g[b] = (float)(weight * g[b] + (c - weight * mean) * s[b]);
    for (int b = 0; b < u->n; b++)
        if (is_word(u, b, V)) e[u->id[b]] = g[b];
}

double ptd_divergence(char kind, const struct ptd_support *u, float *e, int V, double total,
                      double weight, double c)
{
    float s[BUCKETS], t[BUCKETS], g[BUCKETS];
    double value = 0;
    int n = u->n + 1;
    student_masses(u, e, V, total, s);
    if (kind == 'f')
        for (int b = 0; b < n; b++) value += bucket_forward(s[b], u->t[b], &g[b]);
    else if (kind == 'r')
        for (int b = 0; b < n; b++) value += bucket_reverse(s[b], u->t[b], &g[b]);
    else {
        vec_store(t + u->n, (vec_f){0});
        for (int b = 0; b < n; b++) t[b] = (float)u->t[b];
        value = jsd(s, t, n, g);
    }
    write_gradient(u, e, V, total, weight, c, s, g);
    return value < 0 ? 0 : value;
}
