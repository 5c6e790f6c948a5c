/* Fuzzing entry: any bytes as the answer of a user's own judge. What is accepted is in range, and a
 * rollout with its parts comes back from its own encoding. Built by `make fuzz` for libFuzzer; the
 * same file serves AFL++. */
#include "method/reply.h"
#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void survives(const struct ptd_reply *r)
{
    int32_t id = 1;
    struct ptd_rollout y = {.ids = &id, .n = 1, .parts = r->parts, .n_parts = r->n_parts};
    struct ptd_group g = {.uid = "u", .rollouts = &y, .n_rollouts = 1}, back = {0};
    struct ptd_buf b = {0};
    ptd_group_encode(&g, &b);
    if (ptd_group_decode(&back, b.data, b.len) < 0 || back.rollouts[0].n_parts != r->n_parts)
        abort();
    ptd_group_clear(&back);
    free(b.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ptd_group g = {0};
    struct ptd_reply r;
    if (ptd_reply_read(&r, &g, "own", (const char *)data, n) == 0) {
        if (!r.has_reward && !r.has_accuracy) abort();
        if (!(fabs(r.reward) <= PTD_REPLY_REWARD) || !(r.accuracy >= 0 && r.accuracy <= 1)) abort();
        survives(&r);
    } else if (ptd_failed_status() != PTD_DATAERR) {
        abort();
    }
    ptd_group_clear(&g);
    return 0;
}
