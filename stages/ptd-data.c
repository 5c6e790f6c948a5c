/* ptd-data: makes the built-in data sets, of coloured handwriting and of charts, or checks any.
 *
 *     ptd-data digits train.jsonl --count 4096 && ptd-data check train.jsonl
 *
 * What the questions are is said in lib/data/digits.h and charts.h, what a data set looks like in
 * lib/data/dataset.h. */
#include "base/opt.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/threads.h"
#include "data/dataset_check.h"
#include "data/dataset_fix.h"
#include "data/dataset_write.h"
#include "data/digits_set.h"
#include "data/template.h"
#include "judge/judge.h"
#include "method/source.h"
#include "view/check_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- ptd-data digits, ptd-data charts ---- */

static struct ptd_digits_set make = {.seed = 1, .share = 1};
static const char *make_split = "train", *kinds = "all";
static int count = 4096;

static const struct ptd_opt make_options[] = {
    {"seed", 's', PTD_OPT_LONG, &make.seed, "N", "another seed, other pictures and questions", 0,
     0},
    {"count", 'n', PTD_OPT_INT, &count, "N", "rows, shared out among the kinds without a count", 1,
     PTD_DATASET_PICTURES},
    {"split", 0, PTD_OPT_STR, &make_split, "NAME",
     "whose handwriting, or which birds: train or test", 0, 0},
    {"kinds", 'k', PTD_OPT_STR, &kinds, "LIST", "KIND[:COUNT],... with kinds as above", 0, 0},
    {"objects", 0, PTD_OPT_FLAG, &make.objects, NULL,
     "say what is in every cell (dense grounding for ptd-update --picture-words)", 0, 0},
    {"per-picture", 0, PTD_OPT_INT, &make.share, "N", "rows that may share a picture", 1,
     PTD_DIGITS_SHARE},
    {0}};
static const struct ptd_usage make_usage = {
    "ptd-data digits",
    "FILE.jsonl",
    "compose pictures of coloured digits and questions; pictures go to FILE.img/",
    "kinds: csum cmax nbr colsum rowsum diff   the six families of questions, plain\n"
    "       all (or hinted), all-plain         the families in equal shares, with steps and "
    "regions or "
    "without\n"
    "       describe read find                 what teaches to see\n"
    "ptd-data digits test.jsonl --split test --count 600\n"
    "ptd-data digits warm.jsonl --kinds csum:500,nbr:30,hinted:6000,describe:8000,find:8000",
    make_options,
    "0 done, 2 misuse, 73 cannot create the output, 74 i/o, 77 no permission, or another writer"};

static const struct ptd_usage charts_usage = {
    "ptd-data charts",
    "FILE.jsonl",
    "draw charts of the Palmer penguins and ask questions of many steps; pictures go to FILE.img/",
    "kinds: rowtop coltop peaks spread chain hops   the six families of questions, plain\n"
    "       all (or hinted), all-plain              the families in equal shares, with steps and "
    "regions or "
    "without\n"
    "       describe read find                      what teaches to see\n"
    "ptd-data charts test.jsonl --split test --count 600\n"
    "ptd-data charts warm.jsonl --kinds hinted:6000,describe:3000,find:3000,chain:100",
    make_options,
    "0 done, 2 misuse, 73 cannot create the output, 74 i/o, 77 no permission, or another writer"};

static enum ptd_split parse_split(const char *name)
{
    for (int i = 0; i < 2; i++)
        if (strcmp(name, ptd_split_name[i]) == 0) return i;
    ptd_misuse("option --split: \"%s\", expected train or test", name);
}

static int run_make(const struct ptd_usage *u, const struct ptd_scene *scene, int argc, char **argv)
{
    int first = ptd_opt_parse(u, argc, argv);
    make.scene = scene;
    if (argc - first != 1) ptd_misuse("expected one FILE.jsonl");
    make.split = parse_split(make_split);
    if (ptd_digits_wish(&make, kinds, count) < 0) ptd_misuse("%s", ptd_failed_message());
    make.stop = ptd_stop_heed();
    long pictures = ptd_digits_write(&make, argv[first]);
    if (pictures < 0 && *make.stop) ptd_stop_die();
    if (pictures < 0) ptd_die_last();
    ptd_info("%s: %ld row%s, %ld picture%s", argv[first], make.rows, ptd_plural(make.rows),
             pictures, ptd_plural(pictures));
    ptd_digits_forget(&make);
    return PTD_OK;
}

/* ---- ptd-data check ---- */

static struct {
    const char *store, *system, *judge, *fix;
    struct ptd_source_from from;
    int64_t max_pixels, min_pixels;
    int max_prompt, max_tokens, max, json, threads;
    struct ptd_dataset_places places;
} check = {.judge = "auto", .max = 20};

static const struct ptd_opt check_options[] = {
    {"store", 's', PTD_OPT_STR, &check.store, "DIR",
     "also whether prompts, hints and solutions fit this store's model", 0, 0},
    {"from", 'f', PTD_OPT_STR, &check.from.folder, "DIR",
     "the same for a Hugging Face folder, or for tiny, qwen3-vl-2b, -4b, -8b", 0, 0},
    {"tokenizer", 0, PTD_OPT_STR, &check.from.tokenizer, "FILE",
     "tokenizer.json for --from, plain or .gz; the Qwen3-VL models have none built in", 0, 0},
    {"template", 0, PTD_OPT_STR, &check.from.template, "NAME",
     "chat template for --from, as for ptd-init: instruct or thinking", 0, 0},
    {"max-prompt", 0, PTD_OPT_INT, &check.max_prompt, "N",
     "most tokens of a prompt, as for ptd-rollout (0: the model's context)", 0, 1 << 24},
    {"max-pixels", 0, PTD_OPT_LONG, &check.max_pixels, "N",
     "shrink pictures to so many pixels, as for ptd-rollout (0: the model's own limit)", 0, 1e12},
    {"min-pixels", 0, PTD_OPT_LONG, &check.min_pixels, "N",
     "enlarge pictures to so many pixels, as for ptd-rollout (0: the model's own limit)", 0, 1e12},
    {"max-tokens", 0, PTD_OPT_INT, &check.max_tokens, "N",
     "room that every prompt must leave for a response (0: any)", 0, 1 << 20},
    {"system", 0, PTD_OPT_STR, &check.system, "TEXT",
     "system message that every prompt begins with, as for ptd-rollout", 0, 0},
    {"judge", 0, PTD_OPT_STR, &check.judge, "RULE",
     "that must be able to read the answers, as for ptd-verify; none: ask nobody", 0, 0},
    PTD_DATASET_OPTIONS(check.places),
    {"fix", 'o', PTD_OPT_STR, &check.fix, "OUT.jsonl",
     "write the rows that are usable; then status 0 if there are some", 0, 0},
    {"max", 'm', PTD_OPT_INT, &check.max, "N", "most faults of a kind to print (0: all)", 0,
     1000000},
    {"json", 0, PTD_OPT_FLAG, &check.json, NULL, "one JSON object a file instead of the table", 0,
     0},
    {"threads", 'j', PTD_OPT_INT, &check.threads, "N", "0: as many as there are cores", 0, 256},
    {0}};
static const struct ptd_usage check_usage = {
    "ptd-data check",
    "FILE...",
    "check data sets: all that could end a run later, with line and reason, and what they hold",
    "ptd-data check train.jsonl test.jsonl\n"
    "ptd-data check --store run.ptd --max-prompt 1024 --max-tokens 512 train.jsonl\n"
    "ptd-data check --from Qwen3-VL-2B-Instruct/ --fix good.jsonl train.jsonl",
    check_options,
    "0 all rows are good, or --fix left some; 2 misuse, 65 faulty rows, 66 no input or missing "
    "pictures, 71 no memory or descriptors, 73 cannot create the output, 74 i/o, 77 no permission, "
    "78 config"};

struct checker {
    struct ptd_source source; /* the model */
    struct ptd_fit fit;
    struct ptd_check check;
    struct kind_shown {
        char *name;
        int n;
    } * shown; /* messages of each kind so far */
    int n_shown, hidden;
};

/* What is written until it is whole: nothing is left of it if the program ends before, from
 * wherever it does. */
static struct ptd_fix *unfinished;
static const volatile int *stop;

static void discard(void)
{
    ptd_fix_end(unfinished);
    unfinished = NULL;
}

static struct kind_shown *shown_of(struct checker *k, const char *kind)
{
    for (int i = 0; i < k->n_shown; i++)
        if (strcmp(k->shown[i].name, kind) == 0) return &k->shown[i];
    k->shown = ptd_realloc(k->shown, (k->n_shown + 1) * sizeof *k->shown);
    k->shown[k->n_shown] = (struct kind_shown){.name = ptd_strdup(kind)};
    return &k->shown[k->n_shown++];
}

static void forget_shown(struct checker *k)
{
    for (int i = 0; i < k->n_shown; i++) free(k->shown[i].name);
    free(k->shown);
    k->shown = NULL;
    k->n_shown = k->hidden = 0;
}

static void report(void *ctx, const char *kind, const char *message)
{
    struct checker *k = ctx;
    if (check.max && shown_of(k, kind)->n++ >= check.max)
        k->hidden = 1;
    else
        ptd_tell("%s", message);
}

static int keep(void *ctx, struct ptd_dataset *d, int row, const struct ptd_group *g)
{
    (void)ctx;
    if (!*stop) return ptd_fix_row(unfinished, d, row, g);
    discard();
    ptd_stop_die();
}

static void open_model(struct checker *k)
{
    struct ptd_source *s = &k->source;
    int rc = check.store ? ptd_source_model(s, check.store) : ptd_source_files(s, &check.from);
    if (rc < 0 || ptd_source_system(s, check.system) < 0 ||
        ptd_source_pixels(s, check.max_pixels, check.min_pixels) < 0)
        ptd_die_last();
    s->max_prompt = check.max_prompt;
    k->fit = ptd_source_fit(s);
    k->check.fit = &k->fit;
    k->check.rules = &s->rules;
}

static void open_checker(struct checker *k)
{
    k->check = (struct ptd_check){
        .places = &check.places, .max_tokens = check.max_tokens, .report = report, .ctx = k};
    if (check.store || check.from.folder) open_model(k);
    if (strcmp(check.judge, "none") == 0) return;
    if (!(k->check.judge = ptd_judge_named(check.judge))) ptd_die_last();
}

static void open_fix(struct checker *k, const char *file)
{
    stop = ptd_stop_heed();
    atexit(discard);
    at_quick_exit(discard);
    if (!(unfinished = ptd_fix_open(check.fix, file, &check.places))) ptd_die_last();
    k->check.usable = keep;
}

/* "; 510 rows in good.jsonl, 2 left out"; malloc'd */
static char *publish(const struct ptd_checked *r)
{
    if (!check.fix) return ptd_strdup("");
    if (!r->usable) return ptd_format("; %s is not written", check.fix);
    if (ptd_fix_publish(unfinished) < 0) ptd_die_last();
    return ptd_format("; %ld row%s in %s, %ld left out", r->usable, ptd_plural(r->usable),
                      check.fix, r->rows - r->usable);
}

static int check_file(struct checker *k, const char *file, double started)
{
    struct ptd_checked r;
    if (ptd_dataset_check_all(file, &k->check, &r) < 0) ptd_die_last();
    int status = check.fix && r.usable ? PTD_OK : r.status;
    char *fixed = publish(&r);
    if (check.json)
        ptd_show_checked_json(file, &r);
    else
        ptd_show_checked(file, &r, &k->check);
    ptd_stdout_flush();
    ptd_info("%s: %ld of %ld row%s usable, %ld fault%s%s%s, %.1f s", file, r.usable, r.rows,
             ptd_plural(r.rows), r.faults, ptd_plural(r.faults),
             k->hidden ? ", not all printed (see --max)" : "", fixed, ptd_now() - started);
    free(fixed);
    forget_shown(k);
    ptd_checked_clear(&r);
    return status;
}

static void check_usage_of(int n_files)
{
    const char *template = check.from.template;
    if (!n_files) ptd_misuse("expected one FILE or more");
    if (check.fix && n_files > 1) ptd_misuse("--fix goes with one FILE");
    if (check.store && check.from.folder) ptd_misuse("expected one of --store and --from");
    if ((check.from.tokenizer || template) && !check.from.folder)
        ptd_misuse("--tokenizer and --template go with --from");
    if (template && ptd_template_from_name(template) < 0)
        ptd_misuse("--template: found \"%.40s\", expected instruct or thinking", template);
    if (check.store || check.from.folder) return;
    if (check.max_prompt || check.max_tokens || check.max_pixels || check.min_pixels ||
        check.system)
        ptd_misuse("--max-prompt, --max-tokens, --max-pixels, --min-pixels and --system need a "
                   "model: --store or --from");
}

static int run_check(int argc, char **argv)
{
    struct checker k = {0};
    int worst = PTD_OK, first = ptd_opt_parse(&check_usage, argc, argv);
    check_usage_of(argc - first);
    ptd_threads_start(check.threads);
    open_checker(&k);
    if (check.fix) open_fix(&k, argv[first]);
    for (int i = first; i < argc; i++) {
        if (i > first && !check.json) putchar('\n');
        int status = check_file(&k, argv[i], ptd_now());
        if (worst != PTD_DATAERR && status) worst = status;
    }
    discard();
    ptd_source_close(&k.source);
    return worst;
}

/* ---- both ---- */

static const struct ptd_opt no_options[] = {{0}};
static const struct ptd_usage usage = {
    "ptd-data",
    "digits FILE.jsonl | charts FILE.jsonl | check FILE...",
    "make a built-in data set, or check any data set",
    "ptd-data digits --help      its options: seed, count, split, kinds ...\nptd-data charts "
    "--help\n"
    "ptd-data check --help",
    no_options,
    "0 done, 2 misuse, 65 bad data, 66 no input, 73 cannot create the output, 74 i/o, 77 no "
    "permission"};

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "digits") == 0)
        return run_make(&make_usage, &ptd_scene_digits, argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "charts") == 0)
        return run_make(&charts_usage, &ptd_scene_charts, argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "check") == 0) return run_check(argc - 1, argv + 1);
    ptd_opt_parse(&usage, argc, argv);
    ptd_misuse("expected \"digits\", \"charts\" or \"check\" first");
}
