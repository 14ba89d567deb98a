/* One HTTP answer in a buffer, read as cheaply as a client for millions of answers a second must.
 *
 * Happy path: answer_read() parses the first answer of a kind and remembers its shape; of the next ones it compares
 * only that. Failures: what is no answer, or has no Content-Length: -EPROTO.
 */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

struct answer {
    unsigned status;
    size_t bytes; /* head and body */
    bool closes;  /* the server ends the connection behind it */
    bool has_retry_after;
};

/* The last answer of status 200 that was parsed. Zero it. */
struct answer_shape {
    struct answer answer;
    size_t head_bytes, length_at, length_bytes; /* of the head; where in it the line with the body's length is */
    char length[64];
};

/* Reads the answer that begins at text[0]. 1: it is there; 0: it needs more bytes; -EPROTO. */
int answer_read(struct answer_shape *shape, const char *text, size_t n, struct answer *ret_answer);

#endif
