/* What all rows say together: sentences, target, fit. */
#include "experiment/table.h"
#include "lib/trial_fixture.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct plan plan = {.jobs = 16, .clients = 16, .route = "/"};
static struct trial trials[5];
static struct summary summary;

/* Pools of so many workers, and each next one of twice as many, under a plan of a burst. */
static void make_pools_under(const struct plan *burst, unsigned fewest, size_t n, double run_s, double cpu_s)
{
    for (size_t i = 0; i < n; i++)
        trial_burst(&trials[i], EXECUTOR_POOL, fewest << i, burst->jobs, run_s, cpu_s);
    trial_summary(&summary, burst, trials, n);
}

/* Pools of 1, 2, 4 and 8 workers. */
static void make_pools(size_t n, double run_s, double cpu_s)
{
    make_pools_under(&plan, 1, n, run_s, cpu_s);
}

static void tear_down(void)
{
    trial_summary_free(&summary);
}

TestSuite(summary, .fini = tear_down);

static bool warns(const char *words)
{
    return trial_summary_warns(&summary, words);
}

Test(summary, a_burst_that_takes_what_theory_says_holds)
{
    make_pools(4, 2, 0.01);

    cr_expect(summary.holds);
    cr_expect_eq(summary.n_warnings, 0, "%s", summary.warnings[0]);
}

Test(summary, a_burst_more_than_a_tenth_off_does_not_hold)
{
    trial_burst(&trials[0], EXECUTOR_POOL, 1, 16, 2, 0);
    trials[0].calls[15].answered_ns += 4000000000;
    trial_summary(&summary, &plan, trials, 1);

    cr_expect_not(summary.holds);
    cr_expect(warns("+12 % off"));
    cr_expect_not(warns("ran at once"));
}

Test(summary, a_burst_of_runs_too_short_to_compare_is_not_judged)
{
    trial_burst(&trials[0], EXECUTOR_POOL, 1, 16, 0.0001, 0);
    trials[0].calls[15].answered_ns += 1000000;
    trial_summary(&summary, &plan, trials, 1);

    cr_expect(summary.holds);
    cr_expect_not(warns("off what theory says"));
}

Test(summary, a_route_that_does_not_let_all_workers_in_is_suspected_of_its_limit)
{
    trial_burst(&trials[0], EXECUTOR_POOL, 1, 16, 2, 0);
    trials[0].setting.workers = 8;
    trial_summary(&summary, &plan, trials, 1);

    cr_expect_not(summary.holds);
    cr_expect(warns("only 1 ran at once: does the route have a max_concurrency?"));
}

Test(summary, says_what_the_handler_does_with_its_time)
{
    static const struct {
        double run_s, cpu_s;
        const char *words;
    } rows[] = {
        {2, 0.04, "waits 98.0 % of its time: more workers help where requests queue"},
        {2, 2, "burns CPU for 100 % of its time: more workers than 2 cores will not help"},
        {2, 1, "is on a CPU for 50 % of its time: 2 cores can keep about 4 workers busy"},
        {0.000004, 0, "takes less than 0.01 ms, hardly more than"},
        {0.0001, 0.0001, "takes 0.10 ms, hardly more than the way to a worker and back"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        make_pools(2, rows[i].run_s, rows[i].cpu_s);
        cr_expect_not_null(strstr(summary.cpu, rows[i].words), "%s", summary.cpu);
        cr_expect_not_null(strstr(summary.verdict, rows[i].words), "%s", summary.verdict);
        trial_summary_free(&summary);
    }
}

Test(summary, the_verdict_compares_the_fewest_workers_with_the_most)
{
    make_pools(4, 2, 0.01);

    cr_expect_not_null(strstr(summary.verdict, "8 workers answer 16 requests in 4.000 s where 1 takes 32.00 s, 8.0"),
                       "%s", summary.verdict);
}

Test(summary, the_verdict_gives_no_reason_for_what_theory_does_not_explain)
{
    trial_burst(&trials[0], EXECUTOR_POOL, 1, 16, 2, 0);
    trial_burst(&trials[1], EXECUTOR_POOL, 1, 16, 2, 0);
    trials[1].setting.workers = 8;
    trial_summary(&summary, &plan, trials, 2);

    cr_expect_not_null(strstr(summary.verdict, "1.0 times as fast."), "%s", summary.verdict);
}

Test(summary, the_verdict_names_the_clients_where_they_are_what_limits)
{
    static const struct plan lonely = {.jobs = 16, .clients = 1, .route = "/"};

    trial_burst(&trials[0], EXECUTOR_POOL, 1, 16, 2, 0.01);
    trial_burst(&trials[1], EXECUTOR_POOL, 1, 16, 2, 0.01);
    trials[1].setting.workers = 8;
    trial_summary(&summary, &lonely, trials, 2);

    cr_expect_not_null(strstr(summary.verdict, "1.0 times as fast, because 1 client asks at a time."), "%s",
                       summary.verdict);
}

Test(summary, predicts_nothing_of_an_async_route_on_workers_and_says_why)
{
    trial_burst(&trials[0], EXECUTOR_ASYNC, 1, 16, 2, 0);
    trials[0].setting.executor = EXECUTOR_POOL;
    trial_summary(&summary, &plan, trials, 1);

    cr_expect(summary.holds);
    cr_expect(isnan(summary.results[0].predicted_s));
    cr_expect(isnan(summary.results[0].busy));
    cr_expect_str_eq(summary.verdict, "/ is an asynchronous route: the number of workers does not matter to it.");
    cr_expect(warns("is an asynchronous route: it holds neither a worker nor the loop"));
    cr_expect_eq(summary.n_warnings, 1);
}

Test(summary, warns_of_an_inline_setting_without_the_processes_of_the_others)
{
    static const enum executor executors[] = {EXECUTOR_POOL, EXECUTOR_INLINE};

    for (size_t i = 0; i < 2; i++) {
        trial_burst(&trials[i], executors[i], 1, 16, 2, 0);
        trials[i].jobs.list[0].is_process = true;
    }
    trial_summary(&summary, &plan, trials, 2);

    cr_expect(warns("inline: / has a process for each request elsewhere, and none here"));
    cr_expect_not(warns("1 worker: / has a process"));
}

Test(summary, the_title_has_the_numbers_however_long_the_route_is)
{
    struct plan stream = {.rate = 1000000, .for_s = 86400, .clients = 10000, .route = "/"};
    char title[SUMMARY_TEXT];

    memset(stream.route + 1, 'x', sizeof(stream.route) - 2);
    (void)summary_title(&stream, title);
    cr_expect_not_null(
        strstr(title, "x...: 1e+06 requests a second at random moments for 86400 s, up to 10000 clients"));
    cr_expect_lt(strlen(title), 130);
}

Test(summary, the_verdict_does_not_compare_the_times_of_unequal_work)
{
    trial_burst(&trials[0], EXECUTOR_POOL, 1, 16, 2, 0);
    trials[0].calls[15].status = 504;
    trial_burst(&trials[1], EXECUTOR_POOL, 8, 16, 2, 0);
    trial_summary(&summary, &plan, trials, 2);

    cr_expect_str_eq(summary.verdict,
                     "Not all requests were answered: 16 of 16 with 8 workers, 15 with 1 worker; their "
                     "times are of unequal work.");
    cr_expect_lt(summary.results[0].latency_p99_s, 31, "a refusal is no answer");
}

Test(summary, a_pool_that_refuses_requests_does_not_keep_up)
{
    static const struct plan stream = {.rate = 1, .for_s = 16, .clients = 16, .route = "/", .target_p99_s = 32};

    trial_burst(&trials[0], EXECUTOR_POOL, 1, 16, 0.1, 0);
    trials[0].calls[3].status = 503;
    trial_summary(&summary, &stream, trials, 1);

    cr_expect(isinf(summary.target_measured_s), "most of its answers came in time, but not of its requests");
    cr_expect_not_null(strstr(summary.verdict, "No pool that was tried answers 99 % of 1 request a second"), "%s",
                       summary.verdict);
}

Test(summary, the_verdict_of_a_stream_names_the_fewest_workers_that_keep_up)
{
    static const struct plan stream = {.rate = 1, .for_s = 16, .jobs = 16, .clients = 16, .route = "/"};

    make_pools_under(&stream, 2, 3, 0.1, 0);

    cr_expect_not_null(strstr(summary.verdict, "; with 2 workers they wait "), "%s", summary.verdict);
}

Test(summary, the_verdict_of_a_stream_says_how_many_workers_it_needs_and_never_none)
{
    static const struct {
        double rate;
        const char *words;
    } rows[] = {{2, "2 requests a second take 0.2 workers on average"},
                {0.1, "0.1 requests a second take less than 0.1 workers on average"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct plan stream = {.rate = rows[i].rate, .for_s = 16, .jobs = 16, .clients = 16, .route = "/"};

        make_pools_under(&stream, 2, 1, 0.1, 0);
        cr_expect_not_null(strstr(summary.verdict, rows[i].words), "%s", summary.verdict);
        trial_summary_free(&summary);
    }
}

Test(summary, the_verdict_compares_no_pool_with_one_of_the_same_size)
{
    trial_burst(&trials[0], EXECUTOR_POOL, 1, 16, 2, 0);
    trial_burst(&trials[1], EXECUTOR_POOL, 1, 16, 2, 0);
    trial_summary(&summary, &plan, trials, 2);

    cr_expect_not_null(strstr(summary.verdict, "1 worker answers 16 requests in 32.00 s, because the handler waits"),
                       "%s", summary.verdict);
}

Test(summary, four_pools_that_answer_all_are_fitted_and_three_are_not)
{
    make_pools(3, 2, 0.01);
    cr_expect_not(summary.has_usl);
    trial_burst(&trials[3], EXECUTOR_POOL, 8, 16, 2, 0);
    trials[3].calls[0].status = 503;
    free((struct result *)(uintptr_t)summary.results);
    trial_summary(&summary, &plan, trials, 4);
    cr_expect_not(summary.has_usl);
    trial_summary_free(&summary);
    make_pools(4, 2, 0.01);
    cr_expect(summary.has_usl);
    cr_expect_float_eq(summary.usl.rate, 0.5, 1e-6);
    cr_expect_not_null(strstr(summary.law, "no knee"), "%s", summary.law);
}

/* With 6 requests 4 workers are half idle in the second turn, 6 clients keep no more than 6 of 8 busy, and 16 workers
 * are the same 6 again. */
Test(summary, idle_workers_of_an_ideal_burst_are_no_contention)
{
    static const struct plan few = {.jobs = 6, .clients = 6, .route = "/"};

    make_pools_under(&few, 1, 5, 2, 0.01);

    cr_assert(summary.has_usl);
    cr_expect_float_eq(summary.usl.rate, 0.5, 1e-6);
    cr_expect_float_eq(summary.usl.contention, 0, 1e-9);
    cr_expect_float_eq(summary.usl.coherence, 0, 1e-9);
    cr_expect_not_null(strstr(summary.law, "no knee"), "%s", summary.law);
}

/* 8 workers take 1 ms longer than ideal, and twice as long. */
Test(summary, a_knee_is_named_only_where_it_is_near_to_what_was_measured)
{
    static const struct {
        double more_s;
        const char *words;
    } rows[] = {{0.001, "no knee up to 16 workers"}, {0.1, "the knee is at "}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t k = 0; k < 4; k++)
            trial_burst(&trials[k], EXECUTOR_POOL, 1U << k, 16, 0.05, 0);
        trials[3].calls[15].answered_ns += (uint64_t)(rows[i].more_s * 1e9);
        trial_summary(&summary, &plan, trials, 4);
        cr_expect_not_null(strstr(summary.law, rows[i].words), "%s", summary.law);
        trial_summary_free(&summary);
    }
}

Test(summary, a_stream_that_leaves_workers_idle_says_nothing_of_how_they_scale)
{
    static const struct plan stream = {.rate = 1, .for_s = 16, .clients = 16, .route = "/"};

    for (unsigned idle = 0; idle < 2; idle++) {
        for (size_t k = 0; k < 4; k++)
            trial_burst(&trials[k], EXECUTOR_POOL, 1U << k, 16, 2, 0);
        trials[3].calls[15].answered_ns += idle * 4000000000;
        trial_summary(&summary, &stream, trials, 4);
        cr_expect_eq(summary.has_usl, idle == 0, "%u: %s", idle, summary.law);
        trial_summary_free(&summary);
    }
}

Test(summary, pools_that_come_to_the_same_number_of_servers_are_not_fitted)
{
    static const struct plan four = {.jobs = 4, .clients = 4, .route = "/"};

    make_pools_under(&four, 2, 4, 2, 0.01);

    cr_expect_not(summary.has_usl);
    cr_expect_str_empty(summary.law);
}

Test(summary, the_target_is_met_by_the_fewest_workers_that_suffice)
{
    plan.target_p99_s = 9;
    make_pools(4, 2, 0.01);

    cr_expect_eq(summary.target_workers, 4);
    cr_expect_float_eq(summary.target_predicted_s, 8, 1e-6);
    cr_expect_float_eq(summary.target_measured_s, 8, 1e-6);
}

Test(summary, a_target_below_one_run_is_met_by_no_number_of_workers)
{
    plan.target_p99_s = 1;
    make_pools(1, 2, 0.01);

    cr_expect_eq(summary.target_workers, 0);
    cr_expect_not_null(strstr(summary.target, "No number of workers"), "%s", summary.target);
}

/* Sixteen at once would take 32 s on one worker; two clients never keep more than one waiting. */
Test(summary, the_target_is_met_as_soon_as_clients_keep_few_enough_waiting)
{
    const struct plan few_clients = {.jobs = 16, .clients = 2, .route = "/", .target_p99_s = 4.5};

    trial_burst(&trials[0], EXECUTOR_POOL, 1, 16, 2, 0);
    trial_summary(&summary, &few_clients, trials, 1);

    cr_expect_eq(summary.target_workers, 1);
    cr_expect_float_eq(summary.target_predicted_s, 4, 1e-6);
    cr_expect_float_eq(summary.results[0].latency_p99_predicted_s, 4, 1e-6);
}

Test(summary, tells_how_far_a_makespan_is_off_unless_runs_are_too_short)
{
    const struct column *off = table_predicted(&plan);
    char text[TABLE_CELL];

    while (strcmp(off->title, "off") != 0)
        off++;
    for (size_t i = 0; i < 2; i++) {
        make_pools(1, i == 0 ? 2 : 0.0001, 0);
        cr_expect_str_eq(table_cell(off, &summary.results[0], &plan, text), i == 0 ? "+0.0 %" : "-");
        trial_summary_free(&summary);
    }
}

Test(summary, times_are_written_as_people_write_them)
{
    static const struct {
        double seconds;
        const char *text;
    } rows[] = {{16.0034, "16.00 s"}, {2.0006, "2.001 s"}, {0.2, "200 ms"},     {0.0123, "12.3 ms"},
                {0.00031, "0.31 ms"}, {0, "0.00 ms"},      {120.06, "120.1 s"}, {99.996, "100.0 s"},
                {9.9996, "10.00 s"},  {0.9997, "1.000 s"}, {0.09996, "100 ms"}, {0.009996, "10.0 ms"}};
    char text[SUMMARY_TIME];

    make_pools(1, 2, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_str_eq(summary_time(rows[i].seconds, text), rows[i].text);
    cr_expect_str_eq(summary_time(NAN, text), "-");
    cr_expect_str_eq(summary_time(INFINITY, text), "no end");
}
