/* weigh: see weigh.h. Log-probs of given texts are forced.c's, answers sample.c's, and whether they
 * are right the judge's. */
#include "method/hint/weigh.h"
#include "data/prompt.h"
#include "method/hint/forced.h"
#include "method/hint/greedy.h"
#include "net/sample.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define MARK "ANSWER"

struct ptd_weigh {
    struct ptd_hint_tools *tools;
    struct ptd_weigh_rules rules;
    struct ptd_reward_rules judging;
    struct ptd_forced *forced; /* NULL until needed */
    struct ptd_sampling sampling;
};

static const char *const names[] = {"reply", "right", "answer"};

int ptd_weigh_by_name(const char *name)
{
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) return i;
    return ptd_fail(PTD_USAGE, "--weigh \"%.64s\": expected one of reply, right, answer", name);
}

struct ptd_weigh *ptd_weigh_open(struct ptd_hint_tools *tools, const struct ptd_weigh_rules *r)
{
    struct ptd_weigh *w = ptd_alloc(sizeof *w);
    w->tools = tools;
    tools->share_pictures |= r->by == PTD_BY_REPLY;
    w->rules = *r;
    w->judging.set = ptd_judge_defaults;
    w->judging.thought_open = tools->config.thinking;
    if (!strstr(r->answer_template, MARK))
        ptd_fail(PTD_USAGE, "--answer-template \"%.64s\": expected a text with " MARK " in it",
                 r->answer_template);
    else if (ptd_reward_rules_parse(&w->judging, "auto", r->judge, "boxed") == 0)
        return w;
    free(w);
    return NULL;
}

void ptd_weigh_close(struct ptd_weigh *w)
{
    if (!w) return;
    ptd_forced_close(w->forced);
    free((void *)w->sampling.banned);
    free(w);
}

static int load(struct ptd_weigh *w)
{
    if (w->forced) return 0;
    if (!(w->forced = ptd_forced_open(w->tools))) return -1;
    const struct ptd_model *m = w->tools->reference;
    w->sampling = (struct ptd_sampling){
        .temperature = w->tools->temperature > 0 ? w->tools->temperature : 1,
        .top_p = 1,
        .max_tokens = w->tools->max_tokens > 0 ? w->tools->max_tokens : 64,
        .stop = m->config.eos,
        .n_stop = m->config.n_eos,
        .seed = w->rules.seed,
        .banned = ptd_model_banned(m, ptd_tokenizer_size(w->tools->tokenizer))};
    return 0;
}

/* ---- prompts ---- */

static void free_prompts(struct ptd_forced_prompt *p, int n)
{
    for (int i = 0; p && i < n; i++) free((void *)(uintptr_t)p[i].ids);
    free(p);
}

/* The prompts under the hints [n], with ids of their own; NULL on failure. */
static struct ptd_forced_prompt *prompts_of(const struct ptd_weigh *w, const struct ptd_group *g,
                                            const char *const *hint, int n)
{
    struct ptd_forced_prompt *p = ptd_array((size_t)n, sizeof *p);
    for (int i = 0; i < n; i++) {
        int32_t *ids = NULL;
        p[i].n = ptd_prompt_render(w->tools->tokenizer, &w->tools->config, g, hint[i], &ids);
        p[i].ids = ids;
        if (p[i].n > 0) continue;
        free_prompts(p, i);
        return NULL;
    }
    return p;
}

/* ---- texts that stand for the right answer ---- */

/* The template's ids around the answer; `from` is the first that the answer has a part in. */
static int answer_text(const struct ptd_weigh *w, struct ptd_group *g, struct ptd_forced_text *out)
{
    const char *form = w->rules.answer_template, *mark = strstr(form, MARK);
    char *before = ptd_group_text(g, "%.*s", (int)(mark - form), form),
         *all = ptd_group_text(g, "%s%s%s", before, g->answer, mark + strlen(MARK));
    int32_t *alone = NULL, *ids = NULL, *kept;
    int n = ptd_tokenizer_encode_data(w->tools->tokenizer, before, strlen(before), &alone),
        m = n < 0 ? -1 : ptd_tokenizer_encode_data(w->tools->tokenizer, all, strlen(all), &ids);
    if (m > 0) {
        kept = ptd_group_alloc(g, (size_t)m * sizeof *kept);
        memcpy(kept, ids, (size_t)m * sizeof *kept);
        *out = (struct ptd_forced_text){kept, m, 0};
        while (out->from < n && out->from < m - 1 && alone[out->from] == ids[out->from])
            out->from++;
    }
    free(alone);
    free(ids);
    return m > 0 ? 0 : m < 0 ? -1 : ptd_fail(PTD_DATAERR, "group \"%s\": an empty answer", g->uid);
}

/* A response for a model of another tokenizer. */
static int reencode(const struct ptd_weigh *w, struct ptd_group *g, const struct ptd_rollout *y,
                    struct ptd_forced_text *out)
{
    int32_t *ids = NULL;
    const char *text = y->text ? y->text : "";
    int n = ptd_tokenizer_encode_data(w->tools->tokenizer, text, strlen(text), &ids);
    if (n < 0) return -1;
    int32_t *kept = ptd_group_alloc(g, (size_t)(n + 1) * sizeof *kept);
    if (n) memcpy(kept, ids, (size_t)n * sizeof *kept);
    free(ids);
    *out = (struct ptd_forced_text){kept, n, 0};
    return 0;
}

/* Into `text`, at most PTD_WEIGH_RIGHT; how many, -1 failure. */
static int right_texts(const struct ptd_weigh *w, struct ptd_group *g, struct ptd_forced_text *text)
{
    int n = 0;
    for (int i = 0; i < g->n_rollouts && n < PTD_WEIGH_RIGHT; i++) {
        const struct ptd_rollout *y = &g->rollouts[i];
        if (!ptd_rollout_right(y) || y->n == 0) continue;
        text[n] = (struct ptd_forced_text){y->ids, y->n, 0};
        if (w->tools->foreign && reencode(w, g, y, &text[n]) < 0) return -1;
        n += text[n].n > 0;
    }
    return n;
}

/* log of the mean of exp(x [n]) */
static double log_mean(const double *x, int n)
{
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++) most = fmax(most, x[i]);
    for (int i = 0; i < n; i++) sum += exp(x[i] - most);
    return most + log(sum / n);
}

int ptd_weigh_texts(struct ptd_weigh *w, struct ptd_group *g,
                    struct ptd_forced_text text[PTD_WEIGH_RIGHT])
{
    int n = w->rules.by == PTD_BY_RIGHT ? right_texts(w, g, text) : 0;
    if (n) return n;
    return answer_text(w, g, text) < 0 ? -1 : 1;
}

static int read_given(struct ptd_weigh *w, struct ptd_group *g, const char *const *hint, int n,
                      struct ptd_weighed *out)
{
    struct ptd_forced_text text[PTD_WEIGH_RIGHT];
    int texts = ptd_weigh_texts(w, g, text), rc = -1;
    if (texts < 0) return -1;
    double *logp = ptd_array((size_t)n * texts, sizeof *logp);
    struct ptd_forced_prompt *p = prompts_of(w, g, hint, n);
    if (p) rc = ptd_forced_read(w->forced, g, p, n, text, texts, logp);
    for (int i = 0; i < n && rc == 0; i++)
        out[i] = (struct ptd_weighed){log_mean(logp + (size_t)i * texts, texts), 1, NULL};
    free_prompts(p, n);
    free(logp);
    return rc;
}

/* ---- replies of the model's own ---- */

static uint64_t number_of(const struct ptd_group *g)
{
    return XXH3_64bits(g->uid, strlen(g->uid));
}

/* Replies to each of n prompts, prompt-major, of the sampling as it is. NULL: see err.h. */
static struct ptd_reply *replies_to(struct ptd_weigh *w, const struct ptd_group *g,
                                    const struct ptd_forced_prompt *p, int n)
{
    struct ptd_question *q = ptd_array((size_t)n, sizeof *q);
    for (int i = 0; i < n; i++)
        q[i] = (struct ptd_question){p[i].ids, p[i].n, g->pictures, g->n_pictures,
                                     (uint32_t)number_of(g)};
    struct ptd_reply *r =
        ptd_sample(w->tools->reference, q, n, &w->sampling, (uint32_t)(number_of(g) >> 32));
    free(q);
    return r && ptd_device_wait(w->tools->reference->device) == 0 ? r : NULL;
}

/* Their texts [n], in g's arena, and which are right. */
static int judge(const struct ptd_weigh *w, struct ptd_group *g, const struct ptd_reply *reply,
                 int n, const char **text, uint8_t *right)
{
    struct ptd_group judged = *g;
    struct ptd_rollout *y = ptd_array((size_t)n, sizeof *y);
    for (int i = 0; i < n; i++) {
        char *s = ptd_tokenizer_decode(w->tools->tokenizer, reply[i].ids, (size_t)reply[i].n, 1);
        y[i] = (struct ptd_rollout){.ids = reply[i].ids, .n = reply[i].n};
        y[i].text = text[i] = ptd_group_text(&judged, "%s", s);
        y[i].stop = reply[i].stopped ? "eos" : "length";
        free(s);
    }
    judged.rollouts = y;
    judged.n_rollouts = n;
    int rc = ptd_reward_score(&w->judging, &judged);
    g->arena = judged.arena;
    for (int i = 0; i < n; i++) right[i] = rc == 0 && ptd_rollout_right(&y[i]);
    free(y);
    return rc;
}

/* What ranks each reply, right or wrong: as it came, and without a hint. */
static int rank_replies(struct ptd_weigh *w, struct ptd_group *g, const struct ptd_reply *reply,
                        int n, struct ptd_weighed *out)
{
    struct ptd_forced_text *text = ptd_array((size_t)n, sizeof *text);
    double *logp = ptd_array((size_t)n, sizeof *logp);
    for (int i = 0; i < n; i++) text[i] = (struct ptd_forced_text){reply[i].ids, reply[i].n, 0};
    struct ptd_forced_prompt *p = prompts_of(w, g, (const char *[]){NULL}, 1);
    int rc = p ? ptd_forced_read(w->forced, g, p, 1, text, n, logp) : -1;
    for (int i = 0; i < n && rc == 0; i++) {
        out[i].rank = logp[i];
        for (int j = 0; j < reply[i].n; j++) out[i].rank += (double)reply[i].logp[j];
    }
    free_prompts(p, 1);
    free(text);
    free(logp);
    return rc;
}

/* Replies [n] with rank, text and whether they are right. */
static int weigh_replies(struct ptd_weigh *w, struct ptd_group *g, const struct ptd_reply *reply,
                         int n, struct ptd_weighed *out)
{
    const char **text = ptd_array((size_t)n, sizeof *text);
    uint8_t *right = ptd_array((size_t)n, 1);
    int rc = judge(w, g, reply, n, text, right);
    if (rc == 0) rc = rank_replies(w, g, reply, n, out);
    for (int i = 0; i < n && rc == 0; i++) {
        out[i].reply = text[i];
        out[i].right = right[i];
    }
    free(text);
    free(right);
    return rc;
}

/* y[i] says what none before it says. */
static int is_new(const struct ptd_weighed *y, int i)
{
    for (int k = 0; k < i; k++)
        if (strcmp(y[k].reply, y[i].reply) == 0) return 0;
    return 1;
}

/* What the replies [n] to one hint come to. */
static struct ptd_weighed join(const struct ptd_weighed *y, int n)
{
    struct ptd_weighed all = y[0];
    double sum = 0;
    for (int i = 1; i < n; i++)
        if (y[i].right > all.right || (y[i].right == all.right && y[i].rank > all.rank)) all = y[i];
    for (int i = 0; i < n; i++)
        if (y[i].right && is_new(y, i)) sum += exp(y[i].rank - all.rank);
    if (all.right) all.rank += log(sum);
    return all;
}

/* drawn [n * each]: other replies to each of n prompts. */
static int draw(struct ptd_weigh *w, struct ptd_group *g, const struct ptd_forced_prompt *p, int n,
                struct ptd_weighed *drawn)
{
    w->sampling.group_size = w->rules.replies - 1;
    int all = n * w->sampling.group_size;
    struct ptd_reply *r = replies_to(w, g, p, n);
    int rc = r ? weigh_replies(w, g, r, all, drawn) : -1;
    if (r) ptd_replies_free(r, all);
    return rc;
}

/* Beside the greedy ones in out. */
static int join_drawn(struct ptd_weigh *w, struct ptd_group *g, const struct ptd_forced_prompt *p,
                      int n, struct ptd_weighed *out)
{
    int each = w->rules.replies - 1;
    struct ptd_weighed *drawn = ptd_array((size_t)n * each, sizeof *drawn),
                       *of_one = ptd_array((size_t)each + 1, sizeof *of_one);
    int rc = draw(w, g, p, n, drawn);
    for (int i = 0; i < n && rc == 0; i++) {
        of_one[0] = out[i];
        memcpy(of_one + 1, drawn + (size_t)i * each, (size_t)each * sizeof *drawn);
        out[i] = join(of_one, each + 1);
    }
    free(drawn);
    free(of_one);
    return rc;
}

static int answer_each(struct ptd_weigh *w, struct ptd_group *g, const char *const *hint, int n,
                       struct ptd_weighed *out)
{
    struct ptd_forced_prompt *p = prompts_of(w, g, hint, n);
    struct ptd_reply *r = p ? ptd_greedy_replies(w->tools->reference, &w->sampling, g, p, n) : NULL;
    int rc = r ? weigh_replies(w, g, r, n, out) : -1;
    if (rc == 0 && w->rules.replies > 1) rc = join_drawn(w, g, p, n, out);
    if (r) ptd_replies_free(r, n);
    free_prompts(p, n);
    return rc;
}

int ptd_weigh_rank(struct ptd_weigh *w, struct ptd_group *g, const char *const *hint, int n,
                   struct ptd_weighed *out)
{
    if (load(w) < 0) return -1;
    return (w->rules.by == PTD_BY_REPLY ? answer_each : read_given)(w, g, hint, n, out);
}

/* ---- what a hint gains ---- */

/* Right replies without and with it, of the same random numbers. */
static int count_right(struct ptd_weigh *w, struct ptd_group *g, const char *const hint[2],
                       int hits[2])
{
    int n = w->rules.samples, rc = -1;
    const char **text = ptd_array((size_t)n, 2 * sizeof *text);
    uint8_t *right = ptd_array((size_t)n, 2);
    struct ptd_forced_prompt *p = prompts_of(w, g, hint, 2);
    w->sampling.group_size = n;
    struct ptd_reply *r = p ? replies_to(w, g, p, 2) : NULL;
    if (r) rc = judge(w, g, r, 2 * n, text, right);
    for (int k = 0; k < 2; k++) {
        hits[k] = 0;
        for (int i = 0; i < n; i++) hits[k] += right[k * n + i];
    }
    if (r) ptd_replies_free(r, 2 * n);
    free_prompts(p, 2);
    free(text);
    free(right);
    return rc;
}

int ptd_weigh_gain(struct ptd_weigh *w, struct ptd_group *g, const char *hint, struct ptd_gain *out)
{
    const char *const both[2] = {NULL, hint};
    struct ptd_weighed weight[2];
    int hits[2];
    if (load(w) < 0) return -1;
    if (w->rules.by == PTD_BY_REPLY) {
        if (count_right(w, g, both, hits) < 0) return -1;
        out->logp = log(hits[1] + 0.5) - log(hits[0] + 0.5);
        out->right = (double)hits[1] / w->rules.samples;
        return 0;
    }
    if (read_given(w, g, both, 2, weight) < 0) return -1;
    *out = (struct ptd_gain){weight[1].rank - weight[0].rank, 1};
    return 0;
}
