/* device: the device that tests compute on, PTD_DEVICE or the CPU; arrays of the host's that go
 * there for one operation, and those that are no const come back.
 *
 *     ops->rmsnorm(d, nums(y, n * w), stats(r, n), in_nums(x, n * w), in_nums(g, w), n, w, eps);
 *     back(); // y and r are what the operation left */
#ifndef PTD_TESTS_DEVICE_H
#define PTD_TESTS_DEVICE_H
#include "compute/device.h"
#include "compute/ops.h"
#include <stdlib.h>

static struct ptd_device *chosen_device; /* NULL: the one that is named */

static inline struct ptd_device *the_device(void)
{
    const char *name = getenv("PTD_DEVICE");
    if (!chosen_device && !(chosen_device = ptd_device_open(name && *name ? name : "cpu")))
        ptd_die_last();
    return chosen_device;
}

/* Row i of the table of devices; 0: it is not there on this machine. */
static inline int open_row(int i)
{
    chosen_device = ptd_device_open(ptd_device_name(i));
    if (!chosen_device && ptd_failed_status() != PTD_UNAVAILABLE) ptd_die_last();
    return chosen_device != NULL;
}

/* ---- there and back ---- */

struct device_array {
    void *device;
    float *host;
    int comes_back;
    size_t n;
    enum ptd_entries of;
};
static struct device_array device_arrays[32];
static int n_device_arrays;

static inline size_t entry_size(enum ptd_entries of)
{
    return of == PTD_HALVES ? 2 : 4;
}

/* The same array twice is one array. */
static inline void *to_device(const void *host, size_t n, enum ptd_entries of, int comes_back)
{
    struct ptd_device *d = the_device();
    struct device_array *a = device_arrays;
    float *x = (float *)(uintptr_t)host;
    for (int i = 0; i < n_device_arrays; i++)
        if (x && a[i].host == x) {
            a[i].comes_back |= comes_back;
            return a[i].device;
        }
    if (!x) return NULL;
    if (n_device_arrays == 32) ptd_die(PTD_BUG, "too many arrays for one operation");
    a += n_device_arrays++;
    *a = (struct device_array){.host = x, .n = n, .of = of, .comes_back = comes_back};
    a->device = of == PTD_NUMS   ? (void *)ptd_device_nums(d, n, "test")
                : of == PTD_ACCS ? (void *)ptd_device_accs(d, n, "test")
                                 : ptd_device_alloc(d, n * entry_size(of), "test");
    if (of == PTD_NUMS)
        d->ops->put_nums(d, a->device, x, n);
    else if (of == PTD_ACCS)
        d->ops->put_accs(d, a->device, x, n);
    else
        d->ops->put(d, a->device, x, n * entry_size(of));
    return a->device;
}

static inline ptd_num *nums(float *x, size_t n)
{
    return to_device(x, n, PTD_NUMS, 1);
}
static inline ptd_acc *accs(float *x, size_t n)
{
    return to_device(x, n, PTD_ACCS, 1);
}
static inline ptd_stat *stats(float *x, size_t n)
{
    return to_device(x, n, PTD_STATS, 1);
}
static inline const ptd_num *in_nums(const float *x, size_t n)
{
    return to_device(x, n, PTD_NUMS, 0);
}
static inline const ptd_acc *in_accs(const float *x, size_t n)
{
    return to_device(x, n, PTD_ACCS, 0);
}
static inline const ptd_stat *in_stats(const float *x, size_t n)
{
    return to_device(x, n, PTD_STATS, 0);
}
/* n of 2 bytes each */
static inline void *halves(void *x, size_t n)
{
    return to_device(x, n, PTD_HALVES, 1);
}
/* [rows, cols] in one block, until back(); NULL: none */
static inline const struct ptd_matrix *in_matrix(const float *x, long rows, long cols)
{
    static struct ptd_block block;
    static struct ptd_matrix W;
    block = (struct ptd_block){in_nums(x, (size_t)rows * cols), (int)rows};
    W = (struct ptd_matrix){&block, 1, (int)rows, (int)cols, the_device()->num};
    return &W;
}
static inline const ptd_int *in_ints(const int32_t *x, size_t n)
{
    return to_device(x, n, PTD_STATS, 0);
}

static inline void back(void)
{
    struct ptd_device *d = the_device();
    while (n_device_arrays) {
        struct device_array *a = &device_arrays[--n_device_arrays];
        if (!a->comes_back)
            ;
        else if (a->of == PTD_NUMS)
            d->ops->get_nums(d, a->host, a->device, a->n);
        else if (a->of == PTD_ACCS)
            d->ops->get_accs(d, a->host, a->device, a->n);
        else
            d->ops->get(d, a->host, a->device, a->n * entry_size(a->of));
        ptd_device_free(d, a->device);
    }
    if (ptd_device_wait(d)) ptd_die_last();
}

/* n numbers of the device, malloc'd */
static inline float *read_nums(struct ptd_device *d, const ptd_num *x, size_t n)
{
    float *f = ptd_array(n + 1, sizeof *f);
    d->ops->get_nums(d, f, x, n);
    return f;
}
#endif
