/* test-store: what was published comes back bit for bit, damage and misuse are refused by name, and
 * nothing that fails changes the store. */
#include "store.h"

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

/* ---- numbers that lie elsewhere ---- */

struct elsewhere {
    float *numbers;
    int pieces;
};

/* A piece at most, and each once, from the first on. */
static float *piece_of(const struct ptd_tensor_view *v, size_t first, size_t n)
{
    struct elsewhere *e = v->owner;
    assert_true(n > 0 && n <= ptd_store_piece(PTD_F32) && first + n <= v->n);
    assert_int_equal(first, e->pieces++ * ptd_store_piece(PTD_F32));
    return e->numbers + first;
}

static void take(const struct ptd_tensor_view *v, size_t first, size_t n, const float *from)
{
    memcpy(piece_of(v, first, n), from, n * sizeof *from);
}

static void give(const struct ptd_tensor_view *v, size_t first, size_t n, float *to)
{
    assert_int_equal((uintptr_t)to % sizeof *to, 0);
    memcpy(to, piece_of(v, first, n), n * sizeof *to);
}

static void test_numbers_elsewhere_pass_in_pieces(void **state)
{
    enum { FAR = 2500001, FEW = 3 };
    struct elsewhere e[2] = {{ptd_array(FAR, sizeof(float))}, {ptd_array(FEW, sizeof(float))}};
    struct ptd_tensor_view t[2] = {{"far", 1, {FAR}, NULL, FAR, take, give, &e[0]},
                                   {"few", 1, {FEW}, NULL, FEW, take, give, &e[1]}};
    struct ptd_publication p = {.weights = t, .n = 2, .keep = 1, .pin = 1};
    struct ptd_store *s = opened(PTD_STORE_CREATE);
    (void)state;
    for (int i = 0; i < FAR; i++) e[0].numbers[i] = (float)i / 3;
    for (int i = 0; i < FEW; i++) e[1].numbers[i] = (float)i - 1;
    assert_int_equal(ptd_store_publish(s, &p), 0);
    assert_int_equal(e[0].pieces, 3);
    assert_int_equal(e[1].pieces, 1);
    for (int k = 0; k < 2; k++) {
        memset(e[k].numbers, 0, t[k].n * sizeof(float));
        e[k].pieces = 0;
    }
    assert_int_equal(ptd_store_load(s, 0, t, 2), 0);
    assert_int_equal(e[0].pieces, 3);
    for (int i = 0; i < FAR; i++) assert_true(e[0].numbers[i] == (float)i / 3);
    for (int i = 0; i < FEW; i++) assert_true(e[1].numbers[i] == (float)i - 1);
    t[0].data = ptd_array(FAR, sizeof(float)); /* and back into the host's */
    assert_int_equal(ptd_store_load(s, 0, t, 1), 0);
    assert_memory_equal(t[0].data, e[0].numbers, FAR * sizeof(float));
    free(t[0].data), free(e[0].numbers), free(e[1].numbers);
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

/* Of what somebody beside the trainer pins, one stays while others pass, and goes once it is let
 * go. */
static void test_pins_beside_a_trainer(void **state)
{
    struct ptd_store *s = created();
    (void)state;
    assert_int_equal(publish(s, 1, 1, 0), 0);
    assert_int_equal(ptd_store_pin(s, 1, 1), 0);
    assert_int_equal(ptd_store_pin(s, 1, 1), 0);
    assert_int_equal(ptd_store_pin(s, 7, 1), -1);
    assert_failed(PTD_NOINPUT, "generation 7 is not kept");
    assert_int_equal(publish(s, 2, 1, 0), 0);
    assert_int_equal(publish(s, 3, 1, 0), 0);
    assert_int_equal(load(s, 1), 0);
    assert_true(is_filled(got, 1));
    assert_int_equal(load(s, 2), -1);
    assert_int_equal(ptd_store_pin(s, 2, 1), -1);
    assert_int_equal(ptd_store_pin(s, 1, 0), 0);
    assert_int_equal(ptd_store_pin(s, 0, 0), 0); /* it stays anyway */
    assert_int_equal(publish(s, 4, 1, 0), 0);
    assert_int_equal(load(s, 1), -1);
    assert_int_equal(load(s, 0), 0);
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
    assert_int_equal(publish(s, 0, 1, 0), -1);
    assert_failed(PTD_DATAERR, "generation 0 cannot be published now, expected 1 or a later one");
    assert_int_equal(ptd_store_head(s, &head), 0);
    assert_int_equal(head, 0);
    assert_int_equal(publish(s, 3, 2, 0), 0); /* those between are not kept */
    for (int g = 1; g <= 3; g++) {
        assert_int_equal(publish(s, g, 2, 0), -1);
        assert_failed(PTD_DATAERR, "expected 4 or a later one");
    }
    assert_int_equal(load(s, 2), -1);
    assert_failed(PTD_NOINPUT, "is not kept");
    assert_int_equal(load(s, 3), 0);
    assert_int_equal(load_moments(s, 'm'), 0);
    assert_true(is_filled(got, 103));
    ptd_store_close(s);
    remove_files();
    s = opened(PTD_STORE_CREATE);
    assert_int_equal(publish(s, 1, 1, 0), -1);
    assert_failed(PTD_DATAERR, "generation 1 cannot be published now, expected 0");
    ptd_store_close(s);
}

/* A generation may bring the weights of the one before it; both are there, or neither. */
static void test_the_one_before(void **state)
{
    struct ptd_store *s = created();
    struct ptd_tensor_view w[N], before[N];
    struct ptd_publication p = {.weights = w, .before = before, .n = N, .keep = 2};
    int64_t head;
    (void)state;
    fill(weights, 12), fill(m, 11);
    views(w, weights), views(before, m);
    p.generation = 1; /* 0 is there */
    assert_int_equal(ptd_store_publish(s, &p), -1);
    assert_failed(PTD_DATAERR, "generation 0 cannot be published now");
    p.generation = 12;
    assert_int_equal(ptd_store_publish(s, &p), 0);
    assert_int_equal(ptd_store_head(s, &head), 0);
    assert_int_equal(head, 12);
    for (int g = 11; g <= 12; g++) {
        assert_int_equal(load(s, g), 0);
        assert_true(is_filled(got, g));
    }
    assert_int_equal(publish(s, 20, 2, 0), 0); /* each counts for keep */
    assert_int_equal(load(s, 11), -1);
    assert_int_equal(load(s, 12), 0);
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
    assert_int_equal(ptd_store_clone(from, 1, 0, to, NULL), -1);
    assert_failed(PTD_NOINPUT, "generation 1 is not kept");
    assert_int_equal(ptd_store_clone(from, 3, 0, to, NULL), 0);
    assert_int_equal(ptd_store_clone(from, 3, 0, to, NULL), -1);
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
    assert_int_equal(ptd_store_read(s, 0, &list[1], piece / WIDE * WIDE - 5, 100, raw), 0);
    for (int i = 0; i < 100; i += 99) { /* on both sides of a cut */
        ptd_dtype_to_float(&x, &raw[i], PTD_BF16, 1);
        assert_true(x == sown(1, piece / WIDE * WIDE - 5 + i));
    }
    assert_int_equal(ptd_store_read(s, 0, &list[1], HIGH * WIDE - 5, 100, raw), -1);
    assert_failed(PTD_BUG, "values that it does not have");
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
    assert_int_equal(ptd_store_clone(from, 0, 0, s, NULL), 0);
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

static void die_giving(const struct ptd_tensor_view *v, size_t first, size_t n, float *to)
{
    _exit(0);
}

/* What a killed publication left is gone once a later generation is there, even if that is another
 * one: weights and moments. */
static void test_leftovers_of_any_generation_go(void **state)
{
    static const int64_t next[] = {1, 21};
    (void)state;
    create(1);
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        if (!child) {
            ptd_store_batch = 1 << 20;
            struct ptd_tensor_view t[3][N];
            struct ptd_publication p = {20, t[0], t[1], t[2], N, "{}", 3};
            for (int k = 0; k < 3; k++) views(t[k], weights);
            t[2][2].data = NULL, t[2][2].give = die_giving;
            int rc = ptd_store_publish(opened(PTD_STORE_TRAIN), &p);
            _exit(rc ? 1 : 2);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        struct ptd_store *s = opened(PTD_STORE_TRAIN);
        struct seen before = {{0}, 0}, after = {{0}, 0};
        assert_int_equal(ptd_store_walk(s, see, &before), 0);
        assert_int_equal(publish(s, next[i], 5, 0), 0);
        assert_int_equal(ptd_store_walk(s, see, &after), 0);
        assert_int_equal(before.n[1], (1 + i + 1) * N);
        assert_int_equal(after.n[1], (2 + i) * N);
        assert_int_equal(after.n[2], 2 * N);
        assert_int_equal(load(s, 20), -1);
        assert_failed(PTD_NOINPUT, "is not kept");
        assert_int_equal(load_moments(s, 'v'), 0);
        assert_true(is_filled(got, next[i] + 200));
        ptd_store_close(s);
        if (i == 0) remove_files(), create(2);
    }
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
    size_t at = ptd_store_piece(PTD_BF16) / WIDE * WIDE * 2;
    for (int i = 0; i < 2000; i++) x[i] = sown(1, at + i);
    ptd_dtype_from_float(pattern, PTD_BF16, x, 2000);
    int fd = open(in_dir("base.mdb"), O_RDWR);
    size_t size = lseek(fd, 0, SEEK_END);
    char *bytes = malloc(size), *found = NULL;
    assert_int_equal(pread(fd, bytes, size, 0), size);
    for (char *p = bytes; (p = memmem(p, bytes + size - p, "PTDR", 4)); p++)
        if (p[12] == 2 && !memcmp(p + 112, pattern, sizeof pattern)) found = p;
    assert_non_null(found);
    found[112 + 1000] ^= 1;
    assert_int_equal(pwrite(fd, found + 112 + 1000, 1, found + 112 + 1000 - bytes), 1);
    close(fd);
    free(bytes);
    s = opened(PTD_STORE_READ);
    assert_int_equal(ptd_store_load(s, 0, &t, 1), -1);
    assert_failed(PTD_DATAERR, "tensor \"00000000/b.bf16#000002\": damaged");
    free(t.data);
    ptd_store_close(s);
}

/* ---- when room runs out ---- */

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

/* What a generation does not hold is generation 0's, for loading, listing and cloning. */
static void test_partial_generations(void **state)
{
    struct ptd_store *s = created();
    struct ptd_tensor_view w[N];
    struct ptd_tensor_about *list;
    char first[17], second[17];
    int n;
    (void)state;
    for (int g = 1; g < 4; g++) {
        fill(weights, g);
        views(w, weights);
        struct ptd_publication p = {
            .generation = g, .weights = &w[1], .n = 1, .keep = 1, .partial = 1};
        assert_int_equal(ptd_store_publish(s, &p), 0);
    }
    assert_int_equal(load(s, 3), 0);
    assert_memory_equal(got + BIG, weights + BIG, 6 * sizeof *got);
    fill(weights, 0);
    assert_memory_equal(got, weights, BIG * sizeof *got);
    assert_memory_equal(got + BIG + 6, weights + BIG + 6, 5 * sizeof *got);
    assert_int_equal(ptd_store_has(s, 3, "big.weight"), 1);
    assert_int_equal(ptd_store_holds(s, 3, "big.weight"), 0);
    assert_int_equal(ptd_store_holds(s, 3, "small.weight"), 1);
    assert_int_equal(ptd_store_has(s, 3, "none.weight"), 0);
    assert_int_equal(ptd_store_list(s, 3, &list, &n), 0);
    assert_int_equal(n, N);
    assert_string_equal(list[1].name, "norm.bias");
    ptd_store_list_free(list, n);
    assert_int_equal(ptd_store_identity(s, 0, first), 0);
    assert_int_equal(ptd_store_identity(s, 3, second), 0);
    assert_string_not_equal(first, second);
    assert_int_equal(load(s, 2), -1); /* gone, and with it what was said of it */
    ptd_store_close(s);
}

/* A part of which a tensor is missing is not taken for generation 0's. */
static int lose(struct ptd_store *s, MDB_txn *txn, const void *arg)
{
    MDB_val k = ptd_store_key("00000001/small.weight");
    (void)arg;
    return mdb_del(txn, s->db[DB_WEIGHTS], &k, NULL);
}

static void test_a_lost_part_is_noticed(void **state)
{
    struct ptd_store *s = created();
    struct ptd_tensor_view w[N];
    (void)state;
    views(w, weights);
    struct ptd_publication p = {.generation = 1, .weights = &w[1], .n = 2, .keep = 1, .partial = 1};
    assert_int_equal(ptd_store_publish(s, &p), 0);
    assert_int_equal(ptd_store_change(s, lose, NULL, "losing"), 0);
    assert_int_equal(load(s, 1), -1);
    assert_failed(PTD_DATAERR, "holds 1 tensors, expected 2");
    ptd_store_close(s);
}

/* ---- the way back ---- */

static int publish_with_way_back(struct ptd_store *s, int64_t g)
{
    struct ptd_tensor_view w[N], wm[N], wv[N];
    char run[64];
    fill(weights, g), fill(m, g + 100), fill(v, g + 200);
    views(w, weights), views(wm, m), views(wv, v);
    snprintf(run, sizeof run, "{\"step\":%lld}", (long long)g);
    struct ptd_publication p = {.generation = g,
                                .weights = w,
                                .m = wm,
                                .v = wv,
                                .n = N,
                                .run = run,
                                .keep = 2,
                                .can_go_back = 1};
    return ptd_store_publish(s, &p);
}

static void is_at(struct ptd_store *s, int64_t g, int64_t back)
{
    int64_t head, way;
    char want[64], *run = ptd_store_get_run(s);
    snprintf(want, sizeof want, "{\"step\":%lld}", (long long)g);
    assert_int_equal(ptd_store_head(s, &head), 0);
    assert_int_equal(head, g);
    assert_int_equal(ptd_store_back(s, &way), 0);
    assert_int_equal(way, back);
    assert_string_equal(run, want);
    free(run);
    assert_int_equal(load(s, g), 0);
    assert_true(is_filled(got, g));
    if (g) {
        assert_int_equal(load_moments(s, 'm'), 0);
        assert_true(is_filled(got, g + 100));
        assert_int_equal(load_moments(s, 'v'), 0);
        assert_true(is_filled(got, g + 200));
    } else
        assert_int_equal(load_moments(s, 'm'), -1);
}

static void it_goes_back_one_generation(void **state)
{
    (void)state;
    ptd_store_close(created());
    struct ptd_store *s = opened(PTD_STORE_TRAIN);
    is_at(s, 0, -1);
    assert_int_equal(ptd_store_go_back(s), -1);
    assert_int_equal(publish_with_way_back(s, 1), 0);
    is_at(s, 1, 0);
    assert_int_equal(ptd_store_go_back(s), 0);
    is_at(s, 0, -1);
    assert_int_equal(load(s, 1), -1); /* what came after is gone */
    assert_int_equal(publish_with_way_back(s, 1), 0);
    assert_int_equal(publish_with_way_back(s, 2), 0);
    assert_int_equal(publish_with_way_back(s, 5), 0);
    is_at(s, 5, 2);
    assert_int_equal(ptd_store_go_back(s), 0);
    is_at(s, 2, -1); /* and not twice */
    assert_int_equal(ptd_store_go_back(s), -1);
    is_at(s, 2, -1);
    assert_int_equal(publish_with_way_back(s, 3), 0);
    is_at(s, 3, 2);
    assert_int_equal(publish(s, 4, 2, 0), 0); /* without one */
    is_at(s, 4, -1);
    ptd_store_close(s);
    s = opened(PTD_STORE_READ);
    is_at(s, 4, -1);
    assert_int_equal(ptd_store_go_back(s), -1);
    assert_failed(PTD_BUG, "not opened for training");
    ptd_store_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_publish_and_load),
        TEST(test_numbers_elsewhere_pass_in_pieces),
        TEST(test_partial_generations),
        TEST(test_a_lost_part_is_noticed),
        TEST(test_retention),
        TEST(test_pins_beside_a_trainer),
        TEST(test_state_follows_generation),
        TEST(test_order),
        TEST(test_the_one_before),
        TEST(test_shapes),
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
        TEST(test_leftovers_of_any_generation_go),
        TEST(test_damaged_piece),
        TEST(test_map_full),
        TEST(test_map_full_names_reader),
        TEST(test_file_size_limit),
        TEST(test_bad_map_size),
        TEST(test_larger_map_is_taken),
        TEST(test_killed_publisher),
        TEST(test_killed_between_steps),
        TEST(test_killed_while_sending),
        TEST(test_many_tensors),
        TEST(it_goes_back_one_generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
