/* Answers that wait until every socket that is ready has been read: none is lost, late or out of order, whatever comes
 * between. */
#include "lib/conn_fixture.h"
#include "server/server.h"

#include <errno.h>
#include <string.h>

enum { OTHERS = HELD_MAX };

static struct wire others[OTHERS];

static void open_holding(void)
{
    conn_fixture_open_plain();
    f.app->server.holds = true;
}

TestSuite(conn_held, .init = open_holding, .fini = conn_fixture_close, .timeout = 30);

/* One connection's bytes of this turn of the loop; it is not over. */
static void read_some(struct wire *wire, const char *text)
{
    char piece[1024];

    cr_assert_lt(strlen(text), sizeof(piece));
    strcpy(piece, text);
    conn_on_bytes(&wire->conn, piece, strlen(text));
    memset(piece, '#', sizeof(piece));
}

static void open_others(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        wire_open(&others[i], &f);
}

static void close_others(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        wire_close(&others[i]);
}

Test(conn_held, writes_once_per_connection_when_the_turn_is_over)
{
    open_others(2);
    read_some(&w, GET("/say/a") GET("/say/b"));
    read_some(&others[0], GET("/say/c"));
    read_some(&others[1], GET("/say/d"));
    cr_expect_eq(w.tries + others[0].tries + others[1].tries, 0, "written before the turn was over");

    uv_run(&f.loop, UV_RUN_NOWAIT);

    cr_expect_eq(w.tries, 1);
    cr_expect_eq(others[0].tries, 1);
    cr_expect_eq(others[1].tries, 1);
    wire_expect_body(&w, 0, "a");
    wire_expect_body(&w, 1, "b");
    wire_expect_body(&others[0], 0, "c");
    wire_expect_body(&others[1], 0, "d");
    close_others(2);
}

/* A run begins with its request, not where that of another connection ended. */
Test(conn_held, counts_no_time_between_two_connections_as_a_run)
{
    uint64_t before_ns;

    cr_assert_eq(spans_init(&f.app->server.loop_spans, 4), 0);
    open_others(1);
    read_some(&w, GET("/say/a"));
    before_ns = uv_hrtime();
    read_some(&others[0], GET("/say/b"));

    cr_assert_eq(f.app->server.loop_spans.next, 2);
    cr_expect_geq(spans_at(&f.app->server.loop_spans, 1)->started_ns, before_ns);
    close_others(1);
}

Test(conn_held, writes_when_enough_of_them_wait)
{
    open_others(OTHERS);
    for (unsigned i = 0; i + 1 < OTHERS; i++)
        read_some(&others[i], GET("/say/x"));
    cr_expect_eq(others[0].tries, 0);

    read_some(&others[OTHERS - 1], GET("/say/x"));

    for (unsigned i = 0; i < OTHERS; i++)
        cr_expect_eq(wire_answers(&others[i]), 1);
    read_some(&w, GET("/say/y"));
    cr_expect_eq(w.tries, 0, "and then it begins anew");
    wire_expect_body(&w, 0, "y");
    close_others(OTHERS);
}

Test(conn_held, writes_when_there_is_no_room_for_one_more_answer)
{
    enum { N = OUT_BUFFER / MEDIUM };

    open_others(N);
    for (unsigned i = 0; i < N; i++)
        read_some(&others[i], GET("/medium/x"));
    cr_expect_eq(wire_answers(&others[0]), 1);
    cr_expect_eq(wire_answers(&others[N - 1]), 0);

    for (unsigned i = 0; i < N; i++)
        cr_expect_eq(wire_answer(&others[i], 0)->body_len, MEDIUM);
    close_others(N);
}

/* What others left of the buffer is no reason to write a connection's answers one by one. */
Test(conn_held, gathers_as_much_as_ever_behind_what_is_held)
{
    open_others(4);
    for (unsigned i = 0; i < 4; i++)
        read_some(&others[i], GET("/medium/x"));

    read_some(&w, GET("/medium/1") GET("/medium/2") GET("/medium/3") GET("/medium/4"));

    for (unsigned i = 0; i < 4; i++) {
        cr_expect_eq(wire_answers(&others[i]), 1);
        cr_expect_eq(wire_answer(&w, i)->body[MEDIUM - 1], '1' + (int)i);
    }
    cr_expect_eq(w.tries, 1);
    close_others(4);
}

Test(conn_held, writes_before_more_of_the_same_connection_is_parsed)
{
    read_some(&w, GET("/say/a"));
    read_some(&w, GET("/say/b"));

    cr_expect_eq(wire_answers(&w), 1);
    wire_expect_body(&w, 0, "a");
    wire_expect_body(&w, 1, "b");
}

Test(conn_held, does_not_hold_back_what_comes_before_a_request_that_waits)
{
    read_some(&w, GET("/say/a") GET("/pend"));

    cr_expect_eq(wire_answers(&w), 1);
    conn_finish("later");
    wire_expect_body(&w, 1, "later");
}

Test(conn_held, writes_the_last_answer_before_the_sending_side_is_shut)
{
    read_some(&w, "GET /say/a HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");

    cr_expect(w.is_shut);
    wire_expect_last(&w, 0, 200);
}

Test(conn_held, answers_a_client_that_has_ended_its_side)
{
    read_some(&w, GET("/say/a"));
    conn_on_eof(&w.conn);

    cr_expect(w.is_closing);
    wire_expect_body(&w, 0, "a");
}

/* The end of the client's side does not end what the socket has not taken yet. */
Test(conn_held, answers_a_slow_client_that_has_ended_its_side)
{
    w.room = 10;
    read_some(&w, GET("/say/a"));
    conn_on_eof(&w.conn);
    cr_expect(!w.is_closing);

    wire_take(&w, SIZE_MAX);

    cr_expect(w.is_closing);
    wire_expect_body(&w, 0, "a");
}

Test(conn_held, answers_when_the_server_drains)
{
    read_some(&w, GET("/say/a"));
    server_begin_drain(&f.app->server);
    server_drain(&f.app->server);

    wire_expect_body(&w, 0, "a");
}

/* Its request was begun before, and the empty line behind it keeps this answer from being the last one. */
Test(conn_held, answers_what_comes_in_a_drain_before_it_closes)
{
    read_some(&w, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n");
    server_begin_drain(&f.app->server);
    server_drain(&f.app->server);
    read_some(&w, "hi\r\n");
    conn_hurry();

    wire_run_until_closed(&w);
    wire_expect_body(&w, 0, "hi");
}

Test(conn_held, writes_nothing_to_a_client_that_has_reset)
{
    open_others(1);
    read_some(&w, GET("/say/a"));
    read_some(&others[0], GET("/say/b"));
    conn_on_error(&w.conn);

    wire_run_until_closed(&w);

    cr_expect_eq(w.tries, 0);
    wire_expect_body(&others[0], 0, "b");
    close_others(1);
}

Test(conn_held, closes_one_whose_write_fails_and_goes_on_with_the_next)
{
    open_others(1);
    w.error = -ECONNRESET;
    read_some(&w, GET("/say/a"));
    read_some(&others[0], GET("/say/b"));

    wire_run_until_closed(&w);

    wire_expect_body(&others[0], 0, "b");
    close_others(1);
}

Test(conn_held, writes_the_rest_in_time)
{
    w.room = 10;
    read_some(&w, GET("/say/a"));
    uv_run(&f.loop, UV_RUN_NOWAIT);
    cr_expect(w.has_write);

    read_some(&w, GET("/say/b")); /* waits until the client has taken the first one */
    cr_expect_eq(wire_answers(&w), 0);
    w.room = SIZE_MAX;
    wire_take(&w, SIZE_MAX);

    wire_expect_body(&w, 0, "a");
    wire_expect_body(&w, 1, "b");
}

Test(conn_held, is_not_mixed_with_the_answer_of_another_that_is_finished_meanwhile)
{
    open_others(2);
    read_some(&others[0], GET("/pend"));
    read_some(&others[1], GET("/say/b"));
    read_some(&w, GET("/say/a"));
    conn_finish("late");
    cr_expect_eq(wire_answers(&others[0]), 1);

    wire_expect_body(&others[0], 0, "late");
    wire_expect_body(&others[1], 0, "b");
    wire_expect_body(&w, 0, "a");
    close_others(2);
}

/* The other one has more to answer then than goes beside what the first has gathered. */
Test(conn_held, is_not_mixed_with_the_answers_of_another_that_a_handler_finishes)
{
    open_others(2);
    read_some(&others[0], GET("/pend") GET("/medium/1") GET("/medium/2") GET("/medium/3") GET("/medium/4"));
    read_some(&others[0], GET("/medium/5") GET("/medium/6") GET("/medium/7") GET("/medium/8"));
    read_some(&others[1], GET("/say/b"));
    read_some(&w, GET("/say/a") GET("/wake"));

    wire_expect_body(&others[0], 0, "woken");
    for (unsigned i = 1; i <= 8; i++)
        cr_expect_eq(wire_answer(&others[0], i)->body[MEDIUM - 1], '0' + (int)i);
    wire_expect_body(&others[1], 0, "b");
    wire_expect_body(&w, 0, "a");
    wire_expect_body(&w, 1, "wake");
    close_others(2);
}

Test(conn_held, is_not_for_a_loop_that_handlers_block)
{
    f.app->server.holds = false;
    read_some(&w, GET("/say/a"));

    cr_expect_eq(wire_answers(&w), 1);
}
