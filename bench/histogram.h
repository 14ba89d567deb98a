/* Times in buckets no wider than 0.4 % of their value, so that percentiles of any load cost the same memory. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEPS = 256, HISTOGRAM_BUCKETS = HISTOGRAM_STEPS * 57 };

/* Zero it. */
struct histogram {
    uint64_t count[HISTOGRAM_BUCKETS];
    uint64_t total, max_ns;
};

/* n times the same. */
void histogram_add(struct histogram *histogram, uint64_t ns, uint64_t n);

/* The time that a share of them, 0 to 1, did not exceed; 0 without any. */
uint64_t histogram_at(const struct histogram *histogram, double share);

#endif
