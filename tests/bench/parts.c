/* parts: works around the network: the loss heads on given logits, the record's codec beside
 * memcpy, frames through a pipe beside plain writes, commits of a generation beside a plain
 * file. */
#include "../device.h"
#include "bench.h"
#include "base/half.h"
#include "base/threads.h"
#include "compute/cpu/row.h"
#include "flow/record.h"
#include "flow/stream.h"
#include "method/learn.h"
#include "net/head.h"
#include "store/store.h"
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <unistd.h>

static uint32_t state = 1;
static float uniform(void) /* 0..1 */
{
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) * 0x1p-24f;
}

/* The median of TIMES_IN_A_ROW: what is measured is the work, not waking up and fetching its data
 * again after the rest. */
enum { TIMES_IN_A_ROW = 9 };

static double repeated(double (*once)(void *), void *what)
{
    double t[TIMES_IN_A_ROW];
    for (int i = 0; i < TIMES_IN_A_ROW; i++) {
        t[i] = once(what);
        for (int j = i; j > 0 && t[j] < t[j - 1]; j--) {
            double swap = t[j];
            t[j] = t[j - 1];
            t[j - 1] = swap;
        }
    }
    return t[TIMES_IN_A_ROW / 2];
}

/* ---- loss heads: the trainer's own rows, with copies in place of the network's products ---- */

enum { TOP_K = 100 };

struct head {
    long rows;
    int V, tutored;
    float *z;
    int32_t *ids; /* [rows, TOP_K] of the tutor */
    uint16_t *logp;
    int32_t *target; /* [rows] and the rest: as learn.c asks */
    struct ptd_lesson *lesson;
    double *total, *entropy, *own, *dlogp, *value;
    struct ptd_lm_head *head;
};

/* seconds: where the network would have its products, so they do not count */
static double copying;

struct copy {
    float *to;
    const float *from;
    int width;
};

static void copy_rows(void *ctx, long first, long last)
{
    const struct copy *c = ctx;
    memcpy(c->to + first * c->width, c->from + first * c->width,
           (size_t)(last - first) * c->width * sizeof *c->to);
}

/* On all threads, as a product is: its rows then lie in the caches of all, and nobody has fallen
 * asleep. */
static void copy(struct ptd_device *d, ptd_stat *Y, const ptd_num *X, const struct ptd_matrix *W,
                 long n)
{
    struct copy c = {(float *)Y, (const float *)X, W->rows};
    double start = bench_now();
    ptd_parallel(n, 1, copy_rows, &c);
    copying += bench_now() - start;
}

static void leave(struct ptd_device *d, ptd_num *dX, ptd_acc *dW, const ptd_stat *dY,
                  const ptd_num *X, const struct ptd_matrix *W, long n)
{
}

static void no_loss(void *ctx, long first, long n)
{
    const struct head *h = ctx;
    for (long i = first; i < first + n; i++) h->dlogp[i] = -1e-3;
}

static struct head *head_of(const char *argument)
{
    static struct head *made[4];
    struct head *h = ptd_alloc(sizeof *h);
    int i = 0;
    if (sscanf(argument, "%ldx%d", &h->rows, &h->V) != 2) exit(2);
    for (; made[i]; i++)
        if (made[i]->rows == h->rows && made[i]->V == h->V) return made[i];
    made[i] = h;
    h->z = ptd_array(h->rows * h->V, sizeof *h->z);
    h->ids = ptd_array(h->rows * TOP_K, sizeof *h->ids);
    h->logp = ptd_array(h->rows * TOP_K, sizeof *h->logp);
    float *t = ptd_array(h->V, sizeof *t), logp[TOP_K];
    for (long r = 0; r < h->rows; r++) {
        double sum = 0;
        for (int v = 0; v < h->V; v++)
            h->z[r * h->V + v] = 8 * uniform(), sum += exp(t[v] = 8 * uniform());
        ptd_row_topk(t, h->V, log(sum), TOP_K, h->ids + r * TOP_K, logp);
        ptd_halves(h->logp + r * TOP_K, logp, TOP_K);
    }
    free(t);
    h->target = ptd_array(h->rows, sizeof *h->target);
    h->lesson = ptd_array(h->rows, sizeof *h->lesson);
    double **arrays[] = {&h->total, &h->entropy, &h->own, &h->dlogp, &h->value};
    for (int k = 0; k < 5; k++) *arrays[k] = ptd_array(h->rows, sizeof **arrays[k]);
    for (long r = 0; r < h->rows; r++) {
        h->target[r] = h->ids[r * TOP_K];
        h->lesson[r] =
            (struct ptd_lesson){.ids = h->ids + r * TOP_K, .logp = h->logp + r * TOP_K, .k = TOP_K};
    }
    return h;
}

static double head_once(void *what)
{
    static struct ptd_ops ops;
    static struct ptd_device device;
    struct head *h = what;
    device = *the_device();
    device.ops = &ops;
    ops = *the_device()->ops;
    ops.logits = copy;
    ops.logits_backward = leave;
    struct ptd_matrix W = {.rows = h->V, .cols = h->V, .dtype = PTD_F32};
    if (!h->head) h->head = ptd_lm_head_new(&device, &W, NULL, NULL);
    struct ptd_head_lesson l = {
        .score = {.rules.temperature = 1, .words.id = h->target},
        .scored = {.total = h->total, .entropy = h->entropy, .logp = h->own},
        .loss = no_loss,
        .ctx = h,
        .gradient = {.dlogp = h->dlogp,
                     .lesson = h->tutored ? h->lesson : NULL,
                     .divergence = ptd_divergence_named("jsd"),
                     .weight = 1.0 / h->rows},
        .value = h->value,
    };
    float dX;
    double start = bench_now();
    copying = 0;
    ptd_lm_head_learn(h->head, (const ptd_num *)h->z, h->rows, &l, (ptd_num *)&dX);
    return bench_now() - start - copying;
}

static double over_plain_once(void *what)
{
    struct head *h = what;
    h->tutored = 1;
    double jsd = head_once(h);
    h->tutored = 0;
    return jsd / head_once(h);
}

static double jsd(const char *argument)
{
    struct head *h = head_of(argument);
    h->tutored = 1;
    return repeated(head_once, h);
}

/* The divergence's time over that of the plain policy-gradient head. */
static double over_plain(const char *argument)
{
    return repeated(over_plain_once, head_of(argument));
}

/* ---- a group of 6.5 MB: 64 answers of 128 tokens with the tutor's 100 and the student's 34 best
 * words ---- */

enum { ANSWERS = 64, TOKENS = 128, WORDS = 34 };

static struct ptd_group *large_group(void)
{
    static struct ptd_group g;
    static struct ptd_rollout y[ANSWERS];
    if (g.uid) return &g;
    size_t n = TOKENS * TOP_K;
    int32_t *words = ptd_array(n, sizeof *words);
    float *logp = ptd_array(TOKENS, sizeof *logp);
    uint16_t *half = ptd_array(n, sizeof *half);
    for (size_t i = 0; i < n; i++) words[i] = (int32_t)i, half[i] = (uint16_t)(i | 0x8000);
    for (int i = 0; i < ANSWERS; i++)
        y[i] = (struct ptd_rollout){.ids = words,
                                    .n = TOKENS,
                                    .logp = logp,
                                    .ref_logp = logp,
                                    .top_ids = words,
                                    .top_k = WORDS,
                                    .teacher_ids = words,
                                    .teacher_logp = half,
                                    .teacher_on_top = half,
                                    .teacher_k = TOP_K,
                                    .text = "an answer",
                                    .stop = "eos"};
    g = (struct ptd_group){.uid = "large", .rollouts = y, .n_rollouts = ANSWERS};
    return &g;
}

static struct ptd_buf packed, copied;

static double pack_once(void *what)
{
    (void)what;
    double start = bench_now();
    ptd_group_encode(large_group(), &packed);
    return bench_now() - start;
}

static double copy_once(void *what)
{
    (void)what;
    copied.len = 0;
    double start = bench_now();
    ptd_buf_add(&copied, packed.data, packed.len);
    return bench_now() - start;
}

static double unpack_once(void *what)
{
    (void)what;
    struct ptd_group g = {0};
    double start = bench_now();
    if (ptd_group_decode(&g, packed.data, packed.len) < 0) ptd_die_last();
    double seconds = bench_now() - start;
    ptd_group_clear(&g);
    return seconds;
}

static double check_once(void *what)
{
    (void)what;
    double start = bench_now();
    if (ptd_group_check(large_group()) < 0) ptd_die_last();
    return bench_now() - start;
}

static double pack(const char *argument)
{
    (void)argument;
    return repeated(pack_once, NULL);
}

static double copy_packed(const char *argument)
{
    (void)argument;
    return repeated(copy_once, NULL);
}

static double unpack(const char *argument)
{
    (void)argument;
    return repeated(unpack_once, NULL);
}

static double check(const char *argument)
{
    (void)argument;
    return repeated(check_once, NULL);
}

static double bytes(const char *argument)
{
    (void)argument;
    return (double)packed.len;
}

/* ---- through a pipe ---- */

enum { TIMES = 48 };

static void *write_frames(void *fd)
{
    struct ptd_writer *w = ptd_writer_open(*(int *)fd, "pipe");
    int bad = ptd_writer_put(w, PTD_HEAD, "\x80", 1);
    for (int i = 0; i < TIMES; i++) bad |= ptd_writer_put(w, PTD_GROUP, packed.data, packed.len);
    if (bad | ptd_writer_end(w) | ptd_writer_close(w)) ptd_die_last();
    return NULL;
}

static double frames(const char *argument)
{
    int fd[2];
    pthread_t writer;
    struct ptd_frame f;
    (void)argument;
    if (pipe(fd)) exit(1);
    double start = bench_now();
    pthread_create(&writer, NULL, write_frames, &fd[1]);
    struct ptd_reader *r = ptd_reader_open(fd[0], "pipe");
    while (ptd_reader_next(r, &f) > 0) continue;
    if (ptd_reader_close(r)) ptd_die_last();
    pthread_join(writer, NULL);
    return bench_now() - start;
}

static void *write_plain(void *fd)
{
    for (int i = 0; i < TIMES; i++)
        for (size_t at = 0; at < packed.len;) {
            ssize_t n = write(*(int *)fd, packed.data + at, packed.len - at);
            if (n <= 0) exit(1);
            at += (size_t)n;
        }
    close(*(int *)fd);
    return NULL;
}

static double raw(const char *argument)
{
    static char buf[1 << 20];
    int fd[2];
    pthread_t writer;
    (void)argument;
    if (pipe(fd)) exit(1);
    fcntl(fd[0], F_SETPIPE_SZ, PTD_PIPE_SIZE);
    double start = bench_now();
    pthread_create(&writer, NULL, write_plain, &fd[1]);
    while (read(fd[0], buf, sizeof buf) > 0) continue;
    pthread_join(writer, NULL);
    close(fd[0]);
    return bench_now() - start;
}

/* ---- a generation of MIB of weights in tensors of at most 4 MiB, argument MIB:FOLDER ---- */

static float *numbers(size_t mib)
{
    static float *p;
    static size_t size;
    if (mib > size) {
        p = ptd_realloc(p, mib << 20);
        for (size_t i = 0; i < mib << 18; i++) p[i] = uniform();
        size = mib;
    }
    p[0] += 1;
    return p;
}

static double commit(const char *argument)
{
    static struct ptd_store *stores[512];
    static int64_t generation[512];
    size_t mib = strtoul(argument, NULL, 10);
    char path[300];
    struct ptd_tensor_view t[128] = {0};
    char names[128][16];
    int n = 0;
    snprintf(path, sizeof path, "%s/store-%zu", strchr(argument, ':') + 1, mib);
    if (!stores[mib] && ptd_store_open(&stores[mib], path, PTD_STORE_CREATE) < 0) ptd_die_last();
    float *p = numbers(mib);
    for (size_t done = 0; done < mib; n++) { /* as a network's: matrices of some MiB */
        size_t part = mib - done < 4 ? mib - done : 4;
        snprintf(names[n], sizeof names[n], "t%03d", n);
        t[n] = (struct ptd_tensor_view){.name = names[n],
                                        .n_dims = 1,
                                        .dims = {part << 18},
                                        .n = part << 18,
                                        .data = p + (done << 18)};
        done += part;
    }
    struct ptd_publication pub = {.generation = generation[mib]++, .weights = t, .n = n, .keep = 1};
    double start = bench_now();
    if (ptd_store_publish(stores[mib], &pub) < 0) ptd_die_last();
    return bench_now() - start;
}

static double plain_file(const char *argument)
{
    size_t mib = strtoul(argument, NULL, 10);
    char path[300];
    snprintf(path, sizeof path, "%s/file-%zu", strchr(argument, ':') + 1, mib);
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    const char *p = (const char *)numbers(mib);
    double start = bench_now();
    for (size_t at = 0; at < mib << 20;) {
        ssize_t n = write(fd, p + at, (mib << 20) - at);
        if (n <= 0) exit(1);
        at += (size_t)n;
    }
    if (fdatasync(fd)) exit(1);
    double seconds = bench_now() - start;
    close(fd);
    return seconds;
}

int main(void)
{
    static const struct bench_work works[] = {
        {"jsd", jsd},       {"over", over_plain}, {"pack", pack},       {"copy", copy_packed},
        {"unpack", unpack}, {"check", check},     {"bytes", bytes},     {"frames", frames},
        {"raw", raw},       {"commit", commit},   {"file", plain_file}, {0}};
    ptd_program("bench");
    ptd_threads_start(0);
    return bench_serve(works);
}
