/* vmm: the driver's memory that programs can have in common, as files in memory: what one program
 * makes and another maps is one file, which goes with its last user, as on a card. Every call asks
 * sim_point first, so that a test can end the process there, or have the call fail. */
#include "card.h"
#include "engine.h"
#include "standin/cuda.h"
#include "standin/cuda_runtime.h"
#include <fcntl.h>
#include <map>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GRAIN 65536 /* a card's is 2 MiB */

int (*sim_point)(const char *name);
long sim_memories, sim_mappings;

struct memory {
    size_t bytes;
    bool imported;
};
struct mapping {
    size_t bytes;
    CUmemGenericAllocationHandle memory; /* 0: none */
};
static std::map<CUmemGenericAllocationHandle, memory> memories; /* by the file's number, and 1 */
static std::map<CUdeviceptr, mapping> mappings;

#define POINT                                                                                      \
    if (sim_point && sim_point(__func__)) return CUDA_ERROR_OUT_OF_MEMORY

static unsigned char *bytes_at(CUdeviceptr at)
{
    return (unsigned char *)(uintptr_t)at;
}
static int file_of(CUmemGenericAllocationHandle m)
{
    return (int)m - 1;
}

CUresult cuMemGetAllocationGranularity(size_t *bytes, const CUmemAllocationProp *,
                                       CUmemAllocationGranularity_flags)
{
    POINT;
    return *bytes = GRAIN, CUDA_SUCCESS;
}

static CUresult kept(CUmemGenericAllocationHandle *memory, int fd, size_t bytes, bool imported)
{
    *memory = (CUmemGenericAllocationHandle)fd + 1;
    memories[*memory] = {bytes, imported};
    sim_memories++;
    return CUDA_SUCCESS;
}

CUresult cuMemCreate(CUmemGenericAllocationHandle *memory, size_t bytes,
                     const CUmemAllocationProp *kind, unsigned long long)
{
    POINT;
    if (bytes % GRAIN || kind->type != CU_MEM_ALLOCATION_TYPE_PINNED)
        return CUDA_ERROR_INVALID_VALUE;
    if (!card_take(bytes)) return CUDA_ERROR_OUT_OF_MEMORY;
    int fd = memfd_create("sim-card", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)bytes)) return CUDA_ERROR_INVALID_VALUE;
    return kept(memory, fd, bytes, false);
}

CUresult cuMemRelease(CUmemGenericAllocationHandle memory)
{
    if (sim_point) sim_point(__func__);
    auto m = memories.find(memory);
    if (m == memories.end()) return CUDA_ERROR_INVALID_VALUE;
    if (!m->second.imported) card_give(m->second.bytes);
    memories.erase(m);
    sim_memories--;
    close(file_of(memory));
    return CUDA_SUCCESS;
}

CUresult cuMemExportToShareableHandle(void *fd, CUmemGenericAllocationHandle memory,
                                      CUmemAllocationHandleType, unsigned long long)
{
    POINT;
    if (!memories.count(memory)) return CUDA_ERROR_INVALID_VALUE;
    int copy = fcntl(file_of(memory), F_DUPFD_CLOEXEC, 3);
    memcpy(fd, &copy, sizeof copy);
    return copy < 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *memory, void *fd,
                                        CUmemAllocationHandleType)
{
    POINT;
    struct stat st;
    int copy = fcntl((int)(uintptr_t)fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0 || fstat(copy, &st)) return CUDA_ERROR_INVALID_VALUE;
    return kept(memory, copy, (size_t)st.st_size, true);
}

CUresult cuMemAddressReserve(CUdeviceptr *at, size_t bytes, size_t, CUdeviceptr, unsigned long long)
{
    POINT;
    void *p = mmap(NULL, bytes + 2 * GRAIN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (p == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
    *at = (CUdeviceptr)(uintptr_t)p + GRAIN;
    mappings[*at] = {bytes, 0};
    sim_mappings++;
    return CUDA_SUCCESS;
}

CUresult cuMemAddressFree(CUdeviceptr at, size_t bytes)
{
    if (sim_point) sim_point(__func__);
    auto m = mappings.find(at);
    if (m == mappings.end() || m->second.bytes != bytes || m->second.memory)
        return CUDA_ERROR_INVALID_VALUE;
    munmap(bytes_at(at) - GRAIN, bytes + 2 * GRAIN);
    mappings.erase(m);
    sim_mappings--;
    return CUDA_SUCCESS;
}

CUresult cuMemMap(CUdeviceptr at, size_t bytes, size_t offset, CUmemGenericAllocationHandle memory,
                  unsigned long long)
{
    POINT;
    auto m = mappings.find(at);
    auto what = memories.find(memory);
    if (m == mappings.end() || what == memories.end() || bytes > what->second.bytes || offset)
        return CUDA_ERROR_INVALID_VALUE;
    mmap(bytes_at(at), bytes, PROT_NONE, MAP_SHARED | MAP_FIXED, file_of(memory), 0);
    m->second.memory = memory;
    watch_region(bytes_at(at), bytes, "memory in common");
    return CUDA_SUCCESS;
}

CUresult cuMemUnmap(CUdeviceptr at, size_t bytes)
{
    if (sim_point) sim_point(__func__);
    auto m = mappings.find(at);
    if (m == mappings.end() || !m->second.memory) return CUDA_ERROR_INVALID_VALUE;
    watch_forget(bytes_at(at));
    mmap(bytes_at(at), bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    m->second.memory = 0;
    return CUDA_SUCCESS;
}

/* What another program put there counts as written. */
CUresult cuMemSetAccess(CUdeviceptr at, size_t bytes, const CUmemAccessDesc *who, size_t)
{
    POINT;
    auto m = mappings.find(at);
    if (m == mappings.end() || !m->second.memory) return CUDA_ERROR_INVALID_VALUE;
    int writes = who->flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    mprotect(bytes_at(at), bytes, PROT_READ | (writes ? PROT_WRITE : 0));
    if (memories[m->second.memory].imported) watch_host(NULL, bytes_at(at), bytes, 1);
    watch_read_only(bytes_at(at), !writes);
    return CUDA_SUCCESS;
}

/* ---- by name ---- */

cudaError_t cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned,
                                             unsigned long long, cudaDriverEntryPointQueryResult *)
{
#define ROW(f)                                                                                     \
    {                                                                                              \
#f, (void *)f                                                                              \
    }
    static const struct {
        const char *name;
        void *f;
    } all[] = {ROW(cuMemGetAllocationGranularity),
               ROW(cuMemCreate),
               ROW(cuMemRelease),
               ROW(cuMemExportToShareableHandle),
               ROW(cuMemImportFromShareableHandle),
               ROW(cuMemAddressReserve),
               ROW(cuMemAddressFree),
               ROW(cuMemMap),
               ROW(cuMemUnmap),
               ROW(cuMemSetAccess)};
    *function = NULL;
    for (const auto &row : all)
        if (!strcmp(row.name, name)) *function = row.f;
    return *function ? cudaSuccess : cudaErrorInvalidValue;
}
