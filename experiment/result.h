/* What a trial comes to: the figures of one row, and of all rows together.
 */
#ifndef EXPERIMENT_RESULT_H
#define EXPERIMENT_RESULT_H

#include "theory.h"
#include "trial.h"

/* NAN: there is no such figure for this setting. */
struct result {
    struct setting setting;
    size_t n_calls, n_answered, n_shed, n_failed; /* 2xx; 503; everything else */
    int failed_status;                            /* one of those */
    double makespan_s, predicted_s;               /* from the first request to the last answer */
    double speedup;                 /* of a burst, against the first setting's makespan, if both are whole */
    double wait_mean_s, wait_max_s; /* until a handler was started */
    double wait_half_s;             /* of the mean's 95 % interval; streams only */
    double run_mean_s, run_p99_s;
    double busy;                         /* the share of the makespan that workers, or the inline loop, were at work */
    double cpu_share;                    /* of the handler's run time: its thread's CPU time */
    double latency_p50_s, latency_p99_s; /* of 2xx, as the clients saw them, from when requests were due */
    double dummy_p50_s, dummy_p99_s, dummy_max_s;
    size_t n_dummy;
    unsigned most_running;                     /* at once */
    double in_flight, throughput, residence_s; /* Little's law: the first, of the clients; the others, of the server */

    /* A stream of requests only. */
    struct stream stream;
    double wait_predicted_s, latency_p99_predicted_s;
    double delayed, delayed_predicted; /* the share of requests that waited: Erlang C */

    double late_s;
    size_t n_held, n_lost; /* calls that had no connection at first; that the server no longer had the times of */
    bool lacks_process;    /* of an inline setting: its jobs would have a process each elsewhere */
    size_t n_otherwise;    /* of an async setting: jobs of a route that is not; of another one: of a route that is */
};

/* -ENOMEM. */
int result_make(struct result *ret_result, const struct trial *trial, const struct plan *plan);

/* Measured makespan over the predicted one. */
double result_ratio(const struct result *result);

/* L over X x W: 1 if both sides counted the same. */
double result_little(const struct result *result);

/* All requests were answered with a 2xx: only then is its makespan that of its work. */
bool result_is_whole(const struct result *result);

/* It takes less than half a millisecond: of such a run neither the CPU share nor the makespan says much. */
bool result_is_short(const struct result *result);

/* Its workers, or the loop, were held by what was asked for: else, for an asynchronous route, their number means
 * nothing, and nothing is predicted. */
bool result_is_of_servers(const struct result *result);

/* The share of what the workers can do that is asked of them; over 1 the queue only grows. Streams only. */
double result_offered(const struct plan *plan, const struct result *result);

#endif
