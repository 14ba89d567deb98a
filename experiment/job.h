/* What the server says became of its requests: GET /spans, as CSV. */
#ifndef EXPERIMENT_JOB_H
#define EXPERIMENT_JOB_H

#include <math.h> /* for isnan() */
#include <stdbool.h>
#include <stddef.h>

/* One request as its server saw it. Times in seconds, from whatever zero the reader sets. */
struct job {
    double received_s, started_s, finished_s; /* NAN: it did not come to that */
    double cpu_s;
    int seat; /* -1: the loop */
    int status;
    bool is_async, is_process; /* as its route says */
    bool is_shed;              /* or its time was over while it waited: it never ran */
};

static inline bool job_has_run(const struct job *job)
{
    return !job->is_shed && !isnan(job->finished_s);
}

/* When it began to be served: on timers, at once. */
static inline double job_begin_s(const struct job *job)
{
    return job->is_async ? job->received_s : job->started_s;
}

struct jobs {
    struct job *list; /* in the order in which they were received */
    size_t n;
};

/* Takes out of the text the requests that target, a path with or without a query, names a route for. Zero is when the
 * first of them was received. -EPROTO: it is no such text. -ENOMEM. On failure there is nothing to free. */
int jobs_read(struct jobs *jobs, const char *text, const char *target);
void jobs_free(struct jobs *jobs);

/* Is the target one of this route's, as in /users/42 of /users/:id, and anything of a last "*"? */
bool job_route_matches(const char *route, size_t route_len, const char *target);

#endif
