/* --privileged: the program as a filter, which answers anew what failed. */
#include "rollout/rollout.h"
#include "base/command.h"
#include "base/output.h"
#include "method/privileged.h"
#include <stdio.h>
#include <stdlib.h>

struct filtered {
    struct run run;
    struct ptd_privileged given;
    struct ptd_filter filter;
};

static int begin_filter(struct ptd_head *h, void *ctx)
{
    struct filtered *f = ctx;
    struct run *r = &f->run;
    if (!h->store || ptd_head_check_temperature(h))
        return ptd_fail(PTD_DATAERR, "the stream names no store, or no temperature: expected one "
                                     "that ptd-rollout began");
    if (ptd_source_model(&r->src, h->store)) return -1;
    open_model(r, r->src.store);
    f->filter.device = r->device;
    r->live = ptd_live_open(r->src.store, 0);
    r->loaded = -1;
    opt.temperature = h->temperature;
    opt.group_size = h->group_size;
    opt.max_tokens = h->max_tokens;
    opt.top_logprobs = h->top_logprobs;
    opt.record = h->recorded;
    opt.seed = h->seed;
    r->rollouts.sampling = sampling_of();
    r->rollouts.sampling.banned = ptd_model_banned(r->model, ptd_tokenizer_size(r->src.tokenizer));
    read_stops(r);
    f->given = (struct ptd_privileged){r->model, r->src.tokenizer, r->rollouts.sampling};
    return 0;
}

static int answer_step(struct ptd_group **g, int n, int *verbs, void *ctx)
{
    struct filtered *f = ctx;
    int64_t generation = g[0]->generation;
    uint8_t *changed = ptd_array((size_t)n, sizeof *changed);
    int rc =
        find(&f->run, generation)
            ? ptd_privileged_step(&f->given, g, n, changed)
            : ptd_fail(PTD_NOINPUT, "%s: generation %lld, which sampled step %lld, is not there",
                       ptd_store_path(f->run.src.store), (long long)generation,
                       (long long)g[0]->step);
    for (int i = 0; i < n; i++) verbs[i] = changed[i] ? PTD_CHANGED : PTD_PASS;
    free(changed);
    return rc;
}

static const char *tell_given(void *ctx)
{
    const struct filtered *f = ctx;
    static char words[80];
    snprintf(words, sizeof words, "%ld response%s to %ld prompt%s given with the hint",
             f->given.responses, ptd_plural(f->given.responses), f->given.groups,
             ptd_plural(f->given.groups));
    return words;
}

int answer_anew(const struct ptd_usage *usage, int argc, char **argv, int first)
{
    static struct filtered f;
    if (argc - first > 1) ptd_misuse("--privileged: expected at most one stream");
    if (opt.greedy || opt.generation || waits_for_verdicts())
        ptd_misuse("--privileged goes with neither --greedy, --generation, --refill nor "
                   "--curriculum");
    f.filter = (struct ptd_filter){.usage = usage,
                                   .ctx = &f,
                                   .begin = begin_filter,
                                   .batch = answer_step,
                                   .summary = tell_given};
    int status =
        ptd_filter_run(&f.filter, first < argc ? argv[first] : NULL, ptd_command_line(argc, argv));
    free((void *)f.run.rollouts.sampling.banned);
    ptd_stops_clear(&f.run.stops);
    ptd_live_close(f.run.live);
    ptd_model_free(f.run.model);
    ptd_device_close(f.run.device);
    ptd_source_close(&f.run.src);
    return status;
}
