/* refer: see refer.h. What is done with the distributions is learn.c's. */
#include "method/refer_private.h"
#include "base/signals.h"
#include "base/size.h"
#include "base/threads.h"
#include "compute/fingerprint.h"
#include "flow/stream.h"
#include "method/mask.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define TOP_K_MAX 256

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
    struct ptd_store *store;
    int cache;
    struct ptd_teacher *reference, *teacher; /* the same one where the reference teaches */
    char *reads, *machine;
    struct ptd_refer_task *task;
    int n_tasks, cap;
    struct ptd_refer_task **order; /* tasks that are no twins, by micro-batch */
    struct micro *micro;
    int n_micros;
    const struct ptd_group *culprit; /* the group that failed, or NULL */
    struct ptd_refer_counts counts;
};

static int open_models(struct ptd_refer *f, const char *store, const char *teacher)
{
    int mode = f->cache ? PTD_STORE_CACHE : PTD_STORE_READ;
    if (f->r.top_k < 0 || f->r.top_k > TOP_K_MAX)
        return ptd_fail(PTD_USAGE, "top-k %d, expected 0 to %d", f->r.top_k, TOP_K_MAX);
    if (!store) return ptd_fail(PTD_USAGE, "the stream names no store: give one with --store");
    if (ptd_store_open(&f->store, store, mode) ||
        !(f->reference = ptd_teacher_open(f->store, NULL, f->device)))
        return -1;
    if (!teacher || !strcmp(teacher, "frozen")) {
        f->teacher = f->reference;
        return 0;
    }
    f->teacher = ptd_teacher_open(f->store, teacher, f->device);
    return f->teacher ? 0 : -1;
}

static char *reads(const struct ptd_refer *f)
{
    const struct ptd_teacher *t = f->teacher;
    if (t == f->reference) return ptd_format("reference %s", f->reference->id);
    if (t->moves) return ptd_format("reference %s; teacher %s", f->reference->id, t->who);
    return ptd_format("reference %s; teacher generation %lld %s", f->reference->id,
                      (long long)t->generation, t->id);
}

struct ptd_refer *ptd_refer_open(const char *store, const char *teacher, int cache,
                                 const struct ptd_refer_rules *r, struct ptd_device *d)
{
    struct ptd_refer *f = ptd_alloc(sizeof *f);
    f->r = *r;
    f->device = d;
    f->cache = cache;
    if (f->r.whole) f->r.top_k = 0;
    if (open_models(f, store, teacher)) {
        ptd_refer_close(f);
        return NULL;
    }
    f->machine = ptd_machine(d);
    f->reads = reads(f);
    return f;
}

const char *ptd_refer_reads(const struct ptd_refer *f)
{
    return f->reads;
}

void ptd_refer_note(const struct ptd_refer *f, struct ptd_head *h)
{
    const struct ptd_teacher *t = f->teacher;
    h->teacher = t == f->reference ? NULL : ptd_head_text(h, t->who);
    h->teacher_generation = t->own ? t->generation : 0;
}

int ptd_refer_cache_max(struct ptd_refer *f, int64_t bytes)
{
    return f->cache ? ptd_store_cache_max(f->store, bytes) : 0;
}

static struct ptd_teacher *reader_of(struct ptd_refer *f, const struct ptd_refer_task *t)
{
    return t->kind == PTD_REFER_REFERENCE ? f->reference : f->teacher;
}

/* The weights that a task is read with; what the student samples it must be able to say. */
static int load(struct ptd_refer *f, const struct ptd_refer_task *t)
{
    struct ptd_teacher *r = reader_of(f, t);
    if (r->vocab != f->reference->vocab)
        return ptd_fail(PTD_CONFIG, "teacher has a vocabulary of %d, expected the student's %d",
                        r->vocab, f->reference->vocab);
    return ptd_teacher_seek(r, t->g->generation) || ptd_teacher_load(r, f->r.plan) ? -1 : 0;
}

/* ---- memory ---- */

static int plan_model(struct ptd_teacher *r, struct ptd_plan *p)
{
    return ptd_teacher_shape(r) || ptd_plan_weights(p, r->m, r->store, 0) ? -1 : 0;
}

int ptd_refer_plan(struct ptd_refer *f, struct ptd_plan *p)
{
    if (plan_model(f->reference, p)) return -1;
    if (f->teacher != f->reference && plan_model(f->teacher, p)) return -1;
    ptd_plan_program(p, ptd_threads_count());
    ptd_plan_groups(p, &f->r.plan->expected,
                    PTD_PLAN_TOKEN(PTD_PLAN_IDS, f->r.top_k) +
                        (f->r.whole ? f->teacher->hidden * sizeof(float) : 0));
    return 0;
}

/* Of a row: what is asked of it, and the tutor's words or hidden row. */
static size_t row_bytes(const struct ptd_refer *f)
{
    return sizeof(struct ptd_target) + 2 * sizeof(int32_t) +
           f->r.top_k * (sizeof(int32_t) + sizeof(float)) +
           PTD_PLAN_IDS * (sizeof(int32_t) + sizeof(double)) +
           (f->r.whole ? f->teacher->hidden * sizeof(float) : 0);
}

void ptd_refer_plan_micro(struct ptd_refer *f, int64_t micro, struct ptd_plan *p)
{
    struct ptd_shape s;
    ptd_plan_pack(&f->r.plan->expected, micro, f->reference->m, &s);
    ptd_plan_activations(p, f->reference->m, 0, &s);
    ptd_plan_add(p, "distributions", s.targets * row_bytes(f));
}

/* ---- tasks ---- */

static int in_scope(const struct ptd_refer_rules *r, const struct ptd_rollout *y)
{
    if (r->scope == PTD_SCOPE_ALL) return 1;
    return ptd_rollout_right(y) == (r->scope == PTD_SCOPE_RIGHT);
}

static int wants_teacher(const struct ptd_refer_rules *r, const struct ptd_group *g,
                         const struct ptd_rollout *y)
{
    if (!g->hint.text && !r->plain) return 0;
    if (g->group_accuracy < 0 || g->group_accuracy >= r->tau || !in_scope(r, y)) return 0;
    return r->truncated || !y->stop || strcmp(y->stop, "length");
}

static int wants(const struct ptd_refer *f, enum ptd_refer_kind kind, const struct ptd_group *g,
                 const struct ptd_rollout *y)
{
    if (kind == PTD_REFER_TEACH) return wants_teacher(&f->r, g, y);
    return kind == PTD_REFER_MASKED ? f->r.masked > 0 : f->r.reference;
}

/* What the teacher says of a token of a response with top_k words of the student's own. */
static size_t token_bytes(const struct ptd_refer *f, int top_k)
{
    size_t bytes = sizeof(float);
    if (f->r.whole) return bytes + f->teacher->hidden * sizeof(float);
    bytes += f->r.top_k * (sizeof(int32_t) + sizeof(uint16_t));
    return f->r.top_k ? bytes + top_k * sizeof(uint16_t) : bytes;
}

double ptd_refer_token_bytes(const struct ptd_refer *f, int top_logprobs)
{
    double logps = (f->r.reference != 0) + (f->r.masked > 0);
    return token_bytes(f, top_logprobs) + logps * sizeof(float);
}

static size_t value_size(const struct ptd_refer *f, const struct ptd_refer_task *t)
{
    size_t n = t->y->n;
    return n * (t->kind == PTD_REFER_TEACH ? token_bytes(f, t->y->top_k) : sizeof(float));
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

static void name_task(struct ptd_refer *f, struct ptd_refer_task *t)
{
    const struct ptd_teacher *r = reader_of(f, t);
    int n, teach = t->kind == PTD_REFER_TEACH, top_k = teach && f->r.top_k ? t->y->top_k : 0;
    const int32_t *prompt = ptd_refer_prompt(&f->r, t, &n);
    int64_t lengths[] = {n, t->y->n, t->g->n_pictures},
            kind[] = {teach, teach && f->r.whole ? -1 : teach * f->r.top_k, top_k};
    XXH3_state_t *s = new_hash();
    XXH3_128bits_update(s, lengths, sizeof lengths);
    XXH3_128bits_update(s, prompt, n * sizeof *prompt);
    for (int i = 0; i < t->g->n_pictures; i++)
        XXH3_128bits_update(s, t->pictures[i].hash, sizeof t->pictures[i].hash);
    XXH3_128bits_update(s, t->y->ids, t->y->n * sizeof *t->y->ids);
    t->read = XXH3_128bits_digest(s).low64;
    XXH3_128bits_update(s, kind, sizeof kind);
    XXH3_128bits_update(s, r->id, 16);
    if (r->moves) XXH3_128bits_update(s, r->who, strlen(r->who));
    XXH3_128bits_update(s, &f->r.temperature, sizeof f->r.temperature);
    if (top_k)
        XXH3_128bits_update(s, t->y->top_ids,
                            (size_t)t->y->n * t->y->top_k * sizeof *t->y->top_ids);
    put_key(t->key, s);
    XXH3_freeState(s);
}

static void add_task(struct ptd_refer *f, struct ptd_group *g, struct ptd_rollout *y,
                     enum ptd_refer_kind kind, const struct ptd_picture *pictures)
{
    struct ptd_refer_task *t;
    if (f->n_tasks == f->cap)
        f->task = ptd_realloc(f->task, (f->cap = f->cap ? 2 * f->cap : 256) * sizeof *f->task);
    t = &f->task[f->n_tasks++];
    *t = (struct ptd_refer_task){.g = g, .y = y, .kind = kind, .pictures = pictures};
    t->size = value_size(f, t);
    t->value = ptd_group_alloc(g, t->size);
    name_task(f, t);
}

static int same_family(const struct ptd_refer_task *a, const struct ptd_refer_task *b)
{
    return a->g == b->g && a->kind == b->kind;
}

/* A lesson's parts, in the rollout: the word that was sampled, then all words or some. */
static void attach_lesson(const struct ptd_refer *f, struct ptd_refer_task *t)
{
    struct ptd_rollout *y = t->y;
    size_t n = y->n, k = f->r.top_k;
    char *p = t->value;
    y->teacher_on_ids = (const float *)(void *)p;
    p += n * sizeof(float);
    if (f->r.whole) {
        y->teacher_rows = (const float *)(void *)p;
        y->teacher_width = f->teacher->hidden;
    }
    if (!k) return;
    y->teacher_k = (int)k;
    y->teacher_ids = (const int32_t *)(void *)p;
    y->teacher_logp = (const uint16_t *)(void *)(p += n * k * sizeof(int32_t));
    if (y->top_ids) y->teacher_on_top = (const uint16_t *)(void *)(p + n * k * sizeof(uint16_t));
}

static void attach(const struct ptd_refer *f, struct ptd_refer_task *t)
{
    if (t->kind == PTD_REFER_TEACH)
        attach_lesson(f, t);
    else if (t->kind == PTD_REFER_MASKED)
        t->y->masked_logp = t->value;
    else
        t->y->ref_logp = t->value;
}

/* What an earlier ptd-ref has left. */
static void forget_teacher(struct ptd_rollout *y)
{
    y->teacher_ids = NULL;
    y->teacher_logp = y->teacher_on_top = NULL;
    y->teacher_on_ids = y->teacher_rows = NULL;
    y->teacher_k = y->teacher_width = 0;
    y->teacher_key = NULL;
}

static const struct ptd_picture *pictures_of(struct ptd_refer *f, struct ptd_group *g,
                                             enum ptd_refer_kind kind)
{
    struct ptd_mask mask = {f->r.masked, f->teacher->m ? f->teacher->m->config.v_patch : 0,
                            f->r.seed};
    return kind == PTD_REFER_MASKED && f->r.masked > 0 ? ptd_mask_pictures(g, &mask) : g->pictures;
}

/* A group's tasks of one kind are neighbours: they share its prompt. */
static int list_tasks(struct ptd_refer *f, struct ptd_group **g, int n)
{
    f->n_tasks = 0;
    if (f->r.masked > 0 && ptd_teacher_shape(f->teacher)) return -1;
    for (int i = 0; i < n; i++) {
        f->culprit = g[i];
        if (ptd_teacher_seek(f->teacher, g[i]->generation)) return -1;
        for (int j = 0; j < g[i]->n_rollouts; j++) forget_teacher(&g[i]->rollouts[j]);
        for (enum ptd_refer_kind kind = 0; kind < PTD_REFER_KINDS; kind++) {
            const struct ptd_picture *pictures = pictures_of(f, g[i], kind);
            for (int j = 0; j < g[i]->n_rollouts; j++)
                if (wants(f, kind, g[i], &g[i]->rollouts[j]))
                    add_task(f, g[i], &g[i]->rollouts[j], kind, pictures);
        }
    }
    f->culprit = NULL;
    for (int i = 0; i < f->n_tasks; i++) attach(f, &f->task[i]);
    return 0;
}

/* ---- reading ---- */

/* All tasks of a micro-batch, those too that the cache answers: what is beside them decides the
 * others' last bits. */
static int compute_micro(struct ptd_refer *f, const struct micro *m)
{
    struct ptd_refer_task **t = f->order + m->first;
    struct ptd_teacher *d = reader_of(f, t[0]);
    if (load(f, t[0])) return -1;
    for (int i = 0, j; i < m->n; i = j) {
        ptd_asked_answer();
        for (j = i + 1; j < m->n && same_family(t[i], t[j]); j++) continue;
        f->culprit = t[i]->g;
        if (ptd_refer_add(&f->r, d, t + i, j - i)) return -1;
        f->culprit = NULL;
    }
    ptd_refer_run(&f->r, d);
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
        if (is_missing(f, &f->micro[i]) && compute_micro(f, &f->micro[i])) return -1;
    return 0;
}

/* ---- twins ---- */

static const struct ptd_refer_task *sorted_tasks; /* what by_key compares */

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
static long rows_of(const struct ptd_refer *f, const struct ptd_refer_task *t, int first)
{
    int prompt;
    long reply = t->y->n > 1 ? t->y->n - 1 : 0;
    ptd_refer_prompt(&f->r, t, &prompt);
    return reply + (first ? prompt : 0);
}

/* Tasks that one pass of one model can read. */
static int go_together(struct ptd_refer *f, const struct ptd_refer_task *a,
                       const struct ptd_refer_task *b)
{
    return a->kind == b->kind && (!reader_of(f, a)->moves || a->g->generation == b->g->generation);
}

/* Whether t, the first of its family there or not, begins a micro-batch behind `last` in m. */
static int begins(struct ptd_refer *f, const struct micro *m, const struct ptd_refer_task *last,
                  const struct ptd_refer_task *t, int first)
{
    if (first && (m->tokens >= f->r.micro_tokens || !go_together(f, last, t))) return 1;
    return m->tokens + rows_of(f, t, first) > 2 * f->r.micro_tokens;
}

static void add_to_plan(struct ptd_refer *f, struct ptd_refer_task *t, int *n)
{
    struct micro *m = f->n_micros ? &f->micro[f->n_micros - 1] : NULL;
    struct ptd_refer_task *last = m ? f->order[*n - 1] : NULL;
    int first = !last || !same_family(last, t);
    if (!last || begins(f, m, last, t, first)) {
        m = &f->micro[f->n_micros++];
        *m = (struct micro){.first = *n};
        first = 1;
    }
    f->order[(*n)++] = t;
    m->n++;
    m->tokens += rows_of(f, t, first);
    m->digest = XXH3_64bits_withSeed(&t->read, sizeof t->read, m->digest);
}

static void extend_key(const struct ptd_refer *f, struct ptd_refer_task *t, const struct micro *m)
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
    f->order = ptd_realloc(f->order, (f->n_tasks + 1) * sizeof(struct ptd_refer_task *));
    f->micro = ptd_realloc(f->micro, (f->n_tasks + 1) * sizeof *f->micro);
    for (enum ptd_refer_kind kind = 0; kind < PTD_REFER_KINDS; kind++)
        for (int i = 0; i < f->n_tasks; i++)
            if (f->task[i].twin < 0 && f->task[i].kind == kind) add_to_plan(f, &f->task[i], &n);
    for (int i = 0; i < f->n_micros; i++)
        for (int j = 0; j < f->micro[i].n; j++)
            extend_key(f, f->order[f->micro[i].first + j], &f->micro[i]);
}

/* ---- the cache ---- */

static int look_up(struct ptd_refer *f)
{
    for (int i = 0; i < f->n_tasks; i++) {
        struct ptd_refer_task *t = &f->task[i];
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
        const struct ptd_refer_task *t = &f->task[i];
        if (t->twin < 0 && t->missing) keys[n] = t->key, values[n] = t->value, lens[n++] = t->size;
    }
    int r = n && f->cache ? ptd_store_put_cached(f->store, keys, values, lens, n) : 0;
    free(keys);
    free(values);
    free(lens);
    return r;
}

static void take_over(struct ptd_refer_task *t, const struct ptd_refer_task *first)
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
        double token = 4 + 4.0 * y->top_k;
        if (wants_teacher(&f->r, g, y)) token += token_bytes(f, y->top_k);
        if (y->logp) token += 4;
        if (y->ref_logp || f->r.reference) token += 4;
        if (y->masked_logp || f->r.masked > 0) token += 4;
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
        "field \"rollouts\": %d responses that take %s with %d %s of the teacher, and a frame "
        "holds %s: expected a smaller -k here, or shorter or fewer responses",
        g->n_rollouts, ptd_size(bytes).text, f->r.whole ? f->teacher->hidden : f->r.top_k,
        f->r.whole ? "numbers a token" : "words", ptd_size(PTD_FRAME_MAX).text);
}

static int check_groups(struct ptd_refer *f, struct ptd_group **g, int n)
{
    for (int i = 0; i < n; i++) {
        f->culprit = g[i];
        if (ptd_group_check_words(g[i], f->reference->vocab) < 0 || check_size(f, g[i]) < 0)
            return -1;
    }
    f->culprit = NULL;
    return 0;
}

static int score(struct ptd_refer *f, struct ptd_group **g, int n)
{
    if (check_groups(f, g, n)) return -1;
    if (list_tasks(f, g, n)) return -1;
    find_twins(f);
    plan(f);
    if (look_up(f) || compute(f) || remember(f)) return -1;
    for (int i = 0; i < f->n_tasks; i++) {
        struct ptd_refer_task *t = &f->task[i];
        if (t->twin >= 0) take_over(t, &f->task[t->twin]);
        if (t->kind != PTD_REFER_TEACH) continue;
        t->y->teacher_key = ptd_group_text(t->g, "%s", t->key);
        f->counts.tutored++;
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

void ptd_refer_close(struct ptd_refer *f)
{
    if (!f) return;
    if (f->teacher != f->reference) ptd_teacher_close(f->teacher);
    ptd_teacher_close(f->reference);
    if (f->store) ptd_store_close(f->store);
    free(f->reads);
    free(f->machine);
    free(f->task);
    free(f->order);
    free(f->micro);
    free(f);
}
