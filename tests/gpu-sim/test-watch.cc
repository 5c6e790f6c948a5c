/* test-watch: the emulator itself: kernels that are right give what they should in every order of
 * threads; with one thing wrong, each is found, and the line names it. */
#include "faults.h"
#include "standin/cuda_runtime.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <vector>
extern "C" {
#include <cmocka.h>
}

#define ORDERS 5

/* Runs it in every order; what is wrong must be found in each, with these words or the others;
 * NULL: nothing. */
template <class F> static void expect(const char *words, F once, const char *others = "?")
{
    for (sim_order = 0; sim_order < ORDERS; sim_order++) {
        sim_late = sim_order % 2;
        *sim_last = 0;
        long before = sim_faults;
        once();
        cudaStreamSynchronize(NULL);
        if (!words && sim_faults != before) fail_msg("order %d: %s", sim_order, sim_last);
        if (words && sim_faults == before)
            fail_msg("order %d: nothing was found, expected \"%s\"", sim_order, words);
        if (words && !strstr(sim_last, words) && !strstr(sim_last, others))
            fail_msg("order %d: \"%s\", expected \"%s\"", sim_order, sim_last, words);
        if (words && !strstr(sim_last, "faults.cu:")) fail_msg("\"%s\" names no line", sim_last);
    }
    sim_order = sim_late = 0;
}

template <class T> struct on_device {
    T *p;
    size_t n;
    on_device(const std::vector<T> &x, const char *name) : on_device(x.size(), name)
    {
        sim_put(p, x.data(), n * sizeof(T));
    }
    on_device(size_t n, const char *name) : p((T *)sim_alloc(n * sizeof(T), name)), n(n) {}
    ~on_device() { sim_free(p); }
    std::vector<T> get() const
    {
        std::vector<T> x(n);
        sim_get(x.data(), p, n * sizeof(T));
        return x;
    }
};

static void run_neighbours(int wrong)
{
    std::vector<float> x(64);
    for (int i = 0; i < 64; i++) x[(size_t)i] = (float)(i * i);
    on_device<float> dx(x, "x"), dy(64, "y");
    faults_neighbours(dy.p, dx.p, 64, wrong, NULL);
    cudaStreamSynchronize(NULL);
    if (wrong) return;
    std::vector<float> y = dy.get();
    for (int i = 0; i < 64; i++) assert_float_equal(y[(size_t)i], x[(i + 1) % 64] + x[i ^ 1], 0);
}

static void run_blocks(int wrong)
{
    on_device<float> y(std::vector<float>(1, 0), "y");
    on_device<unsigned> count(std::vector<unsigned>(1, 0), "count");
    faults_blocks(y.p, count.p, 6, wrong, NULL);
    cudaStreamSynchronize(NULL);
    if (!wrong) assert_int_equal(count.get()[0], 6 * 64);
}

static void run_tiles(int wrong)
{
    std::vector<bf16> a(256), b(128);
    for (size_t i = 0; i < 256; i++) a[i] = __float2bfloat16_rn((float)(i % 13) - 6);
    for (size_t i = 0; i < 128; i++) b[i] = __float2bfloat16_rn((float)(i % 7) - 2);
    on_device<bf16> da(a, "a"), db(b, "b");
    on_device<float> dd(128, "d");
    faults_tiles(dd.p, da.p, db.p, wrong, NULL);
    cudaStreamSynchronize(NULL);
    if (wrong) return;
    std::vector<float> d = dd.get();
    for (size_t r = 0; r < 16; r++)
        for (size_t c = 0; c < 8; c++) {
            float sum = 0;
            for (size_t k = 0; k < 16; k++)
                sum += __bfloat162float(a[r * 16 + k]) * __bfloat162float(b[k * 8 + c]);
            assert_float_equal(d[r * 8 + c], sum, 0);
        }
}

static void right_is_right(void **state)
{
    expect(NULL, [] { run_neighbours(NOTHING); });
    expect(NULL, [] { run_blocks(NOTHING); });
    expect(NULL, [] { run_tiles(NOTHING); });
}

static void races_are_found(void **state)
{
    expect(
        "with no barrier between", [] { run_neighbours(NO_BARRIER); }, "nobody has written");
    expect(
        "with no barrier between", [] { run_neighbours(WARP_ONLY); }, "nobody has written");
    expect("wrote with no barrier between", [] { run_neighbours(TWO_WRITERS); });
    expect("in the same launch", [] { run_blocks(TWO_BLOCKS); });
    expect("wrote with no barrier between", [] { run_tiles(NO_SYNCWARP); });
}

static void meetings_are_watched(void **state)
{
    expect(" at ", [] { run_neighbours(ONE_WARP_LEFT); });
    expect(
        "waits at __syncthreads for ever", [] { run_neighbours(LATE_TO_BARRIER); },
        "__syncwarp for ever");
    expect("lacks the lane itself", [] { run_neighbours(MASK); });
    expect(
        "no memory of the device", [] { run_neighbours(CONSTANT); }, "with no barrier between");
    expect("reads 4 bytes at byte 256 of x, which has 256", [] { run_neighbours(TOO_FAR); });
    expect("index 64 is out of the array's bounds", [] { run_neighbours(INDEX); });
    expect("which nobody has written", [] { run_neighbours(UNWRITTEN); });
}

static void copies_are_watched(void **state)
{
    expect("a copy is on its way to", [] { run_tiles(NO_WAIT); });
    expect("a copy is on its way to", [] { run_tiles(WAIT_FOR_FEWER); });
    expect(NULL, [] { run_tiles(TWO_GROUPS); });
    expect("not aligned", [] { run_tiles(CROOKED); });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_is_right),
        cmocka_unit_test(races_are_found),
        cmocka_unit_test(meetings_are_watched),
        cmocka_unit_test(copies_are_watched),
    };
    sim_quiet = 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
