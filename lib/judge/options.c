/* options: which options a question lists; see options.h.
 * Leaves what they are worth to whoever asks. */
#include "judge/options.h"
#include "judge/span.h"
#include <string.h>

/* ---- marks ---- */

enum style { ROUND, SQUARE, CLOSE, DOT, COLON, COMMA, BOLD, DASH, BARE, EQUALS, CIRCLED, N_STYLES };

struct mark {
    int letter, style, small;
    int wide;                /* its sign is a full-width one */
    const char *start, *end; /* of the mark with what dresses it; the text follows */
};

static int alphanumeric(char c)
{
    return ptd_is_letter(c) || ptd_is_digit(c);
}

/* The letter at s, 0.., its bytes in *n; -1: none that marks an option. */
static int letter_at(const char *s, const char *end, size_t *n, int *small)
{
    unsigned char c = (unsigned char)*s;
    *n = 1;
    if (c == 0xef && end - s >= 3) { /* full width: U+FF21, U+FF41 */
        unsigned char b = (unsigned char)s[1], a = (unsigned char)s[2];
        *n = 3;
        c = b == 0xbc && a >= 0xa1 ? (unsigned char)(a - 0xa1 + 'A')
            : b == 0xbd            ? (unsigned char)(a - 0x81 + 'a')
                                   : 0;
    }
    *small = c >= 'a';
    if (c >= 'A' && c < 'A' + PTD_OPTIONS) return c - 'A';
    return c >= 'a' && c < 'a' + PTD_OPTIONS ? c - 'a' : -1;
}

/* The letter in a circle at s, U+24B6 on, small U+24D0 on; -1: none. */
static int circled_at(const char *s, const char *end, int *small)
{
    const unsigned char *u = (const unsigned char *)s;
    if (end - s < 3 || u[0] != 0xe2 || (u[1] != 0x92 && u[1] != 0x93)) return -1;
    int c = (u[1] - 0x92) * 64 + u[2] - 0xb6;
    *small = c >= 26;
    c -= 26 * *small;
    return c >= 0 && c < PTD_OPTIONS ? c : -1;
}

/* Steps back over one sign that dresses a mark's letter at p: a bracket (kept in *open), bold, a
 * command's brace (counted in *braces). NULL: something else stands there. */
static const char *back_over(const char *from, const char *p, int *open, int *braces, int *bold)
{
    static const char *const commands[] = {"\\textbf{", "\\text{", "\\mathrm{", "\\mathbf{",
                                           "\\rm{",     "\\bf{",   "\\mbox{",   NULL};
    struct ptd_span before = ptd_span_of(from, p);
    size_t n;
    if (p > from && p[-1] == '*') return ++*bold, p - 1;
    if (!*open && p > from && strchr("([", p[-1])) return *open = p[-1], p - 1;
    if (!*open && ptd_ends(before, "\xef\xbc\x88")) return *open = '(', p - 3;
    for (int i = 0; !*braces && commands[i]; i++)
        if ((n = ptd_ends(before, commands[i]))) return ++*braces, p - n;
    return NULL;
}

/* Bytes of the sign that ends a mark at s; *style and *wide. */
static size_t sign_at(const char *s, const char *end, int open, struct mark *m)
{
    static const struct {
        const char *text;
        int style, wide;
    } signs[] = {{")", CLOSE, 0},
                 {"\xef\xbc\x89", CLOSE, 1},
                 {"]", SQUARE, 0},
                 {".", DOT, 0},
                 {"\xef\xbc\x8e", DOT, 1},
                 {":", COLON, 0},
                 {"\xef\xbc\x9a", COLON, 1},
                 {"\xe3\x80\x81", COMMA, 1},
                 {NULL, 0, 0}};
    for (int i = 0; signs[i].text; i++) {
        size_t n = ptd_begins(s, end, signs[i].text);
        if (!n) continue;
        m->style = open == '(' && signs[i].style == CLOSE ? ROUND : signs[i].style;
        m->wide = signs[i].wide;
        return n;
    }
    return 0;
}

/* Brackets and signs that go together. */
static int fits(const struct mark *m, int open)
{
    if (open == '(') return m->style == ROUND;
    if (open == '[') return m->style == SQUARE;
    return m->style != SQUARE && m->style != ROUND;
}

static int line_begins(const char *from, const char *p)
{
    while (p > from && (p[-1] == ' ' || p[-1] == '\t')) p--;
    return p == from || p[-1] == '\n';
}

/* The sign behind the letter at s; NULL: there is none that marks. */
static const char *behind_sign(const char *s, const char *end, int open, int braces, int bold,
                               struct mark *m)
{
    const char *p = s;
    size_t n;
    m->style = -1;
    for (; p < end; p += n) {
        n = 1;
        if (*p == '*' && bold > 0) {
            bold--;
        } else if (*p == '}' && braces > 0) {
            braces--;
        } else if (m->style >= 0 || !(n = sign_at(p, end, open, m))) {
            break;
        }
    }
    if (m->style < 0) return NULL;
    if (m->style <= CLOSE && p + 1 < end && strchr(".:", *p) && ptd_is_blank(p[1])) p++;
    return fits(m, open) ? p : NULL;
}

/* Marks without a sign: "**A** cat", and at the beginning of a line "A - cat", "A cat". */
static const char *behind_bare(const char *s, const char *end, int bold, int line, struct mark *m)
{
    static const char *const dashes[] = {" - ", " \xe2\x80\x93 ", " \xe2\x80\x94 ", NULL};
    size_t n;
    if (bold == 2 && ptd_begins(s, end, "** ")) return m->style = BOLD, s + 3;
    if (line && !bold && !m->small && s < end) {
        const char *p = s + (*s == ' ');
        if (p + 1 < end && *p == '=' && p[1] != '=') return m->style = EQUALS, p + 1;
    }
    if (!line || bold || s >= end || !ptd_is_blank(*s) || *s == '\n') return NULL;
    if ((n = ptd_begins_one(s, end, dashes))) return m->style = DASH, s + n;
    return m->small ? NULL : (m->style = BARE, s + 1);
}

/* An open bracket before p on its line that none closes: p stands in a list such as (x, A). */
static int within_brackets(const char *from, const char *p)
{
    int depth = 0;
    for (int i = 0; i < 60 && p > from && p[-1] != '\n'; i++, p--)
        if (p[-1] == ')')
            depth--;
        else if (p[-1] == '(' && ++depth > 0)
            return 1;
    return 0;
}

static int is_chinese(const char *from, const char *p)
{
    unsigned char c = p - from >= 3 ? (unsigned char)p[-3] : 0;
    return c >= 0xe4 && c <= 0xe9;
}

/* May a mark stand behind what ends at m->start? */
static int may_follow(const char *from, const struct mark *m, int braces)
{
    const char *p = m->start;
    struct ptd_span before = ptd_span_of(from, p);
    if (p == from || ptd_is_blank(p[-1]) || braces) return 1;
    if (ptd_ends(before, "quad") || ptd_ends(before, "\\\\")) return 1;
    if (m->wide && !m->small && m->style == DOT && (p[-1] >= 'a' || p[-1] == '.')) return 1;
    if (ptd_is_digit(p[-1])) return m->wide || (m->style == ROUND && !m->small);
    if ((unsigned char)p[-1] >= 0x80) return m->style != COMMA || !is_chinese(from, p);
    return !ptd_is_letter(p[-1]) && !strchr(m->style == DOT ? "._^/-=+{\\" : "_^/-=+{\\", p[-1]);
}

/* May what stands at m->end follow a mark? Not the m of a.m., nor the b of a:b. */
static int may_precede(const char *from, const struct mark *m, const char *end)
{
    const char *p = m->end;
    if (m->style == CLOSE && within_brackets(from, m->start)) return 0;
    if (p >= end || !ptd_is_letter(*p) || m->wide) return 1;
    if (m->style == DOT || m->style == COLON)
        return !m->small && !(p + 1 < end && strchr(".:", p[1]));
    return m->style != COMMA;
}

/* What stands before a mark on its line and belongs to it: "Option", a bullet. */
static const char *with_title(const char *from, const char *p)
{
    static const char *const titles[] = {"option", "choice", "\xe9\x80\x89\xe9\xa1\xb9", NULL};
    const char *q = p;
    size_t n;
    while (q > from && q[-1] == ' ') q--;
    for (int i = 0; titles[i]; i++)
        if ((n = ptd_ends(ptd_span_of(from, q), titles[i])) &&
            (q - n == from || !ptd_is_letter(q[-(long)n - 1])))
            return with_title(from, q - n);
    while (q > from && strchr("-*+#>\xe2\x80\xa2 ", q[-1]) && q[-1]) q--;
    return line_begins(from, q) ? q : p;
}

/* 1: *m is the mark whose letter stands at p. */
static int mark_at(const char *from, const char *p, const char *end, struct mark *m)
{
    int open = 0, braces = 0, bold = 0;
    size_t n;
    const char *start = p, *q;
    *m = (struct mark){0};
    if ((m->letter = circled_at(p, end, &m->small)) >= 0) {
        m->style = CIRCLED, m->start = with_title(from, p), m->end = p + 3;
        return 1;
    }
    m->letter = letter_at(p, end, &n, &m->small);
    int tight = p > from && ptd_is_letter(p[-1]);
    if (m->letter < 0 || (p + n < end && ptd_is_letter(p[n]))) return 0;
    if (tight && (m->small || p[-1] < 'a' || (p + n < end && !(p[n] & 0x80)))) return 0;
    while ((q = back_over(from, start, &open, &braces, &bold)) && p - start < 20) start = q;
    m->start = start;
    m->end = behind_sign(p + n, end, open, braces, bold, m);
    if (!m->end) m->end = open ? NULL : behind_bare(p + n, end, bold, line_begins(from, start), m);
    if (!m->end || !may_follow(from, m, braces) || !may_precede(from, m, end)) return 0;
    m->start = with_title(from, start);
    return 1;
}

/* ---- texts ---- */

/* Bytes of a tag that breaks lines at s: <br/>, </li>; 0: none. */
static size_t tag_at(const char *s, const char *end)
{
    static const char *const names[] = {"br", "li", "p", "ul", "ol", "td", "tr", "div", NULL};
    const char *p = s + 1;
    size_t n;
    if (s >= end || *s != '<') return 0;
    p += p < end && *p == '/';
    if (!(n = ptd_begins_one_word(p, end, names))) return 0;
    for (p += n; p < end && (*p == ' ' || *p == '/');) p++;
    return p < end && *p == '>' ? (size_t)(p + 1 - s) : 0;
}

/* Bytes of such a tag that a ends with. */
static size_t tag_behind(struct ptd_span a)
{
    const char *open = a.len && a.s[a.len - 1] == '>' ? memrchr(a.s, '<', a.len) : NULL;
    size_t n = open ? tag_at(open, a.s + a.len) : 0;
    return n && open + n == a.s + a.len ? n : 0;
}

/* What stands before or behind an option's text and is none of it. */
static size_t dress_before(struct ptd_span a)
{
    static const char *const marks[] = {"\\ ", "\\,",          "\\;", "\\quad", "~",
                                        "**",  "\xe3\x80\x80", "}",   NULL};
    if (!a.len) return 0;
    size_t n = ptd_is_blank(*a.s) ? 1 : tag_at(a.s, a.s + a.len);
    return n ? n : ptd_begins_one(a.s, a.s + a.len, marks);
}

static size_t dress_behind(struct ptd_span a)
{
    static const char *const marks[] = {
        "\\qquad", "\\quad", "\\ ", "\\,",          "\\\\",         "\\",           "**",
        "|",       ";",      ",",   "\xef\xbc\x9b", "\xef\xbc\x8c", "\xe3\x80\x81", "\xe3\x80\x80",
        NULL};
    size_t tag = tag_behind(a);
    if (tag) return tag;
    for (int i = 0; marks[i]; i++)
        if (ptd_ends(a, marks[i])) return strlen(marks[i]);
    if (ptd_ends(a, " or") || ptd_ends(a, "\xe6\x88\x96")) return 3;
    if (ptd_ends(a, " and")) return 4;
    return a.len && ptd_is_blank(a.s[a.len - 1]) ? 1 : 0;
}

static int odd_dollars(struct ptd_span a)
{
    int n = 0;
    for (size_t i = 0; i < a.len; i++) n += a.s[i] == '$' && !(i && a.s[i - 1] == '\\');
    return n & 1;
}

static struct ptd_span undressed(struct ptd_span a)
{
    size_t n;
    while ((n = dress_before(a))) a = ptd_span_behind(a, a.s + n);
    while ((n = dress_behind(a)) && n <= a.len) a.len -= n;
    if (a.len && a.s[a.len - 1] == '$' && odd_dollars(a)) a.len--;
    return ptd_trimmed(a);
}

/* Does a text hold something, looked at from its beginning only? "or (B)" does not. */
static int holds_text(struct ptd_span a)
{
    static const char *const words[] = {"or", "and", "to", NULL};
    const char *end = a.s + a.len;
    size_t n;
    for (const char *p = a.s; p < end; p += n)
        if (!(n = ptd_is_blank(*p) || strchr(",;/&*$", *p)) &&
            !(n = ptd_begins(p, end, "\xe3\x80\x81")) &&
            !(n = ptd_begins(p, end, "\xef\xbc\x8c")) && !(n = ptd_begins_one_word(p, end, words)))
            return 1;
    return 0;
}

/* Where the last option's text ends: with its line, or where an instruction begins. */
static const char *last_end(const char *s, const char *end)
{
    static const char *const words[] = {"Answer with",  "Answer the", "Please",     "Choose the",
                                        "Select the",   "Give your",  "Give the",   "Reply",
                                        "Respond",      "Put your",   "Write your", "Think step",
                                        "\xe8\xaf\xb7", NULL};
    while (s < end && ptd_is_blank(*s)) s++;
    const char *line = memchr(s, '\n', (size_t)(end - s));
    if (line) end = line;
    for (const char *p = s + 1; p < end; p++) {
        if (tag_at(p, end)) return p;
        for (int i = 0; words[i]; i++)
            if (!alphanumeric(p[-1]) && ptd_begins(p, end, words[i])) return p;
    }
    return end;
}

/* ---- lists ---- */

struct run {
    int n;
    struct mark mark[PTD_OPTIONS];
};
struct lists { /* of one style: the longest so far, and a later one that has just begun */
    struct run list, later;
};

static int continues(const struct run *r, const struct mark *m)
{
    if (!r->n || m->letter != r->n) return 0;
    struct ptd_span text = ptd_span_of(r->mark[r->n - 1].end, m->start);
    if (m->start < r->mark[r->n - 1].end || !holds_text(text)) return 0;
    return (m->style != BARE && m->style != EQUALS) || !memchr(text.s, '\n', text.len - 1);
}

static void take(struct lists *l, const struct mark *m)
{
    struct run *r = &l->list;
    if (m->letter == 0) {
        if (r->n > 1) r = &l->later;
        r->n = 0;
    } else if (continues(&l->later, m)) {
        r = &l->later;
    } else if (!continues(r, m)) {
        return;
    }
    r->mark[r->n++] = *m;
    if (l->later.n < l->list.n) return;
    l->list = l->later;
    l->later.n = 0;
}

/* Does the text end with the line of this mark? "A=1", "B=2" before more are given values. */
static int ends_with(const struct mark *m)
{
    const char *line = strchr(m->end, '\n');
    return !line || !*(line + strspn(line, " \t\r\n"));
}

/* A list, and no names with initials: "A. Smith, B. Jones and C. Miller". */
static int is_list(const char *from, const struct run *r)
{
    const struct mark *a = r->mark;
    const char *p = a->start;
    if (r->n < 2) return 0;
    while (p > from && p[-1] == ' ') p--;
    int fresh = p == from || !alphanumeric(p[-1]);
    int lines =
        memchr(a->end, '\n', (size_t)(a[1].start - a->end)) != NULL || a[1].start[-1] == '\n';
    if (a->style == EQUALS) return r->n > 2 && ends_with(a + r->n - 1);
    if (a->style != DOT && a->style != COLON) return 1;
    if (!lines && !fresh && r->n < 3) return 0;
    for (int i = 0; i + 1 < r->n && a->style == DOT; i++) {
        struct ptd_span text = ptd_trimmed(ptd_span_of(a[i].end, a[i + 1].start));
        if (ptd_ends(text, " and") || ptd_ends(text, ",and")) return 0;
    }
    return 1;
}

static int better(const char *from, const struct run *r, const struct run *best)
{
    if (!is_list(from, r)) return 0;
    return !best || r->n > best->n || (r->n == best->n && r->mark[0].start > best->mark[0].start);
}

static void fill(const struct run *r, const char *end, struct ptd_options *o)
{
    for (int i = 0; i < r->n; i++) {
        const struct mark *m = &r->mark[i];
        const char *stop = i + 1 < r->n ? r->mark[i + 1].start : last_end(m->end, end);
        struct ptd_span text = undressed(ptd_span_of(m->end, stop));
        if (!text.len) break;
        o->option[o->n++] = (struct ptd_option){(char)('A' + i), text.s, text.len};
    }
}

int ptd_options_read(const char *question, struct ptd_options *o)
{
    struct lists styles[2 * N_STYLES];
    const struct run *best = NULL;
    struct mark m;
    o->n = 0;
    if (!question) return 0;
    for (int i = 0; i < 2 * N_STYLES; i++) styles[i].list.n = styles[i].later.n = 0;
    const char *end = question + strlen(question);
    for (const char *p = question; p < end; p++)
        if (mark_at(question, p, end, &m)) take(&styles[2 * m.style + m.small], &m);
    for (int i = 0; i < 2 * N_STYLES; i++)
        if (better(question, &styles[i].list, best)) best = &styles[i].list;
    if (best) fill(best, end, o);
    return o->n = o->n < 2 ? 0 : o->n;
}
