/* cell: see cell.h. */
#include "method/hint/cell.h"
#include <ctype.h>
#include <stddef.h>

static int cell_at(const char *s, int rows, int columns)
{
    int row = *s - 'a', column = 0;
    const char *p = s + 1;
    if (row < 0 || row >= rows || *p == '0') return 0;
    for (; isdigit((unsigned char)*p) && column < 1000; p++) column = 10 * column + (*p - '0');
    return column >= 1 && column <= columns && !isalnum((unsigned char)*p) && *p != '_';
}

const char *ptd_hint_cell_from(const char *s, const char *text, int rows, int columns)
{
    for (; *s; s++) {
        int begins = s == text || (!isalnum((unsigned char)s[-1]) && s[-1] != '_');
        if (begins && cell_at(s, rows, columns)) return s;
    }
    return NULL;
}

const char *ptd_hint_cell(const char *step, int rows, int columns)
{
    return ptd_hint_cell_from(step, step, rows, columns);
}

char *ptd_hint_cell_name(struct ptd_group *g, int row, int column)
{
    return ptd_group_text(g, "%c%d", 'a' + row, column + 1);
}
