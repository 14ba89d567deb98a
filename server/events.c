/* What the dashboard is fed with: server-sent events (HTML standard, section 9.2), one JSON object four times a second.
 *
 * Happy path: a tick pumps every stream; each remembers which spans it has told. Failures: no memory: 503, or that
 * event is empty. A client that does not read misses events, which are counted in its next one; routes and spans that
 * have no room in an event are counted there. Close: with its client, or the server.
 */
#include "admin.h"

#include "app.h"
#include "live.h"
#include "spans.h"
#include "stream.h"
#include "text.h"
#include "totals.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPANS_MAX = 500,
    CATCH_UP_MAX = 20, /* events; on a server that ends more than are told, a page would never see the present */
    LIVE_MAX = 300,
    ROUTES_MAX = 64,                    /* more have no row on the page */
    SPAN_BYTES = 120,                   /* at most, of one span in an event */
    STREAMS_MAX = ADMIN_CONNECTIONS / 2 /* so that whoever asks for /ready gets one */
};

/* What a page that is opened is told of the past. */
#define HISTORY_NS (30 * UINT64_C(1000000000))

struct event_stream {
    struct ticking ticking;
    struct admin *admin;
    uint64_t sample;       /* the next one to tell */
    uint64_t job, of_loop; /* the next spans to tell */
    unsigned catching_up;  /* events for which the oldest spans come first, and none are skipped */
    uint64_t busy_ns;      /* how long the loop had been busy at the last event */
    uint64_t told_ns;      /* its time */
};

static ssize_t fill(struct stream *stream, char *out, size_t size);
static void add_state(struct text *text, struct event_stream *events, uint64_t now_ns);
static uint64_t lag_max_ns(struct event_stream *events);
static void add_routes(struct text *text, const hoist_app *app, size_t size);
static void add_route(struct text *text, const hoist_app *app, const struct route *route);
static void add_times(struct text *text, const char *name, const struct histogram *times);
static void add_spans(struct text *text, struct event_stream *events, size_t size);
static unsigned add_ring(struct text *text, struct event_stream *events, const struct spans *spans, uint64_t *n,
                         unsigned room, const char **comma);
static void add_live(struct text *text, const struct admin *admin, size_t size);
static void add_time(struct text *text, const struct admin *admin, uint64_t ns);

int admin_events(hoist_req *req, hoist_res *res)
{
    struct admin *admin = admin_of(req);
    const struct server *server = &admin->app->server;
    struct event_stream *events;
    uint64_t now_ns = uv_hrtime();
    uint64_t since_ns = now_ns > HISTORY_NS ? now_ns - HISTORY_NS : 0; /* a machine may have started just now */

    if (ticker_count(&admin->events) >= STREAMS_MAX)
        return hoist_reply_error(res, 503, "%d streams of events are open already", STREAMS_MAX);
    events = calloc(1, sizeof(*events));
    if (events == NULL)
        return -ENOMEM;
    events->ticking.stream.fill = fill;
    events->admin = admin;
    events->sample = admin->n_samples;
    events->job = spans_since(&server->job_spans, since_ns);
    events->of_loop = spans_since(&server->loop_spans, since_ns);
    events->catching_up = CATCH_UP_MAX;
    events->busy_ns = loop_watch_busy_ns(&admin->watch);
    events->told_ns = now_ns;
    ticker_add(&admin->events, &events->ticking);
    hoist_res_header(res, "X-Accel-Buffering", "no"); /* else nginx gathers events, and the loop looks held */
    return response_stream(res, "text/event-stream", &events->ticking.stream);
}

static ssize_t fill(struct stream *stream, char *out, size_t size)
{
    struct event_stream *events = (struct event_stream *)stream;
    struct text text = {.err = 0};
    uint64_t now_ns = uv_hrtime();
    size_t len = 0;

    text_add(&text, "data: {");
    add_state(&text, events, now_ns);
    add_routes(&text, events->admin->app, size);
    add_spans(&text, events, size);
    add_live(&text, events->admin, size);
    text_add(&text, "}\n\n");
    if (text.err == 0 && text.bytes.len <= size) {
        len = text.bytes.len;
        memcpy(out, text.bytes.data, len);
    }
    text_close(&text);
    events->ticking.missed = 0;
    return (ssize_t)len;
}

static void add_state(struct text *text, struct event_stream *events, uint64_t now_ns)
{
    const struct admin *admin = events->admin;
    const hoist_app *app = admin->app;
    uint64_t busy_ns = loop_watch_busy_ns(&admin->watch);
    uint64_t passed_ns = now_ns > events->told_ns ? now_ns - events->told_ns : 1;
    struct totals totals;

    totals_read(app, &totals);
    text_add(text, "\"t\":");
    add_time(text, admin, now_ns);
    text_add(text, ",\"executor\":\"%s\",\"workers\":%u,\"workers_max\":%u,\"busy\":%u,\"waiting\":%u",
             app->pool != NULL ? "pool" : "inline", totals.pool.workers, totals.pool.workers_max,
             totals.all.jobs.running, totals.all.jobs.waiting);
    text_add(text, ",\"abandoned\":%u,\"stuck\":%u,\"ready\":%s,\"draining\":%s", totals.all.abandoned, totals.stuck,
             totals.not_ready[0] == '\0' ? "true" : "false", app->state != APP_SERVING ? "true" : "false");
    totals_add_jobs(text, &totals.all);
    text_add(text, ",\"connections\":%u,\"missed\":%u,\"lag_s\":", app->server.n_conns, events->ticking.missed);
    text_add_seconds(text, lag_max_ns(events));
    text_add(text, ",\"loop\":");
    text_add_share(text, busy_ns > events->busy_ns ? (double)(busy_ns - events->busy_ns) / (double)passed_ns : 0);
    text_add(text, ",\"answers\":%" PRIu64, app->server.figures.answers);
    events->busy_ns = busy_ns;
    events->told_ns = now_ns;
}

/* Of the samples since the last event. */
static uint64_t lag_max_ns(struct event_stream *events)
{
    struct admin *admin = events->admin;
    uint64_t max_ns = 0;

    loop_watch_sample(&admin->watch);
    if (admin->n_samples - events->sample > ADMIN_SAMPLES)
        events->sample = admin->n_samples - ADMIN_SAMPLES;
    for (; events->sample < admin->n_samples; events->sample++) {
        uint64_t lag_ns = admin->samples[events->sample % ADMIN_SAMPLES].lag_ns;

        max_ns = lag_ns > max_ns ? lag_ns : max_ns;
    }
    return max_ns;
}

/* The first ones, whose names have room: half of the event is for spans. */
static void add_routes(struct text *text, const hoist_app *app, size_t size)
{
    const struct route *route = app->routes;
    size_t n_routes = 0;

    text_add(text, ",\"routes\":[");
    for (; route != NULL && route->index < ROUTES_MAX; route = route->next, n_routes++) {
        size_t before = text->bytes.len;

        add_route(text, app, route);
        if (text->bytes.len > size / 2) {
            text->bytes.len = before;
            break;
        }
    }
    for (; route != NULL; route = route->next)
        n_routes++;
    text_add(text, "],\"n_routes\":%zu", n_routes);
}

static void add_route(struct text *text, const hoist_app *app, const struct route *route)
{
    struct job_figures figures;

    totals_of_route(app, route, &figures);
    text_add(text, "%s{\"method\":\"%s\",\"path\":", route->index > 0 ? "," : "",
             router_method_name(route->given.method));
    text_add_json(text, route->given.path);
    text_add(text, ",\"run\":\"%s\",\"waiting\":%u,\"running\":%u,\"abandoned\":%u,\"shed\":%" PRIu64,
             route_run_name(route->given.run), figures.jobs.waiting, figures.jobs.running, figures.abandoned,
             figures.shed);
    add_times(text, "wait_s", &route->figures.wait);
    add_times(text, "run_s", &route->figures.run);
    text_add(text, "}");
}

static void add_times(struct text *text, const char *name, const struct histogram *times)
{
    text_add(text, ",\"%s\":{\"count\":%" PRIu64, name, times->count);
    totals_add_quantiles(text, times);
    text_add(text, "}");
}

/* The newest ones that have room, but of the past that a new stream begins with the oldest; those that the loop
 * answered get what the jobs leave. */
static void add_spans(struct text *text, struct event_stream *events, size_t size)
{
    const struct server *server = &events->admin->app->server;
    size_t left = size > text->bytes.len ? (size - text->bytes.len) / 2 : 0; /* the other half is for live ones */
    unsigned room = left / SPAN_BYTES < SPANS_MAX ? (unsigned)(left / SPAN_BYTES) : SPANS_MAX;
    uint64_t passed = events->job + events->of_loop;
    const char *comma = "";
    unsigned n;

    text_add(text, ",\"spans\":[");
    n = add_ring(text, events, &server->job_spans, &events->job, room, &comma);
    n += add_ring(text, events, &server->loop_spans, &events->of_loop, room - n, &comma);
    passed = events->job + events->of_loop - passed;
    text_add(text, "],\"skipped\":%" PRIu64, passed - n);
    if (events->job == server->job_spans.next && events->of_loop == server->loop_spans.next)
        events->catching_up = 0;
    if (events->catching_up > 0)
        events->catching_up--;
}

static unsigned add_ring(struct text *text, struct event_stream *events, const struct spans *spans, uint64_t *n,
                         unsigned room, const char **comma)
{
    uint64_t first = spans_first(spans);
    unsigned told = 0;

    if (*n < first)
        *n = first;
    if (events->catching_up == 0 && spans->next - *n > room)
        *n = spans->next - room;
    for (; *n < spans->next && told < room; (*n)++, told++) {
        const struct span *span = spans_at(spans, *n);

        text_add(text, "%s[%" PRIu64 ",%u,%d,", *comma, span->id, span->route, span->seat);
        add_time(text, events->admin, span->received_ns);
        text_add(text, ",");
        add_time(text, events->admin, span->started_ns);
        text_add(text, ",");
        add_time(text, events->admin, span->ended_ns);
        text_add(text, ",%u,%u,", span->status, span->outcome);
        add_time(text, events->admin, span->queued_ns);
        text_add(text, "]");
        *comma = ",";
    }
    return told;
}

static void add_live(struct text *text, const struct admin *admin, size_t size)
{
    struct span spans[LIVE_MAX];
    size_t n = live_read(admin->app, spans, LIVE_MAX);

    text_add(text, ",\"live\":[");
    for (size_t i = 0; i < n && i < LIVE_MAX && text->bytes.len + SPAN_BYTES < size; i++) {
        text_add(text, "%s[%" PRIu64 ",%u,%d,", i > 0 ? "," : "", spans[i].id, spans[i].route, spans[i].seat);
        add_time(text, admin, spans[i].received_ns);
        text_add(text, ",");
        add_time(text, admin, spans[i].started_ns);
        text_add(text, ",%d,", spans[i].outcome == SPAN_ABANDONED);
        add_time(text, admin, spans[i].queued_ns);
        text_add(text, "]");
    }
    text_add(text, "],\"n_live\":%zu", n);
}

/* A moment on the server's clock; null: it did not come to that. */
static void add_time(struct text *text, const struct admin *admin, uint64_t ns)
{
    if (ns == 0)
        text_add(text, "null");
    else
        text_add_seconds(text, ns > admin->begun_ns ? ns - admin->begun_ns : 0);
}
