/* /metrics: the figures in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * Happy path: one family after the other, each with its routes; bounds of histograms are bounds of their buckets, so
 * the counts are exact. Failures: no memory: 503. Close: nothing is held.
 */
#include "admin.h"

#include "app.h"
#include "log.h"
#include "text.h"
#include "totals.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LABELS_MAX = ROUTER_PATTERN_MAX + 64 };

static void add_routes(struct text *text, const hoist_app *app);
static void add_jobs(struct text *text, const hoist_app *app);
static void add_pool(struct text *text, const hoist_app *app);
static void add_loop(struct text *text, const struct admin *admin);
static void add_connections(struct text *text, const hoist_app *app);
static void add_process(struct text *text, const struct admin *admin);
static uint64_t resident_pages(void);

int admin_metrics(hoist_req *req, hoist_res *res)
{
    const struct admin *admin = admin_of(req);
    struct text text = {.err = 0};

    add_routes(&text, admin->app);
    add_jobs(&text, admin->app);
    add_pool(&text, admin->app);
    add_loop(&text, admin);
    add_connections(&text, admin->app);
    add_process(&text, admin);
    return text_reply(&text, res, "text/plain; version=0.0.4; charset=utf-8");
}

static void add_family(struct text *text, const char *name, const char *type, const char *help)
{
    text_add(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A family of one. */
static void add_number(struct text *text, const char *name, const char *type, const char *help, uint64_t value)
{
    add_family(text, name, type, help);
    text_add(text, "%s %" PRIu64 "\n", name, value);
}

static void add_duration(struct text *text, const char *name, const char *type, const char *help, uint64_t ns)
{
    add_family(text, name, type, help);
    text_add(text, "%s ", name);
    text_add_seconds(text, ns);
    text_add(text, "\n");
}

/* method="GET",route="/sleep/:ms"; no pattern has a quote or a backslash in it (router.c). */
static const char *labels_of(const struct route *route, char labels[LABELS_MAX])
{
    (void)snprintf(labels, LABELS_MAX, "method=\"%s\",route=\"%s\"", router_method_name(route->given.method),
                   route->given.path);
    return labels;
}

static void add_histogram(struct text *text, const char *name, const char *labels, const struct histogram *histogram)
{
    /* Texts, too: a bound is a label, which is not to change, and %g may print a comma. */
    static const struct {
        uint64_t us;
        const char *s;
    } bounds[] = {
        {100, "0.0001"},    {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"},    {2500, "0.0025"},
        {5000, "0.005"},    {10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"},    {100000, "0.1"},
        {250000, "0.25"},   {500000, "0.5"},  {1000000, "1"},   {2500000, "2.5"},   {5000000, "5"},
        {10000000, "10"},   {25000000, "25"}, {50000000, "50"}, {100000000, "100"}, {250000000, "250"},
        {500000000, "500"},
    };
    const char *comma = labels[0] != '\0' ? "," : "";

    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++)
        text_add(text, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name, labels, comma, bounds[i].s,
                 histogram_at_most(histogram, bounds[i].us * 1000));
    text_add(text, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, comma, histogram->count);
    if (labels[0] == '\0')
        text_add(text, "%s_sum ", name);
    else
        text_add(text, "%s_sum{%s} ", name, labels);
    text_add_seconds(text, histogram->sum_ns);
    if (labels[0] == '\0')
        text_add(text, "\n%s_count %" PRIu64 "\n", name, histogram->count);
    else
        text_add(text, "\n%s_count{%s} %" PRIu64 "\n", name, labels, histogram->count);
}

/* Those that one alerts on are told while they are 0, too: increase() and rate() do not see a first value's coming. */
static bool is_told_at_0(const struct route *route, int status)
{
    if (route == NULL)
        return status == 400 || status == 404;
    return status == 200 || status == 500 || status == 503 || status == 504 ||
           (status == 502 && route->given.run == HOIST_PROCESS);
}

/* route is NULL for what none took. */
static void add_answers(struct text *text, const struct route *route, const char *labels, const struct answers *answers)
{
    for (int status = FIGURES_STATUS_MIN; status <= FIGURES_STATUS_MAX; status++) {
        uint64_t n = answers->by_status[status - FIGURES_STATUS_MIN];

        if (n > 0 || is_told_at_0(route, status))
            text_add(text, "hoist_requests_total{%s,status=\"%d\"} %" PRIu64 "\n", labels, status, n);
    }
}

static void add_routes(struct text *text, const hoist_app *app)
{
    char labels[LABELS_MAX];

    add_family(text, "hoist_requests_total", "counter",
               "Requests answered, so none of status 499; without a route: none took them.");
    for (const struct route *route = app->routes; route != NULL; route = route->next)
        add_answers(text, route, labels_of(route, labels), &route->figures.answers);
    add_answers(text, NULL, "method=\"\",route=\"\"", &app->server.figures.unrouted);

    add_family(text, "hoist_wait_seconds", "histogram", "Time in the queue, until started or taken back.");
    for (const struct route *route = app->routes; route != NULL; route = route->next)
        if (route->lane != NULL)
            add_histogram(text, "hoist_wait_seconds", labels_of(route, labels), &route->figures.wait);

    add_family(text, "hoist_run_seconds", "histogram", "Time in the handler, on a worker or on the loop.");
    for (const struct route *route = app->routes; route != NULL; route = route->next)
        add_histogram(text, "hoist_run_seconds", labels_of(route, labels), &route->figures.run);
}

/* What becomes of each route's jobs: a family of each figure, in it a line of each route that has a lane. */
static void add_jobs(struct text *text, const hoist_app *app)
{
    enum { ADMITTED, FINISHED, CANCELLED, SHED, WAITING, RUNNING, ABANDONED, BUSY, CPU };
    static const struct {
        const char *name, *type, *help;
    } families[] = {
        [ADMITTED] = {"hoist_jobs_admitted_total", "counter", "Jobs that were queued."},
        [FINISHED] = {"hoist_jobs_finished_total", "counter",
                      "Jobs that a worker has ended, those included that found no memory left."},
        [CANCELLED] = {"hoist_jobs_cancelled_total", "counter",
                       "Jobs taken back while they waited: their client left, or their time was over."},
        [SHED] = {"hoist_jobs_shed_total", "counter",
                  "Requests refused with 503: the queue was too long, or no memory was left at their turn."},
        [WAITING] = {"hoist_jobs_waiting", "gauge", "Jobs in the queue."},
        [RUNNING] = {"hoist_jobs_running", "gauge", "Jobs on a worker."},
        [ABANDONED] = {"hoist_jobs_abandoned", "gauge", "Requests that go on though nobody waits for them."},
        [BUSY] = {"hoist_handler_seconds_total", "counter", "Time of handlers on workers."},
        [CPU] = {"hoist_handler_cpu_seconds_total", "counter", "CPU time of handlers on workers."},
    };
    char labels[LABELS_MAX];

    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        add_family(text, families[i].name, families[i].type, families[i].help);
        for (const struct route *route = app->routes; route != NULL; route = route->next) {
            struct job_figures figures;

            if (route->lane == NULL)
                continue;
            totals_of_route(app, route, &figures);
            const uint64_t values[] = {
                [ADMITTED] = figures.jobs.admitted,   [FINISHED] = figures.jobs.finished,
                [CANCELLED] = figures.jobs.cancelled, [SHED] = figures.shed,
                [WAITING] = figures.jobs.waiting,     [RUNNING] = figures.jobs.running,
                [ABANDONED] = figures.abandoned,      [BUSY] = figures.jobs.busy_ns,
                [CPU] = figures.jobs.cpu_ns,
            };

            text_add(text, "%s{%s} ", families[i].name, labels_of(route, labels));
            if (i >= BUSY)
                text_add_seconds(text, values[i]);
            else
                text_add(text, "%" PRIu64, values[i]);
            text_add(text, "\n");
        }
    }
}

static void add_pool(struct text *text, const hoist_app *app)
{
    struct totals totals;

    totals_read(app, &totals);
    add_number(text, "hoist_workers", "gauge", "Workers that may be at work at once.", totals.pool.workers);
    add_number(text, "hoist_workers_max", "gauge", "What a resize may reach.", totals.pool.workers_max);
    add_number(text, "hoist_workers_busy", "gauge", "Workers in a handler.", totals.pool.busy);
    add_number(text, "hoist_workers_stuck", "gauge", "Workers in a handler whose request was abandoned.", totals.stuck);
    add_number(text, "hoist_ready", "gauge", "1: ready for requests.", totals.not_ready[0] == '\0');
    add_number(text, "hoist_draining", "gauge", "1: a stop was asked for.", app->state != APP_SERVING);
}

static void add_loop(struct text *text, const struct admin *admin)
{
    add_family(text, "hoist_loop_lag_seconds", "histogram", "How late a timer of the loop is, ten times a second.");
    add_histogram(text, "hoist_loop_lag_seconds", "", &admin->watch.lag);
    add_duration(text, "hoist_loop_busy_seconds_total", "counter", "Time of the loop outside of poll.",
                 loop_watch_busy_ns(&admin->watch));
}

static void add_connections(struct text *text, const hoist_app *app)
{
    const struct figures *figures = &app->server.figures;

    add_number(text, "hoist_connections", "gauge", "Open connections.", app->server.n_conns);
    add_number(text, "hoist_connections_max", "gauge", "As many may be open.", app->config.max_connections);
    add_number(text, "hoist_connections_accepted_total", "counter", "Connections accepted.", figures->accepted);
    add_number(text, "hoist_memory_bytes", "gauge", "Memory that requests hold.", server_memory(&app->server));
    add_number(text, "hoist_received_bytes_total", "counter", "Bytes read from connections.", figures->received);
    add_number(text, "hoist_sent_bytes_total", "counter", "Bytes of answers.", figures->sent);
    add_number(text, "hoist_log_lines_lost_total", "counter", "Log lines lost: a sink was slow or failed.", log_lost());
}

/* The names are those of Prometheus' own client libraries. What the system does not tell is left out. */
static void add_process(struct text *text, const struct admin *admin)
{
    const struct timespec *begun = &admin->begun;
    uint64_t resident;

    add_family(text, "hoist_build_info", "gauge", "Always 1.");
    text_add(text, "hoist_build_info{version=\"%s\",libuv=\"%s\"} 1\n", HOIST_VERSION, uv_version_string());
    add_duration(text, "process_cpu_seconds_total", "counter", "CPU time of the process.", totals_cpu_ns());
    add_duration(text, "process_start_time_seconds", "gauge", "When the server began, since the epoch.",
                 (uint64_t)begun->tv_sec * 1000000000 + (uint64_t)begun->tv_nsec);
    resident = resident_pages();
    if (resident > 0)
        add_number(text, "process_resident_memory_bytes", "gauge", "Memory of the process that is in RAM.",
                   resident * (uint64_t)sysconf(_SC_PAGESIZE));
}

/* The second number of /proc/self/statm (proc(5)); 0: the system has no such file. */
static uint64_t resident_pages(void)
{
    FILE *statm = fopen("/proc/self/statm", "re");
    char line[128] = "", *end = line;
    uint64_t resident = 0;

    if (statm == NULL)
        return 0;
    if (fgets(line, sizeof(line), statm) != NULL) {
        (void)strtoul(line, &end, 10);
        resident = strtoul(end, NULL, 10);
    }
    (void)fclose(statm);
    return resident;
}
