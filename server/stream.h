/* An answer that goes on in pieces after its head: the admin listener's events and traces. Public answers are whole.
 *
 * Happy path: a handler of the admin listener calls response_stream(); the stream's owner calls stream_pump() when it
 * has something to say, and nothing happens while the last piece is not written; fill() ends it. Failures and close:
 * the client leaves, or the server drains: closed(). Loop thread only.
 */
#ifndef SERVER_STREAM_H
#define SERVER_STREAM_H

#include "hoist.h"

#include <stddef.h>
#include <sys/types.h>

struct conn;

enum { STREAM_OVER = -1 };

struct stream {
    /* Puts up to size bytes, at least STREAM_PIECE, into out and returns how many; 0: nothing now; STREAM_OVER. */
    ssize_t (*fill)(struct stream *stream, char *out, size_t size);
    /* The connection is done with it: the owner may free it. Comes once, also after STREAM_OVER. */
    void (*closed)(struct stream *stream);
    struct conn *conn; /* the connection's to set; NULL before the head is written */
};

enum { STREAM_PIECE = 32 * 1024 };

/* The reply of a handler: 200 with that content type and what the stream will say, as chunks to an HTTP/1.1 client.
 * Takes the stream. Handlers of the admin listener only, on the loop. */
int response_stream(hoist_res *res, const char *type, struct stream *stream);

/* Writes the next piece if the last one is written. False: it is not, or there is no connection yet. */
bool stream_pump(struct stream *stream);

#endif
