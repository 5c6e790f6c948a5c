/* bench: what the measuring programs share: a table of works, the loop that serves them, clock,
 * numbers from a counter. A program reads lines "WORK ARGUMENT", does the work once and answers
 * with a line of seconds, so that bench.py can run ours, PyTorch and plain matrix products in
 * turn. */
#ifndef PTD_BENCH_H
#define PTD_BENCH_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* Token i of stream s; torch_peer.py draws the same. */
static inline int32_t bench_id(uint32_t s, uint32_t i, int V)
{
    return (int32_t)(((s * 40503u + i + 1) * 2654435761u >> 8) % (uint32_t)V);
}

struct bench_work {
    const char *name;
    double (*run)(const char *argument); /* seconds, or what else the name promises */
};

static inline double bench_one(const struct bench_work *works, const char *name,
                               const char *argument)
{
    for (; works->name; works++)
        if (!strcmp(works->name, name)) return works->run(argument);
    fprintf(stderr, "no work \"%s\"\n", name);
    exit(2);
}

static inline int bench_serve(const struct bench_work *works)
{
    char name[64], argument[256];
    while (scanf("%63s %255s", name, argument) == 2) {
        printf("%.9g\n", bench_one(works, name, argument));
        fflush(stdout);
    }
    return 0;
}
#endif
