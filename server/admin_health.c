/* The admin listener's answers about health and figures, and its one control.
 *
 * Happy path: read the totals, put them into JSON. Failures: no memory, 503. Close: nothing is held.
 */
#include "admin.h"

#include "app.h"
#include "log.h"
#include "text.h"
#include "totals.h"

#include <inttypes.h>

static void add_server(struct text *text, const struct admin *admin);
static void add_loop(struct text *text, const struct loop_watch *watch);
static void add_route(struct text *text, const hoist_app *app, const struct route *route);
static void add_answers(struct text *text, const struct answers *answers);
static void add_times(struct text *text, const char *name, const struct histogram *times);

int admin_live(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_json(res, 200, "{\"live\":true}");
}

int admin_ready(hoist_req *req, hoist_res *res)
{
    const hoist_app *app = admin_of(req)->app;
    struct totals totals;

    totals_read(app, &totals);
    if (totals.not_ready[0] == '\0')
        return hoist_reply_json(res, 200, "{\"ready\":true}");
    return hoist_reply_printf(res, 503, "application/json", "{\"ready\":false,\"reason\":%s}",
                              hoist_json_string(req, totals.not_ready));
}

int admin_workers(hoist_req *req, hoist_res *res)
{
    hoist_app *app = admin_of(req)->app;
    long n;
    int err;

    err = hoist_req_long(req, "n", 1, (long)app->config.workers_max, &n);
    if (err < 0)
        return err;
    err = hoist_app_resize(app, (unsigned)n);
    if (err < 0)
        return hoist_reply_error(res, 409, "there is no pool to resize");
    log_write(LOG_INFO, "workers: %ld, by the admin listener", n);
    return hoist_reply_printf(res, 200, "application/json", "{\"workers\":%ld}", n);
}

int admin_stats(hoist_req *req, hoist_res *res)
{
    const struct admin *admin = admin_of(req);
    struct text text = {.err = 0};

    text_add(&text, "{");
    add_server(&text, admin);
    text_add(&text, ",");
    add_loop(&text, &admin->watch);
    text_add(&text, ",\"routes\":[");
    for (const struct route *route = admin->app->routes; route != NULL; route = route->next) {
        add_route(&text, admin->app, route);
        if (route->next != NULL)
            text_add(&text, ",");
    }
    text_add(&text, "]}\n");
    return text_reply(&text, res, "application/json");
}

static void add_server(struct text *text, const struct admin *admin)
{
    const hoist_app *app = admin->app;
    const struct figures *figures = &app->server.figures;
    struct totals totals;

    totals_read(app, &totals);
    text_add(text, "\"version\":\"%s\",\"uptime_s\":", HOIST_VERSION);
    text_add_seconds(text, uv_hrtime() - admin->begun_ns);
    text_add(text, ",\"executor\":\"%s\",\"ready\":%s,\"draining\":%s", app->pool != NULL ? "pool" : "inline",
             totals.not_ready[0] == '\0' ? "true" : "false", app->state != APP_SERVING ? "true" : "false");
    text_add(text, ",\"workers\":%u,\"workers_max\":%u,\"busy\":%u,\"waiting\":%u,\"abandoned\":%u,\"stuck\":%u",
             totals.pool.workers, totals.pool.workers_max, totals.all.jobs.running, totals.all.jobs.waiting,
             totals.all.abandoned, totals.stuck);
    totals_add_jobs(text, &totals.all);
    text_add(text,
             ",\"connections\":{\"open\":%u,\"accepted\":%" PRIu64 ",\"max\":%u},\"bytes\":{\"received\":%" PRIu64
             ",\"sent\":%" PRIu64 "}",
             app->server.n_conns, figures->accepted, app->config.max_connections, figures->received, figures->sent);
    text_add(text, ",\"memory_bytes\":%zu", server_memory(&app->server));
    text_add(text, ",\"answers\":%" PRIu64 ",\"unrouted\":", figures->answers);
    add_answers(text, &figures->unrouted);
    text_add(text, ",\"cpu_s\":");
    text_add_seconds(text, totals_cpu_ns());
    text_add(text, ",\"log_lines_lost\":%" PRIu64, log_lost());
}

static void add_loop(struct text *text, const struct loop_watch *watch)
{
    uint64_t now_ns = uv_hrtime();

    text_add(text, "\"loop\":{\"utilisation\":");
    text_add_share(text, (double)loop_watch_busy_ns(watch) / (double)(now_ns - watch->begun_ns));
    text_add(text, ",");
    add_times(text, "lag_s", &watch->lag);
    text_add(text, "}");
}

static void add_route(struct text *text, const hoist_app *app, const struct route *route)
{
    struct job_figures figures;

    totals_of_route(app, route, &figures);
    text_add(text, "{\"method\":\"%s\",\"path\":", router_method_name(route->given.method));
    text_add_json(text, route->given.path);
    text_add(text, ",\"run\":\"%s\",\"requests\":", route_run_name(route->given.run));
    add_answers(text, &route->figures.answers);
    text_add(text, ",\"waiting\":%u,\"running\":%u,\"abandoned\":%u", figures.jobs.waiting, figures.jobs.running,
             figures.abandoned);
    totals_add_jobs(text, &figures);
    text_add(text, ",\"busy_s\":");
    text_add_seconds(text, figures.jobs.busy_ns);
    text_add(text, ",\"cpu_s\":");
    text_add_seconds(text, figures.jobs.cpu_ns);
    text_add(text, ",");
    add_times(text, "wait_s", &route->figures.wait);
    text_add(text, ",");
    add_times(text, "run_s", &route->figures.run);
    text_add(text, "}");
}

static void add_answers(struct text *text, const struct answers *answers)
{
    const char *comma = "";

    text_add(text, "{");
    for (int status = FIGURES_STATUS_MIN; status <= FIGURES_STATUS_MAX; status++) {
        uint64_t n = answers->by_status[status - FIGURES_STATUS_MIN];

        if (n > 0) {
            text_add(text, "%s\"%d\":%" PRIu64, comma, status, n);
            comma = ",";
        }
    }
    text_add(text, "}");
}

static void add_times(struct text *text, const char *name, const struct histogram *times)
{
    text_add(text, "\"%s\":{\"count\":%" PRIu64 ",\"sum\":", name, times->count);
    text_add_seconds(text, times->sum_ns);
    text_add(text, ",\"mean\":");
    text_add_seconds(text, histogram_mean_ns(times));
    totals_add_quantiles(text, times);
    text_add(text, "}");
}
