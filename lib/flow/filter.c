/* The loop of every middle stage: head, groups, steps, end, and the closing line.
 * Leaves to stages: what happens to a group. */
#include "flow/filter.h"
#include "base/command.h"
#include "base/err.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/terminal.h"
#include "compute/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A group's frame kept until its step is complete. */
struct kept {
    struct ptd_frame frame;
    char *bytes;
};

struct run {
    struct ptd_filter *f;
    struct ptd_reader *r;
    struct ptd_writer *w;
    struct ptd_head head;
    struct ptd_buf buf;
    struct ptd_group group;
    struct kept *kept;
    int n_kept, kept_cap;
    struct ptd_group **held; /* that wait for their step's end, with the bytes they point into */
    char **held_bytes;
    int n_held;
    long in, out, steps;
    double started;
};

static _Noreturn void refuse_terminal(const char *what)
{
    ptd_misuse("standard %s is a terminal, expected a stream, as in %s < IN > OUT", what,
               ptd_program_name());
}

static int open_input(const char *operand)
{
    struct stat st;
    if (!operand || strcmp(operand, "-") == 0) {
        if (ptd_terminal(0)) refuse_terminal("input");
        return 0;
    }
    int fd;
    do fd = open(operand, O_RDONLY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) ptd_die(PTD_NOINPUT, "%s:", operand);
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        ptd_die(PTD_NOINPUT, "%s: a directory, expected a stream", operand);
    return fd;
}

struct ptd_reader *ptd_input_open(const char *operand, struct ptd_head *h)
{
    struct ptd_frame f;
    struct ptd_reader *r = ptd_reader_open(open_input(operand), operand ? operand : "-");
    if (ptd_reader_next(r, &f) < 0) ptd_die_last();
    if (ptd_head_decode(h, f.body, f.body_len) < 0) {
        ptd_reader_blame(r, &f);
        ptd_die_last();
    }
    return r;
}

static struct ptd_writer *open_output(struct ptd_head *h)
{
    struct ptd_buf buf = {0};
    struct ptd_writer *w = ptd_writer_open(1, "-");
    ptd_head_encode(h, &buf);
    if (ptd_writer_put(w, PTD_HEAD, buf.data, buf.len) < 0 || ptd_writer_flush(w) < 0)
        ptd_die_last();
    free(buf.data);
    return w;
}

static void leave_device(void *device)
{
    ptd_device_rest(device);
}

void ptd_streams_leave(struct ptd_device *d)
{
    if (d && d->ops->rest) ptd_stream_idle(leave_device, d);
}

static void note_stage(struct ptd_head *h, const char *name, const char *command,
                       struct ptd_device *device, const char *reads)
{
    ptd_streams_leave(device);
    char *machine = ptd_machine(device),
         *decided = ptd_format("%s%s%s", ptd_opt_decided(), reads ? "; " : "", reads ? reads : "");
    ptd_head_add_stage(h, &(struct ptd_stage_note){.name = name,
                                                   .version = PTD_VERSION,
                                                   .command = command,
                                                   .decided = decided,
                                                   .machine = machine,
                                                   .build = ptd_build_id()});
    free(machine);
    free(decided);
}

struct ptd_writer *ptd_output_open(struct ptd_head *h, const char *name, struct ptd_device *device,
                                   int argc, char **argv)
{
    if (ptd_terminal(1)) refuse_terminal("output");
    char *command = ptd_command_line(argc, argv);
    h->version = PTD_STREAM_VERSION;
    note_stage(h, name, command, device, NULL);
    free(command);
    return open_output(h);
}

/* The beginning of a text on one line, in at most cap - 1 bytes of whole characters. */
static const char *brief(const char *text, char *out, size_t cap)
{
    size_t n = text ? strlen(text) : 0;
    if (n >= cap)
        for (n = cap - 1; n && (text[n] & 0xc0) == 0x80;) n--;
    for (size_t i = 0; i < n; i++) out[i] = strchr("\n\r\t", text[i]) ? ' ' : text[i];
    out[n] = 0;
    return out;
}

/* What the board says of it. */
static void post_group(const struct ptd_group *g)
{
    char text[480], question[140], answer[70], response[220];
    int64_t tokens = 0;
    for (int i = 0; i < g->n_rollouts; i++) tokens += g->rollouts[i].n;
    ptd_board_count(1, tokens);
    if (!g->n_rollouts || g->rollouts[0].outcome == PTD_UNJUDGED) return;
    const struct ptd_rollout *y = &g->rollouts[0];
    snprintf(text, sizeof text, "%s\n%s\n%s\n%s", brief(g->question, question, sizeof question),
             brief(g->answer, answer, sizeof answer), ptd_outcome_name[y->outcome],
             brief(y->text, response, sizeof response));
    ptd_board_said(text);
}

static int write_group(struct run *run, const struct ptd_frame *f, struct ptd_group *g, int verb)
{
    if (verb == PTD_FAILED)
        return ptd_failed_status() == PTD_DATAERR ? ptd_reader_blame(run->r, f) : -1;
    if (verb == PTD_DROP || verb == PTD_HOLD) return 0;
    run->out++;
    post_group(g);
    ptd_progress_tick();
    if (verb == PTD_PASS) return ptd_writer_pass(run->w, f);
    ptd_group_encode(g, &run->buf);
    return ptd_writer_put(run->w, PTD_GROUP, run->buf.data, run->buf.len);
}

static int do_group(struct run *run, const struct ptd_frame *f)
{
    if (ptd_group_read(&run->group, f->body, f->body_len) < 0) return ptd_reader_blame(run->r, f);
    return write_group(run, f, &run->group, run->f->process(&run->group, run->f->ctx));
}

static void keep_frame(struct run *run, const struct ptd_frame *f)
{
    /* so that the body lies aligned, and decoding need not copy its arrays */
    const size_t before = 32 - PTD_FRAME_PREFIX;
    if (run->n_kept == run->kept_cap) {
        run->kept_cap = run->kept_cap ? 2 * run->kept_cap : 64;
        run->kept = ptd_realloc(run->kept, (size_t)run->kept_cap * sizeof *run->kept);
    }
    struct kept *k = &run->kept[run->n_kept++];
    k->frame = *f;
    k->bytes = ptd_alloc(before + f->raw_len);
    k->frame.raw = memcpy(k->bytes + before, f->raw, f->raw_len);
    k->frame.body = k->frame.raw + PTD_FRAME_PREFIX;
}

static int write_batch(struct run *run, struct ptd_group **groups, int *verbs)
{
    int n = run->n_kept;
    for (int i = 0; i < n; i++) {
        struct ptd_frame *f = &run->kept[i].frame;
        if (ptd_group_read(groups[i], f->body, f->body_len) < 0) return ptd_reader_blame(run->r, f);
    }
    int rc = run->f->batch(groups, n, verbs, run->f->ctx);
    for (int i = 0; i < n; i++)
        if ((rc == 0 || verbs[i] == PTD_FAILED) &&
            write_group(run, &run->kept[i].frame, groups[i], verbs[i]) < 0)
            return -1;
    return rc;
}

static void hold(struct run *run, struct ptd_group *g, char *bytes)
{
    size_t n = (size_t)++run->n_held;
    run->held = ptd_realloc(run->held, n * sizeof *run->held);
    run->held_bytes = ptd_realloc(run->held_bytes, n * sizeof *run->held_bytes);
    run->held[n - 1] = g;
    run->held_bytes[n - 1] = bytes;
}

static void let_go(struct ptd_group *g, char *bytes)
{
    ptd_group_clear(g);
    free(g);
    free(bytes);
}

/* The step is over: what was held goes on. */
static int release(struct run *run)
{
    int n = run->n_held, rc = n ? run->f->whole(run->held, n, run->f->ctx) : 0;
    for (int i = 0; i < n; i++) {
        if (rc == 0 && write_group(run, NULL, run->held[i], PTD_CHANGED) < 0) rc = -1;
        let_go(run->held[i], run->held_bytes[i]);
    }
    run->n_held = 0;
    return rc;
}

static int do_batch(struct run *run)
{
    int n = run->n_kept;
    if (!n) return 0;
    struct ptd_group **groups = ptd_array((size_t)n, sizeof *groups);
    int *verbs = ptd_array((size_t)n, sizeof *verbs);
    for (int i = 0; i < n; i++) groups[i] = ptd_alloc(sizeof **groups);
    int rc = write_batch(run, groups, verbs);
    for (int i = 0; i < n; i++) {
        if (rc == 0 && verbs[i] == PTD_HOLD)
            hold(run, groups[i], run->kept[i].bytes);
        else
            let_go(groups[i], run->kept[i].bytes);
    }
    free(groups);
    free(verbs);
    run->n_kept = 0;
    return rc;
}

static int do_step(struct run *run, const struct ptd_frame *f)
{
    int64_t step = 0;
    if (ptd_frame_step(f, &step) < 0) return -1;
    if (run->f->batch && (do_batch(run) < 0 || release(run) < 0)) return -1;
    if (run->f->step && run->f->step(step, run->f->ctx) < 0) return -1;
    run->steps++;
    ptd_board_step(step);
    return ptd_writer_step(run->w, step);
}

static int do_frame(struct run *run, const struct ptd_frame *f)
{
    if (f->kind == PTD_STEP) return do_step(run, f);
    if (f->kind != PTD_GROUP) return 0;
    run->in++;
    if (!run->f->batch) return do_group(run, f);
    keep_frame(run, f);
    int enough = run->f->enough ? run->f->enough(run->n_kept, f, run->f->ctx) : 0;
    if (enough < 0) return ptd_reader_blame(run->r, f);
    return enough ? do_batch(run) : 0;
}

static int do_stream(struct run *run)
{
    struct ptd_frame f;
    int got;
    while ((got = ptd_reader_next(run->r, &f)) > 0)
        if (do_frame(run, &f) < 0) return -1;
    if (got < 0 || (run->f->batch && (do_batch(run) < 0 || release(run) < 0))) return -1;
    if (run->f->finish && run->f->finish(run->f->ctx) < 0) return -1;
    return ptd_writer_end(run->w);
}

static const char *only_operand(int first, int argc, char **argv)
{
    if (first + 1 < argc)
        ptd_misuse("unexpected operand \"%.64s\", at most one file", argv[first + 1]);
    return first < argc ? argv[first] : NULL;
}

static void clear_run(struct run *run)
{
    ptd_group_clear(&run->group);
    ptd_head_clear(&run->head);
    free(run->buf.data);
    free(run->kept);
    free(run->held);
    free(run->held_bytes);
}

static void tell(const void *ctx)
{
    const struct run *run = ctx;
    ptd_tell("%ld step%s, %ld group%s in, %ld out, %.1f s", run->steps, ptd_plural(run->steps),
             run->in, ptd_plural(run->in), run->out, ptd_now() - run->started);
}

const char *ptd_filter_parse(struct ptd_filter *f, int argc, char **argv, char **command)
{
    *command = ptd_command_line(argc, argv);
    return only_operand(ptd_opt_parse(f->usage, argc, argv), argc, argv);
}

static void check_options(struct ptd_filter *f)
{
    if (!f->options || f->options(f->ctx) == 0) return;
    if (ptd_failed_status() == PTD_USAGE) ptd_misuse("%s", ptd_failed_message());
    ptd_die_last();
}

int ptd_filter_main(struct ptd_filter *f, int argc, char **argv)
{
    char *command;
    const char *operand = ptd_filter_parse(f, argc, argv, &command);
    return ptd_filter_run(f, operand, command);
}

int ptd_filter_run(struct ptd_filter *f, const char *operand, char *command)
{
    struct run run = {.f = f, .started = ptd_now()};
    check_options(f);
    if (ptd_terminal(1)) refuse_terminal("output");
    ptd_asked_heed(tell, &run);
    ptd_progress_join();
    run.r = ptd_input_open(operand, &run.head);
    ptd_board_store(run.head.store);
    if (f->begin && f->begin(&run.head, f->ctx) < 0) ptd_die_last();
    note_stage(&run.head, f->usage->name, command, f->device, f->reads);
    run.w = open_output(&run.head);
    ptd_reader_watch(run.r, ptd_writer_fd(run.w));
    if (do_stream(&run) < 0 || ptd_reader_close(run.r) < 0 || ptd_writer_close(run.w) < 0)
        ptd_die_last();
    const char *words = f->summary ? f->summary(f->ctx) : NULL;
    ptd_info("%ld group%s in, %ld out, %.1f s%s%s", run.in, ptd_plural(run.in), run.out,
             ptd_now() - run.started, words ? ", " : "", words ? words : "");
    clear_run(&run);
    free(command);
    return PTD_OK;
}
