/* form: the form of a response that earns.
 *
 * `boxed` exactly one \boxed{} and nothing but blanks, $ or a full stop after it; `think`
 * <think>...</think> first and a \boxed{} after it; `answer-tag` exactly one <answer>...</answer>
 * and nothing but blanks after it. */
#ifndef PTD_FORM_H
#define PTD_FORM_H

enum ptd_format_rule { PTD_FORMAT_BOXED, PTD_FORMAT_THINK, PTD_FORMAT_TAG };

int ptd_format_good(int format_rule, const char *text);
#endif
