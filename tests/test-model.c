/* test-model: the whole network against the specification's numbers: every activation, the loss,
 * every gradient norm, the variants. */
#include "tiny.h"
#include "test.h"

struct stage {
    const char *name;
    float row5[4];
    double sum;
    int seen;
};
static struct stage stages[] = {
    {"patch embed", {0.09182666, 0.809442599, 0.601299747, -0.169615978}, 543.611105, 0},
    {"vision block 0", {-0.27104806, 0.904816328, 1.30381964, -1.41427334}, 1003.73935, 0},
    {"vision block 1", {-0.822887583, 1.23018887, 1.05634321, 0.804976532}, 1201.89906, 0},
    {"vision block 2", {-2.03692937, 2.15431252, 1.29710689, 1.33845038}, 1520.9832, 0},
    {"vision block 3", {-3.10340778, 1.76731274, 2.32627158, 1.53010153}, 1767.13968, 0},
    {"merger", {-0.705883482, 0.12720754, -0.0783593021, -0.460726867}, 212.97262, 0},
    {"deepstack 0", {0.467818013, -0.138080306, 0.0614708577, -0.463534135}, 184.018242, 0},
    {"deepstack 1", {0.121273388, 0.384819304, -0.785635426, 0.0987800538}, 186.707211, 0},
    {"text layer 0", {1.39450323, -2.36738503, -0.448745828, -2.56973217}, 732.618836, 0},
    {"text layer 1", {2.18200279, -3.81117864, 0.470444593, -2.89105038}, 937.244442, 0},
    {"text layer 2", {2.47924491, -3.32394823, 0.0742769799, -3.76312332}, 1175.56951, 0},
    {"final norm", {1.38121433, -1.58114677, 0.0411226518, -2.24407265}, 723.004831, 0},
};

static void check_stage(const char *name, const float *x, long n, int w)
{
    double sum = 0;
    for (long i = 0; i < n * w; i++) sum += fabs(x[i]);
    for (size_t s = 0; s < sizeof stages / sizeof *stages; s++)
        if (!strcmp(stages[s].name, name)) {
            stages[s].seen = 1;
            assert_close(sum / stages[s].sum, 1, 1e-5);
            for (int i = 0; i < 4; i++) assert_close(x[5 * w + i], stages[s].row5[i], 2e-5);
        }
}

/* The prompt of the tests as a batch of one segment (n of its ids). */
static struct ptd_batch *tiny_batch(struct ptd_model *m, const int32_t *ids, int n, int pictures)
{
    struct ptd_picture p[2] = {tiny_picture(0), tiny_picture(1)};
    struct ptd_batch *b = ptd_batch_new(m);
    assert_true(ptd_batch_prompt(b, ids, n, p, pictures) == 0);
    free((void *)p[0].pixels);
    free((void *)p[1].pixels);
    return b;
}

static float *logits_of(const struct ptd_model *m, const struct ptd_batch *b)
{
    return tiny_logits(m, b->hidden, b->n);
}

/* Mean cross-entropy of the next tokens, those of pictures left out; dz gets its gradient (may be
 * NULL). */
static double cross_entropy(const struct ptd_batch *b, const float *z, int V, float *dz)
{
    double loss = 0;
    int used = 0;
    for (int pass = 0; pass < 2; pass++)
        for (long i = 0; i + 1 < b->n; i++) {
            int target = b->ids[i + 1];
            const float *row = z + i * V;
            double top = row[0], sum = 0;
            if (target >= 58 && target <= 61) continue;
            if (pass == 0) {
                used++;
                continue;
            }
            for (int v = 0; v < V; v++) top = row[v] > top ? row[v] : top;
            for (int v = 0; v < V; v++) sum += exp(row[v] - top);
            loss -= (row[target] - top - log(sum)) / used;
            for (int v = 0; dz && v < V; v++)
                dz[i * V + v] = (exp(row[v] - top) / sum - (v == target)) / used;
        }
    return loss;
}

static double loss_of(struct ptd_model *m, struct ptd_batch *b)
{
    float *z;
    double loss;
    ptd_forward(m, b);
    z = logits_of(m, b);
    loss = cross_entropy(b, z, m->config.vocab, NULL);
    free(z);
    return loss;
}

static double loss_and_gradients(struct ptd_model *m, struct ptd_batch *b)
{
    int V = m->config.vocab;
    float *z, *dz = ptd_array(b->n * V, sizeof *dz);
    double loss;
    ptd_model_train(m);
    tiny_zero_gradients(m);
    ptd_forward(m, b);
    z = logits_of(m, b);
    loss = cross_entropy(b, z, V, dz);
    tiny_backward(m, b, dz);
    free(z);
    free(dz);
    return loss;
}

static void test_generator(void **state)
{
    struct ptd_model *m = tiny_model(1);
    struct ptd_picture p0 = tiny_picture(0), p1 = tiny_picture(1);
    long sum[2] = {0, 0};
    (void)state;
    for (int i = 0; i < 3 * 16 * 24; i++) sum[0] += p0.pixels[i];
    for (int i = 0; i < 3 * 24 * 8; i++) sum[1] += p1.pixels[i];
    assert_int_equal(sum[0], 142553);
    assert_int_equal(sum[1], 75514);
    assert_int_equal(m->n_params, 104);
    assert_int_equal(m->n_weights, 146688);
    float *w = tiny_weights(m);
    assert_close(w[m->params[1].offset], -0.0833813772, 1e-9);
    free(w);
    free((void *)p0.pixels);
    free((void *)p1.pixels);
    ptd_model_free(m);
}

static void test_forward(void **state)
{
    static const int best[22] = {59, 59, 59, 63, 26, 26, 26, 26, 26, 26, 59,
                                 5,  38, 60, 26, 26, 32, 32, 13, 26, 53, 13};
    static const float row21[8] = {-0.917522431, 0.970455523, -1.5921521,   2.98617925,
                                   -2.60915957,  -0.67399348, -0.782335836, -2.1954014};
    struct ptd_model *m = tiny_model(1);
    struct ptd_batch *b = tiny_batch(m, tiny_ids, 22, 2);
    float *z;
    double sum = 0;
    (void)state;
    for (int keep = 1; keep >= 0; keep--) {
        b->keep = keep;
        ptd_model_probe = check_stage;
        ptd_forward(m, b);
        ptd_model_probe = NULL;
        for (size_t s = 0; s < sizeof stages / sizeof *stages; s++) {
            assert_true(stages[s].seen);
            stages[s].seen = 0;
        }
        z = logits_of(m, b);
        sum = 0;
        for (int i = 0; i < 22 * 64; i++) sum += fabs(z[i]);
        assert_close(sum, 2067.77668, 1e-2);
        for (int i = 0; i < 8; i++) assert_close(z[21 * 64 + i], row21[i], 1e-4);
        for (int i = 0; i < 22; i++) {
            int at = 0;
            for (int v = 0; v < 64; v++) at = z[i * 64 + v] > z[i * 64 + at] ? v : at;
            assert_int_equal(at, best[i]);
        }
        assert_close(cross_entropy(b, z, 64, NULL), 7.081414679980, 1e-5);
        free(z);
    }
    ptd_batch_free(b);
    ptd_model_free(m);
}

static void test_positions(void **state)
{
    static const int t[22] = {0, 1, 2,  3,  4,  4,  4,  4,  4,  4,  7,
                              8, 9, 10, 11, 11, 11, 14, 15, 16, 17, 18};
    static const int h[22] = {0, 1, 2,  3,  4,  4,  4,  5,  5,  5,  7,
                              8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};
    static const int w[22] = {0, 1, 2,  3,  4,  5,  6,  4,  5,  6,  7,
                              8, 9, 10, 11, 11, 11, 14, 15, 16, 17, 18};
    struct ptd_model *m = tiny_model(1);
    struct ptd_batch *b = tiny_batch(m, tiny_ids, 22, 2);
    (void)state;
    for (int i = 0; i < 22; i++) {
        assert_int_equal(b->pos[3 * i], t[i]);
        assert_int_equal(b->pos[3 * i + 1], h[i]);
        assert_int_equal(b->pos[3 * i + 2], w[i]);
    }
    ptd_batch_free(b);
    ptd_model_free(m);
}

static void test_backward(void **state)
{
    struct ptd_model *m = tiny_model(1);
    struct ptd_batch *b = tiny_batch(m, tiny_ids, 22, 2);
    FILE *f = fopen("tests/vectors/tiny-gradients.txt", "r");
    char name[128];
    double norm, first, all = 0;
    int seen = 0;
    (void)state;
    assert_non_null(f);
    assert_close(loss_and_gradients(m, b), 7.081414679980, 1e-5);
    float *grads = tiny_gradients(m);
    while (fscanf(f, "%127s %lf %lf", name, &norm, &first) == 3)
        for (int i = 0; i < m->n_params; i++)
            if (!strcmp(m->params[i].name, name)) {
                const float *g = grads + m->params[i].offset;
                double s = 0;
                for (size_t k = 0; k < m->params[i].n; k++) s += (double)g[k] * g[k];
                assert_close(sqrt(s) / norm, 1, 1e-4);
                assert_close(g[0], first, 1e-4 * (norm < 1 ? 1 : norm));
                all += s;
                seen++;
            }
    fclose(f);
    assert_int_equal(seen, 104);
    assert_close(sqrt(all), 31.95451257, 1e-3);
    free(grads);
    ptd_batch_free(b);
    ptd_model_free(m);
}

static void test_untied(void **state)
{
    static const float row21[4] = {-2.37732888, -2.21291396, -0.0654842114, -1.45831472};
    struct ptd_model *m = tiny_model(0);
    struct ptd_batch *b = tiny_batch(m, tiny_ids, 22, 2);
    float *z;
    (void)state;
    assert_int_equal(m->n_params, 105);
    ptd_forward(m, b);
    z = logits_of(m, b);
    for (int i = 0; i < 4; i++) assert_close(z[21 * 64 + i], row21[i], 1e-4);
    assert_close(cross_entropy(b, z, 64, NULL), 5.366465599885, 1e-5);
    free(z);
    ptd_batch_free(b);
    ptd_model_free(m);
}

static void test_text_only(void **state)
{
    static const int32_t ids[9] = {7, 3, 11, 5, 9, 13, 2, 17, 21};
    static const float row8[4] = {1.66782947, -1.16960632, 2.05797783, 1.4140975};
    struct ptd_model *m = tiny_model(1);
    struct ptd_batch *b = tiny_batch(m, ids, 9, 0);
    float *z;
    (void)state;
    ptd_forward(m, b);
    z = logits_of(m, b);
    for (int i = 0; i < 4; i++) assert_close(z[8 * 64 + i], row8[i], 1e-4);
    assert_close(cross_entropy(b, z, 64, NULL), 7.156351352961, 1e-5);
    free(z);
    ptd_batch_free(b);
    ptd_model_free(m);
}

static double abs_sum(const ptd_num *x, long n)
{
    double s = 0;
    float *f = read_nums(the_device(), x, (size_t)n);
    for (long i = 0; i < n; i++) s += fabs(f[i]);
    free(f);
    return s;
}

static void test_two_frames(void **state)
{
    static const float row5[4] = {-0.612626208, -1.18802345, -0.235031446, -0.04716511};
    struct ptd_model *m = tiny_model(1);
    struct ptd_batch *b = ptd_batch_new(m);
    float *rows = ptd_array(32 * 96, sizeof *rows);
    (void)state;
    tiny_fill(rows, "pixels_t2", 32 * 96, 1, 0);
    ptd_batch_frames(b, rows, 2, 4, 4);
    ptd_batch_seal(b);
    ptd_vision_take(b);
    ptd_vision_take_scratch(b);
    ptd_vision_forward(m, b);
    float *out = read_nums(m->device, b->merger.out, 6 * 40);
    for (int i = 0; i < 4; i++) assert_close(out[5 * 40 + i], row5[i], 2e-5);
    free(out);
    assert_close(abs_sum(b->merger.out, 8 * 40), 184.962127, 1e-3);
    assert_close(abs_sum(b->deepstack[0].out, 8 * 40), 181.964252, 1e-3);
    assert_close(abs_sum(b->deepstack[1].out, 8 * 40), 140.212946, 1e-3);
    free(rows);
    ptd_batch_free(b);
    ptd_model_free(m);
}

/* Variant D as prefill, as a reply that shares the prompt, and as one decode step from the cache.
 */
static void test_decode_step(void **state)
{
    static const float row22[4] = {-1.48974844, -1.4001409, 3.60687658, 1.26964445};
    struct ptd_model *m = tiny_model(1);
    int32_t ids[23], next = 4;
    struct ptd_batch *b, *d = ptd_batch_new(m);
    struct ptd_kv *kv = ptd_kv_new(m, 1);
    struct ptd_kv_list rows = {0};
    float *z;
    (void)state;
    memcpy(ids, tiny_ids, sizeof tiny_ids);
    ids[22] = 4;
    assert_true(ptd_kv_promise(kv, &rows, 23));
    ptd_kv_grow(kv, &rows, 23);
    for (int way = 0; way < 3; way++) {
        b = tiny_batch(m, ids, way ? 22 : 23, 2);
        if (way == 1) ptd_batch_reply(b, 0, &next, 1);
        if (way == 2) b->kv = kv;
        ptd_forward(m, b);
        if (way == 2) { /* rows of the prompt are in the cache; row 22 follows */
            ptd_batch_step(d, next, 19, 22,
                           (struct ptd_span){.row = 0, .n = 1, .own = 0, .past = 22});
            d->kv = kv;
            ptd_forward(m, d);
            z = logits_of(m, d);
            for (int i = 0; i < 4; i++) assert_close(z[i], row22[i], 1e-4);
        } else {
            assert_int_equal(b->pos[3 * 22], 19);
            z = logits_of(m, b);
            for (int i = 0; i < 4; i++) assert_close(z[22 * 64 + i], row22[i], 1e-4);
        }
        free(z);
        ptd_batch_free(b);
    }
    ptd_batch_free(d);
    ptd_kv_release(kv, &rows);
    ptd_kv_free(kv);
    ptd_model_free(m);
}

/* Along a random direction in one parameter at a time: (L(w + h d) - L(w - h d)) / 2h against g.d,
 * on every parameter of the network. */
static void test_finite_differences(void **state)
{
    struct ptd_model *m = tiny_model(0);
    struct ptd_batch *b = tiny_batch(m, tiny_ids, 22, 2);
    (void)state;
    loss_and_gradients(m, b);
    float *weights = tiny_weights(m), *grads = tiny_gradients(m);
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        float *w = weights + p->offset, *saved = ptd_array(p->n, sizeof *saved);
        double slope = 0, len = 0, h, up, down;
        memcpy(saved, w, p->n * sizeof *w);
        for (size_t k = 0; k < p->n; k++) {
            double d = grads[p->offset + k];
            len += d * d;
        }
        len = sqrt(len / p->n);
        h = 2e-2 / (len * sqrt(p->n) + 1e-3) < 1e-2 ? 2e-2 / (len * sqrt(p->n) + 1e-3) : 1e-2;
        /* Along half gradient, half noise: the slope does not vanish, nor is the test blind to
         * wrong entries. */
        for (int side = 1; side >= -1; side -= 2) {
            slope = 0;
            for (size_t k = 0; k < p->n; k++) {
                double g = grads[p->offset + k],
                       d = g / (len + 1e-12) + tiny_uniform(p->name, 77 + k);
                d /= sqrt(2.0 * p->n);
                w[k] = (float)(saved[k] + side * h * d);
                slope += g * d;
            }
            tiny_put_weights(m, weights);
            *(side > 0 ? &up : &down) = loss_of(m, b);
        }
        memcpy(w, saved, p->n * sizeof *w);
        assert_close((up - down) / (2 * h) / slope, 1, 2e-2);
        free(saved);
    }
    free(weights);
    free(grads);
    ptd_batch_free(b);
    ptd_model_free(m);
}

/* One prompt with three replies: shared and repeated prompt give the same gradients; so do one and
 * two threads' worth of shares. */
static void test_shared_prompt(void **state)
{
    static const int32_t replies[3][4] = {{4, 9, 13, 2}, {21, 17, 3, 5}, {8, 8, 1, 30}};
    struct ptd_model *m = tiny_model(1);
    struct ptd_picture p[2] = {tiny_picture(0), tiny_picture(1)};
    float *dh, *grads[2]; /* repeated, shared */
    int H = m->config.hidden;
    (void)state;
    ptd_model_train(m);
    for (int shared = 1; shared >= 0; shared--) {
        struct ptd_batch *b = ptd_batch_new(m);
        int prompt = -1, reply[3];
        for (int r = 0; r < 3; r++) {
            if (!shared || r == 0) prompt = ptd_batch_prompt(b, tiny_ids, 22, p, 2);
            reply[r] = ptd_batch_reply(b, prompt, replies[r], 4);
        }
        tiny_zero_gradients(m);
        ptd_forward(m, b);
        dh = ptd_array(b->n * H, sizeof *dh);
        for (int r = 0; r < 3; r++)
            for (int k = 0; k < 4 * H; k++)
                dh[ptd_batch_row(b, reply[r]) * H + k] =
                    (float)tiny_uniform("dhidden", r * 4 * H + k);
        ptd_backward(m, b, in_nums(dh, (size_t)b->n * H));
        back();
        grads[shared] = tiny_gradients(m);
        free(dh);
        ptd_batch_free(b);
    }
    for (int i = 0; i < m->n_params; i++) {
        double diff = 0, norm = 0;
        for (size_t k = 0; k < m->params[i].n; k++) {
            double a = grads[1][m->params[i].offset + k], c = grads[0][m->params[i].offset + k];
            diff += (a - c) * (a - c);
            norm += c * c;
        }
        assert_true(sqrt(diff) <= 2e-5 * sqrt(norm) + 1e-7);
    }
    free(grads[0]);
    free(grads[1]);
    free((void *)p[0].pixels);
    free((void *)p[1].pixels);
    ptd_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generator),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_backward),
        cmocka_unit_test(test_untied),
        cmocka_unit_test(test_text_only),
        cmocka_unit_test(test_two_frames),
        cmocka_unit_test(test_decode_step),
        cmocka_unit_test(test_finite_differences),
        cmocka_unit_test(test_shared_prompt),
    };
    ptd_program("test-model");
    ptd_threads_start(2);
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
