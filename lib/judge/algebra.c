/* algebra: see algebra.h. */
#include "judge/algebra.h"
#include "base/err.h"
#include <acb.h>
#include <arb_hypgeom.h>
#include <calcium/fmpz_mpoly_q.h>
#include <flint/fmpq.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS    400    /* of a number, with its exponent */
#define BITS      4096   /* of an exact rational on the way */
#define EXPONENT  100000 /* of a power */
#define FACTORIAL 1000
#define MAGNITUDE 2000 /* bits before the point that a function takes */
#define SYMBOLS   12

/* ---- memory: what runs out ends the program, as everywhere ---- */

static void *sized_realloc(void *p, size_t old, size_t n)
{
    return ptd_realloc(p, n);
}

static void sized_free(void *p, size_t n)
{
    free(p);
}

static void *counted(size_t n, size_t size)
{
    return ptd_array(n, size);
}

static _Noreturn void broken(void)
{
    ptd_die(PTD_BUG, "arithmetic of an answer: a library gave up");
}

static void prepare(void)
{
    mp_set_memory_functions(ptd_malloc, sized_realloc, sized_free);
    __flint_set_memory_functions(ptd_malloc, counted, ptd_realloc, free);
    flint_set_abort(broken);
}

static void ready(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare);
}

/* ---- exact rationals ---- */

static int small(const fmpq_t q)
{
    return fmpz_bits(fmpq_numref(q)) < BITS && fmpz_bits(fmpq_denref(q)) < BITS;
}

/* q * 10^ten; 0: too large. */
static int shift_ten(fmpq_t q, long ten)
{
    if (ten > DIGITS || ten < -DIGITS) return 0;
    if (ten == 0) return 1;
    fmpz_t power;
    fmpz_init_set_ui(power, 10);
    fmpz_pow_ui(power, power, (ulong)labs(ten));
    if (ten > 0)
        fmpq_mul_fmpz(q, q, power);
    else
        fmpq_div_fmpz(q, q, power);
    fmpz_clear(power);
    return 1;
}

/* The digits of s [n], point or not; *places behind the point; where they end. */
static size_t digits(const char *s, size_t n, fmpz_t out, long *places)
{
    size_t i = 0;
    int64_t part = 0;
    int in_part = 0, point = 0;
    *places = 0;
    fmpz_zero(out);
    for (; i < n && (s[i] == '.' || (s[i] >= '0' && s[i] <= '9')); i++) {
        if (s[i] == '.') {
            point = 1;
            continue;
        }
        *places += point;
        part = part * 10 + (s[i] - '0');
        if (++in_part < 17) continue;
        fmpz_mul_ui(out, out, 100000000000000000);
        fmpz_add_ui(out, out, (ulong)part);
        part = in_part = 0;
    }
    ulong scale = 1;
    while (in_part-- > 0) scale *= 10;
    fmpz_mul_ui(out, out, scale);
    fmpz_add_ui(out, out, (ulong)part);
    return i;
}

static int decimal(fmpq_t q, const char *s, size_t n)
{
    long places, e = 0;
    if (n > DIGITS) return 0;
    size_t i = digits(s, n, fmpq_numref(q), &places);
    fmpz_one(fmpq_denref(q));
    if (i < n) {
        int minus = s[++i] == '-';
        for (i += s[i] == '-' || s[i] == '+'; i < n; i++)
            if (e < 10 * DIGITS) e = e * 10 + (s[i] - '0');
        if (minus) e = -e;
    }
    return shift_ten(q, e - places);
}

/* 0.1(6): (16 - 1) / 90. */
static int cycle(fmpq_t q, const struct ptd_expr *e)
{
    fmpq_t head;
    fmpz_t nines;
    long places, before;
    fmpq_init(head);
    fmpz_init(nines);
    digits(e->s, e->n, fmpq_numref(q), &places);
    digits(e->s, e->n - (size_t)e->num, fmpq_numref(head), &before);
    fmpz_one(fmpq_denref(q));
    fmpq_sub(q, q, head);
    fmpz_ui_pow_ui(nines, 10, (ulong)e->num);
    fmpz_sub_ui(nines, nines, 1);
    fmpq_div_fmpz(q, q, nines);
    fmpq_clear(head);
    fmpz_clear(nines);
    return e->n < DIGITS && shift_ten(q, -before);
}

static int rational(const struct ptd_expr *e, fmpq_t q);

static int exact_power(fmpq_t q, const fmpq_t by)
{
    if (!fmpz_is_one(fmpq_denref(by)) || fmpz_cmpabs(fmpq_numref(by), (fmpz[]){BITS}) > 0) return 0;
    long e = fmpz_get_si(fmpq_numref(by));
    slong bits = FLINT_MAX(fmpz_bits(fmpq_numref(q)), fmpz_bits(fmpq_denref(q)));
    if (bits * labs(e) > BITS || (e <= 0 && fmpq_is_zero(q))) return 0;
    fmpq_pow_si(q, q, e);
    return 1;
}

static int exact_root(fmpq_t q, const struct ptd_expr *which)
{
    int64_t num = 2, den = 1;
    if (which && (!ptd_expr_rational(which, &num, &den) || den != 1 || num < 2 || num > 64))
        return 0;
    int minus = fmpq_sgn(q) < 0;
    if (minus && num % 2 == 0) return 0;
    fmpq_abs(q, q);
    int whole = fmpz_root(fmpq_numref(q), fmpq_numref(q), num);
    whole &= fmpz_root(fmpq_denref(q), fmpq_denref(q), num);
    if (minus) fmpq_neg(q, q);
    return whole;
}

static int factorial(fmpq_t q)
{
    if (!fmpz_is_one(fmpq_denref(q)) || fmpq_sgn(q) < 0 ||
        fmpz_cmp_si(fmpq_numref(q), FACTORIAL / 4) > 0)
        return 0;
    fmpz_fac_ui(fmpq_numref(q), fmpz_get_ui(fmpq_numref(q)));
    return 1;
}

static int binomial(fmpq_t n, const fmpq_t k)
{
    if (!fmpz_is_one(fmpq_denref(n)) || !fmpz_is_one(fmpq_denref(k)) || fmpq_sgn(n) < 0 ||
        fmpq_sgn(k) < 0 || fmpz_cmp_si(fmpq_numref(n), FACTORIAL) > 0 ||
        fmpz_cmp_si(fmpq_numref(k), FACTORIAL) > 0)
        return 0;
    fmpz_bin_uiui(fmpq_numref(n), fmpz_get_ui(fmpq_numref(n)), fmpz_get_ui(fmpq_numref(k)));
    return 1;
}

static int exact_binary(const struct ptd_expr *e, fmpq_t q)
{
    fmpq_t b;
    fmpq_init(b);
    int ok = rational(e->a, q) && rational(e->b, b);
    if (ok && e->op == PTD_E_ADD) fmpq_add(q, q, b);
    if (ok && e->op == PTD_E_SUB) fmpq_sub(q, q, b);
    if (ok && e->op == PTD_E_MUL) fmpq_mul(q, q, b);
    if (ok && e->op == PTD_E_DIV && (ok = !fmpq_is_zero(b))) fmpq_div(q, q, b);
    if (ok && e->op == PTD_E_POW) ok = exact_power(q, b);
    if (ok && e->op == PTD_E_BINOM) ok = binomial(q, b);
    fmpq_clear(b);
    return ok;
}

/* 1 and q: e is a rational of a size that is computed with. */
static int rational(const struct ptd_expr *e, fmpq_t q)
{
    int ok;
    switch (e->op) {
    case PTD_E_NUM:
        ok = decimal(q, e->s, e->n);
        break;
    case PTD_E_CYCLE:
        ok = cycle(q, e);
        break;
    case PTD_E_RATIO:
        fmpq_set_si(q, e->num, (ulong)e->den);
        ok = 1;
        break;
    case PTD_E_NEG:
        ok = rational(e->a, q);
        fmpq_neg(q, q);
        break;
    case PTD_E_ABS:
        ok = rational(e->a, q);
        fmpq_abs(q, q);
        break;
    case PTD_E_ROOT:
        ok = rational(e->a, q) && exact_root(q, e->b);
        break;
    case PTD_E_FACTORIAL:
        ok = rational(e->a, q) && factorial(q);
        break;
    case PTD_E_ADD:
    case PTD_E_SUB:
    case PTD_E_MUL:
    case PTD_E_DIV:
    case PTD_E_POW:
    case PTD_E_BINOM:
        ok = exact_binary(e, q);
        break;
    default:
        return 0;
    }
    return ok && small(q);
}

int ptd_expr_rational(const struct ptd_expr *e, int64_t *num, int64_t *den)
{
    fmpq_t q;
    ready();
    fmpq_init(q);
    int ok = rational(e, q) && fmpz_fits_si(fmpq_numref(q)) && fmpz_fits_si(fmpq_denref(q));
    if (ok) *num = fmpz_get_si(fmpq_numref(q)), *den = fmpz_get_si(fmpq_denref(q));
    fmpq_clear(q);
    return ok;
}

/* ---- symbols ---- */

struct symbols {
    const char *s[SYMBOLS];
    uint16_t len[SYMBOLS];
    int n, complex, over; /* complex: i is there; over: too many */
};

static int symbol_index(const struct symbols *y, const struct ptd_expr *e)
{
    for (int i = 0; i < y->n; i++)
        if (y->len[i] == e->n && memcmp(y->s[i], e->s, e->n) == 0) return i;
    return -1;
}

static void collect(const struct ptd_expr *e, struct symbols *y)
{
    if (!e) return;
    if (e->op == PTD_E_I) y->complex = 1;
    if (e->op == PTD_E_SYM && symbol_index(y, e) < 0) {
        if (y->n == SYMBOLS) {
            y->over = 1;
            return;
        }
        y->s[y->n] = e->s;
        y->len[y->n++] = e->n;
    }
    collect(e->a, y);
    collect(e->b, y);
}

int ptd_expr_symbols(const struct ptd_expr *e)
{
    struct symbols y = {.n = 0};
    collect(e, &y);
    return y.n > 2 ? 2 : y.n;
}

/* ---- balls ---- */

struct point {
    const struct symbols *y;
    int nth, strict; /* strict: roots of what is negative have no value here */
    slong bits;
    const char *reason;
};

/* Symbol i at the point: some rational, of either sign from the fourth point on. */
static void place(const struct point *p, int i, acb_t out)
{
    ulong h = (ulong)(i + 1) * 2654435761u + (ulong)p->nth * 40503u;
    h = (h ^ (h >> 13)) * 2246822519u;
    arb_set_ui(acb_realref(out), 1 + (h >> 7) % 99991);
    arb_div_ui(acb_realref(out), acb_realref(out), 30011, p->bits);
    arb_add_ui(acb_realref(out), acb_realref(out), 1, p->bits);
    arb_zero(acb_imagref(out));
    if (p->nth >= 3 && (h >> 3) % 2) acb_neg(out, out);
}

static int ball(const struct ptd_expr *e, struct point *p, acb_t out);

static int too_large(struct point *p)
{
    p->reason = "too large";
    return 0;
}

static int fits(struct point *p, const acb_t x)
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
static int root(struct point *p, acb_t x, int64_t n)
{
    if (n < 1 || n > 1000) return n > 1000 ? too_large(p) : 0;
    int minus = negative(x);
    if (minus && n % 2 == 0 && p->strict) return 0;
    if (minus && n % 2) acb_neg(x, x);
    acb_root_ui(x, x, (ulong)n, p->bits);
    if (minus && n % 2) acb_neg(x, x);
    return 1;
}

static int power(struct point *p, const struct ptd_expr *e, acb_t x)
{
    fmpq_t by;
    acb_t y;
    fmpq_init(by);
    acb_init(y);
    int ok = ball(e->a, p, x), exact = rational(e->b, by);
    if (ok && exact && fmpz_fits_si(fmpq_numref(by)) && fmpz_fits_si(fmpq_denref(by))) {
        long num = fmpz_get_si(fmpq_numref(by)), den = fmpz_get_si(fmpq_denref(by));
        if (labs(num) > EXPONENT)
            ok = too_large(p);
        else if ((ok = den == 1 || root(p, x, den)))
            acb_pow_si(x, x, num, p->bits);
    } else if (ok && (ok = ball(e->b, p, y) && fits(p, y) && fits(p, x))) {
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

static int logarithm(const struct ptd_expr *e, struct point *p, acb_t x)
{
    acb_t base;
    if (p->strict && negative(x)) return 0;
    acb_init(base);
    int ok = 1;
    if (e->b)
        ok = ball(e->b, p, base) && fits(p, base);
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

static int call(const struct ptd_expr *e, struct point *p, acb_t x)
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
    if (!ball(e->a, p, x) || !fits(p, x)) return 0;
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

static int ball_binary(const struct ptd_expr *e, struct point *p, acb_t x)
{
    acb_t y;
    acb_init(y);
    int ok = ball(e->a, p, x) && ball(e->b, p, y);
    if (ok && e->op == PTD_E_ADD) acb_add(x, x, y, p->bits);
    if (ok && e->op == PTD_E_SUB) acb_sub(x, x, y, p->bits);
    if (ok && e->op == PTD_E_MUL) acb_mul(x, x, y, p->bits);
    if (ok && e->op == PTD_E_DIV) acb_div(x, x, y, p->bits);
    acb_clear(y);
    return ok && acb_is_finite(x);
}

static int unary(const struct ptd_expr *e, struct point *p, acb_t x)
{
    int64_t n = 2, den = 1;
    if (!ball(e->a, p, x)) return 0;
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

static int degrees(const struct ptd_expr *e, struct point *p, acb_t x)
{
    acb_t pi;
    if (!ball(e->a, p, x)) return 0;
    acb_init(pi);
    acb_const_pi(pi, p->bits);
    acb_mul(x, x, pi, p->bits);
    acb_div_ui(x, x, 180, p->bits);
    acb_clear(pi);
    return 1;
}

static int exactly(const struct ptd_expr *e, struct point *p, acb_t x)
{
    fmpq_t q;
    fmpq_init(q);
    int ok = rational(e, q);
    if (ok) acb_set_fmpq(x, q, p->bits);
    fmpq_clear(q);
    return ok ? 1 : too_large(p);
}

/* e at the point; 0: it has no value there, or p->reason says that it is too large. */
static int ball(const struct ptd_expr *e, struct point *p, acb_t x)
{
    switch (e->op) {
    case PTD_E_NUM:
    case PTD_E_RATIO:
    case PTD_E_CYCLE:
    case PTD_E_FACTORIAL:
    case PTD_E_BINOM:
        return exactly(e, p, x);
    case PTD_E_SYM:
        place(p, symbol_index(p->y, e), x);
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

/* ---- polynomials and their quotients ---- */

#define TERMS  200
#define DEGREE 24

static int quotient(const struct ptd_expr *e, const struct symbols *y, fmpz_mpoly_q_t f,
                    const fmpz_mpoly_ctx_t ctx);

static int of_size(const fmpz_mpoly_q_t f, const fmpz_mpoly_ctx_t ctx)
{
    return fmpz_mpoly_length(fmpz_mpoly_q_numref(f), ctx) <= TERMS &&
           fmpz_mpoly_length(fmpz_mpoly_q_denref(f), ctx) <= TERMS &&
           fmpz_mpoly_total_degree_si(fmpz_mpoly_q_numref(f), ctx) <= DEGREE &&
           fmpz_mpoly_total_degree_si(fmpz_mpoly_q_denref(f), ctx) <= DEGREE;
}

static int quotient_power(fmpz_mpoly_q_t f, const struct ptd_expr *by, const fmpz_mpoly_ctx_t ctx)
{
    int64_t n, den;
    if (!ptd_expr_rational(by, &n, &den) || den != 1 || n < 0 || n > DEGREE) return 0;
    fmpz_mpoly_q_t g;
    fmpz_mpoly_q_init(g, ctx);
    fmpz_mpoly_q_one(g, ctx);
    int ok = 1;
    for (; n > 0 && ok; n--) {
        fmpz_mpoly_q_mul(g, g, f, ctx);
        ok = of_size(g, ctx);
    }
    fmpz_mpoly_q_swap(f, g, ctx);
    fmpz_mpoly_q_clear(g, ctx);
    return ok;
}

static int quotient_binary(const struct ptd_expr *e, const struct symbols *y, fmpz_mpoly_q_t f,
                           const fmpz_mpoly_ctx_t ctx)
{
    fmpz_mpoly_q_t g;
    fmpz_mpoly_q_init(g, ctx);
    int ok = quotient(e->a, y, f, ctx) && quotient(e->b, y, g, ctx);
    if (ok && e->op == PTD_E_ADD) fmpz_mpoly_q_add(f, f, g, ctx);
    if (ok && e->op == PTD_E_SUB) fmpz_mpoly_q_sub(f, f, g, ctx);
    if (ok && e->op == PTD_E_MUL) fmpz_mpoly_q_mul(f, f, g, ctx);
    if (ok && e->op == PTD_E_DIV && (ok = !fmpz_mpoly_q_is_zero(g, ctx)))
        fmpz_mpoly_q_div(f, f, g, ctx);
    fmpz_mpoly_q_clear(g, ctx);
    return ok && of_size(f, ctx);
}

/* 1 and f: e is a quotient of polynomials of a size that is computed with. */
static int quotient(const struct ptd_expr *e, const struct symbols *y, fmpz_mpoly_q_t f,
                    const fmpz_mpoly_ctx_t ctx)
{
    fmpq_t q;
    fmpq_init(q);
    int known = rational(e, q);
    if (known) fmpz_mpoly_q_set_fmpq(f, q, ctx);
    fmpq_clear(q);
    if (known) return 1;
    switch (e->op) {
    case PTD_E_SYM:
        fmpz_mpoly_q_gen(f, symbol_index(y, e), ctx);
        return 1;
    case PTD_E_NEG:
        if (!quotient(e->a, y, f, ctx)) return 0;
        fmpz_mpoly_q_neg(f, f, ctx);
        return 1;
    case PTD_E_POW:
        return quotient(e->a, y, f, ctx) && quotient_power(f, e->b, ctx);
    case PTD_E_ADD:
    case PTD_E_SUB:
    case PTD_E_MUL:
    case PTD_E_DIV:
        return quotient_binary(e, y, f, ctx);
    default:
        return 0;
    }
}

/* 1 equal, 0 not, -1: they are none of these. */
static int same_quotient(const struct ptd_expr *a, const struct ptd_expr *b,
                         const struct symbols *y)
{
    fmpz_mpoly_ctx_t ctx;
    fmpz_mpoly_q_t f, g;
    if (y->n == 0 || y->n > 4) return -1;
    fmpz_mpoly_ctx_init(ctx, y->n, ORD_LEX);
    fmpz_mpoly_q_init(f, ctx);
    fmpz_mpoly_q_init(g, ctx);
    int same = -1;
    if (quotient(a, y, f, ctx) && quotient(b, y, g, ctx)) same = fmpz_mpoly_q_equal(f, g, ctx);
    fmpz_mpoly_q_clear(f, ctx);
    fmpz_mpoly_q_clear(g, ctx);
    fmpz_mpoly_ctx_clear(ctx);
    return same;
}

/* ---- equality ---- */

enum { APART = 0, MEET = 1, NO_VALUE = -1 };

/* a b = c d at the point? c and d may be NULL: 1. */
static int compare_at(const struct ptd_expr *const e[4], struct point *p)
{
    acb_t v[4];
    int ok = 1, meet = NO_VALUE;
    for (int i = 0; i < 4; i++) acb_init(v[i]);
    for (int i = 0; i < 4 && ok; i++) {
        acb_one(v[i]);
        if (e[i]) ok = ball(e[i], p, v[i]) && acb_is_finite(v[i]);
    }
    if (ok) {
        acb_mul(v[0], v[0], v[1], p->bits);
        acb_mul(v[2], v[2], v[3], p->bits);
        meet = acb_overlaps(v[0], v[2]) ? MEET : APART;
        if (meet == MEET && p->bits > 64 && acb_rel_accuracy_bits(v[0]) < 100 &&
            !acb_contains_zero(v[0]))
            meet = NO_VALUE;
    }
    for (int i = 0; i < 4; i++) acb_clear(v[i]);
    return meet;
}

/* At points with few bits, then with many. Where an expression has no value nothing is decided; a
 * value at one of the first three points, or at the only one, is needed. */
static int meet(const struct ptd_expr *const e[4], const struct symbols *y, const char **reason)
{
    static const slong bits[] = {64, 330};
    int points = y->n ? 5 : 1, seen = 0;
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < points; i++) {
            struct point p = {y, i, y->n && !y->complex, bits[k], NULL};
            int here = compare_at(e, &p);
            if (p.reason) {
                *reason = p.reason;
                return 0;
            }
            if (here == APART) return 0;
            seen += k == 1 && here == MEET;
        }
    return seen >= (y->n ? 2 : 1);
}

static int both_rational(const struct ptd_expr *a, const struct ptd_expr *b, int *same)
{
    fmpq_t p, q;
    fmpq_init(p);
    fmpq_init(q);
    int ok = rational(a, p) && rational(b, q);
    if (ok) *same = fmpq_equal(p, q);
    fmpq_clear(p);
    fmpq_clear(q);
    return ok;
}

static int infinite(const struct ptd_expr *e)
{
    if (e->op == PTD_E_NEG) return -infinite(e->a);
    return e->op == PTD_E_INF;
}

int ptd_expr_equal(const struct ptd_expr *a, const struct ptd_expr *b, const char **reason)
{
    int same;
    ready();
    if (infinite(a) || infinite(b)) return infinite(a) == infinite(b);
    if (both_rational(a, b, &same)) return same;
    struct symbols y = {.n = 0};
    collect(b, &y);
    collect(a, &y);
    if (y.over) {
        *reason = "too large";
        return 0;
    }
    if (!meet((const struct ptd_expr *const[]){a, NULL, b, NULL}, &y, reason)) return 0;
    return same_quotient(a, b, &y) != 0;
}

int ptd_expr_value(const struct ptd_expr *e, double *value)
{
    struct symbols y = {.n = 0};
    acb_t x;
    ready();
    collect(e, &y);
    if (y.n) return 0;
    struct point p = {&y, 0, 0, 64, NULL};
    acb_init(x);
    int ok = ball(e, &p, x) && acb_is_finite(x) && arb_contains_zero(acb_imagref(x));
    if (ok) *value = arf_get_d(arb_midref(acb_realref(x)), ARF_RND_NEAR);
    acb_clear(x);
    return ok;
}

int ptd_expr_near(const struct ptd_expr *a, const struct ptd_expr *b, double relative,
                  double absolute, const char **reason)
{
    double x, y;
    if (!ptd_expr_value(a, &x) || !ptd_expr_value(b, &y)) return 0;
    double far = x > y ? x - y : y - x, size = relative * (y < 0 ? -y : y);
    return far <= (size > absolute ? size : absolute) * (1 + 1e-12);
}

/* ---- equations ---- */

int ptd_expr_same_equation(const struct ptd_expr *a, const struct ptd_expr *b,
                           const struct ptd_expr *c, const struct ptd_expr *d, const char **reason)
{
    struct ptd_expr f = {.op = PTD_E_SUB, .a = a, .b = b}, g = {.op = PTD_E_SUB, .a = c, .b = d};
    struct symbols y = {.n = 0};
    acb_t f0, g0, f1, g1;
    int ok = 1, seen = 0;
    ready();
    collect(&f, &y);
    collect(&g, &y);
    if (y.over || y.n < 2) return 0;
    acb_init(f0), acb_init(g0), acb_init(f1), acb_init(g1);
    for (int i = 0; i < 4 && ok; i++) {
        struct point p = {&y, i, !y.complex, 330, NULL};
        if (!ball(&f, &p, f1) || !ball(&g, &p, g1)) {
            if (p.reason) *reason = p.reason;
            continue;
        }
        if (seen++) {
            acb_mul(f1, f1, g0, p.bits);
            acb_mul(g1, g1, f0, p.bits);
            ok = acb_overlaps(f1, g1);
        } else {
            ok = !acb_contains_zero(f1) && !acb_contains_zero(g1);
            acb_swap(f0, f1);
            acb_swap(g0, g1);
        }
    }
    acb_clear(f0), acb_clear(g0), acb_clear(f1), acb_clear(g1);
    return ok && seen >= 3;
}
