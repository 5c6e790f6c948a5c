/* What decides a run's numbers, as one JSON object with a key for each.
 * Leaves to train.c: what the machine adds, and the comparison. */
#include "settings.h"
#include <jansson.h>

static void put_sampling(json_t *s, const struct ptd_head *h)
{
    json_object_set_new(s, "data", h->data_digest ? json_string(h->data_digest) : json_null());
    json_object_set_new(s, "seed", json_integer(h->seed));
    json_object_set_new(s, "group_size", json_integer(h->group_size));
    json_object_set_new(s, "prompts", json_integer(h->step_groups));
    json_object_set_new(s, "max_tokens", json_integer(h->max_tokens));
    json_object_set_new(s, "temperature", json_real(h->temperature));
    json_object_set_new(s, "top_logprobs", json_integer(h->top_logprobs));
    if (h->sampling) json_object_set_new(s, "sampling", json_string(h->sampling));
}

/* The first program is in the fields above. */
static void put_stages(json_t *s, const struct ptd_head *h)
{
    json_t *stages = json_array();
    for (int i = 1; i < h->n_stages; i++) {
        const struct ptd_stage_note *n = &h->stages[i];
        json_array_append_new(stages, json_string(n->decided ? n->decided : n->command));
    }
    json_object_set_new(s, "stages", stages);
}

static void put_losses(json_t *s, const struct ptd_settings *all)
{
    const struct ptd_loss_rules *r = all->rules;
    json_object_set_new(s, "loss", json_string(all->loss));
    json_object_set_new(s, "divergence", json_string(all->divergence));
    json_object_set_new(s, "loss_weights", json_pack("[f f f]", r->beta, r->lambda, r->tau));
    json_object_set_new(s, "clip", json_pack("[f f f]", r->clip.low, r->clip.high, r->clip.dual));
    json_object_set_new(s, "top_k", json_integer(r->top_k));
    json_object_set_new(s, "picture_words", json_real(all->words));
    json_object_set_new(s, "micro", json_integer(r->micro_tokens));
    json_object_set_new(s, "updates", json_integer(all->updates));
}

static void put_optimizer(json_t *s, const struct ptd_settings *all)
{
    const struct ptd_train_rules *t = all->train;
    const struct ptd_adamw *a = &t->adamw;
    json_object_set_new(s, "adamw", json_pack("[f f f f f]", a->lr, a->beta1, a->beta2, a->eps, a->decay));
    json_object_set_new(s, "clip_grad", json_real(t->clip));
    json_object_set_new(s, "schedule", json_string(all->schedule));
    json_object_set_new(s, "warmup", json_integer(t->warmup));
    json_object_set_new(s, "floor", json_real(t->floor));
    if (t->schedule != PTD_CONSTANT) json_object_set_new(s, "steps", json_integer(all->head->steps));
}

char *ptd_settings_text(const struct ptd_settings *all)
{
    json_t *s = json_object();
    put_sampling(s, all->head);
    put_losses(s, all);
    put_optimizer(s, all);
    put_stages(s, all->head);
    char *text = json_dumps(s, JSON_COMPACT);
    json_decref(s);
    return text;
}
