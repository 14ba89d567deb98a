/* An app's life: made, given routes, started on a loop, stopped, freed.
 *
 * Happy path: hoist_app_new() -> hoist_app_route() ... -> hoist_app_start() or hoist_app_run() -> hoist_app_stop() ->
 * drain -> on_stopped -> hoist_app_free(). Failures: a start that fails undoes what it began, and leaves a line in
 * app->error. Close: parts close in the order listener, connections and exchanges, pool, server, own handles; on_wake()
 * sees to each next one.
 */
#include "app.h"

#include "abi.h"
#include "config.h"
#include "hoist_uv.h"
#include "log.h"
#include "pool/pool.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DRAIN_TURNS = 2, LEAVE_MS = 5000 };

static int tell_no_memory(void);
static int adopt(hoist_app *app, struct listener *listener, int fd);
static int check_new(hoist_app *app);
static int start_server(hoist_app *app);
static void on_change(void *arg);
static void on_wake(uv_async_t *wake);
static void drain(hoist_app *app);
static void drain_idle(hoist_app *app);
static void on_drain_over(uv_timer_t *timer);
static void on_all_stuck(void *arg);
static void give_up(hoist_app *app);
static void tell_stopped(hoist_app *app);
static void close_parts(hoist_app *app);
static void on_pool_stopped(void *arg);
static void close_drain(hoist_app *app);
static void close_listener(hoist_app *app);
static void on_handle_closed(uv_handle_t *handle);
static void on_part_closed(void *arg);

int hoist_app_new_sized(hoist_app **ret_app, const hoist_config *given, size_t size)
{
    hoist_config config = {0};
    hoist_app *app;
    int err;

    err = given == NULL ? 0 : abi_import(&config, sizeof(config), given, size);
    if (err < 0) {
        log_write(LOG_ERROR, ABI_TOO_NEW, "the configuration");
        return err;
    }
    app = calloc(1, sizeof(*app));
    if (app == NULL)
        return tell_no_memory();
    app->last_route = &app->routes;
    app->listener.fd = app->listener.spare = app->admin.listener.fd = app->admin.listener.spare = -1;
    err = config_resolve(&app->config, &config, app->error, sizeof(app->error));
    if (err < 0)
        log_write(LOG_ERROR, "%s", app->error);
    if (err == 0) {
        app->host = strdup(app->config.host);
        app->config.host = app->host;
        err = app->host == NULL ? -ENOMEM : 0;
    }
    if (err == 0 && app->config.admin != NULL) {
        app->admin_text = strdup(app->config.admin);
        app->config.admin = app->admin_text;
        err = app->admin_text == NULL ? -ENOMEM : 0;
    }
    if (err == 0)
        err = uv_mutex_init(&app->stop_lock);
    if (err < 0) {
        free(app->admin_text);
        free(app->host);
        free(app);
        return err == -ENOMEM ? tell_no_memory() : err;
    }
    *ret_app = app;
    return 0;
}

static int tell_no_memory(void)
{
    log_write(LOG_ERROR, "no memory for an app");
    return -ENOMEM;
}

int hoist_app_route_sized(hoist_app *app, const hoist_route *given, size_t size)
{
    hoist_route route;
    int err;

    err = check_new(app);
    if (err < 0)
        return err;
    err = abi_import(&route, sizeof(route), given, size);
    if (err < 0)
        snprintf(app->error, sizeof(app->error), "route " ABI_TOO_NEW, route_path(given));
    else
        err = app_add_route(app, &route);
    if (err == -ENOMEM)
        snprintf(app->error, sizeof(app->error), "route %s: %s", route.path, uv_strerror(err));
    return err;
}

/* -EALREADY: it was started, and its pool did not fail. */
static int check_new(hoist_app *app)
{
    if (app->state == APP_NEW)
        return 0;
    snprintf(app->error, sizeof(app->error), "it was started before; an app is started once");
    return -EALREADY;
}

const char *hoist_app_error(const hoist_app *app)
{
    return app->error;
}

int app_adopt(hoist_app *app, int fd, int admin_fd)
{
    int err;

    assert(app->state == APP_NEW);
    err = fd < 0 ? 0 : adopt(app, &app->listener, fd);
    if (err < 0 || admin_fd < 0)
        return err;
    err = adopt(app, &app->admin.listener, admin_fd);
    if (err == 0) /* the configured address from now on: by that it knows its own name */
        app->config.admin = listener_text(&app->admin.listener, app->adopted_admin, sizeof(app->adopted_admin));
    return err;
}

static int adopt(hoist_app *app, struct listener *listener, int fd)
{
    int err = listener_adopt(listener, fd);

    if (err < 0)
        snprintf(app->error, sizeof(app->error), "descriptor %d is no stream listener: %s", fd, uv_strerror(err));
    return err;
}

int hoist_app_listen(hoist_app *app)
{
    const hoist_config *config = &app->config;
    int err = check_new(app);

    if (err < 0)
        return err;
    if (app->listener.fd >= 0 && !app->listener.is_adopted) {
        snprintf(app->error, sizeof(app->error), "it listens already");
        return -EALREADY;
    }
    if (!app->listener.is_adopted)
        err = listener_bind(&app->listener, config->host, config->port, config->reuseport);
    if (err < 0) {
        snprintf(app->error, sizeof(app->error), "cannot listen on %s port %u: %s%s", config->host, config->port,
                 err == -EINVAL ? "not a numeric IPv4 or IPv6 address" : uv_strerror(err),
                 err == -EADDRINUSE && config->reuseport ? "; both must ask for reuseport" : "");
        return err;
    }
    app->error[0] = '\0';
    err = config->admin == NULL ? 0 : admin_bind(&app->admin, app, config->admin, app->error, sizeof(app->error));
    if (err < 0)
        listener_close(&app->listener, NULL, NULL);
    return err;
}

unsigned hoist_app_port(const hoist_app *app)
{
    return listener_port(&app->listener);
}

/* ---- start ---- */

int hoist_app_start(hoist_app *app, uv_loop_t *loop, void (*on_stopped)(hoist_app *, int, void *), void *arg)
{
    int err;

    err = app->listener.fd >= 0 ? 0 : hoist_app_listen(app);
    if (err == 0)
        err = app_start(app, loop);
    if (err < 0)
        return err;
    app->on_stopped = on_stopped;
    app->arg = arg;
    app_warn_of_processes(app);
    return 0;
}

int app_start(hoist_app *app, uv_loop_t *loop)
{
    int err = check_new(app);

    if (err < 0)
        return err;
    app->error[0] = '\0';
    app->loop = loop;
    err = app_start_workers(app);
    if (err < 0) {
        listener_close(&app->listener, NULL, NULL);
        admin_close(&app->admin, NULL, NULL);
    } else {
        err = start_server(app);
        if (err < 0)
            close_parts(app);
    }
    if (err < 0) {
        if (app->error[0] == '\0')
            snprintf(app->error, sizeof(app->error), "cannot start: %s", uv_strerror(err));
        return err;
    }
    app->state = APP_SERVING;
    uv_mutex_lock(&app->stop_lock);
    app->can_wake = true;
    if (app->is_asked_to_stop)
        uv_async_send(&app->wake);
    uv_mutex_unlock(&app->stop_lock);
    return 0;
}

static int start_server(hoist_app *app)
{
    int err;

    err = server_init(&app->server, app->loop, &app->config, &app->router);
    if (err < 0)
        return err;
    app->server.pool = app->pool;
    app->server.holds = app->pool != NULL;
    app->server.on_change = on_change;
    app->server.on_all_stuck = on_all_stuck;
    app->server.arg = app;
    for (struct route *route = app->routes; route != NULL && err == 0; route = route->next) {
        err = deadlines_prepare(&app->server.deadlines, route->given.timeout_ms);
        if (err == 0)
            err = deadlines_prepare(&app->server.deadlines, route->given.queue_timeout_ms);
    }
    if (err < 0)
        return err;
    err = uv_async_init(app->loop, &app->wake, on_wake);
    if (err < 0)
        return err;
    uv_timer_init(app->loop, &app->drain);
    app->wake.data = app->drain.data = app;
    app->has_handles = true;
    if (app->listener.fd >= 0)
        err = listener_reserve(&app->listener, app->loop, &app->config, &app->server.fd_max);
    if (err == 0 && app->admin.state == ADMIN_BOUND)
        err = admin_start(&app->admin, app->loop);
    return err == 0 && app->listener.fd >= 0 ? listener_start(&app->listener, &app->server) : err;
}

/* ---- run ---- */

static void on_run_stopped(hoist_app *app, int err, void *arg)
{
    (void)err; /* it stays in drain_result */
    (void)arg;
    uv_stop(app->loop); /* with jobs stuck the loop would not end by itself */
}

int hoist_app_run(hoist_app *app)
{
    int err = check_new(app);

    if (err < 0)
        return err;
    err = app->has_loop ? 0 : uv_loop_init(&app->own_loop); /* it is there after a start that failed */
    if (err < 0) {
        snprintf(app->error, sizeof(app->error), "no loop: %s", uv_strerror(err));
        return err;
    }
    app->has_loop = true;
    app->runs = true;
    err = hoist_app_start(app, &app->own_loop, on_run_stopped, NULL);
    uv_run(&app->own_loop, UV_RUN_DEFAULT); /* after a failed start: until what it had begun is closed */
    app->runs = false;
    return err < 0 ? err : app->drain_result;
}

/* ---- stop ---- */

void hoist_app_stop(hoist_app *app)
{
    uv_mutex_lock(&app->stop_lock);
    app->is_asked_to_stop = true;
    if (app->can_wake)
        uv_async_send(&app->wake);
    uv_mutex_unlock(&app->stop_lock);
}

/* A connection or an exchange is gone. What follows waits for on_wake(): whoever let it go is still on the stack. */
static void on_change(void *arg)
{
    hoist_app *app = arg;

    listener_on_room(&app->listener);
    if (app->state != APP_SERVING && server_is_empty(&app->server))
        uv_async_send(&app->wake);
}

static void on_wake(uv_async_t *wake)
{
    hoist_app *app = wake->data;
    bool is_asked_to_stop;

    uv_mutex_lock(&app->stop_lock);
    is_asked_to_stop = app->is_asked_to_stop;
    uv_mutex_unlock(&app->stop_lock);
    if (app->state == APP_SERVING && is_asked_to_stop)
        drain(app);
    else if (app->state == APP_DRAINING && app->drain_turns > 0)
        drain_idle(app);
    if ((app->state == APP_DRAINING || app->state == APP_STUCK) && server_is_empty(&app->server))
        close_parts(app);
}

static void drain(hoist_app *app)
{
    app->state = APP_DRAINING;
    close_listener(app);
    server_begin_drain(&app->server);
    app->drain_turns = DRAIN_TURNS;
    uv_async_send(&app->wake);
    if (app->config.drain_ms != HOIST_NO_LIMIT)
        uv_timer_start(&app->drain, on_drain_over, app->config.drain_ms, 0);
}

/* A connection whose socket has bytes is read before it may count as idle: this wake-up may come before them in the
 * same turn's poll, the next one cannot. */
static void drain_idle(hoist_app *app)
{
    if (--app->drain_turns > 0)
        uv_async_send(&app->wake);
    else
        server_drain(&app->server);
}

static void on_drain_over(uv_timer_t *timer)
{
    hoist_app *app = timer->data;
    bool is_closing = app->state == APP_CLOSING;
    char cut_off[SERVER_CUT_OFF_TEXT];

    snprintf(app->error, sizeof(app->error), "the drain took longer than drain-ms allows; %s",
             is_closing ? "a worker_fini, or a task of the program's own in libuv's pool, has not returned"
                        : server_cut_off_text(&app->server, cut_off));
    log_write(LOG_ERROR, "%s", app->error);
    if (!is_closing) {
        give_up(app);
        return;
    }
    app->drain_result = -ETIMEDOUT;
    tell_stopped(app);
}

static void on_all_stuck(void *arg)
{
    hoist_app *app = arg;
    char cut_off[SERVER_CUT_OFF_TEXT];

    if (app->state != APP_SERVING && app->state != APP_DRAINING)
        return;
    snprintf(app->error, sizeof(app->error), "every worker (%u) was stuck for longer than stuck-exit-ms allows; %s",
             stuck_count(&app->server), server_cut_off_text(&app->server, cut_off));
    log_write(LOG_ERROR, "%s", app->error);
    if (app->state == APP_SERVING)
        drain(app);
    app->drain_turns = 0;
    uv_timer_stop(&app->drain);
    give_up(app);
}

/* Cuts off whoever still waits; what runs is left to itself. */
static void give_up(hoist_app *app)
{
    app->drain_result = -ETIMEDOUT;
    server_abort(&app->server);
    if (app->server.n_exchanges == 0)
        return; /* only clients were slow; they are cut off, the rest follows from on_change() */
    app->state = APP_STUCK;
    tell_stopped(app);
}

static void tell_stopped(hoist_app *app)
{
    void (*on_stopped)(hoist_app *, int, void *) = app->on_stopped;

    app->on_stopped = NULL;
    if (on_stopped != NULL)
        on_stopped(app, app->drain_result, app->arg);
}

/* Closes what is open; each part answers with on_part_closed(). The pool's threads get as long as the drain did, or as
 * the start gives them, whichever is more. */
static void close_parts(hoist_app *app)
{
    app->state = APP_CLOSING;
    uv_mutex_lock(&app->stop_lock);
    app->can_wake = false;
    uv_mutex_unlock(&app->stop_lock);

    app->n_open++; /* this call */
    close_listener(app);
    if (app->pool != NULL) {
        app->n_open++;
        pool_stop(app->pool, on_pool_stopped, app);
        app->pool = NULL;
        if (app->has_handles && app->config.drain_ms != HOIST_NO_LIMIT)
            uv_timer_start(&app->drain, on_drain_over,
                           app->config.drain_ms > LEAVE_MS ? app->config.drain_ms : LEAVE_MS, 0);
    } else {
        app_fini_loop_data(app, NULL);
        close_drain(app);
    }
    app->n_open += admin_close(&app->admin, on_part_closed, app);
    app->n_open++;
    server_close(&app->server, on_part_closed, app);
    if (app->has_handles) {
        app->n_open++;
        uv_close((uv_handle_t *)&app->wake, on_handle_closed);
    }
    on_part_closed(app);
}

static void on_pool_stopped(void *arg)
{
    close_drain(arg);
    on_part_closed(arg);
}

static void close_drain(hoist_app *app)
{
    if (!app->has_handles)
        return;
    app->n_open++;
    uv_close((uv_handle_t *)&app->drain, on_handle_closed);
}

static void close_listener(hoist_app *app)
{
    app->n_open += app->listener.is_started;
    listener_close(&app->listener, on_part_closed, app);
}

static void on_handle_closed(uv_handle_t *handle)
{
    on_part_closed(handle->data);
}

static void on_part_closed(void *arg)
{
    hoist_app *app = arg;

    if (--app->n_open > 0 || app->state != APP_CLOSING)
        return;
    app->state = APP_STOPPED;
    tell_stopped(app);
}

int hoist_app_free(hoist_app *app)
{
    struct route *route;
    struct lane *lane;

    if (app == NULL)
        return 0;
    if (app->has_loop && !app->runs && app->state != APP_STOPPED)
        uv_run(&app->own_loop, UV_RUN_NOWAIT);
    if ((app->state != APP_NEW && app->state != APP_STOPPED) || (app->has_loop && uv_loop_close(&app->own_loop) < 0)) {
        snprintf(app->error, sizeof(app->error), "it has not stopped: a job runs, or the loop has to turn first");
        return -EBUSY;
    }
    listener_close(&app->listener, NULL, NULL);
    admin_close(&app->admin, NULL, NULL);
    while ((route = app->routes) != NULL) {
        app->routes = route->next;
        route_free(route);
    }
    while ((lane = app->lanes) != NULL) {
        app->lanes = lane->next;
        free(lane);
    }
    router_close(&app->router);
    uv_mutex_destroy(&app->stop_lock);
    free(app->admin_text);
    free(app->host);
    free(app);
    return 0;
}
