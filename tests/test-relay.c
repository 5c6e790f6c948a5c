/* test-relay: verdicts of a round that several ranks have a share of come to all of them, in order,
 * whatever the ranks sum meanwhile; who asks something else, goes or does not come ends it. Real
 * pipelines are ranks.bats's. */
#include "ranks.h"
#include "base/rank.h"
#include "method/exchange.h"
#include "method/relay.h"
#include "test.h"

#define ROUNDS 12
#define MOST   9 /* prompts of a round */

static struct shared {
    char words[RANKS_MOST][600];
    int got[RANKS_MOST], failed[RANKS_MOST], over[RANKS_MOST];
} * shared;
static int statuses[RANKS_MOST];

static struct ptd_asked asked(int round, int64_t number)
{
    return (struct ptd_asked){100 * round + number, (double)(number % 5) / 4, number % 3 == 1};
}

/* Ours of a round, and nothing of the others'. */
static void fill(struct ptd_comm *c, int round, const struct ptd_relay_round *r,
                 struct ptd_asked *all)
{
    for (int64_t q = 0; q < r->n; q++)
        all[q] = (r->before + q) % ptd_comm_ranks(c) == ptd_comm_rank(c)
                     ? asked(round, r->before + q)
                     : (struct ptd_asked){-1, -1, -1};
}

static int bring(struct ptd_relay *relay, const struct ptd_relay_round *r, struct ptd_asked *all)
{
    int got;
    while (!(got = ptd_relay_bring(relay, r, all))) ptd_relay_wait(relay, 5);
    return got;
}

static int is_whole(int round, const struct ptd_relay_round *r, const struct ptd_asked *all)
{
    for (int64_t q = 0; q < r->n; q++) {
        struct ptd_asked want = asked(round, r->before + q);
        if (memcmp(&all[q], &want, sizeof want)) return 0;
    }
    return 1;
}

/* Both ends of both wires; as ptd-rollout and ptd-update have them. */
struct ends {
    struct ptd_relay *relay;
    struct ptd_exchange *exchange;
};

static struct ends meet(struct ptd_comm *c)
{
    struct ends e = {.relay = ptd_relay_new(ptd_comm_rank(c), ptd_comm_ranks(c))};
    e.exchange = ptd_exchange_begin(&(struct ptd_head){.relay = ptd_relay_address(e.relay)}, c);
    return e;
}

static int rounds_come_whole(struct ptd_comm *c, void *ctx)
{
    struct ends e = meet(c);
    struct ptd_relay_round r = {.step = 1};
    struct ptd_asked all[MOST];
    (void)ctx;
    if (!e.exchange || ptd_relay_met(e.relay)) return 1;
    for (int i = 0; i < ROUNDS; i++) {
        double sum[1] = {i + ptd_comm_rank(c)};
        r.before += r.n, r.n = 1 + i % MOST; /* fewer than there are ranks, too */
        r.again = (uint64_t)i << 60;
        fill(c, i, &r, all);
        if (bring(e.relay, &r, all) < 0) return 2;
        if (!is_whole(i, &r, all) || !ptd_relay_met(e.relay)) return 3;
        if (ptd_comm_sum(c, sum, 1)) return 4;
        int n = ptd_comm_ranks(c);
        if (sum[0] != i * n + n * (n - 1) / 2) return 5;
    }
    ptd_relay_close(e.relay);
    if (ptd_exchange_failed(e.exchange)) return 6;
    ptd_exchange_end(e.exchange);
    return 0;
}

static void each_round_comes_to_all(void **state)
{
    (void)state;
    for (int n = 1; n <= 4; n++) {
        ranks_run(n, 20, rounds_come_whole, NULL, statuses);
        for (int i = 0; i < n; i++) assert_int_equal(statuses[i], 0);
    }
}

/* How it went for this rank. */
static void note(struct ptd_comm *c, struct ends *e, int got)
{
    int rank = ptd_comm_rank(c);
    shared->got[rank] = got;
    shared->over[rank] = ptd_exchange_over(e->exchange);
    shared->failed[rank] = ptd_exchange_failed(e->exchange) ? ptd_failed_status() : 0;
    snprintf(shared->words[rank], 600, "%s", ptd_failed_message());
}

/* One says that it asks another round. */
static int ask_another(struct ptd_comm *c, void *ctx)
{
    struct ends e = meet(c);
    struct ptd_relay_round r = {.step = 4, .n = 5, .again = ptd_comm_rank(c) == *(int *)ctx};
    struct ptd_asked all[MOST];
    fill(c, 0, &r, all);
    note(c, &e, bring(e.relay, &r, all));
    ptd_relay_close(e.relay);
    ptd_exchange_end(e.exchange);
    return 0;
}

static void other_prompts_are_refused(void **state)
{
    char want[200];
    (void)state;
    for (int other = 1; other < 3; other++) {
        ranks_run(3, 20, ask_another, &other, statuses);
        snprintf(want, sizeof want,
                 "rank %d asks other prompts in step 4 than rank 0 in step 4: expected stores of "
                 "one run, with the same history",
                 other);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(statuses[i], 0);
            assert_int_equal(shared->got[i], -1);
            assert_int_equal(shared->failed[i], PTD_CONFIG);
            assert_int_equal(shared->over[i], 0);
            assert_string_equal(shared->words[i], want);
        }
    }
}

/* The ptd-rollout of rank 1 has gone, or its ptd-update ends. */
static int go(struct ptd_comm *c, void *ctx)
{
    struct ends e = meet(c);
    struct ptd_relay_round r = {.step = 4, .n = 5};
    struct ptd_asked all[MOST];
    int updates = *(int *)ctx;
    if (ptd_comm_rank(c) != 1) {
        fill(c, 0, &r, all);
        note(c, &e, bring(e.relay, &r, all));
    } else if (!updates)
        ptd_relay_close(e.relay);
    ptd_exchange_end(e.exchange);
    return 0;
}

static void who_goes_ends_the_rounds_of_all(void **state)
{
    (void)state;
    for (int updates = 0; updates < 2; updates++) {
        ranks_run(3, 20, go, &updates, statuses);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(statuses[i], 0);
            if (i == 1) continue;
            assert_int_equal(shared->got[i], -1);
            assert_int_equal(shared->failed[i], 0);
            assert_int_equal(shared->over[i], 1);
            assert_string_equal(shared->words[i],
                                "ptd-update has no verdicts of the other ranks any more");
        }
    }
}

/* Rank 1 ends, and does not say so. */
static int end(struct ptd_comm *c, void *ctx)
{
    struct ends e = meet(c);
    struct ptd_relay_round r = {.step = 4, .n = 5};
    struct ptd_asked all[MOST];
    (void)ctx;
    if (ptd_comm_rank(c) == 1) exit(PTD_IOERR);
    fill(c, 0, &r, all);
    note(c, &e, bring(e.relay, &r, all));
    char x = 0, others[RANKS_MOST];
    return ptd_comm_gather(c, &x, 1, others) ? 1 : 0;
}

static void who_ends_ends_all(void **state)
{
    (void)state;
    ranks_run(3, 20, end, NULL, statuses);
    for (int i = 0; i < 3; i++) assert_int_equal(statuses[i], PTD_IOERR);
    assert_int_equal(shared->got[0], -1);
    assert_int_equal(shared->failed[0], 0);
}

/* Rank 1 has no verdicts. */
static int keep_waiting(struct ptd_comm *c, void *ctx)
{
    struct ends e = meet(c);
    struct ptd_relay_round r = {.step = 4, .n = 5};
    struct ptd_asked all[MOST];
    (void)ctx;
    if (ptd_comm_rank(c) == 1) {
        usleep(2000000);
        exit(7);
    }
    fill(c, 0, &r, all);
    note(c, &e, bring(e.relay, &r, all));
    _exit(0);
}

static void patience_names_who_does_not_come(void **state)
{
    char host[64], want[200];
    (void)state;
    gethostname(host, sizeof host);
    ranks_run(2, 0.5, keep_waiting, NULL, statuses);
    snprintf(want, sizeof want, "rank 1 on %s did not come within 0.5 s (--comm-timeout)", host);
    assert_int_equal(statuses[1], 7);
    assert_int_equal(shared->got[0], -1);
    assert_int_equal(shared->failed[0], PTD_UNAVAILABLE);
    assert_string_equal(shared->words[0], want);
}

/* Streams that were saved; but for that of rank 0, where it waits. */
static int read_saved(struct ptd_comm *c, void *ctx)
{
    static const char *const gone[] = {"/proc/1/fd/0 pipe:[1], /proc/1/fd/1 pipe:[2]", "nonsense",
                                       "/etc/passwd, /etc/passwd"};
    struct ptd_asked all[MOST];
    struct ptd_relay_round r = {.step = 4, .n = 5};
    if (*(int *)ctx && !ptd_comm_rank(c)) {
        struct ends e = meet(c);
        fill(c, 0, &r, all);
        note(c, &e, bring(e.relay, &r, all));
        ptd_exchange_end(e.exchange);
        return 0;
    }
    struct ptd_head h = {.relay = gone[ptd_comm_rank(c)]};
    struct ptd_exchange *e = ptd_exchange_begin(&h, c);
    int failed = ptd_exchange_failed(e);
    ptd_exchange_end(e);
    return failed;
}

static void nobody_waits(void **state)
{
    (void)state;
    assert_null(ptd_exchange_begin(&(struct ptd_head){.relay = "nonsense"}, NULL));
    assert_int_equal(ptd_exchange_failed(NULL), 0);
    ptd_exchange_end(NULL);
    for (int waits = 0; waits < 2; waits++) {
        ranks_run(3, 20, read_saved, &waits, statuses);
        for (int i = 0; i < 3; i++) assert_int_equal(statuses[i], 0);
    }
    assert_int_equal(shared->got[0], -1);
    assert_int_equal(shared->failed[0], 0);
}

static void shares_make_the_whole(void **state)
{
    (void)state;
    for (int ranks = 1; ranks < 6; ranks++)
        for (int first = 0; first < 13; first++)
            for (int n = 0; n < 13; n++)
                for (int rank = 0; rank < ranks; rank++) {
                    int many = 0;
                    for (int i = first; i < first + n; i++) many += i % ranks == rank;
                    assert_int_equal(ptd_rank_share(first, n, rank, ranks), many);
                }
}

int main(void)
{
    shared = ranks_shared(sizeof *shared);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_make_the_whole),
        cmocka_unit_test(each_round_comes_to_all),
        cmocka_unit_test(other_prompts_are_refused),
        cmocka_unit_test(who_goes_ends_the_rounds_of_all),
        cmocka_unit_test(who_ends_ends_all),
        cmocka_unit_test(patience_names_who_does_not_come),
        cmocka_unit_test(nobody_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
