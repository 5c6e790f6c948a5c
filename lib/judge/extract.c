/* extract: where the answer is; see extract.h for the rules.
 * Leaves answers in words to stated.c and what the answer is worth to the judge. */
#include "judge/extract.h"
#include "judge/stated.h"
#include "base/err.h"
#include <stdlib.h>
#include <string.h>

const char *const ptd_extract_names[] = {"auto", "boxed", "tag", "last", NULL};

#define BOX_BEGIN "<|begin_of_box|>"
#define BOX_END   "<|end_of_box|>"

/* ---- thoughts ---- */

/* Bytes of a thought's tag at s, 0: none; *closes. */
static size_t thought_tag(const char *s, const char *end, int *closes)
{
    static const char *const names[] = {"think>", "thinking>", "thought>", NULL};
    size_t n = 0;
    *closes = s + 1 < end && s[1] == '/';
    n = ptd_begins_one(s + 1 + *closes, end, names);
    return n ? n + 1 + (size_t)*closes : 0;
}

struct ptd_span ptd_behind_thought(const struct ptd_response *r, int *thought)
{
    const char *end = r->text + r->len, *from = r->text;
    int open = 0, closes;
    *thought = 0;
    for (const char *p = from; (p = memchr(p, '<', (size_t)(end - p))); p++) {
        size_t n = thought_tag(p, end, &closes);
        if (!n) continue;
        if (closes) from = p + n, *thought = 1;
        open = !closes;
    }
    return open ? (struct ptd_span){NULL, 0} : ptd_span_of(from, end);
}

/* ---- boxes ---- */

#define OPEN_MAX 16 /* boxes and braces within each other that are followed */
#define KEPT_MAX 16 /* boxes that are remembered: more stand side by side nowhere */

struct opened {
    const char *start, *in;
    long depth;
};
struct boxes {
    const char *end, *no_mark; /* no_mark: from there on no BOX_END follows */
    long depth;                /* braces that are open */
    int n_open, n_kept, n;
    struct opened open[OPEN_MAX];
    struct ptd_box kept[KEPT_MAX];
};

/* A box has closed: those within it are part of it. */
static void keep(struct boxes *b, struct ptd_box box)
{
    for (; b->n_kept && b->kept[b->n_kept - 1].start > box.start; b->n--) b->n_kept--;
    if (b->n_kept == KEPT_MAX) memmove(b->kept, b->kept + 1, (size_t)--b->n_kept * sizeof *b->kept);
    b->kept[b->n_kept++] = box;
    b->n++;
}

static void open_box(struct boxes *b, const char *start, const char *in)
{
    if (b->n_open == OPEN_MAX) memmove(b->open, b->open + 1, (size_t)--b->n_open * sizeof *b->open);
    b->open[b->n_open++] = (struct opened){start, in, b->depth++};
}

static void close_brace(struct boxes *b, const char *at)
{
    if (b->depth > 0) b->depth--;
    if (!b->n_open || b->open[b->n_open - 1].depth != b->depth) return;
    const struct opened *o = &b->open[--b->n_open];
    keep(b, (struct ptd_box){o->start, at + 1, ptd_trimmed(ptd_span_of(o->in, at))});
}

/* Where what stands behind \boxed without braces ends: "5", "\frac{1}{2}", "B". */
static const char *bare_end(const char *s, const char *end)
{
    const char *p = s;
    long depth = 0;
    for (; p < end && p - s < 200 && !strchr("$*\n", *p) && (depth > 0 || *p != ' '); p++)
        if (*p == '}' && --depth < 0)
            break;
        else if (*p == '{')
            depth++;
    while (p > s && strchr(".,;:)!", p[-1])) p--;
    return p;
}

/* A command's name and how it may be followed by blanks; NULL: no box begins at s. */
static const char *box_command(const char *s, const char *end)
{
    static const char *const names[] = {"boxed", "fbox", "framebox", NULL};
    size_t slash = *s == '\\', n = ptd_begins_one(s + slash, end, names);
    const char *p = s + slash + n;
    if (!n || (p < end && ptd_is_letter(*p))) return NULL;
    if (!slash) return p < end && *p == '{' ? p : NULL;
    while (p < end && ptd_is_blank(*p)) p++;
    return p;
}

static const char *begin_box(struct boxes *b, const char *s, const char *in)
{
    if (in < b->end && *in == '{') return open_box(b, s, in + 1), in + 1;
    const char *stop = bare_end(in, b->end);
    int value = in < b->end && (ptd_is_digit(*in) || strchr("-.\\", *in) ||
                                (ptd_is_letter(*in) && stop - in == 1));
    if (!value || stop == in) return in;
    keep(b, (struct ptd_box){s, stop, ptd_span_of(in, stop)});
    return stop;
}

static const char *marked_box(struct boxes *b, const char *s)
{
    const char *in = s + ptd_begins(s, b->end, BOX_BEGIN), *close;
    if (in == s || (b->no_mark && s >= b->no_mark)) return s + 1;
    close = memmem(in, (size_t)(b->end - in), BOX_END, strlen(BOX_END));
    if (!close) return b->no_mark = s, s + 1;
    keep(b, (struct ptd_box){s, close + strlen(BOX_END), ptd_trimmed(ptd_span_of(in, close))});
    return close + strlen(BOX_END);
}

static const char *backslash(struct boxes *b, const char *s)
{
    const char *in = box_command(s, b->end);
    if (in) return begin_box(b, s, in);
    return s + 1 < b->end && strchr("\\{}", s[1]) ? s + 2 : s + 1;
}

static void find_boxes(struct boxes *b, struct ptd_span text)
{
    const char *in, *p = text.s;
    *b = (struct boxes){.end = text.s + text.len};
    while (p < b->end)
        if (*p == '\\')
            p = backslash(b, p);
        else if (*p == '{')
            b->depth++, p++;
        else if (*p == '}')
            close_brace(b, p++);
        else if (*p == '<')
            p = marked_box(b, p);
        else if (*p == 'b' && (p == text.s || !ptd_is_letter(p[-1])) &&
                 (in = box_command(p, b->end)))
            p = begin_box(b, p, in);
        else
            p++;
}

int ptd_boxes_count(struct ptd_span s, struct ptd_box *last)
{
    struct boxes b;
    find_boxes(&b, s);
    if (b.n_kept) *last = b.kept[b.n_kept - 1];
    return b.n;
}

/* ---- what is empty ---- */

int ptd_span_empty(struct ptd_span a)
{
    static const char *const nothing[] = {
        "\\textbf", "\\textit", "\\text",  "\\mathrm", "\\mathbf", "\\mbox",       "\\quad",
        "\\qquad",  "\\ldots",  "\\cdots", "\\dots",   "\\,",      "\\;",          "\\!",
        "\\:",      "\\ ",      "\\(",     "\\)",      "\\[",      "\\]",          "\\phantom",
        "~",        "$",        "{",       "}",        ".",        "\xe2\x80\xa6", "\xe3\x80\x80",
        "\xc2\xa0", NULL};
    const char *end = a.s + a.len;
    for (const char *p = a.s; p < end;) {
        size_t n = ptd_is_blank(*p) ? 1 : ptd_begins_one(p, end, nothing);
        if (!n && *p == '\\' && p + 1 == end) n = 1; /* of "\ ", trimmed */
        int longer = n > 2 && *p == '\\' && p + n < end && ptd_is_letter(p[n]);
        if (!n || longer) return 0;
        p += n;
    }
    return 1;
}

/* ---- an answer ---- */

static int none(struct ptd_answer *a, const char *reason)
{
    *a = (struct ptd_answer){.reason = reason};
    return 0;
}

static int found(struct ptd_answer *a, struct ptd_span text)
{
    if (ptd_span_empty(text)) return none(a, "empty");
    *a = (struct ptd_answer){.text = text.s, .len = text.len, .n_parts = 1, .part = {text}};
    return 1;
}

/* Bytes of what may stand between boxes that are one statement; 0: something else does. */
static size_t joint(const char *s, const char *end)
{
    static const char *const signs[] = {"\\text{ or }",
                                        "\\text{ and }",
                                        "\\text{or}",
                                        "\\text{and}",
                                        "\\quad",
                                        "\\qquad",
                                        "\\[",
                                        "\\]",
                                        "\\(",
                                        "\\)",
                                        "\\,",
                                        "\\;",
                                        "\\ ",
                                        "$",
                                        "*",
                                        ",",
                                        ";",
                                        ".",
                                        "/",
                                        "&",
                                        "~",
                                        "-",
                                        "\xe3\x80\x81",
                                        "\xef\xbc\x8c",
                                        "\xef\xbc\x9b",
                                        "\xe3\x80\x82",
                                        "\xe6\x88\x96",
                                        "\xe8\x80\x85",
                                        "\xe5\x92\x8c",
                                        NULL};
    static const char *const words[] = {"or", "and", "and/or", NULL};
    size_t n = ptd_is_blank(*s) ? 1 : ptd_begins_one(s, end, signs);
    if (n || (n = ptd_begins_one_word(s, end, words))) return n;
    const char *p = s; /* x = */
    while (p < end && p - s < 4 && (ptd_is_letter(*p) || *p == '_' || ptd_is_digit(*p))) p++;
    if (p == s) return 0;
    while (p < end && *p == ' ') p++;
    return p < end && (*p == '=' || *p == ':') ? (size_t)(p + 1 - s) : 0;
}

static int side_by_side(const struct ptd_box *a, const struct ptd_box *b)
{
    const char *p = a->behind;
    size_t n = 1;
    if (b->start - p > 64) return 0;
    while (p < b->start && (n = joint(p, b->start))) p += n;
    return n > 0;
}

/* The box that a box holds and nothing else, else what it holds. */
static struct ptd_span inner(struct ptd_span in)
{
    struct ptd_box box;
    for (int i = 0; i < 4; i++) {
        if (ptd_boxes_count(in, &box) != 1) break;
        struct ptd_span before = ptd_span_of(in.s, box.start);
        struct ptd_span after = ptd_span_of(box.behind, in.s + in.len);
        if (!ptd_span_empty(before) || !ptd_span_empty(after)) break;
        in = box.in;
    }
    return in;
}

static int same(struct ptd_span a, struct ptd_span b)
{
    return a.len == b.len && memcmp(a.s, b.s, a.len) == 0;
}

/* What the box says: where it announces something ("The answer is C"), that. */
static struct ptd_span said(struct ptd_span in)
{
    struct ptd_span out;
    in = inner(in);
    return ptd_announced(in, 0, &out) ? out : in;
}

/* The last box, with those beside it. */
static int last_boxes(const struct boxes *b, struct ptd_answer *a)
{
    const struct ptd_box *last = &b->kept[b->n_kept - 1], *first = last;
    int differ = 0;
    while (first > b->kept && side_by_side(first - 1, first)) first--;
    if (!found(a, said(last->in))) return 0;
    for (const struct ptd_box *p = first; p < last; p++)
        if (!ptd_span_empty(p->in)) differ |= !same(said(p->in), a->part[0]);
    if (!differ) return 1;
    if (last - first >= PTD_PARTS) return none(a, "two answers");
    *a = (struct ptd_answer){.text = first->start, .len = (size_t)(last->behind - first->start)};
    for (; first <= last; first++)
        if (!ptd_span_empty(first->in)) a->part[a->n_parts++] = said(first->in);
    return 1;
}

/* Is a box open at the end of a text, behind all that close? */
static int ends_in_box(const struct boxes *b)
{
    return b->n_open && (!b->n_kept || b->open[b->n_open - 1].start > b->kept[b->n_kept - 1].start);
}

static int by_box(struct ptd_span text, int cut, struct ptd_answer *a)
{
    struct boxes b;
    find_boxes(&b, text);
    if (cut && ends_in_box(&b)) return none(a, "cut");
    if (b.n_kept) return last_boxes(&b, a);
    return none(a, b.n_open ? "cut" : "no box");
}

/* ---- tags ---- */

struct tag {
    const char *behind;
    struct ptd_span in;
    int there, closed;
};

static struct tag last_tag(struct ptd_span text)
{
    const char *end = text.s + text.len, *open = NULL;
    struct tag t = {.there = 0};
    size_t n;
    for (const char *p = text.s; (p = memchr(p, '<', (size_t)(end - p))); p++)
        if ((n = ptd_begins_any_case(p, end, "<answer>"))) {
            open = p + n;
        } else if (open && (n = ptd_begins_any_case(p, end, "</answer>"))) {
            t = (struct tag){p + n, ptd_trimmed(ptd_span_of(open, p)), 1, 1};
            open = NULL;
        }
    if (!open || (t.there && ptd_span_empty(ptd_span_of(open, end)))) return t;
    return (struct tag){end, ptd_trimmed(ptd_span_of(open, end)), 1, 0};
}

static int in_tag(const struct tag *t, int cut, struct ptd_answer *a)
{
    struct ptd_box box;
    struct ptd_span said;
    if (!t->closed && cut) return none(a, "cut");
    if (ptd_boxes_count(t->in, &box)) return by_box(t->in, cut && !t->closed, a);
    return found(a, ptd_announced(t->in, 0, &said) ? said : t->in);
}

static int by_tag(struct ptd_span text, int cut, struct ptd_answer *a)
{
    struct tag t = last_tag(text);
    return t.there ? in_tag(&t, cut, a) : none(a, "no tag");
}

/* ---- the rules ---- */

static int by_words(struct ptd_span text, int cut, const char *reason, struct ptd_answer *a)
{
    struct ptd_span out;
    if (ptd_stated(text, cut, &out) && !ptd_span_empty(out)) return found(a, out);
    return none(a, cut ? "cut" : ptd_trimmed(text).len ? reason : "empty");
}

/* The later of box and tag. */
static int by_either(struct ptd_span text, int cut, int words, struct ptd_answer *a)
{
    struct tag t = last_tag(text);
    struct boxes b;
    find_boxes(&b, text);
    if (t.there && (!b.n_kept || b.kept[b.n_kept - 1].start < t.behind)) return in_tag(&t, cut, a);
    if (cut && ends_in_box(&b)) return none(a, "cut");
    if (b.n_kept) return last_boxes(&b, a);
    if (b.n_open) return none(a, "cut");
    return words ? by_words(text, cut, "no box", a) : none(a, cut ? "cut" : "thought not closed");
}

int ptd_extract(int rule, const struct ptd_response *r, struct ptd_answer *a)
{
    int thought, open;
    struct ptd_span text = ptd_behind_thought(r, &thought);
    if (!text.s) return none(a, r->cut ? "cut" : "thought not closed");
    open = r->thought_opened && !thought;
    if (rule == PTD_EXTRACT_AUTO) return by_either(text, r->cut, !open, a);
    if (rule == PTD_EXTRACT_LAST && !open) return by_words(text, r->cut, "no answer", a);
    if (rule == PTD_EXTRACT_LAST) return none(a, r->cut ? "cut" : "thought not closed");
    int there = rule == PTD_EXTRACT_TAG ? by_tag(text, r->cut, a) : by_box(text, r->cut, a);
    return there ? 1 : none(a, r->cut && strcmp(a->reason, "empty") != 0 ? "cut" : a->reason);
}

char *ptd_answer_joined(const struct ptd_answer *a)
{
    size_t n = 1;
    for (int i = 0; i < a->n_parts; i++) n += a->part[i].len + 2;
    char *text = ptd_alloc(n), *p = text;
    for (int i = 0; i < a->n_parts; i++) {
        if (i) p = mempcpy(p, ", ", 2);
        p = mempcpy(p, a->part[i].s, a->part[i].len);
    }
    return text;
}
