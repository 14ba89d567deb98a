/* The classes of bytes. */
#include "server/bytes.h"

#include <criterion/criterion.h>
#include <string.h>

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

Test(bytes, are_in_the_classes_that_the_specifications_name)
{
    static const struct {
        const char *name, *members;
        unsigned class;
    } rows[] = {
        {"token", "!#$%&'*+-.^_`|~" DIGITS LETTERS, BYTE_TOKEN},
        {"target", "!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~" DIGITS LETTERS, BYTE_TARGET},
        {"hex", DIGITS "abcdefABCDEF", BYTE_HEX},
        {"host", "-._~!$&'()*+,;=" DIGITS LETTERS, BYTE_HOST},
        {"plain", "!\"$&'()*+,-/:;<=>@[\\]^_`{|}~" DIGITS LETTERS, BYTE_PLAIN},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int c = 0; c < 256; c++)
            cr_expect_eq(byte_is((char)c, rows[i].class), c != 0 && strchr(rows[i].members, c) != NULL, "%s: byte %d",
                         rows[i].name, c);
}

Test(bytes, of_text_are_all_but_control_bytes)
{
    for (int c = 0; c < 256; c++)
        cr_expect_eq(byte_is((char)c, BYTE_TEXT), c == '\t' || (c >= ' ' && c != 0x7f), "byte %d", c);
}

Test(bytes, are_skipped_up_to_the_first_of_another_class)
{
    static const char text[] = "name: value";

    cr_expect_eq(bytes_skip(text, text + sizeof(text) - 1, BYTE_TOKEN), text + 4);
    cr_expect_eq(bytes_skip(text, text + 3, BYTE_TOKEN), text + 3);
    cr_expect_eq(bytes_skip(text, text, BYTE_TOKEN), text);
}

Test(bytes, of_two_texts_are_equal_but_for_the_case_of_ascii)
{
    static const struct {
        const char *a, *b;
        bool is_equal;
    } rows[] = {
        {"X-Trace", "x-tRACE", true},
        {"X-Trace", "X-Track", false},
        {"@[", "`{", false},
        {"\xc4", "\xe4", false},
        {"", "", true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_eq(bytes_equal_in_any_case(rows[i].a, rows[i].b, strlen(rows[i].a)), rows[i].is_equal, "'%s'",
                     rows[i].a);
}

Test(bytes, are_a_word_in_any_case_and_nothing_behind_it)
{
    static const struct {
        const char *text;
        bool is_word;
    } rows[] = {
        {"keep-alive", true},   {"KEEP-ALIVE", true},   {"Keep-Alive", true}, {"keep-aliv", false},
        {"keep-alive ", false}, {"keep\ralive", false}, {"", false},          {"keep-aliwe", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_eq(bytes_are_word(rows[i].text, strlen(rows[i].text), "keep-alive"), rows[i].is_word, "'%s'",
                     rows[i].text);
    cr_expect_not(bytes_are_word("a", 1, ""));
    cr_expect_not(bytes_are_word("\0", 1, ""));
}
