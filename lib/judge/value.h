/* value: what an answer says: a number with or without a unit, an expression, an equation, a ratio
 * or time of day, a list, a set, a tuple or interval, a matrix, or a text. */
#ifndef PTD_VALUE_H
#define PTD_VALUE_H
#include "judge/expr.h"
#include "judge/units.h"

enum ptd_value_kind {
    PTD_V_EXPR,     /* e, perhaps with a unit; also: what it was said to be equal to */
    PTD_V_EQUATION, /* e rel rhs */
    PTD_V_RATIO,    /* kids: a : b (: c), or h:mm */
    PTD_V_LIST,     /* kids without brackets, in no order */
    PTD_V_SET,      /* kids in braces, in no order */
    PTD_V_GROUP,    /* kids in order; open and close are ( [ ) ]: a tuple or an interval */
    PTD_V_UNION,
    PTD_V_MATRIX, /* kids: rows, each a GROUP */
    PTD_V_TEXT,
};

struct ptd_value {
    uint8_t kind, open, close, rel;
    uint8_t either; /* LIST: joined by "or" */
    uint8_t has_unit;
    uint8_t weak; /* of `alt`: its unit could as well be a variable; 2: and rather is one */
    uint8_t dots; /* the digits go on */
    uint8_t time; /* RATIO: 1 could be a time of day, 2 is one; */
    uint8_t half; /* RATIO: 'a' or 'p', before or after noon */
    uint8_t to;   /* RATIO: 1 said as "to", 2 a range, 20-30 */
    int n_kids, n, n_label;
    const struct ptd_tok *t;     /* [n] what it was read from */
    const struct ptd_tok *label; /* [n_label] what it is the value of: x in x = 5; NULL: not said */
    const struct ptd_expr *name; /* the label as an expression, or NULL */
    const struct ptd_expr *e, *rhs;
    struct ptd_unit unit;
    struct ptd_value *kid, *next; /* first kid; the next kid of the same parent */
    struct ptd_value *also;       /* a = b = c: the others */
    struct ptd_value *alt;        /* 5m: read with a unit */
};

#define PTD_VALUES 160

struct ptd_reading { /* one text, read; large */
    struct ptd_lex lex;
    struct ptd_pool pool;
    const char *reason; /* static: why it was not read */
    const struct ptd_value *top;
    int n, plus, depth;
    struct ptd_value v[PTD_VALUES];
};

/* Reads all of text [n]. -1: r->reason says which limit was passed. What is no mathematics is a
 * text, and what is blank has no value: r->top is NULL. lists: commas between digits part a list.
 */
int ptd_value_read(struct ptd_reading *r, const char *text, size_t n, int lists);
/* 1 if the token parts a list: a comma, a semicolon, "and", "or". */
int ptd_value_parts(const struct ptd_tok *t);
#endif
