/* gradients: see gradients.h. */
#include "method/gradients.h"
#include "store/share.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PIECE ((size_t)1 << 20) /* numbers that are copied from a device at a time */

struct ptd_gradients {
    struct ptd_model *model;
    struct ptd_comm *comm;
    enum ptd_comm_form form;
    struct ptd_cards *cards; /* NULL: through the host */
    int share;
    size_t *first; /* [ranks + 1] of a parameter's shares */
    int *order, n; /* parts that have a gradient */
    int *all;      /* [n_parts] */
    uint8_t *seen; /* [n_parts] backward has all of it */
    int next;      /* of order: the first that is not on its way */
    float *piece;  /* NULL: the host's own memory */
};

struct ptd_gradients *ptd_gradients_new(struct ptd_model *m, struct ptd_comm *c,
                                        enum ptd_comm_form form, int share)
{
    struct ptd_gradients *g = ptd_alloc(sizeof *g);
    size_t first;
    *g = (struct ptd_gradients){.model = m, .comm = c, .form = form, .share = share};
    g->first = ptd_array((size_t)ptd_comm_ranks(c) + 1, sizeof *g->first);
    g->order = ptd_array((size_t)m->n_parts + 1, sizeof *g->order);
    g->all = ptd_array((size_t)m->n_parts + 1, sizeof *g->all);
    g->seen = ptd_alloc((size_t)m->n_parts + 1);
    ptd_model_order(m, g->all);
    for (int i = 0; i < m->n_parts; i++)
        if (ptd_model_part(m, g->all[i], &first)) g->order[g->n++] = g->all[i];
    if (!m->device->is_host) g->piece = ptd_array(PIECE, sizeof *g->piece);
    return g;
}

void ptd_gradients_free(struct ptd_gradients *g)
{
    if (!g) return;
    free(g->order);
    free(g->all);
    free(g->seen);
    free(g->piece);
    free(g->first);
    free(g);
}

/* Where each rank's share of a parameter begins. */
static const size_t *shares_of(struct ptd_gradients *g, const struct ptd_param *p)
{
    int ranks = ptd_comm_ranks(g->comm);
    for (int r = 0; r <= ranks; r++) g->first[r] = ptd_share_first(p->n, r, ranks);
    return g->first;
}

/* Of a parameter, all of it on the host. */
static int scatter_param(struct ptd_gradients *g, const struct ptd_param *p)
{
    struct ptd_device *d = g->model->device;
    ptd_acc *x = ptd_acc_at(d, g->model->grads, p->grad);
    if (!g->piece) return ptd_comm_scatter(g->comm, (float *)x, shares_of(g, p), g->form);
    float *host = ptd_array(p->n + 1, sizeof *host);
    d->ops->get_accs(d, host, x, p->n);
    int rc = ptd_device_wait(d) || ptd_comm_scatter(g->comm, host, shares_of(g, p), g->form);
    if (!rc) d->ops->put_accs(d, x, host, p->n);
    free(host);
    return rc ? -1 : 0;
}

static int scatter_part(struct ptd_gradients *g, int part)
{
    int rc = 0;
    for (int i = 0; i < g->model->n_params && !rc; i++) {
        const struct ptd_param *p = &g->model->params[i];
        if (p->trained && p->part == part) rc = scatter_param(g, p);
    }
    return rc;
}

static void push_part(struct ptd_gradients *g, int part)
{
    struct ptd_model *m = g->model;
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        if (p->trained && p->part == part)
            ptd_comm_push_shares(g->comm, (float *)ptd_acc_at(m->device, m->grads, p->grad),
                                 shares_of(g, p), g->form);
    }
}

int ptd_gradients_total(void *own, double *x, int n)
{
    struct ptd_gradients *g = own;
    return ptd_comm_sum(g->comm, x, n);
}

/* The weights that each rank has stepped, as bytes. */
static int spread_param(struct ptd_gradients *g, const struct ptd_param *p)
{
    struct ptd_device *d = g->model->device;
    size_t size = p->matrix && g->model->narrow ? sizeof(uint16_t) : d->num_size;
    char *w = (char *)(uintptr_t)p->blocks->at;
    if (!g->piece) return ptd_comm_spread(g->comm, w, shares_of(g, p), size);
    char *host = ptd_array(p->n + 1, size);
    d->ops->get(d, host, w, p->n * size);
    int rc = ptd_device_wait(d) || ptd_comm_spread(g->comm, host, shares_of(g, p), size);
    if (!rc) d->ops->put(d, w, host, p->n * size);
    free(host);
    return rc ? -1 : 0;
}

int ptd_gradients_spread(void *own)
{
    struct ptd_gradients *g = own;
    int rc = 0;
    for (int i = 0; i < g->model->n_params && !rc; i++)
        if (g->model->params[i].trained) rc = spread_param(g, &g->model->params[i]);
    return rc;
}

const int *ptd_gradients_order(const struct ptd_gradients *g)
{
    return g->all;
}

static ptd_acc *place(const struct ptd_gradients *g, int part, size_t *n)
{
    size_t first;
    *n = ptd_model_part(g->model, part, &first);
    return ptd_acc_at(g->model->device, g->model->grads, first);
}

static void spoil(struct ptd_gradients *g, ptd_acc *x)
{
    struct ptd_device *d = g->model->device;
    float nan = NAN;
    d->ops->put_accs(d, x, &nan, 1);
}

void ptd_gradients_on_cards(struct ptd_gradients *g, struct ptd_cards *k)
{
    g->cards = k;
}

/* Through the host, piece by piece. */
static int sum_there(struct ptd_gradients *g, ptd_acc *x, size_t n)
{
    struct ptd_device *d = g->model->device;
    for (size_t at = 0, part; at < n; at += part) {
        part = n - at < PIECE ? n - at : PIECE;
        ptd_acc *here = ptd_acc_at(d, x, at);
        d->ops->get_accs(d, g->piece, here, part);
        if (ptd_device_wait(d) || ptd_comm_sum_floats(g->comm, g->piece, part, g->form)) return -1;
        d->ops->put_accs(d, here, g->piece, part);
    }
    return 0;
}

int ptd_gradients_part(void *own, int part, int spoilt)
{
    struct ptd_gradients *g = own;
    size_t n;
    ptd_acc *x = place(g, part, &n);
    if (!n) return 0;
    if (spoilt) spoil(g, x);
    if (g->share) return scatter_part(g, part);
    if (g->cards)
        return ptd_device_wait(g->model->device) || ptd_cards_sum(g->cards, x, n) ? -1 : 0;
    if (g->piece) return sum_there(g, x, n);
    return ptd_comm_sum_floats(g->comm, (float *)x, n, g->form);
}

/* What is there goes on its way, in order; the last part stays, for a loss that is not finite is
 * known only at the end. */
static void send(struct ptd_gradients *g)
{
    for (; g->next < g->n - 1 && g->seen[g->order[g->next]]; g->next++) {
        size_t n;
        ptd_acc *x = place(g, g->order[g->next], &n);
        if (g->share)
            push_part(g, g->order[g->next]);
        else
            ptd_comm_push(g->comm, (float *)x, n, g->form);
    }
}

static void on_part(void *own, int part)
{
    struct ptd_gradients *g = own;
    g->seen[part] = 1;
    if (!g->piece) send(g);
}

void ptd_gradients_begin(struct ptd_gradients *g)
{
    memset(g->seen, 0, (size_t)g->model->n_parts);
    g->next = 0;
}

void ptd_gradients_last(void *own)
{
    struct ptd_gradients *g = own;
    g->model->done = on_part;
    g->model->done_ctx = g;
}

int ptd_gradients_end(struct ptd_gradients *g, int spoilt)
{
    int rc = 0;
    g->model->done = NULL;
    memset(g->seen, 1, (size_t)g->model->n_parts);
    if (!g->piece) send(g);
    if (ptd_comm_join(g->comm)) return -1;
    for (; g->next < g->n && !rc; g->next++)
        rc = ptd_gradients_part(g, g->order[g->next], spoilt && g->next == g->n - 1);
    return rc;
}
