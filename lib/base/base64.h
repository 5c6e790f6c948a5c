/* base64: bytes as text (RFC 4648), the usual alphabet or that for addresses, with or without
 * padding; blanks and line ends between letters do not count. */
#ifndef PTD_BASE64_H
#define PTD_BASE64_H
#include <stddef.h>

/* At least as many bytes as n letters can hold. */
#define PTD_BASE64_ROOM(n) ((n) / 4 * 3 + 3)

/* Bytes written to out, which has PTD_BASE64_ROOM(n); -1: not base64, and *bad (may be NULL) is
 * where, counted from 0 (n: it ends early). */
long ptd_base64_decode(const char *s, size_t n, void *out, size_t *bad);

/* Letters that n bytes become, padding and all. */
#define PTD_BASE64_LETTERS(n) (((n) + 2) / 3 * 4)
/* Writes them, in the usual alphabet, to out; no NUL. */
void ptd_base64_encode(const void *bytes, size_t n, char *out);
#endif
