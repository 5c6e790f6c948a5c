/* encoder: see encoder.h. */
#include "net/encoder.h"
#include "base/opt_value.h"
#include "base/shelf.h"
#include "compute/fingerprint.h"
#include "net/net.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct ptd_encoder {
    struct ptd_model *m;
    struct ptd_shelf *shelf;
    uint64_t weights; /* what decides rows besides the picture */
    int64_t all, found;
};

static int bound(int64_t *bytes)
{
    const char *text = getenv("PTD_ROWS_MAX");
    *bytes = PTD_ENCODER_SHELF;
    if (!text || (ptd_whole_number(text, bytes) == 0 && *bytes >= 0)) return 0;
    return ptd_fail(PTD_CONFIG, "PTD_ROWS_MAX: found \"%.64s\", expected bytes (with Ki, Mi, Gi)",
                    text);
}

struct ptd_encoder *ptd_encoder_new(struct ptd_model *m, const char *identity)
{
    int64_t most;
    if (bound(&most) || ptd_shelf_check()) return NULL;
    struct ptd_encoder *e = ptd_alloc(sizeof *e);
    char *machine = ptd_machine(m->device), *all = ptd_format("%s %s", identity, machine);
    e->m = m;
    e->weights = XXH3_64bits(all, strlen(all));
    e->shelf = ptd_shelf_open("rows", most);
    free(machine);
    free(all);
    return e;
}

int ptd_encoder_serves(const struct ptd_model *m)
{
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        if (strstr(p->name, "visual.") && (p->trained || p->adapter || p->from)) return 0;
    }
    return m->adapters != NULL;
}

void ptd_encoder_detach(struct ptd_model *m)
{
    if (ptd_encoder_serves(m)) return;
    ptd_encoder_free(m->encoder);
    m->encoder = NULL;
}

int ptd_encoder_attach(struct ptd_model *m, struct ptd_store *s)
{
    char identity[17];
    ptd_encoder_detach(m);
    if (m->encoder || !ptd_encoder_serves(m)) return 0;
    if (ptd_store_identity(s, 0, identity)) return -1;
    m->encoder = ptd_encoder_new(m, identity);
    return m->encoder ? 0 : -1;
}

void ptd_encoder_free(struct ptd_encoder *e)
{
    if (!e) return;
    ptd_shelf_close(e->shelf);
    free(e);
}

/* ---- one picture ---- */

static void key_of(const struct ptd_encoder *e, const struct ptd_picture *p, char key[64])
{
    XXH128_hash_t h =
        XXH3_128bits_withSeed(p->pixels, (size_t)p->height * p->width * 3, e->weights);
    snprintf(key, 64, "%016llx%016llx-%dx%d", (unsigned long long)h.high64,
             (unsigned long long)h.low64, p->height, p->width);
}

static int encode(struct ptd_encoder *e, const struct ptd_picture *p, size_t n, float *rows)
{
    const struct ptd_config *c = &e->m->config;
    struct ptd_device *d = e->m->device;
    struct ptd_batch *b = ptd_batch_new(e->m);
    b->keep = PTD_KEEP_NOTHING;
    int r = ptd_batch_picture(b, p);
    if (r == 0) {
        ptd_batch_seal(b);
        ptd_vision_take(b);
        ptd_vision_take_scratch(b);
        ptd_vision_forward(e->m, b);
        d->ops->get_nums(d, rows, b->merger.out, n);
        for (int i = 0; i < c->n_deepstack; i++)
            d->ops->get_nums(d, rows + (size_t)(i + 1) * n, b->deepstack[i].out, n);
        r = ptd_device_wait(d);
    }
    ptd_batch_free(b);
    return r;
}

int ptd_encoder_rows(struct ptd_encoder *e, const struct ptd_picture *p, float *rows)
{
    const struct ptd_config *c = &e->m->config;
    int side = c->v_patch * c->v_merge;
    size_t n = (size_t)(p->height / side) * (p->width / side) * c->hidden,
           bytes = (1 + (size_t)c->n_deepstack) * n * sizeof *rows;
    char key[64];
    key_of(e, p, key);
    e->all++;
    if (ptd_shelf_take(e->shelf, key, rows, bytes)) {
        e->found++;
        return 0;
    }
    if (encode(e, p, n, rows)) return -1;
    ptd_shelf_put(e->shelf, key, rows, bytes);
    return 0;
}

void ptd_encoder_counts(const struct ptd_encoder *e, int64_t *all, int64_t *found)
{
    *all = e->all;
    *found = e->found;
}
