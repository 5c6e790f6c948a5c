/* room: see room.h. */
#include "base/room.h"
#include "base/err.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The number behind `key` at the beginning of a line of a file, the first one without a key; def:
 * there is none, or "max". */
static size_t number_in(const char *path, const char *key, size_t def)
{
    FILE *f = fopen(path, "re");
    char line[256];
    size_t len = strlen(key), n = def;
    while (f && n == def && fgets(line, sizeof line, f)) {
        char *end;
        if (strncmp(line, key, len)) continue;
        unsigned long long got = strtoull(line + len, &end, 10);
        if (end > line + len) n = got;
    }
    if (f) fclose(f);
    return n;
}

static size_t number_of(const char *folder, const char *name, const char *key, size_t def)
{
    char *path = ptd_format("%s/%s", folder, name);
    size_t n = number_in(path, key, def);
    free(path);
    return n;
}

/* ---- control groups ---- */

static const struct kind {
    const char *line; /* its part of a line of /proc/self/cgroup */
    const char *mount, *limit, *used, *active, *inactive;
} kinds[] = {
    {":memory:", "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
     "total_active_file ", "total_inactive_file "},
    {"0::", "sys/fs/cgroup", "memory.max", "memory.current", "active_file ", "inactive_file "},
};

static size_t left_in(const char *folder, const struct kind *k)
{
    size_t limit = number_of(folder, k->limit, "", SIZE_MAX),
           used = number_of(folder, k->used, "", 0),
           files = number_of(folder, "memory.stat", k->active, 0) +
                   number_of(folder, "memory.stat", k->inactive, 0);
    if (limit == SIZE_MAX) return SIZE_MAX;
    used = used > files ? used - files : 0;
    return limit > used ? limit - used : 0;
}

/* The least of a group and those above it. */
static size_t left_on_the_way(const char *root, const struct kind *k, char *group)
{
    size_t least = SIZE_MAX;
    for (char *slash; group; *slash = 0) {
        char *folder = ptd_format("%s/%s%s", root, k->mount, group);
        size_t left = left_in(folder, k);
        free(folder);
        if (left < least) least = left;
        if (!(slash = strrchr(group, '/'))) break;
    }
    return least;
}

static size_t left_in_groups(const char *root)
{
    char *path = ptd_format("%s/proc/self/cgroup", root), line[4096];
    FILE *f = fopen(path, "re");
    size_t least = SIZE_MAX;
    while (f && fgets(line, sizeof line, f))
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            char *at = strstr(line, kinds[i].line);
            if (!at || (i && at != line)) continue;
            line[strcspn(line, "\n")] = 0;
            size_t left = left_on_the_way(root, &kinds[i], at + strlen(kinds[i].line));
            if (left < least) least = left;
        }
    if (f) fclose(f);
    free(path);
    return least;
}

/* ---- all ---- */

size_t ptd_room_below(const char *root)
{
    size_t groups = left_in_groups(root),
           kib = number_of(root, "proc/meminfo", "MemAvailable:", SIZE_MAX);
    size_t machine = kib > SIZE_MAX / 1024 ? SIZE_MAX : kib * 1024;
    return machine < groups ? machine : groups;
}

size_t ptd_room_left(void)
{
    size_t left = ptd_room_below(""), pages = number_in("/proc/self/statm", "", 0);
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY) return left;
    size_t used = pages * (size_t)sysconf(_SC_PAGESIZE);
    size_t own = limit.rlim_cur > used ? limit.rlim_cur - used : 0;
    return own < left ? own : left;
}
