/* The figures of an app at one moment.
 *
 * Happy path: each route's tally is read under the pool's lock, so that it holds together; sums of such tallies hold
 * together, too. Failures: none. Close: nothing.
 */
#include "totals.h"

#include "forkserver.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static void look_whether_ready(const hoist_app *app, struct totals *totals);

void totals_of_route(const hoist_app *app, const struct route *route, struct job_figures *ret_figures)
{
    *ret_figures = (struct job_figures){
        .shed = route->figures.shed,
        .abandoned = route->figures.abandoned,
    };
    if (app->pool != NULL && route->figures.jobs != NULL)
        pool_tally(app->pool, route->figures.jobs, &ret_figures->jobs);
}

void totals_read(const hoist_app *app, struct totals *ret_totals)
{
    *ret_totals = (struct totals){.stuck = stuck_count(&app->server)};
    for (const struct route *route = app->routes; route != NULL; route = route->next) {
        struct job_figures *all = &ret_totals->all, one;

        totals_of_route(app, route, &one);
        all->shed += one.shed;
        all->abandoned += one.abandoned;
        all->jobs.admitted += one.jobs.admitted;
        all->jobs.finished += one.jobs.finished;
        all->jobs.cancelled += one.jobs.cancelled;
        all->jobs.waiting += one.jobs.waiting;
        all->jobs.running += one.jobs.running;
        all->jobs.busy_ns += one.jobs.busy_ns;
        all->jobs.cpu_ns += one.jobs.cpu_ns;
    }
    if (app->pool != NULL)
        pool_figures(app->pool, &ret_totals->pool);
    look_whether_ready(app, ret_totals);
}

static void look_whether_ready(const hoist_app *app, struct totals *totals)
{
    const size_t size = sizeof(totals->not_ready);
    uint64_t now_ns = uv_hrtime();
    char *why = totals->not_ready;

    if (app->state != APP_SERVING)
        snprintf(why, size, "draining");
    else if (forkserver_has_ended())
        snprintf(why, size, "the fork server has ended");
    else if (app->pool != NULL && totals->stuck * 2 >= totals->pool.workers)
        snprintf(why, size, "%u of %u workers are stuck", totals->stuck, totals->pool.workers);
    for (const struct route *route = app->routes; route != NULL && why[0] == '\0'; route = route->next) {
        struct lane *lane = route->lane;
        uint64_t full_ms = lane != NULL ? lane_full_ns(lane, now_ns, lane_waiting(&lane->queue)) / 1000000 : 0;

        if (full_ms >= app->config.ready_full_ms)
            snprintf(why, size, "the queue of %s has been full for %llu ms", route->given.path,
                     (unsigned long long)full_ms);
    }
}

uint64_t totals_cpu_ns(void)
{
    struct timespec used = {0};

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

void totals_add_jobs(struct text *text, const struct job_figures *figures)
{
    text_add(text, ",\"admitted\":%" PRIu64 ",\"finished\":%" PRIu64 ",\"cancelled\":%" PRIu64 ",\"shed\":%" PRIu64,
             figures->jobs.admitted, figures->jobs.finished, figures->jobs.cancelled, figures->shed);
}

void totals_add_quantiles(struct text *text, const struct histogram *times)
{
    text_add(text, ",\"p50\":");
    text_add_seconds(text, histogram_quantile_ns(times, 0.5));
    text_add(text, ",\"p90\":");
    text_add_seconds(text, histogram_quantile_ns(times, 0.9));
    text_add(text, ",\"p99\":");
    text_add_seconds(text, histogram_quantile_ns(times, 0.99));
    text_add(text, ",\"max\":");
    text_add_seconds(text, times->max_ns);
}
