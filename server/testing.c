/* The test client of hoist_test.h: a connection without a socket, on an app without threads.
 *
 * Happy path: a request is written out as bytes and given to a connection, which parses, routes and answers it as any
 * other; what it writes is read back as a reply. Failures: memory that runs out ends the test program; a request
 * without an answer has status 0. Close: hoist_test_free() closes the app and frees the replies.
 */
#include "hoist_test.h"

#include "abi.h"
#include "app.h"
#include "buffer.h"
#include "bytes.h"
#include "conn.h"
#include "exchange.h"
#include "log.h"
#include "pool/owner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct test_reply {
    hoist_test_reply reply;
    struct test_reply *next;
    struct buffer bytes; /* as sent, but each line of the head ends with a NUL */
};

struct test_conn {
    struct conn conn;
    struct buffer sent;
    uv_check_t closing; /* conn_on_closed() must come later: at the end of this turn */
    bool is_closed;
};

struct hoist_test {
    hoist_app *app;
    hoist_route route;
    uv_loop_t loop;
    struct buffer fields; /* of the next request */
    bool has_host;        /* among them */
    bool is_cancelled;    /* likewise */
    unsigned n_handled;   /* requests that are handled; those whose handler was left by a jump are for good */
    struct test_reply *replies;
};

/* The route whose request is handled; NULL: none is. */
static const char *handled;
static bool watches_exit;

static int start(hoist_test *t);
static void on_exit_of_program(void);
static void need(const void *argument, const char *what);
static void append(struct buffer *buffer, const void *bytes, size_t len);
static void write_request(hoist_test *t, struct buffer *request, const char *method, const char *target, size_t len);
static void exchange_bytes(hoist_test *t, struct test_conn *c, struct buffer *request);
static void read_reply(struct test_reply *reply);

/* ---- the connection's transport ---- */

static struct test_conn *test_conn_of(struct conn *conn)
{
    return OWNER_OF(conn, struct test_conn, conn);
}

static void test_read(struct conn *conn, bool on)
{
    (void)conn;
    (void)on;
}

static ssize_t test_try_write(struct conn *conn, const uv_buf_t *bufs, unsigned n)
{
    ssize_t taken = 0;

    for (unsigned i = 0; i < n; i++) {
        append(&test_conn_of(conn)->sent, bufs[i].base, bufs[i].len);
        taken += (ssize_t)bufs[i].len;
    }
    return taken;
}

static void test_shut(struct conn *conn)
{
    (void)conn;
}

static void on_check_closed(uv_handle_t *handle)
{
    struct test_conn *c = handle->data;

    conn_on_closed(&c->conn);
    c->is_closed = true;
}

static void test_close(struct conn *conn, bool reset)
{
    (void)reset;
    uv_close((uv_handle_t *)&test_conn_of(conn)->closing, on_check_closed);
}

static const char *test_peer(const struct conn *conn, char *text, size_t size)
{
    (void)conn;
    snprintf(text, size, "test");
    return text;
}

static size_t test_unread(const struct conn *conn)
{
    (void)conn;
    return 0;
}

static size_t test_unsent(const struct conn *conn)
{
    (void)conn;
    return 0;
}

/* try_write takes all, so write is never called. */
static const struct conn_io test_io = {
    .read = test_read,
    .try_write = test_try_write,
    .unread = test_unread,
    .unsent = test_unsent,
    .shut = test_shut,
    .close = test_close,
    .peer = test_peer,
};

/* ---- the client ---- */

hoist_test *hoist_test_new_sized(const hoist_route *given, size_t size)
{
    hoist_test *t = calloc(1, sizeof(*t));
    int err;

    if (t == NULL)
        err = -ENOMEM;
    else if (given == NULL)
        err = -EFAULT;
    else
        err = abi_import(&t->route, sizeof(t->route), given, size);
    if (err == 0)
        err = uv_loop_init(&t->loop);
    if (err < 0) {
        if (err == -E2BIG)
            fprintf(stderr, "hoist_test_new: route " ABI_TOO_NEW "\n", route_path(given));
        else
            fprintf(stderr, "hoist_test_new: %s\n", given != NULL ? uv_strerror(err) : "route is NULL");
        free(t);
        return NULL;
    }
    err = start(t);
    if (err == 0)
        return t;
    fprintf(stderr, "hoist_test_new: %s\n", t->app != NULL ? hoist_app_error(t->app) : uv_strerror(err));
    uv_run(&t->loop, UV_RUN_DEFAULT);
    hoist_app_free(t->app);
    uv_loop_close(&t->loop);
    free(t);
    return NULL;
}

static int start(hoist_test *t)
{
    const hoist_config config = {.executor = HOIST_EXECUTOR_INLINE, .drain_ms = HOIST_NO_LIMIT};
    int err;

    err = hoist_app_new(&t->app, &config);
    if (err == 0)
        err = hoist_app_route(t->app, &t->route);
    if (err == 0)
        err = app_start(t->app, &t->loop);
    if (err < 0)
        return err;
    if (!watches_exit)
        watches_exit = atexit(on_exit_of_program) == 0;
    t->app->server.is_virtual = true;
    uv_unref((uv_handle_t *)&t->app->wake); /* a loop with nothing to do must end: a reply will not come then */
    return 0;
}

void hoist_test_free(hoist_test *t)
{
    struct test_reply *reply;

    if (t == NULL)
        return;
    if (t->n_handled > 0) { /* what it had taken is in use for good */
        fprintf(stderr, "hoist_test_free: the handler of %s was left without a return\n", t->route.path);
        handled = NULL;
        return;
    }
    for (struct exchange *x = t->app->server.exchanges; x != NULL; x = x->next) /* each has lost its connection */
        if (x->state == EXCHANGE_PENDING)
            hoist_finish(&x->req, -ECANCELED);
    uv_ref((uv_handle_t *)&t->app->wake);
    hoist_app_stop(t->app);
    while (hoist_app_free(t->app) == -EBUSY)
        uv_run(&t->loop, UV_RUN_ONCE);
    uv_loop_close(&t->loop);
    while ((reply = t->replies) != NULL) {
        t->replies = reply->next;
        buffer_close(&reply->bytes);
        free(reply);
    }
    buffer_close(&t->fields);
    free(t);
}

void hoist_test_header(hoist_test *t, const char *name, const char *value)
{
    need(name, "a header field's name");
    need(value, "a header field's value");
    t->has_host = t->has_host || bytes_are_word(name, strlen(name), "host");
    append(&t->fields, name, strlen(name));
    append(&t->fields, ": ", 2);
    append(&t->fields, value, strlen(value));
    append(&t->fields, "\r\n", 2);
}

void hoist_test_cancel(hoist_test *t)
{
    t->is_cancelled = true;
}

const hoist_test_reply *hoist_test_get(hoist_test *t, const char *target)
{
    return hoist_test_request(t, "GET", target, NULL, 0);
}

const hoist_test_reply *hoist_test_post(hoist_test *t, const char *target, const void *body, size_t len)
{
    return hoist_test_request(t, "POST", target, body, len);
}

const hoist_test_reply *hoist_test_request(hoist_test *t, const char *method, const char *target, const void *body,
                                           size_t len)
{
    struct test_reply *reply = calloc(1, sizeof(*reply));
    struct test_conn *c = calloc(1, sizeof(*c));
    uint64_t begun_ms = t->app->server.virtual_ms;
    struct buffer request = {0};

    need(method, "the method");
    need(target, "the target");
    need(len > 0 ? body : "", "the body");
    if (reply == NULL || c == NULL)
        abort();
    reply->next = t->replies;
    t->replies = reply;
    write_request(t, &request, method, target, len);
    append(&request, body, len);
    uv_check_init(&t->loop, &c->closing);
    c->closing.data = c;
    conn_open(&c->conn, &t->app->server, &test_io);
    exchange_bytes(t, c, &request);

    reply->bytes = c->sent;
    read_reply(reply);
    if (t->is_cancelled)
        reply->reply = (hoist_test_reply){.body = "", .fields = ""};
    reply->reply.waited_ms = (unsigned)(t->app->server.virtual_ms - begun_ms);
    t->is_cancelled = false;
    buffer_close(&request);
    free(c);
    return &reply->reply;
}

static void append(struct buffer *buffer, const void *bytes, size_t len)
{
    if (buffer_append(buffer, bytes, len, SIZE_MAX) < 0)
        abort();
}

static void write_request(hoist_test *t, struct buffer *request, const char *method, const char *target, size_t len)
{
    char line[64];

    append(request, method, strlen(method));
    append(request, " ", 1);
    append(request, target, strlen(target));
    append(request, " HTTP/1.1\r\n", 11);
    if (!t->has_host)
        append(request, "Host: test\r\n", 12);
    append(request, t->fields.data, t->fields.len);
    if (len > 0) {
        snprintf(line, sizeof(line), "Content-Length: %zu\r\n", len);
        append(request, line, strlen(line));
    }
    append(request, "\r\n", 2);
    buffer_close(&t->fields);
    t->has_host = false;
}

/* Gives the request to the connection, but for its last byte, and that behind a cancel: then turns the loop until it
 * has answered or nothing more can happen, and until it is closed. */
static void exchange_bytes(hoist_test *t, struct test_conn *c, struct buffer *request)
{
    handled = t->route.path;
    t->n_handled++;
    conn_on_bytes(&c->conn, request->data, request->len - 1);
    if (t->is_cancelled && c->conn.exchange != NULL)
        atomic_store(&c->conn.exchange->req.cancelled, true);
    if (c->conn.state == CONN_READING)
        conn_on_bytes(&c->conn, request->data + request->len - 1, 1);
    while (c->conn.state == CONN_HANDLING && uv_run(&t->loop, UV_RUN_ONCE) != 0)
        ;
    if (c->conn.state == CONN_HANDLING)
        log_write(LOG_ERROR, "%s: its handler left the request to be ended later, and nothing is left that could",
                  t->route.path);
    conn_on_eof(&c->conn);
    conn_close(&c->conn, true);
    while (!c->is_closed)
        uv_run(&t->loop, UV_RUN_NOWAIT);
    t->n_handled--;
    handled = NULL;
}

/* A test runner would take it for the end of a test that has passed. */
static void on_exit_of_program(void)
{
    if (handled == NULL)
        return;
    fprintf(stderr, "hoist_test: the program ends, and the handler of %s has not returned\n", handled);
    _exit(EXIT_FAILURE);
}

static void need(const void *argument, const char *what)
{
    if (argument != NULL)
        return;
    fprintf(stderr, "hoist_test: %s is NULL\n", what);
    abort();
}

/* Finds status, fields and body in the bytes; a 100 Continue before them is skipped. */
static void read_reply(struct test_reply *reply)
{
    struct buffer *bytes = &reply->bytes;
    char *head, *body, *line;

    reply->reply.fields = reply->reply.body = "";
    if (bytes->len == 0)
        return;
    append(bytes, "", 1); /* a NUL behind the body */
    head = bytes->data;
    while (strncmp(head, "HTTP/1.1 100", 12) == 0)
        head = strstr(head, "\r\n\r\n") + 4;
    if (*head == '\0')
        return;
    body = strstr(head, "\r\n\r\n") + 4;
    reply->reply.status = (int)strtol(head + strlen("HTTP/1.1 "), NULL, 10);
    reply->reply.body = body;
    reply->reply.body_len = (size_t)(bytes->data + bytes->len - 1 - body);
    for (line = head; line != body; line += 2) {
        line = strstr(line, "\r\n");
        *line = '\0';
    }
    reply->reply.fields = strchr(head, '\0') + 2;
}

const char *hoist_test_reply_header(const hoist_test_reply *reply, const char *name)
{
    size_t len;

    need(reply, "the reply");
    need(name, "a header field's name");
    len = strlen(name);
    for (const char *line = reply->fields; *line != '\0'; line += strlen(line) + 2)
        if (bytes_equal_in_any_case(line, name, len) && strncmp(line + len, ": ", 2) == 0)
            return line + len + 2;
    return NULL;
}
