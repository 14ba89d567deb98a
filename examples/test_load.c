/* The examples' programs, over sockets: what the unit tests, which know one thread, cannot see. */
#include "lib/client.h"
#include "lib/process.h"
#include "lib/usage.h"
#include "lib/wait.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct process server;

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(load, .fini = tear_down, .timeout = 240);

/* The next process_start() starts this example. */
static void choose(const char *name)
{
    const char *folder = getenv("HOIST_EXAMPLES");
    char path[1024];

    (void)snprintf(path, sizeof(path), "%s/%s", folder != NULL ? folder : HOIST_EXAMPLES_DEFAULT, name);
    setenv("HOIST_PROGRAM", path, 1);
}

/* Fails the test if there is more in it than these. */
static void remove_folder(const char *folder, const char *const *names)
{
    char path[128];

    for (; *names != NULL; names++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, *names);
        cr_expect_eq(unlink(path), 0, "%s", path);
    }
    cr_expect_eq(rmdir(folder), 0, "something is left in %s", folder);
}

/* ---- SQLite: a handle for each worker ---- */

enum { CLIENTS = 40, ROUNDS = 250 }; /* 10,000 requests */

static unsigned open_handles(const char *file)
{
    char folder[64], target[1024];
    struct dirent *entry;
    unsigned n = 0;
    DIR *fds;

    (void)snprintf(folder, sizeof(folder), "/proc/%d/fd", (int)server.pid);
    fds = opendir(folder);
    cr_assert_not_null(fds);
    while ((entry = readdir(fds)) != NULL) {
        ssize_t len = readlinkat(dirfd(fds), entry->d_name, target, sizeof(target) - 1);

        target[len > 0 ? len : 0] = '\0';
        n += strcmp(target, file) == 0;
    }
    closedir(fds);
    return n;
}

/* A note, then the note itself, then a search for what this client has written. */
static void send_mixed(struct client *client, unsigned who, unsigned round, unsigned last_id)
{
    char text[64], request[256];

    (void)snprintf(text, sizeof(text), "client %u, round %u", who, round);
    if (round % 3 == 0)
        (void)snprintf(request, sizeof(request), "POST /notes HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n%s",
                       strlen(text), text);
    else if (round % 3 == 1)
        (void)snprintf(request, sizeof(request), "GET /notes/%u HTTP/1.1\r\nHost: h\r\n\r\n", last_id);
    else
        (void)snprintf(request, sizeof(request), "GET /notes?like=client+%u,%%25 HTTP/1.1\r\nHost: h\r\n\r\n", who);
    client_send(client, request);
}

static void check_mixed(struct client *client, unsigned who, unsigned round, unsigned *last_id)
{
    const struct response *response = client_receive(client);
    char want[128];

    if (round % 3 == 0) {
        cr_assert_eq(response->status, 201, "%s", response->body);
        cr_assert_eq(sscanf(response->body, "{\"id\":%u}", last_id), 1, "%s", response->body);
        return;
    }
    cr_assert_eq(response->status, 200, "%s", response->body);
    if (round % 3 == 1)
        (void)snprintf(want, sizeof(want), "{\"id\":%u,\"text\":\"client %u, round %u\"}", *last_id, who, round - 1);
    else
        (void)snprintf(want, sizeof(want), "\"client %u, round %u\"}]", who, round - 2);
    cr_assert_not_null(strstr(response->body, want), "%s is not in %s", want, response->body);
}

Test(load, eight_workers_have_eight_sqlite_handles_and_serve_10000_mixed_requests_without_an_error)
{
    static struct client *clients[CLIENTS];
    static unsigned last_ids[CLIENTS];
    char folder[] = "/tmp/hoist-XXXXXX", file[64];

    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(file, sizeof(file), "%s/notes.db", folder);
    choose("sqlite");
    process_start(&server, "--workers", "8", "--db", file, PROCESS_PATIENT);
    cr_expect_eq(open_handles(file), 8, "%u", open_handles(file));
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = client_open(&server);

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < CLIENTS; i++)
            send_mixed(clients[i], i, round, last_ids[i]);
        for (unsigned i = 0; i < CLIENTS; i++)
            check_mixed(clients[i], i, round, &last_ids[i]);
    }

    cr_expect_eq(open_handles(file), 8);
    cr_expect_eq(process_stop(&server), 0);
    remove_folder(folder, (const char *const[]){"notes.db", NULL}); /* whoever closes the last handle removes the log */
}

/* ---- the relic: one lane for two routes ---- */

enum { CALLS = 1000, WORDS = 500, TEXT_MAX = 4096, REPLY_MAX = 6000, LANE_ROUNDS = 5, LANELESS_ROUNDS_MAX = 50 };

struct call {
    int fd;
    char request[TEXT_MAX + 200], want[TEXT_MAX];
};

static struct call calls[CALLS];

/* Every other one wants its words the other way round; each has words of its own. */
static void write_call(struct call *call, unsigned number)
{
    bool is_reversed = number % 2 == 1;
    size_t len, want_len = 0;

    len = (size_t)sprintf(call->request, "GET /%s?text=", is_reversed ? "reverse-words" : "words");
    for (unsigned i = 0; i < WORDS; i++) {
        len += (size_t)sprintf(call->request + len, i > 0 ? "+%u.%u" : "%u.%u", number, i);
        want_len +=
            (size_t)sprintf(call->want + want_len, i > 0 ? " %u.%u" : "%u.%u", number, is_reversed ? WORDS - 1 - i : i);
    }
    (void)sprintf(call->request + len, " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    cr_assert_lt(want_len, (size_t)TEXT_MAX);
}

static void connect_call(struct call *call)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((in_port_t)server.port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};

    call->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(call->fd, 0);
    cr_assert_eq(connect(call->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void send_call(const struct call *call, const char *bytes, size_t len)
{
    cr_assert_eq(send(call->fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Is it the right one? */
static bool receive_call(struct call *call)
{
    char reply[REPLY_MAX];
    const char *body;
    size_t len = 0;
    ssize_t n;

    do {
        cr_assert(wait_for_fd(call->fd, POLLIN, WAIT_BOUND_MS));
        n = recv(call->fd, reply + len, sizeof(reply) - 1 - len, 0);
        cr_assert_geq(n, 0);
        len += (size_t)n;
    } while (n > 0);
    close(call->fd);
    reply[len] = '\0';
    cr_assert_eq(strncmp(reply, "HTTP/1.1 200 ", 13), 0, "%s", reply);
    body = strstr(reply, "\r\n\r\n");
    return body != NULL && strcmp(body + 4, call->want) == 0;
}

/* All at once: the last byte of each request is sent when all have the others. How many answers are wrong. */
static unsigned call_all(void)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < CALLS; i++) {
        connect_call(&calls[i]);
        send_call(&calls[i], calls[i].request, strlen(calls[i].request) - 1);
    }
    for (unsigned i = 0; i < CALLS; i++)
        send_call(&calls[i], "\n", 1);
    for (unsigned i = 0; i < CALLS; i++)
        wrong += !receive_call(&calls[i]);
    return wrong;
}

static void start_calls(void)
{
    usage_raise_descriptors();
    for (unsigned i = 0; i < CALLS; i++)
        write_call(&calls[i], i);
    process_start(&server, "--workers", "8", "--queue", "1000", "--timeout-ms", "0", PROCESS_PATIENT);
}

Test(load, a_thousand_calls_at_once_of_two_routes_on_one_lane_are_all_right)
{
    choose("relic");
    start_calls();

    for (unsigned round = 0; round < LANE_ROUNDS; round++)
        cr_assert_eq(call_all(), 0);
}

/* The same calls, handlers and program, only without the lane: so the test above would notice. */
Test(load, without_the_lane_some_are_wrong)
{
    unsigned wrong = 0;

    setenv("HOIST_PROGRAM", RELIC_WITHOUT_LANE, 1);
    start_calls();

    for (unsigned round = 0; wrong == 0 && round < LANELESS_ROUNDS_MAX; round++)
        wrong = call_all();
    cr_assert_gt(wrong, 0);
}

/* ---- a child, and a program with a loop of its own ---- */

/* A command that never ends and keeps a FIFO open as long as it lives; returns the FIFO's other end. */
static int write_endless_command(const char *folder, char path[64])
{
    char fifo[64];
    FILE *script;
    int fd;

    (void)snprintf(fifo, sizeof(fifo), "%s/alive", folder);
    (void)snprintf(path, 64, "%s/endless", folder);
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    script = fopen(path, "w");
    cr_assert_not_null(script);
    fprintf(script, "#!/bin/sh\nexec 3>%s\necho >&3\nexec sleep 3600\n", fifo);
    fclose(script);
    cr_assert_eq(chmod(path, 0700), 0);
    fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    return fd;
}

struct endless {
    char folder[32];
    struct client *client; /* who waits for it */
    int alive;
};

static void start_endless(struct endless *endless)
{
    char command[64], byte;

    strcpy(endless->folder, "/tmp/hoist-XXXXXX");
    cr_assert_not_null(mkdtemp(endless->folder));
    endless->alive = write_endless_command(endless->folder, command);
    choose("child");
    process_start(&server, "--workers", "1", "--factor", command);
    endless->client = client_open(&server);
    client_get(endless->client, "/factor/1");
    cr_assert(wait_for_fd(endless->alive, POLLIN, WAIT_BOUND_MS), "the child does not start");
    cr_assert_eq(read(endless->alive, &byte, 1), 1);
}

static void expect_end(const struct endless *endless)
{
    char byte;

    cr_assert(wait_for_fd(endless->alive, POLLIN, WAIT_BOUND_MS), "the child lives on");
    cr_expect_eq(read(endless->alive, &byte, 1), 0);
    close(endless->alive);
    remove_folder(endless->folder, (const char *const[]){"alive", "endless", NULL});
}

Test(load, a_client_that_leaves_takes_its_child_with_it)
{
    struct endless endless;

    start_endless(&endless);

    client_reset(endless.client);
    expect_end(&endless);
    cr_expect_eq(process_stop(&server), 0);
}

Test(load, a_server_that_is_killed_takes_its_child_with_it)
{
    struct endless endless;

    start_endless(&endless);

    process_kill(&server);
    expect_end(&endless);
}

/* How often the program's timer has looked at the load. */
static unsigned ask_samples(struct client *client)
{
    const struct response *response;
    unsigned samples;

    client_get(client, "/load");
    response = client_receive(client);
    cr_assert_eq(response->status, 200);
    cr_assert_eq(sscanf(response->body, "{\"load\":%*f,\"samples\":%u}", &samples), 1, "%s", response->body);
    return samples;
}

enum { TRIES_MAX = 20 };

Test(load, an_embedded_server_answers_while_a_call_blocks_and_its_programs_timer_goes_on)
{
    struct client *slow, *other;
    unsigned samples, tries = 0;

    setenv("PORT", "0", 1);
    choose("embed");
    process_start(&server, "--admin", "off"); /* it reads no options: this is for process_start() */
    slow = client_open(&server);
    other = client_open(&server);
    client_get(slow, "/slow");
    samples = ask_samples(other);
    for (; client_has_bytes(slow); tries++) { /* a busy machine may have been late to ask */
        cr_assert_lt(tries, TRIES_MAX, "it answers only when the call is over");
        cr_expect_eq(client_receive(slow)->status, 200);
        client_get(slow, "/slow");
        samples = ask_samples(other);
    }
    cr_expect_eq(client_receive(slow)->status, 200);

    for (; ask_samples(other) <= samples; tries++) { /* nor need the timer be prompt */
        cr_assert_lt(tries, TRIES_MAX, "the timer does not go on");
        client_get(slow, "/slow");
        cr_expect_eq(client_receive(slow)->status, 200);
    }
    cr_expect_eq(process_stop(&server), 0);
}

Test(load, a_port_that_is_none_is_said)
{
    static const char *const ports[] = {"http", "80x", "", " 80", "-1", "65536", "99999999999999999999"};

    choose("embed");
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        setenv("PORT", ports[i], 1);
        cr_assert_eq(process_run(&server, "--admin", "off"), EXIT_FAILURE, "%s", ports[i]);
        cr_expect_not_null(strstr(process_errors(&server), "PORT is '"), "%s", process_errors(&server));
    }
}
