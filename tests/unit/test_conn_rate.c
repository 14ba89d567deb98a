/* How fast a body must come, and a reply be taken, to be waited for; in a drain, too. */
#include "lib/conn_fixture.h"
#include "server/server.h"

#include <string.h>

TestSuite(conn_rate, .fini = conn_fixture_close, .timeout = 20);

Test(conn_rate, waits_for_a_body_that_comes_fast_enough)
{
    char piece[501] = "";

    memset(piece, 'x', 500);
    conn_fixture_open(&(hoist_config){.body_timeout_ms = 1000});
    wire_send(&w, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1500\r\n\r\n");
    for (unsigned i = 0; i < 2; i++) {
        wire_send(&w, piece);
        conn_hurry_and_pass();
        cr_expect_eq(w.out_len, 0);
    }
    wire_send(&w, piece + 1);
    conn_hurry_and_pass();

    cr_expect_eq(wire_answers(&w), 1, "at once, not after another second");
    wire_expect_last(&w, 0, 408);
}

Test(conn_rate, resets_a_client_that_takes_nothing_of_its_answer)
{
    conn_fixture_open(&(hoist_config){.write_timeout_ms = 1});
    w.room = 10;
    wire_send(&w, GET("/give"));

    wire_run_until_closed(&w);
    cr_expect(w.is_reset);
    cr_expect_eq(conn_freed, 1);
}

Test(conn_rate, waits_for_a_client_that_takes_its_answer_fast_enough)
{
    conn_fixture_open(&(hoist_config){.write_timeout_ms = 1000});
    w.room = 0;
    wire_send(&w, GET("/big"));
    for (unsigned i = 0; i < 2; i++) {
        wire_take(&w, 500);
        conn_hurry_and_pass();
        cr_expect_not(w.is_closing);
    }
    wire_take(&w, 499);
    conn_hurry_and_pass();

    cr_expect(w.is_reset);
}

/* Its end may be less than what it must take. */
Test(conn_rate, waits_for_the_end_of_an_answer)
{
    conn_fixture_open(&(hoist_config){.write_timeout_ms = 1000});
    w.room = 0;
    wire_send(&w, GET("/big"));
    wire_take(&w, w.queued_len - 10);
    conn_hurry_and_pass();
    cr_expect_not(w.is_closing);
    wire_take(&w, 10);

    cr_expect_eq(wire_answer(&w, 0)->body_len, BIG);
}

Test(conn_rate, resets_a_client_that_takes_nothing_of_that_end)
{
    conn_fixture_open(&(hoist_config){.write_timeout_ms = 1000});
    w.room = 0;
    wire_send(&w, GET("/big"));
    wire_take(&w, w.queued_len - 10);
    conn_hurry_and_pass();
    conn_hurry_and_pass();

    cr_expect(w.is_reset);
}

/* A Unix socket counts more than the bytes that it holds. */
Test(conn_rate, takes_more_unsent_than_before_for_nothing)
{
    conn_fixture_open(&(hoist_config){.write_timeout_ms = 1000});
    w.room = 0;
    wire_send(&w, GET("/big"));
    w.queued_len++;
    conn_hurry_and_pass();

    cr_expect(w.is_reset);
}

/* ---- the server drains ---- */

static void drain_with_body(const hoist_config *config)
{
    conn_fixture_open(config);
    wire_send(&w, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1500\r\n\r\n");
    server_begin_drain(&f.app->server);
    server_drain(&f.app->server);
}

static void send_body(size_t len)
{
    static const char bytes[1000];

    wire_send_cut(&w, bytes, len, 0);
}

/* Else one of some bytes a second would keep a stop for all of --drain-ms. */
Test(conn_rate, in_a_drain_looks_at_a_body_every_second)
{
    drain_with_body(&(hoist_config){0});
    for (unsigned i = 0; i < 2; i++) {
        cr_expect_leq(w.conn.deadline.due_ms, uv_now(&f.loop) + 1000);
        send_body(500);
        conn_hurry_and_pass();
        cr_expect_eq(w.out_len, 0);
    }
    send_body(499);
    conn_hurry_and_pass();

    wire_expect_last(&w, 0, 408);
}

Test(conn_rate, in_a_drain_answers_a_body_that_comes_fast_enough)
{
    drain_with_body(&(hoist_config){0});
    send_body(1000);
    conn_hurry_and_pass();
    send_body(500);

    wire_expect_last(&w, 0, 200);
}

Test(conn_rate, in_a_drain_leaves_half_of_what_is_left)
{
    drain_with_body(&(hoist_config){.drain_ms = 1200});
    cr_expect_eq(w.conn.deadline.due_ms, uv_now(&f.loop) + 600);
    send_body(299);
    conn_hurry_and_pass();

    wire_expect_last(&w, 0, 408);
}

/* A pause would be taken for slowness. */
Test(conn_rate, in_the_last_second_of_a_drain_is_not_looked_at)
{
    drain_with_body(&(hoist_config){.drain_ms = 999});

    cr_expect_eq(w.conn.deadline.due_ms, uv_now(&f.loop) + 20000);
}
