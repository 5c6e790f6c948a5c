/* test-rows: the row operations of every device against their plain formulas in double: sums,
 * words, best words, draws; gradients, alone and with every divergence there is, against finite
 * differences. */
#include "device.h"
#include "methods.h"
#include "base/half.h"
#include "base/rng.h"
#include "base/threads.h"
#include "compute/cpu/support.h"
#include <stdlib.h>

enum { ROWS = 9, V = 53, K = 7, MOST = 4 };
static const int32_t banned[3] = {5, 17, V - 1};

static double normal(int which, int i)
{
    return ptd_normal(13, PTD_RNG_TEST, (uint32_t)which, (uint32_t)i, 0);
}

/* ---- rows in double, and on the device ---- */

static float raw[ROWS * V];
static double T; /* the temperature */
static struct ptd_row_rules rules;

static void make(int which, double temperature, int with_banned)
{
    T = (float)temperature;
    rules = (struct ptd_row_rules){(float)T, banned, with_banned ? 3 : 0};
    for (int i = 0; i < ROWS * V; i++) raw[i] = (float)(2 * normal(which, i));
}

static int is_banned(int v)
{
    for (int i = 0; i < rules.n_banned; i++)
        if (banned[i] == v) return 1;
    return 0;
}

/* Log-probs of z [V], logits as the network gives them. */
static void plain_row(const double *z, double *logp)
{
    double most = -INFINITY, sum = 0;
    for (int v = 0; v < V; v++) most = fmax(most, logp[v] = is_banned(v) ? -INFINITY : z[v] / T);
    for (int v = 0; v < V; v++) sum += exp(logp[v] - most);
    for (int v = 0; v < V; v++) logp[v] -= most + log(sum);
}

static void plain_of(int r, double *logp)
{
    double z[V];
    for (int v = 0; v < V; v++) z[v] = raw[r * V + v];
    plain_row(z, logp);
}

static float *logits(void)
{
    float *z = ptd_array(ROWS * V, sizeof *z);
    memcpy(z, raw, sizeof raw);
    return z;
}

/* ---- words: none, one, three, one of them none of the vocabulary ... ---- */

static int32_t first[ROWS + 1], id[ROWS * MOST];

static void make_words(void)
{
    for (int r = 0; r < ROWS; r++) {
        first[r + 1] = first[r] + r % (MOST + 1);
        for (int i = first[r]; i < first[r + 1]; i++) id[i] = (r * 11 + i * 7) % V;
    }
    id[first[3] + 1] = -1;
    id[first[4] + 2] = V;
    id[first[8]] = 17; /* banned */
}

/* ---- score ---- */

static void check_score(int shares, int top_k)
{
    struct ptd_device *d = the_device();
    double lse[ROWS], total[ROWS], entropy[ROWS], words[ROWS * MOST], logp[V];
    int32_t top[ROWS * K];
    float top_logp[ROWS * K];
    float *z = logits();
    struct ptd_ask_score ask = {rules, {first, id}, top_k, shares};
    struct ptd_got_score got = {lse, total, entropy, words, top, top_logp};
    d->ops->rows_score(d, stats(z, ROWS * V), ROWS, V, &ask, &got);
    back();
    for (int r = 0; r < ROWS; r++) {
        double ln = 0, best = INFINITY;
        plain_of(r, logp);
        for (int v = 0; v < V; v++) ln -= exp(logp[v]) > 0 ? exp(logp[v]) * logp[v] : 0;
        assert_close(lse[r], raw[r * V] / T - logp[0], 1e-5);
        if (shares) assert_close(entropy[r], ln, 1e-5);
        for (int v = 0; shares && v < V; v++)
            assert_close(z[r * V + v] / total[r], exp(logp[v]), 1e-6);
        for (int i = first[r]; i < first[r + 1]; i++) {
            double want = id[i] < 0 || id[i] >= V ? -INFINITY : logp[id[i]];
            if (want == -INFINITY) assert_true(words[i] == want);
            if (want > -INFINITY) assert_close(words[i], want, 1e-5);
        }
        for (int k = 0; k < top_k; best = logp[top[r * K + k++]]) {
            int better = 0;
            for (int v = 0; v < V; v++) better += logp[v] > logp[top[r * K + k]];
            assert_int_equal(better, k);
            assert_true(logp[top[r * K + k]] < best);
            assert_close(top_logp[r * K + k], logp[top[r * K + k]], 1e-5);
        }
    }
    free(z);
}

static void rows_score(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        make(which, which % 2 ? 1 : 0.7, which / 2);
        check_score(0, 0);
        check_score(0, K);
        check_score(1, 0);
        check_score(1, K);
    }
}

/* ---- draw ---- */

static double *sorting;
static int better(const void *a, const void *b)
{
    double x = sorting[*(const int *)a], y = sorting[*(const int *)b];
    return (x < y) - (x > y);
}

/* The word at u of what top_k, then top_p leave; -1: u is too near to a border to tell. */
static int plain_draw(double *logp, int top_k, double top_p, double u)
{
    int order[V], n = V, all = !top_k && top_p >= 1;
    double mass = 0, sum = 0, left = 0;
    for (int v = 0; v < V; v++) order[v] = v;
    sorting = logp;
    if (!all) qsort(order, V, sizeof *order, better);
    if (top_k) n = top_k;
    for (int i = 0; i < n; i++) mass += exp(logp[order[i]]);
    for (int i = 0; i < n; i++) {
        if (left >= top_p * mass)
            n = i;
        else
            left += exp(logp[order[i]]);
    }
    for (int i = 0; i < n; i++) {
        sum += exp(logp[order[i]]) / left;
        if (fabs(sum - u) < 1e-5) return -1;
        if (u < sum) return order[i];
    }
    return -1;
}

static void check_draw(int top_k, double top_p)
{
    enum { DRAWS = 5, BEST = 2 };
    struct ptd_device *d = the_device();
    int32_t drawn[ROWS * DRAWS], best[ROWS * BEST];
    float logp[ROWS * DRAWS];
    double u[ROWS * DRAWS], row[V];
    int sure = 0;
    float *z = logits();
    for (int i = 0; i < ROWS * DRAWS; i++)
        u[i] = ptd_uniform(3, PTD_RNG_TEST, (uint32_t)top_k, (uint32_t)i, (uint32_t)(100 * top_p));
    d->ops->rows_draw(d, stats(z, ROWS * V), ROWS, V,
                      &(struct ptd_ask_draw){rules, DRAWS, u, top_k, top_p, BEST},
                      &(struct ptd_got_draw){drawn, logp, best});
    back();
    for (int i = 0; i < ROWS * DRAWS; i++) {
        int r = i / DRAWS;
        plain_of(r, row);
        int want = plain_draw(row, top_k, top_p, u[i]);
        if (want >= 0) assert_int_equal(drawn[i], want);
        assert_close(logp[i], row[drawn[i]], 1e-5);
        for (int k = 0; k < BEST; k++) {
            int above = 0;
            for (int v = 0; v < V; v++) above += row[v] > row[best[r * BEST + k]];
            assert_int_equal(above, k);
        }
        sure += want >= 0;
    }
    assert_true(sure > ROWS * DRAWS * 9 / 10);
    free(z);
}

static void rows_draw(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        make(10 + which, which % 2 ? 1 : 1.4, which / 2);
        check_draw(0, 1);
        check_draw(1, 1);
        check_draw(6, 1);
        check_draw(0, 0.6);
        check_draw(9, 0.8);
    }
}

/* ---- gradient ---- */

static struct ptd_lesson lesson[ROWS];
static int32_t ids[ROWS][K];
static uint16_t lesson_halves[ROWS][K];

/* Every second row is tutored, by a tutor who bans the same words. */
static void make_lessons(int which)
{
    memset(lesson, 0, sizeof lesson);
    for (int r = 0; r < ROWS; r += 2) {
        double z[V], logp[V];
        for (int v = 0; v < V; v++) z[v] = 2 * normal(which, 1000 + r * V + v);
        plain_row(z, logp);
        for (int k = 0; k < K; k++) {
            ids[r][k] = (r + 6 * k) % V;
            lesson_halves[r][k] = ptd_half((float)logp[ids[r][k]]);
        }
        lesson[r] = (struct ptd_lesson){.ids = ids[r], .logp = lesson_halves[r], .k = K};
    }
}

/* How lessons are read: with or without a tail, of all words, with weights of their own; and
 * whether entropy has a part. */
static struct {
    int no_tail, whole, weighted, entropy;
} way;
static double dentropy[ROWS];
static float tutor[ROWS * V]; /* logits of whole lessons, the last row's first */
static double weights[ROWS];

static void make_way(int no_tail, int whole, int weighted)
{
    way.no_tail = no_tail, way.whole = whole, way.weighted = weighted;
    for (int i = 0; i < ROWS * V; i++) tutor[i] = (float)(2 * normal(55, i));
    for (int r = 0; r < ROWS; r++) {
        weights[r] = 0.5 * r;
        if (whole && ptd_lesson_says(&lesson[r]))
            lesson[r] = (struct ptd_lesson){.whole = ROWS - r};
    }
}

static double plain_whole(double (*part)(double, double), int r, const double *logp)
{
    double z[V], t[V], sum = 0;
    for (int v = 0; v < V; v++) z[v] = tutor[(ROWS - 1 - r) * V + v];
    plain_row(z, t);
    for (int v = 0; v < V; v++) sum += is_banned(v) ? 0 : part(exp(logp[v]), exp(t[v]));
    return sum;
}

static double plain_divergence(const struct ptd_divergence *d, int r, const double *logp)
{
    double (*part)(double, double) = plain_divergence_of(d->is.name), inside = 0, sum = 0;
    struct ptd_support u;
    if (lesson[r].whole) return plain_whole(part, r, logp);
    ptd_support_join(&u, &lesson[r], way.no_tail);
    for (int b = 0; b < u.n; b++) inside += exp(logp[u.id[b]]);
    for (int b = 0; b < u.n; b++)
        sum += part(exp(logp[u.id[b]]) / (way.no_tail ? inside : 1), u.t[b]);
    return way.no_tail ? sum : sum + part(1 - inside, u.t[u.n]);
}

static double plain_loss(const struct ptd_divergence *d, double weight, const double *dlogp, int r,
                         const double *z)
{
    double logp[V], sum = 0;
    plain_row(z, logp);
    for (int v = 0; way.entropy && v < V; v++)
        if (!is_banned(v)) sum -= dentropy[r] * exp(logp[v]) * logp[v];
    for (int i = first[r]; i < first[r + 1]; i++)
        if (id[i] >= 0 && id[i] < V && !is_banned(id[i])) sum += dlogp[i] * logp[id[i]];
    if (!d || !ptd_lesson_says(&lesson[r]) || !plain_learns(d)) return sum;
    return sum + weight * (way.weighted ? weights[r] : 1) * plain_divergence(d, r, logp);
}

static void check_slopes(const struct ptd_divergence *d, double weight, const double *dlogp,
                         const float *z)
{
    const double h = 1e-5;
    for (int r = 0; r < ROWS; r++) {
        double x[V], side[2];
        for (int v = 0; v < V; v++) x[v] = raw[r * V + v];
        for (int v = 0; v < V; v++) {
            for (int up = 0; up < 2; up++) {
                x[v] = raw[r * V + v] + (up ? h : -h);
                side[up] = plain_loss(d, weight, dlogp, r, x);
            }
            x[v] = raw[r * V + v];
            assert_close(z[r * V + v], (side[1] - side[0]) / (2 * h), 3e-6);
            if (is_banned(v)) assert_true(z[r * V + v] == 0);
        }
    }
}

static void check_gradient(const struct ptd_divergence *divergence, double weight)
{
    struct ptd_device *d = the_device();
    double total[ROWS], dlogp[ROWS * MOST], value[ROWS], logp[V], entropy[ROWS];
    struct ptd_ask_score ask = {.rules = rules, .shares = 1};
    struct ptd_got_score got = {.total = total, .entropy = entropy};
    struct ptd_ask_gradient down = {rules, total, {first, id}, dlogp, lesson, divergence, weight};
    float *z = logits(), taught[ROWS * V];
    if (way.entropy) down.entropy = entropy, down.dentropy = dentropy;
    if (!divergence) down.lesson = NULL;
    down.no_tail = way.no_tail;
    if (way.weighted) down.weights = weights;
    memcpy(taught, tutor, sizeof taught);
    for (int i = 0; i < first[ROWS]; i++) dlogp[i] = is_banned(id[i]) ? 0 : normal(77, i);
    ptd_stat *on = stats(z, ROWS * V);
    if (way.whole) down.tutor = stats(taught, ROWS * V);
    d->ops->rows_score(d, on, ROWS, V, &ask, &got);
    d->ops->rows_gradient(d, on, ROWS, V, &down, value);
    back();
    check_slopes(divergence, weight, dlogp, z);
    for (int r = 0; r < ROWS; r++) {
        int says = divergence && ptd_lesson_says(&lesson[r]);
        plain_of(r, logp);
        assert_close(value[r], says ? plain_divergence(divergence, r, logp) : 0, 2e-6);
    }
    free(z);
}

static void rows_gradient(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        make(20 + which, which % 2 ? 1 : 1.4, which / 2);
        for (int how = 0; how < 12; how++) {
            make_lessons(30 + which);
            make_way(how % 3 == 1, how % 3 == 2, how % 6 > 2);
            way.entropy = how > 5;
            for (int r = 0; r < ROWS; r++) dentropy[r] = normal(88, r);
            check_gradient(NULL, 0);
            for (int i = 0; divergence_number(i); i++) check_gradient(divergence_number(i), 0.7);
        }
    }
    make_way(0, 0, 0);
    way.entropy = 0;
}

/* ---- all words ---- */

/* Value and gradient, of rows with `l` as their lesson and nothing else to learn; z is kept. */
static double diverge(const struct ptd_divergence *how, const struct ptd_lesson *l, int no_tail,
                      const float *taught, float *z)
{
    struct ptd_device *d = the_device();
    double total, value;
    const int32_t none[2] = {0, 0};
    float t[V];
    struct ptd_ask_score ask = {.rules = rules, .words.first = none, .shares = 1};
    struct ptd_ask_gradient down = {.rules = rules,
                                    .total = &total,
                                    .words.first = none,
                                    .lesson = l,
                                    .divergence = how,
                                    .weight = 1,
                                    .no_tail = no_tail};
    ptd_stat *on = stats(z, V);
    if (taught) down.tutor = stats(memcpy(t, taught, sizeof t), V);
    d->ops->rows_score(d, on, 1, V, &ask, &(struct ptd_got_score){.total = &total});
    d->ops->rows_gradient(d, on, 1, V, &down, &value);
    back();
    return value;
}

/* A tutor whose log-probs are float16, told word by word, K = V, and as logits. */
static void every_word_is_the_whole(void **state)
{
    (void)state;
    for (int which = 0; which < 8; which++)
        for (int i = 0; divergence_number(i); i++) {
            int32_t all[V];
            uint16_t half[V];
            float taught[V], z[2][V];
            double t[V], logp[V], value[2];
            make(60 + which, 1, 0);
            for (int v = 0; v < V; v++) t[v] = 2 * normal(90 + which, v);
            plain_row(t, logp);
            for (int v = 0; v < V; v++) {
                all[v] = v;
                half[v] = ptd_half((float)logp[v]);
                taught[v] = ptd_unhalf(half[v]);
                z[0][v] = z[1][v] = raw[v];
            }
            const struct ptd_divergence *d = divergence_number(i);
            value[0] = diverge(d, &(struct ptd_lesson){.ids = all, .logp = half, .k = V}, which % 2,
                               NULL, z[0]);
            value[1] = diverge(d, &(struct ptd_lesson){.whole = 1}, 0, taught, z[1]);
            assert_close(value[0], value[1], 1e-6);
            assert_true(value[0] > 1e-2);
            for (int v = 0; v < V; v++) assert_close(z[0][v], z[1][v], 1e-6);
            for (int v = 0; v < V && !plain_learns(d); v++)
                assert_true(z[0][v] == 0 && z[1][v] == 0);
        }
}

static void equal_logits_teach_exactly_nothing(void **state)
{
    (void)state;
    for (int which = 0; which < 8; which++)
        for (int i = 0; ptd_divergences[i]; i++) {
            const struct ptd_divergence *d = (const struct ptd_divergence *)ptd_divergences[i];
            float z[V];
            double dlogp, most = strstr(d->is.name, "jsd") ? 0 : 1e-7;
            make(70 + which, which % 2 ? 0.7 : 1, which % 2);
            memcpy(z, raw, sizeof z);
            if (d->word) {
                assert_true(d->word(d->is.own, -1.3, -1.3, &dlogp) == 0 && dlogp == 0);
                continue;
            }
            double value = diverge(d, &(struct ptd_lesson){.whole = 1}, 0, raw, z);
            assert_true(value == 0);
            for (int v = 0; v < V; v++) assert_true(fabs(z[v]) <= most);
        }
}

/* Students that give the support no mass at all have nothing to compare without a tail. */
static void nothing_inside_is_nothing_learned(void **state)
{
    const int32_t id[1] = {3};
    const uint16_t half[1] = {ptd_half(-0.5f)};
    float z[V];
    (void)state;
    make(80, 1, 0);
    memcpy(z, raw, sizeof z);
    z[3] = -1e4f;
    const struct ptd_lesson l = {.ids = id, .logp = half, .k = 1};
    assert_true(diverge(ptd_divergence_named("forward"), &l, 1, NULL, z) == 0);
    for (int v = 0; v < V; v++) assert_true(z[v] == 0);
    memcpy(z, raw, sizeof z);
    z[9] = NAN;
    assert_true(isnan(diverge(ptd_divergence_named("forward"), &l, 1, NULL, z)));
    for (int v = 0; v < V; v++) assert_true(isnan(z[v]));
}

/* One word for each row, the usual case, is the list of one word for each row. */
static void one_word_is_a_list_of_one(void **state)
{
    struct ptd_device *d = the_device();
    int32_t one[ROWS], at[ROWS + 1];
    double total[ROWS], dlogp[ROWS], words[2][ROWS];
    float *z[2];
    (void)state;
    make(40, 1.2, 1);
    for (int r = 0; r <= ROWS; r++) at[r] = r;
    for (int r = 0; r < ROWS; r++) one[r] = 3 * r + 1, dlogp[r] = normal(41, r);
    for (int k = 0; k < 2; k++) {
        struct ptd_row_words w = {k ? at : NULL, one};
        struct ptd_ask_score ask = {.rules = rules, .words = w, .shares = 1};
        struct ptd_ask_gradient down = {.rules = rules, .total = total, .words = w, .dlogp = dlogp};
        z[k] = logits();
        ptd_stat *on = stats(z[k], ROWS * V);
        d->ops->rows_score(d, on, ROWS, V, &ask,
                           &(struct ptd_got_score){.total = total, .logp = words[k]});
        d->ops->rows_gradient(d, on, ROWS, V, &down, NULL);
        back();
    }
    assert_memory_equal(words[0], words[1], sizeof words[0]);
    assert_memory_equal(z[0], z[1], ROWS * V * sizeof **z);
    free(z[0]);
    free(z[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_score),
        cmocka_unit_test(rows_draw),
        cmocka_unit_test(rows_gradient),
        cmocka_unit_test(every_word_is_the_whole),
        cmocka_unit_test(equal_logits_teach_exactly_nothing),
        cmocka_unit_test(nothing_inside_is_nothing_learned),
        cmocka_unit_test(one_word_is_a_list_of_one),
    };
    make_words();
    ptd_threads_start(2);
    int failed = 0;
    for (int i = 0; ptd_device_name(i); i++) {
        if (!open_row(i)) continue;
        failed += cmocka_run_group_tests_name(ptd_device_name(i), tests, NULL, NULL);
        ptd_device_close(chosen_device);
    }
    return failed;
}
