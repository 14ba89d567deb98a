/* What waits for a worker, how many may, and how long. */
#include "lib/client.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct process server;

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(queue, .fini = tear_down);

Test(queue, the_fourth_of_one_that_runs_and_two_that_may_wait_is_503_at_once)
{
    struct client *running, *waiting[2], *refused;
    const struct response *response;

    process_start(&server, "--workers", "1", "--queue", "2", "--access-log", "-");
    running = client_hold_worker(&server, 1);
    for (unsigned i = 0; i < 2; i++)
        waiting[i] = client_ask(&server, "/sleep/1");
    client_fence(&server);

    refused = client_ask(&server, "/sleep/1");
    response = client_receive(refused);
    cr_expect_eq(response->status, 503);
    cr_assert_not_null(response_field(response, "Retry-After"));
    cr_expect_geq(atoi(response_field(response, "Retry-After")), 1);
    cr_expect_null(response_field(response, "Connection"));
    cr_expect_not(client_has_bytes(waiting[0]));

    client_reset(running);
    for (unsigned i = 0; i < 2; i++)
        cr_expect_eq(client_receive(waiting[i])->status, 200);
    client_get(refused, "/sleep/1");
    cr_expect_eq(client_receive(refused)->status, 200, "the refused one's connection was kept");
}

Test(queue, one_route_that_is_full_leaves_the_others_alone)
{
    struct client *running, *waiting, *other;

    process_start(&server, "--workers", "1", "--queue", "1", "--heavy-ms", "0", "--access-log", "-");
    running = client_hold_worker(&server, 1);
    waiting = client_ask(&server, "/sleep/1");
    client_fence(&server);
    other = client_ask(&server, "/sleep/1");
    cr_expect_eq(client_receive(other)->status, 503);
    client_get(other, "/");
    client_fence(&server);

    client_reset(running);
    cr_expect_eq(client_receive(other)->status, 200);
    cr_expect_eq(client_receive(waiting)->status, 200);
}

Test(queue, a_request_that_waits_too_long_is_503_and_its_connection_stays)
{
    struct client *running, *waiting;
    const struct response *response;

    process_start(&server, "--workers", "1", "--heavy-ms", "0", "--queue-timeout-ms", "1000", "--access-log", "-");
    running = client_hold_worker(&server, 1);
    waiting = client_ask(&server, "/");
    response = client_receive(waiting);
    cr_expect_eq(response->status, 503);
    cr_expect_not_null(response_field(response, "Retry-After"));

    client_reset(running);
    client_await_busy(&server, 0);
    client_get(waiting, "/");
    cr_expect_eq(client_receive(waiting)->status, 200);
}

Test(queue, what_needs_no_worker_is_answered_while_all_are_held_and_the_queue_is_full)
{
    static const struct {
        const char *path;
        int status;
    } rows[] = {{"/dummy", 200}, {"/nowhere", 404}, {"/echo", 405}, {"/sleep/1", 503}};
    struct client *client;

    process_start(&server, "--workers", "1", "--queue", "1", "--access-log", "-");
    client_hold_worker(&server, 1);
    client_ask(&server, "/sleep/1");
    client_fence(&server);

    client = client_open(&server);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        client_get(client, rows[i].path);
        cr_expect_eq(client_receive(client)->status, rows[i].status, "%s", rows[i].path);
    }
    process_kill(&server);
}

Test(queue, jobs_run_in_the_order_they_came)
{
    struct client *running, *first, *second, *third;

    process_start(&server, "--workers", "1", "--access-log", "-");
    running = client_hold_worker(&server, 1);
    first = client_ask(&server, "/sleep/1");
    client_fence(&server);
    second = client_ask(&server, "/sleep/2");
    client_fence(&server);
    third = client_ask(&server, "/sleep/3");
    client_fence(&server);
    client_reset(running);

    cr_expect_eq(client_receive(third)->status, 200);
    cr_expect(client_has_bytes(second));
    cr_expect(client_has_bytes(first));
}

Test(queue, server_timing_tells_how_long_a_request_waited_and_ran)
{
    struct client *running, *waiting;
    const char *timing;
    double wait_ms, run_ms;

    process_start(&server, "--workers", "1", "--server-timing", "--access-log", "-");
    running = client_hold_worker(&server, 1);
    waiting = client_ask(&server, "/sleep/20");
    client_fence(&server);
    client_reset(running);
    timing = response_field(client_receive(waiting), "Server-Timing");

    cr_assert_not_null(timing);
    cr_assert_eq(sscanf(timing, "wait;dur=%lf, run;dur=%lf", &wait_ms, &run_ms), 2, "%s", timing);
    cr_expect_gt(wait_ms, 0);
    cr_expect_geq(run_ms, 20);
}
