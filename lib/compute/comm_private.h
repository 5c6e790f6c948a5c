/* comm_private: what the files of comm share: waiting for messages in comm.c, sums in comm_sum.c,
 * the thread that sums meanwhile in comm_thread.c. */
#ifndef PTD_COMM_PRIVATE_H
#define PTD_COMM_PRIVATE_H
#include "compute/comm.h"
#include <pthread.h>

enum { TAG_DATA = 1, TAG_END = 2, TAG_LINE = 3 };
#define HOST_MAX 64

struct ptd_message { /* under way */
    int ticket, peer, done, receives;
};

struct ptd_comm {
    struct ptd_engine engine;
    struct ptd_comm *trunk; /* of a line the one that was opened; else itself */
    int rank, ranks, closed, ends, tag;
    double patience; /* seconds */
    char (*hosts)[HOST_MAX];
    uint64_t sent;
    pthread_t main;
    pthread_mutex_t lock; /* the trunk's: around each call of the engine */
    void (*on_end)(void *ctx, int status);
    void *ctx;
    int ended; /* the trunk's: with what status another rank did; -1: none yet */
    struct ptd_message *messages;
    int n_messages, cap;
    struct ptd_comm_thread *thread; /* NULL: not begun */
};

/* Bytes to or from a rank, in as many messages as they need; empty ones are none. They are the
 * engine's until ptd_comm_wait, which waits for all of them. -1: 69; PTD_COMM_ENDED. */
int ptd_comm_send(struct ptd_comm *c, const void *bytes, size_t n, int to);
int ptd_comm_receive(struct ptd_comm *c, void *bytes, size_t n, int from);
int ptd_comm_wait(struct ptd_comm *c);
int ptd_comm_look_for_ends(struct ptd_comm *c); /* 1: another rank has said that it ends */
double ptd_comm_now(void);                      /* monotonic seconds */
/* In the main thread: PTD_COMM_ENDED ends the program, but on a line; any other as it is. */
int ptd_comm_heed(struct ptd_comm *c, int rc);
/* ptd_comm_sum_floats for any thread, with scratch of its own. */
int ptd_comm_add(struct ptd_comm *c, float *x, size_t n, enum ptd_comm_form form);
/* ptd_comm_scatter for any thread. */
int ptd_comm_add_shares(struct ptd_comm *c, float *x, const size_t *first, enum ptd_comm_form form);
void ptd_comm_thread_end(struct ptd_comm *c);
#endif
