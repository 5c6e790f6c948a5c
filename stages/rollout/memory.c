/* What sampling takes, before it takes it. */
#include "rollout/rollout.h"
#include "base/output.h"
#include "base/threads.h"

#define BEYOND "more memory, a smaller model, or one with an adapter (ptd-init --lora)"

void expect_options(struct ptd_expected *e)
{
    if (!e->prompts) e->prompts = opt.step_groups;
    e->answers = opt.greedy ? 1 : opt.group_size + opt.beside;
    e->answer = opt.max_tokens;
}

static void add_sampling(struct ptd_model *m, const struct ptd_sampling *s, struct ptd_plan *p)
{
    ptd_sample_plan(p, m, s, &opt.plan.expected);
}

static void add_kv(void *model, int64_t n, struct ptd_plan *p)
{
    struct ptd_sampling s = sampling_of();
    s.kv_max = n;
    add_sampling(model, &s, p);
}

static void add_batch(void *model, int64_t n, struct ptd_plan *p)
{
    struct ptd_sampling s = sampling_of();
    s.batch = (int)n;
    add_sampling(model, &s, p);
}

/* Options that would make it fit: fewer keys and values, no fewer than one prompt and a response
 * to it take; fewer responses at once. */
static void list_choices(struct ptd_model *m, struct ptd_plan_choice list[3])
{
    struct ptd_sampling s = sampling_of(), one = s;
    int64_t most = 1;
    one.kv_max = 1;
    size_t keys = ptd_sample_keys(m, &s, &opt.plan.expected);
    while ((uint64_t)most * 2 < keys) most *= 2;
    list[0] = (struct ptd_plan_choice){
        "--kv-max", most, (int64_t)ptd_sample_keys(m, &one, &opt.plan.expected), add_kv, m};
    list[1] = (struct ptd_plan_choice){"--batch", (int64_t)opt.step_groups * opt.group_size, 1,
                                       add_batch, m};
    list[2] = (struct ptd_plan_choice){0};
}

static size_t token_bytes(void)
{
    size_t recorded = opt.record ? 4 + 2 * (size_t)opt.top_logprobs : 0;
    return PTD_PLAN_TOKEN(opt.top_logprobs, 0) + recorded;
}

/* Where neither --memory nor --kv-max is given, all that responses
 * may come to is told, and what is certain must fit. */
void plan(struct run *r, struct ptd_store *store)
{
    struct ptd_plan fixed = {0}, all;
    struct ptd_plan_choice choices[3];
    size_t room = ptd_plan_room(&opt.plan);
    struct ptd_sampling s = sampling_of();
    ptd_plan_program(&fixed, ptd_threads_count());
    ptd_plan_tokenizer(&fixed, r->src.tokenizer);
    if (ptd_plan_weights(&fixed, r->model, store, 0)) ptd_die_last();
    ptd_plan_groups(&fixed, &opt.plan.expected, token_bytes());
    list_choices(r->model, choices);
    all = fixed;
    add_sampling(r->model, &s, &all);
    if (opt.plan.print) ptd_plan_tell(&all, &fixed, &opt.plan, choices, BEYOND);
    if (!ptd_plan_judge(&all, &fixed, room, choices, BEYOND)) return;
    if (opt.plan.room || opt.kv_max) ptd_die_last();
    ptd_warn("if all responses come to -m tokens, %s", ptd_failed_message());
    all = fixed;
    add_kv(r->model, 1, &all);
    if (ptd_plan_judge(&all, &fixed, room, choices, BEYOND)) ptd_die_last();
}

_Noreturn void plan_alone(struct run *r)
{
    if (ptd_source_model(&r->src, opt.store)) ptd_die_last();
    open_model(r, r->src.store);
    plan(r, r->src.store);
    ptd_die(PTD_BUG, "a plan that was not told");
}
