/* Sockets that a supervisor opened and passes on at start (sd_listen_fds(3)): they stay open while the program is
 * replaced, so no connection is refused meanwhile.
 *
 * One named "admin" is the admin listener's, the other one is the data listener's. For the process's main(): it changes
 * the environment, so no other thread may run yet.
 */
#ifndef SERVER_ACTIVATION_H
#define SERVER_ACTIVATION_H

#include <stddef.h>

enum { ACTIVATION_FIRST_FD = 3 }; /* where they begin */

struct activation {
    int data, admin; /* -1: none was passed */
};

/* What $LISTEN_PID, $LISTEN_FDS and $LISTEN_FDNAMES say to this process, which no child will see any more; the first
 * socket is first_fd. None is no failure. -EINVAL: they say something else, or name two sockets for one listener; a
 * line is in error[error_size]. */
int activation_take(struct activation *ret_activation, int first_fd, char *error, size_t error_size);

#endif
