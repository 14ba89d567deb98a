/* A reply as the connection writes it: status, header fields, body; and its head as bytes. */
#ifndef SERVER_REPLY_H
#define SERVER_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REPLY_FIELDS_MAX = 8 * 1024,              /* bytes of a handler's own header fields */
    REPLY_HEAD_MAX = REPLY_FIELDS_MAX + 1024, /* a whole head fits */
    REPLY_TYPE_MAX = 256,                     /* bytes of a content type */
    REPLY_ERROR_MAX = 512,                    /* bytes of an error's JSON body, NUL included */
};

enum { REPLY_DATE_LEN = sizeof("Sun, 06 Nov 1994 08:49:37 GMT") - 1 }; /* RFC 9110, section 5.6.7 */

struct reply_field {
    const struct reply_field *next;
    const char *name, *value;
};

struct reply {
    int status;       /* 0: none yet */
    const char *type; /* NULL: no Content-Type */
    const char *body;
    size_t body_len;
    const struct reply_field *fields;
    struct stream *stream; /* what follows the head instead of a body; NULL */
};

/* What the connection adds to a head. */
struct reply_framing {
    const char *date; /* REPLY_DATE_LEN bytes */
    bool is_last;     /* Connection: close */
    bool is_http10;   /* the client knows no chunks, and is told that the connection stays (RFC 9112, section 9.3) */
    bool is_stream;   /* its end is not known */
    bool has_timing;  /* Server-Timing with the two below */
    uint64_t wait_ns, run_ns;
};

#define REPLY_TYPE_JSON "application/json"
#define REPLY_TYPE_TEXT "text/plain; charset=utf-8"

/* Writes the head, with the empty line, to out, which has room for REPLY_HEAD_MAX bytes. Returns its length. */
size_t reply_write_head(char *out, const struct reply *reply, const struct reply_framing *framing);

/* False for a status whose answer never has a body (RFC 9110, section 6.4.1). */
bool reply_may_have_body(int status);

/* What a handler's negative errno is to its client; 500 for most. */
int reply_status_of(int err);

/* Fills reply with status and {"error":"text"}, written to body; text is cut to fit. */
void reply_error(struct reply *reply, int status, const char *text, char body[REPLY_ERROR_MAX]);

/* Writes len bytes of text as the inside of a JSON string, with NUL, to out[size]; invalid UTF-8 becomes U+FFFD; what
 * does not fit is cut at a character's border. Returns the length without cut, so a caller with out == NULL and size 0
 * learns how much room it takes. */
size_t reply_json_escape(char *out, size_t size, const char *text, size_t len);

/* The time of day as text, made at most once a second. */
struct reply_clock {
    uint64_t until_ms; /* on the loop's clock */
    char date[64];     /* for Date: REPLY_DATE_LEN bytes */
    char log[64];      /* for the access log: 22/Nov/2026:22:17:10 +0000 */
};

void reply_clock_tick(struct reply_clock *clock, uint64_t now_ms);

#endif
