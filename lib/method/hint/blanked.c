/* blanked: see blanked.h. */
#include "method/hint/blanked.h"
#include <math.h>
#include <string.h>

/* The mean colour of p. */
static void mean_colour(const struct ptd_picture *p, uint8_t rgb[3])
{
    double sum[3] = {0}, n = (double)p->height * p->width;
    for (size_t i = 0; i < 3 * (size_t)p->height * p->width; i++) sum[i % 3] += p->pixels[i];
    for (int k = 0; k < 3; k++) rgb[k] = (uint8_t)(sum[k] / n + 0.5);
}

/* to: p with the cell painted over. */
static void paint_over(const struct ptd_hint_grid *grid, const struct ptd_picture *p, int cell,
                       uint8_t *to)
{
    uint8_t rgb[3];
    mean_colour(p, rgb);
    memcpy(to, p->pixels, 3 * (size_t)p->height * p->width);
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++)
            if (y * grid->rows / p->height * grid->columns + x * grid->columns / p->width == cell)
                memcpy(to + 3 * ((size_t)y * p->width + x), rgb, 3);
}

int ptd_hint_blanked(struct ptd_weigh *w, const struct ptd_hint_grid *grid, struct ptd_group *g,
                     double *loss)
{
    const char *const no_hint = NULL;
    struct ptd_weighed all, without;
    struct ptd_group view = *g;
    struct ptd_picture *p = ptd_group_alloc(&view, (size_t)g->n_pictures * sizeof *p);
    uint8_t *pixels = ptd_group_alloc(&view, 3 * (size_t)g->pictures->height * g->pictures->width);
    memcpy(p, g->pictures, (size_t)g->n_pictures * sizeof *p);
    view.pictures = p;
    int rc = ptd_weigh_rank(w, &view, &no_hint, 1, &all);
    p->pixels = pixels;
    for (int cell = 0; cell < grid->rows * grid->columns && rc == 0; cell++) {
        paint_over(grid, g->pictures, cell, pixels);
        ptd_picture_hash(pixels, p->height, p->width, p->hash);
        rc = ptd_weigh_rank(w, &view, &no_hint, 1, &without);
        loss[cell] = fmax(0, all.rank - without.rank);
    }
    g->arena = view.arena;
    return rc;
}
