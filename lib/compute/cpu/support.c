/* support: see support.h. */
#include "compute/cpu/support.h"
#include "base/half.h"
#include "compute/cpu/vec.h"

#define BUCKETS (PTD_SUPPORT_MAX + VEC) /* in whole vectors */

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

void ptd_support_join(struct ptd_support *u, const struct ptd_lesson *l)
{
    uint16_t half[PTD_SUPPORT_MAX];
    float x[BUCKETS];
    uint8_t marks[MARKS] = {0};
    vec_d sum = {0}, rounding = {0}; /* half a unit in the last place of float16 */
    u->n = 0;
    add_words(u, marks, half, l->ids, l->logp, l->k);
    add_words(u, marks, half, l->top_ids, l->on_top, l->top_k);
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

double ptd_support_diverge(const struct ptd_support *u, const struct ptd_divergence *d, float *e,
                           int V, double total, double weight, double c)
{
    float s[BUCKETS], t[BUCKETS], g[BUCKETS];
    student_masses(u, e, V, total, s);
    vec_store(t + u->n, (vec_f){0});
    for (int b = 0; b <= u->n; b++) t[b] = (float)u->t[b];
    double value = d->value(s, t, u->n + 1, g);
    write_gradient(u, e, V, total, weight, c, s, g);
    return value < 0 ? 0 : value;
}
