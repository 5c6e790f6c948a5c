/* store_map: the frozen generation's numbers where they lie in the map of base.mdb: verified once
 * for a machine that runs, which a note beside the file tells the programs that come later. What a
 * piece is is left to store_piece.c. */
#include "base/threads.h"
#include "store/store_private.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NOTE      "base.ok"
#define NOTE_HEAD "ptd-base 1 "
#define ALIGNED   64
#define TICK_NS   50000000   /* changes that are this close to each other may bear one time */
#define WAIT_NS   20000000   /* between looks at what another program verifies */
#define WAITS     6000       /* two minutes of them */
#define SLICE     (4u << 20) /* bytes that one thread has mapped at a time */

/* ---- the note ---- */

/* Which start of which machine this is; "" if the system does not say. */
static void boot_id(char id[40])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, id, 36);
    if (fd >= 0) close(fd);
    id[n == 36 ? n : 0] = 0;
}

/* What the note must say: the file and its last change, the start of the machine, what was found. 0
 * if no note can say it. */
static int note_text(struct ptd_store *b, char text[256], struct stat *st)
{
    char boot[40], id[17] = "";
    MDB_val v;
    boot_id(boot);
    if (!*boot || fstat(b->data, st) < 0) return 0;
    if (ptd_store_get_plain(b, b->view, DB_META, PTD_BASE_KEY, &v)) return 0;
    memcpy(id, v.mv_data, v.mv_size < 16 ? v.mv_size : 16);
    snprintf(text, 256, NOTE_HEAD "%s %ju %ju %jd %jd.%09ld %jd.%09ld %s\n", boot,
             (uintmax_t)st->st_dev, (uintmax_t)st->st_ino, (intmax_t)st->st_size,
             (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec, (intmax_t)st->st_ctim.tv_sec,
             st->st_ctim.tv_nsec, id);
    return 1;
}

/* A descriptor of the note if it is a file with one name; -1. */
static int open_note(struct ptd_store *s, struct stat *st)
{
    int fd = openat(s->at, NOTE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_nlink == 1) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

/* Who can have written the note can have written base.mdb, digests and all, or is who asks. */
static int may_vouch(const struct stat *note, const struct stat *base)
{
    return !(note->st_mode & 022) &&
           (note->st_uid == geteuid() || note->st_uid == 0 || note->st_uid == base->st_uid);
}

static int is_noted(struct ptd_store *s)
{
    char text[256], found[256];
    struct stat base, note;
    if (!note_text(s->base, text, &base)) return 0;
    int fd = open_note(s, &note);
    if (fd < 0) return 0;
    size_t n = strlen(text);
    int same = may_vouch(&note, &base) && note.st_size == (off_t)n &&
               read(fd, found, sizeof found) == (ssize_t)n && !memcmp(found, text, n);
    close(fd);
    return same;
}

int ptd_store_drop_note(struct ptd_store *s)
{
    char head[sizeof NOTE_HEAD] = "";
    struct stat st;
    if (fstatat(s->at, NOTE, &st, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT;
    int fd = open_note(s, &st);
    if (fd < 0) return 0;
    ssize_t n = read(fd, head, sizeof head - 1);
    close(fd);
    if (n > 0 && strcmp(head, NOTE_HEAD) != 0) return 0; /* somebody else's */
    return unlinkat(s->at, NOTE, 0) == 0;
}

/* Where it cannot be written, every program verifies. */
static void write_note(struct ptd_store *s, const char *text)
{
    int n = (int)strlen(text);
    if (!ptd_store_drop_note(s)) return;
    int fd = openat(s->at, NOTE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0) return;
    if (write(fd, text, n) != n) unlinkat(s->at, NOTE, 0);
    close(fd);
}

/* ---- verifying ---- */

struct values {
    MDB_val *k, *v;
    long n;
    _Atomic long next, bad; /* bad: 1 + number of a damaged value */
};

static void verify_values(void *ctx, long first, long last)
{
    struct values *c = ctx;
    struct ptd_tensor_piece p;
    (void)first, (void)last; /* pieces differ in size: whoever is ready takes the next */
    for (long i; (i = c->next++) < c->n && !c->bad;)
        if (ptd_store_tensor(c->v[i].mv_data, c->v[i].mv_size, &p) < 0) c->bad = i + 1;
}

/* Keys and values of all weights. An LMDB code. */
static int list_values(struct ptd_store *b, struct values *c)
{
    MDB_cursor *cursor;
    MDB_stat st;
    int rc = mdb_stat(b->view, b->db[DB_WEIGHTS], &st);
    if (!rc) rc = mdb_cursor_open(b->view, b->db[DB_WEIGHTS], &cursor);
    if (rc) return rc;
    c->k = ptd_array(st.ms_entries + 1, sizeof *c->k);
    c->v = ptd_array(st.ms_entries + 1, sizeof *c->v);
    while (c->n < (long)st.ms_entries &&
           !(rc = mdb_cursor_get(cursor, &c->k[c->n], &c->v[c->n], MDB_NEXT)))
        c->n++;
    mdb_cursor_close(cursor);
    return rc;
}

static int verify_all(struct ptd_store *b)
{
    struct values c = {0};
    int rc = list_values(b, &c);
    if (rc) rc = ptd_store_fail(b, rc, "verifying");
    if (!rc) ptd_parallel(c.n, 1, verify_values, &c);
    if (!rc && c.bad) {
        MDB_val k = c.k[c.bad - 1], v = c.v[c.bad - 1];
        struct ptd_tensor_piece p;
        char key[KEY_MAX + 1];
        snprintf(key, sizeof key, "%.*s", (int)k.mv_size, (char *)k.mv_data);
        rc = ptd_store_tensor(v.mv_data, v.mv_size, &p); /* again, for its words */
        if (rc == 0) rc = ptd_fail(PTD_DATAERR, "tensor damaged (digest differs)");
        rc = ptd_store_blame(b, key, ptd_failed_message());
    }
    free(c.k);
    free(c.v);
    return rc;
}

/* A change that follows while the clock stands would not show: such a file is waited for, or gets
 * no note where times have no fractions. */
static int is_settled(const struct stat *st)
{
    struct timespec now, tick = {0, TICK_NS};
    for (int tries = 0; tries < 2; tries++) {
        clock_gettime(CLOCK_REALTIME, &now);
        int64_t past = (now.tv_sec - (int64_t)st->st_ctim.tv_sec) * 1000000000 + now.tv_nsec -
                       st->st_ctim.tv_nsec;
        if (past > (st->st_ctim.tv_nsec ? TICK_NS : 2 * 1000000000ll)) return 1;
        if (past < 0 || !st->st_ctim.tv_nsec) return 0;
        nanosleep(&tick, NULL);
    }
    return 0;
}

static int verify_and_note(struct ptd_store *s)
{
    char before[256], after[256];
    struct stat st;
    int noted = note_text(s->base, before, &st) && is_settled(&st);
    if (verify_all(s->base) < 0) return -1;
    if (noted && note_text(s->base, after, &st) && !strcmp(before, after)) write_note(s, before);
    return 0;
}

/* The programs of a pipe start together: one verifies, and the others wait for its note. Whoever
 * waits too long looks for himself. */
static int trust(struct ptd_store *s)
{
    struct timespec wait = {0, WAIT_NS};
    int held = 0;
    if (s->base->trusted || is_noted(s)) return s->base->trusted = 1, 0;
    for (int i = 0; i < WAITS && !(held = flock(s->base->data, LOCK_EX | LOCK_NB) == 0); i++) {
        if (errno != EWOULDBLOCK) break;
        nanosleep(&wait, NULL);
        if (is_noted(s)) break;
    }
    int rc = is_noted(s) ? 0 : verify_and_note(s);
    if (held) flock(s->base->data, LOCK_UN);
    s->base->trusted = rc == 0;
    return rc;
}

/* ---- prefault ---- */

struct span {
    char *at;
    size_t bytes;
};

static void populate(void *ctx, long first, long last)
{
    const struct span *p = ctx;
    size_t from = (size_t)first * SLICE, to = (size_t)last * SLICE;
    if (to > p->bytes) to = p->bytes;
    if (madvise(p->at + from, to - from, MADV_POPULATE_READ) < 0 && errno == EINVAL)
        madvise(p->at + from, to - from, MADV_WILLNEED); /* an older kernel */
}

int ptd_store_prefault(struct ptd_store *s)
{
    MDB_envinfo info;
    if (!s->base) return 1;
    mdb_env_info(s->base->env, &info);
    struct span p = {info.me_mapaddr, (info.me_last_pgno + 1) * ptd_store_page(s->base)};
    ptd_parallel((long)((p.bytes + SLICE - 1) / SLICE), 1, populate, &p);
    return 0;
}

static int is_prefault_wanted(void)
{
    const char *text = getenv("PTD_PREFAULT");
    return text && *text && strcmp(text, "0") != 0;
}

/* ---- mapping ---- */

static void add_piece(struct ptd_mapped *m, const struct ptd_tensor_piece *p)
{
    if (!m->n_pieces) {
        m->dtype = p->whole.dtype;
        m->n_dims = p->whole.n_dims;
        m->n = p->whole.n;
        memcpy(m->dims, p->whole.dims, sizeof m->dims);
    }
    m->pieces = ptd_realloc(m->pieces, (size_t)(m->n_pieces + 1) * sizeof *m->pieces);
    m->pieces[m->n_pieces++] = (struct ptd_mapped_piece){
        p->data, (int64_t)(p->n / (p->whole.n / (size_t)p->whole.dims[0]))};
}

/* 1: a piece cannot be used where it lies. */
static int map_pieces(struct ptd_store *b, const char *name, struct ptd_mapped *m)
{
    char prefix[PTD_PREFIX];
    struct ptd_tensor_piece p;
    size_t done = 0;
    ptd_store_prefix(prefix, "", 0);
    do {
        if (ptd_store_get_piece(b, DB_WEIGHTS, prefix, name, (size_t)m->n_pieces, &p) < 0)
            return -1;
        if (p.first != done || (done && (p.whole.dtype != m->dtype || p.whole.n != m->n)))
            return ptd_store_blame(b, name, "pieces of two tensors");
        if ((uintptr_t)p.data % ALIGNED || p.n % (p.whole.n / (size_t)p.whole.dims[0])) return 1;
        add_piece(m, &p);
        done += p.n;
    } while (done < p.whole.n);
    return 0;
}

int ptd_store_map(struct ptd_store *s, int64_t generation, const char *name, struct ptd_mapped *out)
{
    *out = (struct ptd_mapped){0};
    if (generation != 0 || !s->base) return 1;
    ptd_store_used = s->base;
    int first = !s->base->trusted;
    if (trust(s) < 0) return -1;
    if (first && is_prefault_wanted()) ptd_store_prefault(s);
    int rc = map_pieces(s->base, name, out);
    if (rc) ptd_mapped_clear(out);
    return rc;
}

void ptd_mapped_clear(struct ptd_mapped *m)
{
    free(m->pieces);
    *m = (struct ptd_mapped){0};
}
