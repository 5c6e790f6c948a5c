/* dataset: finds the lines of a data set, digests them and the pictures that they name, and
 * shuffles them. What a line says is read in dataset_row.c. */
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

#define BLOCK (1 << 20)

struct ptd_order { /* the epoch at hand */
    uint64_t seed;
    int64_t epoch;
    int *rows;
};

/* ---- lines ---- */

struct scan { /* the line that the next byte belongs to */
    int64_t at, number;
    int blank;
    XXH3_state_t *line, *file;
};

static void end_line(struct ptd_dataset *d, struct scan *s, int64_t end)
{
    if (!s->blank) {
        if (d->n == d->cap)
            d->lines = ptd_realloc(d->lines, (d->cap = 2 * d->cap + 1024) * sizeof *d->lines);
        d->lines[d->n++] =
            (struct ptd_line){s->at, end - s->at, s->number, XXH3_64bits_digest(s->line)};
    }
    XXH3_64bits_reset(s->line);
    s->at = end + 1;
    s->number++;
    s->blank = 1;
}

static int is_blank(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r", p[i]) || !p[i]) return 0;
    return 1;
}

static int scan_block(struct ptd_dataset *d, struct scan *s, int64_t at, const char *p, int64_t n)
{
    for (int64_t i = 0; i < n;) {
        const char *end = memchr(p + i, '\n', n - i);
        int64_t stop = end ? end - p : n;
        if (s->blank && !is_blank(p + i, stop - i)) s->blank = 0;
        XXH3_64bits_update(s->line, p + i, stop - i);
        if (end) end_line(d, s, at + stop);
        if (d->n > INT32_MAX / 4)
            return ptd_fail(PTD_DATAERR, "%s: expected at most %d rows", d->path, INT32_MAX / 4);
        i = stop + 1;
    }
    return 0;
}

static int scan_file(struct ptd_dataset *d, struct scan *s)
{
    char *block = ptd_alloc(BLOCK);
    int64_t at = 0;
    ssize_t n;
    int status = 0;
    while (status == 0 && (n = read(d->fd, block, BLOCK)) > 0) {
        int bom = at == 0 && n >= 3 && memcmp(block, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        if (bom) s->at = bom;
        XXH3_64bits_update(s->file, block, n);
        status = scan_block(d, s, at + bom, block + bom, n - bom);
        at += n;
    }
    if (status == 0 && n < 0) status = ptd_fail(PTD_IOERR, "%s: read:", d->path);
    end_line(d, s, at);
    free(block);
    return status;
}

static XXH3_state_t *new_hash(void)
{
    XXH3_state_t *h = XXH3_createState();
    if (!h) ptd_die(PTD_OSERR, "out of memory for a hash");
    XXH3_64bits_reset(h);
    return h;
}

static int find_lines(struct ptd_dataset *d)
{
    struct scan s = {.number = 1, .blank = 1, .line = new_hash(), .file = new_hash()};
    int status = scan_file(d, &s);
    d->digest = XXH3_64bits_digest(s.file);
    XXH3_freeState(s.line);
    XXH3_freeState(s.file);
    if (status == 0 && !d->n)
        status = ptd_fail(PTD_DATAERR, "%s: no rows, expected one JSON object a line", d->path);
    return status;
}

static int open_file(struct ptd_dataset *d)
{
    const char *slash = strrchr(d->path, '/');
    char *folder =
        slash ? ptd_format("%.*s", (int)(slash - d->path + 1), d->path) : ptd_strdup(".");
    d->fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    d->folder = d->fd < 0 ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (d->fd < 0 || d->folder < 0 || fstat(d->fd, &d->opened) < 0)
        return ptd_fail(PTD_NOINPUT, "%s: cannot open data set:", d->path);
    if (!S_ISREG(d->opened.st_mode))
        return ptd_fail(PTD_NOINPUT, "%s: expected a regular file of JSON lines", d->path);
    return 0;
}

struct ptd_dataset *ptd_dataset_open(const char *path)
{
    struct ptd_dataset *d = ptd_alloc(sizeof *d);
    d->path = ptd_strdup(path);
    d->fd = d->folder = -1;
    d->order = ptd_alloc(sizeof *d->order);
    if (open_file(d) < 0 || find_lines(d) < 0) {
        ptd_dataset_close(d);
        return NULL;
    }
    return d;
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
    d->pictures = ptd_pictures_new(d->folder, memo, d->digest);
    free(memo);
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
