/* hint: sources by name, one text from their steps, the spoiler check, and the rendered prompt.
 * Leaves what a hint says to its source, and which groups need one to ptd-hint. */
#include "method/hint/hint.h"
#include "data/chat.h"
#include "data/prompt.h"
#include "data/template.h"
#include "method/hint/spoiler.h"
#include "method/hint/weigh.h"
#include "net/encoder.h"
#include "net/head.h"
#include "net/net.h"
#include "net/plan.h"
#include <stdlib.h>
#include <string.h>

static const struct ptd_hint_source *const sources[] = {
    &ptd_hint_data,   &ptd_hint_attention, &ptd_hint_siblings, &ptd_hint_search,
    &ptd_hint_column, &ptd_hint_exec,      &ptd_hint_answer,   &ptd_hint_response};
#define SOURCES ((int)(sizeof sources / sizeof *sources))

struct chosen { /* a source that --from names */
    const struct ptd_hint_source *is;
    char *arg; /* malloc'd, or NULL */
    void *state;
};

struct ptd_hints {
    struct ptd_hint_tools *tools;
    struct chosen source[SOURCES];
    int n;
    struct ptd_weigh *gate; /* NULL: there is none */
    double gate_right, gate_source;
    int record;
    struct ptd_hints_gate gated;
};

/* ---- what the store says ---- */

static int read_config(struct ptd_hint_tools *t)
{
    char *config = ptd_store_get_meta(t->store, "config.json", NULL);
    char *generation = ptd_store_get_meta(t->store, "generation_config.json", NULL);
    int rc =
        config ? ptd_config_parse(&t->config, config, generation)
               : ptd_fail(PTD_DATAERR, "%s: no config.json in the store", ptd_store_path(t->store));
    free(config);
    free(generation);
    return rc;
}

static int read_tokenizer(struct ptd_hint_tools *t)
{
    size_t len = 0;
    char *json = ptd_store_get_meta(t->store, "tokenizer.json", &len);
    if (!json)
        return ptd_fail(PTD_DATAERR, "%s: no tokenizer.json in the store",
                        ptd_store_path(t->store));
    t->tokenizer = ptd_tokenizer_new(json, len, "tokenizer.json");
    free(json);
    return t->tokenizer ? 0 : -1;
}

int ptd_hint_tools_open(struct ptd_hint_tools *t, const char *dir)
{
    memset(t, 0, sizeof *t);
    if (!dir || !*dir)
        return ptd_fail(PTD_CONFIG, "the stream names no store: give one with --store");
    if (ptd_store_open(&t->store, dir, PTD_STORE_READ) < 0) return -1;
    if (read_config(t) == 0 && ptd_template_read(&t->config, t->store) == 0 &&
        read_tokenizer(t) == 0)
        return 0;
    ptd_hint_tools_close(t);
    return -1;
}

int ptd_hint_model_open(struct ptd_hint_tools *t, const char *dir)
{
    struct ptd_hint_tools *m = ptd_alloc(sizeof *m);
    if (ptd_store_is(t->store, dir)) {
        free(m);
        return ptd_fail(PTD_CONFIG,
                        "--model %s is the run's own store, whose generation 0 looks without this "
                        "option; expected another store",
                        dir);
    }
    if (ptd_hint_tools_open(m, dir) < 0 || ptd_store_head(m->store, &m->generation) < 0) {
        free(m);
        return -1;
    }
    m->foreign = 1;
    t->model = m;
    return 0;
}

struct ptd_hint_tools *ptd_hint_eye(struct ptd_hint_tools *t)
{
    struct ptd_hint_tools *m = t->model;
    if (!m) return t;
    m->device = t->device;
    m->memory = t->memory;
    m->max_tokens = t->max_tokens;
    m->temperature = t->temperature;
    return m;
}

/* The lowest parameter of the text's layers: backward to it passes all of them. */
static int is_lowest(void *ctx, const struct ptd_param *p)
{
    (void)ctx;
    return strstr(p->name, "language_model.layers.0.input_layernorm.") != NULL;
}

/* Its shape; no memory is taken for weights. NULL on failure. */
static struct ptd_model *shape_of(struct ptd_hint_tools *t)
{
    struct ptd_model *m = ptd_model_open(t->store, t->device);
    if (m) ptd_model_choose(m, t->backward ? is_lowest : NULL, NULL);
    return m;
}

static int share_pictures(const struct ptd_hint_tools *t, struct ptd_model *m)
{
    char identity[17];
    if (!t->share_pictures || m->encoder || t->old) return 0;
    if (ptd_store_identity(t->store, t->generation, identity) < 0) return -1;
    return (m->encoder = ptd_encoder_new(m, identity)) ? 0 : -1;
}

struct ptd_model *ptd_hint_reference(struct ptd_hint_tools *t)
{
    struct ptd_plan_asked asked = {.room = t->memory};
    if (t->reference) return t->reference;
    struct ptd_model *m = shape_of(t);
    if (m && ptd_plan_start(m, t->store, ptd_plan_room(&asked), &t->left) == 0 &&
        ptd_model_load(m, t->store, t->generation) == 0 && share_pictures(t, m) == 0) {
        if (t->backward) ptd_model_train(m);
        return t->reference = m;
    }
    ptd_model_free(m);
    return NULL;
}

int ptd_hint_seek(struct ptd_hint_tools *t, int64_t generation)
{
    char identity[17];
    if (!t->old || generation == t->generation) return 0;
    if (generation < 0)
        return ptd_fail(PTD_DATAERR, "field \"generation\": no weights sampled it, expected "
                                     "responses of ptd-rollout for --model old");
    if (ptd_store_identity(t->store, generation, identity) < 0)
        return ptd_fail(ptd_failed_status(),
                        "%s: --model old reads it from the store: expected ptd-update with a "
                        "larger --keep and --publish-every 1",
                        ptd_failed_message());
    t->generation = generation;
    return t->reference ? ptd_model_load(t->reference, t->store, generation) : 0;
}

int ptd_hint_plan(struct ptd_hint_tools *t, const struct ptd_expected *e, struct ptd_plan *p)
{
    struct ptd_shape s = {.rows = e->prompt + e->answer};
    struct ptd_model *m = shape_of(t);
    if (!m) return -1;
    ptd_plan_see(e, 1, m, &s);
    if (t->backward) {
        ptd_model_reach(m);
        s.rows += (PTD_WEIGH_RIGHT - 1) * e->answer;
        s.targets = PTD_WEIGH_RIGHT * e->answer;
        ptd_plan_take(p, m->device, "head",
                      ptd_lm_head_bytes(m->device, m->config.vocab, s.targets));
    }
    int r = ptd_plan_weights(p, m, t->store, t->backward);
    ptd_plan_take(p, m->device, "activations", ptd_plan_pool(m, PTD_KEEP_ALL, &s));
    ptd_plan_operations(p, m, t->backward ? PTD_KEEP_ALL : 0, &s);
    ptd_plan_add(p, "attention", s.rows * s.image_rows * sizeof(float));
    ptd_plan_pictures(p, m, &s);
    ptd_model_free(m);
    return r;
}

void ptd_hint_tools_close(struct ptd_hint_tools *t)
{
    struct ptd_device *device = t->device;
    if (t->model) ptd_hint_tools_close(t->model);
    free(t->model);
    if (t->reference) ptd_model_free(t->reference);
    if (t->tokenizer) ptd_tokenizer_free(t->tokenizer);
    if (t->store) ptd_store_close(t->store);
    *t = (struct ptd_hint_tools){.device = device};
}

/* ---- sources ---- */

char *ptd_hint_names(void)
{
    char *all = NULL;
    for (int i = 0; i < SOURCES; i++) {
        const char *arg = sources[i]->arg;
        char *longer = ptd_format("%s%s%s%s%s", all ? all : "", all ? ", " : "", sources[i]->name,
                                  arg ? ":" : "", arg ? arg : "");
        free(all);
        all = longer;
    }
    return all;
}

static int unknown(const char *name, size_t n)
{
    char *names = ptd_hint_names();
    int rc = ptd_fail(PTD_USAGE, "--from \"%.*s\": expected a list of %s", (int)(n < 64 ? n : 64),
                      name, names);
    free(names);
    return rc;
}

/* The source that s begins with, and what it takes of s: "data", "column:NAME", "exec:..." to the
 * end. */
static int take_source(struct chosen *c, const char *s, size_t *len)
{
    size_t n = strcspn(s, ",:");
    *len = strcspn(s, ",");
    for (int i = 0; i < SOURCES; i++) {
        const char *arg = sources[i]->arg;
        if (strlen(sources[i]->name) != n || memcmp(sources[i]->name, s, n) != 0) continue;
        if (!arg != (s[n] != ':')) break;
        if (arg && strcmp(arg, "CMD") == 0) *len = strlen(s);
        if (arg && *len == n + 1) break;
        c->is = sources[i];
        c->arg = arg ? ptd_format("%.*s", (int)(*len - n - 1), s + n + 1) : NULL;
        return 0;
    }
    return unknown(s, *len);
}

static int twice(const struct chosen *list, int n)
{
    for (int i = 0; i < n; i++)
        if (list[i].is == list[n].is)
            return ptd_fail(PTD_USAGE, "--from names %s twice", list[n].is->name);
    return 0;
}

static void forget(struct chosen *list, int n)
{
    for (int i = 0; i < n; i++) free(list[i].arg);
}

/* The sources that `from` names; their number, -1 on failure. */
static int parse(const char *from, struct chosen list[SOURCES + 1])
{
    int n = 0;
    for (const char *s = from;; s++) {
        struct chosen c = {0};
        size_t len;
        int rc = take_source(&c, s, &len);
        if (rc == 0) {
            list[n] = c;
            rc = twice(list, n);
            n++;
        }
        if (rc < 0) {
            forget(list, n);
            return -1;
        }
        s += len;
        if (!*s) return n;
    }
}

/* What tells the answer is made only where the command line says so in words. */
static int check_telling(const struct ptd_hint_source *is, const struct ptd_hint_options *o)
{
    if (!is->tells || o->tell) return 0;
    return ptd_fail(PTD_USAGE,
                    "--from %s shows the answer to the teacher, for baselines only: expected "
                    "--tell-the-answer with it",
                    is->name);
}

int ptd_hints_check(const char *from, const struct ptd_hint_options *o)
{
    struct chosen list[SOURCES + 1];
    int n = parse(from, list), tells = 0, rc = n < 0 ? -1 : 0;
    for (int i = 0; i < n && rc == 0; i++) {
        tells |= list[i].is->tells;
        rc = check_telling(list[i].is, o);
    }
    if (n > 0) forget(list, n);
    if (rc || tells || !o->tell) return rc;
    return ptd_fail(PTD_USAGE, "--tell-the-answer goes only with --from answer or response");
}

int ptd_hints_named(const char *from, const char *name)
{
    struct chosen list[SOURCES + 1];
    int n = parse(from, list), found = 0;
    for (int i = 0; i < n; i++) found |= strcmp(list[i].is->name, name) == 0;
    if (n > 0) forget(list, n);
    return found;
}

static int open_sources(struct ptd_hints *h, const struct ptd_hint_options *o)
{
    for (int i = 0; i < h->n; i++) {
        struct chosen *c = &h->source[i];
        if (check_telling(c->is, o) < 0) return -1;
        if (!(c->state = c->is->open(h->tools, o, c->arg))) return -1;
    }
    if (!o->gate) return 0;
    h->gate_right = o->gate_right;
    h->gate_source = o->gate_source;
    return (h->gate = ptd_weigh_open(ptd_hint_eye(h->tools), &o->weigh)) ? 0 : -1;
}

struct ptd_hints *ptd_hints_open(struct ptd_hint_tools *t, const char *from,
                                 const struct ptd_hint_options *o)
{
    struct chosen list[SOURCES + 1];
    int n = parse(from, list);
    if (n < 0) return NULL;
    struct ptd_hints *h = ptd_alloc(sizeof *h);
    h->tools = t;
    h->n = n;
    h->record = o->record;
    memcpy(h->source, list, (size_t)n * sizeof *list);
    if (open_sources(h, o) == 0) return h;
    ptd_hints_close(h);
    return NULL;
}

int ptd_hints_have(const struct ptd_hints *h, const char *name)
{
    for (int i = 0; i < h->n; i++)
        if (strcmp(h->source[i].is->name, name) == 0) return 1;
    return 0;
}

int ptd_hints_compute(const struct ptd_hints *h)
{
    for (int i = 0; i < h->n; i++)
        if (h->source[i].is->computes) return 1;
    return h->gate != NULL;
}

int ptd_hints_end(struct ptd_hints *h)
{
    int rc = 0;
    for (int i = 0; i < h->n && rc == 0; i++)
        if (h->source[i].is->end) rc = h->source[i].is->end(h->source[i].state);
    return rc;
}

void ptd_hints_close(struct ptd_hints *h)
{
    if (!h) return;
    for (int i = 0; i < h->n; i++)
        if (h->source[i].state) h->source[i].is->close(h->source[i].state);
    forget(h->source, h->n);
    ptd_weigh_close(h->gate);
    free(h);
}

/* ---- a hint for a group ---- */

static int render(const struct ptd_hint_tools *t, struct ptd_group *g, struct ptd_hint *hint)
{
    int32_t *ids = NULL;
    int n = ptd_prompt_render(t->tokenizer, &t->config, g, hint->text, &ids);
    if (n < 0) return -1;
    int32_t *mine = ptd_group_alloc(g, (size_t)n * sizeof *mine);
    memcpy(mine, ids, (size_t)n * sizeof *mine);
    free(ids);
    hint->prompt_ids = mine;
    hint->n_prompt = n;
    return 0;
}

int ptd_hints_count(const struct ptd_hints *h)
{
    return h->n;
}

const char *ptd_hints_name(const struct ptd_hints *h, int i)
{
    return h->source[i].is->name;
}

struct ptd_hints_gate ptd_hints_gated(const struct ptd_hints *h)
{
    return h->gated;
}

int ptd_hints_make(struct ptd_hints *h, int i, struct ptd_group *g, struct ptd_hint *hint,
                   const char **broken)
{
    const struct chosen *c = &h->source[i];
    *hint = (struct ptd_hint){.source = c->is->name, .unchecked = c->is->tells};
    if (ptd_hint_seek(h->tools, g->generation) < 0) return -1;
    int made = c->is->make(c->state, g, hint);
    if (made <= 0) return made;
    hint->text = ptd_group_join(g, " then ", hint->steps, hint->n_steps);
    *broken = c->is->tells ? NULL : ptd_spoiler_find(hint->text, g);
    return 1;
}

/* *passes: with it the right answer gains, and is what the model says. */
static int ask_gate(struct ptd_hints *h, struct ptd_group *g, const struct ptd_hint *hint,
                    int *passes)
{
    struct ptd_gain got;
    *passes = 1;
    if (!h->gate) return 0;
    if (ptd_weigh_gain(h->gate, g, hint->text, &got) < 0) return -1;
    double gain = got.logp;
    *passes = gain > 0 && got.right >= h->gate_right;
    if (*passes)
        h->gated.passed++, h->gated.gain_passed += gain;
    else
        h->gated.dropped++, h->gated.gain_dropped += gain;
    if (*passes || !g->hint_refused) g->hint_gain = gain;
    if (*passes)
        g->hint_refused = NULL;
    else if (!g->hint_refused)
        g->hint_refused = ptd_group_text(g, "%s: %s", hint->source, hint->text);
    return 0;
}

void ptd_hint_clear(struct ptd_group *g)
{
    memset(&g->hint, 0, sizeof g->hint);
    memset(&g->map, 0, sizeof g->map);
    g->hint_drop = g->hint_refused = g->hint_dropped = NULL;
    g->hint_gain = 0;
}

/* The first that is dropped names the reason; its map stays, unless another hint is given. */
static void drop_hint(const struct ptd_hints *h, struct ptd_group *g, const struct ptd_hint *hint,
                      const char *broken, struct ptd_map *map)
{
    g->hint_drop = broken ? broken : PTD_HINT_GATE;
    if (h->record) g->hint_dropped = ptd_group_text(g, "%s: %s", hint->source, hint->text);
    *map = g->map;
}

/* 1: g has a hint of source i; 0: none that counts; -1 failure. */
static int try_source(struct ptd_hints *h, int i, struct ptd_group *g, struct ptd_map *map)
{
    struct ptd_hint hint;
    const char *broken;
    memset(&g->map, 0, sizeof g->map);
    int made = ptd_hints_make(h, i, g, &hint, &broken), passes = 0;
    if (made < 0 || (made && !broken && ask_gate(h, g, &hint, &passes) < 0)) return -1;
    if (passes) {
        if (render(h->tools, g, &hint) < 0) return -1;
        g->hint = hint;
        g->hint_drop = g->hint_dropped = NULL;
        return 1;
    }
    if (made && !g->hint_drop) drop_hint(h, g, &hint, broken, map);
    return 0;
}

/* What the gate let pass is refused after all. */
static void take_back(struct ptd_hints *h, struct ptd_group *g, struct ptd_map *map)
{
    struct ptd_hint hint = g->hint;
    memset(&g->hint, 0, sizeof g->hint);
    g->hint_refused = ptd_group_text(g, "%s: %s", hint.source, hint.text);
    drop_hint(h, g, &hint, NULL, map);
    h->gated.passed--, h->gated.gain_passed -= g->hint_gain;
    h->gated.dropped++, h->gated.gain_dropped += g->hint_gain;
}

/* Source i of which so few pass is not believed. */
static void doubt(struct ptd_hints *h, int i, const struct ptd_hints_gate *before,
                  struct ptd_group **g, int n, int *given, struct ptd_map *map)
{
    long passed = h->gated.passed - before->passed, dropped = h->gated.dropped - before->dropped;
    if (!h->gate || passed >= h->gate_source * (double)(passed + dropped)) return;
    for (int k = 0; k < n; k++) {
        if (given[k] != 1 + i) continue;
        take_back(h, g[k], &map[k]);
        given[k] = 0;
    }
}

int ptd_hints_give(struct ptd_hints *h, struct ptd_group **g, int n, int *given)
{
    struct ptd_map *map = ptd_array((size_t)n, sizeof *map);
    int rc = 0;
    for (int k = 0; k < n; k++) ptd_hint_clear(g[k]), given[k] = 0;
    for (int i = 0; i < h->n && rc == 0; i++) {
        struct ptd_hints_gate before = h->gated;
        for (int k = 0; k < n && rc == 0; k++) {
            if (given[k]) continue;
            int made = try_source(h, i, g[k], &map[k]);
            given[k] = made > 0 ? 1 + i : made;
            rc = made < 0 ? -1 : 0;
        }
        if (rc == 0) doubt(h, i, &before, g, n, given, map);
    }
    for (int k = 0; k < n; k++)
        if (!given[k]) g[k]->map = map[k];
    free(map);
    return rc;
}
