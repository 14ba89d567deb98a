/* One setting tried: a fresh server, the load, the probe beside it, and what both sides saw.
 *
 * Happy path: trial_run(), which turns the loop until the server is gone again; then read calls, probes and jobs.
 * Failures: a negative errno after a line in error. -EINTR: *interrupted became true.
 * Close: trial_free(); no process is left in any case.
 */
#ifndef EXPERIMENT_TRIAL_H
#define EXPERIMENT_TRIAL_H

#include "job.h"
#include "load.h"
#include "plan.h"

struct trial {
    struct setting setting;
    struct call *calls, *probes; /* as the client saw them; all were answered, or have status 0 */
    size_t n_calls, n_probes;
    struct jobs jobs; /* as the server saw the calls */
    uint64_t zero_ns; /* the first call's start: where the jobs' times begin */
    uint64_t late_ns; /* how late this process was at worst */
    size_t n_held;    /* calls that had to wait for a connection */
    size_t n_lost;    /* calls, the first ones, whose times the server no longer had */
};

/* What trials share. */
struct bench {
    uv_loop_t *loop;
    const char *program; /* argv[0] */
    const struct plan *plan;
    const char *request[3]; /* what goes over the wire, by executor */
    const char *probe;      /* likewise */
    const bool *interrupted;
    void (*on_progress)(void *arg, size_t answered, size_t all); /* now and then; may be NULL */
    void *arg;
    char error[8192];
};

int trial_run(struct trial *trial, struct bench *bench, const struct setting *setting);
void trial_free(struct trial *trial);

/* Sets the jobs beside the calls: trial_run() does. If the server no longer had all of them, they are the last ones,
 * and ended when the last calls were answered. -ENOMEM. */
int trial_place_jobs(struct trial *trial);

/* When the i-th job came. A loop that is held receives nothing; there the k-th call that was due is taken for the k-th
 * that was received, which leaves the mean exact and is right for each as long as the loop keeps their order. */
double trial_arrival_s(const struct trial *trial, size_t i);

/* How long it then waited until it was served. */
double trial_wait_s(const struct trial *trial, size_t i);

#endif
