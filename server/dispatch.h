/* From a complete request to its answer: runs the handler where its route says, and sees to its limits.
 *
 * Happy path: dispatch_begin() calls an inline handler, or submits a job whose done() comes with the reply; both end in
 * conn_answer(). Failures: a full lane 503, a deadline 503 or 504, what a handler returned: one table. Close: a client
 * that left is dispatch_cancel(): what waits is taken back, what runs is abandoned: told by its flag, counted, and its
 * reply dropped. Loop thread only.
 */
#ifndef SERVER_DISPATCH_H
#define SERVER_DISPATCH_H

#include <stdbool.h>

struct exchange;

/* The request is complete; without a route it is answered with 404 or 405, or as OPTIONS. The exchange is dispatch's
 * until conn_answer(), which may come before this returns. */
void dispatch_begin(struct exchange *x);

/* Its connection is gone, or will be: it is freed now, or when what it does has ended. */
void dispatch_cancel(struct exchange *x);

/* The client has ended its sending side. True: it needs no reply any more and was cancelled; false: it goes on, and was
 * told. */
bool dispatch_half_close(struct exchange *x);

#endif
