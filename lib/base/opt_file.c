/* opt_file: see opt_file.h. */
#include "base/opt_file.h"
#include "base/err.h"
#include "base/near.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST (1 << 20) /* bytes of a file */

/* ---- reading ---- */

static char *whole(const char *path, size_t *n)
{
    FILE *f = fopen(path, "re");
    char *text = f ? ptd_alloc(MOST + 1) : NULL;
    if (!f) {
        ptd_fail(PTD_NOINPUT, "%s:", path);
        return NULL;
    }
    *n = fread(text, 1, MOST + 1, f);
    int bad = ferror(f) ? ptd_fail(PTD_IOERR, "%s:", path)
              : *n > MOST
                  ? ptd_fail(PTD_DATAERR, "%s: expected options, at most %d bytes", path, MOST)
                  : 0;
    fclose(f);
    if (!bad) return text;
    free(text);
    return NULL;
}

/* 1: sections by program; 0: none is; -1 (2): some are. */
static int sectioned(const char *path, json_t *all)
{
    const char *key;
    json_t *value;
    size_t n = 0;
    json_object_foreach (all, key, value) n += !strncmp(key, "ptd-", 4) && json_is_object(value);
    if (!n) return 0;
    json_object_foreach (all, key, value)
        if (strncmp(key, "ptd-", 4) || !json_is_object(value))
            return ptd_fail(PTD_USAGE,
                            "%s: \"%.64s\": expected all options in objects by program, or none",
                            path, key);
    return 1;
}

/* -1 (2): no section is the program's, but one is nearly called so. */
static int misspelt(const char *path, const char *program, json_t *all)
{
    const char *key, *name = program + strcspn(program, "-");
    json_t *value;
    if (json_object_get(all, program)) return 0;
    json_object_foreach (all, key, value)
        if (ptd_near(key + strcspn(key, "-"), &name, 1))
            return ptd_fail(PTD_USAGE, "%s: \"%.64s\": expected a program's name (%s is one)", path,
                            key, program);
    return 0;
}

json_t *ptd_opt_file_read(const char *path, const char *program)
{
    json_error_t e;
    size_t n;
    char *text = whole(path, &n);
    if (!text) return NULL;
    json_t *all = json_loadb(text, n, JSON_REJECT_DUPLICATES, &e);
    free(text);
    if (!json_is_object(all)) {
        ptd_fail(PTD_DATAERR, "%s: line %d: expected a JSON object of options%s%s", path,
                 all ? 1 : e.line, all ? "" : ": ", all ? "" : e.text);
        json_decref(all);
        return NULL;
    }
    int by_program = sectioned(path, all);
    if (!by_program) return all;
    if (by_program > 0 && misspelt(path, program, all)) by_program = -1;
    json_t *own = json_object_get(all, program);
    json_t *result = by_program < 0 ? NULL : own ? json_incref(own) : json_object();
    json_decref(all);
    return result;
}

char *ptd_opt_file_text(const json_t *value)
{
    if (json_is_string(value)) return ptd_strdup(json_string_value(value));
    if (json_is_number(value)) return json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    return NULL;
}

/* ---- writing ---- */

/* A number outside of its range stands for what nobody said. */
static int is_said(const struct ptd_opt *o, double x)
{
    return (o->lo == 0 && o->hi == 0) || (x >= o->lo && x <= o->hi);
}

static json_t *integer_of(const struct ptd_opt *o, int64_t x)
{
    return is_said(o, (double)x) ? json_integer(x) : NULL;
}

static json_t *list_of(const struct ptd_opt_list *l)
{
    json_t *list = l->n ? json_array() : NULL;
    for (int i = 0; i < l->n; i++) json_array_append_new(list, json_string(l->at[i]));
    return list;
}

json_t *ptd_opt_file_value(const struct ptd_opt *o)
{
    switch (o->kind) {
    case PTD_OPT_FLAG:
        return json_boolean(*(int *)o->value);
    case PTD_OPT_INT:
        return integer_of(o, *(int *)o->value);
    case PTD_OPT_LONG:
        return integer_of(o, *(int64_t *)o->value);
    case PTD_OPT_DOUBLE:
        return is_said(o, *(double *)o->value) ? json_real(*(double *)o->value) : NULL;
    case PTD_OPT_LIST:
        return list_of(o->value);
    }
    const char *text = *(const char **)o->value;
    return text ? json_string(text) : NULL;
}

/* Digits that every number of an object's members has enough of: 10 look best. */
static size_t digits(json_t *members)
{
    const char *key;
    json_t *value;
    json_object_foreach (members, key, value) {
        char text[32];
        snprintf(text, sizeof text, "%.10g", json_number_value(value));
        if (json_is_real(value) && strtod(text, NULL) != json_real_value(value)) return 17;
    }
    return 10;
}

static void print(json_t *o, size_t precision)
{
    char *text = json_dumps(o, JSON_INDENT(2) | JSON_REAL_PRECISION(precision));
    puts(text);
    free(text);
    json_decref(o);
}

void ptd_opt_print_config(const struct ptd_usage *u)
{
    json_t *own = json_object();
    for (const struct ptd_opt *o = u->options; o && o->name; o++) {
        json_t *value = ptd_opt_file_value(o);
        if (value) json_object_set_new(own, o->name, value);
    }
    print(json_pack("{s:o}", u->name, own), digits(own));
}

/* ---- describing ---- */

static json_t *described(const struct ptd_opt *o, const char *preset)
{
    static const char *const kinds[] = {"",       "flag", "integer", "integer",
                                        "number", "text", "list",    "text"};
    const char letter[2] = {o->letter, 0};
    json_t *d =
        json_pack("{s:s, s:s, s:s}", "name", o->name, "kind", kinds[o->kind], "help", o->help);
    if (o->letter) json_object_set_new(d, "letter", json_string(letter));
    if (o->arg) json_object_set_new(d, "arg", json_string(o->arg));
    if (*preset && !strstr(o->help, "(default"))
        json_object_set_new(d, "default", json_string(preset));
    if (o->lo != 0 || o->hi != 0)
        json_object_update_new(d, json_pack("{s:f, s:f}", "least", o->lo, "most", o->hi));
    return d;
}

static json_t *lines_of(const char *text)
{
    json_t *lines = json_array();
    while (text && *text) {
        size_t n = strcspn(text, "\n");
        json_array_append_new(lines, json_stringn(text, n));
        text += n + (text[n] == '\n');
    }
    return lines;
}

/* "0 done, 2 misuse, a slip, 65 bad data": a status begins where a number follows a comma. */
static json_t *statuses_of(const char *text)
{
    json_t *list = json_array();
    while (*text) {
        char *meaning;
        long code = strtol(text, &meaning, 10);
        const char *end = meaning += *meaning == ' ';
        while (*end && !(end[0] == ',' && end[1] == ' ' && end[2] >= '0' && end[2] <= '9')) end++;
        json_array_append_new(list, json_pack("{s:i, s:s%}", "code", (int)code, "meaning", meaning,
                                              (size_t)(end - meaning)));
        text = end + (*end ? 2 : 0);
    }
    return list;
}

void ptd_opt_describe(const struct ptd_usage *u, const struct ptd_opt *own, char *const *defaults)
{
    json_t *options = json_array();
    for (int i = 0; u->options && u->options[i].name; i++)
        json_array_append_new(options, described(&u->options[i], defaults[i]));
    for (; own->name; own++) json_array_append_new(options, described(own, ""));
    print(json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "name", u->name, "version", PTD_VERSION,
                    "summary", u->summary, "operands", u->operands ? u->operands : "", "examples",
                    lines_of(u->examples), "statuses",
                    statuses_of(u->statuses ? u->statuses : PTD_STATUSES), "options", options),
          10);
}
