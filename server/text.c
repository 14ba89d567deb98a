/* Text that is put together piece by piece.
 *
 * Happy path: text_add() ..., text_reply(). Failures: no memory, kept until text_reply() tells. Close: text_close(), or
 * with the reply.
 */
#include "text.h"

#include "reply.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct text *text, size_t len)
{
    if (text->err == 0)
        text->err = buffer_reserve(&text->bytes, len + 1, SIZE_MAX - 1);
    return text->err == 0;
}

void text_add(struct text *text, const char *format, ...)
{
    va_list args, again;
    int len;

    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    if (len >= 0 && reserve(text, (size_t)len)) {
        (void)vsnprintf(text->bytes.data + text->bytes.len, (size_t)len + 1, format, again);
        text->bytes.len += (size_t)len;
    }
    va_end(again);
    va_end(args);
}

void text_add_json(struct text *text, const char *string)
{
    size_t len = reply_json_escape(NULL, 0, string, strlen(string));

    text_add(text, "\"");
    if (reserve(text, len)) {
        reply_json_escape(text->bytes.data + text->bytes.len, len + 1, string, strlen(string));
        text->bytes.len += len;
    }
    text_add(text, "\"");
}

void text_add_seconds(struct text *text, uint64_t ns)
{
    uint64_t us = (ns + 500) / 1000;

    text_add(text, "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
}

void text_add_share(struct text *text, double share)
{
    unsigned parts = share <= 0 ? 0 : share >= 1 ? 10000 : (unsigned)(share * 10000 + 0.5);

    text_add(text, "%u.%04u", parts / 10000, parts % 10000);
}

int text_reply(struct text *text, hoist_res *res, const char *type)
{
    if (text->err < 0) {
        text_close(text);
        return text->err;
    }
    return hoist_reply_give(res, 200, type, text->bytes.data, text->bytes.len, free);
}

void text_close(struct text *text)
{
    buffer_close(&text->bytes);
}
