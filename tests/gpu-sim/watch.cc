/* watch: every access of code that was compiled with -fsanitize=thread comes by here: the names
 * below are the compiler's, its own runtime is not linked. Of each cell of device memory it is
 * known whether it was written, and who in this launch wrote it last and read it since. Two
 * accesses that could disturb each other must be ordered: in a block by __syncthreads or __syncwarp
 * (vector clocks; FastTrack, Flanagan and Freund, 2009), between blocks by the end of a launch
 * alone. */
#include "engine.h"
#include <map>
#include <stdlib.h>

#define RED 256 /* bytes on both sides of device memory that nobody may touch */

int sim_watched = 1;
long sim_accesses;

/* ---- what is known of memory ---- */

struct access {
    uint32_t clock; /* 0: none */
    int block;
    int thread;
};
enum { WRITTEN = 1, FLYING = 2, ATOMIC = 4 };
/* Of `grain` bytes; of the launch, or in shared memory of the block, `era`. */
struct cell {
    uint32_t era;
    access write, read[2];
    uint8_t flags;
};
struct region {
    unsigned char *p;
    size_t n, grain; /* 4, or the smallest access so far */
    const char *name;
    cell *cells;
    bool shared, read_only;
};

static std::map<uintptr_t, region> regions; /* by their end, and RED */
static uint32_t launch, block_era;
static int block, threads;

static cell *new_cells(size_t n)
{
    cell *c = (cell *)calloc(n + 1, sizeof *c);
    if (!c) abort();
    return c;
}

void watch_region(unsigned char *p, size_t n, const char *name)
{
    regions[(uintptr_t)p + n + RED] =
        region{p, n, 4, name, new_cells(n / 4), p == sim_arena, false};
}

static region *last_found;
static bool is_in(const region *r, uintptr_t at)
{
    return at + RED - (uintptr_t)r->p < r->n + 2 * RED;
}

/* The region that p lies in, or beside; NULL: none. */
static region *region_of(const void *p)
{
    uintptr_t at = (uintptr_t)p;
    if (last_found && is_in(last_found, at)) return last_found;
    auto i = regions.upper_bound(at);
    if (i == regions.end() || !is_in(&i->second, at)) return NULL;
    return last_found = &i->second;
}

void watch_forget(unsigned char *p)
{
    region *r = region_of(p);
    if (!r || r->p != p) return;
    free(r->cells);
    last_found = NULL;
    regions.erase((uintptr_t)p + r->n + RED);
}

void watch_read_only(const void *p, int on)
{
    region *r = region_of(p);
    if (r) r->read_only = on;
}

/* Cells become so small that an access of n bytes at `at` fills whole ones. */
static void refine(region *r, size_t at, size_t n)
{
    size_t grain = r->grain;
    if (!((at | n) & (grain - 1))) return;
    while ((at | n) % grain) grain /= 2;
    cell *finer = new_cells(r->n / grain);
    for (size_t i = 0; i < r->n / grain; i++) finer[i] = r->cells[i * grain / r->grain];
    free(r->cells);
    r->cells = finer, r->grain = grain;
}

/* ---- clocks: what each thread of the block has seen of the others' pasts ---- */

static uint32_t now[MOST_THREADS],
    barrier[MOST_THREADS];              /* own time; all know of all up to here, */
static uint32_t seen[MOST_THREADS][32]; /* and of their warp's up to here */

void watch_launch()
{
    launch++;
}

void watch_block(int number, int n)
{
    block_era++;
    block = number, threads = n;
    for (int t = 0; t < n; t++) now[t] = 1, barrier[t] = 0;
    memset(seen, 0, (size_t)n * sizeof *seen);
}

void watch_barrier()
{
    for (int t = 0; t < threads; t++) barrier[t] = now[t]++;
}

void watch_warp(int warp, unsigned mask)
{
    uint32_t all[32] = {0};
    for (int l = 0; l < 32; l++) {
        if (!(mask >> l & 1)) continue;
        for (int o = 0; o < 32; o++) all[o] = max(all[o], seen[warp + l][o]);
        all[l] = max(all[l], now[warp + l]++);
    }
    for (int l = 0; l < 32; l++)
        if (mask >> l & 1) memcpy(seen[warp + l], all, sizeof all);
}

/* The running thread knows that it is over. */
static bool is_past(const access &a)
{
    int me = sim_rank;
    if (a.block != block) return false;
    if (a.thread == me || a.clock <= barrier[a.thread]) return true;
    return a.thread / 32 == me / 32 && a.clock <= seen[me][a.thread % 32];
}

/* ---- an access ---- */

struct asked {
    const void *site;
    const unsigned char *p;
    size_t n;
    int write, atomic;
    region *r;
};

static const char *verb(const asked &a)
{
    return a.write ? "writes" : "reads";
}
static size_t offset_of(const asked &a)
{
    return (size_t)(a.p - a.r->p);
}

static void tell_race(const asked &a, const access &other, const char *did)
{
    if (other.block != block)
        sim_fault(a.site, "%s %zu bytes at byte %zu of %s, which block %d %s in the same launch",
                  verb(a), a.n, offset_of(a), a.r->name, other.block, did);
    else
        sim_fault(a.site,
                  "%s %zu bytes at byte %zu of %s, which thread %d %s with no barrier between",
                  verb(a), a.n, offset_of(a), a.r->name, other.thread, did);
}

static void tell_state(const asked &a, const char *what)
{
    sim_fault(a.site, "%s %zu bytes at byte %zu of %s, which %s", verb(a), a.n, offset_of(a),
              a.r->name, what);
}

static void enter_era(const region *r, cell *c)
{
    uint32_t era = r->shared ? block_era : launch;
    if (c->era == era) return;
    c->flags = r->shared ? 0 : c->flags & WRITTEN;
    c->era = era;
    c->write.clock = c->read[0].clock = c->read[1].clock = 0;
}

static bool is_free(const asked &a, cell *c)
{
    if (c->write.clock && !(a.atomic && c->flags & ATOMIC) && !is_past(c->write))
        return tell_race(a, c->write, "wrote"), false;
    for (const access &r : c->read)
        if (a.write && r.clock && !is_past(r)) return tell_race(a, r, "read"), false;
    if (!a.write && c->flags & FLYING) return tell_state(a, "a copy is on its way to"), false;
    if ((!a.write || a.atomic) && !(c->flags & WRITTEN))
        return tell_state(a, "nobody has written"), false;
    return true;
}

static void note(const asked &a, cell *c)
{
    access mine = {now[sim_rank], block, sim_rank};
    if (a.write) { /* what was read before is past */
        c->write = mine;
        c->read[0].clock = c->read[1].clock = 0;
        c->flags = (uint8_t)((c->flags & FLYING) | WRITTEN | (a.atomic ? ATOMIC : 0));
    } else {
        c->read[c->read[0].clock && !is_past(c->read[0])] = mine;
    }
}

/* What is none of the device's: the thread's stack, constants, the kernel's arguments. */
static bool is_elsewhere(const asked &a)
{
    extern char __ehdr_start[] __attribute__((visibility("hidden"))),
        _end[] __attribute__((visibility("hidden")));
    const unsigned char *args = (const unsigned char *)sim_running->arguments;
    if (sim_on_stack(a.p)) return true;
    if (a.write) return false;
    return (a.p >= args && a.p + a.n <= args + sim_running->size) ||
           (a.p >= (const unsigned char *)__ehdr_start && a.p + a.n <= (const unsigned char *)_end);
}

static bool is_inside(const asked &a)
{
    size_t limit = a.r->shared ? sim_arena_size : a.r->n;
    if (a.write && a.r->read_only) return tell_state(a, "may not be written"), false;
    if (a.p >= a.r->p && offset_of(a) + a.n <= limit) return true;
    sim_fault(a.site, "%s %zu bytes at byte %ld of %s, which has %zu", verb(a), a.n,
              (long)(a.p - a.r->p), a.r->name, limit);
    return false;
}

static bool is_aligned(const asked &a)
{
    if (a.n > 16 || a.n & (a.n - 1) || !((uintptr_t)a.p % a.n)) return true;
    sim_fault(a.site, "%s %zu bytes at byte %zu of %s, which is not aligned to that", verb(a), a.n,
              offset_of(a), a.r->name);
    return false;
}

void watch_access(const void *site, const void *p, size_t n, int write, int atomic)
{
    if (!sim_watched || sim_rank < 0 || sim_stopped || !n) return;
    asked a = {site, (const unsigned char *)p, n, write, atomic, region_of(p)};
    sim_accesses++;
    if (!a.r) {
        if (!is_elsewhere(a))
            sim_fault(site, "%s %zu bytes at %p, which is no memory of the device", verb(a), n, p);
        return;
    }
    if (!is_inside(a) || !is_aligned(a)) return;
    refine(a.r, offset_of(a), n);
    cell *c = a.r->cells + offset_of(a) / a.r->grain, *end = c + n / a.r->grain;
    for (; c < end; c++) {
        enter_era(a.r, c);
        if (!is_free(a, c)) return;
        note(a, c);
    }
}

void watch_in_flight(const void *p, size_t n, int on)
{
    region *r = region_of(p);
    if (!r || !sim_watched) return;
    cell *c = r->cells + (size_t)((const unsigned char *)p - r->p) / r->grain;
    for (size_t i = 0; i < n / r->grain; i++)
        c[i].flags = (uint8_t)(on ? c[i].flags | FLYING : c[i].flags & ~FLYING);
}

int watch_host(const void *site, const void *p, size_t n, int write)
{
    asked a = {site, (const unsigned char *)p, n, write, 0, region_of(p)};
    if (!a.r)
        return sim_fault(site, "%s %zu bytes at %p, which is no memory of the device", verb(a), n,
                         p),
               -1;
    if (a.p < a.r->p || offset_of(a) + n > a.r->n)
        return sim_fault(site, "%s %zu bytes at byte %ld of %s, which has %zu", verb(a), n,
                         (long)(a.p - a.r->p), a.r->name, a.r->n),
               -1;
    if (write && a.r->read_only) return tell_state(a, "may not be written"), -1;
    refine(a.r, offset_of(a), n);
    cell *c = a.r->cells + offset_of(a) / a.r->grain;
    for (size_t i = 0; i < n / a.r->grain; i++) {
        if (write) c[i].flags |= WRITTEN;
        if (!(c[i].flags & WRITTEN) && sim_watched) return tell_state(a, "nobody has written"), -1;
    }
    return 0;
}

/* ---- memory for tests and for the runtime ---- */

void *sim_alloc(size_t n, const char *name)
{
    size_t all = (n + 2 * RED + 511) / 256 * 256;
    unsigned char *p = (unsigned char *)aligned_alloc(256, all);
    if (!p) return NULL;
    memset(p, 0xff, all);
    watch_region(p + RED, n, name);
    return p + RED;
}

void sim_free(void *p)
{
    if (!p) return;
    watch_forget((unsigned char *)p);
    free((unsigned char *)p - RED);
}

void sim_unknown(void *p, size_t n)
{
    region *r = region_of(p);
    memset(p, 0xff, n);
    refine(r, (size_t)((unsigned char *)p - r->p), n);
    cell *c = r->cells + (size_t)((unsigned char *)p - r->p) / r->grain;
    memset((void *)c, 0, n / r->grain * sizeof *c);
}

void sim_put(void *device, const void *host, size_t n)
{
    if (n && !watch_host(HERE, device, n, 1)) memcpy(device, host, n);
}

void sim_get(void *host, const void *device, size_t n)
{
    if (n && !watch_host(HERE, device, n, 0)) memcpy(host, device, n);
}

/* ---- the compiler's calls ---- */

/* The driver follows a pointer that is the device's. */
static void look_at_host(const void *site, const void *p, int write)
{
    region *r = sim_watched ? region_of(p) : NULL;
    if (r && !r->shared && (size_t)((const unsigned char *)p - r->p) < r->n)
        sim_fault(site, "the host %s memory of the device", write ? "writes" : "reads");
}

/* A faulty access does not happen. */
static void touch(const void *site, const void *p, size_t n, int write)
{
    if (sim_rank < 0) {
        look_at_host(site, p, write);
        return;
    }
    if (sim_on_stack(p)) return;
    watch_access(site, p, n, write, 0);
    if (sim_stopped) sim_give_up();
}

#define ACCESSES(n)                                                                                \
    void __tsan_read##n(void *p)                                                                   \
    {                                                                                              \
        touch(HERE, p, n, 0);                                                                      \
    }                                                                                              \
    void __tsan_write##n(void *p)                                                                  \
    {                                                                                              \
        touch(HERE, p, n, 1);                                                                      \
    }                                                                                              \
    void __tsan_unaligned_read##n(void *p)                                                         \
    {                                                                                              \
        touch(HERE, p, n, 0);                                                                      \
    }                                                                                              \
    void __tsan_unaligned_write##n(void *p)                                                        \
    {                                                                                              \
        touch(HERE, p, n, 1);                                                                      \
    }                                                                                              \
    void __tsan_volatile_read##n(void *p)                                                          \
    {                                                                                              \
        touch(HERE, p, n, 0);                                                                      \
    }                                                                                              \
    void __tsan_volatile_write##n(void *p)                                                         \
    {                                                                                              \
        touch(HERE, p, n, 1);                                                                      \
    }
extern "C" {
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)
void __tsan_read_range(void *p, size_t n)
{
    touch(HERE, p, n, 0);
}
void __tsan_write_range(void *p, size_t n)
{
    touch(HERE, p, n, 1);
}
void __tsan_init() {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}
/* -fsanitize=bounds-strict: an index beyond an array of known length. */
void __ubsan_handle_out_of_bounds(void *, void *index)
{
    sim_fault(HERE, "index %ld is out of the array's bounds", (long)(intptr_t)index);
    if (sim_rank >= 0) sim_give_up();
    abort();
}
/* -fsanitize=object-size: an access through a pointer beyond an object that the compiler knows. */
void __ubsan_handle_type_mismatch_v1(void *, void *p)
{
    sim_fault(HERE, "%p lies beyond the object that the pointer came from", p);
    if (sim_rank >= 0) sim_give_up();
    abort();
}
}
