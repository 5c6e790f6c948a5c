/* Number formats: every value of the short ones survives the way to float and back; what lies
 * between two of them goes to the nearer, and from the middle to the even one, by distances worked
 * out in double. */
#include "base/dtype.h"
#include "test.h"
#include <math.h>
#include <stdint.h>

static double value(int dtype, unsigned bits)
{
    uint16_t h = bits;
    float x;
    ptd_dtype_to_float(&x, &h, dtype, 1);
    return x;
}

static unsigned rounded(int dtype, float x)
{
    uint16_t h;
    ptd_dtype_from_float(&h, dtype, &x, 1);
    return h;
}

/* By the definition of the format: sign, exponent, mantissa. */
static double defined(unsigned bits, int exponent_bits)
{
    int mantissa_bits = 15 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
    int e = bits >> mantissa_bits & ((1 << exponent_bits) - 1),
        m = bits & ((1 << mantissa_bits) - 1);
    double x =
        e ? ldexp(1 + ldexp(m, -mantissa_bits), e - bias) : ldexp(m, 1 - bias - mantissa_bits);
    return bits & 0x8000 ? -x : x;
}

static void check_format(int dtype, int exponent_bits)
{
    unsigned inf = ((1u << exponent_bits) - 1) << (15 - exponent_bits);
    for (unsigned sign = 0; sign <= 0x8000; sign += 0x8000)
        for (unsigned i = 0; i < inf; i++) {
            unsigned low = sign | i;
            double x = defined(low, exponent_bits),
                   next = i + 1 < inf ? defined(low + 1, exponent_bits) : 0;
            assert_true(value(dtype, low) == x);
            assert_int_equal(rounded(dtype, (float)x), low);
            if (i + 1 == inf) continue;
            float middle = (float)((x + next) / 2);
            if ((double)middle != (x + next) / 2) continue; /* below what a float can tell */
            assert_int_equal(rounded(dtype, middle), low + (low & 1));
            assert_int_equal(rounded(dtype, nextafterf(middle, (float)x)), low);
            assert_int_equal(rounded(dtype, nextafterf(middle, (float)next)), low + 1);
        }
    float largest = (float)defined(inf - 1, exponent_bits),
          step = largest - (float)defined(inf - 2, exponent_bits);
    assert_int_equal(rounded(dtype, largest + 0.49f * step), inf - 1);
    assert_int_equal(rounded(dtype, largest + 0.51f * step), inf);
    assert_int_equal(rounded(dtype, -INFINITY), 0x8000 | inf);
    assert_true(isnan(value(dtype, rounded(dtype, NAN))));
}

static void test_bf16(void **state)
{
    (void)state;
    check_format(PTD_BF16, 8);
}

static void test_f16(void **state)
{
    (void)state;
    check_format(PTD_F16, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bf16), cmocka_unit_test(test_f16)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
