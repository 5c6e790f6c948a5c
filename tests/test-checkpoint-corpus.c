/* Damaged checkpoints: each file of corpus-checkpoint/ against EXPECT: status and the one line, in
 * process. Then what a file of a few bytes cannot say: limits of memory, and files that change
 * while they are read. */
#include "checkpoint/shards.h"
#include "data/config.h"
#include "test.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define FOLDER "tests/corpus-checkpoint/"

/* "*" stands for anything, everything else for itself. */
static int fits(const char *pattern, const char *text)
{
    if (*pattern == '*') return fits(pattern + 1, text) || (*text && fits(pattern, text + 1));
    if (*pattern != *text) return 0;
    return !*text || fits(pattern + 1, text + 1);
}

static int read_config(const char *path)
{
    struct ptd_config c;
    size_t len;
    int failed;
    char *text = ptd_file_text(path, 1 << 20, &len, &failed);
    int rc = text ? ptd_config_parse(&c, text, NULL) : -1;
    free(text);
    return rc;
}

static int read_file(const char *path)
{
    struct ptd_safetensors *f;
    if (ptd_safetensors_open(&f, path) < 0) return -1;
    for (int i = 0; i < f->n; i++) {
        size_t n = f->tensors[i].end - f->tensors[i].begin;
        char *bytes = malloc(n + 1);
        assert_int_equal(ptd_safetensors_read(f, &f->tensors[i], 0, n, bytes), 0);
        assert_ptr_equal(ptd_safetensors_find(f, f->tensors[i].name), &f->tensors[i]);
        free(bytes);
    }
    return ptd_safetensors_close(f);
}

static int read_folder(const char *path)
{
    struct ptd_shards *s;
    if (ptd_shards_open(&s, path) < 0) return -1;
    assert_int_equal(s->n, 2);
    assert_non_null(ptd_shards_find(s, "a"));
    assert_null(ptd_shards_find(s, "c"));
    return ptd_shards_close(s);
}

/* What a message says after the name that was given. */
static const char *after_name(const char *message, const char *path)
{
    size_t n = strlen(path);
    if (strncmp(message, path, n) != 0) return message;
    message += n;
    return !strncmp(message, ": ", 2) && strncmp(path, FOLDER "index", strlen(FOLDER "index"))
               ? message + 2
           : *message == '/' ? message + 1
                             : message;
}

static int judge(const char *name, int status, const char *pattern)
{
    char path[300];
    snprintf(path, sizeof path, FOLDER "%s", name);
    int rc = !strncmp(name, "config", 6) ? read_config(path)
             : !strncmp(name, "file", 4) ? read_file(path)
                                         : read_folder(path);
    if (rc == 0 && status == 0) return 0;
    const char *said = rc ? after_name(ptd_failed_message(), path) : "accepted";
    if (rc && status == ptd_failed_status() && fits(pattern, said)) return 0;
    print_error("%s: %d \"%s\", expected %d \"%s\"\n", name, rc ? ptd_failed_status() : 0, said,
                status, pattern);
    return 1;
}

static void test_corpus(void **state)
{
    char line[600], name[128];
    int n = 0, wrong = 0, status, at;
    FILE *f = fopen(FOLDER "EXPECT", "r");
    (void)state;
    assert_non_null(f);
    for (; fgets(line, sizeof line, f); n++) {
        line[strcspn(line, "\n")] = 0;
        assert_int_equal(sscanf(line, "%127s %d%n", name, &status, &at), 2);
        wrong += judge(name, status, line + at + (line[at] == ' '));
    }
    fclose(f);
    assert_true(n >= 160);
    assert_int_equal(wrong, 0);
}

/* ---- files made here ---- */

static char path[] = "/tmp/ptd-safetensors-XXXXXX";

static void put(const char *header, uint64_t len, uint64_t bytes)
{
    int fd = open(path, O_WRONLY | O_TRUNC);
    uint64_t n = len ? len : strlen(header);
    assert_int_equal(pwrite(fd, &n, 8, 0), 8);
    assert_int_equal(pwrite(fd, header, strlen(header), 8), strlen(header));
    assert_int_equal(ftruncate(fd, (off_t)(8 + n + bytes)), 0);
    close(fd);
}

static void assert_failed(int status, const char *words)
{
    if (ptd_failed_status() != status || !strstr(ptd_failed_message(), words))
        print_error("%s\n", ptd_failed_message());
    assert_int_equal(ptd_failed_status(), status);
    assert_non_null(strstr(ptd_failed_message(), words));
}

static long resident_kb(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

/* A file of holes says that its header has 100 MB and a byte: no memory is taken before it is
 * refused. */
static void test_no_memory_for_lies(void **state)
{
    struct ptd_safetensors *f;
    long before = resident_kb();
    (void)state;
    put("{", 100000001, 1 << 20);
    assert_int_equal(ptd_safetensors_open(&f, path), -1);
    assert_failed(PTD_DATAERR, "expected at most 100000000");
    put("{}", 0, 1ull << 40);
    assert_int_equal(ptd_safetensors_open(&f, path), -1);
    assert_failed(PTD_DATAERR, "1099511627776 bytes after the last tensor");
    put("{\"a\":{\"dtype\":\"U8\",\"shape\":[1099511627776],\"data_offsets\":[0,1099511627776]}}",
        0, 1ull << 40);
    assert_int_equal(ptd_safetensors_open(&f, path), 0);
    ptd_safetensors_close(f);
    assert_true(resident_kb() - before < 16 << 10);
}

static void test_changing_file(void **state)
{
    static const char header[] =
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[100],\"data_offsets\":[0,100]}}";
    struct ptd_safetensors *f;
    char bytes[100];
    (void)state;
    put(header, 0, 100);
    assert_int_equal(ptd_safetensors_open(&f, path), 0);
    assert_int_equal(ptd_safetensors_read(f, &f->tensors[0], 99, 1, bytes), 0);
    assert_int_equal(ptd_safetensors_read(f, &f->tensors[0], 99, 2, bytes), -1);
    assert_failed(PTD_BUG, "outside");
    assert_int_equal(truncate(path, sizeof header + 50), 0);
    assert_int_equal(ptd_safetensors_read(f, &f->tensors[0], 0, 100, bytes), -1);
    assert_failed(PTD_DATAERR, "became shorter while it was read");
    assert_int_equal(ptd_safetensors_close(f), -1);
    assert_failed(PTD_DATAERR, "changed its size while it was read");
}

static void test_no_file(void **state)
{
    struct ptd_safetensors *f;
    struct ptd_shards *s;
    (void)state;
    assert_int_equal(ptd_safetensors_open(&f, "/tmp/no-such-file.safetensors"), -1);
    assert_failed(PTD_NOINPUT, "No such file or directory");
    assert_int_equal(ptd_safetensors_open(&f, "/dev/zero"), -1);
    assert_failed(PTD_NOINPUT, "not a regular file");
    assert_int_equal(ptd_shards_open(&s, "/tmp/no-such-folder"), -1);
    assert_failed(PTD_NOINPUT, "No such file or directory");
}

/* What we write we read, and it is what the format's own writer makes: eight-byte aligned,
 * contiguous. */
static void test_written(void **state)
{
    static const struct ptd_tensor_about t[] = {{"one", PTD_F32, 2, {2, 3}, 6},
                                                {"quote\"d", PTD_BF16, 1, {5}, 5},
                                                {"five", PTD_F16, 5, {1, 2, 1, 2, 1}, 4}};
    struct ptd_safetensors *f;
    size_t len;
    char *header = ptd_safetensors_header(t, 3, &len);
    (void)state;
    assert_int_equal(len % 8, 0);
    assert_string_equal(
        header + 8,
        "{\"__metadata__\":{\"format\":\"pt\"},\"one\":{\"dtype\":\"F32\",\"shape\":[2,3],"
        "\"data_offsets\":[0,24]},"
        "\"quote\\\"d\":{\"dtype\":\"BF16\",\"shape\":[5],\"data_offsets\":[24,34]},"
        "\"five\":{\"dtype\":\"F16\",\"shape\":[1,2,1,2,1],\"data_offsets\":[34,42]}}     ");
    assert_int_equal(ptd_safetensors_parse(&f, "x", header + 8, len - 8, 42), 0);
    assert_int_equal(ptd_safetensors_find(f, "five")->begin, 34);
    assert_int_equal(ptd_safetensors_find(f, "five")->n_dims, 5);
    ptd_safetensors_close(f);
    free(header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corpus), cmocka_unit_test(test_no_memory_for_lies),
        cmocka_unit_test(test_changing_file), cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_written)};
    int fd = mkstemp(path);
    if (fd < 0) return 1;
    close(fd);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return rc;
}
