/* test-driver: the driver beside its operations: threads that take turns, two cards at a time, and
 * how often memory is asked for. */
#include <thread> /* before cmocka takes its words */

#include "forms.hh"

/* ---- cards and threads ---- */

/* A product, rows by number and a kernel, on whichever thread. */
static float computed(struct ptd_device *d, float seed)
{
    floats x(64, seed), y(64);
    size_t bytes = 64 * d->num_size;
    ptd_num *a = (ptd_num *)d->ops->alloc(d, bytes), *b = (ptd_num *)d->ops->alloc(d, bytes);
    struct ptd_block rows = {a, 8};
    struct ptd_matrix W = {&rows, 1, 8, 8, PTD_F32};
    d->ops->put_nums(d, a, x.data(), 64);
    d->ops->linear(d, b, a, &W, NULL, NULL, 8);
    d->ops->add(d, b, a, 64);
    double norm = d->ops->norm(d, b, PTD_NUMS, 64);
    d->ops->get_nums(d, y.data(), b, 64);
    d->ops->free(d, a), d->ops->free(d, b);
    look_at_faults(d);
    assert_float_equal(norm, 8 * y[63], 1e-3);
    return y[63];
}

static float elsewhere(struct ptd_device *d, float seed)
{
    float y = 0;
    std::thread([&] { y = computed(d, seed); }).join();
    return y;
}

static void threads_take_turns_on_two_cards(void **state)
{
    struct ptd_device *first = opened(0), *second = opened(1);
    if (!second) {
        close_device(first);
        skip();
    }
    for (sim_late = 0; sim_late < 2; sim_late++) {
        assert_float_equal(computed(first, 2), 34, 0);
        assert_float_equal(computed(second, 1), 9, 0);
        assert_float_equal(elsewhere(first, 1), 9, 0);
        assert_float_equal(elsewhere(second, 2), 34, 0);
        assert_float_equal(computed(first, 3), 75, 0);
    }
    sim_late = 0;
    std::thread(close_device, second).join();
    assert_float_equal(computed(first, 2), 34, 0);
    close_device(first);
}

static void cards_that_are_not_there(void **state)
{
    static const char *const names[] = {"sim:9", "sim:200:f32"};
    for (const char *name : names) {
        struct ptd_device d = {};
        d.name = name;
        assert_int_equal(ptd_cuda_plugin(&d), -1);
        assert_int_equal(d.fault.status, PTD_UNAVAILABLE);
    }
}

/* ---- memory ---- */

/* One token of each of n sequences. */
static void decode(struct ptd_device *d, ptd_num *o, const ptd_num *x, int n, int past)
{
    std::vector<struct ptd_span> spans;
    for (int i = 0; i < n; i++) spans.push_back({i, 1, i * 64L, past, 0, 0});
    struct ptd_attention a = {2, 1, 32, 1, 64, 32, 32, 64, spans.data(), n, NULL, 0, 0};
    struct ptd_attention_plan *p = d->ops->attention_plan(d, &a);
    d->ops->attention(d, p, o, NULL, x, x, x);
    d->ops->attention_plan_free(d, p);
}

static void a_step_of_decoding_asks_for_no_memory(void **state)
{
    struct ptd_device *d = opened();
    size_t all = 4 * 64 * 64;
    floats zeros(all);
    ptd_num *x = (ptd_num *)d->ops->alloc(d, all * d->num_size),
            *o = (ptd_num *)d->ops->alloc(d, all * d->num_size);
    d->ops->put_nums(d, x, zeros.data(), all);
    decode(d, o, x, 4, 50);
    long before = sim_mallocs;
    for (int i = 0; i < 40; i++) decode(d, o, x, 1 + i % 4, i);
    assert_int_equal(sim_mallocs, before);
    look_at_faults(d);
    d->ops->free(d, x), d->ops->free(d, o);
    assert_int_equal(d->used, 0);
    close_device(d);
}

/* More plans at a time than there are places. */
static void many_plans_live_beside_each_other(void **state)
{
    struct ptd_device *d = opened();
    struct ptd_span span = {0, 1, 0, 0, 0, 0};
    struct ptd_attention a = {1, 1, 32, 1, 32, 32, 32, 32, &span, 1, NULL, 0, 0};
    ptd_num *x = (ptd_num *)d->ops->alloc(d, 32 * d->num_size),
            *o = (ptd_num *)d->ops->alloc(d, 32 * d->num_size);
    floats ones(32, 1), y(32);
    std::vector<struct ptd_attention_plan *> plans;
    d->ops->put_nums(d, x, ones.data(), 32);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 40; i++) plans.push_back(d->ops->attention_plan(d, &a));
        for (struct ptd_attention_plan *p : plans) {
            d->ops->attention(d, p, o, NULL, x, x, x);
            d->ops->attention_plan_free(d, p);
        }
        plans.clear();
    }
    d->ops->get_nums(d, y.data(), o, 32);
    look_at_faults(d);
    assert_memory_equal(y.data(), ones.data(), 32 * sizeof(float));
    d->ops->free(d, x), d->ops->free(d, o);
    close_device(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_take_turns_on_two_cards),
        cmocka_unit_test(cards_that_are_not_there),
        cmocka_unit_test(a_step_of_decoding_asks_for_no_memory),
        cmocka_unit_test(many_plans_live_beside_each_other),
    };
    return run_on_both(tests, sizeof tests / sizeof *tests);
}
