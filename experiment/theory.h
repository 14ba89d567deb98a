/* What queueing theory says about jobs on workers. docs/EXPERIMENT.md has the formulas and their sources. Times in
 * seconds, rates per second.
 */
#ifndef EXPERIMENT_THEORY_H
#define EXPERIMENT_THEORY_H

#include <stdbool.h>
#include <stddef.h>

/* How long n jobs take, all there at once and taken in their order by who is free first: each one's run time becomes
 * the moment of its end, the last of which is returned. For equal ones that is ceil(n / workers) x run. free_s: room
 * for as many as there are workers. */
double theory_schedule(double *jobs_s, size_t n, size_t workers, double *free_s);

/* The time after which the share (0 to 1) of a burst of equal jobs is answered. */
double theory_burst_percentile(size_t jobs, unsigned workers, double run_s, double share);

/* Erlang C: the chance that who arrives at random must wait, for load = rate x run time, in erlangs. 1 if load is not
 * less than workers: then the queue grows without end. */
double theory_erlang_c(unsigned workers, double load);

/* A stream of requests, and the jobs they are. */
struct stream {
    double rate, run_s;
    double arrival_variability, run_variability; /* variance over the mean's square; random arrivals: 1 */
};

/* Allen-Cunneen: Erlang's mean wait, corrected by how much arrivals and jobs vary. INFINITY: more than workers can do.
 */
double theory_wait(const struct stream *stream, unsigned workers);

/* The wait that the share of all requests does not exceed, as if waits that happen were exponential. */
double theory_wait_percentile(const struct stream *stream, unsigned workers, double share);

/* Universal Scalability Law: throughput(n) = rate n / (1 + contention (n - 1) + coherence n (n - 1)). */
struct usl {
    double rate;       /* of one worker */
    double contention; /* the share of the work that is serial */
    double coherence;  /* what each worker costs each other one */
    double knee;       /* workers beyond which throughput falls; INFINITY: there is none */
};

/* Fits the law to measured throughputs by least squares, with both coefficients >= 0. False: fewer than USL_MIN
 * different numbers of workers, or a point that is not positive. */
enum { USL_MIN = 4 };
bool theory_fit_usl(const double *workers, const double *throughput, size_t n, struct usl *ret_usl);

#endif
