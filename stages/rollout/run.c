/* A run: its model, data set and what the stream's head says of them. */
#include "rollout/rollout.h"
#include "base/output.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void read_stops(struct run *r)
{
    const struct ptd_tokenizer *t = r->src.tokenizer;
    int rc = 0;
    if (opt.eos) ptd_stops_model(&r->stops, &r->model->config);
    for (int i = 0; i < opt.stop_text.n && rc == 0; i++)
        rc = ptd_stops_add(&r->stops, t, opt.stop_text.at[i]);
    if (rc || ptd_stops_list(&r->stops, t, opt.stop)) ptd_die_last();
    ptd_stops_set(&r->stops, t, &r->rollouts.sampling);
}

struct ptd_sampling sampling_of(void)
{
    return (struct ptd_sampling){.temperature = opt.temperature,
                                 .top_p = opt.top_p,
                                 .min_p = opt.min_p,
                                 .top_k = opt.top_k,
                                 .greedy = opt.greedy,
                                 .beside = opt.beside,
                                 .group_size = opt.greedy ? 1 : opt.group_size + opt.beside,
                                 .max_tokens = opt.max_tokens,
                                 .top_logprobs = opt.top_logprobs,
                                 .record = opt.record,
                                 .seed = opt.seed,
                                 .batch = opt.batch,
                                 .kv_max = opt.kv_max,
                                 .kv_rows = opt.part};
}

/* Of a store with an adapter: what its trainer has in memory between two publications. One
 * generation is read as it lies in the store, all of it. */
static int moves(void *ctx, const struct ptd_param *p)
{
    (void)ctx;
    return p->adapter;
}

void open_model(struct run *r, struct ptd_store *store)
{
    if (!(r->device = ptd_device_open(opt.device))) ptd_die_last();
    r->model = ptd_model_open(store, r->device);
    if (!r->model) ptd_die_last();
    if (opt.greedy || opt.generation)
        ptd_model_choose(r->model, NULL, NULL);
    else if (r->model->adapters)
        ptd_model_choose(r->model, moves, NULL);
}

void open_run(struct run *r, const char *data)
{
    opt.places.may_lack = opt.skip_bad > 0;
    int mode = waits_for_verdicts() ? PTD_STORE_CACHE : PTD_STORE_READ;
    if (ptd_source_open_as(&r->src, opt.store, mode, data, &opt.places) ||
        ptd_source_system(&r->src, opt.system) ||
        ptd_source_pixels(&r->src, opt.max_pixels, opt.min_pixels))
        ptd_die_last();
    r->src.max_prompt = opt.max_prompt;
    r->src.skip_bad = opt.skip_bad;
    open_model(r, r->src.store);
    plan(r, r->src.store);
    r->live = ptd_live_open(r->src.store, 0);
    r->loaded = -1;
    r->eval = opt.greedy || opt.generation;
    r->rollouts = (struct ptd_rollouts){.src = &r->src,
                                        .model = r->model,
                                        .sampling = sampling_of(),
                                        .seed = opt.seed,
                                        .eval = r->eval};
    if (opt.rank.ranks > 1) r->rollouts.share = opt.rank.rank, r->rollouts.shares = opt.rank.ranks;
    r->rollouts.rounds = waits_for_verdicts();
    r->rollouts.sampling.banned = ptd_model_banned(r->model, ptd_tokenizer_size(r->src.tokenizer));
    read_stops(r);
    if (opt.top_logprobs > r->model->config.vocab)
        ptd_misuse("--top-logprobs %d: expected at most the vocabulary, %d", opt.top_logprobs,
                   r->model->config.vocab);
}

/* What is asked for by options of its own. */
static void asked_words(char *out, size_t size)
{
    char refill[40] = "", again[60] = "", strong[40] = "";
    if (opt.refill) snprintf(refill, sizeof refill, "; refill %d", opt.refill);
    if (opt.curriculum > 0) snprintf(again, sizeof again, "; curriculum %.17g", opt.curriculum);
    if (opt.min_p > 0) snprintf(strong, sizeof strong, "; min-p %.17g", opt.min_p);
    snprintf(out, size, "%s%s%s", refill, again, strong);
}

static char *sampling_words(const struct run *r)
{
    char asked[160], *stop = ptd_stops_words(&r->stops), *prompts = ptd_source_words(&r->src);
    asked_words(asked, sizeof asked);
    char *words =
        ptd_format("top-p %g; top-k %d; stop %s; lag %d%s%s%s", opt.top_p, opt.top_k, stop, opt.lag,
                   asked, opt.beside ? "; a greedy one beside" : "", prompts);
    free(prompts);
    free(stop);
    return words;
}

void fill_head(struct run *r, const char *data, int64_t done, struct ptd_head *h)
{
    int64_t rows = ptd_dataset_rows(r->src.data);
    char *words = sampling_words(r);
    ptd_source_head(&r->src, data, h);
    h->mode = r->eval ? "eval" : "train";
    h->seed = opt.seed;
    h->steps = r->eval ? (rows + opt.step_groups - 1) / opt.step_groups : opt.steps;
    h->first_step = r->eval ? 1 : done + 1;
    h->group_size = r->rollouts.sampling.group_size - opt.beside;
    h->step_groups = opt.step_groups;
    h->max_tokens = opt.max_tokens;
    h->temperature = opt.temperature;
    h->top_logprobs = opt.top_logprobs;
    h->recorded = opt.record;
    h->waits = r->eval ? 0 : 1 + opt.lag;
    h->share = r->rollouts.share;
    h->shares = r->rollouts.shares;
    if (waits_for_verdicts())
        h->verdicts = ptd_head_text(h, ptd_verdicts_address(r->refill.verdicts));
    if (r->refill.relay) h->relay = ptd_head_text(h, ptd_relay_address(r->refill.relay));
    h->sampling = ptd_head_text(h, words);
    free(words);
}

void close_run(struct run *r)
{
    if (ptd_writer_end(r->out) || ptd_writer_close(r->out)) ptd_die_last();
    if (r->src.n_bad) ptd_info("%d bad row%s left out", r->src.n_bad, r->src.n_bad == 1 ? "" : "s");
    tell_of_refill(r);
    free((void *)r->rollouts.sampling.banned);
    ptd_refill_clear(&r->refill);
    ptd_rollouts_clear(&r->rollouts);
    ptd_stops_clear(&r->stops);
    ptd_live_close(r->live);
    ptd_model_free(r->model);
    ptd_device_close(r->device);
    ptd_source_close(&r->src);
}
