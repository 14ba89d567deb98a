/* Handlers in processes of their own, where the system is short of something: that costs one request, 503. */
#include "hoist.h"
#include "lib/client.h"
#include "lib/fail_malloc.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static struct process server;

/* Of the next process; shared with the server and its processes. */
static struct next {
    atomic_bool cannot_be_made;
    atomic_uint failing_malloc; /* which allocation; 0: none */
} * next;

/* In the place of the system's. */
pid_t fork(void)
{
    pid_t pid;

    if (next != NULL && atomic_exchange(&next->cannot_be_made, false)) {
        errno = EAGAIN;
        return -1;
    }
    pid = _Fork();
    if (pid == 0 && next != NULL)
        fail_malloc_at(atomic_exchange(&next->failing_malloc, 0));
    return pid;
}

static int count(hoist_req *req, hoist_res *res)
{
    static int calls;

    (void)req;
    return hoist_reply_printf(res, 200, "text/plain", "%d", ++calls);
}

static const hoist_route route = {.path = "/count", .handler = count, .run = HOIST_PROCESS};
static const hoist_route *const routes[] = {&route, NULL};

static const hoist_program program = {.name = "shortage", .version = "1", .routes = routes};

static void set_up(void)
{
    next = mmap(NULL, sizeof(*next), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(next, MAP_FAILED);
    process_fork(&server, &program, process_clear_actions, "--workers", "1");
}

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(process_shortage, .init = set_up, .fini = tear_down, .timeout = 60);

Test(process_shortage, of_processes)
{
    atomic_store(&next->cannot_be_made, true);
    client_expect(&server, "/count", 503, "a process for it cannot be made");
    client_expect(&server, "/count", 200, "1");
    process_expect_said(&server, "a process for it cannot be made: resource temporarily unavailable");
}

Test(process_shortage, of_descriptors)
{
    struct client *client = client_ask(&server, "/count");
    const struct response *response;
    struct rlimit limit;

    cr_expect_eq(client_receive(client)->status, 200);
    cr_assert_eq(prlimit(server.pid, RLIMIT_NOFILE, NULL, &limit), 0);
    limit.rlim_cur = 3;
    cr_assert_eq(prlimit(server.pid, RLIMIT_NOFILE, &limit, NULL), 0);
    client_get(client, "/count");
    response = client_receive(client);

    cr_expect_eq(response->status, 503);
    cr_expect_str_eq(response_field(response, "Retry-After"), "1");
    cr_expect_not_null(strstr(response->body, "a process for it cannot be asked for"), "%s", response->body);
    process_expect_said(&server, "a process for it cannot be asked for: too many open files");
}

/* Each allocation in it, up to one that is not made any more. */
Test(process_shortage, of_memory_in_the_process)
{
    const struct response *response;
    unsigned n = 0;

    do {
        atomic_store(&next->failing_malloc, ++n);
        response = client_receive(client_ask(&server, "/count"));
        cr_expect(response->status == 503 || response->status == 200, "allocation %u: %d %s", n, response->status,
                  response->body);
    } while (response->status != 200);
    cr_expect_gt(n, 1u);
}
