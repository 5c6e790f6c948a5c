/* forced: see forced.h. What the texts are is weigh.c's. */
#include "method/hint/forced.h"
#include "net/head.h"
#include "net/net.h"
#include <stdlib.h>
#include <string.h>

struct target { /* a token that counts: the row that predicts it, and its sum's place */
    int32_t row, id;
    int pair;
};

struct ptd_forced {
    struct ptd_hint_tools *tools;
    struct ptd_model *m;
    struct ptd_batch *batch;
    uint8_t *banned;
    struct ptd_lm_head *head; /* of `read` */
    struct ptd_matrix read;
    struct target *target;
    int n, cap;
};

struct ptd_forced *ptd_forced_open(struct ptd_hint_tools *tools)
{
    struct ptd_model *m = ptd_hint_reference(tools);
    if (!m) return NULL;
    struct ptd_forced *f = ptd_alloc(sizeof *f);
    f->tools = tools;
    f->m = m;
    f->batch = ptd_batch_new(m);
    f->banned = ptd_model_banned(m, ptd_tokenizer_size(tools->tokenizer));
    return f;
}

void ptd_forced_close(struct ptd_forced *f)
{
    if (!f) return;
    ptd_lm_head_free(f->head);
    ptd_batch_free(f->batch);
    free(f->banned);
    free(f->target);
    free(f);
}

/* ---- packing ---- */

/* What is left of each predicts a text's first token. */
int ptd_forced_common(const struct ptd_forced_prompt *p, int n)
{
    int most = p[0].n - 1;
    for (int i = 1; i < n; i++) {
        int k = 0;
        if (p[i].n - 1 < most) most = p[i].n - 1;
        while (k < most && p[0].ids[k] == p[i].ids[k]) k++;
        most = k;
    }
    return most;
}

static void add_target(struct ptd_forced *f, long row, int32_t id, int pair)
{
    if (f->n == f->cap)
        f->target =
            ptd_realloc(f->target, (size_t)(f->cap = 2 * f->cap + 1024) * sizeof *f->target);
    f->target[f->n++] = (struct target){(int32_t)row, id, pair};
}

/* What is left of the prompt, and the text but for its last token, as one reply. */
static void add_pair(struct ptd_forced *f, int segment, const struct ptd_forced_prompt *p, int from,
                     const struct ptd_forced_text *t, int pair)
{
    int rest = p->n - from;
    long row = ptd_batch_rows(f->batch) + rest - 1;
    int32_t *ids = ptd_array((size_t)(rest + t->n), sizeof *ids);
    memcpy(ids, p->ids + from, (size_t)rest * sizeof *ids);
    memcpy(ids + rest, t->ids, (size_t)t->n * sizeof *ids);
    ptd_batch_reply(f->batch, segment, ids, rest + t->n - 1);
    for (int k = t->from; k < t->n; k++) add_target(f, row + k, t->ids[k], pair);
    free(ids);
}

/* ---- reading ---- */

/* Another generation may have its words elsewhere. */
static struct ptd_lm_head *head_of(struct ptd_forced *f)
{
    const struct ptd_matrix *W = ptd_model_head(f->m);
    if (f->head && memcmp(&f->read, W, sizeof *W) == 0) return f->head;
    ptd_lm_head_free(f->head);
    f->read = *W;
    return f->head = ptd_lm_head_new(f->m->device, W, NULL, f->banned);
}

static void add_up(struct ptd_forced *f, const ptd_num *X, double *logp)
{
    int32_t *first = ptd_array((size_t)f->n + 1, sizeof *first),
            *id = ptd_array((size_t)f->n, sizeof *id);
    double *found = ptd_array((size_t)f->n, sizeof *found);
    for (int i = 0; i < f->n; i++) {
        first[i] = i;
        id[i] = f->target[i].id;
    }
    first[f->n] = f->n;
    struct ptd_ask_score ask = {.rules.temperature = 1, .words = {first, id}};
    struct ptd_got_score got = {.logp = found};
    ptd_lm_head_score(head_of(f), X, f->n, &ask, &got);
    for (int i = 0; i < f->n; i++) logp[f->target[i].pair] += found[i];
    free(first);
    free(id);
    free(found);
}

static int run(struct ptd_forced *f, double *logp)
{
    struct ptd_device *d = f->m->device;
    struct ptd_batch *b = f->batch;
    int H = f->m->config.hidden;
    if (!f->n) return 0;
    if (ptd_batch_check(b, f->tools->memory ? f->tools->left : 0,
                        "fewer candidates or more memory"))
        return -1;
    int32_t *from = ptd_array((size_t)f->n, sizeof *from);
    for (int i = 0; i < f->n; i++) from[i] = f->target[i].row;
    ptd_forward(f->m, b);
    const ptd_int *rows = ptd_pool_put_ints(&b->pool, from, (size_t)f->n);
    ptd_num *X = ptd_pool_nums(&b->pool, (size_t)f->n * H);
    d->ops->copy_rows(d, X, H, NULL, ptd_batch_hidden(b), H, rows, f->n, H);
    add_up(f, X, logp);
    free(from);
    return ptd_device_wait(d);
}

static int check_ids(const struct ptd_forced *f, const struct ptd_forced_prompt *p, int from)
{
    for (int i = from; i < p->n; i++)
        if (p->ids[i] == f->m->config.image_token)
            ptd_die(PTD_BUG, "a picture behind what prompts begin with");
    return 0;
}

int ptd_forced_read(struct ptd_forced *f, const struct ptd_group *g,
                    const struct ptd_forced_prompt *prompt, int prompts,
                    const struct ptd_forced_text *text, int texts, double *logp)
{
    int from = ptd_forced_common(prompt, prompts), pairs = prompts * texts;
    memset(logp, 0, (size_t)pairs * sizeof *logp);
    for (int i = 0; i < prompts; i++) check_ids(f, &prompt[i], from);
    for (int k = 0; k < pairs;) {
        ptd_batch_reset(f->batch);
        f->n = 0;
        int segment = ptd_batch_prompt(f->batch, prompt[0].ids, from, g->pictures, g->n_pictures);
        if (segment < 0) return -1;
        do {
            add_pair(f, segment, &prompt[k / texts], from, &text[k % texts], k);
            k++;
        } while (k < pairs && ptd_batch_rows(f->batch) < PTD_FORCED_ROWS);
        if (run(f, logp) < 0) return -1;
    }
    return 0;
}
