/* Connections over sockets: what the system is told of them. */
#include "lib/app_fixture.h"
#include "server/server.h"

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

static hoist_req *pending;
static hoist_res *pending_res;

static int pend(hoist_req *req, hoist_res *res)
{
    pending = req;
    pending_res = res;
    return HOIST_PENDING;
}

static const hoist_route routes[] = {
    {.path = "/pend", .handler = pend, .run = HOIST_ASYNC},
    {.path = "/say", .handler = say, .run = HOIST_INLINE},
    {.path = "/told", .method = HOIST_POST, .handler = say, .run = HOIST_INLINE},
    {.path = "/much", .handler = say_much, .run = HOIST_INLINE, .max_reply = MUCH},
};

static void open_app(void)
{
    const hoist_config config = {.executor = HOIST_EXECUTOR_INLINE, .half_close = HOIST_HALF_CLOSE_FINISH};

    app_fixture_serve(&f, &config, routes, sizeof(routes) / sizeof(routes[0]));
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

/* The others must not wait until all is read that it has sent. */
Test(tcp, reads_one_client_once_a_turn)
{
    enum { BODY = 1000 * 1000 };
    static char body[BODY];
    const uint64_t *received = &f.app->server.figures.received;
    int client = ask_and_wait("POST /told HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n\r\n");
    int room = 2 * BODY;
    size_t sent = 0;

    LOOP_SPIN_UNTIL(&f.loop, *received > 0);
    cr_assert_eq(setsockopt(accepted, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
    while (sent < BODY) {
        ssize_t n = send(client, body + sent, BODY - sent, MSG_DONTWAIT);
        uint64_t before = *received;

        sent += n > 0 ? (size_t)n : 0;
        uv_run(&f.loop, UV_RUN_NOWAIT);
        cr_assert_leq(*received - before, READ_BUFFER);
    }
    LOOP_SPIN_UNTIL(&f.loop, arrived(client) > 0);
    close(client);
}

/* As after the answers before, to a client that reads slowly. */
Test(tcp, writes_an_answer_later_for_which_the_socket_has_no_room)
{
    static char bytes[64 * 1024];
    size_t before = 0;
    ssize_t n = 0;
    int client = ask_and_wait(GET("/pend"));

    memset(bytes, 'x', sizeof(bytes));
    LOOP_SPIN_UNTIL(&f.loop, pending != NULL);
    while ((n = send(accepted, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        before += (size_t)n;
    hoist_finish(pending, hoist_reply_text(pending_res, 200, "said"));
    LOOP_SPIN_UNTIL(&f.loop, f.app->server.n_due == 0);
    cr_assert_eq(f.app->server.n_conns, 1);
    while (before > 0 && (n = recv(client, bytes, before < sizeof(bytes) ? before : sizeof(bytes), 0)) > 0)
        before -= (size_t)n;
    LOOP_SPIN_UNTIL(&f.loop, (n = recv(client, bytes, sizeof(bytes) - 1, MSG_DONTWAIT)) > 0);

    bytes[n] = '\0';
    cr_expect_eq(strncmp(bytes, "HTTP/1.1 200 OK\r\n", 17), 0, "%s", bytes);
    cr_expect_not_null(strstr(bytes, "\r\n\r\nsaid"), "%s", bytes);
    close(client);
}

/* As by a child that a handler has forked: what its client does is of no interest any more. */
Test(tcp, forgets_a_client_whose_socket_is_still_open_elsewhere)
{
    int client = ask_and_wait(GET("/pend")), elsewhere;

    LOOP_SPIN_UNTIL(&f.loop, pending != NULL);
    cr_assert_eq(shutdown(client, SHUT_WR), 0);
    LOOP_SPIN_UNTIL(&f.loop, f.app->server.conns->at_eof);
    elsewhere = dup(accepted);
    hoist_finish(pending, hoist_reply_text(pending_res, 200, "said"));
    LOOP_SPIN_UNTIL(&f.loop, f.app->server.n_conns == 0);
    close(client); /* with an answer that was not read: a reset */
    for (unsigned i = 0; i < 10; i++)
        uv_run(&f.loop, UV_RUN_NOWAIT);

    close(elsewhere);
}

/* Otherwise a client that reads to the end would wait until the server has stopped listening to it. */
Test(tcp, ends_behind_a_last_answer_before_it_stops_to_listen)
{
    peer_open(&p, &f);
    peer_send(&p, "BAD\r\n\r\n");
    cr_expect_eq(peer_answer(&p, 0)->status, 400);
    LOOP_RUN_UNTIL(&f.loop, p.at_end);

    cr_expect_eq(p.end, UV_EOF);
    cr_expect_eq(f.app->server.n_conns, 1);
}
