/* refer: the frozen reference model reads responses: its log-probs under the student's prompt (for the KL), and, as the tutor, its distribution under
 * the hinted prompt with the same pictures. One packed pass does both; results are cached in the store's dist database by content. */
#ifndef PTD_REFER_H
#define PTD_REFER_H
#include "err.h"
#include "record.h"

struct ptd_refer_rules {
    double tau, temperature;
    int top_k;     /* ids of the teacher to keep */
    int all;       /* tutor right responses of active groups too */
    int truncated; /* tutor responses that were cut */
    int reference; /* log-probs for the KL */
    int64_t micro_tokens;
};
struct ptd_refer_counts {
    long tutored, cached, computed;
}; /* responses; a response may count once as scored and once as tutored */

struct ptd_refer;
/* Models are loaded when first needed. teacher: another store whose newest generation teaches, or NULL. NULL on failure. */
struct ptd_refer *ptd_refer_open(const char *store, const char *teacher, int cache,
                                 const struct ptd_refer_rules *r);
/* Fills ref_logp and teacher_* of the groups (memory in their arenas). */
int ptd_refer_score(struct ptd_refer *f, struct ptd_group **g, int n) PTD_MUST_CHECK;
struct ptd_refer_counts ptd_refer_counted(const struct ptd_refer *f);
void ptd_refer_close(struct ptd_refer *f);
#endif
