/* What stands in for a socket behind fuzz_conn.c: it takes as much as it is told to, and a strict client reads it.
 *
 * What a connection may not do to its transport is an assert. Close: wire_end(), which libuv would do in a later turn.
 */
#ifndef TESTS_FUZZ_CONN_WIRE_H
#define TESTS_FUZZ_CONN_WIRE_H

#include "lib/reader.h"
#include "server/conn.h"
#include "server/server.h"

#include <errno.h>

/* A connection, its socket and its client. */
struct wire {
    struct conn conn;
    bool is_open, is_reading, is_shut, is_closing;
    bool at_eof;   /* the connection was told */
    bool has_left; /* likewise, or the client has reset: nothing more is told */
    bool is_cut;   /* by the script, an error, or because it has a stream: an answer may end anywhere */
    size_t unread; /* bytes that have reached the socket */
    bool fails_at_once, fails_in_time;
    size_t on_way; /* bytes that were taken and have not reached the client */
    size_t room;   /* bytes that are taken at once */
    size_t piece;
    uv_buf_t queued[2]; /* of the write under way */
    bool has_write;
    struct reader reader; /* last: its bytes are never cleared */
};

static size_t wire_receive(struct wire *wire, const char *bytes, size_t len)
{
    struct reader *reader = &wire->reader;
    size_t room = READER_BYTES - reader->len;

    if (len > room)
        len = room;
    if (len > 0)
        memcpy(reader->bytes + reader->len, bytes, len);
    reader->len += len;
    return len;
}

static struct wire *wire_of(const struct conn *conn)
{
    return (struct wire *)((uintptr_t)conn - offsetof(struct wire, conn));
}

static void wire_read(struct conn *conn, bool on)
{
    wire_of(conn)->is_reading = on;
}

static ssize_t wire_try_write(struct conn *conn, const uv_buf_t *bufs, unsigned n)
{
    struct wire *wire = wire_of(conn);
    size_t taken = 0, len;

    assert(!wire->has_write && !wire->is_shut && !wire->is_closing);
    if (wire->fails_at_once)
        return -ECONNRESET;
    for (unsigned i = 0; i < n; i++) {
        len = wire_receive(wire, bufs[i].base, bufs[i].len < wire->room ? bufs[i].len : wire->room);
        wire->room -= wire->room == SIZE_MAX ? 0 : len;
        taken += len;
        if (len < bufs[i].len)
            break;
    }
    reader_take_all(&wire->reader);
    return (ssize_t)taken;
}

static int wire_write(struct conn *conn, const uv_buf_t *bufs, unsigned n)
{
    struct wire *wire = wire_of(conn);

    assert(!wire->has_write && !wire->is_shut && !wire->is_closing);
    assert(n == 2);
    if (wire->fails_in_time)
        return -ENOMEM;
    wire->has_write = true;
    memcpy(wire->queued, bufs, sizeof(wire->queued));
    return 0;
}

static size_t wire_unsent(const struct conn *conn)
{
    const struct wire *wire = wire_of(conn);

    return wire->on_way + (wire->has_write ? wire->queued[0].len + wire->queued[1].len : 0);
}

static void wire_shut(struct conn *conn)
{
    assert(!wire_of(conn)->has_write);
    wire_of(conn)->is_shut = true;
}

/* What follows waits for the loop, as it does in libuv. */
static void wire_close(struct conn *conn, bool reset)
{
    struct wire *wire = wire_of(conn);

    assert(!wire->is_closing);
    assert(reset || wire->is_cut || !wire->has_write);
    wire->is_closing = true;
    wire->is_cut |= reset;
}

static size_t wire_unread(const struct conn *conn)
{
    return wire_of(conn)->unread;
}

static const char *wire_peer(const struct conn *conn, char *text, size_t size)
{
    (void)conn;
    (void)text;
    (void)size;
    return "-";
}

static void wire_open(struct wire *wire, struct server *server)
{
    static const struct conn_io io = {
        .read = wire_read,
        .try_write = wire_try_write,
        .write = wire_write,
        .unread = wire_unread,
        .unsent = wire_unsent,
        .shut = wire_shut,
        .close = wire_close,
        .peer = wire_peer,
    };

    memset(wire, 0, offsetof(struct wire, reader.bytes));
    wire->is_open = true;
    wire->room = SIZE_MAX;
    conn_open(&wire->conn, server, &io);
}

/* The client sends: until the connection stops to read, or closes. */
static void wire_send(struct wire *wire, const char *bytes, size_t len)
{
    static char room[READ_BUFFER];
    size_t n;
    char *piece;

    for (; len > 0 && wire->is_reading && !wire->at_eof && !wire->is_closing; bytes += n, len -= n) {
        n = wire->piece > 0 && wire->piece < len ? wire->piece : len;
        n = n < sizeof(room) ? n : sizeof(room);
        piece = room + sizeof(room) - n; /* a sanitizer sees who reads on */
        memcpy(piece, bytes, n);
        reader_note_sent(&wire->reader, piece, n);
        conn_on_bytes(&wire->conn, piece, n);
        memset(piece, '#', n); /* the next read, of another connection, would overwrite it */
    }
}

/* Its handle is closed. */
static void wire_end(struct wire *wire)
{
    if (wire->has_write) {
        wire->has_write = false;
        conn_on_written(&wire->conn, UV_ECANCELED);
    }
    conn_on_closed(&wire->conn);
    wire->is_open = false;
    if (!wire->is_cut)
        reader_check_end(&wire->reader);
}

#endif
