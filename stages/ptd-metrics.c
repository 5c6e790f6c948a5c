/* ptd-metrics: metrics for dashboards of others: TensorBoard, W&B, Prometheus, spreadsheets.
 *
 *     ptd-update ... | tee -a metrics.jsonl | ptd-metrics --tensorboard tb -
 *     ptd-metrics --follow --tensorboard tb metrics.jsonl        the same beside the run
 *     tensorboard --logdir tb
 *
 * Reads the JSON lines of ptd-update (or of ptd-eval: "val/..."), which it writes as they come, or,
 * with --groups, a stream, of which TensorBoard gets histograms of lengths and rewards, and the
 * pictures of hints. Started again, it writes what is missing and nothing twice; what begins anew
 * in the same file takes the place of what was there.
 *
 * W&B takes the lines of --wandb by its own library, which goes on where a run of that id was left:
 *
 *     ptd-metrics --wandb --follow metrics.jsonl | python3 -c '
 *     import json, sys, wandb
 *     run = wandb.init(project="ptd", id="run1", resume="allow")
 *     for line in sys.stdin:
 *         values = json.loads(line)
 *         run.log(values, step=values.pop("_step"))'
 *
 * Prometheus reads FILE by node_exporter's textfile collector; it should end in .prom there. */
#include "base/opt.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/signals.h"
#include "flow/filter.h"
#include "view/events.h"
#include "view/groups.h"
#include "view/lines.h"
#include "view/names.h"
#include "view/columns.h"
#include <libgen.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_EVERY 200 /* ms between looks at a file that may have grown */

static struct {
    const char *tensorboard, *prometheus, *names, *groups, *run;
    int csv, wandb, follow, pictures;
    double idle;
    enum ptd_names kind;
} opt = {.names = "ours", .pictures = 4};
static const struct ptd_opt options[] = {
    {"tensorboard", 't', PTD_OPT_STR, &opt.tensorboard, "DIR",
     "event files for TensorBoard: DIR, DIR/val, and DIR/groups with --groups", 0, 0},
    {"csv", 'c', PTD_OPT_FLAG, &opt.csv, NULL, "a table with a header to standard output", 0, 0},
    {"prometheus", 'p', PTD_OPT_STR, &opt.prometheus, "FILE",
     "the latest values, for node_exporter's textfile collector", 0, 0},
    {"wandb", 'w', PTD_OPT_FLAG, &opt.wandb, NULL,
     "JSON lines with _step to standard output, for W&B's library to replay", 0, 0},
    {"names", 0, PTD_OPT_STR, &opt.names, "FAMILY", "whose names: " PTD_NAMES_HELP, 0, 0},
    {"groups", 'g', PTD_OPT_STR, &opt.groups, "STREAM",
     "a stream instead of metrics, as tee keeps it or passes it on (-)", 0, 0},
    {"pictures", 0, PTD_OPT_INT, &opt.pictures, "N", "with --groups: pictures of hints a step", 0,
     64},
    {"run", 0, PTD_OPT_STR, &opt.run, "NAME",
     "with --prometheus: its label run (default: the folder of the metrics)", 0, 0},
    {"follow", 'f', PTD_OPT_FLAG, &opt.follow, NULL, "go on as the file grows, until stopped", 0,
     0},
    {"idle", 0, PTD_OPT_DOUBLE, &opt.idle, "SECONDS",
     "with --follow: end when nothing came for so long (0: never)", 0, 1e9},
    {0}};
static const struct ptd_usage usage = {
    "ptd-metrics",
    "[METRICS.jsonl]",
    "metrics for TensorBoard, W&B, Prometheus and spreadsheets",
    "ptd-metrics --tensorboard tb --follow metrics.jsonl &  tensorboard --logdir tb\n"
    "ptd-metrics --csv --names trl metrics.jsonl > metrics.csv\n"
    "ptd-metrics --prometheus /var/lib/node_exporter/ptd.prom -f metrics.jsonl\n"
    "... | ptd-hint | tee >(ptd-metrics --tensorboard tb --groups -) | ptd-ref | ...",
    options,
    "0 done, 2 misuse, 65 bad data, 66 no input, 71 no memory, 73 no output, 74 i/o, 75 stopped, "
    "76 "
    "cut, 77 no permission"};

/* A pipe is waited for in read(), which a signal that is heeded would not end. */
static const volatile int never, *stop = &never;

struct run {
    struct ptd_lines *lines;
    struct ptd_events *events[PTD_LINE_KINDS]; /* NULL: none yet */
    struct ptd_columns *table;                 /* NULL: not asked for */
    const char *name;
    long read, steps; /* lines that count; steps that were written for TensorBoard */
    int fresh;        /* the table says more than the file of --prometheus */
    double told;      /* when that was written */
};

/* ---- TensorBoard ---- */

static struct ptd_events *events_in(const char *below)
{
    char *dir = ptd_format("%s%s", opt.tensorboard, below);
    struct ptd_events *e = ptd_events_open(dir);
    if (!e) ptd_die_last();
    free(dir);
    return e;
}

static void tell_tensorboard(struct run *r, const struct ptd_line *line)
{
    char name[512];
    const char *key;
    json_t *v;
    struct ptd_events **at = &r->events[line->kind], *e;
    if (!*at) *at = events_in(line->kind == PTD_LINE_VAL ? "/val" : "");
    e = *at;
    json_object_foreach (line->object, key, v) {
        if (strcmp(key, "step") == 0 || (!json_is_number(v) && !json_is_null(v))) continue;
        ptd_events_scalar(e, ptd_name_in(opt.kind, key, name, sizeof name),
                          json_is_null(v) ? (double)NAN : json_number_value(v));
    }
    int wrote = ptd_events_step(e, line->step, line->time);
    if (wrote < 0) ptd_die_last();
    r->steps += wrote;
}

static double clock_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int read_groups(struct ptd_reader *in, struct ptd_groups *s, struct ptd_events *e,
                       long *steps)
{
    struct ptd_frame f;
    struct ptd_group g = {0};
    int64_t step;
    int got, rc = 0;
    while (rc >= 0 && (got = ptd_reader_next(in, &f)) > 0) {
        if (f.kind == PTD_GROUP && ptd_group_read(&g, f.body, f.body_len) < 0)
            rc = ptd_reader_blame(in, &f);
        else if (f.kind == PTD_GROUP)
            rc = ptd_groups_add(s, &g);
        if (f.kind != PTD_STEP || rc < 0) continue;
        rc = ptd_frame_step(&f, &step) < 0 ? -1 : ptd_groups_step(s, e, step, clock_now());
        *steps += rc > 0;
    }
    ptd_group_clear(&g);
    return rc < 0 ? -1 : got;
}

static int show_groups(void)
{
    struct ptd_head h = {0};
    struct ptd_events *e = events_in("/groups");
    struct ptd_groups *s = ptd_groups_new(opt.pictures);
    long steps = 0;
    struct ptd_reader *in = ptd_input_open(opt.groups, &h);
    if (read_groups(in, s, e, &steps) < 0 || ptd_reader_close(in) < 0) ptd_die_last();
    ptd_info("%ld step%s written to %s/groups", steps, ptd_plural(steps), opt.tensorboard);
    ptd_groups_free(s);
    ptd_events_close(e);
    ptd_head_clear(&h);
    return PTD_OK;
}

/* ---- W&B ---- */

/* Its steps only go up; an examination, which ends when the run is further, is told at the run's
 * step, with its own beside it. */
static json_t *wandb_row(const struct ptd_line *line)
{
    static int64_t at = INT64_MIN;
    int late = line->kind == PTD_LINE_VAL && line->step < at;
    if (!late) at = line->step;
    json_t *o = json_pack("{s:I, s:f}", "_step", (json_int_t)at, "_timestamp", line->time);
    if (line->kind == PTD_LINE_VAL) json_object_set_new(o, "val/step", json_integer(line->step));
    return o;
}

static void tell_wandb(const struct ptd_line *line)
{
    char name[512];
    const char *key;
    json_t *v, *o = wandb_row(line);
    json_object_foreach (line->object, key, v) {
        if (strcmp(key, "step") == 0 || !json_is_number(v)) continue;
        json_object_set(o, ptd_name_in(opt.kind, key, name, sizeof name), v);
    }
    char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(17));
    puts(text);
    ptd_stdout_flush();
    free(text);
    json_decref(o);
}

/* ---- lines ---- */

static void tell_prometheus(struct run *r)
{
    if (ptd_columns_prometheus(r->table, r->name, opt.prometheus) < 0) ptd_die_last();
    r->told = ptd_now();
    r->fresh = 0;
}

static void tell(struct run *r, const struct ptd_line *line)
{
    r->read++;
    if (opt.tensorboard) tell_tensorboard(r, line);
    if (opt.wandb) tell_wandb(line);
    if (!r->table) return;
    ptd_columns_add(r->table, line);
    r->fresh = 1;
    if (opt.prometheus && ptd_now() - r->told >= 1) tell_prometheus(r);
}

/* Everything that is there; the number of lines. */
static long read_on(struct run *r)
{
    struct ptd_line line;
    long before = r->read;
    int got = 0;
    while (!*stop && (got = ptd_lines_next(r->lines, !opt.follow, &line)) > 0) tell(r, &line);
    if (got < 0) ptd_die_last();
    if (opt.prometheus && r->fresh) tell_prometheus(r);
    return r->read - before;
}

static void follow(struct run *r)
{
    double heard = ptd_now();
    while (!*stop) {
        if (read_on(r)) heard = ptd_now();
        if (opt.idle > 0 && ptd_now() - heard > opt.idle) return;
        if (!*stop) poll(NULL, 0, LOOK_EVERY);
    }
}

/* "runs/grpo/metrics.jsonl" is of the run grpo. */
static char *run_of(const char *path)
{
    char *copy = realpath(path, NULL), *name;
    if (!copy) return ptd_strdup("ptd");
    name = ptd_strdup(basename(dirname(copy)));
    free(copy);
    return name;
}

static int show_lines(const char *path)
{
    struct run r = {.lines = ptd_lines_open(path)};
    if (!r.lines) ptd_die_last();
    char *name = opt.run ? ptd_strdup(opt.run) : run_of(path);
    r.name = name;
    if (opt.csv || opt.prometheus) r.table = ptd_columns_new(opt.kind, opt.csv);
    if (opt.follow && strcmp(path, "-") != 0) {
        stop = ptd_stop_heed();
        follow(&r);
    } else
        read_on(&r);
    if (*stop)
        ptd_die(PTD_STOPPED, "stopped on request after %ld line%s; the same command goes on",
                r.read, ptd_plural(r.read));
    if (opt.csv) ptd_columns_csv(r.table, stdout);
    ptd_stdout_flush();
    if (opt.tensorboard)
        ptd_info("%ld line%s, %ld step%s written to %s", r.read, ptd_plural(r.read), r.steps,
                 ptd_plural(r.steps), opt.tensorboard);
    for (int k = 0; k < PTD_LINE_KINDS; k++) ptd_events_close(r.events[k]);
    if (r.table) ptd_columns_free(r.table);
    ptd_lines_close(r.lines);
    free(name);
    return PTD_OK;
}

static void check_options(int operands)
{
    int kind = ptd_names_of(opt.names);
    if (kind < 0) ptd_misuse("%s", ptd_failed_message());
    opt.kind = (enum ptd_names)kind;
    if (operands > 1) ptd_misuse("expected one file of metrics");
    if (opt.csv && opt.wandb) ptd_misuse("--csv and --wandb both write to standard output");
    if (!opt.tensorboard && !opt.prometheus && !opt.csv && !opt.wandb)
        ptd_misuse("expected --tensorboard, --csv, --prometheus or --wandb");
    if (opt.groups && (operands || opt.csv || opt.wandb || opt.prometheus || !opt.tensorboard))
        ptd_misuse("--groups is for --tensorboard, and takes no metrics");
    if (opt.csv && opt.follow) ptd_misuse("--csv is of a whole file: expected no --follow");
    ptd_opt_needs("idle", opt.follow, "--follow");
    ptd_opt_needs("pictures", opt.groups != NULL, "--groups");
    ptd_opt_needs("run", opt.prometheus != NULL, "--prometheus");
}

int main(int argc, char **argv)
{
    int first = ptd_opt_parse(&usage, argc, argv);
    check_options(argc - first);
    if (opt.groups) return show_groups();
    const char *path = first < argc ? argv[first] : "-";
    if (strcmp(path, "-") == 0 && isatty(0))
        ptd_misuse("standard input is a terminal: expected a file of metrics");
    return show_lines(path);
}
