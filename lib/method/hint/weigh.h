/* weigh: how much log-prob a model gives the right answer of a group under each of several hints.
 *
 * What stands for the right answer (`by`):
 *
 *   answer   the gold answer's text in the template (\boxed{ANSWER}), behind the assistant's
 *            header: its log-prob, of the answer's tokens alone. For models that answer bare.
 *   right    the responses of the group that are right, as they were written, at most RIGHT of
 *            them: the log of the mean of their probabilities. Where none is right: answer.
 *   reply    what the model itself answers under the hint: the log of the share of right ones
 *            among `samples`, half a one added to each side (Krichevsky and Trofimov). For models
 *            that reason before they answer: their right answers are not known before.
 *
 * All hints of a group are read in one packed batch: what their prompts begin with, pictures and
 * question, is computed once. For choosing among hints (`rank`) answer and right have the same
 * figure. Under reply each hint is answered once, greedily, and ranked by
 *
 *     log p(reply | hint) + log p(reply | no hint)
 *
 * the second being what the model would say anyway: many places lead to the right number, few of
 * them are what was asked for. With `replies` above 1 others are drawn beside the greedy one, and
 * the hint's rank is the log of the sum of both probabilities' products over the different right
 * ones; where none is right, that of the likeliest. */
#ifndef PTD_HINT_WEIGH_H
#define PTD_HINT_WEIGH_H
#include "method/hint/forced.h"
#include "method/reward.h"

#define PTD_WEIGH_RIGHT 4 /* responses that are read */

enum ptd_weigh_by { PTD_BY_REPLY, PTD_BY_RIGHT, PTD_BY_ANSWER };
/* -1 (2): no such name. */
int ptd_weigh_by_name(const char *name) PTD_MUST_CHECK;

struct ptd_weighed {
    double rank;
    int right; /* 0: no reply is, and the hint none to choose */
    /* reply: the likeliest right answer, else the likeliest, in g's arena; otherwise NULL */
    const char *reply;
};

struct ptd_weigh;
/* NULL: a template without ANSWER, or a rule that is none (2). The model is the tools' eye, loaded
 * when first needed. */
struct ptd_weigh *ptd_weigh_open(struct ptd_hint_tools *tools, const struct ptd_weigh_rules *r);
/* The hints [n] of g, to choose among them. -1: see err.h. */
int ptd_weigh_rank(struct ptd_weigh *w, struct ptd_group *g, const char *const *hint, int n,
                   struct ptd_weighed *out) PTD_MUST_CHECK;
struct ptd_gain {
    double logp;  /* by how much log-prob the right answer gains under the hint */
    double right; /* reply: the share of right ones under it; otherwise 1 */
};
int ptd_weigh_gain(struct ptd_weigh *w, struct ptd_group *g, const char *hint,
                   struct ptd_gain *out) PTD_MUST_CHECK;
/* Under answer and right, the texts that stand for the right answer, in g's arena; how many, -1
 * failure. */
int ptd_weigh_texts(struct ptd_weigh *w, struct ptd_group *g,
                    struct ptd_forced_text text[PTD_WEIGH_RIGHT]) PTD_MUST_CHECK;
void ptd_weigh_close(struct ptd_weigh *w); /* NULL: nothing */
#endif
