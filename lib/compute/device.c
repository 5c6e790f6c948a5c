/* device: see device.h. */
#include "compute/device.h"
#include "compute/ops.h"
#include <stdlib.h>
#include <string.h>

struct ptd_device *ptd_device_open(const char *name)
{
    struct ptd_device *d;
    if (strcmp(name, "cpu")) {
        ptd_fail(PTD_USAGE, "device \"%s\": expected cpu", name);
        return NULL;
    }
    d = ptd_alloc(sizeof *d);
    *d = (struct ptd_device){.name = "cpu", .ops = &ptd_ops_cpu};
    return d;
}

void ptd_device_close(struct ptd_device *d)
{
    free(d);
}
