/* Looks into a parsed head and moves it.
 *
 * Happy path: the parser fills a message; message_field() reads it; a head that must outlive the read buffer is copied
 * and then message_rebase()d.
 * Failures: none.
 * Close: nothing is owned.
 */
#include "message.h"

#include "bytes.h"

#include <string.h>

const struct field *message_field(const struct message *message, const char *name)
{
    size_t len = strlen(name);

    for (unsigned i = 0; i < message->n_fields; i++) {
        const struct field *field = &message->fields[i];

        if (field->name_len == len && bytes_equal_in_any_case(field->name, name, len))
            return field;
    }
    return NULL;
}

void message_rebase(struct message *message, const char *copy)
{
    const char *head = message->head;

    message->target = copy + (message->target - head);
    message->path = copy + (message->path - head);
    message->query = copy + (message->query - head);
    for (unsigned i = 0; i < message->n_fields; i++) {
        struct field *field = &message->fields[i];

        field->name = copy + (field->name - head);
        field->value = copy + (field->value - head);
    }
    message->head = copy;
}
