/* shim-nccl: what NCCL and CUDA's driver do for lib/compute/cards.c, between processes of one
 * machine whose cards' memory is the host's (device sim), which checks how it is called: what a
 * real one would take amiss ends the program with a line. PTD_NCCL names it; what was asked is
 * appended to the file that SHIM_NCCL_LOG names. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define RANKS 8
#define PIECE (1 << 18)

struct shared {
    _Atomic int came, round;
    size_t count[RANKS];
    float data[RANKS][PIECE];
};
struct nccl_id {
    char bytes[128];
};
struct ncclComm {
    int magic, ranks, rank;
    struct shared *at;
};

static int alive, busy; /* communicators; how often a query says "not yet" */

static void wrong(const char *what)
{
    fprintf(stderr, "shim-nccl: %s\n", what);
    abort();
}

static void at_end(void)
{
    if (alive) fprintf(stderr, "shim-nccl: a communicator was never destroyed\n");
}

static void note(const struct ncclComm *c, const char *what, size_t n)
{
    const char *path = getenv("SHIM_NCCL_LOG");
    FILE *f = path ? fopen(path, "a") : NULL;
    if (f) fprintf(f, "%d %s %zu\n", c->rank, what, n), fclose(f);
}

static void barrier(struct ncclComm *c)
{
    struct timespec nap = {.tv_nsec = 100000};
    int round = c->at->round;
    if (atomic_fetch_add(&c->at->came, 1) + 1 == c->ranks) {
        c->at->came = 0;
        c->at->round = round + 1;
    }
    while (c->at->round == round) nanosleep(&nap, NULL);
}

int ncclGetUniqueId(struct nccl_id *id)
{
    memset(id, 0, sizeof *id);
    snprintf(id->bytes, sizeof id->bytes, "/shim-nccl-%d", (int)getpid());
    return 0;
}

int ncclCommInitRank(struct ncclComm **out, int ranks, struct nccl_id id, int rank)
{
    if (ranks < 1 || ranks > RANKS || rank < 0 || rank >= ranks) wrong("no such rank");
    if (memcmp(id.bytes, "/shim-nccl-", 11)) wrong("an id of nobody's");
    if (!getenv("NCCL_ALGO") || !getenv("NCCL_PROTO")) wrong("the order of sums is not pinned");
    int fd = shm_open(id.bytes, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct shared))) wrong("no shared memory");
    struct ncclComm *c = *out = calloc(1, sizeof *c);
    *c = (struct ncclComm){4711, ranks, rank, NULL};
    c->at = mmap(NULL, sizeof *c->at, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (!alive++) atexit(at_end);
    barrier(c);
    shm_unlink(id.bytes);
    note(c, "init", (size_t)ranks);
    return 0;
}

static void check(const struct ncclComm *c)
{
    if (!c || c->magic != 4711) wrong("no communicator");
}

static void sum_piece(struct ncclComm *c, float *x, size_t n)
{
    memcpy(c->at->data[c->rank], x, n * sizeof *x);
    barrier(c);
    for (size_t i = 0; i < n; i++) {
        x[i] = 0;
        for (int r = 0; r < c->ranks; r++) x[i] += c->at->data[r][i];
    }
    barrier(c);
}

int ncclAllReduce(const void *from, void *to, size_t n, int type, int op, struct ncclComm *c,
                  void *stream)
{
    check(c);
    if (from != to || !to || !n) wrong("expected a sum in its place");
    if (type != 7 || op != 0) wrong("expected the sum of float32");
    if (stream) wrong("expected the default stream");
    if (busy) wrong("the sum before was not waited for");
    c->at->count[c->rank] = n;
    barrier(c);
    for (int r = 0; r < c->ranks; r++)
        if (c->at->count[r] != n) wrong("ranks sum arrays of different sizes");
    barrier(c);
    for (size_t at = 0; at < n; at += PIECE)
        sum_piece(c, (float *)to + at, n - at < PIECE ? n - at : PIECE);
    busy = 3;
    note(c, "sum", n);
    return 0;
}

int ncclCommGetAsyncError(struct ncclComm *c, int *error)
{
    check(c);
    *error = 0;
    return 0;
}

int ncclCommDestroy(struct ncclComm *c)
{
    check(c);
    if (busy) wrong("destroyed while it sums");
    c->magic = 0;
    alive--;
    note(c, "destroy", 0);
    return 0;
}

int ncclCommAbort(struct ncclComm *c)
{
    check(c);
    c->magic = 0;
    alive--;
    return 0;
}

const char *ncclGetErrorString(int error)
{
    return error ? "an error" : "no error";
}

int cuStreamQuery(void *stream)
{
    if (stream) wrong("expected the default stream");
    return busy && --busy ? 600 : 0;
}
