/* Answers that go on in pieces, over a transport of the test's own. */
#include "lib/app_fixture.h"
#include "server/stream.h"

#include <string.h>

#define GET_STREAM(version) "GET /stream HTTP/" version "\r\nHost: t\r\n\r\n"

struct talk {
    struct stream stream;
    const char *const *pieces; /* "" is nothing now; NULL: over */
    unsigned closed;
};

static struct app_fixture f;
static struct wire w;
static struct talk talk;

static ssize_t fill(struct stream *stream, char *out, size_t size)
{
    struct talk *t = (struct talk *)stream;
    const char *piece = *t->pieces;

    if (piece == NULL)
        return STREAM_OVER;
    t->pieces++;
    cr_assert_geq(size, (size_t)STREAM_PIECE);
    memcpy(out, piece, strlen(piece));
    return (ssize_t)strlen(piece);
}

static void on_closed(struct stream *stream)
{
    ((struct talk *)stream)->closed++;
}

static int answer(hoist_req *req, hoist_res *res)
{
    (void)req;
    return response_stream(res, "text/x", &talk.stream);
}

static int dummy(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "dummy");
}

static void open_all(void)
{
    static const hoist_route routes[] = {
        {.path = "/stream", .handler = answer, .run = HOIST_INLINE},
        {.path = "/dummy", .handler = dummy, .run = HOIST_INLINE},
    };

    app_fixture_serve_wires(&f, &(hoist_config){.executor = HOIST_EXECUTOR_INLINE}, routes, 2);
    wire_open(&w, &f);
    talk.stream.fill = fill;
    talk.stream.closed = on_closed;
}

static void close_all(void)
{
    wire_close(&w);
    cr_expect_eq(talk.closed, 1);
    app_fixture_close(&f);
}

TestSuite(stream, .init = open_all, .fini = close_all, .timeout = 30);

static void begin(const char *request, const char *const *pieces)
{
    talk.pieces = pieces;
    wire_send(&w, request);
}

static void expect_end(const char *text)
{
    size_t len = strlen(text);

    cr_expect(w.out_len >= len && memcmp(w.out + w.out_len - len, text, len) == 0, "%.*s", (int)w.out_len, w.out);
}

Test(stream, sends_its_head_at_once_and_each_piece_as_a_chunk)
{
    static const char *const pieces[] = {"hello", "", "world!", NULL};

    begin(GET_STREAM("1.1"), pieces);
    cr_expect_not_null(memmem(w.out, w.out_len, "Transfer-Encoding: chunked\r\n", 28));
    cr_expect_null(memmem(w.out, w.out_len, "Content-Length", 14));
    expect_end("\r\n\r\n");
    cr_expect(stream_pump(&talk.stream));
    expect_end("\r\n\r\n0005\r\nhello\r\n");
    cr_expect(stream_pump(&talk.stream));
    expect_end("hello\r\n");
    stream_pump(&talk.stream);
    stream_pump(&talk.stream);
    expect_end("0006\r\nworld!\r\n0\r\n\r\n");
}

Test(stream, lets_the_connection_go_on_after_its_end)
{
    static const char *const pieces[] = {NULL};

    begin(GET_STREAM("1.1") "GET /dummy HTTP/1.1\r\nHost: t\r\n\r\n", pieces);
    expect_end("\r\n\r\n");
    stream_pump(&talk.stream);

    cr_expect_eq(talk.closed, 1);
    expect_end("\r\n\r\ndummy");
    cr_expect_eq(w.conn.state, CONN_READING);
}

Test(stream, ends_an_http_1_0_answer_with_the_connection)
{
    static const char *const pieces[] = {"hello", NULL};

    begin("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", pieces);
    cr_expect_null(memmem(w.out, w.out_len, "Transfer-Encoding", 17));
    stream_pump(&talk.stream);
    expect_end("\r\n\r\nhello");
    stream_pump(&talk.stream);

    cr_expect(w.is_shut);
}

Test(stream, has_only_a_head_for_head)
{
    static const char *const pieces[] = {"hello", NULL};

    begin("HEAD /stream HTTP/1.1\r\nHost: t\r\n\r\n", pieces);

    cr_expect_eq(talk.closed, 1);
    expect_end("\r\n\r\n");
    cr_expect_eq(w.conn.state, CONN_READING);
}

Test(stream, has_one_write_in_flight)
{
    static const char *const pieces[] = {"hello", "world", NULL};

    begin(GET_STREAM("1.1"), pieces);
    w.room = 3;
    cr_expect(stream_pump(&talk.stream));
    cr_expect_not(stream_pump(&talk.stream), "the first is not written yet");
    expect_end("\r\n\r\n000");
    wire_take(&w, 100);
    w.room = SIZE_MAX;

    cr_expect(stream_pump(&talk.stream));
    expect_end("hello\r\n0005\r\nworld\r\n");
}

Test(stream, ends_though_its_last_chunk_does_not_fit_into_the_socket)
{
    static const char *const pieces[] = {NULL};

    begin(GET_STREAM("1.1"), pieces);
    w.room = 1;
    stream_pump(&talk.stream);
    cr_expect_eq(talk.closed, 1);
    wire_take(&w, 100);

    expect_end("0\r\n\r\n");
    cr_expect_eq(w.conn.state, CONN_READING);
}

Test(stream, is_let_go_when_its_head_cannot_be_written)
{
    w.error = UV_ECONNRESET;
    begin(GET_STREAM("1.1"), NULL);

    cr_expect_eq(talk.closed, 1);
    cr_expect_null(talk.stream.conn);
}

Test(stream, ends_with_its_client)
{
    static const char *const pieces[] = {"hello", NULL};

    begin(GET_STREAM("1.1"), pieces);
    conn_on_eof(&w.conn);

    cr_expect_eq(talk.closed, 1);
    cr_expect(w.is_closing);
    cr_expect_not(stream_pump(&talk.stream));
}

/* What it had sent was too much to be read on, so that its end is only heard of. */
Test(stream, ends_with_a_client_that_is_not_read_any_more)
{
    static const char *const pieces[] = {"hello", NULL};

    begin(GET_STREAM("1.1"), pieces);
    conn_on_leaving(&w.conn);

    cr_expect_eq(talk.closed, 1);
    cr_expect(w.is_closing);
}

Test(stream, is_closed_by_a_drain_at_once)
{
    static const char *const pieces[] = {"hello", NULL};

    begin(GET_STREAM("1.1"), pieces);
    w.room = 0;
    stream_pump(&talk.stream);
    server_begin_drain(&f.app->server);
    server_drain(&f.app->server);

    cr_expect_eq(talk.closed, 1);
    cr_expect(w.is_closing);
}
