/* exact: see exact.h. */
#include "judge/exact.h"
#include "base/err.h"
#include "judge/algebra.h"
#include <flint/fmpz.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS    400  /* of a number, with its exponent */
#define BITS      4096 /* of a rational on the way */
#define FACTORIAL 1000

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

__attribute__((noreturn)) static void broken(void)
{
    ptd_die(PTD_BUG, "arithmetic of an answer: a library gave up");
}

static void prepare(void)
{
    mp_set_memory_functions(ptd_malloc, sized_realloc, sized_free);
    __flint_set_memory_functions(ptd_malloc, counted, ptd_realloc, free);
    flint_set_abort(broken);
}

void ptd_exact_ready(void)
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
    fmpz_set_ui(nines, 10);
    fmpz_pow_ui(nines, nines, (ulong)e->num);
    fmpz_sub_ui(nines, nines, 1);
    fmpq_div_fmpz(q, q, nines);
    fmpq_clear(head);
    fmpz_clear(nines);
    return e->n < DIGITS && shift_ten(q, -before);
}

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
    int ok = ptd_exact(e->a, q) && ptd_exact(e->b, b);
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
int ptd_exact(const struct ptd_expr *e, fmpq_t q)
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
        ok = ptd_exact(e->a, q);
        fmpq_neg(q, q);
        break;
    case PTD_E_ABS:
        ok = ptd_exact(e->a, q);
        fmpq_abs(q, q);
        break;
    case PTD_E_ROOT:
        ok = ptd_exact(e->a, q) && exact_root(q, e->b);
        break;
    case PTD_E_FACTORIAL:
        ok = ptd_exact(e->a, q) && factorial(q);
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
    ptd_exact_ready();
    fmpq_init(q);
    int ok = ptd_exact(e, q) && fmpz_fits_si(fmpq_numref(q)) && fmpz_fits_si(fmpq_denref(q));
    if (ok) *num = fmpz_get_si(fmpq_numref(q)), *den = fmpz_get_si(fmpq_denref(q));
    fmpq_clear(q);
    return ok;
}
