/* Under a supervisor, which the test plays: what it is told, what it passes on, and the admin socket that is a file. */
#include "lib/client.h"
#include "lib/process.h"
#include "lib/wait.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct process server;
static char folder[] = "/tmp/supervision.XXXXXX";
static char path[64];
static int told; /* where a supervisor is told */
static char message[1024];

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/s", folder);
}

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
    unlink(path);
    rmdir(folder);
}

TestSuite(supervision, .init = set_up, .fini = tear_down);

/* ---- what it is told ---- */

/* Begins to be one; with_at: at a name that is no file. */
static void supervise(bool with_at)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[80];
    size_t len;

    len = (size_t)snprintf(name, sizeof(name), "%s%s", with_at ? "@" : "", path);
    memcpy(address.sun_path, name, len);
    if (with_at)
        address.sun_path[0] = '\0';
    told = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(told, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)), 0);
    setenv("NOTIFY_SOCKET", name, 1);
}

static const char *next_message(int bound_ms)
{
    ssize_t n;

    if (!wait_for_fd(told, POLLIN, bound_ms))
        return NULL;
    n = recv(told, message, sizeof(message) - 1, 0);
    cr_assert_geq(n, 0, "%s", strerror(errno));
    message[n] = '\0';
    return message;
}

/* How many of those that have come are so. */
static unsigned count_messages(const char *text)
{
    unsigned n = 0;

    while (next_message(0) != NULL)
        n += strcmp(message, text) == 0;
    return n;
}

static void expect_ready(void)
{
    char expected[512];

    process_start(&server, "--workers", "2");
    cr_assert_not_null(next_message(WAIT_BOUND_MS));
    (void)snprintf(expected, sizeof(expected), "READY=1\nSTATUS=%s", server.greeting);
    cr_expect_str_eq(message, expected);
    client_fence(&server);
    cr_expect_eq(process_stop(&server), 0);
}

Test(supervision, is_told_when_requests_are_answered)
{
    supervise(false);
    expect_ready();
}

Test(supervision, is_told_at_a_name_that_is_no_file)
{
    supervise(true);
    expect_ready();
}

Test(supervision, is_told_at_the_signal_that_the_server_stops)
{
    struct client *running;

    supervise(false);
    process_start(&server, "--workers", "1", "--access-log", "-");
    next_message(WAIT_BOUND_MS);
    running = client_hold_worker(&server, 1);
    process_signal(&server, SIGTERM);

    cr_assert_not_null(next_message(WAIT_BOUND_MS));
    cr_expect_eq(strncmp(message, "STOPPING=1\n", 11), 0, "%s", message);
    cr_expect_not(client_has_bytes(running), "and it still works for its client");
    client_half_close(running);
    cr_expect_eq(client_receive(running)->status, 503);
    cr_expect_eq(process_wait(&server), 0);
}

Test(supervision, gets_a_sign_of_life_again_and_again)
{
    supervise(false);
    setenv("WATCHDOG_USEC", "200000", 1);
    process_start(&server, "--workers", "1");
    next_message(WAIT_BOUND_MS);

    for (unsigned i = 0; i < 3; i++) {
        cr_assert_not_null(next_message(WAIT_BOUND_MS));
        cr_expect_str_eq(message, "WATCHDOG=1");
    }
}

Test(supervision, gets_signs_of_life_while_the_server_drains)
{
    struct client *running;

    supervise(false);
    setenv("WATCHDOG_USEC", "200000", 1);
    process_start(&server, "--workers", "1", "--access-log", "-");
    running = client_hold_worker(&server, 1);
    process_signal(&server, SIGTERM);
    do
        cr_assert_not_null(next_message(WAIT_BOUND_MS));
    while (strncmp(message, "STOPPING=1\n", 11) != 0);

    cr_assert_not_null(next_message(WAIT_BOUND_MS));
    cr_expect_str_eq(message, "WATCHDOG=1");
    client_half_close(running);
    cr_expect_eq(process_wait(&server), 0);
}

/* While a handler holds the loop for 1 s, 20 of them are due. Some come before it has begun, and after it. */
Test(supervision, misses_the_signs_of_life_of_a_loop_that_is_held)
{
    struct client *client;
    uint64_t begun_ns, due;
    unsigned told_of;

    supervise(false);
    setenv("WATCHDOG_USEC", "100000", 1);
    process_start(&server, "--executor", "inline");
    client = client_open(&server);
    begun_ns = wait_clock_ns();
    count_messages("");
    client_get(client, "/sleep/1000");

    cr_expect_eq(client_receive(client)->status, 200);
    told_of = count_messages("WATCHDOG=1");
    due = (wait_clock_ns() - begun_ns) / (50 * 1000 * 1000);
    cr_expect_lt(told_of + 10, due, "%u of %u", told_of, (unsigned)due);
}

Test(supervision, gets_signs_of_life_while_a_worker_is_held)
{
    struct client *client;

    supervise(false);
    setenv("WATCHDOG_USEC", "100000", 1);
    process_start(&server, "--workers", "1");
    client = client_open(&server);
    count_messages("");
    client_get(client, "/sleep/1000");

    cr_expect_eq(client_receive(client)->status, 200);
    cr_expect_geq(count_messages("WATCHDOG=1"), 3u);
}

Test(supervision, gets_no_signs_of_life_that_it_did_not_ask_this_process_for)
{
    struct client *client;

    supervise(false);
    setenv("WATCHDOG_USEC", "100000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    process_start(&server, "--workers", "1");
    client = client_ask(&server, "/sleep/300");

    cr_expect_eq(client_receive(client)->status, 200);
    cr_expect_eq(count_messages("WATCHDOG=1"), 0u);
}

Test(supervision, that_does_not_listen_is_complained_about_once)
{
    const char *first;

    setenv("NOTIFY_SOCKET", path, 1);
    setenv("WATCHDOG_USEC", "2000", 1);
    process_start(&server, "--workers", "1");
    client_receive(client_ask(&server, "/sleep/100"));
    client_close_all();

    cr_expect_eq(process_stop(&server), 0);
    first = strstr(process_errors(&server), "NOTIFY_SOCKET");
    cr_assert_not_null(first, "%s", server.err_text);
    cr_expect_null(strstr(first + 1, "NOTIFY_SOCKET"), "%s", server.err_text);
}

Test(supervision, at_an_address_of_another_kind_is_complained_about)
{
    setenv("NOTIFY_SOCKET", "vsock:2:9999", 1);
    process_start(&server, "--workers", "1");

    cr_expect_eq(process_stop(&server), 0);
    cr_expect_not_null(strstr(process_errors(&server), "NOTIFY_SOCKET"), "%s", server.err_text);
}

/* ---- what it passes on ---- */

static int open_port(int type, bool listens, unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, type, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    if (listens)
        cr_assert_eq(listen(fd, 64), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static int open_file(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(fd, 64), 0);
    return fd;
}

Test(supervision, passes_the_socket_that_requests_come_to)
{
    unsigned port;
    int fd = open_port(SOCK_STREAM, true, &port);

    process_pass(&fd, 1, NULL);
    process_start(&server, "--workers", "1");

    cr_expect_eq(server.port, port);
    cr_expect_eq(client_receive(client_ask(&server, "/dummy"))->status, 200);
    cr_expect_neq(server.admin_port, 0u, "the admin listener has its own");
}

Test(supervision, passes_the_admin_listeners_socket_by_its_name)
{
    unsigned ports[2];
    int fds[2] = {open_port(SOCK_STREAM, true, &ports[0]), open_port(SOCK_STREAM, true, &ports[1])};
    struct client *client;

    process_pass(fds, 2, "admin:hoist.socket");
    process_start(&server, "--workers", "1");

    cr_expect_eq(server.admin_port, ports[0]);
    cr_expect_eq(server.port, ports[1]);
    client = client_open_admin(&server);
    client_send(client, "GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    cr_expect_str_eq(client_receive(client)->body, "{\"ready\":true}");
}

Test(supervision, passes_a_socket_that_is_a_file)
{
    int fd = open_file();
    struct client *client;
    char expected[128];

    process_pass(&fd, 1, NULL);
    process_start(&server, "--workers", "1", "--access-log", "-");

    (void)snprintf(expected, sizeof(expected), "listening on unix:%s, 1 worker", path);
    cr_expect_str_eq(server.greeting, expected);
    client = client_open_unix(path);
    client_get(client, "/sleep/1");
    cr_expect_eq(client_receive(client)->status, 200);
    cr_expect_eq(strncmp(process_line(&server), "unix: - - ", 10), 0, "%s", server.line);
    client_get(client, "/dummy");
    cr_expect_eq(client_receive(client)->status, 200, "the connection is kept");
}

/* The listener that is passed stays open here: who connects meanwhile waits for the next server. */
Test(supervision, loses_no_connection_while_the_server_is_replaced)
{
    unsigned port;
    int fd = open_port(SOCK_STREAM, true, &port);
    struct client *clients[8];

    process_pass(&fd, 1, NULL);
    process_start(&server, "--workers", "1");
    client_fence(&server);
    cr_expect_eq(process_stop(&server), 0);
    for (size_t i = 0; i < 8; i++)
        clients[i] = client_ask(&server, "/sleep/1");
    process_pass(&fd, 1, NULL);
    process_start(&server, "--workers", "1");

    for (size_t i = 0; i < 8; i++)
        cr_expect_eq(client_receive(clients[i])->status, 200, "client %zu", i);
}

Test(supervision, is_told_which_socket_does_not_listen)
{
    unsigned port;
    const int fds[] = {open_port(SOCK_DGRAM, false, &port), open_port(SOCK_STREAM, false, &port)};

    for (size_t i = 0; i < 2; i++) {
        process_pass(&fds[i], 1, i == 0 ? NULL : "admin");
        cr_expect_eq(process_run(&server, "--port", "0"), 1);
        cr_expect_not_null(strstr(process_errors(&server), "descriptor 3 "), "%s", server.err_text);
        cr_expect_str_empty(server.out_text);
    }
}

Test(supervision, is_told_that_one_socket_is_served)
{
    unsigned port;
    const int fds[2] = {open_port(SOCK_STREAM, true, &port), open_port(SOCK_STREAM, true, &port)};

    process_pass(fds, 2, NULL);
    cr_expect_eq(process_run(&server, "--port", "0"), 1);
    cr_expect_not_null(strstr(process_errors(&server), "more than one"), "%s", server.err_text);
}

Test(supervision, of_another_process_passes_this_one_nothing)
{
    setenv("LISTEN_PID", "1", 1);
    setenv("LISTEN_FDS", "1", 1);
    process_start(&server, "--workers", "1");

    client_fence(&server);
}

/* ---- the admin socket that is a file ---- */

static void expect_live(void)
{
    struct client *client = client_open_unix(path);

    client_get(client, "/live");
    cr_expect_str_eq(client_receive(client)->body, "{\"live\":true}");
    client_close(client);
}

Test(supervision, asks_an_admin_socket_that_is_for_one_user_and_gone_afterwards)
{
    char option[80];
    struct stat found;

    (void)snprintf(option, sizeof(option), "unix:%s", path);
    umask(0);
    process_start(&server, "--workers", "1", "--admin", option);

    cr_assert_eq(lstat(path, &found), 0);
    cr_expect_eq(found.st_mode, (mode_t)(S_IFSOCK | 0600), "%o", found.st_mode);
    expect_live();
    cr_expect_eq(process_stop(&server), 0);
    cr_expect_eq(lstat(path, &found), -1);
}

Test(supervision, leaves_no_admin_socket_when_it_gives_up)
{
    char option[80];

    (void)snprintf(option, sizeof(option), "unix:%s", path);
    process_start(&server, "--workers", "1", "--heavy-ms", "3600000", "--drain-ms", "1", "--admin", option);
    client_ask(&server, "/");
    client_fence(&server);

    cr_expect_eq(process_stop(&server), 1);
    cr_expect_eq(access(path, F_OK), -1);
}

Test(supervision, asks_the_admin_socket_of_a_server_whose_forerunner_was_killed)
{
    char option[80];

    (void)snprintf(option, sizeof(option), "unix:%s", path);
    process_start(&server, "--workers", "1", "--admin", option);
    process_kill(&server);
    process_start(&server, "--workers", "1", "--admin", option);

    expect_live();
}

Test(supervision, leaves_a_file_in_the_admin_sockets_place_and_says_what_it_is)
{
    char option[80];
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    cr_assert_geq(fd, 0);
    close(fd);
    (void)snprintf(option, sizeof(option), "unix:%s", path);

    cr_expect_eq(process_run(&server, "--port", "0", "--admin", option), 1);
    cr_expect_not_null(strstr(process_errors(&server), "a file that is no socket is there"), "%s", server.err_text);
    cr_expect_eq(access(path, F_OK), 0);
}

Test(supervision, cannot_give_two_servers_the_same_admin_socket)
{
    static struct process second;
    char option[80];

    (void)snprintf(option, sizeof(option), "unix:%s", path);
    process_start(&server, "--workers", "1", "--admin", option);

    cr_expect_eq(process_run(&second, "--port", "0", "--admin", option), 1);
    cr_expect_not_null(strstr(process_errors(&second), "address already in use"), "%s", second.err_text);
    expect_live();
}

/* To write to a file's socket whose client is gone is SIGPIPE at once, where TCP's is only reset. */
Test(supervision, outlives_clients_that_leave_the_admin_socket_before_their_answer)
{
    char option[80];

    (void)snprintf(option, sizeof(option), "unix:%s", path);
    process_start(&server, "--workers", "1", "--admin", option);
    for (unsigned i = 0; i < 20; i++) {
        struct client *client = client_open_unix(path);

        client_get(client, "/stats");
        client_close(client);
    }

    expect_live();
    cr_expect_eq(process_stop(&server), 0);
}
