/* near: see near.h. */
#include "base/near.h"
#include <stddef.h>
#include <string.h>

#define MOST 64

static int least(int a, int b)
{
    return a < b ? a : b;
}

int ptd_near_distance(const char *a, const char *b)
{
    int d[MOST][MOST], n = (int)strnlen(a, MOST - 1), m = (int)strnlen(b, MOST - 1);
    for (int i = 0; i <= n; i++) d[i][0] = i;
    for (int j = 0; j <= m; j++) d[0][j] = j;
    for (int i = 1; i <= n; i++)
        for (int j = 1; j <= m; j++) {
            int other = a[i - 1] != b[j - 1];
            d[i][j] = least(least(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + other);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[n][m];
}

const char *ptd_near(const char *name, const char *const *names, int n)
{
    const char *best = NULL;
    int length = (int)strlen(name), allowed = length < 3 ? 1 : length / 3, nearest = allowed + 1;
    for (int i = 0; i < n; i++) {
        int distance = ptd_near_distance(name, names[i]);
        if (distance < nearest) {
            nearest = distance;
            best = names[i];
        }
    }
    return best;
}
