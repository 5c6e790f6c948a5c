/* normal: Unicode's normal form C with utf8proc's tables, in time that follows the length of the
 * text.
 * utf8proc itself orders combining marks by exchanging neighbours, which takes quadratic time for a
 * text that is made of them. */
#ifndef PTD_NORMAL_H
#define PTD_NORMAL_H
#include <stddef.h>
#include <stdint.h>

/* Brings decomposed code points c [n] into canonical order and composes them in place; returns how
 * many are left. */
size_t ptd_compose(int32_t *c, size_t n);
/* s in form C with its case folded, as utf8proc_map makes it; malloc'd, ends in a zero. NULL: s is
 * no valid UTF-8. */
char *ptd_fold(const char *s, size_t n);
/* The same with compatibility forms (full-width digits, 1/2 as one sign) in plain ones and its case
 * kept. */
char *ptd_plain(const char *s, size_t n);
#endif
