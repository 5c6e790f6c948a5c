/* extract: where in a response the answer is.
 *
 * `boxed` takes the last \boxed{...} with matched braces, `tag` the last <answer>...</answer>,
 * `auto` the first of the two that is there. */
#ifndef PTD_EXTRACT_H
#define PTD_EXTRACT_H
#include <stddef.h>

enum ptd_extract_rule { PTD_EXTRACT_AUTO, PTD_EXTRACT_BOXED, PTD_EXTRACT_TAG };

/* The answer inside text, blanks around it left out; *len bytes; NULL if there is none. */
const char *ptd_answer_find(int extract_rule, const char *text, size_t *len);

/* ---- the parts ---- */
#define PTD_BOX       "\\boxed{"
#define PTD_TAG_OPEN  "<answer>"
#define PTD_TAG_CLOSE "</answer>"
/* Behind the opening of the last box or tag that closes, and in *close where it does; NULL: none.
 */
const char *ptd_last_box(const char *text, const char **close);
const char *ptd_last_tag(const char *text, const char **close);
#endif
