/* escape: a character of a text from outside as it may be shown (printable.h says which are
 * escaped, and how). */
#ifndef PTD_ESCAPE_H
#define PTD_ESCAPE_H

#define PTD_ESCAPED 8 /* bytes of the longest piece, and its zero */
/* The character at s, which is not at its end, as it is shown: its bytes in piece, how many in
 * *len. Returns how many of s it takes. */
int ptd_escape(const char *s, char piece[PTD_ESCAPED], int *len);
#endif
