/* An app on a loop of the test's own, and clients of it on the same loop: over sockets (struct peer) or right into a
 * connection (struct wire). One thread, plus the workers. */
#ifndef TESTS_LIB_APP_FIXTURE_H
#define TESTS_LIB_APP_FIXTURE_H

#include "answer.h"
#include "hoist_uv.h"
#include "loop.h"
#include "server/app.h"
#include "server/conn.h"
#include "server/exchange.h"

/* A whole request, to be sent behind another one or in pieces. */
#define GET(path) "GET " path " HTTP/1.1\r\nHost: t\r\n\r\n"

enum { PEER_IN = 32 * 1024, WIRE_OUT = 2 * 1024 * 1024 };

struct gate;
struct peer;

struct app_fixture {
    uv_loop_t loop;
    hoist_app *app;
    struct peer *peers; /* those that are open */
    bool is_started;
    unsigned stopped_calls;
    int result; /* what on_stopped() was told */
};

/* A loop and, with libuv threads for config's workers, an app with n routes, all of which must be taken. config may be
 * NULL. */
void app_fixture_open(struct app_fixture *f, const hoist_config *config, const hoist_route *routes, size_t n);

/* Starts it, listening on any port. It must start. */
void app_fixture_start(struct app_fixture *f);

/* Both, open and start; for wires, without a listener. */
void app_fixture_serve(struct app_fixture *f, const hoist_config *config, const hoist_route *routes, size_t n);
void app_fixture_serve_wires(struct app_fixture *f, const hoist_config *config, const hoist_route *routes, size_t n);

/* Stops it, if it is started, and turns the loop until it has stopped. */
void app_fixture_stop(struct app_fixture *f);

/* Stops it, closes the peers, frees it, and closes the loop, in which nothing may be left. */
void app_fixture_close(struct app_fixture *f);

/* The same, once whoever stops at the gate has gone on and every exchange is over. Closes the gate, too. */
void app_fixture_close_with(struct app_fixture *f, struct gate *gate);

/* Each exchange whose deadline, queue deadline or hoist_later() runs: it will be over in 1 ms. */
void app_fixture_hurry_deadlines(struct app_fixture *f);
void app_fixture_hurry_queue_deadlines(struct app_fixture *f);
void app_fixture_hurry_timers(struct app_fixture *f);

/* How many exchanges are in this state. */
unsigned app_fixture_count(const struct app_fixture *f, enum exchange_state state);

/* How many are abandoned, as the figures have it. */
unsigned app_fixture_abandoned(const struct app_fixture *f);

/* ---- a client's socket ---- */

/* Zeroed, or static. */
struct peer {
    uv_tcp_t socket;
    uv_connect_t connect;
    struct app_fixture *f;
    struct peer *next;
    bool is_open, is_connected, at_end; /* at_end: it was closed by the server, or reset */
    int end;                            /* why: UV_EOF or another error */
    char in[PEER_IN];
    size_t in_len;
    struct answer answer;
};

/* Connects. */
void peer_open(struct peer *peer, struct app_fixture *f);

/* text must fit into the socket. */
void peer_send(struct peer *peer, const char *text);
void peer_get(struct peer *peer, const char *target);

/* How many answers have come; the one of number n, from 0, once it has. */
unsigned peer_answers(const struct peer *peer);
const struct answer *peer_answer(struct peer *peer, unsigned n);

/* Ends the sending side. */
void peer_end(struct peer *peer);

/* Leaves: in order, or with a reset. */
void peer_close(struct peer *peer);
void peer_reset(struct peer *peer);

/* ---- a connection without a socket ---- */

/* Zeroed, or static. */
struct wire {
    struct conn conn;
    struct app_fixture *f;
    uv_check_t closing;
    size_t unread; /* bytes that have reached the socket and will be sent by wire_send() */
    size_t room;   /* bytes that try_write still takes */
    int error;     /* what try_write and write answer; 0: they work */
    unsigned tries, writes;
    uv_buf_t queued[2]; /* what write() was given and was not taken yet */
    size_t queued_len;
    bool is_reading, is_shut, is_closing, is_closed, is_reset, has_write;
    char out[WIRE_OUT]; /* what has arrived at the client */
    size_t out_len;
    struct answer answer;
};

/* With room for everything. */
void wire_open(struct wire *wire, struct app_fixture *f);

/* To another server of the app: its admin listener's. */
void wire_open_on(struct wire *wire, struct app_fixture *f, struct server *server);

/* The client sends: in pieces of step bytes (0: whole), until the connection stops reading or closes. The bytes are
 * gone after each piece. Returns how many were read. */
size_t wire_send_cut(struct wire *wire, const char *bytes, size_t len, size_t step);
size_t wire_send(struct wire *wire, const char *text);

/* The client takes up to n bytes of what is queued. */
void wire_take(struct wire *wire, size_t n);

/* How many answers have arrived; the one of number n, from 0: turns the loop until it has. */
unsigned wire_answers(const struct wire *wire);
const struct answer *wire_answer(struct wire *wire, unsigned n);

/* Its body is text, and its status 200; it is the last one and says that the connection closes. */
void wire_expect_body(struct wire *wire, unsigned n, const char *text);
void wire_expect_last(struct wire *wire, unsigned n, int status);

/* Turns the loop until the connection is gone; with the first it is closed now, if it was not. */
void wire_close(struct wire *wire);
void wire_run_until_closed(struct wire *wire);

#endif
