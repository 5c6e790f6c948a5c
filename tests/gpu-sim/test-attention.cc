/* test-attention: the GPU's attention on the emulator, forward, backward and shares, beside plain
 * formulas in double, over every kind of span. */
#include "forms.hh"

struct scene {
    int heads, kv_heads, dim, causal, gap; /* gap: numbers between rows beyond what is needed */
    std::vector<ptd_span> spans;
    long rows, pool; /* query rows; rows of keys and values */
    std::vector<int32_t> blocks;
    int block_rows;
    double scale; /* of queries */

    long q_stride() const { return (long)heads * dim + gap; }
    long k_stride() const { return (long)kv_heads * dim + 2 * gap; }
    long v_stride() const { return (long)kv_heads * dim + 3 * gap; }
    long o_stride() const { return (long)heads * dim + 4 * gap; }
    struct ptd_attention shape() const
    {
        return {heads,
                kv_heads,
                dim,
                causal,
                q_stride(),
                k_stride(),
                v_stride(),
                o_stride(),
                spans.data(),
                (int)spans.size(),
                blocks.empty() ? NULL : blocks.data(),
                (long)blocks.size(),
                block_rows};
    }
    long key(long place, int j) const
    {
        if (blocks.empty()) return place + j;
        return (long)blocks[(size_t)(place + j / block_rows)] * block_rows + j % block_rows;
    }
    long key_of(const ptd_span &p, int j) const
    {
        return j < p.n_shared ? key(p.shared, j) : key(p.own, j - p.n_shared);
    }
};

static struct scene scene_of(int heads, int kv_heads, int dim, int causal, int gap)
{
    return {heads, kv_heads, dim, causal, gap, {}, 0, 0, {}, 0, 1};
}

/* A prompt, or a reply to span number `prompt`, whose keys are its own rows. */
static int add(struct scene &s, int n, int prompt)
{
    struct ptd_span p = {s.rows, n, s.rows, 0, 0, 0};
    if (prompt >= 0) p.shared = s.spans[(size_t)prompt].row, p.n_shared = s.spans[(size_t)prompt].n;
    s.spans.push_back(p);
    s.pool = s.rows += n;
    return (int)s.spans.size() - 1;
}

/* Decoding: n new rows of a sequence with `past` own keys; two rows of room behind. */
static void add_step(struct scene &s, int n, int past, long shared, int n_shared)
{
    s.spans.push_back({s.rows, n, s.pool, past, shared, n_shared});
    s.rows += n;
    s.pool += past + n + 2;
}

/* ---- the plain form ---- */

struct answers {
    doubles q, k, v, dout, o, lse, dq, dk, dv;
};

static double dot(const double *a, const double *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void plain_pair(const struct scene &s, struct answers &x, const ptd_span &p, int i, int h)
{
    int D = s.dim, c = h / (s.heads / s.kv_heads) * D,
        n = p.n_shared + p.past + (s.causal ? i + 1 : p.n);
    long row = p.row + i;
    const double *q = &x.q[(size_t)(row * s.q_stride() + h * D)],
                 *dout = &x.dout[(size_t)(row * s.o_stride() + h * D)];
    double *o = &x.o[(size_t)(row * s.o_stride() + h * D)],
           *dq = &x.dq[(size_t)(row * s.q_stride() + h * D)], most = -INFINITY, sum = 0, delta = 0;
    doubles share((size_t)n);
    for (int j = 0; j < n; j++) {
        share[(size_t)j] = dot(q, &x.k[(size_t)(s.key_of(p, j) * s.k_stride() + c)], D) / sqrt(D);
        most = fmax(most, share[(size_t)j]);
    }
    for (double &e : share) sum += e = exp(e - most);
    x.lse[(size_t)(row * s.heads + h)] = most + log(sum);
    for (int d = 0; d < D; d++) o[d] = dq[d] = 0;
    for (int j = 0; j < n; j++)
        for (int d = 0; d < D; d++)
            o[d] += (share[(size_t)j] /= d ? 1 : sum) *
                    x.v[(size_t)(s.key_of(p, j) * s.v_stride() + c + d)];
    for (int d = 0; d < D; d++) delta += o[d] * dout[d];
    for (int j = 0; j < n; j++) {
        size_t k = (size_t)(s.key_of(p, j) * s.k_stride() + c),
               v = (size_t)(s.key_of(p, j) * s.v_stride() + c);
        double P = share[(size_t)j], ds = P * (dot(dout, &x.v[v], D) - delta) / sqrt(D);
        for (int d = 0; d < D; d++) {
            dq[d] += ds * x.k[k + (size_t)d];
            x.dk[k + (size_t)d] += ds * q[d];
            x.dv[v + (size_t)d] += P * dout[d];
        }
    }
}

static struct answers plain(const struct scene &s)
{
    struct answers x = {normal(1, s.rows * s.q_stride()),
                        normal(2, s.pool * s.k_stride()),
                        normal(3, s.pool * s.v_stride()),
                        normal(4, s.rows * s.o_stride()),
                        doubles((size_t)(s.rows * s.o_stride()), 7),
                        doubles((size_t)(s.rows * s.heads)),
                        doubles((size_t)(s.rows * s.q_stride()), 7),
                        normal(5, s.pool * s.k_stride()),
                        normal(6, s.pool * s.v_stride())};
    for (double &q : x.q) q = held(q * s.scale);
    for (const ptd_span &p : s.spans)
        for (int i = 0; i < p.n; i++)
            for (int h = 0; h < s.heads; h++) plain_pair(s, x, p, i, h);
    return x;
}

/* ---- checks ---- */

/* Keys that nobody may see are NaN. */
static void hide(const struct scene &s, struct answers &x)
{
    std::vector<char> seen((size_t)s.pool);
    for (const ptd_span &p : s.spans)
        for (int j = 0; p.n && j < p.n_shared + p.past + p.n; j++) seen[(size_t)s.key_of(p, j)] = 1;
    for (long r = 0; r < s.pool; r++) {
        if (seen[(size_t)r]) continue;
        for (long c = 0; c < s.k_stride(); c++) x.k[(size_t)(r * s.k_stride() + c)] = NAN;
        for (long c = 0; c < s.v_stride(); c++) x.v[(size_t)(r * s.v_stride() + c)] = NAN;
    }
}

static void check_forward(const struct scene &s, double within = 0)
{
    struct answers x = plain(s);
    doubles before(x.o.size(), 7);
    hide(s, x);
    in_all_orders([&](run &t) {
        struct ptd_attention a = s.shape();
        struct ptd_attention_plan *p = t.d->ops->attention_plan(t.d, &a);
        ptd_num *q = t.nums(x.q), *k = t.nums(x.k), *v = t.nums(x.v);
        t.d->ops->attention(t.d, p, t.out_nums(x.o, &before, within),
                            t.out_stats(x.lse, NULL, 4e-6), q, k, v);
        t.d->ops->attention(t.d, p, t.out_nums(x.o, &before, within), NULL, q, k, v);
        t.d->ops->attention_plan_free(t.d, p);
    });
}

static void check_backward(const struct scene &s)
{
    struct answers x = plain(s);
    doubles before(x.dq.size(), 7), dk = normal(5, s.pool * s.k_stride()),
                                    dv = normal(6, s.pool * s.v_stride());
    double within = wide_numbers ? 3e-5 : 4e-2;
    for (double &o : x.o) o = held(o);
    in_all_orders([&](run &t) {
        struct ptd_attention a = s.shape();
        struct ptd_attention_plan *p = t.d->ops->attention_plan(t.d, &a);
        ptd_num *dq = t.out_nums(x.dq, &before, within), *k = t.nums(x.k);
        ptd_num *gk = t.out_nums(x.dk, &dk, within), *gv = t.out_nums(x.dv, &dv, within);
        t.d->ops->attention_backward(t.d, p, dq, gk, gv, t.nums(x.dout), t.nums(x.o),
                                     t.stats(x.lse), t.nums(x.q), k, t.nums(x.v));
        t.d->ops->attention_plan_free(t.d, p);
    });
}

static void check(const struct scene &s)
{
    check_forward(s);
    check_backward(s);
}

/* ---- scenes ---- */

/* Prompts with replies, one without any, one of a single row, spans of no rows. */
static struct scene families(int heads, int kv_heads, int dim, int gap)
{
    struct scene s = scene_of(heads, kv_heads, dim, 1, gap);
    int p = add(s, 17, -1);
    for (int n : {3, 1, 5}) add(s, n, p);
    add(s, 0, -1);
    add(s, 2, -1);
    p = add(s, 1, -1);
    for (int i = 0; i < 2; i++) add(s, 1, p);
    return s;
}

static void replies_share_their_prompt(void **state)
{
    for (int dim : {24, 32, 64, 72, 128}) check(families(2, 1, dim, 8));
}

/* Rows that are nobody's lie between replies to one prompt. */
static void replies_may_lie_apart(void **state)
{
    struct scene s = scene_of(2, 1, 32, 1, 0);
    int p = add(s, 5, -1);
    for (int i = 0; i < 2; i++, s.rows += 2) add(s, 3, p);
    s.pool = s.rows;
    check_backward(s);
}

/* Widths and strides that 16 bytes do not divide; more heads than a tile has pairs. */
static void any_width_and_heads(void **state)
{
    check(families(2, 1, 10, 5));
    check(families(1, 1, 64, 4));
    check(families(4, 2, 33, 0));
    struct scene s = scene_of(70, 1, 24, 1, 0);
    add(s, 1, add(s, 2, -1));
    check(s);
}

static void prompts_of_many_tiles(void **state)
{
    struct scene s = scene_of(1, 1, 24, 1, 0);
    add(s, 129, -1);
    check(s);
    s = scene_of(1, 1, 32, 1, 0);
    int p = add(s, 65, -1);
    for (int n : {66, 1, 3}) add(s, n, p);
    check(s);
    s = scene_of(1, 1, 32, 1, 0); /* a prompt that fills its key tile */
    p = add(s, 64, -1);
    for (int n : {2, 1}) add(s, n, p);
    check(s);
    s = scene_of(1, 1, 32, 1, 0); /* rows of the last span, and its keys, end where steps do */
    add(s, 32, add(s, 3, -1));
    check_backward(s);
}

static void pictures_see_all_of_themselves(void **state)
{
    struct scene s = scene_of(1, 1, 72, 0, 8);
    for (int n : {70, 1, 64}) add(s, n, -1);
    check(s);
}

/* Steps of many lengths, alone and several rows at once: 16, 24 and 64 pairs to a tile. */
static void decoding_reads_the_cache(void **state)
{
    for (int heads : {2, 4, 3}) {
        struct scene s = scene_of(heads, 1, heads == 2 ? 128 : 32, 1, 0);
        s.pool = 50;
        for (int i = 0; i < 6; i++) add_step(s, heads == 3 ? 9 : 1, 7 * i, 0, 30);
        for (int i = 0; i < 2; i++) add_step(s, 1 + i, i, 30, 20);
        add_step(s, 1, 70, 0, 0);
        check_forward(s);
    }
    struct scene s = scene_of(2, 1, 32, 1, 0); /* the prompt lies behind, at 0 a sibling's key */
    for (int i = 0; i < 3; i++) add_step(s, 1, i, 20, 30);
    s.pool = 50;
    check_forward(s);
}

/* Walks that are cut into pieces; in blocks, too, in whose number of rows 2 goes or not. */
static void long_walks_are_joined(void **state)
{
    for (int block_rows : {0, 32, 33}) {
        struct scene s = scene_of(2, 1, 32, 1, 0);
        s.pool = 4150;
        if (!block_rows) {
            for (int i = 0; i < 2; i++) add_step(s, 1, 70 * i, 0, 4150);
            add_step(s, 1, 4096, 0, 0);
        } else {
            s.block_rows = block_rows;
            for (int i = 0; i < 140; i++) s.blocks.push_back((i * 37 + 5) % 141);
            s.pool = 141 * block_rows;
            s.rows = 2;
            s.spans = {{0, 1, 132, 40, 0, 4150}, {1, 1, 134, 3, 0, 4150}};
        }
        check_forward(s);
    }
}

/* However rows are brought together, and wherever keys lie. */
static void company_changes_no_bit(void **state)
{
    const int prompt = 70, own = 12, heads = 3;
    struct scene all = scene_of(heads, 1, 64, 1, 0), steps = all;
    add(all, own, add(all, prompt, -1));
    struct answers x = plain(all);
    struct ptd_device *d = opened();
    auto given = [&](const doubles &v) {
        floats f(v.begin(), v.end());
        ptd_num *p = (ptd_num *)d->ops->alloc(d, f.size() * 4);
        d->ops->put_nums(d, p, f.data(), f.size());
        return p;
    };
    ptd_num *q = given(x.q), *k = given(x.k), *v = given(x.v), *o = given(x.o);
    auto run = [&](const struct scene &s) {
        struct ptd_attention a = s.shape();
        struct ptd_attention_plan *p = d->ops->attention_plan(d, &a);
        floats f(x.o.size());
        d->ops->attention(d, p, o, NULL, q, k, v);
        d->ops->get_nums(d, f.data(), o, f.size());
        d->ops->attention_plan_free(d, p);
        return f;
    };
    sim_order = sim_late = 0;
    floats whole = run(all);
    for (int at_once : {1, 4}) {
        steps.spans.clear();
        for (int i = 0; i < own; i += at_once)
            steps.spans.push_back({prompt + i, at_once, prompt, i, 0, prompt});
        assert_memory_equal(run(steps).data(), whole.data(), whole.size() * 4);
        steps.spans.resize(1);
        assert_memory_equal(run(steps).data(), whole.data(), whole.size() * 4);
    }
    look_at_faults(d);
    for (ptd_num *p : {q, k, v, o}) d->ops->free(d, p);
    d->ops->close(d);
    free(d);
}

/* Scores of a thousand: shares of 0 and 1, no overflow. */
static void large_scores(void **state)
{
    struct scene s = scene_of(2, 1, 32, 1, 0);
    s.scale = 150;
    add(s, 5, add(s, 66, -1));
    for (int i = 0; i < 4; i++) add(s, 1, -1); /* of some the only score is far below 0 */
    struct answers x = plain(s);
    in_all_orders([&](run &t) {
        struct ptd_attention a = s.shape();
        struct ptd_attention_plan *p = t.d->ops->attention_plan(t.d, &a);
        ptd_num *q = t.nums(x.q), *k = t.nums(x.k), *v = t.nums(x.v),
                *o = t.out_nums(x.o, NULL, 2e-2);
        ptd_stat *lse = t.out_stats(x.lse, NULL, 1e-5);
        ptd_num *dq = t.nums(x.dq), *dk = t.nums(x.dk), *dv = t.nums(x.dv);
        t.d->ops->attention(t.d, p, o, lse, q, k, v);
        t.d->ops->attention_backward(t.d, p, dq, dk, dv, t.nums(x.dout), o, lse, q, k, v);
        for (ptd_num *g : {dq, dk, dv}) {
            floats f(g == dq ? x.dq.size() : x.dk.size());
            t.d->ops->get_nums(t.d, f.data(), g, f.size());
            for (float e : f) assert_true(isfinite(e));
        }
        t.d->ops->attention_plan_free(t.d, p);
    });
}

/* A NaN comes out where it is seen, whatever the neighbours. */
static void nan_is_kept(void **state)
{
    struct scene s = scene_of(2, 1, 32, 1, 0);
    add(s, 40, -1);
    struct answers x = plain(s);
    x.q[(size_t)(3 * s.q_stride())] = NAN;
    in_all_orders([&](run &t) {
        struct ptd_attention a = s.shape();
        struct ptd_attention_plan *p = t.d->ops->attention_plan(t.d, &a);
        floats f(x.o.size());
        ptd_num *o = t.nums(x.o);
        t.d->ops->attention(t.d, p, o, NULL, t.nums(x.q), t.nums(x.k), t.nums(x.v));
        t.d->ops->get_nums(t.d, f.data(), o, f.size());
        for (size_t i = 0; i < f.size(); i++)
            assert_int_equal(isnan(f[i]), i / 32 == 3 * 2); /* row 3, head 0 */
        t.d->ops->attention_plan_free(t.d, p);
    });
}

/* What no row of a warp sees is left out, NaN too: each of 16 rows has its own keys. */
static void nan_stays_with_its_reply(void **state)
{
    const int dim = 32, prompt = 5, reply = 16;
    struct scene s = scene_of(1, 1, dim, 1, 0);
    add(s, prompt, -1);
    for (int i = 0; i < 2; i++) add(s, reply, 0);
    struct answers x = plain(s);
    x.k[(size_t)((prompt + reply) * dim)] = NAN; /* of the last reply the first */
    in_all_orders([&](run &t) {
        struct ptd_attention a = s.shape();
        struct ptd_attention_plan *p = t.d->ops->attention_plan(t.d, &a);
        ptd_num *q = t.nums(x.q), *k = t.nums(x.k), *v = t.nums(x.v), *o = t.nums(x.o),
                *dq = t.nums(x.dq);
        t.d->ops->attention_backward(t.d, p, dq, t.nums(x.dk), t.nums(x.dv), t.nums(x.dout), o,
                                     t.stats(x.lse), q, k, v);
        t.d->ops->attention(t.d, p, o, NULL, q, k, v);
        for (ptd_num *out : {o, dq}) {
            floats f(x.o.size());
            t.d->ops->get_nums(t.d, f.data(), out, f.size());
            for (size_t i = 0; i < f.size(); i++)
                assert_int_equal(isnan(f[i]), (int)i / dim >= prompt + reply);
        }
        t.d->ops->attention_plan_free(t.d, p);
    });
}

static void shares_of_some_rows(void **state)
{
    struct scene s = families(4, 2, 24, 8);
    struct answers x = plain(s);
    const long first = 17, n = 5;
    const std::vector<int32_t> keys = {3,  0, 16, 3, 2,  9,  11, 15, 1, 4, 5, 6, 7, 8, 10, 12, 13,
                                       14, 3, 3,  5, 16, 16, 1,  2,  9, 8, 0, 5, 4, 3, 7,  7,  6};
    for (int some = 0; some < 2; some++) {
        const uint8_t heads[] = {1, 0, 1, 1};
        doubles before = normal(9, n * (long)keys.size()), want = before;
        for (long i = 0; i < n; i++)
            for (size_t j = 0; j < keys.size(); j++)
                for (int h = 0; h < 4; h++)
                    if (!some || heads[h])
                        want[(size_t)i * keys.size() + j] +=
                            exp(dot(&x.q[(size_t)((first + i) * s.q_stride() + h * 24)],
                                    &x.k[(size_t)(keys[j] * s.k_stride() + h / 2 * 24)], 24) /
                                    sqrt(24) -
                                x.lse[(size_t)((first + i) * 4 + h)]);
        in_all_orders([&](run &t) {
            struct ptd_attention a = s.shape();
            struct ptd_attention_plan *p = t.d->ops->attention_plan(t.d, &a);
            struct ptd_shares_asked asked = {first, n, t.ints(keys), (long)keys.size(),
                                             some ? heads : NULL};
            t.d->ops->attention_shares(t.d, p, &asked, t.out_stats(want, &before), t.nums(x.q),
                                       t.nums(x.k), t.stats(x.lse));
            t.d->ops->attention_plan_free(t.d, p);
        });
    }
}

/* Keys of two spans that overlap would have their gradients added to by two blocks. */
static void overlapping_keys_have_no_gradient(void **state)
{
    struct scene s = scene_of(1, 1, 32, 1, 0);
    add(s, 20, -1);
    add(s, 20, -1);
    s.spans[1].own = 10;
    struct answers x = plain(s);
    struct ptd_device *d = opened();
    struct ptd_attention a = s.shape();
    struct ptd_attention_plan *p = d->ops->attention_plan(d, &a);
    ptd_num *n = (ptd_num *)d->ops->alloc(d, 40 * 32 * 4);
    d->ops->attention_backward(d, p, n, n, n, n, n, (ptd_stat *)n, n, n, n);
    d->ops->wait(d);
    assert_int_equal(d->fault.status, PTD_BUG);
    assert_non_null(strstr(d->fault.words, "overlap"));
    d->ops->attention_plan_free(d, p);
    d->ops->free(d, n);
    d->ops->close(d);
    free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_share_their_prompt),
        cmocka_unit_test(replies_may_lie_apart),
        cmocka_unit_test(any_width_and_heads),
        cmocka_unit_test(prompts_of_many_tiles),
        cmocka_unit_test(pictures_see_all_of_themselves),
        cmocka_unit_test(decoding_reads_the_cache),
        cmocka_unit_test(long_walks_are_joined),
        cmocka_unit_test(company_changes_no_bit),
        cmocka_unit_test(large_scores),
        cmocka_unit_test(nan_is_kept),
        cmocka_unit_test(nan_stays_with_its_reply),
        cmocka_unit_test(shares_of_some_rows),
        cmocka_unit_test(overlapping_keys_have_no_gradient),
    };
    return run_on_both(tests, sizeof tests / sizeof *tests);
}
