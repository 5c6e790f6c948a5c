/* device: the device that tests compute on. */
#ifndef PTD_TESTS_DEVICE_H
#define PTD_TESTS_DEVICE_H
#include "compute/device.h"
#include "compute/ops.h"

static inline struct ptd_device *the_device(void)
{
    static struct ptd_device *d;
    if (!d && !(d = ptd_device_open("cpu"))) ptd_die_last();
    return d;
}
#endif
