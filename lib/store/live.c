/* live: see live.h. The trainer's note is store_files.c's. */
#include "store/live.h"
#include "base/threads.h"
#include "store/store_private.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define MAGIC    "PTDLIVE1"
#define HEAD     4096
#define ALIGN    64
#define PATIENCE 2 /* seconds until what a living trainer noted counts as out of reach */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

struct ptd_live {
    struct ptd_store *store;
    int slots; /* of a trainer's; 0: reads */
    int fd;
    struct ptd_live_memory *at; /* NULL: not there */
    size_t bytes;
    time_t missed; /* since when a trainer's memory was out of reach; 0: it is not */
};

struct ptd_live *ptd_live_open(struct ptd_store *s, int slots)
{
    struct ptd_live *l = ptd_alloc(sizeof *l);
    l->store = s;
    l->slots = slots;
    l->fd = -1;
    return l;
}

static void detach(struct ptd_live *l)
{
    if (l->at) munmap(l->at, l->bytes);
    if (l->fd >= 0) close(l->fd);
    l->at = NULL;
    l->fd = -1;
}

void ptd_live_close(struct ptd_live *l)
{
    if (!l) return;
    if (l->slots && l->at && ptd_store_note_live(l->store, -1) < 0) errno = 0;
    detach(l);
    free(l);
}

/* ---- layout ---- */

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* Behind the head and the table of tensors. */
static size_t slots_at(uint64_t tensors)
{
    return HEAD + round_up(tensors * sizeof(uint64_t), HEAD);
}

static uint64_t *table_of(const struct ptd_live *l)
{
    return (uint64_t *)(void *)((char *)l->at + HEAD);
}

static char *slot_at(const struct ptd_live *l, int slot)
{
    return (char *)l->at + slots_at(l->at->tensors) + slot * l->at->slot_bytes;
}

static int dtype_of(const struct ptd_tensor_view *t)
{
    return t->dtype ? t->dtype : PTD_F32;
}

/* What a tensor takes: the next one is aligned. */
static size_t bytes_of(const struct ptd_tensor_view *t)
{
    return round_up(t->n * ptd_dtype_size(dtype_of(t)), ALIGN);
}

static XXH3_state_t *new_hash(void)
{
    XXH3_state_t *s = XXH3_createState();
    if (!s) ptd_die(PTD_OSERR, "out of memory for a hash");
    XXH3_64bits_reset(s);
    return s;
}

static uint64_t end_hash(XXH3_state_t *s)
{
    uint64_t digest = XXH3_64bits_digest(s);
    XXH3_freeState(s);
    return digest;
}

/* Its name, shape and format. */
static uint64_t id_of(const struct ptd_tensor_view *t)
{
    XXH3_state_t *s = new_hash();
    int64_t rest[] = {dtype_of(t), t->n_dims, 0, 0, 0, 0, 0};
    memcpy(rest + 2, t->dims, t->n_dims * sizeof *t->dims);
    XXH3_64bits_update(s, t->name, strlen(t->name) + 1);
    XXH3_64bits_update(s, rest, sizeof rest);
    return end_hash(s);
}

static uint64_t layout_of(const struct ptd_live *l)
{
    return XXH3_64bits(table_of(l), l->at->tensors * sizeof(uint64_t));
}

static size_t bytes_of_all(const struct ptd_tensor_view *t, int n)
{
    size_t bytes = 0;
    for (int i = 0; i < n; i++) bytes += bytes_of(&t[i]);
    return round_up(bytes, HEAD);
}

/* ---- parts ---- */

struct part {
    const struct ptd_tensor_view *of;
    size_t first, n, bytes;
    char *at, *host; /* host: the view's, or NULL */
    uint64_t digest;
};
struct parts {
    struct part *list;
    long n;
};

static void cut_one(struct parts *p, const struct ptd_tensor_view *t, char *at)
{
    size_t size = ptd_dtype_size(dtype_of(t));
    for (size_t first = 0, n; first < t->n; first += n) {
        n = t->n - first < PTD_LIVE_PART ? t->n - first : PTD_LIVE_PART;
        p->list[p->n++] = (struct part){.of = t,
                                        .first = first,
                                        .n = n,
                                        .bytes = n * size,
                                        .at = at + first * size,
                                        .host = t->data ? (char *)t->data + first * size : NULL};
    }
}

static struct parts cut(const struct ptd_tensor_view *t, int n, char *at)
{
    struct parts p = {NULL, 0};
    size_t most = 0;
    for (int i = 0; i < n; i++) most += t[i].n / PTD_LIVE_PART + 1;
    p.list = ptd_array(most, sizeof *p.list);
    for (int i = 0; i < n; i++) {
        cut_one(&p, &t[i], at);
        at += bytes_of(&t[i]);
    }
    return p;
}

static void put_parts(void *ctx, long first, long last)
{
    struct part *list = ctx;
    for (struct part *p = list + first; p < list + last; p++) {
        if (p->host) memcpy(p->at, p->host, p->bytes);
        p->digest = XXH3_64bits(p->at, p->bytes);
    }
}

static void get_parts(void *ctx, long first, long last)
{
    struct part *list = ctx;
    for (struct part *p = list + first; p < list + last; p++) {
        p->digest = XXH3_64bits(p->at, p->bytes);
        if (p->host) memcpy(p->host, p->at, p->bytes);
    }
}

/* Numbers that lie elsewhere are passed on by the calling thread. */
static void put_all(struct parts *p)
{
    for (long i = 0; i < p->n; i++) {
        const struct part *a = &p->list[i];
        if (!a->host) a->of->give(a->of, a->first, a->n, (float *)(void *)a->at);
    }
    ptd_parallel(p->n, 1, put_parts, p->list);
}

static void get_all(struct parts *p)
{
    ptd_parallel(p->n, 1, get_parts, p->list);
    for (long i = 0; i < p->n; i++) {
        const struct part *a = &p->list[i];
        if (!a->host) a->of->take(a->of, a->first, a->n, (const float *)(const void *)a->at);
    }
}

static uint64_t digest_of(const struct parts *p, int64_t generation, uint64_t layout)
{
    XXH3_state_t *s = new_hash();
    XXH3_64bits_update(s, &generation, sizeof generation);
    XXH3_64bits_update(s, &layout, sizeof layout);
    for (long i = 0; i < p->n; i++)
        XXH3_64bits_update(s, &p->list[i].digest, sizeof p->list[i].digest);
    return end_hash(s);
}

/* ---- the trainer's side ---- */

static int new_memfd(void)
{
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = memfd_create(PTD_LIVE_NAME, flags | MFD_NOEXEC_SEAL);
    return fd < 0 && errno == EINVAL ? memfd_create(PTD_LIVE_NAME, flags) : fd;
}

static int is_set_up(int fd, size_t bytes)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fchmod(fd, 0600) == 0 && ftruncate(fd, (off_t)bytes) == 0 &&
           fallocate(fd, 0, 0, (off_t)bytes) == 0 &&
           fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0 &&
           fcntl(fd, F_OFD_SETLK, &all) == 0;
}

static int map(struct ptd_live *l, int protection)
{
    void *at = mmap(NULL, l->bytes, protection, MAP_SHARED, l->fd, 0);
    l->at = at == MAP_FAILED ? NULL : at;
    return l->at ? 0 : -1;
}

static int make(struct ptd_live *l, const struct ptd_tensor_view *t, int n)
{
    size_t bytes = bytes_of_all(t, n);
    l->bytes = slots_at((uint64_t)n) + l->slots * bytes;
    l->fd = new_memfd();
    if (l->fd < 0 || !is_set_up(l->fd, l->bytes) || map(l, PROT_READ | PROT_WRITE) < 0) {
        ptd_fail(PTD_OSERR, "no shared memory of %zu bytes: %s", l->bytes, strerror(errno));
        detach(l);
        return -1;
    }
    *l->at = (struct ptd_live_memory){.magic = MAGIC,
                                      .dev = l->store->dev,
                                      .ino = l->store->ino,
                                      .tensors = (uint64_t)n,
                                      .slot_bytes = bytes,
                                      .slots = l->slots};
    for (int i = 0; i < PTD_LIVE_SLOTS; i++) l->at->slot[i].generation = -1;
    for (int i = 0; i < n; i++) table_of(l)[i] = id_of(&t[i]);
    if (ptd_store_note_live(l->store, l->fd) == 0) return 0;
    detach(l);
    return -1;
}

int ptd_live_put(struct ptd_live *l, int64_t generation, const struct ptd_tensor_view *t, int n)
{
    if (!l->at && make(l, t, n) < 0) return -1;
    int i = (int)(generation % l->slots);
    struct ptd_live_slot *slot = &l->at->slot[i];
    struct parts p = cut(t, n, slot_at(l, i));
    atomic_store(&slot->generation, -1);
    atomic_thread_fence(memory_order_seq_cst);
    put_all(&p);
    slot->digest = digest_of(&p, generation, layout_of(l));
    atomic_store(&slot->generation, generation);
    free(p.list);
    return 0;
}

int ptd_live_view(struct ptd_live *l, int64_t generation, struct ptd_tensor_view *t, int n)
{
    if (!l || !l->at) return 0;
    int slot = (int)(generation % l->slots);
    if (l->at->slot[slot].generation != generation) return 0;
    char *at = slot_at(l, slot);
    for (int i = 0; i < n; i++) {
        t[i].data = (float *)(void *)at;
        at += bytes_of(&t[i]);
    }
    return 1;
}

/* ---- the readers' side ---- */

/* A trainer that noted its memory and holds the store, but whose memory cannot be opened, has just
 * ended, or is out of reach for good. */
static int out_of_reach(struct ptd_live *l, long pid)
{
    int reason = errno;
    if (!ptd_store_trained(l->store)) l->missed = 0;
    if (!l->missed) l->missed = time(NULL);
    if (time(NULL) - l->missed < PATIENCE) return 0;
    errno = reason;
    return ptd_fail(PTD_UNAVAILABLE,
                    "store %s: generations between two that are published are in the memory of its "
                    "trainer, pid %ld, which cannot be read (expected the trainer's own user and "
                    "machine, or its --publish-every 1): /proc/%ld/fd:",
                    ptd_store_path(l->store), pid, pid);
}

/* Only a memfd of ours is opened: the process may be another by now, and its files anything. */
static int open_noted(long pid, int number)
{
    static const char expected[] = "/memfd:" PTD_LIVE_NAME " (deleted)";
    char path[64], found[sizeof expected] = "";
    snprintf(path, sizeof path, "/proc/%ld/fd/%d", pid, number);
    if (readlink(path, found, sizeof found) < 0) return -1;
    errno = ENOENT;
    if (memcmp(found, expected, sizeof expected - 1) != 0) return -1;
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static int is_whole(const struct ptd_live *l)
{
    const struct ptd_live_memory *m = l->at;
    errno = ENOENT;
    return l->bytes > HEAD && !memcmp(m->magic, MAGIC, sizeof m->magic) &&
           m->dev == l->store->dev && m->ino == l->store->ino && m->slots >= 1 &&
           m->slots <= PTD_LIVE_SLOTS && m->slot_bytes < SIZE_MAX / 16 &&
           m->tensors < l->bytes / sizeof(uint64_t) &&
           slots_at(m->tensors) + m->slots * m->slot_bytes == l->bytes;
}

static int attach(struct ptd_live *l)
{
    struct stat st;
    long pid = 0;
    int number = ptd_store_noted_live(l->store, &pid);
    if (number < 0) return 0;
    l->fd = open_noted(pid, number);
    if (l->fd >= 0 && fstat(l->fd, &st) == 0) {
        l->bytes = (size_t)st.st_size;
        if (map(l, PROT_READ) == 0 && is_whole(l)) return l->missed = 0, 1;
    }
    int rc = out_of_reach(l, pid);
    detach(l);
    return rc;
}

static int is_alive(const struct ptd_live *l)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(l->fd, F_OFD_GETLK, &all) == 0 && all.l_type != F_UNLCK;
}

/* 1: the memory of who trains now is at hand. */
static int at_hand(struct ptd_live *l)
{
    if (l->at && is_alive(l)) return 1;
    detach(l);
    int there = attach(l);
    return there > 0 ? is_alive(l) : there;
}

static int refuse(const struct ptd_live *l, int64_t generation, const char *why)
{
    return ptd_fail(PTD_DATAERR, "store %s: generation %lld in the memory of its trainer: %s",
                    ptd_store_path(l->store), (long long)generation, why);
}

/* Those of the reader's tensors that the trainer shares, in its order, malloc'd; NULL: it shares
 * others. */
static struct ptd_tensor_view *shared_of(const struct ptd_live *l, const struct ptd_tensor_view *t,
                                         int n)
{
    struct ptd_tensor_view *mine = ptd_array(n + 1, sizeof *mine);
    uint64_t found = 0;
    for (int i = 0; i < n && found < l->at->tensors; i++)
        if (id_of(&t[i]) == table_of(l)[found]) mine[found++] = t[i];
    if (found == l->at->tensors && bytes_of_all(mine, (int)found) == l->at->slot_bytes) return mine;
    free(mine);
    return NULL;
}

/* 1: it is in slot *i. */
static int find(struct ptd_live *l, int64_t generation, int *i)
{
    int there = at_hand(l);
    if (there <= 0) return there;
    *i = (int)(generation % (int64_t)l->at->slots);
    return generation >= 0 && atomic_load(&l->at->slot[*i].generation) == generation;
}

static int refuse_others(const struct ptd_live *l, int64_t generation)
{
    return refuse(l, generation, "other tensors than this model's");
}

int ptd_live_which(struct ptd_live *l, int64_t generation, const struct ptd_tensor_view *t, int n,
                   uint8_t *shared)
{
    int slot, found = find(l, generation, &slot);
    if (found <= 0) return found;
    struct ptd_tensor_view *mine = shared_of(l, t, n);
    if (!mine) return refuse_others(l, generation);
    for (int i = 0, k = 0; i < n; i++)
        k += shared[i] = (uint64_t)k < l->at->tensors && mine[k].name == t[i].name;
    free(mine);
    return 1;
}

int ptd_live_get(struct ptd_live *l, int64_t generation, struct ptd_tensor_view *t, int n)
{
    int i, found = find(l, generation, &i);
    if (found <= 0) return found;
    const struct ptd_live_slot *slot = &l->at->slot[i];
    uint64_t digest = slot->digest;
    struct ptd_tensor_view *mine = shared_of(l, t, n);
    if (!mine) return refuse_others(l, generation);
    struct parts p = cut(mine, (int)l->at->tensors, slot_at(l, i));
    get_all(&p);
    int same = digest_of(&p, generation, layout_of(l)) == digest;
    free(p.list);
    free(mine);
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(&slot->generation) != generation) return 0;
    return same ? 1 : refuse(l, generation, "damaged (digest differs)");
}
