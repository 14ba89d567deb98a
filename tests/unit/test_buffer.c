/* Bytes that grow with what arrives, up to a maximum. */
#include "server/buffer.h"

#include "lib/fail_malloc.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

static void expect(const struct buffer *buffer, const char *text)
{
    cr_expect_eq(buffer->len, strlen(text));
    cr_expect_eq(memcmp(buffer->data, text, strlen(text)), 0);
}

Test(buffer, keeps_what_is_appended_in_order)
{
    struct buffer buffer = {0};

    cr_expect_eq(buffer_append(&buffer, "abc", 3, 10), 0);
    cr_expect_eq(buffer_append(&buffer, "", 0, 10), 0);
    cr_expect_eq(buffer_append(&buffer, "def", 3, 10), 0);

    expect(&buffer, "abcdef");
    buffer_close(&buffer);
}

Test(buffer, takes_as_many_bytes_as_its_maximum_and_not_one_more)
{
    struct buffer buffer = {0};

    cr_expect_eq(buffer_append(&buffer, "abcd", 4, 4), 0);
    cr_expect_eq(buffer_append(&buffer, "e", 1, 4), -EFBIG);
    cr_expect_eq(buffer_append(&buffer, "", 0, 4), 0);

    expect(&buffer, "abcd");
    buffer_close(&buffer);
}

Test(buffer, refuses_lengths_whose_sum_would_wrap)
{
    struct buffer buffer = {0};

    cr_expect_eq(buffer_append(&buffer, "abcd", 4, SIZE_MAX), 0);

    cr_expect_eq(buffer_reserve(&buffer, SIZE_MAX - 3, SIZE_MAX), -EFBIG);
    cr_expect_eq(buffer_reserve(&buffer, 5, 4), -EFBIG);
    expect(&buffer, "abcd");
    buffer_close(&buffer);
}

Test(buffer, has_the_room_that_was_reserved)
{
    struct buffer buffer = {0};

    cr_expect_eq(buffer_append(&buffer, "abc", 3, SIZE_MAX), 0);
    cr_expect_eq(buffer_reserve(&buffer, 100000, SIZE_MAX), 0);

    cr_expect_geq(buffer.cap, buffer.len + 100000);
    memset(buffer.data + buffer.len, 'x', 100000);
    expect(&buffer, "abc");
    buffer_close(&buffer);
}

Test(buffer, moves_seldom_however_finely_the_bytes_are_cut)
{
    struct buffer buffer = {0};
    unsigned moves = 0;

    for (unsigned i = 0; i < 100000; i++) {
        size_t cap = buffer.cap;

        cr_assert_eq(buffer_append(&buffer, "x", 1, SIZE_MAX), 0);
        moves += buffer.cap != cap;
    }

    cr_expect_leq(moves, 10);
    buffer_close(&buffer);
}

Test(buffer, drops_bytes_from_its_front)
{
    struct buffer buffer = {0};

    cr_expect_eq(buffer_append(&buffer, "abcdef", 6, 10), 0);
    buffer_drop(&buffer, 0);
    expect(&buffer, "abcdef");
    buffer_drop(&buffer, 4);
    expect(&buffer, "ef");
    buffer_close(&buffer);
}

Test(buffer, gives_its_memory_back_when_it_is_empty)
{
    struct buffer buffer = {0};

    cr_expect_eq(buffer_append(&buffer, "abc", 3, 10), 0);
    buffer_drop(&buffer, 3);

    cr_expect_null(buffer.data);
    cr_expect_eq(buffer.cap, 0);
    cr_expect_eq(buffer_append(&buffer, "d", 1, 10), 0);
    expect(&buffer, "d");
    buffer_close(&buffer);
}

Test(buffer, is_as_it_was_when_memory_runs_out)
{
    static char large[4096];
    struct buffer buffer = {0};

    fail_malloc_at(1);
    cr_expect_eq(buffer_append(&buffer, "abc", 3, SIZE_MAX), -ENOMEM);
    cr_expect_null(buffer.data);
    cr_expect_eq(buffer_append(&buffer, "abc", 3, SIZE_MAX), 0);
    fail_malloc_at(1);
    cr_expect_eq(buffer_append(&buffer, large, sizeof(large), SIZE_MAX), -ENOMEM);
    fail_malloc_at(0);

    expect(&buffer, "abc");
    buffer_close(&buffer);
}
