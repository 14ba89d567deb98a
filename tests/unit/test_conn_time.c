/* What a connection waits for, and for how long; and its end when the server drains. */
#include "lib/conn_fixture.h"
#include "server/server.h"

#include <string.h>

#define HALF_HEAD "GET /say/x HTTP/1.1\r\nHo"
#define HALF_BODY "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nab"

TestSuite(conn_time, .fini = conn_fixture_close, .timeout = 20);
TestSuite(conn_drain, .init = conn_fixture_open_plain, .fini = conn_fixture_close, .timeout = 20);

/* ---- limits of time ---- */

Test(conn_time, closes_a_connection_on_which_nothing_comes)
{
    conn_fixture_open(&(hoist_config){.header_timeout_ms = 1});

    wire_run_until_closed(&w);
    cr_expect_eq(w.out_len, 0);
}

Test(conn_time, refuses_a_head_that_takes_too_long)
{
    conn_fixture_open(&(hoist_config){.header_timeout_ms = 1});
    wire_send(&w, HALF_HEAD);

    wire_expect_last(&w, 0, 408);
}

Test(conn_time, gives_a_head_one_limit_from_its_first_byte)
{
    uint64_t due_ms;

    conn_fixture_open(&(hoist_config){0});
    wire_send(&w, GET("/say/x") "G");
    due_ms = w.conn.deadline.due_ms;
    cr_expect_eq(due_ms, uv_now(&f.loop) + 10000);
    while (uv_now(&f.loop) + 10000 == due_ms)
        uv_run(&f.loop, UV_RUN_NOWAIT);
    wire_send(&w, "ET");

    cr_expect_eq(w.conn.deadline.due_ms, due_ms);
}

Test(conn_time, gives_a_first_request_no_other_limit_for_an_empty_line_before_it)
{
    uint64_t due_ms;

    conn_fixture_open(&(hoist_config){0});
    due_ms = w.conn.deadline.due_ms;
    wire_send(&w, "\r\n");

    cr_expect_eq(w.conn.deadline.due_ms, due_ms);
}

Test(conn_time, closes_a_connection_that_was_silent_between_requests)
{
    conn_fixture_open(&(hoist_config){.keep_alive_ms = 1});
    wire_send(&w, GET("/say/x"));

    wire_run_until_closed(&w);
    cr_expect_eq(wire_answers(&w), 1);
    cr_expect_not(w.is_reset);
}

Test(conn_time, refuses_a_body_that_stops)
{
    conn_fixture_open(&(hoist_config){.body_timeout_ms = 1});
    wire_send(&w, HALF_BODY);

    wire_expect_last(&w, 0, 408);
}

Test(conn_time, waits_for_ever_without_limits)
{
    static const char *const texts[] = {"", HALF_HEAD, HALF_BODY, GET("/say/x")};

    conn_fixture_open(&(hoist_config){.header_timeout_ms = HOIST_NO_LIMIT,
                                      .body_timeout_ms = HOIST_NO_LIMIT,
                                      .write_timeout_ms = HOIST_NO_LIMIT,
                                      .keep_alive_ms = HOIST_NO_LIMIT});
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        wire_send(&w, texts[i]);
        cr_expect_not(deadline_is_armed(&w.conn.deadline), "row %zu", i);
        wire_close(&w);
        wire_open(&w, &f);
    }
    w.room = 0;
    wire_send(&w, GET("/say/x"));
    cr_expect_not(deadline_is_armed(&w.conn.deadline));
}

Test(conn_time, does_not_count_while_a_request_is_handled)
{
    conn_fixture_open(&(hoist_config){.header_timeout_ms = 1, .keep_alive_ms = 1, .body_timeout_ms = 1});
    wire_send(&w, GET("/pend"));
    wire_send(&w, HALF_HEAD);

    cr_expect_not(deadline_is_armed(&w.conn.deadline));
    conn_finish("first");
    wire_expect_last(&w, 1, 408);
}

/* A close with bytes that come late would reset what the client has not got. */
Test(conn_time, closes_no_silent_connection_before_the_client_has_got_all)
{
    conn_fixture_open(&(hoist_config){.keep_alive_ms = 1});
    wire_send(&w, GET("/say/x"));
    w.queued_len = 1; /* in the kernel */
    LOOP_SPIN_UNTIL(&f.loop, w.is_shut);

    conn_hurry_and_pass();
    wire_send(&w, GET("/say/y"));
    conn_hurry_and_pass();
    cr_expect_not(w.is_closing);
    w.queued_len = 0;
    conn_hurry();
    wire_run_until_closed(&w);
    cr_expect_not(w.is_reset);
    cr_expect_eq(wire_answers(&w), 1);
}

Test(conn_time, waits_for_that_as_long_as_for_a_write)
{
    conn_fixture_open(&(hoist_config){.keep_alive_ms = 1, .write_timeout_ms = 3000});
    wire_send(&w, GET("/say/x"));
    w.queued_len = 1;
    LOOP_SPIN_UNTIL(&f.loop, w.is_shut);

    for (unsigned i = 0; i < 2; i++) {
        conn_hurry_and_pass();
        cr_expect_not(w.is_closing);
    }
    conn_hurry();
    wire_run_until_closed(&w);
}

/* Else ten thousand of them would have to be passed whenever something is to come sooner. */
Test(conn_time, waits_for_that_in_a_list_of_its_own)
{
    const struct deadline *others;

    conn_fixture_open(&(hoist_config){.keep_alive_ms = 1});
    others = &f.app->server.deadlines.others;
    wire_send(&w, GET("/say/x"));
    w.queued_len = 1;
    LOOP_SPIN_UNTIL(&f.loop, w.is_shut);
    cr_expect(deadline_is_armed(&w.conn.deadline));
    cr_expect_eq(others->next, others);
}

Test(conn_time, waits_for_that_also_below_and_above_what_it_waits_at_a_time)
{
    static const struct {
        unsigned write_timeout_ms, n_waits; /* of a second each */
    } rows[] = {{1, 1}, {999, 1}, {1001, 2}, {70 * 1000 * 1000, 70 * 1000}};

    conn_fixture_open(&(hoist_config){.keep_alive_ms = 1});
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        f.app->config.write_timeout_ms = rows[i].write_timeout_ms;
        wire_send(&w, GET("/say/x"));
        w.queued_len = 1;
        LOOP_SPIN_UNTIL(&f.loop, w.is_shut);
        if (rows[i].n_waits > 1) {
            w.conn.n_lingers = rows[i].n_waits - 2;
            conn_hurry_and_pass();
        }
        cr_expect_not(w.is_closing, "%u ms", rows[i].write_timeout_ms);
        conn_hurry();
        wire_run_until_closed(&w);
        wire_close(&w);
        wire_open(&w, &f);
    }
}

/* ---- the server drains ---- */

/* As app.c does it, but for the turns of the loop between. */
static void drain(void)
{
    server_begin_drain(&f.app->server);
    server_drain(&f.app->server);
}

/* As if it had waited for so long. */
static void idle_for(unsigned ms)
{
    cr_assert(w.conn.wait == WAIT_REQUEST || w.conn.wait == WAIT_HEAD);
    w.conn.since_ms -= ms;
}

/* The second one is complete, but begins when the first one's answer is taken. */
Test(conn_drain, would_cut_off_what_has_not_begun_and_what_is_not_taken)
{
    char text[SERVER_CUT_OFF_TEXT];

    w.room = 10;
    wire_send(&w, GET("/say/x") GET("/work"));

    cr_expect_str_eq(server_cut_off_text(&f.app->server, text),
                     "connections cut off: 1, requests: 0 running, 1 waiting, 0 half sent, answers not taken: 1");
}

Test(conn_drain, closes_no_idle_connection_before_the_client_has_got_all)
{
    wire_send(&w, GET("/say/x"));
    w.queued_len = 1;
    idle_for(250);
    drain();

    cr_expect(w.is_shut);
    conn_hurry_and_pass();
    cr_expect_not(w.is_closing);
    w.queued_len = 0;
    conn_hurry();
    wire_run_until_closed(&w);
}

Test(conn_drain, closes_a_connection_at_once_that_was_idle_for_a_quarter_of_a_second)
{
    wire_send(&w, GET("/say/x"));
    idle_for(250);
    drain();

    cr_expect(w.is_closing);
    cr_expect_eq(wire_answers(&w), 1);
}

Test(conn_drain, closes_a_connection_at_once_on_which_nothing_came_for_so_long)
{
    idle_for(250);
    drain();

    cr_expect(w.is_closing);
    cr_expect_eq(w.out_len, 0);
}

/* The next request of a busy client is on its way, as likely as not. */
Test(conn_drain, gives_a_connection_as_long_that_was_used_since)
{
    wire_send(&w, GET("/say/x"));
    idle_for(249);
    drain();
    cr_expect_eq(w.conn.deadline.due_ms, uv_now(&f.loop) + 250);
    conn_hurry();

    wire_run_until_closed(&w);
    cr_expect_eq(wire_answers(&w), 1);
}

Test(conn_drain, gives_a_connection_as_long_that_was_accepted_since)
{
    idle_for(249);
    drain();
    cr_expect_eq(w.conn.deadline.due_ms, uv_now(&f.loop) + 250);
    conn_hurry();

    wire_run_until_closed(&w);
    cr_expect_eq(w.out_len, 0);
}

Test(conn_drain, answers_the_request_that_comes_meanwhile_and_ends)
{
    wire_send(&w, GET("/say/x"));
    drain();
    wire_send(&w, GET("/say/y"));

    wire_expect_body(&w, 0, "x");
    wire_expect_body(&w, 1, "y");
    wire_expect_last(&w, 1, 200);
    cr_expect_eq(w.conn.state, CONN_LINGERING);
}

Test(conn_drain, waits_no_longer_for_empty_lines)
{
    uint64_t due_ms;

    wire_send(&w, GET("/say/x"));
    drain();
    due_ms = w.conn.deadline.due_ms;
    LOOP_SPIN_UNTIL(&f.loop, uv_now(&f.loop) + 250 > due_ms);
    wire_send(&w, "\r\n");

    cr_expect_eq(w.conn.deadline.due_ms, due_ms);
}

/* The wait for the next request, when the drain begins, by that configuration; 0: there is none. */
static void expect_wait(unsigned ms, const hoist_config *config)
{
    conn_fixture_close();
    conn_fixture_open(config);
    wire_send(&w, GET("/say/x"));
    drain();
    cr_expect_eq(w.is_closing, ms == 0);
    cr_expect(ms == 0 || w.conn.deadline.due_ms == uv_now(&f.loop) + ms);
}

Test(conn_drain, waits_no_longer_than_half_of_it_or_than_ever)
{
    expect_wait(100, &(hoist_config){.drain_ms = 200});
    expect_wait(0, &(hoist_config){.drain_ms = 1});
    expect_wait(50, &(hoist_config){.keep_alive_ms = 50});
    expect_wait(250, &(hoist_config){.keep_alive_ms = HOIST_NO_LIMIT, .drain_ms = HOIST_NO_LIMIT});
}

Test(conn_drain, closes_an_idle_connection_at_once_that_has_no_limit)
{
    conn_fixture_close();
    conn_fixture_open(&(hoist_config){.keep_alive_ms = HOIST_NO_LIMIT});
    wire_send(&w, GET("/say/x"));
    idle_for(250);
    drain();

    cr_expect(w.is_closing);
}

/* Each gets half of what is left, so there is always an end before that of the drain. */
Test(conn_drain, leaves_half_of_what_is_left_for_what_follows)
{
    conn_fixture_close();
    conn_fixture_open(&(hoist_config){.drain_ms = 400});
    drain();
    cr_expect_eq(w.conn.deadline.due_ms, uv_now(&f.loop) + 200);
    f.app->server.drain_due_ms -= 200;
    wire_send(&w, HALF_HEAD);
    cr_expect_eq(w.conn.deadline.due_ms, uv_now(&f.loop) + 100);
    f.app->server.drain_due_ms -= 100;
    wire_send(&w, "st: t\r\n\r\n");

    cr_expect_eq(w.conn.state, CONN_LINGERING);
    cr_expect_eq(w.conn.deadline.due_ms, uv_now(&f.loop) + 50);
}

/* The timer that cuts off whoever is left may come later in the turn. */
Test(conn_drain, leaves_a_moment_when_nothing_is_left)
{
    wire_send(&w, HALF_HEAD);
    drain();
    f.app->server.drain_due_ms = uv_now(&f.loop) - 1;
    wire_send(&w, "st: t\r\n\r\n");

    cr_expect_eq(w.conn.state, CONN_LINGERING);
    cr_expect_eq(w.conn.deadline.due_ms, uv_now(&f.loop) + 1);
}

/* Its answer was not yet written when the drain began. */
Test(conn_drain, counts_from_the_end_of_an_answer)
{
    w.room = 10;
    wire_send(&w, GET("/big"));
    server_begin_drain(&f.app->server);
    while (w.has_write)
        wire_take(&w, 100000);
    server_drain(&f.app->server);

    cr_expect_eq(w.conn.deadline.due_ms, uv_now(&f.loop) + 250);
}

/* However long ago it began. */
Test(conn_drain, closes_nothing_that_is_half_received)
{
    wire_send(&w, HALF_HEAD);
    idle_for(5000);
    drain();
    cr_expect_not(w.is_closing);
    cr_expect_eq(w.conn.state, CONN_READING);
}

Test(conn_drain, still_answers_requests_that_were_on_their_way)
{
    server_begin_drain(&f.app->server);
    wire_send(&w, GET("/say/x") GET("/say/y"));

    wire_expect_body(&w, 0, "x");
    wire_expect_last(&w, 1, 200);
    cr_expect_eq(w.conn.state, CONN_LINGERING);
}

Test(conn_drain, gives_half_a_head_a_second)
{
    wire_send(&w, HALF_HEAD);
    drain();
    cr_expect_eq(w.conn.deadline.due_ms, uv_now(&f.loop) + 1000);
    conn_hurry();

    wire_expect_last(&w, 0, 408);
}

Test(conn_drain, answers_a_request_whose_other_half_comes)
{
    static const char *const halves[][2] = {{HALF_HEAD, "st: t\r\n\r\n"}, {HALF_BODY, "cde"}};

    for (size_t i = 0; i < 2; i++) {
        wire_send(&w, halves[i][0]);
        drain();
        wire_send(&w, halves[i][1]);
        wire_expect_last(&w, 0, 200);
        wire_close(&w);
        wire_open(&w, &f);
    }
}

Test(conn_drain, answers_what_is_handled_and_what_has_come_behind_it)
{
    wire_send(&w, GET("/pend"));
    drain();
    wire_send(&w, GET("/say/x") GET("/say/y"));
    cr_expect_not(w.is_closing);
    conn_finish("first");

    wire_expect_body(&w, 0, "first");
    wire_expect_body(&w, 1, "x");
    wire_expect_last(&w, 2, 200);
    cr_expect_eq(w.conn.state, CONN_LINGERING);
}

/* One read takes 64 KiB. */
Test(conn_drain, answers_what_is_not_read_yet_at_its_first_answer)
{
    static const char rest[] = GET("/say/y") GET("/say/z");

    server_begin_drain(&f.app->server);
    w.unread = sizeof(rest) - 1;
    wire_send(&w, GET("/say/x"));
    w.unread = 0;
    wire_send(&w, rest);

    wire_expect_body(&w, 0, "x");
    wire_expect_body(&w, 1, "y");
    wire_expect_last(&w, 2, 200);
}

/* Else a client that always has one more on its way would keep the server from its end. */
Test(conn_drain, answers_nothing_that_comes_after_its_first_answer)
{
    wire_send(&w, GET("/pend"));
    wire_send(&w, GET("/pend"));
    drain();
    conn_finish("first");
    wire_send(&w, GET("/say/x"));
    conn_finish("second");

    wire_expect_body(&w, 0, "first");
    wire_expect_last(&w, 1, 200);
    cr_expect_eq(w.conn.state, CONN_LINGERING);
    cr_expect_eq(conn_calls, 2);
}

Test(conn_drain, writes_an_answer_to_its_end)
{
    w.room = 10;
    wire_send(&w, GET("/big"));
    drain();
    while (w.has_write)
        wire_take(&w, 100000);

    wire_run_until_closed(&w);
    cr_expect_eq(wire_answer(&w, 0)->body_len, BIG);
    cr_expect_not(w.is_reset);
}

Test(conn_drain, lets_a_last_answer_linger_for_half_of_what_is_left_at_most)
{
    f.app->config.drain_ms = 1000;
    wire_send(&w, "BAD\r\n\r\n");
    drain();
    cr_expect_not(w.is_closing);
    cr_expect_eq(w.conn.deadline.due_ms, uv_now(&f.loop) + 500);
    conn_on_eof(&w.conn);

    wire_run_until_closed(&w);
    wire_expect_last(&w, 0, 400);
}

Test(conn_drain, does_not_touch_a_connection_that_closes)
{
    conn_close(&w.conn, false);
    drain();
    server_abort(&f.app->server);

    wire_run_until_closed(&w);
}
