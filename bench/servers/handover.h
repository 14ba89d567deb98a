/* How the reference server uv hands blocking work to threads: one uv_queue_work() for each request, or as the limit,
 * its own threads on one queue. */
#ifndef BENCH_HANDOVER_H
#define BENCH_HANDOVER_H

#include <uv.h>

/* Zero it; it stays in place until done() is called on the loop. */
struct handover {
    void (*work)(struct handover *handover); /* on a thread */
    void (*done)(struct handover *handover);
    uv_work_t request;
    struct handover *next;
};

/* Own threads; 0: uv_queue_work(), with the threads that UV_THREADPOOL_SIZE asks for. */
void handover_start(uv_loop_t *loop, unsigned threads);
void handover_submit(uv_loop_t *loop, struct handover *handover);

#endif
