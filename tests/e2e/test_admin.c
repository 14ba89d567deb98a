/* The admin listener of the built program: what it tells, who may ask, and what it changes. */
#include "lib/client.h"
#include "lib/process.h"
#include "lib/wait.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct process server;

static void close_all(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(admin, .fini = close_all, .timeout = 60);

/* request: method and target. */
static const struct response *ask(const char *request, const char *fields)
{
    struct client *client = client_open_admin(&server);
    const struct response *response;
    char text[512];

    (void)snprintf(text, sizeof(text), "%s HTTP/1.1\r\n%s\r\n", request, fields);
    client_send(client, text);
    response = client_receive(client);
    client_close(client);
    return response;
}

static const struct response *get(const char *target)
{
    char request[128];

    (void)snprintf(request, sizeof(request), "GET %s", target);
    return ask(request, "Host: localhost\r\n");
}

/* Of an answer that has no length: an HTTP/1.0 client gets it without chunks. */
static const struct response *get_stream(const char *target)
{
    struct client *client = client_open_admin(&server);
    char text[128];

    (void)snprintf(text, sizeof(text), "GET %s HTTP/1.0\r\n\r\n", target);
    client_send(client, text);
    return client_receive(client);
}

static bool says(const struct response *response, const char *text)
{
    return strstr(response->body, text) != NULL;
}

Test(admin, tells_its_health)
{
    process_start(&server, "--workers", "2");

    cr_expect_str_eq(get("/live")->body, "{\"live\":true}");
    cr_expect_str_eq(get("/ready")->body, "{\"ready\":true}");
}

Test(admin, serves_the_dashboard_and_forbids_it_all_that_is_not_its_own)
{
    const struct response *page;

    process_start(&server, "--workers", "1");
    page = get("/");

    cr_expect_eq(page->status, 200);
    cr_expect(says(page, "<!DOCTYPE html>"));
    cr_expect(says(page, "</html>"));
    cr_expect_not_null(strstr(page->head, "\r\nContent-Security-Policy: default-src 'none'; style-src 'sha256-"));
}

static const char *const paths[] = {"/live", "/ready", "/stats", "/metrics", "/trace", "/spans", "/events"};
enum { PATHS = sizeof(paths) / sizeof(paths[0]) };

Test(admin, lets_no_browser_keep_what_it_tells_or_guess_its_type)
{
    const struct response *response;
    struct client *client;

    process_start(&server, "--workers", "1");
    for (size_t i = 0; i < PATHS; i++) {
        char request[128];

        client = client_open_admin(&server);
        (void)snprintf(request, sizeof(request), "HEAD %s HTTP/1.1\r\nHost: localhost\r\n\r\n", paths[i]);
        client_send(client, request);
        response = client_receive_head(client);
        cr_expect_str_eq(response_field(response, "Cache-Control"), "no-store", "%s", paths[i]);
        cr_expect_str_eq(response_field(response, "X-Content-Type-Options"), "nosniff", "%s", paths[i]);
        client_close(client);
    }
}

/* Whoever looks on every second would fill it. */
Test(admin, leaves_what_it_is_asked_out_of_the_access_log)
{
    unsigned n = 0;

    process_start(&server, "--workers", "1", "--access-log", "-");
    get("/live");
    client_fence(&server);
    process_signal(&server, SIGTERM);
    while (process_line(&server) != NULL) {
        cr_expect_null(strstr(server.line, "/live"), "%s", server.line);
        n += strstr(server.line, "HTTP/1.1\" 200 ") != NULL;
    }

    cr_expect_eq(process_wait(&server), 0);
    cr_expect_eq(n, 1);
}

Test(admin, is_not_to_be_found_on_the_data_listener)
{
    struct client *client;

    process_start(&server, "--workers", "1");
    client = client_open(&server);
    for (size_t i = 0; i < PATHS; i++) {
        client_get(client, paths[i]);
        cr_expect_eq(client_receive(client)->status, 404, "%s", paths[i]);
    }
}

Test(admin, answers_only_for_loopback_and_itself)
{
    static const struct {
        const char *fields;
        int status;
    } rows[] = {
        {"Host: localhost\r\n", 200},
        {"Host: LOCALHOST:1\r\n", 200},
        {"Host: 127.0.0.1:8001\r\n", 200},
        {"Host: 127.1.2.3\r\n", 200},
        {"Host: [::1]:8001\r\n", 200},
        {"Host: [::1]\r\n", 200},
        {"Host: example.org\r\n", 403},
        {"Host: 127.0.0.1.example.org\r\n", 403},
        {"Host: localhost.example.org:8001\r\n", 403},
        {"Host: 192.0.2.1\r\n", 403},
        {"Host: [2001:db8::1]:8001\r\n", 403},
        {"Host: localhost\r\nOrigin: http://localhost\r\n", 200},
        {"Host: localhost:1\r\nOrigin: http://localhost:1\r\n", 200},
        {"Host: localhost\r\nOrigin: http://example.org\r\n", 403},
        {"Host: localhost\r\nOrigin: https://localhost\r\n", 403},
        {"Host: localhost:80\r\nOrigin: http://localhost:8001\r\n", 403},
        {"Host: localhost\r\nOrigin: http://localhost.example.org\r\n", 403},
        {"Host: localhost\r\nOrigin: null\r\n", 403},
        {"Host: localhost\r\nSec-Fetch-Site: none\r\nSec-Fetch-Dest: document\r\n", 200},
        {"Host: localhost\r\nSec-Fetch-Site: none\r\nSec-Fetch-Dest: empty\r\n", 200}, /* an extension of the browser */
        {"Host: localhost\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: empty\r\n", 200},
        {"Host: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: document\r\n", 200}, /* a link */
        {"Host: localhost\r\nSec-Fetch-Site: same-site\r\nSec-Fetch-Dest: document\r\n", 200},
        {"Host: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: image\r\n", 403},
        {"Host: localhost\r\nSec-Fetch-Site: same-site\r\nSec-Fetch-Dest: empty\r\n", 403},
        {"Host: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: iframe\r\n", 403},
        {"Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", 403},
    };

    process_start(&server, "--workers", "1");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct response *response = ask("GET /stats", rows[i].fields);
        bool is_last = response_field(response, "Connection") != NULL;

        cr_expect_eq(response->status, rows[i].status, "%s", rows[i].fields);
        cr_expect_eq(is_last, rows[i].status == 403, "%s: a stranger keeps no place", rows[i].fields);
    }
    /* RFC 9112, section 3.2.2 */
    cr_expect_eq(ask("GET http://example.org/stats", "Host: localhost\r\n")->status, 403);
    cr_expect_eq(ask("GET http://localhost:1/stats", "Host: example.org\r\n")->status, 200);
    cr_expect_eq(ask("GET http://localhost/stats", "Host: example.org\r\n")->status, 200);
}

Test(admin, changes_nothing_by_get)
{
    process_start(&server, "--workers", "1", "--workers-max", "4");

    cr_expect_eq(get("/workers?n=3")->status, 405);
    cr_expect_eq(get("/requests?path=/dummy")->status, 405);
    cr_expect(says(get("/stats"), "\"workers\":1,\"workers_max\":4"));
}

Test(admin, changes_the_number_of_workers_within_its_range)
{
    process_start(&server, "--workers", "1", "--workers-max", "4");

    cr_expect_str_eq(ask("PUT /workers?n=4", "Host: localhost\r\n")->body, "{\"workers\":4}");
    cr_expect(says(get("/stats"), "\"workers\":4"));
    cr_expect_str_eq(ask("PUT /workers?n=5", "Host: localhost\r\n")->body,
                     "{\"error\":\"n: '5' is not a number from 1 to 4\"}");
    cr_expect_eq(ask("PUT /workers?n=0", "Host: localhost\r\n")->status, 400);
    cr_expect_eq(ask("PUT /workers", "Host: localhost\r\n")->status, 400);
    cr_expect_str_eq(ask("PUT /workers?n=4", "Host: localhost\r\nContent-Length: 2\r\n\r\n{}")->body,
                     "{\"workers\":4}");
    cr_expect(says(get("/stats"), "\"workers\":4"));
}

Test(admin, logs_a_change_of_the_number_of_workers)
{
    process_start(&server, "--workers", "1", "--workers-max", "4");
    ask("PUT /workers?n=3", "Host: localhost\r\n");

    process_expect_said(&server, "workers: 3, by the admin listener");
}

Test(admin, has_no_workers_to_change_under_the_inline_executor)
{
    process_start(&server, "--executor", "inline");

    cr_expect_eq(ask("PUT /workers?n=1", "Host: localhost\r\n")->status, 409);
}

/* Turns to the server until it says so; the suite's time bounds that. */
static void await(const char *target, const char *text)
{
    while (!says(get(target), text))
        ;
}

Test(admin, tells_what_runs_handlers_for_how_long_and_how_many_connections_came)
{
    uint64_t begun_ns = wait_clock_ns();
    unsigned long long received, sent;
    double uptime_s = -1;
    const char *body;

    process_start(&server, "--executor", "inline");
    for (unsigned i = 0; i < 3; i++)
        client_expect(&server, "/dummy", 200, "");
    await("/stats", "\"connections\":{\"open\":0,\"accepted\":3,");
    body = get("/stats")->body;

    cr_expect_not_null(strstr(body, "\"executor\":\"inline\""), "%s", body);
    cr_assert_eq(sscanf(strstr(body, "\"uptime_s\":"), "\"uptime_s\":%lf", &uptime_s), 1, "%s", body);
    cr_expect(uptime_s > 0 && uptime_s * 1e9 <= (double)(wait_clock_ns() - begun_ns), "%s", body);
    cr_assert_eq(sscanf(strstr(body, "\"bytes\":{"), "\"bytes\":{\"received\":%llu,\"sent\":%llu", &received, &sent), 2,
                 "%s", body);
    cr_expect_lt(received, sent, "an answer has more fields than a request here: %s", body);
}

Test(admin, lets_the_server_ask_itself)
{
    process_start(&server, "--workers", "2");

    cr_expect_str_eq(ask("POST /requests?path=/sleep/1&n=20", "Host: localhost\r\n")->body, "{\"requests\":20}");
    await("/stats", "\"admitted\":20,\"finished\":20");
    cr_expect_eq(ask("POST /requests?path=sleep", "Host: localhost\r\n")->status, 400);
    cr_expect_eq(ask("POST /requests?path=/a%0d%0ab", "Host: localhost\r\n")->status, 400);
    cr_expect_eq(ask("POST /requests?path=/dummy&n=1001", "Host: localhost\r\n")->status, 400);
}

Test(admin, tells_what_became_of_each_request)
{
    const char *row;
    unsigned n = 0;

    process_start(&server, "--workers", "1");
    ask("POST /requests?path=/sleep/1&n=3", "Host: localhost\r\n");
    await("/stats", "\"finished\":3");
    row = get_stream("/spans?seconds=60")->body;
    cr_expect_eq(strncmp(row, "id,method,route,run,seat,status,outcome,received_s,started_s,finished_s,cpu_s,", 78), 0);
    while ((row = strstr(row, ",GET,/sleep/:ms,offload,0,200,answered,")) != NULL) {
        n++;
        row++;
    }
    cr_expect_eq(n, 3);
}

/* Brackets and quotes fit together. */
static bool is_closed_json(const char *text)
{
    char open[64];
    unsigned depth = 0;
    bool in_string = false;

    for (; *text != '\0'; text++) {
        if (in_string) {
            if (*text == '\\')
                text++;
            else
                in_string = *text != '"';
        } else if (*text == '"') {
            in_string = true;
        } else if (*text == '{' || *text == '[') {
            open[depth++ % sizeof(open)] = *text == '{' ? '}' : ']';
        } else if (*text == '}' || *text == ']') {
            if (depth == 0 || open[--depth % sizeof(open)] != *text)
                return false;
        }
    }
    return depth == 0 && !in_string;
}

Test(admin, its_json_is_whole)
{
    process_start(&server, "--workers", "3");
    ask("POST /requests?path=/sleep/1&n=500", "Host: localhost\r\n");
    await("/stats", "\"waiting\":0");

    cr_expect(is_closed_json(get("/stats")->body));
    cr_expect(is_closed_json(get_stream("/trace?seconds=60")->body));
}

Test(admin, a_trace_has_a_track_for_each_worker_and_a_bar_for_each_run)
{
    const struct response *trace;
    struct client *held[2];

    process_start(&server, "--workers", "2", "--access-log", "-");
    for (unsigned i = 0; i < 2; i++)
        held[i] = client_hold_worker(&server, i + 1);
    for (unsigned i = 0; i < 2; i++)
        client_reset(held[i]);
    await("/stats", "\"finished\":2");
    trace = get_stream("/trace");

    cr_expect(says(trace, "{\"name\":\"worker 1\"}"));
    cr_expect(says(trace, "\"ph\":\"X\",\"cat\":\"run\",\"pid\":1,\"tid\":2,\"name\":\"/sleep/:ms\""));
    cr_expect(says(trace, "\"ph\":\"b\",\"cat\":\"wait\""));
    cr_expect(says(trace, "\"ph\":\"C\",\"pid\":1,\"name\":\"jobs\""));
}

Test(admin, events_come_while_somebody_listens)
{
    struct client *client;

    process_start(&server, "--workers", "1");
    client = client_open_admin(&server);
    client_send(client, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_await(client, "data: {\"t\":");
    client_ask(&server, "/sleep/1");

    client_await(client, "\"path\":\"/sleep/:ms\",\"run\":\"offload\",\"waiting\":0,\"running\":0,\"abandoned\":0,"
                         "\"shed\":0,\"wait_s\":{\"count\":1,");
}

/* Of 64 connections half may be streams, which stay. */
Test(admin, tells_its_health_beside_all_the_streams_that_there_may_be)
{
    static const char request[] = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct client *client;

    process_start(&server, "--workers", "1");
    for (unsigned i = 0; i < 32; i++) {
        client = client_open_admin(&server);
        client_send(client, request);
        client_await(client, "data: {\"t\":");
    }

    cr_expect_eq(get("/events")->status, 503);
    cr_expect_eq(get("/live")->status, 200);
    client_close(client);
    client = client_open_admin(&server);
    client_send(client, request);
    client_await(client, "data: {\"t\":");
}

/* As many as there may be, and each of them used in time. */
Test(admin, serves_others_in_the_place_of_idle_connections)
{
    enum { PLACES = 64 };
    struct client *first = NULL;

    process_start(&server, "--workers", "1", PROCESS_PATIENT);
    for (unsigned i = 0; i <= PLACES; i++) {
        struct client *client = client_open_admin(&server);

        client_send(client, "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n");
        cr_assert_eq(client_receive(client)->status, 200, "client %u", i);
        if (i == 0)
            first = client;
    }
    cr_expect_eq(client_end(first), CLIENT_EOF);
}

/* Connections, memory, and what replies say. */
Test(admin, does_not_share_the_limits_of_the_data_listener)
{
    const struct response *response;
    struct client *client;

    process_start(&server, "--workers", "1", "--max-connections", "1", "--max-memory", "1", "--server-timing");
    client = client_open_admin(&server);
    client_send(client, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_await(client, "data: {\"t\":");
    response = get("/live");

    cr_expect_eq(response->status, 200);
    cr_expect_null(response_field(response, "Server-Timing"));
}

Test(admin, half_closed_by_its_client_a_stream_goes_on_if_it_is_to_finish)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--half-close", "finish");
    client = client_open_admin(&server);
    client_send(client, "GET /trace HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_half_close(client);

    client_await(client, "\r\n0\r\n\r\n");
    cr_expect_eq(client_end(client), CLIENT_BYTES);
}

Test(admin, says_that_it_is_not_ready_while_it_drains)
{
    const struct response *response;
    struct client *held;

    process_start(&server, "--workers", "1", "--access-log", "-");
    held = client_hold_worker(&server, 1);
    process_signal(&server, SIGTERM);
    client_await_refusal(&server);

    await("/ready", "draining");
    cr_expect_eq(get("/ready")->status, 503);
    cr_expect(says(get("/stats"), "\"ready\":false,\"draining\":true"));
    cr_expect_eq(get("/live")->status, 200);
    response = ask("POST /requests?path=/dummy", "Host: localhost\r\n");
    cr_expect_eq(response->status, 409);
    cr_expect(says(response, "draining"), "%s", response->body);
    client_reset(held);
    cr_expect_eq(process_wait(&server), 0);
}

Test(admin, says_that_it_is_not_ready_when_a_queue_stays_full)
{
    struct client *held;

    process_start(&server, "--workers", "1", "--queue", "1", "--ready-full-ms", "1", "--heavy-ms", "1", "--access-log",
                  "-");
    held = client_hold_worker(&server, 1);
    cr_expect_eq(get("/ready")->status, 200);
    ask("POST /requests?path=/&n=5", "Host: localhost\r\n");

    await("/ready", "the queue of / has been full for ");
    client_reset(held);
}

Test(admin, can_be_switched_off)
{
    process_start(&server, "--workers", "1", "--admin", "off");

    cr_expect_eq(server.admin_port, 0);
    cr_expect_eq(process_stop(&server), 0);
}
