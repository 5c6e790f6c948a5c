/* towers: forward and backward as the sum of vision.c and lm.c: how far backward reaches, and the
 * memory of both, which is taken in one piece; what one of them needs only while it runs serves the
 * other. */
#include "base/size.h"
#include "net/net.h"
#include <stdio.h>
#include <string.h>

/* The lowest layer of the text that parameter p's gradient needs; `none`: it needs none. */
static int reach_of(const struct ptd_param *p, int none)
{
    const char *layer = strstr(p->name, "layers.");
    int at;
    if (strstr(p->name, "visual.") || strstr(p->name, "embed_tokens.")) return 0;
    return layer && sscanf(layer, "layers.%d.", &at) == 1 ? at : none;
}

void ptd_model_reach(struct ptd_model *m)
{
    m->learns = 1;
    m->learns_vision = 0;
    m->lowest = m->config.layers;
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        if (!p->trained) continue;
        int at = reach_of(p, m->config.layers);
        if (at < m->lowest) m->lowest = at;
        m->learns_vision |= strstr(p->name, "visual.") != NULL;
    }
}

static int learns_pictures(const struct ptd_batch *b)
{
    return b->n_patches && b->keep && b->m->learns && b->m->learns_vision;
}

/* The pictures' memory, but what only their forward pass needs. */
static void take_pictures(struct ptd_batch *b)
{
    const struct ptd_config *c = &b->m->config;
    size_t n = (size_t)b->n_image_rows * c->hidden;
    int wanted = learns_pictures(b);
    if (b->n_patches) ptd_vision_take(b);
    b->to_merger = wanted ? ptd_pool_nums(&b->pool, n) : NULL;
    for (int i = 0; i < c->n_deepstack; i++)
        b->to_deepstack[i] = wanted ? ptd_pool_nums(&b->pool, n) : NULL;
}

/* What ptd_forward, a head and ptd_backward take, in their order. */
static void take_all(struct ptd_batch *b)
{
    size_t H = b->m->config.hidden;
    take_pictures(b);
    b->text = ptd_pool_mark(&b->pool);
    if (b->n_patches) ptd_vision_take_scratch(b);
    ptd_pool_release(&b->pool, b->text);
    ptd_lm_take(b);
    if (!b->keep) ptd_pool_release(&b->pool, b->scratch);
    if (!b->asked) ptd_pool_nums(&b->pool, b->targets * H);
    if (!b->keep || !b->m->learns) return;
    ptd_pool_nums(&b->pool, b->targets * H);
    ptd_pool_nums(&b->pool, b->n * H);
    ptd_lm_take_backward(b);
    ptd_pool_release(&b->pool, b->text);
    if (learns_pictures(b)) ptd_vision_take_backward(b);
}

size_t ptd_batch_bytes(struct ptd_batch *b)
{
    struct ptd_pool own = b->pool;
    b->pool = (struct ptd_pool){.device = b->m->device, .counts = 1};
    take_all(b);
    size_t bytes = b->pool.peak;
    b->pool = own;
    return bytes;
}

void ptd_batch_fit(struct ptd_batch *b, size_t most)
{
    int n = b->m->config.layers - 1 - (b->m->learns ? b->m->lowest : 0);
    b->keep = PTD_KEEP_ALL;
    for (n = n > 0 ? n : 0; n >= 0 && ptd_batch_bytes(b) > most; n--) b->keep = PTD_KEEP_INPUTS + n;
}

int ptd_batch_check(struct ptd_batch *b, size_t room, const char *instead)
{
    size_t need = ptd_batch_bytes(b), have = ptd_pool_room(&b->pool), left;
    if (need <= have) return 0;
    left = room ? room : ptd_device_room(b->m->device);
    if (!room && left < SIZE_MAX - have) left += have;
    if (need <= left) return 0;
    return ptd_fail(PTD_OSERR,
                    "the activations of %ld rows and %ld patches take %s of memory, and there are "
                    "%s: expected %s",
                    b->n, b->n_patches, ptd_size((double)need).text, ptd_size((double)left).text,
                    instead);
}

/* The batch's pictures, which are sealed; behind them in the pool is the text. */
static void see(struct ptd_model *m, struct ptd_batch *b)
{
    take_pictures(b);
    b->text = ptd_pool_mark(&b->pool);
    if (!b->n_patches) return;
    ptd_vision_take_scratch(b);
    ptd_vision_forward(m, b);
    ptd_pool_release(&b->pool, b->text);
}

void ptd_see(struct ptd_model *m, struct ptd_batch *b)
{
    ptd_pool_reset(&b->pool);
    ptd_batch_seal_pictures(b);
    see(m, b);
}

void ptd_forward(struct ptd_model *m, struct ptd_batch *b)
{
    ptd_pool_reset(&b->pool);
    ptd_pool_want(&b->pool, ptd_batch_bytes(b));
    ptd_batch_seal(b);
    see(m, b);
    ptd_lm_take(b);
    ptd_lm_forward(m, b);
    if (!b->keep) ptd_pool_release(&b->pool, b->scratch);
}

void ptd_backward(struct ptd_model *m, struct ptd_batch *b, const ptd_num *dhidden)
{
    struct ptd_device *d = m->device;
    ptd_num *dimage = b->to_merger;
    ptd_device_resting(d, m->grads, PTD_RESTS_SAVED);
    ptd_lm_take_backward(b);
    ptd_lm_backward(m, b, dhidden, dimage, b->to_deepstack);
    if (dimage && b->dimage)
        d->ops->add(d, dimage, b->dimage, b->n_image_rows * (long)m->config.hidden);
    b->dimage = NULL;
    ptd_pool_release(&b->pool, b->text);
    if (!dimage) return;
    ptd_vision_take_backward(b);
    ptd_vision_backward(m, b, dimage, b->to_deepstack);
}
