/* teacher: see teacher.h. What it reads is refer.c's. */
#include "method/teacher.h"
#include "method/source.h"
#include <stdlib.h>
#include <string.h>

static int is(const char *who, const char *word)
{
    return !strcmp(who, word);
}

/* Another store, whose newest generation it is. */
static int open_other(struct ptd_teacher *r, struct ptd_store *run)
{
    if (ptd_store_is(run, r->who))
        return ptd_fail(
            PTD_CONFIG,
            "--teacher %s is the run's own store, whose generation 0 teaches without this option; "
            "expected another store",
            r->who);
    if (ptd_store_open(&r->own, r->who, PTD_STORE_READ)) return -1;
    r->store = r->own;
    return ptd_store_head(r->own, &r->generation);
}

static int read_config(struct ptd_teacher *r)
{
    struct ptd_config c;
    char *config = ptd_store_get_meta(r->store, "config.json", NULL);
    int rc =
        config ? ptd_config_parse(&c, config, NULL)
               : ptd_fail(PTD_DATAERR, "%s: no config.json in the store", ptd_store_path(r->store));
    if (!rc) r->vocab = c.vocab, r->hidden = c.hidden;
    free(config);
    return rc;
}

struct ptd_teacher *ptd_teacher_open(struct ptd_store *run, const char *who, struct ptd_device *d)
{
    struct ptd_teacher *r = ptd_alloc(sizeof *r);
    r->who = who ? who : "frozen";
    r->device = d;
    r->store = run;
    r->loaded = -1;
    r->moves = is(r->who, "old") || is(r->who, "ema");
    int other = !r->moves && !is(r->who, "frozen");
    if ((other && open_other(r, run)) || read_config(r) ||
        (!r->moves && ptd_store_identity(r->store, r->generation, r->id))) {
        ptd_teacher_close(r);
        return NULL;
    }
    return r;
}

struct ptd_teacher *ptd_teacher_noted(struct ptd_store *run, const struct ptd_head *h,
                                      struct ptd_device *d)
{
    struct ptd_teacher *r = ptd_teacher_open(run, h->teacher, d);
    if (r && r->own) r->generation = h->teacher_generation;
    return r;
}

int ptd_teacher_rows_noted(const struct ptd_head *h)
{
    int rows = 0;
    for (int i = 0; i < h->n_stages; i++) {
        const struct ptd_stage_note *s = &h->stages[i];
        if (s->name && !strcmp(s->name, "ptd-ref"))
            rows = s->decided && strstr(s->decided, " --top-k full");
    }
    return rows;
}

int ptd_teacher_seek(struct ptd_teacher *r, int64_t generation)
{
    if (!r->moves || (*r->id && generation == r->generation)) return 0;
    *r->id = 0;
    if (generation < 0)
        return ptd_fail(PTD_DATAERR,
                        "field \"generation\": no weights sampled it, expected responses of "
                        "ptd-rollout for --teacher %s",
                        r->who);
    r->generation = generation;
    if (ptd_store_identity(r->store, generation, r->id) == 0) return 0;
    *r->id = 0;
    return ptd_fail(ptd_failed_status(),
                    "%s: --teacher %s reads it from the store: expected ptd-update with a larger "
                    "--keep and --publish-every 1",
                    ptd_failed_message(), r->who);
}

int ptd_teacher_shape(struct ptd_teacher *r)
{
    if (r->m) return 0;
    if (!(r->m = ptd_model_open(r->store, r->device))) return -1;
    r->m->averaged = is(r->who, "ema");
    ptd_model_choose(r->m, NULL, NULL);
    return 0;
}

/* What a loaded model reads with, once. */
static int prepare(struct ptd_teacher *r, const struct ptd_plan_asked *asked)
{
    static const struct ptd_plan_asked nothing;
    struct ptd_tokenizer *t = ptd_source_tokenizer(r->store);
    size_t left;
    if (!asked) asked = &nothing;
    if (!t) return -1;
    int rc = ptd_teacher_shape(r);
    if (!rc) r->banned = ptd_model_banned(r->m, ptd_tokenizer_size(t));
    ptd_tokenizer_free(t);
    if (rc || ptd_plan_start(r->m, r->store, ptd_plan_room(asked), &left)) return -1;
    r->score = ptd_score_new(r->m, 0);
    if (asked->room) r->score->room = left;
    return 0;
}

int ptd_teacher_load(struct ptd_teacher *r, const struct ptd_plan_asked *asked)
{
    if (r->loaded == r->generation) return 0;
    if (!r->score && prepare(r, asked)) return -1;
    if (ptd_model_load(r->m, r->store, r->generation)) return -1;
    r->loaded = r->generation;
    return 0;
}

struct ptd_lm_head *ptd_teacher_head(struct ptd_teacher *r)
{
    if (r->head && r->loaded == r->generation) return r->head;
    ptd_lm_head_free(r->head);
    r->head = NULL;
    r->loaded = -1;
    if (ptd_teacher_shape(r) || ptd_model_load_head(r->m, r->store, r->generation)) return NULL;
    r->loaded = r->generation;
    return r->head = ptd_lm_head_new(r->device, ptd_model_head(r->m), NULL, NULL);
}

void ptd_teacher_close(struct ptd_teacher *r)
{
    if (!r) return;
    ptd_score_free(r->score);
    ptd_lm_head_free(r->head);
    ptd_model_free(r->m);
    if (r->own) ptd_store_close(r->own);
    free(r->banned);
    free(r);
}
