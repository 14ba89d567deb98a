/* As many connections as allowed: who gives way to the next client, and who is not asked to. */
#include "lib/app_fixture.h"
#include "lib/fail_malloc.h"
#include "lib/gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 3, HOUR_MS = 3600000 };

static struct app_fixture f;
static struct gate gate;
static struct peer there[MOST], waiting, later;
static char value[16];

static int say(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "said");
}

static int held(hoist_req *req, hoist_res *res)
{
    (void)req;
    gate_pass(&gate, 0);
    return hoist_reply_text(res, 200, "held");
}

static bool goes_on;

/* It goes on in each turn of the loop, before that polls. */
static int say_in_time(hoist_req *req, hoist_res *res)
{
    return goes_on ? hoist_later(req, 0, say_in_time) : hoist_reply_text(res, 200, "in time");
}

static const hoist_route routes[] = {
    {.path = "/say", .handler = say, .run = HOIST_INLINE},
    {.path = "/held", .handler = held},
    {.path = "/in-time", .handler = say_in_time, .run = HOIST_ASYNC},
};

/* Nobody goes because it took too long. */
static void open_with(unsigned max_connections, unsigned keep_alive_ms)
{
    const hoist_config config = {
        .workers = 1,
        .max_connections = max_connections,
        .header_timeout_ms = HOUR_MS,
        .keep_alive_ms = keep_alive_ms,
    };

    app_fixture_serve(&f, &config, routes, sizeof(routes) / sizeof(routes[0]));
    gate_open(&gate, &f.loop);
}

static void close_app(void)
{
    app_fixture_close_with(&f, &gate);
}

TestSuite(listener_full, .fini = close_app, .timeout = 30);

/* A connection that has had its answer. */
static void open_idle(struct peer *peer)
{
    peer_open(peer, &f);
    peer_get(peer, "/say");
    cr_assert_eq(peer_answer(peer, 0)->status, 200);
}

/* All that may be, idle in this order. */
static void open_all(void)
{
    for (unsigned i = 0; i < MOST; i++)
        open_idle(&there[i]);
    cr_assert_eq(f.app->server.n_conns, (unsigned)MOST);
}

/* As if nobody had sent anything for a second. */
static void pass_a_second(void)
{
    for (struct conn *conn = f.app->server.conns; conn != NULL; conn = conn->next)
        if (conn->wait == WAIT_REQUEST || conn->wait == WAIT_HEAD)
            conn->since_ms -= 1000;
}

static unsigned n_in_head(void)
{
    unsigned n = 0;

    for (struct conn *conn = f.app->server.conns; conn != NULL; conn = conn->next)
        n += conn->wait == WAIT_HEAD;
    return n;
}

/* One in the backlog, because nobody gives way. */
static void open_waiting(void)
{
    peer_open(&waiting, &f);
    peer_get(&waiting, "/say");
    LOOP_SPIN_UNTIL(&f.loop, f.app->listener.is_full);
    for (unsigned i = 0; i < 3; i++)
        uv_run(&f.loop, UV_RUN_NOWAIT);
    cr_expect_eq(peer_answers(&waiting), 0);
}

static void expect_served(struct peer *peer)
{
    unsigned n = peer_answers(peer);

    peer_get(peer, "/say");
    cr_expect_eq(peer_answer(peer, n)->status, 200);
    cr_expect_not(peer->at_end);
}

Test(listener_full, closes_the_connection_that_was_idle_longest_for_a_client_that_waits)
{
    static const unsigned durations_ms[] = {HOUR_MS, HOIST_NO_LIMIT};

    for (size_t i = 0; i < 2; i++) {
        if (i > 0)
            close_app();
        open_with(MOST, durations_ms[i]);
        open_all();
        expect_served(&there[0]);
        pass_a_second();
        open_idle(&waiting);
        LOOP_RUN_UNTIL(&f.loop, there[1].at_end);
        expect_served(&there[0]);
        expect_served(&there[2]);

        pass_a_second();
        open_idle(&later);
        LOOP_RUN_UNTIL(&f.loop, waiting.at_end);
        expect_served(&there[0]);
        expect_served(&there[2]);
        cr_expect_eq(there[1].end, UV_EOF);
        cr_expect_eq(f.app->server.n_conns, (unsigned)MOST);
        cr_expect_not(f.app->listener.is_full);
    }
}

/* Else one that sends some now and then would not be idle, and not be where the list says that it is. */
Test(listener_full, takes_an_empty_line_for_nothing)
{
    static const unsigned durations_ms[] = {HOUR_MS, HOIST_NO_LIMIT};
    static struct wire first, second;

    for (size_t i = 0; i < 2; i++) {
        if (i > 0)
            close_app();
        open_with(MOST, durations_ms[i]);
        wire_open(&first, &f);
        wire_open(&second, &f);
        wire_send(&first, GET("/say"));
        wire_send(&second, GET("/say"));
        pass_a_second();
        wire_send(&first, "\r\n");

        cr_expect(conn_close_idle(&f.app->server));
        wire_run_until_closed(&first);
        cr_expect_not(second.is_closing);
        wire_close(&second);
    }
}

/* A request of its client may be on its way. */
Test(listener_full, closes_none_that_was_used_just_now)
{
    open_with(MOST, HOUR_MS);
    open_all();
    open_waiting();
    for (unsigned i = 0; i < MOST; i++)
        cr_expect_not(there[i].at_end);

    pass_a_second();
    cr_expect_eq(peer_answer(&waiting, 0)->status, 200);
    LOOP_RUN_UNTIL(&f.loop, there[0].at_end);
    expect_served(&there[1]);
}

Test(listener_full, closes_none_that_is_in_a_request)
{
    open_with(MOST, HOUR_MS);
    open_all();
    peer_get(&there[0], "/held");
    gate_run_until_inside(&gate, 1);
    peer_send(&there[1], "GET /say HTTP/1.1\r\n");
    peer_send(&there[2], "GET /say HTTP/1.1\r\n");
    LOOP_RUN_UNTIL(&f.loop, n_in_head() == 2);
    pass_a_second();
    open_waiting();
    peer_close(&there[2]);
    cr_expect_eq(peer_answer(&waiting, 0)->status, 200);
    cr_expect_null(answer_field(&waiting.answer, "Connection", value, sizeof(value)), "nobody waits any more");
    cr_expect_not(f.app->listener.is_full);

    gate_let_all_go(&gate);
    cr_expect_eq(peer_answer(&there[0], 1)->status, 200);
    peer_send(&there[1], "Host: t\r\n\r\n");
    cr_expect_eq(peer_answer(&there[1], 1)->status, 200);
}

Test(listener_full, closes_the_idle_one_among_those_that_are_in_a_request)
{
    open_with(MOST, HOUR_MS);
    open_all();
    peer_get(&there[0], "/held");
    gate_run_until_inside(&gate, 1);
    peer_send(&there[2], "GET /say HTTP/1.1\r\n");
    LOOP_RUN_UNTIL(&f.loop, n_in_head() == 1);
    pass_a_second();
    open_idle(&waiting);
    LOOP_RUN_UNTIL(&f.loop, there[1].at_end);

    gate_let_all_go(&gate);
    cr_expect_eq(peer_answer(&there[0], 1)->status, 200);
    peer_send(&there[2], "Host: t\r\n\r\n");
    cr_expect_eq(peer_answer(&there[2], 1)->status, 200);
}

/* So that it does not send another request there. */
Test(listener_full, tells_the_first_client_that_is_answered_while_another_one_waits)
{
    open_with(MOST, HOUR_MS);
    open_all();
    peer_get(&there[0], "/held");
    peer_send(&there[1], "GET /say HTTP/1.1\r\n");
    peer_send(&there[2], "GET /say HTTP/1.1\r\n");
    open_waiting();
    gate_let_all_go(&gate);

    cr_expect_str_eq(answer_field(peer_answer(&there[0], 1), "Connection", value, sizeof(value)), "close");
    LOOP_RUN_UNTIL(&f.loop, there[0].at_end);
    peer_close(&there[0]);
    cr_expect_eq(peer_answer(&waiting, 0)->status, 200);
    peer_send(&there[1], "Host: t\r\n\r\n");
    cr_expect_null(answer_field(peer_answer(&there[1], 1), "Connection", value, sizeof(value)));
    peer_close(&there[2]);
}

/* Else one that is always answered just then would keep its place for ever. */
Test(listener_full, tells_a_client_that_is_answered_before_the_loop_looks_again_at_who_waits)
{
    uv_timer_t *no_room;

    open_with(1, HOUR_MS);
    goes_on = true;
    peer_open(&there[0], &f);
    peer_get(&there[0], "/in-time");
    open_waiting();
    no_room = &f.app->listener.no_room;
    uv_timer_start(no_room, no_room->timer_cb, 0, 0);
    goes_on = false;

    cr_expect_str_eq(answer_field(peer_answer(&there[0], 0), "Connection", value, sizeof(value)), "close");
    LOOP_RUN_UNTIL(&f.loop, there[0].at_end);
    peer_close(&there[0]);
    cr_expect_eq(peer_answer(&waiting, 0)->status, 200);
}

/* The loop hears of both in one turn, and of the client that waits first. */
Test(listener_full, closes_none_whose_request_has_come_with_the_client_that_waits)
{
    struct sockaddr_in address;
    int client = socket(AF_INET, SOCK_STREAM, 0);

    open_with(1, HOUR_MS);
    open_idle(&there[0]);
    cr_assert_eq(uv_ip4_addr("127.0.0.1", (int)hoist_app_port(f.app), &address), 0);
    cr_assert_eq(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    peer_get(&there[0], "/held");
    pass_a_second();
    gate_run_until_inside(&gate, 1);
    LOOP_SPIN_UNTIL(&f.loop, f.app->listener.is_full);

    gate_let_all_go(&gate);
    cr_expect_eq(peer_answer(&there[0], 1)->status, 200);
    close(client);
}

/* What its client took of the answer before is nothing to this wait. */
Test(listener_full, looks_anew_at_who_is_idle_after_each_answer)
{
    static struct wire wire;

    open_with(MOST, HOUR_MS);
    wire_open(&wire, &f);
    wire_send(&wire, GET("/say"));
    wire.queued_len = 1; /* in the kernel */
    pass_a_second();
    cr_expect_not(conn_close_idle(&f.app->server));
    wire.queued_len = 0;
    wire_send(&wire, GET("/say"));
    pass_a_second();

    cr_expect(conn_close_idle(&f.app->server));
    wire_run_until_closed(&wire);
}

/* It is not idle, whatever the kernel has taken; nor is its next request here as soon as it has all. */
Test(listener_full, closes_none_whose_client_is_taking_its_answer)
{
    static struct wire slow, next, last;

    open_with(MOST, HOUR_MS);
    wire_open(&slow, &f);
    wire_open(&next, &f);
    wire_open(&last, &f);
    wire_send(&slow, GET("/say"));
    wire_send(&next, GET("/say"));
    wire_send(&last, GET("/say"));
    wire_expect_body(&last, 0, "said");
    slow.queued_len = 1; /* in the kernel */
    pass_a_second();

    cr_expect(conn_close_idle(&f.app->server));
    wire_run_until_closed(&next);
    cr_expect_eq(last.conn.state, CONN_READING);
    slow.queued_len = 0;
    pass_a_second();
    cr_expect(conn_close_idle(&f.app->server));
    wire_run_until_closed(&last);
    pass_a_second();
    cr_expect_not(conn_close_idle(&f.app->server), "it has a moment from here");
    cr_expect_eq(slow.conn.state, CONN_READING);

    pass_a_second();
    cr_expect(conn_close_idle(&f.app->server));
    wire_run_until_closed(&slow);
    cr_expect_not(conn_close_idle(&f.app->server), "nobody is left");
}

/* Else without --keep-alive-ms it would keep its place for ever. */
Test(listener_full, lets_one_linger_whose_client_never_takes_its_answer)
{
    static struct wire first, second;

    open_with(MOST, HOIST_NO_LIMIT);
    wire_open(&first, &f);
    wire_open(&second, &f);
    wire_send(&first, GET("/say"));
    wire_send(&second, GET("/say"));
    first.queued_len = second.queued_len = 1;
    for (unsigned i = 0; i < 100 && first.conn.state == CONN_READING; i++) {
        pass_a_second();
        cr_expect_not(conn_close_idle(&f.app->server));
    }

    cr_expect_eq(first.conn.state, CONN_LINGERING);
    cr_expect_eq(second.conn.state, CONN_READING);
    wire_close(&first);
    wire_close(&second);
}

/* ---- at the stop ---- */

/* The only connection that may be, in a request. */
static void open_one_that_stays(void)
{
    peer_open(&there[0], &f);
    peer_send(&there[0], "GET /say HTTP/1.1\r\n");
}

Test(listener_full, serves_clients_over_the_maximum_at_the_stop)
{
    open_with(1, HOUR_MS);
    open_one_that_stays();
    open_waiting();
    hoist_app_stop(f.app);

    cr_expect_eq(peer_answer(&waiting, 0)->status, 200);
    peer_close(&there[0]);
}

/* Of descriptors there is no want. */
Test(listener_full, serves_the_next_client_at_the_stop_when_there_is_no_memory_for_one)
{
    open_with(1, HOUR_MS);
    open_one_that_stays();
    open_waiting();
    peer_open(&later, &f);
    peer_get(&later, "/say");
    fail_malloc_at(1);
    hoist_app_stop(f.app);
    LOOP_RUN_UNTIL(&f.loop, waiting.at_end);
    cr_expect(fail_malloc_failed());
    fail_malloc_at(0);

    cr_expect_eq(peer_answers(&waiting), 0);
    cr_expect_eq(peer_answer(&later, 0)->status, 200);
    peer_close(&there[0]);
}

/* As from a supervisor, who gives it to the next server. */
Test(listener_full, leaves_clients_over_the_maximum_to_the_next_one_at_a_socket_it_was_given)
{
    const hoist_config config = {.workers = 1, .max_connections = 1, .header_timeout_ms = HOUR_MS};
    int given = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_eq(listen(given, 8), 0);
    app_fixture_open(&f, &config, routes, sizeof(routes) / sizeof(routes[0]));
    cr_assert_eq(app_adopt(f.app, dup(given), -1), 0);
    app_fixture_start(&f);
    gate_open(&gate, &f.loop);
    open_one_that_stays();
    open_waiting();
    hoist_app_stop(f.app);
    LOOP_SPIN_UNTIL(&f.loop, !f.app->listener.is_started);
    peer_close(&there[0]);
    app_fixture_stop(&f);

    cr_expect_geq(accept(given, NULL, NULL), 0, "%s", strerror(errno));
    close(given);
}
