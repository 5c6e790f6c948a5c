/* Waiting for verdicts, which --refill and --curriculum need. */
#include "rollout/rollout.h"
#include "base/opt_value.h"
#include "base/output.h"
#include "base/signals.h"
#include <stdlib.h>
#include <time.h>

#define VERDICTS 120 /* seconds */

int waits_for_verdicts(void)
{
    return opt.refill || opt.curriculum > 0;
}

/* Seconds that a ptd-verify may take to come where no trainer shows that none will. */
static int64_t longest_wait(void)
{
    const char *text = getenv("PTD_VERDICTS");
    int64_t n = VERDICTS;
    if (!text || !*text) return n;
    if (ptd_whole_number(text, &n) || n < 1)
        ptd_die(PTD_CONFIG, "PTD_VERDICTS: found \"%.64s\", expected a number of seconds", text);
    return n;
}

/* A trainer reads what has come through all programs before it, and a ptd-verify says that it is
 * there before it hands anything on: where there is a trainer and no ptd-verify, none will come. */
static void miss_verify(const struct run *r, time_t since)
{
    static const char *const expected =
        "--refill and --curriculum need its verdicts: expected ptd-verify behind this program, on "
        "the same machine, as the same user and in the same container";
    static time_t trainer;
    time_t now = time(NULL);
    if (r->trained && !trainer) trainer = now;
    if (trainer && now - trainer >= PATIENCE)
        ptd_die(PTD_UNAVAILABLE, "ptd-update has come, and no ptd-verify: %s", expected);
    if (now - since >= r->patience)
        ptd_die(PTD_UNAVAILABLE, "no ptd-verify has come within %lld s: %s", (long long)r->patience,
                expected);
}

/* The verdicts of other ranks come by way of the trainer. */
static void miss_trainer(const struct run *r, time_t since)
{
    if (r->trained || time(NULL) - since < r->patience) return;
    ptd_die(PTD_UNAVAILABLE,
            "no ptd-update has come within %lld s: --refill and --curriculum need the verdicts of "
            "the other ranks, which it brings",
            (long long)r->patience);
}

static void tell_of_absent(const struct run *r, const char *who)
{
    static int told;
    if (told || r->trained) return;
    ptd_warn("waiting for verdicts, but no %s has come for them: expected one behind this "
             "program, on the same machine, as the same user and in the same container",
             who);
    told = 1;
}

/* While the verdicts of a step are waited for, behind programs that may not tell. */
static void wait_for_verdicts(void *ctx, int64_t step)
{
    struct run *r = ctx;
    static time_t since;
    ptd_device_rest(r->device);
    if (!since) since = time(NULL);
    r->doing = "waiting for verdicts";
    look_for_trainer(r, "the verdicts of step", step, ptd_store_trained(r->src.store));
    look_downstream(r, "the verdicts of step", step);
    ptd_asked_answer();
    ptd_board_doing(PTD_WAITS);
    ptd_progress_tick();
    const struct ptd_refill *f = &r->refill;
    int heard = ptd_verdicts_heard(f->verdicts);
    if (heard && (!f->relay || ptd_relay_met(f->relay))) return;
    if (heard)
        miss_trainer(r, since);
    else
        miss_verify(r, since);
    if (time(NULL) - since >= PATIENCE) tell_of_absent(r, heard ? "ptd-update" : "ptd-verify");
}

void open_refill(struct run *r, int64_t done)
{
    struct ptd_refill *f = &r->refill;
    if (!waits_for_verdicts()) return;
    r->patience = longest_wait();
    *f = (struct ptd_refill){.rollouts = &r->rollouts,
                             .verdicts = ptd_verdicts_new(),
                             .wanted = opt.step_groups,
                             .more = opt.refill,
                             .share = opt.curriculum,
                             .seed = (uint64_t)opt.seed,
                             .idle = wait_for_verdicts,
                             .ctx = r};
    if (opt.rank.ranks > 1 && !(f->relay = ptd_relay_new(opt.rank.rank, opt.rank.ranks)))
        ptd_die_last();
    if (!f->verdicts || ptd_history_open(&f->history, r->src.store, ptd_dataset_rows(r->src.data),
                                         done, done * opt.step_groups))
        ptd_die_last();
}

void tell_of_refill(const struct run *r)
{
    const struct ptd_refill *f = &r->refill;
    if (waits_for_verdicts() && !opt.rank.rank)
        ptd_info("%lld prompts asked, %lld of them again; %lld steps refilled, %lld not full",
                 (long long)f->asked, (long long)f->again, (long long)f->refilled,
                 (long long)f->short_of);
}
