/* The experiment's own functions of real numbers against the C library's. */
#include "experiment/real.h"

#include <criterion/criterion.h>

static void expect_close(double value, double wanted, double around, const char *what, double x)
{
    cr_expect(fabs(value - wanted) <= 1e-15 * around, "%s of %.17g: %.17g instead of %.17g", what, x, value, wanted);
}

Test(real, logarithms_and_roots_are_those_of_the_library)
{
    double x = 1e-300;

    while (x < 1e300) {
        expect_close(real_ln(x), log(x), fmax(1, fabs(log(x))), "ln", x);
        expect_close(real_log10(x), log10(x), fmax(1, fabs(log10(x))), "log10", x);
        expect_close(real_sqrt(x), sqrt(x), sqrt(x), "sqrt", x);
        x *= 1.37;
    }
    for (int i = 500; i < 2000; i++)
        expect_close(real_ln(i / 1000.0), log(i / 1000.0), 1, "ln", i / 1000.0);
    cr_expect(real_ln(1) == 0);
    cr_expect(real_sqrt(0) == 0);
}

Test(real, powers_of_ten_are_exact)
{
    static const double powers[] = {1e-9, 1e-4, 1e-3, 1e-2, 1e-1, 1, 1e1, 1e9, 1e22};
    static const int of[] = {-9, -4, -3, -2, -1, 0, 1, 9, 22};

    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++)
        cr_expect(real_power_of_ten(of[i]) == powers[i], "10^%d: %.17g", of[i], real_power_of_ten(of[i]));
}

Test(real, rounding_is_that_of_the_library)
{
    static const double values[] = {0, 0.25, 0.999999, 1, 1.000001, 7.5, 4503599627370496.5, 9007199254740992};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        cr_expect(real_floor(values[i]) == floor(values[i]), "%.17g down", values[i]);
        cr_expect(real_ceil(values[i]) == ceil(values[i]), "%.17g up", values[i]);
    }
}

Test(real, the_smaller_and_the_larger_of_a_value_and_none_are_the_value)
{
    static const double pairs[][4] = {
        {1, 2, 1, 2}, {2, 1, 1, 2}, {NAN, 1, 1, 1}, {1, NAN, 1, 1}, {-INFINITY, 0, -INFINITY, 0}};

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        cr_expect(real_min(pairs[i][0], pairs[i][1]) == pairs[i][2], "pair %zu", i);
        cr_expect(real_max(pairs[i][0], pairs[i][1]) == pairs[i][3], "pair %zu", i);
    }
    cr_expect(isnan(real_min(NAN, NAN)) && isnan(real_max(NAN, NAN)));
}
