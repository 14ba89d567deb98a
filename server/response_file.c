/* hoist_res_file(): a reply made by code that prints.
 *
 * Happy path: a stream of our own (fopencookie(3)) puts what is printed into a buffer; when the handler has returned,
 * the buffer is the reply's body. A handler that has closed the stream gets a new one for the same buffer. Failures:
 * over max_reply, or no memory: the stream's error, and the reply's. Close: with the handler's return, or with an
 * exchange that ends without one.
 */
#include "exchange.h"
#include "log.h"
#include "server.h"

#include <errno.h>
#include <string.h>

static int append(hoist_res *res, const char *bytes, size_t len)
{
    size_t max = exchange_of_res(res)->req.route->given.max_reply;
    int err;

    err = res->print.err < 0 ? res->print.err : buffer_append(&res->print.bytes, bytes, len, max);
    if (err == -EFBIG) /* as of any reply, and not 413 when the handler returns it */
        err = -EMSGSIZE;
    if (err < 0)
        errno = -err;
    res->print.err = err;
    return err;
}

static ssize_t on_print(void *cookie, const char *bytes, size_t len)
{
    return append(cookie, bytes, len) < 0 ? 0 : (ssize_t)len;
}

/* By the server, or by code that closes what it has printed to. */
static int on_close(void *cookie)
{
    hoist_res *res = cookie;

    res->print.file = NULL;
    return 0;
}

static FILE *open_stream(hoist_res *res)
{
    return fopencookie(res, "w", (cookie_io_functions_t){.write = on_print, .close = on_close});
}

FILE *hoist_res_file(hoist_res *res)
{
    exchange_check_live(&exchange_of_res(res)->req);
    if (res->print.file == NULL && res->reply.status == 0) {
        res->print.bytes.budget = &exchange_of_res(res)->budget;
        res->print.file = open_stream(res);
        res->print.is_used = true;
        if (res->print.file == NULL)
            res->print.err = -ENOMEM;
    }
    return res->print.file;
}

int hoist_res_type(hoist_res *res, int status, const char *type)
{
    struct arena *arena = &exchange_of_res(res)->req.arena;
    int err;

    exchange_check_live(&exchange_of_res(res)->req);
    if (res->reply.status != 0)
        return response_fail(res, -EALREADY, "the handler gave a type for what it prints behind its reply");
    err = response_check(res, status, type);
    if (err < 0)
        return err;
    res->print.type = arena_strndup(arena, type, strlen(type));
    if (res->print.type == NULL)
        return -ENOMEM;
    res->print.status = status;
    return 0;
}

int response_end_file(hoist_res *res, int result)
{
    struct exchange *x = exchange_of_res(res);
    size_t max = x->req.route->given.max_reply;
    const char *type = res->print.type != NULL ? res->print.type : REPLY_TYPE_TEXT;
    int status = res->print.status != 0 ? res->print.status : 200;

    if (!res->print.is_used) { /* an error wins over what was to be printed, and is no mistake */
        if (res->print.type != NULL && res->reply.status != 0 && res->reply.status < 400)
            log_write(LOG_ERROR, "%s: its handler gave a type for what it prints, and replied otherwise",
                      x->req.route->given.path);
        return result;
    }
    if (res->print.file != NULL)
        fclose(res->print.file); /* writes what stdio has gathered */
    if ((result != 0 && result != res->print.err) || res->reply.status != 0)
        return result;
    if (res->print.err == -EMSGSIZE)
        return response_fail(res, -EMSGSIZE,
                             arena_printf(&x->req.arena, "what the handler printed is over max_reply, %zu bytes", max));
    if (res->print.err < 0)
        return res->print.err;
    return hoist_reply_static(res, status, type, res->print.bytes.data, res->print.bytes.len);
}
