/* spoiler_place: does a hint name as many places as the question wants counted, or numbers that
 * come to as many? */
#include "method/hint/spoiler_private.h"
#include "method/hint/values.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- places ---- */

static int asks_how_many(const char *question)
{
    static const char *const chinese[] = {"\xe5\xa4\x9a\xe5\xb0\x91", "\xe6\x95\xb0\xe9\x87\x8f",
                                          "\xe4\xb8\xaa\xe6\x95\xb0", NULL}; /* duoshao ... */
    static const char *const count[] = {"count", "counts", NULL};
    const char *ji = strstr(question, "\xe5\x87\xa0"); /* how many, but for jihe, geometry */
    for (int i = 0; chinese[i]; i++)
        if (strstr(question, chinese[i])) return 1;
    return strcasestr(question, "how many") || strcasestr(question, "number of") ||
           ptd_words_hold(question, count) || (ji && strncmp(ji + 3, "\xe4\xbd\x95", 3) != 0);
}

/* Different cells (a1 to z99) that a text names. */
static int count_cells(const char *text)
{
    char seen[26][100] = {{0}};
    int n = 0;
    for (const char *s = text; *s;) {
        struct ptd_word w = ptd_word_at(s);
        int row = w.n ? tolower((unsigned char)*s) - 'a' : -1, column = w.n > 1 ? atoi(s + 1) : 0;
        if (row >= 0 && row < 26 && w.n >= 2 && w.n <= 3 && column > 0 && s[1] != '0' &&
            strspn(s + 1, "0123456789") == w.n - 1)
            n += !seen[row][column]++;
        s += w.n ? w.n : 1;
    }
    return n;
}

/* Points and boxes: (12, 40), [1, 2, 3, 4]. */
static int count_boxes(const char *text)
{
    int n = 0;
    for (const char *s = text; (s = strpbrk(s, "([")); s++) {
        size_t inside = strspn(s + 1, "0123456789., -%");
        int commas = 0;
        for (size_t i = 1; i <= inside; i++) commas += s[i] == ',';
        n += (commas == 1 || commas == 3) && strchr(")]", s[inside + 1]) && s[inside + 1];
    }
    return n;
}

static int count_labels(const char *hint, const struct ptd_group *g)
{
    int n = 0;
    char *t = ptd_searched(hint);
    for (int i = 0; i < g->n_regions; i++) {
        const char *label = g->regions[i].label;
        int again = 0;
        for (int k = 0; k < i && !again; k++) again = strcmp(g->regions[k].label, label) == 0;
        n += !again && *label && ptd_searched_holds(t, label, strlen(label));
    }
    free(t);
    return n;
}

/* ---- places in words ---- */

#define PLACES 64

struct places {
    struct ptd_word at[PLACES];
    int n;
};

static void put_place(struct places *p, struct ptd_word w)
{
    for (int i = 0; i < p->n; i++)
        if (p->at[i].n == w.n && strncasecmp(p->at[i].s, w.s, w.n) == 0) return;
    if (p->n < PLACES) p->at[p->n++] = w;
}

/* The place that begins at s: top left, bottom-right corner; n 0: none. */
static struct ptd_word english_place(const char *s)
{
    static const char *const words[] = {"top",    "bottom", "left",  "right",   "center",
                                        "centre", "middle", "upper", "lower",   "above",
                                        "below",  "corner", "edge",  "beneath", "north",
                                        "south",  "east",   "west",  "central", NULL};
    struct ptd_word all = {s, 0};
    for (struct ptd_word w = ptd_word_at(s); ptd_word_is(w, words);) {
        all.n = (size_t)(w.s + w.n - s);
        w = ptd_word_at(w.s + w.n + strspn(w.s + w.n, " -"));
    }
    return all;
}

/* The same in Chinese: zuoshang, youxia, zhongjian, zuobian, shangmian. */
static struct ptd_word chinese_place(const char *s)
{
    static const char *const words[] = {"\xe5\xb7\xa6\xe4\xb8\x8a",
                                        "\xe5\xb7\xa6\xe4\xb8\x8b",
                                        "\xe5\x8f\xb3\xe4\xb8\x8a",
                                        "\xe5\x8f\xb3\xe4\xb8\x8b",
                                        "\xe4\xb8\xad\xe9\x97\xb4",
                                        "\xe4\xb8\xad\xe5\xa4\xae",
                                        "\xe4\xb8\xad\xe5\xbf\x83",
                                        "\xe4\xb8\x8a\xe9\x9d\xa2",
                                        "\xe4\xb8\x8b\xe9\x9d\xa2",
                                        "\xe4\xb8\x8a\xe8\xbe\xb9",
                                        "\xe4\xb8\x8b\xe8\xbe\xb9",
                                        "\xe4\xb8\x8a\xe6\x96\xb9",
                                        "\xe4\xb8\x8b\xe6\x96\xb9",
                                        "\xe5\xb7\xa6",
                                        "\xe5\x8f\xb3",
                                        NULL};
    for (int i = 0; words[i]; i++)
        if (strncmp(s, words[i], strlen(words[i])) == 0)
            return (struct ptd_word){s, strlen(words[i])};
    return (struct ptd_word){s, 0};
}

static struct ptd_word place_at(const char *text, const char *s)
{
    int begins = s == text || !ptd_is_word(s[-1]);
    return (unsigned char)*s >= 0x80 ? chinese_place(s)
           : begins                  ? english_place(s)
                                     : (struct ptd_word){s, 0};
}

/* "left to right": behind the word between two places that are a way; NULL: none. */
static const char *behind_way(const char *s)
{
    static const char *const ways[] = {
        "to ",          "side to ", "\xe5\x88\xb0", "\xe8\x87\xb3", "\xe5\xbe\x80",
        "\xe5\x90\x91", NULL}; /* dao, zhi, wang, xiang */
    s += strspn(s, " ");
    for (int i = 0; ways[i]; i++)
        if (strncmp(s, ways[i], strlen(ways[i])) == 0) return s + strlen(ways[i]);
    return NULL;
}

static int count_places(const char *text)
{
    struct places seen = {.n = 0};
    for (const char *s = text, *way; *s;) {
        struct ptd_word w = place_at(text, s), next = {NULL, 0};
        if (w.n && (way = behind_way(w.s + w.n))) next = place_at(text, way + strspn(way, " "));
        if (w.n && !next.n) put_place(&seen, w);
        s = next.n ? next.s + next.n : w.n ? w.s + w.n : s + 1;
    }
    return seen.n;
}

/* ---- sums ---- */

struct sum {
    struct ptd_value_set known; /* the question's numbers */
    double all;
    int n, behind; /* how many; the last's end */
};

/* yi ge, yi zhi: one, though no number in other places */
static int is_one_of_them(const struct ptd_tok *t)
{
    static const char *const measures[] = {
        "\xe4\xb8\xaa", "\xe5\x8f\xaa", "\xe6\x9d\xa1", "\xe5\x9d\x97", "\xe5\xbc\xa0",
        "\xe8\xbe\x86", "\xe5\xa4\xb4", "\xe6\x9c\xb5", "\xe9\xa2\x97", NULL};
    static const char *const one[] = {"\xe4\xb8\x80", NULL};
    return ptd_tok_one_of(t, one) && ptd_tok_has_cjk(t + 1, measures);
}

static int add_all(void *ctx, const struct ptd_piece *p)
{
    struct sum *s = ctx;
    for (int i = 0; i < p->alone; i++) {
        const struct ptd_said_value *v = &p->value[i];
        if (v->from < s->behind || ptd_value_set_has(&s->known, v->v, 0)) continue;
        s->behind = v->to;
        s->all += v->v;
        s->n++;
        if (is_one_of_them(&p->lex.t[v->from])) s->n--, s->all -= 1; /* counted below */
    }
    for (int i = 0; i < p->lex.n; i++)
        if (is_one_of_them(&p->lex.t[i])) s->all += 1, s->n++;
    s->behind = 0;
    return 0;
}

/* Two numbers or more, none of them the question's, that come to n: "2 left, 1 right". */
static int sums_to(const char *hint, const char *question, int n)
{
    struct sum s = {.n = 0};
    ptd_value_set_read(&s.known, question);
    ptd_values_each(hint, add_all, &s);
    ptd_value_set_clear(&s.known);
    return s.n > 1 && s.all == n;
}

/* ---- the rule ---- */

/* The whole number that a text is, 0: it is none. */
static int count_in(const char *text)
{
    struct ptd_value_set v = {0};
    ptd_value_set_read(&v, text);
    int n = v.n == 1 && v.whole == 1 && v.v[0] <= PTD_HINT_MAX ? (int)v.v[0] : 0;
    ptd_value_set_clear(&v);
    return n;
}

static int names_so_many(const char *hint, const struct ptd_group *g, int n)
{
    char *text = ptd_values_spread(hint, strlen(hint));
    int found =
        n > 0 && (count_cells(text) == n || count_boxes(text) == n || count_labels(hint, g) == n ||
                  (n > 1 && count_places(text) == n) || sums_to(hint, g->question, n));
    free(text);
    return found;
}

int ptd_rule_place_count(const char *hint, const struct ptd_group *g)
{
    struct ptd_options o;
    int found = 0;
    if (!g->answer || !g->question || !asks_how_many(g->question)) return 0;
    ptd_options_read(g->question, &o);
    unsigned right = o.n ? ptd_right_options(g, &o) : 0;
    for (int i = 0; i < ptd_answers_of(g) && !found; i++)
        found = names_so_many(hint, g, count_in(ptd_answer_of(g, i)));
    for (int i = 0; i < o.n && !found; i++) {
        char *text = ptd_format("%.*s", (int)o.option[i].len, o.option[i].text);
        found =
            right & ptd_option_bit(o.option[i].letter) && names_so_many(hint, g, count_in(text));
        free(text);
    }
    return found;
}
