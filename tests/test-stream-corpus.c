/* Damaged streams and data sets: each file of corpus-stream/ and corpus-data/ against EXPECT:
 * status and the one line, in process, without taking the memory that a few bytes ask for. Leaves
 * damage of every single byte to torture-streams. */
#include "data/dataset.h"
#include "flow/record.h"
#include "flow/stream.h"
#include "test.h"
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static int read_body(const struct ptd_frame *f)
{
    struct ptd_head h;
    struct ptd_group g = {0};
    int rc = 0;
    if (f->kind == PTD_HEAD && (rc = ptd_head_decode(&h, f->body, f->body_len)) == 0)
        ptd_head_clear(&h);
    if (f->kind == PTD_GROUP) rc = ptd_group_read(&g, f->body, f->body_len);
    ptd_group_clear(&g);
    return rc;
}

static int read_stream(const char *path)
{
    struct ptd_frame f;
    int got, fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return ptd_fail(PTD_NOINPUT, "%s:", path);
    struct ptd_reader *r = ptd_reader_open(fd, path);
    while ((got = ptd_reader_next(r, &f)) > 0)
        if (read_body(&f) < 0) ptd_reader_blame(r, &f);
    assert_int_equal(ptd_reader_close(r), got);
    return got;
}

static int read_data(const char *path)
{
    struct ptd_group g = {0};
    struct ptd_dataset *d = ptd_dataset_open(path);
    int rc = d ? 0 : -1;
    for (int i = 0; rc == 0 && i < ptd_dataset_rows(d); i++) rc = ptd_dataset_read(d, i, NULL, &g);
    ptd_group_clear(&g);
    if (d) ptd_dataset_close(d);
    return rc;
}

static int judge(int (*read)(const char *path), const char *path, int status, const char *pattern)
{
    size_t n = strlen(path);
    int found = read(path) < 0 ? ptd_failed_status() : 0;
    const char *said = found ? ptd_failed_message() : "accepted";
    if (found == status && !found) return 0;
    if (found == status && !strncmp(said, path, n) && said[n] == ':' &&
        !fnmatch(pattern, said + n + 1 + (said[n + 1] == ' '), 0) && !strchr(said, '\n'))
        return 0;
    print_error("%s: %d \"%s\", expected %d \"%s\"\n", path, found, said, status, pattern);
    return 1;
}

static long resident_kb(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

/* Every line of EXPECT: file, status, pattern of the message behind the file's name and a colon. */
static void replay(const char *folder, int (*read)(const char *path), int least)
{
    char path[300], line[600], name[128];
    int n = 0, wrong = 0, status, at;
    long before = resident_kb();
    snprintf(path, sizeof path, "%s/EXPECT", folder);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (*line == '#') continue;
        line[strcspn(line, "\n")] = 0;
        assert_int_equal(sscanf(line, "%127s %d%n", name, &status, &at), 2);
        snprintf(path, sizeof path, "%s/%s", folder, name);
        wrong += judge(read, path, status, line + at + (line[at] == ' '));
        n++;
    }
    fclose(f);
    assert_true(n >= least);
    assert_int_equal(wrong, 0);
#ifndef __SANITIZE_ADDRESS__
    assert_true(resident_kb() - before < 16 << 10);
#endif
}

static void test_streams(void **state)
{
    (void)state;
    replay("tests/corpus-stream", read_stream, 170);
}

static void test_data(void **state)
{
    (void)state;
    replay("tests/corpus-data", read_data, 110);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_streams), cmocka_unit_test(test_data)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
