/* stream: CUDA's runtime in memory of the host: streams that do what they were asked in order, at
 * once or, with sim_late, as late as somebody waits for them; copies from and to pinned memory
 * happen when the stream comes to them, those of other memory as CUDA's documentation says. */
#include "card.h"
#include "engine.h"
#include "standin/cuda_runtime.h"
#include <deque>
#include <map>
#include <stdio.h>
#include <stdlib.h>

int sim_late;

struct sim_stream {
    std::deque<std::function<void()>> asked;
    int card;
    sim_graph *records = NULL; /* nothing */
};
static sim_stream default_stream;
#define CARDS 2
static thread_local int card; /* that the thread's calls go to */
long sim_mallocs, sim_asked;
static std::map<uintptr_t, size_t> pinned;
static std::map<void *, char *> names;
static long faults_told;

static std::vector<sim_stream *> streams;

static sim_stream &stream_of(cudaStream_t s)
{
    return s ? *s : default_stream;
}

static void run_all(sim_stream &s)
{
    while (!s.asked.empty()) {
        std::function<void()> what = std::move(s.asked.front());
        s.asked.pop_front();
        what();
    }
}

sim_graph *&sim_records(cudaStream_t s)
{
    return stream_of(s).records;
}

/* 1 and a fault: somebody records, and that is not allowed then. */
static bool is_recorded(const char *what)
{
    sim_graph *one = NULL;
    for (sim_stream *s : streams) one = s->records ? s->records : one;
    if (!one) return false;
    sim_spoil(one);
    sim_fault(NULL, "%s while a graph is recorded", what);
    return true;
}

void sim_ask(cudaStream_t s, std::function<void()> what, enum sim_kind kind)
{
    if (s && s->card != card)
        sim_fault(NULL, "card %d is asked by a thread whose card is %d", s->card, card);
    if (stream_of(s).records) {
        sim_note(stream_of(s).records, std::move(what), kind);
        return;
    }
    sim_asked++;
    stream_of(s).asked.push_back(std::move(what));
    if (!sim_late) run_all(stream_of(s));
}

/* A fault is the launch's that had it, and is told at the next wait. */
static cudaError_t told()
{
    bool fresh = sim_faults != faults_told;
    faults_told = sim_faults;
    return fresh ? cudaErrorLaunchFailure : cudaSuccess;
}

/* ---- the device ---- */

cudaError_t cudaGetDeviceCount(int *n)
{
    return *n = CARDS, cudaSuccess;
}
cudaError_t cudaSetDevice(int device)
{
    if (device < 0 || device >= CARDS) return cudaErrorInvalidDevice;
    return card = device, cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int)
{
    snprintf(p->name, sizeof p->name, "emulator");
    p->major = 9, p->minor = 0;
    return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr what, int)
{
    *value = what == cudaDevAttrMultiProcessorCount      ? 4
             : what == cudaDevAttrComputeCapabilityMajor ? 9
                                                         : 0;
    return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char *id, int size, int device)
{
    return snprintf(id, (size_t)size, "sim:%02x", device), cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int *version)
{
    return *version = 13000, cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version)
{
    return *version = 13000, cudaSuccess;
}
cudaError_t cudaGetLastError()
{
    return told();
}
const char *cudaGetErrorString(cudaError_t e)
{
    return e == cudaErrorLaunchFailure      ? sim_last
           : e == cudaErrorMemoryAllocation ? "out of memory"
           : e                              ? "an error"
                                            : "none";
}

/* ---- memory ---- */

cudaError_t cudaMemGetInfo(size_t *free, size_t *total)
{
    return *free = card_free(), *total = card_all(), cudaSuccess;
}

cudaError_t cudaMalloc(void **p, size_t n)
{
    if (is_recorded("memory is asked for")) return cudaErrorStreamCaptureUnsupported;
    char *name = (char *)malloc(64);
    snprintf(name, 64, "an allocation of %zu bytes", n);
    sim_mallocs++;
    *p = card_take(n) ? sim_alloc(n, name) : NULL;
    if (!*p) {
        free(name);
        return cudaErrorMemoryAllocation;
    }
    names[*p] = name;
    return cudaSuccess;
}

/* Waits for all that was asked. */
cudaError_t cudaFree(void *p)
{
    if (!p) return cudaSuccess;
    if (is_recorded("memory is freed")) return cudaErrorStreamCaptureUnsupported;
    for (sim_stream *s : streams) run_all(*s);
    size_t n = 0;
    char *name = names[p];
    sscanf(name, "an allocation of %zu", &n);
    sim_free(p);
    names.erase(p);
    free(name);
    card_give(n);
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **p, size_t n)
{
    if (is_recorded("pinned memory is asked for")) return cudaErrorStreamCaptureUnsupported;
    *p = malloc(n + 1);
    pinned[(uintptr_t)*p] = n;
    return *p ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFreeHost(void *p)
{
    if (!p) return cudaSuccess;
    if (is_recorded("pinned memory is freed")) return cudaErrorStreamCaptureUnsupported;
    pinned.erase((uintptr_t)p);
    free(p);
    return cudaSuccess;
}
static bool is_pinned(const void *p)
{
    auto i = pinned.upper_bound((uintptr_t)p);
    return i != pinned.begin() && (uintptr_t)p - (--i)->first < i->second;
}

/* ---- copies ---- */

static void copy_now(void *to, const void *from, size_t n, cudaMemcpyKind kind)
{
    if (kind != cudaMemcpyHostToDevice && watch_host(NULL, from, n, 0)) return;
    if (kind != cudaMemcpyDeviceToHost && watch_host(NULL, to, n, 1)) return;
    memcpy(to, from, n);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n, cudaMemcpyKind kind,
                            cudaStream_t s)
{
    const void *host = kind == cudaMemcpyHostToDevice ? from : to;
    if (!n) return cudaSuccess;
    if (stream_of(s).records && kind != cudaMemcpyDeviceToDevice) {
        if (!is_pinned(host) && is_recorded("memory that is not pinned is copied"))
            return cudaErrorStreamCaptureUnsupported;
        sim_ask(
            s,
            [=] {
                if (!is_pinned(host)) sim_fault(NULL, "a graph copies memory that is gone");
                copy_now(to, from, n, kind);
            },
            SIM_COPY);
        return cudaSuccess;
    }
    if (kind == cudaMemcpyHostToDevice && !is_pinned(from)) { /* staged before the call returns */
        char *copy = (char *)malloc(n);
        memcpy(copy, from, n);
        sim_ask(s, [=] { copy_now(to, copy, n, kind), free(copy); });
        return cudaSuccess;
    }
    sim_ask(
        s, [=] { copy_now(to, from, n, kind); }, SIM_COPY);
    if (kind == cudaMemcpyDeviceToHost && !is_pinned(to)) run_all(stream_of(s));
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t n, cudaStream_t s)
{
    sim_ask(
        s,
        [=] {
            if (n && !watch_host(NULL, p, n, 1)) memset(p, value, n);
        },
        SIM_SET);
    return cudaSuccess;
}

/* ---- streams ---- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned)
{
    streams.push_back(*s = new sim_stream);
    (*s)->card = card;
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t s)
{
    if (is_recorded("a stream is waited for")) return cudaErrorStreamCaptureUnsupported;
    return run_all(stream_of(s)), told();
}
cudaError_t cudaStreamDestroy(cudaStream_t s)
{
    run_all(*s);
    for (size_t i = 0; i < streams.size(); i++)
        if (streams[i] == s) streams.erase(streams.begin() + (long)i);
    delete s;
    return cudaSuccess;
}
