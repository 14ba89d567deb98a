/* What a server counts: per route, and of its connections. Each figure is written where its state changes, by the loop;
 * what the workers write is in the route's pool_tally, under the pool's lock.
 */
#ifndef SERVER_FIGURES_H
#define SERVER_FIGURES_H

#include "histogram.h"

struct exchange;
struct pool_tally;
struct server;

enum { FIGURES_STATUS_MIN = 200, FIGURES_STATUS_MAX = 599 };

/* Answers by status. */
struct answers {
    uint64_t by_status[FIGURES_STATUS_MAX - FIGURES_STATUS_MIN + 1];
};

struct route_figures {
    struct pool_tally *jobs; /* read it by pool_tally(); NULL: the route has no lane */
    uint64_t shed;           /* refused with 503: the lane was full or too long, or no memory was left at its turn */
    unsigned abandoned;      /* exchanges that run and nobody waits for, now */
    struct histogram wait;   /* of those that were queued: until they were started or taken back */
    struct histogram run;    /* of those that were run: in the handler, on a worker or the loop */
    struct answers answers;
};

struct figures {
    uint64_t accepted;       /* connections */
    uint64_t received, sent; /* bytes read, and bytes of answers begun */
    uint64_t answers;        /* of all routes and of none */
    struct answers unrouted; /* to requests that no route takes, or that are none */
};

/* An answer with that status goes out; x may be NULL: the request was not one. */
void figures_answered(struct server *server, struct exchange *x, int status);

/* The exchange ends: its times are counted, and its span is kept. */
void figures_ended(struct exchange *x);

#endif
