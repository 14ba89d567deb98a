/* Handlers in processes of their own: what is told of them, in the log and in figures. */
#include "hoist.h"
#include "lib/client.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BURN_NS = 50 * 1000 * 1000 };

static struct process server;

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(process_told, .fini = tear_down, .timeout = 60);

/* ---- handlers ---- */

static int count(hoist_req *req, hoist_res *res)
{
    static int calls;

    (void)req;
    return hoist_reply_printf(res, 200, "text/plain", "%d", ++calls);
}

/* The CPU time that the process has used then. */
static struct timespec burn_some(void)
{
    struct timespec used = {0};

    while (used.tv_sec == 0 && used.tv_nsec < BURN_NS)
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used;
}

/* Replies with what it has used, in seconds. */
static int burn(hoist_req *req, hoist_res *res)
{
    struct timespec used = burn_some();

    (void)req;
    return hoist_reply_printf(res, 200, "text/plain", "%ld.%09ld", (long)used.tv_sec, used.tv_nsec);
}

/* Tells it on stdout, which is the program's, and does not end. */
static int burn_and_hang(hoist_req *req, hoist_res *res)
{
    struct timespec used = burn_some();

    (void)req;
    printf("%ld.%09ld\n", (long)used.tv_sec, used.tv_nsec);
    fflush(stdout);
    while (pause() < 0)
        ;
    return hoist_reply_text(res, 200, "back");
}

static int twice(hoist_req *req, hoist_res *res)
{
    (void)req;
    hoist_reply_text(res, 200, "once");
    return hoist_reply_text(res, 200, "twice");
}

static int fail(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_error(res, 500, "out of order");
}

static const hoist_route count_route = {.path = "/count", .handler = count, .run = HOIST_PROCESS};
static const hoist_route burn_route = {.path = "/burn", .handler = burn, .run = HOIST_PROCESS};
static const hoist_route hang_route = {.path = "/hang", .handler = burn_and_hang, .run = HOIST_PROCESS};
static const hoist_route twice_route = {.path = "/twice", .handler = twice, .run = HOIST_PROCESS};
static const hoist_route fail_route = {.path = "/fail", .handler = fail, .run = HOIST_PROCESS};
static const hoist_route *const routes[] = {&count_route, &burn_route, &hang_route, &twice_route, &fail_route, NULL};
static const hoist_program program = {.name = "app", .version = "1", .routes = routes};

static void start(void)
{
    process_fork(&server, &program, process_clear_actions, "--workers", "1");
}

/* ---- figures ---- */

/* The CPU time of all its calls, in seconds. */
static double charged_to(const char *path)
{
    struct client *admin = client_open_admin(&server);
    char name[128];
    const char *figure;

    (void)snprintf(name, sizeof(name), "\nhoist_handler_cpu_seconds_total{method=\"GET\",route=\"%s\"} ", path);
    client_send(admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    figure = strstr(client_receive(admin)->body, name);
    cr_assert_not_null(figure);
    return strtod(figure + strlen(name), NULL);
}

Test(process_told, is_charged_what_it_burned)
{
    double burned;

    start();
    burned = strtod(client_receive(client_ask(&server, "/burn"))->body, NULL);

    cr_expect_geq(charged_to("/burn"), burned);
}

Test(process_told, is_charged_what_it_burned_before_it_was_killed)
{
    struct client *client;
    double burned;

    start();
    client = client_ask(&server, "/hang");
    burned = strtod(process_line(&server), NULL);
    client_close(client);
    client_expect(&server, "/count", 200, "1"); /* the one worker is free again */

    cr_expect_geq(charged_to("/hang"), burned);
}

/* ---- the log ---- */

static void expect_said_once(const char *text)
{
    const char *first;

    process_expect_said(&server, text);
    first = strstr(process_errors(&server), text);
    cr_expect(first == NULL || strstr(first + 1, text) == NULL, "'%s' comes twice in '%s'", text, server.err_text);
}

/* The process tells it, so that the program need not. */
Test(process_told, tells_a_mistake_once)
{
    start();
    client_expect(&server, "/twice", 500, "");
    expect_said_once(" error /twice: ");
}

Test(process_told, tells_an_error_it_replied_with_once)
{
    start();
    client_expect(&server, "/fail", 500, "out of order");
    expect_said_once(" error /fail: its handler replied with 500: out of order\n");
}

/* It dies, but that is what hoist wants. */
Test(process_told, tells_no_death_when_its_client_has_left)
{
    struct client *client;

    start();
    client = client_ask(&server, "/hang");
    (void)process_line(&server);
    client_close(client);
    client_expect(&server, "/count", 200, "1"); /* the one worker is free again */

    process_expect_said(&server, " info /hang, request 1: an abandoned request has ended after ");
    cr_expect_null(strstr(process_errors(&server), " error "), "%s", server.err_text);
}

static void have_a_journal(void)
{
    struct stat status;
    char name[64];

    process_clear_actions();
    if (fstat(STDERR_FILENO, &status) < 0)
        _exit(1);
    (void)snprintf(name, sizeof(name), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    setenv("JOURNAL_STREAM", name, 1);
}

Test(process_told, tells_the_journal_a_priority)
{
    process_fork(&server, &program, have_a_journal, "--workers", "1");
    client_expect(&server, "/twice", 500, "");
    process_expect_said(&server, "<3>/twice: ");
}

/* In the stream's buffer, which each process inherits and writes out at its end. */
static void begin_with_words(void)
{
    FILE *stream = fdopen(dup(STDERR_FILENO), "w");

    process_clear_actions();
    if (stream == NULL || fputs("begun\n", stream) < 0)
        _exit(1);
}

Test(process_told, does_not_repeat_what_was_printed_before_hoist_main)
{
    process_fork(&server, &program, begin_with_words, "--workers", "1");
    client_expect(&server, "/count", 200, "1");
    client_expect(&server, "/count", 200, "1");
    expect_said_once("begun\n");
}

Test(process_told, warns_where_there_is_none)
{
    process_fork(&server, &program, process_clear_actions, "--executor", "inline");
    process_expect_said(&server, " warning /count: no process of its own under the inline executor");
}
