/* A head that was parsed: looking up fields, and moving it. */
#include "server/message.h"

#include <criterion/criterion.h>
#include <string.h>

/* As the parser leaves "GET http://h?q=1 HTTP/1.1" with three fields: the path is in front, over the method. */
static const char head[] = "/\0T http://h\0q=1\0HTTP/1.1\r\nHost\0h\0\nAccept\0a\0\naccept\0b\0\n\r\n";

static const char *find(const char *base, const char *text)
{
    const char *found = memmem(base, sizeof(head), text, strlen(text) + 1);

    cr_assert_not_null(found);
    return found;
}

static struct field field_at(const char *base, const char *name, const char *value)
{
    return (struct field){find(base, name), find(base, value), (unsigned)strlen(name), (unsigned)strlen(value)};
}

static void fill(struct message *message)
{
    message->head = head;
    message->head_len = sizeof(head) - 1;
    message->target = find(head, "http://h");
    message->path = head;
    message->query = find(head, "q=1");
    message->n_fields = 3;
    message->fields[0] = field_at(head, "Host", "h");
    message->fields[1] = field_at(head, "Accept", "a");
    message->fields[2] = field_at(head, "accept", "b");
}

Test(message, finds_the_first_field_of_a_name_in_any_case)
{
    struct message message;

    fill(&message);

    cr_expect_eq(message_field(&message, "ACCEPT"), &message.fields[1]);
    cr_expect_eq(message_field(&message, "host"), &message.fields[0]);
    cr_expect_null(message_field(&message, "accep"));
    cr_expect_null(message_field(&message, "accepts"));
    cr_expect_null(message_field(&message, ""));
}

Test(message, points_into_the_copy_after_it_has_moved)
{
    struct message message, moved;
    char copy[sizeof(head)];

    fill(&message);
    moved = message;
    memcpy(copy, head, sizeof(head));

    message_rebase(&moved, copy);

    cr_expect_eq(moved.head, (const char *)copy);
    cr_expect_eq(moved.target - copy, message.target - head);
    cr_expect_eq(moved.path - copy, message.path - head);
    cr_expect_eq(moved.query - copy, message.query - head);
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_eq(moved.fields[i].name - copy, message.fields[i].name - head);
        cr_expect_eq(moved.fields[i].value - copy, message.fields[i].value - head);
    }
}

Test(message, moves_without_fields)
{
    struct message message;
    char copy[sizeof(head)];

    fill(&message);
    message.n_fields = 0;
    message_rebase(&message, copy);

    cr_expect_eq(message.path, (const char *)copy);
    cr_expect_eq(message.fields[0].name, find(head, "Host"));
}
