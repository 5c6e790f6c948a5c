/* What is made of the command line. */
#include "update/update.h"
#include "base/command.h"
#include "base/opt_value.h"
#include <string.h>

static int schedule_named(const char *name)
{
    static const char *const names[] = {"constant", "cosine", "linear"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(name, names[i])) return i;
    ptd_misuse("--schedule \"%s\": expected one of constant, cosine, linear", name);
}

static double given(double x, double own)
{
    return x < 0 ? own : x;
}

/* What the loss is made of: its own where nothing is given. */
static void settle_loss(void)
{
    struct ptd_loss_rules *r = &opt.rules;
    if (!(r->loss = ptd_loss_named(opt.loss)) || !(r->kl = ptd_kl_named(opt.kl)))
        ptd_misuse("%s", ptd_failed_message());
    const char *wrong = r->loss->wrong ? r->loss->wrong(r->loss->is.own) : NULL,
               *aggregate = opt.aggregate        ? opt.aggregate
                            : r->loss->aggregate ? r->loss->aggregate
                                                 : "token";
    if (wrong) ptd_misuse("%s", wrong);
    if ((r->aggregate = ptd_aggregate_named(aggregate)) < 0) ptd_misuse("%s", ptd_failed_message());
    r->clip = (struct ptd_clip){given(opt.clip.low, r->loss->clip.low),
                                given(opt.clip.high, r->loss->clip.high),
                                given(opt.clip.dual, r->loss->clip.dual)};
    r->kl_in_reward = !r->loss->supervised && !strcmp(opt.kl_in, "reward");
    if (strcmp(opt.kl_in, "reward") && strcmp(opt.kl_in, "loss"))
        ptd_misuse("--kl-in \"%s\": expected loss or reward", opt.kl_in);
    if (r->kl_in_reward && !r->kl->value)
        ptd_misuse("--kl %s: in the loss alone, expected another for --kl-in reward",
                   r->kl->is.name);
    if (r->clip.dual > 0 && r->clip.dual <= 1)
        ptd_misuse("--clip-dual %g: expected more than 1, or 0 for none", r->clip.dual);
    if (opt.steered.target > 0 && !(r->beta > 0))
        ptd_misuse("--kl-target %g: expected a --beta above 0 to begin with", opt.steered.target);
}

int reads_reference(void)
{
    return !opt.rules.kl->value && ptd_loss_reference(&opt.rules) > 0;
}

static int named(ptd_method_table table, const char *option, const char *name)
{
    int code = ptd_coded_named(table, option, name);
    if (code < 0) ptd_misuse("%s", ptd_failed_message());
    return code;
}

static void settle_tutoring(void)
{
    struct ptd_tutoring *t = &opt.rules.tutoring;
    t->support = named(ptd_supports, "support", opt.support);
    t->weigh = named(ptd_weighings, "tutor-weight", opt.tutor_weight);
    t->lift = named(ptd_lifts, "kl-lift", opt.kl_lift);
    t->as_advantage = named(ptd_tutor_uses, "tutor-as", opt.tutor_as);
    t->no_tail = !opt.tail;
    opt.lambda.schedule = named(ptd_lambda_schedules, "lambda-schedule", opt.lambda_schedule);
    opt.rules.lambda = opt.lambda.from;
    if (t->as_advantage && t->weigh != PTD_WEIGH_NONE)
        ptd_misuse("--tutor-weight %s: the divergence has weights, and --tutor-as advantage none",
                   opt.tutor_weight);
}

/* What a supervised loss does not look at. */
static const char *const of_rewards[] = {
    "beta",      "kl",         "kl-in",        "kl-target",       "kl-horizon",
    "tis",       "lambda",     "tau",          "lambda-schedule", "lambda-end",
    "top-k",     "divergence", "gjsd",         "support",         "tail",
    "masked-kl", "tutor-as",   "tutor-weight", "kl-lift",         NULL};

/* What was given and cannot have an effect is a mistake. */
static void refuse_idle_tutoring(void)
{
    static const char *const of_divergence[] = {"divergence", "gjsd",  "support",
                                                "tail",       "top-k", NULL},
                             *const of_words[] = {"support", "tail", "top-k", NULL};
    for (const char *const *o = of_divergence; *o; o++)
        ptd_opt_needs(*o, !opt.rules.tutoring.as_advantage, "--tutor-as divergence");
    for (const char *const *o = of_words; *o; o++)
        ptd_opt_needs(*o, !opt.rules.divergence->word, "a --divergence of more than one word");
    ptd_opt_needs("lambda-schedule", opt.lambda.from > 0, "a --lambda above 0");
    ptd_opt_needs("lambda-end", opt.lambda.from > 0, "a --lambda above 0");
    ptd_opt_needs("lambda-end", strcmp(opt.lambda_schedule, "constant"), "--lambda-schedule");
    ptd_opt_needs("gjsd", !strchr(opt.divergence, '='), "a --divergence that does not set it");
}

static void refuse_idle_kl(void)
{
    int weighs = opt.rules.beta > 0;
    ptd_opt_needs("kl", weighs, "a --beta above 0");
    ptd_opt_needs("kl-lift", weighs, "a --beta above 0");
    ptd_opt_needs("kl-in", weighs || !opt.rules.kl_in_reward, "a --beta above 0");
    ptd_opt_needs("kl-horizon", opt.steered.target > 0, "--kl-target");
}

static void refuse_idle(void)
{
    const struct ptd_loss *loss = opt.rules.loss;
    for (const char *const *o = of_rewards; *o; o++)
        ptd_opt_needs(*o, !loss->supervised, "a --loss of rewards");
    ptd_opt_needs("picture-words", loss->supervised, "--loss sft");
    ptd_opt_needs("clip-low", loss->clips & PTD_CLIP_LOW, "a --loss that has such a clip");
    ptd_opt_needs("clip-high", loss->clips & PTD_CLIP_HIGH, "a --loss that has such a clip");
    ptd_opt_needs("clip-dual", loss->clips & PTD_CLIP_DUAL, "a --loss that has such a clip");
    ptd_opt_needs("length", opt.rules.aggregate == PTD_BY_CONSTANT, "--aggregate constant");
    ptd_opt_needs("floor", strcmp(opt.schedule, "constant"), "--schedule cosine or linear");
    refuse_idle_kl();
    refuse_idle_tutoring();
    ptd_method_refuse_others(ptd_losses, "loss", &loss->is);
    ptd_method_refuse_others(ptd_divergences, "divergence", &opt.rules.divergence->is);
}

/* Layers of the text that are computed again; -1: no number says so. */
static int64_t recomputed_layers(const char *kind)
{
    int64_t n;
    if (!strcmp(kind, "auto") || !strcmp(kind, "none") || !strcmp(kind, "layer")) return -1;
    if (ptd_whole_number(kind, &n) || n < 0)
        ptd_misuse("--recompute \"%s\": expected auto, none, layer or a number of layers", kind);
    return n;
}

void settle_options(void)
{
    settle_loss();
    settle_tutoring();
    if (!(opt.rules.divergence = ptd_divergence_named(opt.divergence)))
        ptd_misuse("%s", ptd_failed_message());
    refuse_idle();
    if (!(opt.train.optimizer.moments = ptd_moments_named(opt.moments)) ||
        !(opt.train.optimizer.master = ptd_master_named(opt.master)))
        ptd_misuse("%s", ptd_failed_message());
    opt.train.by_part = opt.rules.whole = !strcmp(opt.apply, "layer");
    if (!opt.train.by_part && strcmp(opt.apply, "whole") != 0)
        ptd_misuse("--apply \"%s\": expected whole or layer", opt.apply);
    opt.train.schedule = schedule_named(opt.schedule);
    opt.rules.micro_tokens = opt.micro;
    ptd_plan_read(&opt.plan);
    opt.recomputed = recomputed_layers(opt.recompute);
}
