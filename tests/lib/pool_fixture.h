/* A pool on a loop of its own, with jobs that stop at a gate until the test lets them go. */
#ifndef TESTS_LIB_POOL_FIXTURE_H
#define TESTS_LIB_POOL_FIXTURE_H

#include "gate.h"
#include "pool/pool.h"

#include <stdbool.h>

enum { FIXTURE_JOBS = 1024 };

struct fixture;

struct fixture_job {
    struct pool_job job;
    struct fixture *fixture;
    unsigned work_calls, done_calls;
};

struct fixture {
    uv_loop_t loop;
    struct pool *pool;
    struct pool_lane lane; /* for FIXTURE_JOBS jobs, no limit on how many run */
    struct fixture_job jobs[FIXTURE_JOBS];
    unsigned done_calls;
    bool is_stopped;
    int err; /* of the start */
    char error[200];
    struct gate gate; /* where the jobs stop, marked with their numbers */
};

/* Makes the loop; then a pool as in options, with its result in err and error; or one with workers of as many threads,
 * which must start. */
void fixture_open(struct fixture *f);
void fixture_start_as(struct fixture *f, const struct pool_options *options);
void fixture_start(struct fixture *f, unsigned workers);

/* Submits jobs from to from + n - 1, which must be taken. */
void fixture_submit(struct fixture *f, struct pool_lane *lane, unsigned from, unsigned n);

/* Turns the loop until n jobs are done in all. */
void fixture_run_until_done(struct fixture *f, unsigned n);

/* Lets all go, stops the pool, if there is one; _close also closes the loop, in which nothing may be left. */
void fixture_stop(struct fixture *f);
void fixture_close(struct fixture *f);

#endif
