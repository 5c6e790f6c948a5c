/* head: see head.h. What rows are asked is the device's, what a row's loss is the callers'. */
#include "net/head.h"
#include "base/err.h"
#include "base/threads.h"
#include <stdlib.h>
#include <string.h>

#define CHUNK_FLOATS (1L << 21) /* logits of one chunk: 8 MiB stay in the last cache */
#define CHUNK_LEAST  64         /* fewer rows are slower products */
#define CHUNK_MOST   512
/* Where logits are far from all caches: few chunks, since each reads all weights; 512 MiB, two of
 * which, a tutor's and a student's, are within 1 GiB. */
#define FAR_FLOATS (1L << 27)
#define FAR_MOST   4096
#define FAR_STEP   128 /* rows of a tile of products */

struct ptd_lm_head {
    struct ptd_device *device;
    struct ptd_matrix W;
    ptd_acc *dW;
    int V, H, n_banned;
    int32_t *banned;
    ptd_stat *z; /* [rows, V] */
    long rows;
    /* of a tutor's: hidden rows on the host and on the device, and the lessons of a chunk */
    float *host;
    ptd_num *x;
    struct ptd_lesson *lesson;
    long x_rows;
};

struct ptd_lm_head *ptd_lm_head_new(struct ptd_device *d, const struct ptd_matrix *W, ptd_acc *dW,
                                    const uint8_t *banned)
{
    struct ptd_lm_head *h = ptd_alloc(sizeof *h);
    int V = W->rows;
    *h = (struct ptd_lm_head){.device = d, .W = *W, .dW = dW, .V = V, .H = W->cols};
    h->banned = ptd_array((size_t)V + 1, sizeof *h->banned);
    for (int v = 0; banned && v < V; v++)
        if (banned[v]) h->banned[h->n_banned++] = v;
    return h;
}

void ptd_lm_head_free(struct ptd_lm_head *h)
{
    if (!h) return;
    free(h->banned);
    ptd_device_free(h->device, h->z);
    ptd_device_free(h->device, h->x);
    free(h->host);
    free(h->lesson);
    free(h);
}

/* ---- chunks ---- */

static long far_rows(int V, long n)
{
    long rows = FAR_FLOATS / V / FAR_STEP * FAR_STEP;
    if (rows < CHUNK_LEAST) rows = CHUNK_LEAST;
    if (rows > FAR_MOST) rows = FAR_MOST;
    return rows > n ? n : rows;
}

static long rows_of(const struct ptd_device *d, int V, long n)
{
    long rows = CHUNK_FLOATS / V, least = d->ops->rows_least;
    if (!d->ops->rows_near) return far_rows(V, n);
    if (!least) least = CHUNK_LEAST;
    if (rows < least) rows = least;
    if (rows > CHUNK_MOST) rows = CHUNK_MOST;
    return rows > n ? n : rows;
}

size_t ptd_lm_head_bytes(const struct ptd_device *d, int V, long n)
{
    return (size_t)rows_of(d, V, n) * V * sizeof(float);
}

/* Rows of a chunk when there are n, with room for its logits. */
static long chunk_rows(struct ptd_lm_head *h, long n)
{
    long rows = rows_of(h->device, h->V, n);
    if (rows <= h->rows) return rows;
    ptd_device_free(h->device, h->z);
    h->z = ptd_device_stats(h->device, (size_t)rows * h->V, "logits");
    ptd_device_resting(h->device, h->z, PTD_RESTS_FORGOTTEN);
    return h->rows = rows;
}

struct chunk {
    struct ptd_lm_head *head;
    const void *ask, *got;
    ptd_num *dX;
    const ptd_num *x;                /* of the chunk's first row */
    long first, n;                   /* rows */
    const struct ptd_lesson *lesson; /* [n] with a tutor's rows; NULL: those that were given */
};

/* f for each chunk of the n rows X, with its logits in z of the head. */
static void each_chunk(struct chunk c, const ptd_num *X, long n, void (*f)(const struct chunk *))
{
    struct ptd_lm_head *h = c.head;
    struct ptd_device *d = h->device;
    long rows = chunk_rows(h, n);
    for (; c.first < n; c.first += rows) {
        c.n = n - c.first < rows ? n - c.first : rows;
        c.x = ptd_at(d, X, (size_t)c.first * h->H);
        d->ops->logits(d, h->z, c.x, &h->W, c.n);
        f(&c);
    }
}

/* ---- the same from row r on ---- */

#define FROM(array, n) ((array) ? (array) + (n) : NULL)

static struct ptd_row_rules rules_of(const struct ptd_lm_head *h, struct ptd_row_rules r)
{
    r.banned = h->banned;
    r.n_banned = h->n_banned;
    return r;
}

static struct ptd_row_words words_from(struct ptd_row_words w, long r)
{
    if (w.first)
        w.first += r;
    else
        w.id = FROM(w.id, r);
    return w;
}

static void score_from(struct ptd_ask_score *a, struct ptd_got_score *g, long r)
{
    if (!a->words.first) g->logp = FROM(g->logp, r);
    a->words = words_from(a->words, r);
    g->lse = FROM(g->lse, r);
    g->total = FROM(g->total, r);
    g->entropy = FROM(g->entropy, r);
    g->top_id = FROM(g->top_id, r * a->top_k);
    g->top_logp = FROM(g->top_logp, r * a->top_k);
}

static void gradient_from(struct ptd_ask_gradient *a, double **value, long r)
{
    if (!a->words.first) a->dlogp = FROM(a->dlogp, r);
    a->words = words_from(a->words, r);
    a->total = FROM(a->total, r);
    a->dentropy = FROM(a->dentropy, r);
    a->entropy = FROM(a->entropy, r);
    a->lesson = FROM(a->lesson, r);
    a->weights = FROM(a->weights, r);
    *value = FROM(*value, r);
}

/* ---- what is asked of a chunk ---- */

static void score(const struct chunk *c)
{
    struct ptd_lm_head *h = c->head;
    struct ptd_ask_score a = *(const struct ptd_ask_score *)c->ask;
    struct ptd_got_score g = *(const struct ptd_got_score *)c->got;
    score_from(&a, &g, c->first);
    a.rules = rules_of(h, a.rules);
    h->device->ops->rows_score(h->device, h->z, c->n, h->V, &a, &g);
}

static void draw(const struct chunk *c)
{
    struct ptd_lm_head *h = c->head;
    struct ptd_ask_draw a = *(const struct ptd_ask_draw *)c->ask;
    struct ptd_got_draw g = *(const struct ptd_got_draw *)c->got;
    a.rules = rules_of(h, a.rules);
    a.u += c->first * a.draws;
    g.id += c->first * a.draws;
    g.logp = FROM(g.logp, c->first * a.draws);
    g.best_id = FROM(g.best_id, c->first * a.best);
    h->device->ops->rows_draw(h->device, h->z, c->n, h->V, &a, &g);
}

/* Rows r .. r + n - 1 of a chunk: from logits to their gradient. */
static void learn_rows(const struct chunk *c, long r, long n)
{
    struct ptd_lm_head *h = c->head;
    struct ptd_device *d = h->device;
    const struct ptd_head_lesson *l = c->ask;
    struct ptd_ask_score a = l->score;
    struct ptd_got_score g = l->scored;
    struct ptd_ask_gradient down = l->gradient;
    double *value = l->value;
    ptd_stat *z = ptd_stat_at(h->z, (size_t)r * h->V);
    a.rules = down.rules = rules_of(h, l->score.rules);
    a.shares = 1;
    down.words = a.words;
    down.total = g.total;
    down.entropy = g.entropy;
    score_from(&a, &g, c->first + r);
    gradient_from(&down, &value, c->first + r);
    if (c->lesson) {
        down.lesson = c->lesson + r;
        down.tutor = l->tutor->z;
    }
    d->ops->rows_score(d, z, n, h->V, &a, &g);
    if (l->loss) l->loss(l->ctx, c->first + r, n);
    d->ops->rows_gradient(d, z, n, h->V, &down, value);
}

/* A few rows at a time, while they lie near. */
static void learn_near(void *ctx, long first, long last)
{
    const struct chunk *c = ctx;
    long most = c->head->device->ops->rows_near / c->head->V + 1;
    for (long n; first < last; first += n) {
        n = last - first < most ? last - first : most;
        learn_rows(c, first, n);
    }
}

/* ---- a tutor beside the student ---- */

/* Room for the rows of a chunk as large as the student's. */
static void tutor_room(struct ptd_lm_head *t, long rows)
{
    if (rows > t->x_rows) {
        ptd_device_free(t->device, t->x);
        t->x = ptd_device_nums(t->device, (size_t)rows * t->H, "a teacher's rows");
        t->host = ptd_realloc(t->host, (size_t)rows * t->H * sizeof *t->host);
        t->lesson = ptd_realloc(t->lesson, rows * sizeof *t->lesson);
        t->x_rows = rows;
    }
    chunk_rows(t, rows);
}

/* The tutor's logits of its hidden rows, one behind the other, in its z; the chunk's lessons name
 * theirs. */
static const struct ptd_lesson *read_tutor(const struct chunk *c)
{
    const struct ptd_head_lesson *l = c->ask;
    struct ptd_lm_head *t = l->tutor;
    struct ptd_device *d = t->device;
    long n = 0;
    tutor_room(t, c->n);
    for (long r = 0; r < c->n; r++) {
        const float *row = l->hidden[c->first + r];
        t->lesson[r] = l->gradient.lesson[c->first + r];
        if (!row) continue;
        memcpy(t->host + n * t->H, row, t->H * sizeof *row);
        t->lesson[r].whole = ++n;
    }
    if (!n) return NULL;
    d->ops->put_nums(d, t->x, t->host, (size_t)n * t->H);
    d->ops->logits(d, t->z, t->x, &t->W, n);
    return t->lesson;
}

static void learn_chunk(const struct chunk *c)
{
    struct ptd_lm_head *h = c->head;
    struct ptd_device *d = h->device;
    if (d->ops->rows_near)
        ptd_parallel(c->n, d->ops->rows_near / 2 / h->V + 1, learn_near, (void *)c);
    else
        learn_rows(c, 0, c->n);
    d->ops->logits_backward(d, c->dX ? ptd_at(d, c->dX, (size_t)c->first * h->H) : NULL, h->dW,
                            h->z, c->x, &h->W, c->n);
}

static void learn(const struct chunk *given)
{
    struct chunk c = *given;
    const struct ptd_head_lesson *l = c.ask;
    if (l->tutor && l->hidden) c.lesson = read_tutor(&c);
    learn_chunk(&c);
}

void ptd_lm_head_score(struct ptd_lm_head *h, const ptd_num *X, long n,
                       const struct ptd_ask_score *ask, const struct ptd_got_score *got)
{
    each_chunk((struct chunk){.head = h, .ask = ask, .got = got}, X, n, score);
}

void ptd_lm_head_draw(struct ptd_lm_head *h, const ptd_num *X, long n,
                      const struct ptd_ask_draw *ask, const struct ptd_got_draw *got)
{
    each_chunk((struct chunk){.head = h, .ask = ask, .got = got}, X, n, draw);
}

void ptd_lm_head_learn(struct ptd_lm_head *h, const ptd_num *X, long n,
                       const struct ptd_head_lesson *l, ptd_num *dX)
{
    each_chunk((struct chunk){.head = h, .ask = l, .dX = dX}, X, n, learn);
}
