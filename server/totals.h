/* The figures of an app at one moment, summed over its routes. Loop thread only. */
#ifndef SERVER_TOTALS_H
#define SERVER_TOTALS_H

#include "app.h"
#include "pool/pool.h"
#include "text.h"

/* Of one route, or of all. Without a pool there are no jobs; what is shed or abandoned is counted all the same. */
struct job_figures {
    uint64_t shed;
    struct pool_tally jobs;
    unsigned abandoned;
};

struct totals {
    struct job_figures all;
    struct pool_figures pool;
    unsigned stuck;                           /* abandoned jobs that are on a worker still */
    char not_ready[ROUTER_PATTERN_MAX + 100]; /* why it is not ready for requests; "": it is */
};

void totals_read(const hoist_app *app, struct totals *ret_totals);
void totals_of_route(const hoist_app *app, const struct route *route, struct job_figures *ret_figures);

/* CPU time of the whole process. */
uint64_t totals_cpu_ns(void);

/* As members of a JSON object that has some already: what became of the jobs; p50, p90, p99 and max. */
void totals_add_jobs(struct text *text, const struct job_figures *figures);
void totals_add_quantiles(struct text *text, const struct histogram *times);

#endif
