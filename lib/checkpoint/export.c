/* export: cuts a generation into shards, writes them with an index, publishes the folder. Headers
 * are made by safetensors.c, numbers converted by dtype.c. */
#include "checkpoint/export.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/size.h"
#include "checkpoint/files.h"
#include "checkpoint/import.h"
#include "checkpoint/merge.h"
#include "checkpoint/shards.h"
#include "store/share.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_BYTES 64

struct shard {
    char name[NAME_MAX_BYTES];
    int first, n; /* tensors */
};

struct job {
    struct ptd_store *store;
    struct ptd_export *x;
    char *dir, *part;
    int folder;                                /* descriptor of DIR.ptd-part */
    struct ptd_tensor_about *stored, *written; /* the same tensors: as they are, as they will be */
    struct shard *shards;
    int n, n_shards;
    int peft;                  /* 1: the adapter alone */
    struct ptd_merge *merge;   /* NULL: nothing is merged */
    struct ptd_shared *shared; /* where ranks share what bfloat16 leaves out; NULL: here is all */
    int looked;                /* 1: shared is known */
    struct ptd_progress progress;
};

/* ---- the plan ---- */

static uint64_t bytes_of(const struct ptd_tensor_about *t)
{
    return t->n * ptd_dtype_size(t->dtype);
}

static void shard_name(char name[NAME_MAX_BYTES], int i, int n)
{
    snprintf(name, NAME_MAX_BYTES, n > 1 ? "model-%05d-of-%05d.safetensors" : "model.safetensors",
             i, n);
}

static void cut(struct job *j)
{
    uint64_t room = 0;
    for (int i = 0; i < j->n; i++) {
        uint64_t bytes = bytes_of(&j->written[i]);
        if (!j->n_shards || bytes > room) {
            j->shards = ptd_realloc(j->shards, (size_t)(j->n_shards + 1) * sizeof *j->shards);
            j->shards[j->n_shards++] = (struct shard){"", i, 0};
            room = j->x->shard_bytes;
        }
        room -= bytes < room ? bytes : room;
        j->shards[j->n_shards - 1].n++;
    }
    for (int i = 0; i < j->n_shards; i++) shard_name(j->shards[i].name, i + 1, j->n_shards);
    if (j->peft) snprintf(j->shards->name, NAME_MAX_BYTES, PTD_PEFT_WEIGHTS);
}

/* Floats before shorter numbers, so that every number lies on a multiple of its size; else in
 * order. */
static int by_width(const void *a, const void *b)
{
    const struct ptd_tensor_about *x = a, *y = b;
    size_t p = ptd_dtype_size(x->dtype), q = ptd_dtype_size(y->dtype);
    return p != q ? (p < q) - (p > q) : strcmp(x->name, y->name);
}

/* Does config.json promise a head of its own that the store lacks? Such files were tied when they
 * came in (import.h). */
static int lacks_head(const struct job *j)
{
    struct ptd_config c;
    char *json = ptd_store_get_meta(j->store, "config.json", NULL);
    int untied = json && ptd_config_parse(&c, json, NULL) == 0 && !c.tied;
    free(json);
    return untied && !ptd_store_has(j->store, j->x->generation, PTD_HEAD);
}

/* The embedding once more; what it is written as is plan's. */
static void add_head(struct job *j)
{
    int i = 0;
    while (i < j->n && strcmp(j->stored[i].name, PTD_EMBEDDING)) i++;
    if (i == j->n) return;
    j->stored = ptd_realloc(j->stored, (size_t)(j->n + 1) * sizeof *j->stored);
    j->stored[j->n] = j->stored[i];
    j->stored[j->n++].name = ptd_strdup(PTD_EMBEDDING);
}

/* What the generation trained beside its adapter would be lost in a folder of the adapter alone. */
static int check_adapter_alone(const struct job *j)
{
    for (int i = 0; i < j->n && j->x->generation; i++)
        if (!ptd_merge_is_part(j->stored[i].name) && !ptd_store_is_average(j->stored[i].name) &&
            ptd_store_holds(j->store, j->x->generation, j->stored[i].name))
            return ptd_fail(PTD_CONFIG,
                            "%s: generation %" PRId64 " trained more than its adapter (%s): "
                            "expected --merge",
                            ptd_store_path(j->store), j->x->generation, j->stored[i].name);
    return 0;
}

/* Which of the tensors are written: the adapter's, or all others. */
static int choose(struct job *j)
{
    char *lora = ptd_store_get_meta(j->store, PTD_LORA_FILE, NULL);
    int n = 0;
    j->peft = lora && !j->x->merge;
    free(lora);
    if (j->x->merge && !(j->merge = ptd_merge_open(j->store, j->x->generation))) return -1;
    if (j->peft && check_adapter_alone(j) < 0) return -1;
    for (int i = 0; i < j->n; i++)
        if (!ptd_store_is_average(j->stored[i].name) &&
            ptd_merge_is_part(j->stored[i].name) == j->peft)
            j->stored[n++] = j->stored[i];
        else
            free((char *)(uintptr_t)j->stored[i].name);
    j->n = n;
    return 0;
}

static int plan(struct job *j)
{
    if (ptd_store_list(j->store, j->x->generation, &j->stored, &j->n) < 0) return -1;
    if (choose(j) < 0) return -1;
    if (j->peft) j->x->shard_bytes = UINT64_MAX;
    if (!j->peft && lacks_head(j)) add_head(j);
    qsort(j->stored, (size_t)j->n, sizeof *j->stored, by_width);
    j->written = ptd_array((size_t)j->n, sizeof *j->written);
    for (int i = 0; i < j->n; i++) {
        j->written[i] = j->stored[i];
        if (i && !strcmp(j->stored[i].name, j->stored[i - 1].name)) j->written[i].name = PTD_HEAD;
        if (j->peft) j->written[i].name = ptd_format(PTD_PEFT_PREFIX "%s", j->stored[i].name);
        if (j->x->dtype) j->written[i].dtype = j->x->dtype;
        j->x->bytes += bytes_of(&j->written[i]);
    }
    cut(j);
    j->x->n_tensors = j->n;
    return 0;
}

/* ---- the folder ---- */

/* "model-00001-of-00002.safetensors": both numbers as %05d writes them, the first from 1 to the
 * second. */
static int is_shard(const char *name)
{
    int i = 0, n = 0;
    char written[NAME_MAX_BYTES];
    if (sscanf(name, "model-%7d-of-%7d.", &i, &n) != 2 || i < 1 || i > n) return 0;
    shard_name(written, i, n);
    return !strcmp(name, written);
}

static int is_ours(int folder, const char *name, int link, void *ctx)
{
    (void)folder, (void)ctx;
    if (link) return 0;
    for (int i = 0; i < PTD_FILES; i++)
        if (!strcmp(name, ptd_file_names[i])) return 1;
    return !strcmp(name, PTD_LORA_FILE) || !strcmp(name, PTD_PEFT_WEIGHTS) ||
           !strcmp(name, PTD_INDEX_FILE) || !strcmp(name, "model.safetensors") || is_shard(name);
}

/* -1: DIR.ptd-part is to be removed; -2: it is not ours. */
static int open_folder(struct job *j)
{
    struct stat st;
    if (lstat(j->dir, &st) == 0) return ptd_fail(PTD_CANTCREAT, "%s: is there already", j->dir);
    j->folder = ptd_folder_take(j->part);
    if (j->folder < 0) return -2;
    return ptd_folder_check(j->folder, j->part, is_ours, NULL) < 0
               ? -2
               : ptd_folder_clear(j->folder, j->part, is_ours, NULL);
}

/* -1 as above; -2: it is DIR by now. */
static int publish(struct job *j)
{
    if (fsync(j->folder) < 0) return ptd_fail(PTD_IOERR, "%s: cannot sync:", j->part);
    if (renameat2(AT_FDCWD, j->part, AT_FDCWD, j->dir, RENAME_NOREPLACE) < 0)
        return ptd_fail(PTD_CANTCREAT, "%s: cannot create:", j->dir);
    return ptd_folder_sync_parent(j->dir) < 0 ? -2 : 0;
}

/* ---- files ---- */

static int write_all(int fd, const char *name, const void *data, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = write(fd, (const char *)data + done, n - done);
        if (got < 0 && errno != EINTR) return ptd_fail(PTD_IOERR, "%s: cannot write:", name);
        if (got > 0) done += (size_t)got;
    }
    return 0;
}

static int create(const struct job *j, const char *name)
{
    int fd = openat(j->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) ptd_fail(PTD_CANTCREAT, "%s/%s: cannot create:", j->part, name);
    return fd;
}

static int finish(int fd, const char *name, int rc)
{
    if (rc == 0 && fsync(fd) < 0) rc = ptd_fail(PTD_IOERR, "%s: cannot sync:", name);
    if (close(fd) < 0 && rc == 0) rc = ptd_fail(PTD_IOERR, "%s: cannot close:", name);
    return rc;
}

static int write_file(const struct job *j, const char *name, const void *data, size_t n)
{
    int fd = create(j, name);
    return fd < 0 ? -1 : finish(fd, name, write_all(fd, name, data, n));
}

/* ---- tensors ---- */

struct buffers {
    void *raw, *out;
    float *x;
};

/* Values in bfloat16 with what they leave out, where the generation has that (--master split). */
static int complete(struct job *j, const struct ptd_tensor_about *from, size_t at, size_t n,
                    const uint16_t *high, float *x)
{
    if (!j->looked && ptd_shared_of(j->store, &j->shared)) return -1;
    j->looked = 1;
    int16_t *low = ptd_array(n, sizeof *low);
    int rc = j->shared
                 ? ptd_shared_low(j->shared, j->x->generation, from->name, from->n, at, n, low)
                 : ptd_store_read_low(j->store, j->x->generation, from->name, at, n, low);
    for (size_t i = 0; i < n && rc == 0; i++) {
        uint32_t bits = ((uint32_t)high[i] << 16) + (uint32_t)(int32_t)low[i];
        memcpy(x + i, &bits, sizeof bits);
    }
    free(low);
    return rc < 0 ? -1 : 0;
}

static int write_piece(struct job *j, int fd, const char *name, int i, size_t at, size_t n,
                       struct buffers *b)
{
    const struct ptd_tensor_about *from = &j->stored[i], *to = &j->written[i];
    const void *out = b->raw;
    if (ptd_store_read(j->store, j->x->generation, from, at, n, b->raw) < 0) return -1;
    int merges = j->merge && ptd_merge_changes(j->merge, from->name);
    if (from->dtype != to->dtype || merges) {
        ptd_dtype_to_float(b->x, b->raw, from->dtype, n);
        if (from->dtype == PTD_BF16 && complete(j, from, at, n, b->raw, b->x) < 0) return -1;
        if (merges && ptd_merge_add(j->merge, from, at, n, b->x) < 0) return -1;
        ptd_dtype_from_float(b->out, to->dtype, b->x, n);
        out = b->out;
    }
    return write_all(fd, name, out, n * ptd_dtype_size(to->dtype));
}

static int write_tensor(struct job *j, int fd, const char *name, int i, struct buffers *b,
                        uint64_t *done)
{
    const struct ptd_tensor_about *t = &j->stored[i];
    size_t most = ptd_store_piece(t->dtype);
    for (size_t at = 0; at < t->n; at += most) {
        size_t n = t->n - at < most ? t->n - at : most;
        if (*j->x->stop) return ptd_fail(PTD_STOPPED, "stopped");
        if (write_piece(j, fd, name, i, at, n, b) < 0) return -1;
        *done += n * ptd_dtype_size(j->written[i].dtype);
        ptd_progress_set(&j->progress, (long)(*done / PTD_MB), name);
    }
    return 0;
}

static int write_shard(struct job *j, const struct shard *s, struct buffers *b, uint64_t *done)
{
    size_t len;
    int fd = create(j, s->name), rc;
    if (fd < 0) return -1;
    char *header = ptd_safetensors_header(j->written + s->first, s->n, &len);
    rc = write_all(fd, s->name, header, len);
    free(header);
    for (int i = s->first; i < s->first + s->n && rc == 0; i++)
        rc = write_tensor(j, fd, s->name, i, b, done);
    return finish(fd, s->name, rc);
}

static int write_shards(struct job *j)
{
    size_t most = ptd_store_piece(PTD_BF16);
    struct buffers b = {ptd_alloc(most * 4), ptd_alloc(most * 4), ptd_array(most, sizeof(float))};
    uint64_t done = 0;
    int rc = 0;
    ptd_progress_start(&j->progress, "exporting, MB", 0, (long)(j->x->bytes / PTD_MB));
    for (int i = 0; i < j->n_shards && rc == 0; i++) rc = write_shard(j, &j->shards[i], &b, &done);
    ptd_progress_clear(&j->progress);
    free(b.raw);
    free(b.out);
    free(b.x);
    return rc;
}

static int write_index(const struct job *j)
{
    json_t *map = json_object();
    if (j->n_shards == 1) {
        json_decref(map);
        return 0;
    }
    for (int i = 0; i < j->n_shards; i++)
        for (int k = j->shards[i].first; k < j->shards[i].first + j->shards[i].n; k++)
            json_object_set_new(map, j->written[k].name, json_string(j->shards[i].name));
    json_t *root = json_pack("{s:{s:I}, s:o}", "metadata", "total_size", (json_int_t)j->x->bytes,
                             "weight_map", map);
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_SORT_KEYS),
         *lines = ptd_format("%s\n", text);
    int rc = write_file(j, PTD_INDEX_FILE, lines, strlen(lines));
    free(lines);
    free(text);
    json_decref(root);
    return rc;
}

/* Takes *text; what has no such key stays. */
static int set(char **text, const char *object, const char *key, const char *value)
{
    char *changed = ptd_json_replace(*text, object, key, value);
    if (!changed) return 0;
    free(*text);
    *text = changed;
    return 1;
}

/* The format of all tensors, under each name that the file has for it. */
static void set_dtype(char **config, int dtype)
{
    const char *name = dtype == PTD_BF16 ? "\"bfloat16\"" : "\"float32\"";
    static const char *const objects[] = {NULL, "text_config", "vision_config"};
    int above = 0;
    for (int i = 0; i < 3; i++) {
        int newer = set(config, objects[i], "dtype", name),
            older = set(config, objects[i], "torch_dtype", name);
        if (!i) above = newer || older;
    }
    if (above) return;
    char *changed = ptd_json_insert(*config, "dtype", name);
    free(*config);
    *config = changed;
}

/* What config.json says of the weights, where it would be wrong. */
static void set_config(const struct job *j, char **config)
{
    struct ptd_config c;
    if (ptd_config_parse(&c, *config, NULL) < 0) return;
    if (j->x->dtype) set_dtype(config, j->x->dtype);
    if (!c.tied || !ptd_store_has(j->store, j->x->generation, PTD_HEAD)) return;
    set(config, NULL, "tie_word_embeddings", "false");
    set(config, "text_config", "tie_word_embeddings", "false");
}

static int write_adapter_config(struct job *j)
{
    size_t n;
    char *text = ptd_store_get_meta(j->store, PTD_LORA_FILE, &n);
    int rc = write_file(j, PTD_LORA_FILE, text, n);
    j->x->n_files++;
    free(text);
    return rc;
}

static int write_small_files(struct job *j)
{
    int rc = 0;
    if (j->peft) return write_adapter_config(j);
    for (int i = 0; i < PTD_FILES && rc == 0; i++) {
        size_t n;
        char *text = ptd_store_get_meta(j->store, ptd_file_names[i], &n);
        if (!text) continue;
        if (!strcmp(ptd_file_names[i], "config.json")) {
            set_config(j, &text);
            n = strlen(text);
        }
        rc = write_file(j, ptd_file_names[i], text, n);
        j->x->n_files++;
        free(text);
    }
    return rc;
}

/* ---- all of it ---- */

static int write_folder(struct job *j)
{
    int rc = plan(j);
    if (rc == 0) rc = open_folder(j);
    if (rc < 0) return rc;
    rc = write_small_files(j);
    if (rc == 0) rc = write_shards(j);
    if (rc == 0) rc = write_index(j);
    if (rc == 0) rc = publish(j);
    j->x->n_files += j->n_shards + (j->n_shards > 1);
    return rc;
}

/* Removes DIR.ptd-part after a failure, keeping the failure. */
static void discard(struct job *j)
{
    int status = ptd_failed_status();
    char *message = ptd_strdup(ptd_failed_message());
    if (ptd_folder_clear(j->folder, j->part, is_ours, NULL) == 0) rmdir(j->part);
    ptd_fail(status, "%s", message);
    free(message);
}

int ptd_export(struct ptd_store *s, const char *dir, struct ptd_export *x)
{
    struct job j = {.store = s, .x = x, .dir = ptd_strdup(dir), .folder = -1};
    for (size_t n = strlen(j.dir); n > 1 && j.dir[n - 1] == '/';) j.dir[--n] = 0;
    j.part = ptd_format("%s" PTD_PART, j.dir);
    x->n_files = 0;
    x->bytes = 0;
    int rc = ptd_store_hold(s);
    if (rc == 0) {
        rc = write_folder(&j);
        ptd_store_release(s);
    }
    if (rc == -1 && j.folder >= 0) discard(&j);
    if (j.folder >= 0) close(j.folder);
    for (int i = 0; j.peft && j.written && i < j.n; i++) free((char *)(uintptr_t)j.written[i].name);
    ptd_merge_close(j.merge);
    ptd_shared_close(j.shared);
    ptd_store_list_free(j.stored, j.n);
    free(j.written);
    free(j.shards);
    free(j.dir);
    free(j.part);
    return rc < 0 ? -1 : 0;
}
