/* How fast a lane empties, measured as it does.
 *
 * Happy path: each job that ends while others wait begins an interval, and the next end closes it; the mean over about
 * sixteen of them follows a change without jumping at every job. The first job's run time is a guess until then.
 * Intervals across an idle lane say nothing and are left out: a job that came after the one before had ended, and ends
 * next, found a worker that the lane had no job for. Failures: none; what is not known is 0. Close: nothing is held.
 */
#include "route.h"

enum { MEAN_OF = 16, RETRY_AFTER_MAX_S = 3600 };

static void note_interval(struct lane *lane, uint64_t interval_ns);
static uint64_t guess_drain_ns(const struct lane *lane, const struct pool_job *job, unsigned workers);
static void note_room(struct lane *lane, unsigned waiting);

void lane_note_end(struct lane *lane, const struct pool_job *job, unsigned workers)
{
    uint64_t now_ns = job->finished_ns;

    note_room(lane, job->behind);
    if (now_ns < lane->ended_ns) /* workers may report in another order than they ended in */
        now_ns = lane->ended_ns;
    if (lane->ended_ns != 0 && job->submitted_ns <= lane->ended_ns)
        note_interval(lane, now_ns - lane->ended_ns);
    else if (lane->drain_ns == 0)
        lane->drain_ns = guess_drain_ns(lane, job, workers);
    lane->ended_ns = job->behind > 0 ? now_ns : 0;
}

static void note_interval(struct lane *lane, uint64_t interval_ns)
{
    if (lane->n_drains < MEAN_OF)
        lane->n_drains++;
    lane->drain_ns = (lane->drain_ns * (lane->n_drains - 1) + interval_ns) / lane->n_drains;
}

/* As if all workers that it may have had jobs like this one. */
static uint64_t guess_drain_ns(const struct lane *lane, const struct pool_job *job, unsigned workers)
{
    if (lane->max_concurrency > 0 && lane->max_concurrency < workers)
        workers = lane->max_concurrency;
    return (job->finished_ns - job->started_ns) / workers;
}

void lane_note_cancel(struct lane *lane, unsigned waiting)
{
    note_room(lane, waiting);
    if (waiting == 0)
        lane->ended_ns = 0;
}

void lane_note_refusal(struct lane *lane, uint64_t now_ns)
{
    if (lane->full_ns == 0)
        lane->full_ns = now_ns;
}

static void note_room(struct lane *lane, unsigned waiting)
{
    if (waiting <= lane->max_waiting - (lane->max_waiting + 3) / 4)
        lane->full_ns = 0;
}

uint64_t lane_full_ns(struct lane *lane, uint64_t now_ns, unsigned waiting)
{
    note_room(lane, waiting);
    return lane->full_ns != 0 ? now_ns - lane->full_ns : 0;
}

uint64_t lane_wait_ns(const struct lane *lane, unsigned waiting)
{
    return lane->drain_ns * waiting;
}

unsigned lane_retry_after_s(const struct lane *lane, unsigned waiting)
{
    const uint64_t second = 1000000000;
    uint64_t seconds = (lane_wait_ns(lane, waiting) + second - 1) / second;

    if (seconds < 1)
        return 1;
    return seconds < RETRY_AFTER_MAX_S ? (unsigned)seconds : RETRY_AFTER_MAX_S;
}
