/* device: see device.h. The one place that names the kinds of devices. */
#include "compute/device.h"
#include "base/dtype.h"
#include "base/room.h"
#include "compute/drivers.h"
#include "compute/ops.h"
#include <stdlib.h>
#include <string.h>

static const struct ptd_driver drivers[] = {
    {"cpu", ptd_cpu_open},       {"cpu:bf16", ptd_cpu_bf16_open},
    {"strict", ptd_strict_open}, {"strict:bf16", ptd_strict_bf16_open},
    {"cuda", ptd_cuda_open, 1},  {"cuda:f32", ptd_cuda_open},
    {"sim", ptd_sim_open},       {"sim:f32", ptd_sim_open},
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

/* What was asked for, or else PTD_DEVICE names. */
static const char *name_of(const char *asked)
{
    const char *set = getenv("PTD_DEVICE");
    return asked ? asked : set && *set ? set : drivers[0].name;
}

static int is_named(const struct ptd_driver *d, const char *name)
{
    size_t n = strlen(d->name), digits;
    if (!strcmp(name, d->name)) return 1;
    if (!d->takes_number || strncmp(name, d->name, n) || name[n] != ':') return 0;
    digits = strspn(name + n + 1, "0123456789");
    name += n + 1 + digits;
    return digits > 0 && digits < 4 && (!*name || !strcmp(name, ":f32"));
}

static const struct ptd_driver *find(const char *asked)
{
    const char *name = name_of(asked);
    for (size_t i = 0; i < N_DRIVERS; i++)
        if (is_named(&drivers[i], name)) return &drivers[i];
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

/* The name lies behind the device. */
static struct ptd_device *open_named(const struct ptd_driver *driver, const char *name)
{
    size_t n = strlen(name) + 1;
    struct ptd_device *d = ptd_alloc(sizeof *d + n);
    d->name = memcpy(d + 1, name, n);
    if (driver->open(d) < 0) {
        free(d);
        return NULL;
    }
    d->num_size = ptd_dtype_size(d->num);
    d->acc_size = ptd_dtype_size(d->acc);
    return d;
}

struct ptd_device *ptd_device_open(const char *name)
{
    const struct ptd_driver *driver = find(name);
    return driver ? open_named(driver, name_of(name)) : NULL;
}

struct ptd_device *ptd_device_open_with(const struct ptd_driver *driver)
{
    return open_named(driver, driver->name);
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

void ptd_device_rest(struct ptd_device *d)
{
    if (d->ops->rest) d->ops->rest(d);
}

void ptd_device_resting(struct ptd_device *d, void *p, enum ptd_resting how)
{
    if (d->ops->resting && p) d->ops->resting(d, p, (int)how);
}

void ptd_device_record(struct ptd_device *d, long rows)
{
    if (d->ops->record) d->ops->record(d, rows);
}

void ptd_device_play(struct ptd_device *d)
{
    if (d->ops->play) d->ops->play(d);
}

size_t ptd_device_room(struct ptd_device *d)
{
    return d->ops->room ? d->ops->room(d) : ptd_room_left();
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
