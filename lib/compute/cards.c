/* cards: see cards.h. */
#include "compute/cards.h"
#include "compute/comm_private.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What nccl.h and cuda.h say of what is used here. */
enum { NCCL_FLOAT = 7, NCCL_SUM = 0, CUDA_NOT_READY = 600 };
struct nccl_id {
    char bytes[128];
};
typedef struct ncclComm *nccl_comm;

struct ptd_cards {
    struct ptd_comm *comm;
    nccl_comm nccl;
    int (*id)(struct nccl_id *id);
    int (*init)(nccl_comm *c, int ranks, struct nccl_id id, int rank);
    int (*sum)(const void *from, void *to, size_t n, int type, int op, nccl_comm c, void *stream);
    int (*error)(nccl_comm c, int *error);
    int (*destroy)(nccl_comm c);
    int (*abort)(nccl_comm c);
    const char *(*words)(int error);
    int (*query)(void *stream);
};

static const char *library_name(void)
{
    const char *name = getenv("PTD_NCCL");
    return name && *name ? name : "libnccl.so.2";
}

int ptd_cards_are_there(void)
{
    void *library = dlopen(library_name(), RTLD_LAZY | RTLD_LOCAL);
    if (library) dlclose(library);
    return library != NULL;
}

/* The driver's function is in its own library, or beside NCCL's. */
static void *query_in(void *library)
{
    void *query = dlsym(library, "cuStreamQuery");
    if (!query) library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    return query || !library ? query : dlsym(library, "cuStreamQuery");
}

static int find(struct ptd_cards *k)
{
    void *library = dlopen(library_name(), RTLD_NOW | RTLD_LOCAL);
    const struct {
        void *place;
        const char *name;
    } all[] = {{&k->id, "ncclGetUniqueId"},      {&k->init, "ncclCommInitRank"},
               {&k->sum, "ncclAllReduce"},       {&k->error, "ncclCommGetAsyncError"},
               {&k->destroy, "ncclCommDestroy"}, {&k->abort, "ncclCommAbort"},
               {&k->words, "ncclGetErrorString"}};
    if (!library) return ptd_fail(PTD_UNAVAILABLE, "sums on cards: %s", dlerror());
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        void *found = dlsym(library, all[i].name);
        if (!found)
            return ptd_fail(PTD_UNAVAILABLE, "sums on cards: %s has no %s", library_name(),
                            all[i].name);
        memcpy(all[i].place, &found, sizeof found);
    }
    void *query = query_in(library);
    memcpy(&k->query, &query, sizeof query);
    return query ? 0 : ptd_fail(PTD_UNAVAILABLE, "sums on cards: expected libcuda.so.1");
}

static int blame(const struct ptd_cards *k, const char *doing, int error)
{
    return ptd_fail(PTD_UNAVAILABLE, "sums on cards: %s: %s", doing, k->words(error));
}

/* Rank 0's id goes to all by way of the host. */
static int join(struct ptd_cards *k)
{
    struct ptd_comm *c = k->comm;
    struct nccl_id mine = {{0}}, *all = ptd_array((size_t)c->ranks, sizeof *all);
    int rc = c->rank ? 0 : k->id(&mine);
    if (rc) blame(k, "ncclGetUniqueId", rc);
    if (!rc) rc = ptd_comm_gather(c, &mine, sizeof mine, all);
    if (!rc && (rc = k->init(&k->nccl, c->ranks, all[0], c->rank)))
        blame(k, "ncclCommInitRank", rc);
    free(all);
    return rc ? -1 : 0;
}

struct ptd_cards *ptd_cards_open(struct ptd_comm *c)
{
    struct ptd_cards *k = ptd_alloc(sizeof *k);
    k->comm = c;
    setenv("NCCL_ALGO", "Ring", 0);
    setenv("NCCL_PROTO", "Simple", 0);
    if (find(k) == 0 && join(k) == 0) return k;
    free(k);
    return NULL;
}

/* Until the stream is empty, unless another rank ends, or is missed. */
static int wait_for_sum(struct ptd_cards *k)
{
    struct timespec nap = {.tv_nsec = 20000};
    double since = ptd_comm_now();
    int rc, error = 0;
    while ((rc = k->query(NULL)) == CUDA_NOT_READY) {
        if (k->error(k->nccl, &error) || error) return blame(k, "ncclAllReduce", error);
        if (ptd_comm_look_for_ends(k->comm)) return PTD_COMM_ENDED;
        if (ptd_comm_now() - since > k->comm->patience)
            return ptd_fail(PTD_UNAVAILABLE,
                            "the sum on cards did not end within %g s (--comm-timeout)",
                            k->comm->patience);
        nanosleep(&nap, NULL);
    }
    return rc ? ptd_fail(PTD_UNAVAILABLE, "sums on cards: the card failed, CUDA error %d", rc) : 0;
}

int ptd_cards_sum(struct ptd_cards *k, ptd_acc *x, size_t n)
{
    int rc = n ? k->sum(x, x, n, NCCL_FLOAT, NCCL_SUM, k->nccl, NULL) : 0;
    if (rc) return blame(k, "ncclAllReduce", rc);
    if (n) rc = wait_for_sum(k);
    if (rc) k->abort(k->nccl);
    if (rc) k->nccl = NULL;
    return ptd_comm_heed(k->comm, rc);
}

void ptd_cards_close(struct ptd_cards *k)
{
    if (!k) return;
    if (k->nccl) k->destroy(k->nccl);
    free(k);
}
