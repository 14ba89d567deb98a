/* What a server holds after many clients is what it held before. */
#include "lib/client.h"
#include "lib/process.h"
#include "lib/usage.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/resource.h>

enum { CLIENTS = 200 };

static struct process server;

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(resources, .fini = tear_down);

static void start(struct client **ret_observer, unsigned *ret_fds, unsigned *ret_tasks)
{
    process_start(&server, "--workers", "4", "--heavy-ms", "1", "--keep-alive-ms", "3600000");
    *ret_observer = client_open(&server);
    client_get(*ret_observer, "/");
    cr_assert_eq(client_receive(*ret_observer)->status, 200);
    *ret_fds = usage_count(&server, "fd");
    *ret_tasks = usage_count(&server, "task");
}

Test(resources, clients_that_come_and_go_leave_no_descriptor_and_no_thread)
{
    static const char *const paths[] = {"/", "/dummy", "/async", "/nowhere", "/sleep/1"};
    struct client *clients[CLIENTS], *observer;
    unsigned fds, tasks;

    start(&observer, &fds, &tasks);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(&server);
        client_get(clients[i], paths[i % (sizeof(paths) / sizeof(paths[0]))]);
    }
    client_fence(&server);
    cr_expect_geq(usage_count(&server, "fd"), fds + CLIENTS);
    for (unsigned i = 0; i < CLIENTS; i++) {
        cr_expect_neq(client_receive(clients[i])->status, 0);
        client_close(clients[i]);
    }

    usage_expect_back_to(&server, "fd", fds, observer);
    usage_expect_back_to(&server, "task", tasks, observer);
}

/* The hard limit is lowered here, so the program inherits it. */
static void limit_descriptors(rlim_t n)
{
    struct rlimit limit = {.rlim_cur = n, .rlim_max = n};

    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

Test(resources, too_few_descriptors_are_an_error_at_start_that_names_both_numbers)
{
    limit_descriptors(100);

    cr_expect_eq(process_run(&server, "--port", "0", "--workers", "1"), 1);
    cr_expect_not_null(strstr(process_errors(&server), " 136 "), "%s", process_errors(&server));
    cr_expect_not_null(strstr(process_errors(&server), " 100"), "%s", process_errors(&server));
}

Test(resources, more_clients_than_descriptors_allow_are_served_one_after_the_other)
{
    struct client *clients[CLIENTS], *observer;
    unsigned fds, tasks;

    limit_descriptors(CLIENTS + 56);
    start(&observer, &fds, &tasks);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(&server);
        client_get(clients[i], "/dummy");
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        cr_expect_eq(client_receive(clients[i])->status, 200, "client %u", i);
        client_close(clients[i]);
    }
    client_close(observer); /* it was idle longest: others have had its place */
    observer = client_open(&server);

    usage_expect_back_to(&server, "fd", fds, observer);
}
