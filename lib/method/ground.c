/* ground: see ground.h. */
#include "method/ground.h"
#include "compute/cpu/row.h"
#include "compute/cpu/vec.h"
#include "net/head.h"
#include "net/net.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int merged(const struct ptd_model *m, int pixels)
{
    return pixels / (m->config.v_patch * m->config.v_merge);
}

long ptd_ground_count(const struct ptd_model *m, const struct ptd_group *g)
{
    if (!g->n_objects || !g->n_pictures) return 0;
    return (long)merged(m, g->pictures[0].height) * merged(m, g->pictures[0].width);
}

static const struct ptd_region *object_at(const struct ptd_group *g, float x, float y)
{
    for (int i = 0; i < g->n_objects; i++) {
        const float *b = g->objects[i].box;
        if (x >= b[0] && x < b[2] && y >= b[1] && y < b[3]) return &g->objects[i];
    }
    return NULL;
}

/* Every word of the label as it stands inside a sentence: after a space. Words that are never
 * scored are passed over. */
static int add_words(struct ptd_ground *d, const char *label, int row)
{
    char *text = ptd_format(" %s", label);
    int32_t *ids;
    int n = ptd_tokenizer_encode(d->tokenizer, text, strlen(text), &ids);
    free(text);
    if (n < 0) return -1;
    if (d->n + n > d->cap)
        d->words = ptd_realloc(d->words, (d->cap = 2 * (d->n + n)) * sizeof *d->words);
    for (int i = 0; i < n; i++)
        if (!d->banned || !d->banned[ids[i]]) d->words[d->n++] = (struct ptd_word){row, ids[i]};
    free(ids);
    return 0;
}

int ptd_ground_add(struct ptd_ground *d, const struct ptd_model *m, const struct ptd_group *g,
                   int first)
{
    int R, C;
    if (!ptd_ground_count(m, g)) return 0;
    R = merged(m, g->pictures[0].height);
    C = merged(m, g->pictures[0].width);
    for (int i = 0; i < R * C; i++) {
        const struct ptd_region *o = object_at(g, (i % C + 0.5f) / C, (i / C + 0.5f) / R);
        if (o && add_words(d, o->label, first + i)) return -1;
    }
    return 0;
}

struct reading {
    const struct ptd_ground *d;
    int *first;
    double *loss, scale;
};

/* z becomes scale * (K p - sum of the label's words). */
static void on_row(void *ctx, long row, float *z, int V)
{
    const struct reading *r = ctx;
    const struct ptd_word *w = r->d->words + r->first[row], *end = r->d->words + r->first[row + 1];
    struct ptd_shares s;
    double own = 0;
    for (const struct ptd_word *i = w; i < end; i++) own += z[i->id];
    ptd_row_shares(z, V, &s);
    r->loss[row] = (end - w) * s.lse - own;
    vec_scale(z, (float)(r->scale * (end - w) / s.total), V);
    for (; w < end; w++) z[w->id] -= (float)r->scale;
}

/* first[i]: where the words of picture token i begin; words come in the order of their tokens. */
static int *index_words(const struct ptd_ground *d, long rows)
{
    int *first = ptd_array(rows + 1, sizeof *first), w = 0;
    for (long i = 0; i <= rows; i++) {
        while (w < d->n && d->words[w].row < i) w++;
        first[i] = w;
    }
    return first;
}

double ptd_ground_backward(struct ptd_ground *d, struct ptd_model *m, struct ptd_batch *b,
                           double total, ptd_num *dimage)
{
    const struct ptd_layout *l = m->layout;
    const struct ptd_config *c = &m->config;
    long n = b->n_image_rows;
    struct ptd_device *device = m->device;
    ptd_num *x = ptd_pool_nums(&b->pool, n * c->hidden),
            *dx = ptd_pool_nums(&b->pool, n * c->hidden);
    ptd_stat *rstd = ptd_pool_stats(&b->pool, n);
    struct reading r = {d, index_words(d, n), ptd_array(n + 1, sizeof(double)), d->weight / total};
    struct ptd_head_job job = {.device = m->device,
                               .W = ptd_model_head(m),
                               .V = c->vocab,
                               .H = c->hidden,
                               .temperature = 1,
                               .banned = d->banned,
                               .row = on_row,
                               .ctx = &r};
    double sum = 0;
    m->device->ops->rmsnorm(m->device, x, rstd, b->merger.out, l->norm.gain.value, n, c->hidden,
                            c->rms_eps);
    ptd_head_backward(&job, x, n, dx, ptd_model_dhead(m));
    device->ops->zero(device, dimage, n * c->hidden * device->num_size);
    m->device->ops->rmsnorm_backward(m->device, dimage, l->norm.gain.gradient, dx, b->merger.out,
                                     rstd, l->norm.gain.value, n, c->hidden);
    for (long i = 0; i < n; i++) sum += r.loss[i];
    free(r.first);
    free(r.loss);
    d->n = 0;
    return sum;
}
