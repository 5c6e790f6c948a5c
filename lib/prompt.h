/* prompt: the chat template of Qwen3-VL Instruct rendered in C; student and teacher prompts come from the
 * same function and differ only in the hint.
 *
 *     <|im_start|>user\n  parts  <|im_end|>\n<|im_start|>assistant\n
 *
 * parts: the question; each <image> in it becomes <|vision_start|><|image_pad|>*K<|vision_end|>, K =
 * (height/factor)*(width/factor), factor = patch * merge. Without any <image> mark all pictures come first. A
 * hint follows the question after "\nHint: ". */
#ifndef PTD_PROMPT_H
#define PTD_PROMPT_H
#include "config.h"
#include "record.h"
#include "token.h"

/* Renders g's question and pictures (and `hint`, may be NULL) to ids; *ids malloc'd. Returns the count, -1:
 * 65 (marks and pictures disagree). */
int ptd_prompt_render(const struct ptd_tokenizer *t, const struct ptd_config *c, const struct ptd_group *g,
                      const char *hint, int32_t **ids) PTD_MUST_CHECK;
#endif
