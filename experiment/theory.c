/* The formulas. Nothing is allocated; what a formula does not cover is INFINITY or false. Close: nothing is held.
 */
#include "theory.h"

#include "real.h"
#include "sample.h"

#include <math.h>
#include <string.h>

enum { TERMS = 3 }; /* of the fit: 1, n - 1, n (n - 1) */

static void sift_down(double *heap, size_t n);
static bool fit_terms(const double *workers, const double *throughput, size_t n, unsigned terms, double fit[TERMS],
                      double *ret_error);
static bool solve(double matrix[TERMS][TERMS + 1], unsigned n);
static double term(unsigned i, double workers);

/* free_s is a heap: the one who is free first is at its top. */
double theory_schedule(double *jobs_s, size_t n, size_t workers, double *free_s)
{
    double last_s = 0;

    for (size_t i = 0; i < workers; i++)
        free_s[i] = 0;
    for (size_t i = 0; i < n; i++) {
        free_s[0] += jobs_s[i];
        jobs_s[i] = free_s[0];
        last_s = real_max(last_s, jobs_s[i]);
        sift_down(free_s, workers);
    }
    return last_s;
}

static void sift_down(double *heap, size_t n)
{
    double value = heap[0];
    size_t place = 0, child;

    while ((child = 2 * place + 1) < n) {
        if (child + 1 < n && heap[child + 1] < heap[child])
            child++;
        if (value <= heap[child])
            break;
        heap[place] = heap[child];
        place = child;
    }
    heap[place] = value;
}

double theory_burst_percentile(size_t jobs, unsigned workers, double run_s, double share)
{
    return real_ceil((double)sample_rank(jobs, share) / workers) * run_s;
}

/* By Erlang B, whose recursion neither overflows nor loses digits: B(0) = 1, B(k) = a B(k-1) / (k + a B(k-1)). */
double theory_erlang_c(unsigned workers, double load)
{
    double blocked = 1, idle;

    if (load <= 0)
        return 0;
    if (load >= workers)
        return 1;
    for (unsigned k = 1; k <= workers; k++)
        blocked = load * blocked / (k + load * blocked);
    idle = 1 - load / workers;
    return blocked / (idle + (1 - idle) * blocked);
}

double theory_wait(const struct stream *stream, unsigned workers)
{
    double load = stream->rate * stream->run_s;
    double variability = (stream->arrival_variability + stream->run_variability) / 2;

    if (load >= workers)
        return INFINITY;
    return theory_erlang_c(workers, load) * stream->run_s / (workers - load) * variability;
}

double theory_wait_percentile(const struct stream *stream, unsigned workers, double share)
{
    double chance = theory_erlang_c(workers, stream->rate * stream->run_s);

    if (chance <= 1 - share)
        return 0;
    return theory_wait(stream, workers) / chance * real_ln(chance / (1 - share));
}

/* ---- the fit ---- */

static size_t count_different(const double *values, size_t n)
{
    size_t different = 0;

    for (size_t i = 0; i < n; i++) {
        size_t k = 0;

        while (values[k] < values[i] || values[k] > values[i])
            k++;
        different += k == i;
    }
    return different;
}

/* n / throughput(n) = (1 + contention (n - 1) + coherence n (n - 1)) / rate is linear in what is sought. A coefficient
 * that comes out negative is noise: then it is 0, and the best fit of those that remain counts. */
bool theory_fit_usl(const double *workers, const double *throughput, size_t n, struct usl *ret_usl)
{
    static const unsigned choices[] = {7, 3, 5, 1}; /* bit i: with term i */
    double best[TERMS] = {0}, least = INFINITY;

    if (count_different(workers, n) < USL_MIN)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(workers[i] > 0 && throughput[i] > 0))
            return false;
    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        double fit[TERMS], error;

        if (!fit_terms(workers, throughput, n, choices[i], fit, &error) || fit[0] <= 0 || fit[1] < 0 || fit[2] < 0)
            continue;
        if (error < least) {
            least = error;
            memcpy(best, fit, sizeof(best));
        }
    }
    if (best[0] <= 0)
        return false;
    ret_usl->rate = 1 / best[0];
    ret_usl->contention = best[1] / best[0] + 0.0; /* a negative zero becomes 0 */
    ret_usl->coherence = best[2] / best[0] + 0.0;
    if (ret_usl->contention > 1) /* the second worker does harm, with or without coherence */
        ret_usl->knee = 1;
    else if (ret_usl->coherence > 1e-9)
        ret_usl->knee = real_sqrt((1 - ret_usl->contention) / ret_usl->coherence);
    else
        ret_usl->knee = INFINITY;
    return true;
}

/* Least squares of relative errors, by the normal equations of the terms chosen; the others are 0. */
static bool fit_terms(const double *workers, const double *throughput, size_t n, unsigned terms, double fit[TERMS],
                      double *ret_error)
{
    double matrix[TERMS][TERMS + 1] = {{0}};
    unsigned places[TERMS], size = 0;

    for (unsigned i = 0; i < TERMS; i++) {
        fit[i] = 0;
        if (terms >> i & 1)
            places[size++] = i;
    }
    for (size_t k = 0; k < n; k++) {
        double scale = throughput[k] / workers[k];

        for (unsigned i = 0; i < size; i++) {
            for (unsigned j = 0; j < size; j++)
                matrix[i][j] += term(places[i], workers[k]) * term(places[j], workers[k]) * scale * scale;
            matrix[i][size] += term(places[i], workers[k]) * scale;
        }
    }
    if (!solve(matrix, size))
        return false;
    for (unsigned i = 0; i < size; i++)
        fit[places[i]] = matrix[i][size];
    *ret_error = 0;
    for (size_t k = 0; k < n; k++) {
        double off = -1;

        for (unsigned i = 0; i < TERMS; i++)
            off += fit[i] * term(i, workers[k]) * throughput[k] / workers[k];
        *ret_error += off * off;
    }
    return true;
}

static double term(unsigned i, double workers)
{
    return i == 0 ? 1 : i == 1 ? workers - 1 : workers * (workers - 1);
}

/* Gauss and Jordan, with pivots; the solution replaces the last column in use. False: singular. */
static bool solve(double matrix[TERMS][TERMS + 1], unsigned n)
{
    for (unsigned column = 0; column < n; column++) {
        unsigned pivot = column;
        double swap[TERMS + 1];

        for (unsigned row = column + 1; row < n; row++)
            if (fabs(matrix[row][column]) > fabs(matrix[pivot][column]))
                pivot = row;
        if (fabs(matrix[pivot][column]) < 1e-12)
            return false;
        memcpy(swap, matrix[pivot], sizeof(swap));
        memcpy(matrix[pivot], matrix[column], sizeof(swap));
        memcpy(matrix[column], swap, sizeof(swap));
        for (unsigned row = 0; row < n; row++) {
            double factor = matrix[row][column] / matrix[column][column];

            for (unsigned i = column; row != column && i <= n; i++)
                matrix[row][i] -= factor * matrix[column][i];
        }
    }
    for (unsigned row = 0; row < n; row++)
        matrix[row][n] /= matrix[row][row];
    return true;
}
