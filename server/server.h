/* What all connections of one loop share: limits, routes, pool, clocks, buffers, and who is there. No socket:
 * listener.c accepts, tcp.c reads and writes, and tests stand in for both. Loop thread only.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "budget.h"
#include "deadlines.h"
#include "figures.h"
#include "hoist.h"
#include "reply.h"
#include "spans.h"
#include "stuck.h"

#include <uv.h>

enum {
    READ_BUFFER = 64 * 1024, /* bytes taken by one read */
    OUT_BUFFER = 64 * 1024,  /* bytes gathered, and held, at a time */
    HELD_MAX = 16,           /* connections whose answers are held for each other */
};

struct conn;
struct exchange;
struct pool;
struct rdhup;
struct router;

/* Gathered answers of a connection, to be written when this turn of the loop has read what there was to read. */
struct held {
    struct conn *conn;
    unsigned begin, len; /* in the server's out */
};

struct server {
    uv_loop_t *loop;
    pthread_t thread;           /* which turns it */
    const hoist_config *config; /* every field is set */
    const struct router *router;
    int fd_max;          /* no descriptor above it is polled, see listener_reserve() */
    struct pool *pool;   /* NULL: the inline executor, every handler runs on the loop */
    struct rdhup *rdhup; /* sees clients leave that are not read */
    struct deadlines deadlines;
    struct reply_clock clock;

    struct conn *conns, *conns_last; /* all; those that wait for a request in the order in which they began */
    unsigned n_conns;
    bool is_crowded; /* a client waits for a place: the first connection to have answered all it had then ends */
    struct exchange *exchanges, *free_exchanges;
    unsigned n_exchanges, n_free_exchanges; /* in use; kept for reuse */
    struct exchange *due_first, *due_last;  /* asynchronous ones that go on ... */
    unsigned n_due;
    uv_idle_t *due_turn;  /* ... in this, which is active while there are any */
    struct budget budget; /* buffers, bodies and replies of connections and exchanges */
    uint64_t next_id;
    struct figures figures;
    struct spans job_spans, loop_spans; /* of exchanges that may wait, and of those that the loop answers */

    char *read_buffer;         /* READ_BUFFER bytes, one read's at a time */
    const struct conn *reader; /* who has read last in this turn of the loop; NULL: nobody has */
    char *out;                 /* OUT_BUFFER bytes: answers that are held, and then those of the connection in hand */
    size_t out_begin, out_len; /* of the connection in hand: equal between two turns of one */
    struct held held[HELD_MAX];
    unsigned n_held, n_written; /* of them, so many are on their way already */
    uv_check_t *check;          /* writes them, before the loop waits */
    uint64_t left_ns; /* when the loop left the last inline handler, if it is to call the next one at once; else 0 */

    bool holds;    /* answers until the sockets that are ready are read: no handler blocks the loop meanwhile */
    bool is_quiet; /* nothing of its requests is for the access log, or no more */
    bool is_draining;
    uint64_t drain_due_ms; /* by uv_now(): when a drain cuts off who is still there; UINT64_MAX: never */
    bool is_virtual;       /* hoist_later() takes no time, but counts it */
    uint64_t virtual_ms;   /* what it counted */
    struct stuck stuck;
    void (*on_change)(void *arg);    /* a connection or exchange is gone */
    void (*on_all_stuck)(void *arg); /* every worker was stuck for stuck_exit_ms */
    void *arg;
};

/* Takes a zeroed server; config, router and loop are borrowed. -errno, no memory or no descriptor: server_close() is
 * due all the same. */
int server_init(struct server *server, uv_loop_t *loop, const hoist_config *config, const struct router *router);

/* No connection and no exchange may be left. on_closed(arg) comes when *server may go. */
void server_close(struct server *server, void (*on_closed)(void *arg), void *arg);

/* No more requests than are on their way: from now on answers say Connection: close. */
void server_begin_drain(struct server *server);

/* Two turns of the loop later, when every connection that had sent something was read: idle ones close, those that were
 * used just now and half-sent heads get a moment more. */
void server_drain(struct server *server);

/* Closes every connection, whatever it does; what runs is abandoned. */
void server_abort(struct server *server);

/* For the log: what that, or the program's end, cuts off now. Returns text. */
enum { SERVER_CUT_OFF_TEXT = 160 };
const char *server_cut_off_text(const struct server *server, char text[SERVER_CUT_OFF_TEXT]);

bool server_is_empty(const struct server *server);

/* Bytes that requests hold: exchanges in use, their buffers, bodies, arenas and given replies, and what connections
 * have read ahead or not written. 0 when the server is empty. */
size_t server_memory(const struct server *server);

/* Are they more than max_memory? Then no request may begin, and neither a head nor a body grow. What runs is let be:
 * refusing memory to it would throw away work that is done, and it gives back more when it ends. */
bool server_is_over_memory(const struct server *server);

/* What is said then. */
extern const char server_no_room[];

/* Are they without own bytes, and without the exchanges, whose number is the loop's? Then no handler is called and
 * nothing is read ahead for the one that holds these. Any thread. */
bool server_is_over_memory_without(const struct server *server, size_t own);

#endif
