/* A listener's socket: bound here or by somebody else, and what it is called. */
#include "server/listener.h"
#include "server/tcp.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct listener listener;
static char text[LISTENER_TEXT];

static int open_socket(int family, int type, bool listens)
{
    struct sockaddr_storage address = {.ss_family = (sa_family_t)family};
    socklen_t len = family == AF_UNIX ? sizeof(sa_family_t) : sizeof(address);
    int fd = socket(family, type, 0);

    cr_assert_geq(fd, 0, "%s", strerror(errno));
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0, "%s", strerror(errno));
    if (listens)
        cr_assert_eq(listen(fd, 8), 0);
    return fd;
}

Test(listener, adopts_every_kind_of_stream_socket_that_listens)
{
    static const int families[] = {AF_INET, AF_INET6, AF_UNIX};

    for (size_t i = 0; i < 3; i++) {
        int fd = open_socket(families[i], SOCK_STREAM, true);

        cr_expect_eq(listener_adopt(&listener, fd), 0, "family %d", families[i]);
        cr_expect_eq(listener.fd, fd);
        cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK, "family %d", families[i]);
        cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC, "family %d", families[i]);
        listener_close(&listener, NULL, NULL);
        cr_expect_eq(fcntl(fd, F_GETFD), -1, "it is closed");
    }
}

Test(listener, does_not_adopt_what_cannot_be_accepted_from)
{
    int file = open("/dev/null", O_RDONLY);
    const struct {
        const char *what;
        int fd, err;
    } rows[] = {
        {"a socket for datagrams", open_socket(AF_INET, SOCK_DGRAM, false), -EPROTOTYPE},
        {"one for packets", open_socket(AF_UNIX, SOCK_SEQPACKET, true), -EPROTOTYPE},
        {"one that does not listen", open_socket(AF_INET, SOCK_STREAM, false), -EINVAL},
        {"a file", file, -ENOTSOCK},
        {"nothing", -1, -EBADF},
    };

    listener.fd = -1;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(listener_adopt(&listener, rows[i].fd), rows[i].err, "%s", rows[i].what);
        cr_expect_eq(listener.fd, -1, "%s", rows[i].what);
        cr_expect(rows[i].fd < 0 || fcntl(rows[i].fd, F_GETFD) >= 0, "%s is still open", rows[i].what);
    }
}

Test(listener, says_where_it_listens)
{
    static const struct {
        const char *host, *written;
    } rows[] = {{"127.0.0.1", "127.0.0.1"}, {"::1", "[::1]"}};
    char expected[64];

    for (size_t i = 0; i < 2; i++) {
        int err = listener_bind(&listener, rows[i].host, 0, false);

        if (err == -EADDRNOTAVAIL || err == -EAFNOSUPPORT)
            continue; /* a system without IPv6 */
        cr_assert_eq(err, 0);
        cr_expect_gt(listener_port(&listener), 0);
        (void)snprintf(expected, sizeof(expected), "%s:%u", rows[i].written, listener_port(&listener));
        cr_expect_str_eq(listener_text(&listener, text, sizeof(text)), expected);
        listener_close(&listener, NULL, NULL);
    }
}

Test(listener, on_a_file_says_which_has_no_port_and_removes_it)
{
    char folder[] = "/tmp/listener.XXXXXX", path[64], expected[128];

    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/s", folder);
    (void)snprintf(expected, sizeof(expected), "unix:%s", path);
    cr_assert_eq(listener_bind_unix(&listener, path), 0);

    cr_expect_str_eq(listener_text(&listener, text, sizeof(text)), expected);
    cr_expect_eq(listener_port(&listener), 0u);
    listener_close(&listener, NULL, NULL);
    cr_expect_eq(listener.fd, -1);
    cr_expect_eq(rmdir(folder), 0, "the folder is empty again");
}

Test(listener, leaves_the_file_of_a_socket_that_it_was_given)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/listener.XXXXXX";
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(fd, 8), 0);
    cr_assert_eq(listener_adopt(&listener, fd), 0);
    listener_close(&listener, NULL, NULL);

    cr_expect_eq(unlink(address.sun_path), 0);
    rmdir(folder);
}

Test(listener, writes_a_name_that_is_no_file_with_an_at_sign)
{
    int fd = open_socket(AF_UNIX, SOCK_STREAM, true); /* the system chooses five digits (unix(7), autobind) */

    cr_assert_eq(listener_adopt(&listener, fd), 0);
    listener_text(&listener, text, sizeof(text));
    cr_expect_eq(strncmp(text, "unix:@", 6), 0, "%s", text);
    cr_expect_eq(strlen(text), strlen("unix:@") + 5, "%s", text);
    listener_close(&listener, NULL, NULL);
}

/* The next one to be opened. */
static int lowest_free_descriptor(void)
{
    int fd = dup(STDERR_FILENO);

    close(fd);
    return fd;
}

Test(listener, holds_nothing_when_its_port_is_in_use)
{
    struct listener other;
    int next;

    cr_assert_eq(listener_bind(&listener, "127.0.0.1", 0, false), 0);
    next = lowest_free_descriptor();

    cr_expect_eq(listener_bind(&other, "127.0.0.1", listener_port(&listener), false), -EADDRINUSE);
    cr_expect_eq(other.fd, -1, "or its close would close what is somebody else's by then");
    cr_expect_eq(lowest_free_descriptor(), next);
    listener_close(&listener, NULL, NULL);
}

/* Its end has closed first, so it has the connection in TIME_WAIT. */
Test(listener, takes_a_port_that_old_connections_had)
{
    union address address;
    socklen_t len;
    unsigned port;
    int client = socket(AF_INET, SOCK_STREAM, 0), conn;
    char byte;

    cr_assert_eq(listener_bind(&listener, "127.0.0.1", 0, false), 0);
    port = listener_port(&listener);
    len = listener_address(listener.fd, &address);
    cr_assert_eq(connect(client, &address.any, len), 0);
    conn = accept(listener.fd, NULL, NULL);
    cr_assert_geq(conn, 0);
    close(conn);
    cr_assert_eq(read(client, &byte, 1), 0);
    close(client);
    listener_close(&listener, NULL, NULL);

    cr_expect_eq(listener_bind(&listener, "127.0.0.1", port, false), 0);
    listener_close(&listener, NULL, NULL);
}
