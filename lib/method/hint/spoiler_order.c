/* spoiler_order: options that a hint names by their place: option 3, the third one, #3. */
#include "judge/numeral.h"
#include "method/hint/spoiler_private.h"
#include "method/hint/values.h"
#include <stdlib.h>

typedef const struct ptd_tok *tok;
struct named { /* what a piece of a hint is read into */
    unsigned letters;
    int options; /* how many the question lists, 0: none */
};

static int is_end(tok t)
{
    return t->kind == PTD_T_END || t->kind == '.' || t->kind == '!';
}

/* The number that begins at t, 1 to PTD_OPTIONS, and behind it; 0: none. */
static int small_number(tok t, tok end, tok *behind)
{
    struct ptd_ratio r;
    int n = t->kind == PTD_T_NUM ? 1 : ptd_numeral_read(t, (int)(end - t), &r);
    if (n == 0) return 0;
    *behind = t + n;
    if (t->kind == PTD_T_NUM) return t->n <= 2 && atoi(t->s) <= PTD_OPTIONS ? atoi(t->s) : 0;
    return r.den == 1 && r.num <= PTD_OPTIONS ? (int)r.num : 0;
}

/* option 3, option number three, #3 */
static int by_number(tok t, tok end, int options, tok *behind)
{
    static const char *const kinds[] = {"option", "choice", "\xe9\x80\x89\xe9\xa1\xb9", NULL};
    static const char *const number[] = {"number", "no", NULL};
    if (t->kind == '#' && options) return small_number(t + 1, end, behind);
    if (!ptd_tok_one_of(t, kinds)) return 0;
    for (t++; ptd_tok_one_of(t, number) || t->kind == '#' || t->kind == '.';) t++;
    return small_number(t, end, behind);
}

/* first, 2nd, last, last but one; -1: the last, -2: the one before it */
static int ordinal(tok t, tok *behind)
{
    static const char *const words[] = {"first", "second",  "third",  "fourth", "fifth",
                                        "sixth", "seventh", "eighth", "ninth",  "tenth"};
    static const char *const endings[] = {"st", "nd", "rd", "th", NULL};
    *behind = t + 1;
    for (int i = 0; i < PTD_OPTIONS; i++)
        if (ptd_tok_is(t, words[i])) return i + 1;
    if (ptd_tok_is(t, "last") && ptd_tok_is(t + 1, "but") && ptd_tok_is(t + 2, "one"))
        return *behind = t + 3, -2;
    if (ptd_tok_is(t, "last")) return -1;
    if (t->kind != PTD_T_NUM || t[1].spaced || !ptd_tok_one_of(t + 1, endings)) return 0;
    return *behind = t + 2, t->n <= 2 ? atoi(t->s) : 0;
}

/* the third option, the third one, take the third. */
static int by_order(tok t, int options, tok *behind)
{
    static const char *const kinds[] = {"option", "choice", "answer", "candidate", NULL};
    int v = ordinal(t, behind);
    if (!v || ptd_tok_one_of(*behind, kinds)) return v;
    return options && (ptd_tok_is(*behind, "one") || is_end(*behind)) ? v : 0;
}

/* di san ge, di 3 xiang, zuihou yi ge: with nothing behind that says of what */
static int by_chinese_order(tok t, tok end, int options, tok *behind)
{
    static const char *const di[] = {"\xe7\xac\xac", NULL};
    static const char *const last[] = {"\xe6\x9c\x80\xe5\x90\x8e", NULL};
    static const char *const kinds[] = {"\xe4\xb8\xaa",
                                        "\xe9\xa1\xb9",
                                        "\xe9\x80\x89\xe9\xa1\xb9",
                                        "\xe4\xb8\xaa\xe9\x80\x89\xe9\xa1\xb9",
                                        "\xe4\xb8\xaa\xe7\xad\x94\xe6\xa1\x88",
                                        "\xe4\xb8\xaa\xe6\xad\xa3\xe7\xa1\xae",
                                        "\xe9\xa1\xb9\xe6\xad\xa3\xe7\xa1\xae",
                                        "\xe4\xb8\xaa\xe6\x98\xaf\xe5\xaf\xb9\xe7\x9a\x84",
                                        "\xe4\xb8\xaa\xe5\xaf\xb9",
                                        NULL};
    struct ptd_word w = {t->s, t->kind == PTD_T_WORD ? t->n : 0};
    int is_last = ptd_word_ends(w, last);
    if (!options || (!is_last && !ptd_word_ends(w, di))) return 0;
    int v = small_number(t + 1, end, behind);
    return !v || !ptd_tok_one_of(*behind, kinds) ? 0 : is_last ? -1 : v;
}

static int read_piece(void *ctx, const struct ptd_piece *p)
{
    struct named *named = ctx;
    tok end = p->lex.t + p->lex.n, behind;
    for (tok t = p->lex.t; t < end; t++) {
        int v = by_number(t, end, named->options, &behind);
        if (!v) v = by_order(t, named->options, &behind);
        if (!v) v = by_chinese_order(t, end, named->options, &behind);
        if (v < 0) v += named->options + 1;
        if (v > 0 && v <= PTD_OPTIONS) named->letters |= ptd_option_bit((char)('A' + v - 1));
    }
    return 0;
}

unsigned ptd_places_named(const char *hint, int options)
{
    struct named named = {.options = options};
    ptd_values_each(hint, read_piece, &named);
    return named.letters;
}
