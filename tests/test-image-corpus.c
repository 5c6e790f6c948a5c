/* Damaged pictures: each file of corpus-image/ against EXPECT, in a process of its own, and bombs
 * too large to be kept: what is refused is refused within 50 ms and 16 MiB. Under sanitizers
 * neither is measured. */
#include "data/image_impl.h"
#include "test.h"
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define FOLDER "tests/corpus-image/"
#define MS_MAX 50
#define KB_MAX (16 << 10)
#ifdef __SANITIZE_ADDRESS__
enum { measured = 0 };
#else
enum { measured = 1 };
#endif

struct verdict { /* of one child */
    int status, signal;
    double ms;
    long kb; /* resident at most */
    char message[600];
};

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1e3 + t.tv_nsec * 1e-6;
}

/* In the child: decodes path, or the bytes, and says what came of it. */
static int judge(const char *path, const void *bytes, size_t n, struct verdict *v)
{
    struct ptd_image im;
    double start = now_ms();
    int bad = bytes ? ptd_image_decode(&im, bytes, n, path) : ptd_image_load(&im, path);
    v->ms = now_ms() - start;
    if (bad) snprintf(v->message, sizeof v->message, "%s", ptd_failed_message());
    if (bad && im.pixels) return 99;
    if (!bad && (im.height < 1 || im.width < 1 || !im.pixels)) return 98;
    ptd_image_clear(&im);
    return bad ? ptd_failed_status() : 0;
}

static struct verdict run(const char *path, const void *bytes, size_t n)
{
    struct verdict *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0),
                   v;
    struct rusage usage;
    int status;
    assert_true(shared != MAP_FAILED);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) _exit(judge(path, bytes, n, shared));
    assert_int_equal(wait4(pid, &status, 0, &usage), pid);
    v = *shared;
    munmap(shared, sizeof *shared);
    v.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    v.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    v.kb = usage.ru_maxrss;
    return v;
}

/* What is wrong with v; NULL if nothing. */
static const char *fault(const struct verdict *v, const char *path, int status, const char *pattern)
{
    size_t n = strlen(path);
    if (v->signal || v->status != status) return "status";
    if (measured && v->ms > MS_MAX) return "time";
    if (measured && v->kb > KB_MAX) return "memory";
    if (!status) return NULL;
    if (strncmp(v->message, path, n) || strncmp(v->message + n, ": ", 2) ||
        strchr(v->message, '\n'))
        return "form of the message";
    return fnmatch(pattern, v->message + n + 2, 0) ? "message" : NULL;
}

static int check(const struct verdict *v, const char *path, int status, const char *pattern)
{
    const char *what = fault(v, path, status, pattern);
    if (getenv("PTD_TEST_VERBOSE"))
        print_message("%-40s %3d %6.1f ms %6ld KiB  %s\n", path, v->status, v->ms, v->kb,
                      v->message);
    if (what)
        print_error(
            "%s: wrong %s: status %d, signal %d, %.1f ms, %ld KiB, \"%s\"; expected %d, \"%s\"\n",
            path, what, v->status, v->signal, v->ms, v->kb, v->message, status, pattern);
    return what != NULL;
}

static void test_corpus(void **state)
{
    (void)state;
    char line[400], name[100], path[200];
    int files = 0, wrong = 0, status, at;
    FILE *f = fopen(FOLDER "EXPECT", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (*line == '#') continue;
        line[strcspn(line, "\n")] = 0;
        assert_int_equal(sscanf(line, "%99s %d%n", name, &status, &at), 2);
        snprintf(path, sizeof path, FOLDER "%s", name);
        struct verdict v = run(path, NULL, 0);
        wrong += check(&v, path, status, line[at] ? line + at + 1 : "");
        files++;
    }
    fclose(f);
    assert_true(files >= 220);
    assert_int_equal(wrong, 0);
}

/* ---- bombs ---- */

static size_t put_chunk(unsigned char *o, const char *type, const void *data, size_t n)
{
    unsigned char len[4] = {n >> 24, n >> 16, n >> 8, n};
    memcpy(o, len, 4), memcpy(o + 4, type, 4), memmove(o + 8, data, n);
    uint32_t crc = crc32(0, o + 4, n + 4);
    for (int i = 0; i < 4; i++) o[8 + n + i] = crc >> (24 - 8 * i);
    return n + 12;
}

/* A whole grey PNG of so many bits a pixel, made of one row said again and again. */
static struct verdict run_rows(int width, int height, int bits, size_t row_len, long rows)
{
    const unsigned char ihdr[13] = {0, 0, width >> 8, width, 0, 0, height >> 8, height, bits};
    static const unsigned char row[4096];
    static unsigned char file[1 << 20], packed[1 << 20];
    size_t n = 8 + put_chunk(memcpy(file, "\x89PNG\r\n\x1a\n", 8) + 8, "IHDR", ihdr, sizeof ihdr);
    z_stream z = {.next_out = packed, .avail_out = sizeof packed};
    assert_int_equal(deflateInit(&z, 6), Z_OK);
    while (rows--) {
        z.next_in = (unsigned char *)row, z.avail_in = row_len;
        deflate(&z, rows ? Z_NO_FLUSH : Z_FINISH);
    }
    n += put_chunk(file + n, "IDAT", packed, z.total_out);
    deflateEnd(&z);
    n += put_chunk(file + n, "IEND", "", 0);
    return run("bomb", file, n);
}

static void test_png_bombs(void **state)
{
    (void)state;
    struct verdict v = run_rows(30000, 30000, 1, 3751, 30000);
    assert_int_equal(check(&v, "bomb", 65, "picture of 30000x30000 pixels: *"), 0);
    v = run_rows(64, 64, 8, 65, 5000000); /* 325 MB behind the last row are not unpacked */
    assert_int_equal(check(&v, "bomb", 0, NULL), 0);
}

static unsigned char *read_file(const char *path, size_t *n, size_t room)
{
    unsigned char *bytes = ptd_alloc((1 << 16) + room);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    *n = fread(bytes, 1, 1 << 16, f);
    fclose(f);
    return bytes;
}

/* A file's last scan again and again; with other sides if `size` is given. */
static struct verdict run_scans(const char *path, int scans, const char *size)
{
    size_t n, last, frame = 0;
    unsigned char *bytes = read_file(path, &n, 32 << 20);
    for (last = n; !(bytes[last] == 0xFF && bytes[last + 1] == 0xDA);) last--;
    while (!(bytes[frame] == 0xFF && (bytes[frame + 1] & 0xFD) == 0xC0)) frame++;
    if (size) memcpy(bytes + frame + 5, size, 4);
    size_t len = n - 2 - last;
    assert_true(n + scans * len < 32 << 20);
    for (n -= 2; scans-- > 0; n += len) memcpy(bytes + n, bytes + last, len);
    memcpy(bytes + n, "\xFF\xD9", 2);
    struct verdict v = run("scans", bytes, n + 2);
    free(bytes);
    return v;
}

static void test_80000_scans(void **state)
{
    (void)state;
    static const char large[] = "\x1f\x40\x20"; /* 8000 high, 8192 wide */
    struct verdict v = run_scans("tests/vectors/progressive.jpg", 80000, NULL);
    assert_int_equal(check(&v, "scans", 65, "JPEG with over 100 scans"), 0);
    v = run_scans("tests/vectors/grey.jpg", 80000, NULL);
    assert_int_equal(check(&v, "scans", 65, "JPEG with over 100 scans"), 0);
    v = run_scans("tests/vectors/grey.jpg", 3, NULL);
    assert_int_equal(check(&v, "scans", 65, "damaged JPEG: Didn't expect more than one scan"), 0);
    v = run_scans("tests/vectors/progressive.jpg", 20, large);
    assert_int_equal(check(&v, "scans", 65, "JPEG of 8192x8000 pixels with over 16 scans, *"), 0);
}

/* Markers that hold nothing, as many as fit: APP1, comment, quantizers. */
static void test_markers(void **state)
{
    (void)state;
    static const unsigned char kinds[] = {0xE1, 0xE5, 0xFE, 0xDB};
    size_t n = 8 << 20;
    unsigned char *bytes = ptd_alloc(n);
    memcpy(bytes, "\xFF\xD8", 2);
    for (int k = 0; k < 4; k++) {
        for (size_t i = 2; i + 4 <= n; i += 4)
            memcpy(bytes + i, (unsigned char[]){0xFF, kinds[k], 0, 2}, 4);
        struct verdict v = run("markers", bytes, n);
        assert_int_equal(
            check(&v, "markers", 65, k < 3 ? "JPEG with over 4096 *" : "damaged JPEG: *"), 0);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corpus),
        cmocka_unit_test(test_png_bombs),
        cmocka_unit_test(test_80000_scans),
        cmocka_unit_test(test_markers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
