/* ptd-plot: learning curves from metrics files, or one group's hint drawn over its picture.
 * Reads JSON lines with "step" and fields such as "actor/entropy", or a stream; writes one figure
 * through gnuplot. */
#include "base/opt.h"
#include "base/output.h"
#include "view/gnuplot.h"
#include "view/plot.h"
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    const char *out, *fields, *titles, *title, *hint, *uid;
    int smooth, band, list;
} opt;

static const struct ptd_opt options[] = {
    {"output", 'o', PTD_OPT_STR, &opt.out, "FILE",
     ".svg .png .pdf, or .gp for the script (default: curves.svg)", 0, 0},
    {"fields", 'f', PTD_OPT_STR, &opt.fields, "LIST",
     "one panel each (default: what is worth a look of what there is)", 0, 0},
    {"list", 'l', PTD_OPT_FLAG, &opt.list, NULL,
     "show which fields the files have; without a file: what all metrics are", 0, 0},
    {"smooth", 0, PTD_OPT_INT, &opt.smooth, "N",
     "running mean over N points; 1: none; 0: 10, or none for 40 points or fewer", 0, 100000},
    {"titles", 't', PTD_OPT_STR, &opt.titles, "LIST",
     "names of the files in the key (default: their names)", 0, 0},
    {"band", 'b', PTD_OPT_FLAG, &opt.band, NULL,
     "files of one title are seeds of one run: its mean, in a band of the 95 % interval", 0, 0},
    {"title", 0, PTD_OPT_STR, &opt.title, "TEXT", "above the whole figure", 0, 0},
    {"hint", 0, PTD_OPT_STR, &opt.hint, "STREAM",
     "draw a hint of this stream instead (default: hint.png)", 0, 0},
    {"uid", 0, PTD_OPT_STR, &opt.uid, "UID",
     "with --hint: of this group (default: the first that has one)", 0, 0},
    {0}};
static const struct ptd_usage usage = {
    "ptd-plot",
    "METRICS.jsonl...",
    "draw learning curves, or a hint over its picture",
    "ptd-plot grpo/metrics.jsonl ptd-po/metrics.jsonl --titles GRPO,PTD-PO -o curves.png\n"
    "ptd-plot --band --titles GRPO,GRPO,PTD,PTD g0.jsonl g1.jsonl p0.jsonl p1.jsonl\n"
    "ptd-plot --list metrics.jsonl\n"
    "ptd-plot --fields actor/entropy,actor/grad_norm metrics.jsonl\n"
    "ptd-plot --hint hinted.rec -o hint.png",
    options,
    "0 done, 2 misuse, 65 bad data, 66 no input, 69 no gnuplot, 73 no output, 74 i/o, 76 cut, 77 "
    "no "
    "permission"};

/* Cuts a list at its commas; n strings in *out, all malloc'd. */
static int split(const char *list, char ***out)
{
    int n = 0;
    *out = NULL;
    while (list) {
        size_t len = strcspn(list, ",");
        *out = ptd_realloc(*out, (size_t)(n + 1) * sizeof **out);
        (*out)[n++] = ptd_format("%.*s", (int)len, list);
        list = list[len] ? list + len + 1 : NULL;
    }
    return n;
}

static void free_list(char **list, int n)
{
    for (int i = 0; i < n; i++) free(list[i]);
    free(list);
}

/* "runs/grpo/metrics.jsonl" is called grpo, "runs/grpo.jsonl" too. */
static char *name_of(const char *path)
{
    char *copy = ptd_strdup(path), *base = basename(copy), *dot = strrchr(base, '.');
    if (dot && dot != base) *dot = '\0';
    char *name = ptd_strdup(base);
    free(copy);
    copy = ptd_strdup(path);
    char *folder = basename(dirname(copy));
    if (strcmp(name, "metrics") == 0 && strcmp(folder, ".") != 0 && strcmp(folder, "/") != 0) {
        free(name);
        name = ptd_strdup(folder);
    }
    free(copy);
    return name;
}

static int read_fields(char **files, int n, struct ptd_fields *f)
{
    for (int i = 0; i < n; i++)
        if (ptd_fields_read(f, files[i]) < 0) return -1;
    return 0;
}

static int list_fields(char **files, int n)
{
    struct ptd_fields f = {0};
    int rc = read_fields(files, n, &f);
    if (rc == 0 && n) ptd_fields_list(&f);
    if (!n) ptd_metrics_list();
    ptd_stdout_flush();
    ptd_fields_clear(&f);
    return rc;
}

/* What --fields says, or what there is; malloc'd. NULL: a file cannot be read, or has nothing. */
static char *chosen_fields(char **files, int n)
{
    if (opt.fields) return ptd_strdup(opt.fields);
    struct ptd_fields f = {0};
    char *list = read_fields(files, n, &f) < 0 ? NULL : ptd_fields_chosen(&f);
    if (!list && !ptd_failed_status())
        ptd_fail(PTD_DATAERR, "%s: no numbers by step, expected lines as ptd-update prints them",
                 files[0]);
    ptd_fields_clear(&f);
    return list;
}

static int draw_curves(char **files, int n)
{
    char **fields, **titles, *list;
    int n_titles = split(opt.titles, &titles), rc = 0;
    if (opt.titles && n_titles != n)
        ptd_misuse("--titles names %d files, expected %d", n_titles, n);
    if (!(list = chosen_fields(files, n))) return -1;
    int n_fields = split(list, &fields);
    struct ptd_curves c = {.fields = fields,
                           .n_fields = n_fields,
                           .n_runs = n,
                           .smooth = opt.smooth,
                           .title = opt.title};
    c.runs = ptd_array((size_t)n, sizeof *c.runs);
    for (int i = 0; i < n && rc == 0; i++) {
        c.runs[i].name = titles ? ptd_strdup(titles[i]) : name_of(files[i]);
        rc = ptd_run_read(&c.runs[i], files[i], fields, n_fields);
    }
    if (rc == 0 && opt.band) ptd_curves_band(&c);
    if (rc == 0) rc = ptd_curves_draw(&c, opt.out ? opt.out : "curves.svg");
    for (int i = 0; i < c.n_runs; i++) ptd_run_clear(&c.runs[i]);
    free(c.runs);
    free(list);
    free_list(fields, n_fields);
    free_list(titles, n_titles);
    return rc;
}

int main(int argc, char **argv)
{
    int first = ptd_opt_parse(&usage, argc, argv), n = argc - first;
    if (opt.hint && n > 0) ptd_misuse("--hint takes no metrics files");
    if (opt.list) {
        if (list_fields(argv + first, n) < 0) ptd_die_last();
        return PTD_OK;
    }
    if (!opt.hint && n == 0)
        ptd_misuse("expected at least one file of metrics (\"-\" for standard input)");
    const char *out = opt.out ? opt.out : opt.hint ? "hint.png" : "curves.svg";
    int rc = opt.hint ? ptd_hint_draw(opt.hint, opt.uid, out) : draw_curves(argv + first, n);
    if (rc < 0) ptd_die_last();
    ptd_info("%s written", out);
    return PTD_OK;
}
