/* ptd-gold: the data set's own solutions as rollouts, for supervised fine-tuning.
 * Starts a stream: reads a data set and a store (for its tokenizer); writes groups with prompt_ids,
 * pictures and one rollout (ids, text, stop "gold"). A Thinking model's prompt ends inside a
 * thought, so a solution for it closes the thought itself: "...</think>\n\nANSWER".
 *
 *     ptd-gold -s run.ptd warm.jsonl | ptd-hint --always | ptd-update --loss sft */
#include "base/launched.h"
#include "base/progress.h"
#include "flow/filter.h"
#include "method/source.h"
#include <stdlib.h>
#include <string.h>

static struct {
    const char *store, *system;
    int step_groups, max_prompt;
    int64_t steps, seed, max_pixels, min_pixels, skip_bad;
    struct ptd_dataset_places places;
} opt = {.store = "run.ptd", .step_groups = 64, .steps = 500};

static const struct ptd_opt options[] = {
    {"store", 's', PTD_OPT_STR, &opt.store, "DIR", "run directory", 0, 0},
    {"prompts", 'P', PTD_OPT_INT, &opt.step_groups, "N", "prompts in a step", 1, 65536},
    {"steps", 'n', PTD_OPT_LONG, &opt.steps, "N",
     "steps of the whole run, those already done included", 0, 1e9},
    {"system", 0, PTD_OPT_STR, &opt.system, "TEXT", "system message that every prompt begins with",
     0, 0},
    PTD_DATASET_OPTIONS(opt.places),
    {"max-prompt", 0, PTD_OPT_INT, &opt.max_prompt, "N",
     "refuse prompts of more tokens; none is cut (0: as many as the model takes)", 0, 1 << 24},
    {"max-pixels", 0, PTD_OPT_LONG, &opt.max_pixels, "N",
     "shrink pictures to so many pixels (0: the model's own limit)", 0, 1e12},
    {"min-pixels", 0, PTD_OPT_LONG, &opt.min_pixels, "N",
     "enlarge pictures to so many pixels (0: the model's own limit)", 0, 1e12},
    {"skip-bad", 0, PTD_OPT_LONG, &opt.skip_bad, "N",
     "leave out up to N rows that cannot be used; each is named", 0, 1e9, 1},
    {"seed", 0, PTD_OPT_LONG, &opt.seed, "N", "of the order", 0, 9e15},
    {0}};
static const struct ptd_usage usage = {
    "ptd-gold", "DATA.jsonl", "the data set's own solutions as rollouts",
    "ptd-gold -s base.ptd warm.jsonl | ptd-hint --always | ptd-update --loss sft", options};

/* The solution's ids and the end-of-turn token; the only rollout of g. */
static int put_solution(struct ptd_source *src, struct ptd_group *g)
{
    struct ptd_rollout *y = ptd_group_alloc(g, sizeof *y);
    int32_t *ids, *kept;
    int n, context = src->config.positions;
    if (!g->solution)
        return ptd_fail(PTD_DATAERR, "field \"solution\": missing; ptd-gold needs one");
    n = ptd_tokenizer_encode_data(src->tokenizer, g->solution, strlen(g->solution), &ids);
    if (n < 0) return -1;
    kept = ptd_group_alloc(g, (n + 1) * sizeof *kept);
    memcpy(kept, ids, n * sizeof *kept);
    kept[n] = src->config.eos[0];
    free(ids);
    if (context && n + 1 > context - g->n_prompt)
        return ptd_fail(PTD_DATAERR,
                        "field \"solution\": %d tokens behind a prompt of %d, expected at most %d "
                        "together (max_position_embeddings)",
                        n + 1, g->n_prompt, context);
    *y = (struct ptd_rollout){.ids = kept, .n = n + 1, .text = g->solution, .stop = "gold"};
    g->rollouts = y;
    g->n_rollouts = 1;
    return 0;
}

static void do_step(struct ptd_source *src, struct ptd_writer *out, int64_t done, int64_t step)
{
    static struct ptd_buf buf;
    struct ptd_group g = {0};
    for (int i = 0; i < opt.step_groups; i++) {
        struct ptd_place place = {(step - 1) * opt.step_groups + i, opt.seed, 1};
        if (ptd_source_take(src, place, step, &g)) ptd_die_last();
        ptd_board_count(1, g.rollouts[0].n);
        ptd_progress_tick();
        ptd_group_encode(&g, &buf);
        if (ptd_writer_put(out, PTD_GROUP, buf.data, buf.len)) ptd_die_last();
        ptd_group_clear(&g);
    }
    if (ptd_writer_step(out, step)) ptd_die_last();
    ptd_board_step(step);
    ptd_board_progress("steps", done, step, opt.steps, NULL);
}

int main(int argc, char **argv)
{
    int first = ptd_opt_parse(&usage, argc, argv);
    struct ptd_source src;
    struct ptd_head h = {0};
    struct ptd_writer *out;
    int64_t done;
    char *words;
    if (argc - first != 1) ptd_misuse("expected one data set");
    opt.places.may_lack = opt.skip_bad > 0;
    opt.store = ptd_launched_store(opt.store);
    if (ptd_gate_wait(1) || ptd_source_open(&src, opt.store, argv[first], &opt.places) ||
        ptd_source_system(&src, opt.system) ||
        ptd_source_pixels(&src, opt.max_pixels, opt.min_pixels) || ptd_store_head(src.store, &done))
        ptd_die_last();
    src.max_prompt = opt.max_prompt;
    src.skip_bad = opt.skip_bad;
    src.also = put_solution;
    ptd_source_head(&src, argv[first], &h);
    h.mode = "train";
    h.seed = opt.seed;
    h.steps = opt.steps;
    h.first_step = done + 1;
    h.group_size = 1;
    h.step_groups = opt.step_groups;
    h.temperature = 1;
    words = ptd_source_words(&src);
    if (*words) h.sampling = ptd_head_text(&h, words + strlen("; "));
    free(words);
    out = ptd_output_open(&h, usage.name, NULL, argc, argv);
    ptd_progress_join();
    ptd_board_store(opt.store);
    for (int64_t s = done + 1; s <= opt.steps; s++) do_step(&src, out, done, s);
    if (ptd_writer_end(out) || ptd_writer_close(out)) ptd_die_last();
    if (src.n_bad) ptd_info("%d bad row%s left out", src.n_bad, src.n_bad == 1 ? "" : "s");
    ptd_source_close(&src);
    ptd_head_clear(&h);
    return 0;
}
