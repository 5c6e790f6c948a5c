/* Coprocesses: every question is answered once and under its number, whatever a command does: it
 * ends, hangs, floods, answers without reading; nothing of it outlives the program.
 * Leaves to exec.bats: what lines say. */
#include "base/coprocess.h"
#include "base/progress.h"
#include "child.h"
#include "test.h"
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

enum { MOST = 600 };

struct seen {
    size_t line_bytes; /* of a question behind its number */
    int answered[MOST], how[MOST], ended[MOST];
    char text[MOST][64];
    int n, asked, refuse_at;
};

static char *line(void *ctx, int command, int i, size_t *len)
{
    struct seen *s = ctx;
    char *text = malloc(s->line_bytes + 64);
    int n = sprintf(text, "%d.%d ", command, i);
    memset(text + n, 'x', s->line_bytes);
    *len = (size_t)n + s->line_bytes + 1;
    text[*len - 1] = '\n';
    s->asked++;
    return text;
}

static int answer(void *ctx, int command, int i, const char *text, size_t len,
                  enum ptd_answered how, int ended)
{
    struct seen *s = ctx;
    int at = command * s->n + i;
    s->answered[at]++;
    s->how[at] = how;
    s->ended[at] = ended;
    assert_int_equal(!text, how != PTD_ANSWERED);
    snprintf(s->text[at], sizeof s->text[at], "%.*s", text ? (int)len : 0, text ? text : "");
    return s->refuse_at && i + 1 == s->refuse_at ? ptd_fail(PTD_DATAERR, "refused") : 0;
}

static int descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

static void nothing_is_left(int before)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    assert_int_equal(descriptors(), before);
}

/* Asks n questions; what came is in *s. */
static int ask(struct seen *s, const char *const *commands, int n_commands, int jobs, int n,
               double seconds)
{
    int before = descriptors();
    size_t bytes = s->line_bytes;
    int refuse_at = s->refuse_at;
    *s = (struct seen){.n = n, .line_bytes = bytes, .refuse_at = refuse_at};
    struct ptd_coprocesses *c = ptd_coprocesses_new(
        commands, n_commands, jobs, (struct ptd_coprocess_limits){seconds, seconds});
    int rc = ptd_coprocesses_ask(c, &(struct ptd_asking){n, line, answer, s});
    ptd_coprocesses_close(c);
    nothing_is_left(before);
    for (int i = 0; i < n * n_commands; i++) assert_true(rc < 0 || s->answered[i] == 1);
    return rc;
}

static struct seen seen;

static void all_are(const char *command, enum ptd_answered how, int n, double seconds)
{
    seen = (struct seen){0};
    assert_int_equal(ask(&seen, &command, 1, 2, n, seconds), 0);
    for (int i = 0; i < n; i++)
        if (seen.how[i] != (int)how)
            fail_msg("\"%s\": question %d: %d, expected %d", command, i, seen.how[i], how);
}

#define ECHO "while read -r number rest; do echo \"$number\"; done"

static void each_is_answered_under_its_number(void **state)
{
    (void)state;
    const char *const commands[] = {
        ECHO,
        "while read -r number rest; do case $number in *3|*7) sleep 0.01;; esac; echo "
        "\"$number\"; done",
    };
    seen.line_bytes = 10;
    assert_int_equal(ask(&seen, commands, 2, 3, 200, 20), 0);
    for (int i = 0; i < 400; i++) {
        char want[64];
        snprintf(want, sizeof want, "%d.%d", i / 200, i % 200);
        assert_int_equal(seen.how[i], PTD_ANSWERED);
        assert_string_equal(seen.text[i], want);
    }
}

/* Lines far beyond what a pipe holds, to one that reads before it answers, and back from one that
 * answers while it reads. */
static void full_pipes_stop_nobody(void **state)
{
    (void)state;
    const char *const counts = "while read -r line; do echo ${#line}; done", *const cat = "cat";
    seen.line_bytes = 1 << 20;
    assert_int_equal(ask(&seen, &counts, 1, 2, 6, 20), 0);
    for (int i = 0; i < 6; i++) assert_string_equal(seen.text[i], "1048580");
    seen.line_bytes = PTD_COPROCESS_LINE - 10;
    assert_int_equal(ask(&seen, &cat, 1, 4, 40, 20), 0);
    for (int i = 0; i < 40; i++) assert_int_equal(seen.how[i], PTD_ANSWERED);
    seen.line_bytes = 1 << 20;
    assert_int_equal(ask(&seen, &cat, 1, 2, 4, 20), 0);
    for (int i = 0; i < 4; i++) assert_int_equal(seen.how[i], PTD_TOO_LONG);
}

static void one_that_ends_is_started_again(void **state)
{
    (void)state;
    all_are("read -r line; echo yes", PTD_ANSWERED, 20, 20);
    all_are("read -r line; printf yes", PTD_ANSWERED, 20, 20);
    all_are("head -c 3 >&2 2> /dev/null; exec 0<&-; echo yes; sleep 0.01", PTD_ANSWERED, 6, 20);
    all_are("read -r line; exit 3", PTD_ENDED, 5, 20);
    assert_true(WIFEXITED(seen.ended[0]) && WEXITSTATUS(seen.ended[0]) == 3);
    all_are("read -r line; kill -9 $$", PTD_ENDED, 5, 20);
    assert_true(WIFSIGNALED(seen.ended[4]) && WTERMSIG(seen.ended[4]) == SIGKILL);
    all_are("exec /nowhere/at/all 2> /dev/null", PTD_ENDED, 3, 20);
    assert_int_equal(WEXITSTATUS(seen.ended[0]), 127);
}

/* One that answers before it has read its line would take the rest for the next one. */
static void who_does_not_read_is_not_asked_again(void **state)
{
    (void)state;
    const char *command = "head -c 3 > /dev/null; echo yes; sleep 100";
    seen = (struct seen){.line_bytes = 1 << 20};
    assert_int_equal(ask(&seen, &command, 1, 2, 8, 5), 0);
    for (int i = 0; i < 8; i++) assert_int_equal(seen.how[i], PTD_ANSWERED);
}

/* Of two processes that end at their third line, each question is asked anew and answered. */
static void what_was_asked_is_asked_again(void **state)
{
    (void)state;
    all_are("for i in 1 2; do read -r l; echo $i; done; read -r l; exit 1", PTD_ANSWERED, 100, 20);
}

static void one_that_hangs_is_ended(void **state)
{
    (void)state;
    double began = ptd_now();
    all_are("read -r line; sleep 100", PTD_LATE, 4, 0.1);
    all_are("read -r l; trap '' TERM; while :; do :; done", PTD_LATE, 2, 0.1);
    all_are("trap '' TERM; while :; do :; done", PTD_UNREAD, 2, 0.1);
    all_are("exec 0<&-; sleep 100", PTD_UNREAD, 2, 0.1);
    assert_true(ptd_now() - began < 20);
}

static void one_line_for_one(void **state)
{
    (void)state;
    all_are("while read -r l; do printf 'a\\nb\\n'; done", PTD_UNASKED, 4, 20);
    all_are("read -r l; yes a", PTD_UNASKED, 4, 20);
    all_are("read -r l; tr '\\0' x < /dev/zero", PTD_TOO_LONG, 4, 20);
}

/* Who has read nothing of a question has no answer to it. */
static void nobody_answers_before_reading(void **state)
{
    (void)state;
    all_are("echo hello; sleep 0.1; " ECHO, PTD_EARLY, 2, 20);
    all_are("echo hello; exec 0<&-; sleep 0.1", PTD_EARLY, 2, 20);
    all_are("yes a", PTD_EARLY, 2, 20);
}

/* One that loads for longer than an answer may take; and it may not answer as slowly. */
static void the_start_has_its_own_time(void **state)
{
    (void)state;
    const char *const commands[] = {"sleep 0.6; " ECHO,
                                    "sleep 0.6; read -r l; sleep 0.6; echo late"};
    struct ptd_coprocess_limits limits = {0.3, 20};
    struct ptd_coprocesses *c = ptd_coprocesses_new(commands, 2, 1, limits);
    seen = (struct seen){.n = 1};
    assert_int_equal(ptd_coprocesses_ask(c, &(struct ptd_asking){1, line, answer, &seen}), 0);
    assert_int_equal(seen.how[0], PTD_ANSWERED);
    assert_int_equal(seen.how[1], PTD_LATE);
    ptd_coprocesses_close(c);
}

static int ends(const char *command, int n)
{
    const char *const commands[] = {ECHO, command};
    int before = descriptors();
    struct ptd_coprocess_limits limits = {20, 20};
    struct ptd_coprocesses *c = ptd_coprocesses_new(commands, 2, 2, limits);
    seen = (struct seen){.n = n};
    assert_int_equal(ptd_coprocesses_ask(c, &(struct ptd_asking){n, line, answer, &seen}), 0);
    int wordy = ptd_coprocesses_end(c);
    nothing_is_left(before);
    assert_int_equal(ptd_coprocesses_end(c), 0);
    ptd_coprocesses_close(c);
    return wordy;
}

/* What comes behind the last answer tells that lines and questions do not match. */
static void what_is_left_at_the_end_is_noticed(void **state)
{
    (void)state;
    assert_int_equal(ends(ECHO, 8), 0);
    assert_int_equal(ends("read -r l; echo a; sleep 0.2; echo b; cat", 2), 2);
    assert_int_equal(ends(ECHO "; echo bye", 8), 2);
    assert_int_equal(ends("read -r l; echo a; read -r l; sleep 0.2; printf bye", 2), 2);
}

/* A line that comes when nobody asks is no answer to the next question. */
static void a_line_too_many_is_noticed(void **state)
{
    (void)state;
    const char *command = "read -r l; echo a; sleep 0.05; echo b; read -r l; echo c";
    struct timespec nap = {.tv_nsec = 200000000};
    struct ptd_coprocesses *c =
        ptd_coprocesses_new(&command, 1, 1, (struct ptd_coprocess_limits){20, 20});
    seen = (struct seen){.n = 1};
    struct ptd_asking one = {1, line, answer, &seen};
    assert_int_equal(ptd_coprocesses_ask(c, &one), 0);
    assert_string_equal(seen.text[0], "a");
    nanosleep(&nap, NULL);
    assert_int_equal(ptd_coprocesses_ask(c, &one), 0);
    assert_int_equal(seen.how[0], PTD_UNASKED);
    ptd_coprocesses_close(c);
}

static void who_asked_can_stop(void **state)
{
    (void)state;
    const char *command = ECHO;
    seen = (struct seen){.refuse_at = 5};
    assert_int_equal(ask(&seen, &command, 1, 1, 100, 20), -1);
    assert_string_equal(ptd_failed_message(), "refused");
    assert_int_equal(seen.asked, 5);
}

/* The pid that a command wrote to `file`; waits for it. */
static pid_t pid_in(const char *file)
{
    struct timespec nap = {.tv_nsec = 5000000};
    int pid = 0;
    for (int i = 0; i < 1000 && !pid; i++) {
        FILE *f = fopen(file, "r");
        if (f && fscanf(f, "%d\n", &pid) != 1) pid = 0;
        if (f) fclose(f);
        nanosleep(&nap, NULL);
    }
    assert_true(pid > 0);
    return pid;
}

static void is_gone(pid_t pid)
{
    struct timespec nap = {.tv_nsec = 5000000};
    char path[64], stat[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    for (int i = 0; i < 1000; i++) {
        FILE *f = fopen(path, "r");
        if (!f) return;
        if (!fgets(stat, sizeof stat, f)) stat[0] = 0;
        fclose(f);
        if (strstr(stat, ") Z")) return; /* whoever adopts it is slow */
        nanosleep(&nap, NULL);
    }
    fail_msg("process %d is still there", (int)pid);
}

static char file[64], command_text[256];

/* Asks a command that leaves a sleeper in its group, then ends as `how` says. */
static int end_as(void *ctx)
{
    int how = *(int *)ctx;
    const char *command = command_text;
    seen = (struct seen){.n = 1};
    struct ptd_coprocesses *c =
        ptd_coprocesses_new(&command, 1, 1, (struct ptd_coprocess_limits){0, 0});
    if (ptd_coprocesses_ask(c, &(struct ptd_asking){1, line, answer, &seen}) < 0) return 99;
    if (how == 0) ptd_coprocesses_close(c);
    if (how == 0) return 0;
    if (how < 0) exit(-how);
    raise(how);
    return 98;
}

static void all_of_a_group_ends_with_the_program(void **state)
{
    (void)state;
    int ways[] = {0, -7, SIGTERM, SIGINT, SIGHUP, SIGPIPE};
    snprintf(file, sizeof file, "/tmp/ptd-coprocess-%d", (int)getpid());
    snprintf(command_text, sizeof command_text,
             "sleep 1000 & echo $! > %s; read -r l; echo $l; trap '' TERM INT HUP; sleep 1000",
             file);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct child c;
        child_run(&c, end_as, &ways[i], "", 0);
        is_gone(pid_in(file));
        assert_int_equal(c.status, ways[i] > 0 ? -1 : -ways[i]);
        assert_int_equal(c.signal, ways[i] > 0 ? ways[i] : 0);
        unlink(file);
        free(c.out);
    }
}

static void one_ends_with_a_program_that_is_killed(void **state)
{
    (void)state;
    int way = SIGKILL;
    struct child c;
    snprintf(file, sizeof file, "/tmp/ptd-coprocess-%d", (int)getpid());
    snprintf(command_text, sizeof command_text,
             "echo $$ > %s; read -r l; echo $l; while :; do sleep 1; done", file);
    child_run(&c, end_as, &way, "", 0);
    assert_int_equal(c.signal, SIGKILL);
    is_gone(pid_in(file));
    unlink(file);
    free(c.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_answered_under_its_number),
        cmocka_unit_test(full_pipes_stop_nobody),
        cmocka_unit_test(one_that_ends_is_started_again),
        cmocka_unit_test(who_does_not_read_is_not_asked_again),
        cmocka_unit_test(what_was_asked_is_asked_again),
        cmocka_unit_test(one_that_hangs_is_ended),
        cmocka_unit_test(one_line_for_one),
        cmocka_unit_test(nobody_answers_before_reading),
        cmocka_unit_test(the_start_has_its_own_time),
        cmocka_unit_test(what_is_left_at_the_end_is_noticed),
        cmocka_unit_test(a_line_too_many_is_noticed),
        cmocka_unit_test(who_asked_can_stop),
        cmocka_unit_test(all_of_a_group_ends_with_the_program),
        cmocka_unit_test(one_ends_with_a_program_that_is_killed),
    };
    signal(SIGINT, SIG_DFL); /* which a shell has its jobs in the background ignore */
    signal(SIGHUP, SIG_DFL); /* and nohup this */
    return cmocka_run_group_tests_name("coprocess", tests, NULL, NULL);
}
