/* pictures: see pictures.h. Which pictures the rows name is left to dataset.c, opening them to
 * below.c. */
#include "data/pictures.h"
#include "base/below.h"
#include "flow/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define GRAIN    2000000000ll  /* ns: no clock of a file system is coarser */
#define SAVE_NS  30000000000ll /* between two memos while pictures are read */
#define WORTH_NS 1000000000ll  /* what finding out that there are none takes, to be noted */
#define MISSING  0
#define MEMO_MAX (1ll << 32)

/* ---- a table of paths ---- */

struct slot {
    XXH128_hash_t path;
    uint64_t value;
};

struct table {
    struct slot *slots;
    size_t n, cap; /* cap: a power of two, or 0 */
};

static XXH128_hash_t hash_of(const char *path)
{
    XXH128_hash_t h = XXH3_128bits(path, strlen(path));
    h.low64 |= !h.low64; /* 0 marks an empty slot */
    return h;
}

/* The path's slot, or the empty one where it would be; NULL in an empty table. */
static struct slot *find(const struct table *t, XXH128_hash_t path)
{
    if (!t->cap) return NULL;
    for (size_t i = path.low64;; i++) {
        struct slot *s = &t->slots[i & (t->cap - 1)];
        if (!s->path.low64 || XXH128_isEqual(s->path, path)) return s;
    }
}

static const uint64_t *value_of(const struct table *t, XXH128_hash_t path)
{
    const struct slot *s = find(t, path);
    return s && s->path.low64 ? &s->value : NULL;
}

static void grow(struct table *t)
{
    struct table bigger = {.cap = t->cap ? 2 * t->cap : 1024, .n = t->n};
    bigger.slots = ptd_array(bigger.cap, sizeof *bigger.slots);
    for (size_t i = 0; i < t->cap; i++)
        if (t->slots[i].path.low64) *find(&bigger, t->slots[i].path) = t->slots[i];
    free(t->slots);
    *t = bigger;
}

static void put(struct table *t, XXH128_hash_t path, uint64_t value)
{
    if (4 * t->n >= 3 * t->cap) grow(t);
    *find(t, path) = (struct slot){path, value};
    t->n++;
}

/* ---- the memo ---- */

struct memo_head {
    char magic[8];
    uint64_t digest; /* of all that follows */
    /* rows: digest of the data set's, 0 while some of its pictures are still to come */
    uint64_t rows, total;
};
static const char magic[8] = "PTDPICS1";

struct entry { /* in the memo, then the path with its NUL */
    uint64_t digest, device, inode, size;
    int64_t bytes_changed, changed; /* ns; changed 0: not to be trusted */
    uint64_t length;                /* of the path with its NUL */
};

struct ptd_pictures {
    int folder, anywhere;
    char *memo_path;
    uint64_t rows;
    struct table digests; /* path: digest */
    XXH3_state_t *all;
    char *old;           /* the memo as it was, or NULL */
    size_t old_len, at;  /* at: of the next entry */
    struct table places; /* path: where its entry is in the old memo */
    struct ptd_buf memo;
    int64_t saved;
    int fresh;   /* pictures that were read */
    int lacking; /* some may be missing */
};

static struct memo_head head_of(const char *memo)
{
    struct memo_head h;
    memcpy(&h, memo, sizeof h);
    return h;
}

/* The entry at `at`, which moves behind it; its path, or NULL at the end and where it is none. */
static const char *next_entry(const char *memo, size_t len, size_t *at, struct entry *e)
{
    if (len - *at < sizeof *e) return NULL;
    memcpy(e, memo + *at, sizeof *e);
    const char *path = memo + *at + sizeof *e;
    if (!e->length || e->length > len - *at - sizeof *e || path[e->length - 1]) return NULL;
    *at += sizeof *e + e->length;
    return path;
}

static char *load(const char *path, size_t *len)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char *memo = NULL;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        st.st_size >= (off_t)sizeof(struct memo_head) && st.st_size < MEMO_MAX) {
        memo = ptd_malloc((size_t)st.st_size);
        *len = 0;
        for (ssize_t n = 1; n > 0 && *len<(size_t)st.st_size; *len += n> 0 ? (size_t)n : 0)
            n = read(fd, memo + *len, (size_t)st.st_size - *len);
        if (*len != (size_t)st.st_size) free(memo), memo = NULL;
    }
    if (fd >= 0) close(fd);
    return memo;
}

/* Keeps the old memo if it is whole. A file that is none of ours is not to be replaced either. */
static void recall(struct ptd_pictures *p)
{
    size_t from = sizeof(struct memo_head), skip = offsetof(struct memo_head, rows);
    struct entry e;
    p->old = load(p->memo_path, &p->old_len);
    if (!p->old) return;
    struct memo_head h = head_of(p->old);
    int whole = !memcmp(h.magic, magic, sizeof magic) &&
                XXH3_64bits(p->old + skip, p->old_len - skip) == h.digest;
    for (size_t at = from, here = at; whole; here = at) {
        const char *path = next_entry(p->old, p->old_len, &at, &e);
        if (!path) break;
        XXH128_hash_t hash = hash_of(path);
        if (!value_of(&p->places, hash)) put(&p->places, hash, here);
    }
    if (whole) return;
    free(p->old);
    p->old = NULL;
}

/* Is there anything in the memo's place that is no memo, whole or begun? */
static int is_foreign(const char *path)
{
    char found[sizeof magic];
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return errno != ENOENT;
    int regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    ssize_t n = regular ? read(fd, found, sizeof found) : -1;
    close(fd);
    return n < 0 || memcmp(found, magic, (size_t)n);
}

static int write_memo(int fd, const char *p, size_t n)
{
    for (ssize_t put; n; p += put, n -= (size_t)put)
        if ((put = write(fd, p, n)) <= 0) return -1;
    return 0;
}

static void write_whole(const char *path, const char *part, const char *p, size_t n)
{
    if (is_foreign(path) || is_foreign(part)) return;
    unlink(part);
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return;
    int rc = write_memo(fd, p, n);
    if (rc == 0) rc = fsync(fd);
    if (close(fd) < 0) rc = -1;
    if (rc < 0 || rename(part, path) < 0) unlink(part);
}

/* Without a word if it cannot be: it only saves time. */
static void save(struct ptd_pictures *p, uint64_t rows)
{
    struct memo_head h = {.rows = rows, .total = p->digests.n};
    size_t skip = offsetof(struct memo_head, rows);
    if (!p->memo_path) return;
    memcpy(h.magic, magic, sizeof magic);
    memcpy(p->memo.data, &h, sizeof h);
    h.digest = XXH3_64bits(p->memo.data + skip, p->memo.len - skip);
    memcpy(p->memo.data, &h, sizeof h);
    char *part = ptd_format("%s.part", p->memo_path);
    write_whole(p->memo_path, part, p->memo.data, p->memo.len);
    free(part);
}

/* ---- one picture ---- */

static int64_t nanoseconds(struct timespec t)
{
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return nanoseconds(t);
}

static struct entry about(const struct stat *st)
{
    return (struct entry){.device = st->st_dev,
                          .inode = st->st_ino,
                          .size = (uint64_t)st->st_size,
                          .bytes_changed = nanoseconds(st->st_mtim),
                          .changed = nanoseconds(st->st_ctim)};
}

static int is_same_file(const struct entry *a, const struct entry *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->bytes_changed == b->bytes_changed && a->changed && a->changed == b->changed;
}

static uint64_t digest_bytes(const void *bytes, size_t n)
{
    uint64_t d = XXH3_64bits(bytes, n);
    return d == MISSING ? 1 : d;
}

static int read_digest(struct ptd_pictures *p, const char *path, struct entry *e)
{
    size_t n;
    char *bytes = ptd_below_read(p->folder, p->anywhere, path, &n);
    if (!bytes) return -1;
    e->digest = digest_bytes(bytes, n);
    free(bytes);
    p->fresh++;
    return 0;
}

/* What the old memo knows of this very file, else its bytes. */
static int look(struct ptd_pictures *p, const char *path, XXH128_hash_t hash, struct entry *e)
{
    const uint64_t *place = value_of(&p->places, hash);
    struct entry old;
    struct stat st;
    int64_t began = now();
    int fd = ptd_below_open(p->folder, p->anywhere, path, &st);
    if (fd < 0) return -1;
    close(fd);
    *e = about(&st);
    if (place) memcpy(&old, p->old + *place, sizeof old);
    if (place && is_same_file(&old, e)) {
        e->digest = old.digest;
        return 0;
    }
    if (e->changed > began - GRAIN) e->changed = 0;
    return read_digest(p, path, e);
}

static void note(struct ptd_pictures *p, const char *path, XXH128_hash_t hash, struct entry *e)
{
    e->length = strlen(path) + 1;
    put(&p->digests, hash, e->digest);
    XXH3_64bits_update(p->all, path, e->length);
    XXH3_64bits_update(p->all, &e->digest, sizeof e->digest);
    ptd_buf_add(&p->memo, e, sizeof *e);
    ptd_buf_add(&p->memo, path, e->length);
}

int ptd_pictures_add(struct ptd_pictures *p, const char *path)
{
    XXH128_hash_t hash = hash_of(path);
    struct entry e = {0};
    if (value_of(&p->digests, hash)) return 0;
    if (look(p, path, hash, &e) < 0) {
        int status = ptd_failed_status();
        if (!p->lacking || (status != PTD_DATAERR && status != PTD_NOINPUT)) return -1;
        e = (struct entry){.digest = MISSING};
    }
    note(p, path, hash, &e);
    if (p->fresh && now() - p->saved > SAVE_NS) {
        save(p, 0);
        p->saved = now();
    }
    return 0;
}

void ptd_pictures_lack(struct ptd_pictures *p)
{
    p->lacking = 1;
}

/* ---- all of them ---- */

struct ptd_pictures *ptd_pictures_new(int folder, int anywhere, const char *memo, uint64_t rows)
{
    struct ptd_pictures *p = ptd_alloc(sizeof *p);
    p->folder = folder;
    p->anywhere = anywhere;
    p->rows = rows;
    p->all = XXH3_createState();
    if (!p->all) ptd_die(PTD_OSERR, "out of memory for a hash");
    XXH3_64bits_reset(p->all);
    p->memo_path = memo ? ptd_strdup(memo) : NULL;
    p->saved = now();
    ptd_buf_add(&p->memo, &(struct memo_head){0}, sizeof(struct memo_head));
    if (memo) recall(p);
    p->at = sizeof(struct memo_head);
    return p;
}

long ptd_pictures_known(const struct ptd_pictures *p)
{
    if (!p->old || head_of(p->old).rows != p->rows || !p->rows) return -1;
    return (long)head_of(p->old).total;
}

const char *ptd_pictures_next(struct ptd_pictures *p)
{
    struct entry e;
    return p->old ? next_entry(p->old, p->old_len, &p->at, &e) : NULL;
}

void ptd_pictures_end(struct ptd_pictures *p, char digest[17])
{
    snprintf(digest, 17, "%016llx", (unsigned long long)XXH3_64bits_digest(p->all));
    if (!p->digests.n) *digest = 0;
    int same = p->old && p->old_len == p->memo.len && ptd_pictures_known(p) >= 0 && !p->fresh;
    if (!same && (p->digests.n || now() - p->saved > WORTH_NS)) save(p, p->rows);
    free(p->old);
    free(p->memo.data);
    free(p->places.slots);
    p->old = p->memo.data = NULL;
    p->places = (struct table){0};
}

int ptd_pictures_had(const struct ptd_pictures *p, const char *path)
{
    const uint64_t *digest = value_of(&p->digests, hash_of(path));
    return digest && *digest != MISSING;
}

int ptd_pictures_changed(const struct ptd_pictures *p, const char *path, const void *bytes,
                         size_t n)
{
    const uint64_t *digest = value_of(&p->digests, hash_of(path));
    return !digest || *digest != digest_bytes(bytes, n);
}

void ptd_pictures_free(struct ptd_pictures *p)
{
    if (!p) return;
    XXH3_freeState(p->all);
    free(p->memo_path);
    free(p->old);
    free(p->memo.data);
    free(p->places.slots);
    free(p->digests.slots);
    free(p);
}
