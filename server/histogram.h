/* How long things took: counts in buckets of two significant decimal digits, so that a percentile is at most 10 % off
 * and usually 1 to 5 %, and so that 1, 2.5 and 5 of every decade, the bounds that people want to see, are bounds of
 * buckets. Plain data; zeroed is empty. One thread at a time.
 */
#ifndef SERVER_HISTOGRAM_H
#define SERVER_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_UNIT_NS = 100,
    HISTOGRAM_DECADES = 10, /* from 1 us to nearly 3 h; what is longer counts as that */
    HISTOGRAM_BUCKETS = 10 + 90 * HISTOGRAM_DECADES,
};

struct histogram {
    uint64_t count, sum_ns, max_ns;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t ns);

/* The time that the share q, 0 to 1, of all did not pass: the bound of its bucket, or the maximum if that is less. 0
 * when there is none. */
uint64_t histogram_quantile_ns(const struct histogram *histogram, double q);

uint64_t histogram_mean_ns(const struct histogram *histogram);

/* How many took at most bound_ns, which is a bucket's bound: one or two digits and zeros, from 1 us. */
uint64_t histogram_at_most(const struct histogram *histogram, uint64_t bound_ns);

#endif
