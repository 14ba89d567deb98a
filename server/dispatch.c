/* Runs handlers where their routes say, and turns what they return into answers.
 *
 * Happy path: dispatch_begin() -> a handler on the loop, or a job on a worker -> dispatch_conclude() -> conn_answer().
 * Failures: fail() answers an errno; shed() a full lane, or one too long to serve it in time; on_deadline() a request
 * that takes too long. Close: dispatch_cancel(). An abandoned exchange ends like any other, with nobody to answer.
 */
#include "dispatch.h"

#include "access.h"
#include "async.h"
#include "conn.h"
#include "dispatch_internal.h"
#include "log.h"
#include "process.h"
#include "server.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    LOOP_BUDGET_MS = 100, /* a handler on the loop that takes longer makes everybody wait, and is logged */
    CLOCK_LATE_MS = 10,   /* so far uv_now() may be behind */
};

static void answer_unrouted(struct exchange *x);
static void call_inline(struct exchange *x);
static void go_on(struct exchange *x, int result);
__attribute__((cold)) static void shed(struct exchange *x, const char *reason);
static int check_room(struct exchange *x);
static void note_no_room(struct exchange *x);
static void on_work(struct pool_job *job);
static void on_done(struct pool_job *job);
static bool is_hopeless(const struct exchange *x);
static void on_deadline(struct deadline *deadline);
static void answer_running(struct exchange *x);
static void add_times_so_far(struct exchange *x);
static void on_queue_deadline(struct deadline *deadline);
static bool expire(struct exchange *x);
static bool take_back(struct exchange *x, enum span_outcome outcome);
static void log_left(struct exchange *x);
static bool is_late(const struct exchange *x, int result);
__attribute__((cold)) static void fail(struct exchange *x, int result);
static void answer(struct exchange *x, const struct reply *reply);
__attribute__((cold)) static void answer_error(struct exchange *x, int status, const char *reason);

void dispatch_begin(struct exchange *x)
{
    const struct route *route = x->req.route;

    if (x->req.body.len > 0)
        x->req.body.data[x->req.body.len] = '\0';
    if (route == NULL) {
        answer_unrouted(x);
        return;
    }
    x->handler = route->given.handler;
    if (route->given.run == HOIST_INLINE) {
        call_inline(x);
        return;
    }
    if (exchange_keep(x) < 0) {
        answer_error(x, 503, "out of memory");
        return;
    }
    x->begun_ns = uv_hrtime();
    if (route->given.timeout_ms != HOIST_NO_LIMIT) {
        x->req.deadline_ns = x->begun_ns + (uint64_t)route->given.timeout_ms * 1000000;
        x->deadline.expired = on_deadline;
        deadline_arm(&x->server->deadlines, &x->deadline, route->given.timeout_ms);
    }
    if (route->given.run == HOIST_ASYNC)
        dispatch_call(x, x->begun_ns);
    else
        dispatch_submit(x);
}

/* No route takes this method and path: OPTIONS, 404 or 405 (RFC 9110, sections 9.3.7, 15.5.5 and 15.5.6). CONNECT has
 * no path. */
static void answer_unrouted(struct exchange *x)
{
    const struct message *message = &x->req.message;
    bool is_options = message->method_is_known && message->method == HOIST_OPTIONS;
    bool is_star = strcmp(message->path, "*") == 0;
    unsigned methods = is_star && is_options ? (1U << (HOIST_OPTIONS + 1)) - 1 : x->req.match.methods;
    char allow[ROUTER_ALLOW_SIZE], body[REPLY_ERROR_MAX], text[REPLY_ERROR_MAX];
    struct reply_field field = {.name = "Allow", .value = allow};
    struct reply reply = {.status = 204};

    x->server->left_ns = 0;
    router_allow(methods, allow);
    if (methods == 0 && !is_star) {
        snprintf(text, sizeof(text), "no route for %s", message->path);
        reply_error(&reply, 404, text, body);
    } else {
        if (!is_options) {
            snprintf(text, sizeof(text), "this method is not allowed for %s; allowed: %s", message->target, allow);
            reply_error(&reply, 405, text, body);
        }
        reply.fields = &field;
    }
    x->state = EXCHANGE_ENDED;
    answer(x, &reply);
}

/* ---- on the loop ---- */

/* Between two pipelined requests there is less than a microsecond: one reading of the clock serves as the end of this
 * one and the beginning of the next. */
static void call_inline(struct exchange *x)
{
    uint64_t left_ns = x->server->left_ns;

    dispatch_call(x, left_ns != 0 ? left_ns : uv_hrtime());
}

void dispatch_call(struct exchange *x, uint64_t begun_ns)
{
    const struct route *route = x->req.route;
    uint64_t held_ms;
    int result;

    if (x->begun_ns == 0)
        x->begun_ns = begun_ns;
    x->state = EXCHANGE_ON_LOOP;
    x->step = STEP_NONE;
    x->req.worker_data = x->is_work ? route->loop_data : NULL;
    result = check_room(x);
    if (result < 0)
        note_no_room(x);
    else
        result = exchange_call(x);
    x->ended_ns = uv_hrtime();
    if (route->given.run == HOIST_INLINE) /* it is answered now, in conn.c's turn(), whose flush is its end */
        x->server->left_ns = x->ended_ns;
    x->run_ns += x->ended_ns - begun_ns;
    held_ms = (x->ended_ns - begun_ns) / 1000000;
    if (held_ms > LOOP_BUDGET_MS && x->server->pool != NULL)
        log_write(LOG_WARNING, "%s: its handler held the loop for %llu ms; a blocking handler belongs on a worker",
                  route->given.path, (unsigned long long)held_ms);
    if (x->ended_ns / 1000000 > uv_now(x->server->loop) + CLOCK_LATE_MS)
        uv_update_time(x->server->loop); /* timers armed from here on must not count what handlers took */
    go_on(x, result);
}

/* A handler has returned on the loop: its reply, or what it asked for instead. */
static void go_on(struct exchange *x, int result)
{
    if (result == HOIST_PENDING && x->req.route->given.run == HOIST_ASYNC && !x->is_work) {
        async_go_on(x);
        return;
    }
    if (x->step != STEP_NONE && x->req.route->given.run == HOIST_ASYNC)
        log_write(LOG_ERROR, "%s: its handler said how to go on, and returned something else than HOIST_PENDING",
                  x->req.route->given.path);
    dispatch_conclude(x, result);
}

/* ---- on a worker ---- */

void dispatch_submit(struct exchange *x)
{
    const struct route *route = x->req.route;
    struct lane *lane = route->lane;

    if (async_end_if_left(x))
        return;
    x->is_work = true;
    if (x->server->pool == NULL) { /* the inline executor */
        dispatch_call(x, uv_hrtime());
        return;
    }
    if (is_hopeless(x)) {
        shed(x, "the queue is too long to serve this request in time");
        return;
    }
    x->job.work = on_work;
    x->job.done = on_done;
    x->job.tally = x->req.route->figures.jobs;
    x->state = EXCHANGE_QUEUED;
    if (pool_submit(x->server->pool, &lane->queue, &x->job) < 0) {
        lane_note_refusal(lane, uv_hrtime());
        shed(x, "the queue is full");
        return;
    }
    x->was_queued = true;
    x->queue_deadline.expired = on_queue_deadline;
    deadline_arm(&x->server->deadlines, &x->queue_deadline, route->given.queue_timeout_ms);
}

/* Would it wait longer than it may, as far as the lane's pace tells? One that has waited elsewhere may less. */
static bool is_hopeless(const struct exchange *x)
{
    const struct route *route = x->req.route;
    uint64_t wait_ns = lane_wait_ns(route->lane, lane_waiting(&route->lane->queue));
    unsigned limit_ms = route->given.queue_timeout_ms;
    bool is_late = (limit_ms != HOIST_NO_LIMIT && wait_ns / 1000000 > limit_ms) ||
                   (wait_ns != 0 && x->req.deadline_ns != 0 && uv_hrtime() + wait_ns > x->req.deadline_ns);

    /* Until this turn of the loop is over, jobs that came in it count as waiting, whoever is there to take them. */
    return is_late && !pool_has_taker(x->server->pool, &route->lane->queue);
}

static void shed(struct exchange *x, const char *reason)
{
    x->req.route->figures.shed++;
    dispatch_give_up(x, SPAN_SHED);
    answer_error(x, 503, reason);
}

/* Worker thread: request, reply and arena are its own until done. */
static void on_work(struct pool_job *job)
{
    struct exchange *x = exchange_of_job(job);
    int hook = x->req.route->hook;

    x->result = check_room(x);
    x->is_refused = x->result < 0;
    if (x->is_refused)
        return;
    x->req.worker_data = hook == NO_HOOK ? NULL : pool_worker_data((size_t)hook);
    x->result = x->req.route->given.run == HOIST_PROCESS ? process_call(x) : exchange_call(x);
}

/* It had room when its head was read. Meanwhile it waited, for its body or for its turn, and the others may have come
 * to hold more than max_memory. What it holds itself, or one alone could be refused for ever, does not count. */
static int check_room(struct exchange *x)
{
    if (!server_is_over_memory_without(x->server, budget_used(&x->budget)))
        return 0;
    return response_fail(&x->res, -ENOMEM, server_no_room);
}

static void note_no_room(struct exchange *x)
{
    x->req.route->figures.shed++;
    x->outcome = SPAN_SHED;
}

static void on_done(struct pool_job *job)
{
    struct exchange *x = exchange_of_job(job);
    struct lane *lane = x->req.route->lane;

    assert(x->state == EXCHANGE_QUEUED);
    x->state = EXCHANGE_ENDED;
    deadline_disarm(&x->interrupt);
    x->ended_ns = job->finished_ns;
    x->wait_ns += job->started_ns - job->submitted_ns;
    if (x->is_refused) { /* that it took no time says nothing of how fast handlers are */
        note_no_room(x);
        lane_note_cancel(lane, job->behind);
    } else {
        x->run_ns += job->finished_ns - job->started_ns;
        lane_note_end(lane, job, pool_workers(x->server->pool));
    }
    if (x->conn == NULL)
        stuck_end(x);
    dispatch_conclude(x, x->result);
}

/* ---- too late, or nobody there ---- */

static void on_deadline(struct deadline *deadline)
{
    struct exchange *x = OWNER_OF(deadline, struct exchange, deadline);

    if (expire(x))
        return;
    if (async_will_go_on(x))
        dispatch_give_up(x, SPAN_EXPIRED);
    else if (x->state == EXCHANGE_PENDING)
        log_write(LOG_WARNING, "%s: abandoned after %u ms; it stays until hoist_finish()", x->req.route->given.path,
                  x->req.route->given.timeout_ms);
    answer_running(x);
}

/* 504. A job runs on, and its times are counted when it ends; those so far are for this answer alone. */
static void answer_running(struct exchange *x)
{
    const uint64_t wait_ns = x->wait_ns, run_ns = x->run_ns;
    bool has_job = x->state == EXCHANGE_QUEUED;

    add_times_so_far(x);
    answer_error(x, 504, "the request took too long");
    if (has_job) {
        x->wait_ns = wait_ns;
        x->run_ns = run_ns;
    }
}

/* Of a job that runs, if there is one. */
static void add_times_so_far(struct exchange *x)
{
    struct pool_job job;

    if (x->state != EXCHANGE_QUEUED)
        return;
    pool_job_look(x->server->pool, &x->job, &job);
    x->wait_ns += job.started_ns - job.submitted_ns;
    x->run_ns += uv_hrtime() - job.started_ns;
}

static void on_queue_deadline(struct deadline *deadline)
{
    struct exchange *x = OWNER_OF(deadline, struct exchange, queue_deadline);

    (void)expire(x);
}

/* True: it waited, and was answered. */
static bool expire(struct exchange *x)
{
    if (!take_back(x, SPAN_EXPIRED))
        return false;
    answer_error(x, 503, "the request waited too long for its turn");
    return true;
}

/* Takes a waiting job out of its lane. False: it runs, or there is none. */
static bool take_back(struct exchange *x, enum span_outcome outcome)
{
    if (x->state != EXCHANGE_QUEUED || pool_cancel(x->server->pool, &x->job) < 0)
        return false;
    lane_note_cancel(x->req.route->lane, lane_waiting(&x->req.route->lane->queue));
    dispatch_give_up(x, outcome);
    x->wait_ns += x->ended_ns - x->job.submitted_ns;
    return true;
}

void dispatch_give_up(struct exchange *x, enum span_outcome outcome)
{
    async_stop(x);
    x->state = EXCHANGE_ENDED;
    x->outcome = outcome;
    x->ended_ns = uv_hrtime();
}

void dispatch_cancel(struct exchange *x)
{
    if (!take_back(x, SPAN_CANCELLED) && async_will_go_on(x))
        dispatch_give_up(x, SPAN_CANCELLED);
    deadline_disarm(&x->deadline);
    deadline_disarm(&x->queue_deadline);
    log_left(x);
    exchange_release(x);
}

/* What was asked for and not answered because its client left has its line in the access log, too. What the server cuts
 * off is told by server_cut_off_text() alone. */
static void log_left(struct exchange *x)
{
    const uint64_t wait_ns = x->wait_ns, run_ns = x->run_ns;

    if (x->status != 0 || x->state == EXCHANGE_RECEIVING || !log_access_wanted() || x->server->is_quiet)
        return;
    add_times_so_far(x);
    access_log(x->conn, x, &(struct reply){.status = ACCESS_LEFT});
    x->wait_ns = wait_ns;
    x->run_ns = run_ns;
}

bool dispatch_half_close(struct exchange *x)
{
    if (x->server->config->half_close == HOIST_HALF_CLOSE_FINISH)
        return false;
    if (take_back(x, SPAN_CANCELLED))
        return true;
    exchange_cancel(x);
    if (x->state == EXCHANGE_DUE)
        return x->step == STEP_CALL;
    return x->state == EXCHANGE_TIMED || x->req.route->given.run == HOIST_PROCESS; /* which is being killed */
}

/* ---- the end ---- */

void dispatch_conclude(struct exchange *x, int result)
{
    x->state = EXCHANGE_ENDED;
    if (x->conn == NULL)
        exchange_free(x);
    else if (is_late(x, result))
        answer_error(x, 504, "the request took too long");
    else if (result == 0 && x->res.reply.status != 0)
        answer(x, &x->res.reply);
    else
        fail(x, result);
}

/* hoist_req_cancelled() looks at the clock, and may have told the handler so; the deadline's own turn comes later. In a
 * test a handler may take its time, unless it gives up for that. */
static bool is_late(const struct exchange *x, int result)
{
    return x->req.deadline_ns != 0 && x->ended_ns >= x->req.deadline_ns &&
           (!x->server->is_virtual || result == -ECANCELED);
}

static void fail(struct exchange *x, int result)
{
    const char *path = x->req.route->given.path;
    const char *reason = result == 0 || x->res.reason_err == result ? x->res.reason : NULL;
    int status = reply_status_of(result);
    char text[64];

    uv_strerror_r(result, text, sizeof(text)); /* uv_strerror() leaks for numbers that it does not know */
    if (result == 0)
        log_write(LOG_ERROR, "%s: its handler returned 0 without a reply%s%s", path, reason != NULL ? ": " : "",
                  reason != NULL ? reason : "");
    else if (result == HOIST_PENDING)
        log_write(LOG_ERROR,
                  "%s: its handler returned HOIST_PENDING; only one with .run = HOIST_ASYNC may, on the loop", path);
    else if (result > 0)
        log_write(LOG_ERROR, "%s: its handler returned %d, which is neither 0 nor a negative errno", path, result);
    else if (status == 500 && result != x->res.told_err)
        log_write(exchange_failure_level(x), "%s: its handler failed: %s%s%s", path, text, reason != NULL ? ": " : "",
                  reason != NULL ? reason : "");
    if (reason == NULL && result < 0)
        reason = text;
    else if (reason == NULL)
        reason = result == 0 || result == HOIST_PENDING ? "the handler gave no reply" : "the handler failed";
    answer_error(x, status, reason);
}

static void answer_error(struct exchange *x, int status, const char *reason)
{
    char body[REPLY_ERROR_MAX], seconds[16];
    struct reply_field field = {.name = "Retry-After", .value = seconds};
    struct reply reply;

    reply_error(&reply, status, reason, body);
    if (status == 503) {
        struct lane *lane = x->server->pool != NULL ? x->req.route->lane : NULL;

        snprintf(seconds, sizeof(seconds), "%u",
                 lane != NULL ? lane_retry_after_s(lane, lane_waiting(&lane->queue)) : 1);
        reply.fields = &field;
    }
    answer(x, &reply);
}

static void answer(struct exchange *x, const struct reply *reply)
{
    deadline_disarm(&x->deadline);
    deadline_disarm(&x->queue_deadline);
    conn_answer(x->conn, reply);
}
