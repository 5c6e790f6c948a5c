/* threads: a pool that lives as long as the program; the calling thread works too, and waiting
 * means spinning for some microseconds, then sleeping. Left to others: what is computed, and how it
 * is cut so that results stay fixed. */
#include "base/threads.h"
#include "base/err.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 256
#define SPIN_NS     100000
#define STACK       (1 << 20)

/* `ticket` names what may be taken: loop number (32 bits), shares of it (16), next share (16). One
 * word, so that a late thread can never take a share of a loop it did not mean. A share is fixed by
 * its number, not by who takes it. */
static struct {
    int count;
    _Atomic uint64_t ticket;
    _Atomic int undone;  /* shares of the present loop that are not finished */
    _Atomic int asleep;  /* workers waiting for `wake` */
    _Atomic int waiting; /* the caller waits for `done` */
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    void (*f)(void *ctx, long first, long last);
    void *ctx;
    long n;
} pool = {.count = 1,
          .lock = PTHREAD_MUTEX_INITIALIZER,
          .wake = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER};

static struct worker {
    pid_t id;
    int asleep;    /* it waits for `wake` */
    int placed;    /* it is to be woken on one processor, and may run on these then: */
    cpu_set_t may; /* as far as is known to the one who wakes it */
} * crew;          /* [count - 1] */

static _Thread_local int inside; /* this thread runs a share */

static uint32_t ticket_loop(uint64_t t)
{
    return (uint32_t)(t >> 32);
}
static int ticket_shares(uint64_t t)
{
    return (int)(t >> 16 & 0xffff);
}
static int ticket_next(uint64_t t)
{
    return (int)(t & 0xffff);
}

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Spins until there is something to do (the caller's shares are finished, or a loop other than
 * `seen` began); 0: gave up. */
static int ready(int caller, uint32_t seen)
{
    if (caller) return atomic_load(&pool.undone) == 0;
    return ticket_loop(atomic_load(&pool.ticket)) != seen;
}

static int spin(int caller, uint32_t seen)
{
    int64_t end = now_ns() + SPIN_NS;
    do {
        for (int i = 0; i < 32; i++) {
            if (ready(caller, seen)) return 1;
            pause_briefly();
        }
    } while (now_ns() < end);
    return 0;
}

static void wait_for_loop(struct worker *w, uint32_t seen)
{
    if (spin(0, seen)) return;
    pthread_mutex_lock(&pool.lock);
    atomic_fetch_add(&pool.asleep, 1);
    w->asleep = 1;
    while (!ready(0, seen)) pthread_cond_wait(&pool.wake, &pool.lock);
    w->asleep = 0;
    atomic_fetch_sub(&pool.asleep, 1);
    int placed = w->placed;
    w->placed = 0;
    pthread_mutex_unlock(&pool.lock);
    if (placed) sched_setaffinity(0, sizeof w->may, &w->may);
}

/* Has the worker woken on the next processor after *cpu that it may use. */
static void place(struct worker *w, int *cpu)
{
    if (sched_getaffinity(w->id, sizeof w->may, &w->may) != 0) return;
    for (int i = 1; i < CPU_SETSIZE; i++) {
        int at = (*cpu + i) % CPU_SETSIZE;
        if (!CPU_ISSET(at, &w->may)) continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(at, &one);
        w->placed = sched_setaffinity(w->id, sizeof one, &one) == 0;
        *cpu = at;
        return;
    }
}

/* Where processors share no cache, or seem not to, the system wakes a thread on the processor of
 * the one who wakes it, and moves it some 20 ms later: a tenth of a small step, after every pause.
 * So each is woken on a processor of its own; where it goes then is the system's affair again. */
static void wake_workers(void)
{
    pthread_mutex_lock(&pool.lock);
    int cpu = sched_getcpu();
    for (int i = 0; i < pool.count - 1 && cpu >= 0; i++)
        if (crew[i].asleep && !crew[i].placed) place(&crew[i], &cpu);
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
}

static void wait_for_shares(void)
{
    if (spin(1, 0)) return;
    pthread_mutex_lock(&pool.lock);
    atomic_store(&pool.waiting, 1);
    while (!ready(1, 0)) pthread_cond_wait(&pool.done, &pool.lock);
    atomic_store(&pool.waiting, 0);
    pthread_mutex_unlock(&pool.lock);
}

static void finish_share(void)
{
    if (atomic_fetch_sub(&pool.undone, 1) != 1 || !atomic_load(&pool.waiting)) return;
    pthread_mutex_lock(&pool.lock);
    pthread_cond_signal(&pool.done);
    pthread_mutex_unlock(&pool.lock);
}

/* Takes shares of loop number `loop` until none is left. */
static void work(uint32_t loop)
{
    uint64_t t = atomic_load(&pool.ticket);
    while (ticket_loop(t) == loop && ticket_next(t) < ticket_shares(t)) {
        if (!atomic_compare_exchange_weak(&pool.ticket, &t, t + 1)) continue;
        long n = pool.n, shares = ticket_shares(t), i = ticket_next(t);
        inside = 1;
        pool.f(pool.ctx, n / shares * i + n % shares * i / shares,
               n / shares * (i + 1) + n % shares * (i + 1) / shares);
        inside = 0;
        finish_share();
        t = atomic_load(&pool.ticket);
    }
}

static void *worker(void *arg)
{
    struct worker *self = arg;
    uint32_t seen = 0;
    self->id = gettid();
    for (;;) {
        wait_for_loop(self, seen);
        seen = ticket_loop(atomic_load(&pool.ticket));
        work(seen);
    }
    return arg;
}

/* With a stack of our own size: that of the caller's limit may be too small, or 256 times too
 * large. */
static int start(struct worker *w)
{
    pthread_t id;
    pthread_attr_t how;
    pthread_attr_init(&how);
    pthread_attr_setstacksize(&how, STACK);
    pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED);
    int rc = pthread_create(&id, &how, worker, w);
    pthread_attr_destroy(&how);
    return rc;
}

static int cores(void)
{
    const char *s = getenv("PTD_THREADS");
    if (s && *s) {
        char *end;
        long n = strtol(s, &end, 10);
        if (*end || n < 1 || n > THREADS_MAX)
            ptd_die(PTD_CONFIG, "PTD_THREADS=%s: expected a whole number from 1 to %d", s,
                    THREADS_MAX);
        return (int)n;
    }
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return CPU_COUNT(&set);
}

void ptd_threads_start(int n)
{
    if (pool.count > 1) return;
    if (n <= 0) n = cores();
    if (n > THREADS_MAX) n = THREADS_MAX;
    crew = ptd_array(n, sizeof *crew);
    for (int i = 1; i < n; i++)
        if ((errno = start(&crew[i - 1])))
            ptd_die(PTD_OSERR,
                    "cannot start thread %d of %d (see ulimit -u, ulimit -v; PTD_THREADS=N starts "
                    "fewer):",
                    i + 1, n);
    pool.count = n;
}

int ptd_threads_count(void)
{
    return pool.count;
}

void ptd_parallel(long n, long grain, void (*f)(void *ctx, long first, long last), void *ctx)
{
    if (n <= 0) return;
    long shares = n / (grain > 0 ? grain : 1);
    if (shares > pool.count) shares = pool.count;
    if (shares <= 1 || inside) {
        f(ctx, 0, n);
        return;
    }
    pool.f = f;
    pool.ctx = ctx;
    pool.n = n;
    atomic_store(&pool.undone, (int)shares);
    uint32_t loop = ticket_loop(atomic_load(&pool.ticket)) + 1;
    atomic_store(&pool.ticket, (uint64_t)loop << 32 | (uint64_t)shares << 16);
    if (atomic_load(&pool.asleep)) wake_workers();
    work(loop);
    wait_for_shares();
}
