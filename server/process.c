/* Both ends of a call: the worker's, and the process's, which is a fork of a program that had just begun.
 *
 * Happy path: struct call, the message, the head and the body go there; struct answer, texts and the reply's body come
 * back, then how the process ended. Both are this program, so plain structs will do. Pointers to what the program has
 * had from its beginning, its routes among them, are good in the process, too; those into the head are moved. Failures:
 * what comes back was written by a process that something may have gone wrong in, so it is read with care. Close: the
 * worker's end of the socket, once the process is gone.
 */
#include "process.h"

#include "exchange.h"
#include "forkserver.h"
#include "guard.h"
#include "log.h"
#include "log_line.h"
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNK = 16 * 1024 };

struct call {
    hoist_route route;
    uint64_t id, deadline_ns;
    unsigned seat;
    unsigned n_fields; /* of the message */
    size_t arena_max, body_len;
};

/* Behind it a text for the reason, one for the type, two for each field, each with its NUL; then the body. */
struct answer {
    int result, status, reason_err, told_err;
    unsigned n_fields;
    size_t len; /* of what is behind it */
};

/* What is left to read. */
struct rest {
    const char *at, *end;
};

static int fail_without_process(struct exchange *x, int err, const char *reason);
static int send_call(int fd, const struct exchange *x);
static void receive_answer(int fd, struct exchange *x);
static int make_result(struct exchange *x);
static bool take_end(const struct buffer *bytes, struct rest *ret_rest, struct forkserver_end *ret_end);
static bool take_answer(struct rest *rest, struct answer *ret_answer);
static int tell_death(struct exchange *x, const char *what);
static const char *ended_with(int status, char *text, size_t size);
static int read_answer(struct exchange *x, const struct answer *answer, struct rest rest);
static const char *take_text(struct rest *rest);
static _Noreturn void leave_reply_to_parent(const struct exchange *x);
static int receive_call(int fd, struct exchange *x);
static bool receive_all(int fd, void *bytes, size_t len);
static int send_answer(int fd, const struct exchange *x);
static int send_text(int fd, const char *text);
static size_t text_size(const char *text);
static int send_all(int fd, const void *bytes, size_t len, const hoist_req *req);

/* ---- the worker's end ---- */

int process_call(struct exchange *x)
{
    int fd, err, result;

    err = forkserver_ask(&fd);
    if (err < 0)
        return fail_without_process(x, err, "a process for it cannot be asked for");
    x->res.print.err = send_call(fd, x);
    receive_answer(fd, x);
    close(fd);
    x->req.is_live = true;
    result = make_result(x);
    x->req.is_live = false;
    return result;
}

/* Told here, and also where the client is told 503: nothing else would say that the system has no process left. */
static int fail_without_process(struct exchange *x, int err, const char *reason)
{
    bool is_final = err == -ESRCH || err == -EPIPE || err == -ECONNRESET; /* the fork server does not come back */
    char text[64];

    log_write(LOG_ERROR, "%s, request %llu: %s: %s", x->req.route->given.path, (unsigned long long)x->id, reason,
              uv_strerror_r(err, text, sizeof(text)));
    if (!is_final)
        err = -EAGAIN; /* descriptors, memory, processes: there may be some again */
    x->res.told_err = err;
    return response_fail(&x->res, err, reason);
}

/* -ENOMEM: it waits for what did not come. That it has ended, or need not begin, the end of the answer tells. */
static int send_call(int fd, const struct exchange *x)
{
    const struct message *message = &x->req.message;
    const struct call call = {
        .route = x->req.route->given,
        .id = x->id,
        .deadline_ns = x->req.deadline_ns,
        .seat = x->job.seat,
        .n_fields = message->n_fields,
        .arena_max = x->req.arena.max,
        .body_len = x->req.body.len,
    };
    int err;

    err = send_all(fd, &call, sizeof(call), &x->req);
    if (err == 0)
        err = send_all(fd, message, offsetof(struct message, fields[message->n_fields]), &x->req);
    if (err == 0)
        err = send_all(fd, message->head, message->head_len, &x->req);
    if (err == 0)
        err = send_all(fd, x->req.body.data, x->req.body.len, &x->req);
    return err == -ENOMEM || err == -ENOBUFS ? -ENOMEM : 0; /* send(2) has two names for it */
}

/* Until the process is gone, whether it was killed or not. */
static void receive_answer(int fd, struct exchange *x)
{
    struct buffer *bytes = &x->res.print.bytes;
    bool is_killed = false;
    char chunk[CHUNK];
    ssize_t n;

    bytes->budget = &x->budget;
    do {
        if (!is_killed && (x->res.print.err < 0 || hoist_req_cancelled(&x->req))) {
            shutdown(fd, SHUT_WR);
            is_killed = true;
        }
        n = forkserver_receive(fd, chunk, sizeof(chunk));
        if (n > 0 && x->res.print.err == 0)
            x->res.print.err = buffer_append(bytes, chunk, (size_t)n, x->req.arena.max);
    } while (n > 0 || (n < 0 && errno == EINTR));
}

static int make_result(struct exchange *x)
{
    int err = x->res.print.err;
    struct forkserver_end end;
    struct answer answer;
    struct rest rest;
    char text[32];
    bool has_end = take_end(&x->res.print.bytes, &rest, &end);

    x->job.elsewhere_ns = has_end ? end.cpu_ns : 0;
    if (hoist_req_cancelled(&x->req))
        return -ECANCELED;
    if (err == -EFBIG)
        return response_fail(&x->res, -EMSGSIZE, "what its process replied is over max_reply");
    if (err < 0)
        return response_fail(&x->res, err, "no memory for what goes to its process or comes back");
    if (!has_end && forkserver_has_ended())
        return fail_without_process(x, -ESRCH, "the fork server has ended");
    if (!has_end)
        return tell_death(x, "shut its socket down");
    if (end.err != 0)
        return fail_without_process(x, -end.err, "a process for it cannot be made");
    if (!take_answer(&rest, &answer))
        return tell_death(x, ended_with(end.status, text, sizeof(text)));
    return read_answer(x, &answer, rest);
}

/* False: the fork server has written none. */
static bool take_end(const struct buffer *bytes, struct rest *ret_rest, struct forkserver_end *ret_end)
{
    if (bytes->len < sizeof(*ret_end))
        return false;
    *ret_rest = (struct rest){.at = bytes->data, .end = bytes->data + bytes->len - sizeof(*ret_end)};
    memcpy(ret_end, ret_rest->end, sizeof(*ret_end));
    return ret_end->tag == FORKSERVER_TAG;
}

/* It may have ended while it sent. What it does when it has sent all of it harms nobody. */
static bool take_answer(struct rest *rest, struct answer *ret_answer)
{
    if ((size_t)(rest->end - rest->at) < sizeof(*ret_answer))
        return false;
    memcpy(ret_answer, rest->at, sizeof(*ret_answer));
    rest->at += sizeof(*ret_answer);
    return (size_t)(rest->end - rest->at) == ret_answer->len;
}

static int tell_death(struct exchange *x, const char *what)
{
    log_write(LOG_ERROR, "%s, request %llu: its process %s before its reply had come", x->req.route->given.path,
              (unsigned long long)x->id, what);
    return hoist_reply_error(&x->res, 502, "the process of this request %s", what);
}

static const char *ended_with(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        (void)snprintf(text, size, "ended with signal %d", WTERMSIG(status));
    else
        (void)snprintf(text, size, "ended with exit status %d", WEXITSTATUS(status));
    return text;
}

/* As if the handler were here: by the calls that it made, which refuse what cannot be sent. */
static int read_answer(struct exchange *x, const struct answer *answer, struct rest rest)
{
    hoist_res *res = &x->res;
    const char *reason, *type, *name, *value;
    int err = 0;

    reason = take_text(&rest);
    type = take_text(&rest);
    for (unsigned i = 0; i < answer->n_fields && err == 0; i++) {
        name = take_text(&rest);
        value = take_text(&rest);
        err = hoist_res_header(res, name, value);
    }
    if (err == 0 && answer->status != 0)
        err = hoist_reply_static(res, answer->status, type, rest.at, (size_t)(rest.end - rest.at));
    if (err < 0)
        return err;
    if (reason[0] != '\0')
        (void)response_fail(res, answer->reason_err, reason);
    res->told_err = answer->told_err;
    return answer->result;
}

/* Text and NUL; "" when there is no NUL any more. */
static const char *take_text(struct rest *rest)
{
    const char *text = rest->at;
    const char *nul = memchr(text, '\0', (size_t)(rest->end - text));

    if (nul == NULL)
        return "";
    rest->at = nul + 1;
    return text;
}

/* ---- the process's end ---- */

void process_serve(int fd)
{
    static struct exchange x;
    static struct route route;
    static struct server server;
    pid_t pid = getpid();
    int err;

    log_line_choose_form(); /* the log was started after the fork, elsewhere */
    x.server = &server;
    x.req.route = &route;
    err = receive_call(fd, &x);
    if (err == -EPIPE)
        return;
    x.handler = route.given.handler;
    x.state = EXCHANGE_QUEUED; /* what a handler may ask for on a worker it may here */
    x.is_work = true;
    if (err == 0)
        x.result = exchange_call(&x);
    else
        x.result = response_fail(&x.res, err, "no memory for it in its process");
    if (getpid() != pid)
        leave_reply_to_parent(&x);
    (void)send_answer(fd, &x); /* nobody to tell */
    guard_call_end(&x);        /* the rest ends with the process */
}

/* A child that the handler made, to run a program that could not be run, say: the reply is not its own. */
static _Noreturn void leave_reply_to_parent(const struct exchange *x)
{
    log_write(LOG_ERROR, "%s, request %llu: a child of its process returned from the handler; it has to end in it",
              x->req.route->given.path, (unsigned long long)x->id);
    _exit(EXIT_FAILURE);
}

/* -EPIPE: the other end is gone; -ENOMEM. */
static int receive_call(int fd, struct exchange *x)
{
    static struct router router; /* the path's arguments point into it */
    struct message *message = &x->req.message;
    struct call call;
    char *copy, error[64];

    if (!receive_all(fd, &call, sizeof(call)) ||
        !receive_all(fd, message, offsetof(struct message, fields[call.n_fields])))
        return -EPIPE;
    x->id = call.id;
    x->job.seat = call.seat;
    x->req.deadline_ns = call.deadline_ns;
    x->req.route->given = call.route;
    arena_init(&x->req.arena, x->first, sizeof(x->first), call.arena_max);
    copy = arena_alloc(&x->req.arena, message->head_len);
    if (copy == NULL)
        return -ENOMEM;
    if (!receive_all(fd, copy, message->head_len))
        return -EPIPE;
    message_rebase(message, copy);
    if (buffer_reserve(&x->req.body, call.body_len + 1, SIZE_MAX) < 0)
        return -ENOMEM;
    if (!receive_all(fd, x->req.body.data, call.body_len))
        return -EPIPE;
    x->req.body.len = call.body_len;
    x->req.body.data[call.body_len] = '\0';
    if (router_add(&router, call.route.method, call.route.path, x->req.route, error, sizeof(error)) < 0)
        return -ENOMEM;
    (void)router_find(&router, message->method, message->path, &x->req.match); /* it was found before */
    return 0;
}

static bool receive_all(int fd, void *bytes, size_t len)
{
    char *at = bytes;
    ssize_t n;

    for (; len > 0; at += n, len -= (size_t)n) {
        n = recv(fd, at, len, 0);
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        n = n < 0 ? 0 : n;
    }
    return true;
}

static int send_answer(int fd, const struct exchange *x)
{
    const struct reply *reply = &x->res.reply;
    struct answer answer = {
        .result = x->result,
        .status = reply->status,
        .reason_err = x->res.reason_err,
        .told_err = x->res.told_err,
        .len = text_size(x->res.reason) + text_size(reply->type) + reply->body_len,
    };
    int err;

    for (const struct reply_field *field = reply->fields; field != NULL; field = field->next) {
        answer.n_fields++;
        answer.len += text_size(field->name) + text_size(field->value);
    }
    err = send_all(fd, &answer, sizeof(answer), NULL);
    if (err == 0)
        err = send_text(fd, x->res.reason);
    if (err == 0)
        err = send_text(fd, reply->type);
    for (const struct reply_field *field = reply->fields; field != NULL && err == 0; field = field->next) {
        err = send_text(fd, field->name);
        if (err == 0)
            err = send_text(fd, field->value);
    }
    return err < 0 ? err : send_all(fd, reply->body, reply->body_len, NULL);
}

static int send_text(int fd, const char *text)
{
    return send_all(fd, text != NULL ? text : "", text_size(text), NULL);
}

/* With its NUL. */
static size_t text_size(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 1;
}

/* -ECANCELED: nobody waits for the reply to req any more; it may be NULL. */
static int send_all(int fd, const void *bytes, size_t len, const hoist_req *req)
{
    const char *at = bytes;
    ssize_t n = 0;

    for (; len > 0; at += n, len -= (size_t)n) {
        if (req != NULL && hoist_req_cancelled(req))
            return -ECANCELED;
        n = send(fd, at, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return -errno;
        n = n < 0 ? 0 : n;
    }
    return 0;
}
