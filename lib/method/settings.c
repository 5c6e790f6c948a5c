/* What decides a run's numbers, as one JSON object with a key for each, or a program's within one
 * more. Leaves the comparison to train.c. */
#include "method/settings.h"
#include "compute/fingerprint.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* A text of a stream; in hex if it is no UTF-8, since nothing may be left out. */
static json_t *text(const char *s)
{
    json_t *t = json_string(s);
    if (t) return t;
    size_t n = strlen(s);
    char *hex = ptd_alloc(2 * n + 7), *at = stpcpy(hex, "bytes ");
    for (size_t i = 0; i < n; i++) at += sprintf(at, "%02x", (unsigned char)s[i]);
    t = json_string(hex);
    free(hex);
    return t;
}

static void put_sampling(json_t *s, const struct ptd_head *h)
{
    json_object_set_new(s, "data", h->data_digest ? text(h->data_digest) : json_null());
    if (h->pictures_digest) json_object_set_new(s, "pictures", text(h->pictures_digest));
    json_object_set_new(s, "seed", json_integer(h->seed));
    json_object_set_new(s, "group_size", json_integer(h->group_size));
    json_object_set_new(s, "prompts", json_integer(h->step_groups));
    json_object_set_new(s, "max_tokens", json_integer(h->max_tokens));
    json_object_set_new(s, "temperature", json_real(h->temperature));
    json_object_set_new(s, "top_logprobs", json_integer(h->top_logprobs));
    if (h->sampling) json_object_set_new(s, "sampling", text(h->sampling));
}

/* "threads 2; blas Zen kernel" as {"threads": "2", "blas": "Zen kernel"} */
static void put_machine(json_t *program, const char *machine)
{
    char *copy = ptd_strdup(machine), *rest = copy, *item;
    while ((item = strsep(&rest, ";"))) {
        item += *item == ' ';
        char *value = strchr(item, ' ');
        if (value) *value++ = 0;
        json_object_set_new(program, item, text(value ? value : ""));
    }
    free(copy);
}

/* One program of the pipe under its name; under "ptd-hint 2" if it is there already. */
static void put_program(json_t *s, const char *name, const char *decided, const char *machine)
{
    json_t *program = json_object();
    char *key = ptd_strdup(name);
    for (int i = 2; json_object_get(s, key); i++) {
        free(key);
        key = ptd_format("%s %d", name, i);
    }
    if (decided) json_object_set_new(program, "options", text(decided));
    if (machine) put_machine(program, machine);
    json_object_set_new(s, key, program);
    free(key);
}

/* What the first program's options decide is in the fields above, and what ptd-update's do below.
 */
static void put_programs(json_t *s, const struct ptd_head *h, struct ptd_device *device)
{
    char *machine = ptd_machine(device);
    json_t *pipe = json_array();
    for (int i = 0; i < h->n_stages; i++)
        json_array_append_new(pipe, text(h->stages[i].name ? h->stages[i].name : ""));
    json_object_set_new(s, "pipe", pipe);
    for (int i = 0; i < h->n_stages; i++) {
        const struct ptd_stage_note *n = &h->stages[i];
        const char *decided = n->decided ? n->decided : n->command;
        put_program(s, n->name ? n->name : "", i ? decided : NULL, n->machine);
    }
    put_program(s, "ptd-update", NULL, machine);
    free(machine);
}

/* Options with what they are set to. */
static json_t *options_of(const struct ptd_method *m)
{
    json_t *o = json_object();
    for (const struct ptd_opt *at = m->options; at && at->name; at++)
        json_object_set_new(o, at->name,
                            at->kind == PTD_OPT_DOUBLE ? json_real(*(double *)at->value)
                            : at->kind == PTD_OPT_LONG ? json_integer(*(int64_t *)at->value)
                            : at->kind == PTD_OPT_STR  ? text(*(const char **)at->value)
                                                       : json_integer(*(int *)at->value));
    return o;
}

static void put_method(json_t *s, const char *key, const struct ptd_method *m)
{
    json_object_set_new(s, key, json_string(m->name));
    if (m->options) json_object_set_new(s, m->name, options_of(m));
}

/* The loss with its clips, the KL and its own options, as one object. */
static void put_loss(json_t *s, const struct ptd_loss_rules *r)
{
    json_t *o = options_of(&r->loss->is);
    json_object_set_new(s, "loss", json_string(r->loss->is.name));
    if (!r->loss->supervised) {
        json_object_set_new(o, "beta", json_real(r->beta));
        json_object_set_new(o, "clip-low", json_real(r->clip.low));
        json_object_set_new(o, "clip-high", json_real(r->clip.high));
        json_object_set_new(o, "clip-dual", json_real(r->clip.dual));
    }
    if (json_object_size(o)) json_object_set(s, r->loss->is.name, o);
    json_decref(o);
}

static void put_real(json_t *s, const char *key, double x, double usual)
{
    if (x != usual) json_object_set_new(s, key, json_real(x));
}

/* What earlier programs had not is named where it is not what they did. */
static void put_policy(json_t *s, const struct ptd_settings *all)
{
    const struct ptd_loss_rules *r = all->rules;
    if (r->aggregate != PTD_BY_TOKEN)
        json_object_set_new(s, "aggregate", json_string(ptd_aggregate_names[r->aggregate]));
    if (r->aggregate == PTD_BY_CONSTANT) json_object_set_new(s, "length", json_real(r->length));
    if (strcmp(r->kl->is.name, "k3")) json_object_set_new(s, "kl", json_string(r->kl->is.name));
    if (r->kl_in_reward) json_object_set_new(s, "kl_in", json_string("reward"));
    if (all->steered->target > 0)
        json_object_set_new(s, "kl_steered",
                            json_pack("[f f]", all->steered->target, all->steered->horizon));
    put_real(s, "entropy_bonus", r->bonus, 0);
    put_real(s, "top_entropy", r->top_entropy, 1);
    put_real(s, "tis", all->tis, 0);
    if (all->epochs != 1) json_object_set_new(s, "epochs", json_integer(all->epochs));
}

static void put_name(json_t *s, const char *key, ptd_method_table table, int code)
{
    if (code) json_object_set_new(s, key, json_string(table[code]->name));
}

/* The same of tutored tokens; tables are in the order of their codes. */
static void put_tutoring(json_t *s, const struct ptd_settings *all)
{
    const struct ptd_tutoring *t = &all->rules->tutoring;
    const struct ptd_lambda *l = all->lambda;
    put_name(s, "support", ptd_supports, t->support);
    put_name(s, "tutor_weight", ptd_weighings, t->weigh);
    put_name(s, "kl_lift", ptd_lifts, t->lift);
    put_name(s, "tutor_as", ptd_tutor_uses, t->as_advantage);
    if (t->no_tail) json_object_set_new(s, "tail", json_false());
    put_real(s, "masked_kl", t->masked, 0);
    if (!l || !l->schedule) return;
    json_object_set_new(s, "lambda_schedule",
                        json_pack("[s f]", ptd_lambda_schedules[l->schedule]->name, l->end));
    json_object_set_new(s, "steps", json_integer(all->head->steps));
}

static void put_losses(json_t *s, const struct ptd_settings *all)
{
    const struct ptd_loss_rules *r = all->rules;
    put_loss(s, r);
    put_policy(s, all);
    put_tutoring(s, all);
    put_method(s, "divergence", &r->divergence->is);
    json_object_set_new(s, "loss_weights", json_pack("[f f]", r->lambda, r->tau));
    json_object_set_new(s, "top_k", json_integer(r->top_k));
    json_object_set_new(s, "picture_words", json_real(all->words));
    json_object_set_new(s, "micro", json_integer(r->micro_tokens));
    json_object_set_new(s, "updates", json_integer(all->updates));
}

static void put_optimizer(json_t *s, const struct ptd_settings *all)
{
    const struct ptd_train_rules *t = all->train;
    const struct ptd_optimizer_rules *o = &t->optimizer;
    const struct ptd_adamw *a = &o->adamw;
    json_object_set_new(s, "adamw",
                        json_pack("[f f f f f]", a->lr, a->beta1, a->beta2, a->eps, a->decay));
    json_object_set_new(s, "clip_grad", json_real(o->clip));
    /* what earlier programs had not is named where it is not what they did */
    if (o->moments && o->moments->code)
        json_object_set_new(s, "moments", json_string(o->moments->is.name));
    if (o->master && o->master->code != PTD_MASTER_F32)
        json_object_set_new(s, "master", json_string(o->master->is.name));
    if (t->ema > 0) json_object_set_new(s, "ema", json_real(t->ema));
    if (t->by_part) json_object_set_new(s, "apply", json_string("layer"));
    json_object_set_new(s, "schedule", json_string(all->schedule));
    json_object_set_new(s, "warmup", json_integer(t->warmup));
    json_object_set_new(s, "floor", json_real(t->floor));
    if (all->ranks > 1) json_object_set_new(s, "ranks", json_integer(all->ranks));
    if (all->ranks > 1 && all->on_cards) json_object_set_new(s, "sum_on", json_string("nccl"));
    if (all->ranks > 1 && t->optimizer.ranks > 1)
        json_object_set_new(s, "shard_optimizer", json_true());
    if (all->ranks > 1 && strcmp(all->reduce, "f32"))
        json_object_set_new(s, "reduce", json_string(all->reduce));
    if (t->schedule != PTD_CONSTANT)
        json_object_set_new(s, "steps", json_integer(all->head->steps));
}

char *ptd_settings_text(const struct ptd_settings *all)
{
    json_t *s = json_object();
    put_sampling(s, all->head);
    put_losses(s, all);
    put_optimizer(s, all);
    put_programs(s, all->head, all->device);
    char *text = json_dumps(s, JSON_COMPACT);
    json_decref(s);
    return text;
}
