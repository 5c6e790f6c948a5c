/* The board: what a program posts is read by others, whole, for as long as it runs; a file that is
 * not its own is left alone. */
#include "base/board.h"
#include "base/err.h"
#include "base/progress.h"
#include "test.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

static char *board_file(void)
{
    return ptd_format("%s/ptd-board-%u", folder, (unsigned)geteuid());
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/ptd-board-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    return setenv("PTD_SHM", folder, 1);
}

static int tear_down(void **state)
{
    (void)state;
    char *path = board_file();
    unlink(path);
    free(path);
    return rmdir(folder);
}

/* A program that joins, says something, and stays until it is killed. */
static pid_t program(const char *name, int64_t step)
{
    int p[2];
    char ready;
    assert_int_equal(pipe(p), 0);
    pid_t child = fork();
    if (child == 0) {
        ptd_program(name);
        ptd_board_join();
        ptd_board_store(folder);
        ptd_board_count(3, 40);
        ptd_board_step(step);
        ptd_board_said("q\na\nright\nwords");
        ptd_board_doing(PTD_READS);
        if (write(p[1], "x", 1) != 1) _exit(1);
        for (;;) pause();
    }
    assert_int_equal(read(p[0], &ready, 1), 1);
    close(p[0]);
    close(p[1]);
    return child;
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* Looked at by a process that never joined: the board of a process is opened once. */
static int list_apart(struct ptd_post *list)
{
    int p[2], n = 0;
    assert_int_equal(pipe(p), 0);
    pid_t child = fork();
    if (child == 0) {
        struct ptd_post all[PTD_POSTS];
        int got = ptd_board_list(all);
        if (write(p[1], &got, sizeof got) != sizeof got) _exit(1);
        for (int i = 0; i < got; i++)
            if (write(p[1], &all[i], sizeof *all) != sizeof *all) _exit(1);
        _exit(0);
    }
    assert_int_equal(read(p[0], &n, sizeof n), sizeof n);
    for (int i = 0; i < n; i++) assert_int_equal(read(p[0], &list[i], sizeof *list), sizeof *list);
    close(p[0]);
    close(p[1]);
    waitpid(child, NULL, 0);
    return n;
}

static void posts_are_there_while_programs_run(void **state)
{
    (void)state;
    struct ptd_post list[PTD_POSTS];
    struct stat st;
    assert_int_equal(list_apart(list), 0);
    pid_t a = program("ptd-a", 5), b = program("ptd-b", 6);
    assert_int_equal(list_apart(list), 2);
    stat(folder, &st);
    assert_string_equal(list[0].name, "ptd-a");
    assert_int_equal(list[0].pid, a);
    assert_int_equal(list[0].step, 5);
    assert_int_equal(list[0].doing, PTD_READS);
    assert_int_equal(list[0].groups, 3);
    assert_int_equal(list[0].tokens, 40);
    assert_int_equal(list[0].ino, st.st_ino);
    assert_string_equal(list[0].said, "q\na\nright\nwords");
    assert_string_equal(list[1].name, "ptd-b");
    end(a);
    assert_int_equal(list_apart(list), 1);
    assert_string_equal(list[0].name, "ptd-b");
    a = program("ptd-c", 7); /* on a page that was used */
    assert_int_equal(list_apart(list), 2);
    end(a);
    end(b);
    assert_int_equal(list_apart(list), 0);
}

static void more_programs_than_pages_run_all_the_same(void **state)
{
    (void)state;
    struct ptd_post list[PTD_POSTS];
    pid_t child[PTD_POSTS + 3];
    for (int i = 0; i < PTD_POSTS + 3; i++) child[i] = program("ptd-many", i + 1);
    assert_int_equal(list_apart(list), PTD_POSTS);
    for (int i = 0; i < PTD_POSTS + 3; i++) end(child[i]);
}

static void a_file_that_is_not_ours_is_left_alone(void **state)
{
    (void)state;
    struct ptd_post list[PTD_POSTS];
    struct stat st;
    char *path = board_file();
    int fd = open(path, O_CREAT | O_WRONLY, 0644); /* others could write what we show */
    assert_true(fd >= 0);
    close(fd);
    pid_t a = program("ptd-a", 5);
    assert_int_equal(list_apart(list), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 0);
    end(a);
    unlink(path);
    assert_int_equal(symlink("/tmp/ptd-board-elsewhere", path), 0);
    a = program("ptd-a", 5);
    assert_int_equal(access("/tmp/ptd-board-elsewhere", F_OK), -1);
    end(a);
    free(path);
}

static void a_row_says_who_waits_for_whom(void **state)
{
    (void)state;
    double now = ptd_now();
    struct ptd_post all[3] = {{.pid = 1,
                               .name = "ptd-rollout",
                               .out = 11,
                               .doing = PTD_WAITS,
                               .since = now - 2,
                               .begun = now - 10,
                               .dev = 1,
                               .ino = 2,
                               .tokens = 500,
                               .spent = {5}},
                              {.pid = 2,
                               .name = "ptd-verify",
                               .in = 11,
                               .out = 12,
                               .doing = PTD_READS,
                               .since = now - 2,
                               .begun = now - 10,
                               .groups = 7},
                              {.pid = 3,
                               .name = "ptd-update",
                               .in = 12,
                               .doing = PTD_WORKS,
                               .since = now,
                               .begun = now - 10,
                               .dev = 1,
                               .ino = 2,
                               .what = "steps",
                               .done = 50,
                               .total = 100}};
    char row[300];
    ptd_progress_row(&all[0], all, 3, row, sizeof row);
    assert_string_equal(row, "ptd-rollout: 0 groups, 100 tokens/s, waits for ptd-update");
    ptd_progress_row(&all[1], all, 3, row, sizeof row);
    assert_string_equal(row, "ptd-verify: 7 groups, waits for ptd-rollout");
    ptd_progress_row(&all[2], all, 3, row, sizeof row);
    assert_string_equal(row, "ptd-update: steps 50/100, 5/s, 0:10, ETA 0:10");
    all[1].doing = PTD_WRITES;
    ptd_progress_row(&all[1], all, 3, row, sizeof row);
    assert_string_equal(row, "ptd-verify: 7 groups, waits for ptd-update");
    all[1].since = now; /* hardly */
    ptd_progress_row(&all[1], all, 3, row, sizeof row);
    assert_string_equal(row, "ptd-verify: 7 groups");
}

int main(void)
{
#define ON_BOARD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {ON_BOARD(posts_are_there_while_programs_run),
                                       ON_BOARD(more_programs_than_pages_run_all_the_same),
                                       ON_BOARD(a_file_that_is_not_ours_is_left_alone),
                                       cmocka_unit_test(a_row_says_who_waits_for_whom)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
