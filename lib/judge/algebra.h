/* algebra: are two expressions the same? Numbers are compared as exact rationals; polynomials and
 * their quotients exactly, by FLINT; all else by balls (Arb) at points: balls that do not meet
 * prove a difference, balls that meet at every point with 300 bits are taken for equality.
 *
 * Time and memory are bounded: digits, exponents, factorials and sizes beyond the limits end in a
 * reason, never in a computation. */
#ifndef PTD_ALGEBRA_H
#define PTD_ALGEBRA_H
#include "judge/expr.h"

/* 1 equal, 0 not; *reason (static) is set if a limit was passed: then 0. */
int ptd_expr_equal(const struct ptd_expr *a, const struct ptd_expr *b, const char **reason);
/* |a - b| <= max(absolute, relative * |b|), for constants. */
int ptd_expr_near(const struct ptd_expr *a, const struct ptd_expr *b, double relative,
                  double absolute, const char **reason);
/* 1 if a - b is a constant times c - d, so that a = b and c = d are one equation. */
int ptd_expr_same_equation(const struct ptd_expr *a, const struct ptd_expr *b,
                           const struct ptd_expr *c, const struct ptd_expr *d, const char **reason);
/* The value of a constant; 0: it has none (then *value is untouched). */
int ptd_expr_value(const struct ptd_expr *e, double *value);
/* 1 if e is a rational that fits: its lowest terms. */
int ptd_expr_rational(const struct ptd_expr *e, int64_t *num, int64_t *den);
#endif
