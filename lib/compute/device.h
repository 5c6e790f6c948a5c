/* device: where arithmetic happens: its memory, its table of operations (ops.h), and what went
 * wrong on it.
 *
 *     struct ptd_device *d = ptd_device_open("cpu");  // NULL: see err.h
 *     ptd_num *x = ptd_device_nums(d, n * in, "input"), *y = ptd_device_nums(d, n * out, "output");
 *     d->ops->put_nums(d, x, floats, n * in);
 *     d->ops->linear(d, y, x, &W, NULL, NULL, n);          // returns before it is done
 *     d->ops->get_nums(d, floats, y, n * out);            // done now
 *     if (ptd_device_wait(d)) ptd_die_last();
 *     ptd_device_free(d, x), ptd_device_free(d, y), ptd_device_close(d);
 *
 * Arrays on a device have types of their own, which the host cannot look into: it allocates them,
 * copies to and from them, and names places in them (ptd_at and the like). ptd_num: weights and
 * activations, in the format that the device computes in; ptd_acc: gradients of weights; ptd_stat:
 * float32 whatever the device: statistics, logits, moments; ptd_int: lists of int32.
 *
 * What is asked of a device happens in the order in which it was asked, by one thread at a time.
 * Any number of devices may be open. */
#ifndef PTD_DEVICE_H
#define PTD_DEVICE_H
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

typedef struct ptd_num ptd_num;
typedef struct ptd_acc ptd_acc;
typedef struct ptd_stat ptd_stat;
typedef struct ptd_int ptd_int;

struct ptd_ops;
struct ptd_device {
    const char *name; /* "cpu" */
    const struct ptd_ops *ops;
    int num, acc;              /* formats of a ptd_num, of a ptd_acc: dtype.h */
    size_t num_size, acc_size; /* their bytes */
    /* 1: floats and int32 of the host's are ptd_num, ptd_acc, ptd_stat and ptd_int, and the other
     * way round, so that nothing needs to be copied */
    int is_host;
    size_t used; /* bytes that are allocated now */
    void *own;   /* the driver's */
    struct {
        int status; /* 0: none */
        char words[200];
    } fault; /* the first one since the last wait */
};

/* By name, "cpu", "cuda:1"; NULL: by PTD_DEVICE in the environment, else the CPU. NULL: 2 a name
 * that is none; 69 a device that is not there. Call it after ptd_threads_start. */
struct ptd_device *ptd_device_open(const char *name);
int ptd_device_check(const char *name) PTD_MUST_CHECK; /* -1: 2 as above; nothing is opened */
/* What --help says of --device. */
#define PTD_DEVICE_HELP                                                                            \
    "where to compute: cpu, cpu:bf16 (products of numbers rounded to bfloat16), "                  \
    "cuda, cuda:f32 or cuda:1 (another card), strict, strict:bf16, sim, sim:f32 (default: "        \
    "PTD_DEVICE in the environment, else cpu)"
void ptd_device_close(struct ptd_device *d);
/* Name of the device in row i of the table of devices; NULL: there are no more. */
const char *ptd_device_name(int i);
/* What decides the last bits of its results: items as in fingerprint.h, malloc'd. */
char *ptd_device_machine(struct ptd_device *d);

/* ---- memory: `what` is for the line that says there is none (71) ---- */

void *ptd_device_alloc(struct ptd_device *d, size_t bytes, const char *what); /* zeros */
void ptd_device_free(struct ptd_device *d, void *p);                          /* NULL: nothing */
ptd_num *ptd_device_nums(struct ptd_device *d, size_t n, const char *what);
ptd_acc *ptd_device_accs(struct ptd_device *d, size_t n, const char *what);
ptd_stat *ptd_device_stats(struct ptd_device *d, size_t n, const char *what);

/* ---- by turns ---- */

/* Before the program waits for others: who has a device by turns leaves it to them. What is asked
 * next waits for its turn. */
void ptd_device_rest(struct ptd_device *d);
/* What becomes of memory meanwhile; new memory is saved. Memory that is forgotten may come back as
 * zeros. */
enum ptd_resting { PTD_RESTS_SAVED, PTD_RESTS_FORGOTTEN, PTD_RESTS_NOT /* it stays */ };
void ptd_device_resting(struct ptd_device *d, void *p, enum ptd_resting how);

/* ---- as one ---- */

/* What is asked between the two, about so many rows, is one launch where the device knows how, to
 * the same bits: a step of decoding. Words that were drawn are there after play. */
void ptd_device_record(struct ptd_device *d, long rows);
void ptd_device_play(struct ptd_device *d);

/* Bytes of its memory that may still be taken; SIZE_MAX: nobody knows. */
size_t ptd_device_room(struct ptd_device *d);

/* ---- faults ---- */

/* All that was asked is done. -1 keeps the first fault since the last wait (ptd_fail), and forgets
 * it. */
int ptd_device_wait(struct ptd_device *d) PTD_MUST_CHECK;
/* For drivers: an operation went wrong. */
void ptd_device_blame(struct ptd_device *d, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- places: n entries on ---- */

static inline ptd_num *ptd_at(const struct ptd_device *d, const ptd_num *p, size_t n)
{
    return (ptd_num *)((char *)(uintptr_t)p + n * d->num_size);
}
static inline ptd_acc *ptd_acc_at(const struct ptd_device *d, const ptd_acc *p, size_t n)
{
    return (ptd_acc *)((char *)(uintptr_t)p + n * d->acc_size);
}
static inline ptd_stat *ptd_stat_at(const ptd_stat *p, size_t n)
{
    return (ptd_stat *)((char *)(uintptr_t)p + n * sizeof(float));
}
static inline ptd_int *ptd_int_at(const ptd_int *p, size_t n)
{
    return (ptd_int *)((char *)(uintptr_t)p + n * sizeof(int32_t));
}
#endif
