/* size: see size.h. */
#include "base/size.h"
#include <stdio.h>

struct ptd_size ptd_size(double bytes)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB"};
    struct ptd_size s;
    int unit = 0;
    if (!(bytes > 0)) bytes = 0;
    for (; bytes >= 999.5 && unit < 5; unit++) bytes /= 1000;
    int digits = !unit || bytes >= 99.95 ? 0 : bytes >= 9.995 ? 1 : 2;
    snprintf(s.text, sizeof s.text, "%.*f %s", digits, bytes, units[unit]);
    return s;
}
