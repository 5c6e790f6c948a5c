/* comm_sum: sums over ranks: each rank owns a share of the numbers, gets the others' of it, adds
 * them in the order of ranks, and sends what came of it. */
#include "compute/comm_private.h"
#include "base/dtype.h"
#include <stdlib.h>
#include <string.h>

#define PIECE ((size_t)1 << 20) /* floats */

/* Shares of a piece, and where what comes is kept. */
struct piece {
    struct ptd_comm *c;
    float *x;
    const size_t *first; /* [ranks + 1] */
    int half;
    char *came, *goes; /* goes: as bfloat16 */
};

static size_t size_of(const struct piece *p)
{
    return p->half ? 2 : sizeof(float);
}

static size_t share(const struct piece *p, int rank)
{
    return p->first[rank + 1] - p->first[rank];
}

/* Of rank r's share what another rank sent, in the order of ranks without our own. */
static char *came_from(const struct piece *p, int r)
{
    int slot = r < p->c->rank ? r : r - 1;
    return p->came + (size_t)slot * share(p, p->c->rank) * size_of(p);
}

static const void *outgoing(const struct piece *p, int r)
{
    const float *x = p->x + p->first[r];
    char *at = p->goes + p->first[r] * 2;
    if (!p->half) return x;
    ptd_dtype_from_float(at, PTD_BF16, x, share(p, r));
    return at;
}

/* Number i of our share as rank r has it. */
static double term(const struct piece *p, int r, size_t i)
{
    float x;
    const char *at = came_from(p, r);
    if (p->half)
        ptd_dtype_to_float(&x, at + 2 * i, PTD_BF16, 1);
    else
        memcpy(&x, at + sizeof x * i, sizeof x);
    return x;
}

static void add_up(const struct piece *p)
{
    float *x = p->x + p->first[p->c->rank];
    size_t n = share(p, p->c->rank);
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (int r = 0; r < p->c->ranks; r++) sum += r == p->c->rank ? x[i] : term(p, r, i);
        x[i] = (float)sum;
    }
}

/* Our share becomes the sum of all ranks'. */
static int scatter(const struct piece *p)
{
    struct ptd_comm *c = p->c;
    int rc = 0;
    for (int r = 0; r < c->ranks && !rc; r++)
        if (r != c->rank)
            rc = ptd_comm_receive(c, came_from(p, r), share(p, c->rank) * size_of(p), r);
    for (int r = 0; r < c->ranks && !rc; r++)
        if (r != c->rank) rc = ptd_comm_send(c, outgoing(p, r), share(p, r) * size_of(p), r);
    if (!rc) rc = ptd_comm_wait(c);
    if (!rc) add_up(p);
    return rc;
}

/* bytes: from first[r] on those of rank r, of `size` each. */
static int spread(struct ptd_comm *c, char *bytes, const size_t *first, size_t size)
{
    int rc = 0;
    for (int r = 0; r < c->ranks && !rc; r++)
        if (r != c->rank)
            rc = ptd_comm_receive(c, bytes + first[r] * size, (first[r + 1] - first[r]) * size, r);
    size_t own = first[c->rank], n = first[c->rank + 1] - own;
    for (int r = 0; r < c->ranks && !rc; r++)
        if (r != c->rank) rc = ptd_comm_send(c, bytes + own * size, n * size, r);
    return rc ? rc : ptd_comm_wait(c);
}

/* Shares travel as bfloat16, and their owner takes what the others get. */
static int spread_halves(const struct piece *p)
{
    size_t n = p->first[p->c->ranks];
    outgoing(p, p->c->rank);
    int rc = spread(p->c, p->goes, p->first, 2);
    if (!rc) ptd_dtype_to_float(p->x, p->goes, PTD_BF16, n);
    return rc;
}

static void begin(struct piece *p, size_t most)
{
    p->came = ptd_array(most + 1, sizeof(float) * (size_t)p->c->ranks);
    p->goes = p->half ? ptd_array(p->first[p->c->ranks] + 1, 2) : NULL;
}

static void end(struct piece *p)
{
    free(p->came);
    free(p->goes);
}

static void deal(size_t n, int ranks, size_t *first)
{
    for (int r = 0; r <= ranks; r++)
        first[r] = n / (size_t)ranks * (size_t)r + (n % (size_t)ranks) * (size_t)r / (size_t)ranks;
}

int ptd_comm_add(struct ptd_comm *c, float *x, size_t n, enum ptd_comm_form form)
{
    size_t *first = ptd_array((size_t)c->ranks + 1, sizeof *first);
    size_t most = n < PIECE ? n : PIECE;
    struct piece p = {c, x, first, form == PTD_COMM_BF16, NULL, NULL};
    int rc = 0;
    deal(most, c->ranks, first);
    begin(&p, most / (size_t)c->ranks + 1);
    for (size_t at = 0; at < n && !rc; at += PIECE) {
        deal(n - at < PIECE ? n - at : PIECE, c->ranks, first);
        p.x = x + at;
        rc = scatter(&p);
        if (!rc) rc = p.half ? spread_halves(&p) : spread(c, (char *)p.x, first, sizeof *x);
    }
    end(&p);
    free(first);
    return rc;
}

int ptd_comm_sum_floats(struct ptd_comm *c, float *x, size_t n, enum ptd_comm_form form)
{
    return ptd_comm_ranks(c) == 1 ? 0 : ptd_comm_heed(c, ptd_comm_add(c, x, n, form));
}

int ptd_comm_add_shares(struct ptd_comm *c, float *x, const size_t *first, enum ptd_comm_form form)
{
    struct piece p = {c, x, first, form == PTD_COMM_BF16, NULL, NULL};
    begin(&p, share(&p, c->rank));
    int rc = scatter(&p);
    end(&p);
    return rc;
}

int ptd_comm_scatter(struct ptd_comm *c, float *x, const size_t *first, enum ptd_comm_form form)
{
    if (ptd_comm_ranks(c) == 1) return 0;
    return ptd_comm_heed(c, ptd_comm_add_shares(c, x, first, form));
}

int ptd_comm_spread(struct ptd_comm *c, void *x, const size_t *first, size_t size)
{
    return ptd_comm_ranks(c) == 1 ? 0 : ptd_comm_heed(c, spread(c, x, first, size));
}

int ptd_comm_sum(struct ptd_comm *c, double *x, int n)
{
    int ranks = ptd_comm_ranks(c), rc;
    if (ranks == 1) return 0;
    double *all = ptd_array((size_t)ranks * (size_t)n, sizeof *all);
    rc = ptd_comm_gather(c, x, (size_t)n * sizeof *x, all);
    for (int i = 0; i < n && !rc; i++) {
        x[i] = 0;
        for (int r = 0; r < ranks; r++) x[i] += all[(size_t)r * (size_t)n + (size_t)i];
    }
    free(all);
    return rc;
}
