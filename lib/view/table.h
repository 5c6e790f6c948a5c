/* table: rows of cells as text for people, as Markdown, CSV or LaTeX.
 *
 *     struct ptd_table t = {.form = PTD_TABLE_TEXT};
 *     ptd_table_column(&t, "category"), ptd_table_column(&t, "pass@1"), ptd_table_column(&t, NULL);
 *     ptd_table_text(&t, "cmax"), ptd_table_share(&t, 0.353), ptd_table_range(&t, 0.17, 0.59);
 *     ptd_table_print(&t);        // and clears it
 *
 * Cells are given row by row. Text says shares in percent, "35.3%", and a range as "17.3-58.7"
 * under "95 % range"; CSV has the numbers themselves (0.353), a range as two columns, "pass@1 low"
 * and "pass@1 high", after the column before it. What is NAN is "-", in CSV nothing. Texts are
 * escaped as printable.h says and as the form needs; those of more than 64 columns lose their
 * middle, but in CSV. The first column is set left, the others right. LaTeX needs booktabs. */
#ifndef PTD_TABLE_H
#define PTD_TABLE_H

enum ptd_table_form { PTD_TABLE_TEXT, PTD_TABLE_MARKDOWN, PTD_TABLE_CSV, PTD_TABLE_LATEX };
struct ptd_table {
    int form;
    unsigned left; /* bit i: column i is set left, too */
    char **cell;   /* headings, then rows; as they are printed */
    int n, cap, columns;
};
/* heading NULL: the column is a range, of what stands before it */
void ptd_table_column(struct ptd_table *t, const char *heading);
void ptd_table_text(struct ptd_table *t, const char *text);
void ptd_table_words(struct ptd_table *t, const char *text); /* whole, however long */
void ptd_table_general(struct ptd_table *t, double x);       /* six digits */
void ptd_table_count(struct ptd_table *t, long n);
void ptd_table_share(struct ptd_table *t, double x);
void ptd_table_number(struct ptd_table *t, double x, int digits);
void ptd_table_range(struct ptd_table *t, double lo, double hi);
/* of shares, with their signs: "+1.2 to +8.6"; in CSV as any range */
void ptd_table_difference(struct ptd_table *t, double x);
void ptd_table_differences(struct ptd_table *t, double lo, double hi);
void ptd_table_print(struct ptd_table *t);
#endif
