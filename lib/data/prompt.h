/* prompt: a group as a conversation: its system message, if it has one, the turns before the
 * question, and the question as the user's last turn. Student and teacher prompts come from the
 * same function and differ only in the hint.
 *
 * Each <image> in a user's turn is a picture; without any <image> mark all pictures come first in
 * the first of them. A hint follows the question after "\nHint: ". How turns are written is
 * chat.h's. */
#ifndef PTD_PROMPT_H
#define PTD_PROMPT_H
#include "data/config.h"
#include "data/token.h"
#include "flow/record.h"

/* Renders g's system message, turns, question and pictures (and `hint`, may be NULL) to ids; *ids
 * malloc'd. Returns the count, -1: 65 (marks and pictures disagree). */
int ptd_prompt_render(const struct ptd_tokenizer *t, const struct ptd_config *c,
                      const struct ptd_group *g, const char *hint, int32_t **ids) PTD_MUST_CHECK;
/* g's question as it reads without its pictures: the marks are gone, and those that would come
 * of that; lives as long as g. */
const char *ptd_prompt_without_pictures(struct ptd_group *g);
#endif
