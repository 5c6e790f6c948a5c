/* record: what the frames of a stream say, as C structs: the head (one per stream) and the group
 * (one prompt with all its rollouts).
 *
 * Encoded as msgpack maps with string keys = the field names below. Typed arrays are msgpack ext,
 * little-endian, one blob each: type 1 int32, type 2 float32, type 3 float16 (IEEE). Optional
 * fields are left out when empty. Fields this version does not know pass through untouched (kept as
 * raw msgpack, at head, group and rollout level). Before msgpack-c unpacks, the declared counts and
 * the depth (at most 8) are checked against the bytes at hand.
 *
 *     struct ptd_group g = {0};
 *     if (ptd_group_decode(&g, f.body, f.body_len) < 0) ...
 *     g.rollouts[0].reward = 1;
 *     ptd_group_encode(&g, &buf);
 *     ptd_group_clear(&g);
 *
 * What is wrong is refused with record and field, by every program that works with it and by
 * ptd-dump --check. ptd-dump shows such heads and groups all the same, and with --text those in
 * which only arrays are wrong (ptd_group_check), so that they can be looked at.
 *
 * Ownership: decode copies strings into g->arena, where whatever a stage adds lives too
 * (ptd_group_alloc, ptd_group_text), freed by ptd_group_clear; pixels and typed arrays point into
 * the body that was decoded and live as long as it does. (The encoder puts arrays at multiples of 4
 * from the body's start; those that come to lie odd all the same are copied.) Strings end in a NUL,
 * so one that holds a NUL inside is refused. */
#ifndef PTD_RECORD_H
#define PTD_RECORD_H
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

#define PTD_STREAM_VERSION 1
/* most turns, pictures, steps, regions, objects or further answers of a group, or parts of a reward
 */
#define PTD_LIST_MAX  64
#define PTD_WIDTH_MAX (1 << 20) /* of a hidden row */

struct ptd_buf {
    char *data;
    size_t len, cap;
}; /* growing bytes; free(data) */
void ptd_buf_add(struct ptd_buf *b, const void *p, size_t n);

/* Fields of a map that this version does not know: raw key/value pairs in their order. Private to
 * record.c. */
struct ptd_unknown {
    char *raw;
    size_t len;
    int n;
};

/* ---- head ---- */
struct ptd_stage_note {
    const char *name, *version, *command;
    /* what its options decide, as ptd_opt_decided writes it, and what they name; NULL in older
     * streams */
    const char *decided;
    /* what decides its last bits, as ptd_machine writes it; NULL in older streams */
    const char *machine;
    const char *build; /* its file's build id, for people */
};

#define PTD_WAITS_MAX       2
#define PTD_STEP_GROUPS_MAX 65536 /* prompts of a step that ptd-rollout takes */

struct ptd_head {
    int version;             /* "version": PTD_STREAM_VERSION; another is refused with 76 */
    const char *store;       /* "store": run directory */
    const char *data;        /* "data": data set's path */
    const char *data_digest; /* "data_digest": of its bytes, hex */
    /* "pictures_digest": of the pictures it names, hex; NULL: it names none */
    const char *pictures_digest;
    const char *mode; /* "mode": "train" (update may publish) or "eval" */
    /* "seed"; "steps": number of the last step of the run, 0 unknown */
    int64_t seed, steps;
    /* "first_step": number of the first step in this stream (1 = first of the run) */
    int64_t first_step;
    int group_size;     /* "group_size": rollouts per prompt (G) */
    int step_groups;    /* "step_groups": prompts per step (P) */
    int max_tokens;     /* "max_tokens": limit of a response */
    double temperature; /* "temperature": of sampling and of every log-prob in the stream */
    int top_logprobs;   /* "top_logprobs": ids per token recorded when sampling (0: none) */
    int recorded; /* "recorded": 1 if entropy and top_logp are with them (ptd-rollout --record) */
    /* "waits": how many of the newest generations the sampler of this stream may still ask for,
     * which waits for the trainer: 1 + --lag of ptd-rollout, at most PTD_WAITS_MAX; 0 nobody waits
     */
    int waits;
    /* "sampling": in words, what else decides prompts and responses (compared at resume); NULL if
     * nothing does */
    const char *sampling;
    /* "verdicts": where ptd-rollout waits for ptd-verify (verdicts.h), whose step may then hold
     * fewer groups than were asked; NULL: nowhere */
    const char *verdicts;
    /* "relay": where ptd-rollout waits for ptd-update, which brings the verdicts of other ranks
     * (relay.h), so that the step's groups may be more than step_groups: the first of all ranks'
     * count; NULL: nowhere */
    const char *relay;
    /* "share", "shares": this stream has each shares-th prompt of a step, from number `share` on,
     * as ptd-rollout deals them to ranks; shares 0: all of them */
    int share, shares;
    /* "thought_open": 1 if the model's chat template has opened a thought at the end of every
     * prompt, so that a response begins inside of it */
    int thought_open;
    /* "teacher": whose distributions and rows the teacher's are: "old", the generation that sampled
     * the group; "ema", the averages beside it (ema.h); else a store, whose generation
     * "teacher_generation" it is; NULL: the reference, generation 0 of the run */
    const char *teacher;
    int64_t teacher_generation;
    /* "stages": every program that wrote this stream, first to last */
    struct ptd_stage_note *stages;
    int n_stages;
    struct ptd_unknown unknown;
    void *arena; /* owner of all of the above */
};
/* copies; 76 if the version is not ours */
int ptd_head_decode(struct ptd_head *h, const char *body, size_t len) PTD_MUST_CHECK;
/* 0 if log-probs can be computed with the head's temperature, which a hand-made stream may lack. */
int ptd_head_check_temperature(const struct ptd_head *h) PTD_MUST_CHECK;
/* Bytes that the rollouts of a group can take, by the head's group_size, max_tokens and
 * top_logprobs, with so many bytes a token from ptd-ref (0: before it); a token's text counts as 4
 * bytes. A frame holds 1 GiB, and it shall be known before anything is computed that it will not
 * do. */
double ptd_head_rollout_bytes(const struct ptd_head *h, double scored);
/* replaces out's content */
void ptd_head_encode(const struct ptd_head *h, struct ptd_buf *out);
/* copies the texts */
void ptd_head_add_stage(struct ptd_head *h, const struct ptd_stage_note *note);
char *ptd_head_text(struct ptd_head *h, const char *s); /* copy that lives as long as h */
void ptd_head_clear(struct ptd_head *h);

/* ---- group ---- */
struct ptd_region {
    const char *label;
    float box[4];
}; /* box: x0 y0 x1 y1, shares of width and height, 0..1; label may be "" */

struct ptd_turn {     /* of a conversation before its question */
    const char *role; /* "role": "user" or "assistant" */
    const char *text; /* "text", a user's with <image> marks */
};

struct ptd_picture {       /* one image of the prompt, decoded and resized */
    char hash[17];         /* "hash": XXH3-64 of size and pixels, hex */
    int height, width;     /* "height", "width": pixels, multiples of patch_size * merge_size */
    const uint8_t *pixels; /* "pixels": bin, [height][width][3] RGB */
};

enum ptd_outcome { PTD_UNJUDGED = 0, PTD_RIGHT, PTD_WRONG, PTD_UNPARSABLE };
extern const char *const ptd_outcome_name[4]; /* "unjudged" "right" "wrong" "unparsable" */

/* What somebody else than the rules of ptd-verify found of a response, by name. */
struct ptd_reward_part {
    const char *name; /* "name": not empty, once in a rollout */
    double value;     /* "value" */
};

struct ptd_rollout {
    /* ptd-rollout, ptd-gold */
    const int32_t *ids; /* "ids": int32 [n], the response, stop token included */
    int n;
    const float *logp; /* "logp": float32 [n], log-probs when sampled; NULL from ptd-gold */
    /* "top_ids": int32 [n][top_k], student's most probable ids, best first; NULL if not recorded */
    const int32_t *top_ids;
    int top_k; /* "top_k" */
    /* for people, by ptd-rollout --record; NULL: not recorded. "top_logp": float16 [n][top_k]
     * log-probs of top_ids when sampled. "entropy": float32 [n] of the whole distribution there,
     * temperature and all, in nats */
    const uint16_t *top_logp;
    const float *entropy;
    /* "text": decoded, special tokens left out, up to the end of a stop text (the last of the ids
     * may say more); for people and the verifier */
    const char *text;
    const char *stop; /* "stop": "eos", "text" (a stop text), "length" (cut) or "gold" */
    /* ptd-verify */
    int outcome;                                /* "outcome": enum ptd_outcome as its name */
    const char *extracted;                      /* "extracted": the answer found, or NULL */
    const char *reason;                         /* "reason": why it is unparsable, or NULL */
    double accuracy, format, reward, advantage; /* same names */
    const struct ptd_reward_part *parts;        /* "parts": [map], what `reward` is also made of */
    int n_parts;
    /* in no stream: reward is the sum of share_weights[k] shares[k]; 0 but inside of ptd-verify */
    const double *shares, *share_weights;
    int n_shares;
    /* "greedy": 1 if it is the greedy answer beside the group (ptd-rollout --greedy-baseline),
     * which ptd-verify judges and takes out: nothing is learned from it */
    int greedy;
    /* ptd-ref */
    /* "ref_logp": float32 [n] reference log-probs without hint; NULL if not scored */
    const float *ref_logp;
    /* "teacher_ids": int32 [n][teacher_k], teacher's most probable ids, best first; NULL: not
     * tutored */
    const int32_t *teacher_ids;
    /* "teacher_logp": float16 [n][teacher_k] teacher's log-probs of teacher_ids */
    const uint16_t *teacher_logp;
    /* "teacher_on_top": float16 [n][top_k] teacher's exact log-probs of top_ids; there if both
     * teacher_ids and top_ids are */
    const uint16_t *teacher_on_top;
    int teacher_k;           /* "teacher_k" */
    const char *teacher_key; /* "teacher_key": hex key of the cached distribution */
    /* "teacher_on_ids": float32 [n] teacher's log-probs of ids; NULL from earlier programs */
    const float *teacher_on_ids;
    /* "teacher_rows": float32 [n][teacher_width] the teacher's last hidden rows, behind its final
     * norm, which its head makes logits of; in place of teacher_ids */
    const float *teacher_rows;
    int teacher_width; /* "teacher_width": at most PTD_WIDTH_MAX */
    /* "masked_logp": float32 [n] log-probs with the pictures masked; NULL: nobody read so */
    const float *masked_logp;
    /* for people, by ptd-update --trace, at the step's first look at each token; NULL: not traced.
     * "divergence": float32 [n] from the tutor, before its weight; only where one was heard.
     * "advantages": float32 [n] what each token was learned with */
    const float *divergence, *advantages;
    struct ptd_unknown unknown;
};

/* "map": map; absent if none. Where a model looked for a hint, the one that was given or the first
 * that was dropped; for people, by ptd-hint --record. */
struct ptd_map {
    /* "score": float16 [rows][columns], 0 to 1: of each of the picture's tokens, as a share of the
     * highest */
    const uint16_t *score;
    int rows, columns;  /* "rows", "columns" */
    int picture;        /* "picture": which one of the group */
    const char *source; /* "source": of hints, that looked */
};

struct ptd_hint {       /* "hint": map; absent if none */
    const char *text;   /* "text": what the teacher reads */
    const char *source; /* "source": "data", "attention", ... */
    /* "regions": [[label, x0, y0, x1, y1], ...] the spatial part */
    const struct ptd_region *regions;
    int n_regions;
    const char *const *steps; /* "steps": [str] the method part */
    int n_steps;
    const int32_t *prompt_ids; /* "prompt_ids": int32, the whole hinted prompt */
    int n_prompt;
    int unchecked; /* "unchecked": 1 if no rule looked at it: it may tell the answer */
};

struct ptd_group {
    const char *uid;     /* "uid": unique in the data set */
    int64_t index, step; /* "index": row of the data set; "step" */
    int64_t place; /* "place": among the step's prompts, from 1, where a stream has a share of them;
                      0: not said */
    int round; /* "round": how many groups this stream's share of its round has, where verdicts are
                  waited for (relay.h); 0: not said */
    int64_t generation;           /* "generation": weights that sampled; -1 from ptd-gold */
    const char *category;         /* "category" */
    const char *system;           /* "system": the prompt's system message, or NULL */
    const struct ptd_turn *turns; /* "turns": [map], what was said before the question */
    int n_turns;
    const char *question, *answer,
        /* "question" (with <image> marks), "answer", "solution" (reference steps as text) or
         * NULL */
        *solution;
    /* "answers": what is right as well as `answer` */
    const char *const *answers;
    int n_answers;
    const char *judge; /* "judge": the rule that the data set names for this row, or NULL */
    const struct ptd_region *regions; /* "regions": the data set's, see hint */
    int n_regions;
    const char *const *steps; /* "steps": the data set's method steps */
    int n_steps;
    /* "objects": what is where in the first picture, "b2 red 4" (dense grounding for SFT) */
    const struct ptd_region *objects;
    int n_objects;
    struct ptd_picture *pictures; /* "pictures": [map] */
    int n_pictures;
    /* "prompt_ids": int32, what the student reads, image pads included */
    const int32_t *prompt_ids;
    int n_prompt;
    struct ptd_rollout *rollouts; /* "rollouts": [map] */
    int n_rollouts;
    struct ptd_hint hint;  /* hint.text == NULL: none */
    const char *hint_drop; /* "hint_drop": why a hint was rejected, or NULL */
    /* ptd-hint --gate: "hint_gain": by how much more log-prob the right answer has under the hint
     * than without, of the one that passed or of the first that did not; 0: not asked.
     * "hint_refused": that one's source and text, or NULL */
    double hint_gain;
    const char *hint_refused;
    /* ptd-hint --record: source and text of the hint that hint_drop is said of, or NULL; it may
     * tell the answer */
    const char *hint_dropped;
    struct ptd_map map;
    double group_accuracy; /* "group_accuracy": mean accuracy, -1 before ptd-verify */
    /* "has_baseline", "baseline": 1, and the reward of the greedy answer that was beside the group
     */
    int has_baseline;
    double baseline;
    struct ptd_unknown unknown;
    void *arena;
};

/* Fills *g (cleared first). -1 with status 65: malformed map, wrong type, lengths that disagree
 * (logp against ids, top_k against top_ids, pixels against height and width), one of the teacher's
 * arrays without the others, rows beside words of a teacher or wider than PTD_WIDTH_MAX, accuracy,
 * format or a box outside of 0 to 1, a reward or a part of one beyond 1e30, a part without a name
 * or one that comes twice, further answers without one, more turns, pictures, steps, regions,
 * objects, answers or parts than PTD_LIST_MAX, log-probs of top ids without these, a map of no
 * picture of the group. Costs next to nothing for large arrays, which it
 * leaves alone. */
int ptd_group_decode(struct ptd_group *g, const char *body, size_t len) PTD_MUST_CHECK;
/* What large arrays hold: there is a rollout, a picture's hash is that of its size and pixels, no
 * id is below 0 (-1 where there were fewer words than K), no log-prob is above 0 (but for
 * rounding), no entropy below it. NaN and -Inf pass: ptd-update refuses a step for them. -1 with
 * status 65 and the field. */
int ptd_group_check(const struct ptd_group *g) PTD_MUST_CHECK;
/* Both: how programs take a group from a stream, so that all accept the same ones. */
int ptd_group_read(struct ptd_group *g, const char *body, size_t len) PTD_MUST_CHECK;
/* That all ids are words of a vocabulary of this size, which a stream of another tokenizer's are
 * not; ptd-ref and ptd-update ask. -1 with status 65 and the field. */
int ptd_group_check_words(const struct ptd_group *g, int vocab) PTD_MUST_CHECK;
/* XXH3-64 of height and width (uint32, little-endian) and pixels */
void ptd_picture_hash(const uint8_t *pixels, int height, int width, char hex[17]);
void ptd_group_encode(const struct ptd_group *g, struct ptd_buf *out); /* replaces out's content */
/* Was it judged right? (One without an outcome: is its accuracy 1?) */
int ptd_rollout_right(const struct ptd_rollout *y);
/* 1: a teacher said something of it. */
int ptd_rollout_taught(const struct ptd_rollout *y);
/* zeroed, 16-byte aligned, lives as long as the group */
void *ptd_group_alloc(struct ptd_group *g, size_t n);
char *ptd_group_text(struct ptd_group *g, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The n parts with `between` between them. */
char *ptd_group_join(struct ptd_group *g, const char *between, const char *const *part, int n);
/* frees the arena, zeroes *g (group_accuracy = -1, generation = -1) */
void ptd_group_clear(struct ptd_group *g);
#endif
