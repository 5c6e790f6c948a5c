/* exchange: see exchange.h. ptd-rollout's end of the wires is relay.c's. */
#include "method/exchange.h"
#include "base/rank.h"
#include "flow/wire.h"
#include "method/relay.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct ptd_exchange {
    struct ptd_comm *line;
    pthread_t thread;
    int up, down, stop;         /* descriptors; stop: readable once it shall end */
    struct ptd_relay_turn *all; /* [ranks] */
    struct ptd_asked *ours;     /* of the round */
    pthread_mutex_t lock;       /* of what follows */
    int status;                 /* it failed; 0: not */
    int over;                   /* another rank's is */
    char words[512];
};

static const struct ptd_wire_words words = {"verdicts of ptd-rollout",
                                            "ptd-rollout has gone in the middle of its verdicts"};

/* ---- ptd-rollout's share ---- */

/* 1: something has come; 0: it shall end. */
static int wait_for_share(struct ptd_exchange *e)
{
    struct pollfd p[2] = {{.fd = e->stop, .events = POLLIN}, {.fd = e->up, .events = POLLIN}};
    if (e->up < 0) return 0;
    while (poll(p, 2, -1) < 0 && errno == EINTR) {
    }
    return !p[0].revents;
}

static int check_turn(const struct ptd_exchange *e, const struct ptd_relay_turn *t)
{
    const struct ptd_relay_round *r = &t->round;
    if (r->before >= 0 && r->n >= 1 && r->n <= PTD_STEP_GROUPS_MAX && !t->over &&
        t->n_ours ==
            ptd_rank_share(r->before, r->n, ptd_comm_rank(e->line), ptd_comm_ranks(e->line)))
        return 0;
    return ptd_fail(PTD_DATAERR,
                    "ptd-rollout gives %lld verdicts of a round of %lld: expected the share of "
                    "rank %d of %d",
                    (long long)t->n_ours, (long long)r->n, ptd_comm_rank(e->line),
                    ptd_comm_ranks(e->line));
}

/* 0: it has gone, or shall not be heard any more; -1: 65 */
static int read_share(struct ptd_exchange *e, struct ptd_relay_turn *t)
{
    size_t at = 0;
    if (!wait_for_share(e) || ptd_wire_take(&words, e->up, t, sizeof *t, &at) < 0) return 0;
    if (check_turn(e, t)) return -1;
    e->ours = ptd_realloc(e->ours, ((size_t)t->n_ours + 1) * sizeof *e->ours);
    at = 0;
    return ptd_wire_take(&words, e->up, e->ours, (size_t)t->n_ours * sizeof *e->ours, &at) > 0;
}

/* ---- a round ---- */

static int is_over(const struct ptd_exchange *e)
{
    for (int i = 0; i < ptd_comm_ranks(e->line); i++)
        if (e->all[i].over) return 1;
    return 0;
}

static int compare(const struct ptd_exchange *e)
{
    const struct ptd_relay_round *zero = &e->all[0].round;
    for (int i = 1; i < ptd_comm_ranks(e->line); i++) {
        const struct ptd_relay_round *other = &e->all[i].round;
        if (memcmp(zero, other, sizeof *zero))
            return ptd_fail(PTD_CONFIG,
                            "rank %d asks other prompts in step %lld than rank 0 in step %lld: "
                            "expected stores of one run, with the same history",
                            i, (long long)other->step, (long long)zero->step);
    }
    return 0;
}

static int bring(struct ptd_exchange *e, const struct ptd_relay_turn *mine)
{
    size_t *bytes = ptd_array((size_t)ptd_comm_ranks(e->line), sizeof *bytes);
    void *came;
    int rc =
        ptd_comm_gather_all(e->line, e->ours, (size_t)mine->n_ours * sizeof *e->ours, &came, bytes);
    free(bytes);
    if (rc) return rc;
    /* if it has gone, the next share says so */
    rc = ptd_wire_give(&words, e->down, came, (size_t)mine->round.n * sizeof *e->ours);
    free(came);
    return 1;
}

static void note_over(struct ptd_exchange *e, int over)
{
    pthread_mutex_lock(&e->lock);
    e->over = over;
    pthread_mutex_unlock(&e->lock);
}

/* 1: there may be more; 0: it is over; -1; PTD_COMM_ENDED */
static int do_round(struct ptd_exchange *e)
{
    struct ptd_relay_turn mine = {0};
    int got = read_share(e, &mine), rc;
    if (got < 0) return -1;
    if (!got) mine = (struct ptd_relay_turn){.over = 1};
    if ((rc = ptd_comm_gather(e->line, &mine, sizeof mine, e->all))) return rc;
    if (is_over(e)) return note_over(e, !mine.over), 0;
    return compare(e) ? -1 : bring(e, &mine);
}

static void drop_wires(struct ptd_exchange *e)
{
    if (e->up >= 0) close(e->up);
    if (e->down >= 0) close(e->down);
    e->up = e->down = -1;
}

static void note_failure(struct ptd_exchange *e)
{
    pthread_mutex_lock(&e->lock);
    e->status = ptd_failed_status();
    strncpy(e->words, ptd_failed_message(), sizeof e->words - 1);
    pthread_mutex_unlock(&e->lock);
}

static void *run(void *own)
{
    struct ptd_exchange *e = own;
    int rc;
    while ((rc = do_round(e)) > 0) {
    }
    if (rc == -1) note_failure(e);
    drop_wires(e);
    return NULL;
}

/* ---- ptd-update ---- */

/* Both wires, the first of which is ours to read, or neither. */
static void reach(struct ptd_exchange *e, const char *address)
{
    const int64_t hello = PTD_RELAY_HELLO;
    const char *comma = strchr(address, ',');
    char *first = ptd_format("%.*s", comma ? (int)(comma - address) : 0, address);
    e->up = ptd_wire_reach(first, O_RDONLY);
    e->down = e->up >= 0 ? ptd_wire_reach(comma + 1 + strspn(comma + 1, " "), O_WRONLY) : -1;
    free(first);
    if (e->down >= 0 && ptd_wire_give(&words, e->down, &hello, sizeof hello) == 0) return;
    drop_wires(e);
}

/* Signals are the main thread's: they end its waiting. */
static void start(struct ptd_exchange *e)
{
    sigset_t all, was;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &was);
    if (pthread_create(&e->thread, NULL, run, e))
        ptd_die(PTD_OSERR, "a thread for verdicts of all ranks:");
    pthread_sigmask(SIG_SETMASK, &was, NULL);
}

struct ptd_exchange *ptd_exchange_begin(const struct ptd_head *h, struct ptd_comm *c)
{
    struct ptd_exchange *e = c && h->relay ? ptd_alloc(sizeof *e) : NULL;
    if (!e) return NULL;
    reach(e, h->relay);
    if ((e->stop = eventfd(0, EFD_CLOEXEC)) < 0) ptd_die(PTD_OSERR, "an eventfd:");
    e->line = ptd_comm_line(c);
    e->all = ptd_array((size_t)ptd_comm_ranks(c), sizeof *e->all);
    pthread_mutex_init(&e->lock, NULL);
    start(e);
    return e;
}

int ptd_exchange_failed(struct ptd_exchange *e)
{
    if (!e) return 0;
    pthread_mutex_lock(&e->lock);
    int status = e->status;
    if (status) ptd_fail(status, "%s", e->words);
    pthread_mutex_unlock(&e->lock);
    return status != 0;
}

int ptd_exchange_over(struct ptd_exchange *e)
{
    if (!e) return 0;
    pthread_mutex_lock(&e->lock);
    int over = e->over;
    pthread_mutex_unlock(&e->lock);
    return over;
}

void ptd_exchange_end(struct ptd_exchange *e)
{
    uint64_t one = 1;
    if (!e) return;
    ssize_t ignored = write(e->stop, &one, sizeof one);
    (void)ignored;
    pthread_join(e->thread, NULL);
    close(e->stop);
    ptd_comm_line_end(e->line);
    pthread_mutex_destroy(&e->lock);
    free(e->all);
    free(e->ours);
    free(e);
}
