/* A step: updates by its groups, then metrics. */
#include "update/update.h"
#include "method/metrics.h"
#include "method/worth.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Which group first gives a gradient that is not finite; its uid, or "" if only their sum does. */
static const char *culprit(struct run *r, struct ptd_group **g, int n, int bad)
{
    struct ptd_learned one;
    if (bad >= 0) return g[bad]->uid;
    opt.rules.comm = NULL; /* they look at their own */
    opt.rules.last = NULL;
    for (int i = 0; i < n; i++) {
        ptd_optimizer_zero(r->train->optimizer);
        opt.rules.known = ptd_before_from(&r->before, r->step.groups, g + i);
        opt.rules.traced = (struct ptd_traced){0};
        if (ptd_learn(r->score, g + i, 1, &opt.rules, &one, &bad)) ptd_die_last();
        if (bad >= 0 || !isfinite(ptd_optimizer_norm(r->train->optimizer))) return g[i]->uid;
    }
    return "";
}

/* The update's gradient; dies if one of its groups cannot be read. Returns the first that gives no
 * finite loss, or -1. */
static int learn(struct run *r, struct ptd_group **g, int n, struct ptd_learned *sum)
{
    int bad;
    if (!ptd_learn(r->score, g, n, &opt.rules, sum, &bad)) return bad;
    if (bad >= 0) ptd_reader_blame(r->in, &r->step.held[g + bad - r->step.groups].frame);
    ptd_die_last();
}

/* A backward pass that measures each part or moves it. 1: refused; *bad as of learn. */
static int pass(struct run *r, struct ptd_group **g, int n, double lr, double scale, int measures,
                struct ptd_learned *sum, double *norm, int *bad)
{
    struct ptd_optimizer *o = r->train->optimizer;
    int was = moved;
    ptd_optimizer_watch(o, lr, scale, measures);
    if (!measures) moved = 1;
    *bad = learn(r, g, n, sum);
    if (*bad >= 0 && r->comm) ptd_optimizer_spoil(o);
    int refused = *bad < 0 || r->comm ? ptd_optimizer_end(o, norm) : 1;
    if (refused < 0 && ptd_train_back(r->train)) ptd_die_last();
    if (*bad >= 0) ptd_optimizer_drop(o);
    if (refused) moved = was;
    return refused;
}

static int update_by_layer(struct run *r, struct ptd_group **g, int n, double lr,
                           struct ptd_learned *sum, double *norm, int *bad)
{
    double scale = 1;
    if (opt.train.optimizer.clip > 0) {
        if (pass(r, g, n, 0, 0, 1, sum, norm, bad)) return 1;
        scale = ptd_optimizer_scale(r->train->optimizer, *norm);
    }
    return pass(r, g, n, lr, scale, 0, sum, norm, bad);
}

/* Once the step begins, the weights are no step's. All ranks come to it, whoever is at fault. */
static int update_whole(struct run *r, struct ptd_group **g, int n, double lr,
                        struct ptd_learned *sum, double *norm, int *bad)
{
    int was = moved;
    ptd_optimizer_zero(r->train->optimizer);
    if (r->comm) ptd_gradients_begin(r->gradients);
    *bad = learn(r, g, n, sum);
    if (r->comm && ptd_gradients_end(r->gradients, *bad >= 0)) ptd_die_last();
    if (*bad >= 0 && !r->comm) return 1;
    moved = 1;
    int refused = ptd_optimizer_step(r->train->optimizer, lr, norm);
    if (refused) moved = was;
    return refused;
}

/* Ranks that find nothing at fault with them leave it to the one that does, or to rank 0. */
static void tell_refused(struct run *r, const char *uid)
{
    double found[1] = {*uid != 0};
    join_sums(r);
    if (ptd_comm_sum(r->comm, found, 1)) ptd_die_last();
    if (!*uid && (found[0] > 0 || ptd_comm_rank(r->comm))) return;
    ptd_warn("step %lld: loss or gradient is not finite, first in record \"%s\"; step refused, "
             "weights unchanged",
             (long long)r->train->generation + 1, uid);
}

/* One optimizer step on n groups, which are seen for the first time or not. Returns 1 if it was
 * refused. */
static int update(struct run *r, struct ptd_group **g, int n, double lr, int first,
                  struct ptd_learned *sum, double *norm)
{
    int bad;
    opt.rules.known = ptd_before_from(&r->before, r->step.groups, g);
    opt.rules.traced = ptd_trace_from(first ? r->trace : NULL, r->step.groups, g);
    if (!(opt.train.by_part ? update_by_layer : update_whole)(r, g, n, lr, sum, norm, &bad))
        return 0;
    tell_refused(r, culprit(r, g, n, bad));
    *norm = NAN;
    return 1;
}

/* The step's weights, to whoever waits for them; published, too, if it is their turn. */
static void hand_on(struct run *r)
{
    if (ptd_train_step_done(r->train)) ptd_die_last();
    untold = r->train->generation == r->train->published;
    ahead = !untold;
    moved = 0;
}

static void add_line(struct run *r, const struct ptd_metrics *m)
{
    char *line = ptd_metrics_line(m);
    size_t n = ptd_comm_rank(r->comm) ? 0 : strlen(line); /* rank 0 prints */
    r->lines = ptd_realloc(r->lines, r->n_lines + n);
    memcpy(r->lines + r->n_lines, line, n);
    r->n_lines += n;
    free(line);
    if (r->train->generation == r->train->published) put_out_lines(r);
}

static int tutors(const void *rules, const struct ptd_group *g)
{
    return ptd_learn_lifts(rules, g);
}

/* Tokens that a prompt may have: --max-prompt of ptd-rollout, or the model's context; 0: any. */
static int max_prompt(const struct run *r)
{
    static const char mark[] = "; max-prompt ";
    const char *at = r->head.sampling ? strstr(r->head.sampling, mark) : NULL;
    return at ? atoi(at + sizeof mark - 1) : r->train->model->config.positions;
}

/* What is worked out before the first update. */
static void look_before(struct run *r)
{
    struct step *s = &r->step;
    struct ptd_less less = {opt.rules.kl, opt.rules.beta, tutors, &opt.rules};
    int bad;
    opt.rules.known = (struct ptd_known){0};
    ptd_before_clear(&r->before);
    if (r->comm && r->advantage && !opt.rules.kl_in_reward &&
        ptd_worth(r->advantage, s->groups, s->n))
        die_settled(r);
    if (opt.rules.kl_in_reward &&
        ptd_before_worth(&r->before, s->groups, s->n, r->advantage, &less))
        die_settled(r);
    if (!(opt.tis > 0) || opt.rules.loss->supervised) return;
    if (!ptd_before_look(&r->before, r->score, s->groups, s->n, &opt.rules, opt.tis, &bad)) return;
    if (bad >= 0) ptd_reader_blame(r->in, &s->held[bad].frame);
    die_settled(r);
}

/* All updates of one pass over the step. */
static void do_epoch(struct run *r, struct ptd_metrics *m, int first)
{
    struct step *s = &r->step;
    for (int u = 0; u < opt.updates; u++) {
        int from, to;
        struct ptd_learned part;
        double norm = 0;
        if (ptd_shares_part(&r->shares, u, opt.updates, &from, &to)) continue;
        m->refused += update(r, s->groups + from, to - from, m->lr, first, &part, &norm);
        ptd_metrics_add(m, &part, norm, first);
    }
}

/* beta of the next step. */
static void steer(struct run *r, const struct ptd_metrics *m)
{
    if (!(opt.steered.target > 0) || m->refused) return;
    opt.rules.beta =
        ptd_steered(&opt.steered, opt.rules.beta, ptd_metrics_kl(m), (double)m->group.responses);
    r->train->kl_coef = opt.rules.beta;
}

/* The head of the teacher whose hidden rows this step has. One that moves is of one generation. */
static void load_teacher(struct run *r)
{
    const struct step *s = &r->step;
    if (!r->teacher || !s->n) return;
    for (int i = 1; i < s->n && r->teacher->moves; i++)
        if (s->groups[i]->generation != s->groups[0]->generation) {
            ptd_fail(PTD_DATAERR,
                     "group \"%s\" was sampled by generation %lld, and the step before it by %lld: "
                     "expected one, since --teacher %s is it",
                     s->groups[i]->uid, (long long)s->groups[i]->generation,
                     (long long)s->groups[0]->generation, r->teacher->who);
            die_settled(r);
        }
    if (ptd_teacher_seek(r->teacher, s->groups[0]->generation) ||
        !(opt.rules.tutoring.head = ptd_teacher_head(r->teacher)))
        die_settled(r);
}

/* Groups in the order of all ranks; what is surplus among them goes (keep.h). */
static void order_groups(struct run *r)
{
    struct step *s = &r->step;
    for (int i = 0; i < s->n; i++) s->groups[i] = &s->held[i].group;
    if (ptd_shares_order(&r->shares, r->comm, s->groups, s->n)) ptd_die_last();
    if (r->head.relay) let_go(s, ptd_shares_limit(&r->shares, r->head.step_groups));
}

/* Once, of the first step: where no group has objects, pictures have nothing to name. Of several
 * ranks none knows all groups. */
static void miss_objects(const struct run *r, int64_t number)
{
    static int looked;
    const struct step *s = &r->step;
    int any = ptd_comm_ranks(r->comm) > 1;
    for (int i = 0; i < s->n; i++) any |= s->groups[i]->n_objects > 0;
    if (!looked++ && opt.rules.ground && s->n && !any)
        ptd_warn("--picture-words: no group of step %lld has objects, which its data set's rows "
                 "would bring: nothing is learned from it",
                 (long long)number);
}

void do_step(struct run *r, int64_t number)
{
    struct step *s = &r->step;
    struct ptd_metrics m = {.step = number,
                            .wait = ptd_now() - s->wait,
                            .rules = &opt.rules,
                            .beta = opt.rules.beta,
                            .tis = opt.tis,
                            .before = &r->before,
                            .epochs = opt.epochs,
                            .ranks = ptd_comm_ranks(r->comm),
                            .max_prompt = max_prompt(r)};
    double started = ptd_now(), sent = (double)ptd_comm_sent(r->comm);
    if (number != r->train->generation + 1) {
        ptd_fail(PTD_CUT, "%s: step %lld, expected %lld", ptd_reader_name(r->in), (long long)number,
                 (long long)r->train->generation + 1);
        die_settled(r);
    }
    order_groups(r);
    m.lr = ptd_train_lr(&opt.train, number, r->head.steps);
    opt.rules.lambda = ptd_lambda_at(&opt.lambda, number, r->head.steps);
    load_teacher(r);
    look_before(r);
    miss_objects(r, number);
    ptd_trace_begin(r->trace, s->groups, s->n);
    for (int e = 0; e < opt.epochs; e++) do_epoch(r, &m, !e);
    ptd_metrics_groups(&m, s->groups, s->n);
    m.update = ptd_now() - started;
    m.sent = (double)ptd_comm_sent(r->comm) - sent;
    if (ptd_shares_metrics(r->comm, &m, &r->whole)) ptd_die_last();
    steer(r, &m);
    r->train->bad_in_row = m.refused ? r->train->bad_in_row + 1 : 0;
    m.update = ptd_now() - started;
    hand_on(r);
    m.publish = ptd_now() - started - m.update;
    add_line(r, &m);
    ptd_board_count(s->n, (int64_t)m.group.length);
    ptd_board_step(number);
    ptd_metrics_clear(&m);
    if (ptd_trace_step(r->trace, s->groups, s->n, number)) die_settled(r);
    s->wait = ptd_now();
    if (r->train->bad_in_row >= opt.max_bad) die_diverged(r);
}
