/* Answers: most are of the shape of the last one: its status, its length of the head and its Content-Length line. */
#include "answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char OK[] = "HTTP/1.1 200";

static bool has_shape(const struct answer_shape *shape, const char *text, size_t n)
{
    size_t bytes = shape->answer.bytes;

    return bytes > 0 && n >= bytes && memcmp(text, OK, sizeof(OK) - 1) == 0 &&
           memcmp(text + shape->head_bytes - 4, "\r\n\r\n", 4) == 0 &&
           memcmp(text + shape->length_at, shape->length, shape->length_bytes) == 0 &&
           (n == bytes || text[bytes] == 'H');
}

/* The line of the head that begins with name, or NULL. */
static const char *find_field(const char *head, size_t n, const char *name)
{
    size_t name_bytes = strlen(name);
    const char *line = head, *end = head + n;

    while ((line = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        line++;
        if ((size_t)(end - line) > name_bytes && strncasecmp(line, name, name_bytes) == 0)
            return line;
    }
    return NULL;
}

static bool ends_connection(const char *head, size_t n)
{
    const char *field = find_field(head, n, "connection:");

    if (field == NULL)
        return strncmp(head, "HTTP/1.0", 8) == 0;
    field += sizeof("connection:") - 1;
    return strncasecmp(field + strspn(field, " "), "close", 5) == 0;
}

static void remember(struct answer_shape *shape, const struct answer *answer, const char *text, const char *length,
                     size_t head_bytes)
{
    size_t length_bytes = strcspn(length, "\r") + 1;

    if (answer->status != 200 || answer->closes || memcmp(text, OK, sizeof(OK) - 1) != 0 ||
        length_bytes > sizeof(shape->length))
        return;
    shape->answer = *answer;
    shape->head_bytes = head_bytes;
    shape->length_at = (size_t)(length - text);
    shape->length_bytes = length_bytes;
    memcpy(shape->length, length, length_bytes);
}

int answer_read(struct answer_shape *shape, const char *text, size_t n, struct answer *ret_answer)
{
    const char *head_end, *length;
    struct answer answer = {0};
    size_t head_bytes;

    if (has_shape(shape, text, n)) {
        *ret_answer = shape->answer;
        return 1;
    }
    head_end = memmem(text, n, "\r\n\r\n", 4);
    if (head_end == NULL)
        return 0;
    head_bytes = (size_t)(head_end - text) + 4;
    length = find_field(text, head_bytes, "content-length:");
    if (strncmp(text, "HTTP/1.", 7) != 0 || length == NULL)
        return -EPROTO;
    answer.status = (unsigned)strtoul(text + 9, NULL, 10);
    answer.bytes = head_bytes + strtoul(length + sizeof("content-length:") - 1, NULL, 10);
    answer.closes = ends_connection(text, head_bytes);
    answer.has_retry_after = find_field(text, head_bytes, "retry-after:") != NULL;
    if (n < answer.bytes)
        return 0;
    remember(shape, &answer, text, length, head_bytes);
    *ret_answer = answer;
    return 1;
}
