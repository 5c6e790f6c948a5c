/* test-shelf: what is put comes back, whole or not at all; bounded, oldest first; gone with the
 * last user; only in a folder of this user's own. */
#include "test.h"
#include "base/err.h"
#include "base/shelf.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[] = "/tmp/test-shelf.XXXXXX", folder[300];

static int make_base(void **state)
{
    (void)state;
    if (!mkdtemp(base) || setenv("PTD_SHM", base, 1)) return -1;
    snprintf(folder, sizeof folder, "%s/ptd-rows-%u", base, (unsigned)geteuid());
    return 0;
}

static int remove_base(void **state)
{
    (void)state;
    return rmdir(base);
}

static int is_there(struct ptd_shelf *s, const char *key, char c)
{
    char value[1000] = {0};
    if (!ptd_shelf_take(s, key, value, sizeof value)) return 0;
    for (size_t i = 0; i < sizeof value; i++) assert_int_equal(value[i], c);
    return 1;
}

static void put(struct ptd_shelf *s, const char *key, char c)
{
    char value[1000];
    memset(value, c, sizeof value);
    ptd_shelf_put(s, key, value, sizeof value);
    usleep(20000); /* files' times are as coarse as the clock's tick */
}

static void what_is_put_comes_back(void **state)
{
    (void)state;
    struct ptd_shelf *a = ptd_shelf_open("rows", 1 << 20), *b = ptd_shelf_open("rows", 1 << 20);
    char small[10];
    assert_false(is_there(a, "one", 'x'));
    put(a, "one", 'x');
    assert_true(is_there(b, "one", 'x'));
    assert_false(ptd_shelf_take(b, "one", small, sizeof small)); /* of another size */
    assert_false(is_there(b, "two", 'x'));
    ptd_shelf_close(a);
    assert_true(is_there(b, "one", 'x'));
    ptd_shelf_close(b);
    assert_int_equal(access(folder, F_OK), -1);
}

static void damage_is_absence(void **state)
{
    (void)state;
    struct ptd_shelf *s = ptd_shelf_open("rows", 1 << 20);
    char path[400];
    put(s, "one", 'x');
    put(s, "two", 'y');
    snprintf(path, sizeof path, "%s/one", folder);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "z", 1, 500), 1);
    close(fd);
    assert_false(is_there(s, "one", 'x'));
    char other[400];
    snprintf(other, sizeof other, "%s/three", folder);
    snprintf(path, sizeof path, "%s/two", folder);
    assert_int_equal(rename(path, other), 0); /* a value under another key */
    assert_false(is_there(s, "three", 'y'));
    ptd_shelf_close(s);
}

static void the_oldest_go(void **state)
{
    (void)state;
    struct ptd_shelf *s = ptd_shelf_open("rows", 8 * 1008);
    char key[8];
    for (int i = 0; i < 7; i++) {
        snprintf(key, sizeof key, "k%d", i);
        put(s, key, (char)('a' + i));
    }
    assert_true(is_there(s, "k0", 'a')); /* and so it is young again */
    usleep(20000);
    put(s, "k7", 'h');
    put(s, "k8", 'i');
    assert_true(is_there(s, "k0", 'a'));
    assert_false(is_there(s, "k1", 'b'));
    assert_true(is_there(s, "k8", 'i'));
    ptd_shelf_close(s);
}

static void there_may_be_none(void **state)
{
    (void)state;
    char value[4];
    assert_null(ptd_shelf_open("rows", 0));
    assert_int_equal(mkdir(folder, 0755), 0); /* others may look in */
    assert_null(ptd_shelf_open("rows", 1 << 20));
    rmdir(folder);
    assert_int_equal(symlink("/tmp", folder), 0);
    assert_null(ptd_shelf_open("rows", 1 << 20));
    unlink(folder);
    setenv("PTD_SHM", "/nowhere", 1);
    assert_null(ptd_shelf_open("rows", 1 << 20));
    assert_int_equal(ptd_shelf_check(), -1);
    assert_int_equal(ptd_failed_status(), PTD_CONFIG);
    setenv("PTD_SHM", base, 1);
    assert_int_equal(ptd_shelf_check(), 0);
    assert_int_equal(ptd_shelf_take(NULL, "k", value, 4), 0);
    ptd_shelf_put(NULL, "k", value, 4);
    ptd_shelf_close(NULL);
}

/* A folder in which nothing can be made does not stay. */
static void nothing_is_left_of_none(void **state)
{
    (void)state;
    struct rlimit none, was;
    getrlimit(RLIMIT_NOFILE, &was);
    int spare = dup(0), next = dup(0); /* the folder's descriptor, and none for the lock */
    close(spare), close(next);
    none = was, none.rlim_cur = (rlim_t)next;
    setrlimit(RLIMIT_NOFILE, &none);
    assert_null(ptd_shelf_open("rows", 1 << 20));
    setrlimit(RLIMIT_NOFILE, &was);
    assert_int_equal(access(folder, F_OK), -1);
}

/* Larger than the bound: not kept, and nothing else goes for it. */
static void too_large_is_not_kept(void **state)
{
    (void)state;
    struct ptd_shelf *s = ptd_shelf_open("rows", 3000);
    char value[5000] = {1};
    put(s, "one", 'x');
    ptd_shelf_put(s, "large", value, sizeof value);
    assert_int_equal(ptd_shelf_take(s, "large", value, sizeof value), 0);
    assert_true(is_there(s, "one", 'x'));
    ptd_shelf_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_comes_back), cmocka_unit_test(damage_is_absence),
        cmocka_unit_test(the_oldest_go),          cmocka_unit_test(there_may_be_none),
        cmocka_unit_test(too_large_is_not_kept),  cmocka_unit_test(nothing_is_left_of_none),
    };
    ptd_program("test-shelf");
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
