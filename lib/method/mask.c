/* mask: see mask.h. */
#include "method/mask.h"
#include "base/rng.h"
#include <string.h>
#include <xxhash.h>

/* The square with its upper left corner at x, y, as far as it lies in the picture. */
static void blacken(uint8_t *pixels, const struct ptd_picture *p, int x, int y, int side)
{
    int wide = p->width - x < side ? p->width - x : side;
    for (int row = y; row < y + side && row < p->height; row++)
        memset(pixels + 3 * ((size_t)row * p->width + x), 0, 3 * (size_t)wide);
}

/* which: of group and step; number: of the picture. */
static void mask_one(struct ptd_picture *p, uint8_t *pixels, const struct ptd_mask *m,
                     uint32_t which, uint32_t number)
{
    uint32_t square = 0;
    for (int y = 0; y < p->height; y += m->side)
        for (int x = 0; x < p->width; x += m->side)
            if (ptd_uniform(m->seed, PTD_RNG_MASK, which, number, square++) < m->share)
                blacken(pixels, p, x, y, m->side);
    p->pixels = pixels;
    ptd_picture_hash(pixels, p->height, p->width, p->hash);
}

const struct ptd_picture *ptd_mask_pictures(struct ptd_group *g, const struct ptd_mask *m)
{
    struct ptd_picture *all = ptd_group_alloc(g, ((size_t)g->n_pictures + 1) * sizeof *all);
    uint32_t which = (uint32_t)XXH3_64bits_withSeed(g->uid, strlen(g->uid), (uint64_t)g->step);
    for (int i = 0; i < g->n_pictures; i++) {
        size_t bytes = 3 * (size_t)g->pictures[i].height * g->pictures[i].width;
        uint8_t *pixels = ptd_group_alloc(g, bytes + 1);
        all[i] = g->pictures[i];
        memcpy(pixels, all[i].pixels, bytes);
        mask_one(&all[i], pixels, m, which, (uint32_t)i);
    }
    return all;
}
