/* forms: what a store has of a parameter's moments and master in the form of a slot, whatever form
 * it was published in. Within a form the bits are the store's; between two (ptd-update
 * --resume-anyway):
 *
 *     moments   f32 to 8bit   rounded block by block, as a step does (cpu/eight.h)
 *               8bit to f32   exact
 *     master    split to f32  exact: the two halves together
 *               f32 to split  exact
 *               none to split, none to f32, split to none
 *                             as the bfloat16 numbers are
 *
 * Weights in a master's form must be loaded before (ptd_model_load). */
#ifndef PTD_FORMS_H
#define PTD_FORMS_H
#include "net/model.h"

struct ptd_forms {
    struct ptd_store *store;
    struct ptd_model *model;
    const struct ptd_param *param;
    const struct ptd_slot *slot;
    const char *scale; /* name of the scales of 8-bit moments */
};
int ptd_forms_load_moments(const struct ptd_forms *f, char which /* 'm' or 'v' */) PTD_MUST_CHECK;
int ptd_forms_load_master(const struct ptd_forms *f, int64_t generation) PTD_MUST_CHECK;
#endif
