/* Sockets that block, and just enough HTTP to find the end of an answer.
 *
 * Happy path: connect, send, receive: bytes gather in the client's buffer until an answer is whole. Failures:
 * cr_assert(). Close: the table of clients, and so their memory, lives as long as the test's process.
 */
#include "client.h"

#include "process.h"
#include "wait.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLIENTS_MAX = 1200, HEAD_MAX = 16 * 1024, READ_STEP = 16 * 1024 };

struct client {
    struct response response; /* first: response_field() finds the client by it */
    bool is_open;
    int fd;
    char *in; /* received, not given to the test yet */
    size_t in_len, in_size;
    char *body;
    char head[HEAD_MAX];
    char fields[HEAD_MAX]; /* the head with a NUL behind each line */
};

static struct client *clients[CLIENTS_MAX]; /* each from its first use on */

static int connect_to(unsigned port, int receive_buffer);
static const struct response *receive(struct client *client, bool has_body);
static bool receive_response_head(struct client *client);
static bool receive_body(struct client *client);
static ssize_t fill(struct client *client);
static void drop(struct client *client, size_t len);

static struct client *client_new(int fd)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (clients[i] == NULL)
            clients[i] = calloc(1, sizeof(*clients[i]));
        cr_assert_not_null(clients[i]);
        if (!clients[i]->is_open) {
            clients[i]->is_open = true;
            clients[i]->fd = fd;
            clients[i]->in_len = 0;
            return clients[i];
        }
    }
    cr_assert_fail("more than %d clients at once", CLIENTS_MAX);
    return NULL;
}

/* receive_buffer as for connect_to(). */
static struct client *open_port(unsigned port, int receive_buffer)
{
    int fd = connect_to(port, receive_buffer);

    cr_assert_geq(fd, 0, "cannot connect: %s", strerror(-fd));
    return client_new(fd);
}

struct client *client_open(const struct process *server)
{
    return open_port(server->port, 0);
}

struct client *client_open_admin(const struct process *server)
{
    return open_port(server->admin_port, 0);
}

struct client *client_open_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%s: %s", path, strerror(errno));
    return client_new(fd);
}

struct client *client_open_small(const struct process *server, int bytes)
{
    return open_port(server->port, bytes);
}

/* receive_buffer in bytes; 0: the system's. -errno when the server does not take it. */
static int connect_to(unsigned port, int receive_buffer)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((in_port_t)port), .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1, err;

    cr_assert_geq(fd, 0, "%s", strerror(errno));
    if (receive_buffer > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    err = -errno;
    close(fd);
    return err;
}

void client_close(struct client *client)
{
    cr_assert(client->is_open);
    client->is_open = false;
    close(client->fd);
}

void client_close_all(void)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (clients[i] != NULL && clients[i]->is_open)
            client_close(clients[i]);
}

void client_reset(struct client *client)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};

    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    client_close(client);
}

void client_half_close(struct client *client)
{
    cr_assert_eq(shutdown(client->fd, SHUT_WR), 0, "%s", strerror(errno));
}

/* ---- sending ---- */

void client_get(struct client *client, const char *path)
{
    char request[1024];

    (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
    client_send(client, request);
}

struct client *client_ask(const struct process *server, const char *path)
{
    struct client *client = client_open(server);

    client_get(client, path);
    return client;
}

struct client *client_ask_for_large(const struct process *server)
{
    struct client *client = client_open_small(server, CLIENT_LEAST);
    char head[80], *body = calloc(1, CLIENT_LARGE);

    cr_assert_not_null(body);
    (void)snprintf(head, sizeof(head), "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", CLIENT_LARGE);
    client_send(client, head);
    client_send_bytes(client, body, CLIENT_LARGE);
    free(body);
    return client;
}

void client_send(struct client *client, const char *text)
{
    client_send_bytes(client, text, strlen(text));
}

void client_send_bytes(struct client *client, const void *bytes, size_t len)
{
    client_send_cut(client, bytes, len, len > 0 ? len : 1);
}

void client_send_cut(struct client *client, const void *bytes, size_t len, size_t step)
{
    for (size_t at = 0; at < len;) {
        size_t piece = len - at < step ? len - at : step;
        ssize_t n;

        cr_assert(wait_for_fd(client->fd, POLLOUT, WAIT_BOUND_MS), "the server does not read");
        n = send(client->fd, (const char *)bytes + at, piece, MSG_NOSIGNAL | MSG_DONTWAIT);
        cr_assert(n >= 0 || errno == EAGAIN, "cannot send: %s", strerror(errno));
        if (n > 0)
            at += (size_t)n;
    }
}

/* ---- receiving ---- */

const struct response *client_receive(struct client *client)
{
    return receive(client, true);
}

const struct response *client_receive_head(struct client *client)
{
    return receive(client, false);
}

static const struct response *receive(struct client *client, bool has_body)
{
    struct response *response = &client->response;

    free(client->body);
    client->body = calloc(1, 1);
    *response = (struct response){.head = client->head, .body = client->body};
    client->head[0] = client->fields[0] = '\0';
    if (!receive_response_head(client) || (has_body && !receive_body(client)))
        response->status = 0;
    return response;
}

static bool receive_response_head(struct client *client)
{
    const char *end = NULL;
    size_t len, n = 0;

    while (client->in_len == 0 || (end = memmem(client->in, client->in_len, "\r\n\r\n", 4)) == NULL)
        if (fill(client) <= 0)
            return false;
    len = (size_t)(end - client->in) + 4;
    cr_assert_lt(len, (size_t)HEAD_MAX);
    memcpy(client->head, client->in, len);
    client->head[len] = '\0';
    drop(client, len);
    cr_assert_eq(sscanf(client->head, "HTTP/1.1 %d ", &client->response.status), 1, "no answer: '%s'", client->head);
    for (const char *p = client->head; *p != '\0'; p++)
        if (*p != '\r')
            client->fields[n++] = (char)(*p == '\n' ? '\0' : *p);
    client->fields[n] = '\0';
    return true;
}

static bool receive_body(struct client *client)
{
    struct response *response = &client->response;
    const char *length = response_field(response, "Content-Length");
    size_t len = length != NULL ? strtoul(length, NULL, 10) : 0;

    if (response->status < 200 || response->status == 204 || response->status == 304)
        return true;
    if (length == NULL) { /* then it ends with the connection */
        cr_assert_not_null(strstr(response->head, "\r\nConnection: close\r\n"), "no end: %s", response->head);
        while (fill(client) > 0)
            ;
        len = client->in_len;
    }
    while (client->in_len < len)
        if (fill(client) <= 0)
            return false;
    free(client->body);
    client->body = malloc(len + 1);
    cr_assert_not_null(client->body);
    if (len > 0)
        memcpy(client->body, client->in, len);
    client->body[len] = '\0';
    drop(client, len);
    response->body = client->body;
    response->body_len = len;
    return true;
}

/* Waits for more bytes: how many, 0 at the end, or -errno. */
static ssize_t fill(struct client *client)
{
    ssize_t n;

    if (client->in_size - client->in_len < READ_STEP) {
        client->in_size = client->in_size * 2 + READ_STEP;
        client->in = realloc(client->in, client->in_size);
        cr_assert_not_null(client->in);
    }
    cr_assert(wait_for_fd(client->fd, POLLIN, WAIT_BOUND_MS), "the server neither answers nor closes");
    n = recv(client->fd, client->in + client->in_len, READ_STEP, 0);
    if (n > 0)
        client->in_len += (size_t)n;
    return n < 0 ? -errno : n;
}

static void drop(struct client *client, size_t len)
{
    client->in_len -= len;
    if (client->in_len > 0)
        memmove(client->in, client->in + len, client->in_len);
}

void client_expect(const struct process *server, const char *path, int status, const char *text)
{
    const struct response *response = client_receive(client_ask(server, path));

    cr_expect_eq(response->status, status, "%s: %d", path, response->status);
    cr_expect_not_null(strstr(response->body, text), "%s: no '%s' in '%s'", path, text, response->body);
}

const char *response_field(const struct response *response, const char *name)
{
    const char *line = ((const struct client *)(const void *)response)->fields;
    size_t len = strlen(name);

    for (; *line != '\0'; line += strlen(line) + 1)
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1 + strspn(line + len + 1, " ");
    return NULL;
}

bool client_has_bytes(struct client *client)
{
    return client->in_len > 0 || wait_for_fd(client->fd, POLLIN, 0);
}

void client_await(struct client *client, const char *text)
{
    while (client->in_len == 0 || memmem(client->in, client->in_len, text, strlen(text)) == NULL)
        cr_assert_gt(fill(client), 0, "it ended before '%s'", text);
}

enum client_end client_end(struct client *client)
{
    ssize_t n = client->in_len > 0 ? 1 : fill(client);

    return n > 0 ? CLIENT_BYTES : n == 0 ? CLIENT_EOF : CLIENT_RESET;
}

void client_await_reset(struct client *client)
{
    cr_assert(wait_for_fd(client->fd, 0, WAIT_BOUND_MS), "the server does not give up");
}

/* ---- what tests wait for ---- */

void client_fence(const struct process *server)
{
    struct client *client = client_open(server);

    client_get(client, "/dummy");
    cr_assert_eq(client_receive(client)->status, 200);
    client_close(client);
}

/* Each request has a number in its query, so that its own line in the log is found. */
void client_await_busy(struct process *server, unsigned busy)
{
    static unsigned number;
    struct client *client = client_open(server);
    uint64_t begun = wait_clock_ns();
    unsigned now = UINT_MAX;

    while (now != busy) {
        char path[32], logged[40];
        const char *line;

        (void)snprintf(path, sizeof(path), "/dummy?ask=%u", ++number);
        (void)snprintf(logged, sizeof(logged), "%s ", path);
        client_get(client, path);
        cr_assert_eq(client_receive(client)->status, 200);
        do {
            line = process_line(server);
            cr_assert_not_null(line);
        } while (strstr(line, logged) == NULL);
        cr_assert_eq(sscanf(strstr(line, " busy="), " busy=%u", &now), 1, "%s", line);
        cr_assert_lt((wait_clock_ns() - begun) / 1000000, (uint64_t)WAIT_BOUND_MS, "%u workers are busy, not %u", now,
                     busy);
    }
    client_close(client);
}

const char client_left_early[] = "{\"error\":\"operation canceled\"}";

struct client *client_hold_worker(struct process *server, unsigned busy)
{
    struct client *client = client_open(server);

    client_get(client, "/sleep/3600000");
    client_await_busy(server, busy);
    return client;
}

/* A connection that is being made while the listener closes is reset. */
void client_await_refusal(const struct process *server)
{
    uint64_t begun = wait_clock_ns();
    int fd;

    while ((fd = connect_to(server->port, 0)) >= 0 || fd == -ECONNRESET) {
        if (fd >= 0)
            close(fd);
        cr_assert_lt((wait_clock_ns() - begun) / 1000000, (uint64_t)WAIT_BOUND_MS, "it still takes connections");
    }
    cr_assert_eq(fd, -ECONNREFUSED, "%s", strerror(-fd));
}
