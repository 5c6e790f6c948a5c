/* expr: one mathematical expression as a tree: what is between the commas and equal signs of an
 * answer. Depth and size are bounded. */
#ifndef PTD_EXPR_H
#define PTD_EXPR_H
#include "judge/lex.h"

enum ptd_op {
    PTD_E_NUM,   /* s: decimal digits, point, exponent */
    PTD_E_RATIO, /* num / den, of a number in words */
    PTD_E_CYCLE, /* s: decimal digits; the last `num` of them are repeated for ever */
    PTD_E_SYM,   /* s: its name */
    PTD_E_PI,
    PTD_E_EULER,
    PTD_E_I,
    PTD_E_INF,
    PTD_E_ADD,
    PTD_E_SUB,
    PTD_E_MUL,
    PTD_E_DIV,
    PTD_E_POW,
    PTD_E_NEG,
    PTD_E_ROOT, /* a: of what; b: which, NULL: square */
    PTD_E_ABS,
    PTD_E_FACTORIAL,
    PTD_E_DEGREE, /* a in degrees */
    PTD_E_BINOM,
    PTD_E_CALL, /* s: function's name; a: of what; b: base, or NULL */
};

struct ptd_expr {
    uint8_t op;
    uint16_t n; /* bytes at s */
    const char *s;
    int64_t num, den;
    const struct ptd_expr *a, *b;
};

#define PTD_EXPR_NODES 512
#define PTD_EXPR_DEPTH 120

struct ptd_pool { /* what trees are made in */
    int n;
    const char *reason;  /* static: a limit was passed; then nothing more is read */
    struct ptd_lex *lex; /* names of symbols are written there */
    struct ptd_expr node[PTD_EXPR_NODES];
};

/* The tree that the tokens t [n] are, all of them. plus is 1 or -1: what the first of a \pm means.
 * Degrees and percent signs that are in no brackets are units, which is left to others. NULL: no
 * expression; then the pool is as it was. */
const struct ptd_expr *ptd_expr_read(struct ptd_pool *p, const struct ptd_tok *t, int n, int plus);
#endif
