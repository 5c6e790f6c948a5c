/* ptd-stat: how good is the policy? Figures with their ranges by category from a judged stream, the
 * answers it gives, how it compares with another one, and whether it knows when it is right.
 * Reads category, answer, rollouts' accuracy, format, outcome, extracted, stop, ids, logp; writes
 * tables or one JSON object, no stream.
 *
 * pass@k is the chance that k answers hold a right one, maj@k that the most frequent of k answers
 * is right, both over all choices of k of the answers that a prompt has; mean@G is the mean
 * accuracy (chance.h, tally.h, calibration.h). Ranges are of 95 %. */
#include "flow/filter.h"
#include "base/output.h"
#include "view/stat.h"
#include <stdlib.h>
#include <string.h>

static struct {
    const char *ks, *against, *calibration;
    int json, markdown, csv, latex, answers;
    struct ptd_tally_rules rules;
} opt = {.answers = 5, .rules = {.resamples = 10000}};

static const struct ptd_opt options[] = {
    {"pass-k", 'k', PTD_OPT_STR, &opt.ks, "K,...",
     "tries that pass@K and maj@K allow (default: the group size)", 0, 0},
    {"against", 'a', PTD_OPT_STR, &opt.against, "OTHER.rec",
     "compare, prompt by prompt, with this judged stream of the same data set", 0, 0},
    {"calibration", 0, PTD_OPT_STR, &opt.calibration, "BY",
     "is it right as often as it is sure? By tokens: mean probability of a response's tokens; "
     "response: their product; votes: how many of a prompt's responses agree",
     0, 0},
    {"answers", 0, PTD_OPT_INT, &opt.answers, "N", "show the N most frequent answers", 0, 1000},
    {"json", 0, PTD_OPT_FLAG, &opt.json, NULL, "one JSON object instead of tables", 0, 0},
    {"markdown", 0, PTD_OPT_FLAG, &opt.markdown, NULL, "tables as Markdown", 0, 0},
    {"csv", 0, PTD_OPT_FLAG, &opt.csv, NULL,
     "one table as CSV: of --calibration, else of --against, else of categories", 0, 0},
    {"latex", 0, PTD_OPT_FLAG, &opt.latex, NULL, "tables as LaTeX (booktabs)", 0, 0},
    {"resamples", 0, PTD_OPT_INT, &opt.rules.resamples, "N",
     "how often prompts are drawn anew for a range", 100, 1000000},
    {"seed", 0, PTD_OPT_LONG, &opt.rules.seed, "N", "of these draws", 0, 9e15},
    {0}};
static const struct ptd_usage usage = {
    "ptd-stat", "[FILE]", "accuracy by category, with intervals, from a verified stream",
    "ptd-rollout -s run.ptd --greedy test.jsonl | ptd-verify | ptd-stat\n"
    "ptd-rollout -s run.ptd -g latest -G 8 test.jsonl | ptd-verify | ptd-stat --pass-k 1,4,8\n"
    "ptd-stat ptd.rec --against grpo.rec --markdown\n"
    "ptd-stat --calibration tokens greedy.rec",
    options};

/* ---- options ---- */

static int form(void)
{
    if (opt.json + opt.markdown + opt.csv + opt.latex > 1)
        ptd_misuse("expected one of --json, --markdown, --csv, --latex");
    return opt.markdown ? PTD_TABLE_MARKDOWN
           : opt.csv    ? PTD_TABLE_CSV
           : opt.latex  ? PTD_TABLE_LATEX
                        : PTD_TABLE_TEXT;
}

static void add_k(struct ptd_tally_rules *r, int k)
{
    int at = r->n_ks;
    for (int i = 0; i < r->n_ks; i++)
        if (r->ks[i] == k) return;
    if (r->n_ks == PTD_KS_MAX) ptd_misuse("--pass-k: expected at most %d numbers", PTD_KS_MAX - 1);
    for (; r->ks[at - 1] > k; at--) r->ks[at] = r->ks[at - 1];
    r->ks[at] = k;
    r->n_ks++;
}

/* 1 is always there; *asked: it was named. */
static void read_ks(struct ptd_tally_rules *r, const char *list, int *asked)
{
    r->ks[0] = r->n_ks = 1;
    *asked = 0;
    for (const char *at = list; at; at = *at ? at + 1 : NULL) {
        char *end;
        long k = strtol(at, &end, 10);
        if (end == at || *at == '+' || (*end && *end != ',') || k < 1 || k > 1 << 20)
            ptd_misuse("--pass-k \"%.64s\": expected numbers of at least 1, as 1,4,8", list);
        *asked |= k == 1;
        add_k(r, (int)k);
        at = end;
    }
}

/* ---- reading ---- */

struct looking {
    struct ptd_tallies *tallies;
    struct ptd_calibration *calibration; /* NULL: not asked for */
    int64_t generation;
};

static int look(struct looking *l, const struct ptd_group *g)
{
    if (ptd_tallies_add(l->tallies, g) < 0) return -1;
    l->generation = g->generation;
    return l->calibration ? ptd_calibration_add(l->calibration, g) : 0;
}

/* All groups of the stream, which is closed. */
static void read_groups(struct ptd_reader *r, struct looking *l)
{
    struct ptd_group g = {0};
    struct ptd_frame f;
    int got;
    while ((got = ptd_reader_next(r, &f)) > 0) {
        if (f.kind != PTD_GROUP) continue;
        if (ptd_group_read(&g, f.body, f.body_len) < 0 || look(l, &g) < 0) {
            ptd_reader_blame(r, &f);
            ptd_die_last();
        }
    }
    if (got < 0) ptd_die_last();
    ptd_group_clear(&g);
    if (l->tallies->total.prompts == 0)
        ptd_die(PTD_DATAERR, "%s: a stream without groups, expected at least one",
                ptd_reader_name(r));
    if (ptd_reader_close(r) < 0) ptd_die_last();
    ptd_tallies_sort(l->tallies);
}

/* ---- what is found ---- */

static struct {
    struct ptd_head head;
    struct ptd_tallies here;
    struct ptd_calibration sure;
    struct ptd_calibrated calibrated;
    struct ptd_paired paired;
} found;

/* K of the figures: those asked for, or the stream's group size. */
static void settle_ks(struct ptd_stat *s)
{
    opt.rules.group = found.head.group_size > 0 ? found.head.group_size : 1;
    opt.rules.ks[0] = opt.rules.n_ks = 1;
    if (opt.ks)
        read_ks(&opt.rules, opt.ks, &s->all_ks);
    else
        add_k(&opt.rules, opt.rules.group);
}

static void compare(struct ptd_stat *s)
{
    struct ptd_head head = {0};
    struct ptd_tallies there;
    struct looking l = {&there};
    if (!opt.against) return;
    ptd_tallies_init(&there, &opt.rules);
    read_groups(ptd_input_open(opt.against, &head), &l);
    if (ptd_tally_pair(&found.here.total, &there.total, &opt.rules, &found.paired) < 0)
        ptd_die(ptd_failed_status(), "%s: %s", opt.against, ptd_failed_message());
    s->other = opt.against;
    s->paired = &found.paired;
    ptd_tallies_clear(&there);
    ptd_head_clear(&head);
}

static void calibrate(struct ptd_stat *s)
{
    if (!opt.calibration) return;
    ptd_calibration_find(&found.sure, opt.rules.resamples, opt.rules.seed, &found.calibrated);
    s->calibration = &found.calibrated;
    s->sure_by = opt.calibration;
    s->responses = found.sure.n;
    ptd_calibration_clear(&found.sure);
}

int main(int argc, char **argv)
{
    int first = ptd_opt_parse(&usage, argc, argv), as = form();
    struct ptd_stat s = {
        .head = &found.head, .rules = &opt.rules, .here = &found.here, .answers = opt.answers};
    struct looking l = {&found.here, opt.calibration ? &found.sure : NULL, -1};
    if (first + 1 < argc)
        ptd_misuse("unexpected operand \"%.64s\", at most one file", argv[first + 1]);
    if (opt.calibration && (found.sure.by = ptd_sureness_named(opt.calibration)) < 0)
        ptd_misuse("%s", ptd_failed_message());
    if (opt.ks) read_ks(&opt.rules, opt.ks, &s.all_ks); /* a mistake is told before it reads */
    struct ptd_reader *r = ptd_input_open(argv[first], &found.head);
    settle_ks(&s);
    ptd_tallies_init(&found.here, &opt.rules);
    read_groups(r, &l);
    s.generation = l.generation;
    compare(&s);
    calibrate(&s);
    if (opt.json)
        ptd_stat_json(&s);
    else
        ptd_stat_print(&s, as);
    ptd_stdout_flush();
    ptd_tallies_clear(&found.here);
    ptd_head_clear(&found.head);
    return PTD_OK;
}
