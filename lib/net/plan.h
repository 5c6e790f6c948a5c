/* plan: how much memory a program will take, by part, from the model's shape and the options,
 * before any of it is taken.
 *
 *     struct ptd_plan p = {0};
 *     ptd_plan_program(&p, threads);           // libraries, the code
 *     ptd_plan_weights(&p, m, store, learns);  // weights, and gradients
 *     ptd_plan_add(&p, "moments", bytes);      // whoever owns memory adds it
 *     ptd_plan_pack(&asked.expected, micro, m, &shape);
 *     ptd_plan_activations(&p, m, keep, &shape);
 *     if (asked.print) ptd_plan_tell(&p, &fixed, &asked, choices); // and end
 *     ptd_plan_judge(&p, &fixed, room, choices);   // -1 (71): it cannot fit, this would
 *
 * What is mapped from files and shared by all programs is a part of its own and not in the sum: the
 * machine gives it back when it must. A device with memory of its own (a card) has a sum of its
 * own, and both must fit; what other programs have on the card, and what opening it took (CUDA's
 * own, cuBLASLt's workspace), is no longer free there, and so in no part. */
#ifndef PTD_PLAN_H
#define PTD_PLAN_H
#include "base/opt.h"
#include "data/token.h"
#include "net/net.h"

#define PTD_PLAN_PARTS 32

struct ptd_plan {
    struct ptd_plan_part {
        const char *name; /* lives as long as the program */
        size_t bytes;
        int shared; /* 1: mapped from files */
        int card;   /* 1: of the card's memory */
    } part[PTD_PLAN_PARTS];
    int n;
    const char *card; /* NULL, or the name of a device with memory of its own, */
    size_t card_room; /* and what is free of that */
};

/* What groups look like; 0: not known. */
struct ptd_expected {
    long prompts;         /* of a step */
    long prompt;          /* tokens of a prompt, pictures among them */
    long answers, answer; /* of a prompt; most tokens of one */
    long width, height;   /* of the picture of each prompt, pixels */
};

/* Options of --plan and of the check at the start. */
struct ptd_plan_asked {
    int print, json;
    int64_t room; /* bytes; 0: what there is */
    const char *expect;
    struct ptd_expected expected;
};
#define PTD_PLAN_OPTIONS(asked)                                                                    \
    {"plan",                                                                                       \
     0,                                                                                            \
     PTD_OPT_FLAG,                                                                                 \
     &(asked).print,                                                                               \
     NULL,                                                                                         \
     "print how much memory this command will take, by part, and do nothing else",                 \
     0,                                                                                            \
     0,                                                                                            \
     1},                                                                                           \
        {"json", 0, PTD_OPT_FLAG, &(asked).json, NULL, "the plan as one JSON object", 0, 0, 1},    \
        {"expect",                                                                                 \
         0,                                                                                        \
         PTD_OPT_STR,                                                                              \
         &(asked).expect,                                                                          \
         "LIST",                                                                                   \
         "what the plan is for: prompts=24,prompt=320,answers=8x256,picture=640x480",              \
         0,                                                                                        \
         0,                                                                                        \
         1},                                                                                       \
    {                                                                                              \
        "memory", 0, PTD_OPT_LONG, &(asked).room, "SIZE",                                          \
            "memory to stay within (0: what the machine and its limits leave)", 0, 1e15, 1         \
    }

/* Reads asked->expect; misuse (2) ends the program. */
void ptd_plan_read(struct ptd_plan_asked *asked);
size_t ptd_plan_room(const struct ptd_plan_asked *asked); /* bytes; SIZE_MAX: nobody knows */

/* The most that one micro-batch holds at a time. */
struct ptd_shape {
    long rows, targets, image_rows, patches;
    long alone; /* patches of one picture where the tower is asked one at a time; 0: all together */
};
/* Groups as expected, answers of any length up to that, packed as learn.h says; where nothing is
 * known of them, two times `micro` rows without pictures. */
void ptd_plan_pack(const struct ptd_expected *e, long micro, const struct ptd_model *m,
                   struct ptd_shape *s);
/* The pictures of so many prompts in s: all together, or by a frozen tower of their own
 * (encoder.h). */
void ptd_plan_see(const struct ptd_expected *e, long prompts, const struct ptd_model *m,
                  struct ptd_shape *s);

void ptd_plan_add(struct ptd_plan *p, const char *part, size_t bytes);
/* Of the device's memory, wherever that is. */
void ptd_plan_take(struct ptd_plan *p, struct ptd_device *d, const char *part, size_t bytes);
void ptd_plan_share(struct ptd_plan *p, const char *part, size_t bytes); /* mapped from files */
void ptd_plan_program(struct ptd_plan *p, int threads);
void ptd_plan_tokenizer(struct ptd_plan *p, const struct ptd_tokenizer *t);
/* Bytes that are known of a token of an answer at most: what was sampled, with so many ids, and of
 * the tutor, if there is one, so many and the sampler's. */
#define PTD_PLAN_TOKEN(ids, tutor)                                                                 \
    (12 + 4 * (size_t)(ids) + ((tutor) ? 6 * (size_t)(tutor) + 2 * (size_t)(ids) : 0))
#define PTD_PLAN_IDS 16 /* usual, of both */
/* Groups of a step, held; bytes: of a token of an answer. */
void ptd_plan_groups(struct ptd_plan *p, const struct ptd_expected *e, size_t bytes);
/* What comes of pictures before the text is run. */
void ptd_plan_pictures(struct ptd_plan *p, struct ptd_model *m, const struct ptd_shape *s);
/* store: where frozen weights are; learns: gradients too */
int ptd_plan_weights(struct ptd_plan *p, const struct ptd_model *m, struct ptd_store *store,
                     int learns) PTD_MUST_CHECK;
/* The pool of a batch, the head's chunk, pictures on the host. keep: as enum ptd_keep says */
void ptd_plan_activations(struct ptd_plan *p, struct ptd_model *m, int keep,
                          const struct ptd_shape *s);
size_t ptd_plan_pool(struct ptd_model *m, int keep, const struct ptd_shape *s); /* bytes */
/* The keep that is chosen where activations may take at most so much. */
int ptd_plan_keep(struct ptd_model *m, const struct ptd_shape *s, size_t most);
/* A card's memory for single operations, of which the largest batch decides; keep 0: nothing is
 * learned. */
void ptd_plan_operations(struct ptd_plan *p, struct ptd_model *m, int keep,
                         const struct ptd_shape *s);

/* The start of a program that only reads: program and frozen weights, checked against the room;
 * *left is what they leave of it. -1: as _check */
int ptd_plan_start(struct ptd_model *m, struct ptd_store *store, size_t room,
                   size_t *left) PTD_MUST_CHECK;

/* An option that takes less of memory the smaller it is. Lists of them end with {0}. */
struct ptd_plan_choice {
    const char *option;  /* "--micro", after what else would have to be said */
    int64_t from, least; /* tried from one to the other, halved each time */
    /* adds what depends on it */
    void (*parts)(void *ctx, int64_t n, struct ptd_plan *p);
    void *ctx;
};
/* -1: 71, `all` is more than the room; the message names the first choice with which `fixed`, what
 * does not depend on any, would fit, or else `beyond`. */
int ptd_plan_judge(const struct ptd_plan *all, const struct ptd_plan *fixed, size_t room,
                   const struct ptd_plan_choice *choices, const char *beyond) PTD_MUST_CHECK;
/* --plan: prints it and ends the program: 0, or 71 as above. */
_Noreturn void ptd_plan_tell(const struct ptd_plan *all, const struct ptd_plan *fixed,
                             const struct ptd_plan_asked *asked,
                             const struct ptd_plan_choice *choices, const char *beyond);

size_t ptd_plan_sum(const struct ptd_plan *p); /* of the host's, what is shared left out */
size_t ptd_plan_card_sum(const struct ptd_plan *p);
/* What the plan leaves of the memory that activations are of, the host's being `room`. SIZE_MAX:
 * nobody knows. */
size_t ptd_plan_left(const struct ptd_plan *p, size_t room);
void ptd_plan_print(const struct ptd_plan *p, size_t room, int json); /* to stdout */
/* -1: 71, the sum is more than the room; `instead`: what would take less. */
int ptd_plan_check(const struct ptd_plan *p, size_t room, const char *instead) PTD_MUST_CHECK;
#endif
