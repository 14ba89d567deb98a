/* Text in pieces, for JSON and metrics. */
#include "lib/fail_malloc.h"
#include "server/text.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <locale.h>

static struct text text;

static void expect(const char *wanted)
{
    cr_expect_eq(text.err, 0);
    cr_expect_eq(text.bytes.len, strlen(wanted));
    cr_expect(strncmp(text.bytes.data, wanted, strlen(wanted)) == 0, "%.*s", (int)text.bytes.len, text.bytes.data);
    text_close(&text);
}

Test(text, puts_pieces_together)
{
    text_add(&text, "a%d", 1);
    text_add_json(&text, "q\"\\\n\xff");

    expect("a1\"q\\\"\\\\\\n\xef\xbf\xbd\"");
}

Test(text, seconds_have_a_point_and_six_places_in_every_locale)
{
    (void)setlocale(LC_ALL, "de_DE.UTF-8");
    text_add_seconds(&text, 0);
    text_add(&text, " ");
    text_add_seconds(&text, 1499);
    text_add(&text, " ");
    text_add_seconds(&text, 20000000000);
    text_add(&text, " ");
    text_add_seconds(&text, 999999999);

    expect("0.000000 0.000001 20.000000 1.000000");
}

Test(text, a_share_stays_between_0_and_1)
{
    text_add_share(&text, -1);
    text_add(&text, " ");
    text_add_share(&text, 0.12345);
    text_add(&text, " ");
    text_add_share(&text, 2);

    expect("0.0000 0.1235 1.0000");
}

Test(text, without_memory_it_says_so_at_the_end)
{
    fail_malloc_at(1);
    text_add(&text, "lost");
    fail_malloc_at(0);
    text_add(&text, "and nothing behind it");

    cr_expect_eq(text.err, -ENOMEM);
    cr_expect_eq(text.bytes.len, 0);
    text_close(&text);
}
