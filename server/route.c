/* Routes and their lanes, as an app takes them in.
 *
 * Happy path: app_add_route() copies the caller's route, fills in defaults, finds or makes its lane and tells the
 * router. Failures: -EINVAL, -EEXIST or -ENOMEM with a line in app->error; the app is as before. Close:
 * hoist_app_free().
 */
#include "route.h"

#include "app.h"
#include "config.h"
#include "pool/line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_route(hoist_app *app, const hoist_route *given);
static unsigned count_routes(const hoist_app *app);
static void resolve_route(hoist_route *route, const hoist_config *config);
static int join_lane(hoist_app *app, struct route *route);
static struct lane *find_lane(hoist_app *app, const char *name);

int app_add_route(hoist_app *app, const hoist_route *given)
{
    struct lane *lanes = app->lanes;
    struct route *route;
    int err;

    err = check_route(app, given);
    if (err < 0)
        return err;
    route = calloc(1, sizeof(*route));
    if (route == NULL)
        return -ENOMEM;
    route->given = *given;
    resolve_route(&route->given, &app->config);
    route->hook = given->worker_init != NULL ? (int)app->n_hooks : NO_HOOK;
    if (given->run != HOIST_INLINE) {
        route->figures.jobs = line_alloc(sizeof(*route->figures.jobs));
        err = route->figures.jobs != NULL ? join_lane(app, route) : -ENOMEM;
    }
    if (err == 0)
        err = router_add(&app->router, given->method, given->path, route, app->error, sizeof(app->error));
    if (err < 0) {
        if (app->lanes != lanes) {
            struct lane *made = app->lanes;

            app->lanes = lanes;
            free(made);
        }
        route_free(route);
        return err;
    }
    if (route->hook != NO_HOOK)
        app->n_hooks++;
    route->index = count_routes(app);
    *app->last_route = route;
    app->last_route = &route->next;
    return 0;
}

void route_free(struct route *route)
{
    free(route->figures.jobs);
    free(route);
}

static int check_route(hoist_app *app, const hoist_route *given)
{
    const char *wrong = NULL;
    bool is_inline = given->run == HOIST_INLINE;

    if (given->path == NULL)
        wrong = "it has no path";
    else if (given->handler == NULL)
        wrong = "it has no handler";
    else if (given->run > HOIST_PROCESS)
        wrong = "run is none of HOIST_OFFLOAD, HOIST_INLINE, HOIST_ASYNC and HOIST_PROCESS";
    else if (is_inline && (given->lane != NULL || given->max_concurrency != 0 || given->max_waiting != 0))
        wrong = "it runs inline: it has no lane, max_concurrency or max_waiting";
    else if (is_inline && (given->timeout_ms != 0 || given->queue_timeout_ms != 0))
        wrong = "it runs inline: it cannot be timed out";
    else if (is_inline && given->interrupt)
        wrong = "it runs inline: there is nobody to interrupt it";
    else if (is_inline && given->worker_init != NULL)
        wrong = "it runs inline: it has no worker_init";
    else if (given->run == HOIST_PROCESS && given->interrupt)
        wrong = "it runs in a process of its own, which is killed: there is nobody to interrupt";
    else if (given->run == HOIST_PROCESS && given->worker_init != NULL)
        wrong = "it runs in a process of its own: it has no worker_init";
    else if (given->worker_fini != NULL && given->worker_init == NULL)
        wrong = "it has a worker_fini and no worker_init";
    if (wrong == NULL)
        return 0;
    if (given->path != NULL)
        snprintf(app->error, sizeof(app->error), "route %s: %s", given->path, wrong);
    else
        snprintf(app->error, sizeof(app->error), "route number %u: %s", count_routes(app) + 1, wrong);
    return -EINVAL;
}

static unsigned count_routes(const hoist_app *app)
{
    unsigned n = 0;

    for (const struct route *route = app->routes; route != NULL; route = route->next)
        n++;
    return n;
}

static void resolve_route(hoist_route *route, const hoist_config *config)
{
    if (route->max_waiting == 0)
        route->max_waiting = config->max_waiting;
    if (route->timeout_ms == 0)
        route->timeout_ms = config->timeout_ms;
    if (route->queue_timeout_ms == 0)
        route->queue_timeout_ms = config->queue_timeout_ms;
    route->max_body = config_bytes(route->max_body, config->max_body);
    route->max_reply = config_bytes(route->max_reply, config->max_reply);
    if (route->run == HOIST_PROCESS) /* the worker, so that it kills the process */
        route->interrupt = true;
}

/* The lane of that name, or a new one. Routes that share a lane must agree on its limits. */
static int join_lane(hoist_app *app, struct route *route)
{
    const hoist_route *given = &route->given;
    struct lane *lane = find_lane(app, given->lane);

    if (lane == NULL) {
        lane = calloc(1, sizeof(*lane));
        if (lane == NULL)
            return -ENOMEM;
        lane->name = given->lane;
        lane->max_waiting = given->max_waiting;
        lane->max_concurrency = given->max_concurrency;
        lane->next = app->lanes;
        app->lanes = lane;
    } else if (lane->max_waiting != given->max_waiting || lane->max_concurrency != given->max_concurrency) {
        snprintf(app->error, sizeof(app->error),
                 "route %s: lane \"%s\" has max_concurrency %u and max_waiting %u already, not %u and %u", given->path,
                 lane->name, lane->max_concurrency, lane->max_waiting, given->max_concurrency, given->max_waiting);
        return -EINVAL;
    }
    route->lane = lane;
    return 0;
}

static struct lane *find_lane(hoist_app *app, const char *name)
{
    struct lane *lane = app->lanes;

    if (name == NULL)
        return NULL;
    while (lane != NULL && (lane->name == NULL || strcmp(lane->name, name) != 0))
        lane = lane->next;
    return lane;
}

const char *route_path(const hoist_route *given)
{
    return given->path != NULL ? given->path : "(no path)";
}

const char *route_run_name(enum hoist_run run)
{
    static const char *const names[] = {
        [HOIST_OFFLOAD] = "offload", [HOIST_INLINE] = "inline", [HOIST_ASYNC] = "async", [HOIST_PROCESS] = "process"};

    return (unsigned)run < sizeof(names) / sizeof(names[0]) ? names[run] : NULL;
}
