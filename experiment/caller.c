/* Connects, writes a request, parses the answer with llhttp.
 *
 * Happy path: CLOSED -> CONNECTING -> IDLE -> ASKING -> IDLE ... -> CLOSING -> CLOSED.
 * Failures: fail() ends the request with its errno; before the first byte of an answer on a connection that had
 * answered before, the server has only ended the silence, and the request is sent once more on a new connection.
 * Close: the body's memory goes with the handle.
 */
#include "caller.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { READ_SIZE = 64 * 1024, BODY_MIN = 64 * 1024 };

static void send_request(struct caller *caller);
static int send_rest(struct caller *caller, uv_buf_t rest);
static void finish(struct caller *caller, int err);
static void fail(struct caller *caller, int err);
static void reopen(struct caller *caller);
static void on_connect(uv_connect_t *connect, int status);
static void on_write(uv_write_t *write, int status);
static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret_buf);
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);
static void on_close(uv_handle_t *handle);
static int on_body(llhttp_t *parser, const char *at, size_t len);
static int on_end(llhttp_t *parser);

static const llhttp_settings_t settings = {.on_body = on_body, .on_message_complete = on_end};

int caller_open(struct caller *caller)
{
    struct sockaddr_in address;
    int err;

    assert(caller->state == CALLER_CLOSED);
    uv_ip4_addr("127.0.0.1", (int)caller->port, &address);
    err = uv_tcp_init(caller->loop, &caller->tcp);
    if (err < 0)
        return err;
    caller->tcp.data = caller->connect.data = caller;
    caller->has_answered = caller->is_stale = false;
    err = uv_tcp_connect(&caller->connect, &caller->tcp, (const struct sockaddr *)&address, on_connect);
    caller->state = err < 0 ? CALLER_CLOSING : CALLER_CONNECTING;
    if (err < 0)
        uv_close((uv_handle_t *)&caller->tcp, on_close);
    return err;
}

void caller_ask(struct caller *caller, const char *request, size_t len)
{
    assert(caller->state == CALLER_IDLE);
    caller->request = request;
    caller->request_len = len;
    caller->answer = (struct caller_answer){.sent_ns = uv_hrtime()};
    if (caller->is_stale)
        reopen(caller);
    else
        send_request(caller);
}

void caller_close(struct caller *caller)
{
    if (caller->state == CALLER_CONNECTING || caller->state == CALLER_IDLE || caller->state == CALLER_ASKING)
        uv_close((uv_handle_t *)&caller->tcp, on_close);
    if (caller->state != CALLER_CLOSED)
        caller->state = CALLER_CLOSING;
}

/* ---- a request ---- */

/* At once, as far as the socket takes it. */
static void send_request(struct caller *caller)
{
    /* libuv does not write to it; its type cannot say so. */
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)caller->request, (unsigned)caller->request_len);
    int n;

    caller->state = CALLER_ASKING;
    caller->has_bytes = false;
    llhttp_init(&caller->parser, HTTP_RESPONSE, &settings);
    caller->parser.data = caller;
    n = uv_try_write((uv_stream_t *)&caller->tcp, &buf, 1);
    if (n == UV_EAGAIN)
        n = 0;
    if (n >= 0 && (size_t)n < caller->request_len)
        n = send_rest(caller, uv_buf_init(buf.base + n, (unsigned)(buf.len - (size_t)n)));
    if (n < 0)
        fail(caller, n);
}

/* Its own uv_write_t: the answer, and with it the next request, may come before libuv has told that this is out. */
static int send_rest(struct caller *caller, uv_buf_t rest)
{
    uv_write_t *write = malloc(sizeof(*write));
    int err;

    if (write == NULL)
        return -ENOMEM;
    write->data = caller;
    err = uv_write(write, (uv_stream_t *)&caller->tcp, &rest, 1, on_write);
    if (err < 0)
        free(write);
    return err;
}

/* The request is over, with an answer or without. The caller may be asked again, or closed, in on_answer(). */
static void finish(struct caller *caller, int err)
{
    caller->request = NULL;
    caller->answer.err = err;
    caller->answer.answered_ns = uv_hrtime();
    caller->answer.body = caller->body;
    caller->on_answer(caller, &caller->answer);
}

static void fail(struct caller *caller, int err)
{
    enum caller_state state = caller->state;

    if (state == CALLER_ASKING && caller->has_answered && !caller->has_bytes) {
        reopen(caller);
        return;
    }
    caller_close(caller);
    if (state == CALLER_CONNECTING && caller->request == NULL)
        caller->on_open(caller, err);
    else if (caller->request != NULL)
        finish(caller, err);
}

static void reopen(struct caller *caller)
{
    caller->state = CALLER_REOPENING;
    uv_close((uv_handle_t *)&caller->tcp, on_close);
}

/* ---- what libuv calls ---- */

static void on_connect(uv_connect_t *connect, int status)
{
    struct caller *caller = connect->data;

    if (caller->state != CALLER_CONNECTING)
        return;
    if (status == 0)
        status = uv_tcp_nodelay(&caller->tcp, 1);
    if (status == 0)
        status = uv_read_start((uv_stream_t *)&caller->tcp, on_alloc, on_read);
    if (status < 0) {
        fail(caller, status);
        return;
    }
    caller->state = CALLER_IDLE;
    if (caller->request != NULL)
        send_request(caller);
    else
        caller->on_open(caller, 0);
}

static void on_write(uv_write_t *write, int status)
{
    struct caller *caller = write->data;

    free(write);
    if (status < 0 && caller->state == CALLER_ASKING)
        fail(caller, status);
}

/* One buffer for all: libuv fills it and hands it to on_read() before it asks for another. */
static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret_buf)
{
    static char buffer[READ_SIZE];

    (void)handle;
    (void)size;
    *ret_buf = uv_buf_init(buffer, sizeof(buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct caller *caller = stream->data;
    llhttp_errno_t result = HPE_OK;

    if (n == 0 || caller->state == CALLER_CLOSING || caller->state == CALLER_REOPENING)
        return;
    if (n < 0 && caller->state == CALLER_IDLE) {
        uv_read_stop(stream);
        caller->is_stale = true;
        return;
    }
    if (n < 0) {
        fail(caller, n == UV_EOF ? -ECONNRESET : (int)n);
        return;
    }
    if (caller->state == CALLER_ASKING) {
        caller->has_bytes = true;
        result = llhttp_execute(&caller->parser, buf->base, (size_t)n);
    }
    if (result != HPE_OK && result != HPE_PAUSED)
        fail(caller, caller->answer.err < 0 ? caller->answer.err : -EPROTO);
    else if (result == HPE_PAUSED)
        finish(caller, 0);
}

static void on_close(uv_handle_t *handle)
{
    struct caller *caller = handle->data;
    bool reopens = caller->state == CALLER_REOPENING;
    int err;

    caller->state = CALLER_CLOSED;
    if (reopens) {
        err = caller_open(caller);
        if (err < 0)
            finish(caller, err);
        return;
    }
    free(caller->body);
    caller->body = NULL;
    caller->body_size = 0;
}

/* ---- what llhttp calls ---- */

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct caller *caller = parser->data;
    struct caller_answer *answer = &caller->answer;
    size_t size = caller->body_size > 0 ? caller->body_size : BODY_MIN;
    char *body;

    if (!caller->keeps_body)
        return 0;
    while (size <= answer->body_len + len)
        size *= 2;
    if (size > CALLER_BODY_MAX) {
        answer->err = -EFBIG;
        return HPE_USER;
    }
    if (size > caller->body_size) {
        body = realloc(caller->body, size);
        if (body == NULL) {
            answer->err = -ENOMEM;
            return HPE_USER;
        }
        caller->body = body;
        caller->body_size = size;
    }
    memcpy(caller->body + answer->body_len, at, len);
    answer->body_len += len;
    caller->body[answer->body_len] = '\0';
    return 0;
}

/* Paused, so that what the caller does in on_answer() does not happen inside of llhttp. */
static int on_end(llhttp_t *parser)
{
    struct caller *caller = parser->data;

    caller->answer.status = parser->status_code;
    caller->has_answered = true;
    caller->is_stale = !llhttp_should_keep_alive(parser);
    caller->state = CALLER_IDLE;
    return HPE_PAUSED;
}
