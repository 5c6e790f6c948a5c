/* Data sets: every rule of the reader with a line that breaks it, paths that try to leave, and
 * writing whole or not at all. */
#include "data/dataset.h"
#include "data/dataset_check.h"
#include "data/check_tally.h"
#include "judge/judge.h"
#include "data/dataset_write.h"
#include "data/image.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/ptd-test-dataset-XXXXXX";

static struct ptd_image grey_image(int height, int width, int value)
{
    struct ptd_image im = {height, width, ptd_array((size_t)height * width, 3)};
    for (int i = 0; i < height * width * 3; i++) im.pixels[i] = value + i % 7;
    return im;
}

static void save_image(const char *path, int height, int width, int value)
{
    struct ptd_image im = grey_image(height, width, value);
    if (ptd_image_save_png(&im, path) < 0) fail_msg("%s", ptd_failed_message());
    ptd_image_clear(&im);
}

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

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || chdir(folder) < 0 || mkdir("set", 0777) < 0 ||
        mkdir("set/img", 0777) < 0)
        return -1;
    save_image("set/img/a.png", 56, 84, 10);
    save_image("set/b.png", 28, 28, 90);
    save_image("outside.png", 28, 28, 50);
    save_image("set/wide.png", 1, 300, 1);
    write_text("set/broken.png", "\x89PNG\r\n\x1a\n and no more");
    write_text("set/empty.png", "");
    int made = symlink("b.png", "set/link.png") | symlink("..", "set/up") |
               symlink("img", "set/alias") | mkfifo("set/fifo", 0600);
    return made;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir("/") | (system(command) != 0);
}

/* ---- one line ---- */

/* Writes a good line, an empty one, then `text`, and reads row 1, which is line 3. */
static int read_third(struct ptd_group *g, const char *text, size_t n)
{
    FILE *f = fopen("set/t.jsonl", "w");
    fputs("{\"prompt\":\"p\",\"answer\":\"1\"}\n\n", f);
    fwrite(text, 1, n, f);
    fputc('\n', f);
    fclose(f);
    struct ptd_dataset *d = ptd_dataset_open("set/t.jsonl");
    assert_non_null(d);
    assert_int_equal(ptd_dataset_rows(d), 2);
    int status = ptd_dataset_read(d, 1, NULL, g);
    ptd_dataset_close(d);
    return status;
}

static void refused(const char *text, size_t n, int status, const char *expected)
{
    struct ptd_group g = {0};
    assert_int_equal(read_third(&g, text, n), -1);
    assert_int_equal(ptd_failed_status(), status);
    const char *message = ptd_failed_message();
    if (strncmp(message, "set/t.jsonl:3: ", 15) != 0 || !strstr(message, expected))
        fail_msg("line %.80s: message \"%s\", expected \"%s\" in line 3", text, message, expected);
    assert_null(g.question);
    ptd_group_clear(&g);
}

#define FIELD(name, rest) "field \"" name "\": " rest
#define GOOD              "\"prompt\":\"p\",\"answer\":\"1\""
#define OTHER             "\"prompt\":\"p\",\"answer\":\"2\""

static void bad_lines_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *line, *expected;
    } corpus[] = {
        {"{", "one JSON object"},
        {"nonsense", "one JSON object"},
        {"[1]", "a list, expected one JSON object"},
        {"17", "a whole number, expected one JSON object"},
        {"{" GOOD "} x", "one JSON object"},
        {"{" GOOD "}{" GOOD "}", "one JSON object"},
        {"{" GOOD ",\"answer\":\"2\"}", "\"answer\""},
        {"{\"prompt\":\"\xff\",\"answer\":\"1\"}", "unable to decode byte"},
        {"{\"prompt\":\"\xed\xa0\x80\",\"answer\":\"1\"}", "unable to decode byte"},
        {"{\"prompt\":\"\\ud800\",\"answer\":\"1\"}", "one JSON object"},
        {"{\"prompt\":\"a\\u0000b\",\"answer\":\"1\"}", "one JSON object"},
        {"{\"answer\":\"1\"}", FIELD("prompt", "missing, expected text")},
        {"{\"prompt\":null,\"answer\":\"1\"}", FIELD("prompt", "missing, expected text")},
        {"{\"prompt\":7,\"answer\":\"1\"}", FIELD("prompt", "a whole number, expected text")},
        {"{\"question\":[],\"answer\":\"1\"}", FIELD("question", "0 turns, expected 1 to 64")},
        {"{\"problem\":{},\"answer\":\"1\"}", FIELD("problem", "an object, expected text")},
        {"{\"prompt\":\" \\n\",\"answer\":\"1\"}", FIELD("prompt", "empty")},
        {"{\"prompt\":\"p\"}", FIELD("answer", "missing, expected text or a number")},
        {"{\"prompt\":\"p\",\"answer\":null}", FIELD("answer", "missing")},
        {"{\"prompt\":\"p\",\"answer\":\"\"}", FIELD("answer", "empty")},
        {"{\"prompt\":\"p\",\"answer\":\" \"}", FIELD("answer", "empty")},
        {"{\"prompt\":\"p\",\"answer\":true}", FIELD("answer", "true, expected text or a number")},
        {"{\"prompt\":\"p\",\"answer\":[]}", FIELD("answer", "0 answers, expected 1 to 65")},
        {"{\"prompt\":\"p\",\"answer\":{}}",
         FIELD("answer", "an object, expected text or a number")},
        {"{\"prompt\":\"p\",\"answer\":NaN}", "one JSON object"},
        {"{" GOOD ",\"id\":1.5}", FIELD("id", "a number, expected text or a whole number")},
        {"{" GOOD ",\"id\":\"\"}", FIELD("id", "empty")},
        {"{" GOOD ",\"category\":3}", FIELD("category", "a whole number, expected text")},
        {"{" GOOD ",\"solution\":false}", FIELD("solution", "false, expected text")},
        {"{" GOOD ",\"steps\":5}", FIELD("steps", "a whole number, expected a list")},
        {"{" GOOD ",\"steps\":[\"look\",5]}", FIELD("steps", "item 2: no text")},
        {"{" GOOD ",\"steps\":[\"\"]}", FIELD("steps", "item 1: empty")},
        {"{" GOOD ",\"regions\":{}}", FIELD("regions", "an object, expected a list")},
        {"{" GOOD ",\"regions\":[7]}", FIELD("regions", "item 1: expected {")},
        {"{" GOOD ",\"regions\":[{\"label\":\"x\"}]}", FIELD("regions", "item 1: \"box\"")},
        {"{" GOOD ",\"regions\":[{\"label\":5,\"box\":[0,0,1,1]}]}",
         FIELD("regions", "item 1: \"label\"")},
        {"{" GOOD ",\"regions\":[{\"box\":[0,0,1]}]}", FIELD("regions", "item 1: \"box\"")},
        {"{" GOOD ",\"regions\":[{\"box\":[0,0,1,\"1\"]}]}", FIELD("regions", "item 1: \"box\"")},
        {"{" GOOD ",\"regions\":[{\"box\":[0,0,1,1]},{\"box\":[0.5,0,0.5,1]}]}",
         FIELD("regions", "item 2: \"box\"")},
        {"{" GOOD ",\"regions\":[{\"box\":[0,0,1,1.01]}]}", FIELD("regions", "item 1: \"box\"")},
        {"{" GOOD ",\"regions\":[{\"box\":[-0.1,0,1,1]}]}", FIELD("regions", "item 1: \"box\"")},
        {"{" GOOD ",\"images\":5}",
         FIELD("images", "a whole number, expected a path or a list of paths")},
        {"{" GOOD ",\"image\":{\"x\":1}}", FIELD("image", "holds no \"path\" and no \"bytes\"")},
        {"{" GOOD ",\"images\":[\"b.png\",5]}", FIELD("images", "item 2: expected a path")},
        {"{\"prompt\":\"<image><image>p\",\"answer\":\"1\",\"images\":[\"b.png\"]}",
         FIELD("images", "1 pictures, expected 2")},
        {"{\"prompt\":\"<image>p\",\"answer\":\"1\"}", FIELD("images", "0 pictures, expected 1")},
        {"{" GOOD ",\"images\":[\"broken.png\"]}", FIELD("images", "broken.png")},
        {"{" GOOD ",\"images\":[\"empty.png\"]}", FIELD("images", "empty.png")},
        {"{" GOOD ",\"images\":[\"\"]}", FIELD("images", "")},
        {"{" GOOD ",\"images\":[\"/etc/passwd\"]}",
         FIELD("images", "/etc/passwd: expected a path inside")},
        {"{" GOOD ",\"images\":[\"../outside.png\"]}",
         FIELD("images", "../outside.png: expected a path inside")},
        {"{" GOOD ",\"images\":[\"img/../b.png\"]}", "without \"..\""},
        {"{" GOOD ",\"images\":[\"up/outside.png\"]}", FIELD("images", "up/outside.png: ")},
        {"{" GOOD ",\"images\":[\"alias/a.png\"]}", "links are not followed"},
        {"{" GOOD ",\"images\":[\"link.png\"]}", "is a symbolic link"},
        {"{" GOOD ",\"images\":[\"fifo\"]}", "expected a regular file"},
        {"{" GOOD ",\"images\":[\"img\"]}", "expected a regular file"},
        {"{" GOOD ",\"images\":[\"b.png/x.png\"]}", "no folder"},
    };
    for (size_t i = 0; i < sizeof corpus / sizeof *corpus; i++)
        refused(corpus[i].line, strlen(corpus[i].line), PTD_DATAERR, corpus[i].expected);
    const char *missing = "{" GOOD ",\"images\":[\"img/none.png\"]}";
    refused(missing, strlen(missing), PTD_NOINPUT, FIELD("images", "img/none.png: No such file"));
    refused("{" GOOD "\0}", sizeof "{" GOOD "\0}" - 1, PTD_DATAERR, "one JSON object");
}

static char *repeated(const char *head, const char *part, int n, const char *tail)
{
    char *s = ptd_alloc(strlen(head) + strlen(part) * (size_t)n + strlen(tail) + 1),
         *p = stpcpy(s, head);
    for (int i = 0; i < n; i++) p = stpcpy(p, part);
    stpcpy(p, tail);
    return s;
}

static void accepted(const char *text)
{
    struct ptd_group g = {0};
    if (read_third(&g, text, strlen(text)) < 0) fail_msg("%.200s: %s", text, ptd_failed_message());
    ptd_group_clear(&g);
}

static void limits_have_two_sides(void **state)
{
    (void)state;
    struct {
        const char *head, *part, *tail;
        int most;
        const char *expected;
    } table[] = {
        {"{" GOOD ",\"steps\":[\"s\"", ",\"s\"", "]}", 63,
         FIELD("steps", "65 items, expected at most 64")},
        {"{" GOOD ",\"images\":[\"b.png\"", ",\"b.png\"", "]}", 63,
         FIELD("images", "65 pictures, expected at most 64")},
        {"{\"answer\":\"1\",\"prompt\":\"", "x", "\"}", PTD_DATASET_TEXT,
         FIELD("prompt", "4194305 bytes of text, expected at most 4194304")},
        {"{" GOOD ",\"x\":\"", "x", "\"}",
         PTD_DATASET_LINE - (int)sizeof "{" GOOD ",\"x\":\"\"}" + 1,
         "67108865 bytes, expected at most 67108864"},
    };
    for (int i = 0; i < 4; i++) {
        char *good = repeated(table[i].head, table[i].part, table[i].most, table[i].tail);
        char *bad = repeated(table[i].head, table[i].part, table[i].most + 1, table[i].tail);
        accepted(good);
        refused(bad, strlen(bad), PTD_DATAERR, table[i].expected);
        free(good);
        free(bad);
    }
    char *open = repeated("{" GOOD ",\"x\":", "[", 63, ""), *good = repeated(open, "]", 63, "}");
    char *bad = repeated("{" GOOD ",\"x\":", "[", 100000, "");
    accepted(good);
    refused(bad, strlen(bad), PTD_DATAERR, "nested deeper than 64");
    free(open);
    free(good);
    free(bad);
    accepted("{" GOOD ",\"x\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
             "[[[[[[[\\\"[\"}");
}

/* ---- what a good row becomes ---- */

static void all_fields_arrive(void **state)
{
    (void)state;
    struct ptd_group g = {0};
    const char *line =
        "{\"id\":\"x-1\",\"prompt\":\"<image>what?\",\"images\":[\"img/"
        "a.png\"],\"answer\":\"11\",\"category\":\"c\","
        "\"solution\":\"s\\u00e9\",\"steps\":[\"one\",\"two\"],\"regions\":[{\"label\":\"a1\","
        "\"box\":[0,0.25,0.5,1]},"
        "{\"box\":[0.5,0,1,1]}],\"other\":{\"ignored\":true}}";
    assert_int_equal(read_third(&g, line, strlen(line)), 0);
    assert_string_equal(g.uid, "x-1");
    assert_int_equal(g.index, 1);
    assert_string_equal(g.question, "<image>what?");
    assert_string_equal(g.answer, "11");
    assert_string_equal(g.category, "c");
    assert_string_equal(g.solution, "s\xc3\xa9");
    assert_int_equal(g.n_steps, 2);
    assert_string_equal(g.steps[1], "two");
    assert_int_equal(g.n_regions, 2);
    assert_string_equal(g.regions[0].label, "a1");
    assert_close(g.regions[0].box[1], 0.25, 0);
    assert_string_equal(g.regions[1].label, "");
    assert_int_equal(g.n_pictures, 1);
    assert_int_equal(g.pictures[0].height, 56);
    assert_int_equal(g.pictures[0].width, 84);
    assert_int_equal(g.pictures[0].pixels[8], 11);
    assert_int_equal(strlen(g.pictures[0].hash), 16);
    assert_int_equal(g.n_rollouts, 0);
    ptd_group_clear(&g);
}

static void other_spellings_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *line, *question, *answer, *uid;
        int pictures;
    } table[] = {
        {"{\"problem\":\"p\",\"answer\":\"1\",\"images\":[\"b.png\",\"img/a.png\"]}", "p", "1",
         "line-3", 2},
        {"{\"question\":\"q\",\"answer\":12,\"image\":\"b.png\",\"id\":5}", "q", "12", "5", 1},
        {"{\"question\":\"q\",\"prompt\":\"p\",\"answer\":0.1}", "p", "0.1", "line-3", 0},
        {"{\"prompt\":null,\"problem\":\"p\",\"answer\":-2.50,\"image\":null,\"steps\":null,\"id\":"
         "null}",
         "p", "-2.50", "line-3", 0},
        {"{\"prompt\":\"p\",\"answer\":123456789012345678901234567890,\"id\":99999999999999999999,"
         "\"n\":-"
         "1e999}",
         "p", "123456789012345678901234567890", "99999999999999999999", 0},
        {"{\"prompt\":\"p\",\"answer\":3.0,\"images\":[]}", "p", "3.0", "line-3", 0},
        {"{\"prompt\":\"p\",\"answer\":\"1\",\"images\":[\"./img//a.png\"]}", "p", "1", "line-3",
         1},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct ptd_group g = {0};
        if (read_third(&g, table[i].line, strlen(table[i].line)) < 0)
            fail_msg("%s", ptd_failed_message());
        assert_string_equal(g.question, table[i].question);
        assert_string_equal(g.answer, table[i].answer);
        assert_string_equal(g.uid, table[i].uid);
        assert_int_equal(g.n_pictures, table[i].pictures);
        ptd_group_clear(&g);
    }
}

static void pictures_are_resized_by_the_rules(void **state)
{
    (void)state;
    const struct ptd_image_rules rules = {.patch = 14,
                                          .merge = 2,
                                          .temporal = 1,
                                          .min_pixels = 28 * 28,
                                          .max_pixels = 28 * 56,
                                          .std = {1, 1, 1}};
    write_text("set/r.jsonl",
               "{" GOOD ",\"images\":[\"img/a.png\"]}\n{" GOOD ",\"images\":[\"wide.png\"]}\n");
    struct ptd_dataset *d = ptd_dataset_open("set/r.jsonl");
    struct ptd_group g = {0};
    assert_int_equal(ptd_dataset_read(d, 0, &rules, &g), 0);
    assert_int_equal(g.pictures[0].height % 28, 0);
    assert_in_range(g.pictures[0].height * g.pictures[0].width, 28 * 28, 28 * 56);
    assert_int_equal(ptd_dataset_read(d, 1, &rules, &g), -1);
    assert_non_null(strstr(ptd_failed_message(), "set/r.jsonl:2: field \"images\": "));
    ptd_group_clear(&g);
    ptd_dataset_close(d);
}

/* ---- files ---- */

static void bom_crlf_and_a_cut_newline_are_fine(void **state)
{
    (void)state;
    write_text("set/w.jsonl", "\xef\xbb\xbf{\"prompt\":\"1\",\"answer\":\"1\"}\r\n\r\n "
                              "\t\r\n{\"prompt\":\"2\",\"answer\":\"2\"}");
    struct ptd_dataset *d = ptd_dataset_open("set/w.jsonl");
    struct ptd_group g = {0};
    assert_non_null(d);
    assert_int_equal(ptd_dataset_rows(d), 2);
    assert_int_equal(ptd_dataset_read(d, 0, NULL, &g), 0);
    assert_string_equal(g.question, "1");
    assert_int_equal(ptd_dataset_read(d, 1, NULL, &g), 0);
    assert_string_equal(g.question, "2");
    assert_int_equal(ptd_dataset_line(d, 1), 4);
    ptd_group_clear(&g);
    ptd_dataset_close(d);
}

static void unusable_files_are_refused(void **state)
{
    (void)state;
    assert_null(ptd_dataset_open("set/none.jsonl"));
    assert_int_equal(ptd_failed_status(), PTD_NOINPUT);
    assert_null(ptd_dataset_open("set/img"));
    assert_int_equal(ptd_failed_status(), PTD_NOINPUT);
    assert_null(ptd_dataset_open("set/fifo"));
    assert_int_equal(ptd_failed_status(), PTD_NOINPUT);
    write_text("set/void.jsonl", "\xef\xbb\xbf\n \r\n");
    assert_null(ptd_dataset_open("set/void.jsonl"));
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    assert_non_null(strstr(ptd_failed_message(), "no rows"));
}

static void many_lines_across_blocks(void **state)
{
    (void)state;
    char *long_text = repeated("", "x", 700000, "");
    FILE *f = fopen("set/many.jsonl", "w");
    for (int i = 0; i < 7; i++)
        fprintf(f, "{\"prompt\":\"%d %s\",\"answer\":%d}\n%s", i, long_text, i * i,
                i % 2 ? "\n" : "");
    fclose(f);
    struct ptd_dataset *d = ptd_dataset_open("set/many.jsonl");
    struct ptd_group g = {0};
    assert_int_equal(ptd_dataset_rows(d), 7);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(ptd_dataset_read(d, i, NULL, &g), 0);
        assert_int_equal(atoi(g.answer), i * i);
        assert_int_equal(atoi(g.question), i);
        assert_int_equal(ptd_dataset_line(d, i), 1 + i + i / 2);
    }
    ptd_group_clear(&g);
    ptd_dataset_close(d);
    free(long_text);
}

static void a_change_under_the_reader_is_noticed(void **state)
{
    (void)state;
    struct ptd_group g = {0};
    write_text("set/c.jsonl", "{" GOOD "}\n");
    struct ptd_dataset *d = ptd_dataset_open("set/c.jsonl");
    uint64_t digest = ptd_dataset_digest(d);
    write_text("set/c.jsonl", "{" GOOD "}\n\n");
    assert_int_equal(ptd_dataset_read(d, 0, NULL, &g), -1);
    assert_non_null(strstr(ptd_failed_message(), "changed"));
    ptd_dataset_close(d);
    d = ptd_dataset_open("set/c.jsonl");
    assert_true(ptd_dataset_digest(d) != digest);
    ptd_dataset_close(d);
    write_text("set/c.jsonl", "{" GOOD "}\n{" GOOD "}\n");
    d = ptd_dataset_open("set/c.jsonl");
    struct stat st;
    assert_int_equal(stat("set/c.jsonl", &st), 0);
    write_text("set/c.jsonl", "{" GOOD "}\n{" OTHER "}\n"); /* with its times put back */
    assert_int_equal(
        utimensat(AT_FDCWD, "set/c.jsonl", (struct timespec[2]){st.st_atim, st.st_mtim}, 0), 0);
    assert_int_equal(ptd_dataset_read(d, 0, NULL, &g), 0);
    assert_int_equal(ptd_dataset_read(d, 1, NULL, &g), -1);
    assert_non_null(strstr(ptd_failed_message(), "c.jsonl:2: the line was changed"));
    assert_int_equal(
        symlink("c.jsonl", "set/other.jsonl") | rename("set/other.jsonl", "set/c.jsonl"), 0);
    assert_int_equal(ptd_dataset_read(d, 0, NULL, &g), -1);
    assert_int_equal(unlink("set/c.jsonl"), 0);
    assert_int_equal(ptd_dataset_read(d, 0, NULL, &g), -1);
    assert_int_equal(ptd_failed_status(), PTD_NOINPUT);
    ptd_dataset_close(d);
    ptd_group_clear(&g);
}

static void epochs_are_shuffled_without_replacement(void **state)
{
    (void)state;
    enum { N = 50 };
    char *text = repeated("", "{" GOOD "}\n", N, "");
    int first[N], same = 0;
    write_text("set/o.jsonl", text);
    free(text);
    struct ptd_dataset *d = ptd_dataset_open("set/o.jsonl"),
                       *other = ptd_dataset_open("set/o.jsonl");
    for (int epoch = 0; epoch < 3; epoch++) {
        int seen[N] = {0}, in_place = 0;
        for (int p = 0; p < N; p++) {
            int row = ptd_dataset_order(d, 5, epoch * N + p);
            assert_in_range(row, 0, N - 1);
            assert_int_equal(seen[row]++, 0);
            in_place += row == p;
            if (epoch == 0) first[p] = row;
            if (epoch == 1) same += row == first[p];
        }
        assert_true(in_place < N / 4);
    }
    assert_true(same < N / 4);
    for (int p = N - 1; p >= 0; p--) assert_int_equal(ptd_dataset_order(other, 5, p), first[p]);
    assert_int_equal(ptd_dataset_order(other, 5, 2 * N + 7), ptd_dataset_order(d, 5, 2 * N + 7));
    same = 0;
    for (int p = 0; p < N; p++) same += ptd_dataset_order(other, 6, p) == first[p];
    assert_true(same < N / 4);
    ptd_dataset_close(d);
    ptd_dataset_close(other);
}

/* ---- checking all of it ---- */

struct heard {
    int n;
    char text[8][256];
};

static void hear(void *ctx, const char *kind, const char *message)
{
    struct heard *h = ctx;
    assert_true(*kind);
    if (h->n < 8) snprintf(h->text[h->n], sizeof h->text[0], "%s", message);
    h->n++;
}

static int check_all(const char *file, struct heard *h, struct ptd_checked *r)
{
    struct ptd_check c = {.judge = ptd_judge_named("auto"), .report = hear, .ctx = h};
    memset(h, 0, sizeof *h);
    return ptd_dataset_check_all(file, &c, r);
}

static void every_fault_is_reported(void **state)
{
    (void)state;
    struct heard h;
    struct ptd_checked r;
    write_text(
        "set/f.jsonl",
        "{\"id\":\"a\"," GOOD
        "}\n{\"prompt\":\"\",\"answer\":\"\",\"images\":[\"none.png\",7]}\nx\n{\"id\":\"a\"," GOOD
        "}\n");
    assert_int_equal(check_all("set/f.jsonl", &h, &r), 0);
    assert_int_equal(r.faults, 6);
    assert_int_equal(r.rows, 4);
    assert_int_equal(r.usable, 1);
    assert_int_equal(r.status, PTD_DATAERR);
    assert_int_equal(h.n, 6);
    static const char *const expected[] = {":2: field \"prompt\"",
                                           ":2: field \"answer\"",
                                           ":2: field \"images\": none.png",
                                           ":2: field \"images\": item 2",
                                           ":3: ",
                                           ":4: field \"id\": \"a\" is line 1's"};
    for (int i = 0; i < 6; i++)
        if (!strstr(h.text[i], expected[i]))
            fail_msg("\"%s\" lacks \"%s\"", h.text[i], expected[i]);
    static const char *const kinds[] = {"field \"prompt\"", "field \"answer\"", "field \"images\"",
                                        "row", "id twice"};
    assert_int_equal(r.n_kinds, 5);
    for (int i = 0; i < 5; i++) assert_string_equal(r.kinds[i].name, kinds[i]);
    assert_int_equal(r.kinds[2].faults, 2);
    assert_int_equal(r.kinds[2].lines[0], 2);
    assert_int_equal(r.kinds[2].lines[1], 0); /* a line counts once */
    ptd_checked_clear(&r);
    assert_int_equal(check_all("set/none.jsonl", &h, &r), -1);
    assert_int_equal(ptd_failed_status(), PTD_NOINPUT);
}

static void expect_counts(const struct ptd_check_count *list, int n, const char *expected)
{
    char text[512] = "";
    for (int i = 0; i < n && i < 16; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s %ld;", list[i].name,
                 list[i].rows);
    assert_string_equal(text, expected);
}

static void a_good_set_is_summed_up(void **state)
{
    (void)state;
    struct heard h;
    struct ptd_checked r;
    write_text("set/g.jsonl",
               "{" GOOD ",\"category\":\"x\",\"images\":[\"b.png\"],\"steps\":[\"s\"]}\n{" GOOD
               ",\"category\":\"y\",\"solution\":\"s\"}\n{" GOOD
               ",\"category\":\"x\",\"images\":[\"b.png\",\"b.png\"],\"objects\":[{\"label\":\"o\","
               "\"box\":[0,0,1,1]}]}\n{\"prompt\":\"q\",\"answer\":\"(b)\",\"regions\":[{\"label\":"
               "\"o\",\"box\":[0,0,1,1]}]}\n");
    assert_int_equal(check_all("set/g.jsonl", &h, &r), 0);
    assert_int_equal(r.faults + h.n + r.status, 0);
    assert_int_equal(r.usable, 4);
    assert_int_equal(r.pictures, 3);
    expect_counts(r.categories, r.n_categories, "x 2;y 1;(none) 1;");
    assert_int_equal(r.steps, 1);
    assert_int_equal(r.regions, 1);
    assert_int_equal(r.solutions, 1);
    assert_int_equal(r.objects, 1);
    assert_int_equal(r.bare, 1); /* objects are no hint */
    assert_int_equal(r.tokens[PTD_CHECK_PROMPT].rows, 0);
    ptd_checked_clear(&r);
}

/* 66 as long as nothing else is wrong. */
static void missing_pictures_are_told_apart(void **state)
{
    (void)state;
    struct heard h;
    struct ptd_checked r;
    write_text("set/n.jsonl", "{" GOOD ",\"images\":[\"none.png\"]}\n{" GOOD "}\n");
    assert_int_equal(check_all("set/n.jsonl", &h, &r), 0);
    assert_int_equal(r.status, PTD_NOINPUT);
    ptd_checked_clear(&r);
    write_text("set/n.jsonl",
               "{" GOOD ",\"images\":[\"none.png\"]}\n{" GOOD ",\"solution\":\"<|video_pad|>\"}\n");
    assert_int_equal(check_all("set/n.jsonl", &h, &r), 0);
    assert_int_equal(r.status, PTD_DATAERR);
    assert_int_equal(r.usable, 0);
    ptd_checked_clear(&r);
}

static void many_categories_are_summed_up_by_the_largest(void **state)
{
    (void)state;
    struct heard h;
    struct ptd_checked r;
    FILE *f = fopen("set/k.jsonl", "w");
    for (int i = 0; i < 100000; i++)
        fprintf(f, "{\"id\":%d," GOOD ",\"category\":\"%s%d\"}\n", i, i < 60000 ? "few" : "many",
                i < 60000 ? i : i % 11);
    fclose(f);
    assert_int_equal(check_all("set/k.jsonl", &h, &r), 0);
    assert_int_equal(r.faults, 0);
    assert_int_equal(r.n_categories, 60011);
    expect_counts(r.categories, 2, "many6 3637;many7 3637;");
    expect_counts(r.categories + 10, 3, "many5 3636;few0 1;few1 1;");
    ptd_checked_clear(&r);
}

/* Of 1 to n in a disorderly order. */
static void tokens_are_summed_up_by_rank(void **state)
{
    (void)state;
    static const int expected[][4] = {
        {1, 1, 1, 1},       {2, 1, 2, 2},       {3, 2, 3, 3},
        {19, 10, 19, 19},   {20, 10, 19, 20},   {21, 11, 20, 21},
        {100, 50, 95, 100}, {101, 51, 96, 101}, {4000, 2000, 3800, 4000}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct ptd_tally_ints t = {0};
        int n = expected[i][0];
        for (int k = 0; k < n; k++) ptd_tally_int(&t, (int)(k * 1009l % n) + 1);
        struct ptd_check_tokens got = ptd_tally_ints_end(&t);
        assert_int_equal(got.rows, n);
        assert_int_equal(got.median, expected[i][1]);
        assert_int_equal(got.most95, expected[i][2]);
        assert_int_equal(got.most, expected[i][3]);
    }
}

static void ids_are_known_again(void **state)
{
    (void)state;
    struct ptd_tally_ids *ids = ptd_tally_ids_new();
    char id[32];
    for (long i = 1; i <= 20000; i++) {
        snprintf(id, sizeof id, "row-%ld", i);
        assert_int_equal(ptd_tally_id(ids, id, i), 0);
    }
    for (long i = 1; i <= 20000; i++) {
        snprintf(id, sizeof id, "row-%ld", i);
        assert_int_equal(ptd_tally_id(ids, id, 20000 + i), i);
    }
    ptd_tally_ids_free(ids);
}

/* A row that names a picture of 48 MB 64 times takes it once, and checking keeps none at all. */
static void pictures_take_memory_once(void **state)
{
    (void)state;
    struct heard h;
    struct ptd_checked r;
    struct rlimit was;
    rlim_t room = 1500l << 20;
    save_image("set/large.png", 4000, 4000, 5);
    save_image("set/larger.png", 4000, 4001, 5);
    FILE *f = fopen("set/m.jsonl", "w");
    fputs("{" GOOD ",\"images\":[\"large.png\"", f);
    for (int i = 1; i < 64; i++) fprintf(f, ",\"large%s.png\"", i == 63 ? "r" : "");
    fputs("]}\n", f);
    fclose(f);
    assert_int_equal(getrlimit(RLIMIT_AS, &was), 0);
#ifdef __SANITIZE_ADDRESS__
    room = was.rlim_cur; /* it takes terabytes of addresses */
#endif
    assert_int_equal(setrlimit(RLIMIT_AS, &(struct rlimit){room, was.rlim_max}), 0);
    assert_int_equal(check_all("set/m.jsonl", &h, &r), 0);
    assert_int_equal(r.faults, 0);
    assert_int_equal(r.pictures, 64);
    ptd_checked_clear(&r);
    struct ptd_dataset *d = ptd_dataset_open("set/m.jsonl");
    struct ptd_group g = {0};
    assert_int_equal(ptd_dataset_read(d, 0, NULL, &g), 0);
    assert_ptr_equal(g.pictures[0].pixels, g.pictures[7].pixels);
    assert_ptr_not_equal(g.pictures[0].pixels, g.pictures[63].pixels);
    assert_string_equal(g.pictures[0].hash, g.pictures[62].hash);
    struct ptd_image_rules rules = {
        .patch = 16, .merge = 2, .min_pixels = 1024, .max_pixels = 1l << 30};
    assert_int_equal(ptd_dataset_read(d, 0, &rules, &g), -1); /* more than a record may have */
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    assert_non_null(strstr(ptd_failed_message(), "bytes of pixels, expected at most 1073741824"));
    assert_int_equal(setrlimit(RLIMIT_AS, &was), 0);
    ptd_dataset_close(d);
    ptd_group_clear(&g);
}

/* ---- writing ---- */

static struct ptd_group a_row(const char *uid)
{
    static const char *const steps[] = {"first", "then \"quoted\""};
    static const struct ptd_region regions[] = {{"a1", {0, 0, 1 / 3.0f, 1}}};
    return (struct ptd_group){.uid = uid,
                              .question = "<image>q\n",
                              .answer = "7",
                              .solution = "\\boxed{ 7 }",
                              .steps = steps,
                              .n_steps = 2,
                              .regions = regions,
                              .n_regions = 1};
}

static void write_set(const char *file, int rows, int value)
{
    struct ptd_dataset_out *o = ptd_dataset_create(file);
    struct ptd_image im = grey_image(28, 28, value);
    if (!o) fail_msg("%s", ptd_failed_message());
    for (int i = 0; i < rows; i++) {
        char uid[16];
        snprintf(uid, sizeof uid, "r%d", i);
        struct ptd_group g = a_row(uid);
        assert_int_equal(ptd_dataset_picture(o, &im), 0);
        assert_int_equal(ptd_dataset_write(o, &g), 0);
    }
    assert_int_equal(ptd_dataset_pictures(o), rows);
    /* nothing there before the first publish */
    assert_int_equal(access(file, F_OK) == 0 && value == 10, 0);
    assert_int_equal(ptd_dataset_publish(o), 0);
    ptd_dataset_end(o);
    ptd_image_clear(&im);
}

static void read_set(const char *file, int rows, int value)
{
    struct ptd_dataset *d = ptd_dataset_open(file);
    struct ptd_group g = {0};
    assert_non_null(d);
    assert_int_equal(ptd_dataset_rows(d), rows);
    for (int i = 0; i < rows; i++) {
        if (ptd_dataset_read(d, i, NULL, &g) < 0) fail_msg("%s", ptd_failed_message());
        assert_string_equal(g.question, "<image>q\n");
        assert_string_equal(g.steps[1], "then \"quoted\"");
        assert_string_equal(g.solution, "\\boxed{ 7 }");
        assert_null(g.category);
        assert_close(g.regions[0].box[2], 1 / 3.0, 1e-4);
        assert_int_equal(g.pictures[0].pixels[7], value);
    }
    ptd_group_clear(&g);
    ptd_dataset_close(d);
}

static void what_is_written_can_be_read(void **state)
{
    (void)state;
    write_set("new.jsonl", 5, 10);
    read_set("new.jsonl", 5, 10);
    write_set("new.jsonl", 3, 20);
    read_set("new.jsonl", 3, 20);
    assert_int_not_equal(access("new.img/000004.png", F_OK), 0);
    assert_int_not_equal(access("new.img.ptd-part", F_OK), 0);
    assert_int_not_equal(access("new.jsonl.part", F_OK), 0);
}

static void without_publish_nothing_appears(void **state)
{
    (void)state;
    struct ptd_image im = grey_image(28, 28, 1);
    struct ptd_group g = a_row("r");
    write_set("kept.jsonl", 2, 30);
    struct ptd_dataset_out *o = ptd_dataset_create("kept.jsonl");
    assert_int_equal(ptd_dataset_picture(o, &im), 0);
    assert_int_equal(ptd_dataset_write(o, &g), 0);
    assert_null(ptd_dataset_create("kept.jsonl")); /* a second writer */
    assert_int_equal(ptd_failed_status(), PTD_NOPERM);
    assert_int_equal(access("kept.img.ptd-part/000001.png", F_OK), 0);
    ptd_dataset_end(o);
    assert_int_not_equal(access("kept.img.ptd-part", F_OK), 0);
    assert_int_not_equal(access("kept.jsonl.part", F_OK), 0);
    read_set("kept.jsonl", 2, 30);
    ptd_image_clear(&im);
}

static void foreign_files_stay(void **state)
{
    (void)state;
    assert_int_equal(mkdir("mine.img", 0777), 0);
    write_text("mine.img/holiday.png", "x");
    assert_null(ptd_dataset_create("mine.jsonl"));
    assert_int_equal(ptd_failed_status(), PTD_CANTCREAT);
    assert_non_null(strstr(ptd_failed_message(), "mine.img/holiday.png"));
    assert_int_equal(access("mine.img/holiday.png", F_OK), 0);
    assert_null(ptd_dataset_create("mine.json"));
    assert_int_equal(ptd_failed_status(), PTD_USAGE);
    assert_null(ptd_dataset_create("set/.jsonl"));
    assert_null(ptd_dataset_create("nowhere/x.jsonl"));
    assert_int_equal(ptd_failed_status(), PTD_CANTCREAT);
}

static void leftovers_of_a_killed_run_are_cleared(void **state)
{
    (void)state;
    assert_int_equal(mkdir("left.img.ptd-part", 0777), 0);
    write_text("left.img.ptd-part/000009.png", "half");
    write_text("left.jsonl.part", "half");
    write_set("left.jsonl", 2, 40);
    read_set("left.jsonl", 2, 40);
    assert_int_not_equal(access("left.img/000009.png", F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_lines_are_named),
        cmocka_unit_test(limits_have_two_sides),
        cmocka_unit_test(all_fields_arrive),
        cmocka_unit_test(other_spellings_are_understood),
        cmocka_unit_test(pictures_are_resized_by_the_rules),
        cmocka_unit_test(bom_crlf_and_a_cut_newline_are_fine),
        cmocka_unit_test(unusable_files_are_refused),
        cmocka_unit_test(many_lines_across_blocks),
        cmocka_unit_test(a_change_under_the_reader_is_noticed),
        cmocka_unit_test(epochs_are_shuffled_without_replacement),
        cmocka_unit_test(every_fault_is_reported),
        cmocka_unit_test(ids_are_known_again),
        cmocka_unit_test(tokens_are_summed_up_by_rank),
        cmocka_unit_test(missing_pictures_are_told_apart),
        cmocka_unit_test(a_good_set_is_summed_up),
        cmocka_unit_test(many_categories_are_summed_up_by_the_largest),
        cmocka_unit_test(pictures_take_memory_once),
        cmocka_unit_test(what_is_written_can_be_read),
        cmocka_unit_test(without_publish_nothing_appears),
        cmocka_unit_test(foreign_files_stay),
        cmocka_unit_test(leftovers_of_a_killed_run_are_cleared),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
