/* test-divergence: the divergences on rows of logits against finite differences of their own double
 * form, and their traps: a detached weight, equal distributions, zero masses, banned words;
 * supports. The functions under test see float logits. */
#include "base/half.h"
#include "compute/cpu/row.h"
#include "test.h"
#include "base/rng.h"
#include "flow/record.h"
#include "compute/cpu/support.h"
#include "method/divergence/divergence.h"
#include <stdlib.h>
#include <string.h>

#define V 50

/* ---- the same mathematics once more, in double, for one row ---- */

struct row {
    double z[V];
    struct ptd_support u;
};

static double lse_of(const double *z)
{
    double most = -INFINITY, sum = 0;
    for (int v = 0; v < V; v++) most = fmax(most, z[v]);
    for (int v = 0; v < V; v++) sum += exp(z[v] - most);
    return most + log(sum);
}

/* s[n + 1], the tail as the plain sum of the words outside the support. */
static void masses(const struct row *r, double *s)
{
    double lse = lse_of(r->z), p[V];
    for (int v = 0; v < V; v++) p[v] = exp(r->z[v] - lse);
    for (int b = 0; b < r->u.n; b++) s[b] = p[r->u.id[b]], p[r->u.id[b]] = 0;
    s[r->u.n] = 0;
    for (int v = 0; v < V; v++) s[r->u.n] += p[v];
}

static double part(double a, double b)
{
    return a > 0 ? a * log(a / b) : 0;
}

static double value(const struct row *r, char kind)
{
    double s[PTD_SUPPORT_MAX + 1], sum = 0;
    masses(r, s);
    for (int b = 0; b <= r->u.n; b++) {
        double t = r->u.t[b], m = (s[b] + t) / 2;
        sum += kind == 'f'   ? part(t, s[b])
               : kind == 'r' ? part(s[b], t)
                             : (part(s[b], m) + part(t, m)) / 2;
    }
    return sum;
}

static double slope(struct row *r, int v, double (*f)(const struct row *, char), char kind)
{
    const double h = 1e-5;
    double z = r->z[v];
    r->z[v] = z + h;
    double up = f(r, kind);
    r->z[v] = z - h;
    double down = f(r, kind);
    r->z[v] = z;
    return (up - down) / (2 * h);
}

/* ---- rows ---- */

static double normal(int which, int i)
{
    return ptd_normal(11, PTD_RNG_TEST, (uint32_t)which, (uint32_t)i, 0);
}

static int best_of(const double *z, const uint8_t *taken)
{
    int best = -1;
    for (int v = 0; v < V; v++)
        if (!taken[v] && (best < 0 || z[v] > z[best])) best = v;
    return best;
}

static void top(const double *z, int k, int32_t *ids)
{
    uint8_t taken[V] = {0};
    for (int i = 0; i < k; i++) taken[ids[i] = best_of(z, taken)] = 1;
}

static void halves(const double *z, const int32_t *ids, int k, uint16_t *logp)
{
    double lse = lse_of(z);
    for (int i = 0; i < k; i++) logp[i] = ptd_half((float)(z[ids[i]] - lse));
}

/* A student, and the support made of the top k of the teacher's and of its own logits; logits are
 * floats in doubles. */
static void join_rows(struct row *r, const double *teacher, int k)
{
    int32_t ids[V], own[V];
    uint16_t logp[V], on_own[V];
    top(teacher, k, ids);
    top(r->z, k, own);
    halves(teacher, ids, k, logp);
    halves(teacher, own, k, on_own);
    ptd_support_join(&r->u, &(struct ptd_lesson){ids, logp, k, own, on_own, k}, 0);
}

static void make_row(struct row *r, int which, int k, double temperature, double spread)
{
    double teacher[V];
    for (int v = 0; v < V; v++) {
        r->z[v] = (float)(spread * normal(2 * which, v) / temperature);
        teacher[v] = spread * normal(2 * which + 1, v);
    }
    join_rows(r, teacher, k);
}

static void floats(const struct row *r, float *z)
{
    for (int v = 0; v < V; v++) z[v] = (float)r->z[v];
}

/* ---- divergences ---- */

static const struct ptd_divergence *kind_of(char letter)
{
    for (int i = 0; ptd_divergences[i]; i++)
        if (*ptd_divergences[i]->name == letter)
            return (const struct ptd_divergence *)ptd_divergences[i];
    fail_msg("no divergence begins with %c", letter);
    return NULL;
}

/* The divergence of logits z; weight dD/dz is added to dz (NULL: not wanted). */
static double divergence(char kind, const struct ptd_support *u, const float *z, int n,
                         double weight, float *dz)
{
    const struct ptd_divergence *d = kind_of(kind);
    float e[V];
    struct ptd_shares shares;
    memcpy(e, z, n * sizeof *e);
    ptd_row_shares(e, n, &shares);
    double value =
        ptd_support_diverge(u, d, (struct ptd_share_row){e, n, shares.total}, weight, 0, 0);
    for (int v = 0; dz && v < n; v++) dz[v] += e[v];
    return value;
}

static void check_divergence(struct row *r, char kind)
{
    float z[V], dz[V];
    double most = 0, g[V];
    floats(r, z);
    for (int v = 0; v < V; v++)
        most = fmax(most, fabs(g[v] = slope(r, v, value, kind))), dz[v] = 0.25f;
    double got = divergence(kind, &r->u, z, V, 2, dz);
    assert_close(got, value(r, kind), 1e-6 * (1 + got));
    for (int v = 0; v < V; v++)
        assert_close((dz[v] - 0.25) / 2, g[v], 1e-6 * most + 2e-8); /* 0.25 costs float bits */
    for (int v = 0; v < V; v++) dz[v] = 0;
    divergence(kind, &r->u, z, V, 1, dz);
    for (int v = 0; v < V; v++) assert_close(dz[v], g[v], 2e-6 * most); /* float masses */
}

static void divergences_match_finite_differences(void **state)
{
    (void)state;
    const int ks[] = {1, 4, 16, 40, V};
    const double temperatures[] = {0.6, 1, 1.7};
    for (int which = 0; which < 30; which++) {
        struct row r;
        make_row(&r, which, ks[which % 5], temperatures[which % 3], which < 15 ? 1 : 2.5);
        check_divergence(&r, 'j');
        check_divergence(&r, 'f');
        if (r.u.t[r.u.n] > 0) check_divergence(&r, 'r'); /* else infinite, and floored: see below */
    }
}

/* The formula of the design, word by word, with the temperature outside: z = raw / T. */
static void jsd_matches_its_formula_with_temperature(void **state)
{
    (void)state;
    const double T = 1.3;
    struct row r;
    make_row(&r, 40, 12, T, 2);
    double s[PTD_SUPPORT_MAX + 1], kl = 0, lse = lse_of(r.z);
    float z[V], dz[V] = {0};
    masses(&r, s);
    floats(&r, z);
    divergence('j', &r.u, z, V, 1 / T, dz);
    for (int b = 0; b <= r.u.n; b++) kl += part(s[b], (s[b] + r.u.t[b]) / 2);
    for (int v = 0; v < V; v++) {
        int b = 0;
        while (b < r.u.n && r.u.id[b] != v) b++;
        double want = exp(r.z[v] - lse) / (2 * T) * (log(2 * s[b] / (s[b] + r.u.t[b])) - kl);
        assert_close(dz[v], want, 1e-7);
    }
}

/* A form of the loss under test: writes its gradient for the logits. */
typedef void gradient_form(const struct row *r, double *g);

static void shipped_form(const struct row *r, double *g)
{
    float z[V], dz[V] = {0};
    floats(r, z);
    divergence('j', &r->u, z, V, 1, dz);
    for (int v = 0; v < V; v++) g[v] = dz[v];
}

/* What automatic differentiation makes of 1/2 [w (ln s - ln m) + t (ln t - ln m)] with w = s
 * detached: m still moves. */
static void detached_form(const struct row *r, double *g)
{
    double s[PTD_SUPPORT_MAX + 1], h[PTD_SUPPORT_MAX + 1], mean = 0, lse = lse_of(r->z);
    masses(r, s);
    for (int b = 0; b <= r->u.n; b++) {
        double t = r->u.t[b], m = (s[b] + t) / 2, w = s[b];
        h[b] = (w / s[b] - w / (2 * m) - t / (2 * m)) / 2;
        mean += s[b] * h[b];
    }
    for (int v = 0; v < V; v++) {
        int b = 0;
        while (b < r->u.n && r->u.id[b] != v) b++;
        g[v] = exp(r->z[v] - lse) * (h[b] - mean);
    }
}

/* Both weight and mixture detached: the chain through the softmax is zero again. */
static void frozen_form(const struct row *r, double *g)
{
    double s[PTD_SUPPORT_MAX + 1], lse = lse_of(r->z);
    masses(r, s);
    for (int v = 0; v < V; v++) {
        double mean = 0;
        for (int b = 0; b <= r->u.n; b++) mean += s[b] / 2;
        g[v] = exp(r->z[v] - lse) * (0.5 - mean);
    }
}

static double largest(gradient_form *form, const struct row *r)
{
    double g[V], most = 0;
    form(r, g);
    for (int v = 0; v < V; v++) most = fmax(most, fabs(g[v]));
    return most;
}

/* Alive: where distributions differ, a small step against the gradient lowers J by what the slope
 * promises. */
static int gradient_is_alive(gradient_form *form)
{
    for (int which = 50; which < 60; which++) {
        struct row r;
        double g[V], square = 0;
        make_row(&r, which, 10, 1, 2);
        form(&r, g);
        double before = value(&r, 'j');
        for (int v = 0; v < V; v++) square += g[v] * g[v], r.z[v] -= 0.01 * g[v];
        double gain = before - value(&r, 'j');
        if (!(before > 0.01 && square > 1e-8 && gain > 0.009 * square)) return 0;
    }
    return 1;
}

static void jsd_gradient_is_alive(void **state)
{
    (void)state;
    assert_true(gradient_is_alive(shipped_form));
}

static void a_detached_weight_would_be_caught(void **state)
{
    (void)state;
    struct row r;
    make_row(&r, 50, 10, 1, 2);
    assert_true(value(&r, 'j') > 0.01); /* the printed value looks healthy all the same */
    assert_true(largest(shipped_form, &r) > 1e-3);
    assert_true(largest(detached_form, &r) < 1e-10);
    assert_true(largest(frozen_form, &r) < 1e-10);
    assert_false(gradient_is_alive(detached_form));
    assert_false(gradient_is_alive(frozen_form));
}

static void equal_distributions_have_no_divergence(void **state)
{
    (void)state;
    for (int which = 60; which < 80; which++) {
        struct row r;
        double teacher[V];
        float z[V], dz[V] = {0};
        for (int v = 0; v < V; v++) teacher[v] = r.z[v] = (float)(1.5 * normal(which, v));
        join_rows(&r, teacher, which % 2 ? 12 : V);
        floats(&r, z);
        assert_in_range((uint64_t)(1e9 * divergence('j', &r.u, z, V, 1, dz)), 0, 1000); /* 1e-6 */
        for (int v = 0; v < V; v++) assert_close(dz[v], 0, 1e-4);
    }
}

/* Masses 1/2, 1/4 and a tail of 1/4 on both sides, the first of the student's off by a factor of 1
 * + step: from nothing at all (exactly 0) on, value and gradient follow the formula, though they
 * are differences of nearly equal numbers. */
static void near_equality_keeps_its_digits(void **state)
{
    (void)state;
    for (int shift = 0; shift <= 20; shift++) {
        double step = shift ? ldexp(1, -shift) : 0, total = 2 + step, want = 0, mean = 0, h[3];
        float e[4] = {(float)(1 + step), 0.5f, 0.25f, 0.25f};
        struct ptd_support u = {2, {0, 1}, {0.5, 0.25, 0.25}};
        for (int b = 0; b < 3; b++) {
            double s = (b < 2 ? e[b] : 0.5) / total, t = u.t[b], d = (s - t) / (s + t);
            h[b] = log1p(d) / 2;
            want += s * h[b] + t * log1p(-d) / 2;
            mean += s * h[b];
        }
        double p[4] = {e[0] / total, e[1] / total, e[2] / total, e[3] / total};
        double got =
            ptd_support_diverge(&u, kind_of('j'), (struct ptd_share_row){e, 4, total}, 1, 0, 0);
        assert_close(got, want, 1e-7 * step);
        for (int v = 0; v < 4; v++)
            assert_close(e[v], p[v] * (h[v < 2 ? v : 2] - mean), 2e-8 + 1e-7 * step);
        if (!shift) assert_true(got == 0 && e[0] == 0 && e[1] == 0 && e[2] == 0 && e[3] == 0);
    }
}

static void jsd_is_bounded_by_ln_2(void **state)
{
    (void)state;
    struct row r;
    double teacher[V];
    float z[V], dz[V] = {0};
    for (int v = 0; v < V; v++) r.z[v] = v == 3 ? 40 : -40, teacher[v] = v == 30 ? 40 : -40;
    join_rows(&r, teacher, 5);
    floats(&r, z);
    double j = divergence('j', &r.u, z, V, 1, dz);
    assert_true(j <= M_LN2);
    assert_close(j, M_LN2, 1e-6);
    for (int v = 0; v < V; v++) assert_true(fabs(dz[v]) <= M_LN2);
    for (int which = 80; which < 120; which++) {
        make_row(&r, which, 1 + which % 20, 0.3, 4);
        floats(&r, z);
        j = divergence('j', &r.u, z, V, 1, NULL);
        assert_true(j >= 0 && j <= M_LN2);
    }
}

/* K = V: no tail is left, and the value is the divergence of the whole distributions. */
static void full_support_is_the_full_vocabulary(void **state)
{
    (void)state;
    for (int which = 120; which < 130; which++) {
        struct row r;
        double teacher[V], want = 0;
        float z[V];
        make_row(&r, which, V, 1, 2);
        assert_int_equal(r.u.n, V);
        assert_true(r.u.t[V] == 0);
        for (int v = 0; v < V; v++) teacher[v] = 2 * normal(2 * which + 1, v);
        double ls = lse_of(r.z), lt = lse_of(teacher);
        for (int v = 0; v < V; v++) {
            double s = exp(r.z[v] - ls), t = exp(teacher[v] - lt);
            want += (part(s, (s + t) / 2) + part(t, (s + t) / 2)) / 2;
        }
        floats(&r, z);
        assert_close(divergence('j', &r.u, z, V, 1, NULL), want, 2e-4); /* float16 log-probs */
    }
}

static void support_joins_without_duplicates(void **state)
{
    (void)state;
    const int32_t teacher[] = {4, 9, 2}, own[] = {9, 7, 4};
    const uint16_t on_teacher[] = {ptd_half(logf(0.5f)), ptd_half(logf(0.25f)),
                                   ptd_half(logf(0.125f))};
    const uint16_t on_own[] = {on_teacher[1], ptd_half(logf(0.0625f)), on_teacher[0]};
    const double mass[] = {0.5, 0.25, 0.125, 0.0625, 0.0625};
    const int32_t ids[] = {4, 9, 2, 7};
    struct ptd_support u;
    double sum = 0;
    ptd_support_join(&u, &(struct ptd_lesson){teacher, on_teacher, 3, own, on_own, 3}, 0);
    assert_int_equal(u.n, 4);
    for (int b = 0; b < 4; b++) assert_int_equal(u.id[b], ids[b]);
    for (int b = 0; b <= 4; sum += u.t[b++]) assert_close(u.t[b], mass[b], 5e-4); /* float16 */
    assert_close(sum, 1, 1e-7);
}

static void a_word_told_twice_counts_once(void **state)
{
    (void)state;
    const int32_t ids[] = {4, 9, 4, 1028}; /* 1028: the mark of 4 */
    const uint16_t logp[] = {ptd_half(logf(0.5f)), ptd_half(logf(0.25f)), ptd_half(logf(0.5f)),
                             ptd_half(logf(0.125f))};
    struct ptd_support u;
    for (int top_k = 0; top_k <= 4; top_k += 4) {
        ptd_support_join(&u, &(struct ptd_lesson){ids, logp, 4, ids, logp, top_k}, 0);
        assert_int_equal(u.n, 3);
        assert_int_equal(u.id[2], 1028);
        assert_close(u.t[2], 0.125, 5e-4);
    }
}

static void support_never_overflows(void **state)
{
    (void)state;
    int32_t a[400], b[400];
    uint16_t logp[400];
    struct ptd_support u;
    for (int i = 0; i < 400; i++) a[i] = i, b[i] = 1000 + i, logp[i] = ptd_half(-7);
    ptd_support_join(&u, &(struct ptd_lesson){a, logp, 400, b, logp, 400}, 0);
    assert_int_equal(u.n, PTD_SUPPORT_MAX);
    assert_close(u.t[u.n], 1 - PTD_SUPPORT_MAX * exp(-7), 1e-6);
}

/* Ids that share their last bits are told apart, also beyond the number of marks; repeated ones
 * count once. */
static void support_tells_like_ids_apart(void **state)
{
    enum { LIKE = 5, N = 90, ALL = LIKE * N };
    int32_t ids[ALL], again[ALL];
    uint16_t logp[ALL];
    struct ptd_support u;
    (void)state;
    for (int i = 0; i < ALL; i++) {
        ids[i] = 7 * (i % N) + 4096 * (i / N);
        again[ALL - 1 - i] = ids[i];
        logp[i] = ptd_half(-7);
    }
    ptd_support_join(&u, &(struct ptd_lesson){ids, logp, ALL, again, logp, ALL}, 0);
    assert_int_equal(u.n, ALL);
    assert_memory_equal(u.id, ids, sizeof ids);
}

/* Banned words, masses that are zero on one side or both, ids outside the vocabulary: finite, and
 * right elsewhere. */
static void zero_masses_stay_finite(void **state)
{
    (void)state;
    const int32_t ids[] = {0, 1, 2, 3, V + 7, -1};
    const uint16_t logp[] = {ptd_half(-INFINITY), ptd_half(logf(0.5f)), ptd_half(-INFINITY),
                             ptd_half(-2),        ptd_half(-3),         ptd_half(-3)};
    for (const char *kind = "jfr"; *kind; kind++) {
        struct row r;
        float z[V], dz[V] = {0};
        make_row(&r, 130, 4, 1, 2);
        ptd_support_join(&r.u, &(struct ptd_lesson){ids, logp, 6, NULL, NULL, 0}, 0);
        r.z[0] = r.z[3] = r.z[20] =
            -INFINITY; /* zero on both sides, on the student's side, outside the support */
        floats(&r, z);
        double d = divergence(*kind, &r.u, z, V, 1, dz), sum = 0;
        assert_true(isfinite(d) && d > 0);
        for (int v = 0; v < V; v++) assert_true(isfinite(dz[v])), sum += dz[v];
        assert_true(dz[0] == 0 && dz[20] == 0);
        if (*kind == 'j') assert_close(sum, 0, 1e-6); /* shares sum to one, so slopes sum to zero */
        if (*kind == 'j') assert_true(dz[3] == 0);
    }
}

/* KL(S||T) where the teacher has no tail: the floor takes the place of its mass. */
static void reverse_without_teacher_tail_is_floored(void **state)
{
    (void)state;
    const int32_t id = 5;
    const uint16_t logp = ptd_half(0);
    struct row r;
    float z[V];
    make_row(&r, 132, 4, 1, 1);
    ptd_support_join(&r.u, &(struct ptd_lesson){&id, &logp, 1, NULL, NULL, 0}, 0);
    floats(&r, z);
    double s = exp(r.z[5] - lse_of(r.z)),
           want = s * log(s) + (1 - s) * log((1 - s) / PTD_MASS_FLOOR);
    assert_close(divergence('r', &r.u, z, V, 1, NULL), want, 1e-6 * want);
}

static void broken_logits_are_not_hidden(void **state)
{
    (void)state;
    for (const char *kind = "jfr"; *kind; kind++)
        for (int where = 0; where < V; where += 7) {
            struct row r;
            float z[V], dz[V] = {0};
            make_row(&r, 131, 6, 1, 2);
            floats(&r, z);
            z[where] = NAN;
            double d = divergence(*kind, &r.u, z, V, 1, dz);
            assert_true(d != d);
            for (int v = 0; v < V; v++) assert_true(dz[v] != dz[v]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(divergences_match_finite_differences),
        cmocka_unit_test(jsd_matches_its_formula_with_temperature),
        cmocka_unit_test(jsd_gradient_is_alive),
        cmocka_unit_test(a_detached_weight_would_be_caught),
        cmocka_unit_test(equal_distributions_have_no_divergence),
        cmocka_unit_test(near_equality_keeps_its_digits),
        cmocka_unit_test(jsd_is_bounded_by_ln_2),
        cmocka_unit_test(full_support_is_the_full_vocabulary),
        cmocka_unit_test(support_joins_without_duplicates),
        cmocka_unit_test(a_word_told_twice_counts_once),
        cmocka_unit_test(support_tells_like_ids_apart),
        cmocka_unit_test(support_never_overflows),
        cmocka_unit_test(zero_masses_stay_finite),
        cmocka_unit_test(reverse_without_teacher_tail_is_floored),
        cmocka_unit_test(broken_logits_are_not_hidden),
    };
    return cmocka_run_group_tests_name("divergence", tests, NULL, NULL);
}
