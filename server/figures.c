/* What a server counts.
 *
 * Happy path: dispatch notes an exchange's times and outcome in it as they come; here they are added up when it is
 * answered and when it ends. Failures: none. Close: nothing is held.
 */
#include "figures.h"

#include "exchange.h"
#include "server.h"

#include <assert.h>

static struct span span_of(const struct exchange *x);

void figures_answered(struct server *server, struct exchange *x, int status)
{
    struct answers *answers = &server->figures.unrouted;

    assert(status >= FIGURES_STATUS_MIN && status <= FIGURES_STATUS_MAX);
    server->figures.answers++;
    if (x != NULL) {
        x->status = (uint16_t)status;
        if (x->req.route != NULL)
            answers = &x->req.route->figures.answers;
    }
    answers->by_status[status - FIGURES_STATUS_MIN]++;
}

void figures_ended(struct exchange *x)
{
    struct route *route = x->req.route;
    struct span span;

    if (route == NULL || x->begun_ns == 0)
        return;
    span = span_of(x);
    if (span.queued_ns != 0)
        histogram_add(&route->figures.wait, (span.started_ns != 0 ? span.started_ns : span.ended_ns) - span.queued_ns);
    if (span.started_ns != 0)
        histogram_add(&route->figures.run, x->run_ns);
    spans_put(route->given.run == HOIST_INLINE ? &x->server->loop_spans : &x->server->job_spans, &span);
}

/* A job's times are of this exchange only if it was queued in this life of it. */
static struct span span_of(const struct exchange *x)
{
    const struct pool_job *job = &x->job;
    bool has_run = x->outcome == SPAN_ANSWERED || x->outcome == SPAN_ABANDONED;
    bool has_run_as_job = x->was_queued && has_run;

    return (struct span){
        .id = x->id,
        .received_ns = x->begun_ns,
        .queued_ns = x->was_queued ? job->submitted_ns : 0,
        .started_ns = has_run_as_job ? job->started_ns
                      : has_run      ? x->begun_ns
                                     : 0,
        .ended_ns = x->ended_ns,
        .cpu_ns = has_run_as_job ? job->cpu_ns : 0,
        .route = (uint16_t)x->req.route->index,
        .seat = (int16_t)(has_run_as_job ? (int)job->seat : SPAN_ON_LOOP),
        .status = x->status,
        .outcome = (uint8_t)x->outcome,
    };
}
