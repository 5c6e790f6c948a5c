/* turn: programs that have one card by turns, each with as much of it as all of them together could
 * not have: what is nobody's turn is not on the card.
 *
 * PTD_TURNS=1 in the environment of a pipe asks for that. Whoever uses the card holds a lock on a
 * file of the user's for that card (PTD_SHM or /dev/shm), which ends with its process; it takes it
 * with the first thing that it asks, and gives it back where it has to wait for others
 * (ptd_device_rest). Then what it has on the card goes: forgotten, where it says so (activations,
 * gradients that are zeros), into pinned memory of the host's (a frozen model, keys and values of
 * half-written answers), or it stays (a trainer's weights and moments). With the next turn it comes
 * back at the same addresses; what was forgotten as zeros. A program that is killed leaves its
 * memory to the driver and its turn to the next, who may have to wait a moment for the memory.
 *
 * Small memory (less than what memory comes in) stays; memory for operations is freed. */
#ifndef PTD_CUDA_TURN_H
#define PTD_CUDA_TURN_H
#include "compute/cuda/driver.h"

/* At the opening of a device: 0; -1: turns are asked for, and *words says why there are none. */
int cuda_turn_open(struct ptd_device *d, const char **words);
void *cuda_turn_alloc(struct ptd_device *d, size_t bytes, int *is_ours); /* zeros; NULL: no room */
int cuda_turn_free(struct ptd_device *d, void *p); /* 1: it was such memory, and is none any more */
void cuda_turn_close(struct ptd_device *d);
/* As ops.h has them. */
extern "C" void cuda_rest(struct ptd_device *d);
extern "C" void cuda_resting(struct ptd_device *d, void *p, int how);
#endif
