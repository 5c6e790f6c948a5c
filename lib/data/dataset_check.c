/* dataset_check: a whole data set, row by row.
 * What a right row is, is said in dataset.c; printing is left to the caller. */
#include "data/dataset_check.h"
#include "base/progress.h"
#include "data/dataset.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN 12 /* categories in the summary */

struct category {
    const char *name;
    long rows, at; /* at: in order of appearance */
};

struct tally {
    const char *file;
    long faults, pictures;
    /* of the faults: PTD_NOINPUT as long as pictures are missing and nothing else is wrong */
    int status;
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
        char *text =
            ptd_format("%s:%ld: field \"id\": \"%.200s\" is line %lld's too, expected another",
                       t->file, line, id, (long long)json_integer_value(earlier));
        count_fault(t, text);
        t->status = PTD_DATAERR;
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

static int by_rows(const void *a, const void *b)
{
    const struct category *x = a, *y = b;
    return x->rows != y->rows ? (x->rows < y->rows) - (x->rows > y->rows)
                              : (x->at > y->at) - (x->at < y->at);
}

/* All in order of appearance or, where there are more than are shown, the largest first. */
static struct category *list_categories(const struct tally *t, long *n)
{
    struct category *list = ptd_array(json_object_size(t->categories) + 1, sizeof *list);
    const char *name;
    json_t *rows;
    *n = 0;
    json_object_foreach (t->categories, name, rows) {
        list[*n] = (struct category){name, json_integer_value(rows), *n};
        ++*n;
    }
    if (*n > SHOWN) qsort(list, *n, sizeof *list, by_rows);
    return list;
}

/* " csum 86" and the like behind what is in the line. */
static void add_words(struct ptd_buf *line, char *words)
{
    ptd_buf_add(line, words, strlen(words));
    free(words);
}

static char *summary(const struct tally *t, int rows)
{
    struct ptd_buf line = {0};
    long n, others = 0;
    struct category *list = list_categories(t, &n);
    add_words(&line, ptd_format("%s: %d rows, %ld pictures", t->file, rows, t->pictures));
    for (long i = 0; i < n; i++) {
        ptd_fail(0, "%s", list[i].name); /* makes safe words of it */
        if (i < SHOWN)
            add_words(&line,
                      ptd_format("%s %s %ld", i ? "," : ":", ptd_failed_message(), list[i].rows));
        if (i >= SHOWN) others += list[i].rows;
    }
    if (n > SHOWN) add_words(&line, ptd_format(", %ld others %ld", n - SHOWN, others));
    ptd_buf_add(&line, "", 1);
    free(list);
    return line.data;
}

/* -1: a row cannot be judged, for a cause that is not the data. */
static int check_row(struct tally *t, struct ptd_dataset *d, int i, struct ptd_group *g)
{
    if (ptd_dataset_check(d, i, NULL, g, count_fault, t) == 0)
        count_row(t, ptd_dataset_line(d, i), g);
    else if (ptd_failed_status() == PTD_DATAERR)
        t->status = PTD_DATAERR;
    else if (ptd_failed_status() != PTD_NOINPUT)
        return -1;
    return 0;
}

static int check_rows(struct tally *t, struct ptd_dataset *d)
{
    struct ptd_group g = {0};
    struct ptd_progress progress;
    int rows = ptd_dataset_rows(d), rc = 0;
    ptd_progress_start(&progress, "rows", 0, rows);
    for (int i = 0; i < rows && rc == 0; i++) {
        rc = check_row(t, d, i, &g);
        ptd_progress_set(&progress, i + 1, NULL);
    }
    ptd_progress_clear(&progress);
    ptd_group_clear(&g);
    return rc;
}

static char *words(const struct tally *t, int rows)
{
    return t->faults ? ptd_format("%s: %ld faults in %d rows", t->file, t->faults, rows)
                     : summary(t, rows);
}

char *ptd_dataset_check_all(const char *file, void (*report)(void *ctx, const char *message),
                            void *ctx, long *faults, int *status)
{
    struct tally t = {.file = file, .status = PTD_NOINPUT, .report = report, .ctx = ctx};
    struct ptd_dataset *d = ptd_dataset_open(file);
    *faults = 0;
    if (!d) return NULL;
    t.ids = json_object();
    t.categories = json_object();
    char *line = check_rows(&t, d) < 0 ? NULL : words(&t, ptd_dataset_rows(d));
    *faults = t.faults;
    *status = t.faults ? t.status : PTD_OK;
    json_decref(t.ids);
    json_decref(t.categories);
    ptd_dataset_close(d);
    return line;
}
