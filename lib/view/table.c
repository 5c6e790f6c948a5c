/* table: see table.h. */
#include "view/table.h"
#include "base/err.h"
#include "base/printable.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDEST 64

static void put(struct ptd_table *t, char *cell)
{
    if (t->n == t->cap) {
        t->cap = 2 * t->cap + 64;
        t->cell = ptd_realloc(t->cell, (size_t)t->cap * sizeof *t->cell);
    }
    t->cell[t->n++] = cell;
}

void ptd_table_column(struct ptd_table *t, const char *heading)
{
    if (heading || t->form != PTD_TABLE_CSV) {
        put(t, ptd_strdup(heading ? heading : "95 % range"));
    } else {
        const char *of = t->cell[t->n - 1];
        put(t, ptd_format("%s low", of));
        put(t, ptd_format("%s high", of));
    }
    t->columns = t->n;
}

void ptd_table_text(struct ptd_table *t, const char *text)
{
    put(t, t->form == PTD_TABLE_CSV ? ptd_printable(text) : ptd_printable_cut(text, WIDEST));
}

void ptd_table_words(struct ptd_table *t, const char *text)
{
    put(t, ptd_printable(text));
}

static void put_nothing(struct ptd_table *t)
{
    put(t, ptd_strdup(t->form == PTD_TABLE_CSV ? "" : "-"));
}

void ptd_table_count(struct ptd_table *t, long n)
{
    put(t, ptd_format("%ld", n));
}

void ptd_table_number(struct ptd_table *t, double x, int digits)
{
    if (isnan(x))
        put_nothing(t);
    else
        put(t, t->form == PTD_TABLE_CSV ? ptd_format("%.9g", x) : ptd_format("%.*f", digits, x));
}

void ptd_table_general(struct ptd_table *t, double x)
{
    put(t, ptd_format("%.6g", x));
}

/* A share, in percent with a sign or a percent sign behind it; in CSV itself. */
static void put_share(struct ptd_table *t, double x, int sign)
{
    if (isnan(x))
        put_nothing(t);
    else if (t->form == PTD_TABLE_CSV)
        put(t, ptd_format("%.9g", x));
    else
        put(t, ptd_format(sign ? "%+.1f" : "%.1f%%", 100 * x));
}

void ptd_table_share(struct ptd_table *t, double x)
{
    put_share(t, x, 0);
}

void ptd_table_difference(struct ptd_table *t, double x)
{
    put_share(t, x, 1);
}

static void put_range(struct ptd_table *t, double lo, double hi, int sign)
{
    if (t->form == PTD_TABLE_CSV) {
        ptd_table_share(t, lo);
        ptd_table_share(t, hi);
    } else if (isnan(lo) || isnan(hi)) {
        put_nothing(t);
    } else {
        put(t, ptd_format(sign ? "%+.1f to %+.1f" : "%.1f-%.1f", 100 * lo, 100 * hi));
    }
}

void ptd_table_range(struct ptd_table *t, double lo, double hi)
{
    put_range(t, lo, hi, 0);
}

void ptd_table_differences(struct ptd_table *t, double lo, double hi)
{
    put_range(t, lo, hi, 1);
}

/* ---- printing ---- */

static void pad(int n)
{
    printf("%*s", n > 0 ? n : 0, "");
}

static void print_text(const struct ptd_table *t)
{
    int *width = ptd_array((size_t)t->columns + 1, sizeof *width);
    for (int i = 0; i < t->n; i++) {
        int w = ptd_printable_width(t->cell[i]);
        if (w > width[i % t->columns]) width[i % t->columns] = w;
    }
    for (int i = 0; i < t->n; i++) {
        int column = i % t->columns, blank = width[column] - ptd_printable_width(t->cell[i]),
            left = !column || (column < 32 && t->left >> column & 1),
            last = column == t->columns - 1;
        if (column) pad(2 + (left ? 0 : blank));
        fputs(t->cell[i], stdout);
        if (left && !last) pad(blank);
        if (last) putchar('\n');
    }
    free(width);
}

/* With an escape before, or an entity for, what the form reads as its own. */
static void print_escaped(const char *s, const char *special, const char *const *instead)
{
    for (; *s; s++) {
        const char *at = strchr(special, *s);
        if (at)
            fputs(instead[at - special], stdout);
        else
            putchar(*s);
    }
}

static void print_markdown(const struct ptd_table *t)
{
    static const char *const instead[] = {"\\|", "\\\\", "&lt;", "\\*", "\\_", "\\`", "&amp;"};
    for (int i = 0; i < t->n; i++) {
        fputs("| ", stdout);
        print_escaped(t->cell[i], "|\\<*_`&", instead);
        fputs(" ", stdout);
        if ((i + 1) % t->columns) continue;
        puts("|");
        if (i + 1 > t->columns) continue;
        for (int k = 0; k < t->columns; k++) fputs(k ? "|---:" : "|---", stdout);
        puts("|");
    }
}

static void print_csv(const struct ptd_table *t)
{
    for (int i = 0; i < t->n; i++) {
        const char *s = t->cell[i];
        int quoted = strpbrk(s, ",\"") || *s == ' ';
        if (quoted) putchar('"');
        for (; *s; s++) {
            if (*s == '"') putchar('"');
            putchar(*s);
        }
        if (quoted) putchar('"');
        putchar((i + 1) % t->columns ? ',' : '\n');
    }
}

static void print_latex(const struct ptd_table *t)
{
    static const char *const instead[] = {"\\#",
                                          "\\$",
                                          "\\%",
                                          "\\&",
                                          "\\_",
                                          "\\{",
                                          "\\}",
                                          "\\textasciitilde{}",
                                          "\\textasciicircum{}",
                                          "\\textbackslash{}",
                                          "\\textless{}",
                                          "\\textgreater{}",
                                          "\\textbar{}"};
    fputs("\\begin{tabular}{l", stdout);
    for (int k = 1; k < t->columns; k++) putchar('r');
    puts("}\n\\toprule");
    for (int i = 0; i < t->n; i++) {
        print_escaped(t->cell[i], "#$%&_{}~^\\<>|", instead);
        fputs((i + 1) % t->columns ? " & " : " \\\\\n", stdout);
        if (i + 1 == t->columns) puts("\\midrule");
    }
    puts("\\bottomrule\n\\end{tabular}");
}

void ptd_table_print(struct ptd_table *t)
{
    static void (*const printers[])(const struct ptd_table *) = {print_text, print_markdown,
                                                                 print_csv, print_latex};
    printers[t->form](t);
    for (int i = 0; i < t->n; i++) free(t->cell[i]);
    free(t->cell);
    *t = (struct ptd_table){.form = t->form};
}
