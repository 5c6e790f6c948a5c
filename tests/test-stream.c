/* Streams: every cut, every flipped bit and every misplaced frame is refused; writers survive short
 * writes and die of EPIPE. Leaves to the command-line tests: whole pipelines. */
#include "flow/record.h"
#include "flow/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

enum { FRAMES_MAX = 32 };

/* The reference stream: head, 2 groups, step, 1 group, step, end. */
static char *whole;
static size_t whole_len;
static size_t starts[FRAMES_MAX + 1];
static int n_frames;
static int memory = -1;

static int file_of(const char *bytes, size_t n)
{
    if (memory < 0) memory = memfd_create("stream", 0);
    assert_int_equal(ftruncate(memory, 0), 0);
    assert_int_equal(pwrite(memory, bytes, n, 0), (ssize_t)n);
    assert_int_equal(lseek(memory, 0, SEEK_SET), 0);
    return dup(memory);
}

/* Reads to the end: 0 if whole, else the status, which close must repeat. */
static int read_status(const char *bytes, size_t n)
{
    struct ptd_frame f;
    struct ptd_reader *r = ptd_reader_open(file_of(bytes, n), "test.rec");
    int got, status = 0;
    while ((got = ptd_reader_next(r, &f)) > 0) continue;
    if (got < 0) {
        status = ptd_failed_status();
        assert_int_equal(ptd_reader_next(r, &f), -1);
        assert_int_equal(ptd_failed_status(), status);
    }
    assert_int_equal(ptd_reader_close(r), got < 0 ? -1 : 0);
    if (status) assert_int_equal(ptd_failed_status(), status);
    return status;
}

static void put_group(struct ptd_writer *w, int i)
{
    static const int32_t ids[] = {5, 6, 7};
    static const float logp[] = {-1, -2, -0.5f};
    struct ptd_rollout rollouts[2] = {
        {.ids = ids, .n = 3, .logp = logp, .text = "one", .stop = "eos"},
        {.ids = ids, .n = 2, .logp = logp, .text = "two", .stop = "length"}};
    struct ptd_group g = {.uid = "u",
                          .index = i,
                          .step = 1,
                          .question = "how many?",
                          .answer = "3",
                          .rollouts = rollouts,
                          .n_rollouts = 2,
                          .group_accuracy = -1};
    struct ptd_buf buf = {0};
    ptd_group_encode(&g, &buf);
    assert_int_equal(ptd_writer_put(w, PTD_GROUP, buf.data, buf.len), 0);
    free(buf.data);
}

static void put_head(struct ptd_writer *w)
{
    struct ptd_head h = {.version = PTD_STREAM_VERSION, .store = "run.ptd", .mode = "train"};
    struct ptd_buf buf = {0};
    ptd_head_encode(&h, &buf);
    assert_int_equal(ptd_writer_put(w, PTD_HEAD, buf.data, buf.len), 0);
    free(buf.data);
}

static void index_frames(void)
{
    struct ptd_frame f;
    struct ptd_reader *r = ptd_reader_open(file_of(whole, whole_len), "test.rec");
    int got;
    while ((got = ptd_reader_next(r, &f)) > 0) {
        assert_int_equal(f.seq, (uint64_t)n_frames);
        starts[n_frames++] = f.offset;
    }
    assert_int_equal(got, 0);
    starts[n_frames] = whole_len;
    assert_int_equal(ptd_reader_close(r), 0);
}

static int build(void **state)
{
    (void)state;
    int fd = memfd_create("reference", 0);
    struct ptd_writer *w = ptd_writer_open(dup(fd), "-");
    put_head(w);
    put_group(w, 0);
    put_group(w, 1);
    assert_int_equal(ptd_writer_step(w, 7), 0);
    put_group(w, 2);
    assert_int_equal(ptd_writer_step(w, 8), 0);
    assert_int_equal(ptd_writer_end(w), 0);
    assert_int_equal(ptd_writer_close(w), 0);
    whole_len = (size_t)lseek(fd, 0, SEEK_END);
    whole = malloc(whole_len);
    assert_int_equal(pread(fd, whole, whole_len, 0), (ssize_t)whole_len);
    close(fd);
    index_frames();
    return 0;
}

static int release(void **state)
{
    (void)state;
    free(whole);
    close(memory);
    return 0;
}

static void test_whole(void **state)
{
    (void)state;
    static const int kinds[] = {PTD_HEAD,  PTD_GROUP, PTD_GROUP, PTD_STEP,
                                PTD_GROUP, PTD_STEP,  PTD_END};
    assert_int_equal(n_frames, 7);
    for (int i = 0; i < n_frames; i++) {
        assert_int_equal((unsigned char)whole[starts[i]], 0x94);
        assert_int_equal(whole[starts[i] + 1], kinds[i]);
    }
    assert_int_equal(read_status(whole, whole_len), 0);
}

static void test_step_numbers(void **state)
{
    (void)state;
    struct ptd_frame f;
    int64_t step, sum = 0;
    struct ptd_reader *r = ptd_reader_open(file_of(whole, whole_len), "test.rec");
    while (ptd_reader_next(r, &f) > 0) {
        if (f.kind == PTD_STEP && ptd_frame_step(&f, &step) == 0) sum = sum * 100 + step;
        if (f.kind == PTD_GROUP) assert_int_equal(ptd_frame_step(&f, &step), -1);
    }
    assert_int_equal(sum, 708);
    assert_int_equal(ptd_reader_close(r), 0);
}

static void test_every_cut(void **state)
{
    (void)state;
    for (size_t n = 0; n < whole_len; n++) assert_int_equal(read_status(whole, n), PTD_CUT);
}

static void test_every_bit(void **state)
{
    (void)state;
    for (size_t bit = 0; bit < 8 * whole_len; bit++) {
        whole[bit / 8] ^= (char)(1 << bit % 8);
        int status = read_status(whole, whole_len);
        whole[bit / 8] ^= (char)(1 << bit % 8);
        if (status != PTD_DATAERR && status != PTD_CUT) fail_msg("bit %zu: status %d", bit, status);
    }
    assert_int_equal(read_status(whole, whole_len), 0);
}

static void test_trailing(void **state)
{
    (void)state;
    char *more = malloc(2 * whole_len);
    memcpy(more, whole, whole_len);
    memcpy(more + whole_len, whole, whole_len);
    for (size_t n = 1; n <= whole_len; n++)
        assert_int_equal(read_status(more, whole_len + n), PTD_DATAERR);
    free(more);
}

/* The stream with its frames in the given order. */
static int status_of_order(const int *order, int n)
{
    char *bytes = malloc(2 * whole_len);
    size_t len = 0;
    for (int i = 0; i < n; i++) {
        size_t size = starts[order[i] + 1] - starts[order[i]];
        memcpy(bytes + len, whole + starts[order[i]], size);
        len += size;
    }
    int status = read_status(bytes, len);
    free(bytes);
    return status;
}

static void test_dropped_doubled_swapped(void **state)
{
    (void)state;
    int order[FRAMES_MAX];
    for (int bad = 0; bad < n_frames; bad++) {
        int n = 0, refused;
        for (int i = 0; i < n_frames; i++)
            if (i != bad) order[n++] = i;
        assert_int_equal(status_of_order(order, n), PTD_CUT);
        for (int i = n = 0; i < n_frames; i++)
            for (int k = 0; k <= (i == bad); k++) order[n++] = i;
        refused = status_of_order(order, n);
        assert_int_equal(refused, bad == n_frames - 1 ? PTD_DATAERR : PTD_CUT);
        for (int other = bad + 1; other < n_frames; other++) {
            for (int i = 0; i < n_frames; i++) order[i] = i == bad ? other : i == other ? bad : i;
            assert_int_not_equal(status_of_order(order, n_frames), 0);
        }
    }
}

static void put_number(char *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) p[i] = (char)(v >> 8 * (bytes - 1 - i));
}

/* Gives the frame at p another number and the digest that fits it: what only a program could do,
 * not an accident. */
static void renumber(char *p, uint64_t seq, size_t body_len)
{
    char *fixed = malloc(16 + body_len);
    for (int i = 0; i < 8; i++)
        fixed[i] = (char)((uint64_t)p[1] >> 8 * i), fixed[8 + i] = (char)(seq >> 8 * i);
    memcpy(fixed + 16, p + PTD_FRAME_PREFIX, body_len);
    put_number(p + 3, seq, 8);
    put_number(p + 12, XXH3_64bits(fixed, 16 + body_len), 8);
    free(fixed);
}

static void test_step_digest_sees_a_missing_group(void **state)
{
    (void)state;
    char *bytes = malloc(whole_len);
    size_t len = starts[1], cut = starts[2] - starts[1];
    memcpy(bytes, whole, len);
    memcpy(bytes + len, whole + starts[2], whole_len - starts[2]);
    for (int i = 2; i < n_frames; i++)
        renumber(bytes + starts[i] - cut, (uint64_t)i - 1,
                 starts[i + 1] - starts[i] - PTD_FRAME_PREFIX);
    assert_int_equal(read_status(bytes, whole_len - cut), PTD_CUT);
    assert_non_null(strstr(ptd_failed_message(), "step frame disagrees"));
    free(bytes);
}

/* Without its second step whole, only the end frame can tell. */
static void test_end_digest_sees_a_missing_step(void **state)
{
    (void)state;
    char *bytes = malloc(whole_len);
    size_t len = starts[4], end = starts[7] - starts[6];
    memcpy(bytes, whole, len);
    memcpy(bytes + len, whole + starts[6], end);
    renumber(bytes + len, 4, end - PTD_FRAME_PREFIX);
    assert_int_equal(read_status(bytes, len + end), PTD_CUT);
    assert_non_null(strstr(ptd_failed_message(), "end frame disagrees"));
    free(bytes);
}

static void test_renumber_itself_is_right(void **state)
{
    (void)state;
    char *bytes = malloc(whole_len);
    memcpy(bytes, whole, whole_len);
    for (int i = 0; i < n_frames; i++)
        renumber(bytes + starts[i], (uint64_t)i, starts[i + 1] - starts[i] - PTD_FRAME_PREFIX);
    assert_memory_equal(bytes, whole, whole_len);
    free(bytes);
}

static void test_message(void **state)
{
    (void)state;
    char wanted[80];
    whole[starts[2] + 40] ^= 1;
    assert_int_equal(read_status(whole, whole_len), PTD_DATAERR);
    whole[starts[2] + 40] ^= 1;
    snprintf(wanted, sizeof wanted, "test.rec: record 2, byte %zu: ", starts[2]);
    assert_memory_equal(ptd_failed_message(), wanted, strlen(wanted));
}

static void test_no_end_without_end(void **state)
{
    (void)state;
    int fd = memfd_create("stream", 0);
    struct ptd_writer *w = ptd_writer_open(dup(fd), "-");
    char bytes[4096];
    put_head(w);
    put_group(w, 0);
    assert_int_equal(ptd_writer_step(w, 1), 0);
    assert_int_equal(ptd_writer_close(w), 0);
    ssize_t n = pread(fd, bytes, sizeof bytes, 0);
    assert_true(n > 0);
    assert_int_equal(read_status(bytes, (size_t)n), PTD_CUT);
    close(fd);
}

/* Copies the stream frame by frame, leaving out frame `drop`; returns the copy's length. */
static size_t copy_stream(char *out, size_t cap, int drop)
{
    struct ptd_frame f;
    int fd = memfd_create("copy", 0), i = 0;
    struct ptd_reader *r = ptd_reader_open(file_of(whole, whole_len), "test.rec");
    struct ptd_writer *w = ptd_writer_open(dup(fd), "-");
    for (; ptd_reader_next(r, &f) > 0; i++)
        if (i != drop) assert_int_equal(ptd_writer_pass(w, &f), 0);
    assert_int_equal(ptd_reader_close(r), 0);
    assert_int_equal(ptd_writer_close(w), 0);
    ssize_t n = pread(fd, out, cap, 0);
    close(fd);
    return (size_t)n;
}

static void test_pass(void **state)
{
    (void)state;
    char *copy = malloc(2 * whole_len);
    assert_int_equal(copy_stream(copy, 2 * whole_len, -1), whole_len);
    assert_memory_equal(copy, whole, whole_len);
    size_t n = copy_stream(copy, 2 * whole_len, 1);
    assert_int_equal(n, whole_len - (starts[2] - starts[1]));
    assert_int_equal(read_status(copy, n), 0);
    free(copy);
}

static void test_full_device(void **state)
{
    (void)state;
    struct ptd_writer *w = ptd_writer_open(open("/dev/full", O_WRONLY), "out.rec");
    put_head(w);
    assert_int_equal(ptd_writer_step(w, 1), -1);
    assert_int_equal(ptd_failed_status(), PTD_IOERR);
    assert_string_equal(ptd_failed_message(), "out.rec: write: No space left on device");
    assert_int_equal(ptd_writer_end(w), -1);
    assert_int_equal(ptd_writer_close(w), -1);
    assert_int_equal(ptd_failed_status(), PTD_IOERR);
}

static void test_broken_pipe_is_sigpipe(void **state)
{
    (void)state;
    int p[2], status;
    assert_int_equal(pipe(p), 0);
    close(p[0]);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGPIPE, SIG_IGN);
        struct ptd_writer *w = ptd_writer_open(p[1], "-");
        put_head(w);
        if (ptd_writer_flush(w) < 0) _exit(1);
        _exit(2);
    }
    close(p[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

/* Whose reader leaves while input is waited for, too. */
static void test_output_without_reader_ends_the_wait(void **state)
{
    (void)state;
    for (int socket = 0; socket < 2; socket++) {
        int in[2], out[2], status;
        assert_int_equal(pipe(in), 0);
        assert_int_equal(socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, out) : pipe(out), 0);
        pid_t child = fork();
        if (child == 0) {
            struct ptd_frame f;
            close(in[1]);
            close(out[0]);
            alarm(10);
            struct ptd_reader *r = ptd_reader_open(in[0], "-");
            ptd_reader_watch(r, out[1]);
            _exit(ptd_reader_next(r, &f) < 0);
        }
        close(out[1]);
        usleep(20000);
        close(out[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
        close(in[0]);
        close(in[1]);
    }
}

static void on_alarm(int signal)
{
    (void)signal;
}

static void interrupt_often(void)
{
    struct sigaction a = {.sa_handler = on_alarm};
    struct itimerval every = {{0, 500}, {0, 500}};
    sigaction(SIGALRM, &a, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
}

/* A slow reader on a small non-blocking pipe, with signals at both ends. */
static void test_short_writes_and_signals(void **state)
{
    (void)state;
    enum { GROUPS = 40, SIZE = 300000 };
    int p[2], status, got, n = 0;
    assert_int_equal(pipe2(p, O_NONBLOCK), 0);
    pid_t child = fork();
    if (child == 0) {
        close(p[0]);
        interrupt_often();
        struct ptd_writer *w = ptd_writer_open(p[1], "-");
        char *body = calloc(1, SIZE);
        put_head(w);
        int rc = 0;
        for (int i = 0; i < GROUPS && rc == 0; i++) {
            memset(body, i, SIZE);
            rc = ptd_writer_put(w, PTD_GROUP, body, SIZE - (size_t)i);
        }
        _exit(rc < 0 || ptd_writer_end(w) < 0 || ptd_writer_close(w) < 0);
    }
    close(p[1]);
    interrupt_often();
    struct ptd_frame f;
    struct ptd_reader *r = ptd_reader_open(p[0], "-");
    while ((got = ptd_reader_next(r, &f)) > 0) {
        if (f.kind != PTD_GROUP) continue;
        assert_int_equal(f.body_len, SIZE - n);
        assert_true(f.body[0] == (char)n && f.body[f.body_len - 1] == (char)n);
        if (n++ % 8 == 0) usleep(3000);
    }
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    assert_int_equal(got, 0);
    assert_int_equal(n, GROUPS);
    assert_int_equal(ptd_reader_close(r), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* A length of nearly 1 GiB with nothing behind it must not take memory before bytes arrive. */
static void test_declared_length_takes_no_memory(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    skip(); /* address space cannot be limited under the sanitizer */
#endif
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {256u << 20, 256u << 20};
        put_number(whole + 21, PTD_FRAME_MAX, 4);
        setrlimit(RLIMIT_AS, &limit);
        _exit(read_status(whole, whole_len));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), PTD_CUT);
    put_number(whole + 21, PTD_FRAME_MAX + 1u, 4);
    status = read_status(whole, whole_len);
    put_number(whole + 21, starts[1] - PTD_FRAME_PREFIX, 4);
    assert_int_equal(status, PTD_DATAERR);
}

static void test_writer_refuses_disorder(void **state)
{
    (void)state;
    struct ptd_writer *w = ptd_writer_open(memfd_create("stream", 0), "-");
    assert_int_equal(ptd_writer_put(w, PTD_GROUP, "\x80", 1), -1);
    assert_int_equal(ptd_writer_end(w), -1);
    put_head(w);
    assert_int_equal(ptd_writer_put(w, PTD_HEAD, "\x80", 1), -1);
    assert_int_equal(ptd_writer_end(w), 0);
    assert_int_equal(ptd_writer_step(w, 1), -1);
    assert_int_equal(ptd_writer_close(w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_step_numbers),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_trailing),
        cmocka_unit_test(test_dropped_doubled_swapped),
        cmocka_unit_test(test_renumber_itself_is_right),
        cmocka_unit_test(test_step_digest_sees_a_missing_group),
        cmocka_unit_test(test_end_digest_sees_a_missing_step),
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_no_end_without_end),
        cmocka_unit_test(test_pass),
        cmocka_unit_test(test_full_device),
        cmocka_unit_test(test_broken_pipe_is_sigpipe),
        cmocka_unit_test(test_output_without_reader_ends_the_wait),
        cmocka_unit_test(test_short_writes_and_signals),
        cmocka_unit_test(test_declared_length_takes_no_memory),
        cmocka_unit_test(test_writer_refuses_disorder),
    };
    return cmocka_run_group_tests_name("stream", tests, build, release);
}
