/* greedy: a model's greedy replies to prompts that begin alike. What all begin with, pictures
 * included, is computed once, and all replies are written as one batch; a prompt's own end is read
 * like the reply's first tokens. */
#ifndef PTD_HINT_GREEDY_H
#define PTD_HINT_GREEDY_H
#include "method/hint/forced.h"
#include "net/sample.h"

/* Replies [n], of the sampling's temperature (for log-probs), stop, banned and max_tokens alone.
 * Free with ptd_replies_free; NULL: see err.h. All prompts show g's pictures and differ only behind
 * them. */
struct ptd_reply *ptd_greedy_replies(struct ptd_model *m, const struct ptd_sampling *s,
                                     const struct ptd_group *g, const struct ptd_forced_prompt *p,
                                     int n);
#endif
