/* device: see device.h. The one place that names the kinds of devices. */
#include "compute/device.h"
#include "base/dtype.h"
#include "compute/drivers.h"
#include "compute/ops.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct ptd_driver drivers[] = {
    {"cpu", ptd_cpu_open},
    {"strict", ptd_strict_open},
    {"strict:bf16", ptd_strict_bf16_open},
};
#define N_DRIVERS (sizeof drivers / sizeof *drivers)

const char *ptd_device_name(int i)
{
    return i >= 0 && (size_t)i < N_DRIVERS ? drivers[i].name : NULL;
}

static const struct ptd_driver *find(const char *name)
{
    char names[80] = "";
    if (!name) name = getenv("PTD_DEVICE");
    if (!name || !*name) name = drivers[0].name;
    for (size_t i = 0, at = 0; i < N_DRIVERS && at < sizeof names; i++) {
        if (!strcmp(name, drivers[i].name)) return &drivers[i];
        at +=
            (size_t)snprintf(names + at, sizeof names - at, "%s%s", i ? ", " : "", drivers[i].name);
    }
    ptd_fail(PTD_USAGE, "device \"%s\": expected one of %s", name, names);
    return NULL;
}

int ptd_device_check(const char *name)
{
    return find(name) ? 0 : -1;
}

struct ptd_device *ptd_device_open(const char *name)
{
    const struct ptd_driver *driver = find(name);
    if (!driver) return NULL;
    struct ptd_device *d = ptd_alloc(sizeof *d);
    d->name = driver->name;
    if (driver->open(d) < 0) {
        free(d);
        return NULL;
    }
    d->num_size = ptd_dtype_size(d->num);
    d->acc_size = ptd_dtype_size(d->acc);
    return d;
}

void ptd_device_close(struct ptd_device *d)
{
    if (!d) return;
    if (d->ops->close) d->ops->close(d);
    free(d);
}

char *ptd_device_machine(struct ptd_device *d)
{
    return d->ops->machine(d);
}

void *ptd_device_alloc(struct ptd_device *d, size_t bytes, const char *what)
{
    void *p = d->ops->alloc(d, bytes);
    if (!p)
        ptd_die(PTD_OSERR, "out of memory asking for %zu bytes on %s: %s", bytes, d->name, what);
    return p;
}

void ptd_device_free(struct ptd_device *d, void *p)
{
    if (p) d->ops->free(d, p);
}

/* n numbers of so many bytes each, without an overflow */
static void *take(struct ptd_device *d, size_t n, size_t size, const char *what)
{
    if (n > SIZE_MAX / 2 / size)
        ptd_die(PTD_OSERR, "out of memory asking for %zu items of %zu bytes on %s: %s", n, size,
                d->name, what);
    return ptd_device_alloc(d, n * size, what);
}

ptd_num *ptd_device_nums(struct ptd_device *d, size_t n, const char *what)
{
    return take(d, n, d->num_size, what);
}

ptd_acc *ptd_device_accs(struct ptd_device *d, size_t n, const char *what)
{
    return take(d, n, d->acc_size, what);
}

ptd_stat *ptd_device_stats(struct ptd_device *d, size_t n, const char *what)
{
    return take(d, n, sizeof(float), what);
}

/* ---- faults ---- */

int ptd_device_wait(struct ptd_device *d)
{
    if (d->ops->wait) d->ops->wait(d);
    if (!d->fault.status) return 0;
    ptd_fail(d->fault.status, "device %s: %s", d->name, d->fault.words);
    d->fault.status = 0;
    return -1;
}
