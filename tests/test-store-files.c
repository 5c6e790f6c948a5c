/* test-store-files: files that are not ours stay as they are, all who use a store go by one lock,
 * and who may only read does. */
#include "store.h"

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

/* Who was to write beside the trainer is told why he cannot. */
static int keep_as_nobody(void)
{
    as_nobody();
    struct ptd_store *s = opened(PTD_STORE_CACHE);
    int refused = 0;
    refused += ptd_store_put_asked(s, 3, "[]") < 0 && ptd_failed_status() == PTD_NOPERM;
    refused += ptd_store_put_evaluated(s, "{}") < 0 && ptd_failed_status() == PTD_NOPERM;
    refused += ptd_store_pin(s, 1, 1) < 0 && ptd_failed_status() == PTD_NOPERM &&
               strstr(ptd_failed_message(), "data.mdb: Permission denied");
    return refused == 3 ? 0 : 1;
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
        assert_int_equal(status_of(keep_as_nobody), 0);
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_foreign_files_stay), TEST(test_create_beside_foreign_files),
        TEST(test_unfinished_lock),    TEST(test_one_file_under_two_names),
        TEST(test_trainer_of_before),  TEST(test_removed_while_open),
        TEST(test_read_only),          TEST(test_written_while_read_without_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
