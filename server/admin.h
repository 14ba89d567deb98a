/* The admin listener: figures, health, traces and a few controls, on a socket of its own, so that no route of the data
 * listener shows internals. It has a server of its own on the same loop, whose routes all run inline.
 *
 * Happy path: admin_bind() -> admin_start() -> requests -> admin_close(). It answers during a drain, so that /ready can
 * say so, and closes when the last connection of the data listener has.
 * Failures: those of bind(2), and no memory at start. Loop thread only.
 *
 * A browser may be talked into asking a listener on loopback: by each route a Host that is neither loopback nor the own
 * address is refused (DNS rebinding), an Origin that is not the own one and what a page of another site loads likewise,
 * and state changes by PUT and POST only.
 */
#ifndef SERVER_ADMIN_H
#define SERVER_ADMIN_H

#include "bind_address.h"
#include "hoist.h"
#include "listener.h"
#include "loop_watch.h"
#include "route.h"
#include "router.h"
#include "server.h"
#include "ticker.h"

#include <time.h>

struct ask;

enum { ADMIN_ROUTES_MAX = 16, ADMIN_CONNECTIONS = 64, ADMIN_SAMPLES = 8192, ADMIN_EVENTS_MS = 250, ADMIN_ROWS_MS = 1 };

/* The figures of a moment, ten times a second. */
struct sample {
    uint64_t at_ns, lag_ns;
    unsigned busy, waiting;
};

/*
 *   OFF -> BOUND -> STARTED -> CLOSING
 *     \----/                               a bind that fails, a start that did not come
 */
enum admin_state { ADMIN_OFF, ADMIN_BOUND, ADMIN_STARTED, ADMIN_CLOSING };

struct admin {
    hoist_app *app;
    struct bind_address address; /* as configured */
    hoist_config config;         /* of its own server */
    struct listener listener;
    struct server server;
    struct router router;
    struct route routes[ADMIN_ROUTES_MAX]; /* their data is the admin listener */

    struct loop_watch watch;
    uint64_t begun_ns;          /* times are told from here on */
    struct timespec begun;      /* the same since the epoch */
    struct ticker events, rows; /* of events.c and rows.c */
    struct ask *asks;           /* ask.c's: requests to ourselves on their way */
    unsigned n_asks;
    struct sample *samples; /* a ring of ADMIN_SAMPLES */
    uint64_t n_samples;     /* taken so far */

    enum admin_state state;
    unsigned n_open; /* parts that are closing */
    void (*on_closed)(void *arg);
    void *arg;
};

/* Binds to text, as bind_address_parse() takes it. app stays in place. What listener_bind() answers, with a line in
 * error[error_size]. */
int admin_bind(struct admin *admin, hoist_app *app, const char *text, char *error, size_t error_size);

/* Accepts. On failure admin_close() is due all the same. */
int admin_start(struct admin *admin, uv_loop_t *loop);

/* Closes everything, then on_closed(arg); one that was only bound is closed at once, and nothing is called: false. */
bool admin_close(struct admin *admin, void (*on_closed)(void *arg), void *arg);

/* ---- between the files of the admin listener ---- */

struct admin *admin_of(const hoist_req *req);

/* The handlers. admin_health.c: */
hoist_handler admin_live, admin_ready, admin_stats, admin_workers;
/* metrics.c, ask.c, rows.c, events.c, page.c: */
hoist_handler admin_metrics, admin_requests, admin_trace, admin_spans, admin_events, admin_page;

/* Closes the requests to ourselves; each that is gone is told. */
void ask_close_all(struct admin *admin);
void admin_on_ask_closed(struct admin *admin);

#endif
