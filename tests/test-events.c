/* Event files and metrics of others: the checks of RFC 3720, a restart that doubles nothing, torn
 * tails, a run that begins anew, names, numbers. */
#include "base/crc32c.h"
#include "test.h"
#include "view/events.h"
#include "view/names.h"
#include "view/columns.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int fresh_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/ptd-events-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

/* Path of its one event file. */
static const char *file_of(void)
{
    static char path[400];
    DIR *d = opendir(folder);
    for (const struct dirent *e; (e = readdir(d));)
        if (*e->d_name != '.') snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    closedir(d);
    return path;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(file_of());
    return rmdir(folder);
}

static off_t size_now(void)
{
    struct stat st;
    assert_int_equal(stat(file_of(), &st), 0);
    return st.st_size;
}

/* Says steps from..to with values that tell them and the run; how many were written. */
static int say(struct ptd_events *e, int from, int to, double run)
{
    int wrote = 0;
    for (int i = from; i <= to; i++) {
        ptd_events_scalar(e, "a", i + run);
        int rc = ptd_events_step(e, i, 1e9);
        assert_true(rc >= 0);
        wrote += rc;
    }
    return wrote;
}

static void checks_are_castagnolis(void **state)
{
    (void)state;
    char bytes[32];
    assert_int_equal(ptd_crc32c("123456789", 9), 0xe3069283);
    memset(bytes, 0, 32);
    assert_int_equal(ptd_crc32c(bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, 32);
    assert_int_equal(ptd_crc32c(bytes, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++) bytes[i] = (char)i;
    assert_int_equal(ptd_crc32c(bytes, 32), 0x46dd794e);
    assert_int_equal(ptd_crc32c("", 0), 0);
}

static void a_restart_writes_what_is_missing(void **state)
{
    (void)state;
    struct ptd_events *e = ptd_events_open(folder);
    assert_int_equal(say(e, 1, 5, 0), 5);
    ptd_events_close(e);
    off_t before = size_now();
    e = ptd_events_open(folder);
    assert_int_equal(ptd_events_last(e), 5);
    assert_int_equal(say(e, 1, 5, 0), 0);
    assert_int_equal(size_now(), before);
    assert_int_equal(say(e, 1, 7, 0), 2);
    ptd_events_close(e);
}

static void what_begins_anew_takes_the_place(void **state)
{
    (void)state;
    struct ptd_events *e = ptd_events_open(folder);
    say(e, 1, 5, 0);
    assert_int_equal(say(e, 3, 4, 0.5), 2); /* 3 is another, and 4 with it */
    assert_int_equal(ptd_events_last(e), 4);
    ptd_events_close(e);
    e = ptd_events_open(folder); /* the mark in the file says the same */
    assert_int_equal(ptd_events_last(e), 4);
    assert_int_equal(say(e, 3, 4, 0.5), 0);
    ptd_events_close(e);
}

/* Cut at every byte: what was whole is kept, the rest written again, to the same bytes. */
static void a_torn_tail_is_written_again(void **state)
{
    (void)state;
    struct ptd_events *e = ptd_events_open(folder);
    say(e, 1, 1, 0);
    off_t one = size_now();
    say(e, 2, 2, 0);
    off_t two = size_now();
    ptd_events_close(e);
    for (off_t at = one; at < two; at++) {
        assert_int_equal(truncate(file_of(), at), 0);
        e = ptd_events_open(folder);
        assert_non_null(e);
        assert_int_equal(say(e, 1, 2, 0), 1);
        ptd_events_close(e);
        assert_int_equal(size_now(), two);
    }
}

static void damage_is_told(void **state)
{
    (void)state;
    struct ptd_events *e = ptd_events_open(folder);
    say(e, 1, 3, 0);
    ptd_events_close(e);
    int fd = open(file_of(), O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, 30), 1);
    close(fd);
    assert_null(ptd_events_open(folder));
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
}

static void one_writes_at_a_time(void **state)
{
    (void)state;
    struct ptd_events *e = ptd_events_open(folder);
    assert_null(ptd_events_open(folder));
    assert_int_equal(ptd_failed_status(), PTD_NOPERM);
    ptd_events_close(e);
}

static void names_of_others(void **state)
{
    (void)state;
    static const struct {
        const char *ours, *trl, *verl;
    } rows[] = {{"reward/overall", "train/reward", "reward/overall"},
                {"reward/length", "train/rewards/length/mean", "reward/length"},
                {"reward/", "train/rewards//mean", "reward/"},
                {"actor/loss", "train/loss", "actor/loss"},
                {"actor/pg_clipfrac_higher", "train/clip_ratio/region_mean", "actor/pg_clipfrac"},
                {"ptd/mask_ratio", "train/ptd/mask_ratio", "ptd/mask_ratio"},
                {"a*b", "train/a*b", "a*b"},
                {"val/accuracy", "eval/accuracy", "val-core/accuracy"}};
    char out[128];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_string_equal(ptd_name_in(PTD_NAMES_OURS, rows[i].ours, out, sizeof out),
                            rows[i].ours);
        assert_string_equal(ptd_name_in(PTD_NAMES_TRL, rows[i].ours, out, sizeof out), rows[i].trl);
        assert_string_equal(ptd_name_in(PTD_NAMES_VERL, rows[i].ours, out, sizeof out),
                            rows[i].verl);
    }
    assert_int_equal(ptd_names_of("verl"), PTD_NAMES_VERL);
    assert_int_equal(ptd_names_of("vlre"), -1);
}

static void numbers_read_back(void **state)
{
    (void)state;
    const double x[] = {0.1, 1. / 3, 0.16171875, 1e300, 5e-324, 123456789012345678., -0.0, 3};
    char text[32];
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        assert_true(strtod(ptd_number_text(x[i], text), NULL) == x[i]);
    assert_string_equal(ptd_number_text(0.1, text), "0.1");
    assert_string_equal(ptd_number_text(NAN, text), "NaN");
    assert_string_equal(ptd_number_text(-INFINITY, text), "-Inf");
}

int main(void)
{
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, fresh_folder, remove_folder)
    const struct CMUnitTest tests[] = {cmocka_unit_test(checks_are_castagnolis),
                                       IN_FOLDER(a_restart_writes_what_is_missing),
                                       IN_FOLDER(what_begins_anew_takes_the_place),
                                       IN_FOLDER(a_torn_tail_is_written_again),
                                       IN_FOLDER(damage_is_told),
                                       IN_FOLDER(one_writes_at_a_time),
                                       cmocka_unit_test(names_of_others),
                                       cmocka_unit_test(numbers_read_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
