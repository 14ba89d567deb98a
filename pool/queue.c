/* Lanes as linked lists, and the ring of those that are runnable.
 *
 * Happy path: push, take, finish. Whatever happens to a lane ends in recount(), the only place that knows when a
 * lane is in the ring and what it adds to the queue's runnable jobs.
 * Failures: a full lane.
 * Close: nothing is held; an empty lane is just memory.
 */
#include "queue.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>

static bool is_full(const struct pool_lane *lane, unsigned idle);
static unsigned count_takers(const struct pool_lane *lane, unsigned idle);
static void unlink_job(struct pool_job *job);
static void count_waiting(struct pool_lane *lane, unsigned waiting);
static void recount(struct pool_lane *lane);
static void enter_ring(struct pool_lane *lane);
static void leave_ring(struct pool_lane *lane);

void lane_init(struct pool_lane *lane, struct queue *queue, unsigned max_waiting, unsigned max_concurrency)
{
    assert(max_waiting > 0);
    *lane = (struct pool_lane){
        .queue = queue,
        .max_waiting = max_waiting,
        .max_concurrency = max_concurrency > 0 ? max_concurrency : UINT_MAX,
    };
}

int queue_push(struct pool_lane *lane, struct pool_job *job, unsigned idle)
{
    assert(job->state == POOL_JOB_IDLE);
    if (is_full(lane, idle))
        return -EBUSY;
    job->state = POOL_JOB_WAITING;
    job->lane = lane;
    job->next = NULL;
    job->prev = lane->last;
    if (lane->last != NULL)
        lane->last->next = job;
    else
        lane->first = job;
    lane->last = job;
    count_waiting(lane, lane_waiting(lane) + 1);
    lane->queue->waiting++;
    if (job->tally != NULL) {
        job->tally->admitted++;
        job->tally->waiting++;
    }
    recount(lane);
    return 0;
}

void queue_remove(struct pool_job *job)
{
    unlink_job(job);
    job->state = POOL_JOB_IDLE;
    if (job->tally != NULL)
        job->tally->cancelled++;
    recount(job->lane);
}

struct pool_job *queue_take(struct queue *queue)
{
    struct pool_lane *lane = queue->turn;
    struct pool_job *job;

    assert((lane == NULL) == (queue->runnable == 0));
    if (lane == NULL)
        return NULL;
    job = lane->first;
    unlink_job(job);
    job->state = POOL_JOB_RUNNING;
    lane->running++;
    queue->running++;
    if (job->tally != NULL)
        job->tally->running++;
    queue->turn = lane->next;
    recount(lane);
    return job;
}

void queue_finish(struct pool_job *job)
{
    assert(job->state == POOL_JOB_RUNNING);
    job->state = POOL_JOB_FINISHED;
    job->behind = lane_waiting(job->lane);
    job->lane->running--;
    job->lane->queue->running--;
    if (job->tally != NULL) {
        job->tally->running--;
        job->tally->finished++;
        job->tally->busy_ns += job->finished_ns - job->started_ns;
        job->tally->cpu_ns += job->cpu_ns;
    }
    recount(job->lane);
}

static bool is_full(const struct pool_lane *lane, unsigned idle)
{
    unsigned waiting = lane_waiting(lane);

    return waiting >= lane->max_waiting && waiting - lane->max_waiting >= count_takers(lane, idle);
}

bool lane_has_taker(const struct pool_lane *lane, unsigned idle)
{
    return lane_waiting(lane) < count_takers(lane, idle);
}

/* Idle workers that are for this lane. Other lanes' runnable jobs come first to them. */
static unsigned count_takers(const struct pool_lane *lane, unsigned idle)
{
    unsigned others = lane->queue->runnable - lane->runnable;
    unsigned left = idle > others ? idle - others : 0;
    unsigned room = lane->max_concurrency - lane->running;

    return left < room ? left : room;
}

static void unlink_job(struct pool_job *job)
{
    struct pool_lane *lane = job->lane;

    assert(job->state == POOL_JOB_WAITING);
    if (job->prev != NULL)
        job->prev->next = job->next;
    else
        lane->first = job->next;
    if (job->next != NULL)
        job->next->prev = job->prev;
    else
        lane->last = job->prev;
    count_waiting(lane, lane_waiting(lane) - 1);
    lane->queue->waiting--;
    if (job->tally != NULL)
        job->tally->waiting--;
}

/* A plain store: who writes holds the lock. */
static void count_waiting(struct pool_lane *lane, unsigned waiting)
{
    atomic_store_explicit(&lane->waiting, waiting, memory_order_relaxed);
}

static void recount(struct pool_lane *lane)
{
    unsigned room = lane->max_concurrency - lane->running;
    unsigned waiting = lane_waiting(lane);
    unsigned runnable = waiting < room ? waiting : room;

    lane->queue->runnable += runnable - lane->runnable;
    lane->runnable = runnable;
    if (runnable > 0 && lane->next == NULL)
        enter_ring(lane);
    else if (runnable == 0 && lane->next != NULL)
        leave_ring(lane);
}

/* Behind all the others: right before the one whose turn it is. */
static void enter_ring(struct pool_lane *lane)
{
    struct queue *queue = lane->queue;

    if (queue->turn == NULL)
        queue->turn = lane->prev = lane;
    lane->next = queue->turn;
    lane->prev = queue->turn->prev;
    lane->prev->next = lane;
    lane->next->prev = lane;
}

static void leave_ring(struct pool_lane *lane)
{
    struct queue *queue = lane->queue;

    lane->prev->next = lane->next;
    lane->next->prev = lane->prev;
    if (queue->turn == lane)
        queue->turn = lane->next != lane ? lane->next : NULL;
    lane->prev = lane->next = NULL;
}
