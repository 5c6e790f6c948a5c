/* ptd-data: makes the built-in data set of coloured handwriting, or checks any data set.
 *
 *     ptd-data digits train.jsonl --count 4096 && ptd-data check train.jsonl
 *
 * What the questions are is said in lib/data/digits.h, what a data set looks like in
 * lib/data/dataset.h. */
#include "base/opt.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/signals.h"
#include "base/threads.h"
#include "data/dataset_check.h"
#include "data/dataset_fix.h"
#include "data/dataset_write.h"
#include "data/digits.h"
#include "data/template.h"
#include "judge/judge.h"
#include "method/source.h"
#include "view/check_table.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX   PTD_DATASET_PICTURES
#define SHARE_MAX  16
#define ANY_FAMILY PTD_KINDS

/* ---- ptd-data digits ---- */

static struct {
    int64_t seed;
    int count, share, objects;
    const char *split, *kinds;
} make = {.seed = 1, .count = 4096, .share = 1, .split = "train", .kinds = "all"};

static const struct ptd_opt make_options[] = {
    {"seed", 's', PTD_OPT_LONG, &make.seed, "N", "another seed, other pictures and questions", 0,
     0},
    {"count", 'n', PTD_OPT_INT, &make.count, "N",
     "rows, shared out among the kinds without a count", 1, ROWS_MAX},
    {"split", 0, PTD_OPT_STR, &make.split, "NAME", "whose handwriting: train or test", 0, 0},
    {"kinds", 'k', PTD_OPT_STR, &make.kinds, "LIST", "KIND[:COUNT],... with kinds as above", 0, 0},
    {"objects", 0, PTD_OPT_FLAG, &make.objects, NULL,
     "say what is in every cell (dense grounding for ptd-update --picture-words)", 0, 0},
    {"per-picture", 0, PTD_OPT_INT, &make.share, "N", "rows that may share a picture", 1,
     SHARE_MAX},
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

struct kind {
    int kind, hinted, count;
};

struct wish { /* what a row is to be */
    uint8_t kind, hinted;
};

struct maker {
    struct ptd_digits digits;
    struct ptd_grid grid;
    char asked[SHARE_MAX][64]; /* about the picture at hand */
    int n_asked;
    struct ptd_dataset_out *out;
};

static int find_kind(const char *name, struct kind *k)
{
    k->hinted = strcmp(name, "all") == 0 || strcmp(name, "hinted") == 0;
    k->kind = k->hinted || strcmp(name, "all-plain") == 0 ? ANY_FAMILY : -1;
    for (int i = 0; i < PTD_KINDS && k->kind < 0; i++)
        if (strcmp(name, ptd_kind_name[i]) == 0) k->kind = i;
    return k->kind < 0 ? -1 : 0;
}

static struct kind parse_kind(const char *word)
{
    struct kind k = {.count = -1};
    char name[32], *end;
    size_t n = strcspn(word, ":");
    snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), word);
    if (find_kind(name, &k) < 0) ptd_misuse("option --kinds: unknown kind \"%s\"", name);
    if (!word[n]) return k;
    long count = strtol(word + n + 1, &end, 10);
    if (!isdigit((unsigned char)word[n + 1]) || *end || count < 1 || count > ROWS_MAX)
        ptd_misuse("option --kinds: \"%s\": expected a count of 1 to %d", word, ROWS_MAX);
    k.count = (int)count;
    return k;
}

/* Gives the kinds without a count their shares of --count; returns the number of rows. */
static long share_out(struct kind *kinds, int n)
{
    long total = 0;
    int open = 0, given = 0;
    for (int i = 0; i < n; i++) open += kinds[i].count < 0;
    for (int i = 0; i < n; i++) {
        if (kinds[i].count < 0) {
            kinds[i].count = make.count / open + (given < make.count % open);
            given++;
        }
        total += kinds[i].count;
    }
    if (total > ROWS_MAX) ptd_misuse("%ld rows, expected at most %d", total, ROWS_MAX);
    return total;
}

static struct wish *parse_kinds(long *n_rows)
{
    struct kind kinds[64];
    int n = 0;
    char *list = ptd_strdup(make.kinds), *rest = list;
    for (char *word; (word = strsep(&rest, ","));) {
        if (n == 64) ptd_misuse("option --kinds: expected at most 64 kinds");
        kinds[n++] = parse_kind(word);
    }
    free(list);
    *n_rows = share_out(kinds, n);
    struct wish *wishes = ptd_array(*n_rows, sizeof *wishes), *w = wishes;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < kinds[i].count; k++)
            *w++ = (struct wish){kinds[i].kind == ANY_FAMILY ? k % PTD_FAMILIES : kinds[i].kind,
                                 kinds[i].hinted};
    return wishes;
}

/* ---- rows ---- */

/* Dies of the last failure, after the unfinished data set is removed. */
static _Noreturn void give_up(struct maker *m)
{
    int status = ptd_failed_status();
    char *message = ptd_strdup(ptd_failed_message());
    ptd_dataset_end(m->out);
    ptd_die(status, "%s", message);
}

static void paint(struct maker *m)
{
    struct ptd_image im = {0};
    ptd_grid_paint(&m->grid, &m->digits, &im);
    if (ptd_dataset_picture(m->out, &im) < 0) give_up(m);
    ptd_image_clear(&im);
    m->n_asked = 0;
}

static int is_new(const struct maker *m, const struct ptd_task *t)
{
    for (int i = 0; i < m->n_asked; i++)
        if (strcmp(m->asked[i], t->question) == 0) return 0;
    return 1;
}

/* On a signal, after the same. */
static void look_for_stop(struct maker *m, const volatile int *stop)
{
    if (!*stop) return;
    ptd_dataset_end(m->out);
    ptd_stop_die();
}

/* A question about the picture at hand if that may be shared and allows one, else about a new
 * picture. */
static void ask(struct maker *m, enum ptd_kind kind, struct ptd_draw *draw, struct ptd_task *t)
{
    int open = m->n_asked && m->n_asked < make.share;
    if (!open || !ptd_task_ask(t, kind, &m->grid, draw) || !is_new(m, t)) {
        do ptd_grid_draw(&m->grid, &m->digits, draw);
        while (!ptd_task_ask(t, kind, &m->grid, draw));
        paint(m);
    }
    memcpy(m->asked[m->n_asked++], t->question, sizeof t->question);
}

static void add_hints(struct ptd_group *g, const struct ptd_task *t)
{
    const char **steps = ptd_group_alloc(g, t->n_steps * sizeof *steps);
    struct ptd_region *regions = ptd_group_alloc(g, t->n_cells * sizeof *regions);
    for (int i = 0; i < t->n_steps; i++) steps[i] = t->steps[i];
    for (int i = 0; i < t->n_cells; i++) {
        regions[i].label = ptd_cell_name[t->cells[i]];
        ptd_cell_box(t->cells[i], regions[i].box);
    }
    g->steps = steps;
    g->n_steps = t->n_steps;
    g->regions = regions;
    g->n_regions = t->n_cells;
}

/* Every cell with its name and what it holds: "b2 red 4", "c1 none". */
static void add_objects(struct ptd_group *g, const struct ptd_grid *grid)
{
    struct ptd_region *o = ptd_group_alloc(g, PTD_CELLS * sizeof *o);
    for (int i = 0; i < PTD_CELLS; i++) {
        o[i].label = grid->colour[i] < 0
                         ? ptd_group_text(g, "%s none", ptd_cell_name[i])
                         : ptd_group_text(g, "%s %s %d", ptd_cell_name[i],
                                          ptd_colour_name[grid->colour[i]], grid->digit[i]);
        ptd_cell_box(i, o[i].box);
    }
    g->objects = o;
    g->n_objects = PTD_CELLS;
}

static void make_row(struct maker *m, const struct wish *w, uint32_t split, long row)
{
    struct ptd_draw draw = {.seed = make.seed, .split = split, .row = row};
    struct ptd_group g = {0};
    struct ptd_task t;
    ask(m, w->kind, &draw, &t);
    g.category = ptd_kind_name[w->kind];
    g.uid = ptd_group_text(&g, "%s-%06ld", g.category, row + 1);
    g.question = ptd_group_text(&g, "<image>%s", t.question);
    g.answer = t.answer;
    g.solution = t.solution;
    if (w->hinted) add_hints(&g, &t);
    if (make.objects) add_objects(&g, &m->grid);
    if (ptd_dataset_write(m->out, &g) < 0) give_up(m);
    ptd_group_clear(&g);
}

static void make_rows(struct maker *m, const struct wish *wishes, long n, uint32_t split)
{
    struct ptd_progress progress;
    const volatile int *stop = ptd_stop_heed();
    int *order = ptd_array(n, sizeof *order);
    ptd_shuffle(order, n, make.seed, PTD_RNG_SHUFFLE, split);
    ptd_progress_start(&progress, "rows", 0, n);
    for (long i = 0; i < n; i++) {
        look_for_stop(m, stop);
        make_row(m, &wishes[order[i]], split, i);
        ptd_progress_set(&progress, i + 1, NULL);
    }
    ptd_progress_clear(&progress);
    free(order);
}

static enum ptd_split parse_split(const char *name)
{
    for (int i = 0; i < 2; i++)
        if (strcmp(name, ptd_split_name[i]) == 0) return i;
    ptd_misuse("option --split: \"%s\", expected train or test", name);
}

static int run_digits(int argc, char **argv)
{
    struct maker m = {0};
    long n;
    int first = ptd_opt_parse(&make_usage, argc, argv);
    if (argc - first != 1) ptd_misuse("expected one FILE.jsonl");
    enum ptd_split split = parse_split(make.split);
    struct wish *wishes = parse_kinds(&n);
    m.out = ptd_dataset_create(argv[first]);
    if (!m.out || ptd_digits_open(&m.digits, split) < 0) ptd_die_last();
    make_rows(&m, wishes, n, split);
    if (ptd_dataset_publish(m.out) < 0) give_up(&m);
    ptd_info("%s: %ld rows, %ld pictures", argv[first], n, ptd_dataset_pictures(m.out));
    ptd_dataset_end(m.out);
    ptd_digits_close(&m.digits);
    free(wishes);
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
    return ptd_format("; %ld rows in %s, %ld left out", r->usable, check.fix, r->rows - r->usable);
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
    ptd_info("%s: %ld of %ld rows usable, %ld faults%s%s, %.1f s", file, r.usable, r.rows, r.faults,
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
    "digits FILE.jsonl | check FILE...",
    "make the built-in data set, or check any data set",
    "ptd-data digits --help      its options: seed, count, split, kinds ...\nptd-data check --help",
    no_options,
    "0 done, 2 misuse, 65 bad data, 66 no input, 73 cannot create the output, 74 i/o, 77 no "
    "permission"};

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "digits") == 0) return run_digits(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "check") == 0) return run_check(argc - 1, argv + 1);
    ptd_opt_parse(&usage, argc, argv);
    ptd_misuse("expected \"digits\" or \"check\" first");
}
