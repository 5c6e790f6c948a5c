/* forms: how an operation is tested on the emulator: its arrays are put on a device, what it writes
 * is memory that nobody has written, and the results of every order of threads are compared with
 * the expected ones, and to the bit with each other. */
#ifndef GPU_SIM_FORMS_HH
#define GPU_SIM_FORMS_HH
#include "compute/cuda/ptd.h"
#include "sim.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <vector>
extern "C" {
#include <cmocka.h>
int ptd_cuda_plugin(struct ptd_device *d);
}

typedef std::vector<double> doubles;
typedef std::vector<float> floats;
struct shape {
    int n, w;
};
static int wide_numbers; /* 1: the device's numbers are float32 */
static int quick;        /* fewer orders: mutants */

/* As the device can hold it. */
static inline double held(double x)
{
    return wide_numbers ? (float)x : __bfloat162float(__float2bfloat16_rn((float)x));
}

/* Numbers of the device that look normally distributed, the same ones for the same seed. */
static inline doubles normal(uint64_t seed, long n)
{
    doubles x((size_t)n);
    uint64_t u = seed * 0x9e3779b97f4a7c15u + 1;
    auto uniform = [&] {
        u = u * 6364136223846793005u + 1442695040888963407u;
        return ((double)(u >> 11) + 0.5) / 9007199254740992.0;
    };
    for (double &v : x) {
        double radius = sqrt(-2 * log(uniform()));
        v = held(radius * cos(6.283185307179586 * uniform()));
    }
    return x;
}

/* One run of an operation, in one order. Arrays go with it. */
struct run {
    struct ptd_device *d;
    floats bits; /* all results */
    struct result {
        void *p;
        const doubles *expected;
        int is_num;
        double within;
    };
    std::vector<result> results;
    std::vector<void *> taken;

    /* What is unknown is NaN, also where nobody watches. */
    void *take(size_t bytes, int unknown)
    {
        void *p = ptd_take(bytes);
        if (!unknown) return p;
        d->ops->put(d, p, std::vector<char>(bytes, (char)0xff).data(), bytes);
        d->ops->wait(d);
        sim_unknown(p, bytes);
        return p;
    }
    ptd_num *nums(const doubles &x)
    {
        floats f(x.begin(), x.end());
        ptd_num *p = (ptd_num *)take(x.size() * d->num_size, 0);
        d->ops->put_nums(d, p, f.data(), f.size());
        return p;
    }
    ptd_acc *accs(const doubles &x) { return (ptd_acc *)stats(x); }
    ptd_stat *stats(const doubles &x)
    {
        floats f(x.begin(), x.end());
        void *p = take(x.size() * 4, 0);
        d->ops->put(d, p, f.data(), f.size() * 4);
        return (ptd_stat *)p;
    }
    ptd_int *ints(const std::vector<int32_t> &x)
    {
        void *p = take(x.size() * 4, 0);
        d->ops->put(d, p, x.data(), x.size() * 4);
        return (ptd_int *)p;
    }
    /* What the operation overwrites, or adds to if `from` is given. */
    ptd_num *out_nums(const doubles &expected, const doubles *from = NULL, double within = 0)
    {
        void *p = from ? nums(*from) : (ptd_num *)take(expected.size() * d->num_size, 1);
        results.push_back({p, &expected, 1, within});
        return (ptd_num *)p;
    }
    ptd_stat *out_stats(const doubles &expected, const doubles *from = NULL, double within = 0)
    {
        void *p = from ? stats(*from) : (ptd_stat *)take(expected.size() * 4, 1);
        results.push_back({p, &expected, 0, within});
        return (ptd_stat *)p;
    }
    ptd_acc *out_accs(const doubles &expected, const doubles *from = NULL, double within = 0)
    {
        return (ptd_acc *)out_stats(expected, from, within);
    }

  private:
    void *ptd_take(size_t bytes)
    {
        void *p = d->ops->alloc(d, bytes);
        assert_non_null(p);
        taken.push_back(p);
        return p;
    }

  public:
    void fetch(const result &r, floats &f)
    {
        f.resize(r.expected->size());
        if (r.is_num)
            d->ops->get_nums(d, f.data(), (ptd_num *)r.p, f.size());
        else
            d->ops->get(d, f.data(), r.p, f.size() * 4);
    }
    ~run()
    {
        for (void *p : taken) d->ops->free(d, p);
    }
};

static inline void look_at_faults(struct ptd_device *d)
{
    d->ops->wait(d);
    if (d->fault.status)
        fail_msg("order %d%s: %s", sim_order, sim_late ? ", late" : "", d->fault.words);
}

static inline void compare(const floats &f, const run::result &r, size_t which)
{
    double within = r.within > 0 ? r.within : r.is_num && !wide_numbers ? 8e-3 : 2e-5;
    for (size_t i = 0; i < f.size(); i++) {
        double want = (*r.expected)[i];
        if (!(fabs(f[i] - want) <= within * (1 + fabs(want))))
            fail_msg("order %d: entry %zu of result %zu is %.9g, expected %.9g", sim_order, i,
                     which, f[i], want);
    }
}

static inline void close_device(struct ptd_device *d)
{
    d->ops->close(d);
    free(d);
}

/* NULL: there is no card of that number. */
static inline struct ptd_device *opened(int card = 0)
{
    static const char *const names[2][2] = {{"sim", "sim:f32"}, {"sim:1", "sim:1:f32"}};
    struct ptd_device *d = (struct ptd_device *)calloc(1, sizeof *d);
    d->name = names[card][wide_numbers];
    if (ptd_cuda_plugin(d)) {
        if (!card || d->fault.status != PTD_UNAVAILABLE) fail_msg("%s", d->fault.words);
        return free(d), nullptr;
    }
    d->num_size = wide_numbers ? 4 : 2, d->acc_size = 4;
    return d;
}

template <class F> static inline void in_all_orders(F once)
{
    floats first;
    for (sim_order = 0; sim_order < (quick ? 3 : 5); sim_order++) {
        sim_late = sim_order % 2;
        *sim_last = 0;
        struct ptd_device *d = opened();
        floats all;
        {
            run t = {d, {}, {}, {}};
            once(t);
            look_at_faults(d);
            for (size_t i = 0; i < t.results.size(); i++) {
                floats f;
                t.fetch(t.results[i], f);
                look_at_faults(d);
                compare(f, t.results[i], i);
                all.insert(all.end(), f.begin(), f.end());
            }
        }
        close_device(d);
        if (sim_order && memcmp(all.data(), first.data(), all.size() * sizeof(float)))
            fail_msg("order %d gives other bits", sim_order);
        first = all;
    }
}

/* One group of tests on bfloat16, one on float32. */
static inline int run_on_both(const struct CMUnitTest *tests, size_t n)
{
    int failed = 0;
    quick = getenv("GPU_SIM_QUICK") != NULL;
    sim_quiet = 1;
    if (getenv("GPU_SIM_ONLY")) cmocka_set_test_filter(getenv("GPU_SIM_ONLY"));
    for (wide_numbers = 0; wide_numbers < 2; wide_numbers++)
        failed += _cmocka_run_group_tests(wide_numbers ? "f32" : "bf16", tests, n, NULL, NULL);
    return failed;
}
#endif
