/* stated: the answer at the end of a text; see stated.h for what counts.
 * Leaves thoughts, boxes and tags to extract.c, and what is announced to announce.c. */
#include "judge/stated.h"
#include "judge/phrase.h"
#include <string.h>

static struct ptd_span last_line(struct ptd_span a)
{
    const char *p;
    a = ptd_trimmed(a);
    p = memrchr(a.s, '\n', a.len);
    return p ? ptd_trimmed(ptd_span_behind(a, p + 1)) : a;
}

/* Words that leave open what is. */
static int unsure(struct ptd_span a)
{
    static const char *const words[] = {
        "may",      "might",  "could",    "maybe",      "perhaps", "if",      "assume", "suppose",
        "let",      "unless", "not",      "either",     "since",   "because", "cannot", "would",
        "but",      "first",  "next",     "given",      "where",   "example", "used",   "doubt",
        "doubtful", "unsure", "unlikely", "impossible", NULL};
    static const char *const chinese[] = {PTD_ZH_BU,
                                          "\xe5\xb7\xb2\xe7\x9f\xa5",
                                          "\xe8\xae\xbe",
                                          "\xe4\xbe\x8b\xe5\xa6\x82",
                                          "\xe5\x81\x87",
                                          "\xe5\x8f\xaf\xe8\x83\xbd",
                                          "\xe4\xb9\x9f\xe8\xae\xb8",
                                          NULL};
    for (int i = 0; words[i]; i++)
        if (ptd_find_word(a, words[i])) return 1;
    for (int i = 0; chinese[i]; i++)
        if (ptd_find_any_case(a, chinese[i])) return 1;
    return ptd_find_any_case(a, "n't") != NULL;
}

/* Bytes of a word that begins a conclusion. */
static size_t concludes(struct ptd_span a)
{
    static const char *const words[] = {
        "therefore", "thus",        "hence",       "so",       "consequently", "in conclusion",
        "finally",   "accordingly", "as a result", "in total", "in summary",   NULL};
    static const char *const chinese[] = {"\xe6\x89\x80\xe4\xbb\xa5",
                                          "\xe5\x9b\xa0\xe6\xad\xa4",
                                          "\xe6\x95\x85",
                                          "\xe4\xba\x8e\xe6\x98\xaf",
                                          "\xe7\xbb\xbc\xe4\xb8\x8a",
                                          "\xe2\x88\xb4",
                                          NULL};
    const char *end = a.s + a.len;
    size_t n = ptd_begins_one_word(a.s, end, words);
    return n ? n : ptd_begins_one(a.s, end, chinese);
}

/* Bytes of "there are" in Chinese before a number; 0: something else. */
static size_t has_counted(struct ptd_span a, const char *p)
{
    static const char *const numerals[] = {"\xe4\xb8\x80", "\xe4\xba\x8c", "\xe4\xb8\xa4",
                                           "\xe4\xb8\x89", "\xe5\x9b\x9b", "\xe4\xba\x94",
                                           "\xe5\x85\xad", "\xe4\xb8\x83", "\xe5\x85\xab",
                                           "\xe4\xb9\x9d", "\xe5\x8d\x81", NULL};
    const char *end = a.s + a.len, *q = p + 3;
    if (!(ptd_begins(p, end, PTD_ZH_YOU) || ptd_begins(p, end, "\xe5\x85\xb1")) ||
        ptd_ends(ptd_span_of(a.s, p), "\xe6\xb2\xa1"))
        return 0;
    if (q >= end || ptd_find_any_case(ptd_span_behind(a, q), PTD_ZH_COMMA)) return 0;
    return ptd_is_blank(*q) || ptd_is_digit(*q) || ptd_begins_one(q, end, numerals) ? 3 : 0;
}

/* Behind the last link of a sentence: of words, or of signs too; NULL: none. *several: things are
 * told of more than one. */
static const char *last_link(struct ptd_span a, int signs_too, int *several)
{
    static const char *const words[] = {"is",
                                        "are",
                                        "equals",
                                        "equal to",
                                        "be",
                                        "becomes",
                                        "get",
                                        "have",
                                        "gives",
                                        "measures",
                                        "has length",
                                        "has a length of",
                                        "has area",
                                        "has an area of",
                                        "has a radius of",
                                        NULL};
    static const char *const signs[] = {"=", PTD_ZH_SHI, PTD_ZH_WEI, "\xe7\xad\x89\xe4\xba\x8e",
                                        NULL};
    const char *end = a.s + a.len, *first = NULL, *last = NULL;
    for (const char *p = a.s; p < end; p++) {
        size_t n = p > a.s && ptd_is_letter(p[-1]) ? 0 : ptd_begins_one_word(p, end, words);
        if (!n && signs_too) n = ptd_begins_one(p, end, signs);
        if (!n && signs_too) n = has_counted(a, p);
        if (!n) continue;
        if (!first) first = p;
        last = p + n;
    }
    if (!first) return NULL;
    struct ptd_span between = ptd_span_of(first, last);
    *several = ptd_find_word(between, "and") || ptd_find_word(between, "while") ||
               ptd_find_word(between, "whereas") || ptd_find_any_case(between, ",") ||
               ptd_find_any_case(between, PTD_ZH_COMMA);
    return last;
}

static int linked_by(struct ptd_span a, int concluded, int signs_too, struct ptd_span *out)
{
    static const char *const bounds[] = {"greater", "less than", "more than", "at least",
                                         "at most", "fewer",     NULL};
    const char *end = a.s + a.len;
    int several = 0;
    const char *link = last_link(a, signs_too, &several);
    if (!link || several) return 0;
    link = ptd_skip_filler(link, end);
    if (link >= end || ptd_is_denied(link, end) || ptd_says_nothing(link, end)) return 0;
    if (ptd_begins_one_word(link, end, bounds)) return 0;
    a = ptd_without_remark(ptd_span_of(link, ptd_explained_at(ptd_span_behind(a, link))));
    int text = concluded && ptd_count_words(a) <= 3 && !ptd_has_prose(a);
    return (text || ptd_is_value(a)) && ptd_cut_out(a, out);
}

/* What a sentence concludes in its last clause: "B is wrong, so (A)". */
static struct ptd_span concluding(struct ptd_span a)
{
    for (const char *p = a.s + a.len; p > a.s; p--) {
        size_t n = p[-1] == ',' ? 1 : ptd_begins(p - 1, a.s + a.len, PTD_ZH_COMMA);
        if (!n) continue;
        struct ptd_span clause = ptd_undressed(ptd_span_behind(a, p - 1 + n));
        return clause.len && concludes(clause) ? clause : a;
    }
    return a;
}

/* Up to " because ..." or ", since ...". */
static struct ptd_span without_reason(struct ptd_span a)
{
    static const char *const words[] = {" because ", ", because ", " since ", ", since ", NULL};
    for (const char *p = a.s + 1; p < a.s + a.len; p++)
        if (ptd_begins_one(p, a.s + a.len, words)) return ptd_undressed(ptd_span_of(a.s, p));
    return a;
}

/* "Therefore, x = 53", "the area is 12 cm"; in Chinese what the last clause says. */
static int stated_by(struct ptd_span a, struct ptd_span *out)
{
    if (!a.len || a.len >= PTD_FAR || unsure(without_reason(a))) return 0;
    a = concluding(without_reason(a));
    size_t n = concludes(a);
    a = ptd_undressed(ptd_span_behind(a, a.s + n));
    if (!a.len) return 0;
    if (ptd_is_value(a)) return ptd_cut_out(a, out);
    return linked_by(a, n > 0, 0, out) || linked_by(a, n > 0, 1, out);
}

/* The one thing in bold. */
static int bold(struct ptd_span a, struct ptd_span *out)
{
    const char *open = a.len < 2 * PTD_FAR ? memmem(a.s, a.len, "**", 2) : NULL, *close;
    if (!open || unsure(a)) return 0;
    open += 2;
    close = memmem(open, ptd_span_behind(a, open).len, "**", 2);
    if (!close || memmem(close + 2, ptd_span_behind(a, close + 2).len, "**", 2)) return 0;
    struct ptd_span in = ptd_span_of(open, close);
    int said = ptd_ends(ptd_span_of(a.s, open), " is **") && ptd_count_words(in) <= 4 &&
               !ptd_has_prose(in) && ptd_undressed(ptd_span_behind(a, close)).len == 0;
    return (said || ptd_is_value(in)) && ptd_cut_out(in, out);
}

static int display_math(struct ptd_span a, struct ptd_span *out)
{
    const char *close = ptd_ends(a, "$$") || ptd_ends(a, "\\]") ? a.s + a.len - 2 : NULL;
    const char *what = close && *close == '$' ? "$$" : "\\[";
    if (!close) return 0;
    for (const char *p = close - 2; p >= a.s && close - p < PTD_FAR; p--)
        if (memcmp(p, what, 2) == 0) {
            struct ptd_span in = ptd_trimmed(ptd_span_of(p + 2, close));
            return (ptd_has_number(in) || in.len < 20) && ptd_count_words(in) <= 3 &&
                   ptd_cut_out(in, out);
        }
    return 0;
}

/* "The Lord of the Rings": every long word with a capital. */
static int is_titled(struct ptd_span a)
{
    for (size_t i = 0, n; i < a.len; i += n ? n : 1) {
        for (n = 0; i + n < a.len && ptd_is_letter(a.s[i + n]);) n++;
        if (n > 3 && a.s[i] >= 'a') return 0;
    }
    return 1;
}

/* A few words that are all there is: "red", "The red circle." */
static int few_words(struct ptd_span a, struct ptd_span *out)
{
    static const char *const refusals[] = {
        "i",       "i'm",     "sorry",     "unable", "cannot", "idea", "sure",
        "unknown", "unclear", "determine", "answer", "is",     "are",  "shows",
        "says",    "reads",   "has",       "have",   "we",     "see",  NULL};
    a = ptd_without_remark(a);
    if (!a.len || a.len > 60 || memchr(a.s, '\n', a.len) || ptd_has_number(a) ||
        ptd_count_words(a) > (is_titled(a) ? 8 : 4) || unsure(a))
        return 0;
    for (int i = 0; refusals[i]; i++)
        if (ptd_find_word(a, refusals[i])) return 0;
    if (ptd_find_any_case(a, "n't") || ptd_find_any_case(a, PTD_ZH_BU) || ptd_ends(a, ":"))
        return 0;
    if (ptd_find_any_case(a, "\xe6\x97\xa0") || ptd_ends(a, "\xef\xbc\x9f")) return 0;
    a = ptd_undressed(ptd_span_behind(a, a.s + concludes(a)));
    a = ptd_span_behind(a, a.s + ptd_begins_any_case(a.s, a.s + a.len, "it's "));
    a = ptd_span_behind(a, ptd_skip_filler(a.s, a.s + a.len));
    return a.len && !ptd_ends(a, "?") && ptd_cut_out(a, out);
}

/* "Yes, it is a triangle." */
static int verdict_first(struct ptd_span a, struct ptd_span *out)
{
    static const char *const words[] = {"yes", "no", NULL};
    size_t n = ptd_begins_one_word(a.s, a.s + a.len, words);
    if (!n || n >= a.len || !strchr(",.", a.s[n]) || memchr(a.s, '\n', a.len)) return 0;
    *out = (struct ptd_span){a.s, n};
    return !unsure(ptd_span_behind(a, a.s + n));
}

/* ---- a sentence that is all there is ---- */

/* Bytes of a number at s, in digits or in words. */
static size_t number_at(const char *s, const char *end)
{
    static const char *const words[] = {
        "zero",     "one",      "two",     "three",     "four",     "five",     "six",
        "seven",    "eight",    "nine",    "ten",       "eleven",   "twelve",   "thirteen",
        "fourteen", "fifteen",  "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
        "thirty",   "forty",    "fifty",   "sixty",     "seventy",  "eighty",   "ninety",
        "hundred",  "thousand", NULL};
    const char *p = s;
    while (p < end &&
           (ptd_is_digit(*p) || (p > s && strchr(".,", *p) && p + 1 < end && ptd_is_digit(p[1]))))
        p++;
    if (p > s) return p < end && ptd_is_letter(*p) ? 0 : (size_t)(p - s);
    for (size_t n; p < end && (n = ptd_begins_one_word(p, end, words)); p += n)
        if (p + n + 1 < end && strchr("- ", p[n]) && ptd_begins_one_word(p + n + 1, end, words))
            n++;
    return (size_t)(p - s);
}

/* The one number in a; 0: there is none, or several. */
static int one_number(struct ptd_span a, struct ptd_span *out)
{
    const char *end = a.s + a.len;
    size_t n;
    out->len = 0;
    for (const char *p = a.s; p < end; p += n) {
        int fresh = p == a.s || !(ptd_is_letter(p[-1]) || ptd_is_digit(p[-1]));
        if (!(n = fresh ? number_at(p, end) : 0) && (n = 1)) continue;
        if (out->len) return 0;
        *out = (struct ptd_span){p, n};
    }
    return out->len > 0;
}

/* "There are two cats.", "Two cats are in the picture.", "I count 42 birds." */
static int counted(struct ptd_span a, struct ptd_span *out)
{
    static const char *const verbs[] = {"is ",      "are ",  "see ",      "count ", "counted ",
                                        "shows ",   "show ", "has ",      "have ",  "contains ",
                                        "exactly ", "only ", "total of ", "just ",  NULL};
    static const char *const behind[] = {"in", "are", "is", "on", "of", "at", "visible", NULL};
    static const char *const open[] = {"than",  "least", "most",  "between", "each",  "every",
                                       "minus", "plus",  "times", "no",      "about", NULL};
    struct ptd_span before;
    if (!one_number(a, out)) return 0;
    for (int i = 0; open[i]; i++)
        if (ptd_find_word(a, open[i])) return 0;
    before = ptd_span_of(a.s, out->s);
    int told = !before.len && ptd_find_word(a, "are");
    for (int i = 0; verbs[i]; i++) told |= ptd_ends(before, verbs[i]) > 0;
    const char *p = out->s + out->len, *end = a.s + a.len;
    for (int i = 0; i < 3 && p < end && *p == ' '; i++) { /* what is counted */
        if (ptd_begins_one_word(p + 1, end, behind)) break;
        for (p++; p < end && !ptd_is_blank(*p) && *p != ',';) p++;
    }
    *out = ptd_span_of(out->s, p);
    return told;
}

/* What stands behind one of these words, if it is a value, or a few words of any kind. */
static int behind_word(struct ptd_span a, const char *const *words, int text, struct ptd_span *out)
{
    for (; *words; words++) {
        const char *p = ptd_find_word(a, *words);
        if (!p) continue;
        struct ptd_span rest = ptd_undressed(ptd_span_behind(a, p + strlen(*words)));
        if (!rest.len || ptd_find_word(rest, "and") || ptd_find_word(rest, "or") ||
            ptd_find_any_case(rest, ","))
            return 0;
        return (ptd_is_value(rest) || (text && ptd_count_words(rest) <= 5)) &&
               ptd_cut_out(rest, out);
    }
    return 0;
}

/* "The cat is on the table." */
static int placed(struct ptd_span a, struct ptd_span *out)
{
    static const char *const places[] = {"on",   "under", "behind", "above", "below",
                                         "near", "next",  "beside", NULL};
    const char *p = ptd_find_word(a, "is");
    if (!p) return 0;
    a = ptd_undressed(ptd_span_behind(a, p + 2));
    return ptd_begins_one_word(a.s, a.s + a.len, places) && ptd_count_words(a) <= 5 &&
           !ptd_find_word(a, "and") && ptd_cut_out(a, out);
}

/* "The bar represents 23.5.", "The sign says STOP." */
static int told(struct ptd_span a, struct ptd_span *out)
{
    static const char *const values[] = {
        "represents", "shows",     "displays",   "has a value of", "costs",  "weighs", "it's",
        "reaches",    "stands at", "amounts to", "peaks at",       "totals", "is at",  NULL};
    static const char *const texts[] = {"says", "reads", NULL};
    return behind_word(a, values, 0, out) || behind_word(a, texts, 1, out) || placed(a, out);
}

/* "It is red.", "The car in the image is red." */
static int described(struct ptd_span a, struct ptd_span *out)
{
    static const char *const subjects[] = {"the",  "it",    "this",  "that",
                                           "they", "these", "there", NULL};
    return ptd_begins_one_word(a.s, a.s + a.len, subjects) && linked_by(a, 1, 0, out);
}

static int only_sentence(struct ptd_span a, struct ptd_span *out)
{
    int asks;
    const char *p = a.s, *end = a.s + a.len;
    struct ptd_span s = ptd_next_sentence(&p, end, &asks);
    if (asks || p < end || s.len > 120 || unsure(s) || memchr(s.s, ';', s.len) ||
        ptd_find_any_case(s, PTD_ZH_BU))
        return 0;
    if (described(s, out) || told(s, out) || counted(s, out)) return 1;
    const char *colon = memchr(s.s, ':', s.len); /* 3 people: two men and a woman */
    if (colon && colon + 1 < s.s + s.len && ptd_is_blank(colon[1]) &&
        counted(ptd_span_of(s.s, colon), out))
        return 1;
    return ptd_find_any_case(s, PTD_ZH_YOU) && linked_by(s, 1, 1, out);
}

/* "B (A is too small)", "B. Explanation: ..." */
static int option_first(struct ptd_span a, struct ptd_span *out)
{
    static const char *const words[] = {"since",  "because",   "explanation",
                                        "reason", "reasoning", NULL};
    static const char *const chinese[] = {"\xe7\x90\x86\xe7\x94\xb1", "\xe5\x9b\xa0\xe4\xb8\xba",
                                          "\xe8\xa7\xa3\xe6\x9e\x90", NULL};
    const char *end = a.s + a.len, *p = ptd_behind_letter(a);
    if (!p || p >= end || (*a.s >= 'a' && *a.s <= 'z')) return 0;
    struct ptd_span rest = ptd_undressed(ptd_span_behind(a, p));
    rest = ptd_span_behind(rest, rest.s + ptd_begins(rest.s, rest.s + rest.len, PTD_ZH_STOP));
    int remark =
        *p == ' ' && rest.len && *rest.s == '(' && ptd_count_words(rest) > 1 && ptd_ends(a, ")");
    *out = ptd_undressed(ptd_span_of(a.s, p));
    end = rest.s + rest.len;
    return remark || ptd_begins_one_word(rest.s, end, words) ||
           ptd_begins_one(rest.s, end, chinese);
}

/* A first line that is nothing but a value, and under it why. */
static int value_first(struct ptd_span a, struct ptd_span *out)
{
    static const char *const words[] = {"explanation", "reason",        "reasoning", "because",
                                        "the reason",  "justification", NULL};
    const char *line = memchr(a.s, '\n', a.len);
    if (!line) return 0;
    struct ptd_span first = ptd_undressed(ptd_span_of(a.s, line)),
                    rest = ptd_undressed(ptd_span_behind(a, line));
    return ptd_begins_one_word(rest.s, rest.s + rest.len, words) && ptd_is_value(first) &&
           ptd_cut_out(first, out);
}

static int heading_or_label(struct ptd_span a)
{
    return ptd_ends(a, ":") || ptd_ends(a, ":**") || ptd_ends(a, "?") ||
           ptd_begins(a.s, a.s + a.len, "# ");
}

int ptd_stated(struct ptd_span a, int cut, struct ptd_span *out)
{
    const char *p, *end;
    struct ptd_span sentence = {NULL, 0}, s;
    int asks = 0;
    if (ptd_announced(a, cut, out)) return 1;
    a = ptd_trimmed(a);
    if (cut || !a.len) return 0;
    if (display_math(a, out) || few_words(a, out) || verdict_first(a, out)) return 1;
    if (option_first(a, out) || value_first(a, out)) return 1;
    struct ptd_span line = last_line(a);
    if (line.len > 4 * PTD_FAR || heading_or_label(line)) return 0;
    s = ptd_undressed(ptd_span_behind(line, line.s + concludes(line)));
    s = ptd_span_behind(s, ptd_skip_filler(s.s, s.s + s.len));
    if (s.len && ptd_is_value(s)) return ptd_cut_out(s, out);
    for (p = line.s, end = p + line.len; p < end;)
        if ((s = ptd_next_sentence(&p, end, &asks)).len) sentence = s;
    if (asks) return 0;
    return bold(line, out) || stated_by(sentence, out) || only_sentence(a, out);
}
