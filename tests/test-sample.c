/* test-sample: sampled replies against the network in double and against scoring the same words;
 * the same words whatever else is sampled beside them; stop words, limits, banned words,
 * temperature, top-k, top-p. */
#include "plain.h"
#include "tiny.h"
#include "net/head.h"
#include "net/sample.h"
#include "net/score.h"
#include "test.h"
#include <sys/resource.h>

#define PROMPTS 3
#define LONGEST 14
#define REAL    63 /* words of the tokenizer, were there one */

static struct ptd_model *model;
static uint8_t *banned;
static double *weights;
static struct ptd_picture pictures[2];
static const int stop[2] = {13, 32};

/* With two pictures, with one, with none. */
static const struct prompt {
    const int32_t *ids;
    int n, n_pictures;
} prompts[PROMPTS] = {
    {tiny_ids, 22, 2}, {tiny_ids, 12, 1}, {(const int32_t[]){7, 3, 11, 5, 9, 13, 2, 17, 21}, 9, 0}};

static int setup(void **state)
{
    (void)state;
    model = tiny_model(0);
    banned = ptd_model_banned(model, REAL);
    weights = plain_weights(model);
    for (int i = 0; i < 2; i++) pictures[i] = tiny_picture(i);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) free((void *)pictures[i].pixels);
    free(weights);
    free(banned);
    ptd_model_free(model);
    return 0;
}

static struct ptd_sampling usual(void)
{
    return (struct ptd_sampling){.temperature = 1.3,
                                 .top_p = 1,
                                 .group_size = 4,
                                 .max_tokens = LONGEST,
                                 .top_logprobs = 5,
                                 .stop = stop,
                                 .n_stop = 2,
                                 .banned = banned,
                                 .seed = 7};
}

/* Replies to the prompts of list[n], each keyed by its number in the table. */
static struct ptd_reply *sample(const struct ptd_sampling *s, int64_t step, const int *list, int n)
{
    struct ptd_question q[8];
    for (int i = 0; i < n; i++) {
        const struct prompt *p = &prompts[list[i]];
        q[i] = (struct ptd_question){p->ids, p->n, pictures, p->n_pictures, list[i]};
    }
    struct ptd_reply *r = ptd_sample(model, q, n, s, step);
    assert_non_null(r);
    return r;
}

static struct ptd_reply *sample_all(const struct ptd_sampling *s)
{
    static const int list[PROMPTS] = {0, 1, 2};
    return sample(s, 1, list, PROMPTS);
}

static void assert_same_words(const struct ptd_reply *a, const struct ptd_reply *b)
{
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->stopped, b->stopped);
    assert_memory_equal(a->ids, b->ids, a->n * sizeof *a->ids);
    for (int i = 0; i < a->n; i++) assert_close(a->logp[i], b->logp[i], 1e-5);
}

static void assert_same_bits(const struct ptd_reply *a, const struct ptd_reply *b)
{
    assert_same_words(a, b);
    assert_memory_equal(a->logp, b->logp, a->n * sizeof *a->logp);
    assert_memory_equal(a->top_ids, b->top_ids, 5 * a->n * sizeof *a->top_ids);
}

/* ---- what other computations say about a reply ---- */

static double plain_lse(const double *z)
{
    double most = -INFINITY, sum = 0;
    for (int v = 0; v < 64; v++) most = fmax(most, z[v]);
    for (int v = 0; v < 64; v++) sum += exp(z[v] - most);
    return most + log(sum);
}

/* logp [n][64] of every word where reply y to prompt k has its words, in double. */
static void plain_logp(int k, const struct ptd_reply *y, double temperature, double (*logp)[64])
{
    struct plain p = {model, weights};
    const struct prompt *q = &prompts[k];
    int32_t ids[22 + LONGEST];
    memcpy(ids, q->ids, q->n * sizeof *ids);
    memcpy(ids + q->n, y->ids, y->n * sizeof *ids);
    const double *x = plain_hidden(&p, ids, q->n + y->n, pictures, q->n_pictures);
    for (int j = 0; j < y->n; j++) {
        plain_logits(&p, x + (q->n - 1 + j) * model->config.hidden, logp[j]);
        for (int v = 0; v < 64; v++) logp[j][v] = banned[v] ? -INFINITY : logp[j][v] / temperature;
        double lse = plain_lse(logp[j]);
        for (int v = 0; v < 64; v++) logp[j][v] -= lse;
    }
}

static int place_of(const double *logp, int id)
{
    int better = 0;
    for (int v = 0; v < 64; v++) better += logp[v] > logp[id] + 1e-5;
    return better;
}

/* ---- tests ---- */

static void log_probs_are_the_networks(void **state)
{
    static double logp[LONGEST][64];
    (void)state;
    for (int cold = 0; cold < 2; cold++) {
        struct ptd_sampling s = usual();
        s.temperature = cold ? 0.6 : 1.3;
        struct ptd_reply *r = sample_all(&s);
        for (int i = 0; i < PROMPTS * 4; i++) {
            plain_logp(i / 4, &r[i], s.temperature, logp);
            for (int j = 0; j < r[i].n; j++) {
                assert_close(r[i].logp[j], logp[j][r[i].ids[j]], 3e-5);
                for (int k = 0; k < 5; k++)
                    assert_in_range(place_of(logp[j], r[i].top_ids[5 * j + k]), 0, k);
                for (int k = 1; k < 5; k++)
                    assert_true(r[i].top_ids[5 * j + k] != r[i].top_ids[5 * j + k - 1]);
            }
        }
        ptd_replies_free(r, PROMPTS * 4);
    }
}

/* All replies packed behind their shared prompts, as training reads them. */
static void scoring_gives_the_same_log_probs(void **state)
{
    struct ptd_sampling s = usual();
    struct ptd_reply *r = sample_all(&s);
    struct ptd_score *score = ptd_score_new(model, 0);
    int words = 0;
    (void)state;
    for (int i = 0; i < PROMPTS; i++) {
        struct ptd_score_reply y[4];
        for (int k = 0; k < 4; k++)
            y[k] = (struct ptd_score_reply){r[4 * i + k].ids, r[4 * i + k].n, &r[4 * i + k]},
            words += r[4 * i + k].n;
        assert_int_equal(ptd_score_add(score, prompts[i].ids, prompts[i].n, pictures,
                                       prompts[i].n_pictures, y, 4),
                         0);
    }
    assert_int_equal(score->rows, words);
    int32_t *id = ptd_array(words, sizeof *id);
    double *logp = ptd_array(words, sizeof *logp);
    for (int i = 0; i < words; i++) id[i] = score->target[i].id;
    ptd_score_forward(score);
    ptd_lm_head_score(ptd_score_head(score, banned), score->X, score->rows,
                      &(struct ptd_ask_score){.rules.temperature = 1.3f, .words.id = id},
                      &(struct ptd_got_score){.logp = logp});
    for (long i = 0; i < score->rows; i++) {
        const struct ptd_target *t = &score->target[i];
        const struct ptd_reply *y = t->reply;
        assert_int_equal(t->id, y->ids[t->token]);
        assert_true((float)logp[i] == y->logp[t->token]);
    }
    free(id);
    free(logp);
    ptd_score_free(score);
    ptd_replies_free(r, PROMPTS * 4);
}

static void greedy_takes_the_best(void **state)
{
    static double logp[LONGEST][64];
    struct ptd_sampling s = usual();
    (void)state;
    s.greedy = 1;
    s.group_size = 2;
    s.n_stop = 0;
    struct ptd_reply *r = sample_all(&s);
    for (int i = 0; i < PROMPTS; i++) {
        assert_same_words(&r[2 * i], &r[2 * i + 1]);
        plain_logp(i, &r[2 * i], s.temperature, logp);
        for (int j = 0; j < LONGEST; j++) {
            assert_int_equal(place_of(logp[j], r[2 * i].ids[j]), 0);
            assert_int_equal(r[2 * i].top_ids[5 * j], r[2 * i].ids[j]);
        }
    }
    ptd_replies_free(r, PROMPTS * 2);
}

static void siblings_change_no_bit(void **state)
{
    static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}};
    struct ptd_sampling s = usual();
    struct ptd_reply *alone[PROMPTS], *r;
    (void)state;
    for (int i = 0; i < PROMPTS; i++) alone[i] = sample(&s, 1, &i, 1);
    for (int o = 0; o < 3; o++) {
        r = sample(&s, 1, orders[o], 3);
        for (int i = 0; i < 12; i++) assert_same_bits(&r[i], &alone[orders[o][i / 4]][i % 4]);
        ptd_replies_free(r, 12);
    }
    s.group_size = 7; /* more siblings */
    for (int i = 0; i < PROMPTS; i++) {
        r = sample(&s, 1, &i, 1);
        for (int k = 0; k < 4; k++) assert_same_bits(&r[k], &alone[i][k]);
        ptd_replies_free(r, 7);
        ptd_replies_free(alone[i], 4);
    }
}

/* ---- what is computed beside what ---- */

/* Widths that no vector and no tile divides, heads that share keys by three. */
static struct ptd_model *odd_model(void)
{
    struct ptd_config c = tiny_config(1);
    c.hidden = c.v_out = 1100;
    c.heads = 6;
    c.intermediate = 150;
    c.layers = 1;
    return tiny_model_of(&c);
}

/* Room for so many blocks of keys. */
static int64_t blocks(const struct ptd_model *m, long n)
{
    return n * (int64_t)ptd_kv_block_bytes(m);
}

#define ASKED 7 /* questions: of 9, 12 and 22 tokens, and of several chunks */

static void ask_many(struct ptd_question *q, int32_t *ids)
{
    static const int n[ASKED] = {0, 1, 600, 0, 0, 75, 1};
    for (int i = 0; i < 600; i++) ids[i] = 1 + (int32_t)(tiny_hash("long", i) % 50);
    for (int i = 0; i < ASKED; i++) {
        const struct prompt *p = &prompts[(i + 1) % 3];
        q[i] = n[i] > 1 ? (struct ptd_question){ids, n[i], NULL, 0, i}
                        : (struct ptd_question){p->ids, p->n, pictures, p->n_pictures, i};
    }
}

/* Replies of `m` to all questions: nothing about them changes with what else is computed at the
 * time, where keys lie, or who began first. */
static void company_changes_no_bit(struct ptd_model *m, int greedy)
{
    struct ptd_sampling s = usual(), alone;
    struct ptd_question q[ASKED], back[ASKED];
    int32_t ids[600];
    s.greedy = greedy;
    s.group_size = greedy ? 1 : 3;
    s.max_tokens = 50;
    ask_many(q, ids);
    const struct ptd_sampling kinds[] = {
        {.batch = 1},   {.batch = 3},
        {.batch = 8},   {.chunk = 37},
        {.chunk = 128}, {.kv_max = blocks(m, 21)},
        {.kv_rows = 1}, {.kv_max = blocks(m, 24), .batch = 4, .chunk = 5}};
    struct ptd_reply *all = ptd_sample(m, q, ASKED, &s, 1);
    assert_non_null(all);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        struct ptd_sampling t = s;
        t.batch = kinds[k].batch, t.chunk = kinds[k].chunk;
        t.kv_max = kinds[k].kv_max, t.kv_rows = kinds[k].kv_rows;
        struct ptd_reply *r = ptd_sample(m, q, ASKED, &t, 1);
        assert_non_null(r);
        for (int i = 0; i < ASKED * s.group_size; i++) assert_same_bits(&r[i], &all[i]);
        ptd_replies_free(r, ASKED * s.group_size);
    }
    alone = s;
    for (int i = 0; i < ASKED; i++) {
        struct ptd_reply *r = ptd_sample(m, &q[i], 1, &alone, 1);
        for (int g = 0; g < s.group_size; g++) assert_same_bits(&r[g], &all[i * s.group_size + g]);
        ptd_replies_free(r, s.group_size);
        back[ASKED - 1 - i] = q[i];
    }
    struct ptd_reply *r = ptd_sample(m, back, ASKED, &s, 1);
    for (int i = 0; i < ASKED * s.group_size; i++)
        assert_same_bits(&r[(ASKED - 1 - i / s.group_size) * s.group_size + i % s.group_size],
                         &all[i]);
    ptd_replies_free(r, ASKED * s.group_size);
    ptd_replies_free(all, ASKED * s.group_size);
}

static void nothing_depends_on_company(void **state)
{
    struct ptd_model *odd = odd_model();
    (void)state;
    for (int greedy = 0; greedy < 2; greedy++) {
        company_changes_no_bit(model, greedy);
        company_changes_no_bit(odd, greedy);
    }
    ptd_model_free(odd);
}

static int keys_are_not_rounded(void **state)
{
    (void)state;
    model->half_keys = 0;
    return 0;
}

/* Keys and values in bfloat16: other log-probs, close by, and all that holds without. */
static void keys_in_bfloat16(void **state)
{
    struct ptd_sampling s = usual();
    struct ptd_model *odd = odd_model();
    struct ptd_reply *r = sample_all(&s), *rounded;
    double most = 0;
    model->half_keys = odd->half_keys = 1;
    rounded = sample_all(&s);
    for (int i = 0; i < PROMPTS * 4; i++) /* first words have the same prompts */
        if (r[i].ids[0] == rounded[i].ids[0])
            most = fmax(most, fabs(r[i].logp[0] - rounded[i].logp[0]));
    assert_true(most > 1e-6 && most < 0.05);
    scoring_gives_the_same_log_probs(state);
    company_changes_no_bit(model, 0);
    company_changes_no_bit(odd, 0);
    ptd_replies_free(r, PROMPTS * 4);
    ptd_replies_free(rounded, PROMPTS * 4);
    ptd_model_free(odd);
}

/* What is begun can end, and what cannot is refused by what would do. */
static void room_for_one_is_enough(void **state)
{
    struct ptd_sampling s = usual();
    struct ptd_question q[ASKED];
    int32_t ids[600];
    (void)state;
    ask_many(q, ids);
    s.kv_max = blocks(model, 20); /* 19 for the 600 tokens, one for a reply */
    struct ptd_reply *r = ptd_sample(model, q, ASKED, &s, 1);
    assert_non_null(r);
    ptd_replies_free(r, ASKED * s.group_size);
    s.kv_max--;
    assert_null(ptd_sample(model, q, ASKED, &s, 1));
    assert_int_equal(ptd_failed_status(), PTD_CONFIG);
    char want[80];
    snprintf(want, sizeof want, "expected at least %lld", (long long)s.kv_max + 1);
    assert_non_null(strstr(ptd_failed_message(), want));
}

/* A group of 8 answers of 256 tokens behind a picture of 640 x 480 takes, beside the weights, what
 * is said here, in MiB, and the keys of a plan are those that are taken. */
static void memory_is_stated(void **state)
{
    static const struct {
        const char *name;
        int layers, hidden, heads, intermediate, mib;
    } shapes[] = {{"4b", 36, 2560, 32, 9728, 1200}, {"8b", 36, 4096, 32, 12288, 1400}};
    const struct ptd_expected e = {
        .prompts = 1, .prompt = 340, .answers = 8, .answer = 256, .width = 640, .height = 480};
    struct ptd_sampling s = {.group_size = 8, .max_tokens = 256};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct ptd_config c = tiny_config(1);
        c.layers = shapes[i].layers, c.hidden = c.v_out = shapes[i].hidden;
        c.heads = shapes[i].heads, c.kv_heads = 8, c.head_dim = 128, c.vocab = 151936;
        c.intermediate = shapes[i].intermediate, c.v_patch = 16, c.v_depth = 27;
        c.v_hidden = 1152, c.v_heads = 16, c.v_intermediate = 4304;
        struct ptd_model *m = ptd_model_plan(&c, &model->rules, the_device());
        struct ptd_plan p = {0};
        ptd_sample_plan(&p, m, &s, &e);
        if (ptd_plan_sum(&p) > (size_t)shapes[i].mib << 20)
            fail_msg("%s: %zu MiB", shapes[i].name, ptd_plan_sum(&p) >> 20);
        assert_int_equal(ptd_sample_keys(m, &s, &e), ptd_kv_group_bytes(m, 340, 8, 256));
        ptd_model_free(m);
    }
}

static int same(const struct ptd_reply *a, const struct ptd_reply *b)
{
    return a->n == b->n && !memcmp(a->ids, b->ids, a->n * sizeof *a->ids);
}

static void keys_change_the_words(void **state)
{
    static const int zero;
    struct ptd_sampling s = usual();
    struct ptd_reply *r = sample(&s, 1, &zero, 1), *again = sample(&s, 1, &zero, 1),
                     *later = sample(&s, 2, &zero, 1), *other;
    (void)state;
    s.seed = 8;
    other = sample(&s, 1, &zero, 1);
    for (int i = 0; i < 4; i++) {
        assert_true(same(&r[i], &again[i]));
        assert_false(same(&r[i], &later[i]));
        assert_false(same(&r[i], &other[i]));
        if (i) assert_false(same(&r[i], &r[i - 1]));
    }
    ptd_replies_free(r, 4);
    ptd_replies_free(again, 4);
    ptd_replies_free(later, 4);
    ptd_replies_free(other, 4);
}

/* Nearly equal shares for all words, so that equal random numbers would show: no two replies, of
 * one prompt or of two, of one step or of two, have five words in a row in common, at the same
 * places or shifted. */
static int runs_in_common(const struct ptd_reply *a, const struct ptd_reply *b, int shift)
{
    int run = 0, runs = 0;
    for (int j = shift < 0 ? -shift : 0; j < a->n && j + shift < b->n; j++) {
        run = a->ids[j] == b->ids[j + shift] ? run + 1 : 0;
        runs += run == 5;
    }
    return runs;
}

static void no_random_number_comes_twice(void **state)
{
    enum { EACH = 12, ALL = 2 * PROMPTS * EACH };
    struct ptd_sampling s = usual();
    struct ptd_reply all[ALL], *r[2];
    static const int list[PROMPTS] = {0, 1, 2};
    (void)state;
    s.temperature = 1e5;
    s.group_size = EACH;
    s.n_stop = 0;
    for (int step = 0; step < 2; step++) {
        r[step] = sample(&s, step + 1, list, PROMPTS);
        memcpy(all + step * PROMPTS * EACH, r[step], sizeof all / 2);
    }
    for (int a = 0; a < ALL; a++)
        for (int b = 0; b <= a; b++)
            for (int shift = 1 - LONGEST; shift < LONGEST; shift++)
                if ((a != b || shift) && runs_in_common(&all[a], &all[b], shift))
                    fail_msg("replies %d and %d have words in common, shifted by %d", b, a, shift);
    for (int step = 0; step < 2; step++) ptd_replies_free(r[step], PROMPTS * EACH);
}

/* A reply with stop words is the one without them, cut after the first: those that finish early
 * change nothing for the others. */
static void stop_words_end_a_reply(void **state)
{
    struct ptd_sampling s = usual();
    struct ptd_reply *r, *whole;
    int early = 0, late = 0;
    (void)state;
    s.group_size = 20;
    r = sample_all(&s);
    s.n_stop = 0;
    whole = sample_all(&s);
    for (int i = 0; i < PROMPTS * 20; i++) {
        assert_int_equal(whole[i].n, LONGEST);
        assert_int_equal(whole[i].stopped, 0);
        for (int j = 0; j < r[i].n; j++) {
            int stops = r[i].ids[j] == stop[0] || r[i].ids[j] == stop[1];
            assert_int_equal(r[i].ids[j], whole[i].ids[j]);
            assert_close(r[i].logp[j], whole[i].logp[j], 1e-5);
            assert_int_equal(stops, r[i].stopped && j == r[i].n - 1);
        }
        assert_true(r[i].stopped || r[i].n == LONGEST);
        early += r[i].stopped && r[i].n < LONGEST;
        late += !r[i].stopped;
    }
    if (early <= 5 || late <= 5)
        fail_msg("%d end early, %d are cut: expected several of both", early, late);
    ptd_replies_free(r, PROMPTS * 20);
    ptd_replies_free(whole, PROMPTS * 20);
}

/* Ids below 64 are the bytes 0 to 63 in the tiny model's tokenizer. */
static struct ptd_tokenizer *bytes_tokenizer(void)
{
    size_t len;
    const char *json = ptd_builtin("tiny/tokenizer.json", &len);
    return ptd_tokenizer_new(json, len, "tiny");
}

/* Index of the token in which one of the texts becomes whole, -1: none; found the slow way. */
static int token_of_text(const struct ptd_reply *y, const char *const *texts, int n)
{
    int first = -1;
    for (int k = 0; k < n; k++) {
        int len = (int)strlen(texts[k]);
        for (int j = len - 1; j < y->n; j++) {
            int same = 0;
            while (same < len && y->ids[j - len + 1 + same] == texts[k][same]) same++;
            if (same == len && (first < 0 || j < first)) first = j;
        }
    }
    return first;
}

/* Texts of one to three tokens that a reply holds; the others hold them or not. */
static void stop_texts_end_a_reply(void **state)
{
    struct ptd_sampling s = usual();
    struct ptd_tokenizer *t = bytes_tokenizer();
    struct ptd_reply *whole, *r;
    int ended = 0;
    (void)state;
    s.group_size = 20;
    whole = sample_all(&s);
    for (int i = 0; i < PROMPTS * 20; i += 7) {
        char of[2][4] = {{0}};
        const char *const texts[] = {of[0], of[1]};
        for (int k = 0; k <= i % 3 && k < whole[i].n; k++) of[0][k] = (char)whole[i].ids[k];
        of[1][0] = (char)whole[i].ids[whole[i].n - 1];
        if (!*of[0] || !*of[1]) continue;
        struct ptd_stop *stop_text = ptd_stop_new(t, texts, 2);
        s.stop_text = stop_text;
        r = sample_all(&s);
        for (int k = 0; k < PROMPTS * 20; k++) {
            int last = token_of_text(&whole[k], texts, 2), own = whole[k].stopped;
            int by_text = last >= 0 && !(own && last == whole[k].n - 1);
            assert_int_equal(r[k].n, last >= 0 ? last + 1 : whole[k].n);
            assert_int_equal(r[k].stopped, by_text ? PTD_REPLY_TEXT : own);
            assert_memory_equal(r[k].ids, whole[k].ids, r[k].n * sizeof *r->ids);
            ended += by_text;
        }
        ptd_replies_free(r, PROMPTS * 20);
        ptd_stop_free(stop_text);
    }
    assert_true(ended > 20);
    ptd_replies_free(whole, PROMPTS * 20);
    ptd_tokenizer_free(t);
}

/* Prompt and reply together are never longer than the context, each prompt for itself. */
static void context_ends_a_reply(void **state)
{
    struct ptd_sampling s = usual();
    struct ptd_reply *whole, *r;
    (void)state;
    s.n_stop = 0;
    whole = sample_all(&s);
    for (int more = 1; more < 4; more++) {
        int longest = 0;
        for (int p = 0; p < PROMPTS; p++) longest = prompts[p].n > longest ? prompts[p].n : longest;
        model->config.positions = longest + more;
        r = sample_all(&s);
        for (int i = 0; i < PROMPTS * 4; i++) {
            int room = longest + more - prompts[i / 4].n, n = room < LONGEST ? room : LONGEST;
            assert_int_equal(r[i].n, n);
            assert_int_equal(r[i].stopped, PTD_REPLY_CUT);
            assert_memory_equal(r[i].ids, whole[i].ids, n * sizeof *r->ids);
        }
        ptd_replies_free(r, PROMPTS * 4);
    }
    model->config.positions = 0;
    ptd_replies_free(whole, PROMPTS * 4);
}

static void limits_cut_a_reply(void **state)
{
    struct ptd_sampling s = usual();
    struct ptd_reply *whole, *r;
    (void)state;
    s.n_stop = 0;
    whole = sample_all(&s);
    for (int n = 1; n <= 5; n += 2) {
        s.max_tokens = n;
        r = sample_all(&s);
        for (int i = 0; i < PROMPTS * 4; i++) {
            assert_int_equal(r[i].n, n);
            assert_int_equal(r[i].stopped, 0);
            assert_memory_equal(r[i].ids, whole[i].ids, n * sizeof *r->ids);
        }
        ptd_replies_free(r, PROMPTS * 4);
    }
    s.max_tokens = 1; /* the last word allowed may be a stop word */
    s.stop = (const int[]){whole[0].ids[0]};
    s.n_stop = 1;
    r = sample_all(&s);
    assert_int_equal(r[0].stopped, 1);
    ptd_replies_free(r, PROMPTS * 4);
    ptd_replies_free(whole, PROMPTS * 4);
}

static int banned_among(const struct ptd_reply *r, int n)
{
    int found = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < r[i].n; j++) {
            found += banned[r[i].ids[j]];
            for (int k = 0; k < 5; k++) found += banned[r[i].top_ids[5 * j + k]];
        }
    return found;
}

static void banned_words_never_come(void **state)
{
    struct ptd_sampling s = usual();
    struct ptd_reply *r;
    (void)state;
    for (int id = 0; id < 64; id++) assert_int_equal(banned[id], id >= 58 && id != 62);
    for (int greedy = 0; greedy < 2; greedy++) {
        s.greedy = greedy;
        s.group_size = greedy ? 1 : 100;
        s.banned = banned;
        r = sample_all(&s);
        assert_int_equal(banned_among(r, PROMPTS * s.group_size), 0);
        ptd_replies_free(r, PROMPTS * s.group_size);
        s.banned = NULL; /* they would come */
        r = sample_all(&s);
        assert_true(banned_among(r, PROMPTS * s.group_size) > 0);
        ptd_replies_free(r, PROMPTS * s.group_size);
    }
}

static void few_words_to_choose_from(void **state)
{
    static double logp[LONGEST][64];
    (void)state;
    for (int nucleus = 0; nucleus < 2; nucleus++) {
        struct ptd_sampling s = usual();
        int beyond_first = 0;
        s.top_k = nucleus ? 0 : 3;
        s.top_p = nucleus ? 0.6 : 1;
        struct ptd_reply *r = sample_all(&s);
        for (int i = 0; i < PROMPTS * 4; i++) {
            plain_logp(i / 4, &r[i], s.temperature, logp);
            for (int j = 0; j < r[i].n; j++) {
                double above = 0, own = logp[j][r[i].ids[j]];
                for (int v = 0; v < 64; v++) above += logp[j][v] > own + 1e-5 ? exp(logp[j][v]) : 0;
                if (nucleus)
                    assert_true(above < 0.6 + 1e-4);
                else
                    assert_in_range(place_of(logp[j], r[i].ids[j]), 0, 2);
                assert_close(r[i].logp[j], own, 3e-5); /* under the full distribution */
                beyond_first += place_of(logp[j], r[i].ids[j]) > 0;
            }
        }
        assert_true(beyond_first > 10);
        ptd_replies_free(r, PROMPTS * 4);
    }
}

/* First words of many siblings: chi-square over the words that should come at least 10 times. */
static void frequencies_are_the_probabilities(void **state)
{
    enum { MANY = 4000 };
    static double logp[1][64];
    (void)state;
    for (int cold = 0; cold < 2; cold++) {
        struct ptd_sampling s = usual();
        double chi = 0;
        int seen[64] = {0}, freedom = 0, zero = 0;
        s.temperature = cold ? 0.7 : 2;
        s.group_size = MANY;
        s.max_tokens = 1;
        struct ptd_reply *r = sample(&s, 3, &zero, 1);
        for (int i = 0; i < MANY; i++) seen[r[i].ids[0]]++;
        plain_logp(0, r, s.temperature, logp);
        for (int v = 0; v < 64; v++) {
            double want = MANY * exp(logp[0][v]);
            if (want < 10) continue;
            chi += (seen[v] - want) * (seen[v] - want) / want;
            freedom++;
        }
        assert_true(freedom > 5);
        assert_true(chi < freedom + 4 * sqrt(2.0 * freedom));
        ptd_replies_free(r, MANY);
    }
}

static void nothing_to_record(void **state)
{
    struct ptd_sampling s = usual();
    struct ptd_reply *with = sample_all(&s), *r;
    (void)state;
    s.top_logprobs = 0;
    r = sample_all(&s);
    for (int i = 0; i < PROMPTS * 4; i++) {
        assert_null(r[i].top_ids);
        assert_same_words(&r[i], &with[i]);
    }
    ptd_replies_free(r, PROMPTS * 4);
    ptd_replies_free(with, PROMPTS * 4);
}

/* Page faults of sampling n tokens of 64 replies over 151,936 words. */
static long faults(struct ptd_model *wide, int n)
{
    struct rusage before, after;
    struct ptd_sampling s = {
        .temperature = 1, .top_p = 1, .group_size = 64, .max_tokens = n, .seed = 3};
    struct ptd_question q = {prompts[2].ids, prompts[2].n, NULL, 0, 0};
    getrusage(RUSAGE_SELF, &before);
    struct ptd_reply *r = ptd_sample(wide, &q, 1, &s, 1);
    getrusage(RUSAGE_SELF, &after);
    ptd_replies_free(r, 64);
    return after.ru_minflt - before.ru_minflt;
}

/* The logits of a step are 38 MB, and are not taken anew. */
static void decoding_takes_memory_once(void **state)
{
    struct ptd_config c = tiny_config(1);
    c.vocab = 151936;
    struct ptd_model *wide = tiny_model_of(&c);
    (void)state;
    faults(wide, 2);
    long few = faults(wide, 2), many = faults(wide, 8);
    if (many - few > 6 * 500) fail_msg("%ld page faults a token", (many - few) / 6);
    ptd_model_free(wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_probs_are_the_networks),
        cmocka_unit_test(scoring_gives_the_same_log_probs),
        cmocka_unit_test(greedy_takes_the_best),
        cmocka_unit_test(siblings_change_no_bit),
        cmocka_unit_test(nothing_depends_on_company),
        cmocka_unit_test_teardown(keys_in_bfloat16, keys_are_not_rounded),
        cmocka_unit_test(room_for_one_is_enough),
        cmocka_unit_test(memory_is_stated),
        cmocka_unit_test(no_random_number_comes_twice),
        cmocka_unit_test(keys_change_the_words),
        cmocka_unit_test(stop_words_end_a_reply),
        cmocka_unit_test(stop_texts_end_a_reply),
        cmocka_unit_test(context_ends_a_reply),
        cmocka_unit_test(limits_cut_a_reply),
        cmocka_unit_test(banned_words_never_come),
        cmocka_unit_test(few_words_to_choose_from),
        cmocka_unit_test(frequencies_are_the_probabilities),
        cmocka_unit_test(nothing_to_record),
        cmocka_unit_test(decoding_takes_memory_once),
    };
    ptd_program("test-sample");
    ptd_threads_start(2);
    return cmocka_run_group_tests_name("sample", tests, setup, teardown);
}
