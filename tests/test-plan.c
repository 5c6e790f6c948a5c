/* test-plan: how much memory there is, by files that say so; what a plan adds up and refuses. */
#include "base/room.h"
#include "net/plan.h"
#include "tiny.h"
#include "test.h"
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/ptd-room-XXXXXX";

static void put(const char *path, const char *text)
{
    char full[300];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')); at++) {
        *at = 0;
        mkdir(full, 0777);
        *at = '/';
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void the_least_limit_counts(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(root));
    assert_true(ptd_room_below(root) == SIZE_MAX);
    put("proc/meminfo", "MemTotal: 100 kB\nMemAvailable:      64 kB\n");
    assert_int_equal(ptd_room_below(root), 65536);
    put("proc/self/cgroup", "7:cpu:/x\n4:memory:/a/b\n0::/c/d\n");
    assert_int_equal(ptd_room_below(root), 65536);
    put("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "50000\n"); /* of the group above */
    put("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "20000\n");
    assert_int_equal(ptd_room_below(root), 30000);
    put("sys/fs/cgroup/memory/a/memory.stat", "cache 9\ntotal_active_file 500\n"
                                              "total_inactive_file 1500\n");
    assert_int_equal(ptd_room_below(root), 32000);
    put("sys/fs/cgroup/c/d/memory.max", "max\n");
    put("sys/fs/cgroup/c/d/memory.current", "7\n");
    assert_int_equal(ptd_room_below(root), 32000);
    put("sys/fs/cgroup/c/memory.max", "1000\n");
    put("sys/fs/cgroup/c/memory.current", "900\n");
    assert_int_equal(ptd_room_below(root), 100);
    put("sys/fs/cgroup/c/memory.current", "1900\n");
    assert_int_equal(ptd_room_below(root), 0);
    char *remove = ptd_format("rm -rf %s", root);
    assert_int_equal(system(remove), 0);
    free(remove);
}

static void parts_are_added_up(void **state)
{
    struct ptd_plan p = {0};
    (void)state;
    ptd_plan_add(&p, "one", 3 << 20);
    ptd_plan_add(&p, "two", 5 << 20);
    ptd_plan_add(&p, "one", 1 << 20);
    ptd_plan_share(&p, "mapped", 100 << 20);
    assert_int_equal(p.n, 3);
    assert_int_equal(ptd_plan_sum(&p), 9 << 20);
    assert_int_equal(ptd_plan_check(&p, 9 << 20, "less"), 0);
    assert_int_equal(ptd_plan_check(&p, (9 << 20) - 1, "less"), -1);
    assert_int_equal(ptd_failed_status(), PTD_OSERR);
    assert_string_equal(
        ptd_failed_message(),
        "this takes 9.44 MB of memory, most of it two (5.24 MB), and there are 9.44 MB: "
        "expected less");
}

static size_t little_room(struct ptd_device *d)
{
    (void)d;
    return 6 << 20;
}

static void add_work(void *card, int64_t n, struct ptd_plan *p)
{
    ptd_plan_take(p, card, "work", (size_t)n << 20);
}

/* Each of the two may be what does not fit. */
static void a_card_has_a_sum_of_its_own(void **state)
{
    struct ptd_ops ops = {.room = little_room}, none = {0};
    struct ptd_device card = {.name = "card", .ops = &ops}, host = {.name = "host", .ops = &none};
    struct ptd_plan p = {0}, all;
    const struct ptd_plan_choice choices[] = {{"--work", 8, 1, add_work, &card}, {0}};
    (void)state;
    ptd_plan_add(&p, "weights", 3 << 20);
    ptd_plan_take(&p, &host, "weights", 1 << 20);
    assert_int_equal(ptd_plan_left(&p, 10 << 20), 6 << 20);
    ptd_plan_take(&p, &card, "weights", 5 << 20);
    assert_int_equal(ptd_plan_sum(&p), 4 << 20);
    assert_int_equal(ptd_plan_card_sum(&p), 5 << 20);
    assert_int_equal(ptd_plan_left(&p, 10 << 20), 1 << 20);
    all = p;
    add_work(&card, 1, &all);
    assert_int_equal(ptd_plan_judge(&all, &p, 4 << 20, choices, "less"), 0);
    assert_int_equal(ptd_plan_judge(&all, &p, 3 << 20, choices, "less"), -1);
    assert_non_null(strstr(ptd_failed_message(), "of memory, most of it weights (4.19 MB)"));
    add_work(&card, 2, &all);
    assert_int_equal(ptd_plan_left(&all, 10 << 20), 0);
    assert_int_equal(ptd_plan_judge(&all, &p, 4 << 20, choices, "less"), -1);
    assert_int_equal(ptd_failed_status(), PTD_OSERR);
    assert_string_equal(ptd_failed_message(),
                        "this takes 8.39 MB of memory of device card, most of it weights (5.24 "
                        "MB), and there are 6.29 MB: expected --work 1");
}

static void micro_batches_are_packed_as_they_may_come(void **state)
{
    static const struct {
        struct ptd_expected e;
        long micro, rows, patches;
    } cases[] = {
        {{0}, 512, 1024, 0},                    /* nothing is known */
        {{0, 27, 8, 32, 0, 0}, 512, 786, 0},    /* one group more than almost full */
        {{1, 27, 8, 32, 0, 0}, 512, 275, 0},    /* all there are */
        {{0, 27, 8, 32, 0, 0}, 100, 200, 0},    /* cut at twice as many */
        {{0, 27, 8, 32, 0, 0}, 16, 58, 0},      /* never less than one answer */
        {{1, 27, 8, 32, 24, 16}, 512, 275, 24}, /* patches of 4 x 4 */
    };
    struct ptd_model *m = tiny_model(1);
    struct ptd_shape s;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ptd_plan_pack(&cases[i].e, cases[i].micro, m, &s);
        assert_int_equal(s.rows, cases[i].rows);
        assert_int_equal(s.patches, cases[i].patches);
        assert_true(s.targets > 0 && s.targets <= s.rows + 8);
    }
    ptd_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_limit_counts),
        cmocka_unit_test(parts_are_added_up),
        cmocka_unit_test(a_card_has_a_sum_of_its_own),
        cmocka_unit_test(micro_batches_are_packed_as_they_may_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
