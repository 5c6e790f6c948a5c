/* worth: the advantages of a step's groups: of their rewards, as ptd-verify gives them, or of
 * rewards less a KL to the reference, which ptd-update works out anew, since only then the
 * reference has been read.
 *
 *     ptd_worth(grpo, groups, n);                                        // fills advantage
 *     ptd_worth_less_kl(grpo, groups, n, &less, advantage, returns);     // [tokens] each
 *
 * With a KL in the reward a response earns beta kl less at each of its tokens, and R at the last.
 * The return of a token is what is earned from it on:
 *
 *     return_t = R - beta sum over its response's tokens s >= t of kl_s
 *
 * R less all of it, the return of the first token, is the reward of rows that compare responses;
 * reinforce++ compares returns. kl is as of when the words were sampled. */
#ifndef PTD_WORTH_H
#define PTD_WORTH_H
#include "flow/record.h"
#include "method/advantage/advantage.h"
#include "method/kl/kl.h"

struct ptd_comm;
struct ptd_less {
    const struct ptd_kl *kl;
    double beta;
    int (*leaves_out)(const void *ctx, const struct ptd_group *g); /* 1: no KL there; or NULL */
    const void *ctx;
};

/* What ptd-verify gave the stream's advantages by, with its options, which the row's are set to: of
 * its note in the head. NULL, 65: no ptd-verify is noted there. */
const struct ptd_advantage *ptd_worth_noted(const struct ptd_head *h);
/* 1: it left responses that the limit cut out of the stream, after it had compared them. */
int ptd_worth_leaves_cut(const struct ptd_head *h);
/* 1: the last ptd-verify noted in the head judged by the options that `decided` says, whatever it
 * made of the rewards: greedy answers that it took out would earn the same again. */
int ptd_worth_judged_so(const struct ptd_head *h, const char *decided);
/* Rows that want a whole step get it from all ranks, of which these groups are ours; NULL: they are
 * all. */
void ptd_worth_over(struct ptd_comm *c);
/* n groups: of a whole step, if the row wants that. -1, 65: one has no greedy answer that the row
 * needs. */
int ptd_worth(const struct ptd_advantage *a, struct ptd_group **g, int n) PTD_MUST_CHECK;
/* The same for each token, in the groups' order; every response needs ref_logp, and rows that need
 * parts are not asked (2). */
int ptd_worth_less_kl(const struct ptd_advantage *a, struct ptd_group **g, int n,
                      const struct ptd_less *less, double *advantage,
                      double *returns) PTD_MUST_CHECK;
#endif
