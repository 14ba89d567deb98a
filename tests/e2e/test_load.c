/* The experiment's client against a real server: when requests are sent, and what counts as their latency. */
#include "experiment/load.h"
#include "lib/fail_malloc.h"
#include "lib/process.h"
#include "lib/usage.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: t\r\n\r\n"

static struct process server;
static uv_loop_t loop;
static struct load load;

static void set_up(void)
{
    uv_loop_init(&loop);
}

static void tear_down(void)
{
    process_close(&server);
}

TestSuite(load, .init = set_up, .fini = tear_down);

static void start(enum load_kind kind, const char *request, size_t n, double rate, unsigned callers)
{
    load = (struct load){.loop = &loop,
                         .port = server.port,
                         .kind = kind,
                         .request = request,
                         .n = n,
                         .rate = rate,
                         .n_callers = callers};
    cr_assert_eq(load_open(&load), 0);
    while (!load_is_ready(&load) && load.err == 0)
        uv_run(&loop, UV_RUN_ONCE);
    load_start(&load);
}

static void finish(void)
{
    while (!load_is_over(&load) && load.err == 0)
        uv_run(&loop, UV_RUN_ONCE);
    cr_expect_eq(load.err, 0, "%s", uv_strerror(load.err));
}

static void close_load(void)
{
    load_close(&load);
    while (!load_is_closed(&load))
        uv_run(&loop, UV_RUN_ONCE);
    load_free(&load);
    cr_expect_eq(uv_loop_close(&loop), 0, "handles are left");
}

static double latency_s(size_t i)
{
    return (double)(load.calls[i].answered_ns - load.calls[i].intended_ns) / 1e9;
}

Test(load, a_burst_is_due_at_one_moment_and_answered_in_full)
{
    process_start(&server, "--workers", "2");
    start(LOAD_BURST, GET("/sleep/20"), 6, 0, 6);
    finish();

    for (size_t i = 0; i < 6; i++) {
        cr_expect_eq(load.calls[i].intended_ns, load.started_ns);
        cr_expect_eq(load.calls[i].status, 200);
        cr_expect_geq(latency_s(i), 0.02);
    }
    close_load();
}

/* libuv looks at 1024 sockets, then at once again: an answer may come before it has told that its request is out. */
Test(load, more_callers_than_a_turn_of_the_loop_sees)
{
    usage_raise_descriptors();
    process_start(&server, "--workers", "1", "--max-connections", "2000");
    start(LOAD_BURST, GET("/dummy"), 30000, 0, 1500);
    finish();

    for (size_t i = 0; i < 30000; i++)
        cr_assert_eq(load.calls[i].status, 200, "call %zu", i);
    close_load();
}

Test(load, fewer_callers_than_calls_take_turns)
{
    process_start(&server, "--workers", "8");
    start(LOAD_BURST, GET("/sleep/20"), 6, 0, 2);
    finish();

    cr_expect_geq(load.calls[5].answered_ns - load.started_ns, 60 * 1000000ULL, "three turns of 20 ms");
    cr_expect_gt(load.calls[5].intended_ns, load.started_ns);
    close_load();
}

/* The server's loop is held for 300 ms: what was due meanwhile counts from when it was due. */
Test(load, a_stall_counts_for_every_call_that_was_due_in_it)
{
    size_t late = 0;

    process_start(&server, "--executor", "inline");
    start(LOAD_STEADY, GET("/dummy"), 1000, 200, 1);
    while (load.n_answered < 5)
        uv_run(&loop, UV_RUN_ONCE);
    load.request = GET("/sleep/300");
    while (load.n_sent < 7)
        uv_run(&loop, UV_RUN_ONCE);
    load.request = GET("/dummy");
    while (load.n_answered < 100)
        uv_run(&loop, UV_RUN_ONCE);
    load_stop(&load);
    finish();

    for (size_t i = 0; i < load.n; i++)
        late += latency_s(i) > 0.1;
    cr_expect_geq(late, 30, "%zu of the 60 that were due in 300 ms are late by more than 100 ms", late);
    cr_expect_geq(load.n_held, 30);
    close_load();
}

Test(load, a_steady_load_ends_with_what_was_due_when_it_was_stopped)
{
    process_start(&server, "--workers", "1");
    start(LOAD_STEADY, GET("/dummy"), 100000, 500, 1);
    while (load.n_answered < 10)
        uv_run(&loop, UV_RUN_ONCE);
    load_stop(&load);
    finish();

    cr_expect_lt(load.n, 100000);
    cr_expect_geq(load.n, 10);
    close_load();
}

/* Its one caller waits for 300 ms, in which 60 calls are due. */
Test(load, a_steady_load_that_is_stopped_behind_a_stall_has_what_was_due_in_it)
{
    process_start(&server, "--executor", "inline");
    start(LOAD_STEADY, GET("/sleep/300"), 1000, 200, 1);
    while (load.n_answered < 1)
        uv_run(&loop, UV_RUN_ONCE);
    load.request = GET("/dummy");
    load_stop(&load);
    finish();

    cr_expect_geq(load.n, 60);
    close_load();
}

Test(load, a_random_load_comes_at_the_moments_that_were_drawn)
{
    process_start(&server, "--workers", "4");
    start(LOAD_RANDOM, GET("/dummy"), 50, 500, 8);
    finish();

    for (size_t i = 0; i < 50; i++) {
        cr_expect_geq(load.calls[i].sent_ns, load.calls[i].intended_ns, "call %zu was early", i);
        cr_expect(i == 0 || load.calls[i].intended_ns >= load.calls[i - 1].intended_ns);
    }
    close_load();
}

/* As exponential gaps are: their standard deviation is their mean. */
Test(load, random_moments_are_the_same_each_time_and_keep_the_rate)
{
    static struct call first[10000], second[10000];
    double sum = 0, squares = 0;

    load_draw(first, 10000, 100);
    load_draw(second, 10000, 100);
    for (size_t i = 1; i < 10000; i++) {
        double gap_s = (double)(first[i].intended_ns - first[i - 1].intended_ns) / 1e9;

        sum += gap_s;
        squares += gap_s * gap_s;
    }

    cr_expect_arr_eq(first, second, sizeof(first));
    cr_expect_leq(first[9999].intended_ns, 100 * UINT64_C(1000000000));
    cr_expect_float_eq(sum, 100, 0.1);
    cr_expect_float_eq(squares / sum / (sum / 10000), 2, 0.1);
}

Test(load, random_moments_keep_the_rate_also_when_they_are_few)
{
    static struct call calls[500];
    double mean_s = 0;

    for (size_t n = 1; n <= 500; n++) {
        load_draw(calls, n, 50);
        cr_expect_leq(calls[n - 1].intended_ns, n * UINT64_C(20000000), "%zu", n);
    }
    for (size_t i = 0; i < 500; i++)
        mean_s += (double)calls[i].intended_ns / 1e9 / 500;
    cr_expect_float_eq(mean_s, 5, 0.5, "%g", mean_s);
}

/* The caller does not see this: the request goes out once more, on a new connection. */
Test(load, a_connection_that_the_server_closed_between_two_calls_is_opened_again)
{
    process_start(&server, "--workers", "1", "--keep-alive-ms", "50");
    start(LOAD_STEADY, GET("/dummy"), 3, 4, 1);
    finish();

    for (size_t i = 0; i < 3; i++)
        cr_expect_eq(load.calls[i].status, 200, "call %zu", i);
    close_load();
}

Test(load, a_server_that_is_not_there_is_an_error)
{
    server.port = 1; /* nobody listens there */
    load = (struct load){.loop = &loop, .port = 1, .kind = LOAD_BURST, .request = GET("/"), .n = 1, .n_callers = 1};
    cr_assert_eq(load_open(&load), 0);
    while (load.err == 0)
        uv_run(&loop, UV_RUN_ONCE);

    cr_expect_eq(load.err, -ECONNREFUSED);
    close_load();
}

/* ---- a caller that keeps the answer ---- */

static struct caller caller;
static struct caller_answer answered;
static char body[64];

static void ask_dummy(struct caller *opened, int err)
{
    cr_assert_eq(err, 0);
    fail_malloc_at(opened->arg != NULL ? 1 : 0);
    caller_ask(opened, GET("/dummy"), strlen(GET("/dummy")));
}

static void take_answer(struct caller *asked, const struct caller_answer *answer)
{
    fail_malloc_at(0);
    answered = *answer;
    (void)snprintf(body, sizeof(body), "%s", answer->body != NULL ? answer->body : "");
    caller_close(asked);
}

static void ask(bool fails)
{
    static bool yes = true;

    process_start(&server, "--workers", "1");
    caller = (struct caller){.loop = &loop,
                             .port = server.port,
                             .keeps_body = true,
                             .on_open = ask_dummy,
                             .on_answer = take_answer,
                             .arg = fails ? &yes : NULL};
    cr_assert_eq(caller_open(&caller), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect_eq(caller.state, CALLER_CLOSED);
    cr_expect_eq(uv_loop_close(&loop), 0);
}

Test(load, a_caller_may_keep_the_answer)
{
    ask(false);
    cr_expect_eq(answered.err, 0);
    cr_expect_eq(answered.status, 200);
    cr_expect_str_eq(body, "{\"message\":\"async power\"}");
}

Test(load, an_answer_that_finds_no_memory_is_an_error)
{
    ask(true);
    cr_expect_eq(answered.err, -ENOMEM);
}

Test(load, one_that_could_not_be_opened_is_closed)
{
    struct rlimit limit, none;
    int err;

    load = (struct load){.loop = &loop, .kind = LOAD_BURST, .request = GET("/"), .n = 1, .n_callers = 1};
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){.rlim_max = limit.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    err = load_open(&load);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);

    cr_expect_eq(err, -EMFILE);
    cr_expect(load_is_closed(&load));
}

Test(load, memory_that_runs_out_is_an_error)
{
    load = (struct load){.loop = &loop, .kind = LOAD_BURST, .request = GET("/"), .n = 1, .n_callers = 1};
    for (unsigned n = 1; n <= 3; n++) {
        fail_malloc_at(n);
        cr_expect_eq(load_open(&load), -ENOMEM, "allocation %u", n);
        cr_expect(fail_malloc_failed());
        fail_malloc_at(0);
    }
    cr_expect_eq(uv_loop_close(&loop), 0);
}
