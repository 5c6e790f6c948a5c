/* relay: see relay.h. ptd-rollout's end; ptd-update's is exchange.c's. */
#include "method/relay.h"
#include "base/rank.h"
#include "flow/wire.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct ptd_relay {
    int rank, ranks;
    int up[2], down[2]; /* both ends of both; -1: not ours any more */
    char address[2 * PTD_WIRE_ADDRESS + 2];
    int met, told; /* told: our share of the round is given */
    int64_t hello;
    size_t got; /* bytes of what is read */
    struct ptd_asked *came;
};

static const struct ptd_wire_words words = {
    "verdicts of all ranks", "ptd-update has no verdicts of the other ranks any more"};

static void shut(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

void ptd_relay_close(struct ptd_relay *r)
{
    if (!r) return;
    for (int i = 0; i < 2; i++) shut(&r->up[i]), shut(&r->down[i]);
    free(r->came);
    free(r);
}

struct ptd_relay *ptd_relay_new(int rank, int ranks)
{
    struct ptd_relay *r = ptd_alloc(sizeof *r);
    char up[PTD_WIRE_ADDRESS], down[PTD_WIRE_ADDRESS];
    *r = (struct ptd_relay){
        .rank = rank, .ranks = ranks, .up = {-1, -1}, .down = {-1, -1}, .came = NULL};
    if (ptd_wire_new(r->up, &words, up) || ptd_wire_new(r->down, &words, down)) {
        ptd_relay_close(r);
        return NULL;
    }
    fcntl(r->up[1], F_SETFL, 0); /* giving waits */
    snprintf(r->address, sizeof r->address, "%s, %s", up, down);
    return r;
}

const char *ptd_relay_address(const struct ptd_relay *r)
{
    return r->address;
}

int ptd_relay_met(const struct ptd_relay *r)
{
    return r->met;
}

void ptd_relay_wait(struct ptd_relay *r, int milliseconds)
{
    ptd_wire_wait(r->down[0], milliseconds);
}

static int fill(struct ptd_relay *r, void *to, size_t n)
{
    int got = ptd_wire_take(&words, r->down[0], to, n, &r->got);
    if (got > 0) r->got = 0;
    return got;
}

/* From now on both wires end with ptd-update. */
static int meet(struct ptd_relay *r)
{
    int got = r->met ? 1 : fill(r, &r->hello, sizeof r->hello);
    if (got <= 0 || r->met) return got;
    if (r->hello != PTD_RELAY_HELLO)
        return ptd_fail(PTD_DATAERR, "what came for verdicts of all ranks is none");
    shut(&r->up[0]);
    shut(&r->down[1]);
    r->met = 1;
    return 1;
}

static int tell(struct ptd_relay *r, const struct ptd_relay_round *round,
                const struct ptd_asked *all)
{
    struct ptd_relay_turn turn = {
        .round = *round, .n_ours = ptd_rank_share(round->before, round->n, r->rank, r->ranks)};
    struct ptd_asked *ours = ptd_array((size_t)turn.n_ours + 1, sizeof *ours), *at = ours;
    for (int64_t q = 0; q < round->n; q++)
        if ((round->before + q) % r->ranks == r->rank) *at++ = all[q];
    int rc = ptd_wire_give(&words, r->up[1], &turn, sizeof turn);
    if (!rc) rc = ptd_wire_give(&words, r->up[1], ours, (size_t)turn.n_ours * sizeof *ours);
    free(ours);
    r->came = ptd_realloc(r->came, (size_t)round->n * sizeof *r->came);
    r->told = 1;
    return rc ? -1 : 1;
}

/* They come rank by rank. */
static void put_in_order(const struct ptd_relay *r, const struct ptd_relay_round *round,
                         struct ptd_asked *all)
{
    const struct ptd_asked *at = r->came;
    for (int rank = 0; rank < r->ranks; rank++)
        for (int64_t q = 0; q < round->n; q++)
            if ((round->before + q) % r->ranks == rank) all[q] = *at++;
}

static int check(const struct ptd_asked *all, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!(all[i].accuracy >= 0 && all[i].accuracy <= 1) || (all[i].kept & ~1) || all[i].row < 0)
            return ptd_fail(PTD_DATAERR, "what other ranks found of prompt %lld of %lld is none",
                            (long long)i + 1, (long long)n);
    return 1;
}

int ptd_relay_bring(struct ptd_relay *r, const struct ptd_relay_round *round, struct ptd_asked *all)
{
    int got = meet(r);
    if (got > 0 && !r->told) got = tell(r, round, all);
    if (got > 0) got = fill(r, r->came, (size_t)round->n * sizeof *r->came);
    if (got <= 0) return got;
    r->told = 0;
    put_in_order(r, round, all);
    return check(all, round->n);
}
