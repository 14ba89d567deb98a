/* A connection: bytes in, exchanges one after the other, bytes out.
 *
 * Happy path: READING (bytes to the parser) -> HANDLING (dispatch has the exchange) -> READING; the answers to the
 * requests of one read go out in one write, when the other sockets that were ready are read, too: a client that waits
 * is woken once for the answers to several of its connections. WRITING only while a write does not fit into the socket.
 * STREAMING, on the admin listener only, between the pieces of an answer.
 * Failures: what the parser refuses, and time limits: an error answer, then LINGERING, so that it arrives. A reset:
 * closed, its exchange cancelled. Close: conn_close() from any state; freed in conn_on_closed().
 *
 * It reaches bytes only through struct conn_io, so tests and fuzzers drive it without a socket. Loop thread only.
 */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

#include "buffer.h"
#include "deadlines.h"

#include <stdbool.h>
#include <uv.h>

struct conn;
struct exchange;
struct reply;
struct server;
struct stream;

/* Owner: the transport, for as long as its connections live. */
struct conn_io {
    /* Start or stop conn_on_bytes(). A stopped one still tells of a client that leaves, conn_on_leaving() or
     * conn_on_error(), and after conn_on_eof() of one that is gone. */
    void (*read)(struct conn *conn, bool on);
    /* Writes what fits at once. Bytes taken, 0 to all, or -errno. */
    ssize_t (*try_write)(struct conn *conn, const uv_buf_t *bufs, unsigned n);
    /* Writes all of it in time, then conn_on_written(). The bytes stay in place until then. -errno: nothing was begun.
     */
    int (*write)(struct conn *conn, const uv_buf_t *bufs, unsigned n);
    /* Bytes that it has received and that were not read yet. */
    size_t (*unread)(const struct conn *conn);
    /* Bytes that were written and that the peer's system has not confirmed. */
    size_t (*unsent)(const struct conn *conn);
    /* Ends our sending side, once nothing is unsent. */
    void (*shut)(struct conn *conn);
    /* Then conn_on_closed(), later, once; with reset, what is unsent is thrown away. */
    void (*close)(struct conn *conn, bool reset);
    /* The peer's address, for the logs; may be written to text, of CONN_PEER_MAX bytes. */
    const char *(*peer)(const struct conn *conn, char *text, size_t size);
};

enum {
    CONN_LINGER_MS = 1000, /* from one look to the next at what a connection that lingers has received */
    CONN_PEER_MAX = 64,
};

enum conn_state { CONN_READING, CONN_HANDLING, CONN_WRITING, CONN_STREAMING, CONN_LINGERING, CONN_CLOSING };

/* What the connection's deadline is for. */
enum conn_wait { WAIT_NONE, WAIT_REQUEST, WAIT_HEAD, WAIT_BODY, WAIT_WRITE, WAIT_LINGER };

/* Embedded in the transport's own struct. */
struct conn {
    const struct conn_io *io;
    struct server *server;
    struct conn *prev, *next;
    struct exchange *exchange; /* being received, handled or written; NULL between two requests */
    struct buffer ahead;       /* received, not parsed yet */
    struct buffer unsent;      /* answers that did not fit into the socket */
    uv_buf_t body;         /* of the answer in hand, when it is too large to gather; the exchange keeps it in place */
    struct stream *stream; /* an answer that goes on in pieces; NULL: there is none */
    struct deadline deadline;
    uint64_t received, parsed; /* bytes so far */
    uint64_t last_at; /* all of these are still answered, then it may end, see conn_answer(); 0: nobody asked */
    union {
        uint64_t since_ms; /* when a wait for a request or a head began, by uv_now() */
        uint64_t progress; /* body bytes that must be here, or bytes that may be unsent, when this wait is over; bytes
                            * thrown away in it */
    };
    enum conn_state state : 8;
    enum conn_wait wait : 8;
    bool keep_alive : 1;  /* after the request in hand */
    bool is_answered : 1; /* the last answer ends the connection: nothing behind it is parsed */
    bool is_turning : 1;  /* turn() is on the stack: it will write what is gathered, and go on */
    bool is_held : 1;     /* it has answers that conn_write_held() will write; always READING */
    bool is_stalled : 1;  /* reading is stopped */
    bool has_lost : 1;    /* of what came behind the request in hand, for want of memory */
    bool is_chunked : 1;  /* the stream's pieces go out as chunks */
    bool at_eof : 1;      /* the peer has ended its sending side */
    bool is_leaving : 1;  /* likewise, behind bytes that are not read yet */
    unsigned n_looks : 6; /* at it, idle, when its client had not got all: see conn_close_idle() */
    unsigned n_lingers;   /* waits for the end of what is thrown away */
};

/* Takes a zeroed conn into server and starts to read. */
void conn_open(struct conn *conn, struct server *server, const struct conn_io *io);

/* The transport's events. bytes are writable and need not stay. Answers to them may be held: conn_write_held() follows
 * in the same turn of the loop. */
void conn_on_bytes(struct conn *conn, char *bytes, size_t len);
void conn_on_eof(struct conn *conn);
void conn_on_leaving(struct conn *conn); /* the end of its sending side is behind bytes that are not read yet */
void conn_on_error(struct conn *conn);
void conn_on_written(struct conn *conn, int err);
void conn_on_closed(struct conn *conn); /* the memory is the transport's again */

/* dispatch has the answer to conn->exchange; in a drain, or when a client waits for a place, it may be the last one.
 * reply and its fields need not stay; a body may, in the exchange. An exchange that has ended is freed by the
 * connection when the answer is written; one that still runs is abandoned. */
void conn_answer(struct conn *conn, const struct reply *reply);

/* Writes all answers that are held; what is gathered behind them moves to the front. */
void conn_write_held(struct server *server);

/* The client has ended its sending side: its request in hand and all behind it are not wanted any more, answers before
 * it still are. What is unread is thrown away, for closing would destroy them. */
void conn_drop(struct conn *conn);

/* Closes now; the exchange is cancelled, and what is held is not written. */
void conn_close(struct conn *conn, bool reset);

/* Closes the connection that has waited longest for a request, but none that was used just now or has sent something,
 * and none whose client is still taking its answer: another client is to have its place. One whose client has not got
 * all for very long ends as it always would, in time. False: none is closed. */
bool conn_close_idle(struct server *server);

/* The server drains: close when idle, soon when it was used just now or a head is half sent, after the answer
 * otherwise. */
void conn_drain(struct conn *conn);

#endif
