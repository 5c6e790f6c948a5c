/* vmm: the driver's memory whose addresses are one thing and whose bytes another, so that bytes may
 * be another program's, too (share.h), or go and come back at the same address (turn.h). The
 * driver's functions are found by name: no library of ours is linked to them. */
#ifndef PTD_CUDA_VMM_H
#define PTD_CUDA_VMM_H
#include "compute/cuda/driver.h"
#include <cuda.h>

#define VMM(f)                                                                                     \
    f(cuMemGetAllocationGranularity) f(cuMemCreate) f(cuMemRelease)                                \
        f(cuMemExportToShareableHandle) f(cuMemImportFromShareableHandle) f(cuMemAddressReserve)   \
            f(cuMemAddressFree) f(cuMemMap) f(cuMemUnmap) f(cuMemSetAccess)
#define VMM_MEMBER(name) decltype(&::name) name;
struct vmm {
    VMM(VMM_MEMBER)
};
bool vmm_find(struct vmm *v); /* false: the driver has no such memory */

/* Memory at an address. */
struct vmm_memory {
    CUdeviceptr at;
    size_t bytes;
    CUmemGenericAllocationHandle memory;
};
/* Bytes that memory comes in; 0: there is none of that kind. */
size_t vmm_rounded(const struct vmm *v, int card, size_t bytes);
CUmemAllocationProp vmm_kind(int card);
/* A card whose driver cannot keep memory from being written lets it be written. */
bool vmm_may_use(const struct vmm *v, int card, const struct vmm_memory *m, int writes);
bool vmm_map(const struct vmm *v, int card, const struct vmm_memory *m, int writes);
#endif
