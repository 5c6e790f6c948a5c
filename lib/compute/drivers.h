/* drivers: the kinds of devices. A new one is a file that fills a table of operations, a line here
 * and a row in device.c.
 *
 * open sets ops, num, acc, is_host and own of a device of zeros; -1 after ptd_fail: 69 it is not
 * there.
 */
#ifndef PTD_DRIVERS_H
#define PTD_DRIVERS_H
#include "compute/device.h"

struct ptd_driver {
    const char *name;
    int (*open)(struct ptd_device *d);
    int takes_number; /* 1: "name:3" is one, too, and "name:3:f32"; open reads it from d->name */
};

/* A device of this kind, as ptd_device_open makes one of a row of the table. NULL: as open says. */
struct ptd_device *ptd_device_open_with(const struct ptd_driver *driver);

int ptd_cpu_open(struct ptd_device *d);      /* cpu/ops.c */
int ptd_cpu_bf16_open(struct ptd_device *d); /* the same, with products by pairs; 69: none here */
int ptd_strict_open(struct ptd_device *d);   /* cpu/strict.c: memory that the host cannot touch */
int ptd_strict_bf16_open(struct ptd_device *d); /* the same, rounding to bfloat16 */
/* cuda/driver.h, in a library of its own (plugin.c); 69: there is none, or no card. */
int ptd_cuda_open(struct ptd_device *d);
int ptd_sim_open(struct ptd_device *d); /* the same on an emulator of the chip */
#endif
