/* test-kernels: operations of the GPU on the emulator, watched, in several orders of threads and
 * with what is asynchronous early and late: the same bits each time, and what the CPU's table gives
 * (the specification) within what the numbers' format allows. Attention and rows of logits have
 * tests of their own. */
#include "forms.hh"
extern "C" {
#include "base/threads.h"
}

/* ---- one operation on the CPU, then on the emulator ---- */

/* Arrays of a run on either; what the CPU leaves is what is expected of the other. */
struct side {
    run &r;
    std::vector<doubles> &wanted;
    bool is_cpu;
    size_t next;
    struct ptd_device *d;
    const struct ptd_ops *ops;

    ptd_num *nums(const doubles &x) { return r.nums(x); }
    ptd_acc *accs(const doubles &x) { return r.accs(x); }
    ptd_stat *stats(const doubles &x) { return r.stats(x); }
    ptd_int *ints(const std::vector<int32_t> &x) { return r.ints(x); }
    /* n numbers that the operation writes, or adds to `from`. */
    ptd_num *new_nums(long n, const doubles *from = NULL, double within = 0)
    {
        if (!is_cpu) return r.out_nums(wanted[next++], from, within);
        return (ptd_num *)kept(r.nums(from ? *from : doubles((size_t)n)), n);
    }
    ptd_stat *new_stats(long n, const doubles *from = NULL, double within = 0)
    {
        if (!is_cpu) return r.out_stats(wanted[next++], from, within);
        return (ptd_stat *)kept(r.stats(from ? *from : doubles((size_t)n)), n);
    }
    ptd_acc *new_accs(long n, const doubles &from, double within = 0)
    {
        return (ptd_acc *)new_stats(n, &from, within);
    }
    void *kept(void *p, long n)
    {
        wanted.push_back(doubles((size_t)n));
        outputs.push_back(p);
        return p;
    }
    std::vector<void *> outputs;
};

template <class F> static void on_cpu(F once, std::vector<doubles> &wanted)
{
    struct ptd_device *d = ptd_device_open("cpu");
    {
        run r = {d, {}, {}, {}};
        side t = {r, wanted, true, 0, d, d->ops, {}};
        once(t);
        for (size_t i = 0; i < wanted.size(); i++) {
            floats f(wanted[i].size());
            d->ops->get(d, f.data(), t.outputs[i], f.size() * sizeof(float));
            wanted[i].assign(f.begin(), f.end());
        }
    }
    ptd_device_close(d);
}

template <class F> static void beside_cpu(F once)
{
    std::vector<doubles> wanted;
    on_cpu(once, wanted);
    in_all_orders([&](run &r) {
        side t = {r, wanted, false, 0, r.d, r.d->ops, {}};
        once(t);
    });
}

static const shape shapes[] = {{1, 8}, {3, 24}, {2, 2056}, {5, 7}, {67, 16}};

/* ---- norms ---- */

static void rmsnorm(void **state)
{
    for (const shape &s : shapes) {
        long all = (long)s.n * s.w;
        doubles x = normal(1, all), g = normal(2, s.w), dy = normal(3, all), base = normal(4, all),
                base_g = normal(5, s.w);
        beside_cpu([&](side &t) {
            ptd_stat *rstd = t.new_stats(s.n);
            t.ops->rmsnorm(t.d, t.new_nums(all), rstd, t.nums(x), t.nums(g), s.n, s.w, 1e-6f);
            t.ops->rmsnorm(t.d, t.new_nums(all), NULL, t.nums(x), t.nums(g), s.n, s.w, 1e-6f);
            t.ops->rmsnorm_backward(t.d, t.new_nums(all, &base, 1e-2),
                                    t.new_accs(s.w, base_g, 1e-4), t.nums(dy), t.nums(x), rstd,
                                    t.nums(g), s.n, s.w);
        });
    }
}

static void layernorm(void **state)
{
    for (const shape &s : shapes) {
        long all = (long)s.n * s.w;
        doubles x = normal(1, all), g = normal(2, s.w), b = normal(6, s.w), dy = normal(3, all),
                base = normal(4, all), base_g = normal(5, s.w);
        for (double &v : x) v = held(v + 3);
        beside_cpu([&](side &t) {
            ptd_stat *mean = t.new_stats(s.n, NULL, 1e-4), *rstd = t.new_stats(s.n, NULL, 1e-4);
            t.ops->layernorm(t.d, t.new_nums(all), mean, rstd, t.nums(x), t.nums(g), t.nums(b), s.n,
                             s.w, 1e-3f);
            t.ops->layernorm(t.d, t.new_nums(all), NULL, NULL, t.nums(x), t.nums(g), NULL, s.n, s.w,
                             1e-3f);
            t.ops->layernorm_backward(t.d, t.new_nums(all, &base, 1e-2),
                                      t.new_accs(s.w, base_g, 1e-3), t.new_accs(s.w, base_g, 1e-4),
                                      t.nums(dy), t.nums(x), mean, rstd, t.nums(g), s.n, s.w);
        });
    }
}

/* Rows with room behind their heads, which nobody may touch; and sixteen heads to a row and warp.
 */
static void headnorm(void **state)
{
    const struct {
        int n, heads, dim, more;
    } all_shapes[] = {{3, 2, 16, 8}, {2, 3, 6, 1}, {1, 1, 264, 0}, {9, 4, 32, 0}};
    for (const auto &s : all_shapes) {
        long stride = s.heads * s.dim + s.more, all = s.n * stride;
        doubles x = normal(1, all), g = normal(2, s.dim), dy = normal(3, all),
                room = normal(4, all), base_g = normal(5, s.dim);
        beside_cpu([&](side &t) {
            ptd_stat *rstd = t.new_stats(s.n * s.heads);
            t.ops->headnorm(t.d, t.new_nums(all, &room), stride, rstd, t.nums(x), stride, t.nums(g),
                            s.n, s.heads, s.dim, 1e-6f);
            t.ops->headnorm_backward(t.d, t.new_nums(all, &room, 1e-2), stride,
                                     t.new_accs(s.dim, base_g, 1e-4), t.nums(dy), stride, t.nums(x),
                                     stride, rstd, t.nums(g), s.n, s.heads, s.dim);
        });
    }
}

/* ---- maps ---- */

static void activations(void **state)
{
    for (const shape &s : shapes) {
        long all = (long)s.n * s.w;
        doubles gu = normal(1, 2 * all), x = normal(2, all), dy = normal(3, all);
        beside_cpu([&](side &t) {
            t.ops->swiglu(t.d, t.new_nums(all), t.nums(gu), s.n, s.w);
            t.ops->swiglu_backward(t.d, t.new_nums(2 * all), t.nums(dy), t.nums(gu), s.n, s.w);
            for (int exact = 0; exact < 2; exact++) {
                t.ops->gelu(t.d, t.new_nums(all), t.nums(x), all, exact);
                t.ops->gelu_backward(t.d, t.new_nums(all), t.nums(dy), t.nums(x), all, exact);
            }
            t.ops->add(t.d, t.new_nums(all, &x), t.nums(dy), all);
        });
    }
}

static void rotation(void **state)
{
    const struct {
        int n, heads, dim, more;
    } all_shapes[] = {{3, 2, 16, 8}, {2, 3, 6, 1}, {5, 1, 32, 0}};
    for (const auto &s : all_shapes) {
        long stride = s.heads * s.dim + s.more, all = s.n * stride;
        doubles x = normal(1, all), co = normal(2, s.n * s.dim / 2),
                si = normal(3, s.n * s.dim / 2);
        beside_cpu([&](side &t) {
            t.ops->rotate(t.d, t.new_nums(all, &x), stride, t.stats(co), t.stats(si), s.n, s.heads,
                          s.dim, 1);
            t.ops->rotate(t.d, t.new_nums(all, &x), stride, t.stats(co), t.stats(si), s.n, s.heads,
                          s.dim, -1);
        });
    }
}

/* Some of each row; ties and denormals among them. */
static void rounding(void **state)
{
    const struct {
        int n, w, more;
    } all_shapes[] = {{3, 24, 8}, {2, 7, 2}, {67, 16, 0}, {6, 264, 8}};
    for (const auto &s : all_shapes) {
        long stride = s.w + s.more, all = s.n * stride;
        doubles x = normal(1, all);
        const double odd[] = {1.00390625, 1.01171875, 3.3e38, -1e-40, 0};
        for (long i = 0; i < 5; i++) x[(size_t)i] = held(odd[i]);
        beside_cpu(
            [&](side &t) { t.ops->round(t.d, t.new_nums(all, &x, 1e-9), stride, s.n, s.w); });
    }
}

/* ---- rows ---- */

static std::vector<int32_t> some_ids(long n, int below)
{
    std::vector<int32_t> ids((size_t)n);
    for (long i = 0; i < n; i++) ids[(size_t)i] = (int32_t)(i * 7 % 5 * 31 % below);
    return ids;
}

static void copied_rows(void **state)
{
    for (int w : {8, 7, 264}) {
        long stride = w + (w == 7 ? 1 : 8);
        std::vector<int32_t> to = {4, 1, 0}, from = {2, 2, 5};
        doubles x = normal(1, 6 * stride), y = normal(2, 5 * stride);
        beside_cpu([&](side &t) {
            ptd_num *in = t.nums(x);
            t.ops->copy_rows(t.d, t.new_nums(5 * stride, &y), stride, t.ints(to), in, stride,
                             t.ints(from), 3, w);
            t.ops->copy_rows(t.d, t.new_nums(5 * stride, &y), stride, NULL, in, stride, NULL, 3, w);
            t.ops->copy_rows(t.d, t.new_nums(5 * stride, &y), stride, t.ints(to), NULL, 0, NULL, 3,
                             w);
        });
    }
}

static void rows_by_id(void **state)
{
    for (int w : {8, 7, 300})
        for (long n : {1L, 9L, 300L}) {
            int rows = 11, first = 5; /* of another block; an id, too */
            doubles table = normal(1, rows * w), dy = normal(2, n * w), weight = normal(3, 4 * n),
                    y = normal(4, n * w);
            std::vector<int32_t> ids = some_ids(n, rows), tap = some_ids(4 * n, rows);
            if (n > 9 && w > 8) continue;
            beside_cpu([&](side &t) {
                ptd_num *all = t.nums(table);
                const doubles head(table.begin(), table.begin() + first * w),
                    tail(table.begin() + first * w, table.end());
                struct ptd_block two[] = {{t.nums(head), first}, {t.nums(tail), rows - first}};
                struct ptd_matrix W = {two, 2, rows, w, PTD_F32};
                t.ops->gather(t.d, t.new_nums(n * w), &W, t.ints(ids), n);
                t.ops->gather_backward(t.d, t.new_accs(rows * w, table, 1e-4), t.nums(dy),
                                       t.ints(ids), n, w);
                t.ops->scatter_add(t.d, t.new_nums(rows * w, &table, 1e-2), t.nums(dy), t.ints(ids),
                                   n, w);
                t.ops->interpolate(t.d, t.new_nums(n * w, &y, 1e-2), all, t.ints(tap),
                                   t.stats(weight), n, w);
                t.ops->interpolate_backward(t.d, t.new_accs(rows * w, table, 1e-4), t.nums(dy),
                                            t.ints(tap), t.stats(weight), n, w);
            });
        }
}

/* ---- products ---- */

/* By the library where all is a multiple of 8, else by a kernel; W in two blocks. */
static void products(void **state)
{
    const struct {
        int n, in, out;
    } all_shapes[] = {{3, 8, 16}, {17, 5, 7}, {33, 24, 40}, {1, 16, 8}, {40, 33, 20}};
    for (const auto &s : all_shapes) {
        doubles x = normal(1, s.n * s.in), w = normal(2, s.out * s.in), b = normal(3, s.out),
                dy = normal(4, s.n * s.out), dx = normal(5, s.n * s.in),
                dw = normal(6, s.out * s.in);
        beside_cpu([&](side &t) {
            int first = s.out >= 16 ? s.out / 16 * 8 : s.out / 2;
            ptd_num *all = t.nums(w), *X = t.nums(x), *DY = t.nums(dy);
            struct ptd_block two[] = {{all, first},
                                      {ptd_at(t.d, all, (size_t)first * s.in), s.out - first}};
            struct ptd_matrix W = {two, 2, s.out, s.in, PTD_F32},
                              one = {two, 1, first, s.in, PTD_F32};
            t.ops->linear(t.d, t.new_nums(s.n * s.out, NULL, 2e-2), X, &W, t.nums(b), DY, s.n);
            t.ops->linear(t.d, t.new_nums(s.n * first, NULL, 2e-2), X, &one, NULL, NULL, s.n);
            t.ops->linear_backward(t.d, t.new_nums(s.n * s.in, &dx, 2e-2), 1,
                                   t.new_accs(s.out * s.in, dw, 1e-4), t.new_accs(s.out, b, 1e-4),
                                   DY, X, &W, s.n);
            t.ops->linear_gradient(t.d, t.new_accs((s.out - first) * s.in, dw, 1e-4),
                                   ptd_at(t.d, DY, (size_t)first), s.out, X, s.n, s.in,
                                   s.out - first);
            ptd_stat *Z = t.new_stats(s.n * s.out, NULL, 1e-4);
            t.ops->logits(t.d, Z, X, &W, s.n);
            t.ops->logits_backward(t.d, t.new_nums(s.n * s.in, NULL, 2e-2),
                                   t.new_accs(s.out * s.in, dw, 1e-4), t.stats(dy), X, &W, s.n);
        });
    }
}

/* So many rows at once have the bits of each on its own, though the library's best algorithm for
 * many adds up in another order than that for few. */
static void rows_stand_alone(void **state)
{
    enum { MOST = 150, IN = 40, OUT = 24 };
    struct ptd_device *d = opened();
    run t = {d, {}, {}, {}};
    struct ptd_block rows = {t.nums(normal(2, OUT * IN)), OUT};
    struct ptd_matrix W = {&rows, 1, OUT, IN, PTD_F32};
    struct ptd_low_rank_part part = {
        8, 16, t.nums(normal(3, 8 * IN)), t.nums(normal(4, 16 * 8)), NULL, NULL};
    struct ptd_low_rank l = {IN, OUT, 8, 1, 0.5f, &part};
    ptd_num *X = t.nums(normal(1, MOST * IN)), *b = t.nums(normal(5, OUT)),
            *residual = t.nums(normal(6, MOST * OUT)), *Y = t.nums(doubles(MOST * OUT)),
            *Z = t.nums(doubles(2 * MOST * OUT));
    auto all = [&](long first, long n) {
        ptd_num *x = ptd_at(d, X, (size_t)first * IN),
                *r = ptd_at(d, residual, (size_t)first * OUT);
        floats f((size_t)(2 * n * OUT));
        d->ops->linear(d, Y, x, &W, b, r, n);
        d->ops->low_rank(d, Y, x, &l, n);
        d->ops->get_nums(d, f.data(), Y, (size_t)(n * OUT));
        d->ops->logits(d, (ptd_stat *)Z, x, &W, n);
        d->ops->get(d, f.data() + n * OUT, Z, (size_t)(n * OUT) * 4);
        return f;
    };
    for (long n : {3L, 64L, 65L, 150L}) {
        floats many = all(0, n);
        for (long i : {0L, n / 2, n - 1}) {
            floats one = all(i, 1);
            for (long part = 0; part < 2; part++)
                assert_memory_equal(one.data() + part * OUT, many.data() + (part * n + i) * OUT,
                                    OUT * sizeof(float));
        }
    }
    look_at_faults(d);
    for (void *p : t.taken) d->ops->free(d, p);
    t.taken.clear();
    close_device(d);
}

static void low_rank(void **state)
{
    for (int in : {16, 5}) {
        int n = 19, wide = 24, rank = in == 16 ? 8 : 3, out = in == 16 ? 8 : 5;
        doubles x = normal(1, n * in), A = normal(2, rank * in), B = normal(3, out * rank),
                y = normal(4, n * wide), dx = normal(5, n * in);
        beside_cpu([&](side &t) {
            struct ptd_low_rank_part part = {8, out, t.nums(A), t.nums(B), NULL, NULL};
            struct ptd_low_rank l = {in, wide, rank, 1, 0.5f, &part};
            ptd_num *X = t.nums(x);
            t.ops->low_rank(t.d, t.new_nums(n * wide, &y, 2e-2), X, &l, n);
            part.dA = t.new_accs(rank * in, A, 2e-4), part.dB = t.new_accs(out * rank, B, 2e-4);
            t.ops->low_rank_backward(t.d, t.new_nums(n * in, &dx, 2e-2), t.nums(y), X, &l, n);
        });
    }
}

/* ---- the optimizer ---- */

/* In float32; test-ops.c looks at all forms, in one order. */
static void steps(void **state)
{
    const struct ptd_adamw a = {0.01, 0.9, 0.95, 1e-8, 0.1};
    for (long n : {1L, 255L, 257L}) {
        doubles w = normal(1, n), m = normal(2, n), v = normal(3, n), g = normal(4, n);
        for (double &x : v) x = fabs(x) + 0.1;
        beside_cpu([&](side &t) {
            struct ptd_slot s = {};
            s.n = (size_t)n, s.master = PTD_MASTER_F32;
            s.w = t.new_nums(n, &w, 1e-2), s.m = t.new_stats(n, &m), s.v = t.new_stats(n, &v);
            t.ops->adamw(t.d, &a, 3, 0.5, &s, t.accs(g));
            double norm[2] = {t.ops->norm(t.d, s.m, PTD_STATS, (size_t)n),
                              t.ops->norm(t.d, t.nums(w), PTD_NUMS, (size_t)n)};
            ptd_stat *told = t.new_stats(2);
            float f[2] = {(float)norm[0], (float)norm[1]};
            t.ops->put(t.d, told, f, sizeof f);
        });
    }
}

/* Shorter forms twice in a row: what the first step left is read by the second. Only the bits of
 * several orders are compared here. */
static void steps_in_short_forms(void **state)
{
    const struct ptd_adamw a = {0.01, 0.9, 0.95, 1e-8, 0.1};
    long n = 300, blocks = 2;
    doubles zeros((size_t)n), g = normal(4, n), none((size_t)blocks);
    std::vector<char> first;
    for (int master : {PTD_MASTER_SPLIT, PTD_MASTER_NONE, PTD_MASTER_F32}) {
        first.clear();
        in_all_orders([&](run &t) {
            struct ptd_slot s = {};
            s.n = (size_t)n, s.master = master, s.eight = 1, s.seed = 7, s.number = 3;
            const std::vector<int32_t> codes((size_t)n / 4); /* n bytes, and no more */
            void *all[] = {t.stats(zeros), t.stats(zeros), t.ints(codes),
                           t.ints(codes),  t.stats(none),  t.stats(none)};
            s.w = (ptd_num *)all[0], s.low = master == PTD_MASTER_SPLIT ? all[1] : NULL;
            s.m = all[2], s.v = all[3], s.ms = (ptd_stat *)all[4], s.vs = (ptd_stat *)all[5];
            std::vector<char> bits((size_t)n * 2 * 4);
            for (int step = 1; step < 3; step++) t.d->ops->adamw(t.d, &a, step, 1, &s, t.accs(g));
            for (int i = 0; i < 4; i++)
                t.d->ops->get(t.d, bits.data() + i * n * 2, all[i], (size_t)n * (i < 2 ? 2 : 1));
            std::vector<bool> seen(256);
            int kinds = 0;
            for (long i = 0; i < n; i++) seen[(unsigned char)bits[(size_t)(4 * n + i)]] = true;
            for (bool one : seen) kinds += one;
            assert_true(kinds > 30); /* codes of m */
            if (first.empty()) first = bits;
            if (bits != first) fail_msg("order %d gives other bits", sim_order);
            assert_int_not_equal(bits[1], 0);
        });
    }
}

/* What a step leaves. */
struct stepped {
    std::vector<uint16_t> w, low;
    std::vector<uint8_t> m, v;
    floats ms, vs;
};

/* Block by block: usual ones; on the edges of m's decades at a scale of 1; zeros; so small that v,
 * then m has a scale without an inverse; an infinity; and NaN, in part of a block. */
static doubles hard_gradients()
{
    doubles g = normal(4, 6 * PTD_BLOCK + 44);
    const float top = (float)(1 - 0.45 / 64);
    for (int i = 0; i < PTD_BLOCK; i++) {
        int k = i % 7;
        double tenth = pow(10, k - 6), below = k ? tenth / 10 * (1 - 0.45 / (1 << (k - 1))) : 0;
        float edge = (float)((tenth * (0.1 + 0.45 / (1 << k)) + below) / 2);
        if (i / 7 % 3) edge = nextafterf(edge, i / 7 % 3 - 1);
        g[(size_t)(PTD_BLOCK + i)] = i ? (i / 21 % 2 ? -edge : edge) : top;
        g[(size_t)(2 * PTD_BLOCK + i)] = 0;
        g[(size_t)(3 * PTD_BLOCK + i)] *= 1e-20;
        g[(size_t)(4 * PTD_BLOCK + i)] *= 1e-31;
    }
    g[5 * PTD_BLOCK + 3] = INFINITY, g[6 * PTD_BLOCK + 3] = NAN;
    return g;
}

/* Two steps, the second one without a gradient. Their numbers are such that each operation is exact
 * or rounded once, however it is put together. */
static struct stepped steps_of(run &t, int master, const doubles &g)
{
    const struct ptd_adamw to_g = {0x1p-13, 0, 0, 1e-38, 0}, half = {0, 0.5, 0.5, 1e-38, 0};
    size_t n = g.size(), blocks = ptd_blocks(n);
    const std::vector<int32_t> codes(n / 4), halves(n / 2); /* n bytes, n halves, and no more */
    struct stepped s = {std::vector<uint16_t>(n), std::vector<uint16_t>(n), std::vector<uint8_t>(n),
                        std::vector<uint8_t>(n),  floats(blocks),           floats(blocks)};
    void *all[] = {t.ints(halves), t.ints(halves),           t.ints(codes),
                   t.ints(codes),  t.stats(doubles(blocks)), t.stats(doubles(blocks))};
    struct ptd_slot to = {};
    doubles w = normal(1, (long)n);
    for (size_t i = 0; i < n; i++) s.w[i] = __float2bfloat16_rn((float)w[i]).bits;
    t.d->ops->put(t.d, all[0], s.w.data(), 2 * n);
    to.n = n, to.master = master, to.eight = 1, to.seed = 7, to.number = 3;
    to.w = (ptd_num *)all[0], to.low = master == PTD_MASTER_SPLIT ? all[1] : NULL;
    to.m = all[2], to.v = all[3], to.ms = (ptd_stat *)all[4], to.vs = (ptd_stat *)all[5];
    t.d->ops->adamw(t.d, &to_g, 1, 1, &to, t.accs(g));
    t.d->ops->adamw(t.d, &half, 2, 1, &to, t.accs(doubles(n)));
    void *host[] = {s.w.data(), s.low.data(), s.m.data(), s.v.data(), s.ms.data(), s.vs.data()};
    const size_t size[] = {2 * n, 2 * n, n, n, 4 * blocks, 4 * blocks};
    for (int i = 0; i < 6; i++) t.d->ops->get(t.d, host[i], all[i], size[i]);
    return s;
}

static bool alike(float a, float b)
{
    return a == b || (isnan(a) && isnan(b)) || fabsf(a - b) <= 1e-6f * fabsf(b);
}

/* Codes, random bits and all. */
static void short_forms_like_the_cpu(void **state)
{
    const doubles g = hard_gradients();
    struct ptd_device *cpu = ptd_device_open("cpu");
    for (int master : {PTD_MASTER_SPLIT, PTD_MASTER_NONE}) {
        run r = {cpu, {}, {}, {}};
        struct stepped want = steps_of(r, master, g);
        in_all_orders([&](run &t) {
            struct stepped got = steps_of(t, master, g);
            assert_memory_equal(got.m.data(), want.m.data(), want.m.size());
            assert_memory_equal(got.v.data(), want.v.data(), want.v.size());
            assert_memory_equal(got.low.data(), want.low.data(), 2 * want.low.size());
            for (size_t b = 0; b < want.ms.size(); b++) {
                assert_true(alike(got.ms[b], want.ms[b]));
                assert_true(alike(got.vs[b], want.vs[b]));
            }
            for (size_t i = 0; i < want.w.size(); i++) {
                float a = __bfloat162float(bf16{got.w[i]}), b = __bfloat162float(bf16{want.w[i]});
                if (a != b && !(isnan(a) && isnan(b)))
                    fail_msg("weight %zu is %.9g, expected %.9g", i, a, b);
            }
        });
    }
    ptd_device_close(cpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rmsnorm),
        cmocka_unit_test(layernorm),
        cmocka_unit_test(headnorm),
        cmocka_unit_test(activations),
        cmocka_unit_test(rotation),
        cmocka_unit_test(rounding),
        cmocka_unit_test(copied_rows),
        cmocka_unit_test(rows_by_id),
        cmocka_unit_test(products),
        cmocka_unit_test(rows_stand_alone),
        cmocka_unit_test(low_rank),
        cmocka_unit_test(steps),
        cmocka_unit_test(steps_in_short_forms),
        cmocka_unit_test(short_forms_like_the_cpu),
    };
    ptd_threads_start(1);
    return run_on_both(tests, sizeof tests / sizeof *tests);
}
