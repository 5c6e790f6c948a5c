/* units: a table of units, and what stands behind a number: cm, square meters, km/h, 平方厘米, $,
 * degrees, percent, or a thing that is counted (5 apples). Units of one dimension convert. */
#ifndef PTD_UNITS_H
#define PTD_UNITS_H
#include "judge/lex.h"

enum ptd_dimension {
    PTD_DIM_LENGTH,
    PTD_DIM_MASS,
    PTD_DIM_TIME,
    PTD_DIM_CURRENT,
    PTD_DIM_HEAT, /* kelvin */
    PTD_DIM_AMOUNT,
    PTD_DIM_LIGHT,
    PTD_DIM_ANGLE, /* degrees */
    PTD_DIM_RADIAN,
    PTD_DIM_MONTH, /* months and years, which are no number of days */
    PTD_DIM_DATA,
    PTD_DIM_UNIT, /* "units", of whatever a figure is drawn in */
    PTD_DIM_USD,
    PTD_DIM_EUR,
    PTD_DIM_GBP,
    PTD_DIM_CNY,
    PTD_DIM_JPY,
    PTD_DIM_INR,
    PTD_DIM_KRW,
    PTD_DIM_THING, /* what is counted, by its name */
    PTD_DIMS
};

struct ptd_unit {
    int64_t num, den; /* one of it is num / den * 10^ten of its dimension's own unit */
    int ten;
    int8_t dim[PTD_DIMS];
    uint8_t percent;
    char scale;     /* 'C' or 'F': a temperature, whose nought is elsewhere; else 0 */
    char thing[24]; /* THING: its name in the singular */
};

/* The unit that the tokens t [n] are, all of them; 0: they are none. Words that no table knows are
 * taken for a thing only if `things`. */
int ptd_unit_read(const struct ptd_tok *t, int n, int things, struct ptd_unit *u);
/* Bytes of what Chinese counts things by at the beginning of a word: 个, 只; 0: none. */
int ptd_unit_measure(const struct ptd_tok *t);
double ptd_unit_size(const struct ptd_unit *u); /* in its dimension's own unit */
int ptd_unit_same_dimension(const struct ptd_unit *a, const struct ptd_unit *b);
/* 1 if the two have one dimension, size and nought. */
int ptd_unit_same(const struct ptd_unit *a, const struct ptd_unit *b);
#endif
