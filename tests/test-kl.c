/* test-kl: the estimates of the KL to the reference: which divergence the gradient of each has in
 * the mean, by sums over a whole vocabulary; values; derivatives; bounds. */
#include "losses.h"
#include "base/err.h"
#include "base/rng.h"
#include "method/kl/kl.h"

enum { V = 13 };

static double normal(int which, int i)
{
    return ptd_normal(14, PTD_RNG_TEST, (uint32_t)which, (uint32_t)i, 0);
}

static void softmax(const double *z, double *logp)
{
    double sum = 0;
    for (int v = 0; v < V; v++) sum += exp(z[v]);
    for (int v = 0; v < V; v++) logp[v] = z[v] - log(sum);
}

/* KL(p||q) of log-probs. */
static double divergence(const double *p, const double *q)
{
    double sum = 0;
    for (int v = 0; v < V; v++) sum += exp(p[v]) * (p[v] - q[v]);
    return sum;
}

/* Three distributions: the student's logits z and log-probs, the reference, the sampler. */
static double z[V], pi[V], ref[V], old[V];

static void make(int which, int fresh)
{
    double r[V], o[V];
    for (int v = 0; v < V; v++) {
        z[v] = normal(which, v);
        r[v] = z[v] + 0.7 * normal(which, 100 + v);
        o[v] = fresh ? z[v] : z[v] + 0.5 * normal(which, 200 + v);
    }
    softmax(z, pi);
    softmax(r, ref);
    softmax(o, old);
}

/* The mean gradient by logit w of what is summed over words that old drew:
 * sum_v old_v derivative_v dlogp_v/dz_w, with dlogp_v/dz_w = [v = w] - pi_w. */
static void mean_gradient(const struct ptd_kl *k, double *gradient)
{
    for (int w = 0; w < V; w++) gradient[w] = 0;
    for (int v = 0; v < V; v++) {
        double slope;
        k->value(pi[v], old[v], ref[v], &slope);
        for (int w = 0; w < V; w++) gradient[w] += exp(old[v]) * slope * ((v == w) - exp(pi[w]));
    }
}

static double mean_value(const struct ptd_kl *k)
{
    double sum = 0, ignored;
    for (int v = 0; v < V; v++) sum += exp(old[v]) * k->value(pi[v], old[v], ref[v], &ignored);
    return sum;
}

/* By differences: reverse, KL(pi||ref), or KL(ref||pi). */
static double slope_of_divergence(int w, int reverse)
{
    const double h = 1e-6;
    double side[2], p[V], kept = z[w];
    for (int up = 0; up < 2; up++) {
        z[w] = kept + (up ? h : -h);
        softmax(z, p);
        side[up] = reverse ? divergence(p, ref) : divergence(ref, p);
    }
    z[w] = kept;
    return (side[1] - side[0]) / (2 * h);
}

/* The table of kl.h. fresh: does the gradient need words that pi itself drew? */
static const struct {
    const char *name;
    int reverse, fresh, exact; /* exact: its mean value is KL(pi||ref) */
} rows[] = {{"k1", 1, 1, 1}, {"k2", 1, 1, 0}, {"k3", 0, 1, 1}, {"k3-unbiased", 1, 0, 1}};

static void each_has_the_gradient_that_the_header_says(void **state)
{
    size_t n = sizeof rows / sizeof *rows, there = 0;
    (void)state;
    for (int i = 0; ptd_kls[i]; i++) there += ((const struct ptd_kl *)ptd_kls[i])->value != NULL;
    assert_int_equal(n, there); /* a new one needs its line above; full is test-learn's */
    for (size_t i = 0; i < n; i++)
        for (int which = 0; which < 10; which++) {
            const struct ptd_kl *k = ptd_kl_named(rows[i].name);
            double got[V], off = 0;
            make(which, rows[i].fresh || which % 2);
            mean_gradient(k, got);
            if (rows[i].exact) assert_close(mean_value(k), divergence(pi, ref), 1e-12);
            for (int w = 0; w < V; w++) {
                assert_close(got[w], slope_of_divergence(w, rows[i].reverse), 1e-8);
                off = fmax(off, fabs(got[w] - slope_of_divergence(w, !rows[i].reverse)));
            }
            assert_true(off > 1e-3); /* and not that of the other direction */
        }
}

/* The mean of k1's own derivative, 1, is nothing: why it has another. */
static void the_derivative_of_k1_would_teach_nothing(void **state)
{
    (void)state;
    make(3, 1);
    for (int w = 0; w < V; w++) {
        double sum = 0;
        for (int v = 0; v < V; v++) sum += exp(pi[v]) * ((v == w) - exp(pi[w]));
        assert_close(sum, 0, 1e-15);
    }
}

/* Words of another sampler: only the weighted one keeps its direction. */
static void words_of_others_bend_all_but_the_weighted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double got[V], off = 0;
        make(5, 0);
        mean_gradient(ptd_kl_named(rows[i].name), got);
        for (int w = 0; w < V; w++)
            off = fmax(off, fabs(got[w] - slope_of_divergence(w, rows[i].reverse)));
        assert_true(rows[i].fresh ? off > 1e-3 : off < 1e-8);
    }
}

static void values_and_slopes_match(void **state)
{
    static const double refs[] = {-9, -4, -2.5, -2.0, -1.9, -1, -0.1};
    const double h = 1e-6;
    (void)state;
    for (int j = 0; ptd_kls[j]; j++)
        for (int i = 0; i < 7; i++) {
            const struct ptd_kl *k = (const struct ptd_kl *)ptd_kls[j];
            double d, side[2];
            if (!k->value) continue;
            assert_close(k->value(-2, -2.3, refs[i], &d),
                         plain_kl(k->is.name, -2, -2.3, refs[i], 0), 1e-12);
            for (int up = 0; up < 2; up++)
                side[up] = plain_kl(k->is.name, -2 + (up ? h : -h), -2.3, refs[i], 1);
            assert_close(d, (side[1] - side[0]) / (2 * h), 1e-6 * (1 + fabs(d)));
            assert_true(k->value(-2, -2.3, -2, &d) == 0 && d == 0); /* equal: exactly nothing */
            k->value(NAN, -1, -1, &d);
            assert_true(d != d);
            k->value(-1, -1, NAN, &d);
            assert_true(d != d);
        }
}

static void k3_is_bounded(void **state)
{
    const struct ptd_kl *k3 = ptd_kl_named("k3"), *unbiased = ptd_kl_named("k3-unbiased");
    double d;
    (void)state;
    assert_true(k3->value(-30, -30, -1, &d) == 10 && d == 0); /* e^20 and more: clamped */
    assert_true(k3->value(-5, -5, -1, &d) == 10 && d == 0);
    assert_true(k3->value(-1, -1, -100, &d) == 10 && d == 0);
    assert_true(unbiased->value(-5, -5, -1, &d) == 10 && d == 10); /* the ratio still moves */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_the_gradient_that_the_header_says),
        cmocka_unit_test(the_derivative_of_k1_would_teach_nothing),
        cmocka_unit_test(words_of_others_bend_all_but_the_weighted),
        cmocka_unit_test(values_and_slopes_match),
        cmocka_unit_test(k3_is_bounded),
    };
    return cmocka_run_group_tests_name("kl", tests, NULL, NULL);
}
