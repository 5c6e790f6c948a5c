/* fit: does a row fit a model? The one function by which programs that start a stream make prompts
 * and ptd-data check looks at them, so that what passes there is taken here.
 *
 *     struct ptd_fit fit = {.tokenizer = t, .config = &config, .max_prompt = 1024};
 *     if (ptd_fit_group(&fit, &g) < 0) ...    // g as ptd_dataset_read made it
 *
 * No text of a row (system message, turns, question, answers, solution, steps, labels of regions
 * and objects) may spell a token that stands for a picture or a video. As tokens it would stay text
 * (token.h); but who writes it means a picture, and there is none behind it. */
#ifndef PTD_FIT_H
#define PTD_FIT_H
#include "base/err.h"
#include "data/config.h"
#include "data/token.h"
#include "flow/record.h"

struct ptd_fit {
    const struct ptd_tokenizer *tokenizer;
    const struct ptd_config *config;
    const char *system; /* message that every prompt begins with, or NULL */
    int max_prompt;     /* most tokens of a prompt; 0: only the model's context counts */
};

/* The picture's token that a text spells; NULL: none, or no text. */
const char *ptd_fit_spelled(const char *text);
/* Looks for the first text, from text *at on, that spells a picture's token; needs no model. 0:
 * none, or -1 (65), and *at is the text behind it:
 *
 *     for (int at = 0; ptd_fit_words(&g, &at) < 0;) say(ptd_failed_message()); */
int ptd_fit_words(const struct ptd_group *g, int *at) PTD_MUST_CHECK;
/* Renders g's prompt into g->prompt_ids and g->n_prompt. -1 (65): its texts, or marks and pictures
 * that disagree; or it is too long, then g->n_prompt says how long. */
int ptd_fit_group(const struct ptd_fit *f, struct ptd_group *g) PTD_MUST_CHECK;
/* Is a prompt of n tokens one too many for the model, or for max_prompt? -1 (65). */
int ptd_fit_length(const struct ptd_fit *f, int n) PTD_MUST_CHECK;
#endif
