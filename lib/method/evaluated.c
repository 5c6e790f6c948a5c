/* evaluated: see evaluated.h. */
#include "method/evaluated.h"
#include <stdlib.h>
#include <string.h>

static int keep(const struct ptd_evaluated *e)
{
    json_t *o =
        json_pack("{s:s, s:I, s:I, s:f, s:i, s:I, s:O?}", "of", e->of, "last", (json_int_t)e->last,
                  "best", (json_int_t)e->best, "score", e->score, "without", e->without, "trying",
                  (json_int_t)e->trying, "metrics", e->metrics);
    char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(17));
    int rc = ptd_store_put_evaluated(e->store, text);
    free(text);
    json_decref(o);
    return rc;
}

static int let_go(const struct ptd_evaluated *e, int64_t generation)
{
    return generation > 0 ? ptd_store_pin(e->store, generation, 0) : 0;
}

static int read_record(struct ptd_evaluated *e, const char *text, char **of)
{
    json_t *o = json_loads(text, 0, NULL);
    json_int_t last, best, trying;
    const char *name;
    int rc = json_unpack(o, "{s:s, s:I, s:I, s:F, s:i, s:I, s?o}", "of", &name, "last", &last,
                         "best", &best, "score", &e->score, "without", &e->without, "trying",
                         &trying, "metrics", &e->metrics);
    if (rc == 0) {
        *of = ptd_strdup(name);
        e->last = last, e->best = best, e->trying = trying;
    }
    json_incref(e->metrics);
    json_decref(o);
    if (rc == 0) return 0;
    return ptd_fail(PTD_DATAERR, "%s: what was evaluated before is no record of it",
                    ptd_store_path(e->store));
}

static void keep_metrics(struct ptd_evaluated *e, json_t *metrics)
{
    json_incref(metrics);
    json_decref(e->metrics);
    e->metrics = metrics;
}

/* What was of another evaluation, or was left by one that was killed. */
static int begin_anew(struct ptd_evaluated *e, const char *of)
{
    if (let_go(e, e->trying) < 0) return -1;
    e->trying = -1;
    if (strcmp(of, e->of) == 0) return keep(e);
    if (let_go(e, e->best) < 0) return -1;
    e->last = e->best = -1;
    e->without = 0;
    keep_metrics(e, NULL);
    return keep(e);
}

int ptd_evaluated_open(struct ptd_evaluated *e, struct ptd_store *store, const char *of,
                       int64_t every)
{
    *e = (struct ptd_evaluated){
        .store = store, .of = ptd_strdup(of), .every = every, .last = -1, .best = -1, .trying = -1};
    char *text = ptd_store_get_evaluated(store), *was = NULL;
    if (!text) return 0;
    int rc = read_record(e, text, &was);
    if (rc == 0) rc = begin_anew(e, was);
    free(text);
    free(was);
    return rc;
}

int64_t ptd_evaluated_due(const struct ptd_evaluated *e, int64_t head)
{
    int64_t latest = e->last < 0 ? head : head / e->every * e->every;
    return latest > e->last ? latest : -1;
}

int ptd_evaluated_try(struct ptd_evaluated *e, int64_t generation)
{
    e->trying = generation;
    if (keep(e) < 0) return -1;
    if (ptd_store_pin(e->store, generation, 1) == 0) return 0;
    e->trying = -1;
    return -1;
}

int ptd_evaluated_found(struct ptd_evaluated *e, int64_t generation, double score, json_t *metrics)
{
    int better = e->best < 0 || score > e->score;
    int64_t gone = better ? e->best : generation;
    e->last = generation;
    e->trying = -1;
    e->without = better ? 0 : e->without + 1;
    if (better) e->best = generation, e->score = score;
    json_object_set_new(metrics, "val/best_step", json_integer(e->best));
    keep_metrics(e, metrics);
    if (keep(e) < 0 || let_go(e, gone) < 0) return -1;
    return better;
}

void ptd_evaluated_close(struct ptd_evaluated *e)
{
    free(e->of);
    e->of = NULL;
    keep_metrics(e, NULL);
}
