/* Templates: cut into pieces of text, values and statements; statements run. What stands in them is
 * jinja_value.c's. */
#include "data/jinja_impl.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH_MAX = 64,
    STEPS_MAX = 50000,
    TEXT_MAX = 1 << 16,
    BYTES_MAX = 8 << 20, /* of all texts */
    LIST_DEPTH_MAX = 8
};

json_t *ptd_jinja_fail(struct ptd_jinja *j, const char *fmt, ...)
{
    va_list ap;
    if (j->failed) return NULL;
    j->failed = 1;
    va_start(ap, fmt);
    vsnprintf(j->why->text, sizeof j->why->text, fmt, ap);
    va_end(ap);
    return NULL;
}

void ptd_jinja_step(struct ptd_jinja *j)
{
    if (++j->steps > STEPS_MAX) ptd_jinja_fail(j, "it takes too long");
}

int ptd_jinja_enter(struct ptd_jinja *j)
{
    if (++j->depth > DEPTH_MAX) ptd_jinja_fail(j, "over %d levels", DEPTH_MAX);
    if (j->failed) j->depth--;
    return !j->failed;
}

json_t *ptd_jinja_keep(struct ptd_jinja *j, json_t *v)
{
    ptd_jinja_step(j);
    json_array_append_new(j->pool, v);
    return v;
}

json_t *ptd_jinja_text(struct ptd_jinja *j, const char *s, size_t n)
{
    j->bytes += n;
    if (n > TEXT_MAX || j->bytes > BYTES_MAX) ptd_jinja_fail(j, "its texts are too long");
    return ptd_jinja_keep(j, json_stringn_nocheck(s, j->failed ? 0 : n));
}

static int is_space(const struct ptd_jinja *j, const json_t *v)
{
    for (size_t i = 0; i < json_array_size(j->spaces); i++)
        if (json_array_get(j->spaces, i) == v) return 1;
    return 0;
}

/* Counts what v holds; fails for what is too much or too deep, or holds a namespace. */
static void count(struct ptd_jinja *j, json_t *v, int depth, int *n)
{
    json_t *part;
    size_t i;
    const char *key;
    if (++*n > PTD_JINJA_LIST_MAX || depth > LIST_DEPTH_MAX)
        ptd_jinja_fail(j, "a list is too large");
    if (depth && is_space(j, v)) ptd_jinja_fail(j, "a namespace inside of a value");
    if (j->failed) return;
    json_array_foreach(v, i, part) count(j, part, depth + 1, n);
    json_object_foreach (v, key, part) count(j, part, depth + 1, n);
}

json_t *ptd_jinja_checked(struct ptd_jinja *j, json_t *v)
{
    int n = 0;
    if (json_is_array(v) || json_is_object(v)) count(j, v, 0, &n);
    return j->failed ? NULL : v;
}

int ptd_jinja_truth(const json_t *v)
{
    if (json_is_string(v)) return json_string_length(v) > 0;
    if (json_is_integer(v)) return json_integer_value(v) != 0;
    if (json_is_array(v) || json_is_object(v)) return json_array_size(v) || json_object_size(v);
    return json_is_true(v);
}

json_t *ptd_jinja_shown(struct ptd_jinja *j, json_t *v)
{
    char number[32];
    if (json_is_string(v)) return v;
    if (json_is_array(v) || json_is_object(v))
        return ptd_jinja_fail(j, "it writes a list or a dictionary as a text");
    snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
    const char *s = json_is_integer(v) ? number
                    : json_is_true(v)  ? "True"
                    : json_is_false(v) ? "False"
                    : json_is_null(v)  ? "None"
                                       : "";
    return ptd_jinja_text(j, s, strlen(s));
}

static void put(struct ptd_jinja *j, const char *s, size_t n)
{
    if (j->out->len + n > TEXT_MAX) ptd_jinja_fail(j, "it writes too much");
    if (!j->failed) ptd_buf_add(j->out, s, n);
}

/* ---- pieces ---- */

struct cutter {
    struct ptd_jinja *j;
    const char *begin, *p, *end;
    int strip; /* of the text to come: 1 a line feed, 2 all white space at its beginning */
};

static void add_piece(struct ptd_jinja *j, int kind, const char *from, const char *to)
{
    if (from >= to && kind == PTD_JINJA_TEXT) return;
    if (!(j->n_pieces & (j->n_pieces + 1)))
        j->pieces = ptd_realloc(j->pieces, (size_t)(2 * j->n_pieces + 2) * sizeof *j->pieces);
    j->pieces[j->n_pieces++] = (struct ptd_jinja_piece){kind, from, to};
}

/* Behind the text in quotes that begins at p. */
static const char *skip_quoted(const char *p, const char *end)
{
    char quote = *p++;
    for (; p < end && *p != quote; p++)
        if (*p == '\\' && p + 1 < end) p++;
    return p < end ? p + 1 : end;
}

/* Where a tag that began at p closes; NULL: nowhere. Braces and quotes are only its own in values
 * and statements. */
static const char *find_close(const char *p, const char *end, char kind)
{
    int braces = 0;
    char first = kind == '{' ? '}' : kind;
    while (p + 1 < end) {
        if (!braces && p[0] == first && p[1] == '}') return p;
        if (kind == '#') {
            p++;
        } else if (*p == '"' || *p == '\'') {
            p = skip_quoted(p, end);
        } else {
            braces += (*p == '{') - (*p == '}');
            p++;
        }
    }
    return NULL;
}

/* The next "{{", "{%" or "{#", or the end. */
static const char *find_tag(const struct cutter *c)
{
    const char *p = c->p;
    while (p + 1 < c->end && !(p[0] == '{' && strchr("{%#", p[1]))) p++;
    return p + 1 < c->end ? p : c->end;
}

static void cut_text(struct cutter *c, const char *to, char kind)
{
    const char *from = c->p, *behind = to;
    if (c->strip == 1 && from < to && *from == '\n') from++;
    while (c->strip == 2 && from < to && isspace((unsigned char)*from)) from++;
    int open = to < c->end ? to[2] : 0;
    while (open == '-' && behind > from && isspace((unsigned char)behind[-1])) behind--;
    if (open != '-' && open != '+' && (kind == '%' || kind == '#')) {
        const char *line = to; /* a block alone at the beginning of its line takes that with it */
        while (line > from && (line[-1] == ' ' || line[-1] == '\t')) line--;
        if (line == c->begin || line[-1] == '\n') behind = line;
    }
    add_piece(c->j, PTD_JINJA_TEXT, from, behind);
}

static void cut_tag(struct cutter *c, const char *tag)
{
    char kind = tag[1];
    const char *from = tag + 2, *to;
    if (from < c->end && strchr("-+", *from)) from++;
    to = find_close(from, c->end, kind);
    if (!to) {
        ptd_jinja_fail(c->j, "a {%c has no end", kind);
        return;
    }
    c->p = to + 2;
    int sign = to > from ? to[-1] : 0;
    c->strip = sign == '-' ? 2 : kind != '{' && sign != '+';
    if (sign == '-' || (sign == '+' && kind != '{')) to--;
    if (kind != '#') add_piece(c->j, kind == '{' ? PTD_JINJA_VALUE : PTD_JINJA_STATEMENT, from, to);
}

static void cut(struct ptd_jinja *j, const char *source, size_t n)
{
    struct cutter c = {j, source, source, source + n, 0};
    while (c.p < c.end && !j->failed) {
        const char *tag = find_tag(&c);
        cut_text(&c, tag, tag < c.end ? tag[1] : 0);
        c.p = tag;
        if (tag < c.end) cut_tag(&c, tag);
    }
}

/* ---- statements ---- */

static int run_block(struct ptd_jinja *j, int i);

/* Begins to read piece i. */
static void look_at(struct ptd_jinja *j, int i)
{
    j->p = j->pieces[i].from;
    j->end = j->pieces[i].to;
}

static void finish_reading(struct ptd_jinja *j)
{
    if (!j->failed && !ptd_jinja_at_end(j))
        ptd_jinja_fail(j, "\"%.*s\"", (int)(j->end - j->p < 20 ? j->end - j->p : 20), j->p);
}

static int is_set_block(struct ptd_jinja *j)
{
    return ptd_jinja_take_word(j, "set") && !memchr(j->p, '=', (size_t)(j->end - j->p));
}

/* What piece i does to the nesting: 1 opens a block, -1 ends one, 2 divides one (elif, else). */
static int nesting(struct ptd_jinja *j, int i)
{
    static const char *const opens[] = {"if", "for", "macro", "generation", "filter", "call"};
    char word[64];
    if (j->pieces[i].kind != PTD_JINJA_STATEMENT) return 0;
    ptd_jinja_step(j);
    look_at(j, i);
    if (is_set_block(j)) return 1;
    look_at(j, i);
    if (!ptd_jinja_name(j, word)) return 0;
    for (size_t k = 0; k < sizeof opens / sizeof *opens; k++)
        if (!strcmp(word, opens[k])) return 1;
    if (!strcmp(word, "elif") || !strcmp(word, "else")) return 2;
    return strncmp(word, "end", 3) ? 0 : -1;
}

/* The piece that ends or divides the block whose body begins at piece i. */
static int skip_block(struct ptd_jinja *j, int i)
{
    for (int depth = 0; i < j->n_pieces && !j->failed; i++) {
        int n = nesting(j, i);
        if (!depth && (n == -1 || n == 2)) return i;
        if (n == 1 || n == -1) depth += n;
    }
    ptd_jinja_fail(j, "a block has no end");
    return i;
}

static int skip_to_end(struct ptd_jinja *j, int i)
{
    while ((i = skip_block(j, i)) < j->n_pieces && nesting(j, i) == 2) i++;
    return i;
}

/* The block's end must be of its kind. Returns the piece behind it. */
static int behind(struct ptd_jinja *j, int i, const char *end)
{
    if (!j->failed && i >= j->n_pieces) ptd_jinja_fail(j, "a block has no end");
    if (j->failed) return j->n_pieces;
    look_at(j, i);
    if (!ptd_jinja_take_word(j, end)) ptd_jinja_fail(j, "expected %s", end);
    return i + 1;
}

static int run_if(struct ptd_jinja *j, int i)
{
    int yes = ptd_jinja_truth(ptd_jinja_value(j)), done = 0;
    finish_reading(j);
    for (;;) {
        i = yes && !j->failed ? run_block(j, i + 1) : skip_block(j, i + 1);
        done |= yes;
        if (j->failed || j->flow != PTD_JINJA_ON || i >= j->n_pieces) break;
        look_at(j, i);
        if (ptd_jinja_take_word(j, "elif"))
            yes = !done && ptd_jinja_truth(ptd_jinja_value(j));
        else if (ptd_jinja_take_word(j, "else"))
            yes = !done;
        else
            break;
    }
    return j->flow == PTD_JINJA_ON ? behind(j, i, "endif") : i;
}

static json_t *push_scope(struct ptd_jinja *j)
{
    json_t *scope = ptd_jinja_keep(j, json_object());
    if (j->n_scopes == PTD_JINJA_SCOPES)
        ptd_jinja_fail(j, "over %d scopes", PTD_JINJA_SCOPES);
    else
        j->scopes[j->n_scopes++] = scope;
    return scope;
}

struct loop {
    char name[2][64];
    int n_names, body;
    const char *condition, *end; /* NULL: none */
    json_t *items;
};

static void bind(struct ptd_jinja *j, json_t *scope, const struct loop *l, json_t *item)
{
    if (l->n_names == 1)
        json_object_set_nocheck(scope, l->name[0], item);
    else if (json_array_size(item) != 2)
        ptd_jinja_fail(j, "two names for what are no pairs");
    else
        for (int k = 0; k < 2; k++)
            json_object_set_nocheck(scope, l->name[k], json_array_get(item, (size_t)k));
}

/* The items that the loop's condition lets through. */
static json_t *filtered(struct ptd_jinja *j, const struct loop *l)
{
    json_t *kept = ptd_jinja_keep(j, json_array()), *item;
    size_t i;
    if (!l->condition) return l->items;
    json_array_foreach(l->items, i, item)
    {
        bind(j, push_scope(j), l, item);
        j->p = l->condition, j->end = l->end;
        if (ptd_jinja_truth(ptd_jinja_value(j))) json_array_append(kept, item);
        if (j->failed) return kept;
        j->n_scopes--;
    }
    return kept;
}

static json_t *loop_variable(struct ptd_jinja *j, json_t *items, size_t i)
{
    size_t n = json_array_size(items);
    json_t *v = ptd_jinja_keep(j, json_object());
    json_object_set_new(v, "index0", json_integer((json_int_t)i));
    json_object_set_new(v, "index", json_integer((json_int_t)i + 1));
    json_object_set_new(v, "revindex0", json_integer((json_int_t)(n - i - 1)));
    json_object_set_new(v, "revindex", json_integer((json_int_t)(n - i)));
    json_object_set_new(v, "length", json_integer((json_int_t)n));
    json_object_set(v, "first", json_boolean(i == 0));
    json_object_set(v, "last", json_boolean(i + 1 == n));
    if (i) json_object_set(v, "previtem", json_array_get(items, i - 1));
    if (i + 1 < n) json_object_set(v, "nextitem", json_array_get(items, i + 1));
    return v;
}

static void run_loop(struct ptd_jinja *j, const struct loop *l, json_t *items)
{
    json_t *item;
    size_t i;
    json_array_foreach(items, i, item)
    {
        int depth = j->n_scopes;
        json_t *scope = push_scope(j);
        json_object_set(scope, "loop", loop_variable(j, items, i));
        bind(j, scope, l, item);
        if (!j->failed) run_block(j, l->body);
        if (j->failed) return;
        j->n_scopes = depth;
        int flow = j->flow;
        j->flow = PTD_JINJA_ON;
        if (flow == PTD_JINJA_BREAK) return;
    }
}

/* NAME[, NAME] in VALUE [if CONDITION] */
static void read_loop(struct ptd_jinja *j, struct loop *l)
{
    l->n_names = ptd_jinja_name(j, l->name[0]);
    if (ptd_jinja_take(j, ",")) l->n_names += ptd_jinja_name(j, l->name[1]);
    if (!l->n_names || !ptd_jinja_take_word(j, "in")) ptd_jinja_fail(j, "a for without \"in\"");
    l->items = ptd_jinja_operand(j);
    l->condition = NULL;
    if (ptd_jinja_take_word(j, "if")) {
        l->condition = j->p, l->end = j->end;
        j->dry++;
        ptd_jinja_value(j);
        j->dry--;
    }
    finish_reading(j);
    if (l->items && !json_is_array(l->items)) ptd_jinja_fail(j, "a loop over what is no list");
}

static int run_for(struct ptd_jinja *j, int i)
{
    struct loop l = {.body = i + 1};
    read_loop(j, &l);
    json_t *items = j->failed ? NULL : filtered(j, &l);
    if (!j->failed) run_loop(j, &l, items);
    i = j->failed ? j->n_pieces : skip_block(j, l.body);
    if (!j->failed && nesting(j, i) == 2)
        i = json_array_size(items) ? skip_block(j, i + 1) : run_block(j, i + 1);
    return j->flow == PTD_JINJA_ON ? behind(j, i, "endfor") : i;
}

static void assign(struct ptd_jinja *j, const char *name, const char *member, json_t *v)
{
    json_t *scope = j->scopes[j->n_scopes - 1];
    for (int i = j->n_scopes - 1; *member && i >= 0; i = i > j->floor ? i - 1 : i ? 0 : -1) {
        json_t *space = json_object_get(j->scopes[i], name);
        if (!json_is_object(space)) continue;
        json_t *held = v && is_space(j, v) ? ptd_jinja_fail(j, "a namespace inside of a value")
                                           : ptd_jinja_checked(j, v);
        if (!j->failed) json_object_set_nocheck(space, member, held ? held : json_null());
        return;
    }
    if (*member)
        ptd_jinja_fail(j, "\"%s\" is no namespace", name);
    else if (v)
        json_object_set_nocheck(scope, name, v);
    else
        json_object_del(scope, name);
}

/* Runs the block that begins at piece i for what it writes. */
static int capture(struct ptd_jinja *j, int i, json_t **v)
{
    struct ptd_buf own = {0}, *out = j->out;
    j->out = &own;
    i = run_block(j, i);
    j->out = out;
    *v = ptd_jinja_text(j, own.len ? own.data : "", own.len);
    free(own.data);
    return i;
}

static int run_set(struct ptd_jinja *j, int i)
{
    char name[64], member[64] = "";
    json_t *v;
    if (!ptd_jinja_name(j, name)) ptd_jinja_fail(j, "a set without a name");
    if (ptd_jinja_take(j, ".") && !ptd_jinja_name(j, member))
        ptd_jinja_fail(j, "a set without a name");
    if (ptd_jinja_take(j, "=")) {
        v = ptd_jinja_value(j);
        finish_reading(j);
        i++;
    } else {
        finish_reading(j);
        i = j->failed ? i : behind(j, capture(j, i + 1, &v), "endset");
    }
    if (!j->failed) assign(j, name, member, v);
    return i;
}

static int run_macro(struct ptd_jinja *j, int i)
{
    struct ptd_jinja_macro *m = &j->macros[j->n_macros];
    if (j->n_macros == PTD_JINJA_MACROS)
        ptd_jinja_fail(j, "over %d macros", PTD_JINJA_MACROS);
    else if (!ptd_jinja_name(j, m->name) || !ptd_jinja_take(j, "("))
        ptd_jinja_fail(j, "a macro without a name");
    if (j->failed) return j->n_pieces;
    m->parameters = j->p, m->end = j->end, m->body = i + 1;
    j->n_macros++;
    return behind(j, skip_to_end(j, i + 1), "endmacro");
}

/* The macro's parameters into the last scope. */
static void bind_arguments(struct ptd_jinja *j, const struct ptd_jinja_macro *m,
                           const struct ptd_jinja_arguments *a)
{
    char name[64];
    j->p = m->parameters, j->end = m->end;
    for (int k = 0; !j->failed && ptd_jinja_name(j, name); k++) {
        json_t *v = NULL, *other = NULL;
        int given = 0;
        if (ptd_jinja_take(j, "=")) other = ptd_jinja_value(j);
        for (int n = 0; n < a->n; n++)
            if (*a->name[n] ? !strcmp(a->name[n], name) : n == k) v = a->value[n], given = 1;
        v = given ? v : other;
        if (v) json_object_set_nocheck(j->scopes[j->n_scopes - 1], name, v);
        if (!ptd_jinja_take(j, ",")) break;
    }
    if (!ptd_jinja_take(j, ")")) ptd_jinja_fail(j, "parameters of the macro \"%s\"", m->name);
}

json_t *ptd_jinja_expand(struct ptd_jinja *j, const struct ptd_jinja_macro *m,
                         struct ptd_jinja_arguments *a)
{
    const char *p = j->p, *end = j->end;
    int floor = j->floor, n_scopes = j->n_scopes;
    json_t *v = NULL;
    if (!ptd_jinja_enter(j)) return NULL;
    push_scope(j);
    j->floor = n_scopes;
    if (!j->failed) bind_arguments(j, m, a);
    if (!j->failed) capture(j, m->body, &v);
    j->floor = floor, j->n_scopes = n_scopes;
    j->p = p, j->end = end;
    j->depth--;
    return v;
}

static int run_statement(struct ptd_jinja *j, int i)
{
    static const struct {
        const char *word;
        int (*run)(struct ptd_jinja *j, int i);
    } rows[] = {{"if", run_if}, {"for", run_for}, {"set", run_set}, {"macro", run_macro}};
    look_at(j, i);
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        if (ptd_jinja_take_word(j, rows[k].word)) return rows[k].run(j, i);
    if (ptd_jinja_take_word(j, "generation"))
        return behind(j, run_block(j, i + 1), "endgeneration");
    if (ptd_jinja_take_word(j, "break"))
        j->flow = PTD_JINJA_BREAK;
    else if (ptd_jinja_take_word(j, "continue"))
        j->flow = PTD_JINJA_CONTINUE;
    finish_reading(j);
    return i + 1;
}

static void run_value(struct ptd_jinja *j, int i)
{
    look_at(j, i);
    json_t *v = ptd_jinja_value(j);
    finish_reading(j);
    v = j->failed ? NULL : ptd_jinja_shown(j, v);
    if (v) put(j, json_string_value(v), json_string_length(v));
}

/* Runs pieces from i on; returns the one that ends or divides the block, or where a break left it.
 */
static int run_block(struct ptd_jinja *j, int i)
{
    if (!ptd_jinja_enter(j)) return j->n_pieces;
    while (i < j->n_pieces && !j->failed && j->flow == PTD_JINJA_ON) {
        const struct ptd_jinja_piece *piece = &j->pieces[i];
        ptd_jinja_step(j);
        if (piece->kind == PTD_JINJA_TEXT) {
            put(j, piece->from, (size_t)(piece->to - piece->from)), i++;
        } else if (piece->kind == PTD_JINJA_VALUE) {
            run_value(j, i++);
        } else {
            int n = nesting(j, i);
            if (n == -1 || n == 2) break;
            i = run_statement(j, i);
        }
    }
    j->depth--;
    return i;
}

/* ---- all of it ---- */

/* Line ends as Jinja has them: CR LF and CR become LF, and the last one goes. */
static char *with_line_feeds(const char *source, size_t *n)
{
    char *copy = ptd_alloc(strlen(source) + 1), *o = copy;
    for (const char *p = source; *p; p++)
        if (*p != '\r')
            *o++ = *p;
        else if (p[1] != '\n')
            *o++ = '\n';
    if (o > copy && o[-1] == '\n') *--o = 0;
    *n = (size_t)(o - copy);
    return copy;
}

char *ptd_jinja_run(const char *source, json_t *variables, struct ptd_jinja_failure *why)
{
    size_t n;
    char *text = with_line_feeds(source, &n);
    struct ptd_buf out = {0};
    struct ptd_jinja *j = ptd_alloc(sizeof *j);
    *j = (struct ptd_jinja){.pool = json_array(), .spaces = json_array(), .out = &out, .why = why};
    *why = (struct ptd_jinja_failure){.unknown = 0};
    j->scopes[j->n_scopes++] = ptd_jinja_keep(j, json_copy(variables));
    cut(j, text, n);
    if (!j->failed && run_block(j, 0) < j->n_pieces)
        ptd_jinja_fail(j, "an end without its beginning");
    ptd_buf_add(&out, "", 1);
    char *written = j->failed ? NULL : out.data;
    if (!written) free(out.data);
    json_decref(j->spaces);
    json_decref(j->pool);
    free(j->pieces);
    free(j);
    free(text);
    return written;
}
