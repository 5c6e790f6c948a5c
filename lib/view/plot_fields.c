/* plot_fields: which fields metrics files have, and which are worth a look. See plot.h. */
#include "method/glossary.h"
#include "view/plot.h"
#include "view/plot_private.h"
#include "view/table.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHOSEN_MAX 6

static struct ptd_field *field_of(struct ptd_fields *f, const char *name)
{
    int known = f->names.n, at = ptd_names_add(&f->names, name);
    if (at == f->cap) {
        f->cap = 2 * f->cap + 64;
        f->at = ptd_realloc(f->at, (size_t)f->cap * sizeof *f->at);
    }
    if (at == known) f->at[at] = (struct ptd_field){0};
    return &f->at[at];
}

static int read_line(void *to, const char *where, long line, const json_t *o)
{
    const char *key;
    json_t *v;
    if (!json_is_number(json_object_get(o, "step")))
        return ptd_fail(PTD_DATAERR, "%s:%ld: field \"step\": expected a number", where, line);
    json_object_foreach ((json_t *)o, key, v) {
        if (!json_is_number(v) || strcmp(key, "step") == 0) continue;
        struct ptd_field *f = field_of(to, key);
        f->last = json_number_value(v);
        if (!f->points++) f->first = f->last;
    }
    return 0;
}

int ptd_fields_read(struct ptd_fields *f, const char *path)
{
    return ptd_metrics_file(path, read_line, f);
}

void ptd_fields_clear(struct ptd_fields *f)
{
    ptd_names_clear(&f->names);
    free(f->at);
}

/* ---- what is worth a look ---- */

static int has(const struct ptd_fields *f, const char *name)
{
    return ptd_names_find(&f->names, name) >= 0;
}

static void add(char **list, const char *name)
{
    char *longer = *list ? ptd_format("%s,%s", *list, name) : ptd_strdup(name);
    free(*list);
    *list = longer;
}

/* The fields of a NULL-ended list that are there. */
static void add_those(const struct ptd_fields *f, char **list, const char *const *names)
{
    for (; *names; names++)
        if (has(f, *names)) add(list, *names);
}

char *ptd_fields_chosen(const struct ptd_fields *f)
{
    static const char *const rewards[] = {"reward/accuracy", "group_reward/all_fail_ratio",
                                          "actor/entropy", "response_length/mean", NULL},
                             *const supervised[] = {"actor/loss", "actor/entropy",
                                                    "actor/grad_norm", "actor/lr", NULL},
                             *const evaluation[] = {"val/accuracy_reward", NULL};
    char *list = NULL;
    if (has(f, "reward/accuracy"))
        add_those(f, &list, rewards);
    else
        add_those(f, &list, supervised);
    add_those(f, &list, evaluation);
    for (int i = 0; !list && i < f->names.n && i < CHOSEN_MAX; i++)
        if (!strchr(f->names.at[i], ',')) add(&list, f->names.at[i]);
    return list;
}

/* ---- lists ---- */

void ptd_fields_list(const struct ptd_fields *f)
{
    struct ptd_table t = {0};
    static const char *const headings[] = {"field", "points", "first", "last", "unit", "meaning"};
    for (int i = 0; i < 6; i++) ptd_table_column(&t, headings[i]);
    t.left = 1 << 4 | 1 << 5;
    for (int i = 0; i < f->names.n; i++) {
        const struct ptd_metric *m = ptd_metric_named(f->names.at[i]);
        ptd_table_text(&t, f->names.at[i]);
        ptd_table_count(&t, f->at[i].points);
        ptd_table_general(&t, f->at[i].first);
        ptd_table_general(&t, f->at[i].last);
        ptd_table_text(&t, m ? m->unit : "");
        ptd_table_words(&t, m ? m->meaning : "");
    }
    ptd_table_print(&t);
}

void ptd_metrics_list(void)
{
    struct ptd_table t = {.left = 1 << 1 | 1 << 2};
    ptd_table_column(&t, "field");
    ptd_table_column(&t, "unit");
    ptd_table_column(&t, "meaning");
    for (const struct ptd_metric *m = ptd_metrics_known; m->name; m++) {
        ptd_table_text(&t, m->name);
        ptd_table_text(&t, m->unit);
        ptd_table_words(&t, m->meaning);
    }
    ptd_table_print(&t);
}
