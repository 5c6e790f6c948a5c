/* trained: which parameters a run trains, by name:
 *
 *     lora   the adapter alone (adapter.h); what a store with one trains if nothing is said
 *     text   the language model, its adapter and its head: vision stays
 *     all    everything; what a store without an adapter trains if nothing is said
 *     other  a regular expression (Perl's) that the whole name of a parameter has to match
 *
 * What is frozen stays as generation 0 has it, and the run's generations hold the rest alone. So a
 * run that has begun trains what it trained (78 if not): with others, a new store begins from it.
 */
#ifndef PTD_TRAINED_H
#define PTD_TRAINED_H
#include "net/model.h"
#include "store/store.h"

#define PTD_TRAINED_HELP                                                                           \
    "what is trained: lora (the adapter), text, all, or a regular expression for names of "        \
    "parameters (default: lora where the store has an adapter, else all)"

/* Before weights are loaded; `what` NULL: as said above. Returns the name of what is trained; NULL:
 * 2 nothing is, or the expression is none; 78 there is no adapter. */
const char *ptd_trained_choose(struct ptd_model *m, const char *what);
/* The generation holds what is trained, and nothing else of its own. 78 if not. */
int ptd_trained_check(const struct ptd_model *m, struct ptd_store *s, int64_t generation,
                      const char *what) PTD_MUST_CHECK;
#endif
