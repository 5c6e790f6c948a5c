/* device: see device.h. The one place that names the kinds of devices. */
#include "compute/device.h"
#include "base/dtype.h"
#include "compute/drivers.h"
#include "compute/ops.h"
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

/* "cpu, strict ...", malloc'd */
static char *all_names(void)
{
    char *names = ptd_strdup(drivers[0].name);
    for (size_t i = 1; i < N_DRIVERS; i++) {
        char *more = ptd_format("%s, %s", names, drivers[i].name);
        free(names);
        names = more;
    }
    return names;
}

static const struct ptd_driver *find(const char *asked)
{
    const char *set = getenv("PTD_DEVICE"), *name = asked;
    if (!name) name = set && *set ? set : drivers[0].name;
    for (size_t i = 0; i < N_DRIVERS; i++)
        if (!strcmp(name, drivers[i].name)) return &drivers[i];
    char *names = all_names();
    ptd_fail(PTD_USAGE, "%sdevice \"%s\": expected one of %s", asked ? "" : "PTD_DEVICE: ", name,
             names);
    free(names);
    return NULL;
}

int ptd_device_check(const char *name)
{
    return find(name) ? 0 : -1;
}

struct ptd_device *ptd_device_open(const char *name)
{
    const struct ptd_driver *driver = find(name);
    return driver ? ptd_device_open_with(driver) : NULL;
}

struct ptd_device *ptd_device_open_with(const struct ptd_driver *driver)
{
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
