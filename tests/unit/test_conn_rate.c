/* How fast a body must come, and a reply be taken, to be waited for; in a drain, too. */
#include "lib/conn_fixture.h"
#include "server/server.h"

#include <string.h>

TestSuite(conn_rate, .fini = conn_fixture_close, .timeout = 20);

Test(conn_rate, waits_for_a_body_that_comes_fast_enough)
{
    char piece[501] = "";

    memset(piece, 'x', 500);
    conn_fixture_open(&(hoist_config){.body_timeout_ms = 1000});
    wire_send(&w, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1500\r\n\r\n");
    for (unsigned i = 0; i < 2; i++) {
        wire_send(&w, piece);
        conn_hurry_and_pass();
        cr_expect_eq(w.out_len, 0);
    }
    wire_send(&w, piece + 1);
    conn_hurry_and_pass();

    cr_expect_eq(wire_answers(&w), 1, "at once, not after another second");
    wire_expect_last(&w, 0, 408);
}

Test(conn_rate, resets_a_client_that_takes_nothing_of_its_answer)
{
    conn_fixture_open(&(hoist_config){.write_timeout_ms = 1});
    w.room = 10;
    wire_send(&w, GET("/give"));

    wire_run_until_closed(&w);
    cr_expect(w.is_reset);
    cr_expect_eq(conn_freed, 1);
}

Test(conn_rate, waits_for_a_client_that_takes_its_answer_fast_enough)
{
    conn_fixture_open(&(hoist_config){.write_timeout_ms = 1000});
    w.room = 0;
    wire_send(&w, GET("/big"));
    for (unsigned i = 0; i < 2; i++) {
        wire_take(&w, 500);
        conn_hurry_and_pass();
        cr_expect_not(w.is_closing);
    }
    wire_take(&w, 499);
    conn_hurry_and_pass();

    cr_expect(w.is_reset);
}

/* Its end may be less than what it must take. */
Test(conn_rate, waits_for_the_end_of_an_answer)
{
    conn_fixture_open(&(hoist_config){.write_timeout_ms = 1000});
    w.room = 0;
    wire_send(&w, GET("/big"));
    wire_take(&w, w.queued_len - 10);
    conn_hurry_and_pass();
    cr_expect_not(w.is_closing);
    wire_take(&w, 10);

    cr_expect_eq(wire_answer(&w, 0)->body_len, BIG);
}

/* A Unix socket counts more than the bytes that it holds. */
Test(conn_rate, takes_more_unsent_than_before_for_nothing)
{
    conn_fixture_open(&(hoist_config){.write_timeout_ms = 1000});
    w.room = 0;
    wire_send(&w, GET("/big"));
    w.queued_len++;
    conn_hurry_and_pass();

    cr_expect(w.is_reset);
}
