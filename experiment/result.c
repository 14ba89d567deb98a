/* From calls and jobs to figures.
 *
 * Happy path: each group of figures from its own array of values. Failures: no memory for the values. Close: they are
 * freed before it returns.
 *
 * Requests whose times the server no longer had count as one of those that it had.
 */
#include "result.h"

#include "real.h"
#include "sample.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define SHORT_S 0.0005

static void count(struct result *result, const struct trial *trial);
static void measure_calls(struct result *result, const struct trial *trial, double *values);
static void measure_jobs(struct result *result, const struct trial *trial, const struct plan *plan, double *values);
static unsigned count_running(const struct trial *trial, double *values);
static size_t collect_waits(const struct trial *trial, double *values);
static void measure_probes(struct result *result, const struct trial *trial, double *values);
static void predict(struct result *result, const struct trial *trial, const struct plan *plan, double *values);
static void predict_burst(struct result *result, const struct trial *trial, const struct plan *plan, double *values);
static void predict_stream(struct result *result, const struct trial *trial, const struct plan *plan, double *values);

int result_make(struct result *ret_result, const struct trial *trial, const struct plan *plan)
{
    size_t n = trial->n_calls;
    struct result result = {.setting = trial->setting, .n_calls = trial->n_calls};
    double *values;

    n = trial->n_probes > n ? trial->n_probes : n;
    n = trial->jobs.n > n ? trial->jobs.n : n;
    values = calloc(2 * n + 1, sizeof(*values));
    if (values == NULL)
        return -ENOMEM;
    result.late_s = (double)trial->late_ns / 1e9;
    result.n_held = trial->n_held;
    result.n_lost = trial->n_lost;
    count(&result, trial);
    measure_calls(&result, trial, values);
    measure_jobs(&result, trial, plan, values);
    measure_probes(&result, trial, values);
    predict(&result, trial, plan, values);
    free(values);
    *ret_result = result;
    return 0;
}

double result_ratio(const struct result *result)
{
    return result->makespan_s / result->predicted_s;
}

double result_little(const struct result *result)
{
    return result->in_flight / (result->throughput * result->residence_s);
}

bool result_is_whole(const struct result *result)
{
    return result->n_answered == result->n_calls;
}

bool result_is_short(const struct result *result)
{
    return result->run_mean_s < SHORT_S;
}

bool result_is_of_servers(const struct result *result)
{
    return result->setting.executor == EXECUTOR_ASYNC || result->n_otherwise == 0;
}

double result_offered(const struct plan *plan, const struct result *result)
{
    if (!result_is_of_servers(result))
        return NAN;
    if (result->setting.executor == EXECUTOR_ASYNC)
        return 0;
    return plan->rate * result->run_mean_s / plan_servers(plan, &result->setting);
}

/* ---- what the clients saw ---- */

static void count(struct result *result, const struct trial *trial)
{
    for (size_t i = 0; i < trial->n_calls; i++) {
        int status = trial->calls[i].status;

        if (call_is_answered(&trial->calls[i])) {
            result->n_answered++;
        } else if (status == 503) {
            result->n_shed++;
        } else {
            result->n_failed++;
            result->failed_status = status;
        }
    }
}

/* In flight: each call's time, over the makespan. */
static void measure_calls(struct result *result, const struct trial *trial, double *values)
{
    const struct call *calls = trial->calls;
    uint64_t first_ns = calls[0].intended_ns, last_ns = first_ns;
    double sum_s = 0;
    size_t n = 0;

    for (size_t i = 0; i < trial->n_calls; i++) {
        double elapsed_s = seconds_between(calls[i].intended_ns, calls[i].answered_ns);

        sum_s += elapsed_s;
        if (call_is_answered(&calls[i]))
            values[n++] = elapsed_s;
        if (calls[i].answered_ns > last_ns)
            last_ns = calls[i].answered_ns;
    }
    sample_sort(values, n);
    result->latency_p50_s = sample_percentile(values, n, 0.5);
    result->latency_p99_s = sample_percentile(values, n, 0.99);
    result->makespan_s = seconds_between(first_ns, last_ns);
    result->in_flight = sum_s / result->makespan_s;
}

static void measure_probes(struct result *result, const struct trial *trial, double *values)
{
    size_t n = 0;

    for (size_t i = 0; i < trial->n_probes; i++)
        if (trial->probes[i].status != 0)
            values[n++] = seconds_between(trial->probes[i].intended_ns, trial->probes[i].answered_ns);
    sample_sort(values, n);
    result->n_dummy = n;
    result->dummy_p50_s = sample_percentile(values, n, 0.5);
    result->dummy_p99_s = sample_percentile(values, n, 0.99);
    result->dummy_max_s = sample_max(values, n);
}

/* ---- what the server saw ---- */

/* How long a request was served: where no worker is held, that is its whole stay. */
static double run_of(const struct job *job)
{
    return job->finished_s - job_begin_s(job);
}

static size_t collect_runs(const struct trial *trial, double *values)
{
    size_t n = 0;

    for (size_t i = 0; i < trial->jobs.n; i++)
        if (job_has_run(&trial->jobs.list[i]))
            values[n++] = run_of(&trial->jobs.list[i]);
    return n;
}

static void measure_jobs(struct result *result, const struct trial *trial, const struct plan *plan, double *values)
{
    double held_s = 0, cpu_s = 0, on_workers_s = 0;
    unsigned servers = trial->setting.workers > 0 ? trial->setting.workers : 1;
    double of_kept = trial->jobs.n > 0 ? 1 + (double)trial->n_lost / (double)trial->jobs.n : 1; /* all, of those */
    size_t n = collect_waits(trial, values);

    result->wait_mean_s = sample_mean(values, n);
    result->wait_max_s = sample_max(values, n);
    if (plan->rate <= 0 || !sample_interval(values, n, &result->wait_half_s))
        result->wait_half_s = NAN;
    n = collect_runs(trial, values);
    result->run_mean_s = sample_mean(values, n);
    result->stream.run_variability = sample_variability(values, n);
    sample_sort(values, n);
    result->run_p99_s = sample_percentile(values, n, 0.99);
    result->most_running = count_running(trial, values);
    result->throughput = (double)n * of_kept / result->makespan_s;
    result->residence_s = result->wait_mean_s + result->run_mean_s;
    for (size_t i = 0; i < trial->jobs.n; i++) {
        const struct job *job = &trial->jobs.list[i];

        if (!job_has_run(job))
            continue;
        result->lacks_process =
            result->lacks_process || (trial->setting.executor == EXECUTOR_INLINE && job->is_process);
        result->n_otherwise += (trial->setting.executor == EXECUTOR_ASYNC) != job->is_async;
        held_s += job->finished_s - job->started_s;
        if (job->seat >= 0) {
            on_workers_s += job->finished_s - job->started_s;
            cpu_s += job->cpu_s;
        }
    }
    result->busy = result_is_of_servers(result) ? held_s * of_kept / (servers * result->makespan_s) : NAN;
    result->cpu_share =
        trial->setting.executor == EXECUTOR_POOL && on_workers_s > 0 ? real_min(cpu_s / on_workers_s, 1) : NAN;
}

/* At the start of each, those that have started and not ended. Moments are microseconds, so one that ends when another
 * starts is over. */
static unsigned count_running(const struct trial *trial, double *values)
{
    size_t n = 0, ended = 0, most = 0;

    for (size_t i = 0; i < trial->jobs.n; i++)
        if (job_has_run(&trial->jobs.list[i]))
            values[n++] = trial->jobs.list[i].started_s;
    sample_sort(values, n);
    for (size_t i = 0, k = 0; i < trial->jobs.n; i++)
        if (job_has_run(&trial->jobs.list[i]))
            values[n + k++] = trial->jobs.list[i].finished_s;
    sample_sort(values + n, n);
    for (size_t i = 0; i < n; i++) {
        while (ended < n && values[n + ended] <= values[i] + 1e-6)
            ended++;
        most = i + 1 - ended > most ? i + 1 - ended : most;
    }
    return (unsigned)most;
}

/* In the order of arrival. */
static size_t collect_waits(const struct trial *trial, double *values)
{
    size_t n = 0;

    for (size_t i = 0; i < trial->jobs.n; i++)
        if (!trial->jobs.list[i].is_shed)
            values[n++] = trial_wait_s(trial, i);
    return n;
}

/* ---- what theory says ---- */

static void predict(struct result *result, const struct trial *trial, const struct plan *plan, double *values)
{
    result->wait_predicted_s = result->delayed = result->delayed_predicted = NAN;
    result->predicted_s = result->latency_p99_predicted_s = NAN;
    if (!result_is_of_servers(result))
        return;
    if (plan->rate > 0)
        predict_stream(result, trial, plan, values);
    else
        predict_burst(result, trial, plan, values);
}

/* Requests whose times the server no longer had count with the mean. */
static void predict_burst(struct result *result, const struct trial *trial, const struct plan *plan, double *values)
{
    unsigned servers = plan_servers(plan, &trial->setting);
    size_t n = collect_runs(trial, values);

    while (n < result->n_calls - result->n_shed)
        values[n++] = result->run_mean_s;
    result->predicted_s = theory_schedule(values, n, servers < n ? servers : n, values + n);
    sample_sort(values, n);
    result->latency_p99_predicted_s = plan->clients < n
                                          ? theory_burst_percentile(plan->clients, servers, result->run_mean_s, 0.99)
                                          : sample_percentile(values, n, 0.99);
}

/* The moments of arrival are those that were drawn, so what was measured is their own variability. */
static void predict_stream(struct result *result, const struct trial *trial, const struct plan *plan, double *values)
{
    const double is_wait_s = 0.0005; /* less is the way through the server */
    unsigned servers = plan_servers(plan, &trial->setting);
    struct stream *stream = &result->stream;
    double last_s = seconds_between(trial->calls[0].intended_ns, trial->calls[trial->n_calls - 1].intended_ns);
    size_t n = collect_waits(trial, values), waited = 0;

    for (size_t i = 0; i < n; i++)
        waited += values[i] > is_wait_s;
    result->delayed = (double)waited / (double)n;
    for (size_t i = 1; i < trial->n_calls; i++)
        values[i - 1] = seconds_between(trial->calls[i - 1].intended_ns, trial->calls[i].intended_ns);
    stream->arrival_variability = sample_variability(values, trial->n_calls - 1);
    stream->rate = plan->rate;
    stream->run_s = result->run_mean_s;
    if (trial->setting.executor == EXECUTOR_ASYNC) {
        result->wait_predicted_s = result->delayed_predicted = 0;
        result->latency_p99_predicted_s = result->run_p99_s;
        result->predicted_s = last_s + stream->run_s;
        return;
    }
    result->wait_predicted_s = theory_wait(stream, servers);
    result->delayed_predicted = theory_erlang_c(servers, stream->rate * stream->run_s);
    result->latency_p99_predicted_s = theory_wait_percentile(stream, servers, 0.99) + result->run_p99_s;
    result->predicted_s = real_max(last_s + stream->run_s, (double)result->n_answered * stream->run_s / servers);
}
