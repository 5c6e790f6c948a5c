/* test-share: memory that programs have in common: what one puts there the others read and may not
 * write; a program killed at any call, or whose calls fail, leaves nothing behind and nobody
 * waiting. Processes are forked; what they share is the emulator's files. */
#include "processes.hh"
#include <stdio.h>

enum { N = 40000 }; /* numbers */
static const size_t bytes = N * sizeof(int32_t);
static char name[40]; /* another one for each test, and for each run of this program */

static void new_name(void)
{
    static int number;
    snprintf(name, sizeof name, "test-%d-%d", (int)getpid(), number++);
}

/* ---- one program ---- */

static std::vector<int32_t> pattern(void)
{
    std::vector<int32_t> x(N);
    for (int i = 0; i < N; i++) x[(size_t)i] = i * 7 + 1;
    return x;
}

static bool is_right(struct ptd_device *d, const void *p)
{
    std::vector<int32_t> x(N);
    d->ops->get(d, x.data(), p, bytes);
    d->ops->wait(d);
    return !d->fault.status && x == pattern();
}

static void fill(struct ptd_device *d, void *p)
{
    d->ops->put(d, p, pattern().data(), bytes);
    d->ops->filled(d, p);
}

/* As a program does with a model: 0 if all is as it should be; *filled as it was found, -1: alone.
 */
static int use(int *filled, int slowly)
{
    struct ptd_device *d = opened();
    void *p = d->ops->share(d, name, bytes, filled);
    int bad = 0;
    if (!p) *filled = -1;
    if (p && !*filled) usleep((useconds_t)slowly * 1000), fill(d, p);
    if (p) bad = !is_right(d, p);
    if (p) d->ops->free(d, p);
    bad |= d->used != 0;
    close_device(d);
    return bad;
}

/* ---- other programs ---- */

static pid_t other(int at, int slowly)
{
    return start(at, 60, [=] {
        int filled;
        return use(&filled, slowly);
    });
}

/* 1: it was killed; 0: it ended well. */
static int ended(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return 1;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    return 0;
}

/* ---- tests ---- */

static void the_second_finds_it_filled(void **state)
{
    new_name();
    struct holdings before = held_now();
    struct ptd_device *first = opened(), *second = opened();
    int filled = -1;
    void *p = first->ops->share(first, name, bytes, &filled);
    assert_non_null(p);
    assert_int_equal(filled, 0);
    fill(first, p);
    void *q = second->ops->share(second, name, bytes, &filled);
    assert_non_null(q);
    assert_int_equal(filled, 1);
    assert_true(p != q);
    assert_true(is_right(second, q));
    assert_true(second->used >= bytes);
    first->ops->free(first, p); /* the lender goes, what was borrowed stays */
    assert_int_equal(first->used, 0);
    assert_true(is_right(second, q));
    second->ops->free(second, q);
    close_device(first), close_device(second);
    nothing_is_left(before);
}

/* Neither who borrowed it nor, from then on, who lends it. */
static void nobody_writes_what_is_lent(void **state)
{
    new_name();
    struct ptd_device *d[2] = {opened(), opened()};
    int filled;
    for (int i = 0; i < 2; i++) {
        void *p = d[i]->ops->share(d[i], name, bytes, &filled);
        assert_int_equal(filled, i);
        if (!i) fill(d[i], p);
        *sim_last = 0;
        d[i]->ops->put(d[i], p, pattern().data(), 4);
        d[i]->ops->wait(d[i]);
        assert_int_equal(d[i]->fault.status, PTD_BUG);
        assert_non_null(strstr(sim_last, "may not be written"));
        d[i]->fault.status = 0, *sim_last = 0;
        d[i]->ops->add(d[i], (ptd_num *)p, (ptd_num *)p, 8);
        d[i]->ops->wait(d[i]);
        assert_int_equal(d[i]->fault.status, PTD_BUG);
        assert_non_null(strstr(sim_last, "may not be written"));
        d[i]->fault.status = 0;
    }
    for (int i = 0; i < 2; i++) close_device(d[i]); /* which frees it */
}

static void other_names_and_sizes_are_other_memory(void **state)
{
    new_name();
    struct ptd_device *d = opened(), *e = opened(), *second_card = opened(1);
    int filled;
    void *p = d->ops->share(d, name, bytes, &filled);
    fill(d, p);
    assert_null(e->ops->share(e, name, 4 * bytes, &filled));
    assert_null(e->ops->share(e, name, 0, &filled));
    void *q = second_card->ops->share(second_card, name, bytes, &filled);
    assert_non_null(q);
    assert_int_equal(filled, 0);
    strcat(name, "x");
    assert_non_null(e->ops->share(e, name, bytes, &filled));
    assert_int_equal(filled, 0);
    char longest[200] = {0};
    memset(longest, 'x', sizeof longest - 1);
    assert_null(e->ops->share(e, longest, bytes, &filled));
    setenv("PTD_SHARE", "0", 1);
    assert_null(e->ops->share(e, name, bytes, &filled));
    unsetenv("PTD_SHARE");
    close_device(d), close_device(e), close_device(second_card);
}

/* The other is dead before this one asks. */
static void killed_at_any_call_it_leaves_nothing(void **state)
{
    struct holdings before = held_now();
    int killed = 1, filled, at = 0;
    while (killed) {
        new_name();
        killed = ended(other(++at, 0));
        assert_int_equal(use(&filled, 0), 0);
        assert_int_equal(filled, 0); /* nobody's */
        nothing_is_left(before);
    }
    assert_in_range(at, 9, 99); /* there were calls */
}

/* Both at once; whoever comes first, and whenever the other is killed, this one ends, and right. */
static void killed_while_another_waits(void **state)
{
    struct holdings before = held_now();
    int times[3] = {0}, filled;
    for (int slowly = 0; slowly < 30; slowly += 10) {
        int killed = 1, at = 0;
        while (killed) {
            new_name();
            pid_t pid = other(++at, slowly);
            if (slowly == 10) usleep(5000);
            alarm(60);
            assert_int_equal(use(&filled, slowly == 20 ? 20 : 0), 0);
            alarm(0);
            assert_in_range(filled, 0, 1);
            times[filled]++;
            killed = ended(pid);
            nothing_is_left(before);
        }
    }
    assert_true(times[0] > 0 && times[1] > 0);
}

/* A lender that is killed, once others have it. */
static void what_is_borrowed_outlives_its_lender(void **state)
{
    new_name();
    struct holdings before = held_now();
    int filled, to[2];
    char byte;
    assert_int_equal(pipe(to), 0);
    pid_t pid = fork();
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        struct ptd_device *d = opened();
        fill(d, d->ops->share(d, name, bytes, &filled));
        if (write(to[1], "f", 1) == 1) pause();
        _exit(1);
    }
    assert_int_equal(read(to[0], &byte, 1), 1);
    struct ptd_device *d = opened();
    void *p = d->ops->share(d, name, bytes, &filled);
    assert_int_equal(filled, 1);
    kill(pid, SIGKILL);
    assert_int_equal(ended(pid), 1);
    assert_true(is_right(d, p));
    assert_int_equal(use(&filled, 0), 0); /* the name is free again */
    assert_int_equal(filled, 0);
    d->ops->free(d, p);
    close_device(d);
    close(to[0]), close(to[1]);
    nothing_is_left(before);
}

/* Stopped before it has filled what it would lend. */
static void a_lender_that_does_not_answer(void **state)
{
    new_name();
    struct holdings before = held_now();
    int filled, to[2];
    char byte;
    assert_int_equal(pipe(to), 0);
    pid_t pid = fork();
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        struct ptd_device *d = opened();
        d->ops->share(d, name, bytes, &filled);
        if (write(to[1], "s", 1) == 1) raise(SIGSTOP);
        _exit(1);
    }
    assert_int_equal(read(to[0], &byte, 1), 1);
    setenv("PTD_SHARE", "1", 1);
    alarm(60);
    assert_int_equal(use(&filled, 0), 0);
    alarm(0);
    assert_int_equal(filled, -1); /* memory of its own, then */
    unsetenv("PTD_SHARE");
    kill(pid, SIGKILL);
    ended(pid);
    close(to[0]), close(to[1]);
    nothing_is_left(before);
}

/* The driver's calls fail, one at a time: alone, and of two. */
static void a_call_that_fails_is_memory_of_ones_own(void **state)
{
    struct holdings before = held_now();
    int filled, alone = 0;
    for (int borrows = 0; borrows < 2; borrows++)
        for (int at = 1; at < 12; at++) {
            new_name();
            struct ptd_device *d = opened();
            void *p = borrows ? d->ops->share(d, name, bytes, &filled) : NULL;
            if (p) fill(d, p);
            calls = fatal = 0, failing = at, sim_point = die_there;
            assert_int_equal(use(&filled, 0), 0);
            sim_point = NULL, failing = 0;
            alone += filled < 0;
            close_device(d);
            nothing_is_left(before);
        }
    assert_true(alone > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_finds_it_filled),
        cmocka_unit_test(nobody_writes_what_is_lent),
        cmocka_unit_test(other_names_and_sizes_are_other_memory),
        cmocka_unit_test(killed_at_any_call_it_leaves_nothing),
        cmocka_unit_test(killed_while_another_waits),
        cmocka_unit_test(what_is_borrowed_outlives_its_lender),
        cmocka_unit_test(a_lender_that_does_not_answer),
        cmocka_unit_test(a_call_that_fails_is_memory_of_ones_own),
    };
    sim_quiet = 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
