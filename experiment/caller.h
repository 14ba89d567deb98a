/* An HTTP client: one keep-alive connection to a server on 127.0.0.1, one request at a time.
 *
 * Happy path: caller_open(); on_open(); caller_ask() and on_answer(), again and again; caller_close().
 * Failures: a negative errno, once, through on_open() or on_answer(). A connection that the server ended between two
 * requests is opened again without a word.
 * Close: caller_close() may be called in any state; the loop must turn until its state is CALLER_CLOSED.
 * Loop thread only.
 */
#ifndef EXPERIMENT_CALLER_H
#define EXPERIMENT_CALLER_H

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum { CALLER_BODY_MAX = 256 * 1024 * 1024 };

struct caller_answer {
    int err;    /* 0, or why there is none */
    int status; /* 200 ... */
    uint64_t sent_ns, answered_ns;
    const char *body; /* if the caller keeps bodies: with a NUL behind it, until on_answer() returns */
    size_t body_len;
};

struct caller {
    /* Set these, zero the rest. */
    uv_loop_t *loop;
    unsigned port;
    bool keeps_body;
    void (*on_open)(struct caller *caller, int err);
    void (*on_answer)(struct caller *caller, const struct caller_answer *answer);
    void *arg;

    /* The caller's own. */
    enum caller_state {
        CALLER_CLOSED,
        CALLER_CONNECTING,
        CALLER_IDLE,
        CALLER_ASKING,
        CALLER_REOPENING, /* waits for uv_close() before it connects again */
        CALLER_CLOSING,
    } state;
    uv_tcp_t tcp;
    uv_connect_t connect;
    llhttp_t parser;
    const char *request;
    size_t request_len;
    bool has_answered, has_bytes; /* on this connection; of this answer */
    bool is_stale;                /* the server has ended the connection, or will */
    struct caller_answer answer;
    char *body;
    size_t body_size;
};

/* A negative errno: on_open() does not come, and nothing is to be closed. */
int caller_open(struct caller *caller);

/* Sends the bytes, which must stay until on_answer(). Only when it is open and has no request. */
void caller_ask(struct caller *caller, const char *request, size_t len);

void caller_close(struct caller *caller);

#endif
