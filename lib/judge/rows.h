/* rows: the rules that have files of their own, for the table in judge.c. */
#ifndef PTD_JUDGE_ROWS_H
#define PTD_JUDGE_ROWS_H
#include "judge/judge.h"

extern const struct ptd_judge ptd_judge_iou, ptd_judge_point, ptd_judge_f1;
#endif
