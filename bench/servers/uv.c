/* uv PORT WORKERS queue_work|threads: a minimal server on libuv and llhttp, the measuring stick for hoist's hand-over.
 * No limits, no timeouts, no figures, a Date that stands still.
 *
 * Happy path: /dummy is answered on the loop, the answers to what was pipelined in one write; any other path is handed
 * to a thread (handover.h), one at a time for a connection. Failures: a client that breaks a rule, or whose answers do
 * not fit into its socket, is closed.
 */
#include "client.h"
#include "handover.h"
#include "work.h"

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS_MAX = 64, BACKLOG = 4096, PATH_BYTES = 64 };

static const char ANSWER[] = "HTTP/1.1 200 OK\r\n"
                             "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                             "Content-Type: application/json\r\n"
                             "Content-Length: 25\r\n"
                             "\r\n"
                             "{\"message\":\"async power\"}";

struct conn {
    uv_tcp_t tcp;
    llhttp_t parser;
    bool is_out;     /* its request is with a thread */
    bool is_leaving; /* and it is closed when that comes back */
    unsigned short path_bytes;
    char path[PATH_BYTES];
};

struct job {
    struct handover handover;
    struct conn *conn;
    char path[PATH_BYTES];
};

static uv_loop_t *loop;
static llhttp_settings_t settings;
static char requests[64 * 1024];
static char answers[64 * 1024];
static size_t answers_bytes; /* gathered during a read */

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void conn_close(struct conn *conn)
{
    conn->is_leaving = true;
    if (conn->is_out)
        uv_read_stop((uv_stream_t *)&conn->tcp);
    else if (!uv_is_closing((uv_handle_t *)&conn->tcp))
        uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

static void conn_write(struct conn *conn, const char *text, size_t n)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)text, (unsigned)n);

    if (uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1) != (int)n)
        conn_close(conn);
}

/* ---- offloaded ---- */

static void work(struct handover *handover)
{
    work_on(((struct job *)handover)->path);
}

static void done(struct handover *handover)
{
    struct job *job = (struct job *)handover;

    job->conn->is_out = false;
    if (job->conn->is_leaving)
        conn_close(job->conn);
    else
        conn_write(job->conn, ANSWER, sizeof(ANSWER) - 1);
    free(job);
}

static void offload(struct conn *conn)
{
    struct job *job = calloc(1, sizeof(*job));

    if (job == NULL)
        exit(1);
    *job = (struct job){.handover = {.work = work, .done = done}, .conn = conn};
    memcpy(job->path, conn->path, conn->path_bytes);
    conn->is_out = true;
    handover_submit(loop, &job->handover);
}

/* ---- the parser's events ---- */

static int on_message_begin(llhttp_t *parser)
{
    struct conn *conn = parser->data;

    conn->path_bytes = 0;
    return 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t n)
{
    struct conn *conn = parser->data;

    if (conn->path_bytes + n >= PATH_BYTES)
        return -1;
    memcpy(conn->path + conn->path_bytes, at, n);
    conn->path_bytes = (unsigned short)(conn->path_bytes + n);
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct conn *conn = parser->data;

    if (conn->path_bytes != 6 || memcmp(conn->path, "/dummy", 6) != 0) {
        offload(conn);
        return 0;
    }
    if (answers_bytes + sizeof(ANSWER) > sizeof(answers))
        return -1;
    memcpy(answers + answers_bytes, ANSWER, sizeof(ANSWER) - 1);
    answers_bytes += sizeof(ANSWER) - 1;
    return 0;
}

/* ---- sockets ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle, (void)suggested;
    *buf = uv_buf_init(requests, sizeof(requests));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *conn = stream->data;

    if (n == 0)
        return;
    answers_bytes = 0;
    if (n < 0 || llhttp_execute(&conn->parser, buf->base, (size_t)n) != HPE_OK)
        conn_close(conn);
    else if (answers_bytes > 0)
        conn_write(conn, answers, answers_bytes);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (status < 0 || conn == NULL)
        exit(1);
    uv_tcp_init(loop, &conn->tcp);
    conn->tcp.data = conn;
    llhttp_init(&conn->parser, HTTP_REQUEST, &settings);
    conn->parser.data = conn;
    if (uv_accept(listener, (uv_stream_t *)&conn->tcp) < 0)
        conn_close(conn);
    else
        uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address;
    uv_tcp_t listener;

    if (argc != 4)
        return 2;
    setenv("UV_THREADPOOL_SIZE", argv[2], 1);
    loop = uv_default_loop();
    handover_start(loop, strcmp(argv[3], "threads") == 0 ? number(argv[2], WORKERS_MAX) : 0);
    llhttp_settings_init(&settings);
    settings.on_message_begin = on_message_begin;
    settings.on_url = on_url;
    settings.on_message_complete = on_message_complete;
    uv_ip4_addr("127.0.0.1", (int)number(argv[1], PORT_MAX), &address);
    uv_tcp_init(loop, &listener);
    if (uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) < 0 ||
        uv_listen((uv_stream_t *)&listener, BACKLOG, on_connection) < 0) {
        fprintf(stderr, "uv: cannot listen\n");
        return 1;
    }
    return uv_run(loop, UV_RUN_DEFAULT);
}
