/* Descriptors that run out while the server runs: who is there is served, who waits is not forgotten, and nothing
 * spins. */
#include "lib/client.h"
#include "lib/process.h"
#include "lib/usage.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ROOM = 10, WAITING = 20 };

static struct process server;
static struct client *there[ROOM];

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(descriptors, .fini = tear_down, .timeout = 110);

/* From now on the server may open room descriptors more. */
static void leave_room_for(unsigned room)
{
    struct rlimit limit;
    unsigned highest = 0;
    struct dirent *entry;
    char path[64];
    DIR *dir;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)server.pid);
    dir = opendir(path);
    cr_assert_not_null(dir);
    while ((entry = readdir(dir)) != NULL)
        if ((unsigned)atoi(entry->d_name) > highest)
            highest = (unsigned)atoi(entry->d_name);
    closedir(dir);
    cr_assert_eq(prlimit(server.pid, RLIMIT_NOFILE, NULL, &limit), 0);
    limit.rlim_cur = highest + 1 + room;
    cr_assert_eq(prlimit(server.pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

/* A request on a connection that is there. */
static void expect_served(struct client *client)
{
    client_get(client, "/dummy");
    cr_expect_eq(client_receive(client)->status, 200);
}

/* Starts the server, and connects until it has no descriptor left. */
static void start_and_fill(void)
{
    process_start(&server, "--workers", "2", "--keep-alive-ms", "600000");
    for (unsigned i = 0; i < ROOM; i++) {
        there[i] = client_open(&server);
        expect_served(there[i]);
        if (i == 0)
            leave_room_for(ROOM - 1); /* not earlier: libuv opens one of its own with the first */
    }
}

static unsigned count(const char *text, const char *part)
{
    unsigned n = 0;

    for (; (text = strstr(text, part)) != NULL; text++)
        n++;
    return n;
}

Test(descriptors, that_run_out_harm_nobody_who_is_there_and_all_is_well_afterwards)
{
    struct client *waiting[WAITING];

    start_and_fill();
    client_get(there[0], "/sleep/3600000");
    client_get(there[1], "/sleep/300"); /* it ends in the shortage */
    for (unsigned i = 0; i < WAITING; i++)
        waiting[i] = client_ask(&server, "/dummy");
    for (unsigned i = 2; i < ROOM; i++)
        expect_served(there[i]);
    cr_expect_eq(client_receive(there[1])->status, 200);
    for (unsigned i = 2; i < ROOM; i++)
        client_close(there[i]);

    for (unsigned i = 0; i < WAITING; i++) {
        int status = client_receive(waiting[i])->status;

        cr_expect(status == 200 || status == 503, "client %u: %d", i, status); /* 503: it has waited for a second */
        client_close(waiting[i]);
    }
    client_half_close(there[0]); /* tells the sleeper */
    cr_expect_eq(client_receive(there[0])->status, 503);
    for (unsigned i = 0; i < ROOM - 2; i++)
        expect_served(client_open(&server));
}

/* Until the server has said so for the n-th time. */
static void await_the_end_of_shortage(unsigned n)
{
    for (unsigned i = 0; i < 100 && count(process_errors(&server), "accepting again") < n; i++) {
        client_get(there[0], "/sleep/100");
        cr_expect_eq(client_receive(there[0])->status, 200);
    }
    cr_expect_eq(count(process_errors(&server), "accepting again"), n, "%s", process_errors(&server));
}

/* The client is refused after a second of waiting: so long is the shortage that is looked at. */
Test(descriptors, that_run_out_cost_little_time_and_one_line_of_the_log)
{
    struct usage begun;
    char again[80];

    start_and_fill();
    begun = usage_begin(&server);
    for (unsigned i = 0; i < 2; i++)
        cr_expect_eq(client_receive(client_ask(&server, "/dummy"))->status, 503, "waiting client %u", i);

    usage_expect_idle_since(&server, &begun);
    expect_served(there[0]);
    cr_expect_eq(count(process_errors(&server), "cannot accept"), 1, "%s", process_errors(&server));
    client_close(there[1]);
    await_the_end_of_shortage(1);
    (void)snprintf(again, sizeof(again), " 127.0.0.1:%u: accepting again after ", server.port);
    cr_expect_not_null(strstr(process_errors(&server), again), "%s", process_errors(&server));
    cr_expect_not_null(strstr(process_errors(&server), "; 2 clients were refused"), "%s", process_errors(&server));

    there[1] = client_open(&server);
    expect_served(there[1]);
    cr_expect_eq(client_receive(client_ask(&server, "/dummy"))->status, 503);
    client_close(there[1]);
    await_the_end_of_shortage(2);
    cr_expect_not_null(strstr(process_errors(&server), "; 1 clients were refused"), "%s", process_errors(&server));
}

Test(descriptors, more_connections_than_allowed_are_served_in_the_place_of_the_idlest)
{
    struct client *more;

    process_start(&server, "--workers", "1", "--max-connections", "2", PROCESS_PATIENT);
    for (unsigned i = 0; i < 2; i++) {
        there[i] = client_open(&server);
        expect_served(there[i]);
    }
    expect_served(there[0]);
    more = client_ask(&server, "/dummy");

    cr_expect_eq(client_receive(more)->status, 200);
    cr_expect_eq(client_end(there[1]), CLIENT_EOF);
    expect_served(there[0]);
    expect_served(more);
}

Test(descriptors, may_be_as_many_as_the_system_allows)
{
    struct rlimit limit;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64; /* too few for any server */
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    process_start(&server, "--workers", "1");

    cr_assert_eq(prlimit(server.pid, RLIMIT_NOFILE, NULL, &limit), 0);
    cr_expect_eq(limit.rlim_cur, limit.rlim_max);
}

/* Else a connection would get the log, or what a handler prints. The last digit says that it may be read and written.
 */
Test(descriptors, that_are_standard_are_never_those_of_connections)
{
    static const char script[] = "sh -c 'echo $$; exec \"$0\" --port 0 --admin off <&- 2>&-' \"$0\" |"
                                 "{ read -r pid; read -r line; for i in 0 2; do readlink /proc/$pid/fd/$i;"
                                 "sed -n '/flags/s/.*\\(.\\)$/\\1/p' /proc/$pid/fdinfo/$i; done; kill $pid; }";

    cr_expect_eq(process_run_script(&server, script), 0);
    cr_expect_str_eq(server.out_text, "/dev/null\n2\n/dev/null\n2\n");
}

/* Whether a program that a handler starts would get it, too. */
static bool is_inherited(const char *number)
{
    unsigned flags = 0;
    char path[320];
    FILE *info;
    int n;

    (void)snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", (int)server.pid, number);
    info = fopen(path, "r");
    cr_assert_not_null(info, "%s", path);
    n = fscanf(info, "pos: %*u flags: %o", &flags);
    fclose(info);
    cr_assert_eq(n, 1);
    return (flags & O_CLOEXEC) == 0;
}

Test(descriptors, are_no_childs_but_the_standard_ones)
{
    const struct dirent *entry;
    char path[64], name[512];
    DIR *dir;

    process_start(&server, "--workers", "1", "--access-log", "/dev/null");
    expect_served(client_open(&server));
    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)server.pid);
    dir = opendir(path);
    cr_assert_not_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.' || atoi(entry->d_name) <= STDERR_FILENO || !is_inherited(entry->d_name))
            continue;
        (void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        path[readlink(name, path, sizeof(path) - 1)] = '\0';
        cr_expect_fail("%s is %s", name, path);
    }
    closedir(dir);
}
