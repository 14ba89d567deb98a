/* Between conn.c, which reads and decides, conn_write.c and conn_stream.c, which write. Nobody else. */
#ifndef SERVER_CONN_INTERNAL_H
#define SERVER_CONN_INTERNAL_H

#include "conn.h"
#include "reply.h"

enum {
    SMALL_BODY = 16 * 1024,                   /* bytes of a body that are copied behind its head; a larger one stays */
    ANSWER_MAX = REPLY_HEAD_MAX + SMALL_BODY, /* room that one answer may take in the server's out buffer */
};

/* The one place that changes the state; asserts that the move is allowed. */
void conn_set_state(struct conn *conn, enum conn_state state);

/* Arms the deadline for what comes next. For a head or a body one limit holds from its first byte on. */
void conn_wait_for(struct conn *conn, enum conn_wait wait, unsigned ms);

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
