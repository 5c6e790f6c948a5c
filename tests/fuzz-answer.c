/* Fuzzing entry: any bytes as rules (a byte), a gold answer (a line) and a response (the rest).
 * Judging must come to an end with rewards in range; every gold answer that a rule can read is
 * right for itself; numbers are in lowest terms. Built by `make fuzz` for libFuzzer; the same file
 * serves AFL++. */
#include "judge/number.h"
#include "method/reward.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int64_t common(int64_t a, int64_t b)
{
    return b ? common(b, a % b) : a < 0 ? -a : a;
}

static void check_number(const char *text, size_t n)
{
    struct ptd_rational r;
    size_t used = ptd_number_scan(text, n, &r);
    if (used > n || (used && (r.den <= 0 || common(r.num, r.den) != 1))) abort();
    if (ptd_number_parse(text, n, &r) && (r.den <= 0 || common(r.num, r.den) != 1)) abort();
}

/* A gold that a rule can read is right for itself. */
static void check_gold(const char *text)
{
    struct ptd_asked asked = {.answer = text, .question = text};
    char letter = ptd_gold_letter(text);
    for (int i = 0; i < 7; i++) { /* those of rules.c */
        struct ptd_gold *gold = ptd_gold_new(ptd_judges[i], NULL, &asked);
        if (gold && ptd_gold_score(gold, text, strlen(text), NULL) != 1) abort();
        ptd_gold_free(gold);
    }
    if (letter && ptd_choice_parse(text, strlen(text)) != letter) abort();
}

static void score(int rules, char *gold, char *text)
{
    struct ptd_reward_rules r = {.extract = rules % 4,
                                 .format = rules / 16 % 3,
                                 .judge = ptd_judges[rules / 4 % 7],
                                 .format_weight = 0.1,
                                 .accuracy_weight = 0.9};
    struct ptd_rollout y = {.text = text};
    struct ptd_group g = {.answer = gold, .rollouts = &y, .n_rollouts = 1};
    if (ptd_reward_score(&r, &g) < 0) {
        ptd_group_clear(&g);
        return;
    }
    if (y.reward < 0 || y.reward > 1 || (y.accuracy != 0 && y.accuracy != 1) ||
        (y.format != 0 && y.format != 1))
        abort();
    if ((!y.extracted && y.outcome != PTD_UNPARSABLE) ||
        (y.outcome == PTD_RIGHT) != (y.accuracy == 1))
        abort();
    if (y.extracted && !strstr(text, y.extracted)) abort();
    ptd_group_clear(&g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *gold = calloc(n + 1, 1), *end;
    if (n) memcpy(gold, data + 1, n - 1);
    for (size_t i = 0; i + 1 < n; i++)
        if (!gold[i]) gold[i] = ' ';
    if ((end = strchr(gold, '\n'))) *end = 0;
    check_number(gold, strlen(gold));
    check_gold(gold);
    if (end) check_number(end + 1, strlen(end + 1));
    if (end) score(data[0], gold, end + 1);
    free(gold);
    return 0;
}
