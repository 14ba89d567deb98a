/* How the server stops: what is in flight is answered, what is idle is closed, and what is stuck is named. */
#include "lib/client.h"
#include "lib/process.h"
#include "lib/usage.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static struct process server;

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(stop, .fini = tear_down);

static void expect_last_answer(struct client *client, int status, const char *body)
{
    const struct response *response = client_receive(client);

    cr_expect_eq(response->status, status);
    cr_expect_str_eq(response->body, body);
    cr_expect_str_eq(response_field(response, "Connection"), "close");
    cr_expect_eq(client_end(client), CLIENT_EOF);
    client_close(client);
}

/* The running one goes on until its client ends its sending side, so that all four see the signal. */
static void expect_all_answered(int signal)
{
    struct client *running, *waiting[3];

    process_start(&server, "--workers", "1", "--heavy-ms", "1", "--access-log", "-");
    running = client_hold_worker(&server, 1);
    for (unsigned i = 0; i < 3; i++)
        waiting[i] = client_ask(&server, "/");
    client_fence(&server);
    process_signal(&server, signal);
    client_await_refusal(&server);
    client_half_close(running);

    expect_last_answer(running, 503, client_left_early);
    for (unsigned i = 0; i < 3; i++)
        expect_last_answer(waiting[i], 200, "{\"message\":\"done\"}");
    cr_expect_eq(process_wait(&server), 0);
}

Test(stop, sigterm_answers_what_runs_and_what_waits)
{
    expect_all_answered(SIGTERM);
}

Test(stop, sigint_answers_what_runs_and_what_waits)
{
    expect_all_answered(SIGINT);
}

/* As by a parent that takes its own signals by sigwait(3). */
Test(stop, a_signal_counts_though_the_server_was_started_with_it_blocked)
{
    static const int signals[] = {SIGTERM, SIGINT};
    sigset_t both;

    sigemptyset(&both);
    for (size_t i = 0; i < 2; i++)
        sigaddset(&both, signals[i]);
    cr_assert_eq(sigprocmask(SIG_BLOCK, &both, NULL), 0);
    for (size_t i = 0; i < 2; i++) {
        process_start(&server, "--workers", "1");
        process_signal(&server, signals[i]);
        cr_expect_eq(process_wait(&server), 0);
    }
}

Test(stop, a_wait_on_the_loop_is_waited_for)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--heavy-ms", "1000");
    client = client_ask(&server, "/async");
    client_fence(&server);
    process_signal(&server, SIGTERM);

    expect_last_answer(client, 200, "{\"message\":\"done\"}");
    cr_expect_eq(process_wait(&server), 0);
}

Test(stop, what_was_sent_before_the_signal_is_answered)
{
    enum { CLIENTS = 200 };
    struct client *clients[CLIENTS];
    unsigned answered = 0;

    process_start(&server, "--workers", "2", "--heavy-ms", "1");
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = client_ask(&server, i % 2 == 0 ? "/dummy" : "/");
    process_signal(&server, SIGTERM);

    for (unsigned i = 0; i < CLIENTS; i++)
        answered += client_receive(clients[i])->status == 200;
    cr_expect_eq(answered, (unsigned)CLIENTS, "%u of %d", answered, CLIENTS);
    client_close_all();
    cr_expect_eq(process_wait(&server), 0);
}

/* They are in the backlog and in sockets while the loop is held, and the signal too. */
Test(stop, what_was_sent_before_the_signal_is_answered_by_the_inline_executor)
{
    struct client *clients[8];

    process_start(&server, "--executor", "inline", "--heavy-ms", "100");
    for (unsigned i = 0; i < 4; i++) {
        clients[i] = client_ask(&server, "/dummy");
        client_receive(clients[i]);
    }
    for (unsigned i = 0; i < 4; i++)
        client_get(clients[i], "/");
    for (unsigned i = 4; i < 8; i++)
        clients[i] = client_ask(&server, "/");
    process_signal(&server, SIGTERM);

    for (unsigned i = 0; i < 8; i++)
        cr_expect_eq(client_receive(clients[i])->status, 200, "client %u", i);
    client_close_all();
    cr_expect_eq(process_wait(&server), 0);
}

Test(stop, an_idle_connection_ends_cleanly)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--keep-alive-ms", "3600000");
    client = client_ask(&server, "/dummy");
    client_receive(client);
    process_signal(&server, SIGTERM);

    cr_expect_eq(client_end(client), CLIENT_EOF);
    cr_expect_eq(process_wait(&server), 0);
}

Test(stop, a_connection_that_never_said_anything_ends_cleanly)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--header-timeout-ms", "3600000");
    client = client_open(&server);
    client_fence(&server);
    process_signal(&server, SIGTERM);

    cr_expect_eq(client_end(client), CLIENT_EOF);
    cr_expect_eq(process_wait(&server), 0);
}

Test(stop, a_request_that_is_half_sent_may_be_finished)
{
    struct client *client;

    process_start(&server, "--workers", "1");
    client = client_open(&server);
    client_send(client, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe");
    client_fence(&server);
    process_signal(&server, SIGTERM);
    client_await_refusal(&server);
    client_send(client, "llo");

    expect_last_answer(client, 200, "hello");
    cr_expect_eq(process_wait(&server), 0);
}

Test(stop, a_head_that_stays_half_sent_is_not_waited_for)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--header-timeout-ms", "3600000", "--drain-ms", "3600000");
    client = client_open(&server);
    client_send(client, "GET /dummy HTTP/1.1\r\n");
    client_fence(&server);
    process_signal(&server, SIGTERM);

    cr_expect_eq(client_receive(client)->status, 408);
    client_close(client);
    cr_expect_eq(process_wait(&server), 0);
}

Test(stop, a_large_answer_on_its_way_arrives_whole)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--max-body", "8M");
    client = client_ask_for_large(&server);
    client_fence(&server);
    process_signal(&server, SIGTERM);
    client_await_refusal(&server);

    cr_expect_eq(client_receive(client)->body_len, (size_t)CLIENT_LARGE);
    cr_expect_eq(client_end(client), CLIENT_EOF);
    client_close(client);
    cr_expect_eq(process_wait(&server), 0);
}

Test(stop, the_port_is_free_for_the_next_server_at_once)
{
    struct client *client;
    char port[16];

    process_start(&server, "--workers", "1");
    client = client_ask(&server, "/dummy");
    client_receive(client);
    (void)snprintf(port, sizeof(port), "%u", server.port);
    cr_expect_eq(process_stop(&server), 0);
    process_start(&server, "--workers", "1", "--port", port);

    client_fence(&server);
}

Test(stop, a_second_signal_ends_at_once)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--heavy-ms", "3600000", "--drain-ms", "3600000");
    client = client_ask(&server, "/");
    client_fence(&server);
    process_signal(&server, SIGTERM);
    client_await_refusal(&server);
    cr_expect_not(client_has_bytes(client));
    while (!client_has_bytes(client)) { /* it is not the second one before 100 ms have passed */
        process_signal(&server, SIGTERM);
        (void)poll(NULL, 0, 1);
    }

    cr_expect_eq(process_wait(&server), 1);
    /* Connections of client_await_refusal() may be among them. */
    cr_expect_not_null(
        strstr(process_errors(&server), "error Terminated again: leaving at once; connections cut off: "), "%s",
        server.err_text);
    cr_expect_not_null(strstr(server.err_text, ", requests: 1 running, 0 waiting, 0 half sent, answers not taken: 0\n"),
                       "%s", server.err_text);
}

Test(stop, signals_that_come_together_are_one)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--access-log", "-");
    client = client_hold_worker(&server, 1);
    process_signal(&server, SIGSTOP);
    process_signal(&server, SIGTERM);
    process_signal(&server, SIGINT);
    process_signal(&server, SIGCONT);
    client_await_refusal(&server);
    client_half_close(client);

    expect_last_answer(client, 503, client_left_early);
    cr_expect_eq(process_wait(&server), 0);
}

Test(stop, a_drain_that_takes_too_long_names_the_route_that_is_stuck)
{
    process_start(&server, "--workers", "1", "--heavy-ms", "3600000", "--drain-ms", "200");
    client_ask(&server, "/");
    client_fence(&server);

    cr_expect_eq(process_stop(&server), 1);
    cr_expect_not_null(strstr(process_errors(&server), "stuck: /,"), "%s", process_errors(&server));
}

Test(stop, a_request_that_could_not_run_before_the_drain_was_over_is_counted_and_not_called_stuck)
{
    process_start(&server, "--workers", "1", "--heavy-ms", "3600000", "--drain-ms", "200", "--access-log", "-");
    client_hold_worker(&server, 1);
    client_ask(&server, "/");
    client_send(client_open(&server), "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe");
    client_fence(&server);
    process_stop(&server);

    cr_expect_not_null(strstr(process_errors(&server),
                              "error the drain took longer than drain-ms allows; connections "
                              "cut off: 3, requests: 1 running, 1 waiting, 1 half sent, answers not taken: 0\n"),
                       "%s", server.err_text);
    cr_expect_null(strstr(server.err_text, "stuck: /,"), "%s", server.err_text);
}

Test(stop, a_client_that_only_is_slow_is_cut_off_when_the_drain_is_over)
{
    process_start(&server, "--workers", "1", "--max-body", "8M", "--drain-ms", "200");
    client_ask_for_large(&server);
    client_fence(&server);

    cr_expect_eq(process_stop(&server), 1);
    cr_expect_not_null(
        strstr(process_errors(&server),
               "; connections cut off: 1, requests: 0 running, 0 waiting, 0 half sent, answers not taken: 1\n"),
        "%s", server.err_text);
}

/* More than there were descriptors for, as far as the number of connections told. */
Test(stop, answers_a_long_backlog_whatever_the_number_of_connections)
{
    enum { CLIENTS = 400 };
    static struct client *clients[CLIENTS];

    usage_raise_descriptors();
    process_start(&server, "--workers", "1", "--max-connections", "1", PROCESS_PATIENT);
    clients[0] = client_open(&server);
    client_send(clients[0], "GET /dummy HTTP/1.1\r\n"); /* and keeps its place */
    for (unsigned i = 1; i < CLIENTS; i++)
        clients[i] = client_ask(&server, "/dummy");
    process_signal(&server, SIGTERM);
    client_close(clients[0]);

    for (unsigned i = 1; i < CLIENTS; i++)
        cr_assert_eq(client_receive(clients[i])->status, 200, "client %u", i);
    cr_expect_eq(process_wait(&server), 0);
}

static bool has_ended(void)
{
    siginfo_t ended = {0};

    return waitid(P_PID, (id_t)server.pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0;
}

/* As a rotation of logs may come with a restart. Sent faster than the server can take them, they would be all that it
 * does, for as long as this process has a processor of its own: hence the pause between two. */
Test(stop, is_clean_whatever_signal_comes_while_it_ends)
{
    process_start(&server, "--workers", "1");
    process_signal(&server, SIGTERM);
    while (!has_ended()) {
        process_signal(&server, SIGHUP);
        (void)poll(NULL, 0, 1);
    }

    cr_expect_eq(process_wait(&server), 0);
}

/* Which signals the server ignores, as a mask. */
static unsigned long ignored(void)
{
    unsigned long mask = 0;
    char path[64], line[256];
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)server.pid);
    file = fopen(path, "r");
    cr_assert_not_null(file);
    while (fgets(line, sizeof(line), file) != NULL && sscanf(line, "SigIgn: %lx", &mask) != 1)
        ;
    fclose(file);
    return mask;
}

/* It has stopped and only waits for the log, whose lines nobody reads: they fill the pipe several times. */
Test(stop, is_clean_though_it_is_told_again_when_only_its_log_is_left)
{
    static const int signals[] = {SIGHUP, SIGINT, SIGTERM};
    unsigned long of_signals = 0;
    struct client *client;

    process_start(&server, "--workers", "1", "--access-log", "-");
    cr_assert_geq(fcntl(server.out, F_SETPIPE_SZ, 4096), 4096);
    client = client_open(&server);
    for (unsigned i = 0; i < 200; i++) {
        client_get(client, "/dummy");
        cr_assert_eq(client_receive(client)->status, 200);
    }
    client_close(client);
    for (size_t i = 0; i < 3; i++)
        of_signals |= 1ul << (signals[i] - 1);
    process_signal(&server, SIGTERM);
    while ((ignored() & of_signals) == 0 && !has_ended())
        ;
    for (size_t i = 0; i < 3; i++)
        process_signal(&server, signals[i]);

    cr_expect_eq(process_wait(&server), 0, "%d", server.status);
}
