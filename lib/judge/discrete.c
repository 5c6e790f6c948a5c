/* discrete: see discrete.h. */
#include "judge/discrete.h"
#include "judge/algebra.h"
#include <math.h>
#include <string.h>

static int whole(const struct ptd_expr *e, int64_t *v)
{
    int64_t den;
    return ptd_expr_rational(e, v, &den) && den == 1;
}

static int give(struct ptd_expr *out, int64_t num, int64_t den)
{
    *out = (struct ptd_expr){.op = PTD_E_RATIO, .num = num, .den = den};
    return 1;
}

static int64_t gcd(int64_t a, int64_t b)
{
    for (int64_t r; b; a = b, b = r) r = a % b;
    return a < 0 ? -a : a;
}

/* ---- lists ---- */

static int divisors(const struct ptd_expr *const *of, int count, int multiple, struct ptd_expr *out)
{
    int64_t all = multiple, v;
    for (int i = 0; i < count; i++) {
        if (!whole(of[i], &v) || v <= 0 || v > INT32_MAX) return 0;
        int64_t common = gcd(all, v);
        if (!multiple)
            all = common;
        else if (__builtin_mul_overflow(all, v / common, &all))
            return 0;
    }
    return give(out, all, 1);
}

int ptd_fold_list(const char *name, size_t n, const struct ptd_expr *const *of, int count,
                  struct ptd_expr *out)
{
    double best, x;
    int which = 0, most = n == 3 && memcmp(name, "max", 3) == 0;
    if (count < 1 || n != 3) return 0;
    if (memcmp(name, "gcd", 3) == 0) return divisors(of, count, 0, out);
    if (memcmp(name, "lcm", 3) == 0) return divisors(of, count, 1, out);
    if ((!most && memcmp(name, "min", 3) != 0) || !ptd_expr_value(of[0], &best)) return 0;
    for (int i = 1; i < count; i++) {
        if (!ptd_expr_value(of[i], &x)) return 0;
        if (most ? x > best : x < best) which = i, best = x;
    }
    *out = *of[which];
    return 1;
}

/* ---- rounding ---- */

int ptd_fold_round(const struct ptd_expr *e, int up, struct ptd_expr *out)
{
    int64_t num, den;
    double x;
    if (ptd_expr_rational(e, &num, &den)) {
        int64_t down = num / den - (num % den < 0);
        return give(out, down + (up && num % den != 0), 1);
    }
    if (!ptd_expr_value(e, &x) || fabs(x) > 1e9 || fabs(x - nearbyint(x)) < 1e-6) return 0;
    return give(out, (int64_t)(up ? ceil(x) : floor(x)), 1);
}

/* ---- series ---- */

#define TERMS 1000
#define TIMES 16 /* that a body may name its index */

static int same_name(const struct ptd_expr *a, const struct ptd_expr *b)
{
    return a->op == b->op && a->n == b->n && (a->op == PTD_E_I || memcmp(a->s, b->s, a->n) == 0);
}

static int add_term(int64_t *num, int64_t *den, int64_t a, int64_t b, int product)
{
    int64_t left, right, common;
    if (product
            ? __builtin_mul_overflow(*num, a, num)
            : __builtin_mul_overflow(*num, b, &left) || __builtin_mul_overflow(a, *den, &right) ||
                  __builtin_add_overflow(left, right, num))
        return 0;
    if (__builtin_mul_overflow(*den, b, den)) return 0;
    if ((common = gcd(*num, *den)) > 1) *num /= common, *den /= common;
    return 1;
}

int ptd_fold_series(struct ptd_pool *p, int first, const struct ptd_expr *body,
                    const struct ptd_expr *index, const struct ptd_expr *from,
                    const struct ptd_expr *to, int product, struct ptd_expr *out)
{
    struct ptd_expr *at[TIMES], name = *index;
    int64_t lo, hi, num = product, den = 1, a, b;
    int n = 0, fits = 1;
    if (!whole(from, &lo) || !whole(to, &hi) || hi < lo || hi - lo >= TERMS) return 0;
    for (int i = first; i < p->n; i++) {
        if (!same_name(&p->node[i], &name)) continue;
        if (n == TIMES) return 0;
        at[n++] = &p->node[i];
    }
    for (int64_t k = lo; k <= hi && fits; k++) {
        for (int i = 0; i < n; i++) give(at[i], k, 1);
        fits = ptd_expr_rational(body, &a, &b) && add_term(&num, &den, a, b, product);
    }
    for (int i = 0; i < n; i++) *at[i] = name;
    return fits && give(out, num, den);
}
