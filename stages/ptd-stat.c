/* ptd-stat: how good is the policy? A table of accuracies by category from a verified stream. Reads
 * category, rollouts' accuracy, format, outcome, stop, ids; writes a table or one JSON object, no
 * stream. */
#include "base/escape.h"
#include "base/interval.h"
#include "base/output.h"
#include "base/printable.h"
#include "flow/filter.h"
#include "view/show.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDEST 64 /* columns of a name; a longer one loses its middle */

static struct {
    int k, json, width;
} opt = {.width = 8}; /* width: of the names */
static const struct ptd_opt options[] = {
    {"pass-k", 'k', PTD_OPT_INT, &opt.k, "K", "tries that pass@K allows (0: the group size)", 0,
     1 << 20},
    {"json", 0, PTD_OPT_FLAG, &opt.json, NULL, "one JSON object instead of the table", 0, 0},
    {0}};
static const struct ptd_usage usage = {
    "ptd-stat", "[FILE]", "accuracy by category, with intervals, from a verified stream",
    "ptd-rollout -s run.ptd --greedy test.jsonl | ptd-verify | ptd-stat\n"
    "ptd-rollout -s run.ptd -g latest -G 8 test.jsonl | ptd-verify | ptd-stat --pass-k 4",
    options};

struct tally {
    char *name; /* as key_of makes it */
    long prompts, n, right, form, unparsable, cut, tokens, all_fail, all_pass,
        tried;                 /* tried: prompts with at least K responses */
    double sum, squares, pass; /* of the prompts' means; of pass@K */
    double surprise;           /* sum of -log-prob over the tokens that were sampled */
    long sampled;
    int single; /* every prompt has one response */
};
struct table {
    struct tally *row;
    int n, cap;
    json_t *index; /* name: its row */
};

/* ---- counting ---- */

/* 1 - C(n-c, k) / C(n, k): the chance that k of n responses, c of them right, hold a right one. */
static double pass_at_k(long n, long c, long k)
{
    double none = 1;
    if (n - c < k) return 1;
    for (long i = n - c + 1; i <= n; i++) none *= 1 - (double)k / (double)i;
    return 1 - none;
}

static void count(struct tally *t, const struct ptd_group *g)
{
    long right = 0, n = g->n_rollouts;
    for (int i = 0; i < n; i++) {
        const struct ptd_rollout *y = &g->rollouts[i];
        right += y->outcome == PTD_RIGHT;
        t->form += y->format > 0;
        t->unparsable += y->outcome == PTD_UNPARSABLE;
        t->cut += y->stop && strcmp(y->stop, "length") == 0;
        t->tokens += y->n;
        for (int j = 0; y->logp && j < y->n; j++, t->sampled++) t->surprise -= y->logp[j];
    }
    double mean = (double)right / (double)n;
    t->single = n == 1 && (t->prompts == 0 || t->single);
    t->prompts++;
    t->n += n;
    t->right += right;
    t->all_fail += right == 0;
    t->all_pass += right == n;
    t->sum += mean;
    t->squares += mean * mean;
    if (n < opt.k) return;
    t->tried++;
    t->pass += pass_at_k(n, right, opt.k);
}

/* Is the byte at s no part of UTF-8? *n: the bytes of the character. */
static int is_stray(const char *s, int *n)
{
    char piece[PTD_ESCAPED];
    int len;
    *n = ptd_escape(s, piece, &len);
    return *n == 1 && (unsigned char)*s >= 0x80;
}

static int has_stray(const char *s)
{
    for (int n; *s; s += n)
        if (is_stray(s, &n)) return 1;
    return 0;
}

/* The name as text that JSON can hold, another one for each name; malloc'd. Bytes that are no UTF-8
 * become \xff; where some do, or the name itself reads so, its backslashes are doubled. */
static char *key_of(const char *name)
{
    char *key = ptd_malloc(4 * strlen(name) + 1), *out = key;
    int n, doubled = has_stray(name) || strstr(name, "\\x");
    for (const char *s = name; *s; s += n) {
        if (is_stray(s, &n)) {
            out += sprintf(out, "\\x%02x", (unsigned char)*s);
            continue;
        }
        if (doubled && *s == '\\') *out++ = '\\';
        out = mempcpy(out, s, (size_t)n);
    }
    *out = '\0';
    return key;
}

static struct tally *row_of(struct table *t, const char *name)
{
    char *key = key_of(name);
    const json_t *known = json_object_get(t->index, key);
    if (known) {
        free(key);
        return &t->row[json_integer_value(known)];
    }
    if (t->n == t->cap)
        t->row = ptd_realloc(t->row, (size_t)(t->cap = 2 * t->cap + 16) * sizeof *t->row);
    if (!t->index) t->index = json_object();
    json_object_set_new(t->index, key, json_integer(t->n));
    t->row[t->n] = (struct tally){.name = key};
    return &t->row[t->n++];
}

static void clear_table(struct table *t)
{
    for (int i = 0; i < t->n; i++) free(t->row[i].name);
    free(t->row);
    json_decref(t->index);
}

static int add_group(struct table *t, struct tally *total, const struct ptd_group *g)
{
    if (g->n_rollouts == 0 || g->group_accuracy < 0)
        return ptd_fail(PTD_DATAERR,
                        "group \"%.200s\" was not judged: expected the output of ptd-verify",
                        g->uid);
    if (g->category && *g->category) count(row_of(t, g->category), g);
    count(total, g);
    return 0;
}

/* ---- figures ---- */

static double share(double part, long whole)
{
    return whole ? part / (double)whole : NAN;
}

/* 95 %: Wilson's for single responses and where all prompts agree, else normal over the prompts'
 * means; NAN for one prompt with several responses, which says nothing about spread. */
static void interval(const struct tally *t, double *lo, double *hi)
{
    const double n = (double)t->prompts, p = share(t->sum, t->prompts);
    double spread = t->squares - n * p * p;
    struct ptd_range r = {p, NAN, NAN};
    if (t->single || (n > 1 && spread < 1e-9)) {
        r = ptd_wilson(p, n);
    } else if (n > 1) {
        double half = 1.959964 * sqrt(spread / (n - 1) / n);
        r = (struct ptd_range){p, fmax(0, p - half), fmin(1, p + half)};
    }
    *lo = r.lo;
    *hi = r.hi;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tally *)a)->name, ((const struct tally *)b)->name);
}

static void print_share(int width, double x)
{
    if (isnan(x))
        printf("  %*s", width, "-");
    else
        printf("  %*.1f%%", width - 1, 100 * x);
}

/* On a line of its own, whatever it holds; padded to the width of its column. */
static void print_name(const char *name)
{
    char *text = ptd_printable_cut(name, WIDEST);
    printf("%s%*s", text, opt.width - ptd_printable_width(text), "");
    free(text);
}

static void widen_for(const char *name)
{
    char *text = ptd_printable_cut(name, WIDEST);
    int width = ptd_printable_width(text);
    if (width > opt.width) opt.width = width;
    free(text);
}

static void print_row(const struct tally *t)
{
    double lo, hi;
    char range[32] = "-";
    interval(t, &lo, &hi);
    if (!isnan(lo)) snprintf(range, sizeof range, "%.1f-%.1f", 100 * lo, 100 * hi);
    print_name(t->name);
    printf("  %7ld %9ld", t->prompts, t->n);
    print_share(6, share(t->sum, t->prompts));
    printf("  %11s", range);
    if (opt.k > 1) print_share(7, share(t->pass, t->tried));
    print_share(6, share((double)t->form, t->n));
    print_share(9, share((double)t->unparsable, t->n));
    printf("  %6.1f", share((double)t->tokens, t->n));
    print_share(8, share((double)t->all_fail, t->prompts));
    print_share(8, share((double)t->all_pass, t->prompts));
    putchar('\n');
}

static void print_table(const struct table *t, const struct tally *total)
{
    char pass[24] = "";
    if (opt.k > 1)
        snprintf(pass, sizeof pass, "  %*s@%d", 7 - snprintf(NULL, 0, "@%d", opt.k), "pass", opt.k);
    for (int i = 0; i < t->n; i++) widen_for(t->row[i].name);
    printf("%-*s  prompts responses  pass@1   95 %% range%s  format  no answer  length  all-fail  "
           "all-pass\n",
           opt.width, "category", pass);
    for (int i = 0; i < t->n; i++) print_row(&t->row[i]);
    print_row(total);
}

/* Text of the head, valid whatever its bytes. */
static json_t *head_text(const char *s)
{
    return ptd_show_text(s ? s : "", s ? strlen(s) : 0);
}

static json_t *number(double x)
{
    return isnan(x) ? json_null() : json_real(x);
}

static json_t *object(const struct tally *t)
{
    double lo, hi;
    interval(t, &lo, &hi);
    json_t *o = json_pack("{s:I, s:I, s:o, s:[o, o], s:o, s:o, s:o, s:o, s:o, s:o}", "prompts",
                          (json_int_t)t->prompts, "responses", (json_int_t)t->n, "pass@1",
                          number(share(t->sum, t->prompts)), "interval", number(lo), number(hi),
                          "format", number(share((double)t->form, t->n)), "unparsable",
                          number(share((double)t->unparsable, t->n)), "cut",
                          number(share((double)t->cut, t->n)), "length",
                          number(share((double)t->tokens, t->n)), "all_fail",
                          number(share((double)t->all_fail, t->prompts)), "all_pass",
                          number(share((double)t->all_pass, t->prompts)));
    char key[32];
    /* what sampling at temperature 1 estimates without bias: the policy's entropy per token, nats
     */
    json_object_set_new(o, "entropy", number(share(t->surprise, t->sampled)));
    snprintf(key, sizeof key, "pass@%d", opt.k);
    if (opt.k > 1) json_object_set_new(o, key, number(share(t->pass, t->tried)));
    return o;
}

static void print_json(const struct ptd_head *h, const struct table *t, const struct tally *total,
                       int64_t generation)
{
    json_t *categories = json_object();
    for (int i = 0; i < t->n; i++)
        json_object_set_new(categories, t->row[i].name, object(&t->row[i]));
    json_t *all = json_pack("{s:o, s:o, s:I, s:o, s:o}", "store", head_text(h->store), "data",
                            head_text(h->data), "generation", (json_int_t)generation, "total",
                            object(total), "categories", categories);
    ptd_show_json(all, JSON_COMPACT | JSON_REAL_PRECISION(9));
}

static void read_groups(struct ptd_reader *r, struct table *t, struct tally *total,
                        int64_t *generation)
{
    struct ptd_group g = {0};
    struct ptd_frame f;
    int got;
    while ((got = ptd_reader_next(r, &f)) > 0) {
        if (f.kind != PTD_GROUP) continue;
        if (ptd_group_read(&g, f.body, f.body_len) < 0 || add_group(t, total, &g) < 0) {
            ptd_reader_blame(r, &f);
            ptd_die_last();
        }
        *generation = g.generation;
    }
    if (got < 0) ptd_die_last();
    ptd_group_clear(&g);
}

int main(int argc, char **argv)
{
    struct ptd_head head = {0};
    struct table table = {0};
    struct tally total = {.name = "total"};
    int64_t generation = -1;
    int first = ptd_opt_parse(&usage, argc, argv);
    if (first + 1 < argc)
        ptd_misuse("unexpected operand \"%.64s\", at most one file", argv[first + 1]);
    struct ptd_reader *r = ptd_input_open(argv[first], &head);
    if (opt.k == 0) opt.k = head.group_size > 0 ? head.group_size : 1;
    read_groups(r, &table, &total, &generation);
    if (ptd_reader_close(r) < 0) ptd_die_last();
    if (total.prompts == 0) ptd_die(PTD_DATAERR, "a stream without groups, expected at least one");
    qsort(table.row, (size_t)table.n, sizeof *table.row, by_name);
    if (opt.json)
        print_json(&head, &table, &total, generation);
    else
        print_table(&table, &total);
    ptd_stdout_flush();
    clear_table(&table);
    ptd_head_clear(&head);
    return PTD_OK;
}
