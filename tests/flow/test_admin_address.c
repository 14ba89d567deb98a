/* Where the admin listener is, for whom it answers there, and what an address that it cannot have says. */
#include "lib/app_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct app_fixture f;
static struct wire w;

static int quick(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "quick");
}

static const hoist_route route = {.path = "/quick", .handler = quick};

static void open_app(void)
{
    app_fixture_serve(&f, &(hoist_config){.workers = 1, .admin = "127.0.0.1:0"}, &route, 1);
}

static void close_app(void)
{
    app_fixture_close(&f);
}

TestSuite(admin_address, .init = open_app, .fini = close_app, .timeout = 60);

static unsigned status_for(const char *host)
{
    char text[256];
    unsigned status;

    wire_open_on(&w, &f, &f.app->admin.server);
    (void)snprintf(text, sizeof(text), "GET /live HTTP/1.1\r\nHost: %s\r\n\r\n", host);
    wire_send(&w, text);
    status = (unsigned)wire_answer(&w, 0)->status;
    wire_close(&w);
    return status;
}

Test(admin_address, answers_for_every_address_when_it_listens_on_all)
{
    static const char *const all[] = {"0.0.0.0", "::"};

    cr_expect_eq(status_for("192.0.2.1"), 403);
    for (size_t i = 0; i < 2; i++) {
        strcpy(f.app->admin.address.host, all[i]);
        cr_expect_eq(status_for("192.0.2.1:8001"), 200);
        cr_expect_eq(status_for("[2001:db8::1]"), 200);
        cr_expect_eq(status_for("example.org"), 403);
    }
}

Test(admin_address, answers_for_the_address_that_it_listens_on)
{
    strcpy(f.app->admin.address.host, "2001:db8::a");
    cr_expect_eq(status_for("[2001:db8::a]:8001"), 200);
    cr_expect_eq(status_for("[2001:DB8::A]"), 200);
    cr_expect_eq(status_for("[2001:db8::b]"), 403);
    strcpy(f.app->admin.address.host, "192.0.2.1");
    cr_expect_eq(status_for("192.0.2.1:8001"), 200);
    cr_expect_eq(status_for("192.0.2.10"), 403);
}

Test(admin_address, answers_for_no_name_that_is_longer_than_an_address)
{
    const size_t longest = sizeof(f.app->admin.address.host);
    char host[128];

    memset(host, '1', sizeof(host));
    for (size_t len = longest - 1; len <= longest + 1; len++) {
        host[len] = '\0';
        cr_expect_eq(status_for(host), 403, "%zu bytes", len);
        host[len] = '1';
    }
}

Test(admin_address, a_port_that_is_taken_is_a_clear_error)
{
    char text[64];
    hoist_app *app;

    (void)listener_text(&f.app->admin.listener, text, sizeof(text));
    cr_assert_eq(hoist_app_new(&app, &(hoist_config){.workers = 1, .admin = text}), 0);
    cr_assert_eq(hoist_app_route(app, &route), 0);
    cr_assert_eq(hoist_app_route(app, &route), -EEXIST); /* whose line is not the next one's */

    cr_expect_eq(hoist_app_listen(app), -EADDRINUSE);
    cr_expect_not_null(strstr(hoist_app_error(app), "admin: cannot listen on 127.0.0.1:"), "%s", hoist_app_error(app));
    cr_expect_not_null(strstr(hoist_app_error(app), "; another address will do, or \"off\""));
    cr_expect_eq(hoist_app_free(app), 0);
    cr_assert_eq(hoist_app_new(&app, &(hoist_config){.workers = 1, .admin = "here"}), 0);
    cr_expect_eq(hoist_app_listen(app), -EINVAL);
    cr_expect_str_eq(hoist_app_error(app), "admin: 'here' is not HOST:PORT or unix:PATH");
    cr_expect_eq(hoist_app_free(app), 0);
}

Test(admin_address, a_file_in_the_place_of_its_socket_is_a_clear_error)
{
    static const char unix_scheme[] = "unix:";
    char address[] = "unix:/tmp/hoist-test-XXXXXX";
    char *path = address + strlen(unix_scheme);
    int fd = mkstemp(path);
    hoist_app *app;

    cr_assert_geq(fd, 0);
    cr_assert_eq(hoist_app_new(&app, &(hoist_config){.workers = 1, .admin = address}), 0);
    cr_expect_eq(hoist_app_listen(app), -EEXIST);

    cr_expect_not_null(strstr(hoist_app_error(app), ": a file that is no socket is there"), "%s", hoist_app_error(app));
    cr_expect_eq(hoist_app_free(app), 0);
    cr_expect_eq(unlink(path), 0);
    close(fd);
}
