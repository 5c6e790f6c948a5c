/* metrics: see metrics.h. */
#include "method/metrics.h"
#include "base/utf8.h"
#include "method/privileged.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct {
    int supervised;
    double value, reward, entropy;
} last;

void ptd_metrics_add(struct ptd_metrics *m, const struct ptd_learned *p, double norm, int first)
{
    struct ptd_learned *s = &m->sum;
    s->tokens += p->tokens, s->kl_tokens += p->kl_tokens, s->tutored_tokens += p->tutored_tokens,
        s->tutored += p->tutored, s->packed += p->packed;
    s->words += p->words, s->loss += p->loss, s->pg += p->pg, s->kl += p->kl, s->jsd += p->jsd,
        s->entropy += p->entropy, s->logp += p->logp, s->ppo_kl += p->ppo_kl;
    s->pg_loss += p->pg_loss, s->kl_loss += p->kl_loss, s->far_loss += p->far_loss,
        s->entropy_loss += p->entropy_loss, s->masked_loss += p->masked_loss;
    s->clipped_high += p->clipped_high, s->clipped_dual += p->clipped_dual;
    if (p->max_ratio_error > s->max_ratio_error) s->max_ratio_error = p->max_ratio_error;
    if (first) m->gap += p->gap;
    if (first && p->max_gap > m->max_gap) m->max_gap = p->max_gap;
    m->norm = (m->norm * m->updates + norm) / (m->updates + 1);
    m->updates++;
}

double ptd_metrics_kl(const struct ptd_metrics *m)
{
    const struct ptd_before *b = m->before;
    if (b && b->kl_tokens) return b->kl / b->kl_tokens;
    return m->sum.kl_tokens ? m->sum.kl / m->sum.kl_tokens : 0;
}

static void widen(double x, double *lo, double *hi, int first)
{
    if (first || x < *lo) *lo = x;
    if (first || x > *hi) *hi = x;
}

/* A number that counts for n tokens, or for one response. */
static void spread(struct ptd_range *r, double x, int n)
{
    if (!n) return;
    widen(x, &r->least, &r->most, !r->n);
    r->sum += n * x;
    r->n += n;
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

/* Its tokens begin with number `first` of the step. */
static void add_worth(struct ptd_metrics *m, const struct ptd_rollout *y, long first)
{
    const struct ptd_before *b = m->before;
    double earned = y->reward;
    spread(&m->group.score, y->reward, 1);
    if (!b || !b->advantage) {
        spread(&m->group.advantage, y->advantage, y->n);
        spread(&m->group.returns, y->reward, y->n);
    } else {
        if (y->n) earned = b->returns[first];
        for (long i = first; i < first + y->n; i++) {
            spread(&m->group.advantage, b->advantage[i], 1);
            spread(&m->group.returns, b->returns[i], 1);
        }
    }
    spread(&m->group.reward, earned, 1);
}

/* What it earned. */
static void add_judged(struct ptd_metrics *m, const struct ptd_rollout *y)
{
    add_worth(m, y, (long)m->group.length);
    m->group.judged++;
    m->group.accuracy += y->accuracy;
    m->group.format += y->format;
    m->group.unparsable += y->outcome == PTD_UNPARSABLE;
    add_parts(m, y);
}

static void add_response(struct ptd_metrics *m, const struct ptd_rollout *y, int n_prompt)
{
    widen(y->n, &m->group.length_min, &m->group.length_max, !m->group.responses);
    m->group.responses++;
    m->group.length += y->n;
    m->group.read += n_prompt + y->n;
    m->group.truncated += y->stop && !strcmp(y->stop, "length");
}

static void add_prompt(struct ptd_metrics *m, int n)
{
    widen(n, &m->group.prompt_min, &m->group.prompt_max, !m->group.groups);
    m->group.prompt += n;
    m->group.prompts_at_limit += m->max_prompt && n >= m->max_prompt;
}

void ptd_metrics_groups(struct ptd_metrics *m, struct ptd_group **groups, int n)
{
    for (int i = 0; i < n; i++) {
        const struct ptd_group *g = groups[i];
        int right = 0, hinted = m->rules->loss->supervised && g->hint.text != NULL,
            own = !ptd_privileged_given(g);
        for (int j = 0; j < g->n_rollouts; j++) {
            const struct ptd_rollout *y = &g->rollouts[j];
            if (own) add_judged(m, y);
            add_response(m, y, hinted ? g->hint.n_prompt : g->n_prompt);
            right += own && ptd_rollout_right(y);
        }
        add_prompt(m, g->n_prompt);
        if (own && !m->rules->loss->supervised) ptd_answers_count(&m->answers, g);
        m->group.groups++;
        m->group.all_fail += right == 0;
        m->group.all_pass += right == g->n_rollouts;
        m->group.informative += right > 0 && right < g->n_rollouts;
        m->group.active += ptd_learn_tutors(m->rules, g);
        m->group.hinted += g->hint.text != NULL;
        m->group.gated += g->hint_gain != 0 || g->hint_refused;
        m->group.passed += g->hint_gain > 0 && g->hint.text;
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

/* "critic/score/mean" and so on. */
static void put_range(json_t *o, const char *name, const struct ptd_range *r)
{
    const char *const what[] = {"mean", "max", "min"};
    const double x[] = {r->n ? r->sum / r->n : 0, r->most, r->least};
    for (int i = 0; i < 3; i++) {
        char *key = ptd_format("%s/%s", name, what[i]);
        put(o, key, x[i]);
        free(key);
    }
}

static void put_answers(const struct ptd_metrics *m, json_t *o)
{
    const struct ptd_answers *a = &m->answers;
    double given = a->given ? (double)a->given : 1, r = m->group.judged ? m->group.judged : 1;
    int top, n = ptd_answers_frequent(a, &top, 1);
    put(o, "answer/distinct_ratio", ptd_answers_different(a) / given);
    put(o, "answer/top_ratio", n ? (double)a->at[top].times / r : 0);
}

static void put_rewards(const struct ptd_metrics *m, json_t *o)
{
    double r = m->group.judged ? m->group.judged : 1;
    put(o, "reward/overall", m->group.score.n ? m->group.score.sum / r : 0);
    put(o, "reward/accuracy", m->group.accuracy / r);
    put(o, "reward/format", m->group.format / r);
    put(o, "reward/unparsable", m->group.unparsable / r);
    put_parts(m, o);
    put_answers(m, o);
    put_range(o, "critic/score", &m->group.score);
    put_range(o, "critic/rewards", &m->group.reward);
    put_range(o, "critic/advantages", &m->group.advantage);
    put_range(o, "critic/returns", &m->group.returns);
}

/* How far the weights are from those that sampled. */
static void put_gap(const struct ptd_metrics *m, json_t *o)
{
    const struct ptd_before *b = m->before;
    int looked = b && b->weight && b->tokens;
    double n = m->group.length > 0 ? m->group.length : 1;
    put(o, "actor/sampling_gap/mean", (looked ? b->gap : m->gap) / n);
    put(o, "actor/sampling_gap/max", looked ? b->max_gap : m->max_gap);
    if (!looked) return;
    put(o, "actor/tis/mean", b->weights / n);
    put(o, "actor/tis/min", b->least);
    put(o, "actor/tis/truncated", b->truncated / n);
}

/* The parts that L is the sum of: means over updates, as itself. */
static void put_loss(const struct ptd_metrics *m, json_t *o)
{
    const struct ptd_learned *s = &m->sum;
    const struct ptd_before *b = m->before;
    double n = s->tokens ? s->tokens : 1, u = m->updates ? m->updates : 1;
    put(o, "actor/pg_loss", s->pg_loss / u);
    put(o, "actor/ppo_kl", s->ppo_kl / n);
    put(o, "actor/entropy_loss", -s->logp / n);
    put(o, "actor/pg_clipfrac_higher", s->clipped_high / n);
    put(o, "actor/pg_clipfrac_lower", s->clipped_dual / n);
    put(o, "actor/kl_loss", s->kl_loss / u);
    put(o, "actor/kl_coef", m->beta);
    if (m->rules->kl_in_reward) put(o, "critic/kl", ptd_metrics_kl(m));
    put_count(o, "actor/tokens", (long)m->group.length);
    put_count(o, "actor/kl_tokens",
              b && b->kl_tokens ? b->kl_tokens : s->kl_tokens / (m->epochs ? m->epochs : 1));
    put(o, "actor/max_ratio_error", s->max_ratio_error);
    put_gap(m, o);
}

static void put_tutor(const struct ptd_metrics *m, json_t *o)
{
    const struct ptd_learned *s = &m->sum;
    double r = m->group.responses ? m->group.responses : 1,
           g = m->group.groups ? m->group.groups : 1;
    double taught = s->tutored_tokens ? s->tutored_tokens : 1, u = m->updates ? m->updates : 1;
    double gamma = m->rules->tutoring.masked;
    long epochs = m->epochs ? m->epochs : 1;
    put_count(o, "ptd/ptd_groups", m->group.active);
    put_count(o, "ptd/total_groups", m->group.groups);
    put_count(o, "ptd/ptd_trajectories", s->tutored / epochs);
    put_count(o, "ptd/total_trajectories", m->group.responses);
    put_count(o, "ptd/ptd_tokens", s->tutored_tokens / epochs);
    put(o, "ptd/mask_ratio", s->tutored / epochs / r);
    put(o, "ptd/group_mask_ratio", m->group.active / g);
    put(o, "ptd/hint_ratio", m->group.hinted / g);
    if (m->group.gated) put(o, "ptd/hint_gate_ratio", (double)m->group.passed / m->group.gated);
    put(o, "actor/ptd_kl", s->jsd / taught);
    put(o, "actor/ptd_loss", s->far_loss / u);
    put(o, "actor/ptd_coef", m->rules->lambda);
    if (gamma > 0) put(o, "actor/kl_prcp_loss", -s->masked_loss / gamma / u);
    if (gamma > 0) put(o, "actor/kl_prcp_coef", gamma);
    put(o, "group_reward/all_fail_ratio", m->group.all_fail / g);
    put(o, "group_reward/all_pass_ratio", m->group.all_pass / g);
    put(o, "group_reward/informative_ratio", m->group.informative / g);
}

static void put_lengths(const struct ptd_metrics *m, json_t *o)
{
    double r = m->group.responses ? m->group.responses : 1,
           g = m->group.groups ? m->group.groups : 1;
    put(o, "response_length/mean", m->group.length / r);
    put(o, "response_length/max", m->group.length_max);
    put(o, "response_length/min", m->group.length_min);
    put(o, "response_length/clip_ratio", m->group.truncated / r);
    put(o, "prompt_length/mean", m->group.prompt / g);
    put(o, "prompt_length/max", m->group.prompt_max);
    put(o, "prompt_length/min", m->group.prompt_min);
    put(o, "prompt_length/clip_ratio", m->group.prompts_at_limit / g);
}

static void put_speed(const struct ptd_metrics *m, json_t *o)
{
    double all = m->wait + m->update + m->publish;
    put(o, "timing_s/wait", m->wait);
    put(o, "timing_s/update_actor", m->update);
    put(o, "timing_s/save_checkpoint", m->publish);
    put(o, "timing_s/step", all);
    put_count(o, "perf/total_num_tokens", (long)m->group.read);
    put_count(o, "perf/computed_tokens", m->sum.packed);
    put(o, "perf/time_per_step", all);
    put(o, "perf/throughput", m->group.read / (all > 0 ? all : 1));
    if (m->ranks < 2) return;
    put_count(o, "perf/ranks", m->ranks);
    put(o, "perf/bytes_sent", m->sent);
}

static json_t *object_of(const struct ptd_metrics *m)
{
    const struct ptd_learned *s = &m->sum;
    double n = s->tokens ? s->tokens : 1, u = m->updates ? m->updates : 1,
           r = m->group.judged ? m->group.judged : 1;
    json_t *o = json_object();
    put_count(o, "step", m->step);
    put(o, "actor/loss", s->loss / u);
    if (!m->rules->loss->supervised) {
        put_rewards(m, o);
        put_loss(m, o);
        put_tutor(m, o);
    }
    if (m->rules->ground) put(o, "actor/picture_words_loss", s->words / u);
    put(o, "actor/entropy", s->entropy / n);
    put(o, "actor/entropy_bonus", m->rules->bonus * s->entropy_loss / u);
    put(o, "actor/grad_norm", m->norm);
    put(o, "actor/lr", m->lr);
    put_count(o, "actor/refused_updates", m->refused);
    put_lengths(m, o);
    put_speed(m, o);
    last.supervised = m->rules->loss->supervised;
    last.value = s->loss / u;
    last.reward = m->group.accuracy / r;
    last.entropy = s->entropy / n;
    return o;
}

void ptd_metrics_clear(struct ptd_metrics *m)
{
    ptd_answers_clear(&m->answers);
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
