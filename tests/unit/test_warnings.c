/* What a summary warns of. */
#include "lib/trial_fixture.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { STREAM_CALLS = 400 };

static const struct plan plan = {.jobs = 16, .clients = 16, .route = "/"};
static struct trial trials[17];
static struct summary summary;

static void tear_down(void)
{
    trial_summary_free(&summary);
}

TestSuite(warnings, .fini = tear_down);

static bool warns(const char *words)
{
    return trial_summary_warns(&summary, words);
}

Test(warnings, of_what_makes_its_figures_doubtful)
{
    trial_burst(&trials[0], EXECUTOR_POOL, 1, 16, 0.02, 0);
    trials[0].late_ns = 20000000;
    trial_lose(&trials[0], 3);
    trials[0].calls[3].status = 404;
    trials[0].calls[4].status = 503;
    trial_summary(&summary, &plan, trials, 1);

    cr_expect(warns("up to 20.0 ms late"));
    cr_expect(warns("no longer had 3"));
    cr_expect(warns("1 of 16 requests failed, one with status 404"));
    cr_expect(warns("1 of 16 requests were refused with 503"));
    cr_expect(warns("the p99 of /dummy is that of 32 requests: its maximum"));
    cr_expect_not(warns("client and server do not agree"), "the server had not all of them");
}

Test(warnings, of_a_probe_that_ended_before_the_requests)
{
    for (size_t i = 0; i < 2; i++) {
        trial_burst(&trials[0], EXECUTOR_POOL, 1, 1, i == 0 ? 9000 : 11000, 0);
        trials[0].n_probes = i == 0 ? trials[0].n_probes : LOAD_CALLS_MAX;
        trial_summary(&summary, &plan, trials, 1);
        cr_expect_eq(warns("after 1000000 requests for /dummy no more were sent: --probe-rate less"), i == 1);
        trial_summary_free(&summary);
    }
}

Test(warnings, of_an_async_route_that_is_none)
{
    for (size_t i = 0; i < 2; i++) {
        trial_burst(&trials[0], EXECUTOR_POOL, 16, 16, 2, 0);
        trial_burst(&trials[1], EXECUTOR_ASYNC, 1, 16, 2, 0);
        trials[1].jobs.list[0].is_async = i == 0;
        trial_summary(&summary, &plan, trials, 2);
        cr_expect_eq(warns("is no asynchronous route"), i == 1);
        trial_summary_free(&summary);
    }
}

Test(warnings, when_client_and_server_count_differently_but_not_of_the_way_between_them)
{
    static const struct {
        double run_s, more_s;
        size_t n_held;
        bool warns;
    } rows[] = {
        {0.001, 0.0005, 0, false}, {0.001, 0.003, 0, true},
        {0.001, 0.003, 1, false},  /* some waited for a connection */
        {0.0001, 0.003, 0, false}, /* so quick that there are always some on the way */
        {0.002, 0.0009, 0, false}, /* a millisecond may go by on the way */
        {0.002, 0.0012, 0, true},  {0.002, 0.0012, 1, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        trial_burst(&trials[0], EXECUTOR_POOL, 16, 16, rows[i].run_s, 0);
        for (size_t k = 0; k < 16; k++)
            trials[0].calls[k].answered_ns += (uint64_t)(rows[i].more_s * 1e9);
        trials[0].n_held = rows[i].n_held;
        trial_summary(&summary, &plan, trials, 1);
        cr_expect_eq(warns("client and server do not agree"), rows[i].warns, "row %zu", i);
        trial_summary_free(&summary);
    }
}

Test(warnings, when_more_is_asked_for_than_the_workers_can_do)
{
    static const struct plan stream = {.rate = 1, .for_s = 16, .clients = 16, .route = "/"};

    trial_burst(&trials[0], EXECUTOR_POOL, 1, 16, 2, 0);
    for (size_t i = 0; i < 16; i++)
        trials[0].calls[i].intended_ns += i * 1000000;
    trial_summary(&summary, &stream, trials, 1);

    cr_expect(warns("2.00 times what it can do"));
    cr_expect(warns("16 requests are too few"));
    cr_expect_not_null(strstr(summary.verdict, "No pool that was tried keeps up"), "%s", summary.verdict);
}

Test(warnings, when_nearly_all_that_the_workers_can_do_is_asked_for)
{
    static const struct plan stream = {.rate = 0.475, .for_s = 32, .clients = 16, .route = "/"};

    trial_burst(&trials[0], EXECUTOR_POOL, 1, 16, 2, 0);
    trial_summary(&summary, &stream, trials, 1);

    cr_expect(warns("95 % of what it can do is asked of it"));
}

Test(warnings, when_requests_waited_for_a_connection)
{
    static const struct plan stream = {.rate = 0.1, .for_s = 160, .clients = 16, .route = "/"};

    trial_burst(&trials[0], EXECUTOR_POOL, 1, 16, 2, 0);
    trials[0].n_held = 3;
    trial_summary(&summary, &stream, trials, 1);

    cr_expect(warns("3 requests waited for a connection: try more --clients than 16"));
}

Test(warnings, of_a_stream_in_which_a_few_runs_are_much_longer)
{
    static const struct plan stream = {.rate = 0.001, .for_s = 16000, .clients = 16, .route = "/"};

    for (size_t i = 0; i < 2; i++) {
        trial_burst(&trials[0], EXECUTOR_POOL, 1, 16, 2, 0);
        trials[0].jobs.list[0].finished_s += i == 0 ? 1 : 100;
        trial_summary(&summary, &stream, trials, 1);
        cr_expect_eq(warns("a few runs are much longer than the others"), i == 1);
        trial_summary_free(&summary);
    }
}

/* At the first rate nearly none would wait, but for the way through the server; at the last one there is no mean. */
Test(warnings, when_a_stream_waits_otherwise_than_theory_says)
{
    static const struct {
        double rate, wait_s;
        bool warns;
    } rows[] = {{0.01, 0.0004, false}, {0.6, 1, false}, {0.01, 1, true}};

    for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
        const struct plan stream = {.rate = rows[k].rate, .for_s = 40000, .clients = 16, .route = "/"};

        trial_summary_free(&summary);
        trial_burst(&trials[0], EXECUTOR_POOL, 1, STREAM_CALLS, 2, 0);
        for (size_t i = 0; i < STREAM_CALLS; i++) {
            trials[0].calls[i].intended_ns += i * UINT64_C(100000000000);
            trials[0].jobs.list[i].received_s = trials[0].jobs.list[i].started_s - rows[k].wait_s;
        }
        trial_summary(&summary, &stream, trials, 1);
        cr_expect_eq(warns("is outside of the measured interval"), rows[k].warns, "row %zu", k);
    }
    cr_expect(warns("is outside of the measured interval, 1000.0 to 1000.0 ms"));
}

Test(warnings, of_one_are_of_one)
{
    static const struct plan stream = {.rate = 0.1, .for_s = 10, .clients = 1, .route = "/"};

    trial_burst(&trials[0], EXECUTOR_POOL, 1, 1, 2, 0);
    trials[0].n_held = trials[0].n_probes = 1;
    trial_summary(&summary, &stream, trials, 1);

    cr_expect(warns("the p99 of /dummy is that of 1 request: its maximum"));
    cr_expect(warns("1 request is too few for a p99 or an interval"));
    cr_expect(warns("1 request waited for a connection: try more --clients than 1"));
}

Test(warnings, for_which_there_is_no_place_are_left_out)
{
    for (size_t i = 0; i < 17; i++) {
        trial_burst(&trials[i], EXECUTOR_POOL, 1, 16, 0.02, 0);
        trials[i].late_ns = 20000000;
        trials[i].calls[3].status = 404;
        trials[i].calls[4].status = 503;
    }
    trial_summary(&summary, &plan, trials, 17);

    cr_expect_eq(summary.n_warnings, SUMMARY_WARNINGS);
}
