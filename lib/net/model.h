/* model: a Qwen3-VL network: its parameters by name, batches of packed sequences, forward and
 * backward.
 *
 * A batch is packed tokens without padding, cut into segments. A segment is a prompt (with
 * pictures) or a reply that continues a prompt segment; the prompt is computed once however many
 * replies share it, and the gradient of its keys and values sums over them.
 *
 *     struct ptd_batch *b = ptd_batch_new(m);
 *     int p = ptd_batch_prompt(b, ids, n, pictures, n_pictures); // -1: pads and pictures disagree
 *     for (i = 0; i < G; i++) ptd_batch_reply(b, p, reply[i], len[i]);
 *     ptd_forward(m, b); // hidden rows after the final norm: b->hidden [b->n, hidden]
 *     ptd_backward(m, b, dhidden);     // gradients accumulate in m->grads
 *     ptd_batch_reset(b);
 *
 * To score a reply of tokens y_0..y_{n-1}: its logits for y_0 come from the last row of the prompt,
 * for y_j from row j-1 of the reply. Positions (mRoPE) are derived from ids and pictures. Weights,
 * gradients and the optimizer's moments are flat arrays with the same offsets. */
#ifndef PTD_MODEL_H
#define PTD_MODEL_H
#include "compute/ops.h"
#include "data/config.h"
#include "flow/record.h"
#include "net/common.h"
#include "net/initial.h"
#include "store/live.h"
#include "store/store.h"

struct ptd_linear;
struct ptd_weight;
struct ptd_adapters;

struct ptd_param {
    char name[96];
    int n_dims;
    int64_t dims[5];
    size_t n;
    int trained;   /* 1: its numbers move; 0: frozen, as a generation has them */
    int adapter;   /* 1: A or B of one (adapter.h) */
    size_t offset; /* of a trained one, among all that are */
    int part;      /* layer, block, table ... that it belongs to */
    size_t grad;   /* its gradient's place in the model's */
    /* one of the two: where it is used. Neighbours that are one product have the same matrix. */
    struct ptd_linear *matrix;
    struct ptd_weight *role;
    /* where its numbers lie, a matrix's in `dtype` and in rows, others in one block, the device's
     * own; NULL: nowhere yet */
    struct ptd_block *blocks;
    int n_blocks, dtype;
    void *own;    /* memory of a frozen one alone, */
    int common;   /* or 1: a place in the model's common memory */
    int64_t from; /* generation that its numbers are of */
};

struct ptd_model {
    struct ptd_config config;
    struct ptd_image_rules rules;
    struct ptd_device *device; /* NULL: none was needed */
    struct ptd_param *params;  /* in the order of Qwen3-VL's modules: vision, then text */
    int n_params;
    /* of all trained parameters, in the order of params; what is frozen has memory of its own */
    size_t n_weights, n_grads;
    int narrow; /* 1: trained matrices are bfloat16; to be set before there is memory */
    /* 1: keys, as they are attended to, and values are rounded to bfloat16 wherever the text is
     * run: in sampling, which caches them so, in scoring and in training, straight through. Where
     * the run is in bfloat16. */
    int half_keys;
    ptd_num *weights;         /* of all trained parameters */
    struct ptd_common common; /* of frozen ones, adapters aside */
    ptd_acc *grads;           /* [n_grads]; NULL until ptd_model_train */
    /* 1, before ptd_model_train: there is room for the gradient of one part at a time, beside that
     * of the head. done is told of each part when backward has all of its gradient, and leaves
     * zeros there; the head's may wait until backward has ended. */
    int by_part, n_parts;
    void (*done)(void *ctx, int part);
    void *done_ctx;
    /* 1: frozen parameters are loaded as their averages where a generation holds such (ema.h) */
    int averaged;
    int bound; /* 1: there is memory for all parameters */
    /* NULL, or what pictures are given to, one at a time, where their tower is frozen (encoder.h);
     * freed with the model */
    struct ptd_encoder *encoder;
    /* 1: backward follows; then what it reaches: the vision tower or not, and the lowest layer of
     * the text, 0: the embedding too */
    int learns, learns_vision, lowest;
    struct ptd_layout *layout;     /* places in them by role (net.h) */
    struct ptd_adapters *adapters; /* NULL: none */
};
/* Names, shapes and offsets only: weights stays NULL. All is trained unless ptd_model_choose says
 * otherwise. */
struct ptd_model *ptd_model_plan(const struct ptd_config *c, const struct ptd_image_rules *r,
                                 struct ptd_device *d);
struct ptd_model *ptd_model_new(const struct ptd_config *c, const struct ptd_image_rules *r,
                                struct ptd_device *d);
/* Reads config.json, generation_config.json, the rules for pictures and the run's format of a
 * store; there is no memory for weights yet. d may be NULL for a model that is never loaded. NULL
 * on failure. The head is tied to the embedding if generation 0 has no lm_head.weight, whatever the
 * config says. A store with an adapter gives its parameters, too (adapter.h). */
struct ptd_model *ptd_model_open(struct ptd_store *s, struct ptd_device *d);
/* Which parameters are trained: those for which `trained` says 1; NULL: none. Before there is
 * memory for weights. */
void ptd_model_choose(struct ptd_model *m, int (*trained)(void *ctx, const struct ptd_param *p),
                      void *ctx);
/* The parameters of a generation. Frozen ones are read the first time, and again if this generation
 * holds others than those that were read; their matrices keep the format they are stored in. */
int ptd_model_load(struct ptd_model *m, struct ptd_store *s, int64_t generation) PTD_MUST_CHECK;
/* The vocabulary head alone, of a model of which nothing is trained: after that ptd_model_head is
 * what there is of it. */
int ptd_model_load_head(struct ptd_model *m, struct ptd_store *s,
                        int64_t generation) PTD_MUST_CHECK;
/* Once some generation is loaded, one that its trainer has in memory: as ptd_live_get. */
int ptd_model_load_live(struct ptd_model *m, struct ptd_live *l, int64_t generation) PTD_MUST_CHECK;
struct ptd_law ptd_model_law(const struct ptd_model *m, int i); /* how parameter i begins */
/* random weights: normal(0, init_std), residual outputs / sqrt(2 layers), norms 1, biases 0 */
void ptd_model_init(struct ptd_model *m, uint64_t seed);
void ptd_model_train(struct ptd_model *m); /* allocates gradients */
/* Bytes of the trained weights, and numbers of their gradients. */
size_t ptd_model_weight_bytes(const struct ptd_model *m);
size_t ptd_model_gradients(const struct ptd_model *m);
/* *n views of the trained weights; free() */
struct ptd_tensor_view *ptd_model_views(const struct ptd_model *m, int *n);
/* The same for live.h, which knows float32 alone; where they are bfloat16 only to give. */
struct ptd_tensor_view *ptd_model_live_views(const struct ptd_model *m, int *n);
/* A view of what lies beside parameter p on the device, a number for each of its numbers. */
struct ptd_tensor_view ptd_model_view(const struct ptd_model *m, const struct ptd_param *p,
                                      void *place, int dtype);
/* The trained parameters of a part have one gradient: its place and its numbers, 0 if there are
 * none. */
int ptd_model_head_part(const struct ptd_model *m);
/* [n_parts] all parts in the order in which backward is done with them, the head's last */
void ptd_model_order(const struct ptd_model *m, int *part);
size_t ptd_model_part(const struct ptd_model *m, int part, size_t *first);
/* [vocab, hidden]: lm_head or embed_tokens */
const struct ptd_matrix *ptd_model_head(const struct ptd_model *m);
ptd_acc *ptd_model_dhead(struct ptd_model *m); /* NULL: it is not trained */
/* [vocab] 1 for words that are never sampled nor scored: picture and video pads, vision marks, ids
 * at and beyond `real` (tokenizer's size). malloc'd. */
uint8_t *ptd_model_banned(const struct ptd_model *m, int real);
void ptd_model_free(struct ptd_model *m);

struct ptd_batch; /* see net.h for what it holds */
struct ptd_batch *ptd_batch_new(struct ptd_model *m);
void ptd_batch_free(struct ptd_batch *b);
void ptd_batch_reset(struct ptd_batch *b);
int ptd_batch_prompt(struct ptd_batch *b, const int32_t *ids, int n, const struct ptd_picture *p,
                     int n_pictures) PTD_MUST_CHECK;
/* Replies follow their prompt directly, or its other replies: prompt A, prompt B, reply to A is not
 * allowed. */
int ptd_batch_reply(struct ptd_batch *b, int prompt, const int32_t *ids, int n);
long ptd_batch_rows(const struct ptd_batch *b);             /* packed tokens */
long ptd_batch_row(const struct ptd_batch *b, int segment); /* first row of a segment */
/* Until the next reset hidden rows are those n alone, in this order, of a batch that keeps nothing:
 * the last layer computes no more than they need. rows must stay; they may repeat. */
void ptd_batch_ask(struct ptd_batch *b, const int32_t *rows, long n);
/* [rows, hidden] after the final norm; or [n, hidden] of those that were asked for */
ptd_num *ptd_batch_hidden(const struct ptd_batch *b);
void ptd_forward(struct ptd_model *m, struct ptd_batch *b);
/* The gradients must have been there (ptd_model_train) when forward ran. dhidden [rows, hidden] */
void ptd_backward(struct ptd_model *m, struct ptd_batch *b, const ptd_num *dhidden);

/* The next ptd_backward, whose lowest layer is 0, says of each picture token t of the batch, in
 * sum [picture tokens], what attention to it times the gradient of that attention comes to, over
 * the chosen layers (NULL: all), all heads and all rows i:
 *
 *     sum of a_it da_it = v_t . dv_t,    v_t the values of all key heads there
 *
 * Above 0: what the gradient is of would grow with more attention there. */
void ptd_batch_attended(struct ptd_batch *b, const uint8_t *layers, double *sum);

/* Attention that the rows of segment `reply` (from relative row first) pay to the prompt's picture
 * tokens after ptd_forward: mean over the chosen layers (NULL: all) and heads (NULL: all). out
 * [n_rows of the segment - first][picture tokens of its prompt], raw shares of each row's
 * attention, on the host. Returns the number of picture tokens. */
int ptd_attention_to_pictures(struct ptd_model *m, struct ptd_batch *b, int reply,
                              const uint8_t *layers, const uint8_t *heads, float *out);
#endif
