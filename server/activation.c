/* Sockets that a supervisor passes on at start.
 *
 * Happy path: the variables are for this process, and each of the sockets has a name. Failures: a line that says what
 * is wrong. Close: the sockets belong to the listeners that adopt them.
 */
#include "activation.h"

#include "number.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SOCKETS_MAX = 1024 };

static int take(struct activation *activation, int first_fd, const char *count, const char *names, char *error,
                size_t error_size);
static int assign(struct activation *activation, int fd, bool is_admin, char *error, size_t error_size);

int activation_take(struct activation *ret_activation, int first_fd, char *error, size_t error_size)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
    struct activation activation = {-1, -1};
    uint64_t number;
    int err = 0;

    /* Another pid: they were meant for the process that started this one. */
    if (pid != NULL && count != NULL && number_parse(pid, false, &number) && number == (uint64_t)getpid())
        err = take(&activation, first_fd, count, names, error, error_size);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (err == 0)
        *ret_activation = activation;
    return err;
}

static int take(struct activation *activation, int first_fd, const char *count, const char *names, char *error,
                size_t error_size)
{
    uint64_t n;
    int err = 0;

    if (!number_parse(count, false, &n) || n > SOCKETS_MAX) {
        snprintf(error, error_size, "LISTEN_FDS: '%.40s' is not a number of sockets", count);
        return -EINVAL;
    }
    for (int i = 0; i < (int)n && err == 0; i++) {
        size_t len = names != NULL ? strcspn(names, ":") : 0;
        bool is_admin = len == 5 && memcmp(names, "admin", 5) == 0;

        err = assign(activation, first_fd + i, is_admin, error, error_size);
        if (names != NULL)
            names += len + (names[len] == ':');
    }
    return err;
}

static int assign(struct activation *activation, int fd, bool is_admin, char *error, size_t error_size)
{
    int *place = is_admin ? &activation->admin : &activation->data;

    if (*place >= 0) {
        snprintf(
            error, error_size,
            is_admin
                ? "LISTEN_FDNAMES: more than one socket is named admin"
                : "LISTEN_FDS: more than one socket was passed for requests (the admin listener's is named admin)");
        return -EINVAL;
    }
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        snprintf(error, error_size, "LISTEN_FDS: descriptor %d: %s", fd, strerror(errno));
        return -EINVAL;
    }
    *place = fd;
    return 0;
}
