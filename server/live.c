/* What waits and runs now.
 *
 * Happy path: a walk over the exchanges, each job looked at under the pool's lock; twice, so that what runs comes
 * first. Failures: none. Close: nothing is held.
 */
#include "live.h"

#include "exchange.h"

/* False: it is not in progress, or ends just now. */
static bool look(const hoist_app *app, const struct exchange *x, struct span *span)
{
    struct pool_job job = {.state = POOL_JOB_IDLE};

    if (x->req.route == NULL || x->begun_ns == 0 || x->state == EXCHANGE_ENDED)
        return false;
    if (x->state == EXCHANGE_QUEUED)
        pool_job_look(app->pool, &x->job, &job);
    if (job.state == POOL_JOB_FINISHED)
        return false;
    *span = (struct span){
        .id = x->id,
        .received_ns = x->begun_ns,
        .queued_ns = job.submitted_ns,
        .started_ns = job.started_ns,
        .route = (uint16_t)x->req.route->index,
        .seat = (int16_t)(job.state == POOL_JOB_RUNNING ? (int)job.seat : SPAN_ON_LOOP),
        .outcome = x->conn == NULL ? SPAN_ABANDONED : SPAN_ANSWERED,
    };
    return true;
}

size_t live_read(const hoist_app *app, struct span *spans, size_t max)
{
    size_t n = 0;
    struct span span;

    for (int runs = 1; runs >= 0; runs--)
        for (const struct exchange *x = app->server.exchanges; x != NULL; x = x->next)
            if (look(app, x, &span) && (span.started_ns != 0) == runs) {
                if (n < max)
                    spans[n] = span;
                n++;
            }
    return n;
}
