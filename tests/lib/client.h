/* An HTTP client that sends any bytes a test wants, and reads answers.
 *
 * Happy path: client_open(&server), client_get(client, "/dummy"), client_receive(client). Every call blocks until it is
 * done. Failures: what cannot be done fails the test; an answer that does not come, or not whole, has status 0.
 * Close: client_close_all() in the suite's fini, so that the server need not wait for them; the others where it
 * matters.
 */
#ifndef TESTS_LIB_CLIENT_H
#define TESTS_LIB_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

struct client;
struct process;

struct response {
    int status;       /* 0: the connection ended before the answer did */
    const char *head; /* with the status line and the empty line */
    const char *body; /* a NUL follows its last byte */
    size_t body_len;
};

enum client_end {
    CLIENT_EOF,
    CLIENT_RESET,
    CLIENT_BYTES, /* it goes on: there are bytes instead */
};

struct client *client_open(const struct process *server);

/* To the admin listener. */
struct client *client_open_admin(const struct process *server);

/* To a socket that is a file. */
struct client *client_open_unix(const char *path);

/* Its receive buffer has so many bytes, or CLIENT_LEAST, the least that the system allows. That is for who does not
 * read many answers: the window may stay below a segment, and a server's system then sends a piece of one every 200 ms
 * (RFC 9293, section 3.8.6.2.1). */
enum { CLIENT_LEAST = 1 };
struct client *client_open_small(const struct process *server, int bytes);

void client_close(struct client *client); /* as programs do: a FIN, or a reset when something was not read */
void client_close_all(void);
void client_reset(struct client *client);      /* a reset in any case */
void client_half_close(struct client *client); /* sends no more, still reads */

void client_get(struct client *client, const char *path);
struct client *client_ask(const struct process *server, const char *path); /* on a connection of its own */
void client_send(struct client *client, const char *text);
void client_send_bytes(struct client *client, const void *bytes, size_t len);

/* On a connection of its own, whose system takes the least of it, asks for CLIENT_LARGE bytes back; all are sent. The
 * server runs with --max-body 8M. */
enum { CLIENT_LARGE = 8 * 1024 * 1024 };
struct client *client_ask_for_large(const struct process *server);

/* step bytes in one send(2), until all are sent. */
void client_send_cut(struct client *client, const void *bytes, size_t len, size_t step);

/* The next answer, which lives until the client's next one. _head: of a request for HEAD. */
const struct response *client_receive(struct client *client);
const struct response *client_receive_head(struct client *client);

/* Asks on a connection of its own, and expects this status and this text in the body. */
void client_expect(const struct process *server, const char *path, int status, const char *text);

/* The value of its first field of that name, in any case; NULL: there is none. */
const char *response_field(const struct response *response, const char *name);

/* Waits until text is among the bytes that were not received yet. */
void client_await(struct client *client, const char *text);

/* Has anything come that was not received yet, now? */
bool client_has_bytes(struct client *client);

/* Waits until it ends, or goes on. */
enum client_end client_end(struct client *client);

/* Waits for a reset without reading anything. */
void client_await_reset(struct client *client);

/* ---- what tests wait for ---- */

/* What was sent before, the server has read when this returns: it takes connections and bytes in the order they came,
 * and this is a connection of its own with a request that the loop answers. But the connection that it served last may
 * come before its turn, because epoll still has it in its list; a fence after that service puts it back in line. */
void client_fence(const struct process *server);

/* Returns once that many workers are at work. The server runs with --access-log -. */
void client_await_busy(struct process *server, unsigned busy);

/* Opens a connection that keeps one more worker at work until the client leaves; returns once busy workers are. */
struct client *client_hold_worker(struct process *server, unsigned busy);

/* The body of its answer, status 503, when it ends its sending side alone. */
extern const char client_left_early[];

/* Returns once the server takes no new connections. */
void client_await_refusal(const struct process *server);

#endif
