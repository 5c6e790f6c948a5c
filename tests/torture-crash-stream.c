/* Sets one field of a scored stream: torture-crash-stream FIELD VALUE [GROUPS] < in > out. VALUE: nan, inf, -inf or a number, put into the first token of the
 * first rollout that has such a field in each step. GROUPS: any, tutored (some of its rollouts are) or plain. The digests are right. */
#include "filter.h"
#include "record.h"
#include "stream.h"
#include <stdlib.h>
#include <string.h>

static int is_tutored(const struct ptd_group *g)
{
    for (int i = 0; i < g->n_rollouts; i++)
        if (g->rollouts[i].teacher_ids) return 1;
    return 0;
}

static int wanted(const struct ptd_group *g, const char *groups)
{
    return !strcmp(groups, "any") || is_tutored(g) == !strcmp(groups, "tutored");
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

static int set_rollout(struct ptd_rollout *y, const char *field, double value)
{
    if (!strcmp(field, "advantage")) return set_double(&y->advantage, value);
    if (!strcmp(field, "reward")) return set_double(&y->reward, value);
    if (!strcmp(field, "accuracy")) return set_double(&y->accuracy, value);
    if (!strcmp(field, "format")) return set_double(&y->format, value);
    if (!strcmp(field, "logp")) return set_float(y->logp, value);
    if (!strcmp(field, "ref_logp")) return set_float(y->ref_logp, value);
    if (!strcmp(field, "teacher_logp")) return set_half(y->teacher_logp, value);
    if (!strcmp(field, "teacher_on_top")) return set_half(y->teacher_on_top, value);
    ptd_die(PTD_USAGE, "no field \"%s\"", field);
}

static int set_group(struct ptd_group *g, const char *field, double value)
{
    if (!strcmp(field, "group_accuracy")) return set_double(&g->group_accuracy, value);
    for (int i = 0; i < g->n_rollouts; i++)
        if (g->rollouts[i].n && set_rollout(&g->rollouts[i], field, value)) return 1;
    return 0;
}

static void copy_group(struct ptd_writer *w, const struct ptd_frame *f, char **argv, int *done)
{
    static struct ptd_buf buf;
    struct ptd_group g = {0};
    if (ptd_group_decode(&g, f->body, f->body_len)) ptd_die_last();
    if (!*done && wanted(&g, argv[3] ? argv[3] : "any"))
        *done = set_group(&g, argv[1], strtod(argv[2], NULL));
    ptd_group_encode(&g, &buf);
    if (ptd_writer_put(w, PTD_GROUP, buf.data, buf.len)) ptd_die_last();
    ptd_group_clear(&g);
}

int main(int argc, char **argv)
{
    struct ptd_head h = {0};
    struct ptd_frame f;
    struct ptd_buf buf = {0};
    int64_t step;
    int done = 0, ever = 0;
    if (argc < 3) ptd_die(PTD_USAGE, "expected FIELD VALUE [any|tutored|plain]");
    struct ptd_reader *r = ptd_input_open(NULL, &h);
    struct ptd_writer *w = ptd_writer_open(1, "-");
    if (!strcmp(argv[1], "temperature")) ever = set_double(&h.temperature, strtod(argv[2], NULL));
    ptd_head_encode(&h, &buf);
    if (ptd_writer_put(w, PTD_HEAD, buf.data, buf.len)) ptd_die_last();
    done = ever;
    while (ptd_reader_next(r, &f) > 0) {
        if (f.kind == PTD_GROUP) copy_group(w, &f, argv, &done);
        if (f.kind != PTD_STEP) continue;
        ever |= done;
        done = !strcmp(argv[1], "temperature");
        if (ptd_frame_step(&f, &step) || ptd_writer_step(w, step)) ptd_die_last();
    }
    if (ptd_reader_close(r) || ptd_writer_end(w) || ptd_writer_close(w)) ptd_die_last();
    if (!ever) ptd_die(PTD_NOINPUT, "no such field in the stream");
    free(buf.data);
    ptd_head_clear(&h);
    return 0;
}
