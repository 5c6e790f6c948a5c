/* reading: what the readers of values share. Each gets tokens and gives the value that all of them
 * are, or NULL: they are none of its kind. What is made lives in the reading. */
#ifndef PTD_READING_H
#define PTD_READING_H
#include "judge/value.h"

struct ptd_toks {
    const struct ptd_tok *a, *b; /* [a, b) */
};
typedef const struct ptd_tok *tok;
typedef struct ptd_value *value;

/* ---- value.c ---- */
value ptd_value_new(struct ptd_reading *r, int kind, struct ptd_toks s); /* NULL: too many */
const struct ptd_expr *ptd_toks_expr(struct ptd_reading *r, struct ptd_toks s);
/* Kinds of tokens that are brackets. */
int ptd_opens(int kind);
int ptd_closes(int kind);
tok ptd_closing(struct ptd_toks s); /* the bracket that closes the one at s.a; s.b: none */
/* Without full stops, quotes and the like at the ends, and without braces around all of it. */
struct ptd_toks ptd_toks_trimmed(struct ptd_toks s);
/* The next token from t on that parts a list, outside brackets; s.b: none. */
tok ptd_next_part(tok t, struct ptd_toks s);
int ptd_add_kid(value list, value *last, value kid); /* 0: the kid is NULL */
/* A list or what its only part is; one part of a list; the parts as kids of a value of `kind`. */
value ptd_read_list(struct ptd_reading *r, struct ptd_toks s);
value ptd_read_item(struct ptd_reading *r, struct ptd_toks s);
value ptd_read_parts(struct ptd_reading *r, struct ptd_toks s, int kind);

/* ---- relations.c ---- */
/* x, AB, \angle ABC, S_{ABC}, f(2), \sin A, "the area": names without numbers or operators. */
int ptd_is_label(struct ptd_toks s);
void ptd_set_label(struct ptd_reading *r, value v, struct ptd_toks s);
value ptd_read_relation(struct ptd_reading *r, struct ptd_toks s); /* x = 5, x < 5, x in [0, 1] */

/* ---- times.c ---- */
/* 3 pm, 3 o'clock, half past seven, 下午3点45分 */
value ptd_read_time(struct ptd_reading *r, struct ptd_toks s);

/* ---- shapes.c ---- */
/* half: 'a' or 'p', before or after noon, 'o': of a clock; 0: not said */
value ptd_read_ratio(struct ptd_reading *r, struct ptd_toks s, int half);
/* 20-30, $20-$30, 20-30 years, 2020-01-05: numbers that nobody subtracts */
value ptd_read_range(struct ptd_reading *r, struct ptd_toks s);
/* July 4, 1776, 4 July 1776, 1776年7月4日: as 1776-07-04. */
value ptd_read_date(struct ptd_reading *r, struct ptd_toks s);
value ptd_read_union(struct ptd_reading *r, struct ptd_toks s);
value ptd_read_brackets(struct ptd_reading *r, struct ptd_toks s);

/* ---- amounts.c ---- */
value ptd_quantity(struct ptd_reading *r, struct ptd_toks s, const struct ptd_expr *e,
                   const struct ptd_unit *u /* NULL: none */);
value ptd_read_amount(struct ptd_reading *r, struct ptd_toks s);
value ptd_read_compound(struct ptd_reading *r, struct ptd_toks s); /* 3 hours 30 minutes */
#endif
