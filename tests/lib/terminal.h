/* The built program on a terminal, where it says more than in a pipe.
 *
 * Happy path: terminal_start(&terminal, "--port", "0"), terminal_await(&terminal, "listening on"). The program is the
 * environment's HOIST_PROGRAM, else this build's. Failures: what cannot be done, or is not said, fails the test.
 * Close: terminal_close() as the suite's fini; a test that dies takes the program with it.
 */
#ifndef TESTS_LIB_TERMINAL_H
#define TESTS_LIB_TERMINAL_H

#include <stddef.h>
#include <sys/types.h>

enum { TERMINAL_TEXT = 64 * 1024 };

/* Zeroed, or static. */
struct terminal {
    pid_t pid;                /* 0: none runs */
    int fd;                   /* the other end of its stdout and stderr */
    char text[TERMINAL_TEXT]; /* what it has said so far, as far as that was awaited */
    size_t len;
};

/* Runs the program with exactly these arguments. */
#define terminal_start(terminal, ...) terminal_start_list(terminal, (const char *const[]){__VA_ARGS__, NULL})
void terminal_start_list(struct terminal *terminal, const char *const *args);

/* Waits until it has said this. */
void terminal_await(struct terminal *terminal, const char *text);

/* Ends what still runs. */
void terminal_close(struct terminal *terminal);

#endif
