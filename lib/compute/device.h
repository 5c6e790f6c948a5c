/* device: where arithmetic happens: its memory, its table of operations (ops.h), and what went
 * wrong on it.
 *
 *     struct ptd_device *d = ptd_device_open("cpu");  // NULL: see err.h
 *     d->ops->linear(d, Y, X, W, NULL, n, in, out);
 *     ptd_device_close(d);
 *
 * Arrays on a device have types of their own. ptd_num: weights and activations, in the format that
 * the device computes in; ptd_acc: gradients of weights; ptd_stat: float32 whatever the device:
 * statistics, logits, moments; ptd_int: lists of int32. */
#ifndef PTD_DEVICE_H
#define PTD_DEVICE_H
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

typedef float ptd_num;
typedef float ptd_acc;
typedef float ptd_stat;
typedef int32_t ptd_int;

struct ptd_ops;
struct ptd_device {
    const char *name; /* "cpu" */
    const struct ptd_ops *ops;
};

/* NULL: 2 a name that is none. Call it after ptd_threads_start. */
struct ptd_device *ptd_device_open(const char *name);
void ptd_device_close(struct ptd_device *d);
#endif
