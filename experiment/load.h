/* Requests for one path, by a plan: all at once, at random moments, or at a steady pace.
 *
 * Happy path: load_open(); turn the loop until load_is_ready(); load_start(); turn it until load_is_over();
 * load_close(); turn it until load_is_closed(); load_free(). Failures: load_open() says them; a later one is in
 * load->err, and the call that it met has no status. Close: load_close() in any state after a load_open() that went
 * well; the calls stay until load_free(). Loop thread only.
 */
#ifndef EXPERIMENT_LOAD_H
#define EXPERIMENT_LOAD_H

#include "alarm.h"
#include "caller.h"

enum { LOAD_CALLS_MAX = 1000000 }; /* what the plan lets one load have */

enum load_kind {
    LOAD_BURST,  /* n calls, each as soon as a caller is free */
    LOAD_RANDOM, /* a Poisson process: n calls in n / rate seconds, whether or not earlier ones are answered */
    LOAD_STEADY, /* a call every 1 / rate seconds until load_stop() */
};

/* One request as its client saw it. */
struct call {
    uint64_t intended_ns; /* when it was due */
    uint64_t sent_ns, answered_ns;
    int status; /* 0: no answer */
};

/* Of uv_hrtime()'s moments. */
static inline double seconds_between(uint64_t from_ns, uint64_t to_ns)
{
    return ((double)to_ns - (double)from_ns) / 1e9;
}

/* With a 2xx: with what it asked for. */
static inline bool call_is_answered(const struct call *call)
{
    return call->status >= 200 && call->status < 300;
}

struct load {
    /* Set these, zero the rest. */
    uv_loop_t *loop;
    unsigned port;
    enum load_kind kind;
    const char *request; /* the bytes, borrowed */
    size_t n;            /* calls; LOAD_STEADY: at most so many */
    double rate;         /* per second; not for a burst */
    unsigned n_callers;

    /* Read these. */
    struct call *calls; /* in the order in which they were due; those sent are filled */
    size_t n_sent, n_answered;
    uint64_t started_ns;
    uint64_t late_ns; /* the longest that a call was late though a caller was free: this process was slow */
    size_t n_held;    /* calls that were late because no caller was free */
    int err;          /* the first that went wrong, 0 if none did */

    /* The load's own. */
    struct load_caller *callers;
    struct load_caller **free_callers;
    unsigned n_free, n_ready;
    uint64_t free_since_ns; /* since when one has been free */
    struct alarm alarm;
    bool has_started;
};

struct load_caller {
    struct caller caller; /* the first, so that it leads here */
    struct call *call;
};

/* The moments at which n calls are due from 0 to n / rate, in nanoseconds: the same ones at each call, so that all
 * settings are tried with the same arrivals. */
void load_draw(struct call *calls, size_t n, double rate);

/* Connects. -ENOMEM, or what libuv says: nothing is left. */
int load_open(struct load *load);
bool load_is_ready(const struct load *load);
void load_start(struct load *load);
void load_stop(struct load *load); /* LOAD_STEADY: what is due after now is not sent */
bool load_is_over(const struct load *load);
void load_close(struct load *load);
bool load_is_closed(const struct load *load);
void load_free(struct load *load);

#endif
