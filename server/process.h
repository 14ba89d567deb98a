/* A handler in a process of its own: HOIST_PROCESS.
 *
 * Happy path: process_call() on a worker sends the request to a new process, in which process_serve() calls the handler
 * and sends back what it replied. Failures: a process that ends without a reply, by whatever, is a 502. Close: the
 * process is gone when process_call() returns; it is killed when nobody waits for the reply any more.
 */
#ifndef SERVER_PROCESS_H
#define SERVER_PROCESS_H

struct exchange;

/* Worker thread, and it must be interrupted when the exchange is cancelled. Returns what the handler returned. */
int process_call(struct exchange *x);

/* What a new process does: forkserver_start(). */
void process_serve(int fd);

#endif
