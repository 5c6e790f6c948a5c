/* phrase: sentences and values; see phrase.h.
 * Leaves where in a text a value counts to announce.c and stated.c. */
#include "judge/phrase.h"
#include <string.h>

/* ---- sentences ---- */

/* Does a short form end at s, whose full stop ends no sentence: Mr., Eq.? */
static int is_title(const char *from, const char *s)
{
    static const char *const titles[] = {"Mr", "Mrs",  "Ms", "Dr",  "St",
                                         "Mt", "Prof", "Eq", "Fig", NULL};
    struct ptd_span before = ptd_span_of(from, s);
    for (int i = 0; titles[i]; i++) {
        size_t n = ptd_ends(before, titles[i]);
        if (n && (n == before.len || ptd_is_blank(s[-(long)n - 1]))) return 1;
    }
    return 0;
}

/* Does a.m or the like end at s, whose full stop belongs to it? */
static int is_short(const char *from, const char *s)
{
    return s - from > 2 && ptd_is_letter(s[-1]) && s[-2] == '.' && ptd_is_letter(s[-3]) &&
           (s - from == 3 || !ptd_is_letter(s[-4]));
}

/* n! */
static int is_factorial(const char *from, const char *s)
{
    return s > from && s[-1] >= 'a' && s[-1] <= 'z' && (s - 1 == from || !ptd_is_letter(s[-2]));
}

/* Bytes of the sign that ends a sentence at s, 0: none. A full stop in a number, a time of day or a
 * name such as file.png is none. */
static size_t stop_at(const char *from, const char *s, const char *end)
{
    static const char *const wide[] = {PTD_ZH_STOP, "\xef\xbc\x81", "\xef\xbc\x9f", "\xef\xbc\x9b",
                                       NULL};
    if (*s == '\n') return 1;
    if ((unsigned char)*s >= 0x80) return ptd_begins_one(s, end, wide);
    if (*s != '.' && *s != '!' && *s != '?') return 0;
    if (*s == '.' && is_title(from, s)) return 0;
    if (*s == '!' && is_factorial(from, s)) return 0;
    return s + 1 >= end || ptd_is_blank(s[1]) || strchr("*\"'_)", s[1]) ? 1 : 0;
}

struct ptd_span ptd_next_sentence(const char **p, const char *end, int *asks)
{
    const char *s = *p, *e = s;
    size_t n = 0;
    while (e < end && !(n = stop_at(s, e, end))) e++;
    *asks = e < end && (*e == '?' || ptd_begins(e, end, "\xef\xbc\x9f"));
    *p = e + n;
    if (n && *e == '.' && is_short(s, e)) e++;
    return ptd_trimmed(ptd_span_of(s, e));
}

/* ---- what dresses a value ---- */

static size_t dress_before(const char *s, const char *end)
{
    static const char *const marks[] = {":",
                                        PTD_ZH_COLON,
                                        "*",
                                        "`",
                                        "\"",
                                        "\xe2\x80\x9c",
                                        "=>",
                                        "\xe2\x86\x92",
                                        "\xe3\x80\x80",
                                        "= ",
                                        "##",
                                        ",",
                                        PTD_ZH_COMMA,
                                        "}",
                                        PTD_ZH_XUANXIANG,
                                        NULL};
    return ptd_is_blank(*s) ? 1 : ptd_begins_one(s, end, marks);
}

static size_t dress_behind(struct ptd_span a)
{
    static const char *const marks[] = {"*",
                                        "`",
                                        "\"",
                                        ".",
                                        ",",
                                        ";",
                                        "!",
                                        ":",
                                        PTD_ZH_STOP,
                                        PTD_ZH_COMMA,
                                        "\xe2\x80\x9d",
                                        "\xe3\x80\x80",
                                        NULL};
    const char *last = a.s + a.len - 1;
    if (a.len && *last == '.' && is_short(a.s, last)) return 0;
    if (a.len > 1 && *last == '!' && is_factorial(a.s, last)) return 0;
    for (int i = 0; marks[i]; i++)
        if (ptd_ends(a, marks[i])) return strlen(marks[i]);
    return a.len && ptd_is_blank(*last) ? 1 : 0;
}

struct ptd_span ptd_undressed(struct ptd_span a)
{
    size_t n;
    while (a.len && (n = dress_before(a.s, a.s + a.len))) a = ptd_span_behind(a, a.s + n);
    while (a.len && (n = dress_behind(a))) a.len -= n;
    return a;
}

/* Without braces and dollars at its ends that close or open nothing. */
static struct ptd_span closed(struct ptd_span a)
{
    long open = 0, dollars = 0;
    for (size_t i = 0; i < a.len; i++) {
        open += (a.s[i] == '{') - (a.s[i] == '}');
        dollars += a.s[i] == '$' && !(i && a.s[i - 1] == '\\');
    }
    for (; open < 0 && a.len && a.s[a.len - 1] == '}'; open++) a.len--;
    if (dollars == 2 && ptd_ends(a, "$$") && a.len > 2) return ptd_span_of(a.s, a.s + a.len - 2);
    if (dollars % 2 && a.len && a.s[a.len - 1] == '$')
        a.len--;
    else if (dollars % 2 && *a.s == '$')
        a = ptd_span_behind(a, a.s + 1);
    return a;
}

/* ---- what looks like a value ---- */

static int is_option_letter(char c)
{
    return (c >= 'A' && c <= 'J') || (c >= 'a' && c <= 'j');
}

const char *ptd_behind_letter(struct ptd_span a)
{
    static const char *const marks[] = {
        ")", "]", ".", ":", "\xef\xbc\x8e", "\xe3\x80\x81", PTD_ZH_COLON, "\xef\xbc\x89", NULL};
    const char *s = a.s, *end = s + a.len;
    size_t open = a.len && strchr("([", *s) ? 1 : ptd_begins(s, end, "\xef\xbc\x88"), n;
    s += open;
    if (s >= end || !is_option_letter(*s)) return NULL;
    n = ptd_begins_one(s + 1, end, marks);
    if (n) return s + 1 + n;
    if (open || *s > 'J') return NULL;
    return s + 1 >= end || !(ptd_is_letter(s[1]) || ptd_is_digit(s[1])) ? s + 1 : NULL;
}

int ptd_is_option(struct ptd_span a)
{
    static const char *const kinds[] = {"option", "choice", "answer", PTD_ZH_XUANXIANG, NULL};
    static const char *const verbs[] = {"is",    "was",   "are",  "can",   "cannot", "has",
                                        "seems", "shows", "must", "would", NULL};
    size_t n = ptd_begins_one_word(a.s, a.s + a.len, kinds);
    const char *p;
    a = ptd_undressed(ptd_span_behind(a, a.s + n));
    if (!(p = ptd_behind_letter(a))) return 0;
    struct ptd_span rest = ptd_undressed(ptd_span_behind(a, p));
    if (rest.len == ptd_begins(rest.s, rest.s + rest.len, "\xe9\xa1\xb9")) return 1;
    if (*rest.s >= 'a' && ptd_begins_one_word(rest.s, rest.s + rest.len, verbs)) return 0;
    return !n && strchr(").]:\x8e\x81\x9a\x89", p[-1]) && a.len < 80;
}

int ptd_count_words(struct ptd_span a)
{
    const char *p = a.s, *end = p + a.len;
    int n = 0;
    while (p < end) {
        const char *from = p;
        while (p < end && ptd_is_letter(*p)) p++;
        n += p - from > 1 && (from == a.s || from[-1] != '\\');
        p += p == from;
    }
    return n;
}

int ptd_has_prose(struct ptd_span a)
{
    static const char *const words[] = {"is",   "are",    "was",  "the",   "cannot",  "can",
                                        "not",  "we",     "you",  "that",  "have",    "has",
                                        "from", "figure", "step", "shows", "because", "with",
                                        "so",   "then",   "need", "must",  "find",    NULL};
    for (int i = 0; words[i]; i++)
        if (ptd_find_word(a, words[i])) return 1;
    return ptd_begins_word(a.s, a.s + a.len, "i") != 0;
}

int ptd_has_number(struct ptd_span a)
{
    for (size_t i = 0; i < a.len; i++)
        if (ptd_is_digit(a.s[i]) || ptd_begins(a.s + i, a.s + a.len, "\xef\xbc\x90") ||
            (a.s[i] == '\xef' && i + 2 < a.len && a.s[i + 1] == '\xbc' && a.s[i + 2] >= '\x91' &&
             a.s[i + 2] <= '\x99'))
            return 1;
    return 0;
}

static int is_verdict(struct ptd_span a)
{
    static const char *const words[] = {"yes", "no", "true", "false", NULL};
    return ptd_begins_one_word(a.s, a.s + a.len, words) == a.len && a.len;
}

/* Begins with no word: a digit, a sign, a formula, "AB = ". */
static int begins_value(struct ptd_span a)
{
    const char *p = a.s, *end = p + a.len;
    if ((unsigned char)*p >= 0xe3 && (unsigned char)*p <= 0xe9) return 0; /* Chinese */
    while (p < end && (ptd_is_letter(*p) || strchr("_'", *p))) p++;
    if (p - a.s <= 1) return p == a.s || (p < end && *p != ' ') || memchr(a.s, '=', a.len);
    while (p < end && (ptd_is_blank(*p) || ptd_is_digit(*p))) p++;
    return p < end && *p == '=';
}

int ptd_is_value(struct ptd_span a)
{
    a = ptd_undressed(a);
    if (!a.len || a.len > PTD_FAR) return 0;
    if (ptd_is_option(a) || is_verdict(a)) return 1;
    if (!begins_value(a) || ptd_count_words(a) > 3 || ptd_has_prose(a)) return 0;
    return ptd_has_number(a) || strchr("$\\", *a.s) || memchr(a.s, '=', a.len);
}

/* ---- cutting a value out ---- */

const char *ptd_explained_at(struct ptd_span a)
{
    static const char *const words[] = {" because",
                                        " since ",
                                        ", as ",
                                        ", which ",
                                        ", so ",
                                        ", where ",
                                        " (since",
                                        " (because",
                                        ", not ",
                                        " not ",
                                        " rather",
                                        " instead",
                                        ", therefore",
                                        ", given ",
                                        " in total",
                                        " in all",
                                        " altogether",
                                        " in the pic",
                                        " in the im",
                                        " in the fig",
                                        " in this ",
                                        ", about ",
                                        ", approximately ",
                                        ", roughly ",
                                        ", according",
                                        " according",
                                        ", based on",
                                        "\xe5\x9b\xa0",
                                        NULL};
    const char *end = a.s + a.len;
    for (const char *p = a.s + 1; p < end; p++)
        if (ptd_begins_one(p, end, words) || ptd_begins(p, end, PTD_ZH_COMMA)) return p;
    return end;
}

/* What is left of a sign of equality only names or computes: "3 + 4", "area", "A:B". */
static int left_aside(struct ptd_span a)
{
    int letters = 0, small = 0, word = 1, command = 0;
    for (size_t i = 0; i < a.len; i++) {
        int letter = ptd_is_letter(a.s[i]);
        command = a.s[i] == '\\' || (command && letter);
        letters += letter && !command;
        small += a.s[i] >= 'a' && a.s[i] <= 'z';
        word &= letter;
    }
    if (!letters) return ptd_has_number(a);
    return (word && letters > 2 && small) || (memchr(a.s, ':', a.len) && !ptd_has_number(a));
}

/* "3 + 4 = 7" says 7; "x = 7" and "y = 2x + 1" are left whole, of a chain the end is taken. */
static struct ptd_span right_side(struct ptd_span a)
{
    int dollars = a.len > 2 && *a.s == '$' && !memchr(a.s + 1, '$', a.len - 2);
    struct ptd_span in = dollars ? closed(ptd_span_behind(a, a.s + 1)) : a;
    if (!in.len) return a;
    const char *last = memrchr(in.s, '=', in.len), *first = memchr(in.s, '=', in.len);
    if (!last || last == in.s || strchr("<>!\\&", last[-1]) || last + 1 >= in.s + in.len) return a;
    struct ptd_span left = ptd_trimmed(ptd_span_of(in.s, last));
    struct ptd_span right = ptd_undressed(ptd_span_behind(in, last + 1));
    const char *text = ptd_behind_letter(in);
    if (text && text < last && *text == ' ' && ptd_is_option(in)) return a;
    if (ptd_find_any_case(in, "\\begin{") || ptd_find_any_case(left, "\\angle") ||
        ptd_find_any_case(left, "\xe2\x88\xa0"))
        return a;
    if (memchr(in.s, '$', in.len) || ptd_find_word(in, "or") || ptd_find_word(in, "and") ||
        ptd_find_any_case(left, "\\(") || memchr(in.s, ',', in.len))
        return a;
    return right.len && (first != last || left_aside(left)) ? right : a;
}

/* Does what stands in brackets behind a value leave it the answer: a number beside words, words
 * beside a number, as long as nothing in it is another answer? */
static int is_remark(struct ptd_span value, struct ptd_span in)
{
    static const char *const others[] = {
        "or",         "also",    "maybe",         "perhaps", "possibly", "either", "could",
        "might",      "may",     "not",           "if",      "unless",   "wrong",  "another",
        "acceptable", "instead", "alternatively", "but",     NULL};
    for (int i = 0; others[i]; i++)
        if (ptd_find_word(in, others[i])) return 0;
    if (ptd_begins_word(in.s, in.s + in.len, "and")) return 0;
    if (memchr(in.s, '?', in.len) || ptd_count_words(value) > 3 || ptd_has_prose(value)) return 0;
    if (!ptd_has_number(value)) return ptd_has_number(in) && ptd_count_words(in) == 0;
    return ptd_is_value(value) && ptd_count_words(in) > (ptd_has_number(in) ? 1 : 0);
}

/* "4 times 5" */
static int is_sum(struct ptd_span in)
{
    return ptd_has_number(in) &&
           (ptd_find_word(in, "times") || ptd_find_word(in, "plus") || ptd_find_word(in, "minus"));
}

static int is_about(struct ptd_span in)
{
    static const char *const words[] = {"approximately", "approx", "about", "roughly", NULL};
    static const char *const signs[] = {"\xe2\x89\x88", "\\approx", "$\\approx", NULL};
    return ptd_begins_one_word(in.s, in.s + in.len, words) ||
           ptd_begins_one(in.s, in.s + in.len, signs);
}

/* "42 cm (2 x 21 = 42)", "7 (3 on the left, 4 on the right)", "Germany (42.5)": without what the
 * brackets at its end only explain. */
struct ptd_span ptd_without_remark(struct ptd_span a)
{
    const char *open = a.len && a.s[a.len - 1] == ')' ? memrchr(a.s, '(', a.len) : NULL;
    if (!open || open - a.s < 2 || open[-1] != ' ') return a;
    struct ptd_span value = ptd_trimmed(ptd_span_of(a.s, open)),
                    in = ptd_span_of(open + 1, a.s + a.len - 1);
    if (!value.len || strchr("=:+-*/(,<>", value.s[value.len - 1])) return a;
    int sum = memchr(in.s, '=', in.len) && !memchr(a.s, '=', (size_t)(open - a.s));
    return sum || is_sum(in) || is_about(in) || is_remark(value, in) ? value : a;
}

/* Up to where bold ends, or what is bold where it begins within. */
static struct ptd_span by_bold(struct ptd_span a)
{
    const char *bold = memmem(a.s, a.len, "**", 2);
    if (!bold) return a;
    struct ptd_span rest = ptd_span_behind(a, bold + 2);
    if (memmem(rest.s, rest.len, "**", 2)) return ptd_span_of(a.s, a.s);
    if (bold > a.s && ptd_is_blank(bold[-1]) && rest.len && !ptd_is_blank(*rest.s))
        return ptd_is_value(rest) ? rest : ptd_span_of(a.s, a.s);
    return ptd_span_of(a.s, bold);
}

int ptd_cut_out(struct ptd_span a, struct ptd_span *out)
{
    if (ptd_find_word(a, "but") || ptd_find_word(a, "however")) return 0;
    a = ptd_undressed(a);
    if (!a.len) return 0;
    a = by_bold(ptd_undressed(ptd_span_of(a.s, ptd_explained_at(a))));
    if (!a.len || a.len > PTD_FAR) return 0;
    *out = ptd_undressed(closed(right_side(ptd_without_remark(a))));
    out->len -= ptd_ends(*out, PTD_ZH_XUANXIANG);
    return out->len > 0;
}

/* ---- around a value ---- */

const char *ptd_skip_filler(const char *s, const char *end)
{
    static const char *const words[] = {
        "therefore",  "thus",   "simply",        "clearly",  "hence",    "then",       "indeed",
        "a total of", "likely", "most",          "given by", "equal to", "as follows", "about",
        "roughly",    "around", "approximately", "probably", "actually", NULL};
    for (size_t n = 1; n && s < end;) {
        n = dress_before(s, end);
        if (!n && *s == ',') n = 1;
        if (!n) n = ptd_begins_one_word(s, end, words);
        s += n;
    }
    return s;
}

int ptd_is_denied(const char *s, const char *end)
{
    static const char *const words[] = {"not",     "no longer", "wrong", "incorrect",
                                        "unknown", "unclear",   "never", NULL};
    static const char *const chinese[] = {PTD_ZH_BU, "\xe9\x94\x99", "\xe6\x97\xa0\xe6\xb3\x95",
                                          NULL};
    return ptd_begins_one_word(s, end, words) || ptd_begins_one(s, end, chinese);
}

/* "to the left": where something is. */
static int is_side(const char *s, const char *end)
{
    static const char *const sides[] = {"to the left", "to the right", "in the middle",
                                        "in the center", NULL};
    return ptd_begins_one_word(s, end, sides) != 0;
}

int ptd_says_nothing(const char *s, const char *end)
{
    static const char *const words[] = {
        "correct",    "in",          "that",    "found",     "obtained", "shown",
        "determined", "between",     "what",    "which",     "how",      "as",
        "to",         "based on",    "written", "available", "provided", "supposed",
        "going",      "right there", "also",    "still",     NULL};
    static const char *const chinese[] = {"\xe4\xbb\x80\xe4\xb9\x88", "\xe5\xa4\x9a\xe5\xb0\x91",
                                          "\xe5\x93\xaa", NULL};
    if (ptd_begins_one_word(s, end, words)) return !is_side(s, end);
    return ptd_begins_one(s, end, chinese) != 0;
}
