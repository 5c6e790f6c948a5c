/* policy: advantages, the clipped objective, k3 and the divergences on buckets, each with its exact gradient.
 * Left to others: where log-probs and logits come from (head), which tokens count and by how much
 * (ptd-update). */
#include "policy.h"
#include "record.h"
#include "vec.h"

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

static int known(const struct ptd_support *u, int32_t id)
{
    for (int i = 0; i < u->n; i++)
        if (u->id[i] == id) return 1;
    return 0;
}

static void add_words(struct ptd_support *u, const int32_t *ids, const uint16_t *logp, int k)
{
    for (int i = 0; i < k && u->n < PTD_SUPPORT_MAX; i++) {
        if (known(u, ids[i])) continue;
        u->id[u->n] = ids[i];
        u->t[u->n++] = ptd_unhalf(logp[i]);
    }
}

void ptd_support_join(struct ptd_support *u, const int32_t *teacher_ids, const uint16_t *teacher_logp,
                      int teacher_k, const int32_t *top_ids, const uint16_t *teacher_on_top, int top_k)
{
    double sum = 0, rounding = 0;
    u->n = 0;
    add_words(u, teacher_ids, teacher_logp, teacher_k);
    add_words(u, top_ids, teacher_on_top, top_k);
    for (int i = 0; i < u->n; i++) {
        double logp = u->t[i];
        u->t[i] = exp(logp);
        sum += u->t[i];
        if (u->t[i] > 0)
            rounding += u->t[i] * fabs(logp) / 2048; /* half a unit in the last place of float16 */
    }
    u->t[u->n] = 1 - sum > rounding ? 1 - sum : 0;
    for (int i = 0; i <= u->n; i++) u->t[i] /= sum + u->t[u->n];
}

/* e^(x - lse) for many x: the double lse is taken off in two floats, so that large logits lose nothing. */
struct shift {
    float high, low;
};

static struct shift shift_of(double lse)
{
    float high = (float)lse;
    return (struct shift){high, (float)(lse - high)};
}

VEC_INLINE vec_f share(vec_f z, struct shift c)
{
    return vec_exp((z - c.high) - c.low);
}

static double total(const float *z, int V, struct shift c)
{
    vec_d sum = {0};
    int i = 0;
    for (; i + VEC <= V; i += VEC) sum += vec_widen(share(vec_load(z + i), c));
    if (i < V) sum += vec_widen(share(vec_load_part(z + i, V - i, -INFINITY), c));
    return vec_lanes_sum_d(sum);
}

static float word(const struct ptd_support *u, int b, const float *z, int V)
{
    return u->id[b] >= 0 && u->id[b] < V ? z[u->id[b]] : -INFINITY;
}

/* s[n + 1]: the student's masses. The tail is what the whole row holds beyond the support: the very same
 * float exponentials are taken off again, so that nothing but the rest remains. */
static void student_masses(const struct ptd_support *u, const float *z, int V, double lse, double *s)
{
    struct shift c = shift_of(lse);
    vec_d inside = {0};
    for (int b = 0; b < u->n; b += VEC) {
        float x[VEC];
        for (int i = 0; i < VEC; i++) x[i] = b + i < u->n ? word(u, b + i, z, V) : -INFINITY;
        inside += vec_widen(share(vec_load(x), c));
    }
    double rest = total(z, V, c) - vec_lanes_sum_d(inside);
    for (int b = 0; b < u->n; b++) s[b] = exp(word(u, b, z, V) - lse);
    s[u->n] = rest < 0 ? 0 : rest;
}

/* One bucket's part of the divergence; *g = s d(part)/ds. */
static double bucket_jsd(double s, double t, double *g)
{
    double m = (s + t) / 2, own = s > 0 ? s * log(s / m) / 2 : s;
    *g = own;
    return own + (t > 0 ? t * log(t / m) / 2 : t);
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

static double bucket(char kind, double s, double t, double *g)
{
    return kind == 'f'   ? bucket_forward(s, t, g)
           : kind == 'r' ? bucket_reverse(s, t, g)
                         : bucket_jsd(s, t, g);
}

/* dz += c e^(z - lse) over the whole row. */
static void add_shares(float *dz, const float *z, int V, double lse, float c)
{
    struct shift k = shift_of(lse);
    int i = 0;
    for (; i + VEC <= V; i += VEC) vec_store(dz + i, vec_load(dz + i) + c * share(vec_load(z + i), k));
    if (i < V) {
        vec_f d = vec_load_part(dz + i, V - i, 0), x = vec_load_part(z + i, V - i, -INFINITY);
        vec_store_part(dz + i, d + c * share(x, k), V - i);
    }
}

/* dD/dz_v = s_v (h_b - sum s h) with h = dD/ds of v's bucket b, here g = s h; words outside the support share
 * the tail's h. */
static void add_gradient(const struct ptd_support *u, const float *z, int V, double lse, double weight,
                         const double *s, const double *g, float *dz)
{
    float kept[PTD_SUPPORT_MAX];
    double mean = 0;
    for (int b = 0; b <= u->n; b++) mean += g[b];
    for (int b = 0; b < u->n; b++) kept[b] = u->id[b] >= 0 && u->id[b] < V ? dz[u->id[b]] : 0;
    double h = s[u->n] > 0 ? g[u->n] / s[u->n] - mean : s[u->n];
    add_shares(dz, z, V, lse, (float)(weight * h));
    for (int b = 0; b < u->n; b++)
        if (u->id[b] >= 0 && u->id[b] < V) dz[u->id[b]] = (float)(kept[b] + weight * (g[b] - s[b] * mean));
}

double ptd_divergence(char kind, const struct ptd_support *u, const float *z, int V, double lse,
                      double weight, float *dz)
{
    double s[PTD_SUPPORT_MAX + 1], g[PTD_SUPPORT_MAX + 1], value = 0;
    student_masses(u, z, V, lse, s);
    for (int b = 0; b <= u->n; b++) value += bucket(kind, s[b], u->t[b], &g[b]);
    if (dz) add_gradient(u, z, V, lse, weight, s, g, dz);
    return value < 0 ? 0 : value;
}
