/* How a connection ends: the client leaves, a limit is over, a write fails, the server drains; in each state. */
#include "lib/conn_fixture.h"
#include "lib/fail_malloc.h"
#include "server/server.h"

#include <errno.h>
#include <string.h>

#define HALF_HEAD "GET /say/x HTTP/1.1\r\nHo"
#define HALF_BODY "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nab"

enum { LINGERS_MAX = 30, LINGER_BYTES_PER_S = 500 };

TestSuite(conn_eof, .init = conn_fixture_open_plain, .fini = conn_fixture_close, .timeout = 20);
TestSuite(conn_error, .init = conn_fixture_open_plain, .fini = conn_fixture_close, .timeout = 20);
TestSuite(conn_linger, .init = conn_fixture_open_plain, .fini = conn_fixture_close, .timeout = 20);

/* ---- the client ends its sending side ---- */

Test(conn_eof, closes_an_idle_connection)
{
    wire_send(&w, GET("/say/x"));
    conn_on_eof(&w.conn);

    wire_run_until_closed(&w);
    cr_expect_not(w.is_reset);
    cr_expect_eq(wire_answers(&w), 1);
}

Test(conn_eof, takes_an_empty_line_for_nothing)
{
    wire_send(&w, "\r\n");
    conn_on_eof(&w.conn);

    wire_run_until_closed(&w);
    cr_expect_eq(w.out_len, 0);
}

Test(conn_eof, refuses_a_request_that_is_cut_off_and_closes)
{
    static const char *const halves[] = {HALF_HEAD, HALF_BODY, "\r\nG"};

    for (size_t i = 0; i < sizeof(halves) / sizeof(halves[0]); i++) {
        wire_send(&w, halves[i]);
        conn_on_eof(&w.conn);
        wire_run_until_closed(&w);

        wire_expect_last(&w, 0, 400);
        cr_expect_not(w.is_reset);
        wire_open(&w, &f);
    }
}

Test(conn_eof, still_answers_a_request_that_needs_no_worker)
{
    wire_send(&w, GET("/pend"));
    conn_on_eof(&w.conn);
    cr_expect_not(w.is_closing);
    cr_expect(hoist_req_cancelled(conn_pending));
    conn_finish("late");

    wire_run_until_closed(&w);
    cr_expect(answer_body_is(wire_answer(&w, 0), "late"));
}

Test(conn_eof, still_answers_what_was_read_ahead)
{
    wire_send(&w, GET("/pend"));
    wire_send(&w, GET("/say/a") GET("/say/b"));
    conn_on_eof(&w.conn);
    conn_finish("first");

    wire_run_until_closed(&w);
    cr_expect_eq(wire_answers(&w), 3);
    cr_expect(answer_body_is(wire_answer(&w, 2), "b"));
}

Test(conn_eof, still_writes_what_is_not_taken)
{
    w.room = 0;
    wire_send(&w, GET("/big"));
    conn_on_eof(&w.conn);
    cr_expect_not(w.is_closing);
    while (w.has_write)
        wire_take(&w, BIG / 3);

    wire_run_until_closed(&w);
    cr_expect_not(w.is_reset);
    cr_expect_eq(wire_answer(&w, 0)->body_len, BIG);
}

Test(conn_eof, ends_the_lingering)
{
    wire_send(&w, "BAD\r\n\r\n");
    cr_expect_eq(w.conn.state, CONN_LINGERING);
    conn_on_eof(&w.conn);

    cr_expect(w.is_closing, "at once");
    wire_run_until_closed(&w);
    cr_expect_not(w.is_reset);
}

Test(conn_eof, closes_at_once_behind_a_last_answer)
{
    wire_send(&w, GET("/pend"));
    wire_send(&w, "BAD\r\n\r\n");
    conn_on_eof(&w.conn);
    conn_finish("first");

    wire_run_until_closed(&w);
    wire_expect_last(&w, 1, 400);
    cr_expect_not(w.is_shut);
}

Test(conn_eof, means_nothing_once_the_connection_closes)
{
    conn_close(&w.conn, false);
    conn_on_eof(&w.conn);
    conn_on_error(&w.conn);
    wire_run_until_closed(&w);
}

/* ---- the client resets, or a write fails ---- */

static void expect_reset(void)
{
    wire_run_until_closed(&w);
    cr_expect(w.is_reset);
    cr_expect_eq(f.app->server.n_conns, 0);
}

Test(conn_error, closes_in_every_state_of_reading)
{
    static const char *const texts[] = {"", HALF_HEAD, HALF_BODY, GET("/say/x"), GET("/say/x") HALF_HEAD};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        wire_send(&w, texts[i]);
        conn_on_error(&w.conn);
        cr_expect_eq(f.app->server.n_exchanges, 0);
        expect_reset();
        wire_open(&w, &f);
    }
}

Test(conn_error, cancels_the_request_in_hand)
{
    wire_send(&w, GET("/pend"));
    conn_on_error(&w.conn);
    cr_expect(hoist_req_cancelled(conn_pending));
    cr_expect_eq(app_fixture_abandoned(&f), 1);

    expect_reset();
    conn_finish("late");
    cr_expect_eq(f.app->server.n_exchanges, 0);
    cr_expect_eq(w.out_len, 0);
}

Test(conn_error, forgets_a_request_that_is_about_to_end)
{
    wire_send(&w, GET("/pend"));
    hoist_finish(conn_pending, 0);
    conn_pending = NULL;
    cr_expect_eq(f.app->server.n_due, 1);
    conn_on_error(&w.conn);

    cr_expect_eq(f.app->server.n_due, 0);
    cr_expect_eq(f.app->server.n_exchanges, 0);
    expect_reset();
}

Test(conn_error, drops_what_is_not_taken)
{
    w.room = 10;
    wire_send(&w, GET("/give"));
    conn_on_error(&w.conn);

    cr_expect_eq(conn_freed, 1);
    expect_reset();
}

Test(conn_error, ends_the_lingering)
{
    wire_send(&w, "BAD\r\n\r\n");
    conn_on_error(&w.conn);

    expect_reset();
}

Test(conn_error, closes_when_a_write_fails_at_once)
{
    static const char *const texts[] = {GET("/say/a") GET("/say/b"), GET("/give"), "BAD\r\n\r\n"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        w.error = -EPIPE;
        wire_send(&w, texts[i]);
        cr_expect_eq(f.app->server.n_exchanges, 0);
        expect_reset();
        wire_open(&w, &f);
    }
    cr_expect_eq(conn_freed, 1);
}

static ssize_t take_none(struct conn *conn, const uv_buf_t *bufs, unsigned n)
{
    (void)conn;
    (void)bufs;
    (void)n;
    return 0;
}

Test(conn_error, closes_when_a_write_cannot_begin)
{
    struct conn_io io = *w.conn.io;

    io.try_write = take_none;
    w.conn.io = &io;
    w.error = -ENOMEM;
    wire_send(&w, GET("/give"));

    cr_expect_eq(w.writes, 1);
    cr_expect_eq(conn_freed, 1);
    expect_reset();
}

Test(conn_error, closes_when_a_write_fails_later)
{
    w.room = 0;
    wire_send(&w, GET("/give"));
    w.has_write = false;
    w.queued_len = 0;
    conn_on_written(&w.conn, -ECONNRESET);

    cr_expect_eq(conn_freed, 1);
    expect_reset();
}

/* ---- a last answer lingers, so that it arrives ---- */

Test(conn_linger, closes_when_no_more_bytes_come)
{
    static char junk[1024 * 1024];

    wire_send(&w, "BAD\r\n\r\n");
    cr_expect(w.is_shut);
    cr_expect_eq(w.conn.deadline.due_ms, uv_now(&f.loop) + 1000);
    cr_expect_eq(wire_send_cut(&w, junk, sizeof(junk), 0), sizeof(junk));
    conn_hurry_and_pass();
    cr_expect_not(w.is_closing, "some came in that second");
    conn_hurry();

    wire_run_until_closed(&w);
    cr_expect_not(w.is_reset);
    wire_expect_last(&w, 0, 400);
}

Test(conn_linger, does_not_wait_for_a_trickle)
{
    static char junk[LINGER_BYTES_PER_S - 1];

    wire_send(&w, "BAD\r\n\r\n");
    wire_send_cut(&w, junk, sizeof(junk), 0);
    conn_hurry_and_pass();

    cr_expect(w.is_closing);
    wire_run_until_closed(&w);
    cr_expect_not(w.is_reset);
}

Test(conn_linger, closes_after_a_while_whatever_comes)
{
    static char junk[LINGER_BYTES_PER_S];

    wire_send(&w, "BAD\r\n\r\n");
    for (unsigned i = 1; i < LINGERS_MAX; i++) {
        wire_send_cut(&w, junk, sizeof(junk), 0);
        conn_hurry_and_pass();
        cr_expect_not(w.is_closing, "after %u s", i);
    }
    wire_send_cut(&w, junk, sizeof(junk), 0);
    conn_hurry_and_pass();

    cr_expect(w.is_closing);
    wire_run_until_closed(&w);
    cr_expect_not(w.is_reset);
}

Test(conn_linger, does_not_keep_a_drain_for_more_than_a_second)
{
    static char junk[LINGER_BYTES_PER_S];

    wire_send(&w, "BAD\r\n\r\n");
    server_begin_drain(&f.app->server);
    server_drain(&f.app->server);
    wire_send_cut(&w, junk, sizeof(junk), 0);
    cr_expect_not(w.is_closing);
    conn_hurry_and_pass();

    cr_expect(w.is_closing);
    wire_run_until_closed(&w);
    cr_expect_not(w.is_reset);
}

Test(conn_linger, reads_on_when_reading_had_stopped)
{
    static char junk[200 * 1024];

    wire_send(&w, GET("/pend"));
    wire_send_cut(&w, junk, sizeof(junk), 0);
    cr_expect_not(w.is_reading);
    conn_finish("first");

    wire_expect_last(&w, 1, 400);
    cr_expect(w.is_reading);
    cr_expect_eq(w.conn.ahead.cap, 0);
}

Test(conn_linger, follows_a_half_close_behind_bytes_that_are_not_read)
{
    static char junk[200 * 1024];

    wire_send(&w, GET("/say/x") GET("/wait"));
    wire_send_cut(&w, junk, sizeof(junk), 0);
    cr_expect_not(w.is_reading);
    conn_on_leaving(&w.conn);

    cr_expect_eq(f.app->server.n_exchanges, 0);
    cr_expect(w.is_shut);
    cr_expect(w.is_reading);
    cr_expect_not(w.is_closing, "a reset would take the first answer along");
    conn_on_eof(&w.conn);
    wire_run_until_closed(&w);
    cr_expect_not(w.is_reset);
}

Test(conn_linger, begins_when_the_last_answer_is_written)
{
    w.room = 0;
    wire_send(&w, "GET /big HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    cr_expect_not(w.is_shut);
    wire_send(&w, "bytes behind it");
    wire_take(&w, SIZE_MAX);

    cr_expect(w.is_shut);
    cr_expect_eq(w.conn.state, CONN_LINGERING);
    wire_expect_last(&w, 0, 200);
}

/* Most clients read only when they have sent all. */
Test(conn_linger, throws_away_what_comes_while_the_last_answer_is_written)
{
    static char junk[200 * 1024];

    w.room = 0;
    wire_send(&w, "GET /big HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    cr_expect_eq(wire_send_cut(&w, junk, sizeof(junk), 0), sizeof(junk));
    cr_expect_eq(w.conn.ahead.cap, 0);
    wire_take(&w, SIZE_MAX);

    wire_expect_last(&w, 0, 200);
}

/* ---- memory that runs out ---- */

Test(conn_error, refuses_a_request_for_which_there_is_no_memory)
{
    fail_malloc_at(1);
    wire_send(&w, GET("/say/x"));
    fail_malloc_at(0);

    wire_expect_last(&w, 0, 503);
    cr_expect_eq(conn_calls, 0);
}

/* Not so what is in hand. */
Test(conn_error, refuses_what_it_cannot_read_ahead_for_want_of_memory)
{
    wire_send(&w, GET("/pend"));
    fail_malloc_at(1);
    wire_send(&w, GET("/say/lost"));
    cr_expect(fail_malloc_failed());
    fail_malloc_at(0);
    cr_expect_not(w.is_reading);
    cr_expect_not(w.is_closing);
    conn_finish("first");

    wire_expect_body(&w, 0, "first");
    wire_expect_last(&w, 1, 503);
}

/* They are written first, and the refusal waits until they are taken. */
Test(conn_error, refuses_behind_answers_that_are_held)
{
    f.app->server.holds = true;
    w.room = 10;
    fail_malloc_at(2); /* the first is for an exchange */
    wire_send(&w, GET("/say/x") "GET /say/y");
    cr_expect(fail_malloc_failed());
    fail_malloc_at(0);
    conn_write_held(&f.app->server);
    w.room = SIZE_MAX;
    wire_take(&w, SIZE_MAX);

    wire_expect_body(&w, 0, "x");
    wire_expect_last(&w, 1, 503);
}

/* Asks for a body behind so many gathered bytes that one more answer just fits, with a head too long for an exchange
 * without memory of its own. Returns the length. */
static size_t write_full_read(char *text, size_t size)
{
    enum { ROOM = OUT_BUFFER - REPLY_HEAD_MAX - 16 * 1024 };
    char body[ROOM];
    size_t len = 0, medium, echo;

    wire_send(&w, GET("/medium/x"));
    medium = w.out_len;
    wire_send(&w, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbody");
    echo = w.out_len - medium - 1; /* and three more digits in its Content-Length */
    memset(body, 'b', sizeof(body));
    for (unsigned i = 0; i < 4; i++)
        len += (size_t)snprintf(text + len, size - len, GET("/medium/x"));
    len += (size_t)snprintf(text + len, size - len, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: %zu\r\n\r\n%.*s",
                            ROOM - 4 * medium - echo, (int)(ROOM - 4 * medium - echo), body);
    len += (size_t)snprintf(
        text + len, size - len,
        "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nExpect: 100-continue\r\nX: %.*s\r\n\r\n", 3000, body);
    return len;
}

/* A refusal that follows an interim answer must find room in the buffer, too. */
Test(conn_error, refuses_for_want_of_memory_behind_as_many_answers_as_fit)
{
    static char text[32 * 1024];
    size_t len = write_full_read(text, sizeof(text));
    bool failed = true;

    for (unsigned n = 1; failed; n++) {
        wire_close(&w);
        wire_open(&w, &f);
        fail_malloc_at(n);
        wire_send_cut(&w, text, len, 0);
        failed = fail_malloc_failed();
        fail_malloc_at(0);
        if (!failed)
            cr_expect_eq(wire_answer(&w, 5)->status, 100);
    }
    cr_expect_eq(w.tries, 1, "all but the interim answer were not gathered");
}
