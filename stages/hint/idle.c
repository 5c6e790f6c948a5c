/* What was given and cannot have an effect is a mistake. */
#include "hint/hint.h"
#include "base/opt.h"

static void refuse_idle_scores(int attention, int search)
{
    int blank = opt.hint.blank, gradient = opt.hint.gradient, read = attention && !blank;
    static const char *const of_attention[] = {"mass",  "first",    "neutral",
                                               "blank", "gradient", NULL};
    for (const char *const *o = of_attention; *o; o++)
        ptd_opt_needs(*o, attention, "--from attention");
    ptd_opt_needs("blank", !blank || !gradient, "no --gradient");
    ptd_opt_needs("neutral", read && !gradient, "neither --blank nor --gradient");
    ptd_opt_needs("layers", search || read, "--from search, or attention without --blank");
    ptd_opt_needs("heads", search || (read && !gradient),
                  "--from search, or attention with neither --blank nor --gradient");
    ptd_opt_needs("sink", search || (read && !gradient),
                  "--from search, or attention with neither --blank nor --gradient");
    ptd_opt_needs("grid", attention || search || ptd_hints_named(opt.from, "siblings"),
                  "--from attention, siblings or search");
}

static void refuse_idle_weights(int search)
{
    int given = opt.hint.blank || opt.hint.gradient, weighs = opt.hint.gate || search,
        reply = opt.hint.weigh.by == PTD_BY_REPLY;
    ptd_opt_needs("methods", search, "--from search");
    ptd_opt_needs("candidates", search, "--from search");
    ptd_opt_needs("sure", search && reply, "--from search and --weigh reply");
    ptd_opt_needs("replies", search && reply, "--from search and --weigh reply");
    ptd_opt_needs("samples", opt.hint.gate && reply, "--gate and --weigh reply");
    ptd_opt_needs("gate-source", opt.hint.gate, "--gate");
    ptd_opt_needs("gate-right", opt.hint.gate && reply, "--gate and --weigh reply");
    ptd_opt_needs("weigh", weighs || given, "--gate, --blank, --gradient or --from search");
    ptd_opt_needs("answer-template", given || (weighs && !reply),
                  "--weigh answer or right and --gate or --from search, or --blank or --gradient");
    ptd_opt_needs("judge", (weighs && reply) || opt.audit,
                  "--audit, or --weigh reply and --gate or --from search");
}

void refuse_idle(void)
{
    int attention = ptd_hints_named(opt.from, "attention"),
        search = ptd_hints_named(opt.from, "search"), exec = ptd_hints_named(opt.from, "exec");
    refuse_idle_scores(attention, search);
    refuse_idle_weights(search);
    ptd_opt_needs("model", attention || search || opt.hint.gate,
                  "--gate or --from attention or search");
    ptd_opt_needs("exec-timeout", exec, "--from exec:CMD");
    ptd_opt_needs("exec-start", exec, "--from exec:CMD");
    ptd_opt_needs("tau", !opt.always && !opt.audit, "neither --always nor --audit");
    ptd_opt_needs("always", !opt.audit, "no --audit");
    ptd_opt_needs("record", !opt.audit, "no --audit");
}

void refuse_options_of_audit(void)
{
    static const char *const all[] = {"sample",    "group-size",    "max-tokens", "temperature",
                                      "system",    "max-pixels",    "min-pixels", "seed",
                                      "image-dir", "allow-outside", NULL};
    for (const char *const *o = all; *o; o++) ptd_opt_needs(*o, 0, "--audit");
}
