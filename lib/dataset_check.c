/* dataset_check: a whole data set, row by row.
 * What a right row is, is said in dataset.c; printing is left to the caller. */
#include "dataset_check.h"
#include "dataset.h"
#include "progress.h"

#include <jansson.h>
#include <stdlib.h>

struct tally {
    const char *file;
    long faults, pictures;
    json_t *ids;        /* id: its line */
    json_t *categories; /* category: how many rows */
    void (*report)(void *ctx, const char *message);
    void *ctx;
};

static void count_fault(void *ctx, const char *message)
{
    struct tally *t = ctx;
    t->faults++;
    t->report(t->ctx, message);
}

static void count_id(struct tally *t, long line, const char *id)
{
    const json_t *earlier = json_object_get(t->ids, id);
    if (earlier) {
        char *text = ptd_format("%s:%ld: field \"id\": \"%.200s\" is line %lld's too, expected another",
                                t->file, line, id, (long long)json_integer_value(earlier));
        count_fault(t, text);
        free(text);
    }
    json_object_set_new(t->ids, id, json_integer(line));
}

static void count_row(struct tally *t, long line, const struct ptd_group *g)
{
    const char *category = g->category && *g->category ? g->category : "(none)";
    long long before = json_integer_value(json_object_get(t->categories, category));
    json_object_set_new(t->categories, category, json_integer(before + 1));
    t->pictures += g->n_pictures;
    count_id(t, line, g->uid);
}

static char *summary(const struct tally *t, int rows)
{
    char *line = ptd_format("%s: %d rows, %ld pictures", t->file, rows, t->pictures);
    const char *category, *mark = ":";
    json_t *n;
    json_object_foreach(t->categories, category, n)
    {
        char *longer = ptd_format("%s%s %s %lld", line, mark, category, (long long)json_integer_value(n));
        free(line);
        line = longer;
        mark = ",";
    }
    return line;
}

static void check_rows(struct tally *t, struct ptd_dataset *d)
{
    struct ptd_group g = {0};
    struct ptd_progress progress;
    int rows = ptd_dataset_rows(d);
    ptd_progress_start(&progress, "rows", 0, rows);
    for (int i = 0; i < rows; i++) {
        if (ptd_dataset_check(d, i, &g, count_fault, t) == 0) count_row(t, ptd_dataset_line(d, i), &g);
        ptd_progress_set(&progress, i + 1, NULL);
    }
    ptd_progress_clear(&progress);
    ptd_group_clear(&g);
}

char *ptd_dataset_check_all(const char *file, void (*report)(void *ctx, const char *message), void *ctx,
                            long *faults)
{
    struct tally t = {.file = file, .report = report, .ctx = ctx};
    struct ptd_dataset *d = ptd_dataset_open(file);
    *faults = 0;
    if (!d) return NULL;
    t.ids = json_object();
    t.categories = json_object();
    check_rows(&t, d);
    char *line = t.faults ? ptd_format("%s: %ld faults in %d rows", file, t.faults, ptd_dataset_rows(d))
                          : summary(&t, ptd_dataset_rows(d));
    *faults = t.faults;
    json_decref(t.ids);
    json_decref(t.categories);
    ptd_dataset_close(d);
    return line;
}
