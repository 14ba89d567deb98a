/* A stop under load: every request that was received in full is answered in full, whatever its connection does beside
 * it, and nobody is reset. */
#include "lib/client.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

/* 200 clients. */
enum { WORKERS = 8, RUNNING = WORKERS, WAITING = 50, IDLE = 42, SILENT = 20, MID_HEAD = 40, PIPELINING = 40 };

static struct process server;

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(drain_load, .fini = tear_down, .timeout = 100);

/* On a connection that was used before. */
static struct client *open_used(void)
{
    struct client *client = client_ask(&server, "/dummy");

    cr_assert_eq(client_receive(client)->status, 200);
    return client;
}

static void expect_body(struct client *client, const char *body)
{
    const struct response *response = client_receive(client);

    cr_expect_eq(response->status, 200);
    cr_expect_str_eq(response->body, body);
}

/* The answer in hand said so before the connection ended in order. */
static void expect_last(struct client *client, int status, const char *body)
{
    const struct response *response = client_receive(client);

    cr_expect_eq(response->status, status);
    cr_expect_str_eq(response->body, body);
    cr_expect_str_eq(response_field(response, "Connection"), "close");
    cr_expect_eq(client_end(client), CLIENT_EOF);
}

static const char *slept(unsigned ms)
{
    static char text[64];

    (void)snprintf(text, sizeof(text), "{\"slept_ms\":%u}", ms);
    return text;
}

static void ask_to_sleep(struct client *client, unsigned ms)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/sleep/%u", ms);
    client_get(client, path);
}

/* One of three kinds, in one piece: the middle one waits for a worker. */
static void pipeline(struct client *client, unsigned ms)
{
    char text[512];

    (void)snprintf(text, sizeof(text),
                   "GET /dummy HTTP/1.1\r\nHost: h\r\n\r\n"
                   "GET /sleep/%u HTTP/1.1\r\nHost: h\r\n\r\n"
                   "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
                   ms);
    client_send(client, text);
}

Test(drain_load, sigterm_answers_all_that_was_received_and_resets_nobody)
{
    struct client *running[RUNNING], *waiting[WAITING], *idle[IDLE], *silent[SILENT], *mid_head[MID_HEAD],
        *pipelining[PIPELINING];

    process_start(&server, "--workers", "8", "--access-log", "-", PROCESS_PATIENT);
    for (unsigned i = 0; i < RUNNING; i++)
        running[i] = client_hold_worker(&server, i + 1);
    for (unsigned i = 0; i < IDLE; i++)
        idle[i] = open_used();
    for (unsigned i = 0; i < SILENT; i++)
        silent[i] = client_open(&server);
    for (unsigned i = 0; i < WAITING; i++)
        ask_to_sleep(waiting[i] = open_used(), i);
    for (unsigned i = 0; i < PIPELINING; i++)
        pipeline(pipelining[i] = open_used(), i % 10);
    for (unsigned i = 0; i < MID_HEAD; i++)
        client_send(mid_head[i] = open_used(), "GET /dummy HTTP/1.1\r\nHo");
    client_fence(&server);
    process_signal(&server, SIGTERM);

    for (unsigned i = 0; i < MID_HEAD; i += 2)
        client_send(mid_head[i], "st: h\r\n\r\n");
    client_await_refusal(&server);
    for (unsigned i = 0; i < RUNNING; i++)
        client_half_close(running[i]);
    for (unsigned i = 0; i < RUNNING; i++)
        expect_last(running[i], 503, client_left_early);
    for (unsigned i = 0; i < WAITING; i++)
        expect_last(waiting[i], 200, slept(i));
    for (unsigned i = 0; i < PIPELINING; i++) {
        expect_body(pipelining[i], "{\"message\":\"async power\"}");
        expect_body(pipelining[i], slept(i % 10));
        expect_last(pipelining[i], 200, "hello");
    }
    for (unsigned i = 0; i < MID_HEAD; i += 2) { /* complete before the server saw the signal, or after */
        expect_body(mid_head[i], "{\"message\":\"async power\"}");
        cr_expect_eq(client_end(mid_head[i]), CLIENT_EOF);
    }
    for (unsigned i = 1; i < MID_HEAD; i += 2) {
        cr_expect_eq(client_receive(mid_head[i])->status, 408);
        cr_expect_eq(client_end(mid_head[i]), CLIENT_EOF);
    }
    for (unsigned i = 0; i < IDLE; i++)
        cr_expect_eq(client_end(idle[i]), CLIENT_EOF);
    for (unsigned i = 0; i < SILENT; i++)
        cr_expect_eq(client_end(silent[i]), CLIENT_EOF);
    client_close_all();
    cr_expect_eq(process_wait(&server), 0);
}

Test(drain_load, of_two_clients_the_one_in_flight_gets_its_answer_and_the_idle_one_a_clean_end)
{
    struct client *in_flight, *idle;

    process_start(&server, "--workers", "1", "--keep-alive-ms", "3600000", "--access-log", "-");
    idle = open_used();
    in_flight = client_hold_worker(&server, 1);
    process_signal(&server, SIGTERM);

    cr_expect_eq(client_end(idle), CLIENT_EOF);
    client_half_close(in_flight); /* which ends its sleep */
    expect_last(in_flight, 503, client_left_early);
    client_close_all();
    cr_expect_eq(process_wait(&server), 0);
}
