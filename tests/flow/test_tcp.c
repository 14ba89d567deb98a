/* Connections over sockets: what the system is told of them. */
#include "lib/app_fixture.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MUCH = 32 * 1024 * 1024 };

static struct app_fixture f;
static struct peer p;
static int accepted = -1;

/* In the place of the C library's accept4(2), for the whole program; that one's declaration takes a union. */
int accept_and_tell(int fd, struct sockaddr *address, socklen_t *len, int flags) __asm__("accept4");

int accept_and_tell(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    int connection = (int)syscall(SYS_accept4, fd, address, len, flags);

    if (connection >= 0)
        accepted = connection;
    return connection;
}

static int say(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "said");
}

/* More than any socket takes. */
static int say_much(hoist_req *req, hoist_res *res)
{
    static const char much[MUCH];

    (void)req;
    return hoist_reply_static(res, 200, "text/plain", much, sizeof(much));
}

static const hoist_route routes[] = {
    {.path = "/say", .handler = say, .run = HOIST_INLINE},
    {.path = "/much", .handler = say_much, .run = HOIST_INLINE, .max_reply = MUCH},
};

static void open_app(void)
{
    app_fixture_serve(&f, &(hoist_config){.executor = HOIST_EXECUTOR_INLINE}, routes,
                      sizeof(routes) / sizeof(routes[0]));
}

static void close_app(void)
{
    app_fixture_close(&f);
}

TestSuite(tcp, .init = open_app, .fini = close_app, .timeout = 30);

static int option_of(int level, int name)
{
    socklen_t len = sizeof(int);
    int value = -1;

    cr_assert_eq(getsockopt(accepted, level, name, &value, &len), 0);
    return value;
}

/* Else a second answer would wait for the client's system to confirm the first one: up to 40 ms. */
Test(tcp, answers_leave_at_once)
{
    peer_open(&p, &f);
    peer_get(&p, "/say");
    cr_expect_eq(peer_answer(&p, 0)->status, 200);

    cr_expect_neq(option_of(IPPROTO_TCP, TCP_NODELAY), 0);
}

/* A client that asks and reads nothing. */
static int ask_and_wait(const char *request)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((in_port_t)hoist_app_port(f.app)),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
    return fd;
}

static size_t arrived(int fd)
{
    int n = 0;

    cr_assert_eq(ioctl(fd, FIONREAD, &n), 0);
    return (size_t)n;
}

/* Of the answer that has come, which stays there. */
static size_t head_len(int fd)
{
    char text[1024];
    ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_PEEK);

    cr_assert_gt(n, 0);
    text[n] = '\0';
    cr_assert_not_null(strstr(text, "\r\n\r\n"));
    return (size_t)(strstr(text, "\r\n\r\n") + 4 - text);
}

/* Whoever holds it: libuv, or the kernel. */
Test(tcp, tells_how_much_of_an_answer_has_not_arrived)
{
    int client = ask_and_wait(GET("/much"));
    const struct conn *conn;
    size_t len;

    LOOP_SPIN_UNTIL(&f.loop, arrived(client) > 1024);
    len = head_len(client) + MUCH;
    conn = f.app->server.conns;
    LOOP_SPIN_UNTIL(&f.loop, conn->io->unsent(conn) + arrived(client) == len);

    cr_expect_lt(arrived(client), MUCH / 2, "nobody reads");
    close(client);
}
