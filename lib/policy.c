/* policy: advantages, the clipped objective, k3 and the divergences on buckets, each with its exact gradient.
 * Left to others: where log-probs and logits come from (head), which tokens count and by how much
 * (ptd-update). */
#include "policy.h"
#include "record.h"
#include "vec.h"

#define BUCKETS (PTD_SUPPORT_MAX + 8) /* in whole vectors */

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
    int flat = all_equal(reward, n); /* the mean of equal rewards may be off by a rounding, so ask them */
    for (int i = 0; i < n; i++) advantage[i] = flat ? 0 : (reward[i] - mean) / (deviation + eps);
}

double ptd_pg(double logp, double old_logp, double advantage, const struct ptd_clip *c, double *dlogp,
              int *side)
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
#define MARKS 1024

static int known(const struct ptd_support *u, uint64_t *marks, int32_t id)
{
    uint32_t at = (uint32_t)id % MARKS;
    uint64_t bit = (uint64_t)1 << at % 64;
    if (!(marks[at / 64] & bit)) return marks[at / 64] |= bit, 0;
    for (int i = 0; i < u->n; i++)
        if (u->id[i] == id) return 1;
    return 0;
}

static void add_words(struct ptd_support *u, uint64_t *marks, float *all, const int32_t *ids,
                      const uint16_t *logp, int k)
{
    for (int i = 0; i < k && u->n < PTD_SUPPORT_MAX; i++) {
        if (known(u, marks, ids[i])) continue;
        u->id[u->n] = ids[i];
        all[u->n++] = ptd_unhalf(logp[i]);
    }
}

void ptd_support_join(struct ptd_support *u, const int32_t *teacher_ids, const uint16_t *teacher_logp,
                      int teacher_k, const int32_t *top_ids, const uint16_t *teacher_on_top, int top_k)
{
    float logp[PTD_SUPPORT_MAX + VEC], mass[VEC];
    uint64_t marks[MARKS / 64] = {0};
    double sum = 0, rounding = 0;
    u->n = 0;
    add_words(u, marks, logp, teacher_ids, teacher_logp, teacher_k);
    add_words(u, marks, logp, top_ids, teacher_on_top, top_k);
    for (int i = 0; i < u->n; i += VEC) {
        vec_store(mass, vec_exp(vec_load(logp + i)));
        for (int j = 0; j < VEC && i + j < u->n; j++) {
            double t = u->t[i + j] = mass[j];
            sum += t;
            if (t > 0)
                rounding += t * fabsf(logp[i + j]) / 2048; /* half a unit in the last place of float16 */
        }
    }
    u->t[u->n] = 1 - sum > rounding ? 1 - sum : 0;
    for (int i = 0; i <= u->n; i++) u->t[i] /= sum + u->t[u->n];
}

static int is_word(const struct ptd_support *u, int b, int V)
{
    return u->id[b] >= 0 && u->id[b] < V;
}

/* s[n + 1]: the student's masses. The tail is what the whole row holds beyond the support: the very same
 * floats are taken off again, so that nothing but the rest remains. */
static void student_masses(const struct ptd_support *u, const float *p, int V, double total, double *s)
{
    double inside = 0;
    for (int b = 0; b < u->n; b++) inside += s[b] = is_word(u, b, V) ? p[u->id[b]] : 0;
    s[u->n] = total - inside < 0 ? 0 : total - inside;
}

/* x ln(x/m) / 2, and x where it is not above 0 (NaN passes). */
static vec_d half_term(vec_d x, vec_d m)
{
    vec_l above = x > 0;
    vec_d term = x * vec_log(x / m) * 0.5;
    return (vec_d)(((vec_l)term & above) | ((vec_l)x & ~above));
}

/* The sum over n buckets, a multiple of 8 (empty ones add nothing); g[b] = s dJ/ds. */
static double jsd(const double *s, const double *t, int n, double *g)
{
    vec_d sum = {0}, S, T;
    for (int b = 0; b < n; b += 8) {
        memcpy(&S, s + b, sizeof S);
        memcpy(&T, t + b, sizeof T);
        vec_d m = (S + T) * 0.5, own = half_term(S, m);
        memcpy(g + b, &own, sizeof own);
        sum += own + half_term(T, m);
    }
    return vec_lanes_sum_d(sum);
}

/* Keeps logarithms finite where a mass is zero; NaN passes. */
static double positive(double x)
{
    return x < PTD_MASS_FLOOR ? PTD_MASS_FLOOR : x;
}

static double bucket_forward(double s, double t, double *g)
{
    *g = -t;
    return t > 0 ? t * log(t / positive(s)) : t + 0 * s;
}

static double bucket_reverse(double s, double t, double *g)
{
    double part = s > 0 ? s * log(s / positive(t)) : s;
    *g = part + s;
    return part;
}

/* p becomes c p + weight dD/dz: dD/dz_v = p_v (h_b - sum s h) with h = dD/ds of v's bucket b, here g = s h; words outside the support share
 * the tail's h. */
static void write_gradient(const struct ptd_support *u, float *p, int V, double weight, double c,
                           const double *s, const double *g)
{
    double mean = 0;
    for (int b = 0; b <= u->n; b++) mean += g[b];
    double h = s[u->n] > 0 ? g[u->n] / s[u->n] - mean : s[u->n];
    vec_scale(p, (float)(c + weight * h), V);
    for (int b = 0; b < u->n; b++)
        if (is_word(u, b, V)) p[u->id[b]] = (float)(c * s[b] + weight * (g[b] - s[b] * mean));
}

double ptd_divergence(char kind, const struct ptd_support *u, float *p, int V, double total, double weight,
                      double c)
{
    double s[BUCKETS], t[BUCKETS], g[BUCKETS], value = 0;
    int n = u->n + 1;
    memset(s + n, 0, 7 * sizeof *s);
    memset(t + n, 0, 7 * sizeof *t);
    student_masses(u, p, V, total, s);
    if (kind == 'f')
        for (int b = 0; b < n; b++) value += bucket_forward(s[b], u->t[b], &g[b]);
    else if (kind == 'r')
        for (int b = 0; b < n; b++) value += bucket_reverse(s[b], u->t[b], &g[b]);
    else
        value = jsd(s, memcpy(t, u->t, n * sizeof *t), (n + 7) / 8 * 8, g);
    write_gradient(u, p, V, weight, c, s, g);
    return value < 0 ? 0 : value;
}
