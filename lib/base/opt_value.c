/* opt_value: see opt_value.h. */
#include "base/opt_value.h"
#include "base/err.h"
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- to text ---- */

/* As short as it may be without loss. */
static char *double_text(double x)
{
    char text[32];
    snprintf(text, sizeof text, "%.10g", x);
    if (strtod(text, NULL) != x) snprintf(text, sizeof text, "%.17g", x);
    return ptd_strdup(text);
}

char *ptd_opt_text(const struct ptd_opt *o)
{
    if (o->kind == PTD_OPT_FLAG) return ptd_strdup(*(int *)o->value ? "on" : "");
    if (o->kind == PTD_OPT_INT) return ptd_format("%d", *(int *)o->value);
    if (o->kind == PTD_OPT_LONG) return ptd_format("%lld", (long long)*(int64_t *)o->value);
    if (o->kind == PTD_OPT_DOUBLE) return double_text(*(double *)o->value);
    if (o->kind == PTD_OPT_LIST) return ptd_strdup("");
    const char *s = *(const char **)o->value;
    return ptd_strdup(s ? s : "");
}

/* ---- from text ---- */

/* The multiplier that a suffix stands for; 0 if it stands for nothing. */
static double suffix_factor(const char *s)
{
    static const char letters[] = "kMGT";
    const char *at = *s ? strchr(letters, *s == 'K' ? 'k' : *s) : NULL;
    if (!*s) return 1;
    if (!at) return 0;
    int power = (int)(at - letters) + 1;
    if (!s[1] && *s != 'K') return pow(1000, power);
    return s[1] == 'i' && !s[2] ? pow(1024, power) : 0;
}

/* "run.json: option --lr" */
static char *place_of(const struct ptd_opt *o, const char *file)
{
    return ptd_format("%s%soption --%s", file ? file : "", file ? ": " : "", o->name);
}

void ptd_opt_refuse(const struct ptd_opt *o, const char *file, const char *text,
                    const char *expected)
{
    ptd_misuse("%s: \"%.64s\" is not %s", place_of(o, file), text, expected);
}

static void check_range(const struct ptd_opt *o, const char *file, const char *text, double x)
{
    if (o->lo == 0 && o->hi == 0) return;
    if (x < o->lo || x > o->hi)
        ptd_misuse("%s: %.64s is out of range, expected %.10g to %.10g", place_of(o, file), text,
                   o->lo, o->hi);
}

int ptd_whole_number(const char *text, int64_t *n)
{
    char *end;
    errno = 0;
    long long x = strtoll(text, &end, 10);
    double factor = end == text || isspace((unsigned char)*text) ? 0 : suffix_factor(end);
    if (factor == 0) return -1;
    return errno == ERANGE || __builtin_mul_overflow(x, (int64_t)factor, n);
}

static int64_t parse_integer(const struct ptd_opt *o, const char *file, const char *text)
{
    int64_t product = 0, lo = o->kind == PTD_OPT_INT ? INT_MIN : INT64_MIN,
            hi = o->kind == PTD_OPT_INT ? INT_MAX : INT64_MAX;
    int over = ptd_whole_number(text, &product);
    if (over < 0) ptd_opt_refuse(o, file, text, "a whole number (suffixes k M G T Ki Mi Gi Ti)");
    check_range(o, file, text, over ? (*text == '-' ? -HUGE_VAL : HUGE_VAL) : (double)product);
    if (over || product < lo || product > hi)
        ptd_misuse("%s: %.64s is out of range, expected %lld to %lld", place_of(o, file), text,
                   (long long)lo, (long long)hi);
    return product;
}

static double parse_double(const struct ptd_opt *o, const char *file, const char *text)
{
    char *end;
    double x = strtod(text, &end);
    double factor = end == text || isspace((unsigned char)*text) ? 0 : suffix_factor(end);
    if (factor == 0 || !isfinite(x * factor)) ptd_opt_refuse(o, file, text, "a finite number");
    check_range(o, file, text, x * factor);
    return x * factor;
}

static void add_value(struct ptd_opt_list *l, const char *text)
{
    l->at = ptd_realloc(l->at, (size_t)(l->n + 1) * sizeof *l->at);
    l->at[l->n++] = text;
}

void ptd_opt_set(const struct ptd_opt *o, const char *file, const char *text)
{
    switch (o->kind) {
    case PTD_OPT_FLAG:
        *(int *)o->value = 1;
        break;
    case PTD_OPT_INT:
        *(int *)o->value = (int)parse_integer(o, file, text);
        break;
    case PTD_OPT_LONG:
        *(int64_t *)o->value = parse_integer(o, file, text);
        break;
    case PTD_OPT_DOUBLE:
        *(double *)o->value = parse_double(o, file, text);
        break;
    case PTD_OPT_STR:
    case PTD_OPT_PRESET:
        *(const char **)o->value = text;
        break;
    case PTD_OPT_LIST:
        add_value(o->value, text);
        break;
    }
}
