/* shards: the index, the files it names, and that they agree. One file is safetensors.c's matter;
 * what the tensors mean, import.c's. */
#include "checkpoint/shards.h"
#include "base/json.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX_MAX (64u << 20)
#define ONE_FILE  "model.safetensors"

static int ends_with(const char *s, const char *tail)
{
    size_t n = strlen(s), k = strlen(tail);
    return n >= k && !strcmp(s + n - k, tail);
}

int ptd_is_pickle(const char *name)
{
    static const char *const tails[] = {".bin", ".pt", ".pth", ".ckpt", ".pkl"};
    for (int i = 0; i < 5; i++)
        if (ends_with(name, tails[i])) return 1;
    return 0;
}

static char *slurp(int fd, const char *path, size_t most, size_t *len)
{
    struct stat st;
    char *text;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        ptd_fail(PTD_NOINPUT, "%s: not a regular file", path);
        return NULL;
    }
    if ((uint64_t)st.st_size > most) {
        ptd_fail(PTD_DATAERR, "%s: %lld bytes, expected at most %zu", path, (long long)st.st_size,
                 most);
        return NULL;
    }
    text = ptd_alloc((size_t)st.st_size + 1);
    *len = 0;
    for (ssize_t n = 1; n && *len<(size_t)st.st_size; *len += n> 0 ? (size_t)n : 0)
        if ((n = read(fd, text + *len, (size_t)st.st_size - *len)) < 0 && errno != EINTR) {
            ptd_fail(PTD_IOERR, "%s:", path);
            free(text);
            return NULL;
        }
    text[*len] = 0;
    if (strlen(text) == *len) return text;
    ptd_fail(PTD_DATAERR, "%s: a NUL byte, expected text", path);
    free(text);
    return NULL;
}

char *ptd_file_text(const char *path, size_t most, size_t *len, int *failed)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *failed = fd >= 0 || errno != ENOENT;
    if (fd < 0) {
        ptd_fail(PTD_NOINPUT, "%s:", path);
        return NULL;
    }
    char *text = slurp(fd, path, most, len);
    close(fd);
    if (text) *failed = 0;
    return text;
}

/* ---- the index ---- */

static int check_name(const char *path, const char *tensor, const json_t *v)
{
    const char *file = json_string_value(v);
    if (!file)
        return ptd_fail(PTD_DATAERR, "%s: tensor \"%.128s\": its file is no text", path, tensor);
    if (ptd_is_pickle(file))
        return ptd_fail(PTD_DATAERR,
                        "%s: tensor \"%.128s\": \"%.100s\" is a pickle file, expected safetensors",
                        path, tensor, file);
    if (*file && *file != '.' && !strchr(file, '/') && strlen(file) < 256 &&
        ends_with(file, ".safetensors"))
        return 0;
    return ptd_fail(PTD_DATAERR,
                    "%s: tensor \"%.128s\": file \"%.100s\", expected the name of a .safetensors "
                    "file beside it",
                    path, tensor, file);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct ptd_index_entry *)a)->name,
                  ((const struct ptd_index_entry *)b)->name);
}

static int read_map(struct ptd_index *x, const char *path, json_t *map)
{
    const char *name;
    json_t *v;
    if (!json_is_object(map))
        return ptd_fail(PTD_DATAERR, "%s: weight_map %s", path,
                        map ? "is no object" : "is missing");
    if (!json_object_size(map)) return ptd_fail(PTD_DATAERR, "%s: weight_map is empty", path);
    x->entries = ptd_array(json_object_size(map), sizeof *x->entries);
    json_object_foreach (map, name, v) {
        if (check_name(path, name, v) < 0) return -1;
        x->entries[x->n].name = ptd_strdup(name);
        x->entries[x->n++].file = ptd_strdup(json_string_value(v));
    }
    qsort(x->entries, (size_t)x->n, sizeof *x->entries, by_name);
    return 0;
}

static int read_total(struct ptd_index *x, const char *path, const json_t *metadata)
{
    const json_t *v = json_object_get(metadata, "total_size");
    x->total_size = -1;
    if (metadata && !json_is_object(metadata))
        return ptd_fail(PTD_DATAERR, "%s: metadata is no object", path);
    if (!v) return 0;
    x->total_size = json_number_value(v);
    if (json_is_number(v) && x->total_size >= 0) return 0;
    return ptd_fail(PTD_DATAERR, "%s: metadata.total_size is no number from 0 on", path);
}

int ptd_index_parse(struct ptd_index *x, const char *path, const char *text, size_t len)
{
    json_error_t e;
    json_t *root = ptd_json_load(text, len, JSON_REJECT_DUPLICATES, &e);
    int rc = -1;
    memset(x, 0, sizeof *x);
    if (!root)
        ptd_fail(PTD_DATAERR, "%s: line %d, column %d: %s", path, e.line, e.column, e.text);
    else if (!json_is_object(root))
        ptd_fail(PTD_DATAERR, "%s: expected a JSON object", path);
    else if (read_total(x, path, json_object_get(root, "metadata")) == 0)
        rc = read_map(x, path, json_object_get(root, "weight_map"));
    json_decref(root);
    if (rc < 0) ptd_index_clear(x);
    return rc;
}

void ptd_index_clear(struct ptd_index *x)
{
    for (int i = 0; i < x->n; i++) {
        free(x->entries[i].name);
        free(x->entries[i].file);
    }
    free(x->entries);
    memset(x, 0, sizeof *x);
}

/* ---- the files ---- */

static int add_file(struct ptd_shards *s, const char *dir, const char *name)
{
    char *path = ptd_format("%s/%s", dir, name);
    struct ptd_safetensors *f;
    int rc = ptd_safetensors_open(&f, path);
    free(path);
    if (rc < 0) return -1;
    s->files = ptd_realloc(s->files, (size_t)(s->n_files + 1) * sizeof *s->files);
    s->files[s->n_files++] = f;
    return 0;
}

static const char *base_name(const struct ptd_safetensors *f)
{
    return strrchr(f->path, '/') + 1;
}

static struct ptd_safetensors *find_file(const struct ptd_shards *s, const char *name)
{
    for (int i = 0; i < s->n_files; i++)
        if (!strcmp(base_name(s->files[i]), name)) return s->files[i];
    return NULL;
}

static int add_files(struct ptd_shards *s, const char *dir, const struct ptd_index *x)
{
    for (int i = 0; i < x->n; i++)
        if (!find_file(s, x->entries[i].file) && add_file(s, dir, x->entries[i].file) < 0)
            return -1;
    return 0;
}

/* What the index names is there, in the file it names. */
static int check_forward(const struct ptd_shards *s, const struct ptd_index *x, const char *path)
{
    for (int i = 0; i < x->n; i++)
        if (!ptd_safetensors_find(find_file(s, x->entries[i].file), x->entries[i].name))
            return ptd_fail(PTD_DATAERR,
                            "%s: tensor \"%.128s\": not in %.100s, where the index has it", path,
                            x->entries[i].name, x->entries[i].file);
    return 0;
}

/* What the files hold is in the index, and there with this file's name. */
static int check_backward(const struct ptd_safetensors *f, const struct ptd_index *x)
{
    for (int i = 0; i < f->n; i++) {
        struct ptd_index_entry key = {f->tensors[i].name, NULL};
        const struct ptd_index_entry *e =
            bsearch(&key, x->entries, (size_t)x->n, sizeof key, by_name);
        if (!e)
            return ptd_fail(PTD_DATAERR, "%s: tensor \"%.128s\": not in the index", f->path,
                            key.name);
        if (strcmp(e->file, base_name(f)) != 0)
            return ptd_fail(PTD_DATAERR, "%s: tensor \"%.128s\": the index has it in %.100s",
                            f->path, key.name, e->file);
    }
    return 0;
}

static void check_total(const struct ptd_shards *s, const struct ptd_index *x, const char *path)
{
    double sum = 0;
    for (int i = 0; i < s->n_files; i++) sum += (double)(s->files[i]->size - s->files[i]->data);
    if (x->total_size >= 0 && x->total_size != sum)
        ptd_warn("%s: metadata.total_size is %.0f, the tensors sum up to %.0f bytes", path,
                 x->total_size, sum);
}

/* Files of another download or of an older version mix badly with these. */
static int check_strangers(const struct ptd_shards *s, const char *dir, const char *index)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    int rc = d ? 0 : ptd_fail(PTD_NOINPUT, "%s:", dir);
    while (rc == 0 && (e = readdir(d)))
        if (!strncmp(e->d_name, "model-", 6) && ends_with(e->d_name, ".safetensors") &&
            strstr(e->d_name, "-of-") && !find_file(s, e->d_name))
            rc = ptd_fail(PTD_DATAERR, "%s/%s: %s does not name it", dir, e->d_name, index);
    if (d) closedir(d);
    return rc;
}

static int open_index(struct ptd_shards *s, const char *dir, const char *path, const char *text,
                      size_t len)
{
    struct ptd_index x;
    if (ptd_index_parse(&x, path, text, len) < 0) return -1;
    int rc = add_files(s, dir, &x);
    if (rc == 0) rc = check_forward(s, &x, path);
    for (int i = 0; i < s->n_files && rc == 0; i++) rc = check_backward(s->files[i], &x);
    if (rc == 0) rc = check_strangers(s, dir, PTD_INDEX_FILE);
    if (rc == 0) check_total(s, &x, path);
    ptd_index_clear(&x);
    return rc;
}

static int exists(const char *dir, const char *name)
{
    char *path = ptd_format("%s/%s", dir, name);
    int found = access(path, F_OK) == 0;
    free(path);
    return found;
}

/* Why a folder without safetensors is refused. */
static int refuse_folder(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    if (!d) return ptd_fail(PTD_NOINPUT, "%s:", dir);
    while ((e = readdir(d)))
        if (ptd_is_pickle(e->d_name)) break;
    int rc =
        e ? ptd_fail(PTD_DATAERR, "%s/%s: a pickle file, expected " ONE_FILE " or " PTD_INDEX_FILE,
                     dir, e->d_name)
          : ptd_fail(PTD_NOINPUT, "%s: neither " ONE_FILE " nor " PTD_INDEX_FILE " in it", dir);
    closedir(d);
    return rc;
}

static int open_folder(struct ptd_shards *s, const char *dir)
{
    char *path = ptd_format("%s/%s", dir, PTD_INDEX_FILE);
    size_t len;
    int failed, one = exists(dir, ONE_FILE), rc = -1;
    char *text = ptd_file_text(path, INDEX_MAX, &len, &failed);
    if (text && one)
        ptd_fail(PTD_DATAERR, "%s: both " ONE_FILE " and " PTD_INDEX_FILE ", expected one of them",
                 dir);
    else if (text)
        rc = open_index(s, dir, path, text, len);
    else if (!failed)
        rc = one ? add_file(s, dir, ONE_FILE) : refuse_folder(dir);
    free(text);
    free(path);
    return rc;
}

static int by_tensor(const void *a, const void *b)
{
    return strcmp(((const struct ptd_shard_tensor *)a)->t->name,
                  ((const struct ptd_shard_tensor *)b)->t->name);
}

static void collect(struct ptd_shards *s)
{
    for (int i = 0; i < s->n_files; i++) {
        struct ptd_safetensors *f = s->files[i];
        s->tensors = ptd_realloc(s->tensors, (size_t)(s->n + f->n + 1) * sizeof *s->tensors);
        for (int j = 0; j < f->n; j++)
            s->tensors[s->n++] = (struct ptd_shard_tensor){&f->tensors[j], f};
    }
    qsort(s->tensors, (size_t)s->n, sizeof *s->tensors, by_tensor);
}

int ptd_shards_open(struct ptd_shards **out, const char *dir)
{
    struct ptd_shards *s = ptd_alloc(sizeof *s);
    *out = NULL;
    if (open_folder(s, dir) < 0) {
        ptd_shards_close(s);
        return -1;
    }
    collect(s);
    *out = s;
    return 0;
}

const struct ptd_shard_tensor *ptd_shards_find(const struct ptd_shards *s, const char *name)
{
    struct ptd_safetensor t = {.name = (char *)(uintptr_t)name};
    struct ptd_shard_tensor key = {&t, NULL};
    return s->n ? bsearch(&key, s->tensors, (size_t)s->n, sizeof key, by_tensor) : NULL;
}

int ptd_shards_close(struct ptd_shards *s)
{
    int rc = 0;
    if (!s) return 0;
    for (int i = 0; i < s->n_files; i++)
        if (ptd_safetensors_close(s->files[i]) < 0) rc = -1;
    free(s->files);
    free(s->tensors);
    free(s);
    return rc;
}
