/* queue_bench: what a submit, a cancel and a finish cost while 10 to 100,000 jobs wait, in one lane of the pool's
 * queue.
 *
 * Happy path: for each depth a lane is filled and each kind of step is done many times, with as many jobs waiting
 * before as after; prints JSON: nanoseconds a step, the fastest of some rounds. Everything is memory that is there at
 * the start.
 */
#include "client.h"
#include "pool/queue.h"

#include <stdio.h>

enum { DEPTH_MAX = 100000, STEPS = 100000, ROUNDS = 5, SPARE = 10 };

static struct pool_job waiting[DEPTH_MAX], spare[SPARE];
static struct queue queue;
static struct pool_lane lane;

struct cost {
    double submit_ns, cancel_ns, finish_ns;
};

static void fill(unsigned depth)
{
    queue = (struct queue){0};
    lane_init(&lane, &queue, DEPTH_MAX + SPARE, 0);
    for (unsigned i = 0; i < depth; i++) {
        waiting[i] = (struct pool_job){0};
        queue_push(&lane, &waiting[i], 0);
    }
    for (unsigned i = 0; i < SPARE; i++)
        spare[i] = (struct pool_job){0};
}

static void submit_and_cancel(struct cost *cost)
{
    uint64_t submit_ns = 0, cancel_ns = 0;

    for (unsigned step = 0; step < STEPS; step += SPARE) {
        uint64_t began_ns = now_ns(), between_ns;
        for (unsigned i = 0; i < SPARE; i++)
            queue_push(&lane, &spare[i], 0);
        between_ns = now_ns();
        for (unsigned i = 0; i < SPARE; i++)
            queue_remove(&spare[i]);
        submit_ns += between_ns - began_ns;
        cancel_ns += now_ns() - between_ns;
    }
    cost->submit_ns = (double)submit_ns / STEPS;
    cost->cancel_ns = (double)cancel_ns / STEPS;
}

/* Taken and finished are the oldest; they go to the end again. */
static void finish(struct cost *cost)
{
    struct pool_job *jobs[SPARE];
    uint64_t finish_ns = 0;

    for (unsigned step = 0; step < STEPS; step += SPARE) {
        uint64_t began_ns = now_ns();
        for (unsigned i = 0; i < SPARE; i++) {
            jobs[i] = queue_take(&queue);
            queue_finish(jobs[i]);
        }
        finish_ns += now_ns() - began_ns;
        for (unsigned i = 0; i < SPARE; i++) {
            jobs[i]->state = POOL_JOB_IDLE;
            queue_push(&lane, jobs[i], 0);
        }
    }
    cost->finish_ns = (double)finish_ns / STEPS;
}

static struct cost measure(unsigned depth)
{
    struct cost best = {1e9, 1e9, 1e9}, cost;

    for (unsigned round = 0; round < ROUNDS; round++) {
        fill(depth);
        submit_and_cancel(&cost);
        finish(&cost);
        best.submit_ns = cost.submit_ns < best.submit_ns ? cost.submit_ns : best.submit_ns;
        best.cancel_ns = cost.cancel_ns < best.cancel_ns ? cost.cancel_ns : best.cancel_ns;
        best.finish_ns = cost.finish_ns < best.finish_ns ? cost.finish_ns : best.finish_ns;
    }
    return best;
}

int main(void)
{
    const char *separator = "{";

    for (unsigned depth = 10; depth <= DEPTH_MAX; depth *= 10) {
        struct cost cost = measure(depth);
        printf("%s\"%u\": {\"submit_ns\": %.2f, \"cancel_ns\": %.2f, \"finish_ns\": %.2f}", separator, depth,
               cost.submit_ns, cost.cancel_ns, cost.finish_ns);
        separator = ", ";
    }
    printf("}\n");
    return 0;
}
