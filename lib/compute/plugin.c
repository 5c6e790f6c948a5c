/* plugin: devices whose code a program opens when it is asked for one: libptd-cuda.so, for whose
 * libraries nobody else has to wait, and libptd-sim.so, the same on an emulator of the chip. */
#include "base/err.h"
#include "compute/drivers.h"
#include "compute/plugin.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* cuda/driver.h */
typedef int door(struct ptd_device *d);

/* The folder of the program, malloc'd; NULL: nobody knows. */
static char *own_folder(void)
{
    char path[4096], *slash;
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = 0;
    slash = strrchr(path, '/');
    if (!slash) return NULL;
    *slash = 0;
    return ptd_strdup(path);
}

char *ptd_plugin_find(const char *name)
{
    static const char *const folders[] = {"", "/../lib", "/lib"};
    char *folder = own_folder(), *path = NULL;
    for (int i = 0; folder && !path && i < 3; i++) {
        path = ptd_format("%s%s/libptd-%s.so", folder, folders[i], name);
        if (access(path, R_OK)) free(path), path = NULL;
    }
    free(folder);
    return path;
}

/* -1: what the linker said, 69. */
static door *door_of(const char *path, const struct ptd_device *d)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    door *open = library ? (door *)(uintptr_t)dlsym(library, "ptd_cuda_plugin") : NULL;
    if (!open) ptd_fail(PTD_UNAVAILABLE, "device %s: %s", d->name, dlerror());
    return open;
}

static int open_plugin(struct ptd_device *d, const char *name)
{
    char *path = ptd_plugin_find(name);
    door *open = path ? door_of(path, d) : NULL;
    if (!path)
        ptd_fail(PTD_UNAVAILABLE,
                 "device %s: expected libptd-%s.so beside the program or in lib, which a build "
                 "with %s makes",
                 d->name, name, strcmp(name, "cuda") ? "make units" : "nvcc");
    free(path);
    if (!open) return -1;
    if (!open(d)) return 0;
    ptd_fail(d->fault.status, "device %s: %s", d->name, d->fault.words);
    return -1;
}

int ptd_cuda_open(struct ptd_device *d)
{
    return open_plugin(d, "cuda");
}

int ptd_sim_open(struct ptd_device *d)
{
    return open_plugin(d, "sim");
}

/* Its own libraries look for each other by name, so they are everybody's to see. */
void *ptd_plugin_door(const char *name, const char *symbol)
{
    char *path = ptd_plugin_find(name);
    void *library = path ? dlopen(path, RTLD_NOW | RTLD_GLOBAL) : NULL;
    void *found = library ? dlsym(library, symbol) : NULL;
    if (!path)
        ptd_fail(PTD_UNAVAILABLE,
                 "expected libptd-%s.so beside the program or in lib, which a build with %s makes",
                 name, name);
    else if (!found)
        ptd_fail(PTD_UNAVAILABLE, "%s", dlerror());
    free(path);
    return found;
}
