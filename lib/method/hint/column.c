/* hint_column: a column of the data set as a hint's text: a text, or a list of texts as steps. The
 * stream says which file and which row; the file is read again, and is refused if it is not what
 * it was. Leaves what a data set's own hint columns mean to lib/data/ (they are `data`). */
#include "base/json.h"
#include "data/dataset.h"
#include "method/hint/hint.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct column {
    const struct ptd_hint_tools *tools;
    const char *name;
    struct ptd_dataset *data; /* NULL until the first hint */
    long asked, there;        /* rows; those that have the column */
};

static void *open_column(struct ptd_hint_tools *t, const struct ptd_hint_options *o,
                         const char *arg)
{
    (void)o;
    struct column *c = ptd_alloc(sizeof *c);
    c->tools = t;
    c->name = arg;
    return c;
}

static int open_data(struct column *c)
{
    char digest[17];
    const char *path = c->tools->data, *expected = c->tools->data_digest;
    if (!path)
        return ptd_fail(PTD_DATAERR, "--from column:%s: the stream names no data set", c->name);
    if (!(c->data = ptd_dataset_open(path))) return -1;
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)ptd_dataset_digest(c->data));
    if (!expected || strcmp(digest, expected) == 0) return 0;
    return ptd_fail(PTD_DATAERR, "%s: digest %s, expected %s, that of the stream's data set", path,
                    digest, expected);
}

static int bad(const struct ptd_group *g, const struct column *c, const char *what)
{
    return ptd_fail(PTD_DATAERR,
                    "column \"%s\" of group \"%s\": %s, expected text or a list of "
                    "texts",
                    c->name, g->uid, what);
}

/* 1: steps are there, 0: the column is empty. */
static int take(const struct column *c, struct ptd_group *g, const json_t *v, struct ptd_hint *out)
{
    size_t n = json_is_array(v) ? json_array_size(v) : v && !json_is_null(v);
    if (n > PTD_LIST_MAX) return bad(g, c, "too many items");
    const char **steps = ptd_group_alloc(g, (n + 1) * sizeof *steps);
    for (size_t i = 0; i < n; i++) {
        const char *s = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
        if (!s) return bad(g, c, json_is_array(v) ? "an item that is no text" : "no text");
        if (*s) steps[out->n_steps++] = ptd_group_text(g, "%s", s);
    }
    out->steps = steps;
    return out->n_steps > 0;
}

static int make_column(void *source, struct ptd_group *g, struct ptd_hint *out)
{
    struct column *c = source;
    size_t n;
    json_error_t e;
    if (!c->data && open_data(c) < 0) return -1;
    if (g->index < 0 || g->index >= ptd_dataset_rows(c->data))
        return ptd_fail(PTD_DATAERR, "group \"%s\": row %lld, expected one of the %d of %s", g->uid,
                        (long long)g->index, ptd_dataset_rows(c->data), c->tools->data);
    char *row = ptd_dataset_bytes(c->data, (int)g->index, &n);
    if (!row) return -1;
    json_t *o = ptd_json_load(row, n, 0, &e);
    free(row);
    if (!o) return bad(g, c, e.text);
    const json_t *v = json_object_get(o, c->name);
    c->asked++;
    c->there += v != NULL;
    int rc = take(c, g, v, out);
    json_decref(o);
    return rc;
}

static void close_column(void *source)
{
    struct column *c = source;
    if (c->asked && !c->there)
        ptd_warn("--from column:%s: none of %ld rows has this column", c->name, c->asked);
    ptd_dataset_close(c->data);
    free(c);
}

const struct ptd_hint_source ptd_hint_column = {.name = "column",
                                                .arg = "NAME",
                                                .open = open_column,
                                                .make = make_column,
                                                .close = close_column};
