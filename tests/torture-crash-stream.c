/* Sets one field of a scored stream: torture-crash-stream FIELD VALUE [once] < in > out. In each
 * step (once: in the first) VALUE, which may be nan or inf, goes into the first group with tutored
 * rollouts, and there into the first token of the first rollout with such a field. The digests are
 * right. */
#include "base/half.h"
#include "flow/filter.h"
#include "flow/record.h"
#include "flow/stream.h"
#include <stdlib.h>
#include <string.h>

static int is_tutored(const struct ptd_group *g)
{
    for (int i = 0; i < g->n_rollouts; i++)
        if (ptd_rollout_taught(&g->rollouts[i])) return 1;
    return 0;
}

static int set_double(double *x, double value)
{
    *x = value;
    return 1;
}

static int set_float(const float *x, double value)
{
    if (x) *(float *)(uintptr_t)x = (float)value;
    return x != NULL;
}

static int set_half(const uint16_t *x, double value)
{
    if (x) *(uint16_t *)(uintptr_t)x = ptd_half((float)value);
    return x != NULL;
}

/* Of the words that the student thought of and the teacher did not: the others are not read. */
static int set_unknown(const struct ptd_rollout *y, double value)
{
    for (int i = 0; i < y->top_k && y->teacher_on_top; i++) {
        int known = 0;
        for (int j = 0; j < y->teacher_k; j++) known |= y->teacher_ids[j] == y->top_ids[i];
        if (!known) return set_half(y->teacher_on_top + i, value);
    }
    return 0;
}

static int set_rollout(struct ptd_rollout *y, const char *field, double value)
{
    if (!strcmp(field, "advantage")) return set_double(&y->advantage, value);
    if (!strcmp(field, "reward")) return set_double(&y->reward, value);
    if (!strcmp(field, "accuracy")) return set_double(&y->accuracy, value);
    if (!strcmp(field, "format")) return set_double(&y->format, value);
    if (!strcmp(field, "logp")) return set_float(y->logp, value);
    if (!strcmp(field, "ref_logp")) return set_float(y->ref_logp, value);
    if (!strcmp(field, "teacher_logp")) return set_half(y->teacher_logp, value);
    if (!strcmp(field, "teacher_on_top")) return set_unknown(y, value);
    if (!strcmp(field, "teacher_on_ids")) return set_float(y->teacher_on_ids, value);
    if (!strcmp(field, "teacher_rows")) return set_float(y->teacher_rows, value);
    if (!strcmp(field, "masked_logp")) return set_float(y->masked_logp, value);
    ptd_die(PTD_USAGE, "no field \"%s\"", field);
}

static int set_group(struct ptd_group *g, const char *field, double value)
{
    if (!strcmp(field, "group_accuracy")) return set_double(&g->group_accuracy, value);
    for (int i = 0; i < g->n_rollouts; i++)
        if (g->rollouts[i].n && set_rollout(&g->rollouts[i], field, value)) return 1;
    return 0;
}

struct edit {
    const char *field;
    double value;
    int done, steps; /* in this step; in how many */
};

static void copy_group(struct ptd_writer *w, const struct ptd_frame *f, struct edit *e)
{
    static struct ptd_buf buf;
    struct ptd_group g = {0};
    if (ptd_group_decode(&g, f->body, f->body_len)) ptd_die_last();
    if (!e->done && is_tutored(&g)) e->done = set_group(&g, e->field, e->value);
    ptd_group_encode(&g, &buf);
    if (ptd_writer_put(w, PTD_GROUP, buf.data, buf.len)) ptd_die_last();
    ptd_group_clear(&g);
}

static void copy_step(struct ptd_writer *w, const struct ptd_frame *f, struct edit *e, int once)
{
    int64_t step;
    e->steps += e->done;
    e->done = once && e->steps;
    if (ptd_frame_step(f, &step) || ptd_writer_step(w, step)) ptd_die_last();
}

static struct ptd_writer *open_output(struct ptd_head *h, struct edit *e)
{
    struct ptd_buf buf = {0};
    struct ptd_writer *w = ptd_writer_open(1, "-");
    if (!strcmp(e->field, "temperature")) e->done = set_double(&h->temperature, e->value);
    ptd_head_encode(h, &buf);
    if (ptd_writer_put(w, PTD_HEAD, buf.data, buf.len)) ptd_die_last();
    free(buf.data);
    return w;
}

int main(int argc, char **argv)
{
    struct ptd_head h = {0};
    struct ptd_frame f;
    if (argc < 3) ptd_die(PTD_USAGE, "expected FIELD VALUE [once]");
    struct edit e = {argv[1], strtod(argv[2], NULL)};
    struct ptd_reader *r = ptd_input_open(NULL, &h);
    struct ptd_writer *w = open_output(&h, &e);
    int once = argc > 3 || e.done;
    while (ptd_reader_next(r, &f) > 0) {
        if (f.kind == PTD_GROUP) copy_group(w, &f, &e);
        if (f.kind == PTD_STEP) copy_step(w, &f, &e, once);
    }
    if (ptd_reader_close(r) || ptd_writer_end(w) || ptd_writer_close(w)) ptd_die_last();
    if (!e.steps) ptd_die(PTD_NOINPUT, "no field \"%s\" in the stream", e.field);
    ptd_head_clear(&h);
    return 0;
}
