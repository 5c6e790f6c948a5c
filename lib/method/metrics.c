/* metrics: see metrics.h. */
#include "method/metrics.h"
#include "base/utf8.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct {
    int supervised;
    double value, reward, entropy;
} last;

void ptd_metrics_add(struct ptd_metrics *m, const struct ptd_learned *p, double norm)
{
    struct ptd_learned *s = &m->sum;
    s->tokens += p->tokens, s->kl_tokens += p->kl_tokens, s->tutored_tokens += p->tutored_tokens,
        s->tutored += p->tutored, s->packed += p->packed;
    s->words += p->words, s->loss += p->loss, s->pg += p->pg, s->kl += p->kl, s->jsd += p->jsd,
        s->entropy += p->entropy, s->logp += p->logp, s->ppo_kl += p->ppo_kl;
    s->clipped_high += p->clipped_high, s->clipped_dual += p->clipped_dual;
    if (p->max_ratio_error > s->max_ratio_error) s->max_ratio_error = p->max_ratio_error;
    m->norm = (m->norm * m->updates + norm) / (m->updates + 1);
    m->updates++;
}

static void widen(double x, double *lo, double *hi, int first)
{
    if (first || x < *lo) *lo = x;
    if (first || x > *hi) *hi = x;
}

static struct ptd_metrics_part *part_named(struct ptd_metrics *m, const char *name)
{
    for (int i = 0; i < m->n_parts; i++)
        if (strcmp(m->parts[i].name, name) == 0) return &m->parts[i];
    if (m->n_parts == PTD_LIST_MAX || strlen(name) >= sizeof m->parts[0].name) return NULL;
    struct ptd_metrics_part *p = &m->parts[m->n_parts++];
    *p = (struct ptd_metrics_part){0};
    strcpy(p->name, name);
    return p;
}

static void add_parts(struct ptd_metrics *m, const struct ptd_rollout *y)
{
    for (int i = 0; i < y->n_parts; i++) {
        struct ptd_metrics_part *p = part_named(m, y->parts[i].name);
        if (p) p->sum += y->parts[i].value, p->n++;
    }
}

void ptd_metrics_groups(struct ptd_metrics *m, struct ptd_group **groups, int n)
{
    for (int i = 0; i < n; i++) {
        const struct ptd_group *g = groups[i];
        int right = 0, taught = 0;
        for (int j = 0; j < g->n_rollouts; j++) {
            const struct ptd_rollout *y = &g->rollouts[j];
            int first = m->group.responses++ == 0;
            widen(y->n, &m->group.length_min, &m->group.length_max, first);
            widen(y->reward, &m->group.reward_min, &m->group.reward_max, first);
            widen(y->advantage, &m->group.advantage_min, &m->group.advantage_max, first);
            m->group.length += y->n;
            m->group.reward += y->reward;
            m->group.accuracy += y->accuracy;
            m->group.format += y->format;
            m->group.unparsable += y->outcome == PTD_UNPARSABLE;
            m->group.truncated += y->stop && !strcmp(y->stop, "length");
            right += ptd_rollout_right(y);
            add_parts(m, y);
            taught |= ptd_rollout_taught(y);
        }
        m->group.groups++;
        m->group.all_fail += right == 0;
        m->group.all_pass += right == g->n_rollouts;
        m->group.informative += right > 0 && right < g->n_rollouts;
        m->group.active += taught;
        m->group.hinted += g->hint.text != NULL;
        m->group.prompt += g->n_prompt;
    }
}

/* JSON has no NaN: such a value becomes null. */
static void put(json_t *o, const char *key, double x)
{
    json_object_set_new(o, key, isfinite(x) ? json_real(x) : json_null());
}
static void put_count(json_t *o, const char *key, long x)
{
    json_object_set_new(o, key, json_integer(x));
}

/* "reward/NAME", unless it is one of ours. */
static void put_parts(const struct ptd_metrics *m, json_t *o)
{
    for (int i = 0; i < m->n_parts; i++) {
        const struct ptd_metrics_part *p = &m->parts[i];
        size_t n;
        char *name = ptd_utf8(p->name, strlen(p->name), &n), *key = ptd_format("reward/%s", name);
        if (!json_object_get(o, key)) put(o, key, p->sum / p->n);
        free(key);
        free(name);
    }
}

static void put_policy(const struct ptd_metrics *m, json_t *o)
{
    const struct ptd_learned *s = &m->sum;
    double n = s->tokens ? s->tokens : 1, r = m->group.responses ? m->group.responses : 1,
           g = m->group.groups ? m->group.groups : 1;
    double taught = s->tutored_tokens ? s->tutored_tokens : 1;
    put(o, "reward/overall", m->group.reward / r);
    put(o, "reward/accuracy", m->group.accuracy / r);
    put(o, "reward/format", m->group.format / r);
    put(o, "reward/unparsable", m->group.unparsable / r);
    put_parts(m, o);
    put(o, "critic/score/mean", m->group.reward / r);
    put(o, "critic/rewards/mean", m->group.reward / r);
    put(o, "critic/rewards/max", m->group.reward_max);
    put(o, "critic/rewards/min", m->group.reward_min);
    put(o, "critic/advantages/max", m->group.advantage_max);
    put(o, "critic/advantages/min", m->group.advantage_min);
    put(o, "actor/pg_loss", s->pg / n);
    put(o, "actor/ppo_kl", s->ppo_kl / n);
    put(o, "actor/entropy_loss", -s->logp / n);
    put(o, "actor/pg_clipfrac_higher", s->clipped_high / n);
    put(o, "actor/pg_clipfrac_lower", s->clipped_dual / n);
    put(o, "actor/kl_loss", s->kl_tokens ? s->kl / s->kl_tokens : 0);
    put(o, "actor/kl_coef", ptd_loss_reference(m->rules));
    put(o, "actor/max_ratio_error", s->max_ratio_error);
    put_count(o, "ptd/ptd_groups", m->group.active);
    put_count(o, "ptd/total_groups", m->group.groups);
    put_count(o, "ptd/ptd_trajectories", s->tutored);
    put_count(o, "ptd/total_trajectories", m->group.responses);
    put(o, "ptd/mask_ratio", s->tutored / r);
    put(o, "ptd/group_mask_ratio", m->group.active / g);
    put(o, "ptd/hint_ratio", m->group.hinted / g);
    put(o, "actor/ptd_kl", s->jsd / taught);
    put(o, "actor/ptd_loss", m->rules->lambda * s->jsd / taught);
    put(o, "group_reward/all_fail_ratio", m->group.all_fail / g);
    put(o, "group_reward/all_pass_ratio", m->group.all_pass / g);
    put(o, "group_reward/informative_ratio", m->group.informative / g);
}

static json_t *object_of(const struct ptd_metrics *m)
{
    const struct ptd_learned *s = &m->sum;
    double n = s->tokens ? s->tokens : 1, r = m->group.responses ? m->group.responses : 1,
           g = m->group.groups ? m->group.groups : 1;
    double all = m->wait + m->update + m->publish;
    json_t *o = json_object();
    put_count(o, "step", m->step);
    put(o, "actor/loss", s->loss);
    if (!m->rules->loss->supervised) put_policy(m, o);
    if (m->rules->ground) put(o, "actor/picture_words_loss", s->words);
    put(o, "actor/entropy", s->entropy / n);
    put(o, "actor/grad_norm", m->norm);
    put(o, "actor/lr", m->lr);
    put_count(o, "actor/refused_updates", m->refused);
    put(o, "response_length/mean", m->group.length / r);
    put(o, "response_length/max", m->group.length_max);
    put(o, "response_length/min", m->group.length_min);
    put(o, "response_length/clip_ratio", m->group.truncated / r);
    put(o, "prompt_length/mean", m->group.prompt / g);
    put(o, "timing_s/wait", m->wait);
    put(o, "timing_s/update_actor", m->update);
    put(o, "timing_s/save_checkpoint", m->publish);
    put(o, "timing_s/step", all);
    put_count(o, "perf/total_num_tokens", s->packed);
    put(o, "perf/time_per_step", all);
    put(o, "perf/throughput", s->packed / (all > 0 ? all : 1));
    last.supervised = m->rules->loss->supervised;
    last.value = s->loss;
    last.reward = m->group.accuracy / r;
    last.entropy = s->entropy / n;
    return o;
}

char *ptd_metrics_line(const struct ptd_metrics *m)
{
    json_t *o = object_of(m);
    char *text = json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    char *line = ptd_format("%s\n", text);
    free(text);
    json_decref(o);
    return line;
}

const char *ptd_metrics_note(char *buf, size_t n)
{
    if (last.supervised)
        snprintf(buf, n, "loss %.3f", last.value);
    else
        snprintf(buf, n, "accuracy %.2f entropy %.3f", last.reward, last.entropy);
    return buf;
}
