/* What a handler asks of its request: hoist.h's hoist_req_*().
 *
 * Happy path: strings are looked up in the message and decoded into the exchange's arena when asked for. Failures:
 * NULL, or -EINVAL with the reason kept for the answer. Close: the arena goes with the exchange.
 */
#include "exchange.h"
#include "target.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *decode(hoist_req *req, const char *raw, size_t len, enum target_part part);

enum hoist_method hoist_req_method(const hoist_req *req)
{
    exchange_check_live(req);
    return req->message.method;
}

const char *hoist_req_path(hoist_req *req)
{
    exchange_check_live(req);
    if (req->path == NULL)
        req->path = decode(req, req->message.path, strlen(req->message.path), TARGET_PATH);
    return req->path;
}

const char *hoist_req_query(const hoist_req *req)
{
    exchange_check_live(req);
    return req->message.query;
}

const char *hoist_req_arg(hoist_req *req, const char *name)
{
    const char *raw;
    size_t len;

    exchange_check_live(req);
    if (name == NULL)
        return NULL;
    for (unsigned i = 0; i < req->match.n_args; i++)
        if (strcmp(req->match.args[i].name, name) == 0)
            return decode(req, req->match.args[i].value, req->match.args[i].len, TARGET_PATH);
    if (!target_query_find(req->message.query, name, &raw, &len))
        return NULL;
    return decode(req, raw, len, TARGET_QUERY);
}

static const char *decode(hoist_req *req, const char *raw, size_t len, enum target_part part)
{
    char *text = arena_alloc(&req->arena, len + 1);

    if (text != NULL && target_decode(text, raw, len, part) < 0)
        return NULL;
    return text;
}

int hoist_req_long(hoist_req *req, const char *name, long min, long max, long *ret_value)
{
    struct hoist_res *res = &exchange_of_req(req)->res;
    const char *text = hoist_req_arg(req, name);
    char *end;
    long value;

    if (name == NULL)
        return response_fail(res, -EFAULT, "the handler asked for NULL in the place of an argument");
    if (text == NULL)
        return response_fail(res, -EINVAL,
                             arena_printf(&req->arena, "%s is missing: a number from %ld to %ld", name, min, max));
    errno = 0;
    value = strtol(text, &end, 10);
    /* strtol() also takes leading white space and a plus sign; a number in a URL has neither. */
    if (errno == 0 && end != text && *end == '\0' && strchr("-0123456789", text[0]) != NULL && value >= min &&
        value <= max) {
        *ret_value = value;
        return 0;
    }
    return response_fail(res, -EINVAL,
                         arena_printf(&req->arena, "%s: '%s' is not a number from %ld to %ld", name, text, min, max));
}

const char *hoist_req_header(const hoist_req *req, const char *name)
{
    const struct field *field;

    exchange_check_live(req);
    if (name == NULL)
        return NULL;
    field = message_field(&req->message, name);
    return field != NULL ? field->value : NULL;
}

const char *hoist_req_body(const hoist_req *req, size_t *ret_len)
{
    exchange_check_live(req);
    if (ret_len != NULL)
        *ret_len = req->body.len;
    if (req->body.len == 0)
        return "";
    assert(req->body.cap > req->body.len); /* on_body() left room for the NUL, put there when the body was complete */
    return req->body.data;
}

void *hoist_req_alloc(hoist_req *req, size_t size)
{
    exchange_check_live(req);
    return arena_alloc(&req->arena, size);
}

const char *hoist_json_string(hoist_req *req, const char *text)
{
    size_t len, size;
    char *out;

    exchange_check_live(req);
    if (text == NULL)
        return "null";
    len = strlen(text);
    size = reply_json_escape(NULL, 0, text, len) + sizeof("\"\"");
    out = arena_alloc(&req->arena, size);
    if (out == NULL)
        return NULL;
    out[0] = '"';
    reply_json_escape(out + 1, size - 2, text, len);
    memcpy(out + size - 2, "\"", 2);
    return out;
}

void *hoist_req_data(const hoist_req *req)
{
    exchange_check_live(req);
    return req->route->given.data;
}

void *hoist_req_worker_data(const hoist_req *req)
{
    exchange_check_live(req);
    return req->worker_data;
}

bool hoist_req_cancelled(const hoist_req *req)
{
    /* On the loop, as under the inline executor, nobody else can say that the deadline is over. */
    return atomic_load_explicit(&req->cancelled, memory_order_relaxed) ||
           (req->deadline_ns != 0 && uv_hrtime() >= req->deadline_ns);
}

unsigned hoist_req_remaining_ms(const hoist_req *req)
{
    uint64_t now_ns = uv_hrtime();
    uint64_t ms;

    exchange_check_live(req);
    if (req->deadline_ns == 0)
        return HOIST_NO_LIMIT;
    if (now_ns >= req->deadline_ns)
        return 0;
    ms = (req->deadline_ns - now_ns) / 1000000;
    return ms < HOIST_NO_LIMIT ? (unsigned)ms : HOIST_NO_LIMIT - 1;
}
