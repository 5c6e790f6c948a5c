/* vmm: see vmm.h. */
#include "compute/cuda/vmm.h"

template <class F> static bool found(const char *name, F *f)
{
    void *p = NULL;
    cudaDriverEntryPointQueryResult how;
    cudaError_t e = cudaGetDriverEntryPointByVersion(name, &p, 12000, cudaEnableDefault, &how);
    *f = reinterpret_cast<F>(p);
    return e == cudaSuccess && p;
}

bool vmm_find(struct vmm *v)
{
#define FIND(name) &&found(#name, &v->name)
    return true VMM(FIND);
}

CUmemAllocationProp vmm_kind(int card)
{
    CUmemAllocationProp p;
    memset(&p, 0, sizeof p);
    p.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    p.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    p.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    p.location.id = card;
    return p;
}

size_t vmm_rounded(const struct vmm *v, int card, size_t bytes)
{
    CUmemAllocationProp kind = vmm_kind(card);
    size_t grain = 0;
    if (v->cuMemGetAllocationGranularity(&grain, &kind, CU_MEM_ALLOC_GRANULARITY_RECOMMENDED) ||
        !grain || bytes > SIZE_MAX - grain)
        return 0;
    return (bytes + grain - 1) / grain * grain;
}

bool vmm_may_use(const struct vmm *v, int card, const struct vmm_memory *m, int writes)
{
    CUmemAccessDesc who;
    memset(&who, 0, sizeof who);
    who.location.type = CU_MEM_LOCATION_TYPE_DEVICE, who.location.id = card;
    who.flags = writes ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE : CU_MEM_ACCESS_FLAGS_PROT_READ;
    if (!v->cuMemSetAccess(m->at, m->bytes, &who, 1)) return true;
    who.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    return !writes && !v->cuMemSetAccess(m->at, m->bytes, &who, 1);
}

/* The bytes at the address, which is reserved. */
bool vmm_map(const struct vmm *v, int card, const struct vmm_memory *m, int writes)
{
    if (v->cuMemMap(m->at, m->bytes, 0, m->memory, 0)) return false;
    if (vmm_may_use(v, card, m, writes)) return true;
    v->cuMemUnmap(m->at, m->bytes);
    return false;
}
