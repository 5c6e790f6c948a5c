/* places: one walk over the text, which keeps the numbers of each bracket that is open; see
 * places.h. What is right is left to iou.c and point.c. */
#include "judge/places.h"
#include "base/err.h"
#include "base/normal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEEPEST  16 /* brackets in brackets; numbers below are none of a place */
#define GREATEST 1e9
#define LONGEST  40 /* bytes of a number */

static const char too_many[] = "too many places", too_large[] = "a number out of range";

struct bracket {
    int n; /* numbers */
    double v[4];
    int pointed;               /* one of them has a decimal point */
    int first_box, first_pair; /* those that were there when it was opened */
    int names_label;           /* the name before is "label" */
    const char *label;         /* of the places in it; NULL: none */
    size_t label_len;
};

struct walk {
    const char *s, *begin, *end;
    struct bracket open[DEEPEST];
    int depth;                             /* open[0] is outside of all brackets */
    struct ptd_place box[PTD_PLACES_MAX];  /* of four numbers each */
    struct ptd_place pair[PTD_PLACES_MAX]; /* of two */
    int n_boxes, n_pairs, pointed;
    const char *bad;
};

char *ptd_places_plain(const char *s, size_t n)
{
    if (n > PTD_PLACES_BYTES) return NULL;
    char *text = ptd_plain(s, n);
    if (text) return text;
    text = ptd_alloc(n + 1);
    memcpy(text, s, n);
    return text;
}

/* ---- what stands in the text ---- */

static int is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct bracket *inner(struct walk *w)
{
    return w->depth < DEEPEST ? &w->open[w->depth] : NULL;
}

static const char *after_digits(const char *s)
{
    return s + strspn(s, "0123456789");
}

/* Behind the number that begins at s. */
static const char *number_end(const char *s)
{
    const char *p = after_digits(s), *power;
    if (*p == '.') p = after_digits(p + 1);
    if (*p != 'e' && *p != 'E') return p;
    power = p + 1 + (p[1] == '-' || p[1] == '+');
    return is_digit(*power) ? after_digits(power) : p;
}

static void take_number(struct walk *w, int minus)
{
    struct bracket *b = inner(w);
    const char *end = number_end(w->s);
    char digits[LONGEST + 1] = "";
    size_t n = (size_t)(end - w->s);
    if (n <= LONGEST) memcpy(digits, w->s, n);
    double v = n <= LONGEST ? strtod(digits, NULL) : INFINITY;
    if (v > GREATEST) w->bad = too_large;
    if (b && b->n < 4) b->v[b->n] = minus ? -v : v;
    if (b) b->n++, b->pointed |= strchr(digits, '.') != NULL;
    w->s = end;
}

/* A minus sign is one where no number ends before it. */
static int is_minus(const struct walk *w)
{
    const char *next = w->s + (*w->s == '-' ? 1 : 3);
    int sign = *w->s == '-' || strncmp(w->s, "\xe2\x88\x92", 3) == 0;
    return sign && (is_digit(*next) || (*next == '.' && is_digit(next[1]))) &&
           (w->s == w->begin || !is_digit(w->s[-1]));
}

static void take_name(struct walk *w)
{
    struct bracket *b = inner(w);
    const char *from = w->s;
    while (is_letter(*w->s) || is_digit(*w->s)) w->s++;
    if (b) b->names_label = w->s - from == 5 && strncmp(from, "label", 5) == 0;
}

/* ---- places ---- */

static void keep(struct walk *w, struct ptd_place *list, int *n, const double v[4])
{
    if (*n == PTD_PLACES_MAX)
        w->bad = too_many;
    else
        list[(*n)++] = (struct ptd_place){.x0 = v[0], .y0 = v[1], .x1 = v[2], .y1 = v[3]};
}

static void keep_numbers(struct walk *w, const struct bracket *b)
{
    if (b->n == 4) keep(w, w->box, &w->n_boxes, b->v);
    if (b->n == 2) keep(w, w->pair, &w->n_pairs, (double[4]){b->v[0], b->v[1], b->v[0], b->v[1]});
    if (b->n == 2 || b->n == 4) w->pointed |= b->pointed;
}

static void open_bracket(struct walk *w)
{
    w->depth++;
    struct bracket *b = inner(w);
    if (b) *b = (struct bracket){.first_box = w->n_boxes, .first_pair = w->n_pairs};
}

static void put_label(struct ptd_place *list, int from, int n, const struct bracket *b)
{
    for (int i = from; i < n; i++)
        if (!list[i].label) list[i].label = b->label, list[i].label_len = b->label_len;
}

static void close_bracket(struct walk *w)
{
    struct bracket *b = inner(w);
    if (w->depth == 0) return;
    if (b) keep_numbers(w, b);
    if (b && b->label) {
        put_label(w->box, b->first_box, w->n_boxes, b);
        put_label(w->pair, b->first_pair, w->n_pairs, b);
    }
    w->depth--;
}

/* A text in quotes where JSON can have one; 0: there is none here. */
static int take_quoted(struct walk *w)
{
    const char *before = w->s, *close = w->s + 1;
    while (before > w->begin && strchr(" \t\r\n", before[-1])) before--;
    if (before == w->begin || !strchr("{[,:", before[-1])) return 0;
    while (close < w->end && *close != *w->s) close += 1 + (*close == '\\' && close + 1 < w->end);
    if (close >= w->end) return 0;
    struct bracket *b = inner(w);
    size_t n = (size_t)(close - w->s - 1);
    if (b && b->names_label && before[-1] == ':') b->label = w->s + 1, b->label_len = n;
    if (b) b->names_label = n == 5 && strncmp(w->s + 1, "label", 5) == 0;
    w->s = close + 1;
    return 1;
}

/* ---- <point x="10" y="20" alt="the 2nd"> ---- */

/* NAME="VALUE" with x or y and perhaps a number as name, one number as value: its place in v, 0 or
 * 1; -1: something else. *behind: behind it, NULL if it is no attribute. */
static int attribute(const char *s, double *v, const char **behind)
{
    const char *name = s + strspn(s, " \t\r\n"), *at = name;
    while (is_letter(*at) || is_digit(*at)) at++;
    const char *close =
        at > name && *at == '=' && strchr("\"'", at[1]) ? strchr(at + 2, at[1]) : NULL;
    *behind = at[0] == '=' && at[1] && close ? close + 1 : NULL;
    if (!*behind || !strchr("xy", *name) || after_digits(name + 1) != at) return -1;
    const char *value = at + 2 + (at[2] == '-');
    if (!is_digit(*value) || number_end(value) != close || close - value > LONGEST) return -1;
    *v = strtod(at + 2, NULL);
    return *name == 'y';
}

static int take_points(struct walk *w)
{
    double v[2];
    int which, has_x = 0, found = 0;
    if (strncmp(w->s, "<point", 6) != 0) return 0;
    const char *s = w->s + 6 + (w->s[6] == 's'), *behind;
    for (double x; (which = attribute(s, &x, &behind)), behind; s = behind) {
        if (which < 0) continue;
        v[which] = x;
        w->pointed |= memchr(s, '.', (size_t)(behind - s)) != NULL;
        if (fabs(x) > GREATEST) w->bad = too_large;
        if (which && has_x) keep(w, w->pair, &w->n_pairs, (double[4]){v[0], v[1], v[0], v[1]});
        found |= which && has_x;
        has_x = !which;
    }
    if (found) w->s = s;
    return found;
}

static void step(struct walk *w)
{
    if (*w->s == '<' && take_points(w))
        return;
    else if (is_minus(w))
        w->s += *w->s == '-' ? 1 : 3, take_number(w, 1);
    else if (is_digit(*w->s) || (*w->s == '.' && is_digit(w->s[1])))
        take_number(w, 0);
    else if (is_letter(*w->s))
        take_name(w);
    else if (strchr("\"'", *w->s) && take_quoted(w))
        return;
    else if (*w->s == '\\' && w->s[1] && !is_letter(w->s[1]))
        w->s += 2;
    else {
        if (strchr("([{", *w->s)) open_bracket(w);
        if (strchr(")]}", *w->s)) close_bracket(w);
        w->s++;
    }
}

/* All of the text; a bracket that never closes holds what it holds. */
static void walk(struct walk *w, const char *text)
{
    w->s = w->begin = text;
    w->end = text + strlen(text);
    while (w->s < w->end && !w->bad) step(w);
    while (w->depth > 0) close_bracket(w);
    if (!w->n_boxes && !w->n_pairs) keep_numbers(w, &w->open[0]);
}

/* Two points one behind the other are the corners of a box. */
static void join_pairs(struct walk *w)
{
    if (w->n_boxes || w->n_pairs % 2) return;
    for (int i = 0; i + 1 < w->n_pairs; i += 2) {
        struct ptd_place box = w->pair[i];
        box.x1 = w->pair[i + 1].x0, box.y1 = w->pair[i + 1].y0;
        w->box[w->n_boxes++] = box;
    }
}

/* ---- the scale ---- */

static int is_share(double x)
{
    return x >= 0 && x <= 1;
}

static void widen(struct ptd_places *p)
{
    for (int i = 0; i < p->n; i++)
        p->at[i].x0 *= 1000, p->at[i].y0 *= 1000, p->at[i].x1 *= 1000, p->at[i].y1 *= 1000;
    p->shares = 1;
}

static void put_scale(struct ptd_places *p, int pointed)
{
    p->shares = -1;
    for (int i = 0; i < p->n; i++)
        if (!is_share(p->at[i].x0) || !is_share(p->at[i].y0) || !is_share(p->at[i].x1) ||
            !is_share(p->at[i].y1))
            p->shares = 0;
    if (p->shares && pointed) widen(p);
}

void ptd_places_beside(struct ptd_places *p, const struct ptd_places *gold)
{
    if (p->shares == -1 && gold->shares == 1) widen(p);
}

/* ---- reading ---- */

static const char *read_places(struct ptd_places *p, const char *s, size_t n, int boxes)
{
    struct walk w = {0};
    *p = (struct ptd_places){.text = ptd_places_plain(s, n)};
    if (!p->text) return "too long";
    walk(&w, p->text);
    if (w.bad) return w.bad;
    if (boxes) join_pairs(&w);
    p->n = boxes ? w.n_boxes : w.n_pairs;
    memcpy(p->at, boxes ? w.box : w.pair, (size_t)p->n * sizeof *p->at);
    put_scale(p, w.pointed);
    return p->n ? NULL : boxes ? "no bounding box" : "no point";
}

const char *ptd_boxes_read(struct ptd_places *p, const char *s, size_t n)
{
    return read_places(p, s, n, 1);
}

const char *ptd_points_read(struct ptd_places *p, const char *s, size_t n)
{
    return read_places(p, s, n, 0);
}

void ptd_places_clear(struct ptd_places *p)
{
    free(p->text);
    p->text = NULL;
}
