/* A listening socket that is a file: who may connect, what it may replace, what is left behind. */
#include "server/unix_socket.h"

#include "lib/capture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/unix_socket.XXXXXX";
static char path[64];
static struct unix_socket file;

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/s", folder);
}

static void tear_down(void)
{
    unlink(path);
    rmdir(folder);
}

TestSuite(unix_socket, .init = set_up, .fini = tear_down);

static bool is_there(void)
{
    struct stat found;

    return lstat(path, &found) == 0;
}

/* What connect(2) answers. */
static int try_connect(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int err;

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    err = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    close(fd);
    return err;
}

/* A socket file of some other program's, bound and nothing else. */
static int bind_other(int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

Test(unix_socket, is_its_owners_alone_whatever_the_umask)
{
    static const mode_t umasks[] = {0, 022, 077};
    struct stat found;

    for (size_t i = 0; i < sizeof(umasks) / sizeof(umasks[0]); i++) {
        int fd;

        umask(umasks[i]);
        fd = unix_socket_listen(&file, path, 8);
        cr_assert_geq(fd, 0, "%s", strerror(-fd));

        cr_assert_eq(lstat(path, &found), 0);
        cr_expect_eq(found.st_mode & 07777, 0600u, "umask %o: mode %o", umasks[i], found.st_mode & 07777);
        unix_socket_remove(&file);
        close(fd);
    }
}

Test(unix_socket, is_open_to_connections_does_not_block_and_does_not_reach_children)
{
    int fd = unix_socket_listen(&file, path, 8);

    cr_assert_geq(fd, 0, "%s", strerror(-fd));
    cr_expect_eq(try_connect(), 0);
    cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
    cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    unix_socket_remove(&file);
    close(fd);
}

Test(unix_socket, removes_its_file)
{
    int fd = unix_socket_listen(&file, path, 8);

    cr_assert(is_there());
    unix_socket_remove(&file);
    cr_expect_not(is_there());
    unix_socket_remove(&file);
    close(fd);
}

Test(unix_socket, leaves_a_file_that_has_taken_the_place_of_its_own)
{
    int fd = unix_socket_listen(&file, path, 8), other;

    unlink(path);
    other = bind_other(SOCK_STREAM);
    unix_socket_remove(&file);

    cr_expect(is_there());
    close(other);
    close(fd);
}

Test(unix_socket, takes_the_place_of_a_dead_processes_file)
{
    int fd;

    close(bind_other(SOCK_STREAM));
    cr_assert_eq(try_connect(), -ECONNREFUSED);

    fd = unix_socket_listen(&file, path, 8);
    cr_expect_geq(fd, 0, "%s", strerror(-fd));
    cr_expect_eq(try_connect(), 0);
    unix_socket_remove(&file);
    close(fd);
}

Test(unix_socket, does_not_take_the_place_of_one_that_lives)
{
    struct unix_socket second = {.path = ""};
    int fd = unix_socket_listen(&file, path, 8);

    cr_expect_eq(unix_socket_listen(&second, path, 8), -EADDRINUSE);
    cr_expect_eq(try_connect(), 0);
    unix_socket_remove(&file);
    close(fd);
}

Test(unix_socket, does_not_take_the_place_of_one_that_lives_and_is_busy)
{
    struct unix_socket second = {.path = ""};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = unix_socket_listen(&file, path, 0), waiting[8];

    strcpy(address.sun_path, path);
    for (size_t i = 0; i < 8; i++) {
        waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(waiting[i], (struct sockaddr *)&address, sizeof(address));
    }

    cr_expect_eq(unix_socket_listen(&second, path, 8), -EADDRINUSE);
    for (size_t i = 0; i < 8; i++)
        close(waiting[i]);
    unix_socket_remove(&file);
    close(fd);
}

Test(unix_socket, never_removes_a_file_of_another_kind)
{
    static const char target[] = "elsewhere";
    char text[32];
    int fd;

    cr_assert_eq(symlink(target, path), 0);
    cr_expect_eq(unix_socket_listen(&file, path, 8), -EEXIST, "a symbolic link");
    cr_expect_eq(readlink(path, text, sizeof(text)), (ssize_t)sizeof(target) - 1);
    unlink(path);

    cr_assert_eq(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    cr_expect_eq(unix_socket_listen(&file, path, 8), -EEXIST, "a file");
    cr_expect(is_there());
    unlink(path);

    fd = bind_other(SOCK_DGRAM);
    cr_expect_eq(unix_socket_listen(&file, path, 8), -EADDRINUSE, "a socket for datagrams");
    cr_expect(is_there());
    close(fd);
}

static bool other_begins; /* at the next flock(2), and is done when that is called again */
static int begun = -1, n_locks;

/* In the place of the C library's. */
int flock(int fd, int operation)
{
    n_locks++;
    if (other_begins && begun < 0) {
        begun = bind_other(SOCK_STREAM);
    } else if (other_begins) {
        cr_assert_eq(listen(begun, 8), 0);
        other_begins = false;
    }
    if (!other_begins)
        return (int)syscall(SYS_flock, fd, operation);
    errno = EWOULDBLOCK;
    return -1;
}

/* What bind(2) made is refused until listen(2): another one that starts then must not think it dead. */
Test(unix_socket, waits_while_another_one_begins_in_the_same_folder)
{
    other_begins = true;

    cr_expect_eq(unix_socket_listen(&file, path, 8), -EADDRINUSE);
    cr_expect_eq(n_locks, 2);
    cr_expect_eq(try_connect(), 0);
    close(begun);
}

static unsigned n_pauses;

/* In the place of libc's. */
int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    (void)left;
    cr_expect_eq(wanted->tv_nsec, 10 * 1000 * 1000);
    n_pauses++;
    return 0;
}

/* As any user may do who may read it. */
Test(unix_socket, does_not_depend_on_who_keeps_its_folder_locked)
{
    int lock = open(folder, O_RDONLY | O_DIRECTORY), fd;
    struct capture c;
    const char *line;

    n_pauses = 0;
    cr_assert_eq(flock(lock, LOCK_EX), 0);
    c = capture(STDERR_FILENO);
    fd = unix_socket_listen(&file, path, 8);
    capture_release_writer(&c);
    cr_assert_geq(fd, 0, "%s", strerror(-fd));

    cr_expect_eq(try_connect(), 0);
    line = capture_line(&c);
    cr_assert_not_null(line);
    cr_expect_not_null(strstr(line, ": its folder is locked by another process"), "%s", line);
    cr_expect_eq(n_pauses, 100, "of 10 ms, for one who has it as long as it takes");
    close(c.reader);
    unix_socket_remove(&file);
    close(fd);
    close(lock);
}

Test(unix_socket, says_why_it_cannot)
{
    char long_path[256];

    memset(long_path, 'x', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    cr_expect_eq(unix_socket_listen(&file, long_path, 8), -ENAMETOOLONG);
    cr_expect_eq(unix_socket_listen(&file, "/does/not/exist/s", 8), -ENOENT);
    cr_expect_str_empty(file.path);
}

Test(unix_socket, takes_a_path_that_has_room_for_its_nul_and_no_longer_one)
{
    char long_path[sizeof(file.path) + 1];
    size_t len = (size_t)snprintf(long_path, sizeof(long_path), "%s/", folder);
    int fd;

    memset(long_path + len, 'x', sizeof(long_path) - len);
    long_path[sizeof(file.path)] = '\0';
    cr_expect_eq(unix_socket_listen(&file, long_path, 8), -ENAMETOOLONG);
    long_path[sizeof(file.path) - 1] = '\0';
    fd = unix_socket_listen(&file, long_path, 8);
    cr_assert_geq(fd, 0, "%s", strerror(-fd));
    cr_expect_str_eq(file.path, long_path);
    unix_socket_remove(&file);
    close(fd);
}
