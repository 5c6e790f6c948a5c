/* dataset_options: a row's list of options, which goes into its question as lines "A. text" unless
 * the question has it, and which of them an answer names. Options that a question has of itself are
 * the judge's to read (judge/options.h). */
#include "data/dataset_private.h"
#include "judge/choice.h"
#include "judge/judge.h"
#include "judge/options.h"
#include "judge/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const fields[] = {"options", "choices", NULL};

struct list {
    struct ptd_row *r;
    const char *key;
    const char *text[PTD_OPTIONS], *label[PTD_OPTIONS]; /* label NULL: none of its own */
    int n, numbers, bad;                                /* numbers: how many of them are */
};

/* ---- reading ---- */

static void add(struct list *l, const char *label, const char *s, size_t n)
{
    if (l->n >= PTD_OPTIONS) {
        if (l->n++ == PTD_OPTIONS)
            l->bad = ptd_row_fault(l->r, PTD_DATAERR, l->key, "expected at most %d options",
                                   PTD_OPTIONS);
        return;
    }
    char *kept = (char *)ptd_row_trimmed(l->r, l->key, s, n);
    for (char *p = kept; *p; p++)
        if (*p == '\n' || *p == '\r') *p = ' '; /* an option is a line */
    l->label[l->n] = label ? ptd_row_keep(l->r, l->key, label) : NULL;
    l->text[l->n++] = kept;
    if (!*kept)
        l->bad = ptd_row_fault(l->r, PTD_DATAERR, l->key, "option %d: empty, expected text", l->n);
}

/* The first of the keys that an object has; v itself if it is none. */
static const json_t *first_of(const json_t *v, const char *const *keys)
{
    for (; *keys && json_is_object(v); keys++)
        if (json_object_get(v, *keys)) return json_object_get(v, *keys);
    return v;
}

static void add_value(struct list *l, const char *label, const json_t *v, const json_t *twin)
{
    static const char *const texts[] = {"text", "value", "content", "option", NULL};
    static const char *const labels[] = {"label", "key", "letter", "id", NULL};
    if (json_is_object(v)) label = json_string_value(first_of(v, labels));
    v = first_of(v, texts);
    twin = first_of(twin, texts);
    l->numbers += json_is_number(v);
    char *number = json_is_number(v) ? ptd_row_number(v, twin) : NULL;
    const char *s = number ? number : json_string_value(v);
    if (s)
        add(l, label, s, strlen(s));
    else
        l->bad =
            ptd_row_fault(l->r, PTD_DATAERR, l->key, "option %d: %s, expected text or a number",
                          l->n + 1, ptd_json_kind(v));
    free(number);
}

static void add_list(struct list *l, const json_t *labels, const json_t *v, const json_t *twin)
{
    for (size_t i = 0; i < json_array_size(v); i++)
        add_value(l, json_string_value(json_array_get(labels, i)), json_array_get(v, i),
                  json_array_get(twin, i));
}

/* {"A": "red", "B": "blue"} in the order of its keys, or {"text": [...], "label": [...]}. */
static void add_map(struct list *l, json_t *v, const json_t *twin)
{
    const char *key;
    json_t *item;
    if (json_is_array(json_object_get(v, "text"))) {
        add_list(l, json_object_get(v, "label"), json_object_get(v, "text"),
                 json_object_get(twin, "text"));
        return;
    }
    json_object_foreach (v, key, item)
        if (!json_is_null(item)) add_value(l, key, item, json_object_get(twin, key));
}

/* A list as Python prints it, ['red', "Joe's"]; behind its end, NULL: it is none. */
static const char *python_text(struct list *l, const char *p)
{
    const char *end = p + 1;
    while (*end && *end != *p) end += *end == '\\' && end[1] ? 2 : 1;
    if (!*end) return NULL;
    char *text = ptd_alloc((size_t)(end - p)), *to = text;
    for (const char *from = p + 1; from < end; from++) {
        if (*from == '\\') from++;
        *to++ = *from;
    }
    add(l, NULL, text, (size_t)(to - text));
    free(text);
    return end + 1;
}

static int add_python(struct list *l, const char *p)
{
    for (p += *p == '['; *p && *p != ']' && !l->bad; p += strspn(p, ", \t\n")) {
        if (*p != '\'' && *p != '"') return -1;
        if (!(p = python_text(l, p)) || !strchr(", \t\n]", *p) || !*p) return -1;
    }
    return l->bad || (*p && ptd_blank_text(p + 1)) ? 0 : -1;
}

/* Options as text: a list in JSON's or Python's spelling, or lines that stand for themselves. */
static void add_text(struct list *l, const char *s)
{
    struct ptd_options found;
    json_t *list = *s == '[' ? ptd_json_load(s, strlen(s), 0, NULL) : NULL;
    if (list)
        add_list(l, NULL, list, NULL);
    else if (*s == '[' && add_python(l, s) < 0)
        l->bad = ptd_row_fault(l->r, PTD_DATAERR, l->key, "expected a list of texts");
    else if (*s != '[' && ptd_options_read(s, &found) == 0)
        l->bad = ptd_row_fault(l->r, PTD_DATAERR, l->key, "expected a list or lines \"A. text\"");
    else if (*s != '[')
        for (int i = 0; i < found.n; i++) add(l, NULL, found.option[i].text, found.option[i].len);
    json_decref(list);
}

static void read_list(struct list *l, json_t *v)
{
    const json_t *twin =
        ptd_json_has_real(v) ? json_object_get(ptd_row_digits(l->r), l->key) : NULL;
    if (json_is_array(v))
        add_list(l, NULL, v, twin);
    else if (json_is_object(v))
        add_map(l, v, twin);
    else if (json_is_string(v))
        add_text(l, json_string_value(v) + strspn(json_string_value(v), " \t\r\n"));
    else
        l->bad = ptd_row_wrong(l->r, l->key, v, "a list of options");
}

/* ---- letters of their own ---- */

/* "A. red", "(A) red", "A" for option i of 'A'; what stands behind the mark, NULL: it is not so. */
static const char *behind_letter(const char *text, int i)
{
    static const char *const marks[] = {
        ".", ")", ":", "\xef\xbc\x8e", "\xe3\x80\x81", "\xef\xbc\x9a", "]"};
    const char *p = text + (*text == '(' || *text == '[');
    if (*p++ != 'A' + i) return NULL;
    if (!*p) return p;
    for (size_t k = 0; k < sizeof marks / sizeof *marks; k++)
        if (strncmp(p, marks[k], strlen(marks[k])) == 0) return p + strlen(marks[k]);
    return NULL;
}

/* Takes off the letters that all options bring; 1: they are nothing else. */
static int are_letters(struct list *l)
{
    int letters = 0, bare = 0;
    for (int i = 0; i < l->n; i++) {
        const char *rest = behind_letter(l->text[i], i);
        letters += rest != NULL;
        bare += rest && ptd_blank_text(rest);
    }
    if (letters < l->n || bare) return bare == l->n;
    for (int i = 0; i < l->n; i++) {
        const char *rest = behind_letter(l->text[i], i);
        l->text[i] = ptd_row_trimmed(l->r, l->key, rest, strlen(rest));
    }
    return 0;
}

/* ---- the question ---- */

/* Equal but for blanks and the case of letters. */
static int loosely(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, " \t"), b += strspn(b, " \t");
        int x = *a >= 'A' && *a <= 'Z' ? *a + 32 : *a, y = *b >= 'A' && *b <= 'Z' ? *b + 32 : *b;
        if (x != y) return 1;
        if (!x) return 0;
    }
}

static int is_option(const char *text, const struct ptd_option *o)
{
    char *found = ptd_format("%.*s", (int)o->len, o->text);
    int same = loosely(text, found) == 0;
    free(found);
    return same;
}

/* Does the question list these options, whatever it says besides? */
static int is_listed(const struct list *l)
{
    struct ptd_options found;
    int same = 0;
    if (ptd_options_read(l->r->g->question, &found) != l->n) return 0;
    for (int i = 0; i < l->n; i++) same += is_option(l->text[i], &found.option[i]);
    return same * 2 > l->n; /* what is dressed otherwise is the same all the same */
}

/* Does the question list one of them, but by another letter? -1: then no letter can be told. */
static int check_letters(struct list *l)
{
    struct ptd_options found;
    ptd_options_read(l->r->g->question, &found);
    for (int i = 0; i < l->n; i++)
        for (int k = 0; k < found.n; k++)
            if (k != i && is_option(l->text[i], &found.option[k]) &&
                !(i < found.n && is_option(l->text[i], &found.option[i])))
                return ptd_row_fault(l->r, PTD_DATAERR, l->key,
                                     "option %d is %c in the question's own list, expected one "
                                     "order",
                                     i + 1, found.option[k].letter);
    return 0;
}

static void append(struct list *l)
{
    struct ptd_row *r = l->r;
    struct ptd_buf out = {0};
    ptd_buf_add(&out, r->g->question, strlen(r->g->question));
    for (int i = 0; i < l->n; i++) {
        char mark[8];
        int n = snprintf(mark, sizeof mark, "\n%c. ", 'A' + i);
        ptd_buf_add(&out, mark, (size_t)n);
        ptd_buf_add(&out, l->text[i], strlen(l->text[i]));
    }
    ptd_buf_add(&out, "", 1);
    r->g->question = ptd_row_keep(r, l->key, out.data);
    free(out.data);
}

void ptd_row_options(struct ptd_row *r)
{
    struct list l = {.r = r};
    json_t *v = ptd_row_value(r, fields, &l.key);
    if (!v || !r->g->question || (json_is_string(v) && ptd_blank_text(json_string_value(v))))
        return;
    read_list(&l, v);
    if (l.bad || !l.n) return;
    if (!are_letters(&l)) {
        if (check_letters(&l) < 0) return;
        if (!is_listed(&l)) append(&l);
    }
    memcpy(r->options, l.text, (size_t)l.n * sizeof *l.text);
    memcpy(r->labels, l.label, (size_t)l.n * sizeof *l.label);
    r->n_options = l.n;
    r->options_are_numbers = l.numbers == l.n;
}

/* ---- the answer ---- */

/* "AC", "A and C": as the judge reads them. */
static unsigned letters_in(const char *s)
{
    struct ptd_reading *reading = ptd_alloc(sizeof *reading);
    struct ptd_choice c;
    unsigned letters = 0;
    if (ptd_value_read(reading, s, strlen(s), 0) == 0 &&
        ptd_choice_gold(reading->lex.t, reading->lex.n, &c) && c.n > 1 && !c.either)
        letters = c.letters;
    free(reading);
    return letters;
}

/* The one option of this text, from 1; 0: none, or several. how: as strcmp. */
static int find_text(const struct ptd_row *r, const char *s, int (*how)(const char *, const char *))
{
    int found = 0, n = 0;
    for (int i = 0; i < r->n_options; i++)
        if (how(r->options[i], s) == 0) found = i + 1, n++;
    return n == 1 ? found : 0;
}

/* Counted from 0, as lists are. */
static int find_number(const struct ptd_row *r, const char *s)
{
    size_t n = strspn(s, "0123456789");
    int i = n && n < 3 && !s[n] ? atoi(s) : -1;
    return i >= 0 && i < r->n_options ? i + 1 : 0;
}

static int find_label(const struct ptd_row *r, const char *s)
{
    int i = 0;
    while (i < r->n_options && (!r->labels[i] || strcmp(r->labels[i], s) != 0)) i++;
    return i < r->n_options ? i + 1 : 0;
}

/* By the row's own label, or as a letter: "B", "(b)", "B. text". */
static int find_letter(const struct ptd_row *r, const char *s)
{
    int label = find_label(r, s);
    char letter = label ? 0 : ptd_choice_parse(s, strlen(s));
    int i = letter ? letter - 'A' + 1 : label;
    return i <= r->n_options ? i : 0;
}

/* "red, green": each part the text of one; 0: it is not so. */
static unsigned texts_in(const struct ptd_row *r, const char *s)
{
    unsigned letters = 0;
    for (int found; *s; s += strcspn(s, ",;"), s += *s != 0) {
        char *part = ptd_format("%.*s", (int)strcspn(s, ",;"), s);
        size_t n = strlen(part);
        while (n && part[n - 1] == ' ') part[--n] = 0;
        found = find_text(r, part + strspn(part, " "), loosely);
        free(part);
        if (!found) return 0;
        letters |= 1u << (found - 1);
    }
    return letters;
}

unsigned ptd_row_several(const struct ptd_row *r, const char *answer)
{
    if (find_text(r, answer, loosely) || find_letter(r, answer) || find_number(r, answer)) return 0;
    unsigned letters = letters_in(answer);
    if (!letters) letters = texts_in(r, answer);
    return letters >> r->n_options ? 0 : letters;
}

static int both(struct ptd_row *r, const char *key, const char *answer, int letter, int text)
{
    return ptd_row_fault(r, PTD_DATAERR, key,
                         "\"%.60s\" is the letter of option %d and the text of option %d, expected "
                         "only one",
                         answer, letter, text);
}

char ptd_row_option(struct ptd_row *r, const char *key, const char *answer, int index)
{
    int letter = find_letter(r, answer), text = find_text(r, answer, strcmp), number = 0;
    if (!text) text = find_text(r, answer, loosely);
    if (letter && text && letter != text && !answer[1])
        return both(r, key, answer, letter, text), 0;
    index &= !find_label(r, answer) && !(r->options_are_numbers && text);
    if (index || (!letter && !text)) number = find_number(r, answer);
    int found = index && number ? number : text ? text : letter ? letter : number;
    if (found) return (char)('A' + found - 1);
    ptd_row_fault(
        r, PTD_DATAERR, key,
        "\"%.60s\" is none of the %d options, expected a letter, a text or a number from 0", answer,
        r->n_options);
    return 0;
}
