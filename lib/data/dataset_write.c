/* dataset_write: rows and pictures of a data set, published whole or not at all.
 * What the rows say is left to the caller.
 *
 * The rows are FILE.jsonl and the pictures are in FILE.img, and no call of the system replaces
 * both. So for a moment FILE.jsonl is a symbolic link to a file of rows inside FILE.img: first to
 * the old rows, which are the old folder's by then, and, the moment the folders are exchanged, to
 * the new. */
#include "data/dataset_write.h"
#include "base/folder.h"
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".jsonl"
#define ROWS   "rows.jsonl" /* the rows while they are in a folder */
#define LINK   "rows.link"  /* the link before it is FILE.jsonl */

struct ptd_dataset_out {
    char *rows, *folder, *part; /* FILE.jsonl, FILE.img, FILE.img.ptd-part */
    const char *folder_name;    /* as the rows name it */
    /* what stands before a picture's name in a row: ,"images":["FILE.img/ */
    char *images;
    /* descriptors of the new folder and of the one to be replaced; -1: none */
    int made, old;
    long named; /* pictures that the rows to be replaced name: 1 to named */
    int published;
    long pictures;
    FILE *out;
};

/* ---- names ---- */

static int name_paths(struct ptd_dataset_out *o, const char *file)
{
    size_t n = strlen(file), suffix = strlen(SUFFIX);
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
    if (strlen(base) <= suffix || strcmp(file + n - suffix, SUFFIX) != 0)
        return ptd_fail(PTD_USAGE, "\"%s\": expected a name that ends in " SUFFIX, file);
    o->rows = ptd_strdup(file);
    o->folder = ptd_format("%.*s.img", (int)(n - suffix), file);
    o->part = ptd_format("%s" PTD_PART, o->folder);
    o->folder_name = o->folder + (base - file);
    json_t *name = json_string(o->folder_name);
    char *text = name ? json_dumps(name, JSON_ENCODE_ANY) : NULL;
    json_decref(name);
    if (!text) return ptd_fail(PTD_USAGE, "\"%s\": expected a name in UTF-8", file);
    o->images = ptd_format(",\"images\":[%.*s/", (int)strlen(text) - 1, text);
    free(text);
    return 0;
}

/* 000017.png as 17; 0 if it is no name that we give. */
static long picture_number(const char *name)
{
    char picture[32];
    long n = strspn(name, "0123456789") < 18 ? atol(name) : 0;
    snprintf(picture, sizeof picture, "%06ld.png", n);
    return n >= 1 && n <= PTD_DATASET_PICTURES && strcmp(name, picture) == 0 ? n : 0;
}

/* In the folder that is being made, which is called as only we call one. */
static int is_ours(int folder, const char *name, int link, void *ctx)
{
    (void)folder, (void)ctx;
    if (link) return strcmp(name, LINK) == 0;
    return strcmp(name, ROWS) == 0 || picture_number(name);
}

/* Is FILE.jsonl the link that a run which was killed while it published has left? */
static int is_own_link(const struct ptd_dataset_out *o)
{
    char *ours = ptd_format("%s/" ROWS, o->folder_name);
    size_t n = strlen(ours);
    char *text = ptd_alloc(n + 2);
    int same = readlink(o->rows, text, n + 1) == (ssize_t)n && strcmp(text, ours) == 0;
    free(text);
    free(ours);
    return same;
}

/* ---- what is to be replaced ---- */

/* The picture that a row names, as row_json writes it; 0 if we cannot have written the row. */
static long row_picture(const struct ptd_dataset_out *o, const char *row)
{
    static const char first[] = "{\"id\":\"", behind[] = "\"],\"answer\":\"";
    const char *at = strncmp(row, first, strlen(first)) == 0 ? strstr(row, o->images) : NULL;
    const char *name = at ? at + strlen(o->images) : NULL, *end = at ? strstr(name, behind) : NULL;
    char picture[32] = "";
    if (end && end - name < (long)sizeof picture) memcpy(picture, name, (size_t)(end - name));
    return picture_number(picture);
}

/* Takes fd over. */
static int check_rows_in(struct ptd_dataset_out *o, int fd, const char *path)
{
    FILE *f = fdopen(fd, "r");
    char *row = NULL;
    size_t cap = 0;
    long line = 0, n;
    int rc = f ? 0 : ptd_fail(PTD_CANTCREAT, "%s: cannot read what is to be replaced:", path);
    while (rc == 0 && getline(&row, &cap, f) >= 0) {
        line++;
        if ((n = row_picture(o, row)) == 0)
            rc = ptd_fail(PTD_CANTCREAT,
                          "%s:%ld: in the way, expected a data set of an earlier run or nothing",
                          path, line);
        if (n > o->named) o->named = n;
    }
    free(row);
    if (f) fclose(f);
    return rc;
}

static int check_rows(struct ptd_dataset_out *o)
{
    struct stat st;
    if (lstat(o->rows, &st) < 0)
        return errno == ENOENT ? 0 : ptd_fail(PTD_CANTCREAT, "%s: cannot create:", o->rows);
    if (!S_ISREG(st.st_mode) && !is_own_link(o))
        return ptd_fail(PTD_CANTCREAT, "%s: %s, expected a data set of an earlier run or nothing",
                        o->rows, S_ISLNK(st.st_mode) ? "is a symbolic link" : "no regular file");
    int fd = open(o->rows, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) return 0; /* a link of ours to rows that are gone */
    return fd < 0 ? ptd_fail(PTD_CANTCREAT, "%s: cannot read what is to be replaced:", o->rows)
                  : check_rows_in(o, fd, o->rows);
}

/* How a picture of ours begins: a PNG file of 8-bit RGB, and the pixels at once. */
static int is_picture(int folder, const char *name)
{
    static const unsigned char start[] = {137, 'P', 'N', 'G', 13,  10,  26,  10,
                                          0,   0,   0,   13,  'I', 'H', 'D', 'R'};
    unsigned char head[41];
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), same = 0;
    if (fd >= 0 && read(fd, head, sizeof head) == sizeof head)
        same = !memcmp(head, start, sizeof start) && !memcmp(head + 24, "\10\2\0\0\0", 5) &&
               !memcmp(head + 37, "IDAT", 4);
    if (fd >= 0) close(fd);
    return same;
}

/* In the folder that is to be replaced. */
static int is_replaceable(int folder, const char *name, int link, void *ctx)
{
    const struct ptd_dataset_out *o = ctx;
    long n = link ? 0 : picture_number(name);
    if (n) return n <= o->named && is_picture(folder, name);
    return is_ours(folder, name, link, NULL);
}

static int check_old(struct ptd_dataset_out *o)
{
    char *rows = ptd_format("%s/" ROWS, o->folder);
    int fd = openat(o->old, ROWS, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int rc = fd >= 0 ? check_rows_in(o, fd, rows) : 0;
    if (rc == 0) rc = ptd_folder_check(o->old, o->folder, is_replaceable, o);
    free(rows);
    return rc;
}

/* ---- life cycle ---- */

static int open_parts(struct ptd_dataset_out *o)
{
    if (check_rows(o) < 0 || (o->old = ptd_folder_hold(o->folder)) == -1) return -1;
    if (o->old >= 0 && check_old(o) < 0) return -1;
    if ((o->made = ptd_folder_take(o->part)) < 0 ||
        ptd_folder_clear(o->made, o->part, is_ours, NULL) < 0)
        return -1;
    o->out = ptd_file_on(openat(o->made, ROWS, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    return o->out ? 0 : ptd_fail(PTD_CANTCREAT, "%s/" ROWS ": cannot create:", o->part);
}

static void close_folder(int folder)
{
    if (folder >= 0) close(folder);
}

void ptd_dataset_end(struct ptd_dataset_out *o)
{
    if (!o) return;
    if (o->out) fclose(o->out);
    if (o->made >= 0 && !o->published && ptd_folder_clear(o->made, o->part, is_ours, NULL) == 0)
        rmdir(o->part);
    close_folder(o->made);
    close_folder(o->old);
    free(o->rows);
    free(o->folder);
    free(o->part);
    free(o->images);
    free(o);
}

struct ptd_dataset_out *ptd_dataset_create(const char *file)
{
    struct ptd_dataset_out *o = ptd_alloc(sizeof *o);
    o->made = o->old = -1;
    if (name_paths(o, file) == 0 && open_parts(o) == 0) return o;
    ptd_dataset_end(o);
    return NULL;
}

/* ---- rows ---- */

long ptd_dataset_pictures(const struct ptd_dataset_out *o)
{
    return o->pictures;
}

int ptd_dataset_picture(struct ptd_dataset_out *o, const struct ptd_image *im)
{
    char *name = ptd_format("%06ld.png", ++o->pictures), *path = ptd_format("%s/%s", o->part, name);
    int status = ptd_image_create_png(im, o->made, name, path);
    free(name);
    free(path);
    return status;
}

static json_t *steps_json(const struct ptd_group *g)
{
    json_t *list = json_array();
    for (int i = 0; i < g->n_steps; i++) json_array_append_new(list, json_string(g->steps[i]));
    return list;
}

static json_t *regions_json(const struct ptd_region *regions, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        const struct ptd_region *r = &regions[i];
        json_t *box = json_array();
        for (int k = 0; k < 4; k++) json_array_append_new(box, json_real(r->box[k]));
        json_array_append_new(list, json_pack("{s:s, s:o}", "label", r->label, "box", box));
    }
    return list;
}

static json_t *row_json(const struct ptd_dataset_out *o, const struct ptd_group *g)
{
    char *image = ptd_format("%s/%06ld.png", o->folder_name, o->pictures);
    json_t *row = json_pack("{s:s, s:s, s:[s], s:s, s:s*, s:s*}", "id", g->uid, "prompt",
                            g->question, "images", image, "answer", g->answer, "category",
                            g->category, "solution", g->solution);
    if (row && g->n_steps) json_object_set_new(row, "steps", steps_json(g));
    if (row && g->n_regions)
        json_object_set_new(row, "regions", regions_json(g->regions, g->n_regions));
    if (row && g->n_objects)
        json_object_set_new(row, "objects", regions_json(g->objects, g->n_objects));
    free(image);
    return row;
}

int ptd_dataset_write(struct ptd_dataset_out *o, const struct ptd_group *g)
{
    json_t *row = row_json(o, g);
    if (!row) return ptd_fail(PTD_USAGE, "%s: row %s: expected texts in UTF-8", o->rows, g->uid);
    int failed = json_dumpf(row, o->out, JSON_COMPACT | JSON_REAL_PRECISION(5)) < 0 ||
                 putc('\n', o->out) == EOF;
    json_decref(row);
    return failed ? ptd_fail(PTD_IOERR, "%s: write:", o->rows) : 0;
}

static int close_rows(struct ptd_dataset_out *o)
{
    int failed = fflush(o->out) != 0 || ferror(o->out);
    failed |= fclose(o->out) != 0;
    o->out = NULL;
    return failed ? ptd_fail(PTD_IOERR, "%s: write:", o->rows) : 0;
}

/* ---- publishing ---- */

static int cannot(const struct ptd_dataset_out *o)
{
    return ptd_fail(PTD_CANTCREAT, "%s: cannot replace:", o->rows);
}

/* Gives the old folder the old rows, and has FILE.jsonl lead to them. */
static int link_old_rows(const struct ptd_dataset_out *o)
{
    char *text = ptd_format("%s/" ROWS, o->folder_name);
    int rc = unlinkat(o->old, ROWS, 0) < 0 && errno != ENOENT ? cannot(o) : 0;
    if (rc == 0 && linkat(AT_FDCWD, o->rows, o->old, ROWS, 0) < 0) rc = cannot(o);
    if (rc == 0 && fsync(o->old) < 0) rc = ptd_fail(PTD_IOERR, "%s: cannot sync:", o->folder);
    if (rc == 0 && symlinkat(text, o->made, LINK) < 0) rc = cannot(o);
    if (rc == 0 && renameat(o->made, LINK, AT_FDCWD, o->rows) < 0) rc = cannot(o);
    free(text);
    return rc < 0 ? -1 : ptd_folder_sync_parent(o->rows);
}

/* After a failure, as it was. */
static void restore_old_rows(const struct ptd_dataset_out *o)
{
    if (is_own_link(o) && renameat(o->old, ROWS, AT_FDCWD, o->rows) == 0) return;
    unlinkat(o->old, ROWS, 0);
}

static int place_folder(struct ptd_dataset_out *o)
{
    unsigned how = o->old >= 0 ? RENAME_EXCHANGE : RENAME_NOREPLACE;
    if (renameat2(AT_FDCWD, o->part, AT_FDCWD, o->folder, how) < 0)
        return o->old >= 0 && (errno == EINVAL || errno == ENOSYS)
                   ? ptd_fail(PTD_CANTCREAT,
                              "%s: this file system cannot exchange two folders at once: remove "
                              "the old data set",
                              o->folder)
                   : ptd_fail(PTD_CANTCREAT, "%s: cannot create:", o->folder);
    o->published = 1;
    return ptd_folder_sync_parent(o->folder);
}

static int place_rows(const struct ptd_dataset_out *o)
{
    if (renameat(o->made, ROWS, AT_FDCWD, o->rows) < 0)
        return ptd_fail(PTD_CANTCREAT, "%s: cannot create:", o->rows);
    return ptd_folder_sync_parent(o->rows);
}

/* Once the folder is in its place the rows go to theirs, even if a sync fails. */
static int replace(struct ptd_dataset_out *o)
{
    int linked = o->old >= 0 && access(o->rows, F_OK) == 0 && !is_own_link(o);
    int rc = linked ? link_old_rows(o) : 0;
    if (rc == 0) rc = place_folder(o);
    if (o->published) return place_rows(o) < 0 ? -1 : rc;
    if (linked) restore_old_rows(o);
    return -1;
}

int ptd_dataset_publish(struct ptd_dataset_out *o)
{
    if (close_rows(o) < 0) return -1;
    if (syncfs(o->made) < 0) return ptd_fail(PTD_IOERR, "%s: cannot sync:", o->part);
    if (check_rows(o) < 0 || replace(o) < 0) return -1;
    if (o->old < 0) return 0;
    if (ptd_folder_clear(o->old, o->part, is_replaceable, o) < 0) return -1;
    return rmdir(o->part) < 0 ? ptd_fail(PTD_CANTCREAT, "%s: cannot remove:", o->part) : 0;
}
