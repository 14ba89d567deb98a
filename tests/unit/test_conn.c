/* A connection on a transport of the test's own: requests in, answers out, however the bytes are cut. */
#include "lib/conn_fixture.h"
#include "server/server.h"

#include <stdlib.h>
#include <string.h>

#define POST(fields, body) "POST /echo HTTP/1.1\r\nHost: t\r\n" fields "\r\n" body

TestSuite(conn, .init = conn_fixture_open_plain, .fini = conn_fixture_close, .timeout = 60);

static const char *field(unsigned n, const char *name)
{
    static char value[256];

    return answer_field(wire_answer(&w, n), name, value, sizeof(value));
}

/* ---- writing in pieces ---- */

/* Of what is answered to text, the socket takes `room` bytes at once, then step bytes at a time. */
static void answer_in_pieces(const char *text, size_t room, size_t step)
{
    w.out_len = 0;
    w.room = room;
    wire_send(&w, text);
    while (w.has_write)
        wire_take(&w, step);
}

Test(conn, writes_an_answer_that_the_socket_takes_in_two_parts_at_any_byte)
{
    size_t len;

    answer_in_pieces(GET("/say/hello"), SIZE_MAX, 0);
    len = w.out_len;
    for (size_t room = 0; room <= len; room++) {
        answer_in_pieces(GET("/say/hello"), room, SIZE_MAX);
        cr_assert_eq(w.out_len, len, "cut at %zu", room);
        wire_expect_body(&w, 0, "hello");
        cr_assert_eq(w.conn.state, CONN_READING);
    }
}

Test(conn, writes_pipelined_answers_one_byte_at_a_time)
{
    answer_in_pieces(GET("/say/a") GET("/say/b") GET("/say/c"), 0, 1);

    wire_expect_body(&w, 0, "a");
    wire_expect_body(&w, 1, "b");
    wire_expect_body(&w, 2, "c");
    cr_expect_eq(w.writes, 1);
    answer_in_pieces(GET("/say/d"), SIZE_MAX, 0);
    wire_expect_body(&w, 0, "d");
}

Test(conn, writes_pipelined_answers_that_are_cut_at_any_byte)
{
    static const char text[] = GET("/say/a") GET("/say/b") GET("/say/c");
    size_t len;

    answer_in_pieces(text, SIZE_MAX, 0);
    len = w.out_len;
    for (size_t room = 0; room < len; room++) {
        answer_in_pieces(text, room, 7);
        cr_assert_eq(w.out_len, len, "cut at %zu", room);
        wire_expect_body(&w, 0, "a");
        wire_expect_body(&w, 1, "b");
        wire_expect_body(&w, 2, "c");
    }
}

Test(conn, writes_a_large_body_that_is_cut_anywhere)
{
    static const size_t rooms[] = {0, 1, 100, 200, 300, 65536, 500000, BIG, BIG + 100};

    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
        answer_in_pieces(GET("/big") GET("/say/next"), rooms[i], 65537);
        wire_expect_body(&w, 0, conn_big);
        w.room = SIZE_MAX;
        wire_expect_body(&w, 1, "next");
    }
}

/* One read brings a whole request and a part of the next, whose rest comes when the first answer is taken. */
static void answer_cut_behind(const char *first, const char *request, size_t at)
{
    char text[512];
    int len = snprintf(text, sizeof(text), "%s%.*s", first, (int)at, request);

    w.out_len = 0;
    w.room = 0;
    wire_send_cut(&w, text, (size_t)len, 0);
    w.room = SIZE_MAX;
    wire_take(&w, SIZE_MAX);
    wire_send(&w, request + at);
}

Test(conn, goes_on_with_a_request_that_was_half_there_while_it_wrote)
{
    static const char request[] = POST("Content-Length: 5\r\n", "hello");

    for (size_t at = 1; at < sizeof(request) - 1; at++) {
        w.out_len = 0;
        w.room = 0;
        wire_send(&w, GET("/say/before"));
        wire_send_cut(&w, request, at, 0);
        w.room = SIZE_MAX;
        wire_take(&w, SIZE_MAX);
        wire_send_cut(&w, request + at, sizeof(request) - 1 - at, 0);
        wire_expect_body(&w, 1, "hello");

        answer_cut_behind(GET("/say/before"), request, at);
        wire_expect_body(&w, 1, "hello");
    }
}

/* ---- gathering ---- */

Test(conn, writes_the_answers_to_the_requests_of_one_read_at_once)
{
    wire_send(&w, GET("/say/a") GET("/say/b") GET("/none") GET("/say/c"));

    cr_expect_eq(w.tries, 1);
    cr_expect_eq(wire_answers(&w), 4);
    wire_expect_body(&w, 1, "b");
    cr_expect_eq(wire_answer(&w, 2)->status, 404);
    wire_expect_body(&w, 3, "c");
}

static void pipeline(const char *request, unsigned n)
{
    char *text = calloc(n, strlen(request) + 1);

    cr_assert_not_null(text);
    for (unsigned i = 0; i < n; i++)
        strcat(text + i * strlen(request), request);
    cr_expect_eq(wire_send(&w, text), strlen(text));
    free(text);
}

Test(conn, gathers_no_more_than_its_buffer_holds)
{
    pipeline(GET("/medium/x"), 40);

    cr_expect_eq(wire_answers(&w), 40);
    cr_expect_geq(w.tries, 40 * MEDIUM / OUT_BUFFER);
    cr_expect_leq(w.tries, 10);
    for (unsigned i = 0; i < 40; i++)
        cr_assert_eq(wire_answer(&w, i)->body_len, MEDIUM);
}

Test(conn, stops_parsing_while_answers_are_not_taken)
{
    w.room = 0;
    pipeline(GET("/medium/x"), 40);

    cr_expect_leq(conn_calls, OUT_BUFFER / MEDIUM);
    while (w.has_write)
        wire_take(&w, 1000);
    cr_expect_eq(conn_calls, 40);
    cr_expect_eq(wire_answers(&w), 40);
}

/* Each has a head of its own, which points into the bytes of a read, and a body of its own. */
static void pipeline_echoes(unsigned n)
{
    enum { LEN = 6000 };
    static char text[20 * (LEN + 128)];
    size_t len = 0;

    for (unsigned i = 0; i < n; i++) {
        len += (size_t)sprintf(text + len, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Type: text/%u\r\n", i);
        len += (size_t)sprintf(text + len, "Content-Length: %d\r\n\r\n%*u", LEN, LEN, i);
    }
    wire_send(&w, text);
}

Test(conn, keeps_no_head_of_a_request_that_waits_for_answers_to_be_taken)
{
    char type[32], wanted[32];

    w.room = 0;
    pipeline_echoes(20);
    while (w.has_write)
        wire_take(&w, 1000);

    cr_expect_eq(wire_answers(&w), 20);
    for (unsigned i = 0; i < 20; i++) {
        (void)sprintf(wanted, "text/%u", i);
        cr_expect_str_eq(answer_field(wire_answer(&w, i), "Content-Type", type, sizeof(type)), wanted);
    }
}

Test(conn, begins_no_request_behind_answers_that_cannot_be_written)
{
    w.error = UV_ECONNRESET;
    pipeline_echoes(20);

    cr_expect(w.is_closing);
    cr_expect_null(w.conn.exchange);
}

Test(conn, does_not_copy_a_large_body)
{
    w.room = 0;
    wire_send(&w, GET("/big"));

    cr_assert(w.has_write);
    cr_expect_eq(w.queued[1].base, (char *)conn_big);
    cr_expect_eq(w.queued[1].len, BIG);
    wire_take(&w, SIZE_MAX);
    wire_expect_body(&w, 0, conn_big);
    cr_expect_eq(f.app->server.figures.sent, w.out_len, "nor leaves it out of what is sent");
}

Test(conn, keeps_a_given_body_until_it_is_written)
{
    w.room = 1000;
    wire_send(&w, GET("/give"));
    wire_take(&w, BIG / 2);
    cr_expect_eq(conn_freed, 0);
    wire_take(&w, BIG);

    cr_expect_eq(conn_freed, 1);
    cr_expect_eq(wire_answer(&w, 0)->body_len, BIG);
    cr_expect_eq(wire_answer(&w, 0)->body[BIG - 1], 'g');
}

Test(conn, frees_a_given_body_of_an_answer_that_cannot_be_written)
{
    w.room = 1000;
    wire_send(&w, GET("/give"));
    wire_close(&w);

    cr_expect_eq(conn_freed, 1);
}

/* ---- the framing of answers ---- */

Test(conn, answers_head_with_the_length_and_without_the_body)
{
    static const char *const paths[] = {"/say/hello", "/big"};
    static const char *const lengths[] = {"5", "1048576"};

    for (size_t i = 0; i < 2; i++) {
        char text[100], value[32];
        struct answer head = {.head = w.out, .head_len = 0};

        w.out_len = 0;
        snprintf(text, sizeof(text), "HEAD %s HTTP/1.1\r\nHost: t\r\n\r\n", paths[i]);
        wire_send(&w, text);
        head.head_len = w.out_len;
        cr_expect_str_eq(answer_field(&head, "Content-Length", value, sizeof(value)), lengths[i]);
        cr_expect_eq(memcmp(w.out + w.out_len - 4, "\r\n\r\n", 4), 0);
        cr_expect_eq(w.conn.state, CONN_READING);
    }
}

Test(conn, refuses_head_without_a_body)
{
    static const char *const texts[] = {"HEAD /#", "HEAD /say/x HTTP/1.1\r\n\r\n",
                                        "HEAD /say/x HTTP/1.1\r\nHost: t\r\nContent-Length: x\r\n\r\n"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        w.out_len = 0;
        wire_send(&w, texts[i]);
        cr_expect_eq(memcmp(w.out, "HTTP/1.1 400 ", 13), 0, "%s", texts[i]);
        cr_expect_eq(memcmp(w.out + w.out_len - 4, "\r\n\r\n", 4), 0, "%s", texts[i]);
        wire_close(&w);
        wire_open(&w, &f);
    }
}

Test(conn, stays_open_as_the_request_says)
{
    static const struct {
        const char *version, *field, *connection;
        bool stays;
    } rows[] = {
        {"1.1", "", NULL, true},
        {"1.1", "Connection: close\r\n", "close", false},
        {"1.0", "", "close", false},
        {"1.0", "Connection: keep-alive\r\n", "keep-alive", true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[100];
        const char *connection;

        snprintf(text, sizeof(text), "GET /say/x HTTP/%s\r\nHost: t\r\n%s\r\n", rows[i].version, rows[i].field);
        wire_close(&w);
        wire_open(&w, &f);
        wire_send(&w, text);
        connection = field(0, "Connection");
        if (rows[i].connection == NULL)
            cr_expect_null(connection, "row %zu", i);
        else
            cr_expect_str_eq(connection, rows[i].connection, "row %zu", i);
        cr_expect_eq(w.conn.state, rows[i].stays ? CONN_READING : CONN_LINGERING, "row %zu", i);
        cr_expect_eq(w.is_shut, !rows[i].stays, "row %zu", i);
    }
}

Test(conn, parses_nothing_behind_a_request_that_closes)
{
    wire_send(&w, GET("/say/a") "GET /say/b HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n" GET("/say/c"));

    cr_expect_eq(wire_answers(&w), 2);
    cr_expect_eq(conn_calls, 2);
    cr_expect_eq(w.tries, 1);
    cr_expect(w.is_shut);
}

Test(conn, sends_the_answers_before_a_bad_request_then_refuses_and_closes)
{
    wire_send(&w, GET("/say/a") "GET /say/b\r\n\r\n" GET("/say/c"));

    cr_expect_eq(wire_answers(&w), 2);
    wire_expect_body(&w, 0, "a");
    cr_expect_eq(wire_answer(&w, 1)->status, 400);
    cr_expect_str_eq(field(1, "Connection"), "close");
    cr_expect_eq(conn_calls, 1);
    cr_expect_eq(w.conn.state, CONN_LINGERING);
}

Test(conn, stays_open_when_no_route_takes_the_request)
{
    wire_send(&w, GET("/none") "PUT /say/x HTTP/1.1\r\nHost: t\r\n\r\n"
                               "OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n"
                               "OPTIONS /echo HTTP/1.1\r\nHost: t\r\n\r\n" GET("/say/x"));

    cr_expect_eq(wire_answer(&w, 0)->status, 404);
    cr_expect_eq(wire_answer(&w, 1)->status, 405);
    cr_expect_str_eq(field(1, "Allow"), "GET, HEAD, OPTIONS");
    cr_expect_eq(wire_answer(&w, 2)->status, 204);
    cr_expect_eq(wire_answer(&w, 3)->status, 204);
    cr_expect_str_eq(field(3, "Allow"), "POST, OPTIONS");
    wire_expect_body(&w, 4, "x");
}

/* ---- requests in pieces ---- */

Test(conn, answers_alike_however_a_request_is_cut)
{
    static const char text[] = GET("/say/one") POST("Content-Length: 5\r\n", "hello")
        POST("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-T: v\r\n\r\n") GET("/say/two");

    for (size_t step = 1; step <= sizeof(text); step++) {
        w.out_len = 0;
        cr_assert_eq(wire_send_cut(&w, text, sizeof(text) - 1, step), sizeof(text) - 1);
        cr_assert_eq(wire_answers(&w), 4, "step %zu", step);
        wire_expect_body(&w, 0, "one");
        wire_expect_body(&w, 1, "hello");
        wire_expect_body(&w, 2, "abcdefg");
        wire_expect_body(&w, 3, "two");
    }
}

Test(conn, keeps_the_head_while_the_body_comes)
{
    static const char text[] = "POST /echo?a=b HTTP/1.1\r\nHost: t\r\nContent-Length: 6\r\n\r\nabc";

    wire_send(&w, text);
    cr_assert_not_null(w.conn.exchange);
    w.conn.exchange->req.is_live = true;
    cr_expect_str_eq(hoist_req_query(&w.conn.exchange->req), "a=b");
    cr_expect_str_eq(hoist_req_header(&w.conn.exchange->req, "content-length"), "6");
    wire_send(&w, "def");

    wire_expect_body(&w, 0, "abcdef");
}

Test(conn, asks_for_a_body_that_waits_for_it)
{
    wire_send(&w, POST("Content-Length: 5\r\nExpect: 100-continue\r\n", ""));
    cr_expect_eq(wire_answer(&w, 0)->status, 100);
    wire_send(&w, "he");
    wire_send(&w, "llo");

    cr_expect_eq(wire_answers(&w), 2);
    wire_expect_body(&w, 1, "hello");
}

Test(conn, asks_for_no_body_that_comes_already)
{
    wire_send(&w, POST("Content-Length: 5\r\nExpect: 100-continue\r\n", "hello"));

    wire_expect_body(&w, 0, "hello");
    wire_send(&w, POST("Content-Length: 5\r\nExpect: 100-continue\r\n", "he"));
    cr_expect_eq(wire_answers(&w), 1);
    wire_send(&w, "llo");

    wire_expect_body(&w, 1, "hello");
    cr_expect_eq(wire_answers(&w), 2);
    wire_send(&w, POST("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n", "5\r\n"));
    cr_expect_eq(wire_answers(&w), 2);
    wire_send(&w, "hello\r\n0\r\n\r\n");

    wire_expect_body(&w, 2, "hello");
    cr_expect_eq(wire_answers(&w), 3);
}

Test(conn, wants_no_body_for_what_it_refuses)
{
    wire_send(&w, "POST /none HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");

    cr_expect_eq(wire_answers(&w), 1);
    cr_expect_eq(wire_answer(&w, 0)->status, 404);
    cr_expect_eq(w.conn.state, CONN_LINGERING);
}

Test(conn, refuses_a_body_over_its_routes_limit_before_it_comes)
{
    wire_send(&w, POST("Content-Length: 1000001\r\nExpect: 100-continue\r\n", ""));

    cr_expect_eq(wire_answers(&w), 1);
    cr_expect_eq(wire_answer(&w, 0)->status, 413);
    cr_expect_eq(w.conn.state, CONN_LINGERING);
}

Test(conn, takes_a_body_as_large_as_its_routes_limit)
{
    static char text[1000200];
    size_t head = (size_t)sprintf(text, POST("Content-Length: 1000000\r\n", ""));

    memset(text + head, 'b', 1000000);
    cr_expect_eq(wire_send_cut(&w, text, head + 1000000, 0), head + 1000000);

    cr_expect_eq(wire_answer(&w, 0)->body_len, 1000000);
}

/* ---- reading ahead ---- */

Test(conn, reads_on_while_it_handles_a_request)
{
    wire_send(&w, GET("/pend"));
    wire_send(&w, GET("/say/next"));

    cr_expect(w.is_reading);
    cr_expect_eq(wire_answers(&w), 0);
    conn_finish("first");
    wire_expect_body(&w, 0, "first");
    wire_expect_body(&w, 1, "next");
}

Test(conn, stops_reading_ahead_at_its_limit_and_goes_on_later)
{
    enum { N = 6000 };
    static char text[N * sizeof(GET("/say/x"))];
    size_t len = 0, sent;

    for (unsigned i = 0; i < N; i++)
        len += (size_t)sprintf(text + len, GET("/say/x"));
    wire_send(&w, GET("/pend"));
    sent = wire_send_cut(&w, text, len, 1000);
    cr_expect_not(w.is_reading);
    cr_expect_geq(sent, 64 * 1024);
    cr_expect_lt(sent, 64 * 1024 + 1000);

    conn_finish("first");
    cr_expect(w.is_reading);
    cr_expect_eq(wire_send_cut(&w, text + sent, len - sent, 1000), len - sent);
    cr_expect_eq(wire_answers(&w), N + 1);
    wire_expect_body(&w, N, "x");
}

Test(conn, stops_reading_while_an_answer_is_not_taken_and_much_was_read_ahead)
{
    static char text[256 * 1024];
    size_t sent;

    memset(text, 'x', sizeof(text));
    memcpy(text, GET("/say/x"), strlen(GET("/say/x")));
    w.room = 0;
    wire_send(&w, GET("/big"));
    sent = wire_send_cut(&w, text, sizeof(text), 0);

    cr_expect_not(w.is_reading);
    cr_expect_leq(sent, 128 * 1024);
    w.room = SIZE_MAX;
    wire_take(&w, SIZE_MAX);
    cr_expect_eq(wire_answer(&w, 1)->status, 200);
}
