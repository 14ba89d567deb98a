/* The spans of the last seconds as a long answer: rows of CSV, or Chrome's trace events, which Perfetto opens too.
 *
 * Happy path: a stream remembers how far it has come in both rings, and what was in progress when it was asked; a tick
 * each millisecond lets it write one piece, so that a long trace holds the loop for moments only.
 * Failures: no memory: 503. What the rings lose meanwhile is counted and told. Close: with the last row, or the client.
 */
#include "admin.h"

#include "app.h"
#include "live.h"
#include "spans.h"
#include "stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROW_MAX = 2048, /* bytes, with three patterns of ROUTER_PATTERN_MAX */
    LIVE_MAX = 4096,
    SECONDS_DEFAULT = 10,
    SECONDS_MAX = 1000 * 1000 * 1000, /* whatever the rings still have: they are what bounds an answer */
};

/* How one kind of answer is written. Each returns the bytes put into out, at most ROW_MAX. */
struct format {
    const char *type;
    size_t (*first)(const struct admin *admin, char *out);
    size_t (*seat)(unsigned seat, char *out); /* NULL: seats are not introduced */
    size_t (*row)(const struct admin *admin, const struct span *span, char *out);
    size_t (*sample)(const struct admin *admin, const struct sample *sample, char *out); /* NULL: none */
    size_t (*last)(uint64_t dropped, char *out);
};

struct row_stream {
    struct ticking ticking;
    struct admin *admin;
    const struct format *format;
    enum { ROWS_FIRST, ROWS_SEATS, ROWS_JOBS, ROWS_LOOP, ROWS_LIVE, ROWS_SAMPLES, ROWS_LAST, ROWS_OVER } stage;
    unsigned seat, n_seats;
    uint64_t sample, samples_end;
    uint64_t job, jobs_end, of_loop, of_loop_end, dropped;
    size_t live, n_live;
    struct span lives[];
};

static int begin(hoist_req *req, hoist_res *res, const struct format *format);
static ssize_t fill(struct stream *stream, char *out, size_t size);
static size_t next_row(struct row_stream *rows, char *out);
static const struct span *next_span(struct row_stream *rows, const struct spans *spans, uint64_t *n, uint64_t end);
static const struct route *route_of(const struct admin *admin, const struct span *span);

/* ---- CSV ---- */

static size_t csv_first(const struct admin *admin, char *out)
{
    (void)admin;
    return (size_t)snprintf(out, ROW_MAX,
                            "id,method,route,run,seat,status,outcome,received_s,started_s,finished_s,cpu_s,queued_s\n");
}

/* A moment on the server's clock; empty: it did not come to that. */
static size_t csv_time(const struct admin *admin, uint64_t ns, char *out)
{
    uint64_t us = ns > admin->begun_ns ? (ns - admin->begun_ns) / 1000 : 0;

    if (ns == 0)
        return (size_t)snprintf(out, 32, ",");
    return (size_t)snprintf(out, 32, ",%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
}

static size_t csv_row(const struct admin *admin, const struct span *span, char *out)
{
    static const char *const outcomes[] = SPAN_OUTCOMES;
    const struct route *route = route_of(admin, span);
    bool is_quoted = strchr(route->given.path, ',') != NULL; /* RFC 4180; no pattern has a quote in it */
    size_t len;

    len = (size_t)snprintf(out, ROW_MAX, "%" PRIu64 ",%s,%s%s%s,%s,%d,%u,%s", span->id,
                           router_method_name(route->given.method), is_quoted ? "\"" : "", route->given.path,
                           is_quoted ? "\"" : "", route_run_name(route->given.run), span->seat, span->status,
                           span->ended_ns != 0 || span->outcome == SPAN_ABANDONED ? outcomes[span->outcome] : "");
    len += csv_time(admin, span->received_ns, out + len);
    len += csv_time(admin, span->started_ns, out + len);
    len += csv_time(admin, span->ended_ns, out + len);
    len += (size_t)snprintf(out + len, 32, ",%" PRIu64 ".%06" PRIu64, span->cpu_ns / 1000000000,
                            span->cpu_ns / 1000 % 1000000);
    len += csv_time(admin, span->queued_ns, out + len);
    out[len++] = '\n';
    return len;
}

static size_t csv_last(uint64_t dropped, char *out)
{
    return dropped > 0 ? (size_t)snprintf(out, ROW_MAX, "# dropped %" PRIu64 "\n", dropped) : 0;
}

static const struct format csv = {
    .type = "text/csv; charset=utf-8",
    .first = csv_first,
    .row = csv_row,
    .last = csv_last,
};

/* ---- Chrome's trace events: one process, a thread for the loop and one for each seat ---- */

enum { LOOP_TID = 1, SEAT_TID = 2 };

static size_t trace_first(const struct admin *admin, char *out)
{
    (void)admin;
    return (size_t)snprintf(out, ROW_MAX,
                            "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"
                            "{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"hoist\"}},\n"
                            "{\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"name\":\"thread_name\",\"args\":{\"name\":\"loop\"}}",
                            LOOP_TID);
}

static size_t trace_seat(unsigned seat, char *out)
{
    return (size_t)snprintf(out, ROW_MAX,
                            ",\n{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_name\","
                            "\"args\":{\"name\":\"worker %u\"}}",
                            SEAT_TID + seat, seat);
}

/* Microseconds, as the format wants them. */
static size_t trace_time(const char *name, uint64_t ns, char *out)
{
    return (size_t)snprintf(out, 48, ",\"%s\":%" PRIu64 ".%03u", name, ns / 1000, (unsigned)(ns % 1000));
}

static size_t trace_args(const struct span *span, char *out)
{
    static const char *const outcomes[] = SPAN_OUTCOMES;

    return (size_t)snprintf(
        out, 160, ",\"args\":{\"id\":%" PRIu64 ",\"status\":%u,\"outcome\":\"%s\",\"cpu_us\":%" PRIu64 "}}", span->id,
        span->status, span->ended_ns != 0 ? outcomes[span->outcome] : "running", span->cpu_ns / 1000);
}

/* Spans of one kind may overlap: a pair of asynchronous events. */
static size_t trace_pair(const struct admin *admin, const struct span *span, const char *kind, const char *name,
                         uint64_t begin_ns, uint64_t end_ns, char *out)
{
    size_t len;

    len = (size_t)snprintf(out, 800,
                           ",\n{\"ph\":\"b\",\"cat\":\"%s\",\"id\":%" PRIu64 ",\"pid\":1,\"tid\":%d,\"name\":\"%s\"",
                           kind, span->id, LOOP_TID, name);
    len += trace_time("ts", begin_ns - admin->begun_ns, out + len);
    len += trace_args(span, out + len);
    len += (size_t)snprintf(out + len, 800,
                            ",\n{\"ph\":\"e\",\"cat\":\"%s\",\"id\":%" PRIu64 ",\"pid\":1,\"tid\":%d,\"name\":\"%s\"",
                            kind, span->id, LOOP_TID, name);
    len += trace_time("ts", end_ns - admin->begun_ns, out + len);
    out[len++] = '}';
    return len;
}

static size_t trace_row(const struct admin *admin, const struct span *span, char *out)
{
    const struct route *route = route_of(admin, span);
    uint64_t now_ns = uv_hrtime();
    uint64_t end_ns = span->ended_ns != 0 ? span->ended_ns : now_ns;
    bool is_job = span->queued_ns != 0;
    const char *path = route->given.path; /* no pattern has anything in it that JSON escapes */
    size_t len = 0;

    if (!is_job && route->given.run == HOIST_ASYNC)
        return trace_pair(admin, span, "async", path, span->received_ns, end_ns, out);
    if (is_job)
        len = trace_pair(admin, span, "wait", path, span->queued_ns, span->started_ns != 0 ? span->started_ns : end_ns,
                         out);
    if (span->started_ns == 0)
        return len;
    len += (size_t)snprintf(out + len, 800, ",\n{\"ph\":\"X\",\"cat\":\"run\",\"pid\":1,\"tid\":%d,\"name\":\"%s\"",
                            is_job ? SEAT_TID + span->seat : LOOP_TID, path);
    len += trace_time("ts", span->started_ns - admin->begun_ns, out + len);
    len += trace_time("dur", end_ns - span->started_ns, out + len);
    len += trace_args(span, out + len);
    return len;
}

static size_t trace_sample(const struct admin *admin, const struct sample *sample, char *out)
{
    size_t len = (size_t)snprintf(out, ROW_MAX, ",\n{\"ph\":\"C\",\"pid\":1,\"name\":\"jobs\"");

    len += trace_time("ts", sample->at_ns - admin->begun_ns, out + len);
    len += (size_t)snprintf(out + len, ROW_MAX - len, ",\"args\":{\"running\":%u,\"waiting\":%u}}", sample->busy,
                            sample->waiting);
    len += (size_t)snprintf(out + len, ROW_MAX - len, ",\n{\"ph\":\"C\",\"pid\":1,\"name\":\"loop lag us\"");
    len += trace_time("ts", sample->at_ns - admin->begun_ns, out + len);
    len += (size_t)snprintf(out + len, ROW_MAX - len, ",\"args\":{\"lag\":%" PRIu64 "}}", sample->lag_ns / 1000);
    return len;
}

static size_t trace_last(uint64_t dropped, char *out)
{
    return (size_t)snprintf(out, ROW_MAX, "\n],\"otherData\":{\"dropped\":\"%" PRIu64 "\"}}\n", dropped);
}

static const struct format trace = {
    .type = "application/json",
    .first = trace_first,
    .seat = trace_seat,
    .row = trace_row,
    .sample = trace_sample,
    .last = trace_last,
};

/* ---- the streams ---- */

int admin_spans(hoist_req *req, hoist_res *res)
{
    return begin(req, res, &csv);
}

int admin_trace(hoist_req *req, hoist_res *res)
{
    hoist_res_header(res, "Content-Disposition", "attachment; filename=\"hoist-trace.json\"");
    return begin(req, res, &trace);
}

static int begin(hoist_req *req, hoist_res *res, const struct format *format)
{
    struct admin *admin = admin_of(req);
    const struct server *server = &admin->app->server;
    size_t n_live = live_read(admin->app, NULL, 0);
    size_t n_kept = n_live < LIVE_MAX ? n_live : LIVE_MAX;
    long seconds = SECONDS_DEFAULT;
    struct row_stream *rows;
    uint64_t since_ns, now_ns = uv_hrtime();

    if (hoist_req_arg(req, "seconds") != NULL && hoist_req_long(req, "seconds", 1, SECONDS_MAX, &seconds) < 0)
        return -EINVAL;
    rows = calloc(1, sizeof(*rows) + n_kept * sizeof(rows->lives[0]));
    if (rows == NULL)
        return -ENOMEM;
    since_ns = now_ns - admin->begun_ns > (uint64_t)seconds * 1000000000 ? now_ns - (uint64_t)seconds * 1000000000 : 0;
    rows->ticking.stream.fill = fill;
    rows->admin = admin;
    rows->format = format;
    rows->n_seats = admin->app->pool != NULL ? admin->app->config.workers_max : 0;
    rows->job = spans_since(&server->job_spans, since_ns);
    rows->jobs_end = server->job_spans.next;
    rows->of_loop = spans_since(&server->loop_spans, since_ns);
    rows->of_loop_end = server->loop_spans.next;
    rows->samples_end = admin->n_samples;
    rows->sample = rows->samples_end > ADMIN_SAMPLES ? rows->samples_end - ADMIN_SAMPLES : 0;
    while (rows->sample < rows->samples_end && admin->samples[rows->sample % ADMIN_SAMPLES].at_ns < since_ns)
        rows->sample++;
    if (rows->job == spans_first(&server->job_spans))
        rows->dropped += rows->job;
    if (rows->of_loop == spans_first(&server->loop_spans))
        rows->dropped += rows->of_loop;
    n_live = live_read(admin->app, rows->lives, n_kept); /* fewer, if jobs have ended meanwhile */
    rows->n_live = n_live < n_kept ? n_live : n_kept;
    rows->dropped += n_live - rows->n_live;
    ticker_add(&admin->rows, &rows->ticking);
    return response_stream(res, format->type, &rows->ticking.stream);
}

static ssize_t fill(struct stream *stream, char *out, size_t size)
{
    struct row_stream *rows = (struct row_stream *)stream;
    size_t len = 0;

    while (rows->stage != ROWS_OVER && size - len >= ROW_MAX)
        len += next_row(rows, out + len);
    return len > 0 ? (ssize_t)len : STREAM_OVER;
}

/* 0: a stage has ended. */
static size_t next_row(struct row_stream *rows, char *out)
{
    const struct server *server = &rows->admin->app->server;
    const struct format *format = rows->format;
    const struct span *span = NULL;

    switch (rows->stage) {
    case ROWS_FIRST:
        rows->stage = format->seat != NULL ? ROWS_SEATS : ROWS_JOBS;
        return format->first(rows->admin, out);
    case ROWS_SEATS:
        if (rows->seat < rows->n_seats)
            return format->seat(rows->seat++, out);
        break;
    case ROWS_JOBS:
        span = next_span(rows, &server->job_spans, &rows->job, rows->jobs_end);
        break;
    case ROWS_LOOP:
        span = next_span(rows, &server->loop_spans, &rows->of_loop, rows->of_loop_end);
        break;
    case ROWS_LIVE:
        span = rows->live < rows->n_live ? &rows->lives[rows->live++] : NULL;
        break;
    case ROWS_SAMPLES:
        if (format->sample != NULL && rows->sample < rows->samples_end)
            return format->sample(rows->admin, &rows->admin->samples[rows->sample++ % ADMIN_SAMPLES], out);
        break;
    case ROWS_LAST:
        rows->stage = ROWS_OVER;
        return format->last(rows->dropped, out);
    case ROWS_OVER:
        return 0;
    }
    if (span != NULL)
        return format->row(rows->admin, span, out);
    rows->stage++;
    return 0;
}

static const struct span *next_span(struct row_stream *rows, const struct spans *spans, uint64_t *n, uint64_t end)
{
    uint64_t first = spans_first(spans);

    if (*n < first) { /* overtaken by new ones */
        rows->dropped += (first < end ? first : end) - *n;
        *n = first;
    }
    return *n < end ? spans_at(spans, (*n)++) : NULL;
}

static const struct route *route_of(const struct admin *admin, const struct span *span)
{
    const struct route *route = admin->app->routes;

    for (unsigned i = 0; i < span->route; i++)
        route = route->next;
    return route;
}
