/* net: what the files of the network share; stages and methods use model.h. Public source of both
 * towers: the Qwen3-VL
 * model of Hugging Face transformers. lm.c is the text decoder, forward and backward: embedding
 * with the picture rows
 * spliced in, interleaved mRoPE, layers with deepstack rows added to the first ones, final norm.
 *
 * The same layer code serves training (keys and values are the packed rows), scoring (activations
 * of one layer, reused) and decoding (keys and values go to a cache first), so sampled log-probs
 * are the trainer's. */
#ifndef PTD_NET_H
#define PTD_NET_H
#include "compute/pool.h"
#include "net/model.h"
#include "net/probe.h"

/* Offsets into the flat arrays. q, k, v and gate, up are neighbours, so that each trio and pair is
 * one product. */
struct ptd_lm_layer {
    size_t norm1, qkv, o, q_norm, k_norm, norm2, gate_up, down;
};
struct ptd_norm_at {
    size_t w, b;
};
struct ptd_linear_at {
    size_t w, b;
};
struct ptd_vision_block {
    struct ptd_norm_at norm1, norm2;
    struct ptd_linear_at qkv, proj, fc1, fc2;
};
struct ptd_merger {
    struct ptd_norm_at norm;
    struct ptd_linear_at fc1, fc2;
};
struct ptd_layout {
    struct ptd_linear_at patch;
    size_t positions;
    struct ptd_vision_block *blocks;
    struct ptd_merger merger, deepstack[PTD_DEEPSTACK_MAX];
    size_t embed, norm, head;
    struct ptd_lm_layer *layers;
};

/* Keys and values of earlier tokens, by layer: [rows, kv_heads * head_dim] each. */
struct ptd_kv {
    float **k, **v;
    long rows;
    int layers;
};
struct ptd_kv *ptd_kv_new(const struct ptd_config *c, long rows);
void ptd_kv_free(struct ptd_kv *kv);

struct ptd_lm_acts {      /* of one layer */
    float *x;             /* [n, H] input */
    float *rstd1, *rstd2; /* [n] */
    float *qkv;           /* [n, (nh + 2 nkv) D] before q_norm/k_norm; v is used from here */
    float *q, *k;         /* [n, nh D], [n, nkv D] normalised and rotated */
    float *rq, *rk;       /* [n, nh], [n, nkv] */
    float *o, *lse;       /* [n, nh D], [n, nh] */
    float *x2;            /* [n, H] after attention */
    float *gu;            /* [n, 2 I] */
};
struct ptd_vision_acts {
    float *x, *mean1, *rstd1, *qkv, *o, *lse, *x2, *mean2, *rstd2, *f1;
};
struct ptd_merger_acts {
    const float *x;
    float *mean, *rstd, *f1, *out;
};

struct ptd_segment {
    long row;
    int n, prompt; /* -1: a prompt itself */
    int first_image_row, n_image_rows;
    int32_t next; /* position after the last */
};

struct ptd_batch {
    struct ptd_model *m;
    int keep;          /* 1: keep what backward (and attention maps) need; 0: forward only */
    struct ptd_kv *kv; /* decoding: keys and values go here first; NULL otherwise */
    long *slot;        /* decoding: pool row of each packed row */
    struct ptd_pool pool;
    /* tokens */
    long n, cap;
    int32_t *ids, *pos; /* [cap], [3][cap] as t h w triples: pos[3 * row + axis] */
    struct ptd_segment *segments;
    struct ptd_span *spans;
    int n_segments, segments_cap;
    /* pictures */
    long n_image_rows, image_cap;
    int32_t *image_row;        /* packed row of each merged picture token */
    long n_patches, patch_cap; /* patches in merge-block order */
    float *patches;            /* [n_patches, row length] */
    int32_t *patch_at;         /* [n_patches, 2] row and column */
    int32_t *tap;              /* [n_patches, 4] */
    float *tap_weight;
    struct ptd_span *frames; /* one attention segment each */
    int n_frames, frames_cap;
    /* activations */
    float *turn; /* [turns, D] rotations by position, kept from batch to batch */
    int turns;
    float *cosine, *sine;           /* [n, D/2] */
    struct ptd_lm_acts *lm;         /* [layers] */
    float *last, *rstd, *hidden;    /* input of the final norm, its rstd, its output */
    struct ptd_vision_acts *vision; /* [depth] */
    float *v_last, *v_cosine, *v_sine;
    struct ptd_merger_acts merger, deepstack[PTD_DEEPSTACK_MAX];
    /* [n_image_rows, H] more gradient of the merger's output for the next backward, or NULL */
    const float *dimage;
};

/* Adds one frame grid of pixel rows (already normalised, merge-block order); used by prompts, and
 * by tests directly. */
void ptd_batch_frames(struct ptd_batch *b, const float *rows, int frames, int gh, int gw);
/* Decoding: one more row with its text position, its row in the cache, and what it attends to
 * (span.row is set here). */
void ptd_batch_step(struct ptd_batch *b, int32_t id, int32_t position, long slot,
                    struct ptd_span span);
void ptd_vision_forward(struct ptd_model *m, struct ptd_batch *b);
/* dimage, ddeep[k]: [n_image_rows, hidden] */
void ptd_vision_backward(struct ptd_model *m, struct ptd_batch *b, const float *dimage,
                         float *const *ddeep);
void ptd_lm_forward(struct ptd_model *m, struct ptd_batch *b);
void ptd_lm_backward(struct ptd_model *m, struct ptd_batch *b, const float *dhidden, float *dimage,
                     float *const *ddeep);
#endif
