/* exec: a command that writes hints: a line of JSON for a line of JSON (base/coprocess.h says how
 * it runs, starts again and ends).
 *
 * Asked for each group that is to be hinted, with what there is of these:
 *     {"uid": "train-7", "step": 1, "category": "sum", "system": "...", "question": "...",
 *      "answer": "11", "answers": ["eleven"], "judge": "number", "solution": "...",
 *      "steps": ["..."], "regions": [["b3", 0.67, 0.33, 1, 0.67]], "group_accuracy": 0.25,
 *      "responses": [{"text": "...", "outcome": "right", "accuracy": 1}]}
 * Answered by {} (no hint), or by an object with at least one of
 *     "hint"     a text
 *     "steps"    a list of texts, joined as a data set's are
 * and perhaps "regions", as above, the boxes in shares of width and height. All else in it is
 * ignored, but an object without either, or with the question's "responses", is refused. What it
 * says is checked for spoilers like any other hint. */
#ifndef PTD_HINT_EXEC_H
#define PTD_HINT_EXEC_H
#include "method/hint/hint.h"

/* What a line says, into out, in g's arena. 1; 0: no hint; -1: 65. */
int ptd_hint_exec_read(struct ptd_group *g, struct ptd_hint *out, const char *line, size_t len);
#endif
