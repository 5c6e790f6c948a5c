/* test-store-map: the frozen generation is mapped as it was filled, aligned, in whole rows,
 * verified when it must be and trusted when it may be; its file is guarded as data.mdb is. */
#include "store.h"

enum { PLAIN, MATRIX, SMALL, AXES, ROW, KINDS };
#define HIGH 5300 /* 10.6 MB in two bytes each: three pieces */
#define WIDE 1000
#define LONG 2100000 /* a row of more than 4 MiB */

static const struct ptd_tensor_about kinds[KINDS] = {
    [PLAIN] = {"a.gain", PTD_F32, 1, {7}, 7},
    [MATRIX] = {"b.matrix", PTD_BF16, 2, {HIGH, WIDE}, HIGH *WIDE},
    [SMALL] = {"c.small", PTD_F32, 2, {3, 1}, 3},
    [AXES] = {"d.axes", PTD_F32, 5, {5, 3, 2, 7, 7}, 5 * 3 * 2 * 49},
    [ROW] = {"e.row", PTD_BF16, 2, {2, LONG}, 2 * LONG},
};

static float sown(int i, size_t at)
{
    return (float)((int)(at * 7 % 251) - 125 + i) * 0.5f;
}

static int sow(void *ctx, int i, size_t first, size_t n, void *out)
{
    float *x = malloc(n * sizeof *x);
    (void)ctx;
    for (size_t j = 0; j < n; j++) x[j] = sown(i, first + j);
    ptd_dtype_from_float(out, kinds[i].dtype, x, n);
    free(x);
    return 0;
}

static struct ptd_store *frozen(void)
{
    struct ptd_filling f = {kinds, KINDS, sow, NULL};
    struct ptd_store *s = opened(PTD_STORE_CREATE);
    assert_int_equal(ptd_store_put_meta(s, "config.json", "{\"a\":1}", 7), 0);
    assert_int_equal(ptd_store_fill(s, &f), 0);
    return s;
}

static void freeze(void)
{
    ptd_store_close(frozen());
}

/* ---- what is mapped ---- */

static void assert_numbers(int i, const struct ptd_mapped *m)
{
    size_t at = 0, row = kinds[i].n / (size_t)kinds[i].dims[0], size = ptd_dtype_size(m->dtype);
    for (int k = 0; k < m->n_pieces; k++) {
        size_t n = (size_t)m->pieces[k].rows * row;
        assert_int_equal((uintptr_t)m->pieces[k].data % 64, 0);
        assert_true(n && (n * size <= 4 << 20 || n == row));
        for (size_t j = 0; j < n; j++) {
            float x;
            ptd_dtype_to_float(&x, (const char *)m->pieces[k].data + j * size, m->dtype, 1);
            if (x != sown(i, at + j)) fail_msg("%s[%zu] is %g", kinds[i].name, at + j, x);
        }
        at += n;
    }
    assert_int_equal(at, kinds[i].n);
}

static void assert_mapped(struct ptd_store *s)
{
    static const int pieces[KINDS] = {0, 3, 1, 1, 2};
    struct ptd_mapped m;
    for (int i = 0; i < KINDS; i++) {
        int rc = ptd_store_map(s, 0, kinds[i].name, &m);
        if (rc < 0) print_error("%s\n", ptd_failed_message());
        assert_int_equal(rc, i == PLAIN);
        assert_int_equal(m.n_pieces, pieces[i]);
        if (rc) continue;
        assert_int_equal(m.dtype, kinds[i].dtype);
        assert_int_equal(m.n_dims, kinds[i].n_dims);
        assert_memory_equal(m.dims, kinds[i].dims, sizeof m.dims);
        assert_numbers(i, &m);
        ptd_mapped_clear(&m);
    }
}

static void test_mapped_as_filled(void **state)
{
    struct ptd_store *s = frozen();
    (void)state;
    assert_mapped(s); /* by who made it */
    ptd_store_close(s);
    ptd_threads_start(2);
    for (int mode = PTD_STORE_READ; mode <= PTD_STORE_TRAIN; mode++) {
        s = opened(mode);
        assert_mapped(s);
        assert_int_equal(ptd_store_prefault(s), 0);
        ptd_store_close(s);
    }
}

/* In whatever pieces it lies, what is loaded, listed and read is the same. */
static void test_loaded_too(void **state)
{
    struct ptd_tensor_view t[KINDS];
    struct ptd_tensor_about *list;
    int n;
    (void)state;
    freeze();
    struct ptd_store *s = opened(PTD_STORE_READ);
    assert_int_equal(ptd_store_list(s, 0, &list, &n), 0);
    assert_int_equal(n, KINDS);
    for (int i = 0; i < KINDS; i++) {
        assert_string_equal(list[i].name, kinds[i].name);
        assert_memory_equal(list[i].dims, kinds[i].dims, sizeof list[i].dims);
        t[i] = (struct ptd_tensor_view){.name = kinds[i].name, .n_dims = kinds[i].n_dims};
        memcpy(t[i].dims, kinds[i].dims, sizeof t[i].dims);
        t[i].data = ptd_array(t[i].n = kinds[i].n, sizeof(float));
    }
    assert_int_equal(ptd_store_load(s, 0, t, KINDS), 0);
    for (int i = 0; i < KINDS; i++) {
        for (size_t j = 0; j < t[i].n; j++) assert_true(t[i].data[j] == sown(i, j));
        free(t[i].data);
    }
    ptd_store_list_free(list, n);
    ptd_store_close(s);
}

static void test_what_cannot_be_mapped(void **state)
{
    struct ptd_mapped m;
    (void)state;
    create(2); /* generation 0 in data.mdb, as earlier programs have it */
    struct ptd_store *s = opened(PTD_STORE_READ);
    assert_false(is_there("base.mdb"));
    assert_int_equal(ptd_store_map(s, 0, "big.weight", &m), 1);
    assert_int_equal(ptd_store_prefault(s), 1);
    ptd_store_close(s);
    remove_files();
    freeze();
    s = opened(PTD_STORE_TRAIN);
    assert_int_equal(publish(s, 1, 1, 0), 0);
    assert_int_equal(load(s, 1), 0);
    assert_true(is_filled(got, 1));
    assert_int_equal(ptd_store_map(s, 1, "big.weight", &m), 1);
    assert_int_equal(ptd_store_map(s, 0, "big.weight", &m), -1);
    assert_failed(PTD_DATAERR, "tensor \"00000000/big.weight\": missing");
    assert_null(m.pieces);
    assert_mapped(s);
    ptd_store_close(s);
}

/* Who maps holds no page of what moves. */
static void test_readers_do_not_make_it_grow(void **state)
{
    int ready[2], done[2];
    char byte;
    (void)state;
    freeze();
    assert_int_equal(pipe(ready) | pipe(done), 0);
    pid_t child = fork();
    if (!child) {
        close(done[1]);
        struct ptd_store *s = opened(PTD_STORE_READ);
        assert_mapped(s);
        if (write(ready[1], "x", 1) != 1 || read(done[0], &byte, 1)) _exit(1);
        assert_mapped(s);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    struct ptd_store *s = opened(PTD_STORE_TRAIN);
    for (int g = 1; g <= 5; g++) assert_int_equal(publish(s, g, 1, 0), 0);
    long size = file_size();
    for (int g = 6; g <= 25; g++) assert_int_equal(publish(s, g, 1, 0), 0);
    assert_in_range(file_size(), size, size + size / 4);
    close(done[1]);
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    ptd_store_close(s);
    close(done[0]), close(ready[0]), close(ready[1]);
}

/* ---- what is trusted ---- */

static int map_one(void)
{
    struct ptd_mapped m;
    struct ptd_store *s = opened(PTD_STORE_READ);
    int rc = ptd_store_map(s, 0, "b.matrix", &m);
    ptd_mapped_clear(&m);
    ptd_store_close(s);
    return rc;
}

static void flip_base(void)
{
    char byte;
    int fd = open(in_dir("base.mdb"), O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, 3 << 20), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, 3 << 20), 1);
    close(fd);
}

/* The note that is there, made to fit base.mdb as it is now. */
static void forge_note(void)
{
    char text[300] = "", boot[40], dev[20], ino[24], id[20];
    struct stat st;
    FILE *f = fopen(in_dir("base.ok"), "r");
    assert_int_equal(fscanf(f, "ptd-base 1 %39s %19s %23s %*s %*s %*s %19s", boot, dev, ino, id),
                     4);
    fclose(f);
    assert_int_equal(stat(in_dir("base.mdb"), &st), 0);
    int n = snprintf(text, sizeof text, "ptd-base 1 %s %s %s %lld %lld.%09ld %lld.%09ld %s\n", boot,
                     dev, ino, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
                     st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec, id);
    f = fopen(in_dir("base.ok"), "w");
    assert_int_equal(fwrite(text, 1, n, f), n);
    fclose(f);
}

static void assert_found(void)
{
    assert_int_equal(map_one(), -1);
    assert_failed(PTD_DATAERR, "damaged (digest differs)");
}

static void test_verified_once(void **state)
{
    (void)state;
    freeze();
    assert_false(is_there("base.ok"));
    assert_int_equal(map_one(), 0);
    assert_true(is_there("base.ok"));
    assert_int_equal(map_one(), 0);
    flip_base(); /* changes its times */
    assert_found();
    assert_found();
    forge_note(); /* so the note is what is gone by */
    assert_int_equal(map_one(), 0);
}

/* A damaged base.mdb with a note that fits in all but one thing. */
static void test_notes_that_are_not_trusted(void **state)
{
    char path[160];
    (void)state;
    freeze();
    assert_int_equal(map_one(), 0);
    flip_base();
    forge_note();
    snprintf(path, sizeof path, "%s", in_dir("base.ok"));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    for (off_t at = 0; at < st.st_size; at++) {
        char byte, other;
        int fd = open(path, O_RDWR);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        other = byte ^ 1;
        assert_int_equal(pwrite(fd, &other, 1, at), 1);
        if (at % 7 == 0) assert_found();
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        close(fd);
    }
    assert_int_equal(map_one(), 0);
    assert_int_equal(chmod(path, 0664), 0);
    assert_found();
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(link(path, in_dir("second")), 0);
    assert_found();
    snprintf(path, sizeof path, "%s", in_dir("base.ok"));
    assert_int_equal(unlink(path) | symlink("second", path), 0);
    assert_found();
    assert_int_equal(unlink(path) | rename(strdup(in_dir("second")), path), 0);
    assert_int_equal(map_one(), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 65534, 65534), 0);
        assert_found();
        assert_int_equal(chown(path, 0, 0), 0);
    }
    assert_int_equal(map_one(), 0);
    assert_int_equal(truncate(path, st.st_size - 1), 0);
    assert_found();
    assert_int_equal(unlink(path), 0);
    assert_found();
}

/* Damage comes again until it is mended; no note says otherwise. */
static void test_no_note_for_what_is_damaged(void **state)
{
    (void)state;
    freeze();
    flip_base();
    assert_found();
    assert_false(is_there("base.ok"));
    flip_base();
    assert_int_equal(map_one(), 0);
    assert_true(is_there("base.ok"));
}

static void test_foreign_note_stays(void **state)
{
    char text[10] = "";
    (void)state;
    freeze();
    write_file("base.ok", "precious ");
    assert_int_equal(map_one(), 0);
    FILE *f = fopen(in_dir("base.ok"), "r");
    assert_int_equal(fread(text, 1, 9, f), 9);
    fclose(f);
    assert_string_equal(text, "precious ");
    assert_int_equal(unlink(in_dir("base.ok")) | mkdir(in_dir("base.ok"), 0755), 0);
    assert_int_equal(map_one(), 0);
    assert_int_equal(rmdir(in_dir("base.ok")) | symlink("nowhere", in_dir("base.ok")), 0);
    assert_int_equal(map_one(), 0);
    assert_false(is_there("nowhere"));
}

static int status_of(int (*f)(void))
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (!child) _exit(f() & 255);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int map_as_nobody(void)
{
    if (setregid(65534, 65534) || setreuid(65534, 65534)) return 99;
    return map_one();
}

/* Who may only read verifies each time, and trusts what the owner noted. */
static void test_read_only(void **state)
{
    (void)state;
    if (geteuid()) skip();
    freeze();
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(status_of(map_as_nobody), 0);
    assert_false(is_there("base.ok"));
    assert_int_equal(map_one(), 0);
    flip_base();
    forge_note();
    assert_int_equal(status_of(map_as_nobody), 0);
    assert_int_equal(unlink(in_dir("base.ok")), 0);
    assert_int_equal(status_of(map_as_nobody), 255);
}

/* Programs that start together wait for one of them. */
static void test_started_together(void **state)
{
    pid_t child[4];
    int status;
    (void)state;
    freeze();
    fflush(NULL);
    for (int i = 0; i < 4; i++)
        if (!(child[i] = fork())) _exit(map_one() & 255);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        assert_int_equal(status, 0);
    }
    assert_true(is_there("base.ok"));
}

/* ---- the file ---- */

/* a command that writes bytes at the same place of both meta pages */
#define META(file, at, bytes)                                                                      \
    "for page in 0 4096; do printf '" bytes "' | dd of=" file " bs=1 conv=notrunc status=none "    \
    "seek=$((page + " #at ")); done"

static void test_damaged_files(void **state)
{
    char command[600];
    (void)state;
    freeze();
    snprintf(command, sizeof command, "mv '%s' '%s.whole'", dir, dir);
    assert_int_equal(system(command), 0);
    static const struct {
        const char *how, *words;
        int status;
    } cases[] = {
        {"rm base.mdb", "base.mdb, which holds its frozen generation: No such file", PTD_NOINPUT},
        {": > base.mdb", "base.mdb is empty", PTD_DATAERR},
        {"head -c 9000000 /dev/zero > base.mdb", "base.mdb is not an LMDB file", PTD_DATAERR},
        {"truncate -s 1 base.mdb", "base.mdb is not an LMDB file", PTD_DATAERR},
        {"truncate -s -1 base.mdb", "base.mdb has", PTD_DATAERR},
        {"truncate -s 9M base.mdb", "base.mdb has 9437184 bytes, expected at least", PTD_DATAERR},
        {"mv base.mdb b && ln -s b base.mdb", "base.mdb is a symbolic link", PTD_NOPERM},
        {"rm base.mdb && mkdir base.mdb", "base.mdb is a folder", PTD_DATAERR},
        {"rm base.mdb && mkfifo base.mdb", "base.mdb is a pipe", PTD_DATAERR},
        {"cp data.mdb base.mdb", "not the one that its data.mdb was made with", PTD_DATAERR},
        /* both meta pages: the last used page, the size of the map */
        {META("base.mdb", 136, "\\377\\377\\377\\377\\377\\377"), "base.mdb is damaged",
         PTD_DATAERR},
        {META("data.mdb", 136, "\\377\\377\\377\\377\\377\\377"), "data.mdb is damaged",
         PTD_DATAERR},
        {META("base.mdb", 32, "\\377\\377\\377\\377\\377\\377\\377"), "base.mdb is damaged",
         PTD_DATAERR},
        {META("data.mdb", 32, "\\377\\377\\377\\377\\377\\377\\377"), "data.mdb is damaged",
         PTD_DATAERR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(command, sizeof command, "cp -r '%s.whole' '%s' && cd '%s' && %s", dir, dir, dir,
                 cases[i].how);
        assert_int_equal(system(command), 0);
        assert_refused(PTD_STORE_READ, cases[i].status, cases[i].words);
        snprintf(command, sizeof command, "rm -rf '%s'", dir);
        assert_int_equal(system(command), 0);
    }
}

/* base.mdb of another store */
static void test_two_halves(void **state)
{
    char command[300];
    (void)state;
    create(1);
    struct ptd_store *from = opened(PTD_STORE_READ), *to;
    snprintf(dir, sizeof dir, "%s/other", folder);
    to = opened(PTD_STORE_CREATE);
    assert_int_equal(ptd_store_clone(from, 0, 0, to, NULL), 0);
    ptd_store_close(from);
    ptd_store_close(to);
    snprintf(dir, sizeof dir, "%s/third", folder);
    freeze();
    snprintf(command, sizeof command, "cp '%s/other/base.mdb' '%s'", folder, dir);
    assert_int_equal(system(command), 0);
    assert_refused(PTD_STORE_READ, PTD_DATAERR, "not the one that its data.mdb was made with");
}

static int touch_what_is_cut(void)
{
    struct ptd_mapped m;
    struct ptd_store *s = opened(PTD_STORE_READ);
    volatile char sum = 0;
    if (ptd_store_map(s, 0, "b.matrix", &m)) return 1;
    if (truncate(in_dir("base.mdb"), 8192) || freopen("/dev/null", "w", stderr) == NULL) return 2;
    for (int i = 0; i < m.n_pieces; i++) sum += *(const volatile char *)m.pieces[i].data;
    return 3;
}

/* A page that cannot be read ends the program with 65, whoever touches it. */
static void test_unreadable_page(void **state)
{
    (void)state;
    freeze();
    assert_int_equal(status_of(touch_what_is_cut), PTD_DATAERR);
}

/* A filling that fails leaves no base.mdb, and what was there stays. */
static int fail_late(void *ctx, int i, size_t first, size_t n, void *out)
{
    if (i == ROW && first) return ptd_fail(PTD_NOINPUT, "no more seed");
    return sow(ctx, i, first, n, out);
}

static void test_failed_filling(void **state)
{
    struct ptd_filling bad = {kinds, KINDS, fail_late, NULL}, good = {kinds, KINDS, sow, NULL};
    (void)state;
    ptd_store_batch = 1 << 20;
    struct ptd_store *s = opened(PTD_STORE_CREATE);
    assert_int_equal(ptd_store_fill(s, &bad), -1);
    assert_failed(PTD_NOINPUT, "no more seed");
    assert_false(is_there("base.mdb"));
    if (ptd_store_fill(s, &good) < 0) fail_msg("%s", ptd_failed_message());
    assert_mapped(s);
    assert_int_equal(ptd_store_fill(s, &good), -1);
    assert_failed(PTD_DATAERR, "generation 0 cannot be published now, expected 1");
    assert_mapped(s);
    ptd_store_remove(s);
    ptd_store_close(s);
    assert_false(is_there("base.mdb") || is_there("data.mdb"));
    assert_int_equal(mkdir(dir, 0755), 0);
    write_file("base.mdb", "precious ");
    assert_refused(PTD_STORE_CREATE, PTD_CANTCREAT, "holds a base.mdb already");
    assert_true(is_there("base.mdb") && !is_there("data.mdb"));
    ptd_store_batch = 256 << 20;
}

/* As large as it must be, and mapped no larger. */
static void test_size(void **state)
{
    struct stat st;
    size_t bytes = ptd_store_bytes(kinds, KINDS);
    (void)state;
    freeze();
    assert_int_equal(stat(in_dir("base.mdb"), &st), 0);
    assert_in_range(st.st_size, bytes, bytes + 40 * 4096);
    struct ptd_store *s = opened(PTD_STORE_READ);
    MDB_envinfo info;
    mdb_env_info(s->base->env, &info);
    assert_in_range(info.me_mapsize, st.st_size, 2 * st.st_size + (32 << 20));
    ptd_store_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_mapped_as_filled),
        TEST(test_loaded_too),
        TEST(test_what_cannot_be_mapped),
        TEST(test_readers_do_not_make_it_grow),
        TEST(test_verified_once),
        TEST(test_notes_that_are_not_trusted),
        TEST(test_no_note_for_what_is_damaged),
        TEST(test_foreign_note_stays),
        TEST(test_read_only),
        TEST(test_started_together),
        TEST(test_damaged_files),
        TEST(test_two_halves),
        TEST(test_unreadable_page),
        TEST(test_failed_filling),
        TEST(test_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
