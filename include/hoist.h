/* hoist: blocking C functions behind HTTP, on a pool of worker threads, off the event loop.
 *
 *     static int answer(hoist_req *req, hoist_res *res)
 *     {
 *         return hoist_reply_text(res, 200, legacy_lookup(hoist_req_arg(req, "id")));
 *     }
 *     static const hoist_route lookup_route = {.path = "/lookup/:id", .handler = answer};
 *     static const hoist_route *const routes[] = {&lookup_route, NULL};
 *
 *     int main(int argc, char **argv)
 *     {
 *         return hoist_main(argc, argv, &(hoist_program){.name = "app", .version = "1", .routes = routes});
 *     }
 *
 * Results are 0 or a negative errno unless a comment says otherwise; ret_ arguments stay untouched on failure.
 * "The loop" is the thread in hoist_app_run() or, embedded, the one that runs the caller's uv_loop_t.
 * Strings that come out of a request are NUL-terminated and live until its exchange ends.
 */
#ifndef HOIST_H
#define HOIST_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HOIST_VERSION "0.1.0"

#define HOIST_API __attribute__((visibility("default")))
#define HOIST_PRINTF(text, first) __attribute__((format(printf, text, first)))

typedef struct hoist_req hoist_req; /* one request: the handler's while it runs, never freed by it */
typedef struct hoist_res hoist_res; /* the reply to it, likewise */
typedef struct hoist_app hoist_app; /* routes, a pool and a listener */

/* What a handler returns.
 * 0: it replied. -errno: the server answers: EINVAL 400, EACCES 403, ENOENT 404, EFBIG 413, EAGAIN, EBUSY, ENOMEM and
 * ECANCELED 503, ETIMEDOUT 504, every other 500. HOIST_PENDING: asynchronous routes only; the reply comes later.
 * A C++ exception that leaves it, or what it gave to be called at the end, ends the program (HOIST_PROCESS: 502). */
#define HOIST_PENDING 0x7fff

/* In a limit: there is none. (Zero in a limit is its default.) */
#define HOIST_NO_LIMIT UINT_MAX

typedef int hoist_handler(hoist_req *req, hoist_res *res);

/* ---- routes ---------------------------------------------------------------------------------------------------- */

enum hoist_method {
    HOIST_GET,  /* also answers HEAD */
    HOIST_HEAD, /* seen in requests; not for routes */
    HOIST_POST,
    HOIST_PUT,
    HOIST_PATCH,
    HOIST_DELETE,
    HOIST_OPTIONS, /* answered by the server, with Allow, unless a route takes it */
};

enum hoist_run {
    HOIST_OFFLOAD, /* on a worker: it may block */
    HOIST_INLINE,  /* on the loop: it must not block */
    HOIST_ASYNC,   /* starts on the loop and goes on later: hoist_later(), hoist_offload(), hoist_finish() */
    HOIST_PROCESS, /* in a process of its own, which a worker waits for: it may crash, leak and never return */
};

/* The strings in a route, and what data points to, stay in place until the app is freed; the struct itself is copied.
 *
 * interrupt is for code that blocks in a system call: once nobody waits for its reply any more, its thread gets SIGURG
 * now and every 50 ms until the handler returns, so that the call fails with EINTR (signal(7)). The handler must take
 * that for an error and return. An app with such a route sets SIGURG's action while it runs.
 *
 * HOIST_PROCESS is for code that a server cannot trust. Each call finds the memory as it was at hoist_main(), in a
 * process with one thread, and what it changes there is gone when it ends; descriptors that were open then are the same
 * open files for all (fork(2)). When it ends before its handler has returned, by a signal or exit(3), the client gets
 * 502, also when the handler had replied. Once nobody waits for its reply any more it is killed, so
 * it need not ask hoist_req_cancelled(); and so is in the end whatever it left in its process group. What it asked
 * for with hoist_on_end() is called in it, behind its reply, if it comes so far; the client has the reply when the
 * process has ended. Such a route needs hoist_main(); under the inline executor, and in a test of hoist_test.h, its
 * handler is called like any other. */
typedef struct hoist_route {
    enum hoist_method method;
    const char *path; /* "/users/:id", a name goes to the next '/'; a last "*" takes the rest (argument "*"); UTF-8 */
    hoist_handler *handler;
    void *data; /* the caller's own, from hoist_req_data() */
    enum hoist_run run;
    const char *lane; /* the queue of this route's jobs; one name on two routes: one lane for both; default: its own */
    unsigned max_concurrency;  /* of the lane's jobs; 1 serialises code that is not thread-safe; default: no limit */
    unsigned max_waiting;      /* jobs in the lane before 503; default: config.max_waiting */
    unsigned timeout_ms;       /* waiting and running together, then 503 or 504; default: config.timeout_ms */
    unsigned queue_timeout_ms; /* waiting alone, then 503; default: config.queue_timeout_ms */
    size_t max_body;           /* bytes, then 413; default: config.max_body */
    size_t max_reply;          /* bytes, then 500; default: config.max_reply */
    bool interrupt;            /* see above; offloaded routes, and what hoist_offload() runs */
    /* Called once on each thread of libuv's pool, of which there are workers_max or more (UV_THREADPOOL_SIZE), at start
     * and at stop, never by a resize. A negative errno of worker_init fails the start. What it leaves in
     * *ret_worker_data is what hoist_req_worker_data() gives on that thread. */
    int (*worker_init)(void *data, void **ret_worker_data);
    void (*worker_fini)(void *worker_data);
} hoist_route;

/* ---- the request: from the handler's thread, while the handler runs -----------------------------------------------
 * Of a handler that returned HOIST_PENDING also on the loop, until hoist_finish(); so is the reply. */

HOIST_API enum hoist_method hoist_req_method(const hoist_req *req);

/* The path, percent-decoded; NULL when memory ran out. */
HOIST_API const char *hoist_req_path(hoist_req *req);

/* The query as sent, without its '?'; "" when there is none. */
HOIST_API const char *hoist_req_query(const hoist_req *req);

/* The decoded value of ":name" in the route's path, else of the first "name=" in the query, else NULL. A value that
 * cannot be decoded, or memory that runs out, is NULL too. */
HOIST_API const char *hoist_req_arg(hoist_req *req, const char *name);

/* As hoist_req_arg(), read as a decimal number from min to max. -EINVAL: it is missing, not a number or out of range;
 * a handler that returns -EINVAL then answers 400 with a text that names the argument, its value and the range. Of one
 * that may be missing ask hoist_req_arg() first: the text stays, for any -EINVAL. */
HOIST_API int hoist_req_long(hoist_req *req, const char *name, long min, long max, long *ret_value);

/* The value of the first header field of that name, in any case; NULL when there is none. */
HOIST_API const char *hoist_req_header(const hoist_req *req, const char *name);

/* The whole body; a NUL follows its last byte. ret_len may be NULL. */
HOIST_API const char *hoist_req_body(const hoist_req *req, size_t *ret_len);

/* Memory that lives until the exchange ends, aligned for any type. NULL when memory ran out or the exchange holds
 * max_reply bytes, and 40 KiB for heads, already; a copied reply is among them. */
HOIST_API void *hoist_req_alloc(hoist_req *req, size_t size);

/* text as a JSON string, quotes included, in memory as of hoist_req_alloc(); bytes that are not UTF-8 become U+FFFD.
 * "null" for NULL. */
HOIST_API const char *hoist_json_string(hoist_req *req, const char *text);

HOIST_API void *hoist_req_data(const hoist_req *req); /* route.data */

/* What the route's worker_init left for this thread. NULL in what the loop calls anyway: handlers of HOIST_INLINE, and
 * of HOIST_ASYNC but for the one that hoist_offload() named. */
HOIST_API void *hoist_req_worker_data(const hoist_req *req);

/* True once nobody waits for the reply: the client left or the deadline is over. Long-running code asks now and then
 * and returns early, -ECANCELED. What it returns is dropped, but for a client that has only ended its sending side
 * (half_close), which must not take half a result for a whole one. Any thread. */
HOIST_API bool hoist_req_cancelled(const hoist_req *req);

/* Milliseconds until the deadline, 0 once it is over, HOIST_NO_LIMIT when there is none. */
HOIST_API unsigned hoist_req_remaining_ms(const hoist_req *req);

/* ---- the reply: from the handler's thread, while the handler runs, once ------------------------------------------
 * Each answers 0, -ENOMEM, -EMSGSIZE (over max_reply), -EALREADY (replied before), -EPROTO (status not 200 to 599, a
 * content type that no field could have: NULL, "", a line break) or -EFAULT (text or json is NULL). A handler may
 * return what they return. */

HOIST_API int hoist_reply_text(hoist_res *res, int status, const char *text); /* copied */
HOIST_API int hoist_reply_json(hoist_res *res, int status, const char *json); /* copied */
HOIST_API int hoist_reply_printf(hoist_res *res, int status, const char *type, const char *format, ...)
    HOIST_PRINTF(4, 5);
HOIST_API int hoist_reply_copy(hoist_res *res, int status, const char *type, const void *body, size_t len);

/* body must stay in place and unchanged for the life of the app. */
HOIST_API int hoist_reply_static(hoist_res *res, int status, const char *type, const void *body, size_t len);

/* Takes body, also on failure; free_body(body) is called once, on any thread, the loop's too: it must not block. If
 * free_body is NULL: -EFAULT, and body is left alone. */
HOIST_API int hoist_reply_give(hoist_res *res, int status, const char *type, void *body, size_t len,
                               void (*free_body)(void *));

/* {"error":"…"} with the given status; a 500 is logged with the route. Replaces nothing: -EALREADY after another reply.
 */
HOIST_API int hoist_reply_error(hoist_res *res, int status, const char *format, ...) HOIST_PRINTF(3, 4);

/* A stream whose output becomes the reply, for code that prints: 200, text/plain in UTF-8, when the handler returns 0.
 * The server closes it. The same one again when it is called again, or one that goes on behind it when the handler has
 * closed it. More than max_reply bytes are an error of the stream, and 500 at the end. NULL: no memory, or replied
 * before. */
HOIST_API FILE *hoist_res_file(hoist_res *res);

/* Status and content type of what is printed there; each hoist_reply_*() has its own. -EPROTO as of hoist_reply_copy();
 * -EALREADY: replied before; -ENOMEM. */
HOIST_API int hoist_res_type(hoist_res *res, int status, const char *type);

/* Adds a header field to the handler's reply, not to the answer to an errno; both strings are copied. -EPROTO: name is
 * no token, or a field that is the server's own (Connection, Content-Length, Content-Type, Date, Transfer-Encoding);
 * -EINVAL, for it may be the client's doing: a CR, LF or other control byte in value; -EMSGSIZE: over 8 KiB of fields
 * in all; -EFAULT: NULL; -ENOMEM. */
HOIST_API int hoist_res_header(hoist_res *res, const char *name, const char *value);

/* ---- asynchronous routes: on the loop ----------------------------------------------------------------------------
 * The first two end a handler: "return hoist_later(req, 20000, next);". They return HOIST_PENDING, or -EFAULT if next
 * is NULL. After a cancel a waiting hoist_later() is dropped and its handler is never called. With ms 0 it is called in
 * the loop's next turn, so others have theirs in between. Nor is next called when the other requests have used up
 * max_memory by then: the server answers 503. What must be freed in any case belongs into hoist_on_end(). */

HOIST_API int hoist_later(hoist_req *req, unsigned ms, hoist_handler *next);

/* next runs on a worker, through the route's lane, and replies. A lane that is full: the server answers 503 with
 * Retry-After, and next is never called. */
HOIST_API int hoist_offload(hoist_req *req, hoist_handler *next);

/* Ends an exchange whose handler returned HOIST_PENDING for a reason of its own: exactly once, also after a cancel;
 * until then the exchange stays. err is what the handler would have returned: 0 after a hoist_reply_*(), or -errno. The
 * request is nobody's from here on. The answer is sent, and end hooks are called, in the loop's next turn: none of
 * these three calls a handler or a hook before it returns, so it may be called under a lock. */
HOIST_API void hoist_finish(hoist_req *req, int err);

/* on_end(arg) is called on the loop, so it must not block, when the exchange ends, however it ends; the last one added
 * first. -ENOMEM; -EFAULT if it is NULL. From the handler's thread. */
HOIST_API int hoist_on_end(hoist_req *req, void (*on_end)(void *arg), void *arg);

/* ---- the app ----------------------------------------------------------------------------------------------------- */

enum hoist_executor {
    HOIST_EXECUTOR_POOL,
    HOIST_EXECUTOR_INLINE, /* every handler runs on the loop, as in a server without threads */
};

enum hoist_half_close {
    HOIST_HALF_CLOSE_CANCEL, /* a client that shuts down its sending side has left: its waiting job is dropped, its
                              * process (HOIST_PROCESS) killed; another handler that runs is told, and answered */
    HOIST_HALF_CLOSE_FINISH, /* it still reads: answer everything */
};

/* A zero field is the default given here; in a limit HOIST_NO_LIMIT is none. Strings are copied. */
typedef struct hoist_config {
    const char *host;     /* "127.0.0.1"; a numeric IPv4 or IPv6 address */
    unsigned port;        /* any free one; hoist_app_port() tells */
    unsigned workers;     /* 1 to 1024; the number of CPUs, or workers_max if that is less */
    unsigned workers_max; /* what hoist_app_resize() may reach; workers */
    enum hoist_executor executor;
    enum hoist_half_close half_close;
    unsigned max_waiting;       /* jobs waiting in one lane; 256 */
    unsigned timeout_ms;        /* of a request, waiting and running; 30000 */
    unsigned queue_timeout_ms;  /* of a request, waiting alone; no limit */
    unsigned max_connections;   /* min(10000, descriptors - 8 x workers_max - 64); HOIST_NO_LIMIT: no 10000 */
    size_t max_body;            /* bytes; 1 MiB */
    size_t max_reply;           /* bytes; 16 MiB */
    unsigned header_timeout_ms; /* for the whole head; 10000 */
    unsigned body_timeout_ms;   /* each time it is over, 500 B/s of a body must have come; 20000 */
    unsigned write_timeout_ms;  /* likewise, 500 B/s of a reply must have been taken; 20000 */
    unsigned keep_alive_ms;     /* of silence between two requests; 5000 */
    unsigned drain_ms;          /* for requests in flight at a stop; 30000 */
    unsigned worker_nice;       /* 1 to 19, added to the workers' nice value; 10; HOIST_NO_LIMIT: left alone */
    bool server_timing;         /* replies say how long they waited and ran (Server-Timing) */
    bool reuseport;             /* other processes may listen on the port, too (SO_REUSEPORT) */
    size_t max_memory;          /* bytes that requests, bodies and replies hold together, then 503; no limit */
    const char *admin;          /* where figures are told: "HOST:PORT", "unix:PATH"; "off" and NULL: nowhere */
    unsigned ready_full_ms;     /* a lane full for so long, from a refusal until a quarter is free: not ready; 5000 */
    unsigned stuck_exit_ms;     /* every worker stuck for so long: a stop with -ETIMEDOUT; no limit */
} hoist_config;

/* Calls that take a struct pass its size, so that a program keeps working with a library that has more fields; a
 * library with fewer answers -E2BIG when one that it does not know is set. Use the macros below; a compound
 * literal may be their last argument. */
HOIST_API int hoist_app_new_sized(hoist_app **ret_app, const hoist_config *config, size_t config_size);
HOIST_API int hoist_app_route_sized(hoist_app *app, const hoist_route *route, size_t route_size);

/* config may be NULL: all defaults. -EINVAL: a value out of range (addresses are read by listen); -E2BIG; -ENOMEM; each
 * is told in the log. Owner of *ret_app: the caller. */
#define hoist_app_new(ret_app, ...) hoist_app_new_sized(ret_app, __VA_ARGS__, sizeof(hoist_config))

/* Before run or start. -EINVAL: no path or handler, a bad pattern, a limit that the way it runs does not have;
 * -EEXIST: the method and path are taken; -EALREADY: it was started; -ENOMEM. hoist_app_error() says which. */
#define hoist_app_route(app, ...) hoist_app_route_sized(app, __VA_ARGS__, sizeof(hoist_route))

/* One line of what went wrong in the last call that failed, or in the stop; "" before that, and again after a
 * successful listen or start. Lives until the next call on app. */
HOIST_API const char *hoist_app_error(const hoist_app *app);

/* Binds and listens, once; nothing is accepted before run or start. -EINVAL: host is no numeric address, or admin no
 * address at all; -EADDRNOTAVAIL: the address in admin is not numeric; -ERANGE: a port in it over 65535; -EADDRINUSE
 * and what else bind(2) answers; -EALREADY. */
HOIST_API int hoist_app_listen(hoist_app *app);

/* The port, after a successful listen. */
HOIST_API unsigned hoist_app_port(const hoist_app *app);

/* Serves on a loop of its own, in the calling thread, until hoist_app_stop(); 0 after a clean stop, -ETIMEDOUT when
 * after drain_ms jobs were still running or waiting for hoist_finish(), clients still sent a body or had not taken
 * their answers, or a worker_fini had not returned. Once: -EALREADY after that, unless it failed for its address or its
 * pool. libuv needs workers_max threads: UV_THREADPOOL_SIZE must say so before its pool is first used (hoist_main()
 * does it), else this fails with -EAGAIN. -EBUSY: another app's pool runs in this process; -EINVAL: a route of
 * HOIST_PROCESS, or a worker_init that returned more than 0; -ENOMEM; what hoist_app_listen() or a worker_init
 * answered. */
HOIST_API int hoist_app_run(hoist_app *app);

/* Asks for a stop: no new connections, requests in flight are answered, then run returns. Any thread, any number of
 * times; not from a signal handler. */
HOIST_API void hoist_app_stop(hoist_app *app);

/* Changes the number of workers, 1 to workers_max, at once; running jobs are not interrupted. Loop thread. -EINVAL,
 * also from another one. */
HOIST_API int hoist_app_resize(hoist_app *app, unsigned workers);

/* After run has returned (or on_stopped was called, or a start failed). -EBUSY: a job still runs, or the loop has not
 * turned since, and nothing was freed; try again later. app may be NULL. */
HOIST_API int hoist_app_free(hoist_app *app);

/* ---- the whole program: command line, environment, signals, serve ------------------------------------------------ */

enum hoist_option_type {
    HOIST_OPTION_UINT,   /* value: unsigned *, from min to max; max 0: no limit */
    HOIST_OPTION_STRING, /* value: const char ** */
    HOIST_OPTION_BOOL,   /* value: bool *; --name sets it, --name=0 clears it */
};

/* An option of the program's own. *value holds the default, which may be outside of the range: not given. It is set
 * before any route is called and not changed later, so a route may point its data there. */
typedef struct hoist_option {
    const char *name; /* "db": --db FILE, --db=FILE, or HOIST_DB=FILE in the environment */
    enum hoist_option_type type;
    void *value;
    unsigned min, max;
    const char *arg;  /* "FILE", for --help */
    const char *help; /* one line, for --help */
} hoist_option;

typedef struct hoist_program {
    const char *name, *version;
    const hoist_route *const *routes;   /* ends with NULL */
    const hoist_option *const *options; /* ends with NULL; may be NULL */
} hoist_program;

HOIST_API int hoist_main_sized(int argc, char **argv, const hoist_program *program, size_t program_size,
                               size_t route_size, size_t option_size);

/* The program's main(): reads options and environment, raises the descriptor limit, ignores SIGPIPE, serves until
 * SIGINT or SIGTERM, drains, and returns the exit status: 0 after a clean stop, 1 when something failed, 2 for a bad
 * command line. It does not return when a handler is stuck after drain_ms, or every worker for stuck_exit_ms: it says
 * which and calls _exit(1). To tell where a handler hangs it takes SIGSTKFLT; to tell where one crashed, those of
 * SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT and SIGTRAP that have no action yet. A supervisor may pass sockets and is
 * told how it goes: sd_listen_fds(3), sd_notify(3). In the program's exit(3) its workers end, with the destructors of
 * what is each thread's own, before what was registered with atexit(3) until then is called; libuv ends with them, so
 * that a program with a loop of its own closes it before exit(3), not there. */
#define hoist_main(argc, argv, ...)                                                                                    \
    hoist_main_sized(argc, argv, __VA_ARGS__, sizeof(hoist_program), sizeof(hoist_route), sizeof(hoist_option))

#ifdef __cplusplus
}
#endif

#endif
