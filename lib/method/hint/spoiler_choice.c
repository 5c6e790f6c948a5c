/* spoiler_choice: the rules on options: which are right, their letters, their texts. Leaves what a
 * list of options is to judge/options.h. */
#include "judge/choice.h"
#include "judge/judge.h"
#include "judge/number.h"
#include "judge/span.h"
#include "method/hint/spoiler_private.h"
#include "method/hint/values.h"
#include <stdlib.h>
#include <string.h>

/* ---- what is right ---- */

/* The question without its list of options; malloc'd. */
static char *stem_of(const struct ptd_group *g, const struct ptd_options *o)
{
    if (!g->question) return ptd_strdup("");
    size_t n = o->n ? (size_t)(o->option[0].text - g->question) : strlen(g->question);
    return ptd_format("%.*s", (int)n, g->question);
}

unsigned ptd_gold_letters(const char *answer, char **text)
{
    struct ptd_choice c;
    struct ptd_lex *l = ptd_malloc(sizeof *l);
    unsigned letters = 0;
    if (text) *text = NULL;
    if (ptd_lex(l, answer, strlen(answer), 0) == 0 && ptd_choice_gold(l->t, l->n, &c)) {
        letters = c.letters;
        if (text && c.n_rest > 0)
            *text =
                ptd_format("%.*s", c.rest[c.n_rest - 1].end - c.rest->at, l->plain + c.rest->at);
    } else if (ptd_is_letter(answer[0]) && !answer[1]) { /* the name of a point, say */
        letters = ptd_option_bit((char)toupper((unsigned char)answer[0]));
    }
    free(l);
    return letters;
}

/* The option of which the judge takes the text for the answer. */
static unsigned letter_by_text(const char *answer, const struct ptd_options *o)
{
    unsigned letters = 0;
    struct ptd_asked asked = {.answer = answer};
    struct ptd_gold *gold = o->n ? ptd_gold_new(NULL, NULL, &asked) : NULL;
    for (int i = 0; i < o->n && gold && !letters; i++)
        if (ptd_gold_score(gold, o->option[i].text, o->option[i].len, NULL) >= 1)
            letters = ptd_option_bit(o->option[i].letter);
    ptd_gold_free(gold);
    return letters;
}

unsigned ptd_right_options(const struct ptd_group *g, const struct ptd_options *o)
{
    unsigned right = 0, listed = o->n ? ptd_option_bit((char)('A' + o->n)) - 1 : ~0u;
    for (int i = 0; i < ptd_answers_of(g); i++) {
        unsigned letters = ptd_gold_letters(ptd_answer_of(g, i), NULL) & listed;
        right |= letters ? letters : letter_by_text(ptd_answer_of(g, i), o);
    }
    return right;
}

/* ---- letters of options ---- */

/* "A" that begins a sentence as an article: a word in lower case follows that is no verb of
 * judging. */
static int is_article(const char *text, const char *s)
{
    static const char *const verbs[] = {"is",     "was", "fits",  "matches", "seems",
                                        "looks",  "has", "or",    "and",     "must",
                                        "should", "can", "would", "holds",   NULL};
    const char *before = s;
    while (before > text && isspace((unsigned char)before[-1])) before--;
    int begins = before == text || strchr(".!?:;-*\"", before[-1]);
    return *s == 'A' && begins && s[1] == ' ' && islower((unsigned char)s[2]) &&
           !ptd_word_is(ptd_word_at(s + 2), verbs);
}

static int is_sign_of_formula(char c)
{
    return c && strchr("=+-*/^<>_|\\~0123456789", c);
}

/* c = 5, a^2, 5 g, e.g.: no option. */
static int is_in_formula(const char *text, const char *s)
{
    const char *before = s, *after = s + 1 + strspn(s + 1, " ");
    while (before > text && before[-1] == ' ') before--;
    if (s[1] == '.' && ptd_is_letter(s[2])) return 1;
    if (s > text + 1 && s[-1] == '.' && ptd_is_letter(s[-2])) return 1;
    return (before > text && is_sign_of_formula(before[-1])) || is_sign_of_formula(*after);
}

/* "is a.": an article has a word behind it. */
static int stands_last(const char *text, const char *s)
{
    static const char *const verbs[] = {"is",   "be",  "was",  "pick", "choose", "select",
                                        "take", "say", "mark", "as",   "with",   NULL};
    struct ptd_word before = ptd_word_before(text, s);
    const char *after = s + 1 + strspn(s + 1, " ");
    return (!*after || strchr(".,;:!?", *after)) && (!before.n || ptd_word_is(before, verbs));
}

/* A letter in lower case that is no name of a side or a value. */
static int names_in_lower_case(const char *text, const char *s)
{
    static const char *const kinds[] = {"option", "choice", "answer", "letter", NULL};
    static const char *const named[] = {"side",   "sides",  "angle",   "line",     "point",
                                        "edge",   "vertex", "segment", "variable", "length",
                                        "height", "width",  "base",    "radius",   NULL};
    static const char *const chinese[] = {"\xe9\x80\x89",
                                          "\xe9\x80\x89\xe9\xa1\xb9",
                                          "\xe7\xad\x94\xe6\xa1\x88",
                                          "\xe6\x98\xaf",
                                          "\xe4\xb8\xba",
                                          "\xe6\x8b\xa9",
                                          NULL};
    if (s[1] == ')' || (s > text && (s[-1] == '(' || s[-1] == '['))) return 1;
    struct ptd_word before = ptd_word_before(text, s);
    if (ptd_word_is(before, kinds) || ptd_word_ends(before, chinese)) return 1;
    if (*s == 'a' || *s == 'i') return stands_last(text, s);
    return !ptd_word_is(before, named) && !is_in_formula(text, s);
}

/* Nothing that makes one word of it: not the s of it's, but 'C' and optionC. */
static int is_alone(const char *text, const char *s)
{
    static const char *const glued[] = {"option", "choice", NULL};
    char before = s > text ? s[-1] : ' ';
    if (ptd_is_word(s[1])) return 0;
    if (ptd_is_word(before))
        return isupper((unsigned char)*s) && ptd_word_is(ptd_word_before(text, s), glued);
    return before == '\'' ? s[1] == '\'' : s[1] != '\'';
}

/* The letter alone at s that stands for an option; 0: none. */
static char option_at(const char *text, const char *s)
{
    if (!ptd_is_letter(*s) || !is_alone(text, s)) return 0;
    int names = isupper((unsigned char)*s) ? !is_article(text, s) : names_in_lower_case(text, s);
    return names ? (char)toupper((unsigned char)*s) : 0;
}

/* Behind what may stand between two letters of one list. */
static const char *behind_gap(const char *s)
{
    static const char *const words[] = {"and",          "or",           "vs",           "versus",
                                        "with",         "to",           "option",       "options",
                                        "\xe5\x92\x8c", "\xe6\x88\x96", "\xe4\xb8\x8e", NULL};
    for (;;) {
        s += strspn(s, " ,;/&()[].");
        struct ptd_word w = ptd_word_at(s);
        if (!w.n || !ptd_word_is(w, words)) return s;
        s += w.n;
    }
}

/* The letters of the list that begins at s, and where it ends. */
static unsigned list_at(const char *text, const char *s, const char **end)
{
    unsigned letters = 0;
    char c;
    for (*end = s; (c = option_at(text, s)); s = behind_gap(s + 1)) {
        letters |= ptd_option_bit(c);
        *end = s + 1;
    }
    return letters;
}

static unsigned all_of(int options)
{
    return options ? ptd_option_bit((char)('A' + options)) - 1 : 0;
}

/* Only the right ones are left of those named. */
static int leaves_right(unsigned named, unsigned right, unsigned all)
{
    return all && (all & ~right) && (named & all) == (all & ~right);
}

/* "ACD are wrong": a word of all other letters. */
static int is_others_in_a_word(struct ptd_word w, unsigned right, unsigned all)
{
    unsigned named = 0;
    for (size_t i = 0; i < w.n; i++) {
        if (w.s[i] < 'A' || w.s[i] > 'J') return 0;
        named |= ptd_option_bit(w.s[i]);
    }
    return w.n > 1 && leaves_right(named, right, all);
}

/* A right letter, unless in a list of all options; or all the others, denied. */
static int tells_letter(const char *text, unsigned right, int options)
{
    unsigned all = all_of(options), named = 0;
    const char *end;
    for (const char *s = text; *s; s++) {
        unsigned letters = list_at(text, s, &end);
        if ((s == text || !ptd_is_word(s[-1])) && ptd_words_deny(text) &&
            is_others_in_a_word(ptd_word_at(s), right, all))
            return 1;
        if (!letters) continue;
        if (letters & right && letters != all) return 1;
        named |= letters;
        s = end - 1;
    }
    return leaves_right(named, right, all) && (options > 2 || ptd_words_deny(text));
}

/* The same for options named by their place: option 3, the third one. */
static int tells_place(const char *text, unsigned right, int options)
{
    unsigned named = ptd_places_named(text, options), all = all_of(options);
    if (named & right && named != all) return 1;
    return leaves_right(named, right, all) && ptd_words_deny(text);
}

int ptd_rule_option_letter(const char *hint, const struct ptd_group *g)
{
    struct ptd_options o;
    ptd_options_read(g->question, &o);
    unsigned right = ptd_right_options(g, &o);
    if (!right) return 0;
    char *text = ptd_values_spread(hint, strlen(hint));
    int found = tells_letter(text, right, o.n) || tells_place(text, right, o.n);
    free(text);
    return found;
}

static int holds_option(const char *t, const struct ptd_option *o)
{
    return ptd_searched_holds(t, o->text, o->len);
}

static int has_digit(const struct ptd_option *o)
{
    for (size_t i = 0; i < o->len; i++)
        if (o->text[i] >= '0' && o->text[i] <= '9') return 1;
    return 0;
}

/* Of texts that the stem holds, too, one is told only where not all are named. */
static int tells_text(const char *hint, const char *stem, unsigned right,
                      const struct ptd_options *o)
{
    char *h = ptd_searched(hint), *s = ptd_searched(stem);
    unsigned named = 0, asked = 0, digits = 0, all = all_of(o->n);
    for (int i = 0; i < o->n; i++) {
        if (holds_option(h, &o->option[i])) named |= ptd_option_bit(o->option[i].letter);
        if (holds_option(s, &o->option[i])) asked |= ptd_option_bit(o->option[i].letter);
        if (has_digit(&o->option[i])) digits |= ptd_option_bit(o->option[i].letter);
    }
    free(h);
    free(s);
    if (named & right & ~asked) return 1;
    if (named & right & ~digits && named != all) return 1; /* numbers have their own rule */
    int others = __builtin_popcount(named & ~asked);
    return leaves_right(named, right, all) && (others > 1 || ptd_words_deny(hint));
}

/* The texts or values of all others, denied. */
static int leaves_value(const char *hint, unsigned right, const struct ptd_options *o)
{
    unsigned named = 0;
    if (!ptd_words_deny(hint)) return 0;
    char *h = ptd_searched(hint);
    for (int i = 0; i < o->n; i++) {
        char *text = ptd_format("%.*s", (int)o->option[i].len, o->option[i].text);
        if (ptd_says_number(hint, text, NULL, 1) || holds_option(h, &o->option[i]))
            named |= ptd_option_bit(o->option[i].letter);
        free(text);
    }
    free(h);
    return leaves_right(named, right, all_of(o->n));
}

/* What one right option is, said as a number, a formula or a verdict. */
static int says_option(const char *hint, const struct ptd_option *o, const char *stem)
{
    char *text = ptd_format("%.*s", (int)o->len, o->text);
    int found = ptd_is_verdict(text) ? ptd_says_verdict(hint)
                                     : ptd_says_number(hint, text, stem, 0) ||
                                           ptd_says_right(hint, NULL, text, stem);
    free(text);
    return found;
}

/* Are all options words that can be looked for? */
static int are_words(const struct ptd_options *o)
{
    int yes = 1;
    for (int i = 0; i < o->n && yes; i++) {
        char *text = ptd_format("%.*s", (int)o->option[i].len, o->option[i].text);
        yes = !ptd_is_number(text) && !ptd_is_verdict(text);
        free(text);
    }
    return yes;
}

int ptd_rule_option_text(const char *hint, const struct ptd_group *g)
{
    struct ptd_options o;
    ptd_options_read(g->question, &o);
    unsigned right = o.n ? ptd_right_options(g, &o) : 0;
    if (!right) return 0;
    char *stem = stem_of(g, &o);
    int found =
        (are_words(&o) && tells_text(hint, stem, right, &o)) || leaves_value(hint, right, &o);
    for (int i = 0; i < o.n && !found; i++)
        found = right & ptd_option_bit(o.option[i].letter) && says_option(hint, &o.option[i], stem);
    free(stem);
    return found;
}
