/* block: threads as fibers, and where they meet. Each runs until it must wait; who goes next is
 * sim_order's choice. */
#include "engine.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define STACK (256 * 1024)
#define GUARD 4096
#define WARPS (MOST_THREADS / 32)

int sim_order;
long sim_switches;
const sim_place *sim_here;
const sim_job *sim_running;
int sim_rank = -1;
unsigned char *sim_arena;
size_t sim_arena_size;

/* ---- fibers ---- */

/* Where a fiber goes on, and the registers that a call keeps. */
struct context {
    void *go_on, *stack, *kept[20];
};
extern "C" void sim_jump(context *from, const context *to);
#if defined __x86_64__
asm(".text\n.p2align 4\n.type sim_jump, @function\nsim_jump:\n"
    "movq (%rsp), %rax\n movq %rax, 0(%rdi)\n leaq 8(%rsp), %rax\n movq %rax, 8(%rdi)\n"
    "movq %rbx, 16(%rdi)\n movq %rbp, 24(%rdi)\n movq %r12, 32(%rdi)\n movq %r13, 40(%rdi)\n"
    "movq %r14, 48(%rdi)\n movq %r15, 56(%rdi)\n"
    "movq 16(%rsi), %rbx\n movq 24(%rsi), %rbp\n movq 32(%rsi), %r12\n movq 40(%rsi), %r13\n"
    "movq 48(%rsi), %r14\n movq 56(%rsi), %r15\n movq 8(%rsi), %rsp\n jmp *0(%rsi)\n"
    ".size sim_jump, .-sim_jump\n");
#elif defined __aarch64__
asm(".text\n.p2align 4\n.type sim_jump, @function\nsim_jump:\n"
    "mov x9, sp\n stp x30, x9, [x0]\n stp x19, x20, [x0, #16]\n stp x21, x22, [x0, #32]\n"
    "stp x23, x24, [x0, #48]\n stp x25, x26, [x0, #64]\n stp x27, x28, [x0, #80]\n"
    "str x29, [x0, #96]\n stp d8, d9, [x0, #104]\n stp d10, d11, [x0, #120]\n"
    "stp d12, d13, [x0, #136]\n stp d14, d15, [x0, #152]\n"
    "ldp x30, x9, [x1]\n mov sp, x9\n ldp x19, x20, [x1, #16]\n ldp x21, x22, [x1, #32]\n"
    "ldp x23, x24, [x1, #48]\n ldp x25, x26, [x1, #64]\n ldp x27, x28, [x1, #80]\n"
    "ldr x29, [x1, #96]\n ldp d8, d9, [x1, #104]\n ldp d10, d11, [x1, #120]\n"
    "ldp d12, d13, [x1, #136]\n ldp d14, d15, [x1, #152]\n ret\n"
    ".size sim_jump, .-sim_jump\n");
#else
#error "the emulator switches threads on x86-64 and aarch64 only"
#endif

/* ---- a block ---- */

enum state { RUNS, WAITS, DONE };
struct fiber {
    context at;
    unsigned char *stack;
    enum state state;
    sim_thread thread;
    sim_place place;
};
/* Lanes of a warp that wait for the others of their mask. */
struct gathering {
    unsigned mask, here;
    const char *at;
};
struct block {
    int n, left, waiting; /* threads: all, not done, at the barrier */
    std::vector<gathering> gatherings[WARPS];
};

static fiber fibers[MOST_THREADS];
static block now;
static uint64_t can_run[MOST_THREADS / 64];
static context scheduler;
static uint64_t dice;

static void set_state(int rank, enum state to)
{
    uint64_t bit = 1ull << rank % 64, &word = can_run[rank / 64];
    fibers[rank].state = to;
    word = to == RUNS ? word | bit : word & ~bit;
}

sim_thread &sim_thread_of(int rank)
{
    return fibers[rank].thread;
}

bool sim_on_stack(const void *p)
{
    return (uintptr_t)p - (uintptr_t)fibers[sim_rank].stack < STACK;
}

static void let_others()
{
    sim_switches++;
    sim_jump(&fibers[sim_rank].at, &scheduler);
}

void sim_give_up()
{
    set_state(sim_rank, DONE);
    let_others();
    abort();
}

/* ---- meetings ---- */

static void wait_here(const void *site, const char *at, void *brings)
{
    sim_thread &t = fibers[sim_rank].thread;
    t.site = site, t.at = at, t.brings = brings;
    set_state(sim_rank, WAITS);
}

/* After a meeting: at random, others may go first even if nobody is waited for. */
static void go_on()
{
    if (fibers[sim_rank].state == WAITS || sim_order > 1) let_others();
    if (sim_stopped) sim_give_up();
}

static gathering &gathering_of(const void *site, const char *at, unsigned mask)
{
    int warp = sim_rank / 32;
    std::vector<gathering> &open = now.gatherings[warp];
    for (gathering &g : open) {
        if (g.mask == mask && g.at != at && strcmp(g.at, at))
            sim_fault(site, "%s, where others of its warp are at %s", at, g.at);
        if (g.mask == mask) return g;
        if (g.mask & mask)
            sim_fault(site, "%s with mask %08x, where others of its warp wait for %08x", at, mask,
                      g.mask);
    }
    for (int l = 0; l < 32; l++)
        if (mask >> l & 1 && (warp * 32 + l >= now.n || fibers[warp * 32 + l].state == DONE))
            sim_fault(site, "%s names lane %d, which has left", at, l);
    open.push_back(gathering{mask, 0, at});
    return open.back();
}

static void close_gathering(int warp, unsigned mask, sim_together *all)
{
    std::vector<gathering> &open = now.gatherings[warp];
    for (size_t i = 0; i < open.size(); i++)
        if (open[i].mask == mask) open.erase(open.begin() + (long)i--);
    if (all) all(warp * 32, mask);
    for (int l = 0; l < 32; l++)
        if (mask >> l & 1) set_state(warp * 32 + l, RUNS);
}

void sim_meet_warp(const void *site, const char *at, unsigned mask, void *brings, sim_together *all)
{
    int lane = sim_rank % 32;
    if (sim_stopped) sim_give_up();
    if (!(mask >> lane & 1))
        sim_fault(site, "%s with mask %08x, which lacks the lane itself", at, mask);
    gathering &g = gathering_of(site, at, mask);
    if (sim_stopped) sim_give_up();
    wait_here(site, at, brings);
    g.here |= 1u << lane;
    if (g.here == mask) close_gathering(sim_rank / 32, mask, all);
    go_on();
}

/* Who is done is waited for no longer. */
static void close_barrier()
{
    if (!now.left || now.waiting < now.left) return;
    watch_barrier();
    now.waiting = 0;
    for (int i = 0; i < now.n; i++)
        if (fibers[i].state == WAITS && !strcmp(fibers[i].thread.at, "__syncthreads"))
            set_state(i, RUNS);
}

void __syncthreads()
{
    if (sim_stopped) sim_give_up();
    wait_here(HERE, "__syncthreads", NULL);
    now.waiting++;
    close_barrier();
    go_on();
}

void __syncwarp(unsigned mask)
{
    sim_meet_warp(HERE, "__syncwarp", mask, NULL, watch_warp);
}
void __threadfence_block() {}
int sim_lane()
{
    return sim_rank % 32;
}

/* ---- a launch ---- */

static void thread_main()
{
    sim_running->run(sim_running->arguments);
    sim_copies_at_end();
    now.left--;
    set_state(sim_rank, DONE);
    close_barrier();
    sim_give_up();
}

static void ready(int rank)
{
    fiber &f = fibers[rank];
    if (!f.stack) {
        unsigned char *p =
            (unsigned char *)mmap(NULL, STACK + GUARD, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) abort();
        mprotect(p, GUARD, PROT_NONE);
        f.stack = p + GUARD;
    }
    void **top = (void **)(f.stack + STACK - 64) - 1; /* as after a call */
    *top = NULL;
    f.at.go_on = (void *)thread_main, f.at.stack = top;
#if defined __aarch64__
    f.at.stack = top + 1;
#endif
    set_state(rank, RUNS);
    f.thread.asked.clear(), f.thread.groups.clear();
}

static unsigned roll(unsigned n)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((dice >> 33) % n);
}

/* The first one from `start` on that can run; -1: none. */
static int first_from(int start)
{
    int word = start / 64;
    uint64_t bits = can_run[word] & ~0ull << start % 64;
    for (;;) {
        if (bits) return word * 64 + __builtin_ctzll(bits);
        if (++word == MOST_THREADS / 64) return -1;
        bits = can_run[word];
    }
}

static int last_of_all()
{
    for (int word = (now.n - 1) / 64; word >= 0; word--)
        if (can_run[word]) return word * 64 + 63 - __builtin_clzll(can_run[word]);
    return -1;
}

/* The next one that can run; -1: none can. */
static int next_thread(int last)
{
    if (sim_order <= 1 && last >= 0 && fibers[last].state == RUNS) return last;
    if (sim_order == 1) return last_of_all();
    int found = first_from(sim_order > 1 ? (int)roll((unsigned)now.n) : 0);
    return found < 0 && sim_order > 1 ? first_from(0) : found;
}

static void tell_deadlock()
{
    int first = -1, there = 0;
    for (int i = 0; i < now.n; i++)
        if (fibers[i].state == WAITS && first < 0) first = i;
    for (int i = 0; i < now.n; i++)
        there += first >= 0 && fibers[i].state == WAITS &&
                 fibers[i].thread.site == fibers[first].thread.site;
    sim_rank = first;
    sim_here = &fibers[first].place;
    sim_fault(fibers[first].thread.site, "waits at %s for ever: %d of %d threads are there",
              fibers[first].thread.at, there, now.left);
}

static void run_block(int number, dim3 at)
{
    const dim3 &b = sim_running->block;
    watch_block(number, now.n);
    memset(sim_arena, 0xff, sim_arena_size);
    for (std::vector<gathering> &g : now.gatherings) g.clear();
    now.left = now.n, now.waiting = 0;
    memset(can_run, 0, sizeof can_run);
    for (int i = 0; i < now.n; i++) {
        unsigned u = (unsigned)i;
        fibers[i].place =
            sim_place{dim3(u % b.x, u / b.x % b.y, u / b.x / b.y), at, b, sim_running->grid};
        ready(i);
    }
    for (int r = -1; now.left && !sim_stopped;) {
        if ((r = next_thread(r)) < 0) {
            tell_deadlock();
            break;
        }
        sim_rank = r;
        sim_here = &fibers[r].place;
        sim_jump(&scheduler, &fibers[r].at);
    }
    sim_rank = -1;
}

/* The i-th block to run. */
static uint64_t block_at(uint64_t i, uint64_t n)
{
    static const uint64_t step = 2147483647; /* a prime beyond any grid */
    return sim_order == 1 ? n - 1 - i : sim_order > 1 ? (i * step + (uint64_t)sim_order) % n : i;
}

static int launch_refused(const sim_job &j)
{
    uint64_t threads = (uint64_t)j.block.x * j.block.y * j.block.z;
    if (threads && threads <= MOST_THREADS && j.shared <= MOST_SHARED && j.grid.x &&
        j.grid.x < 1u << 31 && j.grid.y && j.grid.y <= 65535 && j.grid.z && j.grid.z <= 65535 &&
        j.block.z <= 64)
        return 0;
    sim_fault(NULL, "launch of %u,%u,%u blocks of %u,%u,%u threads with %zu bytes of shared memory",
              j.grid.x, j.grid.y, j.grid.z, j.block.x, j.block.y, j.block.z, j.shared);
    return 1;
}

void sim_run(const sim_job &job)
{
    uint64_t x = job.grid.x, y = job.grid.y, n = x * y * job.grid.z;
    if (!sim_arena) {
        sim_arena =
            (unsigned char *)aligned_alloc(1024, MOST_SHARED + 2048) + 1024; /* nobody near */
        watch_region(sim_arena, MOST_SHARED, "shared memory");
    }
    sim_running = &job;
    sim_stopped = false;
    dice = (uint64_t)sim_order * 7919;
    now.n = (int)(job.block.x * job.block.y * job.block.z);
    sim_arena_size = job.shared;
    if (!launch_refused(job)) watch_launch();
    for (uint64_t i = 0; i < n && !sim_stopped; i++) {
        uint64_t b = block_at(i, n);
        run_block((int)b, dim3((unsigned)(b % x), (unsigned)(b / x % y), (unsigned)(b / x / y)));
    }
    sim_running = NULL;
    sim_stopped = false;
}

void *sim_shared(size_t size)
{
    if (size > sim_arena_size)
        sim_fault(HERE, "uses %zu bytes of shared memory, the launch gave %zu", size,
                  sim_arena_size);
    if (sim_stopped) sim_give_up();
    return sim_arena;
}
