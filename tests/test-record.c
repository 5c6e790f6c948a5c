/* Records: every field survives, unknown ones too; bad lengths, types, depths and doubled keys are
 * refused by name. Leaves to test-stream.c: frames. */
#include "base/half.h"
#include "flow/pack.h"
#include "flow/record.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

static const int32_t ids[6] = {1, 2, 3, 70000, -1, 2147483647};
static const float logp[3] = {-0.25f, -INFINITY, -3};
static const float nats[3] = {0, 0.5f, 3};
static const uint16_t halves[6] = {0, 1, 0x8000, 0x3c00, 0x7bff, 0xfbff};
static const uint8_t pixels[2 * 3 * 3] = {1,  2,  3,  4,  5,  6,  7,  8,  9,
                                          10, 11, 12, 13, 14, 15, 16, 17, 255};
static const char *const lines[2] = {"first", "then"};
static const struct ptd_region areas[2] = {{"digit", {0, 0.25f, 0.5f, 1}},
                                           {"", {0.1f, 0.2f, 0.3f, 0.4f}}};

static struct ptd_picture picture = {
    .hash = "0123456789abcdef", .height = 2, .width = 3, .pixels = pixels};
static const struct ptd_reward_part parts[2] = {{"style", -0.5}, {"length", 2}};
static struct ptd_rollout rollouts[3] = {
    {.ids = ids,
     .n = 3,
     .logp = logp,
     .top_ids = ids,
     .top_k = 2,
     .text = "the answer\nis \xe2\x88\x9a",
     .stop = "eos",
     .outcome = PTD_WRONG,
     .extracted = "4",
     .format = 1,
     .reward = 0.1,
     .advantage = -0.7,
     .parts = parts,
     .n_parts = 2,
     .ref_logp = logp,
     .teacher_ids = ids,
     .teacher_logp = halves,
     .teacher_k = 2,
     .teacher_on_top = halves,
     .teacher_key = "ab12",
     .teacher_on_ids = logp,
     .masked_logp = logp,
     .top_logp = halves,
     .entropy = nats,
     .divergence = logp,
     .advantages = logp},
    {.ids = ids,
     .n = 3,
     .text = "rows",
     .stop = "eos",
     .teacher_rows = logp,
     .teacher_width = 1,
     .teacher_key = "cd34"},
    {.ids = ids, .n = 0, .text = "", .stop = "length", .outcome = PTD_UNPARSABLE, .reason = "cut"},
};

static const struct ptd_turn turns[] = {{"user", "<image> what?"}, {"assistant", "apples"}};

static struct ptd_group sample(void)
{
    return (struct ptd_group){.uid = "train-7",
                              .index = 7,
                              .step = 3,
                              .generation = 2,
                              .category = "sum",
                              .system = "Be brief.",
                              .turns = turns,
                              .n_turns = 2,
                              .question = "<image> how many?",
                              .answer = "3",
                              .answers = lines,
                              .n_answers = 2,
                              .judge = "iou",
                              .solution = "count",
                              .regions = areas,
                              .n_regions = 2,
                              .steps = lines,
                              .n_steps = 2,
                              .pictures = &picture,
                              .n_pictures = 1,
                              .prompt_ids = ids,
                              .n_prompt = 6,
                              .rollouts = rollouts,
                              .n_rollouts = 3,
                              .hint = {.text = "look left",
                                       .source = "data",
                                       .regions = areas,
                                       .n_regions = 1,
                                       .steps = lines,
                                       .n_steps = 2,
                                       .prompt_ids = ids,
                                       .n_prompt = 4,
                                       .unchecked = 1},
                              .hint_drop = "spoiler",
                              .hint_gain = -0.25,
                              .hint_refused = "data: look up",
                              .hint_dropped = "attention: a1 is 3",
                              .map = {halves, 2, 3, 0, "attention"},
                              .group_accuracy = 0.5};
}

static struct ptd_buf encoded(void)
{
    struct ptd_buf b = {0};
    struct ptd_group g = sample();
    ptd_group_encode(&g, &b);
    return b;
}

static int inside(const struct ptd_buf *b, const void *p)
{
    return (const char *)p >= b->data && (const char *)p < b->data + b->len;
}

/* Whatever the lengths before them are, arrays lie aligned in an aligned body, and are left there.
 */
static void arrays_stay_in_an_aligned_body(void **state)
{
    (void)state;
    for (int n = 0; n < 300; n++) {
        int32_t *words = calloc(n + 1, sizeof *words);
        struct ptd_rollout y = {.ids = words, .n = n, .top_ids = words, .top_k = 1, .text = "text"};
        struct ptd_group g = {.uid = "uid-long" + n % 8, .rollouts = &y, .n_rollouts = 1},
                         back = {0};
        struct ptd_buf b = {0};
        ptd_group_encode(&g, &b);
        assert_int_equal(ptd_group_decode(&back, b.data, b.len), 0);
        assert_true(inside(&b, back.rollouts[0].ids) && inside(&b, back.rollouts[0].top_ids));
        b.data = realloc(b.data, b.len + 1);
        memmove(b.data + 1, b.data, b.len);
        assert_int_equal(ptd_group_decode(&back, b.data + 1, b.len), 0);
        assert_true((uintptr_t)back.rollouts[0].ids % 4 == 0 && !inside(&b, back.rollouts[0].ids));
        ptd_group_clear(&back);
        free(b.data);
        free(words);
    }
}

static void same_rollouts(const struct ptd_rollout *a, const struct ptd_rollout *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->ids, b->ids, 4 * (size_t)a->n);
    assert_int_equal(a->top_k, b->top_k);
    assert_int_equal(a->teacher_k, b->teacher_k);
    assert_string_equal(a->text, b->text);
    assert_string_equal(a->stop, b->stop);
    assert_int_equal(a->outcome, b->outcome);
    assert_true(a->accuracy == b->accuracy && a->format == b->format);
    assert_true(a->reward == b->reward && a->advantage == b->advantage);
    assert_int_equal(a->n_parts, b->n_parts);
    for (int i = 0; i < a->n_parts; i++) {
        assert_string_equal(a->parts[i].name, b->parts[i].name);
        assert_true(a->parts[i].value == b->parts[i].value);
    }
    assert_true(!a->reason == !b->reason && (!a->reason || !strcmp(a->reason, b->reason)));
    assert_true(!a->logp == !b->logp && !a->top_ids == !b->top_ids && !a->ref_logp == !b->ref_logp);
    assert_true(!a->teacher_rows == !b->teacher_rows && a->teacher_width == b->teacher_width);
    assert_true(!a->masked_logp == !b->masked_logp && !a->teacher_on_ids == !b->teacher_on_ids);
    if (a->teacher_rows)
        assert_memory_equal(a->teacher_rows, b->teacher_rows,
                            4 * (size_t)(a->n * a->teacher_width));
    if (!b->logp) return;
    assert_memory_equal(a->masked_logp, b->masked_logp, 4 * (size_t)a->n);
    assert_memory_equal(a->teacher_on_ids, b->teacher_on_ids, 4 * (size_t)a->n);
    assert_memory_equal(a->logp, b->logp, 4 * (size_t)a->n);
    assert_memory_equal(a->ref_logp, b->ref_logp, 4 * (size_t)a->n);
    assert_memory_equal(a->top_ids, b->top_ids, 4 * (size_t)(a->n * a->top_k));
    assert_memory_equal(a->teacher_ids, b->teacher_ids, 4 * (size_t)(a->n * a->teacher_k));
    assert_memory_equal(a->teacher_logp, b->teacher_logp, 2 * (size_t)(a->n * a->teacher_k));
    assert_memory_equal(a->teacher_on_top, b->teacher_on_top, 2 * (size_t)(a->n * a->top_k));
    assert_memory_equal(a->top_logp, b->top_logp, 2 * (size_t)(a->n * a->top_k));
    assert_memory_equal(a->entropy, b->entropy, 4 * (size_t)a->n);
    assert_memory_equal(a->divergence, b->divergence, 4 * (size_t)a->n);
    assert_memory_equal(a->advantages, b->advantages, 4 * (size_t)a->n);
    assert_string_equal(a->extracted, b->extracted);
    assert_string_equal(a->teacher_key, b->teacher_key);
}

static void same_groups(const struct ptd_group *a, const struct ptd_group *b)
{
    assert_string_equal(a->uid, b->uid);
    assert_true(a->index == b->index && a->step == b->step && a->generation == b->generation);
    assert_string_equal(a->category, b->category);
    assert_string_equal(a->system, b->system);
    assert_int_equal(a->n_turns, b->n_turns);
    for (int i = 0; i < a->n_turns; i++) {
        assert_string_equal(a->turns[i].role, b->turns[i].role);
        assert_string_equal(a->turns[i].text, b->turns[i].text);
    }
    assert_string_equal(a->question, b->question);
    assert_string_equal(a->answer, b->answer);
    assert_string_equal(a->solution, b->solution);
    assert_string_equal(a->judge, b->judge);
    assert_int_equal(a->n_answers, b->n_answers);
    for (int i = 0; i < a->n_answers; i++) assert_string_equal(a->answers[i], b->answers[i]);
    assert_int_equal(a->n_regions, b->n_regions);
    for (int i = 0; i < a->n_regions; i++) {
        assert_string_equal(a->regions[i].label, b->regions[i].label);
        assert_memory_equal(a->regions[i].box, b->regions[i].box, sizeof a->regions[i].box);
    }
    assert_int_equal(a->n_steps, b->n_steps);
    for (int i = 0; i < a->n_steps; i++) assert_string_equal(a->steps[i], b->steps[i]);
    assert_int_equal(a->n_pictures, 1);
    assert_string_equal(a->pictures->hash, b->pictures->hash);
    assert_memory_equal(a->pictures->pixels, b->pictures->pixels, sizeof pixels);
    assert_int_equal(a->n_prompt, b->n_prompt);
    assert_memory_equal(a->prompt_ids, b->prompt_ids, 4 * (size_t)a->n_prompt);
    assert_int_equal(a->n_rollouts, b->n_rollouts);
    for (int i = 0; i < a->n_rollouts; i++) same_rollouts(&a->rollouts[i], &b->rollouts[i]);
    assert_string_equal(a->hint.text, b->hint.text);
    assert_string_equal(a->hint.source, b->hint.source);
    assert_int_equal(a->hint.n_prompt, b->hint.n_prompt);
    assert_int_equal(a->hint.n_regions, b->hint.n_regions);
    assert_int_equal(a->hint.n_steps, b->hint.n_steps);
    assert_int_equal(a->hint.unchecked, b->hint.unchecked);
    assert_true(a->hint_gain == b->hint_gain);
    assert_string_equal(a->hint_refused, b->hint_refused);
    assert_string_equal(a->hint_dropped, b->hint_dropped);
    assert_true(a->map.rows == 2 && a->map.columns == 3 && a->map.picture == 0);
    assert_memory_equal(a->map.score, b->map.score, 6 * sizeof *a->map.score);
    assert_string_equal(a->map.source, b->map.source);
    assert_string_equal(a->hint_drop, b->hint_drop);
    assert_true(a->group_accuracy == b->group_accuracy);
}

/* Decodes from memory of exactly len bytes at an odd address, so that sanitizers see any step
 * outside. */
static int decode_exact(struct ptd_group *g, const char *body, size_t len, char **keep)
{
    char *copy = malloc(len + 1);
    memcpy(copy + 1, body, len);
    int rc = ptd_group_decode(g, copy + 1, len);
    *keep = copy;
    return rc;
}

static void test_group_survives(void **state)
{
    (void)state;
    struct ptd_buf b = encoded(), again = {0};
    struct ptd_group g = {0}, wanted = sample();
    char *copy;
    assert_int_equal(decode_exact(&g, b.data, b.len, &copy), 0);
    same_groups(&g, &wanted);
    ptd_group_encode(&g, &again);
    assert_int_equal(again.len, b.len);
    assert_memory_equal(again.data, b.data, b.len);
    ptd_group_clear(&g);
    free(copy);
    free(b.data);
    free(again.data);
}

static void test_bare_group(void **state)
{
    (void)state;
    struct ptd_buf b = {0};
    struct ptd_group g = {0}, out = {0};
    ptd_group_clear(&g);
    g.uid = "u";
    ptd_group_encode(&g, &b);
    assert_int_equal(ptd_group_decode(&out, b.data, b.len), 0);
    assert_true(out.generation == -1 && out.group_accuracy == -1 && out.n_rollouts == 0 &&
                !out.hint.text);
    assert_true(!out.prompt_ids && !out.answer && out.unknown.n == 0);
    ptd_group_clear(&out);
    free(b.data);
}

/* ---- by hand, what an older or newer or careless program might write ---- */

struct hand {
    struct ptd_buf buf;
    msgpack_packer pk;
};

static void hand_open(struct hand *h, size_t fields)
{
    memset(h, 0, sizeof *h);
    msgpack_packer_init(&h->pk, &h->buf, ptd_pack_write);
    msgpack_pack_map(&h->pk, fields);
}

static void hand_text(struct hand *h, const char *key, const char *value)
{
    ptd_pack_str(&h->pk, key);
    ptd_pack_str(&h->pk, value);
}

static void hand_ext(struct hand *h, const char *key, int type, const void *p, size_t n)
{
    ptd_pack_str(&h->pk, key);
    msgpack_pack_ext_with_body(&h->pk, p, n, (int8_t)type);
}

static void hand_rollouts(struct hand *h, size_t fields)
{
    ptd_pack_str(&h->pk, "rollouts");
    msgpack_pack_array(&h->pk, 1);
    msgpack_pack_map(&h->pk, fields);
}

static void refused(struct hand *h, const char *words)
{
    struct ptd_group g = {0};
    assert_int_equal(ptd_group_decode(&g, h->buf.data, h->buf.len), -1);
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    if (!strstr(ptd_failed_message(), words))
        fail_msg("\"%s\" lacks \"%s\"", ptd_failed_message(), words);
    free(h->buf.data);
}

static void test_unknown_fields_pass(void **state)
{
    (void)state;
    struct hand h;
    struct ptd_group g = {0};
    struct ptd_buf out = {0};
    hand_open(&h, 4);
    hand_text(&h, "zzz", "kept");
    hand_text(&h, "uid", "u");
    ptd_pack_str(&h.pk, "aaa");
    msgpack_pack_array(&h.pk, 2);
    msgpack_pack_nil(&h.pk);
    msgpack_pack_ext_with_body(&h.pk, "xyz", 3, 99);
    hand_rollouts(&h, 2);
    hand_text(&h, "mood", "good");
    hand_ext(&h, "ids", 1, ids, 8);
    assert_int_equal(ptd_group_decode(&g, h.buf.data, h.buf.len), 0);
    assert_int_equal(g.unknown.n, 2);
    assert_int_equal(g.rollouts[0].unknown.n, 1);
    g.answer = "new";
    ptd_group_encode(&g, &out);
    assert_non_null(memmem(out.data, out.len,
                           "\xa3zzz\xa4kept\xa3"
                           "aaa\x92\xc0\xc7\x03\x63xyz",
                           21));
    assert_non_null(memmem(out.data, out.len, "\xa4mood\xa4good", 10));
    ptd_group_clear(&g);
    assert_int_equal(ptd_group_decode(&g, out.data, out.len), 0);
    assert_string_equal(g.answer, "new");
    assert_int_equal(g.unknown.n, 2);
    ptd_group_clear(&g);
    free(out.data);
    free(h.buf.data);
}

/* Many large ones take a few times their bytes, and come back in their order. */
static void test_unknown_fields_take_what_they_are(void **state)
{
    (void)state;
    enum { FIELDS = 200, BYTES = 40000 };
    struct hand h;
    struct ptd_group g = {0};
    struct ptd_buf out = {0};
    char key[8], *value = calloc(1, BYTES + 1);
    hand_open(&h, FIELDS + 1);
    hand_text(&h, "uid", "u");
    for (int i = 0; i < FIELDS; i++) {
        snprintf(key, sizeof key, "u%d", i);
        memset(value, 'a' + i % 26, BYTES);
        hand_text(&h, key, value);
    }
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    assert_int_equal(ptd_group_decode(&g, h.buf.data, h.buf.len), 0);
    getrusage(RUSAGE_SELF, &after);
#ifndef __SANITIZE_ADDRESS__
    assert_true(after.ru_maxrss - before.ru_maxrss < 5 * FIELDS * (BYTES >> 10));
#endif
    assert_int_equal(g.unknown.n, FIELDS);
    ptd_group_encode(&g, &out);
    assert_non_null(
        memmem(out.data, out.len, h.buf.data + 3 + 6, h.buf.len - 3 - 6)); /* behind map and uid */
    ptd_group_clear(&g);
    free(out.data);
    free(h.buf.data);
    free(value);
}

/* What decoding leaves alone and programs do not: each with a field out of place in turn. */
static void test_contents(void **state)
{
    (void)state;
    static int32_t low[6] = {3, 3, -2, 3, 3, 3};
    static float high[3] = {-1, -1, 0.5f};
    static uint16_t high_half[6] = {0x8000, 0xfc00, 0x7e00, 0x1419, 0, 0x141a};
    static const struct {
        const char *words;
        struct ptd_rollout y;
    } cases[] = {
        {NULL, {.ids = ids, .n = 4}},
        {"rollouts[0].ids\": an id below 0", {.ids = low, .n = 3}},
        {NULL, {.ids = ids, .n = 2, .top_ids = low, .top_k = 1}},
        {"rollouts[0].top_ids\": an id below -1", {.ids = ids, .n = 2, .top_ids = low, .top_k = 2}},
        {NULL, {.ids = ids, .n = 3, .logp = logp, .ref_logp = logp}},
        {"rollouts[0].logp\": a log-prob", {.ids = ids, .n = 3, .logp = high}},
        {"rollouts[0].ref_logp\": a log-prob", {.ids = ids, .n = 3, .ref_logp = high}},
        {NULL, {.ids = ids, .n = 1, .teacher_ids = ids, .teacher_logp = high_half, .teacher_k = 5}},
        {"teacher_logp\": a log-prob",
         {.ids = ids, .n = 1, .teacher_ids = ids, .teacher_logp = high_half, .teacher_k = 6}},
        {"teacher_on_top\": a log-prob",
         {.ids = ids, .n = 3, .top_ids = ids, .top_k = 2, .teacher_on_top = high_half}},
        {"top_logp\": a log-prob",
         {.ids = ids, .n = 3, .top_ids = ids, .top_k = 2, .top_logp = high_half}},
        {NULL, {.ids = ids, .n = 3, .entropy = nats}},
        {"rollouts[0].entropy\": below 0", {.ids = ids, .n = 3, .entropy = logp}},
        {NULL, {.ids = ids, .n = 3, .divergence = high, .advantages = high}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ptd_rollout y = cases[i].y;
        struct ptd_group g = {.uid = "u", .rollouts = &y, .n_rollouts = 1};
        assert_int_equal(ptd_group_check(&g), cases[i].words ? -1 : 0);
        if (cases[i].words && !strstr(ptd_failed_message(), cases[i].words))
            fail_msg("\"%s\" lacks \"%s\"", ptd_failed_message(), cases[i].words);
    }
}

static void test_words(void **state)
{
    (void)state;
    static int32_t fine[4] = {0, 639, -1, 7}, high[4] = {1, 2, 3, 640};
    static const struct {
        const char *words;
        struct ptd_group g;
        struct ptd_rollout y;
    } cases[] = {
        {NULL,
         {.prompt_ids = fine, .n_prompt = 2},
         {.ids = fine, .n = 2, .top_ids = fine, .top_k = 2}},
        {NULL, {0}, {.ids = high, .n = 3, .teacher_ids = high, .teacher_k = 1}},
        {"\"rollouts[0].ids\": an id above 639", {0}, {.ids = high, .n = 4}},
        {"\"rollouts[0].top_ids\": an id above",
         {0},
         {.ids = fine, .n = 2, .top_ids = high, .top_k = 2}},
        {"\"rollouts[0].teacher_ids\": ",
         {0},
         {.ids = fine, .n = 1, .teacher_ids = high, .teacher_k = 4}},
        {"\"prompt_ids\": an id above 639", {.prompt_ids = high, .n_prompt = 4}, {.ids = fine}},
        {"\"hint.prompt_ids\": an id",
         {.hint = {.prompt_ids = high, .n_prompt = 4}},
         {.ids = fine}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ptd_rollout y = cases[i].y;
        struct ptd_group g = cases[i].g;
        g.rollouts = &y, g.n_rollouts = 1;
        assert_int_equal(ptd_group_check_words(&g, 640), cases[i].words ? -1 : 0);
        if (cases[i].words && !strstr(ptd_failed_message(), cases[i].words))
            fail_msg("\"%s\" lacks \"%s\"", ptd_failed_message(), cases[i].words);
    }
}

static void test_no_rollouts(void **state)
{
    (void)state;
    struct ptd_group g = {.uid = "u"};
    assert_int_equal(ptd_group_check(&g), -1);
    assert_non_null(
        strstr(ptd_failed_message(), "field \"rollouts\": empty, expected at least one"));
}

static void test_picture_hash(void **state)
{
    (void)state;
    struct ptd_picture p = picture;
    struct ptd_group g = {
        .uid = "u", .pictures = &p, .n_pictures = 1, .rollouts = rollouts + 2, .n_rollouts = 1};
    assert_int_equal(ptd_group_check(&g), -1);
    assert_non_null(
        strstr(ptd_failed_message(), "pictures[0].hash\": 0123456789abcdef, but that of"));
    ptd_picture_hash(p.pixels, p.height, p.width, p.hash);
    assert_int_equal(ptd_group_check(&g), 0);
    p.height = 3, p.width = 2;
    assert_int_equal(ptd_group_check(&g), -1);
}

static void test_refused_by_name(void **state)
{
    (void)state;
    struct hand h;
    hand_open(&h, 2), hand_text(&h, "uid", "u"), hand_text(&h, "uid", "v"),
        refused(&h, "field \"uid\": comes twice");
    hand_open(&h, 3), hand_text(&h, "uid", "u"), hand_text(&h, "x", "1"), hand_text(&h, "x", "1");
    refused(&h, "field \"x\": comes twice");
    hand_open(&h, 1), hand_text(&h, "answer", "u"), refused(&h, "field \"uid\": missing");
    hand_open(&h, 1), hand_text(&h, "index", "1"),
        refused(&h, "field \"index\": expected a whole number");
    hand_open(&h, 1), hand_ext(&h, "prompt_ids", 2, ids, 8),
        refused(&h, "field \"prompt_ids\": expected an ext of type 1");
    hand_open(&h, 1), hand_ext(&h, "prompt_ids", 1, ids, 7), refused(&h, "no whole entries");
    hand_open(&h, 1), ptd_pack_str(&h.pk, "uid"), msgpack_pack_str_with_body(&h.pk, "a\0b", 3);
    refused(&h, "field \"uid\": a string with a NUL byte");
    hand_open(&h, 1), msgpack_pack_int(&h.pk, 1), msgpack_pack_int(&h.pk, 1),
        refused(&h, "a key that is no string");
    hand_open(&h, 1), hand_text(&h, "rollouts", "1"),
        refused(&h, "field \"rollouts\": expected an array");
}

static void test_lengths_that_disagree(void **state)
{
    (void)state;
    struct hand h;
    hand_open(&h, 1), hand_rollouts(&h, 2), hand_ext(&h, "logp", 2, logp, 12),
        hand_ext(&h, "ids", 1, ids, 8);
    refused(&h, "field \"rollouts[0].logp\": 3 entries, expected 2");
    hand_open(&h, 1), hand_rollouts(&h, 3), hand_ext(&h, "ids", 1, ids, 8),
        hand_ext(&h, "top_ids", 1, ids, 24);
    ptd_pack_str(&h.pk, "top_k"), msgpack_pack_int(&h.pk, 2);
    refused(&h, "field \"rollouts[0].top_ids\": 6 entries, expected 4");
    hand_open(&h, 1), hand_rollouts(&h, 1), hand_text(&h, "text", "t"),
        refused(&h, "rollouts[0].ids\": missing");
    hand_open(&h, 1), hand_rollouts(&h, 3), hand_ext(&h, "ids", 1, ids, 4),
        hand_ext(&h, "teacher_ids", 1, ids, 8);
    ptd_pack_str(&h.pk, "teacher_k"), msgpack_pack_int(&h.pk, 2);
    refused(&h, "rollouts[0].teacher_logp\": expected together");
    hand_open(&h, 1), hand_rollouts(&h, 2), hand_ext(&h, "ids", 1, ids, 4),
        hand_text(&h, "outcome", "great");
    refused(&h, "rollouts[0].outcome\": \"great\" is no outcome");
    hand_open(&h, 1), ptd_pack_str(&h.pk, "pictures"), msgpack_pack_array(&h.pk, 1),
        msgpack_pack_map(&h.pk, 3);
    ptd_pack_str(&h.pk, "height"), msgpack_pack_int(&h.pk, 2), ptd_pack_str(&h.pk, "width"),
        msgpack_pack_int(&h.pk, 2);
    ptd_pack_str(&h.pk, "pixels"), msgpack_pack_bin_with_body(&h.pk, pixels, 15);
    refused(&h, "field \"pictures[0].pixels\": 5 entries, expected 4");
}

/* A rollout with the parts that follow. */
static void hand_parts(struct hand *h, size_t n)
{
    hand_open(h, 2), hand_text(h, "uid", "u"), hand_rollouts(h, 2), hand_ext(h, "ids", 1, ids, 8);
    ptd_pack_str(&h->pk, "parts");
    msgpack_pack_array(&h->pk, n);
}

static void hand_part(struct hand *h, const char *name, double value)
{
    msgpack_pack_map(&h->pk, 2), hand_text(h, "name", name);
    ptd_pack_str(&h->pk, "value"), msgpack_pack_double(&h->pk, value);
}

static void test_parts(void **state)
{
    (void)state;
    struct hand h;
    const double bad[] = {NAN, INFINITY, -INFINITY, 2e30, -2e30};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hand_parts(&h, 2), hand_part(&h, "a", 1), hand_part(&h, "b", bad[i]);
        refused(&h, "rollouts[0].parts[1].value\": ");
    }
    hand_parts(&h, 2), hand_part(&h, "a", 1), hand_part(&h, "a", 1);
    refused(&h, "rollouts[0].parts\": \"a\" comes twice");
    hand_parts(&h, 1), hand_part(&h, "", 1), refused(&h, "parts[0].name\": missing");
    hand_parts(&h, 1), msgpack_pack_map(&h.pk, 0), refused(&h, "parts[0].name\": missing");
    hand_parts(&h, 1), msgpack_pack_nil(&h.pk), refused(&h, "parts[0]\": expected a map");
    hand_parts(&h, PTD_LIST_MAX + 1);
    for (int i = 0; i <= PTD_LIST_MAX; i++) hand_part(&h, "a", 1);
    refused(&h, "rollouts[0].parts\": 65 entries, expected at most 64");
}

static void test_further_answers(void **state)
{
    (void)state;
    struct hand h;
    hand_open(&h, 2), hand_text(&h, "uid", "u"), ptd_pack_str(&h.pk, "answers");
    msgpack_pack_array(&h.pk, 1), ptd_pack_str(&h.pk, "12");
    refused(&h, "field \"answers\": without answer");
    hand_open(&h, 2), hand_text(&h, "answer", "u"), ptd_pack_str(&h.pk, "answers");
    msgpack_pack_array(&h.pk, PTD_LIST_MAX + 1);
    for (int i = 0; i <= PTD_LIST_MAX; i++) ptd_pack_str(&h.pk, "12");
    refused(&h, "field \"answers\": 65 entries, expected at most 64");
    hand_open(&h, 1), ptd_pack_str(&h.pk, "judge"), msgpack_pack_int(&h.pk, 3);
    refused(&h, "field \"judge\": expected a string");
}

static void hand_turn(struct hand *h, const char *role, const char *text)
{
    hand_open(h, 1), ptd_pack_str(&h->pk, "turns"), msgpack_pack_array(&h->pk, 1);
    msgpack_pack_map(&h->pk, text ? 2 : 1), hand_text(h, "role", role);
    if (text) hand_text(h, "text", text);
}

static void test_turns(void **state)
{
    (void)state;
    struct hand h;
    hand_turn(&h, "system", "a"), refused(&h, "turns[0].role\": \"system\", expected user or");
    hand_turn(&h, "user", NULL), refused(&h, "turns[0].text\": missing");
    hand_open(&h, 1), ptd_pack_str(&h.pk, "turns"), msgpack_pack_array(&h.pk, PTD_LIST_MAX + 1);
    for (int i = 0; i <= PTD_LIST_MAX; i++) msgpack_pack_map(&h.pk, 0);
    refused(&h, "field \"turns\": 65 entries, expected at most 64");
}

static void test_bombs(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } bombs[] = {
        {"\xdd\xff\xff\xff\xff", 5},
        {"\xdf\xff\xff\xff\xff", 5},
        {"\xdb\xff\xff\xff\xff", 5},
        {"\xc6\xff\xff\xff\xff", 5},
        {"\xc9\xff\xff\xff\xff\x01", 6},
        {"\xdc\xff\xff", 3},
        {"\xc1", 1},
        {"", 0},
        {"\x81\xa1"
         "a",
         3},
        {"\x80\x80", 2},
        {"\x91\x91\x91\x91\x91\x91\x91\x91\x91\xc0", 10},
        {"\xd9", 1},
    };
    struct ptd_group g = {0};
    char *copy;
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        assert_int_equal(decode_exact(&g, bombs[i].bytes, bombs[i].n, &copy), -1);
        assert_int_equal(ptd_failed_status(), PTD_DATAERR);
        free(copy);
    }
    assert_int_equal(ptd_pack_size("\x91\x91\x91\x91\x91\x91\x91\x91\xc0", 9), 9);
}

static void test_many_items(void **state)
{
    (void)state;
    size_t n = PTD_PACK_ITEMS + 1;
    char *bytes = calloc(1, n + 5);
    memcpy(bytes, "\xdd\x00\x01\x00\x00", 5);
    assert_int_equal(ptd_pack_size(bytes, n + 5), PTD_PACK_ITEMS + 5);
    bytes[4] = 1;
    assert_int_equal(ptd_pack_size(bytes, n + 5), 0);
    free(bytes);
}

/* The scan and msgpack-c must see the same sizes, or raw bytes of unknown fields would be cut
 * wrongly. */
static void test_scan_agrees_with_msgpack(void **state)
{
    (void)state;
    for (int first = 0; first < 256; first++) {
        char bytes[64] = {(char)first, 0, 0, 0, 2, 5, 6};
        size_t at = 0, size = ptd_pack_size(bytes, sizeof bytes);
        msgpack_unpacked u;
        msgpack_unpacked_init(&u);
        int rc = msgpack_unpack_next(&u, bytes, sizeof bytes, &at);
        if (first == 0xc1)
            assert_int_equal(size, 0);
        else
            assert_true(rc == MSGPACK_UNPACK_SUCCESS && at == size);
        msgpack_unpacked_destroy(&u);
    }
}

static void test_every_cut_and_flip_is_survived(void **state)
{
    (void)state;
    struct ptd_buf b = encoded();
    struct ptd_group g = {0};
    char *copy;
    for (size_t n = 0; n < b.len; n++) {
        assert_int_equal(decode_exact(&g, b.data, n, &copy), -1);
        free(copy);
    }
    for (size_t bit = 0; bit < 8 * b.len; bit++) {
        b.data[bit / 8] ^= (char)(1 << bit % 8);
        struct ptd_buf out = {0};
        if (decode_exact(&g, b.data, b.len, &copy) == 0)
            ptd_group_encode(&g, &out);
        else
            assert_int_equal(ptd_failed_status(), PTD_DATAERR);
        ptd_group_clear(&g);
        free(out.data);
        free(copy);
        b.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    free(b.data);
}

static void test_head(void **state)
{
    (void)state;
    struct ptd_head h = {.version = PTD_STREAM_VERSION,
                         .store = "run.ptd",
                         .data = "d.jsonl",
                         .mode = "eval",
                         .seed = -5,
                         .steps = 100,
                         .first_step = 3,
                         .group_size = 8,
                         .step_groups = 16,
                         .max_tokens = 64,
                         .temperature = 0.7,
                         .top_logprobs = 4,
                         .sampling = "top-p 1",
                         .verdicts = "/proc/1/fd/2 pipe:[3]",
                         .thought_open = 1};
    struct ptd_head g;
    struct ptd_buf b = {0}, again = {0};
    ptd_head_add_stage(&h, &(struct ptd_stage_note){"ptd-rollout", "0.1.0", "ptd-rollout 'a b'"});
    ptd_head_add_stage(&h, &(struct ptd_stage_note){"ptd-verify", "0.1.0", "ptd-verify -q",
                                                    "ptd-verify", "arithmetic 1", "00ff"});
    ptd_head_encode(&h, &b);
    assert_int_equal(ptd_head_decode(&g, b.data, b.len), 0);
    assert_true(g.seed == -5 && g.steps == 100 && g.first_step == 3 && g.group_size == 8 &&
                g.step_groups == 16);
    assert_true(g.max_tokens == 64 && g.temperature == 0.7 && g.top_logprobs == 4 &&
                !strcmp(g.sampling, "top-p 1") && g.n_stages == 2);
    assert_string_equal(g.stages[0].command, "ptd-rollout 'a b'");
    assert_string_equal(g.stages[1].name, "ptd-verify");
    assert_string_equal(g.stages[1].command, "ptd-verify -q");
    assert_true(!g.stages[0].decided && !strcmp(g.stages[1].decided, "ptd-verify"));
    assert_true(!g.stages[0].machine && !strcmp(g.stages[1].machine, "arithmetic 1"));
    assert_true(!g.stages[0].build && !strcmp(g.stages[1].build, "00ff"));
    assert_string_equal(g.mode, "eval");
    assert_int_equal(g.thought_open, 1);
    assert_string_equal(g.verdicts, "/proc/1/fd/2 pipe:[3]");
    memset(b.data + b.len / 2, 'x', b.len / 4);
    ptd_head_encode(&g, &again);
    ptd_head_clear(&g);
    assert_int_equal(ptd_head_decode(&g, again.data, again.len), 0);
    assert_string_equal(g.store, "run.ptd");
    ptd_head_clear(&g);
    ptd_head_clear(&h);
    free(b.data);
    free(again.data);
}

static void test_head_of_another_version(void **state)
{
    (void)state;
    struct hand h;
    struct ptd_head head;
    hand_open(&h, 2);
    hand_text(&h, "store", "s");
    ptd_pack_str(&h.pk, "version"), msgpack_pack_int(&h.pk, PTD_STREAM_VERSION + 1);
    assert_int_equal(ptd_head_decode(&head, h.buf.data, h.buf.len), -1);
    assert_int_equal(ptd_failed_status(), PTD_CUT);
    free(h.buf.data);
    hand_open(&h, 1);
    hand_text(&h, "store", "s");
    assert_int_equal(ptd_head_decode(&head, h.buf.data, h.buf.len), -1);
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    free(h.buf.data);
}

static void test_arena(void **state)
{
    (void)state;
    struct ptd_group g = {0};
    for (size_t n = 0; n < 200000; n = n * 3 + 1) {
        char *p = ptd_group_alloc(&g, n);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++) assert_int_equal(p[i], 0);
        memset(p, 'x', n);
    }
    assert_string_equal(ptd_group_text(&g, "%d of %s", 3, "four"), "3 of four");
    ptd_group_clear(&g);
    assert_null(g.arena);
}

/* A step of many small groups takes what they hold, not a large block for each. */
static void test_small_groups_take_little(void **state)
{
    (void)state;
    enum { GROUPS = 3000 };
    struct ptd_buf b = encoded();
    struct ptd_group *g = calloc(GROUPS, sizeof *g);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    /* memory that was used before is cleared, hence taken */
    for (int twice = 0; twice < 2; twice++) {
        for (int i = 0; i < GROUPS; i++)
            assert_int_equal(ptd_group_decode(&g[i], b.data, b.len), 0);
        for (int i = 0; i < GROUPS; i++) ptd_group_clear(&g[i]);
    }
    getrusage(RUSAGE_SELF, &after);
#ifndef __SANITIZE_ADDRESS__
    assert_true(after.ru_maxrss - before.ru_maxrss < GROUPS * 8);
#endif
    free(g);
    free(b.data);
}

static void test_halves(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float a = ptd_unhalf((uint16_t)h), b = ptd_unhalf_portable((uint16_t)h);
        assert_memory_equal(&a, &b, sizeof a);
        assert_int_equal(ptd_half(a), ptd_half_portable(a));
        if (isfinite(a)) assert_int_equal(ptd_half(a), h);
        if (!isfinite(a) || (h & 0x7fff) == 0x7bff) continue;
        /* a tie goes to the even one */
        float next = ptd_unhalf((uint16_t)(h + 1)), middle = (a + next) / 2;
        assert_int_equal(ptd_half_portable(middle), h + (h & 1));
        assert_int_equal(ptd_half(middle), h + (h & 1));
    }
    assert_int_equal(ptd_half(1), 0x3c00);
    assert_int_equal(ptd_half(-2), 0xc000);
    assert_int_equal(ptd_half_portable(65504), 0x7bff);
    assert_true(ptd_unhalf_portable(1) == 0x1p-24f);
}

static void test_halves_of_any_float(void **state)
{
    (void)state;
    for (uint64_t bits = 0; bits < 1ull << 32; bits += 65537 - bits % 3) {
        uint32_t low = (uint32_t)bits;
        float x;
        memcpy(&x, &low, sizeof x);
        assert_int_equal(ptd_half(x), ptd_half_portable(x));
    }
}

static void test_arrays_of_halves(void **state)
{
    (void)state;
    float x[41], back[41];
    uint16_t h[41];
    for (int n = 0; n <= 40; n++) {
        for (int i = 0; i <= n; i++)
            x[i] = i % 9 == 8 ? -INFINITY : -0.37f * (float)(i * i), h[i] = 7, back[i] = 7;
        ptd_halves(h, x, n);
        ptd_unhalves(back, h, n);
        for (int i = 0; i < n; i++)
            assert_true(h[i] == ptd_half(x[i]) && back[i] == ptd_unhalf(h[i]));
        assert_true(h[n] == 7 && back[n] == 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_stay_in_an_aligned_body),
        cmocka_unit_test(test_group_survives),
        cmocka_unit_test(test_bare_group),
        cmocka_unit_test(test_unknown_fields_pass),
        cmocka_unit_test(test_unknown_fields_take_what_they_are),
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_no_rollouts),
        cmocka_unit_test(test_picture_hash),
        cmocka_unit_test(test_refused_by_name),
        cmocka_unit_test(test_lengths_that_disagree),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_further_answers),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_many_items),
        cmocka_unit_test(test_scan_agrees_with_msgpack),
        cmocka_unit_test(test_every_cut_and_flip_is_survived),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_head_of_another_version),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_small_groups_take_little),
        cmocka_unit_test(test_halves),
        cmocka_unit_test(test_halves_of_any_float),
        cmocka_unit_test(test_arrays_of_halves),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
