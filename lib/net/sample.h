/* sample: G replies to each of a step's prompts. A prompt's pictures, rows, keys and values are
 * computed once for its replies; all that is being written decodes as one batch, and when a reply
 * ends, the next of the step takes its place.
 *
 *     struct ptd_sampling s = {.temperature = 1, .top_p = 1, .group_size = 8, .max_tokens = 32,
 *         ...};
 *     // [n * group_size], question-major
 *     struct ptd_reply *r = ptd_sample(m, questions, n, &s, step);
 *     ptd_replies_free(r, n * s.group_size);
 *
 * or, with what a prompt takes in memory only while it is answered, ptd_sample_all.
 *
 * Replies begin in order, as soon as there is a place in the batch (`batch`) and room for all the
 * keys and values that they may come to (kv.h), so that those that began can always end. A token is
 * drawn with the random number of (seed, step, prompt, rollout, token), which does not depend on
 * batch size, threads or restarts.
 *
 * A reply depends on its question, its number in the group and the options on how words are drawn
 * alone: neither what else is computed at the time, nor batch, kv_max, kv_rows and chunk, nor where
 * keys lie changes a bit of its words and log-probs. The log-probs are those, to the bit where
 * weights have one format, that scoring the same words gives (score.h). That holds on devices whose
 * operations give a row the same bits in any company, as compute/ops.h asks of the forward ones. */
#ifndef PTD_SAMPLE_H
#define PTD_SAMPLE_H
#include "data/stop.h"
#include "net/plan.h"
#include "net/prefill.h"

#define PTD_SAMPLE_KV_ROWS 65536

/* How a reply ended: cut at max_tokens or where the model's context ends; by a stop id; by a stop
 * text. */
enum ptd_ending { PTD_REPLY_CUT = 0, PTD_REPLY_ID, PTD_REPLY_TEXT };

struct ptd_sampling {
    double temperature, top_p; /* top_p 1: all */
    double min_p;              /* 0: all; rows.h */
    int top_k;                 /* 0: all */
    int greedy;
    int beside; /* 1: the last reply of each group is the greedy one; its log-probs are 0 */
    int group_size, max_tokens;
    int top_logprobs; /* most probable ids to record per token, 0: none */
    int record;       /* 1: their log-probs and each token's entropy, too, which are read apart */
    const int *stop;  /* ids that end a reply */
    int n_stop;
    const struct ptd_stop *stop_text; /* texts that end a reply, or NULL */
    const uint8_t *banned;            /* [vocab], see ptd_model_banned */
    uint64_t seed;
    int batch;       /* most replies at once; 0: as many as there is room for */
    int64_t kv_max;  /* most bytes of keys and values; 0: those of kv_rows tokens, and of one prompt
                        and a reply in any case */
    int64_t kv_rows; /* 0: PTD_SAMPLE_KV_ROWS */
    int chunk;       /* rows of prompts that are run at once; 0: PTD_PREFILL_ROWS */
};

struct ptd_reply {
    int32_t *ids;     /* [n], the last one whole, whatever it ends */
    float *logp;      /* [n] under the full (temperature-divided) distribution */
    int32_t *top_ids; /* [n][top_logprobs] or NULL */
    /* with record, else NULL: float16 [n][top_logprobs], and [n] nats; distributions as of logp */
    uint16_t *top_logp;
    float *entropy;
    int n, stopped; /* stopped: enum ptd_ending */
    int cap;
};

struct ptd_questions {
    void *ctx;
    /* The next one; what it points to stays until its replies are given. 1; 0: that was all; -1:
     * see err.h. */
    int (*next)(void *ctx, struct ptd_question *q);
    /* group_size replies to each question, in the order in which they came. The ids and log-probs
     * are the callee's if it sets the pointers NULL. -1: see err.h. */
    int (*done)(void *ctx, struct ptd_reply *r);
};

/* -1: what the callbacks say; 65 a prompt that the model does not take; 78 one prompt and a reply
 * do not fit kv_max. */
int ptd_sample_all(struct ptd_model *m, const struct ptd_sampling *s, int64_t step,
                   const struct ptd_questions *q) PTD_MUST_CHECK;
/* NULL: as above. */
struct ptd_reply *ptd_sample(struct ptd_model *m, const struct ptd_question *questions, int n,
                             const struct ptd_sampling *s, int64_t step);
void ptd_replies_free(struct ptd_reply *r, int n);

/* Adds what sampling takes beside the weights to a plan: keys and values, a chunk of prompts with
 * their pictures, a step of the replies, their logits. */
void ptd_sample_plan(struct ptd_plan *p, struct ptd_model *m, const struct ptd_sampling *s,
                     const struct ptd_expected *e);
/* The same for keys and values alone. */
size_t ptd_sample_keys(const struct ptd_model *m, const struct ptd_sampling *s,
                       const struct ptd_expected *e);
/* Do a prompt of so many tokens and a reply to it fit kv_max? -1: 78, naming what would. */
int ptd_sample_check(const struct ptd_model *m, const struct ptd_sampling *s,
                     int prompt) PTD_MUST_CHECK;
#endif
