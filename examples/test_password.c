#include "hoist_test.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

extern const hoist_route hash_route, verify_route;

static hoist_test *hash, *verify;

static void set_up(void)
{
    hash = hoist_test_new(&hash_route);
    verify = hoist_test_new(&verify_route);
}

static void tear_down(void)
{
    hoist_test_free(hash);
    hoist_test_free(verify);
}

TestSuite(password, .init = set_up, .fini = tear_down);

static const hoist_test_reply *post(hoist_test *t, const char *target, const char *text)
{
    return hoist_test_post(t, target, text, strlen(text));
}

/* The hash of the cheapest kind, without its JSON. */
static void make_hash(const char *password, char made[400])
{
    const hoist_test_reply *reply = post(hash, "/hash?cost=1", password);

    cr_assert_eq(reply->status, 200, "%s", reply->body);
    cr_assert_eq(sscanf(reply->body, "{\"hash\":\"%399[^\"]\"}", made), 1, "%s", reply->body);
}

static const hoist_test_reply *try_password(const char *made, const char *password)
{
    char body[1000];

    (void)snprintf(body, sizeof(body), "%s\n%s", made, password);
    return post(verify, "/verify", body);
}

Test(password, verifies_what_it_hashed)
{
    char made[400];

    make_hash("correct horse", made);

    cr_expect_str_eq(try_password(made, "correct horse")->body, "{\"match\":true}");
    cr_expect_str_eq(try_password(made, "correct horses")->body, "{\"match\":false}");
    cr_expect_str_eq(try_password(made, "")->body, "{\"match\":false}");
}

Test(password, salts_each_hash)
{
    char one[400], other[400];

    make_hash("secret", one);
    make_hash("secret", other);

    cr_assert_str_neq(one, other);
}

Test(password, takes_a_hash_that_somebody_else_made)
{
    cr_assert_str_eq(
        try_password("$y$j75$k2XAnEHBqQ1Ct2aMXFKNa/$Tg4ZRR7tz/WRlmYbADZh9OJYakPewgSPQqW55EXAJ14", "secret")->body,
        "{\"match\":true}");
}

Test(password, bounds_the_cost)
{
    cr_expect_eq(post(hash, "/hash?cost=0", "secret")->status, 400);
    cr_expect_eq(post(hash, "/hash?cost=8", "secret")->status, 400);
    cr_expect_eq(post(hash, "/hash?cost=", "secret")->status, 400);
    cr_expect_eq(post(hash, "/hash?cost=7", "secret")->status, 200);
}

Test(password, refuses_a_hash_that_costs_more_than_its_own)
{
    static const char *const hashes[] = {
        "$y$jFT$k2XAnEHBqQ1Ct2aMXFKNa/$wlUhTDUqAryQnsZkFoU5UZ6UStBlZ4Z8j4gtdFPQVn4",
        "$y$jCT$k2XAnEHBqQ1Ct2aMXFKNa/$wlUhTDUqAryQnsZkFoU5UZ6UStBlZ4Z8j4gtdFPQVn4",
        "$6$rounds=999999999$salt$x",
        "$1$salt$x",
        "$y$",
        "",
    };

    for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
        cr_expect_eq(try_password(hashes[i], "secret")->status, 400, "%s", hashes[i]);
}

Test(password, refuses_a_hash_with_a_bad_salt)
{
    cr_expect_eq(try_password("$y$j9T$\xff\xff", "secret")->status, 400);
}

Test(password, refuses_bodies_of_another_form)
{
    static const char with_nul[] = "$y$j75$k2XAnEHBqQ1Ct2aMXFKNa/$\nsec\0ret";
    char long_line[600];

    memset(long_line, '$', sizeof(long_line) - 1);
    long_line[sizeof(long_line) - 1] = '\0';
    cr_expect_eq(hoist_test_post(hash, "/hash", NULL, 0)->status, 400);
    cr_expect_eq(hoist_test_post(hash, "/hash", "a\0b", 3)->status, 400);
    cr_expect_eq(hoist_test_post(verify, "/verify", NULL, 0)->status, 400);
    cr_expect_eq(post(verify, "/verify", "no second line")->status, 400);
    cr_expect_eq(try_password(long_line, "secret")->status, 400);
    cr_expect_eq(hoist_test_post(verify, "/verify", with_nul, sizeof(with_nul) - 1)->status, 400);
}

Test(password, takes_passwords_up_to_crypts_limit)
{
    char password[512], made[400];

    memset(password, 'x', sizeof(password));
    cr_expect_eq(hoist_test_post(hash, "/hash?cost=1", password, 512)->status, 413);
    password[511] = '\0';
    make_hash(password, made);
    cr_expect_str_eq(try_password(made, password)->body, "{\"match\":true}");
    cr_expect_str_eq(try_password(made, password + 1)->body, "{\"match\":false}");
}

/* A short hash leaves room for it in max_body. */
Test(password, refuses_to_verify_a_longer_password)
{
    char password[513], made[400];
    const hoist_test_reply *reply;

    make_hash("secret", made);
    memset(password, 'x', sizeof(password) - 1);
    password[512] = '\0';

    reply = try_password(made, password);
    cr_expect_eq(reply->status, 400);
    cr_expect_str_eq(reply->body, "{\"error\":\"a password has at most 511 bytes\"}");
}
