/* What hoist_main() and the test client need of an app beyond hoist.h. */
#ifndef SERVER_APP_H
#define SERVER_APP_H

#include "admin.h"
#include "hoist.h"
#include "listener.h"
#include "route.h"
#include "router.h"
#include "server.h"

#include <uv.h>

/*
 *   NEW -> SERVING -> DRAINING -> CLOSING -> STOPPED
 *                         \-> STUCK -/          drain_ms or stuck_exit_ms is over, on_stopped was called,
 *                                               jobs still run
 */
enum app_state { APP_NEW, APP_SERVING, APP_DRAINING, APP_STUCK, APP_CLOSING, APP_STOPPED };

struct hoist_app {
    hoist_config config; /* every field is set */
    char *host, *admin_text;
    char adopted_admin[LISTENER_TEXT]; /* where the admin listener is, if it was given its socket */
    struct router router;
    struct route *routes, **last_route; /* in the order they were added */
    struct lane *lanes;                 /* the newest first */
    size_t n_hooks;

    enum app_state state;
    bool has_loop, has_handles; /* own_loop, wake and drain are to be closed */
    struct listener listener;
    struct server server;
    struct admin admin;
    struct pool *pool; /* NULL: the inline executor */
    uv_loop_t *loop, own_loop;
    uv_async_t wake; /* asked to stop, or something is gone */
    uv_timer_t drain;
    unsigned drain_turns; /* of the loop, until idle connections close */
    int drain_result;     /* 0, or -ETIMEDOUT */
    unsigned n_open;      /* parts that are closing */
    uv_mutex_t stop_lock;
    bool can_wake, is_asked_to_stop; /* under stop_lock */
    void (*on_stopped)(hoist_app *app, int err, void *arg);
    void *arg;
    bool runs; /* hoist_app_run() turns own_loop */
    char error[ROUTER_PATTERN_MAX + 256];
};

/* For hoist_app_listen() to come: the listener has the socket fd, and the admin's has admin_fd, which listen already,
 * instead of an address of the configuration's; -1: none. What listener_adopt() answers, with a line in app->error.
 * What was adopted is the app's. */
int app_adopt(hoist_app *app, int fd, int admin_fd);

/* As hoist_app_start(), without a listener unless hoist_app_listen() was called, and telling nobody when it has
 * stopped. */
int app_start(hoist_app *app, uv_loop_t *loop);

/* A route with its defaults filled in, checked, in the router, with its lane. Errors as of hoist_app_route(). */
int app_add_route(hoist_app *app, const hoist_route *given);

/* The pool, or worker_init for the loop's thread. On failure a line is in app->error. */
int app_start_workers(hoist_app *app);

/* Of the routes before end, after app_start_workers() without a pool. */
void app_fini_loop_data(hoist_app *app, const struct route *end);

/* What a route with a process for each call protects the others from, it does not under the inline executor: lines in
 * the log. */
void app_warn_of_processes(const hoist_app *app);

#endif
