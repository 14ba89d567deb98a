/* A request's head, as the parser leaves it and the rest of the server reads it. Plain data, pointing into the bytes it
 * was parsed from; every string is NUL-terminated there, in place. */
#ifndef SERVER_MESSAGE_H
#define SERVER_MESSAGE_H

#include "hoist.h"

#include <stdint.h>

/* The limits of a head and of what surrounds the data of a chunked body; HTTP/1.1 has none of its own (RFC 9112,
 * sections 3 and 5). */
enum {
    REQUEST_LINE_MAX = 8 * 1024, /* without its CRLF */
    HEAD_MAX = 32 * 1024,
    FIELDS_MAX = 100,
    EMPTY_LINES_MAX = 4,
    CHUNK_LINE_MAX = 4 * 1024,
    CHUNK_OVERHEAD_MAX = 16 * 1024, /* chunk lines and trailers of one body together */
};

/* The value has no white space around it. */
struct field {
    const char *name, *value;
    unsigned name_len, value_len;
};

/* 2.5 KB, mostly fields: nobody clears one, and only fields[0 .. n_fields) are set. */
struct message {
    enum hoist_method method; /* HOIST_GET when it is not known */
    /* False: TRACE or CONNECT, which no route takes: 405. CONNECT has no body and is not kept alive. */
    bool method_is_known;
    unsigned char minor;   /* of HTTP/1.minor: 0 or 1 */
    bool keep_alive;       /* by version and Connection (RFC 9112, section 9.3) */
    bool expects_continue; /* Expect: 100-continue in HTTP/1.1, and there is a body to wait for */
    bool chunked;
    uint64_t content_length; /* 0 when there is none, or when chunked */
    const char *target;      /* as sent, up to a '?' */
    const char *path;        /* raw, begins with '/'; "*" for OPTIONS * and for CONNECT */
    const char *query;       /* raw, behind '?'; "" when there is none */
    const char *head;        /* the bytes that everything above points into */
    unsigned head_len;
    unsigned n_fields;
    struct field fields[FIELDS_MAX];
};

/* The first field of that name, in any case; NULL when there is none. */
const struct field *message_field(const struct message *message, const char *name);

/* Makes every pointer of the message point into copy, which holds the same head_len bytes elsewhere. */
void message_rebase(struct message *message, const char *copy);

#endif
