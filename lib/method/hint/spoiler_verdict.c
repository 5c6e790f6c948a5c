/* spoiler_verdict: yes and no: said in one of their words, or by the question turned into a
 * statement. See spoiler_private.h. */
#include "judge/number.h"
#include "judge/span.h"
#include "method/hint/spoiler_private.h"
#include "method/hint/values.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- words ---- */

static const char *const verdicts[] = {"yes", "no", "true", "false", NULL};
/* Said of other things, too: they tell only where nothing follows that they are said of. */
static const char *const loose[] = {"no",       "correct",  "incorrect",   "wrong",
                                    "negative", "positive", "affirmative", NULL};
static const char *const strong[] = {"yes", "true", "false", "yep",    "yeah",
                                     "yup", "nope", "nah",   "indeed", NULL};
/* shi, fou, dui, cuo, zhengque, cuowu, bushi, you, meiyou, bu dui; shide, bushide, duide, cuode,
 * meicuo, bu zhengque, kending, fouding */
static const char *const chinese_verdicts[] = {"\xe6\x98\xaf",
                                               "\xe5\x90\xa6",
                                               "\xe5\xaf\xb9",
                                               "\xe9\x94\x99",
                                               "\xe6\xad\xa3\xe7\xa1\xae",
                                               "\xe9\x94\x99\xe8\xaf\xaf",
                                               "\xe4\xb8\x8d\xe6\x98\xaf",
                                               "\xe6\x9c\x89",
                                               "\xe6\xb2\xa1\xe6\x9c\x89",
                                               "\xe4\xb8\x8d\xe5\xaf\xb9",
                                               "\xe6\x98\xaf\xe7\x9a\x84",
                                               "\xe4\xb8\x8d\xe6\x98\xaf\xe7\x9a\x84",
                                               "\xe5\xaf\xb9\xe7\x9a\x84",
                                               "\xe9\x94\x99\xe7\x9a\x84",
                                               "\xe6\xb2\xa1\xe9\x94\x99",
                                               "\xe4\xb8\x8d\xe6\xad\xa3\xe7\xa1\xae",
                                               "\xe8\x82\xaf\xe5\xae\x9a",
                                               "\xe5\x90\xa6\xe5\xae\x9a",
                                               NULL};
static const char *const asks[] = {"whether", "if", NULL};

int ptd_is_verdict(const char *gold)
{
    char *t = ptd_text_normal(gold, strlen(gold));
    struct ptd_word w = {t, strlen(t)};
    int yes = ptd_word_is(w, verdicts) || ptd_word_is(w, chinese_verdicts);
    free(t);
    return yes;
}

static struct ptd_word word_behind(const char *s)
{
    return ptd_word_at(s + strspn(s, " ,/"));
}

static int is_asked(const char *text, const char *s, int far)
{
    struct ptd_word w = ptd_word_before(text, s);
    for (; far > 0 && w.n; far--, w = ptd_word_before(text, w.s))
        if (ptd_word_is(w, asks)) return 1;
    return 0;
}

/* "yes or no", "true/false": both are named; behind the second, or NULL. */
static const char *behind_both(struct ptd_word w)
{
    static const char *const joins[] = {"or", "and", "nor", NULL};
    struct ptd_word next = word_behind(w.s + w.n);
    if (ptd_word_is(next, joins)) next = word_behind(next.s + next.n);
    int both = (ptd_word_is(w, verdicts) && ptd_word_is(next, verdicts)) ||
               (ptd_word_is(w, loose) && ptd_word_is(next, loose));
    return both && (next.n != w.n || strncasecmp(next.s, w.s, w.n) != 0) ? next.s + next.n : NULL;
}

/* "no.", "no," and "say no" assert; "is no digit" counts; "whether it is true" asks. */
static int asserted(const char *text, struct ptd_word w)
{
    static const char *const verb[] = {"answer", "say", "says", NULL};
    if (is_asked(text, w.s, 4)) return 0;
    if (ptd_word_is(w, strong)) return 1;
    if (!ptd_word_is(w, loose)) return 0;
    const char *after = w.s + w.n + strspn(w.s + w.n, " ");
    return !ptd_is_word(*after) || ptd_word_is(ptd_word_before(text, w.s), verb);
}

/* Y or N, alone or as the answer. */
static int is_initial(const char *text, struct ptd_word w)
{
    static const char *const before[] = {"answer", "is", "say", NULL};
    const char *after = w.s + w.n + strspn(w.s + w.n, " .!");
    return w.n == 1 && (*w.s == 'Y' || *w.s == 'N') && !*after &&
           (w.s == text || ptd_word_is(ptd_word_before(text, w.s), before));
}

/* A verdict in Chinese, alone or behind "da an shi", "hui da", "xuan". */
static int asserted_chinese(struct ptd_word w)
{
    static const char *const before[] = {"\xe7\xad\x94\xe6\xa1\x88\xe6\x98\xaf",
                                         "\xe7\xad\x94\xe6\xa1\x88\xe4\xb8\xba",
                                         "\xe7\xad\x94\xe6\xa1\x88",
                                         "\xe5\x9b\x9e\xe7\xad\x94",
                                         "\xe9\x80\x89",
                                         "\xe5\xba\x94\xe4\xb8\xba",
                                         "\xe7\xbb\x93\xe6\x9e\x9c\xe6\x98\xaf",
                                         NULL};
    if (ptd_word_is(w, chinese_verdicts)) return 1;
    for (int i = 0; before[i]; i++) {
        size_t n = strlen(before[i]);
        struct ptd_word rest = {w.s + n, w.n - n};
        if (w.n > n && memcmp(w.s, before[i], n) == 0 && ptd_word_is(rest, chinese_verdicts))
            return 1;
    }
    return 0;
}

int ptd_says_verdict(const char *hint)
{
    int found = 0;
    char *text = ptd_values_spread(hint, strlen(hint));
    for (const char *s = text, *both; *s && !found;) {
        struct ptd_word w = ptd_word_at(s);
        if (w.n && (both = behind_both(w))) {
            s = both;
            continue;
        }
        found = w.n && (asserted(text, w) || is_initial(text, w) || asserted_chinese(w));
        s += w.n ? w.n : 1;
    }
    free(text);
    return found;
}

/* ---- the question as a statement ---- */

#define WORDS 64

struct words {
    struct ptd_word w[WORDS];
    int n;
};

#define TAG 16 /* bytes of <b> and the like */

static void read_words(struct words *out, const char *s, const char *end)
{
    for (out->n = 0; s < end && out->n < WORDS;) {
        const char *tag =
            *s == '<' ? memchr(s, '>', end - s < TAG ? (size_t)(end - s) : TAG) : NULL;
        if (tag) s = tag;
        struct ptd_word w = ptd_word_at(s);
        if (w.n) out->w[out->n++] = w;
        s += w.n ? w.n : 1;
    }
}

/* The words of the question that wants a yes or no, from its verb on: of the sentence before the
 * first question mark. */
static void read_question(struct words *q, const char *text)
{
    static const char *const verbs[] = {"is",    "are", "was",  "were",   "do",
                                        "does",  "did", "can",  "could",  "will",
                                        "would", "has", "have", "should", NULL};
    int first = 0;
    const char *end = strchr(text, '?'), *s;
    if (!end) end = text + strlen(text);
    for (s = end; s > text && !strchr(".!:\n,", s[-1]);) s--;
    read_words(q, s, end);
    while (first < q->n && !ptd_word_is(q->w[first], verbs)) first++;
    memmove(q->w, q->w + first, (size_t)(q->n - first) * sizeof *q->w);
    q->n -= first;
}

/* The same word, perhaps as cross and crosses. */
static int is_alike(struct ptd_word a, struct ptd_word b)
{
    static const char *const endings[] = {"s", "es", "ed", "d", NULL};
    if (b.n < a.n || strncasecmp(a.s, b.s, a.n) != 0) return 0;
    return b.n == a.n || ptd_word_is((struct ptd_word){b.s + a.n, b.n - a.n}, endings);
}

static int is_article(struct ptd_word w)
{
    static const char *const words[] = {"the", "a",   "an",   "this", "that", "these", "those",
                                        "any", "all", "both", "each", "my",   "his",   "her",
                                        "its", "my",  "some", "two",  NULL};
    return ptd_word_is(w, words);
}

/* Where in the question what is said of its subject begins, at the earliest. */
static int predicate(const struct words *q)
{
    return q->n > 2 && is_article(q->w[1]) ? 3 : 2;
}

/* Do the question's words from j on stand in the hint from i on? */
static int follows(const struct words *q, int j, const struct words *h, int i)
{
    if (q->n - j > h->n - i) return 0;
    for (int k = j; k < q->n; k++)
        if (!is_alike(q->w[k], h->w[i + k - j])) return 0;
    return 1;
}

/* Words between "is" and what is said. */
static int is_filler(struct ptd_word w)
{
    static const char *const words[] = {"not",    "t",        "indeed", "really", "clearly",
                                        "in",     "fact",     "also",   "always", "never",
                                        "surely", "actually", NULL};
    return ptd_word_is(w, words);
}

/* "do the circles touch" asks. */
static int is_inverted(const struct words *h, int i, const char *const *verbs)
{
    for (int k = i - 1; k >= 0 && k > i - 6; k--)
        if (ptd_word_is(h->w[k], verbs)) return 1;
    return 0;
}

/* Does word i of the hint say the question's verb of its subject: "it is", "isn't", "it's", or, of
 * "do they touch", the subject or a pronoun. */
static int is_verb(const struct words *q, int j, const struct words *h, int i)
{
    static const char *const does[] = {"do", "does", "did", NULL}, *const is[] = {"is", NULL};
    static const char *const pronouns[] = {"it", "they", "he", "she", "we", "both", "there", NULL};
    struct ptd_word w = h->w[i], stem = {w.s, w.n - 1};
    if (i == 0 && !ptd_word_is(q->w[0], does)) return 0;
    if (w.n == q->w[0].n && strncasecmp(w.s, q->w[0].s, w.n) == 0) return 1;
    if (w.s[w.n - 1] == 'n' && stem.n == q->w[0].n && strncasecmp(w.s, q->w[0].s, stem.n) == 0)
        return 1;
    if (ptd_word_is(q->w[0], is)) return w.n == 1 && *w.s == 's' && w.s[-1] == '\'';
    return ptd_word_is(q->w[0], does) && !is_inverted(h, i, does) &&
           (ptd_word_is(w, pronouns) || is_alike(q->w[j - 1], w));
}

/* At word i of the hint: the verb, and the most of what the question says behind its subject. */
static int states_at(const struct words *q, const struct words *h, int i)
{
    int first = predicate(q), least = (q->n - first) / 2 + 1;
    for (int j = first; j <= q->n - least; j++) {
        int k = i + 1;
        if ((j > first && is_article(q->w[j])) || !is_verb(q, j, h, i)) continue;
        while (k < h->n && is_filler(h->w[k])) k++;
        if (follows(q, j, h, k)) return 1;
    }
    return 0;
}

static int states_english(const char *hint, const char *question)
{
    struct words *q = ptd_array(2, sizeof *q), *h = q + 1;
    int found = 0;
    read_question(q, question);
    read_words(h, hint, hint + strlen(hint));
    for (int i = 0; i < h->n && q->n > 2 && !found; i++)
        found = states_at(q, h, i) && !is_asked(hint, h->w[i].s, 8);
    free(q);
    return found;
}

/* ---- the same in Chinese ---- */

/* Takes the words out of t. */
static void leave_out(char *t, const char *const *words)
{
    for (; *words; words++)
        for (char *p = t; (p = strstr(p, *words));)
            memmove(p, p + strlen(*words), strlen(p + strlen(*words)) + 1);
}

/* The question's sentence without what asks in it; malloc'd, empty: it asks no yes or no. */
static char *chinese_stem(const char *question)
{
    static const char *const stops[] = {
        "\xe3\x80\x82", "\xef\xbc\x8c", "\xef\xbc\x9f", "?", ",", ".", "\xef\xbc\x9a", NULL};
    static const char *const asking[] = {"\xe5\x90\x97", "\xe6\x98\xaf\xe5\x90\xa6",
                                         "\xe6\x98\xaf\xe4\xb8\x8d\xe6\x98\xaf", NULL};
    const char *at = NULL, *begin = question, *end;
    for (int i = 0; asking[i] && !at; i++) at = strstr(question, asking[i]);
    if (!at) return ptd_strdup("");
    for (const char *s = question; s < at; s++)
        for (int i = 0; stops[i]; i++)
            if (strncmp(s, stops[i], strlen(stops[i])) == 0) begin = s + strlen(stops[i]);
    end = at + strlen(at);
    for (int i = 0; stops[i]; i++) {
        const char *stop = strstr(at, stops[i]);
        if (stop && stop < end) end = stop;
    }
    char *stem = ptd_format("%.*s", (int)(end - begin), begin);
    leave_out(stem, asking);
    return stem;
}

static int states_chinese(const char *hint, const char *question)
{
    static const char *const asking[] = {"\xe5\x90\x97", "\xe6\x98\xaf\xe5\x90\xa6",
                                         "\xe6\x98\xaf\xe4\xb8\x8d\xe6\x98\xaf",
                                         "\xe6\x9c\x89\xe6\xb2\xa1\xe6\x9c\x89", NULL};
    static const char *const denies[] = {"\xe6\xb2\xa1\xe6\x9c\x89", "\xe4\xb8\x8d", "\xe5\xb9\xb6",
                                         NULL}; /* meiyou, bu, bing */
    for (int i = 0; asking[i]; i++)
        if (strstr(hint, asking[i])) return 0;
    char *stem = chinese_stem(question), *said = ptd_strdup(hint);
    leave_out(stem, denies);
    leave_out(said, denies);
    int found = strlen(stem) >= 2 * 3 && strstr(said, stem);
    free(stem);
    free(said);
    return found;
}

int ptd_rule_yes_no(const char *hint, const struct ptd_group *g)
{
    int asked = 0;
    for (int i = 0; i < ptd_answers_of(g); i++) asked |= ptd_is_verdict(ptd_answer_of(g, i));
    if (!asked) return 0;
    return ptd_says_verdict(hint) || (g->question && (states_english(hint, g->question) ||
                                                      states_chinese(hint, g->question)));
}
