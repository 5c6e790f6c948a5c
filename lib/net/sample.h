/* sample: G replies to each prompt of a batch. Pictures, prefill and the prompts' keys and values
 * are computed once per prompt; all sequences decode as one batch, and finished ones leave it.
 *
 *     struct ptd_sampling s = {.temperature = 1, .top_p = 1, .group_size = 8, .max_tokens = 32,
 *         ...};
 *     // [prompts * group_size], prompt-major
 *     struct ptd_reply *r = ptd_sample(m, prompts, &s, step, uid_numbers);
 *     ptd_replies_free(r, n);
 *
 * A token is drawn with the random number of (seed, step, prompt, rollout, token), which therefore
 * does not depend on batch size, threads or restarts. The last bits of log-probs do depend on what
 * is computed together, and so, rarely, does a token that is drawn at the border of two shares. */
#ifndef PTD_SAMPLE_H
#define PTD_SAMPLE_H
#include "data/stop.h"
#include "net/model.h"

/* How a reply ended: cut at max_tokens or where the model's context ends; by a stop id; by a stop
 * text. */
enum ptd_ending { PTD_REPLY_CUT = 0, PTD_REPLY_ID, PTD_REPLY_TEXT };

struct ptd_sampling {
    double temperature, top_p; /* top_p 1: all */
    int top_k;                 /* 0: all */
    int greedy;
    int group_size, max_tokens;
    int top_logprobs; /* most probable ids to record per token, 0: none */
    const int *stop;  /* ids that end a reply */
    int n_stop;
    const struct ptd_stop *stop_text; /* texts that end a reply, or NULL */
    const uint8_t *banned;            /* [vocab], see ptd_model_banned */
    uint64_t seed;
};

struct ptd_reply {
    int32_t *ids;     /* [n], the last one whole, whatever it ends */
    float *logp;      /* [n] under the full (temperature-divided) distribution */
    int32_t *top_ids; /* [n][top_logprobs] or NULL */
    int n, stopped;   /* stopped: enum ptd_ending */
};

/* prompts: a batch that holds prompts only (its forward is run here). which[i]: number of prompt i
 * that keys its random numbers (its position in the run's order of prompts). */
struct ptd_reply *ptd_sample(struct ptd_model *m, struct ptd_batch *prompts,
                             const struct ptd_sampling *s, int64_t step, const int64_t *which);
void ptd_replies_free(struct ptd_reply *r, int n);
#endif
