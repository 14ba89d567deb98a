/* What a row of measured values says: mean, percentiles, spread, and how sure one may be. Values are in any order
 * unless it is said; none of them is NaN.
 */
#ifndef EXPERIMENT_SAMPLE_H
#define EXPERIMENT_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>

enum { SAMPLE_BATCHES = 5, SAMPLE_BATCH_MIN = 80 };

void sample_sort(double *values, size_t n);

/* The place, from 1, of the smallest of n sorted values that at least the share (0 to 1) of all is not above: nearest
 * rank, so always one that was measured. */
size_t sample_rank(size_t n, double share);

/* The value there. Sorted values. NAN: there are none. */
double sample_percentile(const double *sorted, size_t n, double share);

double sample_mean(const double *values, size_t n); /* NAN: there are none */
double sample_max(const double *values, size_t n);  /* likewise */

/* Variance over the mean's square: 0 for what is always the same, 1 for what is exponential. 0 for fewer than two. */
double sample_variability(const double *values, size_t n);

/* Half the width of the mean's 95 % confidence interval, by batch means: values in the order in which they came, in
 * SAMPLE_BATCHES batches. Neighbours depend on each other, as waits in a queue do, and so, less, do the means of
 * batches: of few and large ones least. False: fewer than SAMPLE_BATCHES x SAMPLE_BATCH_MIN values, which is too few to
 * say. */
bool sample_interval(const double *values, size_t n, double *ret_half);

#endif
