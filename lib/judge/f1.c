/* f1: lists by F1, 2 pairs / (entries of the gold + entries of the answer).
 *
 * Entries stand between commas, semicolons or line ends (bullets and numbers before them left out),
 * in brackets and quotes or not, in any order; "a, b and c" has three if that fits the gold better.
 * A comma between digits with three behind it belongs to the number where other commas have blanks
 * behind them, or something else separates: "1,234, 5", "1,234; 5". An entry goes with one of the
 * gold's that the rule `number` (where the gold's is one) or `exact`, an article in front aside,
 * takes for it, each with one. Lines with bullets or numbers that end a response without box and
 * tag are its answer. */
#include "base/err.h"
#include "judge/match.h"
#include "judge/number.h"
#include "judge/places.h"
#include "judge/rows.h"
#include "judge/span.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES      PTD_MATCH_MAX
#define NUMBER_BYTES 64
#define ENTRY_BYTES  80 /* of a line in a list that nothing marks */
#define ENTRY_WORDS  4

static const char too_long[] = "too long", too_many[] = "too many entries";

struct list {
    char *entry[ENTRIES]; /* inside of a text that is somebody's */
    int n, quoted;
    const char *bad;
};

/* A text split in both ways. */
struct lists {
    char *text[2];
    struct list way[2];
};

struct golds {
    struct lists lists;
    char *normal[2][ENTRIES];            /* of each entry */
    struct ptd_gold *number[2][ENTRIES]; /* of those that are one */
};

/* ---- splitting ---- */

static char *trim(char *s, char *end)
{
    while (s < end && strchr(" \t\r\n", *s)) s++;
    while (end > s && strchr(" \t\r\n", end[-1])) end--;
    *end = '\0';
    return s;
}

/* Behind the bullet or number that a line begins with. */
static char *behind_bullet(char *s)
{
    size_t n = strspn(s, "0123456789");
    if (n && s[n] && strchr(".)", s[n]) && s[n + 1] == ' ') return s + n + 2;
    if (*s && strchr("-*+", *s) && s[1] == ' ') return s + 2;
    return strncmp(s, "\xe2\x80\xa2", 3) == 0 ? s + 3 : s;
}

/* Without ** around it. */
static char *without_stars(char *s)
{
    size_t n = strlen(s);
    if (n < 5 || strncmp(s, "**", 2) || strcmp(s + n - 2, "**")) return s;
    s[n - 2] = '\0';
    return s + 2;
}

static void add(struct list *l, char *s, char *end)
{
    s = without_stars(trim(s, end));
    size_t n = strlen(s);
    int quoted = n >= 2 && strchr("\"'", *s) && s[n - 1] == *s;
    if (quoted) s[n - 1] = '\0', s++;
    l->quoted |= quoted;
    if (!*s && !quoted) return;
    if (l->n == ENTRIES)
        l->bad = too_many;
    else
        l->entry[l->n++] = s;
}

/* Nothing but commas separates, and none of them has a blank or a line's end behind it. */
static int has_tight_commas_only(const char *s)
{
    if (strpbrk(s, ";\n")) return 0;
    for (; (s = strchr(s, ',')); s++)
        if (s[1] && strchr(" \t\r\n", s[1])) return 0;
    return 1;
}

static int is_thousands(const char *text, const char *s)
{
    return s > text && strspn(s - 1, "0123456789") == 1 && strspn(s + 1, "0123456789") == 3;
}

/* Bytes of the separator that begins here; 0: none. */
static size_t separator(const char *text, const char *s, int tight, int words)
{
    if (words && strncmp(s, ", and ", 6) == 0) return 6;
    if (*s == ',' && (tight || !is_thousands(text, s))) return 1;
    if (strchr(";\n", *s)) return 1;
    if (strncmp(s, "\xe3\x80\x81", 3) == 0) return 3;
    return words && strncmp(s, " and ", 5) == 0 ? 5 : 0;
}

/* How much deeper in brackets one is behind c. */
static int deeper(char c)
{
    return strchr("([{", c) ? 1 : strchr(")]}", c) ? -1 : 0;
}

/* The bracket that s begins with closes at the very end. */
static int encloses(const char *s)
{
    int depth = 0;
    for (; *s; s++)
        if ((depth += deeper(*s)) == 0) return s[1] == '\0';
    return 0;
}

/* The brackets around all of it, left out. */
static char *inside(char *s)
{
    static const char *const open[] = {"\\left\\{", "\\left[", "\\left(", "\\{",
                                       "[",         "{",       "(",       NULL};
    static const char *const close[] = {"\\right\\}", "\\right]", "\\right)", "\\}", "]", "}", ")"};
    size_t n = strlen(s);
    for (int i = 0; open[i]; i++) {
        size_t a = strlen(open[i]), b = strlen(close[i]);
        if (n < a + b || strncmp(s, open[i], a) || strcmp(s + n - b, close[i])) continue;
        if (a == 1 && !encloses(s)) continue;
        s[n - b] = '\0';
        return trim(s + a, s + n - b);
    }
    return s;
}

/* Behind the blanks, and the bullet of a new line, that follow a separator; there an entry begins.
 */
static char *next_entry(char *s, int line)
{
    s += strspn(s, " \t\r");
    return line ? behind_bullet(s) : s;
}

/* Behind the quoted text that the entry at s is, or s. */
static char *skip_quoted(char *s)
{
    char *end = *s && strchr("\"'", *s) ? strchr(s + 1, *s) : NULL;
    return end ? end + 1 : s;
}

static void split(struct list *l, char *text, int words)
{
    text = inside(trim(text, text + strlen(text)));
    int tight = has_tight_commas_only(text), depth = 0;
    char *from = next_entry(text, 1), *s = skip_quoted(from);
    while (*s && !l->bad) {
        size_t n = depth ? 0 : separator(text, s, tight, words);
        if (n) {
            char *next = next_entry(s + n, *s == '\n');
            add(l, from, s);
            s = skip_quoted(from = next);
        } else {
            depth += deeper(*s++);
            if (depth < 0) depth = 0;
        }
    }
    if (!l->bad) add(l, from, s);
}

static const char *read_lists(struct lists *l, const char *s, size_t n)
{
    for (int k = 0; k < 2; k++) {
        if (!(l->text[k] = ptd_places_plain(s, n))) return too_long;
        split(&l->way[k], l->text[k], k);
        if (l->way[k].bad) return l->way[k].bad;
    }
    return NULL;
}

static void clear_lists(struct lists *l)
{
    for (int k = 0; k < 2; k++) free(l->text[k]);
}

/* ---- the rule ---- */

static char *without_article(char *normal)
{
    static const char *const articles[] = {"the ", "a ", "an "};
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(articles[i]);
        if (strncmp(normal, articles[i], n) || strlen(normal) < n + 2) continue;
        memmove(normal, normal + n, strlen(normal + n) + 1);
        break;
    }
    return normal;
}

/* The normal forms of a list's entries; an entry that is a number is judged as one. */
static void normalise(char *normal[ENTRIES], const struct list *l)
{
    for (int i = 0; i < l->n; i++)
        normal[i] = without_article(ptd_text_normal(l->entry[i], strlen(l->entry[i])));
}

static void free_normal(char *normal[ENTRIES])
{
    for (int i = 0; i < ENTRIES; i++) free(normal[i]);
}

static void clear(void *gold)
{
    struct golds *g = gold;
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < ENTRIES; i++) ptd_gold_free(g->number[k][i]);
        free_normal(g->normal[k]);
    }
    clear_lists(&g->lists);
    free(g);
}

static struct ptd_gold *number_of(const char *entry, const struct ptd_judge_settings *set)
{
    struct ptd_rational r;
    if (strlen(entry) > NUMBER_BYTES || !ptd_number_parse(entry, strlen(entry), &r)) return NULL;
    return ptd_gold_new(ptd_judge_named("number"), set, &(struct ptd_asked){.answer = entry});
}

static void *ready(const struct ptd_asked *asked, const char *answer,
                   const struct ptd_judge_settings *set)
{
    struct golds *g = ptd_alloc(sizeof *g);
    const char *bad = read_lists(&g->lists, answer, strlen(answer));
    if (bad) {
        clear(g);
        ptd_fail(PTD_DATAERR, "\"%.60s\": %s, expected a list of at most %d", answer, bad, ENTRIES);
        return NULL;
    }
    for (int k = 0; k < 2; k++) {
        normalise(g->normal[k], &g->lists.way[k]);
        for (int i = 0; i < g->lists.way[k].n; i++)
            g->number[k][i] = number_of(g->lists.way[k].entry[i], set);
    }
    return g;
}

static int fits(const struct golds *g, int way, int i, const char *entry, const char *normal)
{
    if (strcmp(g->normal[way][i], normal) == 0) return 1;
    size_t len = strlen(entry);
    return g->number[way][i] && len <= NUMBER_BYTES &&
           ptd_gold_score(g->number[way][i], entry, len, NULL) == 1;
}

static double f1(const struct golds *g, int way, const struct list *found, char *normal[ENTRIES])
{
    double pairs[ENTRIES * ENTRIES];
    int n = g->lists.way[way].n, m = found->n;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < m; j++) pairs[i * m + j] = fits(g, way, i, found->entry[j], normal[j]);
    return n + m ? 2 * ptd_match(pairs, n, m) / (n + m) : 1;
}

static double score(const void *gold, const char *answer, size_t len,
                    const struct ptd_judge_settings *set, const char **reason)
{
    const struct golds *g = gold;
    struct lists found = {0};
    double best = 0;
    *reason = read_lists(&found, answer, len);
    for (int k = 0; k < 2 && !*reason && best < 1; k++) {
        char *normal[ENTRIES] = {0};
        normalise(normal, &found.way[k]);
        for (int way = 0; way < 2; way++) best = fmax(best, f1(g, way, &found.way[k], normal));
        free_normal(normal);
    }
    clear_lists(&found);
    return best;
}

/* ---- a list that nothing marks ---- */

/* Where the last line of [s, end) begins, and in *line what it says. */
static const char *last_line(const char *s, const char *end, struct ptd_span *line)
{
    const char *newline = memrchr(s, '\n', (size_t)(end - s));
    const char *from = newline ? newline + 1 : s;
    *line = ptd_trimmed(ptd_span_of(from, end));
    return from;
}

/* Of few words behind its bullet: an entry, and no step of a solution. */
static int is_entry(struct ptd_span line)
{
    char text[ENTRY_BYTES + 1];
    int words = 0;
    if (line.len > ENTRY_BYTES) return 0;
    memcpy(text, line.s, line.len);
    text[line.len] = '\0';
    const char *s = behind_bullet(text);
    if (s == text || strpbrk(s, ":=")) return 0;
    for (; *(s += strspn(s, " \t")); s += strcspn(s, " \t")) words++;
    return words > 0 && words <= ENTRY_WORDS;
}

static size_t unmarked(const char *text, size_t n)
{
    struct ptd_span line, all = ptd_trimmed((struct ptd_span){text, n});
    const char *s = all.s + all.len;
    size_t list = n;
    for (int lines = 1; s > all.s; lines++) {
        const char *from = last_line(all.s, s, &line);
        if (!is_entry(line)) break;
        if (lines > 1) list = (size_t)(line.s - text);
        s = from > all.s ? from - 1 : from;
    }
    return list;
}

const struct ptd_judge ptd_judge_f1 = {.name = "f1",
                                       .help = "lists, by F1",
                                       .ready = ready,
                                       .score = score,
                                       .clear = clear,
                                       .unmarked = unmarked};
