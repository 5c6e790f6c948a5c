/* share: see share.h. */
#include "compute/cuda/share.h"
extern "C" {
#include "compute/cuda/lender.h"
}
#include "compute/cuda/vmm.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct cuda_shared : vmm_memory {
    struct cuda_shared *next;
    struct lender *lender; /* NULL: it is borrowed */
};

/* ---- memory ---- */

/* s->memory gets an address. */
static bool mapped(const struct vmm *v, int card, struct cuda_shared *s, int writes)
{
    if (v->cuMemAddressReserve(&s->at, s->bytes, 0, 0, 0)) return false;
    if (vmm_map(v, card, s, writes)) return true;
    v->cuMemAddressFree(s->at, s->bytes);
    return false;
}

static void forget(const struct vmm *v, struct cuda_shared *s)
{
    ptd_lender_close(s->lender);
    v->cuMemUnmap(s->at, s->bytes);
    v->cuMemAddressFree(s->at, s->bytes);
    v->cuMemRelease(s->memory);
    free(s);
}

/* 0, or -1: there is none. */
static int made(const struct vmm *v, int card, struct cuda_shared *s)
{
    CUmemAllocationProp kind = vmm_kind(card);
    if (v->cuMemCreate(&s->memory, s->bytes, &kind, 0)) return -1;
    if (mapped(v, card, s, 1)) return 0;
    v->cuMemRelease(s->memory);
    return -1;
}

/* The same of what a lender lends; fd is closed. */
static int borrowed(const struct vmm *v, int card, struct cuda_shared *s, int fd, uint64_t bytes)
{
    void *handle = reinterpret_cast<void *>(static_cast<uintptr_t>(fd));
    int bad = bytes != s->bytes ||
              v->cuMemImportFromShareableHandle(&s->memory, handle,
                                                CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
    close(fd);
    if (bad) return -1;
    if (mapped(v, card, s, 0)) return 0;
    v->cuMemRelease(s->memory);
    return -1;
}

/* ---- names ---- */

/* The card's own, whatever number it has here; the user's. */
static int full_name(char *out, size_t n, int card, const char *name)
{
    char bus[32];
    if (cudaDeviceGetPCIBusId(bus, sizeof bus, card) != cudaSuccess) return -1;
    return snprintf(out, n, "ptd-%u-%s-%s", (unsigned)geteuid(), bus, name) < (int)n ? 0 : -1;
}

/* Seconds to wait for a lender; 0: none is wanted. */
static int patience()
{
    const char *set = getenv("PTD_SHARE");
    return set && *set ? atoi(set) : 120;
}

/* ---- first or later ---- */

enum { TRIES = 500, PAUSE = 10000 /* microseconds */ };

/* As the lender, or from one: 1 filled, 0 to be filled, -1 neither. Between two tries the lender
 * there was has gone, or the new one is not ready. */
static int first_or_later(const struct vmm *v, int card, struct cuda_shared *s, const char *name)
{
    for (int i = 0, taken = 0; i < TRIES; i++) {
        uint64_t bytes = 0;
        s->lender = ptd_lender_open(name, &taken);
        if (s->lender) return made(v, card, s);
        if (!taken) return -1;
        int fd = ptd_lender_ask(name, patience(), &bytes);
        if (fd == PTD_LENDER_LATE) return -1;
        if (fd >= 0) return borrowed(v, card, s, fd, bytes) ? -1 : 1;
        usleep(PAUSE);
    }
    return -1;
}

void *cuda_share(struct ptd_device *d, const char *name, size_t bytes, int *filled)
{
    struct cuda *c = cuda_of(d);
    struct vmm v;
    char full[108];
    cuda_here(d);
    if (c->turn) return NULL; /* nobody else would have it at the time */
    if (patience() <= 0 || !bytes || !vmm_find(&v) || full_name(full, sizeof full, c->number, name))
        return NULL;
    struct cuda_shared *s = static_cast<struct cuda_shared *>(calloc(1, sizeof *s));
    if (s && (s->bytes = vmm_rounded(&v, c->number, bytes)))
        *filled = first_or_later(&v, c->number, s, full);
    if (!s || !s->bytes || *filled < 0) {
        if (s) ptd_lender_close(s->lender);
        free(s);
        return NULL;
    }
    s->next = c->shared, c->shared = s;
    d->used += s->bytes;
    return reinterpret_cast<void *>(s->at);
}

static struct cuda_shared **place_of(struct cuda *c, const void *p)
{
    struct cuda_shared **s = &c->shared;
    while (*s && reinterpret_cast<void *>((*s)->at) != p) s = &(*s)->next;
    return s;
}

/* Before others may read, all that was put there has come. 0, or -1: it is not to be lent. */
static int lend(struct ptd_device *d, struct cuda_shared *s)
{
    struct vmm v;
    int fd = -1;
    cuda_check(d, cudaStreamSynchronize(stream_of(d)), "a copy");
    if (d->fault.status || !vmm_find(&v) || !vmm_may_use(&v, cuda_of(d)->number, s, 0)) return -1;
    if (v.cuMemExportToShareableHandle(&fd, s->memory, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0))
        return -1;
    ptd_lender_lend(s->lender, fd, s->bytes);
    close(fd);
    return 0;
}

void cuda_filled(struct ptd_device *d, void *p)
{
    struct cuda_shared *s = *place_of(cuda_of(d), p);
    if (!s || !s->lender || !lend(d, s)) return;
    ptd_lender_close(s->lender); /* those that wait have to do without */
    s->lender = NULL;
}

int cuda_share_free(struct ptd_device *d, void *p)
{
    struct cuda_shared **at = place_of(cuda_of(d), p), *s = *at;
    struct vmm v;
    if (!s || !vmm_find(&v)) return 0;
    cuda_check(d, cudaStreamSynchronize(stream_of(d)), "memory"); /* who uses it */
    *at = s->next;
    d->used -= s->bytes;
    forget(&v, s);
    return 1;
}

void cuda_share_close(struct ptd_device *d)
{
    while (cuda_of(d)->shared) cuda_share_free(d, reinterpret_cast<void *>(cuda_of(d)->shared->at));
}
