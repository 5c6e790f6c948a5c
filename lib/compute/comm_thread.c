/* comm_thread: sums that go on while the program computes. */
#include "compute/comm_private.h"
#include <stdlib.h>
#include <string.h>

struct sum {
    float *x;
    size_t n;
    enum ptd_comm_form form;
    size_t *first; /* of shares; NULL: of all n */
};

struct ptd_comm_thread {
    struct ptd_comm *comm;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct sum *sums;
    int n, cap, done, over; /* done: of the n */
    int rc, status;         /* of the first that failed */
    char *words;
};

/* The next sum; 0: the program ends. */
static int take(struct ptd_comm_thread *t, struct sum *s)
{
    pthread_mutex_lock(&t->lock);
    while (t->done == t->n && !t->over) pthread_cond_wait(&t->change, &t->lock);
    int got = t->done < t->n;
    if (got) *s = t->sums[t->done];
    pthread_mutex_unlock(&t->lock);
    return got;
}

static void put(struct ptd_comm_thread *t, int rc)
{
    pthread_mutex_lock(&t->lock);
    if (rc && !t->rc) {
        t->rc = rc;
        t->status = ptd_failed_status();
        t->words = ptd_strdup(ptd_failed_message());
    }
    t->done++;
    pthread_cond_broadcast(&t->change);
    pthread_mutex_unlock(&t->lock);
}

static void *run(void *own)
{
    struct ptd_comm_thread *t = own;
    struct sum s;
    while (take(t, &s)) {
        put(t, t->rc     ? 0
               : s.first ? ptd_comm_add_shares(t->comm, s.x, s.first, s.form)
                         : ptd_comm_add(t->comm, s.x, s.n, s.form));
        free(s.first);
    }
    return NULL;
}

static struct ptd_comm_thread *thread_of(struct ptd_comm *c)
{
    if (c->thread) return c->thread;
    struct ptd_comm_thread *t = c->thread = ptd_alloc(sizeof *t);
    t->comm = c;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->change, NULL);
    if (pthread_create(&t->thread, NULL, run, t))
        ptd_die(PTD_OSERR, "a thread for sums over ranks:");
    return t;
}

static void push(struct ptd_comm *c, struct sum s)
{
    struct ptd_comm_thread *t = thread_of(c);
    pthread_mutex_lock(&t->lock);
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->sums = ptd_realloc(t->sums, (size_t)t->cap * sizeof *t->sums);
    }
    t->sums[t->n++] = s;
    pthread_cond_broadcast(&t->change);
    pthread_mutex_unlock(&t->lock);
}

void ptd_comm_push(struct ptd_comm *c, float *x, size_t n, enum ptd_comm_form form)
{
    if (ptd_comm_ranks(c) > 1 && n) push(c, (struct sum){x, n, form, NULL});
}

void ptd_comm_push_shares(struct ptd_comm *c, float *x, const size_t *first,
                          enum ptd_comm_form form)
{
    size_t n = (size_t)ptd_comm_ranks(c) + 1, *copy = ptd_array(n, sizeof *copy);
    memcpy(copy, first, n * sizeof *copy);
    push(c, (struct sum){x, first[n - 1], form, copy});
}

int ptd_comm_join(struct ptd_comm *c)
{
    struct ptd_comm_thread *t = c ? c->thread : NULL;
    if (!t) return 0;
    pthread_mutex_lock(&t->lock);
    while (t->done < t->n) pthread_cond_wait(&t->change, &t->lock);
    t->done = t->n = 0;
    pthread_mutex_unlock(&t->lock);
    if (t->rc == -1) ptd_fail(t->status, "%s", t->words);
    return ptd_comm_heed(c, t->rc);
}

void ptd_comm_thread_end(struct ptd_comm *c)
{
    struct ptd_comm_thread *t = c->thread;
    if (!t) return;
    pthread_mutex_lock(&t->lock);
    t->over = 1;
    pthread_cond_broadcast(&t->change);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->change);
    free(t->sums);
    free(t->words);
    free(t);
    c->thread = NULL;
}
