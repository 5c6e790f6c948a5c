/* refer: see refer.h. What is done with the distributions is learn.c's. */
#include "method/refer.h"
#include "base/half.h"
#include "base/signals.h"
#include "base/threads.h"
#include "compute/fingerprint.h"
#include "flow/stream.h"
#include "method/source.h"
#include "net/head.h"
#include "net/plan.h"
#include "net/score.h"
#include "store/store.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define TOP_K_MAX 256

struct reader {
    struct ptd_model *m;
    uint8_t *banned;
    struct ptd_score *score;
}; /* a model that reads */

struct task { /* one response to be read */
    struct ptd_group *g;
    struct ptd_rollout *y;
    int teach;     /* 0: reference log-probs, 1: distribution under the hint */
    uint64_t read; /* digest of the prompt, its pictures and the response */
    char key[33];  /* of all that decides the value: of the task, then with the micro-batch too */
    void *value;   /* what is cached: see value_size */
    size_t size;
    /* an earlier task of this step with the same key, whose value this one takes over; -1: none */
    int twin;
    int missing; /* in the cache */
};

/* tasks that are computed together, order[first .. first + n): families of one kind, whole unless
 * they are larger than a micro-batch */
struct micro {
    int first, n;
    long tokens;
    uint64_t digest; /* of all that is read */
};

struct ptd_refer {
    struct ptd_device *device;
    struct ptd_refer_rules r;
    struct ptd_store *store, *other; /* other: the teacher's */
    int cache;
    /* teacher: with --teacher only, otherwise the reference teaches */
    struct reader reference, teacher;
    char reference_id[17], teacher_id[17];
    int64_t teacher_generation;
    int vocab;
    char *reads, *machine;
    struct task *task;
    int n_tasks, cap;
    struct task **order; /* tasks that are no twins, by micro-batch */
    struct micro *micro;
    int n_micros;
    const struct ptd_group *culprit; /* the group that failed, or NULL */
    struct ptd_refer_counts counts;
};

static int open_stores(struct ptd_refer *f, const char *store, const char *teacher)
{
    int mode = f->cache ? PTD_STORE_CACHE : PTD_STORE_READ;
    if (f->r.top_k < 1 || f->r.top_k > TOP_K_MAX)
        return ptd_fail(PTD_USAGE, "top-k %d, expected 1 to %d", f->r.top_k, TOP_K_MAX);
    if (!store) return ptd_fail(PTD_USAGE, "the stream names no store: give one with --store");
    if (ptd_store_open(&f->store, store, mode) || ptd_store_identity(f->store, 0, f->reference_id))
        return -1;
    if (!teacher) return 0;
    if (ptd_store_is(f->store, teacher))
        return ptd_fail(
            PTD_CONFIG,
            "--teacher %s is the run's own store, whose generation 0 teaches without this option; "
            "expected another store",
            teacher);
    if (ptd_store_open(&f->other, teacher, PTD_STORE_READ) ||
        ptd_store_head(f->other, &f->teacher_generation))
        return -1;
    return ptd_store_identity(f->other, f->teacher_generation, f->teacher_id);
}

/* The student's vocabulary, which is asked before any model is loaded. */
static int read_vocab(struct ptd_refer *f)
{
    struct ptd_config c;
    char *config = ptd_store_get_meta(f->store, "config.json", NULL);
    int r =
        config ? ptd_config_parse(&c, config, NULL)
               : ptd_fail(PTD_DATAERR, "%s: no config.json in the store", ptd_store_path(f->store));
    if (!r) f->vocab = c.vocab;
    free(config);
    return r;
}

struct ptd_refer *ptd_refer_open(const char *store, const char *teacher, int cache,
                                 const struct ptd_refer_rules *r, struct ptd_device *d)
{
    struct ptd_refer *f = ptd_alloc(sizeof *f);
    f->r = *r;
    f->device = d;
    f->cache = cache;
    if (open_stores(f, store, teacher) || read_vocab(f)) {
        ptd_refer_close(f);
        return NULL;
    }
    f->machine = ptd_machine(d);
    f->reads = f->other ? ptd_format("reference %s; teacher generation %lld %s", f->reference_id,
                                     (long long)f->teacher_generation, f->teacher_id)
                        : ptd_format("reference %s", f->reference_id);
    return f;
}

const char *ptd_refer_reads(const struct ptd_refer *f)
{
    return f->reads;
}

int ptd_refer_cache_max(struct ptd_refer *f, int64_t bytes)
{
    return f->cache ? ptd_store_cache_max(f->store, bytes) : 0;
}

/* Its shape; no memory is taken for weights. */
static int reader_shape(struct reader *d, struct ptd_device *device, struct ptd_store *s)
{
    if (!d->m) d->m = ptd_model_open(s, device);
    if (!d->m) return -1;
    ptd_model_choose(d->m, NULL, NULL);
    return 0;
}

static int reader_load(struct ptd_refer *f, struct reader *d, struct ptd_store *s,
                       int64_t generation)
{
    struct ptd_tokenizer *t = ptd_source_tokenizer(s);
    static const struct ptd_plan_asked nothing;
    const struct ptd_plan_asked *asked = f->r.plan ? f->r.plan : &nothing;
    size_t left;
    if (!t) return -1;
    int r = reader_shape(d, f->device, s);
    if (!r) d->banned = ptd_model_banned(d->m, ptd_tokenizer_size(t));
    ptd_tokenizer_free(t);
    if (r || ptd_plan_start(d->m, s, ptd_plan_room(asked), &left) ||
        ptd_model_load(d->m, s, generation))
        return -1;
    d->score = ptd_score_new(d->m, 0);
    if (asked->room) d->score->room = left;
    return 0;
}

static int load_models(struct ptd_refer *f)
{
    if (!f->reference.score && reader_load(f, &f->reference, f->store, 0)) return -1;
    if (!f->other || f->teacher.score) return 0;
    if (reader_load(f, &f->teacher, f->other, f->teacher_generation)) return -1;
    if (f->teacher.m->config.vocab == f->reference.m->config.vocab) return 0;
    return ptd_fail(PTD_CONFIG, "teacher has a vocabulary of %d, expected the student's %d",
                    f->teacher.m->config.vocab, f->reference.m->config.vocab);
}

/* ---- memory ---- */

int ptd_refer_plan(struct ptd_refer *f, struct ptd_plan *p)
{
    if (reader_shape(&f->reference, f->device, f->store) ||
        ptd_plan_weights(p, f->reference.m, f->store, 0))
        return -1;
    if (f->other && (reader_shape(&f->teacher, f->device, f->other) ||
                     ptd_plan_weights(p, f->teacher.m, f->other, 0)))
        return -1;
    ptd_plan_program(p, &f->reference.m->config, ptd_threads_count());
    ptd_plan_groups(p, &f->r.plan->expected, PTD_PLAN_TOKEN(PTD_PLAN_IDS, f->r.top_k));
    return 0;
}

/* Of a row: what is asked of it, and the tutor's words. */
static size_t row_bytes(const struct ptd_refer *f)
{
    return sizeof(struct ptd_target) + 2 * sizeof(int32_t) +
           f->r.top_k * (sizeof(int32_t) + sizeof(float)) +
           PTD_PLAN_IDS * (sizeof(int32_t) + sizeof(double));
}

void ptd_refer_plan_micro(struct ptd_refer *f, int64_t micro, struct ptd_plan *p)
{
    struct ptd_shape s;
    ptd_plan_pack(&f->r.plan->expected, micro, f->reference.m, &s);
    ptd_plan_activations(p, f->reference.m, 0, &s);
    ptd_plan_add(p, "distributions", s.targets * row_bytes(f));
}

/* ---- tasks ---- */

static int wants_teacher(const struct ptd_refer_rules *r, const struct ptd_group *g,
                         const struct ptd_rollout *y)
{
    if (!g->hint.text || g->group_accuracy < 0 || g->group_accuracy >= r->tau) return 0;
    if (!r->all && ptd_rollout_right(y)) return 0;
    return r->truncated || !y->stop || strcmp(y->stop, "length");
}

static size_t value_size(const struct ptd_refer *f, const struct task *t)
{
    size_t n = t->y->n;
    if (!t->teach) return n * sizeof(float);
    return n * f->r.top_k * (sizeof(int32_t) + sizeof(uint16_t)) +
           n * t->y->top_k * sizeof(uint16_t);
}

static void put_key(char key[33], XXH3_state_t *s)
{
    XXH128_hash_t h = XXH3_128bits_digest(s);
    snprintf(key, 33, "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
}

static XXH3_state_t *new_hash(void)
{
    XXH3_state_t *s = XXH3_createState();
    if (!s) ptd_die(PTD_OSERR, "out of memory for a hash");
    XXH3_128bits_reset(s);
    return s;
}

static void name_task(const struct ptd_refer *f, struct task *t)
{
    const int32_t *prompt = t->teach ? t->g->hint.prompt_ids : t->g->prompt_ids;
    int n = t->teach ? t->g->hint.n_prompt : t->g->n_prompt;
    int64_t lengths[] = {n, t->y->n, t->g->n_pictures},
            kind[] = {t->teach, t->teach ? f->r.top_k : 0, t->teach ? t->y->top_k : 0};
    XXH3_state_t *s = new_hash();
    XXH3_128bits_update(s, lengths, sizeof lengths);
    XXH3_128bits_update(s, prompt, n * sizeof *prompt);
    for (int i = 0; i < t->g->n_pictures; i++)
        XXH3_128bits_update(s, t->g->pictures[i].hash, sizeof t->g->pictures[i].hash);
    XXH3_128bits_update(s, t->y->ids, t->y->n * sizeof *t->y->ids);
    t->read = XXH3_128bits_digest(s).low64;
    XXH3_128bits_update(s, kind, sizeof kind);
    XXH3_128bits_update(s, t->teach && f->other ? f->teacher_id : f->reference_id, 16);
    XXH3_128bits_update(s, &f->r.temperature, sizeof f->r.temperature);
    if (t->teach)
        XXH3_128bits_update(s, t->y->top_ids,
                            (size_t)t->y->n * t->y->top_k * sizeof *t->y->top_ids);
    put_key(t->key, s);
    XXH3_freeState(s);
}

static void add_task(struct ptd_refer *f, struct ptd_group *g, struct ptd_rollout *y, int teach)
{
    struct task *t;
    if (f->n_tasks == f->cap)
        f->task = ptd_realloc(f->task, (f->cap = f->cap ? 2 * f->cap : 256) * sizeof *f->task);
    t = &f->task[f->n_tasks++];
    *t = (struct task){.g = g, .y = y, .teach = teach};
    t->size = value_size(f, t);
    t->value = ptd_group_alloc(g, t->size);
    name_task(f, t);
}

static int same_family(const struct task *a, const struct task *b)
{
    return a->g == b->g && a->teach == b->teach;
}

static struct reader *reader_of(struct ptd_refer *f, const struct task *t)
{
    return t->teach && f->other ? &f->teacher : &f->reference;
}

/* The value's parts, in the rollout. */
static void attach(const struct ptd_refer *f, struct task *t)
{
    size_t n = t->y->n;
    char *p = t->value;
    if (!t->teach) {
        t->y->ref_logp = t->value;
        return;
    }
    t->y->teacher_k = f->r.top_k;
    t->y->teacher_ids = (const int32_t *)(void *)p;
    t->y->teacher_logp = (const uint16_t *)(void *)(p += n * f->r.top_k * sizeof(int32_t));
    if (t->y->top_ids)
        t->y->teacher_on_top = (const uint16_t *)(void *)(p + n * f->r.top_k * sizeof(uint16_t));
}

static void list_tasks(struct ptd_refer *f, struct ptd_group **g, int n)
{
    f->n_tasks = 0;
    /* a group's tasks of one kind are neighbours: they share its prompt */
    for (int i = 0; i < n; i++)
        for (int teach = 0; teach < 2; teach++)
            for (int j = 0; j < g[i]->n_rollouts; j++)
                if (teach ? wants_teacher(&f->r, g[i], &g[i]->rollouts[j]) : f->r.reference)
                    add_task(f, g[i], &g[i]->rollouts[j], teach);
    for (int i = 0; i < f->n_tasks; i++) attach(f, &f->task[i]);
}

/* ---- reading ---- */

/* What was read of the tokens of one micro-batch, whose tasks are of one kind. */
struct reading {
    int32_t *id, *first; /* the words whose log-probs are wanted; token r's begin at first[r] */
    double *logp;        /* of each of them */
    int32_t *top_id;     /* [rows, top_k] */
    float *top_logp;
};

static int n_words(const struct task *t)
{
    if (!t->teach) return 1;
    return t->y->teacher_on_top ? t->y->top_k : 0;
}

static const int32_t *words_of(const struct task *t, const struct ptd_target *at)
{
    return t->teach ? t->y->top_ids + (size_t)at->token * t->y->top_k : &at->id;
}

static void list_words(const struct ptd_score *s, struct reading *r)
{
    size_t n = 0;
    for (long i = 0; i < s->rows; i++) n += n_words(s->target[i].reply);
    r->first = ptd_array(s->rows + 1, sizeof *r->first);
    r->id = ptd_array(n + 1, sizeof *r->id);
    r->logp = ptd_array(n + 1, sizeof *r->logp);
    for (long i = 0; i < s->rows; i++) {
        const struct task *t = s->target[i].reply;
        r->first[i + 1] = r->first[i] + n_words(t);
        if (n_words(t))
            memcpy(r->id + r->first[i], words_of(t, &s->target[i]), n_words(t) * sizeof *r->id);
    }
}

/* Row i's answer to its place in the task's value. */
static void hand_out(const struct ptd_score *s, const struct reading *r, long i, int k)
{
    const struct task *t = s->target[i].reply;
    const double *logp = r->logp + r->first[i];
    size_t at = s->target[i].token;
    if (!t->teach) {
        ((float *)t->value)[at] = (float)*logp;
        return;
    }
    memcpy((int32_t *)t->y->teacher_ids + at * k, r->top_id + i * k, k * sizeof *r->top_id);
    ptd_halves((uint16_t *)t->y->teacher_logp + at * k, r->top_logp + i * k, k);
    for (int j = 0; j < n_words(t); j++)
        ((uint16_t *)t->y->teacher_on_top)[at * t->y->top_k + j] = ptd_half((float)logp[j]);
}

static void run_micro(struct ptd_refer *f, struct reader *d)
{
    struct ptd_score *s = d->score;
    struct reading r = {0};
    if (!s->rows) return;
    int k = ((const struct task *)s->target[0].reply)->teach ? f->r.top_k : 0;
    list_words(s, &r);
    r.top_id = ptd_array(s->rows * k + 1, sizeof *r.top_id);
    r.top_logp = ptd_array(s->rows * k + 1, sizeof *r.top_logp);
    struct ptd_ask_score ask = {
        .rules.temperature = (float)f->r.temperature, .words = {r.first, r.id}, .top_k = k};
    struct ptd_got_score got = {.logp = r.logp, .top_id = r.top_id, .top_logp = r.top_logp};
    ptd_score_forward(s);
    ptd_lm_head_score(ptd_score_head(s, d->banned), s->X, s->rows, &ask, &got);
    for (long i = 0; i < s->rows; i++) hand_out(s, &r, i, k);
    ptd_score_reset(s);
    free(r.id);
    free(r.first);
    free(r.logp);
    free(r.top_id);
    free(r.top_logp);
}

/* tasks[0 .. n) share prompt and kind. */
static int add_family(struct reader *d, struct task *const *t, int n)
{
    const struct ptd_group *g = t[0]->g;
    struct ptd_score_reply *replies = ptd_array(n, sizeof *replies);
    int teach = t[0]->teach, r;
    for (int i = 0; i < n; i++)
        replies[i] = (struct ptd_score_reply){t[i]->y->ids, t[i]->y->n, t[i]};
    r = ptd_score_add(d->score, teach ? g->hint.prompt_ids : g->prompt_ids,
                      teach ? g->hint.n_prompt : g->n_prompt, g->pictures, g->n_pictures, replies,
                      n);
    free(replies);
    return r ? ptd_fail(ptd_failed_status(), "group \"%s\": %s", g->uid, ptd_failed_message()) : 0;
}

/* All tasks of a micro-batch, those too that the cache answers: what is beside them decides the
 * others' last bits. */
static int compute_micro(struct ptd_refer *f, const struct micro *m)
{
    struct task **t = f->order + m->first;
    struct reader *d = reader_of(f, t[0]);
    for (int i = 0, j; i < m->n; i = j) {
        ptd_asked_answer();
        for (j = i + 1; j < m->n && same_family(t[i], t[j]); j++) continue;
        f->culprit = t[i]->g;
        if (add_family(d, t + i, j - i)) return -1;
        f->culprit = NULL;
    }
    run_micro(f, d);
    return ptd_device_wait(f->device);
}

static int is_missing(const struct ptd_refer *f, const struct micro *m)
{
    for (int i = 0; i < m->n; i++)
        if (f->order[m->first + i]->missing) return 1;
    return 0;
}

static int compute(struct ptd_refer *f)
{
    for (int i = 0; i < f->n_micros; i++)
        if (is_missing(f, &f->micro[i]) && (load_models(f) || compute_micro(f, &f->micro[i])))
            return -1;
    return 0;
}

/* ---- twins ---- */

static const struct task *sorted_tasks; /* what by_key compares */

static int by_key(const void *a, const void *b)
{
    int i = *(const int *)a, j = *(const int *)b,
        c = strcmp(sorted_tasks[i].key, sorted_tasks[j].key);
    return c ? c : i - j;
}

/* Equal responses to one prompt have one key, hence one value: it is computed once, so that a pass
 * from the cache gives the same bits. */
static void find_twins(struct ptd_refer *f)
{
    int *at = ptd_array(f->n_tasks + 1, sizeof *at);
    for (int i = 0; i < f->n_tasks; i++) at[i] = i;
    sorted_tasks = f->task;
    qsort(at, f->n_tasks, sizeof *at, by_key);
    for (int i = 0, first = 0; i < f->n_tasks; i++) {
        if (i && strcmp(f->task[at[i]].key, f->task[at[first]].key)) first = i;
        f->task[at[i]].twin = i == first ? -1 : at[first];
    }
    free(at);
}

/* ---- micro-batches ---- */

/* Packed rows that a task adds; the first of a family brings the prompt. */
static long rows_of(const struct task *t, int first)
{
    long prompt = t->teach ? t->g->hint.n_prompt : t->g->n_prompt,
         reply = t->y->n > 1 ? t->y->n - 1 : 0;
    return reply + (first ? prompt : 0);
}

/* Whether t, the first of its family there or not, begins a micro-batch behind `last` in m. */
static int begins(const struct ptd_refer *f, const struct micro *m, const struct task *last,
                  const struct task *t, int first)
{
    if (first && (m->tokens >= f->r.micro_tokens || last->teach != t->teach)) return 1;
    return m->tokens + rows_of(t, first) > 2 * f->r.micro_tokens;
}

static void add_to_plan(struct ptd_refer *f, struct task *t, int *n)
{
    struct micro *m = f->n_micros ? &f->micro[f->n_micros - 1] : NULL;
    struct task *last = m ? f->order[*n - 1] : NULL;
    int first = !last || !same_family(last, t);
    if (!last || begins(f, m, last, t, first)) {
        m = &f->micro[f->n_micros++];
        *m = (struct micro){.first = *n};
        first = 1;
    }
    f->order[(*n)++] = t;
    m->n++;
    m->tokens += rows_of(t, first);
    m->digest = XXH3_64bits_withSeed(&t->read, sizeof t->read, m->digest);
}

static void extend_key(const struct ptd_refer *f, struct task *t, const struct micro *m)
{
    XXH3_state_t *s = new_hash();
    XXH3_128bits_update(s, t->key, 32);
    XXH3_128bits_update(s, &m->digest, sizeof m->digest);
    XXH3_128bits_update(s, f->machine, strlen(f->machine));
    put_key(t->key, s);
    XXH3_freeState(s);
}

/* What is computed with what: decided by the step alone, never by what the cache holds. Lessons go
 * by themselves, so that with other hints the reference's values are still found. */
static void plan(struct ptd_refer *f)
{
    int n = 0;
    f->n_micros = 0;
    f->order = ptd_realloc(f->order, (f->n_tasks + 1) * sizeof(struct task *));
    f->micro = ptd_realloc(f->micro, (f->n_tasks + 1) * sizeof *f->micro);
    for (int teach = 0; teach < 2; teach++)
        for (int i = 0; i < f->n_tasks; i++)
            if (f->task[i].twin < 0 && f->task[i].teach == teach) add_to_plan(f, &f->task[i], &n);
    for (int i = 0; i < f->n_micros; i++)
        for (int j = 0; j < f->micro[i].n; j++)
            extend_key(f, f->order[f->micro[i].first + j], &f->micro[i]);
}

/* ---- the cache ---- */

static int look_up(struct ptd_refer *f)
{
    for (int i = 0; i < f->n_tasks; i++) {
        struct task *t = &f->task[i];
        void *value = NULL;
        size_t len;
        if (t->twin >= 0) continue;
        int got = f->cache ? ptd_store_get_cached(f->store, t->key, &value, &len) : 1;
        if (got < 0) return -1;
        t->missing = got || len != t->size;
        if (!t->missing) memcpy(t->value, value, len);
        f->counts.cached += !t->missing;
        f->counts.computed += t->missing;
        free(value);
    }
    return 0;
}

static int remember(struct ptd_refer *f)
{
    const char **keys = ptd_array(f->n_tasks + 1, sizeof *keys);
    const void **values = ptd_array(f->n_tasks + 1, sizeof *values);
    size_t *lens = ptd_array(f->n_tasks + 1, sizeof *lens);
    int n = 0;
    for (int i = 0; i < f->n_tasks; i++) {
        const struct task *t = &f->task[i];
        if (t->twin < 0 && t->missing) keys[n] = t->key, values[n] = t->value, lens[n++] = t->size;
    }
    int r = n && f->cache ? ptd_store_put_cached(f->store, keys, values, lens, n) : 0;
    free(keys);
    free(values);
    free(lens);
    return r;
}

static void take_over(struct task *t, const struct task *first)
{
    memcpy(t->value, first->value, t->size);
    memcpy(t->key, first->key, sizeof t->key);
}

/* What the large arrays of the group take when it is scored: at least that goes into its frame. */
static double scored_bytes(const struct ptd_refer *f, const struct ptd_group *g)
{
    double bytes = 4.0 * g->n_prompt + 4.0 * g->hint.n_prompt;
    for (int i = 0; i < g->n_pictures; i++)
        bytes += 3.0 * g->pictures[i].height * g->pictures[i].width;
    for (int i = 0; i < g->n_rollouts; i++) {
        const struct ptd_rollout *y = &g->rollouts[i];
        int tutored = wants_teacher(&f->r, g, y), k = tutored ? f->r.top_k : y->teacher_k;
        double token = 4 + 4.0 * y->top_k + 6.0 * k + (k ? 2.0 * y->top_k : 0);
        if (y->logp) token += 4;
        if (y->ref_logp || f->r.reference) token += 4;
        bytes += y->n * token;
    }
    return bytes;
}

/* Before anything is scored, or memory taken for it: the group may be larger than the head says. */
static int check_size(const struct ptd_refer *f, const struct ptd_group *g)
{
    double bytes = scored_bytes(f, g);
    if (bytes <= PTD_FRAME_MAX) return 0;
    return ptd_fail(
        PTD_DATAERR,
        "field \"rollouts\": %d responses that take %.1f GiB with %d words of the teacher, and a "
        "frame holds 1: expected a smaller -k here, or shorter or fewer responses",
        g->n_rollouts, bytes / PTD_FRAME_MAX, f->r.top_k);
}

static int check_groups(struct ptd_refer *f, struct ptd_group **g, int n)
{
    for (int i = 0; i < n; i++) {
        f->culprit = g[i];
        if (ptd_group_check_words(g[i], f->vocab) < 0 || check_size(f, g[i]) < 0) return -1;
    }
    f->culprit = NULL;
    return 0;
}

static int score(struct ptd_refer *f, struct ptd_group **g, int n)
{
    if (check_groups(f, g, n)) return -1;
    list_tasks(f, g, n);
    find_twins(f);
    plan(f);
    if (look_up(f) || compute(f) || remember(f)) return -1;
    for (int i = 0; i < f->n_tasks; i++) {
        struct task *t = &f->task[i];
        if (t->twin >= 0) take_over(t, &f->task[t->twin]);
        t->y->teacher_key = t->teach ? ptd_group_text(t->g, "%s", t->key) : t->y->teacher_key;
        f->counts.tutored += t->teach;
    }
    return 0;
}

int ptd_refer_score(struct ptd_refer *f, struct ptd_group **g, int n, int *culprit)
{
    f->culprit = NULL;
    *culprit = -1;
    if (score(f, g, n) == 0) return 0;
    for (int i = 0; i < n; i++)
        if (g[i] == f->culprit) *culprit = i;
    return -1;
}

struct ptd_refer_counts ptd_refer_counted(const struct ptd_refer *f)
{
    return f ? f->counts : (struct ptd_refer_counts){0};
}

static void reader_close(struct reader *d)
{
    ptd_score_free(d->score);
    ptd_model_free(d->m);
    free(d->banned);
}

void ptd_refer_close(struct ptd_refer *f)
{
    if (!f) return;
    reader_close(&f->teacher);
    reader_close(&f->reference);
    if (f->store) ptd_store_close(f->store);
    if (f->other) ptd_store_close(f->other);
    free(f->reads);
    free(f->machine);
    free(f->task);
    free(f->order);
    free(f->micro);
    free(f);
}
