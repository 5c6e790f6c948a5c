/* test-encoder: rows of pictures that are made one at a time and found again: the same bits found
 * or made, alone or in company, and what the whole network makes of them. */
#include "base/shelf.h"
#include "net/encoder.h"
#include "net/net.h"
#include "test.h"
#include "tiny.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct ptd_model *model;
static char base[] = "/tmp/test-encoder.XXXXXX";

static int setup(void **state)
{
    struct ptd_config c = tiny_config(0);
    (void)state;
    if (!mkdtemp(base) || setenv("PTD_SHM", base, 1)) return -1;
    model = tiny_model_of(&c);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ptd_model_free(model);
    return rmdir(base);
}

static size_t floats_of(const struct ptd_picture *p)
{
    const struct ptd_config *c = &model->config;
    int side = c->v_patch * c->v_merge;
    return (size_t)(p->height / side) * (p->width / side) * c->hidden * (1 + c->n_deepstack);
}

static void found_is_made(void **state)
{
    (void)state;
    struct ptd_picture p = tiny_picture(0), q = tiny_picture(1);
    size_t n = floats_of(&p);
    float *made = ptd_array(n, sizeof *made), *found = ptd_array(n, sizeof *found),
          *other = ptd_array(floats_of(&q), sizeof *other);
    int64_t all, hits;
    struct ptd_encoder *a = ptd_encoder_new(model, "one"), *b = ptd_encoder_new(model, "one"),
                       *c = ptd_encoder_new(model, "two");
    assert_int_equal(ptd_encoder_rows(a, &q, other) | ptd_encoder_rows(a, &p, made), 0);
    assert_int_equal(ptd_encoder_rows(b, &p, found), 0);
    ptd_encoder_counts(b, &all, &hits);
    assert_int_equal(all, 1);
    assert_int_equal(hits, 1);
    assert_memory_equal(made, found, n * sizeof *made);
    assert_int_equal(ptd_encoder_rows(c, &p, found), 0); /* other weights, nothing to find */
    ptd_encoder_counts(c, &all, &hits);
    assert_int_equal(hits, 0);
    assert_memory_equal(made, found, n * sizeof *made);
    ptd_encoder_free(a), ptd_encoder_free(b), ptd_encoder_free(c);
    free(made), free(found), free(other);
    free((void *)(uintptr_t)p.pixels), free((void *)(uintptr_t)q.pixels);
}

/* Hidden rows of a prompt with two pictures, malloc'd. */
static float *hidden(const struct ptd_picture *pictures, long *n)
{
    struct ptd_batch *b = ptd_batch_new(model);
    int32_t ids[64];
    int k = 0, side = model->config.v_patch * model->config.v_merge;
    for (int i = 0; i < 2; i++) {
        ids[k++] = 5 + i;
        for (int j = pictures[i].height / side * (pictures[i].width / side); j; j--)
            ids[k++] = model->config.image_token;
    }
    ids[k++] = 9;
    b->keep = 0;
    if (ptd_batch_prompt(b, ids, k, pictures, 2) < 0) ptd_die_last();
    ptd_forward(model, b);
    *n = (long)k * model->config.hidden;
    float *h = read_nums(model->device, ptd_batch_hidden(b), (size_t)*n);
    ptd_batch_free(b);
    return h;
}

static void the_network_sees_the_same(void **state)
{
    (void)state;
    struct ptd_picture two[2] = {tiny_picture(0), tiny_picture(1)};
    long n;
    float *without = hidden(two, &n), *with[3];
    struct ptd_shelf *keeper = ptd_shelf_open("rows", 1);
    for (int i = 0; i < 3; i++) { /* made, found; then nothing is kept */
        int64_t all, found;
        if (i == 2) setenv("PTD_ROWS_MAX", "0", 1);
        model->encoder = ptd_encoder_new(model, "three");
        with[i] = hidden(two, &n);
        ptd_encoder_counts(model->encoder, &all, &found);
        assert_int_equal(found, i == 1 ? 2 : 0);
        ptd_encoder_free(model->encoder);
        model->encoder = NULL;
        assert_memory_equal(with[0], with[i], n * sizeof **with);
    }
    ptd_shelf_close(keeper);
    unsetenv("PTD_ROWS_MAX");
    for (long i = 0; i < n; i++)
        assert_close(with[0][i], without[i],
                     strstr(the_device()->name, "bf16") ? 0.1 : 1e-5 * (1 + fabs(without[i])));
    for (int i = 0; i < 3; i++) free(with[i]);
    free(without);
    for (int i = 0; i < 2; i++) free((void *)(uintptr_t)two[i].pixels);
}

static void bad_sizes_are_told(void **state)
{
    (void)state;
    struct ptd_picture p = tiny_picture(0);
    struct ptd_batch *b = ptd_batch_new(model);
    int32_t id = model->config.image_token;
    model->encoder = ptd_encoder_new(model, "four");
    p.height--;
    assert_int_equal(ptd_batch_prompt(b, &id, 1, &p, 1), -1);
    ptd_encoder_free(model->encoder);
    model->encoder = NULL;
    ptd_batch_free(b);
    free((void *)(uintptr_t)p.pixels);
    setenv("PTD_ROWS_MAX", "many", 1);
    assert_null(ptd_encoder_new(model, "four"));
    assert_int_equal(ptd_failed_status(), PTD_CONFIG);
    unsetenv("PTD_ROWS_MAX");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(found_is_made),
                                       cmocka_unit_test(the_network_sees_the_same),
                                       cmocka_unit_test(bad_sizes_are_told)};
    ptd_program("test-encoder");
    return cmocka_run_group_tests(tests, setup, teardown);
}
