/* test-head: the GPU's operations on rows of logits, on the emulator, beside the CPU's own: all
 * kinds of rows, with ties, banned words, infinities and NaN. */
#include "forms.hh"
#include <algorithm>
#include <string>
extern "C" {
#include "base/half.h"
#include "method/divergence/divergence.h"
}

static struct ptd_device *cpu;

/* ---- rows ---- */

enum kind {
    PLAIN,
    TIES,
    EQUAL,
    SPARSE,
    NAN_IN,
    INF_IN,
    NOTHING,
    ALL_NAN,
    ZEROS,
    HIGH, /* e to these is none, or infinite */
    LOW,
    TAIL, /* equal ones, whose shares' sum is rounded up, and four of next to no share */
    NEAR  /* the next number, of some */
};

static floats rows_of(int V, const std::vector<int> &kinds, double scale = 3)
{
    floats z;
    for (size_t r = 0; r < kinds.size(); r++) {
        doubles x = normal(100 + r * 7 + (size_t)kinds[r], V);
        for (int v = 0; v < V; v++) {
            float f = (float)(scale * x[(size_t)v] + 1e-3 * v / V);
            switch (kinds[r]) {
            case TIES:
                f = floorf(f);
                break;
            case EQUAL:
                f = v == V / 2 ? 2.5f : 2;
                break;
            case SPARSE:
                f = v % 9 == 4 ? f : -INFINITY;
                break;
            case NAN_IN:
                f = v % 100 == 7 ? NAN : f;
                break;
            case INF_IN:
                f = v == V - 3 ? INFINITY : f;
                break;
            case NOTHING:
                f = -INFINITY;
                break;
            case ALL_NAN:
                f = NAN;
                break;
            case ZEROS:
                f = v % 3 ? -0.0f : 0;
                break;
            case HIGH:
                f += 300;
                break;
            case LOW:
                f -= 300;
                break;
            case TAIL:
                f = v < V - 4 ? 0 : -23;
                break;
            case NEAR:
                f = v % 23 == 4 ? 2.0000002f : 2;
                break;
            }
            z.push_back(f);
        }
    }
    return z;
}

static const std::vector<int> every = {PLAIN,   TIES,    EQUAL, SPARSE, NAN_IN, INF_IN,
                                       NOTHING, ALL_NAN, ZEROS, HIGH,   LOW};

/* ---- comparison ---- */

struct answer {
    std::string what;
    doubles x;
    double within;
};
typedef std::vector<struct answer> answers;

template <class E>
static struct answer answer_of(const char *what, const std::vector<E> &x, double within = 0)
{
    return {what, doubles(x.begin(), x.end()), within};
}

static void compare(const answers &got, const answers &want)
{
    for (size_t i = 0; i < want.size(); i++)
        for (size_t j = 0; j < want[i].x.size(); j++) {
            double g = got[i].x[j], w = want[i].x[j];
            if (g == w || (isnan(g) && isnan(w))) continue;
            if (!(fabs(g - w) <= want[i].within * (1 + fabs(w))))
                fail_msg("%s, entry %zu, is %.9g, expected %.9g", want[i].what.c_str(), j, g, w);
        }
}

/* once(d, z): what an operation of d answers about rows z of d, z included. */
template <class F> static void like_the_cpu(const floats &rows, F once)
{
    floats z = rows;
    answers want = once(cpu, (ptd_stat *)z.data()), first;
    want.push_back(answer_of("z", z, 4e-6));
    in_all_orders([&](run &t) {
        ptd_stat *on = t.stats(doubles(rows.begin(), rows.end()));
        answers got = once(t.d, on);
        floats back(rows.size());
        look_at_faults(t.d);
        t.d->ops->get(t.d, back.data(), on, back.size() * 4);
        got.push_back(answer_of("z", back));
        compare(got, want);
        for (size_t i = 0; sim_order && i < got.size(); i++)
            if (memcmp(got[i].x.data(), first[i].x.data(), got[i].x.size() * 8))
                fail_msg("order %d: other bits", sim_order);
        first = got;
    });
}

/* ---- score ---- */

static void check_score(int V, const std::vector<int> &kinds, int top_k, int shares,
                        float temperature, int lists)
{
    long n = (long)kinds.size();
    std::vector<int32_t> banned = {3, V - 1, 3}, first = {2}, id = {0, 0};
    for (long r = 0; r < n; r++) {
        for (long i = 0; i < (lists ? r % 4 : 1); i++)
            id.push_back((int32_t)(i == 2 ? V : (r * 31 + i * 5) % V));
        first.push_back((int32_t)id.size());
    }
    struct ptd_ask_score ask = {{temperature, banned.data(), lists ? 3 : 0},
                                {lists ? first.data() : NULL, id.data() + (lists ? 0 : 2)},
                                top_k,
                                shares};
    like_the_cpu(rows_of(V, kinds), [&](struct ptd_device *d, ptd_stat *z) {
        doubles lse((size_t)n), total((size_t)n), entropy((size_t)n), logp(id.size());
        std::vector<int32_t> top_id((size_t)(n * top_k));
        floats top_logp(top_id.size());
        struct ptd_got_score got = {lse.data(),  total.data(),  entropy.data(),
                                    logp.data(), top_id.data(), top_logp.data()};
        d->ops->rows_score(d, z, n, V, &ask, &got);
        return answers{answer_of("lse", lse, 1e-6),         answer_of("total", total, 1e-6),
                       answer_of("entropy", entropy, 4e-6), answer_of("logp", logp, 1e-6),
                       answer_of("top_id", top_id),         answer_of("top_logp", top_logp, 2e-6)};
    });
}

static void scores(void **state)
{
    check_score(70, every, 0, 0, 1, 0);
    check_score(72, every, 7, 1, 0.7f, 1);
    check_score(70, every, 100, 0, 1.3f, 1);
    check_score(72, {PLAIN, TIES, SPARSE}, 0, 1, 1, 1);
    check_score(1032, every, 20, 1, 1, 0);
    check_score(1032, {PLAIN, TIES}, 0, 0, 1, 1);
    check_score(1501, {TIES, EQUAL, PLAIN, SPARSE, NAN_IN}, 256, 0, 1, 1);
    check_score(1600, {EQUAL, ZEROS, TIES, PLAIN}, 100, 1, 1, 0);
    check_score(1, {PLAIN, NOTHING}, 3, 1, 1, 0);
    check_score(1501, {NEAR}, 100, 0, 1, 0);
    check_score(1024, {PLAIN, EQUAL}, 100, 1, 1, 0); /* as many as are listed at most */
}

/* The sums of a real vocabulary, of which few words are read exactly. */
static void a_whole_vocabulary(void **state)
{
    check_score(151936, {PLAIN}, 100, 1, 1, 0);
}

/* Shares are 0 or normal numbers, which end near e^-87.336. */
static void the_smallest_shares(void **state)
{
    const floats rows = {0, -87.3f, -87.33f, -87.34f, -88, -100, -104, -INFINITY};
    in_all_orders([&](run &t) {
        double sums[3];
        floats e(rows.size());
        struct ptd_ask_score ask = {{1, NULL, 0}, {NULL, NULL}, 0, 1};
        struct ptd_got_score got = {&sums[0], &sums[1], &sums[2]};
        ptd_stat *z = t.stats(doubles(rows.begin(), rows.end()));
        t.d->ops->rows_score(t.d, z, 1, (int)rows.size(), &ask, &got);
        t.d->ops->get(t.d, e.data(), z, e.size() * 4);
        for (size_t i = 0; i < e.size(); i++) {
            double want = i < 3 ? exp((double)rows[i]) : 0;
            if (!(fabs(e[i] - want) <= 1e-5 * want)) fail_msg("e^%g is %g", rows[i], e[i]);
        }
    });
}

/* ---- draw ---- */

static void check_draw(int V, const std::vector<int> &kinds, int top_k, double top_p,
                       float temperature, double scale = 3, double min_p = 0, int best = 3)
{
    long n = (long)kinds.size();
    const int draws = 4;
    std::vector<int32_t> banned = {5};
    doubles u;
    for (long i = 0; i < n * draws; i++)
        u.push_back(i % 7 == 6   ? 1 - 1e-16
                    : i % 5 == 4 ? 0
                                 : fmod(0.137 + 0.61803398875 * (double)i, 1));
    struct ptd_ask_draw ask = {
        {temperature, banned.data(), V > 5}, draws, u.data(), top_k, top_p, best, min_p};
    like_the_cpu(rows_of(V, kinds, scale), [&](struct ptd_device *d, ptd_stat *z) {
        std::vector<int32_t> id((size_t)(n * draws)), best_id((size_t)(n * best));
        floats logp(id.size());
        struct ptd_got_draw got = {id.data(), logp.data(), best_id.data()};
        d->ops->rows_draw(d, z, n, V, &ask, &got);
        return answers{answer_of("id", id), answer_of("logp", logp, 1e-6),
                       answer_of("best_id", best_id)};
    });
}

static void draws(void **state)
{
    check_draw(70, every, 0, 1, 1);
    check_draw(72, every, 1, 1, 0.5f);
    check_draw(70, every, 6, 1, 1);
    check_draw(70, every, 0, 0.6, 1.4f);
    check_draw(72, every, 9, 0.8, 1);
    check_draw(72, every, 100, 0.5, 1);
    check_draw(1500, {PLAIN, TIES, SPARSE}, 0, 1, 1);
    check_draw(2, {PLAIN, EQUAL}, 0, 0.3, 1);
    check_draw(70, every, 0, 1, 1, 3, 0.05);
    check_draw(72, {PLAIN, TIES, EQUAL}, 20, 0.9, 1, 1, 0.2);
}

/* Where all words are kept, or one alone; and no best words are asked for. */
static void draws_at_the_ends(void **state)
{
    for (int top_k : {-1, 69, 70, 71}) check_draw(70, {PLAIN, TIES}, top_k, 0.9, 1);
    for (double top_p : {0.0, nextafter(1, 0)}) check_draw(70, {PLAIN, TIES}, 0, top_p, 1);
    check_draw(70, every, 0, 1, 1, 3, 1);
    check_draw(70, {TIES, NAN_IN, ALL_NAN}, 0, 1, 1, 3, 1.5);
    check_draw(1500, {TIES}, 1200, 0.9, 1, 0.3, 1);
    check_draw(34, {EQUAL, TAIL}, 0, 1, 1, 3, 1e-12);
    check_draw(1504, {ZEROS, TAIL}, 0, 1, 1, 3, 1e-15);
    for (int top_k : {0, 1}) check_draw(1500, {PLAIN, NOTHING}, top_k, 1, 1, 3, 0, 0);
}

/* More words than are listed may come: the row is read digit by digit. */
static void draws_from_many(void **state)
{
    check_draw(1500, {PLAIN, TIES, EQUAL}, 700, 1, 1, 0.3);
    check_draw(1501, {PLAIN, EQUAL, NAN_IN}, 0, 0.9, 1, 0.3);
    check_draw(1500, {TIES, ZEROS}, 1200, 0.9, 1, 0.3);
    check_draw(1500, {PLAIN, ZEROS}, 0, 1, 1, 0.3, 0.5);
    check_draw(1500, {PLAIN, PLAIN}, 1200, 0.98, 1, 0.3, 0.4);
    check_draw(1500, {PLAIN, PLAIN}, 1200, 0.01, 1, 0.3, 0.7); /* min_p would leave more */
}

/* ---- what is read ---- */

/* Accesses of once(d, z), z one row on the emulator; 0 on a chip. */
template <class F> static long cost(const floats &row, F once)
{
    struct ptd_device *d = opened();
    ptd_stat *z = (ptd_stat *)d->ops->alloc(d, row.size() * 4);
    sim_order = sim_late = 0;
    d->ops->put(d, z, row.data(), row.size() * 4);
    d->ops->wait(d);
    long before = sim_accesses;
    once(d, z);
    look_at_faults(d);
    before = sim_accesses - before;
    d->ops->free(d, z);
    close_device(d);
    return before;
}

static long cost_of_best(const floats &row)
{
    return cost(row, [&](struct ptd_device *d, ptd_stat *z) {
        double lse;
        std::vector<int32_t> id(100);
        floats logp(id.size());
        struct ptd_ask_score ask = {{1, NULL, 0}, {NULL, NULL}, (int)id.size(), 0};
        struct ptd_got_score got = {&lse, NULL, NULL, NULL, id.data(), logp.data()};
        d->ops->rows_score(d, z, 1, (int)row.size(), &ask, &got);
    });
}

static long cost_of_draws(const floats &row)
{
    return cost(row, [&](struct ptd_device *d, ptd_stat *z) {
        const double u[] = {0, 0.01, 0.02, 0.03};
        int32_t id[4];
        float logp[4];
        struct ptd_ask_draw ask = {{1, NULL, 0}, 4, u, 0, 0.9, 0, 0};
        struct ptd_got_draw got = {id, logp, NULL};
        d->ops->rows_draw(d, z, 1, (int)row.size(), &ask, &got);
    });
}

/* Rows are read again only where more words reach the bound than can be listed, and then no
 * further than to the word that is looked for. */
static void nothing_is_read_in_vain(void **state)
{
    floats plain = rows_of(1500, {PLAIN}), flat = rows_of(1536, {PLAIN}, 0.3), back;
    if (!cost_of_best(plain)) skip();
    assert_true(cost_of_best(plain) + 10000 < cost_of_best(rows_of(1500, {EQUAL})));
    for (auto f : {cost_of_best, cost_of_draws}) {
        long full = f(rows_of(1024, {PLAIN}, 0.3)), less = f(rows_of(1020, {PLAIN}, 0.3));
        if (!(labs(full - less) < 1000)) fail_msg("1024 words cost %ld, 1020 %ld", full, less);
    }
    std::sort(flat.begin(), flat.end());
    back.assign(flat.rbegin(), flat.rend());
    assert_true(cost_of_draws(back) + 1000 < cost_of_draws(flat));
}

/* ---- gradient ---- */

struct tutor {
    std::vector<std::vector<int32_t>> ids, tops;
    std::vector<std::vector<uint16_t>> logp, on_top;
    std::vector<struct ptd_lesson> lesson;
    floats whole;
};

/* Row by row: none, of some words (with doubles and strange ones), of all words. */
static struct tutor tutor_of(int V, long n, int whole)
{
    struct tutor t;
    for (long r = 0; r < n; r++) {
        struct ptd_lesson l = {};
        t.ids.emplace_back(), t.tops.emplace_back(), t.logp.emplace_back(), t.on_top.emplace_back();
        for (int k = 0; k < 9; k++) {
            t.ids.back().push_back((int32_t)((r + 6 * k) % V)),
                t.logp.back().push_back(ptd_half(-2.5f - (float)k / 4));
            t.tops.back().push_back((int32_t)(k == 3   ? V + 2
                                              : k == 4 ? -1
                                              : k == 5 ? V
                                                       : (r + 4 * k) % V)),
                t.on_top.back().push_back(ptd_half(-3 - (float)k));
        }
        t.lesson.push_back(l);
    }
    t.whole = rows_of(V, {PLAIN, TIES});
    for (long r = 0; r < n; r++) {
        struct ptd_lesson &l = t.lesson[(size_t)r];
        if (r % 3 == 1) l.ids = t.ids[(size_t)r].data(), l.logp = t.logp[(size_t)r].data(), l.k = 9;
        if (r % 3 == 1)
            l.top_ids = t.tops[(size_t)r].data(), l.on_top = t.on_top[(size_t)r].data(),
            l.top_k = 9;
        if (whole && (r == 3 || r == 6)) l.whole = r / 3;
    }
    return t;
}

static void check_gradient(int V, const std::vector<int> &kinds, const char *divergence, int lists,
                           int no_tail, int whole, float temperature)
{
    long n = (long)kinds.size();
    std::vector<int32_t> banned = {1, 40}, first = {0}, id;
    doubles weights;
    for (long r = 0; r < n; r++) {
        for (long i = 0; i < (lists ? r % 4 : 1); i++)
            id.push_back((int32_t)(i == 2 ? V : r == 2 ? banned[1] : (r * 29 + i / 3 * 7) % V));
        first.push_back((int32_t)id.size());
        weights.push_back(0.5 + (double)r);
    }
    doubles dlogp = normal(12, (long)id.size()), dentropy = normal(13, n);
    struct tutor t = tutor_of(V, n, whole);
    like_the_cpu(rows_of(V, kinds), [&](struct ptd_device *d, ptd_stat *z) {
        doubles total((size_t)n), value((size_t)n), entropy((size_t)n);
        floats tutor = t.whole;
        struct ptd_row_rules rules = {temperature, banned.data(), 2 * lists};
        struct ptd_ask_score ask = {rules, {NULL, NULL}, 0, 1};
        struct ptd_got_score got = {NULL, total.data(), entropy.data()};
        struct ptd_ask_gradient down = {rules,
                                        total.data(),
                                        {lists ? first.data() : NULL, id.data()},
                                        dlogp.data(),
                                        divergence ? t.lesson.data() : NULL,
                                        divergence ? ptd_divergence_named(divergence) : NULL,
                                        0.7,
                                        lists ? weights.data() : NULL,
                                        no_tail,
                                        NULL};
        if (no_tail || whole) down.dentropy = dentropy.data(), down.entropy = entropy.data();
        down.tutor =
            d == cpu ? (ptd_stat *)tutor.data() : (ptd_stat *)d->ops->alloc(d, tutor.size() * 4);
        if (d != cpu) d->ops->put(d, down.tutor, tutor.data(), tutor.size() * 4);
        d->ops->rows_score(d, z, n, V, &ask, &got);
        d->ops->rows_gradient(d, z, n, V, &down, value.data());
        if (d != cpu) d->ops->free(d, down.tutor);
        return answers{answer_of("total", total, 1e-6), answer_of("value", value, 2e-6)};
    });
}

static void gradients(void **state)
{
    const std::vector<int> kinds = {PLAIN, TIES, NAN_IN, PLAIN, PLAIN, NOTHING, PLAIN, NAN_IN};
    check_gradient(70, kinds, NULL, 0, 0, 0, 1);
    check_gradient(72, kinds, "jsd", 1, 0, 0, 0.8f);
    check_gradient(70, kinds, "forward", 0, 1, 0, 1);
    check_gradient(72, kinds, "jsd", 0, 0, 1, 1.2f);
}

static void too_many_best_words_are_refused(void **state)
{
    struct ptd_device *d = opened();
    struct ptd_ask_score ask = {{1, NULL, 0}, {NULL, NULL}, 257, 0};
    struct ptd_got_score got = {};
    ptd_stat *z = (ptd_stat *)d->ops->alloc(d, 4000);
    d->ops->rows_score(d, z, 1, 1000, &ask, &got);
    assert_int_equal(d->fault.status, PTD_DATAERR);
    d->ops->free(d, z);
    d->ops->close(d);
    free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores),
        cmocka_unit_test(a_whole_vocabulary),
        cmocka_unit_test(the_smallest_shares),
        cmocka_unit_test(nothing_is_read_in_vain),
        cmocka_unit_test(draws),
        cmocka_unit_test(draws_at_the_ends),
        cmocka_unit_test(draws_from_many),
        cmocka_unit_test(gradients),
        cmocka_unit_test(too_many_best_words_are_refused),
    };
    quick = getenv("GPU_SIM_QUICK") != NULL;
    sim_quiet = wide_numbers = 1;
    cpu = ptd_device_open("cpu");
    assert_non_null(cpu);
    if (getenv("GPU_SIM_ONLY")) cmocka_set_test_filter(getenv("GPU_SIM_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
