/* What asynchronous handlers ask for, done in a turn of its own.
 *
 * Happy path: a handler on the loop names its next step; once it has returned, async_go_on() takes it. One that is
 * named later, from wherever, and one whose wait is over, are due: they are taken in the loop's next idle phase, from
 * its top and not on the stack of who named it, who may hold a lock. Each phase takes those that were due when it
 * began, so however soon they are due again, sockets are read in between. Failures: who uses a request that is not
 * his, or from another thread, is told in the log. Close: async_stop() for one, async_close() when none is left. Loop
 * thread only.
 */
#ifndef SERVER_ASYNC_H
#define SERVER_ASYNC_H

#include <stdbool.h>

struct exchange;
struct server;

/* -ENOMEM. async_close() is due all the same. */
int async_init(struct server *server);
void async_close(struct server *server);

/* Its handler has returned HOIST_PENDING. */
void async_go_on(struct exchange *x);

/* It goes on by itself: its wait, or its turn, will come. */
bool async_will_go_on(const struct exchange *x);

/* It does not go on: neither its wait nor its turn will come. */
void async_stop(struct exchange *x);

/* Its client left before the handler said how to go on: nobody waits for what would come next, and x has ended. */
bool async_end_if_left(struct exchange *x);

#endif
