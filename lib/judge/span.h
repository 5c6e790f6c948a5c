/* span: a piece of a longer text, and what the readers of this room ask of one. No span need end in
 * a zero. Case is ASCII's. */
#ifndef PTD_SPAN_H
#define PTD_SPAN_H
#include <stddef.h>

struct ptd_span {
    const char *s;
    size_t len;
};

int ptd_is_blank(char c);
int ptd_is_digit(char c);
int ptd_is_letter(char c); /* ASCII */
/* How many bytes of [s, end) spell `with`; 0: it does not begin so. */
size_t ptd_begins(const char *s, const char *end, const char *with);
size_t ptd_begins_any_case(const char *s, const char *end, const char *with);
/* The same for a word, in small letters: no letter or digit follows. */
size_t ptd_begins_word(const char *s, const char *end, const char *word);
/* The first of a list, NULL at its end, that s begins with (as a word); its bytes, 0: none. */
size_t ptd_begins_one(const char *s, const char *end, const char *const *list);
size_t ptd_begins_one_word(const char *s, const char *end, const char *const *list);
size_t ptd_ends(struct ptd_span a, const char *with); /* bytes, 0: it does not end so */
/* Where `what` is in a (as a word), in any case; NULL: nowhere. */
const char *ptd_find_any_case(struct ptd_span a, const char *what);
const char *ptd_find_word(struct ptd_span a, const char *word);
struct ptd_span ptd_span_of(const char *s, const char *end);
struct ptd_span ptd_span_behind(struct ptd_span a, const char *s); /* from s, within a, on */
struct ptd_span ptd_trimmed(struct ptd_span a); /* without the blanks around it */
#endif
