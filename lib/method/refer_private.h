/* refer_private: what refer.c, which says what is read with what, and refer_read.c share. */
#ifndef PTD_REFER_PRIVATE_H
#define PTD_REFER_PRIVATE_H
#include "method/refer.h"
#include "method/teacher.h"

/* What a response is read for; those of one prompt and kind are a family. */
enum ptd_refer_kind { PTD_REFER_REFERENCE, PTD_REFER_TEACH, PTD_REFER_MASKED, PTD_REFER_KINDS };

struct ptd_refer_task { /* one response to be read */
    struct ptd_group *g;
    struct ptd_rollout *y;
    enum ptd_refer_kind kind;
    const struct ptd_picture *pictures;
    uint64_t read; /* digest of the prompt, its pictures and the response */
    char key[33];  /* of all that decides the value: of the task, then with the micro-batch too */
    void *value;   /* what is cached: see value_size */
    size_t size;
    /* an earlier task of this step with the same key, whose value this one takes over; -1: none */
    int twin;
    int missing; /* in the cache */
};

/* What the task reads before the response. */
const int32_t *ptd_refer_prompt(const struct ptd_refer_rules *r, const struct ptd_refer_task *t,
                                int *n);
/* Tasks t[0 .. n), which share prompt and kind, join the micro-batch of d. -1: 65, with the group.
 */
int ptd_refer_add(const struct ptd_refer_rules *rules, struct ptd_teacher *d,
                  struct ptd_refer_task *const *t, int n) PTD_MUST_CHECK;
/* The micro-batch is read, and its tasks, of one kind, have their values. */
void ptd_refer_run(const struct ptd_refer_rules *rules, struct ptd_teacher *d);
#endif
