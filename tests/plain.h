/* plain: the network once more, in double and as slow as its formulas read (qwen3-vl's vision
 * tower, mergers and decoder), for tests of the engine: values to rounding, and gradients by
 * differences of this form. No sharing, no packing: one sequence at a time, all memory from one
 * bump array that plain_hidden empties. */
#ifndef PTD_TESTS_PLAIN_H
#define PTD_TESTS_PLAIN_H
#include "base/err.h"
#include "compute/ops.h"
#include "net/model.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plain {
    const struct ptd_model *m;
    const double *w; /* [n_weights]: the model's parameters in double */
    /* NULL, or what rounding adds to keys and values, [layers][2][n, kv_heads * head_dim]: found
     * where `given` says what became of them, and the same number ever after, so that differences
     * go straight through */
    double *shift;
    const float *given;
};

static double plain_memory[3 << 19];
static size_t plain_used;

static inline double *plain_take(size_t n)
{
    double *p = plain_memory + plain_used;
    plain_used += n;
    if (plain_used > sizeof plain_memory / sizeof *plain_memory)
        ptd_die(PTD_BUG, "plain_memory is too small");
    memset(p, 0, n * sizeof *p);
    return p;
}

static inline const struct ptd_param *plain_param(const struct ptd_model *m, const char *name)
{
    for (int i = 0; i < m->n_params; i++)
        if (!strcmp(m->params[i].name, name)) return &m->params[i];
    ptd_die(PTD_BUG, "no parameter %s", name);
}

__attribute__((format(printf, 2, 3))) static inline const double *
plain_weight(const struct plain *p, const char *fmt, ...)
{
    char name[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    return p->w + plain_param(p->m, name)->offset;
}

/* ---- pieces ---- */

static inline double *plain_linear(const double *x, const double *w, const double *b, long n,
                                   int in, int out)
{
    double *y = plain_take(n * out);
    for (long i = 0; i < n; i++)
        for (int o = 0; o < out; o++) {
            y[i * out + o] = b ? b[o] : 0;
            for (int k = 0; k < in; k++) y[i * out + o] += x[i * in + k] * w[(long)o * in + k];
        }
    return y;
}

static inline double *plain_layernorm(const double *x, const double *g, const double *b, long n,
                                      int w)
{
    double *y = plain_take(n * w);
    for (long i = 0; i < n; i++) {
        double mean = 0, var = 0;
        for (int c = 0; c < w; c++) mean += x[i * w + c] / w;
        for (int c = 0; c < w; c++) var += (x[i * w + c] - mean) * (x[i * w + c] - mean) / w;
        for (int c = 0; c < w; c++)
            y[i * w + c] = (x[i * w + c] - mean) / sqrt(var + 1e-6) * g[c] + b[c];
    }
    return y;
}

static inline double *plain_rmsnorm(const double *x, const double *g, long n, int w, double eps)
{
    double *y = plain_take(n * w);
    for (long i = 0; i < n; i++) {
        double square = 0;
        for (int c = 0; c < w; c++) square += x[i * w + c] * x[i * w + c] / w;
        for (int c = 0; c < w; c++) y[i * w + c] = x[i * w + c] / sqrt(square + eps) * g[c];
    }
    return y;
}

/* Turns every head of x [n, heads, d]: element a with a + d/2 by angle[i][a]. */
static inline void plain_rotate(double *x, const double *angle, long n, int heads, int d)
{
    for (long i = 0; i < n * heads; i++)
        for (int a = 0; a < d / 2; a++) {
            double t = angle[i / heads * (d / 2) + a], *u = x + i * d + a, lo = u[0], hi = u[d / 2];
            u[0] = lo * cos(t) - hi * sin(t);
            u[d / 2] = hi * cos(t) + lo * sin(t);
        }
}

/* q [n, heads, d], k and v [n, kv, d]; rows see rows of their own segment only, and if causal none
 * after themselves. */
static inline double *plain_attention(const double *q, const double *k, const double *v, long n,
                                      int heads, int kv, int d, const int *segment, int causal)
{
    double *o = plain_take(n * heads * d), *share = plain_take(n);
    for (long i = 0; i < n; i++)
        for (int h = 0; h < heads; h++) {
            int c = h / (heads / kv);
            double sum = 0;
            for (long j = 0; j < n; j++) {
                double s = 0;
                for (int a = 0; a < d; a++)
                    s += q[(i * heads + h) * d + a] * k[(j * kv + c) * d + a];
                share[j] = segment[i] != segment[j] || (causal && j > i) ? 0 : exp(s / sqrt(d));
                sum += share[j];
            }
            for (long j = 0; j < n; j++)
                for (int a = 0; a < d; a++)
                    o[(i * heads + h) * d + a] += share[j] / sum * v[(j * kv + c) * d + a];
        }
    return o;
}

static inline double plain_gelu(double x, int exact)
{
    return x / 2 *
           (1 + (exact ? erf(x / sqrt(2)) : tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))));
}

static inline void plain_add(double *x, const double *y, long n)
{
    for (long i = 0; i < n; i++) x[i] += y[i];
}

/* ---- vision ---- */

struct plain_rows {
    long n;
    double *x, *deep[PTD_DEEPSTACK_MAX];
}; /* merged rows */

/* Row and column of the patches of a picture in the order of merge blocks. */
static inline void plain_place(const struct ptd_config *c, int gw, int n, int *row, int *column)
{
    int m = c->v_merge, block = n / (m * m), in = n % (m * m);
    *row = block / (gw / m) * m + in / m;
    *column = block % (gw / m) * m + in % m;
}

static inline double plain_pixel(const struct plain *p, const struct ptd_picture *k, int ch, int y,
                                 int x)
{
    return (k->pixels[((long)y * k->width + x) * 3 + ch] / 255.0 - p->m->rules.mean[ch]) /
           p->m->rules.std[ch];
}

static inline void plain_patch(const struct plain *p, const struct ptd_picture *k, int row,
                               int column, double *out)
{
    const struct ptd_config *c = &p->m->config;
    for (int ch = 0; ch < c->v_channels; ch++)
        for (int t = 0; t < c->v_temporal; t++)
            for (int y = 0; y < c->v_patch; y++)
                for (int x = 0; x < c->v_patch; x++)
                    *out++ = plain_pixel(p, k, ch, row * c->v_patch + y, column * c->v_patch + x);
}

/* Adds the table's value at a place, corners aligned. */
static inline void plain_position(const struct plain *p, int row, int gh, int column, int gw,
                                  double *x)
{
    const struct ptd_config *c = &p->m->config;
    const double *table = plain_weight(p, "model.visual.pos_embed.weight");
    int side = (int)lround(sqrt(c->v_positions));
    double y = gh > 1 ? (double)row * (side - 1) / (gh - 1) : 0,
           z = gw > 1 ? (double)column * (side - 1) / (gw - 1) : 0;
    for (int a = 0; a < side; a++)
        for (int b = 0; b < side; b++) {
            double share = fmax(0, 1 - fabs(y - a)) * fmax(0, 1 - fabs(z - b));
            for (int e = 0; share > 0 && e < c->v_hidden; e++)
                x[e] += share * table[(a * side + b) * c->v_hidden + e];
        }
}

static inline double *plain_merger(const struct plain *p, const char *name, const double *x, long n,
                                   int after)
{
    const struct ptd_config *c = &p->m->config;
    int wide = c->v_hidden * c->v_merge * c->v_merge, norm = after ? wide : c->v_hidden;
    double *z = plain_layernorm(x, plain_weight(p, "%snorm.weight", name),
                                plain_weight(p, "%snorm.bias", name), n * c->v_hidden / norm, norm);
    n = n * c->v_hidden / wide;
    z = plain_linear(z, plain_weight(p, "%slinear_fc1.weight", name),
                     plain_weight(p, "%slinear_fc1.bias", name), n, wide, wide);
    for (long i = 0; i < n * wide; i++) z[i] = plain_gelu(z[i], 1);
    return plain_linear(z, plain_weight(p, "%slinear_fc2.weight", name),
                        plain_weight(p, "%slinear_fc2.bias", name), n, wide, c->v_out);
}

static inline void plain_block(const struct plain *p, int i, double *x, long n, const double *angle,
                               const int *segment)
{
    const struct ptd_config *c = &p->m->config;
    int h = c->v_hidden, d = h / c->v_heads, F = c->v_intermediate;
    char at[64];
    snprintf(at, sizeof at, "model.visual.blocks.%d.", i);
    double *z = plain_layernorm(x, plain_weight(p, "%snorm1.weight", at),
                                plain_weight(p, "%snorm1.bias", at), n, h),
           *part[3];
    z = plain_linear(z, plain_weight(p, "%sattn.qkv.weight", at),
                     plain_weight(p, "%sattn.qkv.bias", at), n, h, 3 * h);
    for (int k = 0; k < 3; k++) {
        part[k] = plain_take(n * h);
        for (long r = 0; r < n; r++) memcpy(part[k] + r * h, z + r * 3 * h + k * h, h * sizeof *z);
        if (k < 2) plain_rotate(part[k], angle, n, c->v_heads, d);
    }
    z = plain_attention(part[0], part[1], part[2], n, c->v_heads, c->v_heads, d, segment, 0);
    plain_add(x,
              plain_linear(z, plain_weight(p, "%sattn.proj.weight", at),
                           plain_weight(p, "%sattn.proj.bias", at), n, h, h),
              n * h);
    z = plain_layernorm(x, plain_weight(p, "%snorm2.weight", at),
                        plain_weight(p, "%snorm2.bias", at), n, h);
    z = plain_linear(z, plain_weight(p, "%smlp.linear_fc1.weight", at),
                     plain_weight(p, "%smlp.linear_fc1.bias", at), n, h, F);
    for (long k = 0; k < n * F; k++) z[k] = plain_gelu(z[k], 0);
    plain_add(x,
              plain_linear(z, plain_weight(p, "%smlp.linear_fc2.weight", at),
                           plain_weight(p, "%smlp.linear_fc2.bias", at), n, F, h),
              n * h);
}

/* All pictures' patches, embedded and with their positions; their angles and pictures. */
static inline double *plain_patches(const struct plain *p, const struct ptd_picture *k,
                                    int n_pictures, long n, double *angle, int *segment)
{
    const struct ptd_config *c = &p->m->config;
    int row = c->v_channels * c->v_temporal * c->v_patch * c->v_patch, h = c->v_hidden,
        d = h / c->v_heads, r, s;
    double *pixels = plain_take(n * row), *x;
    long at = 0;
    for (int i = 0; i < n_pictures; i++)
        for (int j = 0; j < k[i].height / c->v_patch * (k[i].width / c->v_patch); j++, at++) {
            plain_place(c, k[i].width / c->v_patch, j, &r, &s);
            plain_patch(p, &k[i], r, s, pixels + at * row);
            segment[at] = i;
            for (int a = 0; a < d / 2; a++)
                angle[at * (d / 2) + a] =
                    (a < d / 4 ? r : s) * pow(10000, -4.0 * (a % (d / 4)) / d);
        }
    x = plain_linear(pixels, plain_weight(p, "model.visual.patch_embed.proj.weight"),
                     plain_weight(p, "model.visual.patch_embed.proj.bias"), n, row, h);
    at = 0;
    for (int i = 0; i < n_pictures; i++)
        for (int j = 0, gh = k[i].height / c->v_patch, gw = k[i].width / c->v_patch; j < gh * gw;
             j++, at++) {
            plain_place(c, gw, j, &r, &s);
            plain_position(p, r, gh, s, gw, x + at * h);
        }
    return x;
}

static inline struct plain_rows plain_vision(const struct plain *p, const struct ptd_picture *k,
                                             int n_pictures)
{
    const struct ptd_config *c = &p->m->config;
    struct plain_rows out = {0};
    static int segment[4096];
    double *x, *angle;
    char name[64];
    for (int i = 0; i < n_pictures; i++)
        out.n += k[i].height / c->v_patch * (k[i].width / c->v_patch);
    if (!out.n) return out;
    angle = plain_take(out.n * (c->v_hidden / c->v_heads / 2));
    x = plain_patches(p, k, n_pictures, out.n, angle, segment);
    for (int i = 0; i < c->v_depth; i++) {
        plain_block(p, i, x, out.n, angle, segment);
        for (int j = 0; j < c->n_deepstack; j++)
            if (c->deepstack[j] == i) {
                snprintf(name, sizeof name, "model.visual.deepstack_merger_list.%d.", j);
                out.deep[j] = plain_merger(p, name, x, out.n, 1);
            }
    }
    out.x = plain_merger(p, "model.visual.merger.", x, out.n, 0);
    out.n /= c->v_merge * c->v_merge;
    return out;
}

/* ---- text ---- */

/* t, h, w of every token (pos [n][3]) and the merged picture row of each pad (-1: none). */
static inline void plain_positions(const struct plain *p, const int32_t *ids, int n,
                                   const struct ptd_picture *k, int *pos, int *image)
{
    const struct ptd_config *c = &p->m->config;
    int cur = 0, used = 0, f = c->v_patch * c->v_merge;
    for (int i = 0; i < n;) {
        if (ids[i] != c->image_token) {
            pos[3 * i] = pos[3 * i + 1] = pos[3 * i + 2] = cur++;
            image[i++] = -1;
            continue;
        }
        int R = k->height / f, C = k->width / f;
        for (int j = 0; j < R * C; j++, i++) {
            pos[3 * i] = cur, pos[3 * i + 1] = cur + j / C, pos[3 * i + 2] = cur + j % C;
            image[i] = used++;
        }
        cur += R > C ? R : C;
        k++;
    }
}

static inline double *plain_angles(const struct plain *p, const int *pos, int n)
{
    const struct ptd_config *c = &p->m->config;
    int half = c->head_dim / 2;
    double *angle = plain_take((long)n * half);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < half; j++) {
            int axis = j % 3 && j < 3 * c->mrope_section[j % 3] ? j % 3 : 0;
            angle[i * half + j] = pos[3 * i + axis] * pow(c->rope_theta, -2.0 * j / c->head_dim);
        }
    return angle;
}

/* Of layer i: keys (which 0) or values [n]. */
static inline void plain_round(const struct plain *p, int i, int which, double *x, long n)
{
    long at = (2L * i + which) * n;
    for (long k = 0; p->shift && k < n; k++) {
        if (p->given) p->shift[at + k] = p->given[at + k] - x[k];
        x[k] += p->shift[at + k];
    }
}

static inline void plain_layer(const struct plain *p, int i, double *x, int n, const double *angle)
{
    const struct ptd_config *c = &p->m->config;
    int H = c->hidden, D = c->head_dim, nq = c->heads * D, nk = c->kv_heads * D,
        I = c->intermediate;
    static const int one[4096];
    char at[64];
    snprintf(at, sizeof at, "model.language_model.layers.%d.", i);
    double *z = plain_rmsnorm(x, plain_weight(p, "%sinput_layernorm.weight", at), n, H, c->rms_eps),
           *q, *k, *v, *u;
    q = plain_linear(z, plain_weight(p, "%sself_attn.q_proj.weight", at), NULL, n, H, nq);
    k = plain_linear(z, plain_weight(p, "%sself_attn.k_proj.weight", at), NULL, n, H, nk);
    v = plain_linear(z, plain_weight(p, "%sself_attn.v_proj.weight", at), NULL, n, H, nk);
    q = plain_rmsnorm(q, plain_weight(p, "%sself_attn.q_norm.weight", at), (long)n * c->heads, D,
                      c->rms_eps);
    k = plain_rmsnorm(k, plain_weight(p, "%sself_attn.k_norm.weight", at), (long)n * c->kv_heads, D,
                      c->rms_eps);
    plain_rotate(q, angle, n, c->heads, D);
    plain_rotate(k, angle, n, c->kv_heads, D);
    plain_round(p, i, 0, k, (long)n * nk);
    plain_round(p, i, 1, v, (long)n * nk);
    z = plain_attention(q, k, v, n, c->heads, c->kv_heads, D, one, 1);
    plain_add(x, plain_linear(z, plain_weight(p, "%sself_attn.o_proj.weight", at), NULL, n, nq, H),
              (long)n * H);
    z = plain_rmsnorm(x, plain_weight(p, "%spost_attention_layernorm.weight", at), n, H,
                      c->rms_eps);
    u = plain_linear(z, plain_weight(p, "%smlp.up_proj.weight", at), NULL, n, H, I);
    z = plain_linear(z, plain_weight(p, "%smlp.gate_proj.weight", at), NULL, n, H, I);
    for (long k2 = 0; k2 < (long)n * I; k2++) z[k2] = z[k2] / (1 + exp(-z[k2])) * u[k2];
    plain_add(x, plain_linear(z, plain_weight(p, "%smlp.down_proj.weight", at), NULL, n, I, H),
              (long)n * H);
}

/* Rows [n, hidden] after the final norm; valid until the next call. */
static inline double *plain_hidden(const struct plain *p, const int32_t *ids, int n,
                                   const struct ptd_picture *k, int n_pictures)
{
    const struct ptd_config *c = &p->m->config;
    int H = c->hidden;
    static int pos[3 * 4096], image[4096];
    double *x, *angle;
    struct plain_rows rows;
    plain_used = 0;
    rows = plain_vision(p, k, n_pictures);
    plain_positions(p, ids, n, k, pos, image);
    angle = plain_angles(p, pos, n);
    x = plain_take((long)n * H);
    for (int i = 0; i < n; i++)
        memcpy(x + (long)i * H,
               image[i] < 0
                   ? plain_weight(p, "model.language_model.embed_tokens.weight") + (long)ids[i] * H
                   : rows.x + (long)image[i] * H,
               H * sizeof *x);
    for (int l = 0; l < c->layers; l++) {
        plain_layer(p, l, x, n, angle);
        for (int i = 0; l < c->n_deepstack && i < n; i++)
            if (image[i] >= 0) plain_add(x + (long)i * H, rows.deep[l] + (long)image[i] * H, H);
    }
    return plain_rmsnorm(x, plain_weight(p, "model.language_model.norm.weight"), n, H, c->rms_eps);
}

/* Logits [vocab] of one hidden row. */
static inline void plain_logits(const struct plain *p, const double *hidden, double *z)
{
    const struct ptd_config *c = &p->m->config;
    const double *w = c->tied ? plain_weight(p, "model.language_model.embed_tokens.weight")
                              : plain_weight(p, "lm_head.weight");
    for (int v = 0; v < c->vocab; v++) {
        z[v] = 0;
        for (int e = 0; e < c->hidden; e++) z[v] += w[(long)v * c->hidden + e] * hidden[e];
    }
}

/* ---- directions ---- */

/* The weights of a model in double, and their gradients checked along directions. */
static inline double *plain_weights(const struct ptd_model *m)
{
    double *w = ptd_array(m->n_weights, sizeof *w);
    float *f = ptd_array(m->n_weights, sizeof *f);
    m->device->ops->get_nums(m->device, f, m->weights, m->n_weights);
    for (size_t i = 0; i < m->n_weights; i++) w[i] = f[i];
    free(f);
    return w;
}
#endif
