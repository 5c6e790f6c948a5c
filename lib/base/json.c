/* json: see json.h. What the texts say is left to those who load them. */
#include "base/json.h"
#include "base/err.h"
#include "base/utf8.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t digits(const char *p)
{
    return strspn(p, "0123456789");
}

/* Length of the number that begins at p, 0 if none does; *whole: without fraction and exponent. The
 * text ends in a NUL. */
static size_t number_at(const char *p, int *whole)
{
    const char *end = p + (*p == '-');
    size_t n = digits(end);
    if (!n || (n > 1 && *end == '0')) return 0;
    end += n;
    *whole = 1;
    if (*end == '.' && digits(end + 1)) end += 1 + digits(end + 1), *whole = 0;
    const char *power = end + 1 + (end[0] && (end[1] == '-' || end[1] == '+'));
    if ((*end == 'e' || *end == 'E') && digits(power)) end = power + digits(power), *whole = 0;
    return end - p;
}

static int is_too_large(const char *p, int whole)
{
    errno = 0;
    if (whole) return strtoll(p, NULL, 10), errno == ERANGE;
    return isinf(strtod(p, NULL));
}

/* Behind the string that begins at p. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\') p++;
    return p < end ? p + 1 : end;
}

enum how { QUOTE_LARGE, BLANK_LARGE, QUOTE_ALL };

/* Copies the text to `out`, which has room for 2 more bytes a number: numbers that are too large,
 * or all, in quotes, or the former as a 0 with blanks behind it, so that all else keeps its place.
 * Returns the bytes written. */
static size_t rewrite(const char *text, size_t len, enum how how, char *out)
{
    const char *p = text, *end = text + len;
    char *o = out;
    while (p < end) {
        int whole;
        size_t n = *p == '"' ? (size_t)(skip_string(p, end) - p) : number_at(p, &whole);
        int change = n && *p != '"' && (how == QUOTE_ALL || is_too_large(p, whole));
        if (change && how == BLANK_LARGE) {
            memset(o, ' ', n);
            *o = '0';
            o += n;
        } else {
            if (change) *o++ = '"';
            o = mempcpy(o, p, n ? n : 1);
            if (change) *o++ = '"';
        }
        p += n ? n : 1;
    }
    return o - out;
}

/* The text rewritten, and parsed; a number is of one byte at least, with another behind it. */
static json_t *load_as(const char *copy, size_t len, enum how how, size_t flags, json_error_t *e)
{
    char *room = ptd_malloc(how == QUOTE_ALL ? 2 * len + 3 : len + len / 2 + 3);
    json_t *root = json_loadb(room, rewrite(copy, len, how, room), flags, e);
    free(room);
    return root;
}

static json_t *load_rewritten(const char *text, size_t len, enum how how, size_t flags,
                              json_error_t *e)
{
    char *copy = ptd_malloc(len + 1);
    memcpy(copy, text, len);
    copy[len] = 0;
    json_t *root = load_as(copy, len, how, flags, e);
    if (!root && how == QUOTE_LARGE) json_decref(load_as(copy, len, BLANK_LARGE, flags, e));
    free(copy);
    return root;
}

json_t *ptd_json_load_digits(const char *text, size_t len, size_t flags, json_error_t *e)
{
    json_error_t own;
    return load_rewritten(text, len, QUOTE_ALL, flags, e ? e : &own);
}

json_t *ptd_json_load(const char *text, size_t len, size_t flags, json_error_t *e)
{
    json_error_t own;
    if (!e) e = &own;
    json_t *root = json_loadb(text, len, flags, e);
    return !root && json_error_code(e) == json_error_numeric_overflow
               ? load_rewritten(text, len, QUOTE_LARGE, flags, e)
               : root;
}

/* ---- changing one value ---- */

static const char *skip_space(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

/* Behind the value that begins at p. */
static const char *skip_value(const char *p)
{
    const char *end = p + strlen(p);
    int depth = 0;
    if (*p != '"' && *p != '{' && *p != '[') return p + strcspn(p, ",]} \t\r\n");
    do {
        if (*p == '"') {
            p = skip_string(p, end);
            continue;
        }
        depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
        p++;
    } while (depth && p < end);
    return p;
}

/* Where the value of key begins in the object that begins at p; NULL. */
static const char *find_value(const char *p, const char *key)
{
    size_t n = strlen(key);
    if (*p != '{') return NULL;
    for (p = skip_space(p + 1); *p == '"'; p = skip_space(p + (*p == ','))) {
        const char *name = p + 1, *value = skip_space(skip_string(p, p + strlen(p)));
        value = skip_space(value + (*value == ':'));
        if (!strncmp(name, key, n) && name[n] == '"') return value;
        p = skip_space(skip_value(value));
    }
    return NULL;
}

char *ptd_json_replace(const char *text, const char *object, const char *key, const char *value)
{
    const char *at = skip_space(text);
    if (object) at = find_value(at, object);
    if (at) at = find_value(at, key);
    return at ? ptd_format("%.*s%s%s", (int)(at - text), text, value, skip_value(at)) : NULL;
}

char *ptd_json_insert(const char *text, const char *key, const char *value)
{
    const char *behind = strchr(text, '{') + 1;
    return ptd_format("%.*s\n  \"%s\": %s,%s", (int)(behind - text), text, key, value, behind);
}

/* ---- what others are told ---- */

json_t *ptd_json_text(const char *s)
{
    size_t n;
    if (!s) return NULL;
    char *text = ptd_utf8(s, strlen(s), &n);
    json_t *j = json_stringn_nocheck(text, n);
    free(text);
    return j;
}

json_t *ptd_json_texts(const char *const *texts, int n)
{
    json_t *list = n ? json_array() : NULL;
    for (int i = 0; i < n; i++) json_array_append_new(list, ptd_json_text(texts[i]));
    return list;
}

void ptd_json_put(json_t *object, const char *key, json_t *value)
{
    if (value) json_object_set_new_nocheck(object, key, value);
}

char *ptd_json_line(json_t *object, int digits, size_t *len)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(digits));
    json_decref(object);
    if (!text) ptd_die(PTD_OSERR, "out of memory");
    *len = strlen(text) + 1;
    text = ptd_realloc(text, *len + 1);
    strcpy(text + *len - 1, "\n");
    return text;
}
