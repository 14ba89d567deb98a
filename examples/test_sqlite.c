#include "hoist_test.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern const hoist_route get_note_route, search_notes_route, add_note_route;
extern const char *db_file;

static char folder[] = "/tmp/hoist-XXXXXX", file[64];
static hoist_test *get, *search, *add;

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(file, sizeof(file), "%s/notes.db", folder);
    db_file = file;
    get = hoist_test_new(&get_note_route);
    search = hoist_test_new(&search_notes_route);
    add = hoist_test_new(&add_note_route);
}

/* Whoever closes the last handle takes the log away: were one left open, the folder would not be empty. */
static void tear_down(void)
{
    hoist_test_free(get);
    hoist_test_free(search);
    hoist_test_free(add);
    cr_expect_eq(unlink(file), 0);
    cr_expect_eq(rmdir(folder), 0, "a handle was left open");
}

TestSuite(sqlite, .init = set_up, .fini = tear_down);

static const hoist_test_reply *add_note(const char *text)
{
    return hoist_test_post(add, "/notes", text, strlen(text));
}

Test(sqlite, gives_back_a_note)
{
    const hoist_test_reply *reply = add_note("it's \"milk\"; DROP TABLE notes");

    cr_assert_eq(reply->status, 201);
    cr_assert_str_eq(reply->body, "{\"id\":1}");
    reply = hoist_test_get(get, "/notes/1");
    cr_assert_eq(reply->status, 200);
    cr_assert_str_eq(reply->body, "{\"id\":1,\"text\":\"it's \\\"milk\\\"; DROP TABLE notes\"}");
    cr_assert_str_eq(hoist_test_reply_header(reply, "Content-Type"), "application/json");
}

Test(sqlite, gives_back_one_note_after_the_other)
{
    add_note("first");
    add_note("second");

    cr_expect_str_eq(hoist_test_get(get, "/notes/2")->body, "{\"id\":2,\"text\":\"second\"}");
    cr_expect_str_eq(hoist_test_get(get, "/notes/1")->body, "{\"id\":1,\"text\":\"first\"}");
    cr_expect_eq(hoist_test_get(get, "/notes/3")->status, 404);
    cr_expect_str_eq(hoist_test_get(get, "/notes/2")->body, "{\"id\":2,\"text\":\"second\"}");
}

Test(sqlite, has_no_note_that_was_not_made)
{
    const hoist_test_reply *reply = hoist_test_get(get, "/notes/7");

    cr_assert_eq(reply->status, 404);
    cr_assert_str_eq(reply->body, "{\"error\":\"no note 7\"}");
}

Test(sqlite, refuses_what_is_no_id)
{
    cr_expect_eq(hoist_test_get(get, "/notes/0")->status, 400);
    cr_expect_eq(hoist_test_get(get, "/notes/1%20OR%201=1")->status, 400);
    cr_expect_eq(hoist_test_get(get, "/notes/9223372036854775808")->status, 400);
}

Test(sqlite, finds_notes_by_a_pattern)
{
    add_note("buy milk");
    add_note("call Ada");
    add_note("milk again");

    cr_expect_str_eq(hoist_test_get(search, "/notes?like=%25milk%25")->body,
                     "[{\"id\":1,\"text\":\"buy milk\"},{\"id\":3,\"text\":\"milk again\"}]");
    cr_expect_str_eq(hoist_test_get(search, "/notes?like=call%20%25")->body, "[{\"id\":2,\"text\":\"call Ada\"}]");
    cr_expect_str_eq(hoist_test_get(search, "/notes?like=bread")->body, "[]");
}

Test(sqlite, gives_at_most_a_hundred)
{
    const char *body;
    unsigned rows = 0;

    for (unsigned i = 0; i < 101; i++)
        cr_assert_eq(add_note("x")->status, 201);
    body = hoist_test_get(search, "/notes?like=%25")->body;
    for (; (body = strstr(body, "\"id\"")) != NULL; body++)
        rows++;
    cr_assert_eq(rows, 100);
}

Test(sqlite, refuses_a_search_without_a_pattern_or_with_a_long_one)
{
    char target[200] = "/notes?like=";

    cr_expect_eq(hoist_test_get(search, "/notes")->status, 400);
    memset(target + strlen(target), 'x', 101);
    cr_expect_eq(hoist_test_get(search, target)->status, 400);
}

Test(sqlite, refuses_a_note_that_is_empty_long_or_no_text)
{
    static char text[4097];

    memset(text, 'x', sizeof(text));
    cr_expect_eq(hoist_test_post(add, "/notes", NULL, 0)->status, 400);
    cr_expect_eq(hoist_test_post(add, "/notes", "a\0b", 3)->status, 400);
    cr_expect_eq(hoist_test_post(add, "/notes", text, 4097)->status, 413);
    cr_expect_eq(hoist_test_post(add, "/notes", text, 4096)->status, 201);
}

static int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* For longer than the busy timeout: the client may try again, and reading goes on. */
Test(sqlite, is_busy_only_after_it_has_waited_for_another_process_that_writes)
{
    int64_t begun_ms = clock_ms();
    sqlite3 *other;

    cr_assert_eq(add_note("before")->status, 201);
    cr_assert_eq(sqlite3_open(file, &other), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);

    cr_expect_eq(add_note("meanwhile")->status, 503);
    cr_expect_geq(clock_ms() - begun_ms, 1000);
    cr_expect_eq(hoist_test_get(get, "/notes/1")->status, 200);
    sqlite3_close(other);
    cr_expect_eq(add_note("after")->status, 201);
}

Test(sqlite, does_not_start_without_its_file)
{
    db_file = "/no/such/folder/notes.db";
    hoist_test_free(get);
    hoist_test_free(search);
    hoist_test_free(add);
    get = search = add = NULL;

    cr_expect_null(hoist_test_new(&get_note_route));
    cr_expect_null(hoist_test_new(&add_note_route), "the first failure must leave nothing behind");
}

/* It would have had the first one's notes. */
Test(sqlite, does_not_start_with_another_file_for_another_route)
{
    const char *other_file = "/tmp/hoist-other.db";
    hoist_route other = search_notes_route;

    other.data = &other_file;
    cr_expect_null(hoist_test_new(&other));
    cr_expect_eq(add_note("still here")->status, 201);
}

/* As another program would. */
static void execute(const char *sql)
{
    sqlite3 *other;

    cr_assert_eq(sqlite3_open(file, &other), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(other, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
}

Test(sqlite, says_why_it_failed_and_not_where)
{
    const hoist_test_reply *reply;

    execute("DROP TABLE notes");
    reply = add_note("lost");
    cr_expect_eq(reply->status, 500);
    cr_expect_str_eq(reply->body, "{\"error\":\"no such table: notes\"}");
}

/* It has no other end. A client that has left is not an error of the program's. */
Test(sqlite, ends_a_search_that_nobody_waits_for)
{
    char said[200] = "";
    FILE *log = tmpfile();

    cr_assert_not_null(log);
    execute("DROP TABLE notes");
    execute("CREATE VIEW notes AS WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i)"
            "SELECT n AS id, 'x' AS text FROM i");
    dup2(fileno(log), STDERR_FILENO);
    hoist_test_cancel(search);
    cr_expect_eq(hoist_test_get(search, "/notes?like=y")->status, 0);
    rewind(log);
    cr_expect_null(fgets(said, sizeof(said), log), "%s", said);
    fclose(log);
}
