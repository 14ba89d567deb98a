/* Accepting when descriptors run out, and what is done at start so that libuv never has to grow for one. */
#include "lib/app_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FDS_MAX = 1024, PATIENCE_MS = 1000 };

static struct app_fixture f;
static int taken[FDS_MAX];
static unsigned n_taken;

static int say(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "said");
}

static const hoist_route route = {.path = "/say", .handler = say, .run = HOIST_INLINE};

static void limit_descriptors(unsigned n)
{
    struct rlimit limit;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = n;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void open_with(unsigned max_connections)
{
    const hoist_config config = {.executor = HOIST_EXECUTOR_INLINE, .workers = 1, .max_connections = max_connections};

    limit_descriptors(FDS_MAX);
    app_fixture_serve(&f, &config, &route, 1);
}

static void open_app(void)
{
    open_with(0);
}

static void close_app(void)
{
    app_fixture_close(&f);
}

TestSuite(listener, .init = open_app, .fini = close_app, .timeout = 30);
TestSuite(listener_start, .timeout = 30);

/* ---- descriptors ---- */

/* All descriptors are in use, but for those above the highest one that is in use now. */
static void take_descriptors(void)
{
    int fd;

    limit_descriptors(200);
    while ((fd = dup(STDERR_FILENO)) >= 0)
        taken[n_taken++] = fd;
    cr_assert_eq(errno, EMFILE);
}

static void take_descriptors_up_to(int last)
{
    int fd;

    while ((fd = dup(STDERR_FILENO)) >= 0 && fd < last)
        taken[n_taken++] = fd;
    taken[n_taken++] = fd;
}

static void give_descriptors_back(unsigned n)
{
    for (; n > 0 && n_taken > 0; n--)
        close(taken[--n_taken]);
}

/* ---- a client, whose socket is there before the descriptors run out ---- */

static int client_new(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_geq(fd, 0);
    return fd;
}

static void client_ask(int fd)
{
    static const char request[] = "GET /say HTTP/1.1\r\nHost: t\r\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((in_port_t)hoist_app_port(f.app)),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};

    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        cr_assert_eq(errno, EISCONN);
    cr_assert_eq(send(fd, request, sizeof(request) - 1, 0), (ssize_t)sizeof(request) - 1);
}

/* Turns the loop until the answer is there; its status. */
static int client_answer(int fd, char text[512])
{
    ssize_t n = -1;

    LOOP_SPIN_UNTIL(&f.loop, (n = recv(fd, text, 511, MSG_DONTWAIT)) >= 0);
    text[n] = '\0';
    return n > 12 ? atoi(text + 9) : 0;
}

static bool client_has_answer(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) >= 0;
}

static void run_until_short(void)
{
    LOOP_SPIN_UNTIL(&f.loop, f.app->listener.short_since_ms != 0);
}

static void run_until_over(void)
{
    LOOP_SPIN_UNTIL(&f.loop, f.app->listener.short_since_ms == 0);
}

/* ---- when there are none ---- */

Test(listener, leaves_clients_waiting_in_a_short_shortage_and_serves_them_after_it)
{
    int waiting = client_new();
    char text[512];

    take_descriptors();
    client_ask(waiting);
    run_until_short();
    cr_expect_not(client_has_answer(waiting));
    give_descriptors_back(1);

    cr_expect_eq(client_answer(waiting, text), 200);
    cr_expect_eq(f.app->listener.n_refused, 0);
    run_until_over();
    give_descriptors_back(FDS_MAX);
    close(waiting);
}

Test(listener, serves_the_connections_it_has_while_others_wait)
{
    int there = client_new(), waiting = client_new();
    char text[512];

    client_ask(there);
    cr_expect_eq(client_answer(there, text), 200);
    take_descriptors();
    client_ask(waiting);
    run_until_short();
    client_ask(there);

    cr_expect_eq(client_answer(there, text), 200);
    cr_expect_not(client_has_answer(waiting));
    give_descriptors_back(FDS_MAX);
    cr_expect_eq(client_answer(waiting, text), 200);
    close(there);
    close(waiting);
}

Test(listener, refuses_all_that_wait_in_a_long_shortage_with_503)
{
    enum { WAITING = 5 };
    int waiting[WAITING], later = client_new();
    char text[512];

    for (unsigned i = 0; i < WAITING; i++)
        waiting[i] = client_new();
    take_descriptors();
    for (unsigned i = 0; i < WAITING; i++)
        client_ask(waiting[i]);
    run_until_short();
    f.app->listener.short_since_ms -= PATIENCE_MS;

    for (unsigned i = 0; i < WAITING; i++) {
        cr_expect_eq(client_answer(waiting[i], text), 503);
        cr_expect_not_null(strstr(text, "\r\nRetry-After: 1\r\n"));
        cr_expect_not_null(strstr(text, "\r\nConnection: close\r\n"));
        cr_expect_not_null(strstr(text, "\r\nDate: "));
        cr_expect_eq(recv(waiting[i], text, 1, 0), 0, "and then the end, not a reset");
        close(waiting[i]);
    }
    cr_expect_geq(f.app->listener.spare, 0);
    cr_expect_eq(f.app->listener.n_refused, (unsigned)WAITING);
    cr_expect_eq(f.app->server.figures.unrouted.by_status[503 - FIGURES_STATUS_MIN], (unsigned)WAITING);
    give_descriptors_back(FDS_MAX);
    client_ask(later);
    cr_expect_eq(client_answer(later, text), 200);
    close(later);
}

/* As when a worker opens a file in the moment in which the spare is closed. */
Test(listener, goes_on_without_its_spare_descriptor_and_gets_another)
{
    int waiting = client_new();
    char text[512];

    take_descriptors();
    limit_descriptors((unsigned)f.app->listener.spare);
    while (n_taken > 0 && taken[n_taken - 1] > f.app->listener.spare)
        give_descriptors_back(1);
    client_ask(waiting);
    run_until_short();
    f.app->listener.short_since_ms -= PATIENCE_MS;
    LOOP_SPIN_UNTIL(&f.loop, f.app->listener.spare < 0);
    cr_expect_not(client_has_answer(waiting));
    limit_descriptors(FDS_MAX);

    cr_expect_eq(client_answer(waiting, text), 200);
    run_until_over();
    cr_expect_geq(f.app->listener.spare, 0);
    give_descriptors_back(FDS_MAX);
    close(waiting);
}

Test(listener, refuses_all_that_wait_when_it_is_closed_in_a_shortage)
{
    enum { WAITING = 70 }; /* more than in a turn of the loop */
    int waiting[WAITING];
    char text[512];

    for (unsigned i = 0; i < WAITING; i++)
        waiting[i] = client_new();
    take_descriptors();
    for (unsigned i = 0; i < WAITING; i++)
        client_ask(waiting[i]);
    run_until_short();
    app_fixture_stop(&f);

    for (unsigned i = 0; i < WAITING; i++) {
        cr_expect_eq(client_answer(waiting[i], text), 503, "client %u", i);
        close(waiting[i]);
    }
    give_descriptors_back(FDS_MAX);
}

/* ---- errors that no descriptor helps against ---- */

static int accept_error;
static unsigned n_accepts;
static uint64_t short_for_ms; /* so long has the shortage lasted, whenever something is to be accepted; 0: as it is */

/* In the place of the C library's accept4(2), for the whole program; that one's declaration takes a union. */
int accept_or_fail(int fd, struct sockaddr *address, socklen_t *len, int flags) __asm__("accept4");

int accept_or_fail(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    n_accepts++;
    if (short_for_ms != 0)
        f.app->listener.short_since_ms = uv_now(&f.loop) - short_for_ms;
    if (accept_error == 0)
        return (int)syscall(SYS_accept4, fd, address, len, flags);
    errno = accept_error;
    return -1;
}

Test(listener, leaves_clients_waiting_for_a_second_of_shortage_and_no_longer)
{
    int waiting = client_new();
    char text[512];

    take_descriptors();
    client_ask(waiting);
    run_until_short();
    short_for_ms = PATIENCE_MS - 1;
    n_accepts = 0;
    LOOP_SPIN_UNTIL(&f.loop, n_accepts > 0);
    cr_expect_not(client_has_answer(waiting));
    short_for_ms = PATIENCE_MS;

    cr_expect_eq(client_answer(waiting, text), 503);
    short_for_ms = 0;
    give_descriptors_back(FDS_MAX);
    close(waiting);
}

/* As when a parent that shares the socket calls shutdown(2): poll(2) says it is readable ever after. */
Test(listener, rests_between_tries_when_its_socket_was_shut_down_and_stops_all_the_same)
{
    uint64_t begun_ms;

    cr_assert_eq(shutdown(f.app->listener.fd, SHUT_RDWR), 0);
    run_until_short();
    begun_ms = uv_now(&f.loop);
    n_accepts = 0;
    for (unsigned i = 0; i < 5; i++)
        uv_run(&f.loop, UV_RUN_NOWAIT);

    cr_expect_leq(n_accepts, 1 + (uv_now(&f.loop) - begun_ms) / 100, "it rests for 100 ms");
    app_fixture_stop(&f);
    cr_expect_eq(f.stopped_calls, 1);
}

Test(listener, goes_on_after_an_error_of_one_connection)
{
    static const int errors[] = {ECONNABORTED, EPROTO, EPERM, ENETUNREACH, EINTR};
    char text[512];

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        int client = client_new();

        client_ask(client);
        n_accepts = 0;
        accept_error = errors[i];
        LOOP_SPIN_UNTIL(&f.loop, n_accepts > 0);
        accept_error = 0;

        cr_expect_eq(client_answer(client, text), 200, "%s", strerror(errors[i]));
        cr_expect_eq(f.app->listener.short_since_ms, 0, "%s", strerror(errors[i]));
        close(client);
    }
}

/* As when a packet filter denies each of them. */
Test(listener, stops_when_every_accept_fails)
{
    accept_error = EPERM;
    app_fixture_stop(&f);

    cr_expect_eq(f.stopped_calls, 1);
    accept_error = 0;
}

/* ---- the array of libuv ---- */

static unsigned n_reallocs;

static void *count_realloc(void *old, size_t size)
{
    n_reallocs++;
    return realloc(old, size);
}

Test(listener_start, leaves_libuv_nothing_to_grow_for_later_connections)
{
    enum { CLIENTS = 8 };
    int clients[CLIENTS];
    unsigned at_start;
    char text[512];

    cr_assert_eq(uv_replace_allocator(malloc, count_realloc, calloc, free), 0);
    open_app();
    at_start = n_reallocs;
    cr_expect_gt(at_start, 0);
    take_descriptors_up_to(900);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = client_new();
        client_ask(clients[i]);
        cr_expect_eq(client_answer(clients[i], text), 200);
    }

    cr_expect_eq(n_reallocs, at_start);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(clients[i]);
    give_descriptors_back(FDS_MAX);
    close_app();
}

Test(listener_start, is_ready_for_the_highest_descriptor_even_if_that_is_in_use)
{
    limit_descriptors(FDS_MAX);
    cr_assert_eq(dup2(STDERR_FILENO, FDS_MAX - 1), FDS_MAX - 1);
    open_app();

    cr_expect_eq(f.app->server.fd_max, FDS_MAX - 2);
    close_app();
    close(FDS_MAX - 1);
}

Test(listener_start, never_polls_a_descriptor_above_what_it_is_ready_for)
{
    int high, low = client_new();
    char text[512];

    open_with(70);
    f.app->server.fd_max = 500;
    take_descriptors_up_to(f.app->server.fd_max);
    high = client_new();
    client_ask(high);
    cr_expect_eq(client_answer(high, text), 503);
    cr_expect_eq(f.app->listener.n_refused, 1, "with it the shortage begins");
    give_descriptors_back(10);

    client_ask(low);
    cr_expect_eq(client_answer(low, text), 200);
    run_until_over();
    cr_expect_eq(f.app->listener.n_refused, 0, "of the next shortage");
    close(high);
    close(low);
    give_descriptors_back(FDS_MAX);
    close_app();
}

/* Both are written from one buffer. */
Test(listener_start, writes_answers_that_are_held_before_it_refuses)
{
    static struct wire w;
    char request[] = GET("/say"), text[512];
    int high;

    limit_descriptors(FDS_MAX);
    app_fixture_serve(&f, &(hoist_config){.workers = 1, .max_connections = 70}, &route, 1);
    f.app->server.fd_max = 500;
    take_descriptors_up_to(f.app->server.fd_max);
    high = client_new();
    client_ask(high);
    wire_open(&w, &f);
    conn_on_bytes(&w.conn, request, strlen(request)); /* as the loop does before it accepts */
    cr_expect_eq(f.app->server.n_held, 1);
    cr_expect_eq(client_answer(high, text), 503);

    wire_expect_body(&w, 0, "said");
    wire_close(&w);
    close(high);
    give_descriptors_back(FDS_MAX);
    close_app();
}
