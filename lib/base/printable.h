/* printable: text from outside as it may be shown: on a terminal it moves no cursor, turns no
 * direction, starts no line of its own.
 *
 * Escaped are control characters (C0, DEL, C1), those that turn the direction of writing
 * (U+202A-202E, U+2066-2069) and bytes that are no UTF-8, as \n, \t, \r, \x1b or \u009b. Everything
 * else stays. Messages (err.h) are made so by themselves. */
#ifndef PTD_PRINTABLE_H
#define PTD_PRINTABLE_H

char *ptd_printable(const char *s); /* malloc'd */
/* columns that such a text takes on a terminal: wide characters two, marks none */
int ptd_printable_width(const char *s);
/* The same, where it takes more than `most` columns with "..." in the place of its middle;
 * malloc'd. most: at least 5 */
char *ptd_printable_cut(const char *s, int most);
#endif
