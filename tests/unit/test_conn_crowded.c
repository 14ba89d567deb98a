/* While a client waits for a place: which answer of a connection is its last one. */
#include "lib/conn_fixture.h"
#include "server/server.h"

static char value[16];

static void open_crowded(void)
{
    conn_fixture_open_plain();
    f.app->server.is_crowded = true;
}

TestSuite(conn_crowded, .init = open_crowded, .fini = conn_fixture_close, .timeout = 20);

static bool says_close(struct wire *wire, unsigned n)
{
    return answer_field(wire_answer(wire, n), "Connection", value, sizeof(value)) != NULL;
}

Test(conn_crowded, answers_what_is_pipelined_before_it_tells)
{
    wire_send(&w, GET("/say/x") GET("/say/x"));

    cr_expect_eq(wire_answers(&w), 2);
    cr_expect_not(says_close(&w, 0));
    cr_expect(says_close(&w, 1));
    cr_expect_not(f.app->server.is_crowded, "one is enough for one");
}

/* One read takes 64 KiB. */
Test(conn_crowded, answers_what_is_not_read_yet_before_it_tells)
{
    static const char rest[] = GET("/say/x");

    w.unread = sizeof(rest) - 1;
    wire_send(&w, GET("/say/x"));
    w.unread = 0;
    wire_send(&w, rest);

    cr_expect_not(says_close(&w, 0));
    cr_expect(says_close(&w, 1));
}

/* Else as many of those as there may be would keep all others out. */
Test(conn_crowded, tells_a_client_that_always_has_more_on_its_way)
{
    wire_send(&w, GET("/say/x") "GET");
    wire_send(&w, " /say/x HTTP/1.1\r\nHost: t\r\n\r\nGET");

    cr_expect_not(says_close(&w, 0));
    cr_expect(says_close(&w, 1));
}

Test(conn_crowded, tells_only_the_first_that_has_answered_all)
{
    static struct wire fast;

    wire_open(&fast, &f);
    wire_send(&w, GET("/say/x") "GET");
    wire_send(&fast, GET("/say/x"));
    wire_send(&w, " /say/x HTTP/1.1\r\nHost: t\r\n\r\n");
    cr_expect(says_close(&fast, 0));
    cr_expect_not(says_close(&w, 1));

    f.app->server.is_crowded = true;
    wire_send(&w, GET("/say/x") GET("/say/x"));
    cr_expect_not(says_close(&w, 2));
    cr_expect(says_close(&w, 3));
    wire_close(&fast);
}

Test(conn_crowded, answers_at_the_stop_what_came_since_a_client_waited)
{
    wire_send(&w, GET("/say/x") "GET");
    server_begin_drain(&f.app->server);
    wire_send(&w, " /say/x HTTP/1.1\r\nHost: t\r\n\r\n" GET("/say/x"));

    cr_expect_not(says_close(&w, 1));
    cr_expect(says_close(&w, 2));
}
