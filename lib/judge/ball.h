/* ball: expressions at a point, by Arb: a ball that holds the value for sure. */
#ifndef PTD_BALL_H
#define PTD_BALL_H
#include "judge/expr.h"
#include <acb.h>

#define PTD_SYMBOLS 12

struct ptd_symbols {
    const char *s[PTD_SYMBOLS];
    uint16_t len[PTD_SYMBOLS];
    int n, complex, over; /* complex: i is there; over: too many */
};

/* The different symbols of e join y. */
void ptd_symbols_collect(const struct ptd_expr *e, struct ptd_symbols *y);
int ptd_symbol_index(const struct ptd_symbols *y, const struct ptd_expr *e); /* -1: not there */

struct ptd_point {
    const struct ptd_symbols *y;
    int nth, strict; /* strict: roots of what is negative have no value here */
    slong bits;
    const char *reason;
};
/* e at the point; 0: it has no value there, or p->reason says which limit was passed. */
int ptd_ball(const struct ptd_expr *e, struct ptd_point *p, acb_t x);
#endif
