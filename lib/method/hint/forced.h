/* forced: log-probs of given texts behind prompts that begin alike: what all begin with, pictures
 * included, is computed once, and all texts behind all prompts are read in one packed batch (of
 * PTD_FORCED_ROWS tokens; more in several). */
#ifndef PTD_HINT_FORCED_H
#define PTD_HINT_FORCED_H
#include "method/hint/hint.h"

#define PTD_FORCED_ROWS 8192

struct ptd_forced_prompt {
    const int32_t *ids;
    int n;
};
struct ptd_forced_text { /* tokens before `from` are given and not counted */
    const int32_t *ids;
    int n, from;
};

/* Tokens that all of n prompts begin with; each has one more at least. */
int ptd_forced_common(const struct ptd_forced_prompt *p, int n);

struct ptd_forced; /* a model that reads */
/* The model is the tools' reference. NULL on failure. */
struct ptd_forced *ptd_forced_open(struct ptd_hint_tools *tools);
/* logp [prompts][texts]: the sum over a text's counted tokens. All prompts show g's pictures, and
 * differ only behind them. -1: 65, or 71 if it does not fit in memory. */
int ptd_forced_read(struct ptd_forced *f, const struct ptd_group *g,
                    const struct ptd_forced_prompt *prompt, int prompts,
                    const struct ptd_forced_text *text, int texts, double *logp) PTD_MUST_CHECK;
void ptd_forced_close(struct ptd_forced *f); /* NULL: nothing */
#endif
