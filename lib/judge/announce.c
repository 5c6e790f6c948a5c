/* announce: the answer as a text announces it; see stated.h.
 * Leaves what is stated at the end without a word before it to stated.c. */
#include "judge/stated.h"
#include "judge/phrase.h"
#include <string.h>

#define TAIL   8192 /* bytes at the end of a text in which an announcement is looked for */
#define BEFORE 120  /* bytes before an announcement that may deny it */

/* Letters, brackets and circled numbers: what a statement or an option is called. */
static int is_named_at(const char *s)
{
    return ptd_is_letter(*s) || strchr("(: ", *s) || (unsigned char)*s == 0xe2;
}

/* Bytes of the link between what is announced and its value; 0: there is none. */
static size_t link_at(const char *s, const char *end)
{
    static const char *const links[] = {"is",
                                        "are",
                                        "should be",
                                        "must be",
                                        "would be",
                                        "will be",
                                        "would then be",
                                        "equals",
                                        "becomes",
                                        "was",
                                        "comes to",
                                        "comes out to be",
                                        "turns out to be",
                                        "has to be",
                                        "is going to be",
                                        "remains",
                                        "works out to",
                                        NULL};
    static const char *const signs[] = {":",
                                        PTD_ZH_COLON,
                                        "=",
                                        "-> ",
                                        "\xe2\x86\x92",
                                        "- ",
                                        "\xe3\x80\x91",
                                        "\xe2\x80\x93",
                                        "\xe2\x80\x94",
                                        PTD_ZH_SHI,
                                        PTD_ZH_WEI,
                                        "\xe5\xba\x94\xe4\xb8\xba",
                                        "\xe5\xba\x94\xe8\xaf\xa5\xe6\x98\xaf",
                                        "\xe5\xba\x94\xe6\x98\xaf",
                                        "\xe5\xba\x94\xe9\x80\x89",
                                        "\xe5\xb0\xb1\xe6\x98\xaf",
                                        "\xe5\x8d\xb3",
                                        "\xe7\xad\x89\xe4\xba\x8e",
                                        "\xe9\x80\x89\xe6\x8b\xa9",
                                        PTD_ZH_XUAN,
                                        "'s ",
                                        NULL};
    size_t n = ptd_begins_one_word(s, end, links);
    if (ptd_begins(s, end, PTD_ZH_XUANXIANG)) return 0;
    if (ptd_begins(s, end, PTD_ZH_YOU)) return s + 3 < end && is_named_at(s + 3) ? 3 : 0;
    return n ? n : ptd_begins_one(s, end, signs);
}

/* Behind "to the question", "for x", ", then," and dressing. */
static const char *skip_about(const char *s, const char *end)
{
    static const char *const about[] = {"to", "for", "of", "in", NULL};
    static const char *const aside[] = {", therefore,", ", then,", ", thus,", ", hence,", NULL};
    s += ptd_begins_one(s, end, aside);
    while (s < end && (ptd_is_blank(*s) || strchr("*_\"'`}", *s))) s++;
    if (s >= end || !ptd_begins_one_word(s, end, about)) return s;
    for (const char *p = s; p < end && p - s < 60 && !strchr(".,;\n", *p); p++)
        if (*p == ' ' && link_at(p + 1, end)) return p + 1;
    return s;
}

/* The word that ends at s, blanks between left out. */
static struct ptd_span word_before(const char *from, const char *s)
{
    while (s > from && (ptd_is_blank(s[-1]) || strchr("*_", s[-1]))) s--;
    const char *e = s;
    while (s > from && (ptd_is_letter(s[-1]) || s[-1] == '\'')) s--;
    return ptd_span_of(s, e);
}

static int is_one_of(struct ptd_span word, const char *const *list)
{
    for (; *list; list++)
        if (word.len == strlen(*list) && ptd_begins_any_case(word.s, word.s + word.len, *list))
            return 1;
    return 0;
}

/* The clause that s stands in, up to s. */
static struct ptd_span clause_before(struct ptd_span a, const char *s)
{
    const char *comma = memrchr(a.s, ',', (size_t)(s - a.s));
    const char *then = ptd_find_word(ptd_span_of(a.s, s), "then");
    if (comma) a.s = comma + 1;
    if (then && then > a.s) a.s = then;
    return ptd_span_of(a.s, s);
}

/* May the noun at s announce, after the words before it? */
static int may_announce(struct ptd_span a, const char *s, int needs_praise)
{
    static const char *const others[] = {"possible", "potential", "candidate", "wrong", "incorrect",
                                         "other",    "student's", "his",       "her",   "their",
                                         "any",      "no",        "previous",  "your",  "an",
                                         "initial",  "first",     "old",       NULL};
    static const char *const praise[] = {"correct", "right",  "best", "final",
                                         "answer",  "chosen", NULL};
    static const char *const unsure[] = {
        "if",         "whether",     "suppose",     "assume",   "unless", "assuming",
        "why",        "not sure",    "doubt",       "doubtful", "unsure", "unlikely",
        "impossible", "hard to say", "not certain", "unclear",  NULL};
    struct ptd_span before = clause_before(a, s), word = word_before(a.s, s);
    if (is_one_of(word, others) || (needs_praise && !is_one_of(word, praise))) return 0;
    for (int i = 0; unsure[i]; i++)
        if (ptd_find_word(before, unsure[i])) return 0;
    return !ptd_find_any_case(before, "n't") && !ptd_find_any_case(before, "n\xe2\x80\x99t");
}

struct noun {
    const char *word;
    int praise; /* only as "the correct ...", "the final ..." */
    int colon;  /* only before a colon and a value */
};

/* The noun at s, its bytes in *n; NULL: none. */
static const struct noun *noun_at(const char *s, const char *end, size_t *n)
{
    static const struct noun nouns[] = {{"answers"},    {"answer"},      {"ans"},
                                        {"option", 1},  {"choice", 1},   {"options", 1},
                                        {"choices", 1}, {"solution", 1}, {"result", 1},
                                        {"value", 1},   {"total", 1},    {NULL}};
    static const struct noun chinese[] = {{PTD_ZH_DAAN},
                                          {PTD_ZH_ZHENGQUE PTD_ZH_XUANXIANG},
                                          {PTD_ZH_ZHENGQUE "\xe7\x9a\x84" PTD_ZH_XUANXIANG},
                                          {PTD_ZH_ZHENGQUE "\xe7\x9a\x84"},
                                          {PTD_ZH_JIEGUO},
                                          {PTD_ZH_DA, 0, 1},
                                          {NULL}};
    for (const struct noun *w = nouns; w->word; w++)
        if ((*n = ptd_begins_word(s, end, w->word))) return w;
    for (const struct noun *w = chinese; w->word; w++)
        if ((*n = ptd_begins(s, end, w->word))) return w;
    return NULL;
}

enum verdict { SAYS_NOTHING, SAYS, SAYS_BELOW, TAKES_BACK };

/* A noun without a link: a heading, if it is all that its line says. */
static enum verdict as_heading(struct ptd_span a, const char *s, size_t n)
{
    struct ptd_span before = ptd_span_of(a.s, s);
    int alone = ptd_undressed(ptd_span_behind(a, s + n)).len == 0 && s - a.s < 24;
    return alone && ptd_count_words(before) <= 2 &&
                   !ptd_has_prose(ptd_span_behind(before, before.s))
               ? SAYS_BELOW
               : SAYS_NOTHING;
}

static enum verdict linked(struct ptd_span a, const char *p, int needs_value, struct ptd_span *out)
{
    const char *end = a.s + a.len;
    p = ptd_skip_filler(p, end);
    if (p < end && ptd_is_denied(p, end)) return TAKES_BACK;
    if (p < end && ptd_says_nothing(p, end)) return SAYS_NOTHING;
    if (ptd_undressed(ptd_span_behind(a, p)).len == 0) return SAYS_BELOW;
    if (!ptd_cut_out(ptd_span_behind(a, p), out)) return TAKES_BACK;
    return needs_value && !ptd_is_value(*out) ? SAYS_NOTHING : SAYS;
}

/* A noun with its link and value: "the answer is 5". */
static enum verdict by_noun(struct ptd_span a, const char *s, struct ptd_span *out)
{
    const char *end = a.s + a.len;
    size_t n, link;
    const struct noun *w = noun_at(s, end, &n);
    if (!w) return SAYS_NOTHING;
    int colon = ptd_begins(s + n, end, ":") || ptd_begins(s + n, end, PTD_ZH_COLON);
    int label = w->praise && colon && s - a.s < 5; /* "The result: 42" */
    if (!may_announce(a, s, w->praise && !label) || (w->colon && !colon)) return SAYS_NOTHING;
    const char *p = ptd_begins(s + n, end, "'s ") ? s + n : skip_about(s + n, end);
    link = p < end ? link_at(p, end) : 0;
    if (link) return linked(a, p + link, w->colon || label, out);
    return w->praise ? SAYS_NOTHING : as_heading(a, s, n);
}

/* Letters alone: "I choose C", "go with (B)"; in Chinese "gu xuan B". */
static enum verdict by_choice(struct ptd_span a, const char *s, struct ptd_span *out)
{
    static const char *const verbs[] = {
        "choose",     "pick",        "select",       "go with",       "opt for", "leaves",
        "think it's", "think it is", "believe it's", "believe it is", NULL};
    static const char *const fits[] = {"matches",        "matching",         "match",
                                       "corresponds to", "corresponding to", NULL};
    static const char *const options[] = {"option", "choice", "answer choice", NULL};
    static const char *const denials[] = {"not", "never", "cannot", "either", "neither", NULL};
    const char *end = a.s + a.len, *p;
    size_t n = ptd_begins_one_word(s, end, verbs), fit = ptd_begins_one_word(s, end, fits);
    if (fit && (s + fit >= end || !ptd_begins_one_word(s + fit + 1, end, options))) fit = 0;
    n += fit;
    if (!n && (n = ptd_begins(s, end, PTD_ZH_XUAN))) {
        if (s - a.s >= 3 &&
            (ptd_begins(s - 3, end, PTD_ZH_BU) || ptd_begins(s - 3, end, "\xe5\x8f\xaf")))
            return SAYS_NOTHING;
        n += ptd_begins(s + n, end, "\xe6\x8b\xa9");
        n += ptd_begins(s + n, end, PTD_ZH_XUANXIANG);
    }
    if (!n) return SAYS_NOTHING;
    struct ptd_span v = ptd_undressed(ptd_span_behind(a, s + n));
    v = ptd_undressed(ptd_span_behind(v, v.s + ptd_begins_one_word(v.s, end, options)));
    p = ptd_behind_letter(v);
    if (!p || !may_announce(a, s, 0) || is_one_of(word_before(a.s, s), denials))
        return SAYS_NOTHING;
    return ptd_cut_out(v, out) && ptd_is_option(*out) ? SAYS : SAYS_NOTHING;
}

/* The value before s, which begins "is correct": an option's letter, or a number before "is the
 * answer". */
static enum verdict by_praise(struct ptd_span a, const char *s, struct ptd_span *out)
{
    static const char *const praise[] = {"is correct",
                                         "is the correct",
                                         "is right",
                                         "is the answer",
                                         "is the right",
                                         "is the best",
                                         "is the only answer",
                                         "is the only solution",
                                         "is the final answer",
                                         "is our answer",
                                         "is my answer",
                                         "is our final answer",
                                         "is my final answer",
                                         "must be correct",
                                         "as the answer",
                                         "as the final answer",
                                         PTD_ZH_ZHENGQUE,
                                         PTD_ZH_SHI PTD_ZH_ZHENGQUE,
                                         NULL};
    const char *end = a.s + a.len, *e = s, *p;
    size_t n = ptd_begins_one(s, end, praise);
    if (!n && end - s == 5) n = ptd_begins_any_case(s, end, "it is"); /* "So B it is." */
    if (!n || !may_announce(a, s, 0)) return SAYS_NOTHING;
    while (e > a.s && (ptd_is_blank(e[-1]) || strchr("*", e[-1]))) e--;
    for (p = e; p > a.s && e - p < 40 && !ptd_is_blank(p[-1]) && !strchr(",;*", p[-1]) &&
                (unsigned char)p[-1] < 0x80;)
        p--;
    struct ptd_span v = ptd_undressed(ptd_span_of(p, e));
    const char *l = v.len ? ptd_behind_letter(v) : NULL;
    int letter = l && ptd_undressed(ptd_span_behind(v, l)).len == 0;
    int answer = ptd_find_any_case(ptd_span_of(s, s + n), "answer") ||
                 ptd_find_any_case(ptd_span_of(s, s + n), "solution");
    if (!letter && !(answer && v.len && ptd_count_words(v) == 0 && ptd_has_number(v)))
        return SAYS_NOTHING;
    struct ptd_span before = word_before(a.s, p);
    if (is_one_of(before, (const char *const[]){"not", "or", "and", "neither", "nor", NULL}))
        return TAKES_BACK;
    *out = v;
    return SAYS;
}

/* Could a word of the lists of this file begin at p? By its first two letters, for speed. */
static int may_begin(const char *p, const char *end)
{
    static const char two[] =
        "an ac as op ch so re va to pi se go is it mu wa co oo ho hm no ma le th be ";
    if ((unsigned char)*p >= 0x80) return ((unsigned char)*p & 0xf0) == 0xe0;
    if (!ptd_is_letter(*p) || p + 1 >= end) return 0;
    for (const char *t = two; *t; t += 3)
        if ((*p | 0x20) == t[0] && (p[1] | 0x20) == t[1]) return 1;
    return 0;
}

/* "A is correct and C is correct": does a second answer stand beside the last? */
static int adds_another(struct ptd_span last, struct ptd_span now)
{
    if (now.s <= last.s || (now.len == last.len && memcmp(now.s, last.s, now.len) == 0)) return 0;
    const char *behind = last.s + last.len;
    struct ptd_span between = ptd_span_of(behind < now.s ? behind : last.s, now.s);
    return between.len < BEFORE && (ptd_find_word(between, "and") || ptd_find_word(between, "or"));
}

/* What a sentence announces; of several announcements the last. */
static enum verdict announces(struct ptd_span a, struct ptd_span *out)
{
    static const char *const back[] = {
        "wait", "actually", "correction", "oops",      "hold on",     "hmm", "sorry",
        "no,",  "recheck",  "re-check",   "recompute", "recalculate", NULL};
    static const char *const chinese[] = {"\xe7\xad\x89\xe7\xad\x89", "\xe4\xb8\x8d\xe5\xaf\xb9",
                                          "\xe9\x87\x8d\xe6\x96\xb0", NULL};
    const char *end = a.s + a.len;
    static const char *const others[] = {"or", "alternatively", "maybe", "perhaps", NULL};
    enum verdict all = ptd_begins_one_word(a.s, end, others) ? TAKES_BACK : SAYS_NOTHING, one;
    struct ptd_span last = *out;
    if (ptd_begins(a.s, end, "####") && ptd_cut_out(ptd_span_behind(a, a.s + 4), out)) return SAYS;
    for (const char *p = a.s; p < end; p++) {
        int word = p == a.s || !ptd_is_letter(p[-1]) || (unsigned char)*p >= 0x80;
        if (!word || !may_begin(p, end)) continue;
        if (ptd_begins_one_word(p, end, back) || ptd_begins_one(p, end, chinese)) all = TAKES_BACK;
        struct ptd_span near = ptd_span_of(p - a.s > BEFORE ? p - BEFORE : a.s,
                                           end - p > 2 * PTD_FAR ? p + 2 * PTD_FAR : end);
        if ((one = by_noun(near, p, out)) || (one = by_choice(near, p, out)) ||
            (one = by_praise(near, p, out)))
            if (one != SAYS_BELOW || all != SAYS) {
                if (one == SAYS && all == SAYS && adds_another(last, *out)) one = TAKES_BACK;
                all = one;
                last = *out;
            }
    }
    return all;
}

/* What stands on the line below a heading, or in display math there. */
static int below(struct ptd_span rest, struct ptd_span *out)
{
    static const char *const opens[] = {"$$", "\\[", NULL}, *const closes[] = {"$$", "\\]"};
    rest = ptd_trimmed(rest);
    for (int i = 0; opens[i]; i++) {
        if (!ptd_begins(rest.s, rest.s + rest.len, opens[i])) continue;
        size_t n = rest.len - 2 < 2 * PTD_FAR ? rest.len - 2 : 2 * PTD_FAR;
        const char *close = memmem(rest.s + 2, n, closes[i], 2);
        return close && ptd_cut_out(ptd_trimmed(ptd_span_of(rest.s + 2, close)), out);
    }
    const char *line = memchr(rest.s, '\n', rest.len);
    if (line) rest.len = (size_t)(line - rest.s);
    int text = rest.len < 60 && ptd_count_words(rest) <= 4 && !ptd_has_prose(rest);
    return (text || ptd_is_value(rest)) && ptd_cut_out(rest, out);
}

int ptd_announced(struct ptd_span a, int cut, struct ptd_span *out)
{
    const char *end = a.s + a.len, *p = a.s, *from;
    struct ptd_span one, value;
    int there = 0, pending = 0, asks;
    if (a.len > TAIL) p = from = end - TAIL;
    while (p < end) {
        from = p;
        struct ptd_span s = ptd_next_sentence(&p, end, &asks);
        if (!s.len) continue;
        enum verdict v = asks ? SAYS_NOTHING : announces(s, &one);
        if (v == SAYS_NOTHING && pending && below(ptd_span_behind(a, from), &value))
            v = SAYS, one = value;
        pending = v == SAYS_BELOW;
        if (v == SAYS && !(cut && one.s + one.len == end)) there = 1, *out = one;
        if (v == TAKES_BACK) there = 0;
    }
    return there;
}
