/* The few functions of real numbers that the report needs. The C library's are in one of its own, libm, which every
 * start of the server would map for them: a tenth of what it then has resident. docs/BENCHMARKING.md has the figures.
 */
#ifndef EXPERIMENT_REAL_H
#define EXPERIMENT_REAL_H

#include <math.h> /* for its macros */
#include <stdint.h>

/* The smaller and the larger; of a value and a NAN, the value. As fmin(3) and fmax(3). */
static inline double real_min(double a, double b)
{
    return a < b || isnan(b) ? a : b;
}

static inline double real_max(double a, double b)
{
    return a > b || isnan(b) ? a : b;
}

/* x rounded down and up, for x from 0 to 2^53. */
static inline double real_floor(double x)
{
    return (double)(uint64_t)x;
}

static inline double real_ceil(double x)
{
    return real_floor(x) + (real_floor(x) < x);
}

/* Of a finite x > 0, to a relative 1e-15; where the result is around 0, to an absolute 1e-15. */
double real_ln(double x);
double real_log10(double x);

/* Of a finite x >= 0, to a relative 1e-15. */
double real_sqrt(double x);

/* Exact from -22 to 22, as far as a double can be. */
double real_power_of_ten(int power);

#endif
