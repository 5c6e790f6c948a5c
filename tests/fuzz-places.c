/* Fuzzing entry: a rule of places or lists and its settings (a byte), a gold (a line) and an answer
 * (the rest). A gold that is accepted is right for itself; scores lie in 0 to 1. Built by `make
 * fuzz` for libFuzzer; the same file serves AFL++. */
#include "judge/rows.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void judge(int rule, const char *gold, const char *answer)
{
    static const struct ptd_judge *const rules[] = {&ptd_judge_iou, &ptd_judge_point,
                                                    &ptd_judge_f1};
    struct ptd_judge_settings set = ptd_judge_defaults;
    struct ptd_asked asked = {.answer = gold};
    const char *reason;
    if (rule & 4) set.iou = 0, set.absolute = 2;
    struct ptd_gold *g = ptd_gold_new(rules[rule % 3], &set, &asked);
    if (!g) return;
    double own = ptd_gold_score(g, gold, strlen(gold), &reason);
    double x = ptd_gold_score(g, answer, strlen(answer), &reason);
    if (!(x >= 0 && x <= 1) || (x > 0 && reason)) abort();
    if (rule % 3 == 1 ? !(own >= 0 && own <= 1) : !(own > 1 - 1e-9 && own <= 1)) abort();
    ptd_gold_free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *gold = calloc(n + 1, 1), *end;
    if (n) memcpy(gold, data + 1, n - 1);
    for (size_t i = 0; i + 1 < n; i++)
        if (!gold[i]) gold[i] = ' ';
    if ((end = strchr(gold, '\n'))) {
        *end = 0;
        judge(data[0], gold, end + 1);
    }
    free(gold);
    return 0;
}
