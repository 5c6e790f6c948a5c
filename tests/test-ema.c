/* test-ema: running means of weights in float32 and bfloat16: their steps against plain sums, what
 * a store keeps of them, and who leaves them out. */
#include "device.h"
#include "tiny.h"
#include "data/config.h"
#include "method/ema.h"
#include "base/dtype.h"
#include "store/store.h"
#include "test.h"
#include <unistd.h>

static char folder[] = "/tmp/test-ema-XXXXXX", run[64], copy[64];

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(run, sizeof run, "%s/run.ptd", folder);
    snprintf(copy, sizeof copy, "%s/copy.ptd", folder);
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static struct ptd_model *model_of(int narrow)
{
    struct ptd_config c = tiny_config(1);
    struct ptd_image_rules r = {0};
    struct ptd_model *m = ptd_model_plan(&c, &r, the_device());
    m->narrow = narrow;
    ptd_model_init(m, 3);
    return m;
}

/* All trained weights as floats, one behind the other. */
static float *weights_of(struct ptd_model *m)
{
    int n;
    struct ptd_tensor_view *v = ptd_model_live_views(m, &n);
    float *all = ptd_array(m->n_weights, sizeof *all);
    for (size_t i = 0, at = 0; i < (size_t)n; at += v[i++].n) v[i].give(&v[i], 0, v[i].n, all + at);
    free(v);
    return all;
}

static void move(struct ptd_model *m, uint64_t seed)
{
    ptd_model_init(m, seed);
}

/* What the mean would publish. */
static struct ptd_publication published(const struct ptd_ema *e, int64_t generation)
{
    struct ptd_publication p = {.generation = generation, .keep = 2};
    ptd_ema_publish(e, &p);
    return p;
}

static void assert_mean(const struct ptd_ema *e, const double *want)
{
    struct ptd_publication p = published(e, 0);
    size_t at = 0;
    for (int i = 0; i < p.n; i++) {
        assert_true(ptd_store_is_average(p.weights[i].name));
        for (size_t k = 0; k < p.weights[i].n; k++, at++)
            assert_close(p.weights[i].data[k], want[at], 3e-7 * fabs(want[at]) + 3e-8);
    }
    assert_true(at > 1000);
    free(p.weights);
}

static void check_steps(int narrow)
{
    struct ptd_model *m = model_of(narrow);
    struct ptd_ema *e = ptd_ema_new(m, 0.75);
    double *want = ptd_array(m->n_weights, sizeof *want);
    assert_int_equal(ptd_ema_bytes(m), 4 * m->n_weights);
    for (int step = 0; step < 5; step++) {
        if (step) move(m, 10 + step);
        float *w = weights_of(m);
        for (size_t i = 0; i < m->n_weights; i++)
            want[i] = step ? 0.75 * want[i] + 0.25 * w[i] : w[i];
        free(w);
        if (step)
            ptd_ema_step(e);
        else
            assert_int_equal(ptd_ema_load(e, NULL, 0), 0);
        assert_mean(e, want);
    }
    ptd_ema_free(e);
    ptd_model_free(m);
    free(want);
}

static void steps_are_plain_sums(void **state)
{
    (void)state;
    check_steps(0);
    check_steps(1);
}

static void publish(struct ptd_store *s, struct ptd_model *m, const struct ptd_ema *e,
                    int64_t generation)
{
    struct ptd_publication p = {.generation = generation, .keep = 3, .pin = !generation};
    p.weights = ptd_model_views(m, &p.n);
    if (e) ptd_ema_publish(e, &p);
    if (ptd_store_publish(s, &p)) ptd_die_last();
    free(p.weights);
}

/* Bits of the mean of all numbers. */
static double *bits_of(const struct ptd_ema *e, size_t n)
{
    struct ptd_publication p = published(e, 0);
    double *all = ptd_array(n, sizeof *all);
    size_t at = 0;
    for (int i = 0; i < p.n; i++)
        for (size_t k = 0; k < p.weights[i].n; k++) all[at++] = p.weights[i].data[k];
    free(p.weights);
    return all;
}

static int count_averages(struct ptd_store *s, int64_t generation)
{
    struct ptd_tensor_about *list;
    int n, found = 0;
    if (ptd_store_list(s, generation, &list, &n)) ptd_die_last();
    for (int i = 0; i < n; i++) found += ptd_store_is_average(list[i].name);
    ptd_store_list_free(list, n);
    return found;
}

static void a_store_keeps_them_by_generation(void **state)
{
    struct ptd_model *m = model_of(0);
    struct ptd_ema *e = ptd_ema_new(m, 0.9), *again = ptd_ema_new(m, 0.9);
    struct ptd_store *s, *other;
    double *kept[3];
    (void)state;
    assert_int_equal(ptd_store_open(&s, run, PTD_STORE_CREATE), 0);
    publish(s, m, NULL, 0);
    assert_int_equal(ptd_ema_load(e, s, 0), 0); /* generation 0 is its own */
    for (int g = 1; g < 3; g++) {
        move(m, 20 + g);
        ptd_ema_step(e);
        publish(s, m, e, g);
        kept[g] = bits_of(e, m->n_weights);
    }
    for (int g = 1; g < 3; g++) {
        assert_int_equal(ptd_ema_load(again, s, g), 0);
        double *now = bits_of(again, m->n_weights);
        assert_memory_equal(now, kept[g], m->n_weights * sizeof *now);
        free(now), free(kept[g]);
    }
    assert_int_equal(count_averages(s, 0), 0);
    assert_true(count_averages(s, 2) > 10);
    assert_int_equal(ptd_store_open(&other, copy, PTD_STORE_CREATE), 0);
    assert_int_equal(ptd_store_clone(s, 2, 0, other, NULL), 0);
    assert_int_equal(count_averages(other, 0), 0);
    ptd_store_close(other);
    ptd_store_close(s);
    ptd_ema_free(e), ptd_ema_free(again);
    ptd_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_plain_sums),
        cmocka_unit_test(a_store_keeps_them_by_generation),
    };
    ptd_program("test-ema");
    return cmocka_run_group_tests_name("ema", tests, setup, teardown);
}
