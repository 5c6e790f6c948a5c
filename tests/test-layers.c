/* test-layers: the network's rows against the plain form in double, and the gradient of every
 * parameter against differences of that form, over configurations and prompts at the edges: narrow
 * and square grids, several pictures, odd widths, shared keys, sections of any kind. */
#include "plain.h"
#include "tiny.h"
#include "test.h"
#include "base/dtype.h"

#define TOKENS   96
#define PICTURES 3

/* A configuration with one prompt, and a linear loss: the sum of r times the hidden rows. */
struct scene {
    const char *name;
    struct ptd_config c;
    int32_t ids[TOKENS];
    int n, n_pictures;
    struct ptd_picture picture[PICTURES];
    struct ptd_model *m;
    double *w;      /* the weights in double */
    float *g;       /* gradients */
    int half;       /* 1: keys and values are rounded */
    float *rounded; /* what became of them, and what that added: plain.h */
    double *shift;
};

/* ---- scenes ---- */

/* Two text layers, two vision blocks, deepstack after the first. */
static struct scene small(const char *name)
{
    struct scene s = {.name = name, .c = tiny_config(1)};
    s.c.layers = 2;
    s.c.v_depth = 2;
    s.c.n_deepstack = 1;
    s.c.deepstack[0] = 0;
    return s;
}

static void say(struct scene *s, int n)
{
    for (int i = 0; i < n; i++, s->n++) s->ids[s->n] = (int32_t)(tiny_hash("say", s->n) % 58);
}

static void show(struct scene *s, int gh, int gw)
{
    const struct ptd_config *c = &s->c;
    char name[16];
    snprintf(name, sizeof name, "picture%d", s->n_pictures);
    assert_true(s->n_pictures < PICTURES && s->n + gh * gw / (c->v_merge * c->v_merge) < TOKENS);
    s->picture[s->n_pictures++] = tiny_picture_of(name, gh * c->v_patch, gw * c->v_patch);
    for (int i = 0; i < gh * gw / (c->v_merge * c->v_merge); i++) s->ids[s->n++] = c->image_token;
}

static void clear(struct scene *s)
{
    for (int i = 0; i < s->n_pictures; i++) free((void *)s->picture[i].pixels);
    ptd_model_free(s->m);
    free(s->w);
    free(s->g);
    free(s->rounded);
    free(s->shift);
}

/* ---- the two forms ---- */

static double share(long i)
{
    return tiny_uniform("loss", i);
}

static double plain_loss(const struct scene *s)
{
    struct plain p = {s->m, s->w, s->shift};
    const double *x = plain_hidden(&p, s->ids, s->n, s->picture, s->n_pictures);
    double sum = 0;
    for (long i = 0; i < (long)s->n * s->c.hidden; i++) sum += share(i) * x[i];
    return sum;
}

static void check_rows(const struct scene *s, const float *got)
{
    struct plain p = {s->m, s->w, s->shift};
    const double *want = plain_hidden(&p, s->ids, s->n, s->picture, s->n_pictures);
    for (long i = 0; i < (long)s->n * s->c.hidden; i++)
        if (!(fabs(got[i] - want[i]) <= 3e-5))
            fail_msg("%s: row %ld, column %ld: %.8g, expected %.8g", s->name, i / s->c.hidden,
                     i % s->c.hidden, got[i], want[i]);
}

/* The nearest bfloat16 or, where arithmetic is not exact, its neighbour. */
static void check_rounded(const struct scene *s, const double *want)
{
    long n = 2L * s->c.layers * s->n * s->c.kv_heads * s->c.head_dim, other = 0;
    for (long i = 0; i < n; i++) {
        float x = (float)(s->rounded[i] - want[i]), near;
        uint16_t half;
        ptd_dtype_from_float(&half, PTD_BF16, &x, 1);
        ptd_dtype_to_float(&near, &half, PTD_BF16, 1);
        other += near != s->rounded[i];
        assert_true(fabs(s->rounded[i] - x) <= ldexp(1.001, -8) * fabs(x));
        assert_true(s->rounded[i] != 0);
    }
    if (other > n / 200) fail_msg("%ld of %ld are not the nearest bfloat16", other, n);
}

/* What the engine attended to, and what rounding had to do with it. */
static void find_rounded(struct scene *s, const struct ptd_batch *b)
{
    int q = s->c.heads * s->c.head_dim, kv = s->c.kv_heads * s->c.head_dim, all = q + 2 * kv;
    size_t n = (size_t)s->n * kv;
    s->rounded = ptd_array(2 * s->c.layers * n, sizeof *s->rounded);
    s->shift = ptd_array(2 * s->c.layers * n, sizeof *s->shift);
    for (int i = 0; i < s->c.layers; i++) {
        float *k = read_nums(s->m->device, b->lm[i].k, n),
              *qkv = read_nums(s->m->device, b->lm[i].qkv, (size_t)s->n * all),
              *to = s->rounded + 2 * i * n;
        memcpy(to, k, n * sizeof *k);
        for (int r = 0; r < s->n; r++)
            memcpy(to + n + (size_t)r * kv, qkv + (size_t)r * all + q + kv, kv * sizeof *qkv);
        free(k);
        free(qkv);
    }
    struct plain p = {s->m, s->w, s->shift, s->rounded};
    plain_hidden(&p, s->ids, s->n, s->picture, s->n_pictures);
    check_rounded(s, s->shift);
}

static void run_engine(struct scene *s)
{
    struct ptd_batch *b = ptd_batch_new(s->m);
    long n = (long)s->n * s->c.hidden;
    float *dhidden = ptd_array(n, sizeof *dhidden);
    assert_int_equal(ptd_batch_prompt(b, s->ids, s->n, s->picture, s->n_pictures), 0);
    for (long i = 0; i < n; i++) dhidden[i] = (float)share(i);
    ptd_model_train(s->m);
    ptd_forward(s->m, b);
    float *hidden = read_nums(s->m->device, ptd_batch_hidden(b), (size_t)n);
    if (s->half) find_rounded(s, b);
    check_rows(s, hidden);
    free(hidden);
    ptd_backward(s->m, b, in_nums(dhidden, (size_t)n));
    back();
    s->g = tiny_gradients(s->m);
    ptd_batch_free(b);
    free(dhidden);
}

/* Moves entries first .. last of the parameters along a random direction of length 1: the slope of
 * the plain form against the engine's gradient. The noise of float32 is judged by the length of the
 * gradient there. */
static void check_slope(struct scene *s, const char *name, size_t first, size_t last, int which)
{
    const double h = 1e-4;
    const float *g = s->g;
    double slope = 0, length = 0, up = 0, down = 0, norm = sqrt((double)(last - first) / 3),
           *saved = ptd_array(last - first, sizeof *saved);
    memcpy(saved, s->w + first, (last - first) * sizeof *saved);
    for (int side = 1; side >= -1; side -= 2) {
        for (size_t i = first; i < last; i++)
            s->w[i] =
                saved[i - first] + side * h * tiny_uniform(name, i + 1000003ul * which) / norm;
        *(side > 0 ? &up : &down) = plain_loss(s);
    }
    memcpy(s->w + first, saved, (last - first) * sizeof *saved);
    free(saved);
    for (size_t i = first; i < last; i++) {
        slope += g[i] * tiny_uniform(name, i + 1000003ul * which) / norm;
        length += (double)g[i] * g[i];
    }
    up = (up - down) / (2 * h);
    if (!(fabs(slope - up) <= 1e-4 * (fabs(up) + sqrt(length) / norm) + 2e-5))
        fail_msg("%s: %s: the gradient says %.8g, differences %.8g", s->name, name, slope, up);
}

static void check_scene(struct scene *s, int directions)
{
    s->m = tiny_model_of(&s->c);
    s->m->half_keys = s->half;
    s->w = plain_weights(s->m);
    run_engine(s);
    for (int i = 0; i < s->m->n_params; i++)
        for (int k = 0; k < directions; k++)
            check_slope(s, s->m->params[i].name, s->m->params[i].offset,
                        s->m->params[i].offset + s->m->params[i].n, k);
}

/* ---- tests ---- */

static void one_text_layer(void **state)
{
    struct scene s = small("one text layer");
    (void)state;
    s.c.layers = 1;
    say(&s, 13);
    check_scene(&s, 3);
    clear(&s);
}

/* s->rounded [layers][n, kv]: the values that are attended to. */
static void read_values(struct scene *s, const struct ptd_batch *b)
{
    int q = s->c.heads * s->c.head_dim, kv = s->c.kv_heads * s->c.head_dim, all = q + 2 * kv;
    for (int l = 0; l < s->c.layers; l++) {
        float *qkv = read_nums(s->m->device, b->lm[l].qkv, (size_t)s->n * all);
        for (int r = 0; r < s->n; r++)
            memcpy(s->rounded + ((size_t)l * s->n + r) * kv, qkv + (size_t)r * all + q + kv,
                   kv * sizeof *qkv);
        free(qkv);
    }
}

/* What backward says of the attention to each picture token in one layer, or in all (-1). */
static double *attended_by(struct scene *s, int layer)
{
    struct ptd_batch *b = ptd_batch_new(s->m);
    long n = (long)s->n * s->c.hidden;
    float *dhidden = ptd_array(n, sizeof *dhidden);
    double *sum = ptd_array(TOKENS, sizeof *sum);
    uint8_t only[2] = {layer == 0, layer == 1};
    assert_int_equal(ptd_batch_prompt(b, s->ids, s->n, s->picture, s->n_pictures), 0);
    for (long i = 0; i < n; i++) dhidden[i] = (float)share(i);
    ptd_model_train(s->m);
    ptd_forward(s->m, b);
    read_values(s, b);
    ptd_batch_attended(b, layer < 0 ? NULL : only, sum);
    ptd_backward(s->m, b, in_nums(dhidden, (size_t)n));
    back();
    ptd_batch_free(b);
    free(dhidden);
    return sum;
}

/* The loss when token t's values are 1 + h times themselves there. */
static double loss_with_more(struct scene *s, int token, int layer, double h)
{
    int kv = s->c.kv_heads * s->c.head_dim;
    size_t n = (size_t)s->n * kv;
    memset(s->shift, 0, 2 * s->c.layers * n * sizeof *s->shift);
    for (int l = 0; l < s->c.layers; l++) {
        if (layer >= 0 && l != layer) continue;
        for (size_t i = (size_t)token * kv; i < (size_t)(token + 1) * kv; i++)
            s->shift[(2 * l + 1) * n + i] = h * (double)s->rounded[l * n + i];
    }
    return plain_loss(s);
}

static void attention_times_its_gradient(void **state)
{
    struct scene s = small("attention times its gradient");
    const double h = 1e-5;
    (void)state;
    say(&s, 3);
    show(&s, 4, 4);
    say(&s, 2);
    show(&s, 2, 4);
    say(&s, 5);
    s.m = tiny_model_of(&s.c);
    s.w = plain_weights(s.m);
    s.shift =
        ptd_array(2 * (size_t)s.c.layers * s.n * s.c.kv_heads * s.c.head_dim, sizeof *s.shift);
    s.rounded =
        ptd_array((size_t)s.c.layers * s.n * s.c.kv_heads * s.c.head_dim, sizeof *s.rounded);
    for (int layer = -1; layer < s.c.layers; layer++) {
        double *sum = attended_by(&s, layer), most = 0;
        for (int i = 0, t = 0; i < s.n; i++) {
            if (s.ids[i] != s.c.image_token) continue;
            double slope =
                (loss_with_more(&s, i, layer, h) - loss_with_more(&s, i, layer, -h)) / (2 * h);
            if (!(fabs(slope - sum[t]) <= 1e-3 * fabs(slope) + 2e-5))
                fail_msg("layer %d, token %d: %.8g, differences %.8g", layer, i, sum[t], slope);
            most = fmax(most, fabs(slope));
            t++;
        }
        assert_true(most > 1e-3);
        free(sum);
    }
    clear(&s);
}

/* Their gradient goes straight through. */
static void rounded_keys_and_values(void **state)
{
    struct scene s = small("rounded keys and values");
    (void)state;
    s.half = 1;
    say(&s, 3);
    show(&s, 4, 4);
    say(&s, 9);
    check_scene(&s, 2);
    clear(&s);
}

static void one_vision_block_and_merger(void **state)
{
    struct scene s = small("one vision block");
    (void)state;
    s.c.layers = s.c.v_depth = 1;
    s.c.n_deepstack = 0;
    say(&s, 2);
    show(&s, 4, 6);
    say(&s, 2);
    check_scene(&s, 2);
    clear(&s);
}

static void deepstack_in_every_layer(void **state)
{
    struct scene s = small("deepstack");
    (void)state;
    s.c.v_depth = 3;
    s.c.n_deepstack = 2;
    s.c.deepstack[0] = 0;
    s.c.deepstack[1] = 2;
    say(&s, 1);
    show(&s, 4, 4);
    say(&s, 3);
    check_scene(&s, 2);
    clear(&s);
}

static void a_flat_grid(void **state)
{
    struct scene s = small("flat grid");
    (void)state;
    say(&s, 3);
    show(&s, 2, 22);
    say(&s, 4);
    check_scene(&s, 1);
    clear(&s);
}

static void a_tall_grid(void **state)
{
    struct scene s = small("tall grid");
    (void)state;
    show(&s, 14, 2);
    say(&s, 4);
    check_scene(&s, 1);
    clear(&s);
}

/* Every patch lies on one entry of the table. */
static void a_grid_equal_to_the_table(void **state)
{
    struct scene s = small("grid equal to the table");
    struct ptd_batch *b;
    (void)state;
    s.c.v_positions = 16;
    say(&s, 2);
    show(&s, 4, 4);
    say(&s, 2);
    check_scene(&s, 1);
    b = ptd_batch_new(s.m);
    assert_int_equal(ptd_batch_prompt(b, s.ids, s.n, s.picture, 1), 0);
    for (long i = 0; i < b->n_patches; i++)
        for (int k = 0; k < 4; k++) {
            assert_true(b->tap_weight[4 * i + k] == (k == 0));
            if (!k)
                assert_int_equal(b->tap[4 * i], b->patch_at[2 * i] * 4 + b->patch_at[2 * i + 1]);
        }
    ptd_batch_free(b);
    clear(&s);
}

/* Each entry of the position table by itself, grids smaller and larger than it. */
static void the_position_table_entry_by_entry(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++) {
        struct scene s = small(large ? "grid beyond the table" : "grid within the table");
        s.c.layers = s.c.v_depth = 1;
        s.c.n_deepstack = 0;
        show(&s, large ? 6 : 2, large ? 8 : 4);
        say(&s, 2);
        check_scene(&s, 0);
        const struct ptd_param *p = plain_param(s.m, "model.visual.pos_embed.weight");
        for (int i = 0; i < s.c.v_positions; i++)
            check_slope(&s, p->name, p->offset + i * s.c.v_hidden,
                        p->offset + (i + 1) * s.c.v_hidden, i);
        clear(&s);
    }
}

static void three_pictures(void **state)
{
    struct scene s = small("three pictures");
    (void)state;
    show(&s, 2, 4);
    say(&s, 2);
    show(&s, 6, 2);
    say(&s, 1);
    show(&s, 4, 4);
    say(&s, 3);
    check_scene(&s, 1);
    clear(&s);
}

static void two_pictures_without_text_between(void **state)
{
    struct scene s = small("two pictures");
    (void)state;
    say(&s, 2);
    show(&s, 4, 2);
    show(&s, 2, 6);
    say(&s, 2);
    check_scene(&s, 1);
    clear(&s);
}

static void a_picture_at_the_end(void **state)
{
    struct scene s = small("picture at the end");
    (void)state;
    say(&s, 2);
    show(&s, 4, 4);
    check_scene(&s, 1);
    clear(&s);
}

/* Vision heads of 24, other widths odd. */
static void odd_widths(void **state)
{
    struct scene s = small("odd widths");
    (void)state;
    s.c.v_hidden = 48;
    s.c.v_heads = 2;
    s.c.v_intermediate = 53;
    s.c.hidden = s.c.v_out = 37;
    s.c.intermediate = 51;
    s.c.v_temporal = 1;
    s.c.v_patch = 3;
    s.c.vocab = 67;
    say(&s, 2);
    show(&s, 4, 6);
    say(&s, 4);
    check_scene(&s, 1);
    clear(&s);
}

static void sections_of_any_kind(void **state)
{
    static const int sections[][3] = {{2, 3, 3}, {8, 0, 0}, {0, 5, 3}, {16, 8, 8}, {4, 1, 3}};
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct scene s = small("sections");
        s.c.layers = 1;
        s.c.n_deepstack = 0;
        memcpy(s.c.mrope_section, sections[i], sizeof sections[i]);
        say(&s, 1);
        show(&s, 4, 6);
        say(&s, 3);
        check_scene(&s, i == 0);
        clear(&s);
    }
}

static void heads_that_share_keys(void **state)
{
    static const int heads[][3] = {{4, 1, 16}, {3, 3, 10}, {6, 2, 6}};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct scene s = small("shared keys");
        s.c.layers = 1;
        s.c.n_deepstack = 0;
        s.c.heads = heads[i][0], s.c.kv_heads = heads[i][1], s.c.head_dim = heads[i][2];
        say(&s, 9);
        check_scene(&s, 1);
        clear(&s);
    }
}

/* Blocks of 3 x 3 patches, and none. */
static void mergers_of_other_sizes(void **state)
{
    (void)state;
    for (int merge = 1; merge <= 3; merge += 2) {
        struct scene s = small("merge");
        s.c.layers = 1;
        s.c.v_merge = merge;
        s.c.v_hidden = 16;
        show(&s, 3, 6);
        say(&s, 2);
        check_scene(&s, 1);
        clear(&s);
    }
}

/* Text after a picture is positioned after its longer side, and a reply goes on from there. */
static void positions_after_pictures(void **state)
{
    static const int want[][3] = {{0, 0, 0}, {1, 1, 1}, {1, 2, 1}, {3, 3, 3}, {3, 3, 4},
                                  {3, 3, 5}, {6, 6, 6}, {7, 7, 7}, {8, 8, 8}};
    static const int32_t reply[2] = {5, 6};
    struct scene s = small("positions");
    struct ptd_batch *b;
    (void)state;
    say(&s, 1);
    show(&s, 4, 2);
    show(&s, 2, 6);
    say(&s, 1);
    s.m = tiny_model_of(&s.c);
    b = ptd_batch_new(s.m);
    assert_int_equal(ptd_batch_prompt(b, s.ids, s.n, s.picture, 2), 0);
    assert_int_equal(ptd_batch_reply(b, 0, reply, 2), 1);
    assert_int_equal(b->n, 9);
    for (int i = 0; i < 9; i++)
        for (int k = 0; k < 3; k++) assert_int_equal(b->pos[3 * i + k], want[i][k]);
    ptd_batch_free(b);
    clear(&s);
}

static void prompts_that_do_not_fit(void **state)
{
    static const struct {
        int32_t ids[8];
        int n, pictures;
        const char *message;
    } bad[] = {
        {{1, 60, 60, 60}, 4, 1, "picture 0 needs 4 pads, the prompt has 3"},
        {{1, 60, 60, 60, 60}, 5, 0, "prompt token 1 is a picture pad, but all 0 pictures are used"},
        {{1, 60, 60, 60, 60, 60},
         6,
         1,
         "prompt token 5 is a picture pad, but all 1 pictures are used"},
        {{1, 2, 3}, 3, 1, "1 pictures, but pads for 0 in the prompt"},
        {{1, 64}, 2, 0, "prompt token 1: id 64, expected 0..63"},
        {{-1, 4}, 2, 0, "prompt token 0: id -1, expected 0..63"},
    };
    struct ptd_model *m = tiny_model(1);
    struct ptd_picture p = tiny_picture_of("picture", 16, 16);
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ptd_batch *b = ptd_batch_new(m);
        assert_int_equal(ptd_batch_prompt(b, bad[i].ids, bad[i].n, &p, bad[i].pictures), -1);
        assert_int_equal(ptd_failed_status(), PTD_DATAERR);
        assert_string_equal(ptd_failed_message(), bad[i].message);
        ptd_batch_free(b);
    }
    for (int i = 0; i < 3; i++) {
        struct ptd_picture wrong = p;
        struct ptd_batch *b = ptd_batch_new(m);
        *(i == 1 ? &wrong.height : &wrong.width) = i == 2 ? -16 : 12;
        assert_int_equal(ptd_batch_prompt(b, (int32_t[]){60, 60, 60, 60}, 4, &wrong, 1), -1);
        assert_int_equal(ptd_failed_status(), PTD_DATAERR);
        ptd_batch_free(b);
    }
    free((void *)p.pixels);
    ptd_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_text_layer),
        cmocka_unit_test(attention_times_its_gradient),
        cmocka_unit_test(rounded_keys_and_values),
        cmocka_unit_test(one_vision_block_and_merger),
        cmocka_unit_test(deepstack_in_every_layer),
        cmocka_unit_test(a_flat_grid),
        cmocka_unit_test(a_tall_grid),
        cmocka_unit_test(a_grid_equal_to_the_table),
        cmocka_unit_test(the_position_table_entry_by_entry),
        cmocka_unit_test(three_pictures),
        cmocka_unit_test(two_pictures_without_text_between),
        cmocka_unit_test(a_picture_at_the_end),
        cmocka_unit_test(odd_widths),
        cmocka_unit_test(sections_of_any_kind),
        cmocka_unit_test(heads_that_share_keys),
        cmocka_unit_test(mergers_of_other_sizes),
        cmocka_unit_test(positions_after_pictures),
        cmocka_unit_test(prompts_that_do_not_fit),
    };
    ptd_program("test-layers");
    ptd_threads_start(2);
    return cmocka_run_group_tests_name("layers", tests, NULL, NULL);
}
