/* stop: texts that end a response, wherever its tokens end.
 *
 *     struct ptd_stop *s = ptd_stop_new(tokenizer, (const char *const[]){"}", "\n\n"}, 2);
 *     int at[2] = {0};                                // [ptd_stop_places(s)], of one response
 *     while (!ptd_stop_feed(s, at, id = next())) ...  // until one of them is whole
 *     text[ptd_stop_end(s, text)] = 0;                // a token may hold more than its end
 *
 * A response's text is what its tokens say, special ones left out. Each byte of it is looked at
 * once for each text (Knuth, Morris and Pratt), so a stop text may begin in one token and end in
 * another, or inside of one, and its characters may be cut by them. */
#ifndef PTD_STOP_H
#define PTD_STOP_H
#include "data/token.h"

struct ptd_stop;
/* Texts of one byte and more; copies them. The tokenizer must outlive it. */
struct ptd_stop *ptd_stop_new(const struct ptd_tokenizer *t, const char *const *texts, int n);
void ptd_stop_free(struct ptd_stop *s);
/* How many numbers, 0 to begin with, a response needs; 0 if s is NULL. */
int ptd_stop_places(const struct ptd_stop *s);
/* The response goes on with this token: 1 if a stop text ends in it. */
int ptd_stop_feed(const struct ptd_stop *s, int *at, int32_t id);
/* Where in a text the first stop text that becomes whole ends; its length if none is there. */
size_t ptd_stop_end(const struct ptd_stop *s, const char *text);
#endif
