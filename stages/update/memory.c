/* What a run takes, before it takes it. */
#include "update/update.h"
#include "base/output.h"
#include "base/size.h"
#include "base/threads.h"
#include "method/source.h"
#include <limits.h>
#include <string.h>

#define BEYOND                                                                                     \
    "more memory, a smaller model, or fewer parameters that are trained (--train, ptd-init "       \
    "--lora)"

/* What --recompute says; -1: it is auto. */
static int keep_asked(const struct ptd_model *m)
{
    int64_t kept = m->config.layers - 1 - opt.recomputed;
    if (!strcmp(opt.recompute, "auto")) return -1;
    if (!strcmp(opt.recompute, "none")) return PTD_KEEP_ALL;
    return opt.recomputed < 0 || kept < 0 ? PTD_KEEP_INPUTS : PTD_KEEP_INPUTS + (int)kept;
}

/* The same of micro-batches like these, when so much is left. */
static int keep_of(struct ptd_model *m, const struct ptd_shape *s, size_t left)
{
    int keep = keep_asked(m);
    return keep < 0 ? ptd_plan_keep(m, s, left / 2) : keep;
}

static void add_micro(void *ctx, int64_t micro, struct ptd_plan *p)
{
    struct ptd_shape s;
    ptd_plan_pack(&opt.plan.expected, (long)micro, ctx, &s);
    ptd_plan_activations(p, ctx, PTD_KEEP_INPUTS, &s);
}

/* What the teacher's head will take; one that does not move is mapped. */
static size_t teacher_bytes(struct ptd_device *d, const struct ptd_teacher *t)
{
    return ptd_lm_head_bytes(d, t->vocab, LONG_MAX) +
           (t->moves ? (size_t)t->vocab * t->hidden * sizeof(float) : 0);
}

/* Where the stream that is planned for has hidden rows: their bytes a number, and the head. */
static size_t plan_teacher(struct run *r, struct ptd_train *t, struct ptd_plan *p)
{
    if (!ptd_teacher_rows_noted(&r->head)) return PTD_PLAN_TOKEN(PTD_PLAN_IDS, PTD_PLAN_IDS);
    struct ptd_teacher *teacher = ptd_teacher_noted(t->store, &r->head, r->device);
    if (!teacher) ptd_die_last();
    size_t row = teacher->hidden * sizeof(float);
    ptd_plan_take(p, r->device, "teacher's head", teacher_bytes(r->device, teacher));
    ptd_teacher_close(teacher);
    return PTD_PLAN_TOKEN(PTD_PLAN_IDS, 0) + row;
}

/* Prints the plan of the whole command and ends the program. */
static _Noreturn void tell_plan(struct run *r, struct ptd_train *t, struct ptd_plan *fixed,
                                size_t room)
{
    const struct ptd_expected *e = &opt.plan.expected;
    const struct ptd_plan_choice choices[] = {{"--recompute layer --micro", opt.micro,
                                               (e->prompt + e->answer + 1) / 2, add_micro,
                                               t->model},
                                              {0}};
    struct ptd_shape s;
    ptd_plan_groups(fixed, e, plan_teacher(r, t, fixed));
    struct ptd_plan all = *fixed;
    int keep;
    ptd_plan_pack(e, opt.micro, t->model, &s);
    keep = keep_of(t->model, &s, ptd_plan_left(fixed, room));
    ptd_plan_activations(&all, t->model, keep, &s);
    ptd_plan_tell(&all, fixed, &opt.plan, choices, BEYOND);
}

int before_memory(void *ctx, struct ptd_train *t)
{
    struct run *r = ctx;
    struct ptd_plan p = {0};
    size_t room = ptd_plan_room(&opt.plan);
    if (!(r->tokenizer = ptd_source_tokenizer(t->store))) return -1;
    ptd_plan_program(&p, ptd_threads_count());
    ptd_plan_tokenizer(&p, r->tokenizer);
    if (ptd_train_plan(t, &p)) return -1;
    if (reads_reference() && ptd_plan_weights(&p, t->model, t->store, 0)) return -1;
    if (opt.plan.print) tell_plan(r, t, &p, room);
    if (ptd_plan_check(&p, room, BEYOND)) return -1;
    r->left = ptd_plan_left(&p, room);
    return 0;
}

void bound_activations(const struct run *r)
{
    struct ptd_score *s = r->score;
    int keep = keep_asked(s->m);
    if (keep < 0)
        s->keep_most = r->left / 2;
    else
        s->batch->keep = keep;
    if (opt.plan.room) s->room = r->left;
}

int take_teacher(struct run *r)
{
    const struct ptd_teacher *t = r->teacher;
    size_t bytes = teacher_bytes(r->device, t);
    if (!opt.plan.room) return 0;
    if (bytes > r->left)
        return ptd_fail(
            PTD_OSERR,
            "the teacher's head takes %s, and --memory leaves %s: expected more, or ptd-ref -k K",
            ptd_size((double)bytes).text, ptd_size((double)r->left).text);
    r->left -= bytes;
    r->score->room = r->left;
    return 0;
}

_Noreturn void plan_alone(struct run *r, const char *operand)
{
    struct ptd_train_rules rules = opt.train;
    struct ptd_rank launched;
    if (ptd_rank_read(opt.ranks.which, &launched)) ptd_die_last();
    if (opt.ranks.share)
        rules.optimizer.rank = launched.rank, rules.optimizer.ranks = launched.ranks;
    rules.before = before_memory;
    rules.ctx = r;
    rules.plans = 1;
    rules.waits = 1;
    if (operand) r->in = ptd_input_open(operand, &r->head);
    const char *store = opt.store ? opt.store : r->head.store;
    if (!store) ptd_misuse("--plan: expected --store, which says what the model is");
    if (!(r->device = ptd_device_open(opt.device))) ptd_die_last();
    if (!ptd_train_open(store, &rules, "{}", 0, r->device)) ptd_die_last();
    ptd_die(PTD_BUG, "a plan that was not told");
}

/* A method is half of ptd-verify's. */
