/* rules: the judge's own rules, for the table in judge.c: auto, exact, number, choice, math, set,
 * text. */
#ifndef PTD_JUDGE_RULES_H
#define PTD_JUDGE_RULES_H
#include "judge/judge.h"

extern const struct ptd_judge ptd_judge_auto, ptd_judge_exact, ptd_judge_number, ptd_judge_choice,
    ptd_judge_math, ptd_judge_set, ptd_judge_text;
#endif
