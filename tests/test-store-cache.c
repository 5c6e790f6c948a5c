/* test-store-cache: cached values are found again, keep to their bounds, and are in nobody's way.
 */
#include "store.h"

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

/* A big matrix and, in `own`, an adapter of six numbers, at generation g. */
static int publish_adapter(struct ptd_store *s, int64_t g)
{
    struct ptd_tensor_view all[N];
    views(all, weights);
    all[1].name = "q.lora_A.weight";
    struct ptd_publication p = {.generation = g, .weights = all, .n = 2, .keep = 3};
    if (g) p.weights = p.m = p.v = all + 1, p.n = 1, p.partial = 1;
    return ptd_store_publish(s, &p);
}

/* A run that trains an adapter publishes that alone: no room is kept for all the rest. */
static void test_cache_beside_an_adapter(void **state)
{
    struct ptd_store *s;
    (void)state;
    setenv("PTD_STORE_MAX", "4Mi", 1);
    assert_int_equal(ptd_store_open(&s, dir, PTD_STORE_CREATE), 0);
    for (int64_t g = 0; g < 3; g++) {
        assert_int_equal(publish_adapter(s, g), 0);
        assert_int_equal(ptd_store_cache_max(s, 1 << 30), 0);
        assert_int_equal(put_numbered(s, 20 * (int)g, 20), 0);
        assert_cached(s, 0, 20 * (int)(g + 1));
    }
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cache),
        TEST(test_cache_is_bounded),
        TEST(test_cache_of_earlier_programs),
        TEST(test_cache_leaves_room),
        TEST(test_cache_beside_an_adapter),
        TEST(test_cache_without_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
