/* What an event tells of a program with more or longer routes than it has room for. */
#include "lib/app_fixture.h"

#include <stdio.h>
#include <string.h>

enum { ROUTES = 100, PATH_BYTES = 800 };

static struct app_fixture f;
static struct wire w;
static char paths[ROUTES][PATH_BYTES + 8];

static int quick(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "quick");
}

/* The first event of an app with that many routes, whose paths have some more bytes than that. */
static void hear(unsigned n, unsigned path_bytes)
{
    hoist_route routes[ROUTES] = {{.path = NULL}};

    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "/%03u/%0*d", i, (int)path_bytes, 0);
        routes[i] = (hoist_route){.path = paths[i], .handler = quick};
    }
    app_fixture_serve(&f, &(hoist_config){.workers = 1, .admin = "127.0.0.1:0"}, routes, n);
    wire_open_on(&w, &f, &f.app->admin.server);
    wire_send(&w, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    LOOP_SPIN_UNTIL(&f.loop, memmem(w.out, w.out_len, "}\n\n", 3) != NULL || w.is_closed);
}

static bool says(const char *text)
{
    return memmem(w.out, w.out_len, text, strlen(text)) != NULL;
}

static void hang_up(void)
{
    wire_close(&w);
    app_fixture_close(&f);
}

Test(events, tells_the_first_routes_and_how_many_there_are, .timeout = 60)
{
    hear(ROUTES, 10);

    cr_expect(says("\"path\":\"/063"));
    cr_expect_not(says("\"path\":\"/064"));
    cr_expect(says("],\"n_routes\":100,"));
    hang_up();
}

Test(events, comes_however_long_the_paths_are, .timeout = 60)
{
    hear(64, PATH_BYTES);

    cr_expect(says("data: {\"t\":"));
    cr_expect(says("\"path\":\"/000"));
    cr_expect_not(says("\"path\":\"/063"));
    cr_expect(says("}],\"n_routes\":64,\"spans\":[],"));
    hang_up();
}
