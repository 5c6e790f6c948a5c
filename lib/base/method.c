/* method: see method.h. */
#include "base/method.h"
#include "base/err.h"
#include <stdlib.h>
#include <string.h>

char *ptd_method_names(const struct ptd_method *const *table)
{
    char *names = ptd_strdup("");
    for (; *table; table++) {
        char *longer = ptd_format("%s%s%s", names, *names ? ", " : "", (*table)->name);
        free(names);
        names = longer;
    }
    return names;
}

const struct ptd_method *ptd_method_named(const struct ptd_method *const *table, const char *what,
                                          const char *name)
{
    for (int i = 0; table[i]; i++)
        if (!strcmp(table[i]->name, name)) return table[i];
    char *names = ptd_method_names(table);
    ptd_fail(PTD_USAGE, "--%s \"%s\": expected one of %s", what, name, names);
    free(names);
    return NULL;
}

void ptd_method_refuse_others(const struct ptd_method *const *table, const char *what,
                              const struct ptd_method *chosen)
{
    for (; *table; table++)
        for (const struct ptd_opt *o = (*table)->options; o && o->name; o++)
            if ((*table)->options != chosen->options && ptd_opt_given(o->name))
                ptd_misuse("--%s: an option of --%s %s, without effect under %s", o->name, what,
                           (*table)->name, chosen->name);
}

static struct ptd_opt *append(struct ptd_opt *all, int *n, struct ptd_opt row)
{
    all = ptd_realloc(all, (*n + 1) * sizeof *all);
    all[(*n)++] = row;
    return all;
}

/* The table that an option chooses from, or NULL. */
static const struct ptd_method *const *table_of(const struct ptd_method_choice *c,
                                                const char *option)
{
    for (; c->option; c++)
        if (!strcmp(c->option, option)) return c->table;
    return NULL;
}

static const char *with_names(const char *help, const struct ptd_method *const *table)
{
    const char *at = strstr(help, "%s");
    char *names = ptd_method_names(table),
         *all =
             at ? ptd_format("%.*s%s%s", (int)(at - help), help, names, at + 2) : ptd_strdup(help);
    free(names);
    return all;
}

/* The row is the first of those that share its options. */
static int is_first(const struct ptd_method *const *table, const struct ptd_method *m)
{
    while ((*table)->options != m->options) table++;
    return *table == m;
}

/* "ppo: weight of ...": whose option it is. */
static struct ptd_opt of_method(const struct ptd_opt *o, const struct ptd_method *const *table)
{
    struct ptd_opt own = *o;
    char *names = ptd_strdup((*table)->name);
    for (const struct ptd_method *const *m = table + 1; *m; m++) {
        if ((*m)->options != (*table)->options) continue;
        char *longer = ptd_format("%s, %s", names, (*m)->name);
        free(names);
        names = longer;
    }
    own.help = ptd_format("%s: %s", names, o->help);
    free(names);
    return own;
}

struct ptd_opt *ptd_method_options(const struct ptd_opt *program,
                                   const struct ptd_method_choice *choices)
{
    struct ptd_opt *all = NULL;
    int n = 0;
    for (; program->name; program++) {
        const struct ptd_method *const *table = table_of(choices, program->name);
        all = append(all, &n, *program);
        if (!table) continue;
        all[n - 1].help = with_names(program->help, table);
        for (const struct ptd_method *const *m = table; *m; m++)
            for (const struct ptd_opt *o = (*m)->options; o && o->name && is_first(table, *m); o++)
                all = append(all, &n, of_method(o, m));
    }
    return append(all, &n, (struct ptd_opt){0});
}
