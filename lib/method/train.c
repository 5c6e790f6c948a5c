/* train: see train.h. The gradient itself is learn.c's. */
#include "method/train.h"
#include "method/difference.h"
#include "method/trained.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what was decided before, and now ---- */

/* Rewards are learned from beside a reference, and what a warm start began with is none if it was
 * random. */
static int check_reference(struct ptd_train *t, const json_t *was, const json_t *is)
{
    const char *loss = json_string_value(json_object_get(was, "loss")), *next;
    json_t *pipe = json_object_get(is, "pipe"), *program;
    size_t i;
    int reads = 0;
    next = json_string_value(json_object_get(is, "loss"));
    json_array_foreach(pipe, i, program) reads |= !strcmp(json_string_value(program), "ptd-ref");
    if (!reads || !loss || !next || strcmp(loss, "sft") || !strcmp(next, "sft")) return 0;
    char *origin = ptd_store_get_meta(t->store, PTD_ORIGIN, NULL);
    int random = origin && !strcmp(origin, PTD_ORIGIN_RANDOM);
    free(origin);
    if (!random) return 0;
    return ptd_fail(PTD_CONFIG,
                    "%s: generation %lld was trained by --loss sft from random weights, which "
                    "would be reference and tutor: expected a run of its own, by ptd-init NEW.ptd "
                    "--from-store %s",
                    ptd_store_path(t->store), (long long)t->generation, ptd_store_path(t->store));
}

/* What was changed before, and now. */
static int check_settings(struct ptd_train *t, json_t *run, int anyway)
{
    struct ptd_difference d = {ptd_store_path(t->store), t->generation, t->rules.change, anyway};
    json_t *was = json_object_get(run, "settings"), *is = json_loads(t->settings, 0, NULL);
    json_t *now = check_reference(t, was, is) ? NULL : ptd_differences(&d, was, is);
    json_t *changes = json_incref(json_object_get(run, "changes"));
    json_decref(is);
    if (!changes) changes = json_array();
    if (json_object_size(json_object_get(now, "what"))) json_array_append(changes, now);
    if (json_array_size(changes)) t->changes = json_dumps(changes, JSON_COMPACT);
    json_decref(changes);
    int rc = now ? 0 : -1;
    json_decref(now);
    return rc;
}

static int resume(struct ptd_train *t, int anyway)
{
    char *text = ptd_store_get_run(t->store);
    json_t *run = text ? json_loads(text, 0, NULL) : NULL;
    int r = 0;
    free(text);
    if (!t->generation) {
        json_decref(run);
        return 0;
    }
    if (!run)
        return ptd_fail(PTD_DATAERR, "%s: generation %lld holds no counters",
                        ptd_store_path(t->store), (long long)t->generation);
    char *said = json_dumps(run, JSON_COMPACT);
    struct ptd_share wanted = {t->rules.optimizer.rank, t->rules.optimizer.ranks};
    t->sources = ptd_shared_open(t->store, t->rules.base, ptd_share_read(said), wanted, &r);
    free(said);
    if (r) {
        json_decref(run);
        return -1;
    }
    ptd_optimizer_rules(t->optimizer)->sources = t->sources;
    int64_t updates = json_integer_value(json_object_get(run, "updates"));
    t->updates = updates;
    t->bad_in_row = (int)json_integer_value(json_object_get(run, "bad_in_row"));
    json_t *coef = json_object_get(run, "kl_coef");
    if (coef) t->kl_coef = json_number_value(coef);
    r = check_settings(t, run, anyway);
    json_decref(run);
    return r ? -1 : ptd_optimizer_load(t->optimizer, t->store, updates, t->generation);
}

/* What is trained joins the settings; not where it is all, which earlier programs did not say. */
static void note_trained(struct ptd_train *t, const char *what)
{
    json_t *s = strcmp(what, "all") ? json_loads(t->settings, 0, NULL) : NULL;
    if (!s) return;
    json_object_set_new(s, "train", json_string(what));
    free(t->settings);
    t->settings = json_dumps(s, JSON_COMPACT);
    json_decref(s);
}

/* Which of the model's parameters move. */
static int choose(struct ptd_train *t)
{
    const char *what = ptd_trained_choose(t->model, t->rules.trained);
    if (!what || ptd_trained_check(t->model, t->store, t->generation, what)) return -1;
    note_trained(t, what);
    return 0;
}

/* It is trained, or one product with a matrix that is. */
static int is_trained_with(const struct ptd_model *m, const struct ptd_param *p)
{
    int is = p->trained;
    for (int i = 0; p->matrix && i < m->n_params; i++)
        is |= m->params[i].matrix == p->matrix && m->params[i].trained;
    return is && p->matrix;
}

/* How many matrices of trained products are not bfloat16 in the list. */
static int count_wide(const struct ptd_model *m, const struct ptd_tensor_about *list, int n)
{
    int wide = 0;
    for (int i = 0; i < m->n_params; i++)
        for (int k = 0; is_trained_with(m, &m->params[i]) && k < n; k++)
            wide += list[k].dtype != PTD_BF16 && !strcmp(list[k].name, m->params[i].name);
    return wide;
}

/* Weights of the network in the master's form. Where they are bfloat16 those of generation 0 must
 * be, too: answers of the first step are sampled with them. */
static int choose_forms(struct ptd_train *t)
{
    const struct ptd_optimizer_rules *r = &t->rules.optimizer;
    struct ptd_tensor_about *list;
    int n, wide;
    t->model->by_part = t->rules.by_part;
    t->model->narrow = r->master && r->master->code != PTD_MASTER_F32;
    if (!t->model->narrow && t->model->device->num == PTD_BF16)
        ptd_warn(
            "on this device weights are bfloat16 from step to step, and small steps are lost: "
            "expected --master split, of a store made with --dtype bf16, or --device NAME:f32");
    if (!t->model->narrow) return 0;
    if (ptd_store_list(t->store, 0, &list, &n)) return -1;
    wide = count_wide(t->model, list, n);
    ptd_store_list_free(list, n);
    if (!wide) return 0;
    return ptd_fail(PTD_CONFIG,
                    "%s: --master %s trains weights in bfloat16, and generation 0 holds %d others: "
                    "expected a store made with --dtype bf16",
                    ptd_store_path(t->store), r->master->is.name, wide);
}

/* The running mean goes on where it was. */
static int average(struct ptd_train *t)
{
    if (t->rules.ema <= 0) return 0;
    t->ema = ptd_ema_new(t->model, t->rules.ema);
    return ptd_ema_load(t->ema, t->store, t->generation);
}

/* Running means are published with their generation, and not shared through memory. */
static int check_ema(const struct ptd_train_rules *r)
{
    if (r->ema <= 0 || r->every == 1) return 0;
    return ptd_fail(PTD_USAGE,
                    "--ema %g with --publish-every %d: expected 1, since the running mean is read "
                    "from the store",
                    r->ema, r->every);
}

struct ptd_train *ptd_train_open(const char *store, const struct ptd_train_rules *r,
                                 const char *settings, int anyway, struct ptd_device *d)
{
    struct ptd_train *t = ptd_alloc(sizeof *t);
    t->rules = *r;
    t->settings = ptd_strdup(settings);
    t->kl_coef = -1;
    if (check_ema(r) ||
        ptd_store_open(&t->store, store, r->plans ? PTD_STORE_READ : PTD_STORE_TRAIN) ||
        ptd_store_head(t->store, &t->published))
        goto fail;
    t->generation = t->published;
    if (!(t->model = ptd_model_open(t->store, d)) || choose(t) || choose_forms(t)) goto fail;
    ptd_model_reach(t->model);
    if (r->before && r->before(r->ctx, t)) goto fail;
    if (r->plans) return t;
    if (ptd_train_shares(r)) t->live = ptd_live_open(t->store, r->waits);
    if (ptd_model_load(t->model, t->store, t->generation)) goto fail;
    t->optimizer = ptd_optimizer_new(t->model, &t->rules.optimizer);
    if (!resume(t, anyway) && !average(t)) return t;
fail:
    ptd_train_close(t);
    return NULL;
}

int ptd_train_plan(const struct ptd_train *t, struct ptd_plan *p)
{
    struct ptd_optimizer_size size;
    size_t shared = ptd_train_shares(&t->rules) ? t->rules.waits : 0,
           means = t->rules.ema > 0 ? ptd_ema_bytes(t->model) : 0;
    ptd_optimizer_plan(t->model, &t->rules.optimizer, &size);
    ptd_plan_take(p, t->model->device, "moments", size.moments);
    if (size.low) ptd_plan_take(p, t->model->device, "low halves", size.low);
    if (means) ptd_plan_add(p, "running mean", means);
    if (shared) ptd_plan_add(p, "shared weights", shared * t->model->n_weights * sizeof(float));
    ptd_plan_add(
        p, "publishing",
        ptd_store_publishing(size.moments + size.low + means + ptd_model_weight_bytes(t->model)));
    return ptd_plan_weights(p, t->model, t->store, 1);
}

double ptd_train_lr(const struct ptd_train_rules *r, int64_t step, int64_t total)
{
    double at, share = 1;
    if (step <= r->warmup) return r->optimizer.adamw.lr * step / r->warmup;
    if (r->schedule == PTD_CONSTANT || total <= r->warmup) return r->optimizer.adamw.lr;
    at = (double)(step - r->warmup) / (total - r->warmup);
    if (at > 1) at = 1;
    share = r->schedule == PTD_COSINE ? (1 + cos(M_PI * at)) / 2 : 1 - at;
    return r->optimizer.adamw.lr * (r->floor + (1 - r->floor) * share);
}

/* The weights of the generation before, where a sampler that lags may ask for them after a resume;
 * NULL: they are in the store, or nobody will. */
static struct ptd_tensor_view *views_before(const struct ptd_train *t)
{
    struct ptd_tensor_view *v;
    int n;
    if (t->rules.waits < 2 || t->generation - 1 <= t->published) return NULL;
    v = ptd_model_live_views(t->model, &n);
    if (ptd_live_view(t->live, t->generation - 1, v, n)) return v;
    free(v);
    return NULL;
}

/* The counters and settings, as JSON. */
static char *run_text(const struct ptd_train *t)
{
    char coef[64] = "", share[64] = "", *method = ptd_strdup(""), *run,
         *changes = t->changes ? ptd_format("\"changes\":%s,", t->changes) : ptd_strdup("");
    if (t->kl_coef >= 0) snprintf(coef, sizeof coef, "\"kl_coef\":%.17g,", t->kl_coef);
    if (t->method) {
        free(method);
        method = ptd_format("\"method\":\"%s\",", t->method);
    }
    if (t->rules.optimizer.ranks > 1)
        snprintf(share, sizeof share, "\"share\":[%d,%d],", t->rules.optimizer.rank,
                 t->rules.optimizer.ranks);
    run = ptd_format("{\"updates\":%lld,\"bad_in_row\":%d,%s%s%s%s\"settings\":%s}",
                     (long long)ptd_optimizer_updates(t->optimizer), t->bad_in_row, coef, method,
                     share, changes, t->settings);
    free(method);
    free(changes);
    return run;
}

int ptd_train_publish(struct ptd_train *t)
{
    struct ptd_model *m = t->model;
    struct ptd_publication p = {
        .generation = t->generation, .keep = t->rules.keep, .can_go_back = t->rules.can_go_back};
    char *run;
    int r;
    if (t->generation == t->published) return 0;
    run = run_text(t);
    p.before = views_before(t);
    ptd_optimizer_publish(t->optimizer, &p);
    p.run = run;
    p.partial = p.n < m->n_params;
    if (t->ema) ptd_ema_publish(t->ema, &p);
    r = ptd_store_publish(t->store, &p);
    if (!r) t->published = t->generation;
    if (!r) t->updates = ptd_optimizer_updates(t->optimizer);
    free(p.before);
    ptd_optimizer_published(&p);
    free(run);
    return r;
}

int ptd_train_back(struct ptd_train *t)
{
    if (ptd_optimizer_updates(t->optimizer) != t->updates)
        return ptd_fail(PTD_DIVERGED,
                        "%s, and what they were is not in the store: nothing is published since "
                        "generation %lld (--apply whole or --clip-grad would refuse the step, and "
                        "so would --publish-every 1 with --updates 1)",
                        ptd_failed_message(), (long long)t->published);
    ptd_optimizer_clear(t->optimizer);
    return ptd_model_load(t->model, t->store, t->published) ||
                   ptd_optimizer_load(t->optimizer, t->store, t->updates, t->published)
               ? -1
               : 0;
}

static int share(struct ptd_train *t)
{
    int n;
    if (!t->live) return 0;
    struct ptd_tensor_view *v = ptd_model_live_views(t->model, &n);
    int r = ptd_live_put(t->live, t->generation, v, n);
    free(v);
    if (!r) return 0;
    ptd_warn("%s; every step is published", ptd_failed_message());
    t->rules.every = 1;
    return ptd_train_publish(t);
}

int ptd_train_step_done(struct ptd_train *t)
{
    const char *bad = ptd_optimizer_not_finite(t->optimizer);
    if (ptd_device_wait(t->model->device)) return -1;
    if (bad)
        return ptd_fail(PTD_DIVERGED, "%s of generation %lld are not finite; not published", bad,
                        (long long)t->generation + 1);
    t->generation++;
    if (t->ema) ptd_ema_step(t->ema);
    return t->generation % t->rules.every ? share(t) : ptd_train_publish(t);
}

void ptd_train_close(struct ptd_train *t)
{
    if (!t) return;
    ptd_live_close(t->live);
    if (t->store) ptd_store_close(t->store);
    ptd_shared_close(t->sources);
    ptd_optimizer_free(t->optimizer);
    ptd_ema_free(t->ema);
    ptd_model_free(t->model);
    free(t->settings);
    free(t->changes);
    free(t);
}
