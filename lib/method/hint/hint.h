/* hint: where hints come from and how one gets into a group.
 *
 * A source is one small file: it looks at a group and fills in a hint's regions (the spatial part)
 * and steps (the method part). hint.c joins the steps to the text that the teacher reads ("first c3
 * then look at a3 b3 c3 then add"), has it checked for spoilers, and renders the hinted prompt.
 *
 *     ptd_hint_tools_open(&tools, head.store);
 *     struct ptd_hints *h = ptd_hints_open(&tools, "data,attention", &options);
 *     // 1: g->hint is set; 0: none, g->hint_drop says whether one was rejected
 *     ptd_hints_give(h, g);
 *     ptd_hints_close(h);
 *     ptd_hint_tools_close(&tools);
 *
 * To add a source: write NAME.c here, declare it below, put it into the table in hint.c. */
#ifndef PTD_HINT_H
#define PTD_HINT_H
#include "data/config.h"
#include "data/token.h"
#include "flow/record.h"
#include "net/plan.h"

struct ptd_hint_tools {        /* what the store and the stream say, for all sources */
    struct ptd_device *device; /* NULL: not set, and no source computes */
    struct ptd_store *store;
    struct ptd_config config;
    struct ptd_tokenizer *tokenizer;
    struct ptd_model *reference; /* NULL until wanted: ptd_hint_reference */
    int64_t generation;          /* of the store that it is: 0, of another model the newest */
    /* who looks, scores and answers in place of the reference: another store's model, which may
     * have another tokenizer; NULL: the reference. foreign: these tools are such a one's */
    struct ptd_hint_tools *model;
    int foreign;
    int old;      /* 1: the reference has the weights that sampled a group, see ptd_hint_seek */
    int backward; /* before it is loaded: 1: backward reaches all layers of its text */
    int share_pictures; /* before it is loaded: it computes a picture once for many prompts */
    const char *data, *data_digest; /* the data set, NULL: nobody says */
    int max_tokens;                 /* of a response; 0: nobody says */
    double temperature;             /* of sampling; 0: nobody says */
    int64_t memory;                 /* to stay within; 0: what there is */
    size_t left;                    /* of it for all but the reference's weights */
};
int ptd_hint_tools_open(struct ptd_hint_tools *t, const char *dir) PTD_MUST_CHECK;
/* The same for another model than the run's, whose newest generation is used. 78: it is the run's
 * own store. */
int ptd_hint_model_open(struct ptd_hint_tools *t, const char *dir) PTD_MUST_CHECK;
/* For a group that was sampled by this generation: the reference, where `old`, has its weights. -1:
 * 65 nobody sampled it; 66 it is not kept in the store. */
int ptd_hint_seek(struct ptd_hint_tools *t, int64_t generation) PTD_MUST_CHECK;
/* Who looks: t->model, or t itself. */
struct ptd_hint_tools *ptd_hint_eye(struct ptd_hint_tools *t);
/* The frozen model, generation 0 of the store, on the tools' device; loaded once. NULL on failure.
 */
struct ptd_model *ptd_hint_reference(struct ptd_hint_tools *t);
/* What it and a forward pass of it over prompt and solution (as long as an answer) take. -1: it
 * cannot be read. */
int ptd_hint_plan(struct ptd_hint_tools *t, const struct ptd_expected *e,
                  struct ptd_plan *p) PTD_MUST_CHECK;
/* Closes all but the device. */
void ptd_hint_tools_close(struct ptd_hint_tools *t);

/* How the right answer is weighed (weigh.h), by the source `search` and by the gate. */
struct ptd_weigh_rules {
    int by, samples;             /* enum ptd_weigh_by; replies with and without the hint */
    int replies;                 /* of a candidate: the greedy one, and drawn ones beside it */
    const char *answer_template; /* with ANSWER in it */
    const char *judge;           /* of ptd-verify --judge */
    uint64_t seed;
};

struct ptd_hint_options {
    /* attention.c */
    const char *layers, *heads; /* lists such as "0,2-3"; NULL: all */
    const char *grid;           /* "ROWSxCOLUMNS" of the words for places; for siblings and search
                                   too */
    double mass,
        /* a token counts above mass times the mean; is a sink above sink times an even share */
        sink;
    int first;           /* name the cell that is looked at first, where the data's steps do */
    const char *neutral; /* question that is asked in any case, or NULL */
    int blank;           /* paint cells over in place of attention */
    int gradient;        /* times that of the right answer's log-prob */
    /* search.c */
    const char *methods;
    int candidates;
    double sure;
    struct ptd_weigh_rules weigh;
    int gate;           /* a hint under which the right answer gains nothing is dropped */
    double gate_right;  /* and one under which fewer replies than this share are right */
    double gate_source; /* and all of a source of which less than this share passes */
    /* exec.c */
    double exec_timeout, exec_start;
    int tell; /* answer.c may be asked */
    /* for people: groups keep where a model looked (map), and of a dropped hint its words */
    int record;
};

struct ptd_hint_source {
    const char *name;
    const char *arg; /* what follows the name, as CMD in exec:CMD; NULL: nothing does */
    int computes;    /* runs the model: needs ptd_threads_start before it makes anything */
    int tells;       /* says the answer by its nature: no rule looks at it */
    /* NULL on failure. Expensive things (a model) wait for the first make. */
    void *(*open)(struct ptd_hint_tools *t, const struct ptd_hint_options *o, const char *arg);
    /* 1: out's regions and steps are filled in (memory of g's arena); 0: nothing to go by in this
     * group; -1 failure. */
    int (*make)(void *source, struct ptd_group *g, struct ptd_hint *out);
    int (*end)(void *source); /* all is asked; NULL: nothing to be done; -1 failure */
    void (*close)(void *source);
};
extern const struct ptd_hint_source ptd_hint_data; /* the data set's own steps and regions */
/* the reference model's attention to the picture while it reads the solution */
extern const struct ptd_hint_source ptd_hint_attention;
/* what right answers of the group name, and wrong ones do not */
extern const struct ptd_hint_source ptd_hint_siblings;
extern const struct ptd_hint_source ptd_hint_search;   /* of many places the best */
extern const struct ptd_hint_source ptd_hint_column;   /* a column of the data set */
extern const struct ptd_hint_source ptd_hint_exec;     /* what a command says */
extern const struct ptd_hint_source ptd_hint_answer;   /* the answer; for baselines */
extern const struct ptd_hint_source ptd_hint_response; /* a right response of the group; so, too */

#define PTD_HINT_GATE "gate" /* hint_drop of what the gate dropped */

struct ptd_hints;
/* Are these names of sources, and is what they need said? -1: 2. */
int ptd_hints_check(const char *from, const struct ptd_hint_options *o) PTD_MUST_CHECK;
/* 1: `from`, which was checked, names this source. */
int ptd_hints_named(const char *from, const char *name);
char *ptd_hint_names(void); /* "data, attention, ..., exec:CMD", malloc'd */
/* `from`: names of sources, comma-separated, tried in this order. All behind "exec:" is the
 * command. NULL on failure (2: a name that is none). */
struct ptd_hints *ptd_hints_open(struct ptd_hint_tools *t, const char *from,
                                 const struct ptd_hint_options *o);
/* Of all that hints leave in a group nothing stays. */
void ptd_hint_clear(struct ptd_group *g);
/* Replaces the hint of each group of a step by the first one that a source gives, no rule rejects
 * and the gate lets pass. What the gate drops has the hint_drop "gate": hints that do not help, and
 * all of a source whose hints mostly do not, since those that seem to do it by accident. given [n]:
 * 1 + the source's number, or 0. -1: failure, of the group whose given is -1 if of one. */
int ptd_hints_give(struct ptd_hints *h, struct ptd_group **g, int n, int *given) PTD_MUST_CHECK;
/* The sources one by one, 0 .. count - 1. make: 1 and *hint has all but a prompt, *broken the rule
 * that it breaks or NULL; 0: nothing to go by in g; -1 failure. */
int ptd_hints_count(const struct ptd_hints *h);
const char *ptd_hints_name(const struct ptd_hints *h, int i);
int ptd_hints_make(struct ptd_hints *h, int i, struct ptd_group *g, struct ptd_hint *hint,
                   const char **broken) PTD_MUST_CHECK;
int ptd_hints_have(const struct ptd_hints *h, const char *name); /* 1: a source of this name */
int ptd_hints_compute(const struct ptd_hints *h); /* 1 if one of its sources, or the gate, does */
/* What the gate let pass and dropped, and the sums of their gains. */
struct ptd_hints_gate {
    long passed, dropped;
    double gain_passed, gain_dropped;
};
struct ptd_hints_gate ptd_hints_gated(const struct ptd_hints *h);
int ptd_hints_end(struct ptd_hints *h) PTD_MUST_CHECK; /* all groups have been: -1 failure */
void ptd_hints_close(struct ptd_hints *h);
#endif
