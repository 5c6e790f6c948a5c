/* test-kernels: operations of the GPU on the emulator, watched, in several orders of threads and
 * with what is asynchronous early and late: the same bits each time, and those of plain formulas
 * in double within what the numbers' format allows. */
#include "forms.hh"

/* ---- norms ---- */

static void rmsnorm_is_right(void **state)
{
    for (const shape &s : {shape{1, 8}, shape{3, 24}, shape{2, 2056}, shape{5, 7}}) {
        doubles x = normal(1, s.n * s.w), g = normal(2, s.w), y(s.n * s.w), r(s.n);
        for (int i = 0; i < s.n; i++) {
            double sum = 0;
            for (int c = 0; c < s.w; c++) sum += x[i * s.w + c] * x[i * s.w + c];
            r[i] = 1 / sqrt(sum / s.w + 1e-6);
            for (int c = 0; c < s.w; c++) y[i * s.w + c] = x[i * s.w + c] * r[i] * g[c];
        }
        in_all_orders([&](run &t) {
            ptd_num *Y = t.out_nums(y);
            ptd_stat *rstd = t.out_stats(r);
            t.d->ops->rmsnorm(t.d, Y, rstd, t.nums(x), t.nums(g), s.n, s.w, 1e-6f);
        });
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rmsnorm_is_right),
    };
    return run_on_both(tests, sizeof tests / sizeof *tests);
}
