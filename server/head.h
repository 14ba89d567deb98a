/* The rules of a head that are not about bytes: the method, the forms of a target, and what fields mean together (RFC
 * 9112, sections 3, 6 and 9).
 *
 * Happy path: the parser has the positions of method and target from the scan and the fields from llhttp; it calls
 * head_read_method(), then head_read().
 * Failures: false, with the status to answer and why.
 * Close: there is nothing to close.
 */
#ifndef SERVER_HEAD_H
#define SERVER_HEAD_H

#include "message.h"

struct head_refusal {
    int status;
    const char *reason; /* a static text, for people */
};

/* Reads message->head[0 .. len). 501: a method that the server does not know. */
bool head_read_method(struct message *message, size_t len, struct head_refusal *ret_refusal);

/* Fills what is left of message, whose minor and fields are set, and writes NULs behind its strings into head. 400,
 * 417, 501. */
bool head_read(struct message *message, char *head, size_t method_len, size_t target_len,
               struct head_refusal *ret_refusal);

/* Does this field say where a message ends or goes? Then it comes too late in a trailer (RFC 9110, section 6.5.1). */
bool head_owns_field(const char *name, size_t len);

#endif
