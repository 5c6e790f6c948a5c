/* Waiting for weights, behind programs that may not tell that they have gone. */
#include "rollout/rollout.h"
#include "base/output.h"
#include "base/signals.h"
#include <poll.h>
#include <time.h>

void load(struct run *r, int64_t generation)
{
    if (generation == r->loaded) return;
    if (ptd_model_load(r->model, r->src.store, generation)) ptd_die_last();
    r->loaded = r->rollouts.generation = generation;
}

void look_downstream(struct run *r, const char *what, int64_t number)
{
    struct pollfd p = {.fd = ptd_writer_fd(r->out)};
    if (poll(&p, 1, 0) > 0 && p.revents & (POLLERR | POLLHUP | POLLNVAL))
        ptd_die(PTD_CUT, "the reader of this stream has gone while %s %lld %s waited for", what,
                (long long)number, *what == 'g' ? "was" : "were");
}

void look_for_trainer(struct run *r, const char *what, int64_t number, int trained)
{
    if (r->trained && !trained)
        ptd_die(PTD_CUT, "the trainer has gone while %s %lld %s waited for", what,
                (long long)number, *what == 'g' ? "was" : "were");
    r->trained |= trained;
}

/* Behind a program that does not tell (tee), a trainer that never came to train is missed only by
 * the time it takes. */
static void tell_of_wait(const struct run *r, time_t since, int64_t generation)
{
    static int told;
    if (told || r->trained || time(NULL) - since < PATIENCE) return;
    ptd_warn("waiting for generation %lld, but no ptd-update has %s open for training",
             (long long)generation, ptd_store_path(r->src.store));
    told = 1;
}

/* The head is asked for first: what was in the trainer's
 * memory before a later one was published still is. */
int find(struct run *r, int64_t generation)
{
    int64_t head;
    if (generation == r->loaded) return 1;
    if (ptd_store_head(r->src.store, &head)) ptd_die_last();
    int got = ptd_model_load_live(r->model, r->live, generation);
    if (got < 0 && head < generation) ptd_die_last();
    if (got > 0) r->loaded = r->rollouts.generation = generation;
    if (got <= 0 && head >= generation) load(r, generation);
    return r->loaded == generation;
}

void wait_for(struct run *r, int64_t generation)
{
    struct timespec nap = {.tv_nsec = 500000};
    time_t since = time(NULL);
    ptd_board_doing(PTD_WAITS);
    for (;;) {
        /* before it is looked for: what a trainer published before it went counts */
        int trained = ptd_store_trained(r->src.store);
        if (find(r, generation)) break;
        look_for_trainer(r, "generation", generation, trained);
        tell_of_wait(r, since, generation);
        look_downstream(r, "generation", generation);
        ptd_asked_answer();
        ptd_progress_tick();
        ptd_device_rest(r->device);
        nanosleep(&nap, NULL);
    }
    ptd_board_doing(PTD_WORKS);
}
