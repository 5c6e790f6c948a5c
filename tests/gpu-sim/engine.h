/* engine: what the emulator's parts tell each other: block.cc (who runs, who waits), warp.cc (what
 * a warp's functions do), copy.cc (copies without waiting), watch.cc (who touched what), fault.cc
 * (what is said of it). */
#ifndef SIM_ENGINE_H
#define SIM_ENGINE_H
#include "sim.h"
#include <vector>

struct sim_graph;

#define MOST_THREADS 1024
#define MOST_SHARED  (227 * 1024) /* bytes of a block's shared memory on Hopper */
#define HERE         __builtin_return_address(0)

/* ---- block.cc ---- */

extern unsigned char *sim_arena;   /* the block's shared memory, */
extern size_t sim_arena_size;      /* as much as the launch asked for */
extern const sim_job *sim_running; /* NULL: no kernel */
/* The running thread's number in its block; -1: none runs. A function of a warp that acts for
 * others names them here meanwhile. */
extern int sim_rank;
bool sim_on_stack(const void *p);             /* of the running thread */
void sim_give_up() __attribute__((noreturn)); /* ends the running thread, and with it the launch */

struct sim_copy {
    unsigned char *to;
    const unsigned char *from; /* NULL: zeros */
    const void *site;
};
/* What a thread brought to a meeting, where it called from, and the copies it has on their way. */
struct sim_thread {
    const void *site;
    const char *at;
    void *brings;
    std::vector<sim_copy> asked;               /* no group yet */
    std::vector<std::vector<sim_copy>> groups; /* the oldest first */
};
sim_thread &sim_thread_of(int rank);

/* Waits for the lanes of mask. The last to come calls `all` for them, given the first lane's rank
 * and the mask, before any goes on. */
typedef void sim_together(int warp, unsigned mask);
void sim_meet_warp(const void *site, const char *at, unsigned mask, void *brings,
                   sim_together *all);

/* ---- graph.cc ---- */

sim_graph *&sim_records(cudaStream_t s); /* the graph that is recorded there, or NULL: stream.cc */
void sim_note(sim_graph *g, std::function<void()> what, enum sim_kind kind);
void sim_spoil(sim_graph *g); /* what is recorded is good for nothing any more */

/* ---- copy.cc ---- */

void sim_copies_at_end(); /* of a thread */

/* ---- fault.cc ---- */

void sim_fault(const void *site, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern bool sim_stopped; /* by a fault, until the launch is over */

/* ---- watch.cc ---- */

void watch_region(unsigned char *p, size_t n,
                  const char *name); /* memory that nobody has written */
void watch_forget(unsigned char *p);
void watch_read_only(const void *p, int on); /* the region that begins there */
void watch_launch();
void watch_block(int block, int threads); /* and shared memory is unwritten again */
/* All that those of the mask, or of the block, did is before all that they do next. */
void watch_warp(int warp, unsigned mask);
void watch_barrier();
void watch_access(const void *site, const void *p, size_t n, int write, int atomic);
void watch_in_flight(const void *p, size_t n, int on); /* a copy is on its way there */
/* The host's: 0, or -1 if it goes beyond memory or reads what was never written. */
int watch_host(const void *site, const void *p, size_t n, int write);
#endif
