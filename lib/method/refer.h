/* refer: the frozen reference model reads responses: its log-probs under the student's prompt (for
 * the KL), and, as the tutor, its distribution under the hinted prompt with the same pictures. One
 * packed pass does both. The tutor may be another model (teacher.h), and may read the student's own
 * prompt; and responses may be read once more with masked pictures (mask.h), by the tutor's model.
 *
 * Of each token of a tutored response the tutor says its log-prob (teacher_on_ids), and its top_k
 * words with the student's own, or the hidden row that its head makes all logits of.
 *
 * Results are cached in the store's dist database. Their key is all that decides their bits: what
 * was read, by whom, on which machine, and beside what else, since that decides last bits. So a
 * value is the same whether it is computed or found, and the cache decides no number. */
#ifndef PTD_REFER_H
#define PTD_REFER_H
#include "base/err.h"
#include "compute/device.h"
#include "flow/record.h"
#include "net/plan.h"

enum ptd_scope { PTD_SCOPE_FAILED, PTD_SCOPE_RIGHT, PTD_SCOPE_ALL };

struct ptd_refer_rules {
    double tau, temperature;
    int top_k;     /* ids of the teacher to keep, 0: none but the one that was sampled */
    int whole;     /* 1: hidden rows in place of ids */
    int scope;     /* enum ptd_scope: which responses of groups below tau are tutored */
    int plain;     /* 1: the tutor reads the student's prompt, and so groups without a hint, too */
    int truncated; /* tutor responses that were cut */
    int reference; /* log-probs for the KL */
    double masked; /* share of the pictures that is hidden for masked_logp; 0: none is read */
    uint64_t seed; /* of masks */
    /* a micro-batch has at least so many, and less than twice as many (learn.h) */
    int64_t micro_tokens;
    const struct ptd_plan_asked *plan; /* memory to stay within; NULL: what there is */
};
struct ptd_refer_counts {
    long tutored, cached, computed;
}; /* responses; a response may count once as scored and once as tutored */

struct ptd_refer;
/* Models are loaded when first needed. teacher: who teaches (teacher.h), NULL: the reference. NULL
 * on failure. Call it after ptd_threads_start. */
struct ptd_refer *ptd_refer_open(const char *store, const char *teacher, int cache,
                                 const struct ptd_refer_rules *r, struct ptd_device *d);
/* "reference 0123456789abcdef; teacher generation 7 fedcba9876543210": the models by content; lives
 * as long as f. */
const char *ptd_refer_reads(const struct ptd_refer *f);
/* Says in the head whose distributions the stream now has. */
void ptd_refer_note(const struct ptd_refer *f, struct ptd_head *h);
/* Bytes that it adds to a token of a rollout with top_logprobs words of the student, at most. */
double ptd_refer_token_bytes(const struct ptd_refer *f, int top_logprobs);
/* Bounds the cache (store.h: ptd_store_cache_max); without the cache nothing. */
int ptd_refer_cache_max(struct ptd_refer *f, int64_t bytes) PTD_MUST_CHECK;
/* Fills ref_logp, masked_logp and teacher_* of the groups (memory in their arenas); what was there
 * of a teacher is gone. -1: *culprit is the index of the group that failed, or -1 if none is to
 * blame. */
int ptd_refer_score(struct ptd_refer *f, struct ptd_group **g, int n, int *culprit) PTD_MUST_CHECK;
struct ptd_refer_counts ptd_refer_counted(const struct ptd_refer *f);
/* What its models take, and what scoring takes beside them with so many tokens of a micro-batch.
 * -1: a model cannot be read. Before anything is scored. */
int ptd_refer_plan(struct ptd_refer *f, struct ptd_plan *p) PTD_MUST_CHECK;
void ptd_refer_plan_micro(struct ptd_refer *f, int64_t micro, struct ptd_plan *p);
void ptd_refer_close(struct ptd_refer *f);
#endif
