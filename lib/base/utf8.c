/* utf8: see utf8.h. */
#include "base/utf8.h"
#include "base/err.h"
#include <string.h>
#include <utf8proc.h>

char *ptd_utf8(const char *s, size_t n, size_t *out_n)
{
    char *fixed = ptd_alloc(3 * n + 1), *out = fixed;
    for (size_t i = 0; i < n;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t len =
            utf8proc_iterate((const utf8proc_uint8_t *)s + i, (utf8proc_ssize_t)(n - i), &c);
        out = len > 0 ? mempcpy(out, s + i, (size_t)len) : mempcpy(out, "\xef\xbf\xbd", 3);
        i += len > 0 ? (size_t)len : 1;
    }
    *out_n = (size_t)(out - fixed);
    return fixed;
}
