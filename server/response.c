/* What a handler says in reply: hoist.h's hoist_reply_*() and hoist_res_header().
 *
 * Happy path: the reply is described in hoist_res, its body in the exchange's arena or where the handler keeps it;
 * nothing is sent here. Failures: -EALREADY, -EPROTO, -EFAULT, -EMSGSIZE, -EINVAL, -ENOMEM; the reply is then as it was
 * before. Close: exchange_free() hands a given body back.
 */
#include "bytes.h"
#include "exchange.h"
#include "log.h"
#include "server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int reply_string(hoist_res *res, int status, const char *type, const char *text);
static int reply_with(hoist_res *res, int status, const char *type, const void *body, size_t len);
static int check_bytes(hoist_res *res, int status, const char *type, const void *body, size_t len);
static int check_reply(hoist_res *res, int status, const char *type, size_t len);
static int fail_without_room(hoist_res *res, size_t size);
static const char *known_type(const char *type);
static bool is_token(const char *text);
static bool is_field_value(const char *text);
static bool is_ours(const char *name);

static struct arena *arena_of(hoist_res *res)
{
    return &exchange_of_res(res)->req.arena;
}

int hoist_reply_text(hoist_res *res, int status, const char *text)
{
    return reply_string(res, status, REPLY_TYPE_TEXT, text);
}

int hoist_reply_json(hoist_res *res, int status, const char *json)
{
    return reply_string(res, status, REPLY_TYPE_JSON, json);
}

/* NULL is what a function that is not ours may answer: an error of its request, and no crash of the server. */
static int reply_string(hoist_res *res, int status, const char *type, const char *text)
{
    exchange_check_live(&exchange_of_res(res)->req);
    if (text == NULL)
        return response_fail(res, -EFAULT, "the handler replied with NULL in the place of a text");
    return hoist_reply_copy(res, status, type, text, strlen(text));
}

int hoist_reply_copy(hoist_res *res, int status, const char *type, const void *body, size_t len)
{
    void *copy;
    int err;

    err = check_bytes(res, status, type, body, len);
    if (err < 0)
        return err;
    copy = arena_alloc(arena_of(res), len);
    if (copy == NULL)
        return fail_without_room(res, len);
    if (len > 0)
        memcpy(copy, body, len);
    return reply_with(res, status, type, copy, len);
}

int hoist_reply_printf(hoist_res *res, int status, const char *type, const char *format, ...)
{
    size_t len = SIZE_MAX;
    va_list args;
    char *text;
    int err;

    exchange_check_live(&exchange_of_res(res)->req);
    va_start(args, format);
    text = arena_vprintf(arena_of(res), &len, format, args);
    va_end(args);
    if (len == SIZE_MAX)
        return response_fail(res, -EPROTO, "the handler's format cannot be printed");
    err = check_reply(res, status, type, len);
    if (err < 0)
        return err;
    return text != NULL ? reply_with(res, status, type, text, len) : fail_without_room(res, len + 1);
}

int hoist_reply_static(hoist_res *res, int status, const char *type, const void *body, size_t len)
{
    int err;

    err = check_bytes(res, status, type, body, len);
    return err < 0 ? err : reply_with(res, status, type, body, len);
}

int hoist_reply_give(hoist_res *res, int status, const char *type, void *body, size_t len, void (*free_body)(void *))
{
    int err;

    exchange_check_live(&exchange_of_res(res)->req);
    if (free_body == NULL)
        return response_fail(res, -EFAULT, "the handler gave a body and NULL in the place of what frees it");
    err = check_bytes(res, status, type, body, len);
    if (err == 0)
        err = reply_with(res, status, type, body, len);
    if (err < 0) {
        free_body(body);
        return err;
    }
    res->given_body = body;
    res->free_body = free_body;
    budget_add(&exchange_of_res(res)->budget, len);
    return 0;
}

int hoist_reply_error(hoist_res *res, int status, const char *format, ...)
{
    char text[REPLY_ERROR_MAX], body[REPLY_ERROR_MAX];
    const struct exchange *x = exchange_of_res(res);
    struct reply reply;
    va_list args;
    int err;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    reply_error(&reply, status, text, body);
    err = hoist_reply_copy(res, status, reply.type, reply.body, reply.body_len);
    if (err == 0 && status == 500) /* as one that it returns is logged */
        log_write(exchange_failure_level(x), "%s: its handler replied with 500: %s", x->req.route->given.path, text);
    return err;
}

int hoist_res_header(hoist_res *res, const char *name, const char *value)
{
    struct reply_field *field;
    size_t len;

    exchange_check_live(&exchange_of_res(res)->req);
    if (name == NULL || value == NULL)
        return response_fail(res, -EFAULT, "the handler set a header field with NULL in the place of a text");
    len = strlen(name) + strlen(value) + sizeof(": \r\n") - 1;
    if (!is_token(name) || is_ours(name))
        return response_fail(res, -EPROTO,
                             arena_printf(arena_of(res), "the handler may not set a header field '%s'", name));
    if (!is_field_value(value)) /* which may come from the client */
        return response_fail(
            res, -EINVAL,
            arena_printf(arena_of(res), "the handler set a header field to what cannot be sent: '%s'", name));
    if (len > REPLY_FIELDS_MAX - res->fields_len)
        return response_fail(res, -EMSGSIZE, "the handler set more header fields than 8 KiB");
    field = arena_alloc(arena_of(res), sizeof(*field));
    if (field == NULL)
        return -ENOMEM;
    field->next = NULL;
    field->name = arena_strndup(arena_of(res), name, strlen(name));
    field->value = arena_strndup(arena_of(res), value, strlen(value));
    if (field->name == NULL || field->value == NULL)
        return -ENOMEM;
    if (res->last_field == NULL)
        res->last_field = &res->reply.fields;
    *res->last_field = field;
    res->last_field = (const struct reply_field **)&field->next;
    res->fields_len += len;
    return 0;
}

/* check_reply(), and that there is a body where there should be one. */
static int check_bytes(hoist_res *res, int status, const char *type, const void *body, size_t len)
{
    int err;

    err = check_reply(res, status, type, len);
    if (err == 0 && body == NULL && len > 0)
        err = response_fail(res, -EFAULT, "the handler replied with NULL in the place of a body");
    return err;
}

static int check_reply(hoist_res *res, int status, const char *type, size_t len)
{
    const struct exchange *x = exchange_of_res(res);
    size_t max;
    int err;

    exchange_check_live(&x->req); /* one that is not has no route, perhaps */
    if (res->reply.status != 0) {
        if (res->told_err != -EALREADY)
            log_write(LOG_ERROR, "%s: its handler replied twice", x->req.route->given.path);
        res->told_err = -EALREADY;
        return response_fail(res, -EALREADY, "the handler replied twice");
    }
    err = response_check(res, status, type);
    if (err < 0)
        return err;
    max = x->req.route->given.max_reply;
    if (len > max)
        return response_fail(res, -EMSGSIZE,
                             arena_printf(arena_of(res), "the reply has %zu bytes; max_reply is %zu", len, max));
    return 0;
}

/* The reply's copy was to stand beside what hoist_req_alloc() has given: over the limit together, or no memory. */
static int fail_without_room(hoist_res *res, size_t size)
{
    if (arena_may_hold(arena_of(res), size))
        return -ENOMEM;
    return response_fail(res, -EMSGSIZE, "the reply and the memory of hoist_req_alloc() are more than max_reply");
}

int response_check(hoist_res *res, int status, const char *type)
{
    if (status >= 200 && status <= 599 && type != NULL &&
        (known_type(type) != NULL || (type[0] != '\0' && strlen(type) < REPLY_TYPE_MAX && is_field_value(type))))
        return 0;
    log_write(LOG_ERROR, "%s: its handler replied with status %d and content type '%s'; one of them cannot be sent",
              exchange_of_res(res)->req.route->given.path, status, type != NULL ? type : "(NULL)");
    res->told_err = -EPROTO;
    return response_fail(res, -EPROTO, "the handler's status or content type cannot be sent");
}

int response_fail(hoist_res *res, int err, const char *reason)
{
    res->reason_err = err;
    res->reason = reason;
    return err;
}

static int reply_with(hoist_res *res, int status, const char *type, const void *body, size_t len)
{
    const char *copy = known_type(type);

    if (copy == NULL) /* it may live on the handler's stack */
        copy = arena_strndup(arena_of(res), type, strlen(type));
    if (copy == NULL)
        return -ENOMEM;
    res->reply.status = status;
    res->reply.type = copy;
    res->reply.body = body;
    res->reply.body_len = len;
    return 0;
}

/* The two types that nearly every reply has, as literals; NULL for another. */
static const char *known_type(const char *type)
{
    if (strcmp(type, REPLY_TYPE_JSON) == 0)
        return REPLY_TYPE_JSON;
    return strcmp(type, REPLY_TYPE_TEXT) == 0 ? REPLY_TYPE_TEXT : NULL;
}

static bool is_token(const char *text)
{
    const char *end = text + strlen(text);

    return text < end && bytes_skip(text, end, BYTE_TOKEN) == end;
}

static bool is_field_value(const char *text)
{
    const char *end = text + strlen(text);

    return bytes_skip(text, end, BYTE_TEXT) == end;
}

/* Fields by which the server frames its messages: a second one would let a client read another message than we sent. */
static bool is_ours(const char *name)
{
    static const char *const names[] = {"connection", "content-length", "content-type", "date", "transfer-encoding"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (bytes_are_word(name, strlen(name), names[i]))
            return true;
    return false;
}
