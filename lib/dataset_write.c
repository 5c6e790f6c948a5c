/* dataset_write: rows and pictures of a data set, published whole or not at all.
 * What the rows say is left to the caller. */
#include "dataset_write.h"
#include "output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".jsonl"

struct ptd_dataset_out {
    char *rows, *rows_part, *folder, *folder_part;
    const char *folder_name; /* as the rows name it */
    int lock, locked, published;
    long pictures;
    FILE *out;
};

static int name_paths(struct ptd_dataset_out *o, const char *file)
{
    size_t n = strlen(file), suffix = strlen(SUFFIX);
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
    if (strlen(base) <= suffix || strcmp(file + n - suffix, SUFFIX) != 0)
        return ptd_fail(PTD_USAGE, "\"%s\": expected a name that ends in " SUFFIX, file);
    o->rows = ptd_strdup(file);
    o->rows_part = ptd_format("%s.part", file);
    o->folder = ptd_format("%.*s.img", (int)(n - suffix), file);
    o->folder_part = ptd_format("%s.part", o->folder);
    o->folder_name = o->folder + (base - file);
    return 0;
}

static int is_ours(const char *name)
{
    return strspn(name, "0123456789") >= 6 && strncmp(name + strspn(name, "0123456789"), ".png", 4) == 0;
}

/* Goes through a folder of our pictures, removing them if `clear`; anything else in it is a failure. */
static int visit_folder(const char *path, int clear)
{
    DIR *d = opendir(path);
    struct dirent *e;
    int status = 0;
    if (!d && errno == ENOENT) return 0;
    if (!d) return ptd_fail(PTD_CANTCREAT, "%s: expected a folder of pictures or nothing:", path);
    while (status == 0 && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (!is_ours(e->d_name))
            status = ptd_fail(PTD_CANTCREAT, "%s/%s: in the way, expected only pictures of an earlier run",
                              path, e->d_name);
        else if (clear && unlinkat(dirfd(d), e->d_name, 0) < 0)
            status = ptd_fail(PTD_CANTCREAT, "%s/%s: cannot remove:", path, e->d_name);
    }
    closedir(d);
    return status;
}

static int open_parts(struct ptd_dataset_out *o)
{
    if (visit_folder(o->folder, 0) < 0) return -1;
    if (mkdir(o->folder_part, 0777) < 0 && errno != EEXIST)
        return ptd_fail(PTD_CANTCREAT, "%s: cannot create:", o->folder_part);
    o->lock = open(o->folder_part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (o->lock < 0) return ptd_fail(PTD_CANTCREAT, "%s: cannot open:", o->folder_part);
    if (flock(o->lock, LOCK_EX | LOCK_NB) < 0)
        return ptd_fail(PTD_NOPERM, "%s: another program is writing this data set", o->folder_part);
    o->locked = 1;
    if (visit_folder(o->folder_part, 1) < 0) return -1;
    o->out = ptd_file_create(o->rows_part);
    return o->out ? 0 : ptd_fail(PTD_CANTCREAT, "%s: cannot create:", o->rows_part);
}

static void remove_parts(const struct ptd_dataset_out *o)
{
    unlink(o->rows_part);
    if (visit_folder(o->folder_part, 1) == 0) rmdir(o->folder_part);
}

void ptd_dataset_end(struct ptd_dataset_out *o)
{
    if (!o) return;
    if (o->out) fclose(o->out);
    if (o->locked && !o->published) remove_parts(o);
    if (o->lock >= 0) close(o->lock);
    free(o->rows);
    free(o->rows_part);
    free(o->folder);
    free(o->folder_part);
    free(o);
}

struct ptd_dataset_out *ptd_dataset_create(const char *file)
{
    struct ptd_dataset_out *o = ptd_alloc(sizeof *o);
    o->lock = -1;
    if (name_paths(o, file) == 0 && open_parts(o) == 0) return o;
    ptd_dataset_end(o);
    return NULL;
}

long ptd_dataset_pictures(const struct ptd_dataset_out *o)
{
    return o->pictures;
}

int ptd_dataset_picture(struct ptd_dataset_out *o, const struct ptd_image *im)
{
    char *path = ptd_format("%s/%06ld.png", o->folder_part, ++o->pictures);
    int status = ptd_image_save_png(im, path);
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
    json_t *row =
        json_pack("{s:s, s:s, s:[s], s:s, s:s*, s:s*}", "id", g->uid, "prompt", g->question, "images", image,
                  "answer", g->answer, "category", g->category, "solution", g->solution);
    if (row && g->n_steps) json_object_set_new(row, "steps", steps_json(g));
    if (row && g->n_regions) json_object_set_new(row, "regions", regions_json(g->regions, g->n_regions));
    if (row && g->n_objects) json_object_set_new(row, "objects", regions_json(g->objects, g->n_objects));
    free(image);
    return row;
}

int ptd_dataset_write(struct ptd_dataset_out *o, const struct ptd_group *g)
{
    json_t *row = row_json(o, g);
    if (!row) return ptd_fail(PTD_USAGE, "%s: row %s: expected names in UTF-8", o->rows, g->uid);
    int failed =
        json_dumpf(row, o->out, JSON_COMPACT | JSON_REAL_PRECISION(5)) < 0 || putc('\n', o->out) == EOF;
    json_decref(row);
    return failed ? ptd_fail(PTD_IOERR, "%s: write:", o->rows_part) : 0;
}

static int close_rows(struct ptd_dataset_out *o)
{
    int failed = fflush(o->out) != 0 || ferror(o->out);
    failed |= fclose(o->out) != 0;
    o->out = NULL;
    return failed ? ptd_fail(PTD_IOERR, "%s: write:", o->rows_part) : 0;
}

static int remove_earlier(const struct ptd_dataset_out *o)
{
    if (unlink(o->rows) < 0 && errno != ENOENT)
        return ptd_fail(PTD_CANTCREAT, "%s: cannot replace:", o->rows);
    if (visit_folder(o->folder, 1) < 0) return -1;
    if (rmdir(o->folder) < 0 && errno != ENOENT)
        return ptd_fail(PTD_CANTCREAT, "%s: cannot replace:", o->folder);
    return 0;
}

int ptd_dataset_publish(struct ptd_dataset_out *o)
{
    if (close_rows(o) < 0 || remove_earlier(o) < 0) return -1;
    if (rename(o->folder_part, o->folder) < 0)
        return ptd_fail(PTD_CANTCREAT, "%s: cannot create:", o->folder);
    if (rename(o->rows_part, o->rows) < 0) return ptd_fail(PTD_CANTCREAT, "%s: cannot create:", o->rows);
    o->published = 1;
    return 0;
}
