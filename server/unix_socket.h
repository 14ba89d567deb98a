/* A listening socket that is a file, for its owner alone.
 *
 * The file has mode 0600 before anybody can connect. One that a dead process left behind is replaced; a live one and
 * files of any other kind never are. What closes it removes it, if it is still its own.
 */
#ifndef SERVER_UNIX_SOCKET_H
#define SERVER_UNIX_SOCKET_H

#include <sys/types.h>
#include <sys/un.h>

/* The file, to be removed; zeroed: there is none. */
struct unix_socket {
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    dev_t dev;
    ino_t ino;
};

/* A non-blocking socket that listens at path. -EADDRINUSE: somebody listens there already. -EEXIST: something else is
 * there. -ENAMETOOLONG; or what the system answers about the folder. */
int unix_socket_listen(struct unix_socket *ret_file, const char *path, int backlog);

/* Removes the file. To be called before its socket is closed. */
void unix_socket_remove(struct unix_socket *file);

#endif
