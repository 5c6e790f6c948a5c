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
#include "net/kv.h"
#include "net/linear.h"
#include "net/model.h"
#include "net/probe.h"

struct ptd_norm {
    struct ptd_weight gain, bias; /* bias: layernorm's */
};
/* q, k, v and gate, up are neighbours, so that each trio and pair is one product. */
struct ptd_lm_layer {
    int part; /* model.h */
    struct ptd_norm norm1, q_norm, k_norm, norm2;
    struct ptd_linear qkv, o, gate_up, down;
};
struct ptd_vision_block {
    int part;
    struct ptd_norm norm1, norm2;
    struct ptd_linear qkv, proj, fc1, fc2;
};
struct ptd_merger {
    int part;
    struct ptd_norm norm;
    struct ptd_linear fc1, fc2;
};
/* The parameters by role. */
struct ptd_layout {
    int norm_part, embed_part;
    struct ptd_linear patch;
    struct ptd_weight positions;
    struct ptd_vision_block *blocks;
    struct ptd_merger merger, deepstack[PTD_DEEPSTACK_MAX];
    struct ptd_linear embed, own_head; /* [vocab, hidden] */
    const struct ptd_linear *head;     /* one of the two */
    struct ptd_norm norm;
    struct ptd_lm_layer *layers;
};

/* What a forward pass keeps for the backward pass. With PTD_KEEP_INPUTS that is the input of each
 * layer and block, and backward computes the rest again, one layer at a time, to the same bits:
 * about a quarter more time, and activations of one layer in place of all. PTD_KEEP_INPUTS + n: n
 * layers of the text keep all, those below the last one, whose activations are there anyway. Of
 * what is frozen below the lowest parameter that learns, nothing is kept. */
enum ptd_keep { PTD_KEEP_NOTHING, PTD_KEEP_ALL, PTD_KEEP_INPUTS };

struct ptd_lm_acts {         /* of one layer */
    ptd_num *x;              /* [n, H] input */
    ptd_stat *rstd1, *rstd2; /* [n] */
    ptd_num *qkv;            /* [n, (nh + 2 nkv) D] before q_norm/k_norm; v is used from here */
    ptd_num *q, *k;          /* [n, nh D], [n, nkv D] normalised and rotated */
    ptd_stat *rq, *rk;       /* [n, nh], [n, nkv] */
    ptd_num *o;              /* [n, nh D] */
    ptd_stat *lse;           /* [n, nh] */
    ptd_num *x2;             /* [n, H] after attention */
    ptd_num *gu;             /* [n, 2 I] */
};
struct ptd_vision_acts {
    ptd_num *x, *qkv, *o, *x2, *f1;
    ptd_stat *mean1, *rstd1, *lse, *mean2, *rstd2;
};
struct ptd_merger_acts {
    const ptd_num *x;
    ptd_stat *mean, *rstd;
    ptd_num *f1, *out;
};

/* Rows of backward's own, shared by all layers, by all blocks. */
struct ptd_lm_spare {
    ptd_num *dz, *wide, *dqkv, *dq, *dk, *dO, *dx;
};
struct ptd_vision_spare {
    ptd_num *z, *dz, *df, *dqkv, *dx;
};

struct ptd_segment {
    long row;
    int n, prompt; /* -1: a prompt itself */
    int first_image_row, n_image_rows;
    int32_t next; /* position after the last */
};

/* What the host wrote of a batch, on its device, and the plans made of it; from ptd_batch_seal to
 * the next reset of the pool. */
struct ptd_sealed {
    const ptd_int *ids, *slot;                /* [n] */
    const ptd_int *image_row;                 /* [n_image_rows] */
    const ptd_int *asked;                     /* [n_asked] */
    const ptd_stat *cosine, *sine;            /* [n, D/2] */
    const ptd_num *patches;                   /* [n_patches, row length] */
    const ptd_int *tap;                       /* [n_patches, 4] */
    const ptd_stat *tap_weight;               /* [n_patches, 4] */
    const ptd_stat *v_cosine, *v_sine;        /* [n_patches, D/2] */
    struct ptd_attention_plan *text, *frames; /* NULL: no such rows */
};

struct ptd_batch {
    struct ptd_model *m;
    int keep;          /* as enum ptd_keep says; attention maps need PTD_KEEP_ALL */
    long targets;      /* hidden rows that a head will learn from (score.h); 0: none */
    struct ptd_kv *kv; /* decoding: keys and values go here first; NULL otherwise */
    int32_t *slot;     /* decoding: pool row of each packed row */
    int32_t *blocks; /* decoding: where keys lie, spans naming places in it; n_blocks 0: in rows */
    long n_blocks, blocks_cap;
    const int32_t *asked; /* [n_asked] rows whose hidden rows are wanted; NULL: all */
    long n_asked;
    struct ptd_pool pool;
    struct ptd_sealed on; /* the device */
    /* tokens */
    long n, cap;
    int32_t *ids, *pos; /* [cap], [3][cap] as t h w triples: pos[3 * row + axis] */
    struct ptd_segment *segments;
    struct ptd_span *spans;
    int n_segments, segments_cap;
    /* pictures */
    long n_image_rows, image_cap;
    int32_t *image_row; /* packed row of each merged picture token */
    float *encoded;     /* [outputs][image_cap, H]: rows that an encoder made */
    long encoded_cap;
    long n_patches, patch_cap; /* patches in merge-block order */
    float *patches;            /* [n_patches, row length] */
    int32_t *patch_at;         /* [n_patches, 2] row and column */
    int32_t *tap;              /* [n_patches, 4] */
    float *tap_weight;
    struct ptd_span *frames; /* one attention segment each */
    int n_frames, frames_cap;
    /* rotations: those of a position are kept from batch to batch, in `turn` [turns, D] */
    float *turn;
    int turns;
    float *angles[4]; /* cosines and sines of tokens, of patches: what was sealed */
    size_t angles_cap[4];
    /* activations */
    struct ptd_lm_acts *lm; /* [layers] */
    int lm_at;              /* PTD_KEEP_INPUTS: the layer whose activations are there; -1: none */
    ptd_num *z;             /* [n, max(H, I)] spare rows */
    ptd_num *few[2];        /* [n_asked, H], [n_asked, nh D] of the last layer, if asked */
    ptd_num *last;          /* input of the final norm */
    ptd_stat *rstd;         /* its rstd */
    ptd_num *hidden;        /* its output */
    struct ptd_lm_spare lm_spare;
    struct ptd_vision_acts *vision; /* [depth] */
    ptd_num *v_z;                   /* [n_patches, max(h, F)] spare rows */
    ptd_num *v_last;
    struct ptd_merger_acts merger, deepstack[PTD_DEEPSTACK_MAX];
    struct ptd_vision_spare v_spare;
    struct ptd_pool_mark text, scratch; /* the text's memory begins; what only forward needs */
    /* gradients of what the mergers gave, [n_image_rows, H] each; NULL: not wanted */
    ptd_num *to_merger, *to_deepstack[PTD_DEEPSTACK_MAX];
    /* [n_image_rows, H] more gradient of the merger's output for the next backward, or NULL */
    const ptd_num *dimage;
    /* of ptd_batch_attended, for the next backward; sum NULL: not wanted */
    const uint8_t *attended_layers;
    double *attended;
};

/* Memory for all parameters, which are all trained, and what uses them points there (weights.c). */
void ptd_weights_take(struct ptd_model *m);
void ptd_weights_free(struct ptd_model *m);
/* One more picture for the tower itself. -1: 65. */
int ptd_batch_picture(struct ptd_batch *b, const struct ptd_picture *p) PTD_MUST_CHECK;
/* Adds one frame grid of pixel rows (already normalised, merge-block order); used by prompts, and
 * by tests directly. */
void ptd_batch_frames(struct ptd_batch *b, const float *rows, int frames, int gh, int gw);
/* Decoding: the place in the batch's blocks where those of a list begin now. */
long ptd_batch_blocks(struct ptd_batch *b, const struct ptd_kv_list *l);
/* Decoding: the rows first .. first + n - 1 of a segment of another batch, which has seen its
 * pictures; in order, if there are any. Their keys go to `keys`, which holds those before them, and
 * has room. */
void ptd_batch_piece(struct ptd_batch *b, const struct ptd_batch *from, int segment, int first,
                     int n, const struct ptd_kv_list *keys);
/* Decoding: one more row with its text position, its row in the cache, and what it attends to
 * (span.row is set here). */
void ptd_batch_step(struct ptd_batch *b, int32_t id, int32_t position, long slot,
                    struct ptd_span span);
/* Brings what the batch says to the device, in the pool, which the caller has reset: ptd_forward
 * does it, and who runs one tower alone. */
void ptd_batch_seal(struct ptd_batch *b);
void ptd_batch_seal_pictures(struct ptd_batch *b); /* what the vision tower needs, no more */
/* Host memory for angles[which], n floats. */
float *ptd_batch_angles(struct ptd_batch *b, int which, size_t n);
void ptd_lm_seal(struct ptd_batch *b);     /* the rotations and the plan of the text */
void ptd_vision_seal(struct ptd_batch *b); /* those of the pictures */
void ptd_model_reach(struct ptd_model *m); /* learns and the two, by what is trained */
/* Memory for it in the pool: what forward keeps, what it needs only while it runs, and what
 * backward needs. */
void ptd_vision_take(struct ptd_batch *b);
void ptd_vision_take_scratch(struct ptd_batch *b);
void ptd_vision_take_backward(struct ptd_batch *b);
void ptd_lm_take(struct ptd_batch *b);
void ptd_lm_take_backward(struct ptd_batch *b);
/* Bytes of the pool that ptd_forward, and ptd_backward if the batch keeps anything, take at most
 * at a time, targets included; n, targets, n_image_rows and n_patches say it all. */
size_t ptd_batch_bytes(struct ptd_batch *b);
/* Sets keep to the most that takes at most so many bytes; to PTD_KEEP_INPUTS where nothing does. */
void ptd_batch_fit(struct ptd_batch *b, size_t most);
/* Is there memory for that, beside what the pool has? room: at most so much; 0: what there is. -1:
 * 71, `instead` is what would take less. */
int ptd_batch_check(struct ptd_batch *b, size_t room, const char *instead) PTD_MUST_CHECK;

/* The pictures of a batch alone, from first to last; there are some. */
void ptd_see(struct ptd_model *m, struct ptd_batch *b);
/* What was taken before is there. */
void ptd_vision_forward(struct ptd_model *m, struct ptd_batch *b);
/* dimage, ddeep[k]: [n_image_rows, hidden] */
void ptd_vision_backward(struct ptd_model *m, struct ptd_batch *b, const ptd_num *dimage,
                         ptd_num *const *ddeep);
/* All of the part's gradient is there. */
static inline void ptd_model_done(const struct ptd_model *m, int part)
{
    if (m->done) m->done(m->done_ctx, part);
}
void ptd_lm_forward(struct ptd_model *m, struct ptd_batch *b);
void ptd_lm_backward(struct ptd_model *m, struct ptd_batch *b, const ptd_num *dhidden,
                     ptd_num *dimage, ptd_num *const *ddeep);
#endif
