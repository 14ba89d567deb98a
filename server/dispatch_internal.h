/* Between dispatch.c, which runs handlers and ends exchanges, and async.c, which says what comes next. Nobody else. */
#ifndef SERVER_DISPATCH_INTERNAL_H
#define SERVER_DISPATCH_INTERNAL_H

#include "exchange.h"

/* Calls x->handler on the loop, and goes on as it says. */
void dispatch_call(struct exchange *x, uint64_t begun_ns);

/* x->handler is for a worker, through the route's lane. */
void dispatch_submit(struct exchange *x);

/* It ends without its handler, or without more of it; nothing is answered yet. */
void dispatch_give_up(struct exchange *x, enum span_outcome outcome);

/* The handler is done: result is what it returned last. */
void dispatch_conclude(struct exchange *x, int result);

#endif
