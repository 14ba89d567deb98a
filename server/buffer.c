/* Bytes that grow with what arrives.
 *
 * Happy path: append, read, drop. Doubling, so that n bytes cost O(n) however they are cut.
 * Failures: no memory, or past the caller's maximum; the content stays. Close: frees it.
 */
#include "buffer.h"

#include "budget.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 512 };

int buffer_reserve(struct buffer *buffer, size_t extra, size_t max)
{
    size_t cap = buffer->cap > 0 ? buffer->cap : FIRST_CAP;
    char *data;

    assert(buffer->len <= buffer->cap);
    if (extra > max || buffer->len > max - extra)
        return -EFBIG;
    if (extra <= buffer->cap - buffer->len)
        return 0;
    while (cap < buffer->len + extra)
        cap *= 2;
    data = realloc(buffer->data, cap);
    if (data == NULL)
        return -ENOMEM;
    budget_add(buffer->budget, cap - buffer->cap);
    buffer->data = data;
    buffer->cap = cap;
    return 0;
}

int buffer_append(struct buffer *buffer, const void *bytes, size_t len, size_t max)
{
    int err;

    err = buffer_reserve(buffer, len, max);
    if (err < 0 || len == 0)
        return err;
    memcpy(buffer->data + buffer->len, bytes, len);
    buffer->len += len;
    return 0;
}

void buffer_drop(struct buffer *buffer, size_t len)
{
    assert(len <= buffer->len);
    buffer->len -= len;
    if (buffer->len == 0)
        buffer_close(buffer);
    else if (len > 0)
        memmove(buffer->data, buffer->data + len, buffer->len);
}

void buffer_close(struct buffer *buffer)
{
    if (buffer->data == NULL)
        return;
    free(buffer->data);
    budget_sub(buffer->budget, buffer->cap);
    *buffer = (struct buffer){.budget = buffer->budget};
}
