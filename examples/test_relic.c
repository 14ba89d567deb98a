#include "hoist_test.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

extern const hoist_route words_route, reverse_words_route;

static hoist_test *words, *reverse_words;

static void set_up(void)
{
    words = hoist_test_new(&words_route);
    reverse_words = hoist_test_new(&reverse_words_route);
}

static void tear_down(void)
{
    hoist_test_free(words);
    hoist_test_free(reverse_words);
}

TestSuite(relic, .init = set_up, .fini = tear_down);

Test(relic, puts_one_space_between_words)
{
    const hoist_test_reply *reply = hoist_test_get(words, "/words?text=%20to++be%0Aor%09not+");

    cr_assert_eq(reply->status, 200);
    cr_assert_str_eq(reply->body, "to be or not");
}

Test(relic, turns_the_words_round)
{
    const hoist_test_reply *reply = hoist_test_get(reverse_words, "/reverse-words?text=to+be+or+not");

    cr_assert_eq(reply->status, 200);
    cr_assert_str_eq(reply->body, "not or be to");
}

Test(relic, keeps_an_answer_when_the_next_one_overwrites_it)
{
    const hoist_test_reply *first = hoist_test_get(words, "/words?text=first");
    const hoist_test_reply *second = hoist_test_get(words, "/words?text=second");

    cr_assert_str_eq(first->body, "first");
    cr_assert_str_eq(second->body, "second");
}

Test(relic, answers_no_words_with_none)
{
    cr_expect_str_eq(hoist_test_get(words, "/words?text=")->body, "");
    cr_expect_str_eq(hoist_test_get(reverse_words, "/reverse-words?text=++")->body, "");
}

Test(relic, takes_as_much_text_as_its_buffer_and_no_more)
{
    char target[5000] = "/words?text=";
    size_t prefix = strlen(target);

    memset(target + prefix, 'x', 4096);
    cr_expect_eq(hoist_test_get(words, target)->status, 400);
    target[prefix + 4095] = '\0';
    cr_expect_eq(hoist_test_get(words, target)->body_len, 4095);
}

Test(relic, refuses_to_work_without_a_text)
{
    cr_expect_eq(hoist_test_get(words, "/words")->status, 400);
    cr_expect_eq(hoist_test_get(reverse_words, "/reverse-words?txt=x")->status, 400);
}

Test(relic, has_one_lane_for_both_routes_and_one_call_at_a_time)
{
    cr_assert_str_eq(words_route.lane, reverse_words_route.lane);
    cr_assert_eq(words_route.max_concurrency, 1);
    cr_assert_eq(reverse_words_route.max_concurrency, 1);
}
