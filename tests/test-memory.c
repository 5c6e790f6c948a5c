/* test-memory: memory of a batch: what is recomputed has the same bits, what is frozen keeps
 * nothing, what is planned is what is taken. */
#include "net/score.h"
#include "tiny.h"
#include "test.h"

#define REPLIES 3
static const int32_t replies[REPLIES][4] = {{4, 9, 13, 2}, {21, 17, 3, 5}, {8, 8, 1, 30}};

/* Two prompts with their replies, one of them without pictures; 0: text alone. */
static struct ptd_score *packed(struct ptd_model *m, int keep, int with_pictures)
{
    static const int32_t text[9] = {7, 3, 11, 5, 9, 13, 2, 17, 21};
    struct ptd_picture p[2] = {tiny_picture(0), tiny_picture(1)};
    struct ptd_score *s = ptd_score_new(m, keep);
    struct ptd_score_reply y[REPLIES];
    for (int i = 0; i < REPLIES; i++) y[i] = (struct ptd_score_reply){replies[i], 4, NULL};
    assert_int_equal(ptd_score_add(s, text, 9, NULL, 0, y, 2), 0);
    if (with_pictures) assert_int_equal(ptd_score_add(s, tiny_ids, 22, p, 2, y, REPLIES), 0);
    free((void *)p[0].pixels);
    free((void *)p[1].pixels);
    return s;
}

/* Gradients [n_weights], malloc'd, of rows that pull at random; the pool's peak. */
static float *gradients(struct ptd_model *m, int keep, int with_pictures, size_t *peak)
{
    struct ptd_score *s = packed(m, keep, with_pictures);
    size_t n = (size_t)s->rows * m->config.hidden;
    float *dX = ptd_array(n, sizeof *dX);
    tiny_zero_gradients(m);
    for (size_t i = 0; i < n; i++) dX[i] = (float)tiny_uniform("dX", i);
    ptd_score_forward(s);
    ptd_num *on = ptd_score_nums(s, n);
    m->device->ops->put_nums(m->device, on, dX, n);
    ptd_score_backward(s, on);
    assert_int_equal(ptd_device_wait(m->device), 0);
    *peak = s->batch->pool.peak;
    if (m->device->is_host) {
        assert_int_equal(s->batch->pool.n, 1);
        assert_int_equal(*peak, ptd_batch_bytes(s->batch));
    }
    ptd_score_free(s);
    free(dX);
    return tiny_gradients(m);
}

static void recomputed_gradients_have_the_same_bits(void **state)
{
    (void)state;
    for (int way = 0; way < 8; way++) { /* tied; .. ; keys and values in bfloat16 */
        struct ptd_model *m = tiny_model(way & 1);
        size_t peak, most;
        m->half_keys = way & 4;
        ptd_model_train(m);
        float *kept = gradients(m, PTD_KEEP_ALL, way & 2, &most);
        for (int layers = m->config.layers - 1; layers >= 0; layers--, most = peak) {
            float *again = gradients(m, PTD_KEEP_INPUTS + layers, way & 2, &peak);
            assert_memory_equal(kept, again, m->n_weights * sizeof *kept);
            assert_true(layers == m->config.layers - 1 ? peak <= most : peak < most);
            free(again);
        }
        free(kept);
        ptd_model_free(m);
    }
}

/* As many layers as fit keep all, and what fits is what is taken. */
static void as_much_is_kept_as_fits(void **state)
{
    struct ptd_model *m = tiny_model(1);
    struct ptd_score *s;
    int layers = m->config.layers;
    (void)state;
    ptd_model_train(m);
    s = packed(m, PTD_KEEP_ALL, 1);
    s->batch->targets = s->rows;
    for (int n = layers - 1; n >= 0; n--) {
        s->batch->keep = PTD_KEEP_INPUTS + n;
        size_t bytes = ptd_batch_bytes(s->batch);
        ptd_batch_fit(s->batch, bytes);
        assert_int_equal(s->batch->keep, PTD_KEEP_INPUTS + n);
        ptd_batch_fit(s->batch, bytes - 1);
        assert_int_equal(s->batch->keep, PTD_KEEP_INPUTS + (n ? n - 1 : 0));
    }
    ptd_batch_fit(s->batch, SIZE_MAX);
    assert_int_equal(s->batch->keep, PTD_KEEP_ALL);
    ptd_score_free(s);
    ptd_model_free(m);
}

/* ---- asked ---- */

static float *hidden_of(struct ptd_batch *b, long n)
{
    struct ptd_model *m = b->m;
    float *rows = ptd_array((size_t)n * m->config.hidden, sizeof *rows);
    ptd_forward(m, b);
    m->device->ops->get_nums(m->device, rows, ptd_batch_hidden(b), (size_t)n * m->config.hidden);
    assert_int_equal(ptd_device_wait(m->device), 0);
    assert_true(!m->device->is_host || b->pool.peak == ptd_batch_bytes(b));
    return rows;
}

/* Some rows, in any order, again and again, more than there are; where pictures come in up to the
 * last layer, too. */
static void rows_that_are_asked_for_have_the_same_bits(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        struct ptd_model *m = tiny_model(1);
        struct ptd_batch *b;
        int32_t rows[120];
        if (way == 2) m->config.layers = m->config.n_deepstack;
        struct ptd_score *s = packed(m, PTD_KEEP_NOTHING, way > 0);
        b = s->batch;
        size_t H = (size_t)m->config.hidden;
        float *all = hidden_of(b, b->n);
        for (int n = 0; n <= 120; n += n < 3 ? 1 : 39) {
            for (int i = 0; i < n; i++) rows[i] = (int32_t)((i * 17 + 5) % b->n);
            ptd_batch_ask(b, rows, n);
            float *some = hidden_of(b, n);
            for (int i = 0; i < n; i++)
                assert_memory_equal(some + i * H, all + rows[i] * H, H * sizeof *some);
            free(some);
        }
        ptd_batch_reset(b);
        assert_null(b->asked);
        free(all);
        ptd_score_free(s);
        ptd_model_free(m);
    }
}

/* ---- frozen ---- */

/* Rows of a matrix, the first of them being `row`. */
static void train_rows(struct ptd_model *m, const struct ptd_param *p, int row)
{
    struct ptd_linear *l = p->matrix;
    struct ptd_trained_rows *last = &l->trained[l->n_trained - 1];
    int n = (int)p->dims[0];
    if (!row) l->n_trained = 0;
    if (!p->trained) return;
    if (l->n_trained && last->first + last->n == row)
        last->n += n;
    else
        l->trained[l->n_trained++] =
            (struct ptd_trained_rows){ptd_acc_at(m->device, m->grads, p->grad), row, n};
}

/* Gradients of what a name does not hold are not wanted any more. */
static void freeze_but(struct ptd_model *m, const char *part)
{
    int row = 0;
    for (int i = 0; i < m->n_params; i++) {
        struct ptd_param *p = &m->params[i];
        p->trained = strstr(p->name, part) && !(*part == '.' && strstr(p->name, "k_proj"));
        if (p->role && !p->trained) p->role->gradient = NULL;
        if (!p->matrix) continue;
        row = i && p[-1].matrix == p->matrix ? row + (int)p[-1].dims[0] : 0;
        train_rows(m, p, row);
    }
    ptd_model_reach(m);
}

static const struct frozen {
    const char *part;
    int vision, lowest;
} frozen[] = {
    {"visual.", 1, 0},
    {"visual.pos_embed", 1, 0},
    {"language_model.", 0, 0},
    {"layers.2.", 0, 2},
    {"layers.1.mlp.down_", 0, 1},
    {"layers.1.self_attn.q_proj", 0, 1},
    {"layers.1.self_attn.k_proj", 0, 1},
    {"layers.1.self_attn.v_proj", 0, 1},
    {".1.self_attn.", 0, 1}, /* all but k_proj */
    {"layers.2.mlp.gate_", 0, 2},
    {"layers.1.mlp.up_", 0, 1},
    {"language_model.norm.", 0, 3},
    {"embed_tokens.", 0, 0},
    {"layers.0.", 0, 0},
    {"visual.merger.", 1, 0},
    {"layers.2.mlp.down_", 0, 2},
};

static void check_frozen(const struct frozen *f, const float *want, size_t most, int keep)
{
    struct ptd_model *m = tiny_model(0);
    size_t peak;
    ptd_model_train(m);
    freeze_but(m, f->part);
    assert_int_equal(m->learns_vision, f->vision);
    assert_int_equal(m->lowest, f->lowest);
    float *got = gradients(m, keep, 1, &peak);
    assert_true(f->vision ? peak == most : peak < most);
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        if (p->trained) assert_memory_equal(got + p->offset, want + p->offset, p->n * sizeof *got);
        for (size_t k = 0; !p->trained && k < p->n; k++) assert_true(got[p->offset + k] == 0);
    }
    free(got);
    ptd_model_free(m);
}

static void what_is_frozen_keeps_nothing(void **state)
{
    (void)state;
    for (int keep = PTD_KEEP_ALL; keep <= PTD_KEEP_INPUTS + 2; keep++) {
        struct ptd_model *m = tiny_model(0);
        size_t most;
        ptd_model_train(m);
        float *want = gradients(m, keep, 1, &most);
        for (size_t i = 0; i < sizeof frozen / sizeof *frozen; i++)
            check_frozen(&frozen[i], want, most, keep);
        free(want);
        ptd_model_free(m);
    }
}

/* ---- the pool ---- */

static void what_was_taken_last_is_released_first(void **state)
{
    struct ptd_pool p = {.device = the_device()}, counting = {.device = the_device(), .counts = 1};
    (void)state;
    for (int round = 0; round < 2; round++) {
        ptd_num *first = ptd_pool_nums(&p, 1000);
        struct ptd_pool_mark mark = ptd_pool_mark(&p);
        ptd_num *big = ptd_pool_nums(&p, 3 << 20); /* does not fit behind it at first */
        ptd_pool_release(&p, mark);
        assert_int_equal(p.taken, (p.device->num_size * 1000 + 63) & ~63ul);
        ptd_num *again = ptd_pool_nums(&p, 3 << 20);
        assert_ptr_equal(again, big);
        assert_ptr_not_equal(first, big);
        assert_int_equal(p.n, round ? 1 : 2);
        ptd_pool_reset(&p);
    }
    ptd_pool_nums(&counting, 1000);
    ptd_pool_nums(&counting, 1 << 20);
    assert_null(counting.chunk);
    assert_true(counting.peak <= ptd_pool_room(&p));
    ptd_pool_want(&p, counting.peak);
    assert_int_equal(p.n, 1);
    ptd_pool_free(&p);
    ptd_pool_free(&counting);
}

/* A batch that grows never has two chunks, and steady ones take nothing new. */
static void one_chunk_from_the_first_batch_on(void **state)
{
    struct ptd_model *m = tiny_model(1);
    struct ptd_score *s = packed(m, PTD_KEEP_NOTHING, 0);
    (void)state;
    ptd_model_train(m);
    if (!m->device->is_host) skip();
    for (int round = 0; round < 3; round++) {
        ptd_score_forward(s);
        assert_int_equal(s->batch->pool.n, 1);
        assert_true(s->batch->pool.peak <= ptd_pool_room(&s->batch->pool));
    }
    ptd_score_free(s);
    ptd_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recomputed_gradients_have_the_same_bits),
        cmocka_unit_test(as_much_is_kept_as_fits),
        cmocka_unit_test(rows_that_are_asked_for_have_the_same_bits),
        cmocka_unit_test(what_is_frozen_keeps_nothing),
        cmocka_unit_test(what_was_taken_last_is_released_first),
        cmocka_unit_test(one_chunk_from_the_first_batch_on),
    };
    ptd_threads_start(2);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
