/* test-comm: ranks as processes that talk through sockets: what is gathered and summed, in which
 * order, in how many bytes; what comes of a rank that ends, is stopped or killed. */
#include "ranks.h"
#include "base/dtype.h"
#include "test.h"
#include <signal.h>

#define MOST ((size_t)3 << 19) /* floats: more than a piece */

static struct shared {
    float sums[RANKS_MOST][MOST];
    uint64_t sent[RANKS_MOST];
    char words[RANKS_MOST][600];
    int ended[RANKS_MOST];
} * shared;
static int statuses[RANKS_MOST];

static float number(int rank, size_t i)
{
    uint32_t x = (uint32_t)i * 2654435761u + (uint32_t)rank * 40503u;
    x ^= x >> 15;
    return (float)((int32_t)(x * 2246822519u) / 65536.0) * (float)(1 + i % 7);
}

static void all_well(int n)
{
    for (int i = 0; i < n; i++) assert_int_equal(statuses[i], 0);
}

/* ---- sums ---- */

struct sum {
    size_t n;
    enum ptd_comm_form form;
    int threads; /* in so many parts, by the thread */
};

static int sum(struct ptd_comm *c, void *ctx)
{
    const struct sum *s = ctx;
    float *x = shared->sums[ptd_comm_rank(c)];
    for (size_t i = 0; i < s->n; i++) x[i] = number(ptd_comm_rank(c), i);
    uint64_t before = ptd_comm_sent(c);
    for (int i = 0; i < s->threads; i++) {
        size_t from = s->n * (size_t)i / (size_t)s->threads,
               to = s->n * (size_t)(i + 1) / (size_t)s->threads;
        ptd_comm_push(c, x + from, to - from, s->form);
    }
    int rc = s->threads ? ptd_comm_join(c) : ptd_comm_sum_floats(c, x, s->n, s->form);
    shared->sent[ptd_comm_rank(c)] = ptd_comm_sent(c) - before;
    return rc ? 1 : 0;
}

static float bf16(float x)
{
    uint16_t h;
    ptd_dtype_from_float(&h, PTD_BF16, &x, 1);
    ptd_dtype_to_float(&x, &h, PTD_BF16, 1);
    return x;
}

/* In double, in the order of ranks, rounded once. */
static float plain(int ranks_here, size_t i)
{
    double all = 0;
    for (int r = 0; r < ranks_here; r++) all += number(r, i);
    return (float)all;
}

static void sums_are(int n, const struct sum *s)
{
    ranks_run(n, 20, sum, (void *)(uintptr_t)s, statuses);
    all_well(n);
    for (int r = 1; r < n; r++)
        assert_memory_equal(shared->sums[r], shared->sums[0], s->n * sizeof(float));
    for (size_t i = 0; i < s->n; i++) {
        float want = plain(n, i), got = shared->sums[0][i];
        if (s->form == PTD_COMM_F32 && got != want)
            fail_msg("number %zu: %a, not %a", i, got, want);
        if (s->form == PTD_COMM_BF16 && got != bf16(got)) fail_msg("number %zu is no bfloat16", i);
        double off = 0;
        for (int r = 0; r < n; r++) off += fabs(number(r, i)) / 128;
        if (s->form == PTD_COMM_BF16) assert_close(got, want, off);
    }
    size_t width = s->form == PTD_COMM_BF16 ? 2 : 4;
    for (int r = 0; r < n; r++)
        assert_in_range(shared->sent[r], 0,
                        2 * width * (s->n - s->n / (size_t)n) + 8 * width * (size_t)n);
}

static void sums_are_exact_and_the_same_everywhere(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 3, 1000, 4097, MOST};
    for (int n = 1; n < 5; n++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            if (n == 4 && sizes[k] == MOST) continue;
            for (int form = 0; form < (n > 1 ? 2 : 1); form++)
                sums_are(n, &(struct sum){sizes[k], form, 0});
        }
}

static void a_thread_gives_the_same_bits(void **state)
{
    (void)state;
    for (int parts = 1; parts < 40; parts += 13)
        sums_are(3, &(struct sum){5000, PTD_COMM_F32, parts});
}

static int halves(struct ptd_comm *c, void *ctx)
{
    static const size_t first[] = {0, 5, 5, 12};
    float *x = shared->sums[ptd_comm_rank(c)];
    (void)ctx;
    for (size_t i = 0; i < 12; i++) x[i] = number(ptd_comm_rank(c), i);
    if (ptd_comm_scatter(c, x, first, PTD_COMM_F32)) return 1;
    for (size_t i = 0; i < 12; i++) {
        int own = i >= first[ptd_comm_rank(c)] && i < first[ptd_comm_rank(c) + 1];
        if (x[i] != (own ? plain(3, i) : number(ptd_comm_rank(c), i))) return 2;
    }
    if (ptd_comm_spread(c, x, first, sizeof *x)) return 3;
    for (size_t i = 0; i < 12; i++)
        if (x[i] != plain(3, i)) return 4;
    return 0;
}

static void shares_are_summed_and_spread(void **state)
{
    (void)state;
    ranks_run(3, 20, halves, NULL, statuses);
    all_well(3);
}

/* ---- gathering ---- */

static int gather(struct ptd_comm *c, void *ctx)
{
    int rank = ptd_comm_rank(c), n = ptd_comm_ranks(c), all[RANKS_MOST];
    char mine[RANKS_MOST + 1] = "", *came;
    size_t sizes[RANKS_MOST];
    double sums[2] = {rank + 1, 0.1 * rank};
    (void)ctx;
    for (int i = 0; i < rank; i++) strcat(mine, "x"); /* rank 0 has none */
    if (ptd_comm_gather(c, &rank, sizeof rank, all)) return 1;
    for (int i = 0; i < n; i++)
        if (all[i] != i) return 2;
    if (ptd_comm_gather_all(c, mine, (size_t)rank, (void **)&came, sizes)) return 3;
    size_t bytes = 0;
    for (int i = 0; i < n; i++) bytes += sizes[i];
    if (bytes != (size_t)(n * (n - 1) / 2) || strspn(came, "x") < bytes) return 4;
    if (ptd_comm_sum(c, sums, 2) || sums[0] != n * (n + 1) / 2) return 5;
    return sums[1] == 0.0 + 0.1 * 1 + 0.1 * 2 ? 0 : 6;
}

static void all_get_what_each_has(void **state)
{
    (void)state;
    ranks_run(3, 20, gather, NULL, statuses);
    all_well(3);
}

static void one_rank_asks_nobody(void **state)
{
    double x = 3;
    float f = 2;
    char *all;
    size_t n;
    (void)state;
    assert_int_equal(ptd_comm_ranks(NULL), 1);
    assert_int_equal(ptd_comm_sum(NULL, &x, 1), 0);
    assert_int_equal(ptd_comm_sum_floats(NULL, &f, 1, PTD_COMM_BF16), 0);
    assert_true(x == 3 && f == 2);
    assert_int_equal(ptd_comm_gather_all(NULL, "ab", 2, (void **)&all, &n), 0);
    assert_int_equal(n, 2);
    assert_memory_equal(all, "ab", 2);
    free(all);
    assert_int_equal(ptd_comm_close(NULL), 0);
}

/* ---- ends ---- */

static void note_end(void *ctx, int status)
{
    *(int *)ctx = status;
}

/* Rank 1 ends with 74, the others wait for it. */
static int lose(struct ptd_comm *c, void *ctx)
{
    char x = 0, all[RANKS_MOST];
    (void)ctx;
    ptd_comm_on_end(c, note_end, &shared->ended[ptd_comm_rank(c)]);
    if (ptd_comm_rank(c) == 1) exit(PTD_IOERR);
    return ptd_comm_gather(c, &x, 1, all) ? 1 : 0;
}

static void who_waits_ends_as_the_one_that_ended(void **state)
{
    (void)state;
    memset(shared->ended, 0, sizeof shared->ended);
    ranks_run(3, 20, lose, NULL, statuses);
    for (int i = 0; i < 3; i++) assert_int_equal(statuses[i], PTD_IOERR);
    assert_int_equal(shared->ended[0], PTD_IOERR);
    assert_int_equal(shared->ended[2], PTD_IOERR);
}

/* The same while a thread sums. */
static int lose_in_thread(struct ptd_comm *c, void *ctx)
{
    static float x[100];
    (void)ctx;
    if (ptd_comm_rank(c) == 1) exit(PTD_IOERR);
    ptd_comm_push(c, x, 100, PTD_COMM_F32);
    return ptd_comm_join(c) ? 1 : 0;
}

static void who_sums_ends_too(void **state)
{
    (void)state;
    ranks_run(3, 20, lose_in_thread, NULL, statuses);
    for (int i = 0; i < 3; i++) assert_int_equal(statuses[i], PTD_IOERR);
}

static int wait_for_others(struct ptd_comm *c, void *ctx)
{
    char x = 0, all[RANKS_MOST];
    (void)ctx;
    if (ptd_comm_rank(c) == 1)
        for (;;) pause();
    if (!ptd_comm_gather(c, &x, 1, all)) return 1;
    snprintf(shared->words[ptd_comm_rank(c)], 600, "%s", ptd_failed_message());
    exit(ptd_failed_status());
}

static void kill_second(pid_t *pids)
{
    int status;
    (void)status;
    usleep(3000000);
    kill(pids[1], SIGKILL);
}

static void patience_ends_and_names_who_did_not_come(void **state)
{
    char host[64], want[200];
    (void)state;
    gethostname(host, sizeof host);
    ranks_run_with(3, 0.5, wait_for_others, NULL, statuses, kill_second);
    snprintf(want, sizeof want, "rank 1 on %s did not come within 0.5 s (--comm-timeout)", host);
    assert_int_equal(statuses[1], 128 + SIGKILL);
    /* one of the two is first, and the other may hear of it */
    assert_int_equal(statuses[0], PTD_UNAVAILABLE);
    assert_int_equal(statuses[2], PTD_UNAVAILABLE);
    if (*shared->words[0]) assert_string_equal(shared->words[0], want);
    if (*shared->words[2]) assert_string_equal(shared->words[2], want);
    assert_true(*shared->words[0] || *shared->words[2]);
}

int main(void)
{
    shared = ranks_shared(sizeof *shared);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_exact_and_the_same_everywhere),
        cmocka_unit_test(a_thread_gives_the_same_bits),
        cmocka_unit_test(shares_are_summed_and_spread),
        cmocka_unit_test(all_get_what_each_has),
        cmocka_unit_test(one_rank_asks_nobody),
        cmocka_unit_test(who_waits_ends_as_the_one_that_ended),
        cmocka_unit_test(who_sums_ends_too),
        cmocka_unit_test(patience_ends_and_names_who_did_not_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
