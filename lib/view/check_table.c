/* check_table: see check_table.h. Blocks of rows; a block, or a row, that says nothing is left out.
 */
#include "view/check_table.h"
#include "base/printable.h"
#include "view/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN  12 /* names in a list */
#define NAME   17 /* columns of a row's name */
#define WIDEST 64 /* columns of a name in a list; a longer one loses its middle */

/* ---- the first line ---- */

/* " NAME ROWS", safe on a terminal. */
static void put_count(const char *before, const struct ptd_check_count *c)
{
    char *name = ptd_printable_cut(c->name, WIDEST);
    printf("%s %s %ld", before, name, c->rows);
    free(name);
}

/* "train.jsonl: 4096 rows, 4096 pictures: csum 683, ..., 5 others 12" */
static void put_title(const char *file, const struct ptd_checked *r)
{
    char *name = ptd_printable(file);
    long others = 0;
    printf("%s: %ld row%s, %ld picture%s", name, r->rows, ptd_plural(r->rows), r->pictures,
           ptd_plural(r->pictures));
    for (int i = 0; i < r->n_categories; i++)
        if (i < SHOWN)
            put_count(i ? "," : ":", &r->categories[i]);
        else
            others += r->categories[i].rows;
    if (others) printf(", %d others %ld", r->n_categories - SHOWN, others);
    putchar('\n');
    free(name);
}

/* ---- rows of the table ---- */

static void put_name(const char *text)
{
    char *name = ptd_printable_cut(text, NAME);
    printf("%s%*s", name, NAME - ptd_printable_width(name), "");
    free(name);
}

static void put_tokens(const char *name, const struct ptd_check_tokens *t, const char *limit)
{
    if (!t->rows) return;
    put_name(name);
    printf("%9ld%9d%9d%9d%s\n", t->rows, t->median, t->most95, t->most, limit);
}

/* "  of 4096 (--max-prompt 1024)" */
static char *limit_words(const struct ptd_fit *f)
{
    int context = f->config->positions;
    char *most = f->max_prompt ? ptd_format("  at most %d", f->max_prompt) : ptd_strdup(""),
         *words = context ? ptd_format("%s  of %d", most, context) : ptd_strdup(most);
    free(most);
    return words;
}

static void put_lengths(const struct ptd_checked *r, const struct ptd_check *c)
{
    if (!c->fit) {
        printf("\n%-*s  not counted: give --store or --from\n", NAME, "tokens");
        return;
    }
    char *limit = limit_words(c->fit);
    printf("\n%-*s%9s%9s%9s%9s\n", NAME, "tokens", "rows", "median", "95 %", "most");
    put_tokens("prompt", &r->tokens[PTD_CHECK_PROMPT], limit);
    put_tokens("  its pictures", &r->tokens[PTD_CHECK_PICTURES], "");
    put_tokens("  with its hint", &r->tokens[PTD_CHECK_HINTED], "");
    put_tokens("solution", &r->tokens[PTD_CHECK_SOLUTION], "");
    free(limit);
}

static void put_answers(const struct ptd_checked *r)
{
    long others = 0;
    if (!r->n_answers) return;
    put_name("answers");
    for (int i = 0; i < r->n_answers; i++)
        if (i < SHOWN)
            put_count(i ? "," : " ", &r->answers[i]);
        else
            others += r->answers[i].rows;
    if (others) printf(", others %ld", others);
    putchar('\n');
}

/* "17, 203, 204 ..." */
static void put_lines(const struct ptd_check_kind *k)
{
    int n = 0;
    for (; n < PTD_CHECK_LINES && k->lines[n]; n++) printf("%s%ld", n ? ", " : " ", k->lines[n]);
    puts(n == PTD_CHECK_LINES && k->faults > n ? " ..." : "");
}

static void put_brought(const struct ptd_checked *r)
{
    const struct ptd_check_count list[] = {{"steps", r->steps},
                                           {"regions", r->regions},
                                           {"a solution", r->solutions},
                                           {"objects", r->objects}};
    int n = 0;
    for (int i = 0; i < 4; i++) {
        if (!list[i].rows) continue;
        if (!n) put_name("rows with");
        put_count(n++ ? "," : " ", &list[i]);
    }
    if (n) putchar('\n');
    if (r->bare) {
        put_name("bare rows");
        printf("  %ld, without steps, regions or a solution: they train as plain GRPO\n", r->bare);
    }
}

static void put_notes(const struct ptd_checked *r)
{
    static const char *const notes[][2] = {
        [PTD_CHECK_OTHER] = {"other answers", "in the box or tag of the solution"},
        [PTD_CHECK_ASTRAY] = {"answers astray", "letters of no option that the question lists"}};
    for (int k = 0; k < PTD_CHECK_NOTES; k++) {
        if (!r->notes[k].faults) continue;
        put_name(notes[k][0]);
        printf("  %ld, %s: lines", r->notes[k].faults, notes[k][1]);
        put_lines(&r->notes[k]);
    }
}

static void put_faults(const struct ptd_checked *r)
{
    if (!r->faults) return;
    printf("\n%-*s%9s  %s\n", NAME, "faults", "found", "first lines");
    for (int i = 0; i < r->n_kinds; i++) {
        put_name(r->kinds[i].name);
        printf("%9ld ", r->kinds[i].faults);
        put_lines(&r->kinds[i]);
    }
}

void ptd_show_checked(const char *file, const struct ptd_checked *r, const struct ptd_check *c)
{
    put_title(file, r);
    put_lengths(r, c);
    putchar('\n');
    put_answers(r);
    put_brought(r);
    put_notes(r);
    put_name("usable rows");
    printf("  %ld of %ld\n", r->usable, r->rows);
    put_faults(r);
}

/* ---- the same as JSON ---- */

static json_t *counts_json(const struct ptd_check_count *list, int n)
{
    json_t *o = json_object();
    for (int i = 0; i < n; i++) json_object_set_new(o, list[i].name, json_integer(list[i].rows));
    return o;
}

static json_t *tokens_json(const struct ptd_checked *r)
{
    static const char *const names[] = {"prompt", "pictures", "hinted", "solution"};
    json_t *o = json_object();
    for (int i = 0; i < PTD_CHECK_LENGTHS; i++) {
        const struct ptd_check_tokens *t = &r->tokens[i];
        if (t->rows)
            json_object_set_new(o, names[i],
                                json_pack("{s:I, s:i, s:i, s:i}", "rows", (json_int_t)t->rows,
                                          "median", t->median, "p95", t->most95, "most", t->most));
    }
    return o;
}

static json_t *kind_json(const struct ptd_check_kind *k)
{
    json_t *lines = json_array();
    for (int n = 0; n < PTD_CHECK_LINES && k->lines[n]; n++)
        json_array_append_new(lines, json_integer(k->lines[n]));
    return json_pack("{s:I, s:o}", "found", (json_int_t)k->faults, "first_lines", lines);
}

static json_t *faults_json(const struct ptd_checked *r)
{
    json_t *o = json_object();
    for (int i = 0; i < r->n_kinds; i++)
        json_object_set_new(o, r->kinds[i].name, kind_json(&r->kinds[i]));
    return o;
}

void ptd_show_checked_json(const char *file, const struct ptd_checked *r)
{
    json_t *o = json_pack("{s:o, s:I, s:I, s:I}", "data", ptd_show_text(file, strlen(file)), "rows",
                          (json_int_t)r->rows, "usable", (json_int_t)r->usable, "pictures",
                          (json_int_t)r->pictures),
           *with = json_pack("{s:I, s:I, s:I, s:I}", "steps", (json_int_t)r->steps, "regions",
                             (json_int_t)r->regions, "solution", (json_int_t)r->solutions,
                             "objects", (json_int_t)r->objects);
    json_object_set_new(o, "categories", counts_json(r->categories, r->n_categories));
    json_object_set_new(o, "tokens", tokens_json(r));
    json_object_set_new(o, "answers", counts_json(r->answers, r->n_answers));
    json_object_set_new(o, "with", with);
    json_object_set_new(o, "bare", json_integer(r->bare));
    json_object_set_new(o, "other_answers", kind_json(&r->notes[PTD_CHECK_OTHER]));
    json_object_set_new(o, "answers_astray", kind_json(&r->notes[PTD_CHECK_ASTRAY]));
    json_object_set_new(o, "faults", faults_json(r));
    ptd_show_json(o, JSON_COMPACT);
}
