/* share: see share.h. */
#include "compute/cuda/share.h"
extern "C" {
#include "compute/cuda/lender.h"
}
#include <cuda.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct cuda_shared {
    struct cuda_shared *next;
    CUdeviceptr at;
    size_t bytes;
    CUmemGenericAllocationHandle memory;
    struct lender *lender; /* NULL: it is borrowed */
};

/* ---- the driver's functions, which no library of ours is linked to ---- */

#define VMM(f)                                                                                     \
    f(cuMemGetAllocationGranularity) f(cuMemCreate) f(cuMemRelease)                                \
        f(cuMemExportToShareableHandle) f(cuMemImportFromShareableHandle) f(cuMemAddressReserve)   \
            f(cuMemAddressFree) f(cuMemMap) f(cuMemUnmap) f(cuMemSetAccess)
#define MEMBER(name) decltype(&::name) name;
struct vmm {
    VMM(MEMBER)
};

template <class F> static bool found(const char *name, F *f)
{
    void *p = NULL;
    cudaDriverEntryPointQueryResult how;
    cudaError_t e = cudaGetDriverEntryPointByVersion(name, &p, 12000, cudaEnableDefault, &how);
    *f = reinterpret_cast<F>(p);
    return e == cudaSuccess && p;
}

static bool find_all(struct vmm *v)
{
#define FIND(name) &&found(#name, &v->name)
    return true VMM(FIND);
}

/* ---- memory ---- */

static CUmemAllocationProp kind_of(int card)
{
    CUmemAllocationProp p;
    memset(&p, 0, sizeof p);
    p.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    p.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    p.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    p.location.id = card;
    return p;
}

/* Bytes that memory comes in; 0: there is none of that kind. */
static size_t rounded(const struct vmm *v, int card, size_t bytes)
{
    CUmemAllocationProp kind = kind_of(card);
    size_t grain = 0;
    if (v->cuMemGetAllocationGranularity(&grain, &kind, CU_MEM_ALLOC_GRANULARITY_RECOMMENDED) ||
        !grain || bytes > SIZE_MAX - grain)
        return 0;
    return (bytes + grain - 1) / grain * grain;
}

/* A card whose driver cannot keep memory from being written lets it be written. */
static bool may_use(const struct vmm *v, int card, const struct cuda_shared *s, int writes)
{
    CUmemAccessDesc who;
    memset(&who, 0, sizeof who);
    who.location.type = CU_MEM_LOCATION_TYPE_DEVICE, who.location.id = card;
    who.flags = writes ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE : CU_MEM_ACCESS_FLAGS_PROT_READ;
    if (!v->cuMemSetAccess(s->at, s->bytes, &who, 1)) return true;
    who.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    return !writes && !v->cuMemSetAccess(s->at, s->bytes, &who, 1);
}

/* s->memory gets an address. */
static bool mapped(const struct vmm *v, int card, struct cuda_shared *s, int writes)
{
    if (v->cuMemAddressReserve(&s->at, s->bytes, 0, 0, 0)) return false;
    if (!v->cuMemMap(s->at, s->bytes, 0, s->memory, 0)) {
        if (may_use(v, card, s, writes)) return true;
        v->cuMemUnmap(s->at, s->bytes);
    }
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
    CUmemAllocationProp kind = kind_of(card);
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
    if (patience() <= 0 || !bytes || !find_all(&v) || full_name(full, sizeof full, c->number, name))
        return NULL;
    struct cuda_shared *s = static_cast<struct cuda_shared *>(calloc(1, sizeof *s));
    if (s && (s->bytes = rounded(&v, c->number, bytes)))
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
    if (d->fault.status || !find_all(&v) || !may_use(&v, cuda_of(d)->number, s, 0)) return -1;
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
    if (!s || !find_all(&v)) return 0;
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
