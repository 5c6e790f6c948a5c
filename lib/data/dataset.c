/* dataset: opens a data set, digests the pictures that it names, and shuffles it. Where its rows
 * are is dataset_lines.c's, what they say dataset_row.c's. */
#include "base/progress.h"
#include "base/rng.h"
#include "base/signals.h"
#include "data/dataset_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

struct ptd_order { /* the epoch at hand */
    uint64_t seed;
    int64_t epoch;
    int *rows;
};

/* ---- files ---- */

static int open_file(struct ptd_dataset *d)
{
    d->fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (d->fd < 0 || fstat(d->fd, &d->opened) < 0)
        return ptd_fail(PTD_NOINPUT, "%s: cannot open data set:", d->path);
    if (!S_ISREG(d->opened.st_mode))
        return ptd_fail(PTD_NOINPUT, "%s: expected a regular file of JSON lines", d->path);
    return 0;
}

/* The folder that paths of pictures begin in: the data set's own unless another is named. */
static int open_folder(struct ptd_dataset *d, const char *named)
{
    const char *slash = strrchr(d->path, '/');
    char *own = slash ? ptd_format("%.*s", (int)(slash - d->path + 1), d->path) : ptd_strdup(".");
    const char *folder = named ? named : own;
    d->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int bad =
        d->folder < 0 ? ptd_fail(PTD_NOINPUT, "%s: cannot open folder of pictures:", folder) : 0;
    free(own);
    return bad;
}

struct ptd_dataset *ptd_dataset_open_at(const char *path, const struct ptd_dataset_places *places)
{
    struct ptd_dataset *d = ptd_alloc(sizeof *d);
    d->path = ptd_strdup(path);
    d->fd = d->folder = -1;
    d->outside = places && places->allow_outside;
    d->may_lack = places && places->may_lack;
    d->order = ptd_alloc(sizeof *d->order);
    if (open_file(d) < 0 || open_folder(d, places ? places->image_dir : NULL) < 0 ||
        ptd_dataset_find(d) < 0) {
        ptd_dataset_close(d);
        return NULL;
    }
    return d;
}

struct ptd_dataset *ptd_dataset_open(const char *path)
{
    return ptd_dataset_open_at(path, NULL);
}

void ptd_dataset_close(struct ptd_dataset *d)
{
    if (!d) return;
    if (d->fd >= 0) close(d->fd);
    if (d->folder >= 0) close(d->folder);
    ptd_pictures_free(d->pictures);
    free(d->order->rows);
    free(d->order);
    free(d->lines);
    free(d->path);
    free(d);
}

int ptd_dataset_rows(const struct ptd_dataset *d)
{
    return d->n;
}

long ptd_dataset_line(const struct ptd_dataset *d, int i)
{
    return d->lines[i].number;
}

int ptd_dataset_blame(const struct ptd_dataset *d, int i)
{
    return ptd_fail(ptd_failed_status(), "%s:%ld: %s", d->path, ptd_dataset_line(d, i),
                    ptd_failed_message());
}

int ptd_dataset_changed(const struct ptd_dataset *d)
{
    return d->changed;
}

uint64_t ptd_dataset_digest(const struct ptd_dataset *d)
{
    return d->digest;
}

int ptd_dataset_order(const struct ptd_dataset *d, uint64_t seed, int64_t position)
{
    struct ptd_order *o = d->order;
    int64_t epoch = position / d->n;
    if (!o->rows || o->seed != seed || o->epoch != epoch) {
        if (!o->rows) o->rows = ptd_array(d->n, sizeof *o->rows);
        ptd_shuffle(o->rows, d->n, seed, PTD_RNG_SHUFFLE, (uint32_t)epoch);
        o->seed = seed;
        o->epoch = epoch;
    }
    return o->rows[position % d->n];
}

/* ---- pictures ---- */

/* Where this data set's memo is kept, malloc'd; NULL: nowhere. */
static char *memo_path(const struct ptd_dataset *d, const char *store)
{
    char *real = store ? realpath(d->path, NULL) : NULL, *memo = NULL;
    if (real)
        memo = ptd_format("%s/pictures-%016llx", store,
                          (unsigned long long)XXH3_64bits(real, strlen(real)));
    free(real);
    return memo;
}

static int add_all(struct ptd_dataset *d, struct ptd_progress *progress)
{
    for (int i = 0; i < d->n; i++) {
        if (ptd_dataset_paths(d, i, ptd_pictures_add) < 0) return -1;
        ptd_progress_set(progress, i + 1, NULL);
        ptd_asked_answer();
    }
    return 0;
}

/* Where one cannot be read, the row that names it is looked for. */
static int add_known(struct ptd_dataset *d, struct ptd_progress *progress)
{
    const char *path;
    for (long i = 0; (path = ptd_pictures_next(d->pictures)); i++) {
        if (ptd_pictures_add(d->pictures, path) < 0) return add_all(d, progress);
        ptd_progress_set(progress, i + 1, NULL);
        ptd_asked_answer();
    }
    return 0;
}

int ptd_dataset_watch(struct ptd_dataset *d, const char *store)
{
    struct ptd_progress progress;
    char *memo = memo_path(d, store);
    d->pictures = ptd_pictures_new(d->folder, d->outside, memo, d->digest);
    free(memo);
    if (d->may_lack) ptd_pictures_lack(d->pictures);
    long known = ptd_pictures_known(d->pictures);
    ptd_progress_start(&progress,
                       known < 0 ? "rows whose pictures are digested" : "pictures looked at", 0,
                       known < 0 ? d->n : known);
    int rc = known < 0 ? add_all(d, &progress) : add_known(d, &progress);
    ptd_progress_clear(&progress);
    if (rc == 0) ptd_pictures_end(d->pictures, d->pictures_digest);
    return rc;
}

const char *ptd_dataset_pictures_digest(const struct ptd_dataset *d)
{
    return *d->pictures_digest ? d->pictures_digest : NULL;
}
