/* stated: the answer that a text states in words, without box or tag. English and Chinese.
 *
 * Announced, anywhere (the last one holds): "The answer is 38.", "Answer: 10", "**Answer:** B",
 * "#### 32", "Final answer" over the answer's line, "The correct option is (C)", "C is correct", "I
 * choose C"; in Chinese "da an shi B", "gu xuan B" and the like. Not in a question, not denied, not
 * under "if", not where "but" follows or a later sentence takes it back ("Wait, ...").
 *
 * Else at the end: a last line or sentence that is nothing but a value ("92", "**33**", "C. 12 cm",
 * "x = 5"), that concludes or states one ("Therefore, x = 53.", "The area is 12 cm."), or that has
 * one value in bold. A sentence that is all there is states what it tells ("There are two cats.",
 * "The car is red.", "The sign says STOP."). A number somewhere in prose is no answer: none is
 * better than a wrong one. */
#ifndef PTD_STATED_H
#define PTD_STATED_H
#include "judge/span.h"

/* 1 and *out within s: what is stated; 0: nothing. cut: the text's last words may not be whole and
 * state nothing. */
int ptd_stated(struct ptd_span s, int cut, struct ptd_span *out);
/* The same for what is announced only, in the last 8 KiB. */
int ptd_announced(struct ptd_span s, int cut, struct ptd_span *out);
#endif
