/* audit: see audit.h. */
#include "view/audit.h"
#include "base/printable.h"
#include "method/hint/spoiler.h"
#include "view/show.h"
#include <math.h>
#include <string.h>

#define WIDEST 32 /* columns of a source's name */

static double mean(double sum, long n)
{
    return n ? sum / (double)n : NAN;
}

static long dropped(const struct ptd_audit_row *r)
{
    long n = 0;
    for (int i = 0; i < PTD_AUDIT_RULES; i++) n += r->dropped[i];
    return n;
}

/* ---- the table ---- */

static char *name_of(const struct ptd_audit_row *r, int told)
{
    char *name = ptd_printable_cut(r->source, WIDEST),
         *text = ptd_format("%s%s", name, told ? " (dropped)" : "");
    free(name);
    return text;
}

static int widest(const struct ptd_audit *a)
{
    int width = 6;
    for (int i = 0; i < ptd_audit_rows(a); i++) {
        const struct ptd_audit_row *r = ptd_audit_row(a, i);
        char *name = name_of(r, r->told.blind.n > 0);
        if (ptd_printable_width(name) > width) width = ptd_printable_width(name);
        free(name);
    }
    return width;
}

static void print_share(FILE *f, int width, double x)
{
    if (isnan(x))
        fprintf(f, "  %*s", width, "-");
    else
        fprintf(f, "  %*.1f%%", width - 1, 100 * x);
}

static void print_measure(FILE *f, const struct ptd_audit_measure *m)
{
    char words[64] = "-";
    long n = m->blind.n;
    struct ptd_range d = ptd_pairs_range(&m->blind);
    if (n)
        snprintf(words, sizeof words, "%+.1f (%+.1f to %+.1f)", 100 * d.value, 100 * d.lo,
                 100 * d.hi);
    print_share(f, 7, mean(m->blind.x, n));
    print_share(f, 6, mean(m->blind.y, n));
    print_share(f, 7, mean(m->seeing.x, n));
    print_share(f, 6, mean(m->seeing.y, n));
    fprintf(f, "  %-22s", words);
}

static void print_row(FILE *f, int width, const struct ptd_audit_row *r, int told)
{
    static const char *const verdict[] = {"nothing measured", "does not tell", "TELLS"};
    char *name = name_of(r, told);
    long gone = dropped(r), n = told ? gone : r->hints;
    fprintf(f, "%s%*s  %6ld %6ld", name, width - ptd_printable_width(name), "", r->groups, n);
    print_share(f, 6, told ? NAN : mean((double)(r->hints - gone), r->hints));
    print_measure(f, told ? &r->told : &r->kept);
    fprintf(f, "  %s\n", told ? "not used" : verdict[1 + ptd_audit_tells(r)]);
    free(name);
}

static void print_rules(FILE *f, const struct ptd_audit_row *r)
{
    char *name = ptd_printable_cut(r->source, WIDEST);
    for (int i = 0, first = 1; i < PTD_AUDIT_RULES; i++) {
        if (!r->dropped[i]) continue;
        if (first) fprintf(f, "%s: dropped by rule:", name);
        fprintf(f, "%s %s %ld (%.1f%%)", first ? "" : ",", ptd_spoiler_rules[i].name, r->dropped[i],
                100 * mean((double)r->dropped[i], r->hints));
        first = 0;
    }
    if (dropped(r)) fputc('\n', f);
    free(name);
}

void ptd_audit_show_table(FILE *f, const struct ptd_audit *a, const struct ptd_audit_view *v)
{
    int width = widest(a);
    fprintf(f, "%-*s  %6s %6s  %6s  %7s  %6s  %7s  %6s  %-22s  %s\n", width, "source", "groups",
            "hints", "kept", "neither", "hint", "picture", "both", "hint - neither, 95 %",
            "verdict");
    for (int i = 0; i < ptd_audit_rows(a); i++) {
        const struct ptd_audit_row *r = ptd_audit_row(a, i);
        print_row(f, width, r, 0);
        if (r->told.blind.n) print_row(f, width, r, 1);
    }
    for (int i = 0; i < ptd_audit_rows(a); i++) print_rules(f, ptd_audit_row(a, i));
}

/* ---- one object ---- */

static json_t *number(double x)
{
    return isnan(x) ? json_null() : json_real(x);
}

static void put_measure(json_t *o, const struct ptd_audit_measure *m)
{
    long n = m->blind.n;
    struct ptd_range d = ptd_pairs_range(&m->blind), e = ptd_pairs_range(&m->seeing);
    json_t *more = json_pack(
        "{s:I, s:{s:o, s:o, s:o, s:o}, s:o, s:[o, o], s:o, s:[o, o]}", "measured", (json_int_t)n,
        "accuracy", "neither", number(mean(m->blind.x, n)), "hint", number(mean(m->blind.y, n)),
        "picture", number(mean(m->seeing.x, n)), "both", number(mean(m->seeing.y, n)),
        "hint-neither", number(d.value), "interval", number(d.lo), number(d.hi), "both-picture",
        number(e.value), "both-picture interval", number(e.lo), number(e.hi));
    json_object_update(o, more);
    json_decref(more);
}

static json_t *rules(const struct ptd_audit_row *r)
{
    json_t *o = json_object();
    for (int i = 0; i < PTD_AUDIT_RULES; i++)
        if (r->dropped[i])
            json_object_set_new(o, ptd_spoiler_rules[i].name, json_integer(r->dropped[i]));
    return o;
}

static json_t *source(const struct ptd_audit_row *r)
{
    int tells = ptd_audit_tells(r);
    json_t *o = json_pack("{s:o, s:I, s:I, s:I, s:o}", "source",
                          ptd_show_text(r->source, strlen(r->source)), "groups",
                          (json_int_t)r->groups, "hints", (json_int_t)r->hints, "kept",
                          (json_int_t)(r->hints - dropped(r)), "dropped", rules(r));
    put_measure(o, &r->kept);
    json_object_set_new(o, "tells", tells < 0 ? json_null() : json_boolean(tells));
    if (r->told.blind.n) {
        json_t *told = json_object();
        put_measure(told, &r->told);
        json_object_set_new(o, "of dropped", told);
    }
    return o;
}

static json_t *text(const char *s)
{
    return s ? ptd_show_text(s, strlen(s)) : json_null();
}

json_t *ptd_audit_show_json(const struct ptd_audit *a, const struct ptd_audit_view *v)
{
    struct ptd_audit_counts n = ptd_audit_counted(a);
    json_t *sources = json_array(), *telling = json_array();
    for (int i = 0; i < ptd_audit_rows(a); i++) {
        const struct ptd_audit_row *r = ptd_audit_row(a, i);
        json_array_append_new(sources, source(r));
        if (ptd_audit_tells(r) > 0) json_array_append_new(telling, text(r->source));
    }
    return json_pack("{s:o, s:i, s:o, s:I, s:I, s:I, s:i, s:i, s:f, s:I, s:o, s:o}", "store",
                     text(v->store), "generation", 0, "data", text(v->data), "groups",
                     (json_int_t)n.groups, "without picture", (json_int_t)n.without_picture,
                     "without answer", (json_int_t)n.without_answer, "answers", v->answers,
                     "max_tokens", v->max_tokens, "temperature", v->temperature, "seed",
                     (json_int_t)v->seed, "sources", sources, "telling", telling);
}
