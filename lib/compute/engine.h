/* engine: what carries messages between the ranks of a run: the few things that comm.c builds all
 * else from. A plugin that opens an engine fills one of these and knows nothing else of the
 * library; so do tests, which need no MPI.
 *
 * One thread at a time calls it. Messages from one rank to another with one tag come in the order
 * in which they were sent. */
#ifndef PTD_ENGINE_H
#define PTD_ENGINE_H
#include <stddef.h>

#define PTD_MESSAGE_MAX ((size_t)1 << 30) /* bytes of one message: counts of MPI are int */

struct ptd_engine;
struct ptd_engine_ops {
    /* Both return at once, with a ticket from 0 on, or -1 with words; the bytes stay the engine's
     * until the ticket is done. */
    int (*send)(struct ptd_engine *e, const void *bytes, size_t n, int to, int tag);
    int (*receive)(struct ptd_engine *e, void *bytes, size_t n, int from, int tag);
    /* 1: done, and the ticket is no more; 0: not yet; -1 with words: it never will be */
    int (*done)(struct ptd_engine *e, int ticket);
    /* 1: a message with this tag is there, *from whom; 0: none; -1 with words */
    int (*peek)(struct ptd_engine *e, int tag, int *from);
    void (*close)(struct ptd_engine *e); /* once all ranks are here */
};

struct ptd_engine {
    int rank, ranks;
    const struct ptd_engine_ops *ops;
    void *own;
    char words[200]; /* what went wrong */
};

/* What libptd-NAME.so has under the name ptd_engine_plugin: fills *e; -1 with e->words. */
typedef int ptd_engine_door(struct ptd_engine *e);
#endif
