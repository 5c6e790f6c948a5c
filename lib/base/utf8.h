/* utf8: texts from outside for those who take UTF-8 only. */
#ifndef PTD_UTF8_H
#define PTD_UTF8_H
#include <stddef.h>

/* A copy in which each byte that is no UTF-8 is U+FFFD; *out_n bytes and a NUL, malloc'd. */
char *ptd_utf8(const char *s, size_t n, size_t *out_n);
#endif
