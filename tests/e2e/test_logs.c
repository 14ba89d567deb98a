/* The logs of the program as a whole: a sink that is slow, full or moved away costs lines, never answers. */
#include "hoist.h"
#include "lib/client.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NARROW = 4096, PADDING = 900, ROUNDS = 20, ROUND = 50 };

static struct process server;
static char folder[32], access_path[64], moved_path[64];

static void make_folder(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/hoist-logs-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(access_path, sizeof(access_path), "%s/access", folder);
    (void)snprintf(moved_path, sizeof(moved_path), "%s/moved", folder);
}

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
    unlink(access_path);
    unlink(moved_path);
    rmdir(folder);
}

TestSuite(logs, .init = make_folder, .fini = tear_down);

/* Requests with long lines in the log, pipelined, a thousand in all: several times what the log and a narrow pipe hold.
 * All must be answered. */
static void ask_a_thousand_times(void)
{
    struct client *client = client_open(&server);
    char request[PADDING + 64];

    (void)snprintf(request, sizeof(request), "GET /dummy?%0*d HTTP/1.1\r\nHost: h\r\n\r\n", PADDING, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        for (unsigned j = 0; j < ROUND; j++)
            client_send(client, request);
        for (unsigned j = 0; j < ROUND; j++)
            cr_assert_eq(client_receive(client)->status, 200);
    }
    client_close(client);
}

Test(logs, tell_at_the_level_of_debug_why_a_request_was_refused)
{
    static const char *const levels[] = {"info", "debug"};
    static const char why[] = " debug refused 127.0.0.1 with 400: no Host\n";
    struct client *client;

    for (size_t i = 0; i < 2; i++) {
        process_start(&server, "--workers", "1", "--log-level", levels[i]);
        client = client_open(&server);
        client_send(client, "GET /dummy HTTP/1.1\r\n\r\n");
        cr_expect_eq(client_receive(client)->status, 400);
        cr_expect_eq(process_stop(&server), 0);
        cr_expect_eq(strstr(process_errors(&server), why) != NULL, i == 1, "%s", server.err_text);
    }
}

/* How many lines the error log says were lost in all. */
static unsigned lines_lost(void)
{
    const char *at = process_errors(&server);
    unsigned n, lost = 0;

    while ((at = strstr(at, "access log: ")) != NULL)
        lost += sscanf(at++, "access log: %u lines lost", &n) == 1 ? n : 0;
    return lost;
}

static char *text_of(const char *path)
{
    static char text[PROCESS_TEXT];
    FILE *file = fopen(path, "r");

    text[file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0] = '\0';
    if (file != NULL)
        fclose(file);
    return text;
}

static unsigned count_lines(const char *text)
{
    unsigned n = 0;

    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

/* ---- slow ---- */

Test(logs, a_stdout_that_nobody_reads_costs_lines_and_no_answers)
{
    unsigned arrived = 0;

    process_start(&server, "--workers", "1", "--access-log", "-");
    cr_assert_geq(fcntl(server.out, F_SETPIPE_SZ, NARROW), NARROW);
    ask_a_thousand_times();
    cr_expect_eq(lines_lost(), 0, "nobody has read anything yet: %s", process_errors(&server));

    process_signal(&server, SIGTERM);
    while (process_line(&server) != NULL)
        arrived += strstr(server.line, "/dummy?0") != NULL;
    cr_expect_eq(process_wait(&server), 0);
    cr_expect_gt(arrived, 0);
    cr_expect_gt(lines_lost(), 0);
    cr_expect_eq(arrived + lines_lost(), (unsigned)ROUNDS * ROUND, "%u and %u", arrived, lines_lost());
}

Test(logs, a_fifo_that_nobody_reads_costs_lines_and_no_answers)
{
    int fd;

    cr_assert_eq(mkfifo(access_path, 0600), 0);
    fd = open(access_path, O_RDONLY | O_NONBLOCK);
    cr_assert_geq(fcntl(fd, F_SETPIPE_SZ, NARROW), NARROW);
    process_start(&server, "--workers", "1", "--access-log", access_path);
    ask_a_thousand_times();
    close(fd); /* now the writer fails: it must not end the program, nor hold up its stop */
    client_fence(&server);

    cr_expect_eq(process_stop(&server), 0);
    cr_expect_not_null(strstr(process_errors(&server), "access log: Broken pipe"), "%s", process_errors(&server));
}

Test(logs, a_fifo_without_a_reader_is_an_error_at_the_start)
{
    cr_assert_eq(mkfifo(access_path, 0600), 0);

    cr_expect_eq(process_run(&server, "--port", "0", "--access-log", access_path), 1);
    cr_expect_not_null(strstr(process_errors(&server), access_path), "%s", process_errors(&server));
}

/* ---- full, moved ---- */

Test(logs, a_full_disk_costs_lines_and_is_told_once)
{
    static const char note[] = "access log: No space left on device";
    const char *first;

    process_start(&server, "--workers", "1", "--access-log", "/dev/full");
    ask_a_thousand_times();

    cr_expect_eq(process_stop(&server), 0);
    first = strstr(process_errors(&server), note);
    cr_assert_not_null(first, "%s", process_errors(&server));
    cr_expect_null(strstr(first + strlen(note), note), "%s", process_errors(&server));
}

/* Also when the server was started with it blocked. */
Test(logs, sighup_opens_the_access_log_anew_and_loses_nothing)
{
    unsigned asked = 1;
    sigset_t hang_up;

    sigemptyset(&hang_up);
    sigaddset(&hang_up, SIGHUP);
    cr_assert_eq(sigprocmask(SIG_BLOCK, &hang_up, NULL), 0);
    process_start(&server, "--workers", "1", "--access-log", access_path);
    client_fence(&server);
    while (count_lines(text_of(access_path)) < asked)
        ;
    cr_assert_eq(rename(access_path, moved_path), 0);
    process_signal(&server, SIGHUP);
    for (; access(access_path, F_OK) != 0; asked++)
        client_fence(&server);
    client_fence(&server); /* the new file was there before its first line */
    asked++;

    cr_expect_eq(process_stop(&server), 0);
    cr_expect_gt(count_lines(text_of(access_path)), 0);
    cr_expect_eq(count_lines(text_of(access_path)) + count_lines(text_of(moved_path)), asked);
}

/* ---- what a line is ---- */

static const char *access_line(void)
{
    const char *line;

    do {
        line = process_line(&server);
        cr_assert_not_null(line);
    } while (strncmp(line, "admin on ", 9) == 0);
    return line;
}

/* The program's stderr is made to be what JOURNAL_STREAM says, as under systemd; it then fails to start. */
Test(logs, errors_for_the_journal_begin_with_their_priority)
{
    cr_expect_eq(process_run_script(&server, "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) "
                                             "exec \"$0\" --workers 1 --port 0 --admin off --host 192.0.2.1"),
                 1);

    cr_expect_eq(strncmp(process_errors(&server), "<3>cannot listen on 192.0.2.1", 29), 0, "%s",
                 process_errors(&server));
}

/* Else a line could be made to say what did not happen. */
Test(logs, a_target_cannot_end_its_quotes_nor_look_as_if_it_had_tried)
{
    struct client *client;
    const char *line;

    process_start(&server, "--workers", "1", "--access-log", "-");
    client = client_open(&server);
    client_send(client, "GET /dummy?\\x22\"x HTTP/1.1\r\nHost: h\r\n\r\n");
    cr_expect_eq(client_receive(client)->status, 200);
    line = access_line();

    cr_expect_not_null(strstr(line, " \"GET /dummy?\\x5Cx22\\x22x HTTP/1.1\" 200 "), "%s", line);
}

Test(logs, a_line_has_the_version_that_was_sent_and_a_target_that_is_cut)
{
    static char long_target[8000];
    const struct {
        const char *request, *part;
    } rows[] = {
        {"GET /dummy HTTP/1.0\r\n\r\n", " \"GET /dummy HTTP/1.0\" 200 "},
        {"GET /dummy?a HTTP/1.1\r\nHost: h\r\n\r\n", " \"GET /dummy?a HTTP/1.1\" 200 "},
        {long_target, "00000000 HTTP/1.1\" 200 "},
    };

    (void)snprintf(long_target, sizeof(long_target), "GET /dummy?%07000d HTTP/1.1\r\nHost: h\r\n\r\n", 0);
    process_start(&server, "--workers", "1", "--access-log", "-");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client *client = client_open(&server);
        const char *line;

        client_send(client, rows[i].request);
        cr_expect_eq(client_receive(client)->status, 200);
        client_close(client);
        line = access_line();
        cr_expect_not_null(strstr(line, rows[i].part), "row %zu: %s", i, line);
        cr_expect_lt(strlen(line), 2000, "row %zu: %zu bytes", i, strlen(line));
    }
}

/* Nothing is told of it that was not there, as in Apache's and nginx's logs. */
Test(logs, a_line_for_what_was_no_request_has_a_hyphen_in_its_place)
{
    static const struct {
        const char *bytes, *part;
    } rows[] = {
        {"\x16\x03\x01\x02\r\n\r\n", "] \"-\" 400 "},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "] \"-\" 505 "},
        {"GET /dummy HTTP/1.0\r\nno field\r\n\r\n", "] \"-\" 400 "},
        {"BREW /dummy HTTP/1.0\r\n\r\n", "] \"-\" 501 "},
    };

    process_start(&server, "--workers", "1", "--access-log", "-");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client *client = client_open(&server);
        const char *line;

        client_send(client, rows[i].bytes);
        client_receive(client);
        client_close(client);
        line = access_line();
        cr_expect_not_null(strstr(line, rows[i].part), "row %zu: %s", i, line);
    }
}

static int say_status(hoist_req *req, hoist_res *res)
{
    long status;
    int err = hoist_req_long(req, "status", 200, 399, &status);

    return err < 0 ? err : hoist_reply_text(res, (int)status, "body");
}

static const hoist_route say = {.path = "/say/:status", .handler = say_status, .run = HOIST_INLINE};
static const hoist_program program = {
    .name = "say", .version = "1", .routes = (const hoist_route *const[]){&say, NULL}};

Test(logs, a_line_has_the_bytes_of_a_body_that_were_sent_and_no_others)
{
    static const struct {
        const char *request, *common, *json;
    } rows[] = {
        {"GET /say/200 HTTP/1.1\r\nHost: h\r\n\r\n", "\" 200 4 ", "\"status\":200,\"bytes\":4,"},
        {"HEAD /say/200 HTTP/1.1\r\nHost: h\r\n\r\n", "\" 200 0 ", "\"status\":200,\"bytes\":0,"},
        {"GET /say/204 HTTP/1.1\r\nHost: h\r\n\r\n", "\" 204 0 ", "\"status\":204,\"bytes\":0,"},
        {"GET /say/304 HTTP/1.1\r\nHost: h\r\n\r\n", "\" 304 0 ", "\"status\":304,\"bytes\":0,"},
    };

    for (unsigned json = 0; json < 2; json++) {
        process_fork(&server, &program, NULL, "--access-log", "-", "--access-log-format", json ? "json" : "common");
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            struct client *client = client_open(&server);
            const char *line, *part = json ? rows[i].json : rows[i].common;

            client_send(client, rows[i].request);
            cr_expect_neq(client_receive_head(client)->status, 0);
            client_close(client);
            line = access_line();
            cr_expect_not_null(strstr(line, part), "no %s in %s", part, line);
        }
        cr_expect_eq(process_stop(&server), 0);
    }
}

/* Behind a JSON string's closing quote; NULL: it is none. */
static const char *skip_string(const char *at)
{
    if (*at++ != '"')
        return NULL;
    for (; *at != '"'; at++) {
        if ((unsigned char)*at < ' ')
            return NULL;
        if (*at == '\\' && strchr("\"\\/bfnrtu", *++at) == NULL)
            return NULL;
    }
    return at + 1;
}

/* A flat object of strings, numbers and nulls, and nothing behind it. */
static bool is_json_object(const char *at)
{
    for (char before = '{'; *at == before; before = ',') {
        at = skip_string(at + 1);
        if (at == NULL || *at++ != ':')
            return false;
        if (*at == '"')
            at = skip_string(at);
        else if (strncmp(at, "null", 4) == 0)
            at += 4;
        else
            at += strspn(at, "0123456789.");
        if (at == NULL)
            return false;
    }
    return strcmp(at, "}") == 0;
}

Test(logs, a_json_line_is_json_whatever_a_client_sends)
{
    static char long_target[8000], quotes[8000];
    const struct {
        const char *request, *part;
    } rows[] = {
        {"GET /dummy?a=1 HTTP/1.1\r\nHost: h\r\n\r\n",
         "\"method\":\"GET\",\"target\":\"/dummy?a=1\",\"protocol\":\"HTTP/1.1\""},
        {"GET /sleep/0 HTTP/1.0\r\nHost: h\r\n\r\n", "\"route\":\"/sleep/:ms\""},
        {"GET /dummy HTTP/1.0\r\n\r\n", "\"target\":\"/dummy\",\"protocol\":\"HTTP/1.0\",\"status\":200"},
        {"GET /sleep/0 HTTP/1.1\r\nHost: h\r\n\r\n", "\"worker\":0,\"threads\":2,\"busy\":"},
        {"GET /dummy?\"\\ HTTP/1.1\r\nHost: h\r\n\r\n", "\"target\":\"/dummy?\\\"\\\\\""},
        {"GET /dummy HTTP/1.1\r\nHost: h\r\nUser-Agent: a\tb\"\\\xc3\xa9\xff\r\n\r\n",
         "\"user_agent\":\"a\\tb\\\"\\\\\xc3\xa9\xef\xbf\xbd\""},
        {"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n", "\"status\":404"},
        {"HEAD /dummy HTTP/1.1\r\nHost: h\r\n\r\n", "\"bytes\":0,"},
        {"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", "\"status\":501"},
        {"\x01\x02\"{}\r\n\r\n", "\"method\":null,\"target\":null,\"protocol\":null,\"status\":400"},
        {long_target, "\"status\":200"},
        {quotes, "\"status\":200"},
    };

    (void)snprintf(long_target, sizeof(long_target), "GET /dummy?%07000d HTTP/1.1\r\nHost: h\r\n\r\n", 0);
    (void)snprintf(quotes, sizeof(quotes), "GET /dummy HTTP/1.1\r\nHost: h\r\nUser-Agent: %07000d\r\n\r\n", 0);
    for (char *at = quotes; (at = strchr(at, '0')) != NULL;)
        *at = '"';
    process_start(&server, "--workers", "1", "--access-log", "-", "--access-log-format", "json");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client *client = client_open(&server);
        const char *line;

        client_send(client, rows[i].request);
        strncmp(rows[i].request, "HEAD", 4) == 0 ? client_receive_head(client) : client_receive(client);
        client_close(client);
        line = access_line();
        cr_expect(is_json_object(line), "row %zu: %s", i, line);
        cr_expect_not_null(strstr(line, rows[i].part), "row %zu: %s", i, line);
        cr_expect_eq(strncmp(line, "{\"time\":\"20", 11), 0, "row %zu: %s", i, line);
    }
}

/* Of two at least one waits, for nothing. */
Test(logs, a_json_line_of_a_job_that_never_ran_has_no_worker)
{
    const char *line;

    process_start(&server, "--workers", "1", "--queue-timeout-ms", "1", "--access-log", "-", "--access-log-format",
                  "json");
    for (unsigned i = 0; i < 2; i++)
        client_get(client_open(&server), "/sleep/3600000");
    line = access_line();

    cr_expect_not_null(strstr(line, "\"status\":503,"), "%s", line);
    cr_expect_not_null(strstr(line, "\"worker\":null,"), "%s", line);
}
