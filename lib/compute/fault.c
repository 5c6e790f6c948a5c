/* fault: what went wrong on a device, kept until somebody waits. */
#include "compute/device.h"
#include <stdarg.h>
#include <stdio.h>

void ptd_device_blame(struct ptd_device *d, int status, const char *fmt, ...)
{
    va_list ap;
    if (d->fault.status) return;
    va_start(ap, fmt);
    vsnprintf(d->fault.words, sizeof d->fault.words, fmt, ap);
    va_end(ap);
    d->fault.status = status;
}
