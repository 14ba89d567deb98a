/* From what was seen to figures, with trials made by hand. */
#include "experiment/result.h"
#include "lib/fail_malloc.h"
#include "lib/trial_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>

static const struct plan burst = {.jobs = 8, .clients = 8, .route = "/"};
static struct trial trial;
static struct result result;

static void expect_near(double value, double wanted, const char *what)
{
    cr_expect(fabs(value - wanted) < 1e-6, "%s: %.9g instead of %.9g", what, value, wanted);
}

static void make(enum executor executor, unsigned workers)
{
    trial_burst(&trial, executor, workers, 8, 2, 0.5);
    cr_assert_eq(result_make(&result, &trial, &burst), 0);
    trial_free(&trial);
}

Test(result, of_eight_jobs_on_one_worker)
{
    make(EXECUTOR_POOL, 1);

    expect_near(result.makespan_s, 16, "makespan");
    expect_near(result.predicted_s, 16, "predicted");
    expect_near(result.wait_mean_s, 7, "wait");
    expect_near(result.wait_max_s, 14, "longest wait");
    expect_near(result.run_mean_s, 2, "run");
    expect_near(result.busy, 1, "busy");
    expect_near(result.cpu_share, 0.25, "CPU share");
    expect_near(result.dummy_p99_s, 0.001, "/dummy");
    cr_expect_eq(result.n_answered, 8);
    cr_expect_eq(result.most_running, 1);
}

Test(result, of_eight_jobs_on_eight_workers)
{
    make(EXECUTOR_POOL, 8);

    expect_near(result.makespan_s, 2, "makespan");
    expect_near(result.predicted_s, 2, "predicted");
    expect_near(result.wait_max_s, 0, "wait");
    expect_near(result.busy, 1, "busy");
    cr_expect_eq(result.most_running, 8);
}

Test(result, of_an_inline_server_has_the_waits_that_only_its_clients_see)
{
    make(EXECUTOR_INLINE, 0);

    expect_near(result.wait_mean_s, 7, "wait");
    expect_near(result.wait_max_s, 14, "longest wait");
    expect_near(result.predicted_s, 16, "predicted");
    expect_near(result.dummy_max_s, 16, "/dummy");
    cr_expect(isnan(result.cpu_share));
}

Test(result, of_an_async_server_counts_its_waits_as_work_and_holds_no_server)
{
    make(EXECUTOR_ASYNC, 1);

    expect_near(result.wait_max_s, 0, "wait");
    expect_near(result.run_mean_s, 2, "run");
    expect_near(result.predicted_s, 2, "predicted");
}

Test(result, of_an_async_server_counts_jobs_that_are_not)
{
    trial_burst(&trial, EXECUTOR_ASYNC, 1, 8, 2, 0.5);
    trial.jobs.list[3].is_async = trial.jobs.list[4].is_async = false;
    cr_assert_eq(result_make(&result, &trial, &burst), 0);
    trial_free(&trial);

    cr_expect_eq(result.n_otherwise, 2);
    make(EXECUTOR_POOL, 1);
    cr_expect_eq(result.n_otherwise, 0);
}

Test(result, littles_law_holds_for_every_executor)
{
    static const struct setting settings[] = {
        {EXECUTOR_POOL, 1}, {EXECUTOR_POOL, 3}, {EXECUTOR_INLINE, 0}, {EXECUTOR_ASYNC, 1}};

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        make(settings[i].executor, settings[i].workers);
        expect_near(result_little(&result), 1, plan_executor_name(settings[i].executor));
    }
}

Test(result, a_request_that_failed_on_a_worker_is_predicted_all_the_same)
{
    trial_burst(&trial, EXECUTOR_POOL, 1, 8, 2, 0.5);
    for (size_t i = 0; i < 8; i += 2)
        trial.calls[i].status = trial.jobs.list[i].status = 500;
    cr_assert_eq(result_make(&result, &trial, &burst), 0);
    trial_free(&trial);

    cr_expect_eq(result.n_failed, 4);
    expect_near(result.predicted_s, 16, "predicted");
}

Test(result, a_burst_whose_runs_differ_is_predicted_as_they_were_dealt)
{
    trial_burst(&trial, EXECUTOR_POOL, 2, 8, 2, 0.5);
    trial.jobs.list[7].finished_s += 3;
    trial.calls[7].answered_ns += 3 * UINT64_C(1000000000);
    cr_assert_eq(result_make(&result, &trial, &burst), 0);
    trial_free(&trial);

    expect_near(result.makespan_s, 11, "makespan");
    expect_near(result.predicted_s, 11, "predicted");
    expect_near(result.latency_p99_predicted_s, 11, "predicted p99");
}

Test(result, a_burst_is_predicted_with_the_mean_for_what_the_server_no_longer_had)
{
    trial_burst(&trial, EXECUTOR_POOL, 1, 8, 2, 0.5);
    trial_lose(&trial, 5);
    cr_assert_eq(result_make(&result, &trial, &burst), 0);
    trial_free(&trial);

    expect_near(result.predicted_s, 16, "predicted");
}

Test(result, a_refused_request_is_counted_and_not_predicted)
{
    trial_burst(&trial, EXECUTOR_POOL, 1, 8, 2, 0.5);
    trial.calls[7].status = 503;
    trial.calls[7].answered_ns = trial.calls[7].sent_ns;
    trial.jobs.list[7].is_shed = true;
    trial.jobs.list[7].started_s = NAN;
    trial.calls[6].status = 500;
    cr_assert_eq(result_make(&result, &trial, &burst), 0);
    trial_free(&trial);

    cr_expect_eq(result.n_shed, 1);
    cr_expect_eq(result.n_failed, 1);
    cr_expect_eq(result.failed_status, 500);
    cr_expect_eq(result.n_answered, 6);
    expect_near(result.predicted_s, 14, "predicted");
    expect_near(result.wait_max_s, 12, "longest wait");
    expect_near(result.wait_mean_s, 6, "wait");
}

Test(result, of_a_stream_has_erlangs_prediction_for_the_measured_variability)
{
    const struct plan stream = {.rate = 2, .for_s = 4, .clients = 8, .route = "/"};

    /* A call every half second, each served at once for 0.25 s by one worker: nothing varies, so nobody waits. */
    trial_burst(&trial, EXECUTOR_POOL, 1, 8, 0.25, 0);
    for (size_t i = 0; i < 8; i++) {
        trial.calls[i].intended_ns = trial.zero_ns + i * 500000000;
        trial.calls[i].answered_ns = trial.calls[i].intended_ns + 250000000;
        trial.jobs.list[i].received_s = trial.jobs.list[i].started_s = (double)i / 2;
        trial.jobs.list[i].finished_s = (double)i / 2 + 0.25;
    }
    cr_assert_eq(result_make(&result, &trial, &stream), 0);
    trial_free(&trial);

    expect_near(result.stream.rate, 2, "rate");
    expect_near(result.wait_predicted_s, 0, "predicted wait");
    expect_near(result.delayed_predicted, 0.5, "Erlang C");
    expect_near(result.delayed, 0, "waited");
    expect_near(result_offered(&stream, &result), 0.5, "offered");
    expect_near(result.predicted_s, 3.75, "the last one's end");
    cr_expect(isnan(result.wait_half_s), "eight are too few for an interval");
}

Test(result, a_stream_that_is_too_much_takes_as_long_as_all_its_runs)
{
    const struct plan stream = {.rate = 2, .for_s = 4, .clients = 8, .route = "/"};

    trial_burst(&trial, EXECUTOR_POOL, 1, 8, 2, 0.5);
    for (size_t i = 0; i < 8; i++)
        trial.calls[i].intended_ns = trial.zero_ns + i * 500000000;
    cr_assert_eq(result_make(&result, &trial, &stream), 0);
    trial_free(&trial);

    expect_near(result_offered(&stream, &result), 4, "offered");
    expect_near(result.predicted_s, 16, "predicted");
    cr_expect(isinf(result.wait_predicted_s));
}

/* Where nobody waits, the slowest answers are the longest runs. */
Test(result, the_predicted_p99_of_a_stream_has_that_of_the_runs_in_it)
{
    const struct plan stream = {.rate = 0.001, .for_s = 8000, .clients = 8, .route = "/"};

    trial_burst(&trial, EXECUTOR_POOL, 8, 8, 0.25, 0);
    trial.jobs.list[7].finished_s = 1;
    cr_assert_eq(result_make(&result, &trial, &stream), 0);
    trial_free(&trial);

    expect_near(result.latency_p99_predicted_s, 1, "predicted p99");
}

Test(result, only_requests_whose_times_are_missing_were_lost)
{
    static const struct {
        size_t missing, unanswered, lost;
    } rows[] = {{0, 0, 0}, {3, 0, 3}, {3, 1, 2}, {0, 1, 0}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        trial_burst(&trial, EXECUTOR_POOL, 1, 8, 2, 0.5);
        for (size_t k = 0; k < rows[i].unanswered; k++)
            trial.calls[k].status = 0;
        trial_lose(&trial, rows[i].missing);
        cr_assert_eq(result_make(&result, &trial, &burst), 0);
        trial_free(&trial);

        cr_expect_eq(result.n_lost, rows[i].lost, "row %zu: %zu", i, result.n_lost);
    }
}

/* Eight that came one a second: the last four waited for 4 to 7 s. */
Test(result, what_the_server_no_longer_had_counts_as_what_it_had)
{
    static const enum executor executors[] = {EXECUTOR_POOL, EXECUTOR_INLINE};

    for (size_t i = 0; i < 2; i++) {
        trial_burst(&trial, executors[i], 1, 8, 2, 0.5);
        for (size_t k = 0; k < 8; k++) {
            trial.calls[k].intended_ns += k * UINT64_C(1000000000);
            trial.jobs.list[k].received_s = executors[i] == EXECUTOR_POOL ? (double)k : trial.jobs.list[k].started_s;
        }
        trial_lose(&trial, 4);
        expect_near(trial.jobs.list[0].started_s, 8, "the fifth's start");
        expect_near(trial.jobs.list[3].finished_s, 16, "the last one's end");
        cr_assert_eq(result_make(&result, &trial, &burst), 0);
        trial_free(&trial);

        expect_near(result.busy, 1, "busy");
        expect_near(result.throughput, 0.5, "throughput");
        expect_near(result.wait_mean_s, 5.5, "wait");
    }
}

/* The client was held up when the last answers came. */
Test(result, answers_that_were_seen_late_do_not_move_jobs_that_are_placed_by_others)
{
    trial_burst(&trial, EXECUTOR_INLINE, 0, 8, 2, 0.5);
    for (size_t i = 5; i < 8; i++)
        trial.calls[i].answered_ns += 3 * UINT64_C(1000000000);
    trial_lose(&trial, 4);

    expect_near(trial.jobs.list[0].started_s, 8, "the fifth's start");
    expect_near(trial_wait_s(&trial, 3), 14, "the last one's wait");
    trial_free(&trial);
}

/* The moments are differences, with all digits of a double. */
Test(result, one_that_ends_when_the_next_starts_does_not_run_beside_it)
{
    trial_burst(&trial, EXECUTOR_POOL, 1, 8, 2, 0.5);
    for (size_t i = 0; i < 8; i++)
        trial.jobs.list[i].finished_s += 1e-9;
    cr_assert_eq(result_make(&result, &trial, &burst), 0);
    trial_free(&trial);

    cr_expect_eq(result.most_running, 1);
}

/* They are of different clocks: the thread's and the wall's, the client's and the server's. */
Test(result, no_handler_has_more_than_a_core_and_nobody_waits_less_than_not_at_all)
{
    trial_burst(&trial, EXECUTOR_POOL, 1, 8, 2, 2.01);
    cr_assert_eq(result_make(&result, &trial, &burst), 0);
    trial_free(&trial);
    expect_near(result.cpu_share, 1, "CPU share");

    trial_burst(&trial, EXECUTOR_INLINE, 0, 8, 2, 0.5);
    trial.jobs.list[0].started_s -= 7;
    cr_assert_eq(result_make(&result, &trial, &burst), 0);
    trial_free(&trial);
    expect_near(result.wait_mean_s, 7, "wait");
}

Test(result, memory_that_runs_out_is_an_error)
{
    trial_burst(&trial, EXECUTOR_POOL, 1, 8, 2, 0.5);
    trial_lose(&trial, 4);
    fail_malloc_at(1);
    cr_expect_eq(trial_place_jobs(&trial), -ENOMEM);
    fail_malloc_at(1);
    cr_expect_eq(result_make(&result, &trial, &burst), -ENOMEM);
    fail_malloc_at(0);
    trial_free(&trial);
}
