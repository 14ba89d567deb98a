/* The answers in what a server has sent, taken apart. */
#ifndef TESTS_LIB_ANSWER_H
#define TESTS_LIB_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

/* Points into the bytes it was found in. */
struct answer {
    int status;
    const char *head; /* from the status line to the empty line */
    size_t head_len;
    const char *body; /* not NUL-terminated */
    size_t body_len;
    size_t end; /* where the next one begins */
};

/* The answer number n, from 0, in bytes[0 .. len); a 100 Continue is one too. False: it is not complete. An answer to
 * HEAD, which announces a body and has none, must be looked for in the bytes. */
bool answer_find(const char *bytes, size_t len, unsigned n, struct answer *ret_answer);

/* How many there are, all complete. */
unsigned answer_count(const char *bytes, size_t len);

/* Copies the value of a header field, its name in any case, to value[size]; NULL when there is none. */
const char *answer_field(const struct answer *answer, const char *name, char *value, size_t size);

bool answer_body_is(const struct answer *answer, const char *text);

/* Is text somewhere in its body? */
bool answer_says(const struct answer *answer, const char *text);

#endif
