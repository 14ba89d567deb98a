/* Jobs that are stuck.
 *
 * Happy path: counted with their changes of state; each has a deadline for its next line in the log. A line, then a
 * signal for the backtrace, then, TRACE_MS later, what has come of it. The signal may break a call that the handler
 * sleeps in, so only a job that nobody waits for gets it, and not in its first second, in which most late ones end.
 * Failures: a thread that takes no signal is said to take none. Close: stuck_end() of the last one disarms everything.
 */
#include "stuck.h"

#include "exchange.h"
#include "log.h"
#include "server.h"
#include "thread.h"

#include <assert.h>
#include <time.h>

enum { TRACE_MS = 100, LOOK_AGAIN_MS = 60 * 60 * 1000 };

/* From each look to the next one; the last one is repeated. */
static const unsigned looks_ms[] = {1000, 9 * 1000, 50 * 1000, 9 * 60 * 1000, 50 * 60 * 1000, LOOK_AGAIN_MS};
enum { N_LOOKS = sizeof(looks_ms) / sizeof(looks_ms[0]) };

static void wait_for_look(struct exchange *x);
static void on_look(struct deadline *deadline);
static void on_exit_due(struct deadline *deadline);
static bool name(const struct exchange *x, enum log_level level);
static bool tell_trace(const struct exchange *x, enum log_level level);
static void tell_no_trace(const struct exchange *x, enum log_level level);
static unsigned ask_all(struct server *server);
static unsigned tell_traces(struct server *server);

void stuck_begin(struct exchange *x)
{
    struct server *server = x->server;
    /* It was answered, with 504; else its client has left, which many do, or its process is about to be killed. */
    bool is_late = x->status != 0 && x->req.route->given.run != HOIST_PROCESS;

    assert(x->state == EXCHANGE_QUEUED);
    assert(x->conn == NULL);
    server->stuck.n++;
    stuck_check(server);
    x->watch = (struct stuck_watch){.next.expired = on_look};
    if (is_late) {
        name(x, LOG_WARNING);
        wait_for_look(x);
    } else {
        x->watch.looks = 2;
        deadline_arm(&server->deadlines, &x->watch.next, looks_ms[0] + looks_ms[1]);
    }
}

void stuck_end(struct exchange *x)
{
    uint64_t ms = (x->job.finished_ns - x->begun_ns) / 1000000;
    const char *why = "";

    assert(x->server->stuck.n > 0);
    x->server->stuck.n--;
    stuck_check(x->server);
    deadline_disarm(&x->watch.next);
    if (x->watch.is_asked && tell_trace(x, LOG_WARNING))
        why = ", interrupted for its backtrace";
    log_write(LOG_INFO, "%s, request %llu: an abandoned request has ended after %llu.%03u s%s",
              x->req.route->given.path, (unsigned long long)x->id, (unsigned long long)(ms / 1000),
              (unsigned)(ms % 1000), why);
}

unsigned stuck_count(const struct server *server)
{
    return server->stuck.n;
}

void stuck_check(struct server *server)
{
    struct stuck *stuck = &server->stuck;
    struct pool_figures figures;

    pool_figures(server->pool, &figures);
    if (stuck->n < figures.workers) {
        deadline_disarm(&stuck->exit);
    } else if (!deadline_is_armed(&stuck->exit)) {
        stuck->exit.expired = on_exit_due;
        deadline_arm(&server->deadlines, &stuck->exit, server->config->stuck_exit_ms);
    }
}

static void on_exit_due(struct deadline *deadline)
{
    struct server *server = OWNER_OF(deadline, struct server, stuck.exit);

    server->on_all_stuck(server->arg);
}

/* ---- one of them, now and then ---- */

static void wait_for_look(struct exchange *x)
{
    unsigned looks = x->watch.looks < N_LOOKS ? x->watch.looks++ : N_LOOKS - 1;

    deadline_arm(&x->server->deadlines, &x->watch.next, looks_ms[looks]);
}

static void on_look(struct deadline *deadline)
{
    struct exchange *x = OWNER_OF(deadline, struct exchange, watch.next);

    if (x->watch.is_asked) {
        x->watch.is_asked = false;
        if (!tell_trace(x, LOG_WARNING))
            tell_no_trace(x, LOG_WARNING);
        wait_for_look(x);
        return;
    }
    x->watch.is_asked = name(x, LOG_WARNING) && pool_trace_ask(x->server->pool, &x->job);
    if (x->watch.is_asked)
        deadline_arm(&x->server->deadlines, deadline, TRACE_MS);
    else
        wait_for_look(x);
}

/* False: it has returned, the loop just does not know yet. */
static bool name(const struct exchange *x, enum log_level level)
{
    uint64_t tenths = (uv_hrtime() - x->begun_ns) / 100000000;
    int thread = pool_job_thread(x->server->pool, &x->job);
    char text[THREAD_TEXT];

    if (thread < 0)
        return false;
    log_write(level, "stuck: %s, request %llu, %llu.%u s old, worker %u, thread %s", x->req.route->given.path,
              (unsigned long long)x->id, (unsigned long long)(tenths / 10), (unsigned)(tenths % 10), x->job.seat,
              thread_describe(thread, text));
    return true;
}

/* False: there is none. */
static bool tell_trace(const struct exchange *x, enum log_level level)
{
    char text[POOL_TRACE_MAX];

    if (!pool_trace_take(x->server->pool, &x->job, text))
        return false;
    log_write(level, "stuck: request %llu, backtrace: %s", (unsigned long long)x->id, text);
    return true;
}

static void tell_no_trace(const struct exchange *x, enum log_level level)
{
    if (pool_job_thread(x->server->pool, &x->job) >= 0)
        log_write(level, "stuck: request %llu, no backtrace: its thread takes no signal", (unsigned long long)x->id);
}

/* ---- all of them, at the end ---- */

void stuck_list(struct server *server)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    unsigned missing = ask_all(server);

    for (unsigned ms = 0; missing > 0 && ms < TRACE_MS; ms++) {
        nanosleep(&moment, NULL);
        missing -= tell_traces(server);
    }
    for (const struct exchange *x = server->exchanges; x != NULL; x = x->next)
        if (x->watch.is_asked)
            tell_no_trace(x, LOG_ERROR);
}

/* Returns how many backtraces are to come. */
static unsigned ask_all(struct server *server)
{
    unsigned n = 0;

    for (struct exchange *x = server->exchanges; x != NULL; x = x->next) {
        x->watch.is_asked = false;
        if (x->conn == NULL && x->state == EXCHANGE_PENDING)
            log_write(LOG_ERROR, "stuck: %s, request %llu, until its hoist_finish()", x->req.route->given.path,
                      (unsigned long long)x->id);
        else if (x->conn == NULL && name(x, LOG_ERROR))
            x->watch.is_asked = pool_trace_ask(server->pool, &x->job);
        n += x->watch.is_asked;
    }
    return n;
}

/* Returns how many there were. */
static unsigned tell_traces(struct server *server)
{
    unsigned n = 0;

    for (struct exchange *x = server->exchanges; x != NULL; x = x->next) {
        if (!x->watch.is_asked || !tell_trace(x, LOG_ERROR))
            continue;
        x->watch.is_asked = false;
        n++;
    }
    return n;
}
