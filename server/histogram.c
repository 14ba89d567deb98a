/* Log-linear buckets in base ten.
 *
 * Times are counted in units of 100 ns, rounded up: the first ten buckets hold 0 to 9 units; each decade above has one
 * for 10, 11 ... 99 of its own unit, and a bucket's number is the bound of what it holds. Failures: none. Close:
 * nothing.
 */
#include "histogram.h"

enum { DIGITS_MIN = 10, DIGITS_MAX = 99 };

static unsigned bucket_of(uint64_t ns)
{
    uint64_t units = ns / HISTOGRAM_UNIT_NS + (ns % HISTOGRAM_UNIT_NS > 0);
    unsigned decade = 0;

    if (units < DIGITS_MIN)
        return (unsigned)units;
    for (; units > DIGITS_MAX; decade++)
        units = units / 10 + (units % 10 > 0);
    if (decade >= HISTOGRAM_DECADES)
        return HISTOGRAM_BUCKETS - 1;
    return DIGITS_MIN + decade * (DIGITS_MAX - DIGITS_MIN + 1) + (unsigned)units - DIGITS_MIN;
}

static uint64_t bound_of(unsigned bucket)
{
    uint64_t units = bucket;

    if (bucket >= DIGITS_MIN) {
        unsigned decade = (bucket - DIGITS_MIN) / (DIGITS_MAX - DIGITS_MIN + 1);

        units = DIGITS_MIN + (bucket - DIGITS_MIN) % (DIGITS_MAX - DIGITS_MIN + 1);
        while (decade-- > 0)
            units *= 10;
    }
    return units * HISTOGRAM_UNIT_NS;
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram->count++;
    histogram->sum_ns += ns;
    if (ns > histogram->max_ns)
        histogram->max_ns = ns;
    histogram->buckets[bucket_of(ns)]++;
}

uint64_t histogram_quantile_ns(const struct histogram *histogram, double q)
{
    double wanted = q * (double)histogram->count;
    uint64_t seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && (double)seen >= wanted)
            return bound_of(i) < histogram->max_ns ? bound_of(i) : histogram->max_ns;
    }
    return histogram->max_ns;
}

uint64_t histogram_mean_ns(const struct histogram *histogram)
{
    return histogram->count > 0 ? histogram->sum_ns / histogram->count : 0;
}

uint64_t histogram_at_most(const struct histogram *histogram, uint64_t bound_ns)
{
    unsigned last = bucket_of(bound_ns);
    uint64_t n = 0;

    for (unsigned i = 0; i <= last; i++)
        n += histogram->buckets[i];
    return n;
}
