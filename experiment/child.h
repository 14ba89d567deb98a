/* A server of one's own: this very program, started as `serve` on free ports.
 *
 * Happy path: child_start(); turn the loop until child_is_ready(); port and admin_port; child_stop(); turn it until
 * child_is_gone().
 * Failures: child_start() says what uv_spawn() says; a server that ends by itself has has_exited, and what it wrote on
 * stderr is in errors.
 * Close: SIGTERM, then SIGKILL after CHILD_GRACE_MS. It also ends when this process does, however that comes.
 * Loop thread only.
 */
#ifndef EXPERIMENT_CHILD_H
#define EXPERIMENT_CHILD_H

#include <stdbool.h>
#include <uv.h>

enum { CHILD_TEXT = 4096, CHILD_GRACE_MS = 5000 };

struct child {
    unsigned port, admin_port; /* 0: not yet known */
    bool has_exited;
    int signal, status;      /* by that signal, or, if it is 0, with that exit status */
    char errors[CHILD_TEXT]; /* the last of its stderr */

    /* Its own. */
    uv_process_t process;
    uv_pipe_t out, err;
    uv_timer_t grace;
    char greeting[CHILD_TEXT];
    unsigned n_open; /* handles */
    bool is_stopping;
};

/* Takes a zeroed child. program is this process's argv[0]; args, which end with NULL, follow `serve`. A negative errno:
 * there is no process, but the loop must still turn until child_is_gone(). */
int child_start(struct child *child, uv_loop_t *loop, const char *program, const char *const *args);
bool child_is_ready(const struct child *child);
void child_stop(struct child *child);
bool child_is_gone(const struct child *child);

/* What child_start() has the new process do first, in main(): argv is `program experiment --serve-for PID serve ...`.
 * Returns an exit status if the server cannot be started, and not at all otherwise. */
bool child_is_called_for(int argc, char **argv);
int child_become(char **argv);

#endif
