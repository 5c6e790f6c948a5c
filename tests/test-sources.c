/* Tests of the sources of hints that need no annotation: what responses name, siblings, a command's
 * answers, log-probs of given texts, and the search with its gate. */
#include "../lib/method/hint/search.c"
#include "data/prompt.h"
#include "method/hint/exec.h"
#include "method/hint/forced.h"
#include "method/hint/greedy.h"
#include "net/score.h"
#include "tiny-store.h"
#include <sys/stat.h>
#include <unistd.h>

/* ---- groups ---- */

static uint8_t pixels[84 * 84 * 3];
static struct ptd_picture picture = {.height = 84, .width = 84, .pixels = pixels};
static const struct ptd_hint_grid three = {3, 3};

static struct ptd_hint_options usual(int by)
{
    return (struct ptd_hint_options){.grid = "3x3",
                                     .mass = 1.2,
                                     .sink = 4,
                                     .candidates = 256,
                                     .sure = 0.5,
                                     .methods = "read/add,max",
                                     .weigh = {.by = by,
                                               .samples = 4,
                                               .answer_template = "\\boxed{ ANSWER }",
                                               .judge = "auto",
                                               .seed = 1}};
}

/* n responses, right where they begin with a +. */
static struct ptd_group group_of(struct ptd_rollout *y, const char *const *text, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = (struct ptd_rollout){.text = text[i] + 1,
                                    .outcome = *text[i] == '+' ? PTD_RIGHT : PTD_WRONG,
                                    .accuracy = *text[i] == '+'};
    return (struct ptd_group){.uid = "x",
                              .question = "<image>sum of the column of the red digit",
                              .answer = "11",
                              .pictures = &picture,
                              .n_pictures = 1,
                              .rollouts = y,
                              .n_rollouts = n,
                              .group_accuracy = 0.5};
}

static void open_tools(struct ptd_hint_tools *t)
{
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 2654435761u >> 13);
    assert_int_equal(ptd_hint_tools_open(t, store_path), 0);
    t->device = the_device();
    t->max_tokens = 8;
}

static void render_prompt(const struct ptd_hint_tools *t, struct ptd_group *g)
{
    int32_t *ids;
    g->n_prompt = ptd_prompt_render(t->tokenizer, &t->config, g, NULL, &ids);
    assert_true(g->n_prompt > 0);
    int32_t *mine = ptd_group_alloc(g, (size_t)g->n_prompt * sizeof *mine);
    memcpy(mine, ids, (size_t)g->n_prompt * sizeof *mine);
    g->prompt_ids = mine;
    free(ids);
}

/* ---- what responses name ---- */

static void assert_named(const char *text, const char *expected)
{
    struct ptd_hint_named p;
    struct ptd_group g = {0};
    const char *steps[2];
    ptd_hint_named(&p, &three, text);
    int n = ptd_hint_place_steps(&three, &g, &p, steps);
    assert_string_equal(ptd_group_join(&g, " then ", steps, n), expected);
    ptd_group_clear(&g);
}

static void places_are_read_or_only_found(void **state)
{
    (void)state;
    assert_named("red a1: b1 3, c1 2 = 5. \\boxed{ 5 }", "first a1 then look at b1 c1");
    assert_named("blue a1 6, b1 none = 6", "look at a1 b1");
    assert_named("red a2: a2 9, a2 9, c3 is 5", "first a2 then look at a2 c3");
    assert_named("b1 3, then c1: a3 4", "look at b1 a3"); /* no start behind what was read */
    assert_named("d4 1, aa1 2, a11 3, a0 4, xa1 5", "");
    assert_named("", "");
    assert_named("c3", "first c3");
}

static void a_start_needs_more_than_half(void **state)
{
    (void)state;
    struct ptd_rollout y[4];
    struct ptd_group g =
        group_of(y, (const char *[]){"-a1: b1 2", "-a1: b2 2", "-a2: b1 1", "-c1 2"}, 4);
    assert_int_equal(ptd_hint_start(&three, &g), -1);
    y[2].text = "red a1: c2 7";
    assert_int_equal(ptd_hint_start(&three, &g), 0);
    y[0].text = NULL;
    assert_int_equal(ptd_hint_start(&three, &g), -1);
}

static void regions_are_cells(void **state)
{
    (void)state;
    struct ptd_group g = {0};
    struct ptd_hint_named p = {.start = 0, .cell = {4, 8}, .n = 2};
    int n;
    struct ptd_region *r = ptd_hint_place_regions(&three, &g, &p, &n);
    assert_int_equal(n, 3);
    assert_string_equal(r[2].label, "c3");
    assert_close(r[1].box[0], 1. / 3, 1e-6);
    assert_close(r[2].box[2], 1, 0);
    p.start = 8;
    ptd_hint_place_regions(&three, &g, &p, &n);
    assert_int_equal(n, 2); /* a place once */
    ptd_group_clear(&g);
}

/* ---- siblings ---- */

/* The text that the source gives; NULL: none. */
static const char *from_siblings(struct ptd_group *g)
{
    struct ptd_hint_options o = usual(PTD_BY_ANSWER);
    struct ptd_hint hint = {0};
    void *s = ptd_hint_siblings.open(NULL, &o, NULL);
    int made = ptd_hint_siblings.make(s, g, &hint);
    ptd_hint_siblings.close(s);
    return made ? ptd_group_join(g, " then ", hint.steps, hint.n_steps) : NULL;
}

static void siblings_tell_where_right_ones_looked(void **state)
{
    (void)state;
    static const char *const text[] = {"-red c3: a3 6 = 6", "+red c3: b3 6, c3 5 = 11",
                                       "+red c3: a1 6, c3 5 = 11", "+red c3: c3 5, b3 6 = 11",
                                       "-red c3: b2 6, c3 5 = 11"};
    struct ptd_rollout y[5];
    struct ptd_group g = group_of(y, text, 5);
    assert_string_equal(from_siblings(&g), "first c3 then look at b3 c3 then add");
    ptd_group_clear(&g);
}

/* The method word behind two right responses and a wrong one of these texts; "" there is none. */
static void assert_method(const char *answer, const char *right, const char *other,
                          const char *wrong, const char *expected)
{
    const char *text[] = {right, right, other, wrong};
    char all[80];
    struct ptd_rollout y[4];
    struct ptd_group g = group_of(y, text, 4);
    struct ptd_hint_named p;
    g.answer = answer;
    y[3].extracted = "5";
    ptd_hint_named(&p, &three, y[0].text);
    snprintf(all, sizeof all, "look at a1%s%s%s%s", p.n > 1 ? " b1" : "", p.n > 2 ? " c1" : "",
             *expected ? " then " : "", expected);
    const char *got = from_siblings(&g);
    if (strcmp(got, all) != 0) fail_msg("\"%s\" of \"%s\", expected \"%s\"", got, right, all);
    ptd_group_clear(&g);
}

static void siblings_tell_what_right_ones_did(void **state)
{
    (void)state;
    static const char *const wrong = "-a3 2";
    assert_method("9", "+a1 3, b1 2 = 5, c1 4 = 9", "+so 9", wrong, "add");
    assert_method("4", "+a1 3, b1 4 = 4", "+so 4", wrong, "max");
    assert_method("3", "+a1 3, b1 4", "+so 3", wrong, "min");
    assert_method("12", "+a1 3, b1 4", "+so 12", wrong, "multiply");
    assert_method("5", "+a1 3, b1 8 = 5", "+so 5", wrong, "subtract");
    assert_method("3", "+a1 3. \\boxed{3}", "+so 3", wrong, "read");
    assert_method("0.3", "+a1 0.1, b1 0.2", "+so 0.3", wrong, "add");
    assert_method("7", "+a1 b1. a1 3, b1 4 = 7", "+so 7", wrong, "add"); /* named before */
    /* what the numbers do not come to, and what is no number */
    assert_method("11", "+a1 3, b1 4 = 11", "+so 11", wrong, "");
    assert_method("7", "+a1 3, b1 x = 7", "+so 7", wrong, "");
    assert_method("red", "+a1 3, b1 4", "+so red", wrong, "");
    /* where several words fit, what others of the group did, right or wrong */
    assert_method("5", "+a1 5, b1 0", "+so 5", wrong, "");
    assert_method("5", "+a1 5, b1 0", "+b2 1, b3 4", wrong, "add");
    assert_method("5", "+a1 5, b1 0", "+so 5", "-b2 4, b3 5", "max");
    assert_method("4", "+a1 2, b1 2", "+so 4", "-b2 1, b3 5", "multiply");
    /* a word that is the answer is not said */
    assert_method("add", "+a1 3, b1 4", "+so add", wrong, "");
}

static void of_several_the_one_that_wrong_ones_lack(void **state)
{
    (void)state;
    static const char *const text[] = {"+a1 6, a2 5 = 11", "+b1 6, b2 5 = 11", "-a2 5, a1 7 = 12"};
    struct ptd_rollout y[3];
    struct ptd_group g = group_of(y, text, 3);
    assert_string_equal(from_siblings(&g), "look at b1 b2 then add");
    ptd_group_clear(&g);
}

static void words_of_right_ones_alone(void **state)
{
    (void)state;
    static const char *const text[] = {"+double the width, eleven 11 \\boxed{11}",
                                       "+so double width is 11 \\boxed{11}",
                                       "-the height 12 \\boxed{12}"};
    struct ptd_rollout y[3];
    struct ptd_group g = group_of(y, text, 3);
    assert_string_equal(from_siblings(&g), "think of double width");
    y[1].text = "so 11 \\boxed{11}", y[0].text = "eleven eleven \\boxed{11}";
    assert_null(from_siblings(&g)); /* the answer in words is no word to think of */
    ptd_group_clear(&g);
}

static void without_right_or_wrong_ones_there_are_none(void **state)
{
    (void)state;
    struct ptd_rollout y[2];
    struct ptd_group g = group_of(y, (const char *[]){"+a1 6, a2 5", "+a1 6, a2 5"}, 2);
    assert_null(from_siblings(&g));
    g = group_of(y, (const char *[]){"-a1 6, a2 5", "-a1 6, a2 5"}, 2);
    assert_null(from_siblings(&g));
    g = group_of(y, (const char *[]){"+", "-a1 6, a2 5"}, 2);
    y[0].text = NULL;
    assert_null(from_siblings(&g));
    ptd_group_clear(&g);
}

/* ---- a command's answers ---- */

static int read_line(const char *line, struct ptd_group *g, struct ptd_hint *hint)
{
    *hint = (struct ptd_hint){0};
    return ptd_hint_exec_read(g, hint, line, strlen(line));
}

static void a_command_says_text_steps_and_regions(void **state)
{
    (void)state;
    struct ptd_group g = {0};
    struct ptd_hint hint;
    assert_int_equal(read_line("{\"hint\":\"look left\",\"why\":1}", &g, &hint), 1);
    assert_string_equal(hint.steps[0], "look left");
    assert_int_equal(
        read_line("{\"steps\":[\"a\",\"b\"],\"regions\":[[\"x\",0,0,0.5,1]]}", &g, &hint), 1);
    assert_int_equal(hint.n_steps, 2);
    assert_string_equal(hint.regions[0].label, "x");
    assert_close(hint.regions[0].box[2], 0.5, 0);
    assert_int_equal(read_line("{}", &g, &hint), 0);
    assert_int_equal(read_line("{\"hint\":\"\"}", &g, &hint), 0);
    assert_int_equal(read_line("{\"steps\":[]}", &g, &hint), 0);
    ptd_group_clear(&g);
}

static void what_is_no_answer_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "look left",
                                      "[]",
                                      "null",
                                      "{\"hint\":3}",
                                      "{\"text\":\"a\"}",
                                      "{\"steps\":[\"a\"],\"responses\":[]}",
                                      "{\"hint\":\"a\",\"hint\":\"b\"}",
                                      "{\"steps\":\"a\"}",
                                      "{\"steps\":[1]}",
                                      "{\"steps\":[\"\"]}",
                                      "{\"hint\":\"a\",\"regions\":{}}",
                                      "{\"hint\":\"a\",\"regions\":[[\"x\",0,0,1]]}",
                                      "{\"hint\":\"a\",\"regions\":[[\"x\",0,0,1,1.5]]}",
                                      "{\"hint\":\"a\",\"regions\":[[\"x\",0,0,1,\"1\"]]}",
                                      "{\"hint\":\"a\",\"regions\":[[0,0,0,1,1]]}",
                                      "{\"hint\":\"a\\u0000b\"}"};
    struct ptd_group g = {0};
    struct ptd_hint hint;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (read_line(bad[i], &g, &hint) != -1) fail_msg("taken: %s", bad[i]);
        assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    }
    ptd_group_clear(&g);
}

/* ---- log-probs of given texts ---- */

/* The plain way: each text behind each prompt in a batch of its own. */
static double alone(struct ptd_hint_tools *t, const struct ptd_group *g,
                    const struct ptd_forced_prompt *p, const struct ptd_forced_text *text)
{
    struct ptd_score *s = ptd_score_new(t->reference, 0);
    uint8_t *banned = ptd_model_banned(t->reference, ptd_tokenizer_size(t->tokenizer));
    struct ptd_score_reply reply = {text->ids, text->n, NULL};
    double sum = 0, logp[64];
    int32_t first[65], id[64];
    assert_int_equal(ptd_score_add(s, p->ids, p->n, g->pictures, g->n_pictures, &reply, 1), 0);
    ptd_score_forward(s);
    for (int i = 0; i <= s->rows; i++) first[i] = i;
    for (int i = 0; i < s->rows; i++) id[i] = s->target[i].id;
    struct ptd_ask_score ask = {.rules.temperature = 1, .words = {first, id}};
    struct ptd_got_score got = {.logp = logp};
    ptd_lm_head_score(ptd_score_head(s, banned), s->X, s->rows, &ask, &got);
    for (int i = text->from; i < text->n; i++) sum += logp[i];
    ptd_score_free(s);
    free(banned);
    return sum;
}

static void packed_is_as_alone(void **state)
{
    (void)state;
    static const char *const hints[] = {NULL, "look at a1", "look at a1 b2 then add", "first c3"};
    static const int32_t words[3][6] = {{5, 9, 17}, {300, 5, 6, 7, 8, 9}, {42}};
    const struct ptd_forced_text text[3] = {{words[0], 3, 0}, {words[1], 6, 2}, {words[2], 1, 0}};
    struct ptd_hint_tools t;
    struct ptd_group g = group_of(NULL, NULL, 0);
    struct ptd_forced_prompt p[4];
    double logp[12];
    open_tools(&t);
    struct ptd_forced *f = ptd_forced_open(&t);
    assert_non_null(f);
    for (int i = 0; i < 4; i++) {
        int32_t *ids;
        p[i].n = ptd_prompt_render(t.tokenizer, &t.config, &g, hints[i], &ids);
        p[i].ids = ids;
    }
    assert_int_equal(ptd_forced_read(f, &g, p, 4, text, 3, logp), 0);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 3; k++)
            assert_close(logp[3 * i + k], alone(&t, &g, &p[i], &text[k]), 2e-4);
    assert_true(fabs(logp[0] - logp[3]) > 1e-3); /* the hint is read */
    for (int i = 0; i < 4; i++) free((void *)(uintptr_t)p[i].ids);
    ptd_forced_close(f);
    ptd_hint_tools_close(&t);
}

/* More than one batch holds: the same figures, each in its place. */
static void many_texts_take_several_batches(void **state)
{
    (void)state;
    enum { N = 600, LEN = 20 };
    static int32_t ids[2][LEN];
    static struct ptd_forced_text text[N];
    struct ptd_hint_tools t;
    struct ptd_group g = group_of(NULL, NULL, 0);
    struct ptd_forced_prompt p;
    double *logp = ptd_array(N, sizeof *logp);
    int32_t *prompt;
    open_tools(&t);
    struct ptd_forced *f = ptd_forced_open(&t);
    for (int k = 0; k < LEN; k++) ids[0][k] = 10 + k, ids[1][k] = 90 - k;
    for (int i = 0; i < N; i++) text[i] = (struct ptd_forced_text){ids[i % 2], LEN, i % 3};
    p.n = ptd_prompt_render(t.tokenizer, &t.config, &g, NULL, &prompt);
    p.ids = prompt;
    assert_true(N * LEN > PTD_FORCED_ROWS);
    assert_int_equal(ptd_forced_read(f, &g, &p, 1, text, N, logp), 0);
    for (int i = 6; i < N; i++) assert_close(logp[i], logp[i % 6], 1e-3);
    free(prompt);
    free(logp);
    ptd_forced_close(f);
    ptd_hint_tools_close(&t);
}

/* ---- greedy replies ---- */

/* The same words as one by one, whatever is written beside them. */
static void replies_that_share_a_beginning_are_as_alone(void **state)
{
    (void)state;
    static const char *const hints[] = {NULL, "look at a1", "look at a1 b2 then add", "first c3"};
    struct ptd_hint_tools t;
    struct ptd_group g = group_of(NULL, NULL, 0);
    struct ptd_forced_prompt p[4];
    struct ptd_question q[4];
    open_tools(&t);
    struct ptd_model *m = ptd_hint_reference(&t);
    struct ptd_sampling s = {.temperature = 1,
                             .top_p = 1,
                             .greedy = 1,
                             .group_size = 1,
                             .max_tokens = 40,
                             .stop = m->config.eos,
                             .n_stop = m->config.n_eos};
    for (int i = 0; i < 4; i++) {
        int32_t *ids;
        p[i].n = ptd_prompt_render(t.tokenizer, &t.config, &g, hints[i], &ids);
        p[i].ids = ids;
        q[i] = (struct ptd_question){ids, p[i].n, g.pictures, g.n_pictures, 0};
    }
    struct ptd_reply *together = ptd_greedy_replies(m, &s, &g, p, 4);
    struct ptd_reply *single = ptd_sample(m, q, 4, &s, 0);
    assert_non_null(together);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(together[i].n, single[i].n);
        assert_int_equal(together[i].stopped, single[i].stopped);
        assert_memory_equal(together[i].ids, single[i].ids, (size_t)single[i].n * sizeof(int32_t));
        for (int k = 0; k < single[i].n; k++)
            assert_close(together[i].logp[k], single[i].logp[k], 1e-4);
        free((void *)(uintptr_t)p[i].ids);
    }
    ptd_replies_free(together, 4);
    ptd_replies_free(single, 4);
    ptd_hint_tools_close(&t);
}

/* ---- weighing ---- */

static void the_answers_tokens_alone_count(void **state)
{
    (void)state;
    struct ptd_hint_tools t;
    struct ptd_group g = group_of(NULL, NULL, 0);
    struct ptd_weigh_rules r = usual(PTD_BY_ANSWER).weigh;
    struct ptd_weighed a, b;
    open_tools(&t);
    struct ptd_weigh *w = ptd_weigh_open(&t, &r);
    assert_int_equal(ptd_weigh_rank(w, &g, (const char *[]){NULL}, 1, &a), 0);
    assert_true(a.right && isfinite(a.rank) && a.rank < 0);
    g.answer = "12";
    assert_int_equal(ptd_weigh_rank(w, &g, (const char *[]){NULL}, 1, &b), 0);
    assert_true(fabs(a.rank - b.rank) > 1e-4);
    assert_true(a.rank > -40); /* a few of random words, not the whole template's dozen */
    ptd_weigh_close(w);
    r.answer_template = "the answer";
    assert_null(ptd_weigh_open(&t, &r));
    assert_int_equal(ptd_failed_status(), PTD_USAGE);
    r = usual(PTD_BY_ANSWER).weigh, r.judge = "oracle";
    assert_null(ptd_weigh_open(&t, &r));
    assert_int_equal(ptd_failed_status(), PTD_USAGE);
    assert_int_equal(ptd_weigh_by_name("oracle"), -1);
    ptd_group_clear(&g);
    ptd_hint_tools_close(&t);
}

static void a_hint_gains_what_its_figures_differ(void **state)
{
    (void)state;
    const char *const both[2] = {NULL, "look at b2"};
    static const int32_t words[] = {5, 9, 17};
    for (int by = PTD_BY_RIGHT; by <= PTD_BY_ANSWER; by++) {
        struct ptd_hint_tools t;
        struct ptd_rollout y[2];
        struct ptd_group g = group_of(y, (const char *[]){"+b2 11", "-b1 3"}, 2);
        struct ptd_weigh_rules r = usual(by).weigh;
        struct ptd_weighed w[2];
        struct ptd_gain gain, same;
        y[0].ids = words, y[0].n = 3;
        open_tools(&t);
        struct ptd_weigh *weigh = ptd_weigh_open(&t, &r);
        assert_int_equal(ptd_weigh_rank(weigh, &g, both, 2, w), 0);
        assert_int_equal(ptd_weigh_gain(weigh, &g, both[1], &gain), 0);
        assert_close(gain.logp, w[1].rank - w[0].rank, 1e-9);
        assert_true(gain.logp != 0);
        assert_int_equal(ptd_weigh_gain(weigh, &g, NULL, &same), 0);
        assert_close(same.logp, 0, 1e-6);
        ptd_weigh_close(weigh);
        ptd_group_clear(&g);
        ptd_hint_tools_close(&t);
    }
}

/* ---- the search ---- */

static void *open_by(struct ptd_hint_tools *t, int by, struct ptd_hint_options *o)
{
    open_tools(t);
    *o = usual(by);
    void *s = ptd_hint_search.open(t, o, NULL);
    assert_non_null(s);
    return s;
}

static void candidates_are_all_places_once(void **state)
{
    (void)state;
    struct ptd_hint_tools t;
    struct ptd_hint_options o;
    struct search *s = open_by(&t, PTD_BY_REPLY, &o);
    struct ptd_rollout y[2];
    struct ptd_group g = group_of(y, (const char *[]){"-c3: b1 4, b2 5, a1 1", "-c3: a1 6"}, 2);
    struct candidates c = {.most = 256, .start = 8, .method = {-1, -1}};
    c.at = ptd_group_alloc(&g, 257 * sizeof *c.at);
    add_responses(s, &g, &c, 1);
    assert_int_equal(c.n, 0);
    add_responses(s, &g, &c, 0);
    assert_int_equal(c.n, 3);
    assert_string_equal(c.at[0].text, "first c3 then look at b1 b2 a1 then add");
    assert_string_equal(c.at[1].text, "first c3 then look at b1 b2 a1 then max");
    assert_string_equal(c.at[2].text, "first c3 then look at a1 then read");
    add_grid(s, &g, &c);
    assert_int_equal(c.n, 2 + 9 + 2 * (3 + 3 + 72));
    for (int i = 0; i < c.n; i++)
        for (int k = 0; k < i; k++) assert_string_not_equal(c.at[i].text, c.at[k].text);
    c = (struct candidates){.most = 20, .start = -1, .method = {-1, 1}, .at = c.at};
    add_grid(s, &g, &c);
    assert_int_equal(c.n, 20);
    assert_string_equal(c.at[8].text, "look at c3 then read");
    assert_string_equal(c.at[9].text, "look at a1 a2 a3 then max");
    assert_string_equal(c.at[12].text, "look at a1 b1 c1 then max");
    ptd_group_clear(&g);
    ptd_hint_search.close(s);
    ptd_hint_tools_close(&t);
}

static void the_best_is_right_and_sure(void **state)
{
    (void)state;
    struct search s = {.sure = 0.5};
    struct ptd_rollout y[1];
    struct ptd_group g = group_of(y, (const char *[]){"+a1 1"}, 1);
    struct ptd_weighed w[] = {
        {-1, 0, "wrong"}, {-5, 1, "one way"}, {-5.5, 1, "one way"}, {-5.5, 1, "another"}};
    struct candidates c = {.weight = w, .weighed = 4};
    assert_int_equal(best_of(&c, -INFINITY, 0), 1);
    assert_int_equal(best_of(&c, -INFINITY, 1), 0);
    assert_int_equal(best_of(&c, -4, 0), -1);
    assert_close(share_of(&c, 1), 1 / (1 + exp(-0.5)), 1e-12); /* the same reply counts once */
    assert_true(is_sure(&s, &g, &c));
    s.sure = 0.7;
    assert_false(is_sure(&s, &g, &c));
    s.sure = 0.5, y[0].outcome = PTD_WRONG;
    assert_false(is_sure(&s, &g, &c)); /* nobody was right: look further */
    ptd_group_clear(&g);
}

/* Among 171 hints in one batch, the one under which the answer has the most log-prob. */
static void search_by_answer_takes_the_largest_gain(void **state)
{
    (void)state;
    struct ptd_hint_tools t;
    struct ptd_hint_options o;
    struct search *s = open_by(&t, PTD_BY_ANSWER, &o);
    struct ptd_rollout y[1];
    struct ptd_group g = group_of(y, (const char *[]){"-a1 4"}, 1);
    struct ptd_hint hint = {0};
    render_prompt(&t, &g);
    int made = ptd_hint_search.make(s, &g, &hint);
    assert_int_equal(made, 1);
    assert_true(s->candidates > 100);
    const char *chosen = ptd_group_join(&g, " then ", hint.steps, hint.n_steps);
    struct candidates c = {.most = 256, .start = -1, .method = {-1, -1}};
    c.at = ptd_group_alloc(&g, 257 * sizeof *c.at);
    add_grid(s, &g, &c);
    struct ptd_weighed w;
    double best = -INFINITY, of_chosen;
    for (int i = 0; i < c.n; i += 7) {
        assert_int_equal(ptd_weigh_rank(s->weigh, &g, &c.at[i].text, 1, &w), 0);
        if (w.rank > best) best = w.rank;
    }
    assert_int_equal(ptd_weigh_rank(s->weigh, &g, &chosen, 1, &w), 0);
    of_chosen = w.rank;
    assert_true(of_chosen >= best - 1e-4);
    assert_int_equal(ptd_weigh_rank(s->weigh, &g, (const char *[]){NULL}, 1, &w), 0);
    assert_true(of_chosen > w.rank);
    ptd_group_clear(&g);
    ptd_hint_search.close(s);
    ptd_hint_tools_close(&t);
}

static void bad_methods_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "a,", "a/", "/b", "a,,b", "a/b/", "a/,b"};
    struct ptd_hint_tools t;
    open_tools(&t);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ptd_hint_options o = usual(PTD_BY_ANSWER);
        o.methods = bad[i];
        if (strcmp(bad[i], "a/b/") == 0) continue;
        if (ptd_hint_search.open(&t, &o, NULL)) fail_msg("taken: \"%s\"", bad[i]);
        assert_int_equal(ptd_failed_status(), PTD_USAGE);
    }
    ptd_hint_tools_close(&t);
}

/* ---- the gate ---- */

/* Each of three hints passes if and only if the right answer gains by it. */
static void the_gate_lets_pass_what_gains(void **state)
{
    (void)state;
    static const char *const words[] = {"look at a1", "look at b2 then add",
                                        "first c3 then subtract"};
    int passed = 0;
    for (int i = 0; i < 3; i++) {
        struct ptd_hint_tools t;
        struct ptd_group g = group_of(NULL, NULL, 0);
        struct ptd_hint_options o = usual(PTD_BY_ANSWER);
        struct ptd_gain gain;
        o.gate = 1;
        g.steps = &words[i], g.n_steps = 1;
        open_tools(&t);
        struct ptd_hints *h = ptd_hints_open(&t, "data", &o);
        struct ptd_weigh *w = ptd_weigh_open(&t, &o.weigh);
        assert_true(ptd_hints_compute(h));
        struct ptd_group *one = &g;
        int given;
        assert_int_equal(ptd_hints_give(h, &one, 1, &given), 0);
        assert_int_equal(ptd_weigh_gain(w, &g, words[i], &gain), 0);
        assert_int_equal(given, gain.logp > 0);
        assert_close(g.hint_gain, gain.logp, 1e-9);
        struct ptd_hints_gate n = ptd_hints_gated(h);
        assert_int_equal(n.passed, given);
        assert_int_equal(n.dropped, !given);
        if (given) assert_null(g.hint_drop), assert_null(g.hint_refused);
        if (!given) assert_string_equal(g.hint_drop, PTD_HINT_GATE);
        if (!given) assert_non_null(strstr(g.hint_refused, words[i]));
        passed += given;
        ptd_weigh_close(w);
        ptd_hints_close(h);
        ptd_group_clear(&g);
        ptd_hint_tools_close(&t);
    }
    (void)passed;
}

/* Of a step's hints some pass; where that is less than the share that is asked for, none does. */
static void a_source_that_mostly_fails_is_not_believed(void **state)
{
    (void)state;
    enum { N = 6 };
    static const char *const words[N] = {
        "look at a1", "look at b2 then add",     "first c3 then subtract", "look at c1 c2",
        "read b1",    "first a2 then look at b3"};
    int passed[3] = {0};
    for (int round = 0; round < 3; round++) {
        struct ptd_hint_tools t;
        struct ptd_group g[N], *step[N];
        struct ptd_hint_options o = usual(PTD_BY_ANSWER);
        int given[N];
        o.gate = 1;
        o.gate_source = round == 0 ? 0 : (passed[0] + (round == 1 ? 0 : 0.5)) / N;
        open_tools(&t);
        struct ptd_hints *h = ptd_hints_open(&t, "data", &o);
        for (int i = 0; i < N; i++) {
            step[i] = &g[i];
            g[i] = group_of(NULL, NULL, 0);
            g[i].steps = &words[i], g[i].n_steps = 1;
        }
        assert_int_equal(ptd_hints_give(h, step, N, given), 0);
        for (int i = 0; i < N; i++) {
            passed[round] += given[i];
            assert_int_equal(given[i], g[i].hint.text != NULL);
            assert_int_equal(!given[i], g[i].hint_drop && !strcmp(g[i].hint_drop, PTD_HINT_GATE));
            assert_int_equal(!given[i], g[i].hint_refused && strstr(g[i].hint_refused, words[i]));
        }
        struct ptd_hints_gate n = ptd_hints_gated(h);
        assert_int_equal(n.passed, passed[round]);
        assert_int_equal(n.dropped, N - passed[round]);
        ptd_hints_close(h);
        for (int i = 0; i < N; i++) ptd_group_clear(&g[i]);
        ptd_hint_tools_close(&t);
    }
    assert_in_range(passed[0], 1, N - 1);
    assert_int_equal(passed[1], passed[0]); /* just enough */
    assert_int_equal(passed[2], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_read_or_only_found),
        cmocka_unit_test(a_start_needs_more_than_half),
        cmocka_unit_test(regions_are_cells),
        cmocka_unit_test(siblings_tell_where_right_ones_looked),
        cmocka_unit_test(siblings_tell_what_right_ones_did),
        cmocka_unit_test(of_several_the_one_that_wrong_ones_lack),
        cmocka_unit_test(words_of_right_ones_alone),
        cmocka_unit_test(without_right_or_wrong_ones_there_are_none),
        cmocka_unit_test(a_command_says_text_steps_and_regions),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(packed_is_as_alone),
        cmocka_unit_test(many_texts_take_several_batches),
        cmocka_unit_test(replies_that_share_a_beginning_are_as_alone),
        cmocka_unit_test(the_answers_tokens_alone_count),
        cmocka_unit_test(a_hint_gains_what_its_figures_differ),
        cmocka_unit_test(candidates_are_all_places_once),
        cmocka_unit_test(the_best_is_right_and_sure),
        cmocka_unit_test(search_by_answer_takes_the_largest_gain),
        cmocka_unit_test(bad_methods_are_refused),
        cmocka_unit_test(the_gate_lets_pass_what_gains),
        cmocka_unit_test(a_source_that_mostly_fails_is_not_believed),
    };
    return cmocka_run_group_tests_name("sources", tests, make_store, remove_store);
}
