/* match: rows get a column one after the other; each time along the cheapest way of changing what
 * the rows before have. See match.h. */
#include "judge/match.h"
#include <math.h>

#define SIDE (PTD_MATCH_MAX + 1)

/* Columns count from 1, and column 0 stands for "none": a row that looks for one begins there. */
struct table {
    const double *worth;
    int rows, columns, turned;
    double row_price[SIDE], column_price[SIDE];
    int owner[SIDE]; /* a column's row, -1: it is free */
};

/* A way to a column: how much it costs, and the column before it. */
struct way {
    double cost;
    int before, done;
};

static double worth(const struct table *t, int row, int column)
{
    return t->turned ? t->worth[(column - 1) * t->rows + row]
                     : t->worth[row * t->columns + column - 1];
}

/* Looks from column `at` whether its row makes a way cheaper; the cheapest column not yet done. */
static int widen(const struct table *t, struct way *ways, int at)
{
    int best = 0, row = t->owner[at];
    for (int c = 1; c <= t->columns; c++) {
        if (ways[c].done) continue;
        double cost = -worth(t, row, c) - t->row_price[row] - t->column_price[c];
        if (cost < ways[c].cost) ways[c].cost = cost, ways[c].before = at;
        if (!best || ways[c].cost < ways[best].cost) best = c;
    }
    return best;
}

/* Prices rise so that the cheapest way found costs nothing. */
static void settle(struct table *t, struct way *ways, double by)
{
    for (int c = 0; c <= t->columns; c++) {
        if (ways[c].done)
            t->row_price[t->owner[c]] += by, t->column_price[c] -= by;
        else
            ways[c].cost -= by;
    }
}

static void place(struct table *t, int row)
{
    struct way ways[SIDE];
    int at = 0;
    for (int c = 0; c <= t->columns; c++) ways[c] = (struct way){.cost = INFINITY};
    t->owner[0] = row;
    while (t->owner[at] >= 0) {
        ways[at].done = 1;
        int next = widen(t, ways, at);
        settle(t, ways, ways[next].cost);
        at = next;
    }
    for (int before; at; at = before) {
        before = ways[at].before;
        t->owner[at] = t->owner[before];
    }
}

double ptd_match(const double *pairs, int n, int m)
{
    struct table t = {.worth = pairs, .rows = n, .columns = m};
    double sum = 0;
    if (n > m) t.rows = m, t.columns = n, t.turned = 1;
    for (int c = 0; c <= t.columns; c++) t.owner[c] = -1;
    for (int r = 0; r < t.rows; r++) place(&t, r);
    for (int c = 1; c <= t.columns; c++)
        if (t.owner[c] >= 0) sum += worth(&t, t.owner[c], c);
    return sum;
}
