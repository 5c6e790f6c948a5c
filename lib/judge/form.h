/* form: the form of a response that earns.
 *
 *   boxed       exactly one \boxed{} behind the thought, if there is one, and nothing after it but
 *               blanks and what dresses it: $, \], \), **, a full stop
 *   think       <think>...</think> first, and a \boxed{} after it. Where the prompt's template
 *               opened the thought, the response need not open it again.
 *   answer-tag  exactly one <answer>...</answer> behind the thought and nothing but blanks after it
 *
 * A thought that is not closed, also the template's, an empty box, an empty tag and an empty
 * thought are bad form under every rule that asks for them. */
#ifndef PTD_FORM_H
#define PTD_FORM_H
#include "judge/extract.h"

enum ptd_format_rule { PTD_FORMAT_BOXED, PTD_FORMAT_THINK, PTD_FORMAT_TAG };
extern const char *const ptd_format_names[]; /* in this order; NULL at the end */

int ptd_format_good(int format_rule, const struct ptd_response *r);
#endif
