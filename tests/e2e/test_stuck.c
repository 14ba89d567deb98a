/* Handlers that never return: each costs its worker and nothing else, and is named. */
#include "lib/client.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <string.h>

static struct process server;

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(stuck, .fini = tear_down);

/* A heavy request whose client leaves: it holds one more worker for an hour. The server has --access-log -. */
static void leave_one_stuck(unsigned busy)
{
    struct client *client = client_ask(&server, "/");

    client_await_busy(&server, busy);
    client_reset(client);
    client_fence(&server);
}

static unsigned count(const char *text, const char *part)
{
    unsigned n = 0;

    while ((text = strstr(text, part)) != NULL) {
        text += strlen(part);
        n++;
    }
    return n;
}

static void expect_error(const char *part, unsigned n)
{
    cr_expect_eq(count(process_errors(&server), part), n, "%u times '%s': %s", n, part, process_errors(&server));
}

/* ---- the loop goes on ---- */

Test(stuck, leaves_to_the_loop_what_needs_no_worker)
{
    static const struct {
        const char *request;
        int status;
    } rows[] = {
        {"GET /dummy HTTP/1.1\r\nHost: h\r\n\r\n", 200},
        {"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n", 404},
        {"GET /echo HTTP/1.1\r\nHost: h\r\n\r\n", 405},
        {"BREW /dummy HTTP/1.1\r\nHost: h\r\n\r\n", 501},
        {"GET /dummy HTTP/1.1\r\n\r\n", 400},
    };
    struct client *waiting;

    process_start(&server, "--workers", "2", "--heavy-ms", "3600000", "--access-log", "-");
    leave_one_stuck(1);
    leave_one_stuck(2);
    waiting = client_ask(&server, "/sleep/0");
    client_fence(&server);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client *client = client_open(&server);

        client_send(client, rows[i].request);
        cr_expect_eq(client_receive(client)->status, rows[i].status, "%s", rows[i].request);
        client_close(client);
    }
    cr_expect_not(client_has_bytes(waiting), "the workers were not held");
    process_kill(&server);
}

Test(stuck, leaves_the_other_worker_to_others)
{
    process_start(&server, "--workers", "2", "--heavy-ms", "3600000", "--access-log", "-");
    leave_one_stuck(1);

    for (unsigned i = 0; i < 8; i++)
        cr_expect_eq(client_receive(client_ask(&server, "/sleep/1"))->status, 200);
    process_kill(&server);
}

/* ---- the drain ---- */

Test(stuck, cannot_stop_the_drain_and_is_named_with_its_thread)
{
    process_start(&server, "--workers", "1", "--heavy-ms", "3600000", "--drain-ms", "200", "--access-log", "-");
    leave_one_stuck(1);

    cr_expect_eq(process_stop(&server), 1);
    expect_error("the drain took longer than drain-ms allows", 1);
    expect_error("stuck: /, request ", 1);
    expect_error(" s old, worker 0, thread hoist-w0 (", 1);
}

Test(stuck, tells_in_which_function_it_is)
{
    process_start(&server, "--workers", "2", "--heavy-ms", "3600000", "--drain-ms", "200", "--access-log", "-");
    leave_one_stuck(1);
    leave_one_stuck(2);

    cr_expect_eq(process_stop(&server), 1);
#ifdef __GLIBC__
    expect_error(", backtrace: ", 2);
    cr_expect(strstr(process_errors(&server), "nanosleep+0x") != NULL ||
                  strstr(process_errors(&server), "nanosleep64+0x") != NULL, /* on 32-bit systems */
              "%s", process_errors(&server));
    expect_error("no backtrace", 0);
#endif
}

/* ---- every worker ---- */

Test(stuck, every_worker_for_too_long_ends_the_program_for_its_supervisor)
{
    struct client *waiting, *last;

    process_start(&server, "--workers", "2", "--heavy-ms", "3600000", "--stuck-exit-ms", "200", "--access-log", "-");
    waiting = client_open(&server);
    leave_one_stuck(1);
    last = client_ask(&server, "/");
    client_await_busy(&server, 2);
    client_reset(last); /* no fence: the server may have ended before it is answered */

    cr_expect_eq(process_wait(&server), 1);
    cr_expect_neq(client_end(waiting), CLIENT_BYTES);
    expect_error("every worker (2) was stuck for longer than stuck-exit-ms allows", 1);
    expect_error("stuck: /, request ", 2);
    expect_error("drain", 0);
}

/* The request on the other worker takes longer than the limit. */
Test(stuck, all_workers_but_one_do_not_end_the_program)
{
    process_start(&server, "--workers", "2", "--heavy-ms", "3600000", "--stuck-exit-ms", "200", "--access-log", "-");
    leave_one_stuck(1);

    cr_expect_eq(client_receive(client_ask(&server, "/sleep/600"))->status, 200);
    client_fence(&server);
    process_kill(&server);
}
