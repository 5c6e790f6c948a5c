/* audit: four views of a group, their answers and what is counted; see audit.h.
 * Leaves what a hint says to sources, figures to interval.c, and how they are shown to view/. */
#include "method/hint/audit.h"
#include "data/prompt.h"
#include "method/hint/spoiler.h"
#include "net/sample.h"
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define VIEWS (2 + 2 * (PTD_AUDIT_SOURCES + 1)) /* without a hint, and with each */

struct ptd_audit {
    struct ptd_hint_tools *tools;
    struct ptd_hints *hints;
    struct ptd_audit_options options;
    struct ptd_sampling sampling;
    struct ptd_audit_counts counts;
    struct ptd_audit_row row[PTD_AUDIT_SOURCES];
    int n_rows;
};

/* A group's hints and what came of them. */
struct trial {
    struct ptd_group *g;
    struct ptd_group blind; /* g without its pictures */
    struct {
        struct ptd_audit_row *row;
        const char *text;
        int dropped;
    } hint[PTD_AUDIT_SOURCES + 1];
    int n_hints;
    struct ptd_question view[VIEWS]; /* with ids of their own */
    int n_views;
};

/* ---- life cycle ---- */

static struct ptd_audit_row *row_of(struct ptd_audit *a, const char *source)
{
    for (int i = 0; i < a->n_rows; i++)
        if (strcmp(a->row[i].source, source) == 0) return &a->row[i];
    if (a->n_rows < PTD_AUDIT_SOURCES) {
        struct ptd_audit_row *row = &a->row[a->n_rows++];
        row->source = ptd_strdup(source);
        return row;
    }
    ptd_fail(PTD_DATAERR, "field \"hint.source\": \"%.200s\": expected at most %d different ones",
             source, PTD_AUDIT_SOURCES);
    return NULL;
}

static struct ptd_sampling sampling_of(const struct ptd_audit *a, const struct ptd_model *m)
{
    return (struct ptd_sampling){.temperature = a->options.temperature,
                                 .top_p = 1,
                                 .group_size = a->options.answers,
                                 .max_tokens = a->options.max_tokens,
                                 .stop = m->config.eos,
                                 .n_stop = m->config.n_eos,
                                 .seed = a->options.seed,
                                 .banned =
                                     ptd_model_banned(m, ptd_tokenizer_size(a->tools->tokenizer))};
}

struct ptd_audit *ptd_audit_open(struct ptd_hint_tools *tools, struct ptd_hints *hints,
                                 const struct ptd_audit_options *o)
{
    struct ptd_model *m = ptd_hint_reference(tools);
    if (!m) return NULL;
    struct ptd_audit *a = ptd_alloc(sizeof *a);
    a->tools = tools;
    a->hints = hints;
    a->options = *o;
    a->sampling = sampling_of(a, m);
    for (int i = 0; i < ptd_hints_count(hints); i++) row_of(a, ptd_hints_name(hints, i));
    return a;
}

void ptd_audit_close(struct ptd_audit *a)
{
    if (!a) return;
    for (int i = 0; i < a->n_rows; i++) free((char *)a->row[i].source);
    free((void *)a->sampling.banned);
    free(a);
}

/* ---- hints of a group ---- */

static int rule_index(const char *broken)
{
    int i = 0;
    while (strcmp(ptd_spoiler_rules[i].name, broken) != 0) i++;
    return i;
}

/* A hint of `source`, counted; those that would only be a burden are not measured. */
static int take_hint(struct ptd_audit *a, struct trial *t, const char *source, const char *text,
                     const char *broken)
{
    struct ptd_audit_row *row = row_of(a, source);
    if (!row) return -1;
    row->hints++;
    if (broken) row->dropped[rule_index(broken)]++;
    if (broken && (!*text || strlen(text) > PTD_HINT_MAX)) return 0;
    t->hint[t->n_hints].row = row;
    t->hint[t->n_hints].text = text;
    t->hint[t->n_hints++].dropped = broken != NULL;
    return 0;
}

static int is_brought(const struct ptd_group *g, const char *source)
{
    return g->hint.text && g->hint.source && strcmp(g->hint.source, source) == 0;
}

static int collect_hints(struct ptd_audit *a, struct trial *t)
{
    struct ptd_group *g = t->g;
    const char *source = g->hint.source ? g->hint.source : "stream";
    if (g->hint.text &&
        take_hint(a, t, source, g->hint.text, ptd_spoiler_find(g->hint.text, g)) < 0)
        return -1;
    for (int i = 0; i < ptd_hints_count(a->hints); i++) {
        struct ptd_hint hint;
        const char *broken = NULL, *name = ptd_hints_name(a->hints, i);
        if (is_brought(g, name)) continue;
        int made = ptd_hints_make(a->hints, i, g, &hint, &broken);
        if (made < 0 || (made && take_hint(a, t, name, hint.text, broken) < 0)) return -1;
    }
    for (int i = 0; i < a->n_rows; i++) a->row[i].groups++;
    return 0;
}

/* ---- answers ---- */

static uint64_t number_of(const struct trial *t)
{
    return XXH3_64bits(t->g->uid, strlen(t->g->uid));
}

static int add_view(const struct ptd_audit *a, struct trial *t, const struct ptd_group *g,
                    const char *hint)
{
    int32_t *ids;
    int n = ptd_prompt_render(a->tools->tokenizer, &a->tools->config, g, hint, &ids);
    if (n < 0) return -1;
    t->view[t->n_views++] =
        (struct ptd_question){ids, n, g->pictures, g->n_pictures, (uint32_t)number_of(t)};
    return 0;
}

/* Views 0 and 1 have no hint, 2 + 2i and 3 + 2i hint i; odd ones have the pictures. */
static int add_views(const struct ptd_audit *a, struct trial *t)
{
    for (int i = -1; i < t->n_hints; i++) {
        const char *hint = i < 0 ? NULL : t->hint[i].text;
        if (add_view(a, t, &t->blind, hint) < 0 || add_view(a, t, t->g, hint) < 0) return -1;
    }
    return 0;
}

static void free_views(struct trial *t)
{
    while (t->n_views) free((void *)(uintptr_t)t->view[--t->n_views].ids);
}

/* The mean accuracy of the answers to one view. */
static int judge(const struct ptd_audit *a, struct ptd_group *g, const struct ptd_reply *reply,
                 double *accuracy)
{
    int n = a->options.answers;
    struct ptd_group judged = *g;
    struct ptd_rollout *y = ptd_array((size_t)n, sizeof *y);
    for (int i = 0; i < n; i++) {
        y[i].ids = reply[i].ids;
        y[i].n = reply[i].n;
        y[i].text = ptd_tokenizer_decode(a->tools->tokenizer, reply[i].ids, (size_t)reply[i].n, 1);
        y[i].stop = reply[i].stopped ? "eos" : "length";
    }
    judged.rollouts = y;
    judged.n_rollouts = n;
    int rc = ptd_reward_score(&a->options.rules, &judged);
    g->arena = judged.arena;
    *accuracy = 0;
    for (int i = 0; i < n; i++) {
        *accuracy += y[i].accuracy / n;
        free((char *)y[i].text);
    }
    free(y);
    return rc;
}

static void count(const struct trial *t, const double *accuracy)
{
    for (int i = 0; i < t->n_hints; i++) {
        const double *with = accuracy + 2 + 2 * i;
        struct ptd_audit_row *row = t->hint[i].row;
        struct ptd_audit_measure *m = t->hint[i].dropped ? &row->told : &row->kept;
        ptd_pairs_add(&m->blind, accuracy[0], with[0]);
        ptd_pairs_add(&m->seeing, accuracy[1], with[1]);
    }
}

static int answer(struct ptd_audit *a, const struct trial *t)
{
    int rc = 0;
    double accuracy[VIEWS];
    struct ptd_model *m = a->tools->reference;
    struct ptd_reply *replies =
        ptd_sample(m, t->view, t->n_views, &a->sampling, (uint32_t)(number_of(t) >> 32));
    if (!replies || ptd_device_wait(m->device)) rc = -1;
    for (int i = 0; i < t->n_views && rc == 0; i++)
        rc = judge(a, t->g, replies + i * a->options.answers, &accuracy[i]);
    ptd_replies_free(replies, t->n_views * a->options.answers);
    if (rc == 0) count(t, accuracy);
    return rc;
}

int ptd_audit_add(struct ptd_audit *a, struct ptd_group *g)
{
    struct trial t = {.g = g, .blind = *g};
    a->counts.without_picture += g->n_pictures == 0;
    a->counts.without_answer += g->n_pictures && !g->answer;
    if (g->n_pictures == 0 || !g->answer) return 0;
    t.blind.question = ptd_prompt_without_pictures(g);
    t.blind.pictures = NULL;
    t.blind.n_pictures = 0;
    int rc = collect_hints(a, &t) < 0 || add_views(a, &t) < 0 || answer(a, &t) < 0 ? -1 : 1;
    free_views(&t);
    a->counts.groups += rc > 0;
    return rc;
}

/* ---- what came out ---- */

int ptd_audit_rows(const struct ptd_audit *a)
{
    return a->n_rows;
}

const struct ptd_audit_row *ptd_audit_row(const struct ptd_audit *a, int i)
{
    return &a->row[i];
}

struct ptd_audit_counts ptd_audit_counted(const struct ptd_audit *a)
{
    return a->counts;
}

int ptd_audit_tells(const struct ptd_audit_row *r)
{
    if (r->kept.blind.n == 0) return -1;
    return ptd_pairs_range(&r->kept.blind).lo > 0;
}
