/* The filter's loop: what passes, changes and drops; no end after a failure; whole steps at once.
 * Leaves to the command-line tests: real stages in real pipes. */
#include "child.h"
#include "flow/filter.h"
#include "test.h"

enum { STEPS = 3, GROUPS = 4 }; /* per step; the last step's frame is missing when `open` */

static const struct ptd_opt options[] = {{0}};
static const struct ptd_usage usage = {"ptd-test", "[FILE]", "test filters", NULL, options};

/* A stream of 12 groups named u0 .. u11. */
static size_t make_stream(char *out, size_t cap, int end)
{
    int fd = memfd_create("stream", 0);
    struct ptd_head h = {
        .version = PTD_STREAM_VERSION, .store = "run.ptd", .mode = "train", .steps = 3};
    struct ptd_buf b = {0};
    struct ptd_rollout y = {.ids = &(int32_t){7}, .n = 1};
    struct ptd_writer *w = ptd_writer_open(dup(fd), "-");
    ptd_head_encode(&h, &b);
    assert_int_equal(ptd_writer_put(w, PTD_HEAD, b.data, b.len), 0);
    for (int i = 0; i < STEPS * GROUPS; i++) {
        struct ptd_group g = {0};
        ptd_group_clear(&g);
        g.rollouts = &y;
        g.n_rollouts = 1;
        g.uid = ptd_group_text(&g, "u%d", i);
        g.index = i;
        ptd_group_encode(&g, &b);
        assert_int_equal(ptd_writer_put(w, PTD_GROUP, b.data, b.len), 0);
        if (i % GROUPS == GROUPS - 1) assert_int_equal(ptd_writer_step(w, i / GROUPS + 1), 0);
        ptd_group_clear(&g);
    }
    if (end) assert_int_equal(ptd_writer_end(w), 0);
    assert_int_equal(ptd_writer_close(w), 0);
    free(b.data);
    size_t n = child_slurp(fd, out, cap);
    return n;
}

/* Reads what a filter wrote: "u0 u2' |1 ..." with ' for groups that were changed; status of the
 * reader at the end. */
static int read_back(const struct child *c, char *words, char *stages)
{
    int fd = memfd_create("back", 0), got;
    assert_int_equal(pwrite(fd, c->out, c->out_len, 0), (ssize_t)c->out_len);
    struct ptd_reader *r = ptd_reader_open(fd, "back");
    struct ptd_frame f;
    *words = *stages = 0;
    while ((got = ptd_reader_next(r, &f)) > 0) {
        struct ptd_group g = {0};
        struct ptd_head h;
        int64_t step = 0;
        if (f.kind == PTD_HEAD && ptd_head_decode(&h, f.body, f.body_len) == 0) {
            for (int i = 0; i < h.n_stages; i++)
                stages += sprintf(stages, "[%s]", h.stages[i].command);
            ptd_head_clear(&h);
        }
        if (f.kind == PTD_GROUP && ptd_group_decode(&g, f.body, f.body_len) == 0)
            words += sprintf(words, "%s%s ", g.uid, g.answer ? "'" : "");
        if (f.kind == PTD_STEP && ptd_frame_step(&f, &step) == 0)
            words += sprintf(words, "|%d ", (int)step);
        ptd_group_clear(&g);
    }
    int status = got < 0 ? ptd_failed_status() : 0;
    assert_int_equal(ptd_reader_close(r), got);
    return status;
}

/* Group i: passes, changes, drops in turn. */
static int in_turn(struct ptd_group *g, void *ctx)
{
    (void)ctx;
    static const int verbs[] = {PTD_PASS, PTD_CHANGED, PTD_DROP};
    if (g->index % 3 == 1) g->answer = ptd_group_text(g, "%s", "new");
    return verbs[g->index % 3];
}

static int fails_at_six(struct ptd_group *g, void *ctx)
{
    (void)ctx;
    return g->index == 6 ? ptd_fail(PTD_DATAERR, "group \"%s\": not liked", g->uid) : PTD_CHANGED;
}

static int whole_steps(struct ptd_group **g, int n, int *verbs, void *ctx)
{
    (void)ctx;
    if (n != GROUPS) return ptd_fail(PTD_BUG, "%d groups in a step", n);
    g[0]->answer = ptd_group_text(g[0], "sees %s", g[n - 1]->uid);
    verbs[0] = PTD_CHANGED;
    verbs[1] = PTD_DROP;
    return 0;
}

static int the_third_fails(struct ptd_group **g, int n, int *verbs, void *ctx)
{
    (void)ctx;
    verbs[2] = PTD_FAILED;
    return ptd_fail(PTD_DATAERR, "group \"%s\" of %d: not liked", g[2]->uid, n);
}

static int finish_fails(void *ctx)
{
    (void)ctx;
    return ptd_fail(PTD_IOERR, "cannot finish");
}

static int count_steps(int64_t step, void *ctx)
{
    *(int *)ctx += (int)step;
    return 0;
}

static const char *summary(void *ctx)
{
    static char words[32];
    snprintf(words, sizeof words, "steps add up to %d", *(int *)ctx);
    return words;
}

struct setup {
    struct ptd_filter f;
    const char *arg;
};

static int run_filter(void *ctx)
{
    struct setup *s = ctx;
    char *argv[] = {"ptd-test", (char *)s->arg, NULL};
    s->f.usage = &usage;
    return ptd_filter_main(&s->f, s->arg ? 2 : 1, argv);
}

static char stream[1 << 16];

static void test_verbs(void **state)
{
    (void)state;
    struct child c;
    char words[400], stages[400];
    int sum = 0;
    struct setup s = {{.process = in_turn, .step = count_steps, .summary = summary, .ctx = &sum},
                      "-"};
    child_run(&c, run_filter, &s, stream, make_stream(stream, sizeof stream, 1));
    assert_int_equal(c.status, 0);
    assert_int_equal(read_back(&c, words, stages), 0);
    assert_string_equal(words, "u0 u1' u3 |1 u4' u6 u7' |2 u9 u10' |3 ");
    assert_string_equal(stages, "[ptd-test -]");
    assert_memory_equal(c.err, "ptd-test: 12 groups in, 8 out, 0.", 32);
    assert_non_null(strstr(c.err, " s, steps add up to 6\n"));
    free(c.out);
}

static void test_quiet(void **state)
{
    (void)state;
    struct child c;
    struct setup s = {{.process = in_turn}, "-q"};
    child_run(&c, run_filter, &s, stream, make_stream(stream, sizeof stream, 1));
    assert_int_equal(c.status, 0);
    assert_string_equal(c.err, "");
    free(c.out);
}

/* Whatever goes wrong: this status, this message, and no stream that could pass for a whole one. */
static void fails(struct setup s, size_t n, int status, const char *message)
{
    struct child c;
    char words[400], stages[400];
    child_run(&c, run_filter, &s, stream, n);
    assert_int_equal(c.status, status);
    assert_non_null(strstr(c.err, message));
    assert_ptr_equal(strchr(c.err, '\n'), c.err + strlen(c.err) - 1);
    assert_int_equal(read_back(&c, words, stages), PTD_CUT);
    free(c.out);
}

static void test_failures_leave_no_end(void **state)
{
    (void)state;
    size_t n = make_stream(stream, sizeof stream, 1);
    fails((struct setup){{.process = fails_at_six}, NULL}, n, PTD_DATAERR,
          "standard input: record 8, byte ");
    fails((struct setup){{.process = fails_at_six}, NULL}, n, PTD_DATAERR,
          ": group \"u6\": not liked\n");
    fails((struct setup){{.process = in_turn, .finish = finish_fails}, NULL}, n, PTD_IOERR,
          "cannot finish\n");
    fails((struct setup){{.process = in_turn}, NULL}, n - 1, PTD_CUT,
          "cut in the middle of a frame\n");
    fails((struct setup){{.batch = whole_steps}, NULL}, n - 1, PTD_CUT,
          "cut in the middle of a frame\n");
    stream[n / 2] ^= 4;
    fails((struct setup){{.process = in_turn}, NULL}, n, PTD_DATAERR, "its digest does not fit\n");
    n = make_stream(stream, sizeof stream, 0);
    fails((struct setup){{.process = in_turn}, NULL}, n, PTD_CUT,
          "stream ended without its end frame\n");
    fails((struct setup){{.batch = whole_steps}, NULL}, n, PTD_CUT,
          "stream ended without its end frame\n");
    fails((struct setup){{.process = in_turn}, NULL}, 0, PTD_CUT, "stream is empty");
    fails((struct setup){{.process = in_turn}, "/nonexistent"}, 0, PTD_NOINPUT,
          "/nonexistent: No such file");
    fails((struct setup){{.process = in_turn}, "/tmp"}, 0, PTD_NOINPUT, "/tmp: a directory");
}

static void test_batches(void **state)
{
    (void)state;
    struct child c;
    char words[400], stages[400];
    struct setup s = {{.batch = whole_steps}, NULL};
    child_run(&c, run_filter, &s, stream, make_stream(stream, sizeof stream, 1));
    assert_int_equal(c.status, 0);
    assert_int_equal(read_back(&c, words, stages), 0);
    assert_string_equal(words, "u0' u2 u3 |1 u4' u6 u7 |2 u8' u10 u11 |3 ");
    free(c.out);
    s.f.batch = the_third_fails;
    child_run(&c, run_filter, &s, stream, make_stream(stream, sizeof stream, 1));
    assert_int_equal(c.status, PTD_DATAERR);
    assert_non_null(strstr(c.err, ": record 3, byte "));
    assert_non_null(strstr(c.err, ": group \"u2\" of 4: not liked\n"));
    free(c.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verbs),
        cmocka_unit_test(test_quiet),
        cmocka_unit_test(test_failures_leave_no_end),
        cmocka_unit_test(test_batches),
    };
    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
