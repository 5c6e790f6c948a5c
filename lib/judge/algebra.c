/* algebra: see algebra.h. */
#include "judge/algebra.h"
#include "judge/ball.h"
#include "judge/exact.h"
#include <calcium/fmpz_mpoly_q.h>
#include <string.h>

/* ---- polynomials and their quotients ---- */

#define TERMS  200
#define DEGREE 24

static int quotient(const struct ptd_expr *e, const struct ptd_symbols *y, fmpz_mpoly_q_t f,
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

static int quotient_binary(const struct ptd_expr *e, const struct ptd_symbols *y, fmpz_mpoly_q_t f,
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
static int quotient(const struct ptd_expr *e, const struct ptd_symbols *y, fmpz_mpoly_q_t f,
                    const fmpz_mpoly_ctx_t ctx)
{
    fmpq_t q;
    fmpq_init(q);
    int known = ptd_exact(e, q);
    if (known) fmpz_mpoly_q_set_fmpq(f, q, ctx);
    fmpq_clear(q);
    if (known) return 1;
    switch (e->op) {
    case PTD_E_SYM:
        fmpz_mpoly_q_gen(f, ptd_symbol_index(y, e), ctx);
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
                         const struct ptd_symbols *y)
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
static int compare_at(const struct ptd_expr *const e[4], struct ptd_point *p)
{
    acb_t v[4];
    int ok = 1, meet = NO_VALUE;
    for (int i = 0; i < 4; i++) acb_init(v[i]);
    for (int i = 0; i < 4 && ok; i++) {
        acb_one(v[i]);
        if (e[i]) ok = ptd_ball(e[i], p, v[i]) && acb_is_finite(v[i]);
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
static int meet(const struct ptd_expr *const e[4], const struct ptd_symbols *y, const char **reason)
{
    static const slong bits[] = {64, 330};
    int points = y->n ? 5 : 1, seen = 0;
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < points; i++) {
            struct ptd_point p = {y, i, y->n && !y->complex, bits[k], NULL};
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
    int ok = ptd_exact(a, p) && ptd_exact(b, q);
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
    ptd_exact_ready();
    if (infinite(a) || infinite(b)) return infinite(a) == infinite(b);
    if (both_rational(a, b, &same)) return same;
    struct ptd_symbols y = {.n = 0};
    ptd_symbols_collect(b, &y);
    ptd_symbols_collect(a, &y);
    if (y.over) {
        *reason = "too large";
        return 0;
    }
    if (!meet((const struct ptd_expr *const[]){a, NULL, b, NULL}, &y, reason)) return 0;
    return same_quotient(a, b, &y) != 0;
}

int ptd_expr_value(const struct ptd_expr *e, double *value)
{
    struct ptd_symbols y = {.n = 0};
    acb_t x;
    ptd_exact_ready();
    ptd_symbols_collect(e, &y);
    if (y.n) return 0;
    struct ptd_point p = {&y, 0, 0, 64, NULL};
    acb_init(x);
    int ok = ptd_ball(e, &p, x) && acb_is_finite(x) && arb_contains_zero(acb_imagref(x));
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
    struct ptd_symbols y = {.n = 0};
    acb_t f0, g0, f1, g1;
    int ok = 1, seen = 0;
    ptd_exact_ready();
    ptd_symbols_collect(&f, &y);
    ptd_symbols_collect(&g, &y);
    if (y.over || y.n < 2) return 0;
    acb_init(f0), acb_init(g0), acb_init(f1), acb_init(g1);
    for (int i = 0; i < 4 && ok; i++) {
        struct ptd_point p = {&y, i, !y.complex, 330, NULL};
        if (!ptd_ball(&f, &p, f1) || !ptd_ball(&g, &p, g1)) {
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
