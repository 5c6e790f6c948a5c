/* hint: sources by name, one text from their steps, the spoiler check, and the rendered prompt.
 * Leaves what a hint says to its source, and which groups need one to ptd-hint. */
#include "method/hint/hint.h"
#include "data/chat.h"
#include "data/prompt.h"
#include "data/template.h"
#include "method/hint/spoiler.h"
#include "net/plan.h"
#include <stdlib.h>
#include <string.h>

static const struct ptd_hint_source *const sources[] = {&ptd_hint_data, &ptd_hint_attention};
#define SOURCES ((int)(sizeof sources / sizeof *sources))

struct ptd_hints {
    struct ptd_hint_tools *tools;
    const struct ptd_hint_source *source[SOURCES];
    void *state[SOURCES];
    int n;
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

/* Its shape; no memory is taken for weights. NULL on failure. */
static struct ptd_model *shape_of(struct ptd_hint_tools *t)
{
    struct ptd_model *m = ptd_model_open(t->store, t->device);
    if (m) ptd_model_choose(m, NULL, NULL);
    return m;
}

struct ptd_model *ptd_hint_reference(struct ptd_hint_tools *t)
{
    struct ptd_plan_asked asked = {.room = t->memory};
    if (t->reference) return t->reference;
    struct ptd_model *m = shape_of(t);
    if (m && ptd_plan_start(m, t->store, ptd_plan_room(&asked), &t->left) == 0 &&
        ptd_model_load(m, t->store, 0) == 0)
        return t->reference = m;
    ptd_model_free(m);
    return NULL;
}

int ptd_hint_plan(struct ptd_hint_tools *t, const struct ptd_expected *e, struct ptd_plan *p)
{
    struct ptd_shape s = {.rows = e->prompt + e->answer};
    struct ptd_model *m = shape_of(t);
    if (!m) return -1;
    ptd_plan_see(e, 1, m, &s);
    int r = ptd_plan_weights(p, m, t->store, 0);
    ptd_plan_add(p, "activations", ptd_plan_pool(m, PTD_KEEP_ALL, &s));
    ptd_plan_add(p, "attention", s.rows * s.image_rows * sizeof(float));
    ptd_plan_pictures(p, m, &s);
    ptd_model_free(m);
    return r;
}

void ptd_hint_tools_close(struct ptd_hint_tools *t)
{
    struct ptd_device *device = t->device;
    if (t->reference) ptd_model_free(t->reference);
    if (t->tokenizer) ptd_tokenizer_free(t->tokenizer);
    if (t->store) ptd_store_close(t->store);
    *t = (struct ptd_hint_tools){.device = device};
}

/* ---- sources ---- */

static const struct ptd_hint_source *source_by_name(const char *name, size_t n)
{
    for (int i = 0; i < SOURCES; i++)
        if (strlen(sources[i]->name) == n && memcmp(sources[i]->name, name, n) == 0)
            return sources[i];
    ptd_fail(PTD_USAGE, "--from \"%.*s\": expected a list of data, attention",
             (int)(n < 64 ? n : 64), name);
    return NULL;
}

/* The sources that `from` names; their number, -1 on failure. */
static int parse(const char *from, const struct ptd_hint_source *list[SOURCES])
{
    int n = 0;
    for (const char *s = from;; s++) {
        size_t len = strcspn(s, ",");
        const struct ptd_hint_source *found = source_by_name(s, len);
        if (!found) return -1;
        for (int i = 0; i < n; i++)
            if (list[i] == found) return ptd_fail(PTD_USAGE, "--from names %s twice", found->name);
        list[n++] = found;
        s += len;
        if (!*s) return n;
    }
}

int ptd_hints_check(const char *from)
{
    const struct ptd_hint_source *list[SOURCES];
    return parse(from, list) < 0 ? -1 : 0;
}

struct ptd_hints *ptd_hints_open(struct ptd_hint_tools *t, const char *from,
                                 const struct ptd_hint_options *o)
{
    const struct ptd_hint_source *list[SOURCES];
    int n = parse(from, list);
    if (n < 0) return NULL;
    struct ptd_hints *h = ptd_alloc(sizeof *h);
    h->tools = t;
    for (; h->n < n; h->n++) {
        h->source[h->n] = list[h->n];
        h->state[h->n] = list[h->n]->open(t, o);
        if (h->state[h->n]) continue;
        ptd_hints_close(h);
        return NULL;
    }
    return h;
}

int ptd_hints_compute(const struct ptd_hints *h)
{
    for (int i = 0; i < h->n; i++)
        if (h->source[i]->computes) return 1;
    return 0;
}

void ptd_hints_close(struct ptd_hints *h)
{
    if (!h) return;
    while (h->n-- > 0) h->source[h->n]->close(h->state[h->n]);
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
    return h->source[i]->name;
}

int ptd_hints_make(struct ptd_hints *h, int i, struct ptd_group *g, struct ptd_hint *hint,
                   const char **broken)
{
    *hint = (struct ptd_hint){.source = h->source[i]->name};
    int made = h->source[i]->make(h->state[i], g, hint);
    if (made <= 0) return made;
    hint->text = ptd_group_join(g, " then ", hint->steps, hint->n_steps);
    *broken = ptd_spoiler_find(hint->text, g);
    return 1;
}

int ptd_hints_give(struct ptd_hints *h, struct ptd_group *g)
{
    const char *drop = NULL;
    memset(&g->hint, 0, sizeof g->hint);
    g->hint_drop = NULL;
    for (int i = 0; i < h->n; i++) {
        struct ptd_hint hint;
        const char *broken;
        int made = ptd_hints_make(h, i, g, &hint, &broken);
        if (made < 0) return -1;
        if (made == 0) continue;
        if (!broken) {
            if (render(h->tools, g, &hint) < 0) return -1;
            g->hint = hint;
            return 1;
        }
        if (!drop) drop = broken;
    }
    g->hint_drop = drop;
    return 0;
}
