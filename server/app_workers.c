/* Who does an app's work: its pool, or under the inline executor the loop's own thread.
 *
 * Happy path: app_start_workers() at the start; hoist_app_resize() while it runs. Failures: a line in app->error, and
 * nothing is left behind. Close: pool_stop(), or app_fini_loop_data().
 */
#include "app.h"

#include "forkserver.h"
#include "log.h"
#include "pool/pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int start_pool(hoist_app *app);
static int check_processes(hoist_app *app);
static int init_loop_data(hoist_app *app);

int app_start_workers(hoist_app *app)
{
    return app->config.executor == HOIST_EXECUTOR_POOL ? start_pool(app) : init_loop_data(app);
}

/* With a hook for each worker_init, in the routes' order. */
static int start_pool(hoist_app *app)
{
    struct pool_hook *hooks = calloc(app->n_hooks + 1, sizeof(*hooks));
    struct pool_options options = {
        .workers = app->config.workers,
        .workers_max = app->config.workers_max,
        .nice = app->config.worker_nice == HOIST_NO_LIMIT ? 0 : app->config.worker_nice,
        .hooks = hooks,
        .n_hooks = app->n_hooks,
    };
    int err = hooks != NULL ? check_processes(app) : -ENOMEM;

    if (err == 0) {
        for (struct route *route = app->routes; route != NULL; route = route->next) {
            options.interrupts = options.interrupts || route->given.interrupt;
            if (route->hook != NO_HOOK)
                hooks[route->hook] = (struct pool_hook){
                    .name = route->given.path,
                    .init = route->given.worker_init,
                    .fini = route->given.worker_fini,
                    .data = route->given.data,
                };
        }
        err = pool_start(&app->pool, app->loop, &options, app->error, sizeof(app->error));
    }
    free(hooks);
    if (err == -EBUSY)
        snprintf(app->error, sizeof(app->error), "another app of this process runs");
    for (struct lane *lane = app->lanes; lane != NULL && err == 0; lane = lane->next)
        pool_lane_init(app->pool, &lane->queue, lane->max_waiting, lane->max_concurrency);
    return err;
}

/* -EINVAL: a route needs processes, and there is no fork server. */
static int check_processes(hoist_app *app)
{
    for (const struct route *route = app->routes; route != NULL; route = route->next)
        if (route->given.run == HOIST_PROCESS && !forkserver_is_started()) {
            snprintf(app->error, sizeof(app->error), "route %s: HOIST_PROCESS needs hoist_main()", route->given.path);
            return -EINVAL;
        }
    return 0;
}

/* The loop's thread has the workers' data, too. */
static int init_loop_data(hoist_app *app)
{
    for (struct route *route = app->routes; route != NULL; route = route->next) {
        int err = route->hook == NO_HOOK ? 0 : route->given.worker_init(route->given.data, &route->loop_data);

        if (err == 0)
            continue;
        if (err > 0)
            snprintf(app->error, sizeof(app->error),
                     "route %s: worker_init returned %d, which is neither 0 nor a negative errno", route->given.path,
                     err);
        else
            snprintf(app->error, sizeof(app->error), "route %s: worker_init: %s", route->given.path, uv_strerror(err));
        app_fini_loop_data(app, route);
        return err < 0 ? err : -EINVAL;
    }
    return 0;
}

void app_fini_loop_data(hoist_app *app, const struct route *end)
{
    for (struct route *route = app->routes; route != end; route = route->next)
        if (route->given.worker_fini != NULL)
            route->given.worker_fini(route->loop_data);
}

void app_warn_of_processes(const hoist_app *app)
{
    for (const struct route *route = app->routes; route != NULL; route = route->next)
        if (route->given.run == HOIST_PROCESS && app->config.executor == HOIST_EXECUTOR_INLINE)
            log_write(LOG_WARNING,
                      "%s: no process of its own under the inline executor: if it crashes, so does the server",
                      route->given.path);
}

int hoist_app_resize(hoist_app *app, unsigned workers)
{
    int err;

    if (app->pool == NULL) { /* NULL from close_parts() on */
        snprintf(app->error, sizeof(app->error), "no pool of it runs");
        return -EINVAL;
    }
    if (!pthread_equal(app->server.thread, pthread_self())) {
        snprintf(app->error, sizeof(app->error), "resize is for the loop's thread");
        return -EINVAL;
    }
    err = pool_resize(app->pool, workers);
    if (err < 0)
        snprintf(app->error, sizeof(app->error), "%u workers: must be 1 to %u", workers, app->config.workers_max);
    else
        stuck_check(&app->server);
    return err;
}
