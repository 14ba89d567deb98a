/* Percentiles, spread and intervals of measured values. */
#include "experiment/sample.h"

#include <criterion/criterion.h>
#include <math.h>

enum { MANY = 2000 };

static double values[MANY];

static void count_up(size_t n)
{
    for (size_t i = 0; i < n; i++)
        values[i] = (double)(i + 1);
}

Test(sample, a_percentile_is_a_value_that_was_measured)
{
    static const struct {
        size_t n;
        double share, wanted;
    } rows[] = {{100, 0.99, 99}, {100, 0.5, 50}, {100, 1, 100}, {100, 0, 1},       {10, 0.99, 10},
                {1, 0.5, 1},     {3, 0.5, 2},    {4, 0.5, 2},   {1000, 0.999, 999}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        count_up(rows[i].n);
        cr_expect_eq(sample_percentile(values, rows[i].n, rows[i].share), rows[i].wanted, "row %zu", i);
    }
}

Test(sample, nothing_has_no_mean_and_no_percentile)
{
    cr_expect(isnan(sample_mean(values, 0)));
    cr_expect(isnan(sample_max(values, 0)));
    cr_expect(isnan(sample_percentile(values, 0, 0.5)));
    cr_expect_eq(sample_variability(values, 1), 0);
}

Test(sample, is_sorted_by_value)
{
    double three[] = {3, -1, 2};

    sample_sort(three, 3);
    cr_expect_eq(three[0], -1);
    cr_expect_eq(three[1], 2);
    cr_expect_eq(three[2], 3);
}

Test(sample, variability_is_0_for_what_is_always_the_same_and_1_for_what_is_exponential)
{
    for (size_t i = 0; i < MANY; i++)
        values[i] = 7;
    cr_expect_eq(sample_variability(values, MANY), 0);
    for (size_t i = 0; i < MANY; i++) /* the quantiles of an exponential distribution */
        values[i] = -log(((double)i + 0.5) / MANY);
    cr_expect_float_eq(sample_variability(values, MANY), 1, 0.02);
}

Test(sample, an_interval_needs_enough_values)
{
    double half = 42;

    count_up(MANY);
    cr_expect_not(sample_interval(values, SAMPLE_BATCHES * SAMPLE_BATCH_MIN - 1, &half));
    cr_expect_eq(half, 42);
    cr_expect(sample_interval(values, SAMPLE_BATCHES * SAMPLE_BATCH_MIN, &half));
}

Test(sample, the_interval_is_students_of_the_batches_means)
{
    double half;

    /* Five batches of 400, of means 0, 2, 0, 2, 0: their variance is 1.2. */
    for (size_t i = 0; i < MANY; i++)
        values[i] = i / 400 % 2 == 0 ? 0 : 2;
    cr_assert(sample_interval(values, MANY, &half));
    cr_expect_float_eq(half, 2.776 * sqrt(1.2 / 5), 1e-9);
}

Test(sample, neighbours_that_depend_on_each_other_make_the_interval_wider)
{
    double apart, together;

    for (size_t i = 0; i < MANY; i++)
        values[i] = i % 2 == 0 ? 0 : 2;
    cr_assert(sample_interval(values, MANY, &apart));
    for (size_t i = 0; i < MANY; i++)
        values[i] = i / 300 % 2 == 0 ? 0 : 2;
    cr_assert(sample_interval(values, MANY, &together));
    cr_expect_gt(together, apart + 0.1);
}
