/* store: what the tests of stores share: a folder of its own for each case, three tensors to
 * publish and to compare. Processes are forked before a store is opened, as LMDB asks. */
#ifndef PTD_TESTS_STORE_H
#define PTD_TESTS_STORE_H
#include "base/threads.h"
#include "store/store.h"
#include "store/store_private.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define N     3
#define BIG   300000
#define TOTAL (BIG + 6 + 5)

static char folder[64], dir[96];
static float weights[TOTAL], m[TOTAL], v[TOTAL], got[TOTAL];

static inline void views(struct ptd_tensor_view t[N], float *flat)
{
    t[0] = (struct ptd_tensor_view){"big.weight", 2, {BIG / 100, 100}, flat, BIG};
    t[1] = (struct ptd_tensor_view){"small.weight", 2, {2, 3}, flat + BIG, 6};
    t[2] = (struct ptd_tensor_view){"norm.bias", 1, {5}, flat + BIG + 6, 5};
}

static inline void fill(float *flat, int64_t seed)
{
    for (int i = 0; i < TOTAL; i++) flat[i] = (float)(seed * 1000 + i % 977) / 16;
}

static inline int is_filled(const float *flat, int64_t seed)
{
    for (int i = 0; i < TOTAL; i++)
        if (flat[i] != (float)(seed * 1000 + i % 977) / 16) return 0;
    return 1;
}

static inline int publish(struct ptd_store *s, int64_t g, int keep, int pin)
{
    struct ptd_tensor_view w[N], wm[N], wv[N];
    char run[64];
    fill(weights, g);
    fill(m, g + 100);
    fill(v, g + 200);
    views(w, weights);
    views(wm, m);
    views(wv, v);
    snprintf(run, sizeof run, "{\"step\":%lld}", (long long)g);
    struct ptd_publication p = {g, w, g ? wm : NULL, g ? wv : NULL, N, run, keep, pin};
    return ptd_store_publish(s, &p);
}

static inline int load(struct ptd_store *s, int64_t g)
{
    struct ptd_tensor_view t[N];
    memset(got, 0, sizeof got);
    views(t, got);
    return ptd_store_load(s, g, t, N);
}

static inline int load_moments(struct ptd_store *s, char which)
{
    struct ptd_tensor_view t[N];
    memset(got, 0, sizeof got);
    views(t, got);
    return ptd_store_load_optim(s, which, t, N);
}

static inline struct ptd_store *opened(int mode)
{
    struct ptd_store *s;
    if (ptd_store_open(&s, dir, mode) < 0) print_error("%s\n", ptd_failed_message());
    assert_non_null(s);
    return s;
}

static inline struct ptd_store *created(void)
{
    struct ptd_store *s = opened(PTD_STORE_CREATE);
    assert_int_equal(ptd_store_put_meta(s, "config.json", "{\"a\":1}", 7), 0);
    assert_int_equal(publish(s, 0, 1, 1), 0);
    return s;
}

static inline void create(int generations)
{
    struct ptd_store *s = created();
    for (int g = 1; g < generations; g++) assert_int_equal(publish(s, g, 2, 0), 0);
    ptd_store_close(s);
}

static inline void assert_failed(int status, const char *words)
{
    if (ptd_failed_status() != status || !strstr(ptd_failed_message(), words))
        print_error("%d: %s\n", ptd_failed_status(), ptd_failed_message());
    assert_int_equal(ptd_failed_status(), status);
    assert_non_null(strstr(ptd_failed_message(), words));
}

static inline void assert_refused(int mode, int status, const char *words)
{
    struct ptd_store *s;
    assert_int_equal(ptd_store_open(&s, dir, mode), -1);
    assert_null(s);
    assert_failed(status, words);
}

static inline int setup(void **state)
{
    (void)state;
    unsetenv("PTD_STORE_MAX");
    snprintf(folder, sizeof folder, "%s/ptd-test-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(folder)) return -1;
    snprintf(dir, sizeof dir, "%s/run", folder);
    return 0;
}

static inline int teardown(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static inline void data_path(char path[128])
{
    snprintf(path, 128, "%s/data.mdb", dir);
}

static inline long file_size(void)
{
    char path[128];
    struct stat st;
    data_path(path);
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static inline const char *in_dir(const char *name)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static inline int is_there(const char *name)
{
    struct stat st;
    return lstat(in_dir(name), &st) == 0;
}

static const char *const files[] = {"data.mdb", "lock.mdb", "lock"};

static inline void remove_files(void)
{
    for (int i = 0; i < 3; i++) assert_int_equal(unlink(in_dir(files[i])), 0);
    if (is_there("base.mdb")) assert_int_equal(unlink(in_dir("base.mdb")), 0);
}

static inline void write_file(const char *name, const char *text)
{
    const char *path = in_dir(name);
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 1000; i++) fputs(text, f);
    fclose(f);
}

/* Publishes from `first` on until it fails; returns the generation that failed. */
static inline int publish_until_failure(struct ptd_store *s, int first)
{
    int g = first;
    while (g < first + 100 && publish(s, g, 100, 0) == 0) g++;
    assert_in_range(g, first, first + 99);
    return g;
}

static inline void assert_unchanged_and_usable(struct ptd_store *s, int failed)
{
    int64_t head;
    assert_int_equal(ptd_store_head(s, &head), 0);
    assert_int_equal(head, failed - 1);
    assert_int_equal(load(s, head), 0);
    assert_true(is_filled(got, head));
    assert_int_equal(load_moments(s, 'm'), 0);
    assert_true(is_filled(got, head + 100));
}

#endif
