/* groups: see groups.h. */
#include "view/groups.h"
#include "data/image.h"
#include "data/image_impl.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDE 336 /* smaller pictures are enlarged towards it, by a whole number */

struct numbers {
    double *x;
    size_t n, cap;
};
struct shown {
    struct ptd_buf png;
    int height, width;
    char *words;
};
struct ptd_groups {
    struct numbers length, prompt, reward;
    struct shown *shown;
    int n_shown, most;
};

struct ptd_groups *ptd_groups_new(int pictures)
{
    struct ptd_groups *s = ptd_alloc(sizeof *s);
    s->most = pictures;
    s->shown = ptd_array((size_t)pictures, sizeof *s->shown);
    return s;
}

static void forget(struct ptd_groups *s)
{
    for (int i = 0; i < s->n_shown; i++) {
        free(s->shown[i].png.data);
        free(s->shown[i].words);
        s->shown[i] = (struct shown){0};
    }
    s->n_shown = 0;
    s->length.n = s->prompt.n = s->reward.n = 0;
}

void ptd_groups_free(struct ptd_groups *s)
{
    forget(s);
    free(s->length.x);
    free(s->prompt.x);
    free(s->reward.x);
    free(s->shown);
    free(s);
}

static void add(struct numbers *v, double x)
{
    if (!isfinite(x)) return;
    if (v->n == v->cap) v->x = ptd_realloc(v->x, (v->cap = 2 * v->cap + 64) * sizeof *v->x);
    v->x[v->n++] = x;
}

/* ---- pictures ---- */

static void enlarge(struct ptd_image *im, const struct ptd_picture *p)
{
    int larger = p->width > p->height ? p->width : p->height, k = larger < SIDE ? SIDE / larger : 1;
    *im = (struct ptd_image){.height = p->height * k, .width = p->width * k};
    im->pixels = ptd_array((size_t)im->height * (size_t)im->width, 3);
    for (int y = 0; y < im->height; y++)
        for (int x = 0; x < im->width; x++)
            memcpy(im->pixels + 3 * ((size_t)y * (size_t)im->width + (size_t)x),
                   p->pixels + 3 * ((size_t)(y / k) * (size_t)p->width + (size_t)(x / k)), 3);
}

static void dot(struct ptd_image *im, int y, int x, int light)
{
    if (y < 0 || x < 0 || y >= im->height || x >= im->width) return;
    memset(im->pixels + 3 * ((size_t)y * (size_t)im->width + (size_t)x), light, 3);
}

static void rectangle(struct ptd_image *im, const int at[4], int inset, int light)
{
    int x0 = at[0] + inset, y0 = at[1] + inset, x1 = at[2] - 1 - inset, y1 = at[3] - 1 - inset;
    for (int x = x0; x <= x1; x++) dot(im, y0, x, light), dot(im, y1, x, light);
    for (int y = y0; y <= y1; y++) dot(im, y, x0, light), dot(im, y, x1, light);
}

/* A white line between dark ones is seen on any ground. */
static void frame(struct ptd_image *im, const struct ptd_region *r)
{
    const int at[] = {
        (int)lroundf(r->box[0] * (float)im->width), (int)lroundf(r->box[1] * (float)im->height),
        (int)lroundf(r->box[2] * (float)im->width), (int)lroundf(r->box[3] * (float)im->height)};
    const int light[] = {0, 255, 255, 0};
    for (int i = 0; i < 4; i++) rectangle(im, at, i, light[i]);
}

static char *words_of(const struct ptd_group *g)
{
    return ptd_format("%s, category %s\n%s\nanswer: %s\nhint (%s): %s", g->uid ? g->uid : "",
                      g->category ? g->category : "", g->question ? g->question : "",
                      g->answer ? g->answer : "", g->hint.source ? g->hint.source : "",
                      g->hint.text);
}

static int show(struct ptd_groups *s, const struct ptd_group *g)
{
    struct shown *to = &s->shown[s->n_shown++];
    struct ptd_image im;
    enlarge(&im, &g->pictures[0]);
    for (int i = 0; i < g->hint.n_regions; i++) frame(&im, &g->hint.regions[i]);
    to->height = im.height, to->width = im.width;
    to->words = words_of(g);
    int rc = ptd_png_encode(&im, &to->png);
    free(im.pixels);
    return rc;
}

/* ---- all ---- */

int ptd_groups_add(struct ptd_groups *s, const struct ptd_group *g)
{
    add(&s->prompt, g->n_prompt);
    for (int i = 0; i < g->n_rollouts; i++) {
        const struct ptd_rollout *y = &g->rollouts[i];
        add(&s->length, y->n);
        if (y->outcome != PTD_UNJUDGED) add(&s->reward, y->reward);
    }
    int visible = g->hint.text && g->n_pictures && g->pictures[0].pixels &&
                  g->pictures[0].width > 0 && g->pictures[0].height > 0;
    return visible && s->n_shown < s->most ? show(s, g) : 0;
}

static void say(struct ptd_events *e, const char *tag, const struct numbers *v)
{
    if (v->n) ptd_events_histogram(e, tag, v->x, v->n);
}

int ptd_groups_step(struct ptd_groups *s, struct ptd_events *e, int64_t step, double time)
{
    say(e, "response_length", &s->length);
    say(e, "prompt_length", &s->prompt);
    say(e, "reward", &s->reward);
    for (int i = 0; i < s->n_shown; i++) {
        const struct shown *p = &s->shown[i];
        char tag[32];
        snprintf(tag, sizeof tag, "hint/%d", i + 1);
        ptd_events_picture(e, tag, p->png.data, p->png.len, p->height, p->width);
        snprintf(tag, sizeof tag, "hint_words/%d", i + 1); /* a tag is of one kind */
        ptd_events_text(e, tag, p->words);
    }
    int rc = ptd_events_step(e, step, time);
    forget(s);
    return rc;
}
