/* test-kv: blocks of keys and values: lent once at a time, promised before they are, given back
 * whole; what is in them stays where it was when more are made. */
#include "tiny.h"
#include "net/kv.h"
#include "base/dtype.h"
#include "base/rng.h"
#include "test.h"

#define MOST  40
#define LISTS 12

static struct ptd_model *model;

static int setup(void **state)
{
    (void)state;
    model = tiny_model(1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ptd_model_free(model);
    return 0;
}

/* No block is in two lists, or in a list and spare. */
static void assert_lent_once(const struct ptd_kv *kv, const struct ptd_kv_list *l, int n)
{
    int owners[MOST] = {0};
    long promised = 0;
    for (int i = 0; i < n; i++) {
        promised += l[i].promised;
        assert_true(l[i].n <= l[i].promised);
        for (int k = 0; k < l[i].n; k++) owners[l[i].block[k]]++;
    }
    for (long i = 0; i < kv->n_spare; i++) owners[kv->spare[i]]++;
    for (long i = 0; i < kv->blocks; i++) assert_int_equal(owners[i], 1);
    assert_int_equal(promised, kv->promised);
    assert_true(kv->promised <= kv->most && kv->blocks <= kv->most);
}

static void rows_to_blocks(void **state)
{
    struct ptd_kv *kv = ptd_kv_new(model, MOST);
    struct ptd_kv_list l = {0};
    (void)state;
    assert_int_equal(ptd_kv_blocks(0), 0);
    assert_int_equal(ptd_kv_blocks(1), 1);
    assert_int_equal(ptd_kv_blocks(PTD_KV_ROWS), 1);
    assert_int_equal(ptd_kv_blocks(PTD_KV_ROWS + 1), 2);
    assert_int_equal(ptd_kv_block_bytes(model),
                     2 * 3 * PTD_KV_ROWS * 2 * 16 * model->device->num_size);
    assert_true(ptd_kv_promise(kv, &l, 3 * PTD_KV_ROWS));
    assert_int_equal(l.n, 0);
    ptd_kv_grow(kv, &l, PTD_KV_ROWS + 1);
    assert_int_equal(l.n, 2);
    ptd_kv_grow(kv, &l, 2);
    assert_int_equal(l.n, 2);
    for (int i = 0; i < 2 * PTD_KV_ROWS; i++) assert_int_equal(ptd_kv_slot(&l, i), i);
    ptd_kv_release(kv, &l);
    ptd_kv_free(kv);
}

static void a_promise_is_kept_or_not_given(void **state)
{
    struct ptd_kv *kv = ptd_kv_new(model, MOST);
    struct ptd_kv_list a = {0}, b = {0};
    (void)state;
    assert_true(ptd_kv_promise(kv, &a, 30 * PTD_KV_ROWS));
    assert_false(ptd_kv_promise(kv, &b, 11 * PTD_KV_ROWS));
    assert_int_equal(b.promised, 0);
    assert_true(ptd_kv_promise(kv, &b, 10 * PTD_KV_ROWS));
    ptd_kv_grow(kv, &b, 10 * PTD_KV_ROWS);
    ptd_kv_grow(kv, &a, 30 * PTD_KV_ROWS);
    assert_int_equal(kv->n_spare, 0);
    ptd_kv_release(kv, &a);
    assert_true(ptd_kv_promise(kv, &a, 30 * PTD_KV_ROWS));
    ptd_kv_release(kv, &a);
    ptd_kv_release(kv, &b);
    ptd_kv_free(kv);
}

/* Lists come, grow and go in any order. */
static void lent_once_at_a_time(void **state)
{
    struct ptd_kv *kv = ptd_kv_new(model, MOST);
    struct ptd_kv_list l[LISTS] = {{0}};
    int refused = 0;
    (void)state;
    for (uint32_t i = 0; i < 4000; i++) {
        struct ptd_kv_list *one = &l[ptd_below(LISTS, 1, PTD_RNG_TEST, i, 0, 0)];
        long rows = ptd_below(6 * PTD_KV_ROWS, 1, PTD_RNG_TEST, i, 1, 0);
        if (!one->promised)
            refused += !ptd_kv_promise(kv, one, rows);
        else if (ptd_below(4, 1, PTD_RNG_TEST, i, 2, 0) == 0)
            ptd_kv_release(kv, one);
        else
            ptd_kv_grow(kv, one, rows < one->promised * PTD_KV_ROWS ? rows : 1);
        assert_lent_once(kv, l, LISTS);
    }
    assert_true(refused > 10);
    for (int i = 0; i < LISTS; i++) ptd_kv_release(kv, &l[i]);
    assert_int_equal(kv->promised, 0);
    assert_int_equal(kv->n_spare, kv->blocks);
    ptd_kv_free(kv);
}

/* All that a list's rows hold, of one layer, is its number. */
static void fill(struct ptd_kv *kv, int layer, long row, float value)
{
    float x[64];
    uint16_t half[64];
    for (int i = 0; i < kv->width; i++) x[i] = value;
    struct ptd_device *d = kv->device;
    ptd_dtype_from_float(half, PTD_BF16, x, kv->width);
    if (kv->halves)
        d->ops->put(d, (uint16_t *)kv->v[layer] + row * kv->width, half, kv->width * sizeof *half);
    else
        d->ops->put_nums(d, ptd_at(d, kv->v[layer], (size_t)row * kv->width), x, kv->width);
}

/* The first n numbers of a layer's values, malloc'd. */
static float *read_values(const struct ptd_kv *kv, int layer, size_t n)
{
    if (!kv->halves) return read_nums(kv->device, kv->v[layer], n);
    uint16_t *half = ptd_array(n, sizeof *half);
    float *x = ptd_array(n, sizeof *x);
    kv->device->ops->get(kv->device, half, kv->v[layer], n * sizeof *half);
    ptd_dtype_to_float(x, half, PTD_BF16, n);
    free(half);
    return x;
}

static void more_blocks_keep_what_is_there(void **state)
{
    struct ptd_kv *kv = ptd_kv_new(model, MOST);
    struct ptd_kv_list l[4] = {{0}};
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_true(ptd_kv_promise(kv, &l[i], 8 * PTD_KV_ROWS));
        ptd_kv_grow(kv, &l[i], 8 * PTD_KV_ROWS);
        for (int layer = 0; layer < kv->layers; layer++)
            for (int r = 0; r < 8 * PTD_KV_ROWS; r += 31)
                fill(kv, layer, ptd_kv_slot(&l[i], r), (float)(100 * layer + 10 * i + r % 7));
    }
    for (int layer = 0; layer < kv->layers; layer++) {
        size_t n = (size_t)kv->blocks * PTD_KV_ROWS * kv->width;
        float *v = read_values(kv, layer, n);
        for (int i = 0; i < 4; i++)
            for (int r = 0; r < 8 * PTD_KV_ROWS; r += 31)
                assert_close(v[ptd_kv_slot(&l[i], r) * kv->width + kv->width - 1],
                             100 * layer + 10 * i + r % 7, 2);
        free(v);
    }
    for (int i = 0; i < 4; i++) ptd_kv_release(kv, &l[i]);
    ptd_kv_free(kv);
}

/* Memory is that of what was wanted, and never more than was allowed. */
static void memory_follows_need(void **state)
{
    size_t before = model->device->used;
    size_t block = ptd_kv_block_bytes(model);
    struct ptd_kv *kv = ptd_kv_new(model, MOST);
    struct ptd_kv_list a = {0}, b = {0};
    (void)state;
    assert_int_equal(model->device->used, before);
    assert_true(ptd_kv_promise(kv, &a, PTD_KV_ROWS));
    ptd_kv_grow(kv, &a, 1);
    assert_int_equal(model->device->used - before, block);
    assert_true(ptd_kv_promise(kv, &b, 39 * PTD_KV_ROWS));
    for (int i = 1; i <= 39 * PTD_KV_ROWS; i++) ptd_kv_grow(kv, &b, i);
    assert_int_equal(model->device->used - before, MOST * block);
    ptd_kv_release(kv, &a);
    ptd_kv_release(kv, &b);
    ptd_kv_free(kv);
    assert_int_equal(model->device->used, before);
}

static int round_keys(void **state)
{
    (void)state;
    model->half_keys = 1;
    return 0;
}

static int round_nothing(void **state)
{
    (void)state;
    model->half_keys = 0;
    return 0;
}

static void halves_take_half_of_the_room(void **state)
{
    size_t block = ptd_kv_block_bytes(model);
    round_keys(state);
    assert_int_equal(ptd_kv_block_bytes(model), model->device->ops->halve_rows ? block / 2 : block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_to_blocks),
        cmocka_unit_test(a_promise_is_kept_or_not_given),
        cmocka_unit_test(lent_once_at_a_time),
        cmocka_unit_test(more_blocks_keep_what_is_there),
        cmocka_unit_test(memory_follows_need),
        cmocka_unit_test_teardown(halves_take_half_of_the_room, round_nothing),
        cmocka_unit_test_setup_teardown(more_blocks_keep_what_is_there, round_keys, round_nothing),
        cmocka_unit_test_setup_teardown(memory_follows_need, round_keys, round_nothing),
    };
    ptd_threads_start(0);
    return cmocka_run_group_tests(tests, setup, teardown);
}
