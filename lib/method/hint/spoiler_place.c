/* spoiler_place: does a hint name as many places as the question wants counted? */
#include "method/hint/spoiler_private.h"
#include "method/hint/values.h"
#include <stdlib.h>
#include <string.h>

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
        n > 0 && (count_cells(text) == n || count_boxes(text) == n || count_labels(hint, g) == n);
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
