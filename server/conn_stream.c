/* Answers that go on in pieces.
 *
 * Happy path: conn_begin_stream() behind the head -> STREAMING; stream_pump() writes one piece, as a chunk (RFC 9112,
 * section 7.1) or, to HTTP/1.0, as it is; after the last one the connection goes on as after any answer.
 * Failures: as of any write. Close: conn_end_stream(), by conn_close() too.
 */
#include "conn_internal.h"

#include "exchange.h"
#include "server.h"
#include "stream.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Around a piece: its size in four digits, and an end of line behind each. */
enum { CHUNK_BEGIN = 6, CHUNK_END = 2, LAST_CHUNK = 5 };

int response_stream(hoist_res *res, const char *type, struct stream *stream)
{
    assert(res->reply.status == 0);
    res->reply = (struct reply){.status = 200, .type = type, .stream = stream, .fields = res->reply.fields};
    return 0;
}

void conn_begin_stream(struct conn *conn, struct stream *stream)
{
    conn->stream = stream;
    stream->conn = conn;
    if (conn->state == CONN_READING)
        conn_set_state(conn, CONN_STREAMING);
    else if (conn->state == CONN_CLOSING)
        conn_end_stream(conn);
}

void conn_end_stream(struct conn *conn)
{
    struct stream *stream = conn->stream;

    conn->stream = NULL;
    if (stream == NULL)
        return;
    stream->conn = NULL;
    stream->closed(stream);
}

bool stream_pump(struct stream *stream)
{
    struct conn *conn = stream->conn;
    struct server *server;
    size_t frame;
    ssize_t n;

    if (conn == NULL || conn->state != CONN_STREAMING)
        return false;
    server = conn->server;
    conn_write_held(server);
    assert(server->out_len == 0);
    frame = conn->is_chunked ? CHUNK_BEGIN : 0;
    n = stream->fill(stream, server->out + frame, OUT_BUFFER - CHUNK_BEGIN - CHUNK_END);
    assert(n <= OUT_BUFFER - CHUNK_BEGIN - CHUNK_END);
    if (n > 0) {
        if (conn->is_chunked) {
            char size[CHUNK_BEGIN + 1];

            (void)snprintf(size, sizeof(size), "%04x\r\n", (unsigned)n & 0xffff);
            memcpy(server->out, size, CHUNK_BEGIN);
            memcpy(server->out + CHUNK_BEGIN + n, "\r\n", CHUNK_END);
        }
        server->out_len = (size_t)n + (conn->is_chunked ? CHUNK_BEGIN + CHUNK_END : 0);
        conn_flush(conn);
    } else if (n < 0) {
        if (conn->is_chunked) {
            memcpy(server->out, "0\r\n\r\n", LAST_CHUNK);
            server->out_len = LAST_CHUNK;
        }
        conn_flush(conn);
        conn_end_stream(conn);
        if (conn->state == CONN_STREAMING) {
            conn_set_state(conn, CONN_READING);
            conn_go_on(conn);
        }
    }
    return true;
}
