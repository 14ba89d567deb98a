/* Jobs that are stuck: nobody waits for them any more, and still they hold their workers.
 *
 * Happy path: stuck_begin() when a running job is abandoned, stuck_end() when it has returned after all. Between the
 * two the log names it: at once if its deadline was over, after 1 s then too, and any one after 10 s, 1 min, 10 min, 1
 * h and every further hour: route, request, age, worker, thread, what the kernel says of that thread, and, a moment
 * later, its backtrace if it gives one. Nothing here waits for a thread but stuck_list(). Failures: none; what cannot
 * be learned is not told. Close: nothing is held when every job has ended. Loop thread.
 */
#ifndef SERVER_STUCK_H
#define SERVER_STUCK_H

#include "deadlines.h"

struct exchange;
struct server;

/* Of an exchange. Zero it. */
struct stuck_watch {
    struct deadline next; /* look at it, or for its backtrace; armed from stuck_begin() to stuck_end() */
    unsigned looks;       /* how many of the times above have been */
    bool is_asked;        /* for a backtrace */
};

/* Of a server. Zero it. */
struct stuck {
    unsigned n;
    struct deadline exit; /* armed while every worker is stuck: then the server's on_all_stuck() */
};

void stuck_begin(struct exchange *x);
void stuck_end(struct exchange *x);

/* How many jobs, and so workers, are stuck now. */
unsigned stuck_count(const struct server *server);

/* The number of workers has changed. */
void stuck_check(struct server *server);

/* Names all that is abandoned, with backtraces, for which it waits a tenth of a second at most: for a program that is
 * about to leave. */
void stuck_list(struct server *server);

#endif
