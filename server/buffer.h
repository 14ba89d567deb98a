/* Bytes that grow with what arrives, up to a maximum. Zeroed is empty. Owner: whoever embeds it; one thread at a time.
 */
#ifndef SERVER_BUFFER_H
#define SERVER_BUFFER_H

#include <stddef.h>

struct budget;

struct buffer {
    char *data;
    size_t len;
    size_t cap;
    struct budget *budget; /* counts cap; set it while the buffer is empty. NULL: nobody does */
};

/* Room for extra more bytes behind len, and never more than max bytes in all. -ENOMEM; -EFBIG: it would pass max. */
int buffer_reserve(struct buffer *buffer, size_t extra, size_t max);

/* As buffer_reserve(), then appends; on failure nothing changed. */
int buffer_append(struct buffer *buffer, const void *bytes, size_t len, size_t max);

/* Drops the first len bytes; an empty buffer gives its memory back. */
void buffer_drop(struct buffer *buffer, size_t len);

/* Empty again, with the same budget. */
void buffer_close(struct buffer *buffer);

#endif
