/* What looking, weighing and an audit's answers take, before they take it. */
#include "hint/hint.h"
#include "base/output.h"
#include "base/threads.h"
#include "method/hint/forced.h"
#include "net/sample.h"

#define BEYOND "--from data, more memory, or a smaller model"

/* What an audit's answers take: under each view of a group, with one hint of each source. */
static void add_answers(void *model, int64_t answers, struct ptd_plan *p)
{
    struct ptd_sampling s = {.group_size = (int)answers,
                             .max_tokens = opt.max_tokens ? opt.max_tokens : 64};
    struct ptd_expected e = opt.plan.expected;
    e.prompts = 2 + 2 * ptd_hints_count(opt.hints);
    ptd_sample_plan(p, model, &s, &e);
}

/* Replies of the search or the gate, or given texts, whichever are wanted. */
static void plan_weighing(struct ptd_hint_tools *eye, struct ptd_plan *p)
{
    int search = ptd_hints_have(opt.hints, "search");
    struct ptd_expected e = opt.plan.expected;
    struct ptd_sampling s = {.group_size = search ? opt.hint.weigh.replies : opt.hint.weigh.samples,
                             .max_tokens = e.answer > 0 ? (int)e.answer : 64};
    struct ptd_model *m = search || opt.hint.gate ? ptd_model_open(eye->store, eye->device) : NULL;
    if (!search && !opt.hint.gate) return;
    if (!m) ptd_die_last();
    e.prompts = search ? opt.hint.candidates : 2;
    if (opt.hint.weigh.by == PTD_BY_REPLY)
        ptd_sample_plan(p, m, &s, &e);
    else
        ptd_plan_add(p, "texts", ptd_plan_pool(m, 0, &(struct ptd_shape){.rows = PTD_FORCED_ROWS}));
    ptd_model_free(m);
}

static void plan_model(struct ptd_plan *p)
{
    struct ptd_expected e = opt.plan.expected;
    ptd_threads_start(0);
    if (!(opt.tools.device = ptd_device_open(opt.device)) ||
        ptd_hint_plan(ptd_hint_eye(&opt.tools), &e, p) < 0)
        ptd_die_last();
    plan_weighing(ptd_hint_eye(&opt.tools), p);
}

_Noreturn void tell_plan(void)
{
    struct ptd_plan fixed = {0}, all;
    struct ptd_plan_choice choices[2] = {{0}};
    int computes;
    if (!opt.store) ptd_misuse("--plan: expected --store, which says what the model is");
    if (ptd_hint_tools_open(&opt.tools, opt.store) < 0 || open_eye() < 0 ||
        !(opt.hints = ptd_hints_open(&opt.tools, opt.from, &opt.hint)))
        ptd_die_last();
    computes = opt.audit || ptd_hints_compute(opt.hints);
    ptd_plan_program(&fixed, computes ? ptd_threads_count() : 0);
    ptd_plan_tokenizer(&fixed, opt.tools.tokenizer);
    if (computes) plan_model(&fixed);
    all = fixed;
    if (opt.audit) {
        choices[0] = (struct ptd_plan_choice){"--group-size", opt.answers, 1, add_answers,
                                              ptd_model_open(opt.tools.store, opt.tools.device)};
        add_answers(choices[0].ctx, opt.answers, &all);
    }
    ptd_plan_tell(&all, &fixed, &opt.plan, choices, BEYOND);
}
