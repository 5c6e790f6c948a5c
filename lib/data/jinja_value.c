/* Values of a template: literals, names, operators, in the order in which Jinja2 binds them. What
 * functions and filters do is jinja_call.c's. */
#include "data/jinja_impl.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static void skip_space(struct ptd_jinja *j)
{
    while (j->p < j->end && isspace((unsigned char)*j->p)) j->p++;
}

static int is_name_char(int c)
{
    return isalnum(c) || c == '_';
}

int ptd_jinja_at_end(struct ptd_jinja *j)
{
    skip_space(j);
    return j->p >= j->end;
}

static int at_sign(struct ptd_jinja *j, const char *sign)
{
    size_t n = strlen(sign);
    skip_space(j);
    return (size_t)(j->end - j->p) >= n && !memcmp(j->p, sign, n);
}

int ptd_jinja_take(struct ptd_jinja *j, const char *sign)
{
    if (!at_sign(j, sign)) return 0;
    j->p += strlen(sign);
    return 1;
}

int ptd_jinja_at_word(struct ptd_jinja *j, const char *word)
{
    const char *behind = j->p;
    if (!at_sign(j, word)) return 0;
    behind = j->p + strlen(word);
    return behind == j->end || !is_name_char((unsigned char)*behind);
}

int ptd_jinja_take_word(struct ptd_jinja *j, const char *word)
{
    if (!ptd_jinja_at_word(j, word)) return 0;
    j->p += strlen(word);
    return 1;
}

int ptd_jinja_name(struct ptd_jinja *j, char name[64])
{
    size_t n = 0;
    skip_space(j);
    if (j->p >= j->end || isdigit((unsigned char)*j->p)) return 0;
    while (j->p + n < j->end && is_name_char((unsigned char)j->p[n])) n++;
    if (!n || n > 63) return 0;
    memcpy(name, j->p, n);
    name[n] = 0;
    j->p += n;
    return 1;
}

static json_t *expect(struct ptd_jinja *j, const char *sign)
{
    if (ptd_jinja_take(j, sign)) return NULL;
    return ptd_jinja_fail(j, "expected \"%s\" at \"%.*s\"", sign,
                          (int)(j->end - j->p < 20 ? j->end - j->p : 20), j->p);
}

/* ---- literals ---- */

static void put_code(struct ptd_buf *b, unsigned c)
{
    char s[3] = {c, 0, 0};
    if (c < 0x80) {
        ptd_buf_add(b, s, 1);
    } else if (c < 0x800) {
        s[0] = 0xC0 | c >> 6, s[1] = 0x80 | (c & 63);
        ptd_buf_add(b, s, 2);
    } else {
        s[0] = 0xE0 | c >> 12, s[1] = 0x80 | (c >> 6 & 63), s[2] = 0x80 | (c & 63);
        ptd_buf_add(b, s, 3);
    }
}

/* What stands behind a backslash. */
static void read_escape(struct ptd_jinja *j, struct ptd_buf *b)
{
    static const char from[] = "ntr\\'\"", to[] = "\n\t\r\\'\"";
    char c = *j->p++, hex[5] = "";
    const char *known = strchr(from, c);
    size_t n = c == 'x' ? 2 : c == 'u' ? 4 : 0;
    if (n && (size_t)(j->end - j->p) >= n) {
        memcpy(hex, j->p, n);
        if (strspn(hex, "0123456789abcdefABCDEF") == n) {
            j->p += n;
            put_code(b, (unsigned)strtoul(hex, NULL, 16));
            return;
        }
    }
    if (!known) ptd_buf_add(b, "\\", 1);
    ptd_buf_add(b, known ? &to[known - from] : &c, 1);
}

static json_t *read_string(struct ptd_jinja *j)
{
    struct ptd_buf b = {0};
    char quote = *j->p++;
    while (j->p < j->end && *j->p != quote) {
        if (*j->p == '\\' && j->p + 1 < j->end)
            j->p++, read_escape(j, &b);
        else
            ptd_buf_add(&b, j->p++, 1);
    }
    json_t *v = j->p < j->end ? ptd_jinja_text(j, b.data ? b.data : "", b.len)
                              : ptd_jinja_fail(j, "a text has no end");
    if (j->p < j->end) j->p++;
    free(b.data);
    return v;
}

static json_t *read_number(struct ptd_jinja *j)
{
    long v = 0;
    while (j->p < j->end && isdigit((unsigned char)*j->p) && v < 1000000000)
        v = 10 * v + *j->p++ - '0';
    if (j->p < j->end && (isdigit((unsigned char)*j->p) || *j->p == '.'))
        return ptd_jinja_fail(j, "a number other than a whole one up to 9 digits");
    return ptd_jinja_keep(j, json_integer(v));
}

static json_t *read_list(struct ptd_jinja *j, const char *end)
{
    json_t *list = ptd_jinja_keep(j, json_array());
    while (!j->failed && !ptd_jinja_take(j, end)) {
        json_t *v = ptd_jinja_value(j);
        if (!j->dry && !j->failed) json_array_append(list, v ? v : json_null());
        if (!ptd_jinja_take(j, ",")) {
            expect(j, end);
            break;
        }
    }
    return ptd_jinja_checked(j, list);
}

static json_t *read_dict(struct ptd_jinja *j)
{
    json_t *dict = ptd_jinja_keep(j, json_object());
    while (!j->failed && !ptd_jinja_take(j, "}")) {
        json_t *key = ptd_jinja_value(j);
        expect(j, ":");
        json_t *v = ptd_jinja_value(j);
        if (!j->dry && !j->failed && !json_is_string(key))
            return ptd_jinja_fail(j, "a key that is no text");
        if (!j->dry && !j->failed)
            json_object_set_nocheck(dict, json_string_value(key), v ? v : json_null());
        if (!ptd_jinja_take(j, ",")) {
            expect(j, "}");
            break;
        }
    }
    return ptd_jinja_checked(j, dict);
}

/* ---- names and what follows them ---- */

static json_t *look_up(struct ptd_jinja *j, const char *name)
{
    for (int i = j->n_scopes - 1; i >= j->floor; i--) {
        json_t *v = json_object_get(j->scopes[i], name);
        if (v) return v;
    }
    return json_object_get(j->scopes[0], name);
}

static void read_arguments(struct ptd_jinja *j, struct ptd_jinja_arguments *a)
{
    a->n = 0;
    while (!j->failed && !ptd_jinja_take(j, ")")) {
        const char *from = j->p;
        if (a->n == PTD_JINJA_ARGUMENTS) {
            ptd_jinja_fail(j, "over %d arguments", PTD_JINJA_ARGUMENTS);
            return;
        }
        char *name = a->name[a->n];
        if (!ptd_jinja_name(j, name) || at_sign(j, "==") || !ptd_jinja_take(j, "=")) {
            *name = 0;
            j->p = from;
        }
        a->value[a->n++] = ptd_jinja_value(j);
        if (!ptd_jinja_take(j, ",")) {
            expect(j, ")");
            return;
        }
    }
}

static const struct ptd_jinja_macro *find_macro(const struct ptd_jinja *j, const char *name)
{
    for (int i = j->n_macros - 1; i >= 0; i--)
        if (!strcmp(j->macros[i].name, name)) return &j->macros[i];
    return NULL;
}

static json_t *call(struct ptd_jinja *j, const char *name)
{
    struct ptd_jinja_arguments a;
    read_arguments(j, &a);
    if (j->dry || j->failed) return NULL;
    const struct ptd_jinja_macro *m = find_macro(j, name);
    return m ? ptd_jinja_expand(j, m, &a) : ptd_jinja_function(j, name, &a);
}

static json_t *read_name(struct ptd_jinja *j)
{
    static const char *const words[] = {"true", "True", "false", "False", "none", "None"};
    char name[64];
    if (!ptd_jinja_name(j, name))
        return ptd_jinja_fail(j, "expected a value at \"%.*s\"",
                              (int)(j->end - j->p < 20 ? j->end - j->p : 20), j->p);
    for (int i = 0; i < 6; i++)
        if (!strcmp(name, words[i]))
            return i < 2 ? json_true() : i < 4 ? json_false() : json_null();
    if (ptd_jinja_take(j, "(")) return call(j, name);
    return j->dry ? NULL : look_up(j, name);
}

static json_t *read_primary(struct ptd_jinja *j)
{
    skip_space(j);
    char c = j->p < j->end ? *j->p : 0;
    if (c == '"' || c == '\'') return read_string(j);
    if (isdigit((unsigned char)c)) return read_number(j);
    if (ptd_jinja_take(j, "[")) return read_list(j, "]");
    if (ptd_jinja_take(j, "{")) return read_dict(j);
    if (!ptd_jinja_take(j, "(")) return read_name(j);
    json_t *v = ptd_jinja_value(j);
    expect(j, ")");
    return v;
}

static json_t *member(struct ptd_jinja *j)
{
    return ptd_jinja_fail(j, "a member of what is undefined");
}

static json_t *read_member(struct ptd_jinja *j, json_t *v)
{
    char name[64];
    struct ptd_jinja_arguments a;
    if (!ptd_jinja_name(j, name)) return ptd_jinja_fail(j, "expected a name behind \".\"");
    int is_call = ptd_jinja_take(j, "(");
    if (is_call) read_arguments(j, &a);
    if (j->dry || j->failed) return NULL;
    if (!v) return member(j);
    return is_call ? ptd_jinja_method(j, v, name, &a) : json_object_get(v, name);
}

/* A bound of a slice; 0: none is there. */
static int read_bound(struct ptd_jinja *j, long *bound)
{
    if (at_sign(j, ":") || at_sign(j, "]")) return 0;
    json_t *v = ptd_jinja_value(j);
    if (!j->dry && !j->failed && !json_is_integer(v))
        ptd_jinja_fail(j, "a slice by what is no whole number");
    *bound = json_integer_value(v);
    return 1;
}

static long bounded(long at, long n, long low, long high)
{
    if (at < 0) at += n;
    return at < low ? low : at > high ? high : at;
}

/* Elements of a list, or bytes of a text, as Python slices them. */
static json_t *cut(struct ptd_jinja *j, json_t *v, const long bound[3], const int has[3])
{
    long n = json_is_string(v) ? (long)json_string_length(v) : (long)json_array_size(v),
         step = has[2] ? bound[2] : 1;
    if (!step) return ptd_jinja_fail(j, "a slice by steps of 0");
    if (!json_is_array(v) && !json_is_string(v)) return ptd_jinja_fail(j, "a slice of no list");
    long low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    long from = has[0]     ? bounded(bound[0], n, low, high)
                : step > 0 ? 0
                           : n - 1,
         to = has[1]     ? bounded(bound[1], n, low, high)
              : step > 0 ? n
                         : -1;
    struct ptd_buf b = {0};
    json_t *list = ptd_jinja_keep(j, json_array());
    for (long i = from; step > 0 ? i < to : i > to; i += step)
        if (json_is_string(v))
            ptd_buf_add(&b, json_string_value(v) + i, 1);
        else
            json_array_append(list, json_array_get(v, (size_t)i));
    json_t *r = json_is_string(v) ? ptd_jinja_text(j, b.data ? b.data : "", b.len) : list;
    free(b.data);
    return r;
}

static json_t *at_index(struct ptd_jinja *j, json_t *v, json_t *key)
{
    if (!v) return member(j);
    if (json_is_object(v) && json_is_string(key)) return json_object_get(v, json_string_value(key));
    if (!json_is_integer(key)) return NULL;
    long i = json_integer_value(key),
         n = json_is_string(v) ? (long)json_string_length(v) : (long)json_array_size(v);
    if (i < 0) i += n;
    if (i < 0 || i >= n) return NULL;
    return json_is_string(v) ? ptd_jinja_text(j, json_string_value(v) + i, 1)
                             : json_array_get(v, (size_t)i);
}

static json_t *read_index(struct ptd_jinja *j, json_t *v)
{
    long bound[3] = {0};
    int has[3] = {0}, is_slice = 0;
    json_t *key = at_sign(j, ":") ? NULL : ptd_jinja_value(j);
    if (key) has[0] = 1, bound[0] = json_integer_value(key);
    for (int i = 1; i < 3 && ptd_jinja_take(j, ":"); i++) {
        is_slice = 1;
        has[i] = read_bound(j, &bound[i]);
    }
    expect(j, "]");
    if (j->dry || j->failed) return NULL;
    if (is_slice && has[0] && !json_is_integer(key))
        return ptd_jinja_fail(j, "a slice by what is no whole number");
    return is_slice ? cut(j, v, bound, has) : at_index(j, v, key);
}

static json_t *read_postfix(struct ptd_jinja *j)
{
    json_t *v = read_primary(j);
    while (!j->failed) {
        if (ptd_jinja_take(j, "."))
            v = read_member(j, v);
        else if (ptd_jinja_take(j, "["))
            v = read_index(j, v);
        else
            break;
    }
    return v;
}

/* ---- filters and tests ---- */

static json_t *read_filter(struct ptd_jinja *j, json_t *v)
{
    char name[64];
    struct ptd_jinja_arguments a = {.n = 0};
    if (!ptd_jinja_name(j, name)) return ptd_jinja_fail(j, "expected a filter behind \"|\"");
    if (ptd_jinja_take(j, "(")) read_arguments(j, &a);
    return j->dry || j->failed ? NULL : ptd_jinja_filter(j, v, name, &a);
}

static json_t *read_test(struct ptd_jinja *j, json_t *v)
{
    char name[64];
    int not = ptd_jinja_take_word(j, "not");
    if (!ptd_jinja_name(j, name)) return ptd_jinja_fail(j, "expected a test behind \"is\"");
    if (j->dry || j->failed) return NULL;
    json_t *r = ptd_jinja_test(j, v, name);
    return j->failed ? NULL : json_boolean(ptd_jinja_truth(r) != not );
}

static json_t *read_filtered(struct ptd_jinja *j)
{
    json_t *v = read_postfix(j);
    while (!j->failed) {
        if (ptd_jinja_take(j, "|"))
            v = read_filter(j, v);
        else if (ptd_jinja_take_word(j, "is"))
            v = read_test(j, v);
        else
            break;
    }
    return v;
}

/* ---- operators ---- */

static json_t *read_unary(struct ptd_jinja *j)
{
    if (!ptd_jinja_take(j, "-")) return read_filtered(j);
    json_t *v = read_postfix(j);
    if (j->dry || j->failed) return NULL;
    if (!json_is_integer(v)) return ptd_jinja_fail(j, "\"-\" of what is no number");
    return ptd_jinja_keep(j, json_integer(-json_integer_value(v)));
}

static json_t *arithmetic(struct ptd_jinja *j, int op, json_t *a, json_t *b)
{
    if (!json_is_integer(a) || !json_is_integer(b))
        return ptd_jinja_fail(j, "\"%c\" of what are no whole numbers", op);
    json_int_t x = json_integer_value(a), y = json_integer_value(b), r = 0;
    if ((op == '/' || op == '%') && y <= 0)
        return ptd_jinja_fail(j, "\"%c\" by a number below 1", op);
    if (op == '*'   ? __builtin_mul_overflow(x, y, &r)
        : op == '+' ? __builtin_add_overflow(x, y, &r)
                    : op == '-' && __builtin_sub_overflow(x, y, &r))
        return ptd_jinja_fail(j, "a number is too large");
    if (op == '/') r = x / y - (x % y < 0);
    if (op == '%') r = x % y + (x % y < 0 ? y : 0);
    return ptd_jinja_keep(j, json_integer(r));
}

static json_t *read_product(struct ptd_jinja *j)
{
    json_t *v = read_unary(j);
    while (!j->failed) {
        int op = ptd_jinja_take(j, "*")    ? '*'
                 : ptd_jinja_take(j, "//") ? '/'
                 : ptd_jinja_take(j, "%")  ? '%'
                                           : 0;
        if (!op) break;
        json_t *b = read_unary(j);
        v = j->dry || j->failed ? NULL : arithmetic(j, op, v, b);
    }
    return v;
}

static json_t *join(struct ptd_jinja *j, json_t *a, json_t *b)
{
    struct ptd_buf s = {0};
    if (!a || !b) return NULL;
    ptd_buf_add(&s, json_string_value(a), json_string_length(a));
    ptd_buf_add(&s, json_string_value(b), json_string_length(b));
    json_t *v = ptd_jinja_text(j, s.len ? s.data : "", s.len);
    free(s.data);
    return v;
}

static json_t *read_joined(struct ptd_jinja *j)
{
    json_t *v = read_product(j);
    while (!j->failed && ptd_jinja_take(j, "~")) {
        json_t *b = read_product(j);
        if (j->dry || j->failed) continue;
        v = ptd_jinja_shown(j, v);
        v = join(j, v, ptd_jinja_shown(j, b));
    }
    return v;
}

static json_t *sum(struct ptd_jinja *j, int op, json_t *a, json_t *b)
{
    if (op == '+' && json_is_string(a) && json_is_string(b)) return join(j, a, b);
    if (op == '+' && json_is_array(a) && json_is_array(b)) {
        json_t *list = ptd_jinja_keep(j, json_copy(a));
        json_array_extend(list, b);
        return ptd_jinja_checked(j, list);
    }
    return arithmetic(j, op, a, b);
}

static json_t *read_sum(struct ptd_jinja *j)
{
    json_t *v = read_joined(j);
    while (!j->failed) {
        int op = ptd_jinja_take(j, "+") ? '+' : ptd_jinja_take(j, "-") ? '-' : 0;
        if (!op) break;
        json_t *b = read_joined(j);
        v = j->dry || j->failed ? NULL : sum(j, op, v, b);
    }
    return v;
}

enum { NONE, EQUAL, UNEQUAL, LESS, MORE, AT_MOST, AT_LEAST, IN, NOT_IN };

static int read_comparison(struct ptd_jinja *j)
{
    static const struct {
        const char *sign;
        int op;
    } signs[] = {{"==", EQUAL},    {"!=", UNEQUAL}, {"<=", AT_MOST},
                 {">=", AT_LEAST}, {"<", LESS},     {">", MORE}};
    for (int i = 0; i < 6; i++)
        if (ptd_jinja_take(j, signs[i].sign)) return signs[i].op;
    const char *from = j->p;
    if (ptd_jinja_take_word(j, "in")) return IN;
    if (ptd_jinja_take_word(j, "not") && ptd_jinja_take_word(j, "in")) return NOT_IN;
    j->p = from;
    return NONE;
}

static int contains(struct ptd_jinja *j, json_t *in, const json_t *v)
{
    if (json_is_string(in) && json_is_string(v))
        return memmem(json_string_value(in), json_string_length(in), json_string_value(v),
                      json_string_length(v)) != NULL;
    if (json_is_object(in) && json_is_string(v))
        return json_object_get(in, json_string_value(v)) != NULL;
    for (size_t i = 0; i < json_array_size(in); i++)
        if (json_equal(json_array_get(in, i), v)) return 1;
    if (!json_is_array(in) && !json_is_object(in)) ptd_jinja_fail(j, "\"in\" of no list or text");
    return 0;
}

static json_t *compare(struct ptd_jinja *j, int op, json_t *a, json_t *b)
{
    if (op == EQUAL || op == UNEQUAL)
        return json_boolean((a == b || (a && b && json_equal(a, b))) == (op == EQUAL));
    if (op == IN || op == NOT_IN) return json_boolean(contains(j, b, a) == (op == IN));
    if (!json_is_integer(a) || !json_is_integer(b))
        return ptd_jinja_fail(j, "an order of what are no whole numbers");
    json_int_t x = json_integer_value(a), y = json_integer_value(b);
    return json_boolean(op == LESS ? x < y : op == MORE ? x > y : op == AT_MOST ? x <= y : x >= y);
}

static json_t *read_compared(struct ptd_jinja *j)
{
    json_t *v = read_sum(j);
    for (int op; !j->failed && (op = read_comparison(j)) != NONE;) {
        json_t *b = read_sum(j);
        v = j->dry || j->failed ? NULL : compare(j, op, v, b);
    }
    return v;
}

static json_t *read_not(struct ptd_jinja *j)
{
    int not = 0;
    while (ptd_jinja_take_word(j, "not")) not ++;
    json_t *v = read_compared(j);
    return !not || j->dry || j->failed ? v : json_boolean(ptd_jinja_truth(v) != not % 2);
}

/* "and" and "or": what is on the right is only read where the left decides. */
static json_t *read_chain(struct ptd_jinja *j, const char *word, int decides,
                          json_t *(*side)(struct ptd_jinja *j))
{
    json_t *v = side(j);
    while (!j->failed && ptd_jinja_take_word(j, word)) {
        int decided = !j->dry && ptd_jinja_truth(v) == decides;
        j->dry += decided;
        json_t *b = side(j);
        j->dry -= decided;
        if (!decided) v = b;
    }
    return v;
}

static json_t *read_and(struct ptd_jinja *j)
{
    return read_chain(j, "and", 0, read_not);
}

json_t *ptd_jinja_operand(struct ptd_jinja *j)
{
    ptd_jinja_step(j);
    return j->failed ? NULL : read_chain(j, "or", 1, read_and);
}

/* A if CONDITION else B: A comes first and is worked out last. */
static json_t *read_choice(struct ptd_jinja *j, const char *first)
{
    json_t *condition = ptd_jinja_operand(j), *other = NULL;
    int yes = !j->dry && ptd_jinja_truth(condition);
    if (ptd_jinja_take_word(j, "else")) {
        j->dry += yes;
        other = ptd_jinja_value(j);
        j->dry -= yes;
    }
    if (!yes || j->failed) return other;
    const char *behind = j->p;
    j->p = first;
    json_t *v = ptd_jinja_operand(j);
    j->p = behind;
    return v;
}

static json_t *read_value(struct ptd_jinja *j)
{
    const char *first = j->p;
    j->dry++;
    ptd_jinja_operand(j);
    j->dry--;
    if (j->failed) return NULL;
    if (ptd_jinja_take_word(j, "if")) return read_choice(j, first);
    if (j->dry) return NULL;
    j->p = first;
    return ptd_jinja_operand(j);
}

json_t *ptd_jinja_value(struct ptd_jinja *j)
{
    if (!ptd_jinja_enter(j)) return NULL;
    json_t *v = read_value(j);
    j->depth--;
    return v;
}
