/* Clients that leave before their answer: by a reset, or by ending their sending side. */
#include "lib/client.h"
#include "lib/process.h"
#include "lib/usage.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct process server;

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(leaving, .fini = tear_down);

/* The heavy function heeds no flag: one of these that ran would hold the only worker for an hour. */
Test(leaving, a_request_that_waits_never_runs_when_its_client_resets)
{
    struct client *running, *heavy[3], *last;

    process_start(&server, "--workers", "1", "--heavy-ms", "3600000", "--access-log", "-");
    running = client_hold_worker(&server, 1);
    for (unsigned i = 0; i < 3; i++)
        heavy[i] = client_ask(&server, "/");
    client_fence(&server);
    for (unsigned i = 0; i < 3; i++)
        client_reset(heavy[i]);
    last = client_ask(&server, "/sleep/1");
    client_fence(&server);
    client_reset(running);

    cr_expect_eq(client_receive(last)->status, 200);
}

/* Lanes take turns: if one of "/" were left, it would be taken between two of the other route, and hold the worker. */
Test(leaving, none_of_a_thousand_requests_that_wait_runs_when_their_clients_reset, .timeout = 100)
{
    enum { CLIENTS = 1000, LAST = 3 };
    static struct client *heavy[CLIENTS];
    struct client *running, *last[LAST];

    usage_raise_descriptors();
    process_start(&server, "--workers", "1", "--queue", "2000", "--heavy-ms", "3600000", "--access-log", "-");
    running = client_hold_worker(&server, 1);
    for (unsigned i = 0; i < CLIENTS; i++)
        heavy[i] = client_ask(&server, "/");
    client_fence(&server);
    for (unsigned i = 0; i < CLIENTS; i++)
        cr_assert_not(client_has_bytes(heavy[i]), "client %u waits", i);
    for (unsigned i = 0; i < CLIENTS; i++)
        client_reset(heavy[i]);
    for (unsigned i = 0; i < LAST; i++)
        last[i] = client_ask(&server, "/sleep/1");
    client_fence(&server);
    client_reset(running);

    for (unsigned i = 0; i < LAST; i++)
        cr_expect_eq(client_receive(last[i])->status, 200);
    client_await_busy(&server, 0);
}

Test(leaving, every_running_handler_sees_that_its_client_has_reset)
{
    enum { WORKERS = 8 };
    struct client *running[WORKERS];

    process_start(&server, "--workers", "8", "--access-log", "-");
    for (unsigned i = 0; i < WORKERS; i++)
        running[i] = client_hold_worker(&server, i + 1);
    for (unsigned i = 0; i < WORKERS; i++)
        client_reset(running[i]);

    client_await_busy(&server, 0);
}

/* The request waits for the one worker, and what the server does not read yet lies before the sign that its client
 * leaves. */
static void expect_seen_behind_unread_bytes(void (*leave)(struct client *client))
{
    enum { LEN = 120 * 1024 };
    struct client *running, *heavy, *last;
    char *ahead = malloc(LEN);

    cr_assert_not_null(ahead);
    memset(ahead, 'x', LEN);
    process_start(&server, "--workers", "1", "--heavy-ms", "3600000", "--access-log", "-");
    running = client_hold_worker(&server, 1);
    heavy = client_ask(&server, "/");
    client_send_bytes(heavy, ahead, LEN);
    client_fence(&server);
    leave(heavy);
    last = client_ask(&server, "/sleep/1");
    client_fence(&server);
    client_reset(running);

    cr_expect_eq(client_receive(last)->status, 200);
    free(ahead);
}

Test(leaving, a_reset_is_seen_behind_more_than_the_server_reads_ahead)
{
    expect_seen_behind_unread_bytes(client_reset);
}

Test(leaving, a_half_close_is_seen_behind_more_than_the_server_reads_ahead)
{
    expect_seen_behind_unread_bytes(client_half_close);
}

Test(leaving, a_request_that_waits_never_runs_when_its_client_ends_its_sending_side)
{
    struct client *running, *heavy, *last;

    process_start(&server, "--workers", "1", "--heavy-ms", "3600000", "--access-log", "-");
    running = client_hold_worker(&server, 1);
    heavy = client_ask(&server, "/");
    client_fence(&server);
    client_half_close(heavy);

    cr_expect_eq(client_end(heavy), CLIENT_EOF, "closed without an answer");
    last = client_ask(&server, "/sleep/1");
    client_reset(running);
    cr_expect_eq(client_receive(last)->status, 200);
}

Test(leaving, half_close_finish_answers_a_request_that_waits)
{
    struct client *running, *waiting;

    process_start(&server, "--workers", "1", "--heavy-ms", "0", "--half-close", "finish", "--access-log", "-");
    running = client_hold_worker(&server, 1);
    waiting = client_ask(&server, "/");
    client_half_close(waiting);
    client_fence(&server);
    client_reset(running);

    cr_expect_str_eq(client_receive(waiting)->body, "{\"message\":\"done\"}");
    cr_expect_eq(client_end(waiting), CLIENT_EOF);
}

Test(leaving, a_reset_is_seen_behind_the_end_that_half_close_finish_awaits_answers_for)
{
    struct client *running, *waiting, *last;

    process_start(&server, "--workers", "1", "--heavy-ms", "3600000", "--half-close", "finish", "--access-log", "-");
    running = client_hold_worker(&server, 1);
    client_half_close(running);
    waiting = client_ask(&server, "/");
    client_half_close(waiting);
    last = client_ask(&server, "/sleep/1");
    client_fence(&server);
    client_reset(waiting);
    client_fence(&server);
    client_reset(running); /* whose handler asks whether anybody waits */

    cr_expect_eq(client_receive(last)->status, 200);
}

Test(leaving, a_client_that_has_ended_its_sending_side_costs_no_time_while_it_waits)
{
    struct client *waiting;
    struct usage begun;

    process_start(&server, "--workers", "2", "--half-close", "finish", "--access-log", "-");
    waiting = client_hold_worker(&server, 1);
    client_half_close(waiting);
    client_fence(&server);
    begun = usage_begin(&server);
    cr_expect_eq(client_receive(client_ask(&server, "/sleep/1000"))->status, 200);

    usage_expect_idle_since(&server, &begun);
    client_reset(waiting);
}

Test(leaving, half_close_finish_answers_the_whole_pipeline)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--heavy-ms", "20", "--half-close", "finish");
    client = client_open(&server);
    client_send(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /async HTTP/1.1\r\nHost: h\r\n\r\n"
                        "GET /dummy HTTP/1.1\r\nHost: h\r\n\r\n");
    client_half_close(client);

    cr_expect_str_eq(client_receive(client)->body, "{\"message\":\"done\"}");
    cr_expect_str_eq(client_receive(client)->body, "{\"message\":\"done\"}");
    cr_expect_str_eq(client_receive(client)->body, "{\"message\":\"async power\"}");
    cr_expect_eq(client_end(client), CLIENT_EOF);
}

Test(leaving, a_request_that_waits_on_the_loop_is_dropped_when_its_client_ends_its_sending_side)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--heavy-ms", "3600000");
    client = client_ask(&server, "/async");
    client_fence(&server);
    client_half_close(client);

    cr_expect_eq(client_end(client), CLIENT_EOF);
}

/* /sleep and /spin ask now and then whether anybody waits; that they were done is not said. */
Test(leaving, a_running_request_is_told_of_a_half_close_and_still_answered)
{
    static const char *const targets[] = {"/sleep/3600000", "/spin/3600000"};

    process_start(&server, "--workers", "1", "--access-log", "-");
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct client *client = client_ask(&server, targets[i]);
        const struct response *response;

        client_await_busy(&server, 1);
        client_half_close(client);
        response = client_receive(client);
        cr_expect_eq(response->status, 503, "%s", targets[i]);
        cr_expect_str_eq(response->body, client_left_early, "%s", targets[i]);
        cr_expect_not_null(response_field(response, "Retry-After"), "%s", targets[i]);
        cr_expect_eq(client_end(client), CLIENT_EOF, "%s", targets[i]);
    }
}

/* Nobody waits for it: it is like a request that waits already. */
Test(leaving, a_job_pipelined_behind_a_running_one_is_dropped_with_a_half_close)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--heavy-ms", "0", "--access-log", "-");
    client = client_hold_worker(&server, 1);
    client_get(client, "/");
    client_fence(&server);
    client_half_close(client);

    cr_expect_str_eq(client_receive(client)->body, client_left_early);
    cr_expect_eq(client_end(client), CLIENT_EOF, "closed without a second answer");
}

/* The end of its sending side lies behind what the server does not read yet, and is told once. */
Test(leaving, jobs_pipelined_behind_more_than_is_read_ahead_are_dropped_with_a_half_close)
{
    enum { N = 4000 };
    struct client *client;

    process_start(&server, "--workers", "1", "--heavy-ms", "0", "--access-log", "-");
    client = client_hold_worker(&server, 1);
    for (unsigned i = 0; i < N; i++)
        client_get(client, "/");
    client_fence(&server);
    client_half_close(client);

    cr_expect_str_eq(client_receive(client)->body, client_left_early);
    cr_expect_eq(client_end(client), CLIENT_EOF, "closed without a second answer");
}

Test(leaving, a_reset_frees_the_worker_of_a_handler_that_asks)
{
    struct client *running, *waiting;

    process_start(&server, "--workers", "1", "--heavy-ms", "0", "--access-log", "-");
    running = client_hold_worker(&server, 1);
    waiting = client_ask(&server, "/");
    client_reset(running);

    cr_expect_eq(client_receive(waiting)->status, 200);
}

Test(leaving, what_needs_no_worker_is_answered_after_a_half_close)
{
    struct client *client;

    process_start(&server, "--workers", "1");
    client = client_open(&server);
    client_send(client, "GET /dummy HTTP/1.1\r\nHost: h\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n");
    client_half_close(client);

    cr_expect_eq(client_receive(client)->status, 200);
    cr_expect_eq(client_receive(client)->status, 404);
    cr_expect_eq(client_end(client), CLIENT_EOF);
}

Test(leaving, a_request_cut_off_by_a_half_close_is_400)
{
    struct client *client;

    process_start(&server, "--workers", "1");
    client = client_open(&server);
    client_send(client, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    client_half_close(client);

    cr_expect_eq(client_receive(client)->status, 400);
    cr_expect_eq(client_end(client), CLIENT_EOF);
}

Test(leaving, a_reset_in_the_middle_of_a_large_answer_harms_nobody)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--max-body", "8M");
    client = client_ask_for_large(&server);
    client_fence(&server);
    client_reset(client);

    client_fence(&server);
    cr_expect_eq(process_stop(&server), 0);
}

/* The next line of the access log for a client that left, NULL: there is none to the end. */
static const char *next_left(void)
{
    const char *line;

    do
        line = process_line(&server);
    while (line != NULL && strstr(line, "\" 499 0 wait=") == NULL);
    return line;
}

Test(leaving, has_its_line_in_the_access_log)
{
    struct client *running, *waiting;

    process_start(&server, "--workers", "1", "--access-log", "-");
    running = client_hold_worker(&server, 1);
    waiting = client_ask(&server, "/sleep/1?resets");
    client_fence(&server);
    client_reset(waiting);
    cr_expect_not_null(strstr(next_left(), "\"GET /sleep/1?resets HTTP/1.1\" 499 0 wait="));
    cr_expect_not_null(strstr(server.line, " run=0.000000 threads=2 busy=1"), "%s", server.line);
    waiting = client_ask(&server, "/sleep/1?ends");
    client_fence(&server);
    client_half_close(waiting);
    cr_expect_not_null(strstr(next_left(), "\"GET /sleep/1?ends HTTP/1.1\" 499 0 wait="));

    client_reset(running);
    cr_expect_not_null(strstr(next_left(), "\"GET /sleep/3600000 HTTP/1.1\" 499 0 wait="));
    cr_expect_null(strstr(server.line, " run=0.000000 "), "%s", server.line);
}

Test(leaving, has_no_line_beside_that_of_an_answer_that_it_leaves_behind)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--max-body", "8M", "--access-log", "-");
    client = client_ask_for_large(&server);
    do
        cr_assert_not_null(process_line(&server));
    while (strstr(server.line, "\"POST /echo HTTP/1.1\" 200 8388608 ") == NULL);
    client_reset(client);
    client_fence(&server);
    process_signal(&server, SIGTERM);

    cr_expect_null(next_left());
    cr_expect_eq(process_wait(&server), 0);
}

/* Its line has a date, though no answer has had one yet. */
Test(leaving, may_be_the_first_thing_that_the_access_log_tells)
{
    struct client *client;
    const char *line, *date;

    process_start(&server, "--workers", "1", "--heavy-ms", "3600000", "--access-log", "-");
    client = client_ask(&server, "/async");
    client_half_close(client);
    cr_expect_eq(client_end(client), CLIENT_EOF);
    line = next_left();
    date = strstr(line, " - - [");
    cr_assert_not_null(date, "%s", line);
    cr_expect_eq(strcspn(date + strlen(" - - ["), "]"), strlen("01/Jan/2030:12:00:00 +0000"), "%s", line);
}

Test(leaving, is_not_what_the_log_says_of_a_request_that_was_cut_off_or_of_a_server_that_leaves)
{
    struct client *half;

    process_start(&server, "--workers", "1", "--drain-ms", "1", "--access-log", "-");
    (void)client_hold_worker(&server, 1);
    half = client_open(&server);
    client_send(half, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    client_fence(&server);
    client_reset(half);
    client_fence(&server);
    process_signal(&server, SIGTERM);

    cr_expect_null(next_left());
    cr_expect_eq(process_wait(&server), 1);
}
