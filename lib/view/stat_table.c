/* stat_table: see stat.h. */
#include "base/err.h"
#include "base/printable.h"
#include "view/stat.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double share(double part, long whole)
{
    return whole ? part / (double)whole : NAN;
}

/* Is the figure a column? pass@1 and mean@K are one number where nothing is graded. */
static int is_shown(const struct ptd_stat *s, const struct ptd_figure *f)
{
    const struct ptd_tally *t = &s->here->total;
    if (f->kind == PTD_MEAN_AT) return s->rules->group > 1 || t->graded;
    return f->kind != PTD_PASS_AT || f->k > 1 || s->rules->n_ks == 1 || s->all_ks || t->graded;
}

/* mean@K comes first. */
static int figure_at(const struct ptd_tally_rules *r, int place)
{
    int mean = r->n_ks;
    return !place ? mean : place <= mean ? place - 1 : place;
}

/* ---- categories ---- */

static void name_figures(struct ptd_table *t, const struct ptd_stat *s)
{
    ptd_table_column(t, "prompts");
    ptd_table_column(t, "responses");
    for (int i = 0; i < s->rules->n_figures; i++) {
        const struct ptd_figure *f = &s->rules->figure[figure_at(s->rules, i)];
        if (!is_shown(s, f)) continue;
        ptd_table_column(t, f->name);
        ptd_table_column(t, NULL);
    }
}

static void put_figures(struct ptd_table *t, const struct ptd_stat *s, const struct ptd_tally *row)
{
    struct ptd_range r[PTD_FIGURES_MAX];
    ptd_tally_ranges(row, s->rules, r);
    ptd_table_count(t, row->prompts);
    ptd_table_count(t, row->n);
    for (int i = 0; i < s->rules->n_figures; i++) {
        int f = figure_at(s->rules, i);
        if (!is_shown(s, &s->rules->figure[f])) continue;
        ptd_table_share(t, r[f].value);
        ptd_table_range(t, r[f].lo, r[f].hi);
    }
}

static void name_form(struct ptd_table *t)
{
    static const char *const names[] = {"format", "no answer", "distinct",
                                        "length", "all-fail",  "all-pass"};
    for (int i = 0; i < 6; i++) ptd_table_column(t, names[i]);
}

static void put_form(struct ptd_table *t, const struct ptd_tally *row)
{
    ptd_table_share(t, share((double)row->form, row->n));
    ptd_table_share(t, share((double)row->unparsable, row->n));
    ptd_table_share(t, share(ptd_answers_different(&row->answers), row->answers.given));
    ptd_table_number(t, share((double)row->tokens, row->n), 1);
    ptd_table_share(t, share((double)row->all_fail, row->prompts));
    ptd_table_share(t, share((double)row->all_pass, row->prompts));
}

static void put_category(struct ptd_table *t, const struct ptd_stat *s, const struct ptd_tally *row,
                         int parts)
{
    ptd_table_text(t, row->name);
    if (parts & 1) put_figures(t, s, row);
    if (parts & 2) put_form(t, row);
}

/* parts: 1 the figures, 2 the form of the answers. */
static void print_categories(const struct ptd_stat *s, int form, int parts)
{
    struct ptd_table t = {.form = form};
    ptd_table_column(&t, "category");
    if (parts & 1) name_figures(&t, s);
    if (parts & 2) name_form(&t);
    for (int i = 0; i < s->here->n; i++) put_category(&t, s, &s->here->row[i], parts);
    put_category(&t, s, &s->here->total, parts);
    ptd_table_print(&t);
}

/* ---- answers ---- */

static void print_answers(const struct ptd_stat *s, int form)
{
    const struct ptd_answers *a = &s->here->total.answers;
    struct ptd_table t = {.form = form};
    int *which = ptd_array((size_t)s->answers + 1, sizeof *which),
        n = ptd_answers_frequent(a, which, s->answers);
    if (!n) {
        free(which);
        return;
    }
    ptd_table_column(&t, "frequent answers");
    ptd_table_column(&t, "given");
    ptd_table_column(&t, "of them right");
    ptd_table_column(&t, "expected");
    for (int i = 0; i < n; i++) {
        const struct ptd_answer_tally *at = &a->at[which[i]];
        ptd_table_text(&t, at->as);
        ptd_table_share(&t, share((double)at->times, s->here->total.n));
        ptd_table_share(&t, share((double)at->right, at->times));
        ptd_table_share(&t, share((double)at->expected, a->groups));
    }
    putchar('\n');
    ptd_table_print(&t);
    free(which);
}

/* What one answer to everything would come to; in text and Markdown. */
static void print_baseline(const struct ptd_stat *s)
{
    const struct ptd_answers *a = &s->here->total.answers;
    int best = ptd_answers_best_guess(a);
    if (best < 0) return;
    char *as = ptd_printable_cut(a->at[best].as, 64);
    int given = ptd_answers_different(a), wanted = ptd_answers_wanted(a);
    printf(
        "\n%d different answer%s given, %d expected; \"%s\" to everything would be %.1f%% right\n",
        given, given == 1 ? "" : "s", wanted, as,
        100 * share((double)a->at[best].expected, a->groups));
    free(as);
}

/* ---- two streams ---- */

static void print_paired(const struct ptd_stat *s, int form)
{
    const struct ptd_paired *p = s->paired;
    struct ptd_table t = {.form = form};
    static const char *const names[] = {"paired", "prompts", "here", "there", "difference", NULL};
    for (int i = 0; i < 6; i++) ptd_table_column(&t, names[i]);
    for (int i = 0; i < s->rules->n_figures; i++) {
        int f = figure_at(s->rules, i);
        if (!is_shown(s, &s->rules->figure[f])) continue;
        ptd_table_text(&t, s->rules->figure[f].name);
        ptd_table_count(&t, p->prompts);
        ptd_table_share(&t, p->here[f].value);
        ptd_table_share(&t, p->there[f].value);
        ptd_table_difference(&t, p->more[f].value);
        ptd_table_differences(&t, p->more[f].lo, p->more[f].hi);
    }
    ptd_table_print(&t);
}

static void print_mcnemar(const struct ptd_stat *s)
{
    const struct ptd_paired *p = s->paired;
    char *there = ptd_printable_cut(s->other, 64);
    printf("\nagainst %s%s: %ld right in both, %ld only here, %ld only there, %ld in none; "
           "McNemar p = %.2g\n",
           there, s->here->total.several ? ", by most votes" : "", p->right_both, p->right_here,
           p->right_there, p->wrong_both, p->p);
    if (p->only_here || p->only_there)
        printf("left out: %ld prompts that are only here, %ld only there\n", p->only_here,
               p->only_there);
    free(there);
}

/* ---- calibration ---- */

static void print_bins(const struct ptd_stat *s, int form)
{
    struct ptd_table t = {.form = form};
    ptd_table_column(&t, "confidence");
    ptd_table_column(&t, "responses");
    ptd_table_column(&t, "mean");
    ptd_table_column(&t, "right");
    ptd_table_column(&t, NULL);
    for (int i = 0; i < PTD_BINS; i++) {
        const struct ptd_calibration_bin *b = &s->calibration->bin[i];
        char name[32];
        snprintf(name, sizeof name, "%.1f-%.1f", (double)i / PTD_BINS, (double)(i + 1) / PTD_BINS);
        ptd_table_text(&t, name);
        ptd_table_count(&t, b->n);
        ptd_table_share(&t, b->confidence);
        ptd_table_share(&t, b->right.value);
        ptd_table_range(&t, b->right.lo, b->right.hi);
    }
    ptd_table_print(&t);
}

static void print_calibration(const struct ptd_stat *s)
{
    const struct ptd_calibrated *c = s->calibration;
    char auroc[32] = "-";
    if (!isnan(c->auroc)) snprintf(auroc, sizeof auroc, "%.3f", c->auroc);
    printf(
        "\nconfidence by %s: mean %.1f%%, right %.1f%%; ECE %.1f%%, Brier score %.3f, AUROC %s\n",
        s->sure_by, 100 * c->confidence, 100 * c->right, 100 * c->ece, c->brier, auroc);
}

/* ---- all of it ---- */

static void print_csv(const struct ptd_stat *s)
{
    if (s->calibration)
        print_bins(s, PTD_TABLE_CSV);
    else if (s->paired)
        print_paired(s, PTD_TABLE_CSV);
    else
        print_categories(s, PTD_TABLE_CSV, 3);
}

void ptd_stat_print(const struct ptd_stat *s, int form)
{
    int words = form != PTD_TABLE_LATEX, several = s->rules->group > 1;
    if (form == PTD_TABLE_CSV) {
        print_csv(s);
        return;
    }
    print_categories(s, form, several ? 1 : 3);
    if (several) putchar('\n'), print_categories(s, form, 2);
    if (s->answers) print_answers(s, form);
    if (s->answers && words) print_baseline(s);
    if (s->paired) putchar('\n'), print_paired(s, form);
    if (s->paired && words) print_mcnemar(s);
    if (s->calibration) putchar('\n'), print_bins(s, form);
    if (s->calibration && words) print_calibration(s);
}
