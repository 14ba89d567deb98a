/* One request and its reply, from the first byte of the head until the reply is written or nobody waits for it.
 *
 * Exchanges come from a free list of the loop; an idle connection holds none. hoist_req and hoist_res are the handler's
 * view of one; while a job runs, both and the arena are the worker's alone. The rest is the loop's.
 */
#ifndef SERVER_EXCHANGE_H
#define SERVER_EXCHANGE_H

#include "arena.h"
#include "budget.h"
#include "buffer.h"
#include "deadlines.h"
#include "hoist.h"
#include "log.h"
#include "parser.h"
#include "pool/owner.h"
#include "pool/pool.h"
#include "reply.h"
#include "route.h"
#include "router.h"
#include "spans.h"
#include "stuck.h"

#include <stdatomic.h>
#include <stdio.h>
#include <uv.h>

struct conn;
struct server;

enum { EXCHANGE_ARENA = 2048 };      /* bytes of the arena that need no malloc */
enum { EXCHANGE_INTERRUPT_MS = 50 }; /* between two signals to a handler that nobody waits for */

/*
 *   RECEIVING -> RECEIVED -+-> ON_LOOP -+---------------> ENDED    answered in the call
 *                          |    ^ |     +-> PENDING --+            until something else goes on with it
 *                          |    | +-> TIMED -> DUE <--+            hoist_later()
 *                          |    +---------------+-------> ENDED    hoist_finish()
 *                          +-> QUEUED <- ON_LOOP, DUE
 *                                +----------------------> ENDED    done() came
 * Any of them may lose its connection. One that is running in QUEUED, or PENDING, is abandoned then: it goes on
 * without.
 */
enum exchange_state {
    EXCHANGE_RECEIVING,
    EXCHANGE_RECEIVED, /* complete; dispatch has not taken it */
    EXCHANGE_ON_LOOP,  /* its handler is being called, on the loop */
    EXCHANGE_QUEUED,   /* waiting in a lane or running on a worker */
    EXCHANGE_TIMED,
    EXCHANGE_PENDING,
    EXCHANGE_DUE,   /* goes on by its step, in a turn of its own */
    EXCHANGE_ENDED, /* the reply, if any, is the connection's to write */
};

/* What an asynchronous handler asked for, done once it has returned: until then the request is its own. STEP_CALL: a
 * wait that it asked for is over. */
enum exchange_step { STEP_NONE, STEP_LATER, STEP_CALL, STEP_OFFLOAD, STEP_FINISH };

struct end_hook {
    struct end_hook *next;
    void (*call)(void *arg);
    void *arg;
};

struct hoist_req {
    struct message message;
    struct router_match match;
    struct buffer body;
    struct arena arena;
    struct route *route;
    const char *path;     /* decoded */
    uint64_t deadline_ns; /* on uv_hrtime()'s clock; 0: none */
    void *worker_data;
    struct end_hook *end_hooks;
    atomic_bool cancelled; /* written by the loop, read anywhere */
    bool is_live;          /* a handler may use it: it runs, or goes on later */
};

/* A reply that is printed. */
struct printing {
    FILE *file;          /* hoist_res_file(); NULL: not open */
    bool is_used;        /* it was opened */
    struct buffer bytes; /* what came through it */
    int err;             /* the first error of that */
    int status;          /* hoist_res_type(); 0: 200 */
    const char *type;    /* likewise; NULL: text */
};

struct hoist_res {
    struct reply reply;
    const struct reply_field **last_field; /* where the next one is linked */
    size_t fields_len;
    void (*free_body)(void *body);
    void *given_body;
    int told_err;       /* what was last answered to the handler and logged at once, in case it does not return it */
    int reason_err;     /* what was last answered to the handler with a reason for people ... */
    const char *reason; /* ... in case the handler returns it; NULL: the errno's own text */
    struct printing print;
};

struct exchange {
    struct hoist_req req;
    struct hoist_res res;

    struct server *server;
    struct conn *conn;    /* NULL: abandoned */
    struct budget budget; /* what it holds, in the server's; any thread may read it */
    enum exchange_state state;
    bool is_kept; /* message is in the arena */
    uint64_t id;
    struct parser parser;
    hoist_handler *handler; /* the one that runs, or will */
    int result;             /* what it returned, or hoist_finish() was told */
    enum exchange_step step;
    unsigned later_ms; /* of STEP_LATER */
    struct pool_job job;
    uv_timer_t timer; /* hoist_later() */
    struct deadline deadline, queue_deadline, interrupt;
    struct stuck_watch watch;
    uint64_t begun_ns;        /* when dispatch took it; 0 before */
    uint64_t ended_ns;        /* when its handler returned last, or it was given up */
    uint64_t wait_ns, run_ns; /* waiting and running so far */
    enum span_outcome outcome;
    uint16_t status;                      /* it was answered with; 0: it was not */
    bool is_work;                         /* its handler is a worker's under the pool executor: its last one */
    bool was_queued;                      /* job was submitted for it */
    bool is_refused;                      /* its job found no memory left; the worker's until done */
    struct exchange *prev, *next;         /* in the server's list of those in use; next also in its free list */
    struct exchange *due_prev, *due_next; /* likewise of those that are due */
    _Alignas(max_align_t) char first[EXCHANGE_ARENA];
};

/* NULL: no memory. */
struct exchange *exchange_new(struct server *server, struct conn *conn);

/* Calls the end hooks, frees what it holds and gives it back to the server. Not while a job has it. */
void exchange_free(struct exchange *x);

/* Its connection is done with it: freed if nothing runs, else abandoned. */
void exchange_release(struct exchange *x);

/* The head is complete: finds the route, or what methods the path has, and sets the limits by it. */
void exchange_route(struct exchange *x);

/* The request; NULL before its head is complete, and without an exchange. */
const struct message *exchange_message(const struct exchange *x);

/* How much of its body reply goes out with; x may be NULL, when there is no memory for one. */
size_t exchange_body_len(const struct exchange *x, const struct reply *reply);

/* Is it answered in the call of dispatch_begin(), without blocking? */
bool exchange_is_inline(const struct exchange *x);

/* Calls x->handler, on the loop, on a worker or in a process of its own. Afterwards the request is nobody's, unless the
 * handler goes on later. Returns what the handler returned, or why what it printed is no reply. */
int exchange_call(struct exchange *x);

/* How a 500 of its handler's is logged: after its client has left it is no error, that is how a handler gives up. */
enum log_level exchange_failure_level(const struct exchange *x);

/* Copies the head into the arena, once, for an exchange that outlives the bytes it was received in. -ENOMEM. */
int exchange_keep(struct exchange *x);

/* Its handler has returned result: what it printed becomes the reply. Returns result, or why it did not. */
int response_end_file(hoist_res *res, int result);

/* Returns err, and reason will stand in the answer if the handler returns it too. NULL: the errno's own text. */
__attribute__((cold)) int response_fail(hoist_res *res, int err, const char *reason);

/* Status and content type of a reply: -EPROTO, logged, when they cannot be sent. */
int response_check(hoist_res *res, int status, const char *type);

/* Names the route and ends the program when a handler uses a request or reply that is not its own any more. */
void exchange_check_live(const hoist_req *req);

/* Nobody waits for it any more: tells its handler, by the flag and, if its route asks for it, by signals. */
void exchange_cancel(struct exchange *x);

/* Frees the free list; exchanges in use must be gone. */
void exchange_close_all(struct server *server);

static inline struct exchange *exchange_of_job(struct pool_job *job)
{
    return OWNER_OF(job, struct exchange, job);
}

static inline struct exchange *exchange_of_req(const hoist_req *req)
{
    return OWNER_OF(req, struct exchange, req);
}

static inline struct exchange *exchange_of_res(const hoist_res *res)
{
    return OWNER_OF(res, struct exchange, res);
}

#endif
