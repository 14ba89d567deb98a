/* Calls of a route's own code, which nothing leaves by unwinding the stack: not a C++ exception, nor pthread_exit(). It
 * would unwind hoist and libuv, too, up to whoever catches it, the program's main() perhaps. So it ends the program
 * here, after a line that names the route; one that nobody would catch has ended it where it was thrown. */
#ifndef SERVER_GUARD_H
#define SERVER_GUARD_H

struct exchange;

/* Calls x->handler. Returns what it returned. */
int guard_call(struct exchange *x);

/* Calls what the handler has left for the end: its hooks, and what frees the body that it gave. */
void guard_call_end(struct exchange *x);

#endif
