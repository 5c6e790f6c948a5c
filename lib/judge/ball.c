/* ball: see ball.h. */
#include "judge/ball.h"
#include "judge/algebra.h"
#include "judge/exact.h"
#include <stdlib.h>
#include <string.h>

#define EXPONENT  100000 /* of a power */
#define MAGNITUDE 2000   /* bits before the point that a function takes */

/* ---- symbols ---- */

int ptd_symbol_index(const struct ptd_symbols *y, const struct ptd_expr *e)
{
    for (int i = 0; i < y->n; i++)
        if (y->len[i] == e->n && memcmp(y->s[i], e->s, e->n) == 0) return i;
    return -1;
}

void ptd_symbols_collect(const struct ptd_expr *e, struct ptd_symbols *y)
{
    if (!e) return;
    if (e->op == PTD_E_I) y->complex = 1;
    if (e->op == PTD_E_SYM && ptd_symbol_index(y, e) < 0) {
        if (y->n == PTD_SYMBOLS) {
            y->over = 1;
            return;
        }
        y->s[y->n] = e->s;
        y->len[y->n++] = e->n;
    }
    ptd_symbols_collect(e->a, y);
    ptd_symbols_collect(e->b, y);
}

/* ---- balls ---- */

/* Symbol i at the point: some rational, of either sign from the fourth point on. */
static void place(const struct ptd_point *p, int i, acb_t out)
{
    ulong h = (ulong)(i + 1) * 2654435761u + (ulong)p->nth * 40503u;
    h = (h ^ (h >> 13)) * 2246822519u;
    arb_set_ui(acb_realref(out), 1 + (h >> 7) % 99991);
    arb_div_ui(acb_realref(out), acb_realref(out), 30011, p->bits);
    arb_add_ui(acb_realref(out), acb_realref(out), 1, p->bits);
    arb_zero(acb_imagref(out));
    if (p->nth >= 3 && (h >> 3) % 2) acb_neg(out, out);
}

static int too_large(struct ptd_point *p)
{
    p->reason = "too large";
    return 0;
}

static int fits(struct ptd_point *p, const acb_t x)
{
    mag_t m;
    mag_init(m);
    acb_get_mag(m, x);
    int ok = mag_is_finite(m) && mag_cmp_2exp_si(m, MAGNITUDE) < 0;
    mag_clear(m);
    return ok ? 1 : acb_is_finite(x) ? too_large(p) : 0;
}

static int negative(const acb_t x)
{
    return acb_is_real(x) && arb_is_negative(acb_realref(x));
}

/* The nth root: of a negative number the real one if n is odd. */
static int root(struct ptd_point *p, acb_t x, int64_t n)
{
    if (n < 1 || n > 1000) return n > 1000 ? too_large(p) : 0;
    int minus = negative(x);
    if (minus && n % 2 == 0 && p->strict) return 0;
    if (minus && n % 2) acb_neg(x, x);
    acb_root_ui(x, x, (ulong)n, p->bits);
    if (minus && n % 2) acb_neg(x, x);
    return 1;
}

static int power(struct ptd_point *p, const struct ptd_expr *e, acb_t x)
{
    fmpq_t by;
    acb_t y;
    fmpq_init(by);
    acb_init(y);
    int ok = ptd_ball(e->a, p, x), exact = ptd_exact(e->b, by);
    if (ok && exact && fmpz_fits_si(fmpq_numref(by)) && fmpz_fits_si(fmpq_denref(by))) {
        long num = fmpz_get_si(fmpq_numref(by)), den = fmpz_get_si(fmpq_denref(by));
        if (labs(num) > EXPONENT)
            ok = too_large(p);
        else if ((ok = den == 1 || root(p, x, den)))
            acb_pow_si(x, x, num, p->bits);
    } else if (ok && (ok = ptd_ball(e->b, p, y) && fits(p, y) && fits(p, x))) {
        mag_t m;
        mag_init(m);
        acb_get_mag(m, y);
        if (mag_cmp_2exp_si(m, 17) > 0)
            ok = too_large(p);
        else if ((ok = !(p->strict && negative(x))))
            acb_pow(x, x, y, p->bits);
        mag_clear(m);
    }
    fmpq_clear(by);
    acb_clear(y);
    return ok;
}

static int is_named(const struct ptd_expr *e, const char *name)
{
    return e->n == strlen(name) && memcmp(e->s, name, e->n) == 0;
}

static int logarithm(const struct ptd_expr *e, struct ptd_point *p, acb_t x)
{
    acb_t base;
    if (p->strict && negative(x)) return 0;
    acb_init(base);
    int ok = 1;
    if (e->b)
        ok = ptd_ball(e->b, p, base) && fits(p, base);
    else
        acb_set_ui(base, 10);
    acb_log(x, x, p->bits);
    if (!is_named(e, "ln")) {
        acb_log(base, base, p->bits);
        acb_div(x, x, base, p->bits);
    }
    acb_clear(base);
    return ok;
}

static void exponential(acb_t x, const acb_t y, slong bits)
{
    acb_exp(x, y, bits);
}

static int call(const struct ptd_expr *e, struct ptd_point *p, acb_t x)
{
    static const struct {
        const char *name;
        void (*f)(acb_t, const acb_t, slong);
        int log2; /* bound of the argument's size */
    } calls[] = {{"sin", acb_sin, 40},     {"cos", acb_cos, 40},     {"tan", acb_tan, 40},
                 {"cot", acb_cot, 40},     {"sec", acb_sec, 40},     {"csc", acb_csc, 40},
                 {"arcsin", acb_asin, 40}, {"arccos", acb_acos, 40}, {"arctan", acb_atan, 40},
                 {"asin", acb_asin, 40},   {"acos", acb_acos, 40},   {"atan", acb_atan, 40},
                 {"sinh", acb_sinh, 12},   {"cosh", acb_cosh, 12},   {"tanh", acb_tanh, 12},
                 {"exp", exponential, 12}, {NULL, NULL, 0}};
    if (!ptd_ball(e->a, p, x) || !fits(p, x)) return 0;
    if (is_named(e, "ln") || is_named(e, "log") || is_named(e, "lg")) return logarithm(e, p, x);
    for (int i = 0; calls[i].name; i++) {
        if (!is_named(e, calls[i].name)) continue;
        mag_t m;
        mag_init(m);
        acb_get_mag(m, x);
        int ok = mag_cmp_2exp_si(m, calls[i].log2) < 0;
        mag_clear(m);
        if (!ok) return too_large(p);
        calls[i].f(x, x, p->bits);
        return 1;
    }
    return 0; /* max, gcd: of lists, which are no numbers */
}

static int ball_binary(const struct ptd_expr *e, struct ptd_point *p, acb_t x)
{
    acb_t y;
    acb_init(y);
    int ok = ptd_ball(e->a, p, x) && ptd_ball(e->b, p, y);
    if (ok && e->op == PTD_E_ADD) acb_add(x, x, y, p->bits);
    if (ok && e->op == PTD_E_SUB) acb_sub(x, x, y, p->bits);
    if (ok && e->op == PTD_E_MUL) acb_mul(x, x, y, p->bits);
    if (ok && e->op == PTD_E_DIV) acb_div(x, x, y, p->bits);
    acb_clear(y);
    return ok && acb_is_finite(x);
}

static int unary(const struct ptd_expr *e, struct ptd_point *p, acb_t x)
{
    int64_t n = 2, den = 1;
    if (!ptd_ball(e->a, p, x)) return 0;
    switch (e->op) {
    case PTD_E_NEG:
        acb_neg(x, x);
        return 1;
    case PTD_E_ABS:
        acb_abs(acb_realref(x), x, p->bits);
        arb_zero(acb_imagref(x));
        return 1;
    case PTD_E_ROOT:
        if (e->b && (!ptd_expr_rational(e->b, &n, &den) || den != 1)) return 0;
        return root(p, x, n);
    default:
        return 0;
    }
}

static int degrees(const struct ptd_expr *e, struct ptd_point *p, acb_t x)
{
    acb_t pi;
    if (!ptd_ball(e->a, p, x)) return 0;
    acb_init(pi);
    acb_const_pi(pi, p->bits);
    acb_mul(x, x, pi, p->bits);
    acb_div_ui(x, x, 180, p->bits);
    acb_clear(pi);
    return 1;
}

static int exactly(const struct ptd_expr *e, struct ptd_point *p, acb_t x)
{
    fmpq_t q;
    fmpq_init(q);
    int ok = ptd_exact(e, q);
    if (ok) acb_set_fmpq(x, q, p->bits);
    fmpq_clear(q);
    return ok ? 1 : too_large(p);
}

/* e at the point; 0: it has no value there, or p->reason says that it is too large. */
int ptd_ball(const struct ptd_expr *e, struct ptd_point *p, acb_t x)
{
    switch (e->op) {
    case PTD_E_NUM:
    case PTD_E_RATIO:
    case PTD_E_CYCLE:
    case PTD_E_FACTORIAL:
    case PTD_E_BINOM:
        return exactly(e, p, x);
    case PTD_E_SYM:
        place(p, ptd_symbol_index(p->y, e), x);
        return 1;
    case PTD_E_PI:
        acb_const_pi(x, p->bits);
        return 1;
    case PTD_E_EULER:
        arb_const_e(acb_realref(x), p->bits);
        arb_zero(acb_imagref(x));
        return 1;
    case PTD_E_I:
        acb_onei(x);
        return 1;
    case PTD_E_INF:
        return 0;
    case PTD_E_POW:
        return power(p, e, x);
    case PTD_E_CALL:
        return call(e, p, x);
    case PTD_E_DEGREE:
        return degrees(e, p, x);
    case PTD_E_NEG:
    case PTD_E_ABS:
    case PTD_E_ROOT:
        return unary(e, p, x);
    default:
        return ball_binary(e, p, x);
    }
}
