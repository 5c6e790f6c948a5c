/* trace: see trace.h. What is worth seeing of a token says learn.c. */
#include "method/trace.h"
#include "base/opt.h"
#include "compute/fingerprint.h"
#include "flow/stream.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct ptd_trace {
    struct ptd_writer *out;
    float *entropy, *divergence, *advantage; /* [tokens] of the step */
    long cap;
    struct ptd_buf buf;
};

/* ---- the file ---- */

static int put_head(struct ptd_trace *t, const struct ptd_head *head, const char *command)
{
    struct ptd_head h;
    ptd_head_encode(head, &t->buf);
    if (ptd_head_decode(&h, t->buf.data, t->buf.len) < 0) return -1;
    ptd_head_add_stage(&h, &(struct ptd_stage_note){.name = "ptd-update",
                                                    .version = PTD_VERSION,
                                                    .command = command,
                                                    .build = ptd_build_id()});
    ptd_head_encode(&h, &t->buf);
    ptd_head_clear(&h);
    return ptd_writer_put(t->out, PTD_HEAD, t->buf.data, t->buf.len);
}

/* The first step of a stream whose head this is. */
static int first_step(const struct ptd_frame *f, int64_t *first)
{
    struct ptd_head h;
    if (ptd_head_decode(&h, f->body, f->body_len) < 0) return -1;
    *first = h.first_step;
    ptd_head_clear(&h);
    return 0;
}

/* Groups that wait for their step's end. */
struct pending {
    char **body;
    size_t *len;
    int n, cap;
};

static void wait(struct pending *p, const struct ptd_frame *f)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 64;
        p->body = ptd_realloc(p->body, (size_t)p->cap * sizeof *p->body);
        p->len = ptd_realloc(p->len, (size_t)p->cap * sizeof *p->len);
    }
    p->body[p->n] = memcpy(ptd_alloc(f->body_len + 1), f->body, f->body_len);
    p->len[p->n++] = f->body_len;
}

static int put_pending(struct ptd_writer *out, const struct pending *p, int64_t step)
{
    for (int i = 0; i < p->n; i++)
        if (ptd_writer_put(out, PTD_GROUP, p->body[i], p->len[i]) < 0) return -1;
    return ptd_writer_step(out, step);
}

static void let_go(struct pending *p)
{
    for (int i = 0; i < p->n; i++) free(p->body[i]);
    p->n = 0;
}

/* Whole steps before `first` go into the new file; where the old one ends does not matter. */
static int copy_steps(struct ptd_trace *t, struct ptd_reader *r, int64_t first)
{
    struct pending p = {0};
    struct ptd_frame f;
    int64_t step;
    int rc = 0;
    while (rc == 0 && ptd_reader_next(r, &f) > 0) {
        if (f.kind == PTD_GROUP) wait(&p, &f);
        if (f.kind != PTD_STEP || ptd_frame_step(&f, &step) < 0) continue;
        if (step >= first) break;
        rc = put_pending(t->out, &p, step);
        let_go(&p);
    }
    let_go(&p);
    free(p.body);
    free(p.len);
    return rc;
}

/* What the file holds already, read from fd. */
static int go_on(struct ptd_trace *t, int fd, const char *path, const struct ptd_head *head,
                 const char *command)
{
    struct ptd_head h = *head;
    struct ptd_frame f;
    struct ptd_reader *r = ptd_reader_open(fd, path);
    int rc = ptd_reader_next(r, &f) <= 0 || first_step(&f, &h.first_step) < 0 ? -1 : 0;
    if (h.first_step > head->first_step) h.first_step = head->first_step;
    if (rc == 0) rc = put_head(t, &h, command);
    if (rc == 0) rc = copy_steps(t, r, head->first_step);
    int ignored = ptd_reader_close(r);
    (void)ignored;
    return rc;
}

static int create(struct ptd_trace *t, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return ptd_fail(PTD_CANTCREAT, "%s:", path);
    t->out = ptd_writer_open(fd, path);
    return 0;
}

/* A file with something in it is replaced once what stays of it is copied. */
static int open_file(struct ptd_trace *t, const char *path, const struct ptd_head *h,
                     const char *command)
{
    struct stat st;
    if (h->first_step <= 1 || stat(path, &st) < 0 || !S_ISREG(st.st_mode) || !st.st_size) {
        if (create(t, path) < 0) return -1;
        return put_head(t, h, command);
    }
    int old = open(path, O_RDONLY | O_CLOEXEC);
    char *part = ptd_format("%s.part", path);
    if (old < 0) ptd_fail(PTD_NOINPUT, "%s:", path);
    int rc = old < 0 || create(t, part) < 0 ? -1 : go_on(t, old, path, h, command);
    if (rc == 0 && (rc = ptd_writer_flush(t->out)) == 0 && (rc = rename(part, path)) < 0)
        ptd_fail(PTD_CANTCREAT, "%s:", path);
    if (rc < 0 && t->out) unlink(part);
    free(part);
    return rc;
}

static void give_back(struct ptd_trace *t)
{
    free(t->entropy);
    free(t->divergence);
    free(t->advantage);
    free(t->buf.data);
    free(t);
}

struct ptd_trace *ptd_trace_open(const char *path, const struct ptd_head *h, const char *command)
{
    struct ptd_trace *t = ptd_alloc(sizeof *t);
    if (open_file(t, path, h, command) == 0 && ptd_writer_flush(t->out) == 0) return t;
    give_back(t);
    return NULL;
}

int ptd_trace_close(struct ptd_trace *t)
{
    if (!t) return 0;
    int rc = ptd_writer_end(t->out);
    if (ptd_writer_close(t->out) < 0) rc = -1;
    give_back(t);
    return rc;
}

/* ---- a step ---- */

static long count(struct ptd_group **g, int n)
{
    long tokens = 0;
    for (int k = 0; k < n; k++)
        for (int i = 0; i < g[k]->n_rollouts; i++) tokens += g[k]->rollouts[i].n;
    return tokens;
}

void ptd_trace_begin(struct ptd_trace *t, struct ptd_group **g, int n)
{
    if (!t) return;
    long tokens = count(g, n) + 1;
    float **arrays[] = {&t->entropy, &t->divergence, &t->advantage};
    for (int k = 0; k < 3; k++) {
        if (tokens > t->cap)
            *arrays[k] = ptd_realloc(*arrays[k], (size_t)tokens * sizeof **arrays[k]);
        for (long i = 0; i < tokens; i++) (*arrays[k])[i] = NAN;
    }
    if (tokens > t->cap) t->cap = tokens;
}

struct ptd_traced ptd_trace_from(struct ptd_trace *t, struct ptd_group **g, struct ptd_group **at)
{
    if (!t) return (struct ptd_traced){0};
    long first = count(g, (int)(at - g));
    return (struct ptd_traced){t->entropy + first, t->divergence + first, t->advantage + first};
}

/* Is there a number that was seen? */
static int any(const float *x, int n)
{
    for (int i = 0; i < n; i++)
        if (!isnan(x[i])) return 1;
    return 0;
}

/* The group as it came, but for what was seen of its tokens from number `at` on. */
static int put_group(struct ptd_trace *t, const struct ptd_group *g, long at)
{
    struct ptd_group seen = *g;
    size_t bytes = (size_t)g->n_rollouts * sizeof *g->rollouts;
    seen.rollouts = memcpy(ptd_alloc(bytes + 1), g->rollouts, bytes);
    for (int i = 0; i < g->n_rollouts; i++) {
        struct ptd_rollout *y = &seen.rollouts[i];
        if (!y->entropy && any(t->entropy + at, y->n)) y->entropy = t->entropy + at;
        y->divergence = any(t->divergence + at, y->n) ? t->divergence + at : NULL;
        y->advantages = any(t->advantage + at, y->n) ? t->advantage + at : NULL;
        at += y->n;
    }
    ptd_group_encode(&seen, &t->buf);
    free(seen.rollouts);
    return ptd_writer_put(t->out, PTD_GROUP, t->buf.data, t->buf.len);
}

int ptd_trace_step(struct ptd_trace *t, struct ptd_group **g, int n, int64_t step)
{
    long at = 0;
    if (!t) return 0;
    for (int k = 0; k < n; k++) {
        if (put_group(t, g[k], at) < 0) return -1;
        at += count(g + k, 1);
    }
    return ptd_writer_step(t->out, step);
}
