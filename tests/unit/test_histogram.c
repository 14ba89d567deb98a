/* Percentiles and counts of times. */
#include "server/histogram.h"

#include <criterion/criterion.h>

static const uint64_t us = 1000, ms = 1000000, second = 1000000000;

static struct histogram h;

static void add(uint64_t ns, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        histogram_add(&h, ns);
}

Test(histogram, an_empty_one_has_only_zeros)
{
    cr_expect_eq(histogram_quantile_ns(&h, 0.99), 0);
    cr_expect_eq(histogram_mean_ns(&h), 0);
    cr_expect_eq(histogram_at_most(&h, second), 0);
}

Test(histogram, keeps_count_sum_mean_and_maximum_exactly)
{
    add(123456789, 1);
    add(1, 2);

    cr_expect_eq(h.count, 3);
    cr_expect_eq(h.sum_ns, 123456791);
    cr_expect_eq(h.max_ns, 123456789);
    cr_expect_eq(histogram_mean_ns(&h), 41152263);
}

Test(histogram, a_percentile_is_at_most_a_tenth_too_long)
{
    static const uint64_t rows[] = {1000,   1001,   1050,         9999,      10001,
                                    123456, 999999, 20 * 1000000, 987654321, 3600000000000};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t told;

        h = (struct histogram){0};
        add(rows[i], 1);
        add(3 * rows[i], 1); /* the maximum would hide the bucket's bound */
        told = histogram_quantile_ns(&h, 0.5);
        cr_expect(told >= rows[i] && told <= rows[i] + rows[i] / 10 + 100, "%zu: %zu", (size_t)rows[i], (size_t)told);
    }
}

Test(histogram, no_percentile_is_above_the_maximum)
{
    add(1010 * us, 1);

    cr_expect_eq(histogram_quantile_ns(&h, 0.5), 1010 * us);
    cr_expect_eq(histogram_quantile_ns(&h, 1), 1010 * us);
}

Test(histogram, percentiles_follow_the_ranks)
{
    add(1 * ms, 90);
    add(20 * ms, 9);
    add(300 * ms, 1);

    cr_expect_eq(histogram_quantile_ns(&h, 0.5), 1 * ms);
    cr_expect_eq(histogram_quantile_ns(&h, 0.9), 1 * ms);
    cr_expect_eq(histogram_quantile_ns(&h, 0.91), 20 * ms);
    cr_expect_eq(histogram_quantile_ns(&h, 0.99), 20 * ms);
    cr_expect_eq(histogram_quantile_ns(&h, 0.999), 300 * ms);
}

Test(histogram, a_bound_counts_what_is_exactly_as_long)
{
    static const uint64_t bounds[] = {100000, 250000, 500000, 1000000, 2500000, 1000000000, 500000000000};

    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        h = (struct histogram){0};
        add(bounds[i] - 1, 1);
        add(bounds[i], 1);
        add(bounds[i] + 1, 1);
        cr_expect_eq(histogram_at_most(&h, bounds[i]), 2, "%zu", (size_t)bounds[i]);
    }
}

Test(histogram, what_is_longer_than_its_range_counts_as_the_longest)
{
    add(UINT64_MAX, 1);
    add(UINT64_C(10000) * 1000000000, 1); /* the first beyond */
    add(0, 1);

    cr_expect_eq(h.buckets[HISTOGRAM_BUCKETS - 1], 2);
    cr_expect_eq(h.buckets[0], 1);
}
