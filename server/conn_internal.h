/* Between conn.c, which reads and decides, conn_write.c and conn_stream.c, which write, and conn_time.c, which waits.
 * Nobody else. */
#ifndef SERVER_CONN_INTERNAL_H
#define SERVER_CONN_INTERNAL_H

#include "conn.h"
#include "reply.h"

enum {
    SMALL_BODY = 16 * 1024,                   /* bytes of a body that are copied behind its head; a larger one stays */
    ANSWER_MAX = REPLY_HEAD_MAX + SMALL_BODY, /* room that one answer may take in the server's out buffer */
};

/* In the server's list: it begins to wait for a request, after all that do. */
void conn_go_last(struct conn *conn);

/* The one place that changes the state; asserts that the move is allowed. */
void conn_set_state(struct conn *conn, enum conn_state state);

/* Arms the deadline for what comes next. For a request, a head or a body one limit holds, whatever comes meanwhile. */
void conn_wait_for(struct conn *conn, enum conn_wait wait, unsigned ms);

/* For more of a request, or for one. */
void conn_wait_for_bytes(struct conn *conn);

/* Accepted, or answered, so short a time ago that the next request may be on its way: to close now would lose it, and
 * a POST that was lost so is not sent again (RFC 9110, section 9.2.2). */
bool conn_was_used_just_now(const struct conn *conn);

/* Nothing of a request is here; an empty line before one is nothing (RFC 9112, section 2.2). */
bool conn_is_between_requests(const struct conn *conn);

/* Answers what the client did wrong, or what the connection cannot do for it, and ends the connection. */
__attribute__((cold)) void conn_refuse(struct conn *conn, int status, const char *reason);

/* Nothing is to be done any more; but the client may not have got all, and what it sends meanwhile must not cost it
 * that. */
void conn_leave(struct conn *conn);

/* Half-closes, then throws away what the client still sends: closing with unread bytes would send a reset, which may
 * destroy the answer before it is read (RFC 9112, section 9.6), and most clients read it only when they have sent all.
 */
void conn_linger(struct conn *conn);

/* For as long again; in a drain for less. */
void conn_linger_on(struct conn *conn);

/* A client that leaves is noticed sooner while we read, so reading stops only when ahead is full, or bytes were thrown
 * away behind the request in hand. */
void conn_set_reading(struct conn *conn, bool on);

/* Goes on with what was received and not parsed yet. */
void conn_go_on(struct conn *conn);

/* The request in conn->exchange is complete. One that may take a while lets the answers before it go first. */
void conn_begin(struct conn *conn);

/* The head of stream's answer is written, or will be: takes stream. */
void conn_begin_stream(struct conn *conn, struct stream *stream);

/* Lets the stream go, if there is one. */
void conn_end_stream(struct conn *conn);

/* For one more answer in the server's out buffer: writes what is held there and, if need be, what is gathered. */
void conn_make_room(struct conn *conn);

/* Leaves what is gathered for conn_write_held(). False: it cannot wait. */
bool conn_hold(struct conn *conn);

/* Writes what is gathered, and a large body. What the socket does not take now is written in time: WRITING. */
void conn_flush(struct conn *conn);

#endif
