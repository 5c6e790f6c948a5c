/* working: what responses did with the numbers that they read at places, as a method word.
 *
 *     word      of the numbers at the places, in their order
 *     read      one number, which is the result
 *     add       their sum
 *     max, min  the largest, the smallest
 *     subtract  the difference of two, larger less smaller
 *     multiply  their product
 *
 * A response's numbers are those behind the places that it read (grid.h), its result is what
 * ptd-verify found in it, of a right one the group's answer. The word says what all right responses
 * did that read these places; where several words do (5 and 0: add, max, subtract), the one that
 * most of the group's responses did, right or wrong, wherever they looked: what is to be done is
 * known sooner than where. Where that does not decide either there is none. Numbers count as equal
 * within 1e-9 of themselves. */
#ifndef PTD_HINT_WORKING_H
#define PTD_HINT_WORKING_H
#include "method/hint/grid.h"

/* named [n_rollouts]: what g's responses name; p: the places of some right ones. NULL: none. */
const char *ptd_hint_working(const struct ptd_group *g, const struct ptd_hint_named *named,
                             const struct ptd_hint_named *p);
#endif
