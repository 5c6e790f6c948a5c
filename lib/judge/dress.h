/* dress: Unicode's signs as plain text and LaTeX: full-width forms, superscripts, roots, Greek,
 * fractions of one sign, blanks that break no line. Scripts stay as they are. */
#ifndef PTD_DRESS_H
#define PTD_DRESS_H
#include <stddef.h>
#include <stdint.h>

/* Writes at most cap - 1 bytes and a zero; returns how many, or -1: it does not fit. from [cap],
 * unless NULL, gets where in s each byte of out comes from. */
long ptd_undress(char *out, size_t cap, const char *s, size_t n, uint16_t *from);
#endif
