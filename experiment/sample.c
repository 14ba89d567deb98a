/* Percentiles and batch means. Nothing is allocated and nothing fails. Close: nothing is held. */
#include "sample.h"

#include "real.h"

#include <math.h>
#include <stdlib.h>

/* Student's t for 95 % and SAMPLE_BATCHES - 1 degrees of freedom. */
#define STUDENT_T 2.776
_Static_assert(SAMPLE_BATCHES == 5, "STUDENT_T is for 5 batches");

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void sample_sort(double *values, size_t n)
{
    if (n > 1)
        qsort(values, n, sizeof(*values), by_value);
}

size_t sample_rank(size_t n, double share)
{
    double rank = real_ceil(share * (double)n - 1e-9); /* 0.99 x 100 is 99, whatever binary fractions say */

    return rank < 1 ? 1 : (size_t)rank;
}

double sample_percentile(const double *sorted, size_t n, double share)
{
    return n > 0 ? sorted[sample_rank(n, share) - 1] : NAN;
}

double sample_mean(const double *values, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return n > 0 ? sum / (double)n : NAN;
}

double sample_max(const double *values, size_t n)
{
    double max = NAN;

    for (size_t i = 0; i < n; i++)
        max = real_max(max, values[i]); /* which takes a NAN for no value */
    return max;
}

static double sample_variance(const double *values, size_t n)
{
    double mean = sample_mean(values, n), sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (values[i] - mean) * (values[i] - mean);
    return n > 1 ? sum / (double)(n - 1) : 0;
}

double sample_variability(const double *values, size_t n)
{
    double mean = sample_mean(values, n);

    return n > 1 && mean > 0 ? sample_variance(values, n) / (mean * mean) : 0;
}

bool sample_interval(const double *values, size_t n, double *ret_half)
{
    double means[SAMPLE_BATCHES];
    size_t size = n / SAMPLE_BATCHES;

    if (size < SAMPLE_BATCH_MIN)
        return false;
    for (size_t i = 0; i < SAMPLE_BATCHES; i++)
        means[i] = sample_mean(values + i * size, size);
    *ret_half = STUDENT_T * real_sqrt(sample_variance(means, SAMPLE_BATCHES) / SAMPLE_BATCHES);
    return true;
}
