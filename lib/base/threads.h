/* threads: a few threads of our own that share out loops.
 *
 * Work is split into fixed contiguous shares, so results do not depend on timing. Loops must not
 * nest. */
#ifndef PTD_THREADS_H
#define PTD_THREADS_H

/* n = 0: as many as there are cores this process may use (PTD_THREADS in the environment
 * overrides). Call once, before any loop. */
void ptd_threads_start(int n);
int ptd_threads_count(void);
/* f(ctx, first, last) on disjoint ranges that cover 0 .. n-1, at least `grain` items each; runs
 * inline when one share suffices. */
void ptd_parallel(long n, long grain, void (*f)(void *ctx, long first, long last), void *ctx);
#endif
