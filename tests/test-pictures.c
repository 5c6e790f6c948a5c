/* Digests of a data set's pictures: what they depend on, and the memo: trusted where the system
 * vouches for a file, read anew where it does not, never needed. */
#include "data/dataset.h"
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

static char folder[] = "/tmp/ptd-test-pictures-XXXXXX", memo[64];

static void write_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void write_text(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

static char *read_bytes(const char *path, size_t *n)
{
    static char bytes[65536];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    *n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    return bytes;
}

/* What they hold is no picture: that is found when a row is read. */
static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || chdir(folder) < 0 || mkdir("img", 0777) < 0 || mkdir("store", 0777) < 0)
        return -1;
    write_text("img/a.png", "AAAA");
    write_text("img/b.png", "BBBB");
    write_text("img/none.png", "N");
    write_text("t.jsonl", "{\"images\":[\"img/a.png\",\"img/b.png\"]}\nnonsense\n{\"image\":\"img/"
                          "a.png\"}\n{\"images\":[7,\"img/none.png\"]}\n");
    write_text("plain.jsonl", "{\"prompt\":\"p\"}\n");
    char *real = realpath("t.jsonl", NULL);
    snprintf(memo, sizeof memo, "store/pictures-%016llx",
             (unsigned long long)XXH3_64bits(real, strlen(real)));
    free(real);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir("/") | (system(command) != 0);
}

static const char *digest_of(const char *file, const char *store)
{
    static char kept[64][17];
    static int at;
    struct ptd_dataset *d = ptd_dataset_open(file);
    assert_non_null(d);
    if (ptd_dataset_watch(d, store) < 0) fail_msg("%s", ptd_failed_message());
    const char *digest = ptd_dataset_pictures_digest(d);
    char *keep = kept[at++ % 64];
    snprintf(keep, 17, "%s", digest ? digest : "none");
    ptd_dataset_close(d);
    return keep;
}

static void digests_follow_paths_and_bytes(void **state)
{
    (void)state;
    const char *first = digest_of("t.jsonl", NULL);
    assert_int_equal(strlen(first), 16);
    assert_string_equal(digest_of("t.jsonl", NULL), first);
    assert_string_equal(digest_of("plain.jsonl", NULL), "none");
    write_text("u.jsonl", "{\"images\":[\"img/b.png\",\"img/a.png\",\"img/none.png\"]}\n");
    assert_string_not_equal(digest_of("u.jsonl", NULL), first); /* another order */
    write_text("u.jsonl", "{\"images\":[\"img/a.png\",\"img/b.png\",\"img/none.png\"]}\n");
    assert_string_equal(digest_of("u.jsonl", NULL),
                        first); /* what the rows say beside is in the rows' digest */
    write_text("img/b.png", "BBBC");
    assert_string_not_equal(digest_of("t.jsonl", NULL), first);
    write_text("img/b.png", "BBBB");
    write_text("img/none.png", "");
    assert_string_not_equal(digest_of("t.jsonl", NULL), first);
    assert_int_equal(unlink("img/none.png"), 0);
    struct ptd_dataset *d = ptd_dataset_open("t.jsonl");
    assert_int_equal(ptd_dataset_watch(d, NULL), -1);
    assert_int_equal(ptd_failed_status(), PTD_NOINPUT);
    assert_non_null(strstr(ptd_failed_message(), "t.jsonl:"));
    assert_non_null(strstr(ptd_failed_message(), ": field \"images\": img/none.png: "));
    ptd_dataset_close(d);
    write_text("img/none.png", "N");
    assert_string_equal(digest_of("t.jsonl", NULL), first);
}

/* Gives the entry of a.png another digest, so that it shows whether the memo is believed. */
static void falsify(void)
{
    size_t n;
    char *bytes = read_bytes(memo, &n), *a = memmem(bytes, n, "img/a.png", 10);
    assert_non_null(a);
    a[-56] ^= 1;
    uint64_t digest = XXH3_64bits(bytes + 16, n - 16);
    memcpy(bytes + 8, &digest, sizeof digest);
    write_bytes(memo, bytes, n);
}

static void pause_for(double seconds)
{
    usleep((useconds_t)(seconds * 1e6));
}

static void the_memo_is_believed_when_files_are_old_enough(void **state)
{
    (void)state;
    const char *true_one = digest_of("t.jsonl", NULL);
    write_text("img/a.png", "AAAA");
    assert_string_equal(digest_of("t.jsonl", "store"), true_one);
    falsify();
    assert_string_equal(digest_of("t.jsonl", "store"), true_one); /* too young to be believed */
    pause_for(2.1);
    assert_string_equal(digest_of("t.jsonl", "store"), true_one);
    falsify();
    const char *false_one = digest_of("t.jsonl", "store");
    assert_string_not_equal(false_one, true_one); /* believed: not read */
    struct stat st;
    assert_int_equal(stat("img/a.png", &st), 0);
    write_text("img/a.png", "AAAA"); /* the same bytes, written anew: read again */
    assert_int_equal(
        utimensat(AT_FDCWD, "img/a.png", (struct timespec[2]){st.st_atim, st.st_mtim}, 0), 0);
    assert_string_equal(digest_of("t.jsonl", "store"), true_one);
    write_text("img/a.png", "AAAX");
    assert_int_equal(
        utimensat(AT_FDCWD, "img/a.png", (struct timespec[2]){st.st_atim, st.st_mtim}, 0), 0);
    assert_string_not_equal(digest_of("t.jsonl", "store"), true_one);
    assert_string_equal(digest_of("t.jsonl", "store"), digest_of("t.jsonl", NULL));
    write_text("img/a.png", "AAAA");
    FILE *f = fopen("t.jsonl", "a"); /* other rows, and still what it knows of the pictures */
    pause_for(2.1);
    digest_of("t.jsonl", "store");
    falsify();
    write_text("img/c.png", "CCCC");
    fputs("{\"image\":\"img/c.png\"}\n", f);
    fclose(f);
    assert_string_not_equal(digest_of("t.jsonl", "store"), digest_of("t.jsonl", NULL));
    assert_int_equal(unlink(memo), 0);
    assert_string_equal(digest_of("t.jsonl", "store"), digest_of("t.jsonl", NULL));
}

static int entries(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;
    while (readdir(d)) n++;
    closedir(d);
    return n - 2;
}

static void a_memo_is_never_needed(void **state)
{
    (void)state;
    const char *true_one = digest_of("t.jsonl", NULL);
    size_t n;
    digest_of("t.jsonl", "store");
    char *bytes = read_bytes(memo, &n), *whole = memcpy(ptd_alloc(n), bytes, n);
    for (size_t cut = 0; cut < n;
         cut++) { /* cut anywhere, or a byte flipped: counts as none, and is replaced */
        write_bytes(memo, whole, cut);
        assert_string_equal(digest_of("t.jsonl", "store"), true_one);
        memcpy(bytes, whole, n);
        bytes[cut] ^= 1;
        write_bytes(memo, bytes, n);
        assert_string_equal(digest_of("t.jsonl", "store"), true_one);
        if (cut < 8) assert_int_equal(unlink(memo), 0); /* that was no memo of ours */
        assert_int_equal(entries("store"), cut >= 8);
    }
    free(whole);
    assert_string_equal(digest_of("t.jsonl", "no/such/store"), true_one);
    write_text("mine", "mine");
    assert_int_equal(unlink(memo) | symlink("../mine", memo), 0);
    assert_string_equal(digest_of("t.jsonl", "store"), true_one);
    assert_memory_equal(read_bytes("mine", &n), "mine", 4);
    assert_int_equal(unlink(memo), 0);
    char part[80];
    snprintf(part, sizeof part, "%s.part", memo);
    write_text(part, "mine");
    assert_string_equal(digest_of("t.jsonl", "store"), true_one);
    assert_int_equal(access(part, F_OK), 0);
    assert_int_not_equal(access(memo, F_OK), 0);
    assert_int_equal(unlink(part), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_follow_paths_and_bytes),
        cmocka_unit_test(the_memo_is_believed_when_files_are_old_enough),
        cmocka_unit_test(a_memo_is_never_needed),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
