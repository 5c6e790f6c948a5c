/* live: generations that are not published, in memory that a trainer shares: between two
 * publications ptd-rollout finds the weights here.
 *
 *     struct ptd_live *l = ptd_live_open(store, 1);         // store: open for training
 *     ptd_live_put(l, generation, views, n);                // -1: there is no such memory
 *
 *     struct ptd_live *l = ptd_live_open(store, 0);         // any other way to open it
 *     while (!(got = ptd_live_get(l, generation, views, n))) // 1: the views hold it
 *         ...;                                              // or it was published meanwhile
 *
 * The memory is a memfd: it has no name that others could take, its owner alone may open it, and
 * it goes with the trainer, however that ends. Who reads finds it by the note of the trainer in
 * DIR/lock, "HOST PID DESCRIPTOR", as /proc/PID/fd/DESCRIPTOR, and believes it while the trainer
 * holds a lock on it: what a trainer left that was killed is not read, and a new one begins with
 * none. Its size is fixed and sealed, and its pages are there before it is noted, so neither side
 * can run into a hole.
 *
 * A page of struct ptd_live_memory; for each tensor the digest of its name, shape and format; then
 * the slots, each with the numbers of all tensors in order, in their views' formats. A reader may
 * have more tensors, which it has from generation 0: a trainer shares what it trains. Generation g
 * is in slot g % slots; the others stay what they were. While a slot is written its generation is
 * -1. Its digest is of the generation, of the tensors' digests, and of those of all numbers in
 * parts; a reader checks it against what it copied, and that the slot's generation is still the
 * same: what is torn is not there. */
#ifndef PTD_LIVE_H
#define PTD_LIVE_H
#include "store/store.h"

#define PTD_LIVE_SLOTS 2     /* at most */
#define PTD_LIVE_PART  65536 /* numbers with a digest of their own */
#define PTD_LIVE_NAME  "ptd-live"

struct ptd_live_slot {
    _Atomic int64_t generation; /* -1: none */
    uint64_t digest;
};
struct ptd_live_memory {
    char magic[8];
    uint64_t dev, ino; /* of the store's data.mdb */
    uint64_t tensors;
    uint64_t slot_bytes;
    uint64_t slots;
    struct ptd_live_slot slot[PTD_LIVE_SLOTS];
};

struct ptd_live;

/* slots: generations that can be read at a time, for the store's trainer; 0: to read. Takes no
 * memory yet. */
struct ptd_live *ptd_live_open(struct ptd_store *s, int slots);
/* Before the store is closed. NULL: nothing to do. */
void ptd_live_close(struct ptd_live *l);
/* The same tensors each time. -1 (71) if there is no such memory; once there is, it cannot fail. */
int ptd_live_put(struct ptd_live *l, int64_t generation, const struct ptd_tensor_view *t,
                 int n) PTD_MUST_CHECK;
/* Which of the tensors, of which only names and shapes are looked at, the trainer shares. 1, 0 or
 * -1 as ptd_live_get says. */
int ptd_live_which(struct ptd_live *l, int64_t generation, const struct ptd_tensor_view *t, int n,
                   uint8_t *shared) PTD_MUST_CHECK;
/* 1: the tensors are read; 0: the trainer, if there is one, does not have this generation here. -1:
 * it is damaged or holds other tensors (65), or the trainer's memory cannot be reached (69). What
 * the tensors hold is then lost, unless nothing was found. */
int ptd_live_get(struct ptd_live *l, int64_t generation, struct ptd_tensor_view *t,
                 int n) PTD_MUST_CHECK;
/* For the trainer: makes the views look into the memory, where this generation is; 0 if it is not
 * there. */
int ptd_live_view(struct ptd_live *l, int64_t generation, struct ptd_tensor_view *t, int n);
#endif
