/* A route as the server keeps it: the caller's hoist_route with every default filled in, and the lane its jobs go
 * through. */
#ifndef SERVER_ROUTE_H
#define SERVER_ROUTE_H

#include "figures.h"
#include "hoist.h"
#include "pool/pool.h"

#include <stdint.h>

/* A pool lane, and what its finished jobs tell about how fast it empties. Loop thread. */
struct lane {
    struct lane *next;
    const char *name; /* NULL: one route's own */
    unsigned max_waiting, max_concurrency;
    struct pool_lane queue;
    uint64_t drain_ns; /* between two jobs' ends while others wait: the mean, or a first guess; 0: nothing is known */
    unsigned n_drains; /* how many the mean is of, no more than lane.c has it follow */
    uint64_t full_ns;  /* since when it is full, see lane_note_refusal(); 0: it is not */
    uint64_t ended_ns; /* when the last job ended with others waiting behind it; 0: none waited */
};

/* A job of lane has ended, of the pool that has so many workers. */
void lane_note_end(struct lane *lane, const struct pool_job *job, unsigned workers);

/* One was taken back, and waiting are left. */
void lane_note_cancel(struct lane *lane, unsigned waiting);

/* A job was refused because the lane is full. It counts as full until a quarter of its places is free again: under
 * overload each free place is taken at once, and it is full all the same. */
void lane_note_refusal(struct lane *lane, uint64_t now_ns);

/* For how long it has been full; 0: it is not. */
uint64_t lane_full_ns(struct lane *lane, uint64_t now_ns, unsigned waiting);

/* How long a job that is submitted now would wait behind waiting others; 0: not known. */
uint64_t lane_wait_ns(const struct lane *lane, unsigned waiting);

/* Retry-After in seconds (RFC 9110, section 10.2.3): when a place in the lane will be free, 1 to 3600. */
unsigned lane_retry_after_s(const struct lane *lane, unsigned waiting);

enum { NO_HOOK = -1 };

struct route {
    struct route *next;
    hoist_route given; /* with its defaults filled in */
    struct lane *lane; /* NULL: it never offloads */
    int hook;          /* its place among the pool's hooks, or NO_HOOK */
    void *loop_data;   /* what worker_init left for the loop's thread, under the inline executor */
    unsigned index;    /* its place in the list */
    struct route_figures figures;
};

/* One of app_add_route()'s. */
void route_free(struct route *route);

/* Its path, or that it has none, of one that was not checked yet. */
const char *route_path(const hoist_route *given);

/* "offload", "inline", "async", "process"; NULL for a value that is none of them. */
const char *route_run_name(enum hoist_run run);

#endif
