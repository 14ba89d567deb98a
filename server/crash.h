/* The last lines of a program that crashes: by which signal, in which request, and where in its code.
 *
 * Happy path: crash_enable() once; crash_enter() and crash_leave() around every handler. The signal then does what it
 * would have done without all this: it ends the process, with a core dump where those are on. Failures: best effort,
 * without a word; where crash_enable() was not called, nothing happens.
 */
#ifndef SERVER_CRASH_H
#define SERVER_CRASH_H

struct exchange;

/* For SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT and SIGTRAP, as far as nobody else, as a sanitizer, has an action for
 * them. Before other threads exist; for good. */
void crash_enable(void);

/* The calling thread is in a handler of x from now on. Returns in which request it was before: a handler on the loop
 * may finish another one's, and so begin the next. */
struct exchange *crash_enter(struct exchange *x);
void crash_leave(struct exchange *before);

#endif
