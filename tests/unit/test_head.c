/* The rules between fields without llhttp in front, which refuses some of these too; the other rules are in
 * test_parser.c. */
#include "server/head.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* "POST / HTTP/1.minor", Host, and up to two fields in the order given. */
struct head {
    struct message message;
    char bytes[256];
};

static void add(struct head *head, size_t *at, const char *name, const char *value)
{
    struct field *field = &head->message.fields[head->message.n_fields++];
    char *place = head->bytes + *at;

    *at += (size_t)sprintf(place, "%s:%s\r\n", name, value);
    field->name = place;
    field->name_len = (unsigned)strlen(name);
    field->value = place + field->name_len + 1;
    field->value_len = (unsigned)strlen(value);
}

/* 0, or the status of a refusal. */
static int read_post(struct head *head, unsigned char minor, const char *const *fields, size_t n)
{
    struct head_refusal refusal = {0};
    size_t at = (size_t)sprintf(head->bytes, "POST / HTTP/1.%d\r\n", minor);

    head->message.head = head->bytes;
    head->message.minor = minor;
    head->message.n_fields = 0;
    add(head, &at, "Host", "h");
    for (size_t i = 0; i < n; i += 2)
        add(head, &at, fields[i], fields[i + 1]);
    head->message.head_len = (unsigned)at;
    cr_assert(head_read_method(&head->message, strlen("POST"), &refusal));
    return head_read(&head->message, head->bytes, strlen("POST"), strlen("/"), &refusal) ? 0 : refusal.status;
}

Test(head, refuses_framing_in_doubt_by_itself)
{
    static const struct {
        const char *fields[4];
        size_t n;
        int status;
    } rows[] = {
        {{"Content-Length", "4"}, 2, 0},
        {{"Content-Length", "18446744073709551615"}, 2, 0},
        {{"Transfer-Encoding", "chunked"}, 2, 0},
        {{"Content-Length", ""}, 2, 400},
        {{"Content-Length", "4x"}, 2, 400},
        {{"Content-Length", "-4"}, 2, 400},
        {{"Content-Length", "4 4"}, 2, 400},
        {{"Content-Length", "18446744073709551616"}, 2, 400},
        {{"Content-Length", "4", "Content-Length", "4"}, 4, 400},
        {{"Content-Length", "4", "Transfer-Encoding", "chunked"}, 4, 400},
        {{"Transfer-Encoding", "chunked", "Content-Length", "4"}, 4, 400},
        {{"Transfer-Encoding", "chunked", "Transfer-Encoding", "chunked"}, 4, 400},
        {{"Transfer-Encoding", "chunked, chunked"}, 2, 400},
        {{"Transfer-Encoding", "gzip, chunked"}, 2, 501},
        {{"Transfer-Encoding", "gzip"}, 2, 400},
    };
    static struct head head;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = read_post(&head, 1, rows[i].fields, rows[i].n);

        cr_expect_eq(status, rows[i].status, "%s: %s: %d", rows[i].fields[0], rows[i].fields[1], status);
    }
}

Test(head, reads_lengths_up_to_the_largest)
{
    static const char *const largest[] = {"Content-Length", "18446744073709551615"};
    static struct head head;

    cr_assert_eq(read_post(&head, 1, largest, 2), 0);

    cr_expect_eq(head.message.content_length, UINT64_MAX);
}

Test(head, owns_the_fields_that_trailers_must_not_bring)
{
    cr_expect(head_owns_field("HOST", 4));
    cr_expect(head_owns_field("transfer-encoding", 17));
    cr_expect_not(head_owns_field("transfer-encoding-2", 19));
    cr_expect_not(head_owns_field("transfer-encodin", 16));
    cr_expect_not(head_owns_field("", 0));
}
