/* Functions, methods, filters and tests of templates, each a row of a table. */
#include "data/jinja_impl.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { SPACES_MAX = 64 };

typedef json_t *do_fn(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a);

struct row {
    const char *name;
    do_fn *fn;
};

/* Argument i by place, or by name. */
static json_t *argument(const struct ptd_jinja_arguments *a, int i, const char *name)
{
    for (int k = 0; k < a->n; k++)
        if (!*a->name[k] ? k == i : name && !strcmp(a->name[k], name)) return a->value[k];
    return NULL;
}

static const char *text_of(const json_t *v)
{
    return json_is_string(v) ? json_string_value(v) : "";
}

static json_t *run_row(struct ptd_jinja *j, const struct row *rows, size_t n, const char *what,
                       const char *name, json_t *v, struct ptd_jinja_arguments *a)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(rows[i].name, name)) return rows[i].fn(j, v, a);
    j->why->unknown |= !j->failed;
    return ptd_jinja_fail(j, "the %s \"%s\" is unknown", what, name);
}

/* ---- texts ---- */

static int is_in(const char *set, size_t n, int c)
{
    return set ? memchr(set, c, n) != NULL : isspace(c) != 0;
}

/* Both ends, or one: white space, or the characters given. */
static json_t *strip(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a, int left,
                     int right)
{
    const json_t *chars = argument(a, 0, "chars");
    const char *s = json_string_value(v), *set = json_string_value(chars);
    size_t n = json_string_length(v), k = json_string_length(chars);
    if (!s) return ptd_jinja_fail(j, "stripping what is no text");
    while (left && n && is_in(set, k, (unsigned char)*s)) s++, n--;
    while (right && n && is_in(set, k, (unsigned char)s[n - 1])) n--;
    return ptd_jinja_text(j, s, n);
}

static json_t *do_strip(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    return strip(j, v, a, 1, 1);
}

static json_t *do_lstrip(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    return strip(j, v, a, 1, 0);
}

static json_t *do_rstrip(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    return strip(j, v, a, 0, 1);
}

static json_t *do_startswith(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    const json_t *head = argument(a, 0, NULL);
    size_t n = json_string_length(head);
    (void)j;
    return json_boolean(json_string_length(v) >= n && !memcmp(text_of(v), text_of(head), n));
}

static json_t *do_endswith(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    const json_t *tail = argument(a, 0, NULL);
    size_t n = json_string_length(v), k = json_string_length(tail);
    (void)j;
    return json_boolean(n >= k && !memcmp(text_of(v) + n - k, text_of(tail), k));
}

static json_t *do_split(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    const json_t *by = argument(a, 0, "sep"), *limit = argument(a, 1, "maxsplit");
    const char *s = text_of(v), *end = s + json_string_length(v), *p;
    size_t n = json_string_length(by);
    json_int_t most = json_is_integer(limit) ? json_integer_value(limit) : -1;
    if (!n) return ptd_jinja_fail(j, "a split by white space");
    json_t *list = ptd_jinja_keep(j, json_array());
    while (!j->failed && most-- && (p = memmem(s, end - s, text_of(by), n))) {
        json_array_append(list, ptd_jinja_text(j, s, p - s));
        s = p + n;
    }
    json_array_append(list, ptd_jinja_text(j, s, end - s));
    return ptd_jinja_checked(j, list);
}

static json_t *do_replace(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    const json_t *from = argument(a, 0, "old"), *to = argument(a, 1, "new");
    const char *s = text_of(v), *end = s + json_string_length(v), *p;
    size_t n = json_string_length(from);
    struct ptd_buf b = {0};
    if (!n || !json_is_string(to)) return ptd_jinja_fail(j, "a replacement of nothing");
    while ((p = memmem(s, end - s, text_of(from), n)) && b.len < 1 << 20) {
        ptd_buf_add(&b, s, p - s);
        ptd_buf_add(&b, text_of(to), json_string_length(to));
        s = p + n;
    }
    ptd_buf_add(&b, s, end - s);
    json_t *r = ptd_jinja_text(j, b.len ? b.data : "", b.len);
    free(b.data);
    return r;
}

static json_t *change_case(struct ptd_jinja *j, json_t *v, int (*change)(int c))
{
    size_t n = json_string_length(v);
    char *s = ptd_alloc(n + 1);
    for (size_t i = 0; i < n; i++)
        s[i] = (signed char)text_of(v)[i] < 0 ? text_of(v)[i] : (char)change(text_of(v)[i]);
    json_t *r = ptd_jinja_text(j, s, n);
    free(s);
    return r;
}

static json_t *do_upper(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)a;
    return change_case(j, v, toupper);
}

static json_t *do_lower(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)a;
    return change_case(j, v, tolower);
}

/* ---- lists and dictionaries ---- */

static json_t *do_length(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)a;
    size_t n = json_is_string(v) ? json_string_length(v) : json_array_size(v) + json_object_size(v);
    if (!json_is_string(v) && !json_is_array(v) && !json_is_object(v))
        return ptd_jinja_fail(j, "the length of what has none");
    if (json_is_string(v)) /* in characters */
        for (size_t i = 0, bytes = n; i < bytes; i++) n -= (text_of(v)[i] & 0xC0) == 0x80;
    return ptd_jinja_keep(j, json_integer((json_int_t)n));
}

static json_t *do_first(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)j, (void)a;
    return json_array_get(v, 0);
}

static json_t *do_last(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)j, (void)a;
    return json_array_size(v) ? json_array_get(v, json_array_size(v) - 1) : NULL;
}

static json_t *do_list(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)a;
    return json_is_array(v) ? v : ptd_jinja_fail(j, "a list of what is none");
}

static json_t *do_items(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    const char *key;
    json_t *of, *list = ptd_jinja_keep(j, json_array());
    (void)a;
    json_object_foreach (v, key, of) {
        json_t *pair = json_array();
        json_array_append(pair, ptd_jinja_text(j, key, strlen(key)));
        json_array_append(pair, of);
        json_array_append_new(list, pair);
    }
    return list;
}

static json_t *do_get(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)j;
    json_t *found = json_object_get(v, text_of(argument(a, 0, "key"))),
           *other = argument(a, 1, "default");
    return found ? found : other ? other : json_null();
}

static json_t *do_join(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    struct ptd_buf b = {0};
    const json_t *by = argument(a, 0, "d");
    for (size_t i = 0; i < json_array_size(v) && b.len < 1 << 20; i++) {
        json_t *s = ptd_jinja_shown(j, json_array_get(v, i));
        if (i) ptd_buf_add(&b, text_of(by), json_string_length(by));
        ptd_buf_add(&b, text_of(s), json_string_length(s));
    }
    json_t *r = ptd_jinja_text(j, b.len ? b.data : "", b.len);
    free(b.data);
    return r;
}

/* ---- any value ---- */

static json_t *do_default(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)j;
    int is_missing = ptd_jinja_truth(argument(a, 1, "boolean")) ? !ptd_jinja_truth(v) : !v;
    return is_missing ? argument(a, 0, "default_value") : v;
}

static json_t *do_string(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)a;
    return ptd_jinja_shown(j, v);
}

static json_t *do_same(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)j, (void)a;
    return v;
}

/* An object of the arguments, which all have names. */
static json_t *do_dict(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    json_t *space = ptd_jinja_keep(j, json_object());
    (void)v;
    for (int i = 0; i < a->n; i++) {
        if (!*a->name[i]) return ptd_jinja_fail(j, "a namespace of values without names");
        if (a->value[i]) json_object_set_nocheck(space, a->name[i], a->value[i]);
    }
    return ptd_jinja_checked(j, space);
}

static json_t *do_namespace(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    json_t *space = do_dict(j, v, a);
    if (json_array_size(j->spaces) == SPACES_MAX)
        return ptd_jinja_fail(j, "over %d namespaces", SPACES_MAX);
    json_array_append(j->spaces, space);
    return space;
}

static json_t *do_raise(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)v;
    return ptd_jinja_fail(j, "it refuses: %.60s", text_of(argument(a, 0, NULL)));
}

static json_t *do_range(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    json_int_t from = 0, to = json_integer_value(argument(a, 0, NULL));
    json_t *list = ptd_jinja_keep(j, json_array());
    (void)v;
    if (a->n > 1) from = to, to = json_integer_value(argument(a, 1, NULL));
    if (a->n > 2 || to > 1000) return ptd_jinja_fail(j, "a range of steps, or over 1000");
    for (json_int_t i = from < -1000 ? to : from; i < to; i++)
        json_array_append_new(list, json_integer(i));
    return list;
}

/* ---- tests ---- */

static json_t *is_string(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)j, (void)a;
    return json_boolean(json_is_string(v));
}

static json_t *is_mapping(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)j, (void)a;
    return json_boolean(json_is_object(v));
}

static json_t *is_iterable(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)j, (void)a;
    return json_boolean(!v || json_is_object(v) || json_is_array(v) || json_is_string(v));
}

static json_t *is_none(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)j, (void)a;
    return json_boolean(json_is_null(v));
}

static json_t *is_defined(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)j, (void)a;
    return json_boolean(v != NULL);
}

static json_t *is_undefined(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)j, (void)a;
    return json_boolean(!v);
}

static json_t *is_number(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)j, (void)a;
    return json_boolean(json_is_integer(v));
}

static json_t *is_boolean(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)j, (void)a;
    return json_boolean(json_is_boolean(v));
}

static json_t *is_true(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)j, (void)a;
    return json_boolean(json_is_true(v));
}

static json_t *is_false(struct ptd_jinja *j, json_t *v, struct ptd_jinja_arguments *a)
{
    (void)j, (void)a;
    return json_boolean(json_is_false(v));
}

/* ---- the tables ---- */

#define N(rows) (sizeof(rows) / sizeof *(rows))

static const struct row functions[] = {{"namespace", do_namespace},
                                       {"dict", do_dict},
                                       {"raise_exception", do_raise},
                                       {"range", do_range}};
static const struct row text_methods[] = {
    {"strip", do_strip},           {"lstrip", do_lstrip},     {"rstrip", do_rstrip},
    {"startswith", do_startswith}, {"endswith", do_endswith}, {"split", do_split},
    {"replace", do_replace},       {"upper", do_upper},       {"lower", do_lower}};
static const struct row dict_methods[] = {{"get", do_get}, {"items", do_items}};
static const struct row filters[] = {
    {"trim", do_strip},  {"length", do_length}, {"count", do_length},    {"first", do_first},
    {"last", do_last},   {"list", do_list},     {"items", do_items},     {"join", do_join},
    {"upper", do_upper}, {"lower", do_lower},   {"replace", do_replace}, {"default", do_default},
    {"d", do_default},   {"string", do_string}, {"safe", do_same}};
static const struct row tests[] = {
    {"string", is_string},       {"mapping", is_mapping}, {"iterable", is_iterable},
    {"sequence", is_iterable},   {"none", is_none},       {"defined", is_defined},
    {"undefined", is_undefined}, {"number", is_number},   {"integer", is_number},
    {"boolean", is_boolean},     {"true", is_true},       {"false", is_false}};

json_t *ptd_jinja_function(struct ptd_jinja *j, const char *name, struct ptd_jinja_arguments *a)
{
    return run_row(j, functions, N(functions), "function", name, NULL, a);
}

json_t *ptd_jinja_method(struct ptd_jinja *j, json_t *v, const char *name,
                         struct ptd_jinja_arguments *a)
{
    if (json_is_object(v)) return run_row(j, dict_methods, N(dict_methods), "method", name, v, a);
    if (!json_is_string(v)) return ptd_jinja_fail(j, "the method \"%s\" of no text", name);
    return run_row(j, text_methods, N(text_methods), "method", name, v, a);
}

json_t *ptd_jinja_filter(struct ptd_jinja *j, json_t *v, const char *name,
                         struct ptd_jinja_arguments *a)
{
    return run_row(j, filters, N(filters), "filter", name, v, a);
}

json_t *ptd_jinja_test(struct ptd_jinja *j, json_t *v, const char *name)
{
    return run_row(j, tests, N(tests), "test", name, v, NULL);
}
