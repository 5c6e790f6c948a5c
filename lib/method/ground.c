/* ground: see ground.h. */
#include "method/ground.h"
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
    int n = ptd_tokenizer_encode_data(d->tokenizer, text, strlen(text), &ids);
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

/* Sum of the losses of n rows x; dx, and what the head learns, are scale times their gradients. */
static double learn(const struct ptd_ground *d, struct ptd_score *s, const ptd_num *x, ptd_num *dx,
                    long n, double scale)
{
    int *first = index_words(d, n);
    int32_t *id = ptd_array(d->n + 1, sizeof *id);
    double *total = ptd_array(n + 1, sizeof *total), *logp = ptd_array(d->n + 1, sizeof *logp),
           *dlogp = ptd_array(d->n + 1, sizeof *dlogp), sum = 0;
    struct ptd_head_lesson l = {
        .score = {.rules.temperature = 1, .words = {first, id}},
        .scored = {.total = total, .logp = logp},
        .gradient = {.dlogp = dlogp},
    };
    for (int i = 0; i < d->n; i++) id[i] = d->words[i].id, dlogp[i] = -scale;
    ptd_lm_head_learn(ptd_score_head(s, d->banned), x, n, &l, dx);
    for (int i = 0; i < d->n; i++) sum -= logp[i];
    free(first);
    free(id);
    free(total);
    free(logp);
    free(dlogp);
    return sum;
}

double ptd_ground_backward(struct ptd_ground *d, struct ptd_score *s, double total, ptd_num *dimage)
{
    struct ptd_model *m = s->m;
    struct ptd_batch *b = s->batch;
    const struct ptd_layout *l = m->layout;
    const struct ptd_config *c = &m->config;
    long n = b->n_image_rows;
    const struct ptd_weight *gain = &l->norm.gain;
    struct ptd_device *device = m->device;
    ptd_num *x = ptd_score_nums(s, n * c->hidden), *dx = ptd_score_nums(s, n * c->hidden);
    ptd_stat *rstd = ptd_pool_stats(&b->pool, n);
    device->ops->rmsnorm(device, x, rstd, b->merger.out, gain->value, n, c->hidden, c->rms_eps);
    double sum = learn(d, s, x, dx, n, d->weight / total);
    device->ops->zero(device, dimage, n * c->hidden * device->num_size);
    device->ops->rmsnorm_backward(device, dimage, gain->gradient, dx, b->merger.out, rstd,
                                  gain->value, n, c->hidden);
    d->n = 0;
    return sum;
}
