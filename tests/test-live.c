/* test-live: what a trainer shares through memory comes back bit for bit, and nothing else is taken
 * for it: torn, damaged, of a trainer that was killed, of another store. */
#include "base/threads.h"
#include "store.h"
#include "store/live.h"
#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>

/* ---- a trainer in a process of its own: does what it is told, a letter and a generation ---- */

struct trainer {
    pid_t pid;
    int ask, answer;
};

static int put(struct ptd_live *l, int64_t g)
{
    struct ptd_tensor_view t[N];
    fill(weights, g);
    views(t, weights);
    return ptd_live_put(l, g, t, N);
}

static int act(struct ptd_store *s, struct ptd_live *l, char what, int64_t g)
{
    if (what == 'p') return put(l, g);
    if (what == 'P') return publish(s, g, 3, 0);
    if (what == 'f') { /* as many as it can until it is killed */
        for (;; g++)
            if (put(l, g)) return -1;
    }
    return -1;
}

static _Noreturn void train(int slots, int in, int out)
{
    struct order {
        char what;
        int64_t g;
    } o;
    struct ptd_store *s;
    if (ptd_store_open(&s, dir, PTD_STORE_TRAIN) < 0) _exit(2);
    struct ptd_live *l = ptd_live_open(s, slots);
    char done = '0';
    if (write(out, &done, 1) != 1) _exit(3);
    while (read(in, &o, sizeof o) == sizeof o && o.what != 'q') {
        done = act(s, l, o.what, o.g) < 0 ? '-' : '0';
        if (done == '-') print_error("%s\n", ptd_failed_message());
        if (write(out, &done, 1) != 1) _exit(3);
    }
    ptd_live_close(l);
    ptd_store_close(s);
    _exit(0);
}

/* Before this process opens the store. */
static struct trainer start(int slots)
{
    int ask[2], answer[2];
    struct trainer t;
    char ready;
    assert_int_equal(pipe(ask), 0);
    assert_int_equal(pipe(answer), 0);
    if (!(t.pid = fork())) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ask[1]);
        close(answer[0]);
        train(slots, ask[0], answer[1]);
    }
    close(ask[0]);
    close(answer[1]);
    t.ask = ask[1];
    t.answer = answer[0];
    assert_int_equal(read(t.answer, &ready, 1), 1);
    return t;
}

static void tell(struct trainer *t, char what, int64_t g)
{
    struct order {
        char what;
        int64_t g;
    } o;
    memset(&o, 0, sizeof o);
    o.what = what;
    o.g = g;
    assert_int_equal(write(t->ask, &o, sizeof o), sizeof o);
}

static void have(struct trainer *t, char what, int64_t g)
{
    char done;
    tell(t, what, g);
    assert_int_equal(read(t->answer, &done, 1), 1);
    assert_int_equal(done, '0');
}

static void stop(struct trainer *t, int signal)
{
    int status;
    if (signal)
        kill(t->pid, signal);
    else
        tell(t, 'q', 0);
    assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
    if (!signal) assert_int_equal(WEXITSTATUS(status), 0);
    close(t->ask);
    close(t->answer);
}

static int get(struct ptd_live *l, int64_t g)
{
    struct ptd_tensor_view t[N];
    memset(got, 0, sizeof got);
    views(t, got);
    return ptd_live_get(l, g, t, N);
}

/* The trainer's memory, as its note says; writable, as its owner has it. */
static int memory_of(const struct trainer *t)
{
    char path[128], text[300] = "", file[64];
    long pid;
    int number;
    snprintf(path, sizeof path, "%s/lock", dir);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    assert_int_equal(sscanf(text, "%*s %ld %d", &pid, &number), 2);
    assert_int_equal(pid, t->pid);
    snprintf(file, sizeof file, "/proc/%ld/fd/%d", pid, number);
    int fd = open(file, O_RDWR);
    assert_true(fd >= 0);
    return fd;
}

/* ---- what comes back ---- */

static void test_generations_come_and_go(void **state)
{
    (void)state;
    create(1);
    struct trainer t = start(2);
    struct ptd_store *s = opened(PTD_STORE_READ);
    struct ptd_live *l = ptd_live_open(s, 0);
    assert_int_equal(get(l, 1), 0); /* a trainer without any */
    for (int g = 1; g <= 5; g++) {
        have(&t, 'p', g);
        assert_int_equal(get(l, g), 1);
        assert_true(is_filled(got, g));
        assert_int_equal(get(l, g - 1), g > 1); /* the one before is still there */
        assert_true(g == 1 || is_filled(got, g - 1));
        assert_int_equal(get(l, g - 2), 0);
        assert_int_equal(get(l, g + 1), 0);
    }
    have(&t, 'P', 9); /* those between need not be published */
    assert_int_equal(load(s, 9), 0);
    assert_int_equal(load(s, 5), -1);
    stop(&t, 0);
    assert_int_equal(get(l, 5), 0);
    ptd_live_close(l);
    ptd_store_close(s);
}

static void test_one_slot_holds_the_newest(void **state)
{
    (void)state;
    create(1);
    struct trainer t = start(1);
    struct ptd_store *s = opened(PTD_STORE_READ);
    struct ptd_live *l = ptd_live_open(s, 0);
    have(&t, 'p', 7);
    have(&t, 'p', 8);
    assert_int_equal(get(l, 7), 0);
    assert_int_equal(get(l, 8), 1);
    assert_true(is_filled(got, 8));
    stop(&t, 0);
    ptd_live_close(l);
    ptd_store_close(s);
}

static void take(const struct ptd_tensor_view *v, size_t first, size_t n, const float *from)
{
    assert_true(n <= ptd_store_piece(PTD_F32));
    memcpy((float *)v->place + first, from, n * sizeof *from);
}

static void give(const struct ptd_tensor_view *v, size_t first, size_t n, float *to)
{
    memcpy(to, (float *)v->place + first, n * sizeof *to);
}

static void test_numbers_elsewhere(void **state)
{
    struct ptd_tensor_view t[N];
    int ready[2];
    char byte;
    (void)state;
    create(1);
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        struct ptd_store *s = opened(PTD_STORE_TRAIN);
        struct ptd_live *l = ptd_live_open(s, 1);
        fill(weights, 3);
        views(t, NULL);
        float *at = weights;
        for (int i = 0; i < N; at += t[i++].n) t[i].data = NULL, t[i].place = at, t[i].give = give;
        byte = ptd_live_put(l, 3, t, N) ? '-' : '0';
        if (write(ready[1], &byte, 1) != 1) _exit(1);
        pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, '0');
    struct ptd_store *s = opened(PTD_STORE_READ);
    struct ptd_live *l = ptd_live_open(s, 0);
    memset(got, 0, sizeof got);
    views(t, NULL);
    float *at = got;
    for (int i = 0; i < N; at += t[i++].n) t[i].data = NULL, t[i].place = at, t[i].take = take;
    assert_int_equal(ptd_live_get(l, 3, t, N), 1);
    assert_true(is_filled(got, 3));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(ready[0]), close(ready[1]);
    ptd_live_close(l);
    ptd_store_close(s);
}

/* ---- what is not taken for it ---- */

static void test_killed_trainers_leave_nothing(void **state)
{
    (void)state;
    create(1);
    struct trainer t = start(1);
    struct trainer next;
    struct ptd_store *s;
    have(&t, 'p', 1);
    int kept = memory_of(&t); /* whoever holds it keeps it, but it is not believed any more */
    stop(&t, SIGKILL);
    next = start(1);
    s = opened(PTD_STORE_READ);
    struct ptd_live *l = ptd_live_open(s, 0);
    assert_int_equal(get(l, 1), 0);
    have(&next, 'p', 2);
    assert_int_equal(get(l, 1), 0);
    assert_int_equal(get(l, 2), 1);
    stop(&next, SIGKILL);
    assert_int_equal(get(l, 2), 0); /* which this process still has in its own memory */
    assert_false(ptd_store_trained(s));
    ptd_live_close(l);
    ptd_store_close(s);
    close(kept);
}

static void test_reader_follows_to_the_next_trainer(void **state)
{
    struct ptd_store *s;
    int ready[2], go[2], status;
    char byte;
    (void)state;
    create(1);
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    pid_t pid = fork();
    if (!pid) { /* reads while one trainer goes and another comes */
        s = opened(PTD_STORE_READ);
        struct ptd_live *l = ptd_live_open(s, 0);
        for (int g = 1; g <= 2; g++) {
            if (write(ready[1], "x", 1) != 1 || read(go[0], &byte, 1) != 1) _exit(1);
            if (get(l, g) != 1 || !is_filled(got, g) || get(l, 3 - g)) _exit(2);
        }
        _exit(0);
    }
    for (int g = 1; g <= 2; g++) {
        assert_int_equal(read(ready[0], &byte, 1), 1);
        struct trainer t = start(2);
        have(&t, 'p', g);
        assert_int_equal(write(go[1], "x", 1), 1);
        if (g == 2) assert_int_equal(waitpid(pid, &status, 0), pid);
        if (g == 1) { /* it has read the first, and asks for the second */
            assert_int_equal(read(ready[0], &byte, 1), 1);
            assert_int_equal(write(ready[1], "x", 1), 1);
        }
        stop(&t, SIGKILL);
    }
    assert_int_equal(status, 0);
    for (int i = 0; i < 2; i++) close(ready[i]), close(go[i]);
}

static void test_damage_and_other_tensors_are_refused(void **state)
{
    struct ptd_tensor_view t[N];
    (void)state;
    create(1);
    struct trainer tr = start(1);
    struct ptd_store *s = opened(PTD_STORE_READ);
    struct ptd_live *l = ptd_live_open(s, 0);
    have(&tr, 'p', 4);
    assert_int_equal(get(l, 4), 1);
    views(t, got);
    t[2].name = "norm.gain";
    assert_int_equal(ptd_live_get(l, 4, t, N), -1);
    assert_failed(PTD_DATAERR, "other tensors");
    assert_int_equal(ptd_live_get(l, 4, t, N - 1), -1);
    assert_failed(PTD_DATAERR, "other tensors");
    struct ptd_tensor_view more[N + 2]; /* a reader may have some that are not trained */
    float own[4] = {1, 2, 3, 4};
    views(t, got);
    more[0] = more[2] = (struct ptd_tensor_view){"frozen.weight", 1, {4}, own, 4};
    more[1] = t[0], more[3] = t[1], more[4] = t[2];
    memset(got, 0, sizeof got);
    assert_int_equal(ptd_live_get(l, 4, more, N + 2), 1);
    assert_true(is_filled(got, 4) && own[3] == 4);
    int fd = memory_of(&tr);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    for (int i = 0; i < 3; i++) { /* the first number, one in the middle, the last of a tensor */
        off_t at = 8192 + (off_t[]){0, 4 * (TOTAL / 2), 4 * (BIG - 1)}[i];
        unsigned char was, other;
        assert_int_equal(pread(fd, &was, 1, at), 1);
        other = was ^ 1;
        assert_int_equal(pwrite(fd, &other, 1, at), 1);
        assert_int_equal(get(l, 4), -1);
        assert_failed(PTD_DATAERR, "damaged");
        assert_int_equal(pwrite(fd, &was, 1, at), 1);
        assert_int_equal(get(l, 4), 1);
    }
    /* the same numbers do not pass for another generation */
    struct ptd_live_memory head;
    assert_int_equal(pread(fd, &head, sizeof head, 0), sizeof head);
    head.slot[0].generation = 5;
    assert_int_equal(pwrite(fd, &head, sizeof head, 0), sizeof head);
    assert_int_equal(get(l, 5), -1);
    assert_failed(PTD_DATAERR, "damaged");
    head.slot[0].generation = -1; /* on its way */
    assert_int_equal(pwrite(fd, &head, sizeof head, 0), sizeof head);
    assert_int_equal(get(l, 4), 0);
    close(fd);
    stop(&tr, SIGKILL);
    ptd_live_close(l);
    ptd_store_close(s);
}

/* A writer as fast as it can be, in one slot; a reader that asks for what comes next. */
static void test_nothing_torn_is_read(void **state)
{
    enum { WHOLE = 40 };
    (void)state;
    create(1);
    struct trainer t = start(1);
    struct ptd_store *s = opened(PTD_STORE_READ);
    struct ptd_live *l = ptd_live_open(s, 0);
    have(&t, 'p', 1);
    assert_int_equal(get(l, 1), 1);
    struct ptd_live_memory head;
    int fd = memory_of(&t), whole = 0;
    tell(&t, 'f', 2);
    for (time_t until = time(NULL) + 60; whole < WHOLE && time(NULL) < until;) {
        assert_int_equal(pread(fd, &head, sizeof head, 0), sizeof head);
        if (head.slot[0].generation < 0) continue;
        int r = get(l, head.slot[0].generation);
        assert_true(r >= 0);
        if (r) assert_true(is_filled(got, head.slot[0].generation));
        whole += r;
    }
    assert_int_equal(whole, WHOLE);
    close(fd);
    stop(&t, SIGKILL);
    ptd_live_close(l);
    ptd_store_close(s);
}

/* ---- its memory ---- */

static void test_nobody_else_can_open_or_cut_it(void **state)
{
    struct stat st;
    (void)state;
    create(1);
    struct trainer t = start(2);
    have(&t, 'p', 1);
    int fd = memory_of(&t);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_uid, geteuid());
    assert_true(st.st_blocks * 512 >= st.st_size); /* all of it is there */
    assert_int_equal(ftruncate(fd, 4096), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 2 * st.st_size), -1);
    close(fd);
    stop(&t, 0);
}

static void test_no_memory_is_a_failure_that_leaves_nothing(void **state)
{
    int status;
    (void)state;
    create(1);
    pid_t pid = fork();
    if (!pid) {
        struct ptd_store *s = opened(PTD_STORE_TRAIN);
        struct ptd_live *l = ptd_live_open(s, 2);
        struct rlimit few = {65536, RLIM_INFINITY}, all = {RLIM_INFINITY, RLIM_INFINITY};
        long pid;
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &few);
        if (put(l, 1) != -1 || ptd_failed_status() != PTD_OSERR) _exit(1);
        if (!strstr(ptd_failed_message(), "no shared memory of ")) _exit(2);
        if (ptd_store_noted_live(s, &pid) != -1) _exit(3);
        setrlimit(RLIMIT_FSIZE, &all);
        if (publish(s, 1, 1, 0)) _exit(4);
        if (put(l, 2) || ptd_store_noted_live(s, &pid) < 0 || pid != getpid()) _exit(5);
        ptd_live_close(l);
        if (ptd_store_noted_live(s, &pid) != -1) _exit(6);
        ptd_store_close(s);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* The trainer is there, and what it noted is not what it should be: never opened, told in the end.
 */
static void test_memory_out_of_reach_is_told(void **state)
{
    char path[128], note[64];
    int r;
    (void)state;
    create(1);
    struct trainer t = start(1);
    struct ptd_store *s = opened(PTD_STORE_READ);
    struct ptd_live *l = ptd_live_open(s, 0);
    snprintf(path, sizeof path, "%s/lock", dir);
    int fd = open(path, O_WRONLY);
    int n = snprintf(note, sizeof note, "here %ld 0\n", (long)t.pid); /* some pipe */
    assert_int_equal(pwrite(fd, note, n, 0), n);
    assert_int_equal(ftruncate(fd, n), 0);
    close(fd);
    assert_int_equal(get(l, 1), 0);
    struct timespec nap = {.tv_nsec = 100000000};
    for (int i = 0; i < 40 && !(r = get(l, 1)); i++) nanosleep(&nap, NULL);
    assert_int_equal(r, -1);
    assert_failed(PTD_UNAVAILABLE, "in the memory of its trainer");
    stop(&t, SIGKILL);
    assert_int_equal(get(l, 1), 0); /* who has gone is not out of reach */
    ptd_live_close(l);
    ptd_store_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_generations_come_and_go),
        TEST(test_one_slot_holds_the_newest),
        TEST(test_numbers_elsewhere),
        TEST(test_killed_trainers_leave_nothing),
        TEST(test_reader_follows_to_the_next_trainer),
        TEST(test_damage_and_other_tensors_are_refused),
        TEST(test_nothing_torn_is_read),
        TEST(test_nobody_else_can_open_or_cut_it),
        TEST(test_no_memory_is_a_failure_that_leaves_nothing),
        TEST(test_memory_out_of_reach_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
