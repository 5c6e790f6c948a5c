/* turn: see turn.h. */
#include "compute/cuda/turn.h"
#include "compute/cuda/graph.h"
#include "compute/cuda/vmm.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct block : vmm_memory {
    struct block *next;
    size_t asked; /* bytes of it */
    int how;      /* enum ptd_resting */
    bool here;    /* there are bytes at the address */
    bool kept;    /* what they were is on the host, */
    void *host;   /* pinned; NULL: none yet */
};
struct cuda_turn {
    int lock;
    bool ours;
    struct vmm v;
    struct block *blocks;
};

/* ---- the lock ---- */

/* The user's own, whoever else writes there: a file that is no link and nobody else's. */
static int open_lock(const char *bus)
{
    const char *folder = getenv("PTD_SHM");
    char path[300];
    struct stat st;
    snprintf(path, sizeof path, "%s/ptd-%u-%s.turn", folder && *folder ? folder : "/dev/shm",
             (unsigned)geteuid(), bus);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && (fstat(fd, &st) || st.st_uid != geteuid() || !S_ISREG(st.st_mode)))
        close(fd), fd = -1;
    return fd;
}

int cuda_turn_open(struct ptd_device *d, const char **words)
{
    const char *set = getenv("PTD_TURNS");
    char bus[32];
    if (!set || !*set || !strcmp(set, "0")) return 0;
    struct cuda_turn *t = static_cast<struct cuda_turn *>(calloc(1, sizeof *t));
    if (!t) return *words = "out of memory", -1;
    t->lock = -1;
    cuda_of(d)->turn = t;
    if (!vmm_find(&t->v) || !vmm_rounded(&t->v, cuda_of(d)->number, 1))
        return *words = "PTD_TURNS: this driver has no memory that could go and come back", -1;
    if (cudaDeviceGetPCIBusId(bus, sizeof bus, cuda_of(d)->number) == cudaSuccess)
        t->lock = open_lock(bus);
    if (t->lock < 0) return *words = "PTD_TURNS: no file for a lock in PTD_SHM or /dev/shm", -1;
    return 0;
}

/* ---- a block comes and goes ---- */

enum { TRIES = 500, PAUSE = 10000 /* microseconds: a killed program's memory is free soon */ };

static bool make(const struct cuda_turn *t, int card, struct block *b)
{
    CUmemAllocationProp kind = vmm_kind(card);
    for (int i = 0; i < TRIES; i++, usleep(PAUSE)) {
        CUresult r = t->v.cuMemCreate(&b->memory, b->bytes, &kind, 0);
        if (r && r != CUDA_ERROR_OUT_OF_MEMORY) return false;
        if (r) continue;
        if (vmm_map(&t->v, card, b, 1)) return b->here = true;
        t->v.cuMemRelease(b->memory);
        return false;
    }
    return false;
}

static void unmake(const struct cuda_turn *t, struct block *b)
{
    if (!b->here) return;
    t->v.cuMemUnmap(b->at, b->bytes);
    t->v.cuMemRelease(b->memory);
    b->here = false;
}

static void fill(struct ptd_device *d, struct block *b)
{
    void *p = reinterpret_cast<void *>(b->at);
    if (b->kept)
        cuda_check(d, cudaMemcpyAsync(p, b->host, b->asked, cudaMemcpyHostToDevice, stream_of(d)),
                   "a turn");
    else
        cuda_check(d, cudaMemsetAsync(p, 0, b->asked, stream_of(d)), "a turn");
    b->kept = false;
}

/* What the host has no memory for stays where it is. */
static void go(struct ptd_device *d, struct block *b)
{
    if (b->how == PTD_RESTS_NOT) return;
    if (b->how == PTD_RESTS_SAVED) {
        if (!b->host && cudaMallocHost(&b->host, b->asked) != cudaSuccess) b->host = NULL;
        if (!b->host) return;
        cuda_fetch(d, b->host, reinterpret_cast<void *>(b->at), b->asked);
        if (d->fault.status) return;
        b->kept = true;
    }
    unmake(cuda_of(d)->turn, b);
}

/* ---- turns ---- */

void cuda_turn_take(struct ptd_device *d)
{
    struct cuda_turn *t = cuda_of(d)->turn;
    if (t->ours) return;
    t->ours = true;
    while (flock(t->lock, LOCK_EX) && errno == EINTR) continue;
    for (struct block *b = t->blocks; b; b = b->next) {
        if (b->here) continue;
        if (!make(t, cuda_of(d)->number, b)) {
            cuda_blame(d, PTD_OSERR, "out of memory: others have not left what was here before");
            return;
        }
        fill(d, b);
    }
}

static void drop_scratch(struct cuda *c)
{
    for (struct cuda_scratch &s : c->scratch) {
        cudaFree(s.p);
        s = {NULL, 0};
    }
}

void cuda_rest(struct ptd_device *d)
{
    struct cuda_turn *t = cuda_of(d)->turn;
    if (!t || !t->ours) return;
    cuda_graph_flush(d);
    cuda_check(d, cudaStreamSynchronize(stream_of(d)), "a kernel");
    for (struct block *b = t->blocks; b; b = b->next)
        if (b->here) go(d, b);
    drop_scratch(cuda_of(d));
    t->ours = false;
    flock(t->lock, LOCK_UN);
}

/* ---- memory ---- */

static struct block **place_of(struct cuda_turn *t, const void *p)
{
    struct block **b = &t->blocks;
    while (*b && reinterpret_cast<void *>((*b)->at) != p) b = &(*b)->next;
    return b;
}

static struct block *new_block(struct cuda_turn *t, int card, size_t bytes)
{
    struct block *b = static_cast<struct block *>(calloc(1, sizeof *b));
    if (!b) return NULL;
    b->asked = bytes, b->bytes = vmm_rounded(&t->v, card, bytes);
    if (b->bytes && !t->v.cuMemAddressReserve(&b->at, b->bytes, 0, 0, 0)) {
        if (make(t, card, b)) return b;
        t->v.cuMemAddressFree(b->at, b->bytes);
    }
    free(b);
    return NULL;
}

void *cuda_turn_alloc(struct ptd_device *d, size_t bytes, int *is_ours)
{
    struct cuda_turn *t = cuda_of(d)->turn;
    int card = cuda_of(d)->number;
    *is_ours = t && bytes >= vmm_rounded(&t->v, card, 1);
    if (!*is_ours) return NULL;
    cuda_here(d);
    struct block *b = new_block(t, card, bytes);
    if (!b) return NULL;
    b->next = t->blocks, t->blocks = b;
    fill(d, b);
    d->used += bytes;
    return reinterpret_cast<void *>(b->at);
}

static void forget(const struct cuda_turn *t, struct block *b)
{
    unmake(t, b);
    t->v.cuMemAddressFree(b->at, b->bytes);
    cudaFreeHost(b->host);
    free(b);
}

int cuda_turn_free(struct ptd_device *d, void *p)
{
    struct cuda_turn *t = cuda_of(d)->turn;
    struct block **at = t ? place_of(t, p) : NULL, *b = at ? *at : NULL;
    if (!b) return 0;
    if (t->ours) cuda_check(d, cudaStreamSynchronize(stream_of(d)), "memory"); /* who uses it */
    *at = b->next;
    d->used -= b->asked;
    forget(t, b);
    return 1;
}

void cuda_resting(struct ptd_device *d, void *p, int how)
{
    struct cuda_turn *t = cuda_of(d)->turn;
    struct block *b = t ? *place_of(t, p) : NULL;
    if (b) b->how = how;
}

void cuda_turn_close(struct ptd_device *d)
{
    struct cuda_turn *t = cuda_of(d)->turn;
    if (!t) return;
    for (struct block *b = t->blocks, *next; b; b = next) {
        next = b->next;
        forget(t, b);
    }
    if (t->lock >= 0) close(t->lock);
    free(t);
    cuda_of(d)->turn = NULL;
}
