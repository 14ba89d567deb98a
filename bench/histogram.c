/* Log-linear buckets: one for each nanosecond below 256, then 256 for each doubling. */
#include "histogram.h"

static unsigned bucket(uint64_t ns)
{
    unsigned doublings;

    if (ns < HISTOGRAM_STEPS)
        return (unsigned)ns;
    doublings = 55 - (unsigned)__builtin_clzll(ns);
    return doublings * HISTOGRAM_STEPS + (unsigned)(ns >> doublings);
}

/* The lowest time of a bucket. */
static uint64_t lowest(unsigned i)
{
    unsigned doublings;

    if (i < 2 * HISTOGRAM_STEPS)
        return i;
    doublings = i / HISTOGRAM_STEPS - 1;
    return (uint64_t)(i % HISTOGRAM_STEPS + HISTOGRAM_STEPS) << doublings;
}

void histogram_add(struct histogram *histogram, uint64_t ns, uint64_t n)
{
    histogram->count[bucket(ns)] += n;
    histogram->total += n;
    if (ns > histogram->max_ns)
        histogram->max_ns = ns;
}

uint64_t histogram_at(const struct histogram *histogram, double share)
{
    double rank = (double)histogram->total * share - 1e-6; /* 1000 x 0.999 is no whole number */
    uint64_t seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->count[i];
        if (seen > 0 && (double)seen >= rank)
            return lowest(i);
    }
    return histogram->max_ns;
}
