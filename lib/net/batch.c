/* batch: packing prompts, pictures and replies into rows without padding; positions (mRoPE) derived
 * from ids and pictures. What is computed on the rows is lm.c and vision.c. */
#include "data/image.h"
#include "net/encoder.h"
#include "net/net.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- life cycle ---- */

struct ptd_batch *ptd_batch_new(struct ptd_model *m)
{
    struct ptd_batch *b = ptd_alloc(sizeof *b);
    b->m = m;
    b->pool.device = m->device;
    b->keep = 1;
    b->lm = ptd_array(m->config.layers, sizeof *b->lm);
    b->vision = ptd_array(m->config.v_depth, sizeof *b->vision);
    return b;
}

void ptd_batch_reset(struct ptd_batch *b)
{
    b->n = b->n_segments = b->n_image_rows = b->n_patches = b->n_frames = b->n_blocks = 0;
    ptd_batch_ask(b, NULL, 0);
}

/* Plans go with the batch they were made of. */
static void free_plans(struct ptd_batch *b)
{
    const struct ptd_ops *o = b->m->device->ops;
    o->attention_plan_free(b->m->device, b->on.text);
    o->attention_plan_free(b->m->device, b->on.frames);
    memset(&b->on, 0, sizeof b->on);
}

void ptd_batch_free(struct ptd_batch *b)
{
    if (!b) return;
    free_plans(b);
    for (int i = 0; i < 4; i++) free(b->angles[i]);
    ptd_pool_free(&b->pool);
    free(b->turn);
    free(b->slot);
    free(b->ids);
    free(b->pos);
    free(b->segments);
    free(b->spans);
    free(b->blocks);
    free(b->image_row);
    free(b->encoded);
    free(b->patches);
    free(b->patch_at);
    free(b->tap);
    free(b->tap_weight);
    free(b->frames);
    free(b->lm);
    free(b->vision);
    free(b);
}

long ptd_batch_rows(const struct ptd_batch *b)
{
    return b->n;
}
long ptd_batch_row(const struct ptd_batch *b, int segment)
{
    return b->segments[segment].row;
}
void ptd_batch_ask(struct ptd_batch *b, const int32_t *rows, long n)
{
    b->asked = rows;
    b->n_asked = n;
}
ptd_num *ptd_batch_hidden(const struct ptd_batch *b)
{
    return b->hidden;
}

static void want_rows(struct ptd_batch *b, long n)
{
    if (b->n + n <= b->cap) return;
    b->cap = 2 * (b->n + n);
    b->ids = ptd_realloc(b->ids, b->cap * sizeof *b->ids);
    b->pos = ptd_realloc(b->pos, 3 * b->cap * sizeof *b->pos);
    b->slot = ptd_realloc(b->slot, b->cap * sizeof *b->slot);
}

static struct ptd_segment *add_segment(struct ptd_batch *b, int n, int prompt)
{
    struct ptd_segment *s;
    struct ptd_span *p;
    if (b->n_segments == b->segments_cap) {
        b->segments_cap = b->segments_cap ? 2 * b->segments_cap : 64;
        b->segments = ptd_realloc(b->segments, b->segments_cap * sizeof *b->segments);
        b->spans = ptd_realloc(b->spans, b->segments_cap * sizeof *b->spans);
    }
    p = &b->spans[b->n_segments];
    s = &b->segments[b->n_segments++];
    *s = (struct ptd_segment){.row = b->n, .n = n, .prompt = prompt};
    *p = (struct ptd_span){.row = b->n, .n = n, .own = b->n};
    if (prompt >= 0) {
        p->shared = b->segments[prompt].row;
        p->n_shared = b->segments[prompt].n;
    }
    return s;
}

/* ---- pictures ---- */

static void want_patches(struct ptd_batch *b, long n, int row)
{
    if (b->n_patches + n <= b->patch_cap) return;
    b->patch_cap = 2 * (b->n_patches + n);
    b->patches = ptd_realloc(b->patches, (size_t)b->patch_cap * row * sizeof *b->patches);
    b->patch_at = ptd_realloc(b->patch_at, 2 * b->patch_cap * sizeof *b->patch_at);
    b->tap = ptd_realloc(b->tap, 4 * b->patch_cap * sizeof *b->tap);
    b->tap_weight = ptd_realloc(b->tap_weight, 4 * b->patch_cap * sizeof *b->tap_weight);
}

/* Corner-aligned bilinear taps of one axis between the learned positions. */
static void axis_taps(int at, int n, int side, int *lo, int *hi, float *f)
{
    float y = n > 1 ? (float)at * (float)(side - 1) / (float)(n - 1) : 0;
    *lo = (int)floorf(y);
    *hi = *lo + 1 < side ? *lo + 1 : side - 1;
    *f = y - (float)*lo;
}

static void place_patch(struct ptd_batch *b, long at, int r, int c, int gh, int gw)
{
    int side = (int)lrint(sqrt(b->m->config.v_positions)), y0, y1, x0, x1;
    float fy, fx, *w = b->tap_weight + 4 * at;
    int32_t *tap = b->tap + 4 * at;
    axis_taps(r, gh, side, &y0, &y1, &fy);
    axis_taps(c, gw, side, &x0, &x1, &fx);
    b->patch_at[2 * at] = r;
    b->patch_at[2 * at + 1] = c;
    tap[0] = y0 * side + x0, w[0] = (1 - fy) * (1 - fx);
    tap[1] = y0 * side + x1, w[1] = (1 - fy) * fx;
    tap[2] = y1 * side + x0, w[2] = fy * (1 - fx);
    tap[3] = y1 * side + x1, w[3] = fy * fx;
}

static void place_frame(struct ptd_batch *b, int gh, int gw)
{
    int m = b->m->config.v_merge;
    if (b->n_frames == b->frames_cap) {
        b->frames_cap = b->frames_cap ? 2 * b->frames_cap : 32;
        b->frames = ptd_realloc(b->frames, b->frames_cap * sizeof *b->frames);
    }
    b->frames[b->n_frames++] =
        (struct ptd_span){.row = b->n_patches, .n = gh * gw, .own = b->n_patches};
    for (int n = 0; n < gh * gw; n++) { /* merge-block order: each merge x merge block together */
        int ic = n % m, ir = n / m % m, bc = n / (m * m) % (gw / m), br = n / (m * m * (gw / m));
        place_patch(b, b->n_patches + n, br * m + ir, bc * m + ic, gh, gw);
    }
    b->n_patches += gh * gw;
}

static int row_length(const struct ptd_config *c)
{
    return c->v_channels * c->v_temporal * c->v_patch * c->v_patch;
}

void ptd_batch_frames(struct ptd_batch *b, const float *rows, int frames, int gh, int gw)
{
    int row = row_length(&b->m->config);
    long n = (long)frames * gh * gw;
    want_patches(b, n, row);
    memcpy(b->patches + b->n_patches * row, rows, n * row * sizeof *rows);
    for (int i = 0; i < frames; i++) place_frame(b, gh, gw);
}

static int check_size(const struct ptd_config *c, const struct ptd_picture *p)
{
    if (p->height > 0 && p->width > 0 && p->height % (c->v_patch * c->v_merge) == 0 &&
        p->width % (c->v_patch * c->v_merge) == 0)
        return 0;
    return ptd_fail(PTD_DATAERR, "picture of %d x %d pixels: expected multiples of %d", p->height,
                    p->width, c->v_patch * c->v_merge);
}

int ptd_batch_picture(struct ptd_batch *b, const struct ptd_picture *p)
{
    const struct ptd_config *c = &b->m->config;
    int gh = p->height / c->v_patch, gw = p->width / c->v_patch, row = row_length(c);
    if (check_size(c, p)) return -1;
    want_patches(b, (long)gh * gw, row);
    ptd_image_patches(p->pixels, p->height, p->width, &b->m->rules,
                      b->patches + b->n_patches * row);
    place_frame(b, gh, gw);
    return 0;
}

/* Room for n more rows of each output, which keep their place. */
static void want_encoded(struct ptd_batch *b, long n)
{
    int outputs = 1 + b->m->config.n_deepstack;
    size_t H = (size_t)b->m->config.hidden;
    long cap = 2 * (b->n_image_rows + n);
    if (b->n_image_rows + n <= b->encoded_cap) return;
    float *all = ptd_array((size_t)cap * outputs * H, sizeof *all);
    for (int i = 0; i < outputs && b->n_image_rows; i++)
        memcpy(all + (size_t)i * cap * H, b->encoded + (size_t)i * b->encoded_cap * H,
               (size_t)b->n_image_rows * H * sizeof *all);
    free(b->encoded);
    b->encoded = all;
    b->encoded_cap = cap;
}

/* Its rows, one output behind the other. */
static int add_encoded(struct ptd_batch *b, const struct ptd_picture *p)
{
    const struct ptd_config *c = &b->m->config;
    int side = c->v_patch * c->v_merge, outputs = 1 + c->n_deepstack;
    if (check_size(c, p)) return -1;
    long n = (long)(p->height / side) * (p->width / side);
    size_t H = (size_t)c->hidden;
    float *rows = ptd_array(outputs * n * H, sizeof *rows);
    int r = ptd_encoder_rows(b->m->encoder, p, rows);
    want_encoded(b, n);
    for (int i = 0; i < outputs; i++)
        memcpy(b->encoded + ((size_t)i * b->encoded_cap + b->n_image_rows) * H, rows + i * n * H,
               n * H * sizeof *rows);
    free(rows);
    return r;
}

/* ---- tokens ---- */

static void place_row(struct ptd_batch *b, int32_t id, int t, int h, int w)
{
    int32_t *p = b->pos + 3 * b->n;
    b->slot[b->n] = (int32_t)b->n;
    b->ids[b->n++] = id;
    p[0] = t, p[1] = h, p[2] = w;
}

static void want_image_rows(struct ptd_batch *b, long n)
{
    if (b->n_image_rows + n <= b->image_cap) return;
    b->image_cap = 2 * (b->n_image_rows + n);
    b->image_row = ptd_realloc(b->image_row, b->image_cap * sizeof *b->image_row);
}

/* The R x C placeholders of one picture: all at time cur, rows and columns counted from cur. */
static void place_picture_rows(struct ptd_batch *b, int R, int C, int cur)
{
    want_image_rows(b, (long)R * C);
    for (int i = 0; i < R * C; i++) {
        b->image_row[b->n_image_rows++] = (int32_t)b->n;
        place_row(b, b->m->config.image_token, cur, cur + i / C, cur + i % C);
    }
}

static int run_of(const int32_t *ids, int n, int32_t id)
{
    int k = 0;
    while (k < n && ids[k] == id) k++;
    return k;
}

int ptd_batch_prompt(struct ptd_batch *b, const int32_t *ids, int n, const struct ptd_picture *p,
                     int n_pictures)
{
    const struct ptd_config *c = &b->m->config;
    int factor = c->v_patch * c->v_merge, cur = 0, used = 0, index = b->n_segments;
    struct ptd_segment *s;
    if (c->positions && n > c->positions)
        return ptd_fail(PTD_DATAERR,
                        "a prompt of %d tokens, expected at most %d (max_position_embeddings)", n,
                        c->positions);
    want_rows(b, n);
    s = add_segment(b, n, -1);
    s->first_image_row = (int)b->n_image_rows;
    for (int i = 0; i < n;) {
        if (ids[i] < 0 || ids[i] >= c->vocab)
            return ptd_fail(PTD_DATAERR, "prompt token %d: id %d, expected 0..%d", i, ids[i],
                            c->vocab - 1);
        if (ids[i] != c->image_token) {
            place_row(b, ids[i++], cur, cur, cur);
            cur++;
            continue;
        }
        if (used == n_pictures)
            return ptd_fail(PTD_DATAERR,
                            "prompt token %d is a picture pad, but all %d pictures are used", i,
                            n_pictures);
        int R = p[used].height / factor, C = p[used].width / factor,
            pads = run_of(ids + i, n - i, c->image_token);
        if (pads < R * C)
            return ptd_fail(PTD_DATAERR, "picture %d needs %d pads, the prompt has %d", used, R * C,
                            pads);
        if (b->m->encoder ? add_encoded(b, &p[used]) : ptd_batch_picture(b, &p[used])) return -1;
        place_picture_rows(b, R, C, cur);
        cur += R > C ? R : C;
        i += R * C;
        used++;
    }
    if (used != n_pictures)
        return ptd_fail(PTD_DATAERR, "%d pictures, but pads for %d in the prompt", n_pictures,
                        used);
    s->n_image_rows = (int)b->n_image_rows - s->first_image_row;
    s->next = cur;
    return index;
}

int ptd_batch_reply(struct ptd_batch *b, int prompt, const int32_t *ids, int n)
{
    struct ptd_segment *s;
    int cur = b->segments[prompt].next, before = b->n_segments - 1;
    if (before != prompt && b->segments[before].prompt != prompt)
        ptd_die(PTD_BUG, "a reply that does not follow its prompt's");
    want_rows(b, n);
    s = add_segment(b, n, prompt);
    for (int i = 0; i < n; i++) place_row(b, ids[i], cur + i, cur + i, cur + i);
    s->next = cur + n;
    return b->n_segments - 1;
}

/* ---- decoding ---- */

long ptd_batch_blocks(struct ptd_batch *b, const struct ptd_kv_list *l)
{
    if (b->n_blocks + l->n > b->blocks_cap) {
        b->blocks_cap = 2 * (b->n_blocks + l->n);
        b->blocks = ptd_realloc(b->blocks, (size_t)b->blocks_cap * sizeof *b->blocks);
    }
    if (l->n) memcpy(b->blocks + b->n_blocks, l->block, (size_t)l->n * sizeof *l->block);
    b->n_blocks += l->n;
    return b->n_blocks - l->n;
}

/* What another batch saw in its pictures, from merged row `first` on. */
static void borrow_pictures(struct ptd_batch *b, const struct ptd_batch *from, long first)
{
    const struct ptd_device *d = b->m->device;
    size_t at = (size_t)first * b->m->config.hidden;
    b->merger.out = ptd_at(d, from->merger.out, at);
    for (int i = 0; i < b->m->config.n_deepstack; i++)
        b->deepstack[i].out = ptd_at(d, from->deepstack[i].out, at);
}

/* Those of rows `first` and the n - 1 behind it, which become rows from `to` on. */
static void piece_pictures(struct ptd_batch *b, const struct ptd_batch *from,
                           const struct ptd_segment *s, long first, int n, long to)
{
    for (long i = s->first_image_row; i < s->first_image_row + s->n_image_rows; i++) {
        long row = from->image_row[i] - first;
        if (row < 0 || row >= n) continue;
        if (!b->n_image_rows) borrow_pictures(b, from, i);
        want_image_rows(b, 1);
        b->image_row[b->n_image_rows++] = (int32_t)(to + row);
    }
}

void ptd_batch_piece(struct ptd_batch *b, const struct ptd_batch *from, int segment, int first,
                     int n, const struct ptd_kv_list *keys)
{
    const struct ptd_segment *s = &from->segments[segment];
    long row = s->row + first, to = b->n;
    want_rows(b, n);
    add_segment(b, n, -1);
    b->spans[b->n_segments - 1].own = ptd_batch_blocks(b, keys);
    b->spans[b->n_segments - 1].past = first;
    piece_pictures(b, from, s, row, n, to);
    for (int i = 0; i < n; i++) {
        const int32_t *p = from->pos + 3 * (row + i);
        place_row(b, from->ids[row + i], p[0], p[1], p[2]);
        b->slot[to + i] = (int32_t)ptd_kv_slot(keys, first + i);
    }
}

void ptd_batch_step(struct ptd_batch *b, int32_t id, int32_t position, long slot,
                    struct ptd_span span)
{
    want_rows(b, 1);
    add_segment(b, 1, -1);
    span.row = b->n;
    b->spans[b->n_segments - 1] = span;
    place_row(b, id, position, position, position);
    b->slot[b->n - 1] = (int32_t)slot;
}

/* ---- to the device ---- */

static void seal_pictures(struct ptd_batch *b)
{
    size_t n = (size_t)b->n_patches;
    b->on.patches = ptd_pool_put_nums(&b->pool, b->patches, n * row_length(&b->m->config));
    b->on.tap = ptd_pool_put_ints(&b->pool, b->tap, 4 * n);
    b->on.tap_weight = ptd_pool_put_stats(&b->pool, b->tap_weight, 4 * n);
    ptd_vision_seal(b);
}

static void seal_encoded(struct ptd_batch *b)
{
    size_t H = (size_t)b->m->config.hidden, n = (size_t)b->n_image_rows * H;
    for (int i = 0; i <= b->m->config.n_deepstack; i++) {
        struct ptd_merger_acts *a = i ? &b->deepstack[i - 1] : &b->merger;
        a->out = (ptd_num *)ptd_pool_put_nums(&b->pool, b->encoded + i * b->encoded_cap * H, n);
    }
}

void ptd_batch_seal_pictures(struct ptd_batch *b)
{
    free_plans(b);
    if (b->n_patches) seal_pictures(b);
    if (b->encoded && b->n_image_rows) seal_encoded(b);
}

void ptd_batch_seal(struct ptd_batch *b)
{
    ptd_batch_seal_pictures(b);
    if (!b->n) return;
    b->on.ids = ptd_pool_put_ints(&b->pool, b->ids, (size_t)b->n);
    b->on.slot = ptd_pool_put_ints(&b->pool, b->slot, (size_t)b->n);
    b->on.image_row = ptd_pool_put_ints(&b->pool, b->image_row, (size_t)b->n_image_rows);
    if (b->asked) b->on.asked = ptd_pool_put_ints(&b->pool, b->asked, (size_t)b->n_asked);
    ptd_lm_seal(b);
}
