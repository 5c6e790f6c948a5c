/* test-turns: programs that have one card by turns: what is not forgotten comes back, at the same
 * address; two that want more than there is both end right; a program that is killed at any call,
 * or whose calls fail, leaves nothing behind and nobody waiting. Processes are forked; the card
 * that they have in common is a file of the emulator's. */
#include "processes.hh"
#include <stdio.h>

enum { N = 50000 }; /* numbers: 200 kB */
static const size_t bytes = N * sizeof(int32_t);
static char folder[] = "/tmp/ptd-turns-XXXXXX", card_file[60];

/* ---- one program ---- */

static std::vector<int32_t> pattern(int seed)
{
    std::vector<int32_t> x(N);
    for (int i = 0; i < N; i++) x[(size_t)i] = i * 7 + seed;
    return x;
}

static bool holds(struct ptd_device *d, const void *p, const std::vector<int32_t> &wanted)
{
    std::vector<int32_t> x(N);
    d->ops->get(d, x.data(), p, bytes);
    return x == wanted;
}

/* Some turns of a program that has `copies` arrays. 0: right; else its status, or 1. */
static int play(int copies, int turns, int micro)
{
    struct ptd_device *d = (struct ptd_device *)calloc(1, sizeof *d);
    d->name = "sim:f32", d->num_size = d->acc_size = 4;
    if (ptd_cuda_plugin(d)) {
        int status = d->fault.status;
        return free(d), status;
    }
    std::vector<void *> all;
    int bad = 0;
    for (int i = 0; i < copies && !bad; i++) {
        void *p = d->ops->alloc(d, bytes);
        if (!p) bad = PTD_OSERR;
        if (p) all.push_back(p), d->ops->put(d, p, pattern(i).data(), bytes);
    }
    for (int t = 0; t < turns && !bad; t++) {
        d->ops->rest(d);
        usleep((useconds_t)micro);
        for (size_t i = 0; i < all.size() && !bad; i++)
            if (!holds(d, all[i], pattern((int)i))) bad = d->fault.status ? d->fault.status : 1;
    }
    if (!bad) bad = d->fault.status;
    d->fault.status = 0;
    for (void *p : all) d->ops->free(d, p);
    if (!bad && d->used) bad = 1;
    close_device(d);
    return bad;
}

/* ---- other programs ---- */

static pid_t other(int at, int copies, int turns)
{
    return start(at, 100, [=] { return play(copies, turns, 1000); });
}

/* 1: it was killed; 0: it ended well; else how it ended. */
static int ended(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGKILL ? 1 : 256 + WTERMSIG(status);
    return WEXITSTATUS(status) == 1 ? 255 : WEXITSTATUS(status);
}

/* So much of a card, of programs that have this file. */
static void card_of(size_t most)
{
    char n[30];
    snprintf(n, sizeof n, "%zu", most);
    setenv("PTD_SIM_MEMORY", n, 1);
}

enum { OWN = (32 << 20) + (1 << 20) }; /* cuBLASLt's workspace, and what is small */

/* ---- tests ---- */

static void what_rests_comes_back(void **state)
{
    struct holdings before = held_now();
    struct ptd_device *d = opened();
    void *saved = d->ops->alloc(d, bytes), *lost = d->ops->alloc(d, bytes),
         *kept = d->ops->alloc(d, bytes), *small = d->ops->alloc(d, 1000);
    std::vector<int32_t> a = pattern(1);
    for (void *p : {saved, lost, kept}) d->ops->put(d, p, a.data(), bytes);
    d->ops->put(d, small, a.data(), 1000);
    d->ops->resting(d, lost, PTD_RESTS_FORGOTTEN);
    d->ops->resting(d, kept, PTD_RESTS_NOT);
    assert_int_equal(sim_memories - before.memories, 3);
    for (int turn = 0; turn < 3; turn++) {
        size_t used = d->used;
        d->ops->rest(d);
        d->ops->rest(d); /* nothing more */
        assert_int_equal(sim_memories - before.memories, 1);
        assert_true(holds(d, saved, a));
        assert_int_equal(sim_memories - before.memories, 3);
        assert_true(holds(d, kept, a));
        assert_true(holds(d, lost, std::vector<int32_t>(N)));
        std::vector<char> few(1000);
        d->ops->get(d, few.data(), small, 1000);
        assert_memory_equal(few.data(), pattern(1).data(), 1000);
        assert_int_equal(d->used, used);
        a[(size_t)turn] = -turn; /* what is written since is what is saved */
        d->ops->put(d, saved, a.data(), bytes), d->ops->put(d, kept, a.data(), bytes);
        d->ops->put(d, lost, a.data(), bytes);
    }
    look_at_faults(d);
    d->ops->rest(d);
    d->ops->free(d, lost); /* one that is not there */
    for (void *p : {saved, kept, small}) d->ops->free(d, p);
    assert_int_equal(d->used, 0);
    close_device(d);
    nothing_is_left(before);
}

static void operations_wait_for_their_turn(void **state)
{
    struct ptd_device *d = opened();
    long n = 40000;
    floats x((size_t)n, 3), y((size_t)n);
    ptd_num *a = (ptd_num *)d->ops->alloc(d, (size_t)n * d->num_size),
            *b = (ptd_num *)d->ops->alloc(d, (size_t)n * d->num_size);
    d->ops->put_nums(d, a, x.data(), x.size());
    d->ops->put_nums(d, b, x.data(), x.size());
    for (int i = 0; i < 3; i++) {
        d->ops->rest(d);
        d->ops->add(d, b, a, n); /* the first thing that is asked */
    }
    d->ops->get_nums(d, y.data(), b, y.size());
    look_at_faults(d);
    for (float v : y) assert_float_equal(v, 12, 0);
    d->ops->free(d, a), d->ops->free(d, b);
    close_device(d);
}

/* Each wants two thirds of it. */
static void two_have_more_than_there_is(void **state)
{
    enum { COPIES = 40 };
    card_of(2 * OWN + COPIES * bytes * 3 / 2);
    struct holdings before = held_now();
    for (int turns = 1; turns < 6; turns += 4) {
        pid_t pid = other(0, COPIES, turns);
        alarm(100);
        assert_int_equal(play(COPIES, turns, 500), 0);
        alarm(0);
        assert_int_equal(ended(pid), 0);
        nothing_is_left(before);
    }
    unsetenv("PTD_SIM_MEMORY");
}

/* Without turns the second finds no room: what the test above would look like. */
static void without_turns_they_do_not_fit(void **state)
{
    enum { COPIES = 40 };
    card_of(2 * OWN + COPIES * bytes * 3 / 2);
    unsetenv("PTD_TURNS");
    struct ptd_device *d = opened();
    void *p = d->ops->alloc(d, COPIES * bytes);
    assert_non_null(p);
    assert_int_equal(ended(other(0, COPIES, 0)), PTD_OSERR);
    d->ops->free(d, p);
    close_device(d);
    setenv("PTD_TURNS", "1", 1);
    unsetenv("PTD_SIM_MEMORY");
}

/* The other is killed at each of its calls, while this one wants the card as well. */
static void killed_at_any_call(void **state)
{
    card_of(2 * OWN + 6 * bytes);
    struct holdings before = held_now();
    int killed = 1, at = 0;
    while (killed == 1) {
        pid_t pid = other(++at, 4, 2);
        if (at % 2) usleep(3000);
        alarm(100);
        assert_int_equal(play(4, 1, 0), 0);
        alarm(0);
        killed = ended(pid);
        assert_in_range(killed, 0, 1);
        nothing_is_left(before);
    }
    assert_in_range(at, 40, 400); /* there were calls */
    unsetenv("PTD_SIM_MEMORY");
}

/* Each call fails once: right, or one status; and others go on. */
static void a_call_that_fails_is_told(void **state)
{
    struct holdings before = held_now();
    int right = 0, told = 0, at = 1, before_end = 1;
    for (; before_end; at++) {
        calls = fatal = 0, failing = at, sim_point = die_there;
        int bad = play(2, 2, 0);
        before_end = calls >= at;
        sim_point = NULL, failing = 0;
        assert_true(!bad || bad == PTD_OSERR || bad == PTD_UNAVAILABLE);
        (bad ? told : right)++;
        nothing_is_left(before);
        assert_int_equal(play(2, 1, 0), 0);
    }
    assert_true(right > 10 && told > 3);
}

static void without_a_place_for_the_lock(void **state)
{
    struct ptd_device d = {};
    setenv("PTD_SHM", "/nowhere/at/all", 1);
    d.name = "sim";
    assert_int_equal(ptd_cuda_plugin(&d), -1);
    assert_int_equal(d.fault.status, PTD_UNAVAILABLE);
    assert_non_null(strstr(d.fault.words, "PTD_SHM"));
    setenv("PTD_SHM", folder, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_rests_comes_back),
        cmocka_unit_test(operations_wait_for_their_turn),
        cmocka_unit_test(two_have_more_than_there_is),
        cmocka_unit_test(without_turns_they_do_not_fit),
        cmocka_unit_test(killed_at_any_call),
        cmocka_unit_test(a_call_that_fails_is_told),
        cmocka_unit_test(without_a_place_for_the_lock),
    };
    if (!mkdtemp(folder)) return 1;
    snprintf(card_file, sizeof card_file, "%s/card", folder);
    setenv("PTD_SIM_CARD", card_file, 1);
    setenv("PTD_SHM", folder, 1);
    setenv("PTD_TURNS", "1", 1);
    sim_quiet = 1;
    wide_numbers = 1;
    if (getenv("GPU_SIM_ONLY")) cmocka_set_test_filter(getenv("GPU_SIM_ONLY"));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char remove[100];
    snprintf(remove, sizeof remove, "rm -rf %s", folder);
    return system(remove) ? 1 : failed;
}
