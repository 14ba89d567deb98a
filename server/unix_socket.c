/* A listening socket that is a file.
 *
 * Happy path: lock the folder, bind, listen, unlock. Failures: as in the header; nothing is left behind. Close:
 * unix_socket_remove(). A process that dies leaves its file, whose connections are refused: that is how the next one
 * knows. Between bind() and listen() they are refused, too, so the folder is locked meanwhile: of two processes that
 * start at once, neither takes the other's file for a dead one's. Whoever may read the folder may hold that lock, and
 * ours lasts microseconds: who does not get it in a second is told, and goes on without it. To fail would let any user
 * keep the server from starting; to go on risks a start at the same moment.
 */
#include "unix_socket.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_TRIES = 100, LOCK_PAUSE_MS = 10, OWNER_ONLY = 0600 };

static int lock_folder(const struct sockaddr_un *address);
static int open_socket(void);
static int bind_to(int fd, const struct sockaddr_un *address);
static int remove_dead(const struct sockaddr_un *address);
static int note_file(struct unix_socket *file, const struct sockaddr_un *address);

int unix_socket_listen(struct unix_socket *ret_file, const char *path, int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct unix_socket file = {.path = ""};
    size_t len = strlen(path);
    int err, lock, fd;

    if (len >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, len + 1);
    lock = lock_folder(&address);
    if (lock < 0)
        return lock;
    err = fd = open_socket();
    if (err < 0)
        goto err_unlock;
    err = bind_to(fd, &address);
    if (err < 0)
        goto err_close;
    err = note_file(&file, &address);
    if (err < 0)
        goto err_close;
    if (listen(fd, backlog) < 0) {
        err = -errno;
        goto err_remove;
    }
    close(lock);
    *ret_file = file;
    return fd;

err_remove:
    unix_socket_remove(&file);
err_close:
    close(fd);
err_unlock:
    close(lock);
    return err;
}

void unix_socket_remove(struct unix_socket *file)
{
    struct stat found;

    if (file->path[0] != '\0' && lstat(file->path, &found) == 0 && found.st_dev == file->dev &&
        found.st_ino == file->ino)
        unlink(file->path);
    file->path[0] = '\0';
}

/* A descriptor that holds the lock, unless another process does all the time, until it is closed. */
static int lock_folder(const struct sockaddr_un *address)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
    struct sockaddr_un copy = *address; /* dirname() writes into it */
    int fd, err;

    fd = open(dirname(copy.sun_path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        if (errno != EWOULDBLOCK) {
            err = -errno;
            close(fd);
            return err;
        }
        nanosleep(&pause, NULL);
    }
    log_write(LOG_WARNING, "%s: its folder is locked by another process; listening there without the lock",
              address->sun_path);
    return fd;
}

static int open_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

/* Linux gives the file the mode that its socket has, so it is born with it, whatever the umask of this process. Where
 * that is refused, it gets it before listen(), until when nobody can connect either. */
static int bind_to(int fd, const struct sockaddr_un *address)
{
    bool is_born_private = fchmod(fd, OWNER_ONLY) == 0;
    int err;

    err = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
    if (err == -EADDRINUSE) {
        err = remove_dead(address);
        if (err == 0 && bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
            err = -errno;
    }
    if (err == 0 && !is_born_private && chmod(address->sun_path, OWNER_ONLY) < 0) {
        err = -errno;
        unlink(address->sun_path);
    }
    return err;
}

/* 0: the file is a socket that nobody listens to, and gone now. */
static int remove_dead(const struct sockaddr_un *address)
{
    struct stat found;
    int err, fd;

    if (lstat(address->sun_path, &found) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(found.st_mode))
        return -EEXIST;
    fd = open_socket();
    if (fd < 0)
        return fd;
    err = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
    close(fd);
    if (err != -ECONNREFUSED) /* -EAGAIN is a full backlog, -EPROTOTYPE a socket of another kind */
        return err == -EACCES ? err : -EADDRINUSE;
    return unlink(address->sun_path) < 0 ? -errno : 0;
}

static int note_file(struct unix_socket *file, const struct sockaddr_un *address)
{
    struct stat found;

    if (lstat(address->sun_path, &found) < 0)
        return -errno;
    memcpy(file->path, address->sun_path, sizeof(file->path));
    file->dev = found.st_dev;
    file->ino = found.st_ino;
    return 0;
}
