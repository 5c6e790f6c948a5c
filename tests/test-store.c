/* test-store: what was published comes back bit for bit, damage and misuse are refused by name, and
 * nothing that fails changes the store. Every case has a folder of its own; processes are forked
 * before a store is opened, as LMDB asks. */
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

static void views(struct ptd_tensor_view t[N], float *flat)
{
    t[0] = (struct ptd_tensor_view){"big.weight", 2, {BIG / 100, 100}, flat, BIG};
    t[1] = (struct ptd_tensor_view){"small.weight", 2, {2, 3}, flat + BIG, 6};
    t[2] = (struct ptd_tensor_view){"norm.bias", 1, {5}, flat + BIG + 6, 5};
}

static void fill(float *flat, int64_t seed)
{
    for (int i = 0; i < TOTAL; i++) flat[i] = (float)(seed * 1000 + i % 977) / 16;
}

static int is_filled(const float *flat, int64_t seed)
{
    for (int i = 0; i < TOTAL; i++)
        if (flat[i] != (float)(seed * 1000 + i % 977) / 16) return 0;
    return 1;
}

static int publish(struct ptd_store *s, int64_t g, int keep, int pin)
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

static int load(struct ptd_store *s, int64_t g)
{
    struct ptd_tensor_view t[N];
    memset(got, 0, sizeof got);
    views(t, got);
    return ptd_store_load(s, g, t, N);
}

static int load_moments(struct ptd_store *s, char which)
{
    struct ptd_tensor_view t[N];
    memset(got, 0, sizeof got);
    views(t, got);
    return ptd_store_load_optim(s, which, t, N);
}

static struct ptd_store *opened(int mode)
{
    struct ptd_store *s;
    if (ptd_store_open(&s, dir, mode) < 0) print_error("%s\n", ptd_failed_message());
    assert_non_null(s);
    return s;
}

static struct ptd_store *created(void)
{
    struct ptd_store *s = opened(PTD_STORE_CREATE);
    assert_int_equal(ptd_store_put_meta(s, "config.json", "{\"a\":1}", 7), 0);
    assert_int_equal(publish(s, 0, 1, 1), 0);
    return s;
}

static void create(int generations)
{
    struct ptd_store *s = created();
    for (int g = 1; g < generations; g++) assert_int_equal(publish(s, g, 2, 0), 0);
    ptd_store_close(s);
}

static void assert_failed(int status, const char *words)
{
    if (ptd_failed_status() != status || !strstr(ptd_failed_message(), words))
        print_error("%d: %s\n", ptd_failed_status(), ptd_failed_message());
    assert_int_equal(ptd_failed_status(), status);
    assert_non_null(strstr(ptd_failed_message(), words));
}

static void assert_refused(int mode, int status, const char *words)
{
    struct ptd_store *s;
    assert_int_equal(ptd_store_open(&s, dir, mode), -1);
    assert_null(s);
    assert_failed(status, words);
}

static int setup(void **state)
{
    (void)state;
    unsetenv("PTD_STORE_MAX");
    snprintf(folder, sizeof folder, "%s/ptd-test-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(folder)) return -1;
    snprintf(dir, sizeof dir, "%s/run", folder);
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void assert_unchanged_and_usable(struct ptd_store *s, int failed);
static int publish_until_failure(struct ptd_store *s, int first);
static long file_size(void);

/* ---- what comes back ---- */

static void test_publish_and_load(void **state)
{
    struct ptd_store *s = created();
    int64_t head;
    size_t len;
    (void)state;
    assert_int_equal(load(s, 0), 0);
    assert_true(is_filled(got, 0));
    assert_int_equal(load_moments(s, 'm'), -1);
    assert_failed(PTD_NOINPUT, "no optimizer state");
    assert_int_equal(publish(s, 1, 1, 0), 0);
    ptd_store_close(s);
    s = opened(PTD_STORE_READ);
    assert_string_equal(ptd_store_path(s), dir);
    assert_int_equal(ptd_store_head(s, &head), 0);
    assert_int_equal(head, 1);
    assert_int_equal(load(s, 1), 0);
    assert_true(is_filled(got, 1));
    assert_int_equal(load_moments(s, 'm'), 0);
    assert_true(is_filled(got, 101));
    assert_int_equal(load_moments(s, 'v'), 0);
    assert_true(is_filled(got, 201));
    char *run = ptd_store_get_run(s), *config = ptd_store_get_meta(s, "config.json", &len);
    assert_string_equal(run, "{\"step\":1}");
    assert_string_equal(config, "{\"a\":1}");
    assert_int_equal(len, 7);
    assert_null(ptd_store_get_meta(s, "nothing", NULL));
    free(run);
    free(config);
    ptd_store_close(s);
}

static void test_retention(void **state)
{
    struct ptd_store *s = created();
    static const int kept[] = {1, 0, 0, 1, 0, 1, 1};
    (void)state;
    for (int g = 1; g <= 6; g++) assert_int_equal(publish(s, g, 2, g == 3), 0);
    for (int g = 0; g <= 6; g++) {
        assert_int_equal(load(s, g), kept[g] ? 0 : -1);
        if (kept[g])
            assert_true(is_filled(got, g));
        else
            assert_failed(PTD_NOINPUT, "is not kept");
    }
    ptd_store_close(s);
}

static void test_state_follows_generation(void **state)
{
    struct ptd_store *s = created();
    struct ptd_tensor_view w[N];
    (void)state;
    assert_int_equal(publish(s, 1, 1, 0), 0);
    views(w, weights);
    struct ptd_publication bare = {.generation = 2, .weights = w, .n = N, .keep = 1};
    assert_int_equal(ptd_store_publish(s, &bare), 0);
    assert_null(ptd_store_get_run(s));
    assert_int_equal(load_moments(s, 'v'), -1);
    ptd_store_close(s);
}

static void test_order(void **state)
{
    struct ptd_store *s = created();
    int64_t head;
    (void)state;
    assert_int_equal(publish(s, 2, 1, 0), -1);
    assert_failed(PTD_DATAERR, "generation 2 cannot be published now, expected 1");
    assert_int_equal(publish(s, 0, 1, 0), -1);
    assert_int_equal(ptd_store_head(s, &head), 0);
    assert_int_equal(head, 0);
    assert_int_equal(publish(s, 1, 1, 0), 0);
    ptd_store_close(s);
}

static void test_shapes(void **state)
{
    struct ptd_store *s = created();
    struct ptd_tensor_view t[N];
    (void)state;
    views(t, got);
    t[1].dims[0] = 3;
    t[1].dims[1] = 2;
    assert_int_equal(ptd_store_load(s, 0, t, N), -1);
    assert_failed(PTD_DATAERR, "tensor \"00000000/small.weight\": shape [2, 3], expected [3, 2]");
    t[1].name = "smaller.weight";
    assert_int_equal(ptd_store_load(s, 0, t, N), -1);
    assert_failed(PTD_DATAERR, "tensor \"00000000/smaller.weight\": missing");
    ptd_store_close(s);
}

static void test_cache(void **state)
{
    static const char *const keys[] = {"k1", "k2"};
    static const void *const values[] = {"one", ""};
    static const size_t lens[] = {3, 0};
    void *value;
    size_t len;
    (void)state;
    create(1);
    struct ptd_store *s = opened(PTD_STORE_CACHE);
    assert_int_equal(ptd_store_get_cached(s, "k1", &value, &len), 1);
    assert_int_equal(ptd_store_put_cached(s, keys, values, lens, 2), 0);
    assert_int_equal(ptd_store_get_cached(s, "k1", &value, &len), 0);
    assert_int_equal(len, 3);
    assert_memory_equal(value, "one", 3);
    free(value);
    assert_int_equal(ptd_store_get_cached(s, "k2", &value, &len), 0);
    assert_int_equal(len, 0);
    free(value);
    assert_int_equal(publish(s, 1, 1, 0), -1);
    assert_failed(PTD_BUG, "not opened for training");
    ptd_store_close(s);
    s = opened(PTD_STORE_READ);
    assert_int_equal(ptd_store_put_cached(s, keys, values, lens, 2), -1);
    assert_int_equal(ptd_store_get_cached(s, "k1", &value, &len), 0);
    free(value);
    ptd_store_close(s);
}

#define CACHED 5000 /* bytes of a value: two pages, with its header */

/* Keeps values number `first` to `first + n - 1` in one go. */
static int put_numbered(struct ptd_store *s, int first, int n)
{
    static char keys[100][16], value[CACHED];
    const char *names[100];
    const void *values[100];
    size_t lens[100];
    for (int i = 0; i < n; i++) {
        /* keys in another order than they come */
        snprintf(keys[i], sizeof *keys, "k%d", 9999 - first - i);
        names[i] = keys[i], values[i] = value, lens[i] = CACHED;
    }
    return ptd_store_put_cached(s, names, values, lens, n);
}

static int has_numbered(struct ptd_store *s, int i)
{
    char key[16];
    void *value;
    size_t len;
    snprintf(key, sizeof key, "k%d", 9999 - i);
    int got = ptd_store_get_cached(s, key, &value, &len);
    assert_in_range(got, 0, 1);
    free(value);
    return !got;
}

/* Values number `first` to `last - 1` are there, and no others of 1000. */
static void assert_cached(struct ptd_store *s, int first, int last)
{
    for (int i = 0; i < 1000; i++)
        if (has_numbered(s, i) != (i >= first && i < last))
            fail_msg("value %d is %s, expected %d to %d", i,
                     i >= first && i < last ? "absent" : "there", first, last);
}

static uint64_t cache_bytes(struct ptd_store *s)
{
    uint64_t pages = 0;
    MDB_stat st;
    assert_int_equal(ptd_store_view(s), 0);
    for (int db = DB_DIST; db <= DB_ORDER; db++) {
        assert_int_equal(mdb_stat(s->view, s->db[db], &st), 0);
        pages += st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
    }
    ptd_store_view_end(s);
    return pages * 4096;
}

static void test_cache_is_bounded(void **state)
{
    (void)state;
    create(1);
    struct ptd_store *s = opened(PTD_STORE_CACHE);
    assert_int_equal(ptd_store_cache_max(s, 1 << 20), 0);
    for (int i = 0; i < 300; i += 10) {
        assert_int_equal(put_numbered(s, i, 10), 0);
        assert_in_range(cache_bytes(s), 1, 1 << 20);
    }
    int first = 0;
    while (!has_numbered(s, first)) first++;
    assert_in_range(300 - first, 110, 128); /* two pages each, and the trees */
    assert_cached(s, first, 300);
    long size = file_size();
    for (int i = 300; i < 600; i += 10) assert_int_equal(put_numbered(s, i, 10), 0);
    assert_in_range(file_size(), size, size + (200 << 10));
    assert_int_equal(ptd_store_cache_max(s, 100 << 10), 0); /* now, not with the next value */
    assert_in_range(cache_bytes(s), 8192, 100 << 10);
    assert_true(has_numbered(s, 599));
    assert_int_equal(put_numbered(s, 600, 100), 0); /* more than there is room for */
    assert_in_range(cache_bytes(s), 8192, 100 << 10);
    assert_true(has_numbered(s, 699));
    ptd_store_close(s);
    s = opened(PTD_STORE_CACHE); /* the order is kept in the file */
    assert_int_equal(ptd_store_cache_max(s, 100 << 10), 0);
    assert_int_equal(put_numbered(s, 700, 3), 0);
    for (first = 600; !has_numbered(s, first);) first++;
    assert_cached(s, first, 703);
    assert_int_equal(ptd_store_cache_max(s, CACHED), 0); /* no value fits */
    assert_int_equal(put_numbered(s, 703, 3), 0);
    assert_cached(s, 0, 0);
    assert_int_equal(ptd_store_cache_max(s, 100 << 10), 0);
    assert_int_equal(put_numbered(s, 703, 3), 0);
    assert_int_equal(ptd_store_cache_max(s, 0), 0);
    assert_int_equal(put_numbered(s, 706, 3), 0);
    assert_int_equal(cache_bytes(s), 0);
    ptd_store_close(s);
}

static int drop_order(struct ptd_store *s, MDB_txn *txn, const void *arg)
{
    (void)arg;
    return mdb_drop(txn, s->db[DB_ORDER], 1);
}

static int no_value(const char *db, const char *key, size_t key_len, const void *value, size_t len,
                    void *ctx)
{
    (void)key, (void)key_len, (void)value, (void)len;
    *(int *)ctx += !strcmp(db, "dist") || !strcmp(db, "order");
    return 0;
}

/* What earlier programs put has no order: it goes before anything comes. */
static void test_cache_of_earlier_programs(void **state)
{
    int n = 0;
    (void)state;
    struct ptd_store *s = created();
    assert_int_equal(put_numbered(s, 0, 50), 0);
    assert_int_equal(ptd_store_change(s, drop_order, NULL, "forgetting"), 0);
    ptd_store_close(s);
    s = opened(PTD_STORE_READ);
    assert_int_equal(ptd_store_walk(s, no_value, &n), 0);
    assert_int_equal(n, 50);
    assert_cached(s, 0, 50);
    ptd_store_close(s);
    s = opened(PTD_STORE_CACHE);
    assert_int_equal(put_numbered(s, 50, 50), 0);
    assert_cached(s, 50, 100);
    ptd_store_close(s);
}

/* Values never take the room that a publication needs, and what they have they give back. */
static void test_cache_leaves_room(void **state)
{
    int g;
    (void)state;
    setenv("PTD_STORE_MAX", "24Mi", 1);
    struct ptd_store *s = created();
    assert_int_equal(ptd_store_cache_max(s, 1 << 30), 0);
    for (int i = 0; i < 5000; i += 100) assert_int_equal(put_numbered(s, i, 100), 0);
    assert_true(has_numbered(s, 4999));
    assert_false(has_numbered(s, 0));
    for (g = 1; g < 60; g++) {
        assert_int_equal(publish(s, g, 3, 0), 0);
        assert_int_equal(put_numbered(s, 5000 + g, 1), 0);
    }
    assert_unchanged_and_usable(s, g);
    ptd_store_close(s);
}

/* A map that somebody else has filled, and a file that may not grow: values are not kept, and that
 * is no failure. */
static void test_cache_without_room(void **state)
{
    struct rlimit old, small;
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    setenv("PTD_STORE_MAX", "16Mi", 1);
    struct ptd_store *s = created();
    int failed = publish_until_failure(s, 1);
    for (int i = 0; i < 500; i += 50) assert_int_equal(put_numbered(s, i, 50), 0);
    assert_cached(s, 0, 0);
    assert_unchanged_and_usable(s, failed);
    ptd_store_close(s);
    setenv("PTD_STORE_MAX", "1Gi", 1);
    s = opened(PTD_STORE_TRAIN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){file_size(), old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    for (int i = 0; i < 500; i += 50) assert_int_equal(put_numbered(s, i, 50), 0);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_cached(s, 0, 0);
    assert_int_equal(put_numbered(s, 0, 50), 0);
    assert_cached(s, 0, 50);
    ptd_store_close(s);
}

static void test_clone(void **state)
{
    char other[sizeof dir];
    struct ptd_store *from, *to;
    int64_t head;
    (void)state;
    create(4);
    from = opened(PTD_STORE_READ);
    snprintf(other, sizeof other, "%s", dir);
    snprintf(dir, sizeof dir, "%s/second", folder);
    to = opened(PTD_STORE_CREATE);
    assert_int_equal(ptd_store_clone(from, 1, to), -1);
    assert_failed(PTD_NOINPUT, "generation 1 is not kept");
    assert_int_equal(ptd_store_clone(from, 3, to), 0);
    assert_int_equal(ptd_store_clone(from, 3, to), -1);
    ptd_store_close(from);
    ptd_store_close(to);
    to = opened(PTD_STORE_TRAIN);
    char *config = ptd_store_get_meta(to, "config.json", NULL);
    assert_string_equal(config, "{\"a\":1}");
    free(config);
    assert_int_equal(ptd_store_head(to, &head), 0);
    assert_int_equal(head, 0);
    assert_int_equal(load(to, 0), 0);
    assert_true(is_filled(got, 3));
    assert_null(ptd_store_get_run(to));
    assert_int_equal(publish(to, 1, 1, 0), 0);
    assert_int_equal(publish(to, 2, 1, 0), 0);
    assert_int_equal(load(to, 0), 0);
    ptd_store_close(to);
}

struct seen {
    int n[6], bad;
};

static int see(const char *db, const char *key, size_t key_len, const void *value, size_t len,
               void *ctx)
{
    static const char *const names[] = {"meta", "weights", "optim", "state", "dist", "order"};
    struct seen *s = ctx;
    struct ptd_tensor_piece t;
    for (int i = 0; i < 6; i++) s->n[i] += !strcmp(db, names[i]);
    if ((uintptr_t)value % 8) s->bad++;
    if (!strcmp(db, "weights") || !strcmp(db, "optim")) {
        float last = 1;
        if (ptd_store_tensor(value, len, &t) < 0) return -1;
        if (t.whole.dtype == PTD_F32)
            memcpy(&last, (const char *)t.data + (t.n - 1) * sizeof last, sizeof last);
        if (last == 0) s->bad++;
    }
    if (key_len == 11 && !memcmp(key, "config.json", 11) &&
        (len != 7 || memcmp(value, "{\"a\":1}", 7)))
        s->bad++;
    return 0;
}

static int stop_at_once(const char *db, const char *key, size_t key_len, const void *value,
                        size_t len, void *ctx)
{
    (void)db, (void)key, (void)key_len, (void)value, (void)len;
    ++*(int *)ctx;
    return ptd_fail(PTD_VERDICT, "enough");
}

static void test_walk(void **state)
{
    struct seen seen = {{0}, 0};
    int calls = 0;
    (void)state;
    create(2);
    struct ptd_store *s = opened(PTD_STORE_READ);
    assert_int_equal(ptd_store_walk(s, see, &seen), 0);
    assert_int_equal(seen.n[0], 2);
    assert_int_equal(seen.n[1], 2 * N);
    assert_int_equal(seen.n[2], 2 * N);
    assert_int_equal(seen.n[3], 3);
    assert_int_equal(seen.bad, 0);
    assert_int_equal(ptd_store_walk(s, stop_at_once, &calls), -1);
    assert_failed(PTD_VERDICT, "enough");
    assert_int_equal(calls, 1);
    ptd_store_close(s);
}

static void test_head_is_seen_by_waiting_reader(void **state)
{
    int64_t head;
    (void)state;
    create(1);
    pid_t child = fork();
    if (!child) {
        struct ptd_store *s = opened(PTD_STORE_TRAIN);
        _exit(publish(s, 1, 1, 0) ? 1 : 0);
    }
    struct ptd_store *s = opened(PTD_STORE_READ);
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(ptd_store_head(s, &head), 0);
        if (head == 1) break;
        usleep(1000);
    }
    assert_int_equal(head, 1);
    assert_int_equal(load(s, 1), 0);
    assert_true(is_filled(got, 1));
    ptd_store_close(s);
    waitpid(child, NULL, 0);
}

/* ---- what is refused ---- */

static void data_path(char path[128])
{
    snprintf(path, 128, "%s/data.mdb", dir);
}

static long file_size(void)
{
    char path[128];
    struct stat st;
    data_path(path);
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void cut(long size)
{
    char path[128];
    data_path(path);
    assert_int_equal(truncate(path, size), 0);
}

/* Flips a bit of byte `offset` in every occurrence of the pattern in data.mdb (replaced pages stay
 * in the file). */
static void flip(const void *pattern, size_t n, size_t offset)
{
    char path[128];
    size_t size = file_size(), found = 0;
    char *bytes = malloc(size);
    data_path(path);
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, bytes, size, 0), size);
    for (char *p = bytes; (p = memmem(p, bytes + size - p, pattern, n)); p++) {
        p[offset] ^= 4;
        found += pwrite(fd, p + offset, 1, p + offset - bytes) == 1;
    }
    close(fd);
    free(bytes);
    assert_in_range(found, 1, 2);
}

static void test_damaged_tensor(void **state)
{
    (void)state;
    create(1);
    flip(weights, sizeof weights[0] * BIG, 777777);
    struct ptd_store *s = opened(PTD_STORE_READ);
    assert_int_equal(load(s, 0), -1);
    assert_failed(PTD_DATAERR, "tensor \"00000000/big.weight\": damaged");
    ptd_store_close(s);
}

static void test_damaged_values(void **state)
{
    static const char *const keys[] = {"cached-key"};
    static const void *const values[] = {"a cached distribution"};
    static const size_t lens[] = {21};
    void *value;
    size_t len;
    (void)state;
    create(1);
    struct ptd_store *s = opened(PTD_STORE_CACHE);
    assert_int_equal(ptd_store_put_cached(s, keys, values, lens, 1), 0);
    ptd_store_close(s);
    flip(values[0], 21, 3);
    s = opened(PTD_STORE_READ);
    assert_int_equal(ptd_store_get_cached(s, keys[0], &value, &len), 1);
    struct seen seen = {{0}, 0};
    assert_int_equal(ptd_store_walk(s, see, &seen), -1);
    assert_failed(PTD_DATAERR, "dist \"cached-key\": damaged");
    ptd_store_close(s);
}

static void test_cut_file(void **state)
{
    (void)state;
    create(4);
    cut(file_size() / 2);
    assert_refused(PTD_STORE_READ, PTD_DATAERR, "cut short");
    assert_refused(PTD_STORE_TRAIN, PTD_DATAERR, "cut short");
    for (long size = 3 * 4096 + 100; size > 0; size -= 1111) {
        cut(size);
        assert_refused(PTD_STORE_READ, PTD_DATAERR, "cut short");
    }
    cut(0);
    assert_refused(PTD_STORE_READ, PTD_DATAERR, "empty");
}

static const char *in_dir(const char *name)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int is_there(const char *name)
{
    struct stat st;
    return lstat(in_dir(name), &st) == 0;
}

static const char *const files[] = {"data.mdb", "lock.mdb", "lock"};

static void remove_files(void)
{
    for (int i = 0; i < 3; i++) assert_int_equal(unlink(in_dir(files[i])), 0);
}

static void write_file(const char *name, const char *text)
{
    const char *path = in_dir(name);
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 1000; i++) fputs(text, f);
    fclose(f);
}

static void test_foreign(void **state)
{
    (void)state;
    assert_refused(PTD_STORE_READ, PTD_NOINPUT, "No such file or directory");
    mkdir(dir, 0755);
    assert_refused(PTD_STORE_READ, PTD_NOINPUT, "data.mdb");
    write_file("data.mdb", "no store at all ");
    assert_refused(PTD_STORE_READ, PTD_DATAERR, "not an LMDB file");
    assert_false(is_there("lock.mdb"));
    assert_refused(PTD_STORE_CREATE, PTD_CANTCREAT, "is there already");
    snprintf(dir, sizeof dir, "%s/run/data.mdb", folder);
    assert_refused(PTD_STORE_READ, PTD_NOINPUT, "not a directory");
    assert_refused(PTD_STORE_CREATE, PTD_CANTCREAT, "not a directory");
}

static void test_unfinished(void **state)
{
    (void)state;
    ptd_store_close(opened(PTD_STORE_CREATE));
    assert_refused(PTD_STORE_READ, PTD_DATAERR, "no generation published");
    assert_refused(PTD_STORE_TRAIN, PTD_DATAERR, "no generation published");
    assert_refused(PTD_STORE_CREATE, PTD_CANTCREAT, "is there already");
}

static void test_other_format(void **state)
{
    (void)state;
    create(1);
    flip("format1", 7, 6); /* key and value are neighbours in the leaf */
    assert_refused(PTD_STORE_READ, PTD_DATAERR, "format 5, expected 1");
}

static void test_open_twice(void **state)
{
    struct ptd_store *s = created();
    (void)state;
    assert_refused(PTD_STORE_READ, PTD_BUG, "open in this process already");
    ptd_store_close(s);
    ptd_store_close(opened(PTD_STORE_READ));
}

static void test_second_trainer(void **state)
{
    int ready[2], done[2];
    char byte, expected[64];
    (void)state;
    create(1);
    assert_int_equal(pipe(ready) | pipe(done), 0);
    pid_t child = fork();
    if (!child) {
        close(done[1]);
        struct ptd_store *s = opened(PTD_STORE_TRAIN);
        if (write(ready[1], "x", 1) != 1) _exit(1);
        _exit(read(done[0], &byte, 1) == 0 && s ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    snprintf(expected, sizeof expected, "is being trained by pid %d on ", child);
    assert_refused(PTD_STORE_TRAIN, PTD_NOPERM, expected);
    struct ptd_store *s = opened(PTD_STORE_CACHE);
    assert_int_equal(load(s, 0), 0);
    ptd_store_close(s);
    close(done[1]);
    waitpid(child, NULL, 0);
    ptd_store_close(opened(PTD_STORE_TRAIN));
    close(done[0]);
    close(ready[0]);
    close(ready[1]);
}

/* ---- formats, pieces, several transactions ---- */

#define WIDE 1000
#define HIGH 5300 /* 10.6 MB in two bytes each: three pieces */

static const struct ptd_tensor_about kinds[3] = {{"a.f16", PTD_F16, 1, {7}, 7},
                                                 {"b.bf16", PTD_BF16, 2, {HIGH, WIDE}, HIGH *WIDE},
                                                 {"c.f32", PTD_F32, 2, {3, 1}, 3}};

static float sown(int i, size_t at)
{
    return (float)((int)(at * 7 % 251) - 125) * (i == 2 ? 1.1f : 0.5f);
}

struct sowing {
    int calls, stop_at;
};

static int sow(void *ctx, int i, size_t first, size_t n, void *out)
{
    struct sowing *s = ctx;
    float *x = malloc(n * sizeof *x);
    if (++s->calls == s->stop_at) raise(SIGKILL);
    if (s->calls == -s->stop_at) {
        free(x);
        return ptd_fail(PTD_NOINPUT, "no more seed");
    }
    for (size_t j = 0; j < n; j++) x[j] = sown(i, first + j);
    assert_int_equal((uintptr_t)out % 8, 0);
    ptd_dtype_from_float(out, kinds[i].dtype, x, n);
    free(x);
    return 0;
}

static int fill_store(struct ptd_store *s, int stop_at)
{
    struct sowing sowing = {0, stop_at};
    struct ptd_filling f = {kinds, 3, sow, &sowing};
    return ptd_store_fill(s, &f);
}

static void assert_sown(struct ptd_store *s, int64_t g)
{
    static float x[7 + HIGH * WIDE + 3];
    struct ptd_tensor_view t[3] = {{"a.f16", 1, {7}, x, 7},
                                   {"b.bf16", 2, {HIGH, WIDE}, x + 7, HIGH * WIDE},
                                   {"c.f32", 2, {3, 1}, x + 7 + HIGH * WIDE, 3}};
    memset(x, 0, sizeof x);
    if (ptd_store_load(s, g, t, 3) < 0) print_error("%s\n", ptd_failed_message());
    for (int i = 0; i < 3; i++)
        for (size_t j = 0; j < t[i].n; j++)
            if (t[i].data[j] != sown(i, j)) fail_msg("%s[%zu] is %g", t[i].name, j, t[i].data[j]);
}

static void test_formats(void **state)
{
    struct ptd_store *s = opened(PTD_STORE_CREATE);
    struct ptd_tensor_about *list;
    uint16_t raw[100];
    float x;
    int n;
    (void)state;
    assert_int_equal(fill_store(s, 0), 0);
    ptd_store_close(s);
    s = opened(PTD_STORE_READ);
    assert_sown(s, 0);
    assert_int_equal(ptd_store_list(s, 0, &list, &n), 0);
    assert_int_equal(n, 3);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(list[i].name, kinds[i].name);
        assert_int_equal(list[i].dtype, kinds[i].dtype);
        assert_int_equal(list[i].n, kinds[i].n);
        assert_memory_equal(list[i].dims, kinds[i].dims, sizeof list[i].dims);
    }
    size_t piece = ptd_store_piece(PTD_BF16);
    assert_int_equal(ptd_store_read(s, 0, &list[1], piece + 5, 100, raw), 0);
    ptd_dtype_to_float(&x, &raw[99], PTD_BF16, 1);
    assert_true(x == sown(1, piece + 104));
    assert_int_equal(ptd_store_read(s, 0, &list[1], piece - 5, 100, raw), -1);
    assert_failed(PTD_BUG, "across pieces");
    assert_int_equal(ptd_store_has(s, 0, "c.f32"), 1);
    assert_int_equal(ptd_store_has(s, 0, "d"), 0);
    ptd_store_list_free(list, n);
    ptd_store_close(s);
}

static void test_several_transactions(void **state)
{
    struct ptd_store *s;
    char other[sizeof dir];
    int64_t head;
    (void)state;
    ptd_store_batch = 3 << 20;
    s = opened(PTD_STORE_CREATE);
    assert_int_equal(fill_store(s, 0), 0);
    assert_sown(s, 0);
    ptd_store_close(s);
    snprintf(other, sizeof other, "%s", dir);
    struct ptd_store *from = opened(PTD_STORE_READ);
    snprintf(dir, sizeof dir, "%s/second", folder);
    s = opened(PTD_STORE_CREATE);
    assert_int_equal(ptd_store_clone(from, 0, s), 0);
    assert_sown(s, 0);
    ptd_store_close(from);
    ptd_store_batch = 1 << 20;
    assert_int_equal(publish(s, 1, 1, 0), 0); /* other tensors, which a store does not mind */
    assert_int_equal(publish(s, 2, 1, 0), 0);
    assert_int_equal(load(s, 1), -1);
    assert_int_equal(load(s, 2), 0);
    assert_true(is_filled(got, 2));
    assert_int_equal(load_moments(s, 'v'), 0);
    assert_true(is_filled(got, 202));
    assert_int_equal(ptd_store_head(s, &head), 0);
    assert_int_equal(head, 2);
    struct seen seen = {{0}, 0};
    assert_int_equal(ptd_store_walk(s, see, &seen), 0);
    assert_int_equal(seen.n[2], 2 * N);
    ptd_store_close(s);
    ptd_store_batch = 256 << 20;
}

/* A store whose filling was killed is refused; one whose publication was, goes on from the
 * generation before. */
static void test_killed_between_transactions(void **state)
{
    (void)state;
    ptd_store_batch = 1 << 20;
    pid_t child = fork();
    if (!child) _exit(fill_store(opened(PTD_STORE_CREATE), 3));
    waitpid(child, NULL, 0);
    assert_refused(PTD_STORE_READ, PTD_DATAERR, "no generation published");
    remove_files();
    struct ptd_store *s = opened(PTD_STORE_CREATE);
    assert_int_equal(fill_store(s, -3), -1);
    assert_failed(PTD_NOINPUT, "no more seed");
    assert_int_equal(fill_store(s, 0), 0);
    assert_sown(s, 0);
    ptd_store_close(s);
    ptd_store_batch = 256 << 20;
}

static void test_damaged_piece(void **state)
{
    uint16_t pattern[2000];
    float x[2000];
    (void)state;
    struct ptd_store *s = opened(PTD_STORE_CREATE);
    struct ptd_tensor_view t = {
        "b.bf16", 2, {HIGH, WIDE}, malloc(sizeof *t.data * HIGH * WIDE), HIGH * WIDE};
    assert_int_equal(fill_store(s, 0), 0);
    ptd_store_close(s);
    /* the start of the last piece, and its header's end */
    size_t at = ptd_store_piece(PTD_BF16) * 2;
    for (int i = 0; i < 2000; i++) x[i] = sown(1, at + i);
    ptd_dtype_from_float(pattern, PTD_BF16, x, 2000);
    char path[128];
    data_path(path);
    int fd = open(path, O_RDWR);
    size_t size = file_size();
    char *bytes = malloc(size), *found = NULL;
    assert_int_equal(pread(fd, bytes, size, 0), size);
    for (char *p = bytes; (p = memmem(p, bytes + size - p, "PTDT", 4)); p++)
        if (p[12] == 2 && !memcmp(p + 64, pattern, sizeof pattern)) found = p;
    assert_non_null(found);
    found[64 + 1000] ^= 1;
    assert_int_equal(pwrite(fd, found + 64 + 1000, 1, found + 64 + 1000 - bytes), 1);
    close(fd);
    free(bytes);
    s = opened(PTD_STORE_READ);
    assert_int_equal(ptd_store_load(s, 0, &t, 1), -1);
    assert_failed(PTD_DATAERR, "tensor \"00000000/b.bf16#000002\": damaged");
    free(t.data);
    ptd_store_close(s);
}

/* ---- when room runs out ---- */

/* Publishes from `first` on until it fails; returns the generation that failed. */
static int publish_until_failure(struct ptd_store *s, int first)
{
    int g = first;
    while (g < first + 100 && publish(s, g, 100, 0) == 0) g++;
    assert_in_range(g, first, first + 99);
    return g;
}

static void assert_unchanged_and_usable(struct ptd_store *s, int failed)
{
    int64_t head;
    assert_int_equal(ptd_store_head(s, &head), 0);
    assert_int_equal(head, failed - 1);
    assert_int_equal(load(s, head), 0);
    assert_true(is_filled(got, head));
    assert_int_equal(load_moments(s, 'm'), 0);
    assert_true(is_filled(got, head + 100));
}

static void test_map_full(void **state)
{
    (void)state;
    setenv("PTD_STORE_MAX", "16Mi", 1);
    struct ptd_store *s = created();
    int failed = publish_until_failure(s, 1);
    assert_failed(PTD_IOERR, "map full (16Mi)");
    assert_failed(PTD_IOERR, "no reader holds old pages");
    assert_failed(PTD_IOERR, "export PTD_STORE_MAX=32Mi");
    assert_unchanged_and_usable(s, failed);
    ptd_store_close(s);
    unsetenv("PTD_STORE_MAX"); /* the file remembers */
    s = opened(PTD_STORE_TRAIN);
    assert_int_equal(publish(s, failed, 100, 0), -1);
    assert_failed(PTD_IOERR, "map full (16Mi)");
    ptd_store_close(s);
    setenv("PTD_STORE_MAX", "64Mi", 1);
    s = opened(PTD_STORE_TRAIN);
    assert_int_equal(publish(s, failed, 1, 0), 0);
    assert_int_equal(publish(s, failed + 1, 1, 0), 0);
    assert_unchanged_and_usable(s, failed + 2);
    ptd_store_close(s);
}

/* A reader in the middle of ptd_store_walk holds its snapshot; f stops there. */
static int hold(const char *db, const char *key, size_t key_len, const void *value, size_t len,
                void *ctx)
{
    (void)db, (void)key, (void)key_len, (void)value, (void)len;
    if (write(*(int *)ctx, "x", 1) != 1) _exit(1);
    for (;;) pause();
}

static void test_map_full_names_reader(void **state)
{
    int ready[2];
    char byte, expected[64];
    (void)state;
    setenv("PTD_STORE_MAX", "16Mi", 1);
    create(2);
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (!child) {
        struct ptd_store *s = opened(PTD_STORE_READ);
        if (ptd_store_walk(s, hold, &ready[1]) < 0) _exit(1);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    struct ptd_store *s = opened(PTD_STORE_TRAIN);
    int failed = 2;
    while (failed < 100 && publish(s, failed, 1, 0) == 0) failed++;
    snprintf(expected, sizeof expected, "oldest reader is pid %d", child);
    assert_failed(PTD_IOERR, expected);
    assert_unchanged_and_usable(s, failed);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(publish(s, failed + i, 1, 0), 0); /* the dead reader is cleared */
    ptd_store_close(s);
    close(ready[0]);
    close(ready[1]);
}

static void test_file_size_limit(void **state)
{
    struct rlimit old, small;
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    struct ptd_store *s = created();
    assert_int_equal(publish(s, 1, 100, 0), 0);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){20 << 20, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    int failed = publish_until_failure(s, 2);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_failed(PTD_IOERR, "file size limit reached (20971520 bytes");
    assert_unchanged_and_usable(s, failed);
    assert_int_equal(publish(s, failed, 1, 0), 0);
    assert_unchanged_and_usable(s, failed + 1);
    ptd_store_close(s);
}

static void test_bad_map_size(void **state)
{
    static const char *const texts[] = {
        "",      "abc",  "12Qi", "-1",    "1Ki",   "99999999999999999999",
        "16 Mi", "65Ti", "0",    "16Mi ", " 16Mi", "+16Mi"};
    static const int modes[] = {PTD_STORE_CREATE, PTD_STORE_READ, PTD_STORE_CACHE, PTD_STORE_TRAIN};
    (void)state;
    for (size_t i = 0; i < 4 * sizeof texts / sizeof *texts; i++) {
        if (i == 1) create(1);
        setenv("PTD_STORE_MAX", texts[i / 4], 1);
        assert_refused(modes[i % 4], PTD_CONFIG, "PTD_STORE_MAX: found");
        unsetenv("PTD_STORE_MAX");
    }
}

/* ---- a map that another process made larger ---- */

static void test_larger_map_is_taken(void **state)
{
    static const char *const keys[] = {"k"};
    static const void *const values[] = {"value"};
    static const size_t lens[] = {5};
    int go[2], status;
    int64_t head;
    char byte;
    (void)state;
    setenv("PTD_STORE_MAX", "16Mi", 1);
    create(1);
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    if (!child) {
        if (read(go[0], &byte, 1) != 1) _exit(1);
        setenv("PTD_STORE_MAX", "128Mi", 1);
        struct ptd_store *t = opened(PTD_STORE_TRAIN);
        for (int g = 1; g <= 8; g++)
            if (publish(t, g, 100, 0)) _exit(2);
        _exit(0);
    }
    unsetenv("PTD_STORE_MAX");
    struct ptd_store *s = opened(PTD_STORE_CACHE);
    assert_int_equal(ptd_store_hold(s), 0);
    assert_int_equal(write(go[1], "x", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(load(s, 0), 0); /* in the snapshot that is held, and so is the map */
    assert_int_equal(load(s, 8), -1);
    assert_int_equal(ptd_store_put_cached(s, keys, values, lens, 1), -1);
    assert_failed(PTD_IOERR, "larger PTD_STORE_MAX");
    ptd_store_release(s);
    assert_int_equal(ptd_store_put_cached(s, keys, values, lens, 1), 0);
    assert_int_equal(ptd_store_head(s, &head), 0);
    assert_int_equal(head, 8);
    assert_int_equal(load(s, 8), 0);
    assert_true(is_filled(got, 8));
    ptd_store_close(s);
    close(go[0]);
    close(go[1]);
}

/* ---- files of other people ---- */

static void copy_store(const char *to)
{
    char command[300];
    snprintf(command, sizeof command, "cp -r '%s' '%s/%s'", dir, folder, to);
    assert_int_equal(system(command), 0);
}

/* Puts something else in the place of a file of the store in `dir`. */
static void replace(const char *name, const char *kind, const char *victim)
{
    unlink(in_dir(name));
    if (!strcmp(kind, "link")) assert_int_equal(symlink(victim, in_dir(name)), 0);
    if (!strcmp(kind, "hard link")) assert_int_equal(link(victim, in_dir(name)), 0);
    if (!strcmp(kind, "pipe")) assert_int_equal(mkfifo(in_dir(name), 0644), 0);
    if (!strcmp(kind, "folder")) assert_int_equal(mkdir(in_dir(name), 0755), 0);
}

static void assert_victim(const char *victim, long size)
{
    struct stat st;
    char text[10] = "";
    assert_int_equal(stat(victim, &st), 0);
    assert_int_equal(st.st_size, size);
    FILE *f = fopen(victim, "r");
    assert_int_equal(fread(text, 1, 9, f), size ? 9 : 0);
    fclose(f);
    assert_string_equal(text, size ? "precious " : "");
}

static void test_foreign_files_stay(void **state)
{
    static const char *const kinds[] = {"link", "hard link", "pipe", "folder"};
    static const int modes[] = {PTD_STORE_READ, PTD_STORE_CACHE, PTD_STORE_TRAIN};
    struct ptd_store *s;
    char good[sizeof dir], victim[sizeof dir];
    (void)state;
    create(1);
    snprintf(good, sizeof good, "%s", dir);
    snprintf(victim, sizeof victim, "%s/victim", folder);
    for (int i = 0; i < 3 * 4 * 3 * 2; i++) {
        const char *name = files[i / 24], *kind = kinds[i / 6 % 4];
        int mode = modes[i % 3], size = i / 3 % 2 ? 9000 : 0;
        FILE *f = fopen(victim, "w");
        for (int k = 0; k < size / 9; k++) fputs("precious ", f);
        fclose(f);
        copy_store("other");
        snprintf(dir, sizeof dir, "%s/other", folder);
        replace(name, kind, victim);
        int refused = strcmp(name, "lock") != 0 || mode == PTD_STORE_TRAIN;
        if (ptd_store_open(&s, dir, mode) == 0) ptd_store_close(s);
        assert_int_equal(s ? 0 : 1, refused);
        int damaged = !strcmp(name, "data.mdb") && strcmp(kind, "link") != 0;
        if (refused) assert_failed(damaged ? PTD_DATAERR : PTD_NOPERM, name);
        assert_victim(victim, size);
        char command[300];
        snprintf(command, sizeof command, "rm -rf '%s'", dir);
        assert_int_equal(system(command), 0);
        snprintf(dir, sizeof dir, "%s", good);
    }
}

/* A folder that holds a file of one of the names is none to make a store in, and it stays as it is.
 */
static void test_create_beside_foreign_files(void **state)
{
    struct ptd_store *s;
    (void)state;
    for (int i = 0; i < 3; i++) {
        mkdir(dir, 0755);
        write_file(files[i], "precious ");
        assert_refused(PTD_STORE_CREATE, PTD_CANTCREAT, "already");
        for (int k = 0; k < 3; k++) assert_int_equal(is_there(files[k]), k == i);
        assert_victim(in_dir(files[i]), 9000);
        unlink(in_dir(files[i]));
    }
    write_file("notes", "precious "); /* beside others it may be made, and goes without them */
    s = opened(PTD_STORE_CREATE);
    ptd_store_remove(s);
    ptd_store_close(s);
    for (int k = 0; k < 3; k++) assert_false(is_there(files[k]));
    assert_victim(in_dir("notes"), 9000);
    unlink(in_dir("notes"));
    /* what took the place of its files is not the store's to remove */
    s = opened(PTD_STORE_CREATE);
    unlink(in_dir("lock"));
    write_file("lock", "precious ");
    ptd_store_remove(s);
    ptd_store_close(s);
    assert_victim(in_dir("lock"), 9000);
    unlink(in_dir("lock"));
    assert_int_equal(rmdir(dir), 0); /* it was there before */
    s = opened(PTD_STORE_CREATE);
    ptd_store_remove(s);
    ptd_store_close(s);
    assert_int_equal(rmdir(dir), -1);
}

/* What a killed LMDB or a copy leaves of lock.mdb is no obstacle. */
static void test_unfinished_lock(void **state)
{
    (void)state;
    create(1);
    assert_int_equal(truncate(in_dir("lock.mdb"), 0), 0);
    ptd_store_close(opened(PTD_STORE_READ));
    assert_int_equal(truncate(in_dir("lock.mdb"), 0) | truncate(in_dir("lock.mdb"), 8192), 0);
    ptd_store_close(opened(PTD_STORE_TRAIN));
    assert_int_equal(unlink(in_dir("lock.mdb")) | truncate(in_dir("lock"), 0), 0);
    ptd_store_close(opened(PTD_STORE_TRAIN));
    ptd_store_close(opened(PTD_STORE_TRAIN));
}

/* Runs f while another process has the store in `dir` open, and returns when that has ended. */
static void while_open(int mode, void (*f)(void))
{
    int ready[2], done[2];
    char byte;
    assert_int_equal(pipe(ready) | pipe(done), 0);
    pid_t child = fork();
    if (!child) {
        close(done[1]);
        struct ptd_store *s = opened(mode);
        if (!s || write(ready[1], "x", 1) != 1) _exit(1);
        _exit(read(done[0], &byte, 1) == 0 ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    f();
    close(done[1]);
    waitpid(child, NULL, 0);
    close(done[0]);
    close(ready[0]);
    close(ready[1]);
}

static void under_another_name(void)
{
    struct ptd_store *s;
    char good[sizeof dir];
    snprintf(good, sizeof good, "%s", dir);
    snprintf(dir, sizeof dir, "%s/second", folder);
    assert_refused(PTD_STORE_TRAIN, PTD_NOPERM, "another name");
    assert_refused(PTD_STORE_CACHE, PTD_NOPERM, "another name");
    assert_refused(PTD_STORE_READ, PTD_NOPERM, "another name");
    snprintf(dir, sizeof dir, "%s/third", folder); /* a name of the same folder */
    s = opened(PTD_STORE_CACHE);
    assert_int_equal(load(s, 0), 0);
    ptd_store_close(s);
    snprintf(dir, sizeof dir, "%s", good);
}

static void second_trainer(void)
{
    struct ptd_store *s = opened(PTD_STORE_READ);
    assert_int_equal(ptd_store_trained(s), 1);
    unlink(in_dir("lock")); /* only a note */
    assert_int_equal(ptd_store_trained(s), 1);
    ptd_store_close(s);
    assert_refused(PTD_STORE_TRAIN, PTD_NOPERM, "is being trained");
    unlink(in_dir("lock.mdb"));
    assert_refused(PTD_STORE_READ, PTD_NOPERM, "another lock.mdb");
}

static void test_one_file_under_two_names(void **state)
{
    char from[sizeof dir + 20], to[sizeof dir + 20];
    (void)state;
    create(1);
    snprintf(to, sizeof to, "%s/third", folder);
    assert_int_equal(symlink("run", to), 0);
    snprintf(to, sizeof to, "%s/second", folder);
    assert_int_equal(mkdir(to, 0755), 0);
    snprintf(from, sizeof from, "%s/data.mdb", dir);
    snprintf(to, sizeof to, "%s/second/data.mdb", folder);
    assert_int_equal(link(from, to), 0);
    while_open(PTD_STORE_TRAIN, under_another_name);
    while_open(PTD_STORE_CACHE, under_another_name);
    while_open(PTD_STORE_READ, under_another_name);
    while_open(PTD_STORE_TRAIN, second_trainer);
    struct ptd_store *s = opened(PTD_STORE_READ);
    assert_int_equal(ptd_store_trained(s), 0);
    ptd_store_close(s);
}

/* A program of before has only DIR/lock. */
static void test_trainer_of_before(void **state)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    (void)state;
    create(1);
    int fd = open(in_dir("lock"), O_RDWR);
    assert_int_equal(ftruncate(fd, 0) | (pwrite(fd, "elsewhere 12\n", 13, 0) != 13), 0);
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &whole), 0);
    assert_refused(PTD_STORE_TRAIN, PTD_NOPERM, "is being trained by pid 12 on elsewhere");
    struct ptd_store *s = opened(PTD_STORE_READ);
    assert_int_equal(ptd_store_trained(s), 1);
    ptd_store_close(s);
    close(fd);
    ptd_store_close(opened(PTD_STORE_TRAIN));
}

/* ---- a store that is no longer where it was ---- */

static void test_removed_while_open(void **state)
{
    static const char *const how[] = {"rm -r run", "mv run gone", "rm run/data.mdb",
                                      "mv run gone && cp -r gone run",
                                      "cp run/data.mdb new && mv new run/data.mdb"};
    char command[200];
    int64_t head;
    (void)state;
    for (int i = 0; i < 5; i++) {
        create(1);
        struct ptd_store *s = opened(PTD_STORE_TRAIN);
        assert_int_equal(publish(s, 1, 1, 0), 0);
        snprintf(command, sizeof command, "cd '%s' && %s", folder, how[i]);
        assert_int_equal(system(command), 0);
        assert_int_equal(publish(s, 2, 1, 0), -1);
        assert_failed(PTD_IOERR, "data.mdb");
        assert_int_equal(ptd_store_head(s, &head), -1);
        assert_failed(PTD_IOERR, i < 3 ? "No such file or directory" : "replaced");
        ptd_store_close(s);
        snprintf(command, sizeof command, "cd '%s' && rm -rf *", folder);
        assert_int_equal(system(command), 0);
    }
}

/* ---- read by who may not write ---- */

static void as_nobody(void)
{
    if (setregid(65534, 65534) || setreuid(65534, 65534)) _exit(99);
}

static int read_as_nobody(void)
{
    struct ptd_store *s;
    int64_t head;
    as_nobody();
    if (ptd_store_open(&s, dir, PTD_STORE_READ)) return ptd_failed_status();
    return load(s, 0) || !is_filled(got, 0) || ptd_store_head(s, &head);
}

/* Its cache is read, and not written. */
static int cache_as_nobody(void)
{
    static const char *const keys[] = {"key"};
    static const void *const values[] = {"value"};
    static const size_t lens[] = {5};
    struct ptd_store *s;
    void *value;
    size_t len;
    as_nobody();
    if (ptd_store_open(&s, dir, PTD_STORE_CACHE)) return ptd_failed_status();
    return ptd_store_put_cached(s, keys, values, lens, 1) ||
           ptd_store_get_cached(s, keys[0], &value, &len) != 1;
}

static int train_as_nobody(void)
{
    struct ptd_store *s;
    as_nobody();
    return ptd_store_open(&s, dir, PTD_STORE_TRAIN) && strstr(ptd_failed_message(), "data.mdb: ")
               ? ptd_failed_status()
               : 0;
}

static int status_of(int (*f)(void))
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (!child) _exit(f());
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void refused_to_nobody(void)
{
    assert_int_equal(status_of(read_as_nobody), PTD_NOPERM);
}

static void test_read_only(void **state)
{
    (void)state;
    if (geteuid()) skip();
    create(2);
    assert_int_equal(chmod(folder, 0755), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(status_of(read_as_nobody), 0);
        assert_int_equal(status_of(cache_as_nobody), 0);
        assert_int_equal(status_of(train_as_nobody), PTD_NOPERM);
        assert_int_equal(is_there("lock.mdb"), !i);
        while_open(PTD_STORE_TRAIN, refused_to_nobody);
        if (!i) assert_int_equal(unlink(in_dir("lock.mdb")), 0);
    }
    assert_int_equal(chmod(in_dir("data.mdb"), 0600), 0);
    assert_int_equal(status_of(read_as_nobody), PTD_NOPERM);
    assert_int_equal(unlink(in_dir("lock")) | chown(dir, 65534, 65534) |
                         chown(in_dir("data.mdb"), 65534, 65534),
                     0);
    ptd_store_close(opened(PTD_STORE_TRAIN)); /* what root adds does not keep the owner out */
    assert_int_equal(status_of(train_as_nobody), 0);
}

/* Whoever reads without locks goes on through one publication, and ends with the second: its pages
 * may be written over. */
static void test_written_while_read_without_lock(void **state)
{
    int go[2], ready[2], status, last;
    char byte;
    (void)state;
    if (geteuid()) skip();
    for (last = 1; last <= 2; last++) {
        create(1);
        assert_int_equal(chmod(folder, 0755), 0);
        assert_int_equal(pipe(go) | pipe(ready), 0);
        fflush(NULL);
        pid_t child = fork();
        if (!child) {
            as_nobody();
            struct ptd_store *s = opened(PTD_STORE_READ);
            if (ptd_store_hold(s) || write(ready[1], "x", 1) != 1 || read(go[0], &byte, 1) != 1)
                _exit(1);
            _exit(load(s, 0) || !is_filled(got, 0));
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        struct ptd_store *s = opened(PTD_STORE_TRAIN);
        for (int g = 1; g <= last; g++) assert_int_equal(publish(s, g, 1, 0), 0);
        assert_int_equal(write(go[1], "x", 1), 1);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), last == 1 ? 0 : PTD_NOPERM);
        ptd_store_remove(s);
        ptd_store_close(s);
        remove_files();
    }
}

/* ---- killed at any moment ---- */

static _Noreturn void publish_for_ever(void)
{
    int64_t head;
    struct ptd_store *s = opened(PTD_STORE_TRAIN);
    if (ptd_store_head(s, &head) < 0) _exit(1);
    for (;;)
        if (publish(s, ++head, 1, 0) < 0) _exit(1);
}

static void test_killed_publisher(void **state)
{
    int64_t head = 0, before;
    (void)state;
    create(1);
    for (int i = 0; i < 40 || (head <= 3 && i < 120); i++) { /* a busy machine gets more time */
        pid_t child = fork();
        int status;
        if (!child) publish_for_ever();
        usleep((1000 + i * 1130 % 45000) * (1 + i / 40));
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        struct ptd_store *s = opened(PTD_STORE_READ);
        before = head;
        assert_int_equal(ptd_store_head(s, &head), 0);
        assert_true(head >= before);
        assert_int_equal(load(s, head), 0);
        assert_true(is_filled(got, head));
        if (head) {
            char run[64], *text = ptd_store_get_run(s);
            snprintf(run, sizeof run, "{\"step\":%lld}", (long long)head);
            assert_string_equal(text, run);
            free(text);
            assert_int_equal(load_moments(s, 'v'), 0);
            assert_true(is_filled(got, head + 200));
        }
        assert_int_equal(load(s, 0), 0);
        ptd_store_close(s);
    }
    assert_true(head > 3);
}

/* The same with a generation in several transactions. */
static void test_killed_between_steps(void **state)
{
    ptd_store_batch = 1 << 20;
    test_killed_publisher(state);
    ptd_store_batch = 256 << 20;
}

/* So many tensors that LMDB would write some of a transaction's pages out, large ones among them:
 * first, where pieces wait no more, and last. */
static void test_many_tensors(void **state)
{
    enum { MANY = 50000, LARGE = 1300000 };
    struct ptd_tensor_view *t = calloc(MANY, sizeof *t);
    float *flat = malloc(2 * (MANY + 4 * LARGE) * sizeof *flat), *at = flat,
          *back = flat + MANY + 4 * LARGE;
    char(*names)[16] = calloc(MANY, sizeof *names);
    (void)state;
    for (int i = 0; i < MANY; i++) {
        size_t n = i % 33333 < 2 ? LARGE : 1;
        snprintf(names[i], sizeof *names, "t%05d", i);
        t[i] = (struct ptd_tensor_view){names[i], 1, {n}, at, n};
        at += n;
    }
    for (size_t i = 0; i < MANY + 4 * LARGE; i++) flat[i] = (float)(i % 9973);
    ptd_threads_start(3);
    ptd_store_send = 0;
    struct ptd_store *s = opened(PTD_STORE_CREATE);
    struct ptd_publication p = {0, t, NULL, NULL, MANY, NULL, 1, 1};
    assert_int_equal(ptd_store_publish(s, &p), 0);
    for (int i = 0; i < MANY; i++) t[i].data += back - flat;
    assert_int_equal(ptd_store_load(s, 0, t, MANY), 0);
    assert_memory_equal(flat, back, (at - flat) * sizeof *flat);
    ptd_store_close(s);
    ptd_store_send = 4 << 20;
    free(t);
    free(flat);
    free(names);
}

/* Killed while a second thread sends pages to the disk. */
static void test_killed_while_sending(void **state)
{
    ptd_store_send = 0;
    test_killed_publisher(state);
    ptd_store_send = 4 << 20;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_publish_and_load),
        TEST(test_retention),
        TEST(test_state_follows_generation),
        TEST(test_order),
        TEST(test_shapes),
        TEST(test_cache),
        TEST(test_cache_is_bounded),
        TEST(test_cache_of_earlier_programs),
        TEST(test_cache_leaves_room),
        TEST(test_cache_without_room),
        TEST(test_clone),
        TEST(test_walk),
        TEST(test_head_is_seen_by_waiting_reader),
        TEST(test_damaged_tensor),
        TEST(test_damaged_values),
        TEST(test_cut_file),
        TEST(test_foreign),
        TEST(test_unfinished),
        TEST(test_other_format),
        TEST(test_open_twice),
        TEST(test_second_trainer),
        TEST(test_formats),
        TEST(test_several_transactions),
        TEST(test_killed_between_transactions),
        TEST(test_damaged_piece),
        TEST(test_map_full),
        TEST(test_map_full_names_reader),
        TEST(test_file_size_limit),
        TEST(test_bad_map_size),
        TEST(test_larger_map_is_taken),
        TEST(test_foreign_files_stay),
        TEST(test_create_beside_foreign_files),
        TEST(test_unfinished_lock),
        TEST(test_one_file_under_two_names),
        TEST(test_trainer_of_before),
        TEST(test_removed_while_open),
        TEST(test_read_only),
        TEST(test_written_while_read_without_lock),
        TEST(test_killed_publisher),
        TEST(test_killed_between_steps),
        TEST(test_killed_while_sending),
        TEST(test_many_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
