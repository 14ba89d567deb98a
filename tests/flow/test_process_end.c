/* Handlers in processes of their own: whatever they do costs their own request and no more. */
#include "hoist.h"
#include "lib/client.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WHOLE = 2 * 1024 * 1024, HALF = 1024 * 1024, JUNK = 1024 * 1024, SMALL_REPLY = 1000 };

static struct process server;

static atomic_int failing_send; /* counts down to the call that fails */

/* In the place of the system's. */
ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    if (failing_send > 0 && --failing_send == 0) {
        errno = ENOBUFS;
        return -1;
    }
    return sendto(fd, bytes, len, flags, NULL, 0);
}

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(process_end, .fini = tear_down, .timeout = 60);

/* ---- handlers ---- */

static int count(hoist_req *req, hoist_res *res)
{
    static int calls;

    (void)req;
    return hoist_reply_printf(res, 200, "text/plain", "%d", ++calls);
}

static int crash(hoist_req *req, hoist_res *res)
{
    (void)req;
    *(volatile int *)8 = 0; /* NOLINT(performance-no-int-to-ptr): not there */
    return hoist_reply_text(res, 200, "survived");
}

static int leave(hoist_req *req, hoist_res *res)
{
    long status = 0;
    int err = hoist_req_long(req, "status", 0, 255, &status);

    (void)res;
    if (err < 0)
        return err;
    exit((int)status); /* NOLINT(concurrency-mt-unsafe): there is one thread */
}

/* In the program, the second part of the next call will not be sent. */
static int shorten(hoist_req *req, hoist_res *res)
{
    (void)req;
    failing_send = 2;
    return hoist_reply_text(res, 200, "");
}

/* Tells on stdout, which is the program's, which process it is. */
static int hang(hoist_req *req, hoist_res *res)
{
    (void)req;
    printf("%d %d\n", (int)getpid(), (int)getppid());
    fflush(stdout);
    while (pause() < 0)
        ;
    return hoist_reply_text(res, 200, "back");
}

static int leave_offspring(hoist_req *req, hoist_res *res)
{
    pid_t pid = fork();

    (void)req;
    while (pid == 0)
        pause();
    return hoist_reply_printf(res, 200, "text/plain", "%d", (int)pid);
}

/* Its child has the socket, too, and is told of no death. */
static int hang_with_offspring(hoist_req *req, hoist_res *res)
{
    pid_t pid = fork();

    while (pid == 0)
        pause();
    printf("%d\n", (int)pid);
    return hang(req, res);
}

/* One that has left the group is not found any more when the call ends; but it has the socket, too. */
static int leave_daemon(hoist_req *req, hoist_res *res)
{
    int ready[2];
    char byte;
    pid_t pid;

    (void)req;
    if (pipe(ready) < 0)
        return -errno;
    pid = fork();
    if (pid == 0) {
        setsid();
        close(ready[1]);
    }
    while (pid == 0)
        pause();
    close(ready[1]);
    return read(ready[0], &byte, 1) == 0 ? hoist_reply_printf(res, 200, "text/plain", "%d", (int)pid) : -EIO;
}

/* Takes the end of what it shares with hoist for the end of something of its own. */
static int shut_all(hoist_req *req, hoist_res *res)
{
    enum { DESCRIPTORS = 64 };

    for (int fd = STDERR_FILENO + 1; fd < DESCRIPTORS; fd++)
        shutdown(fd, SHUT_RDWR);
    return hoist_reply_text(res, 200, hoist_req_path(req));
}

/* Sends what is no reply to whatever takes it, of which its socket is the only one, and hangs. */
static int babble(hoist_req *req, hoist_res *res)
{
    enum { DESCRIPTORS = 64 };
    static const char junk[JUNK];
    long bytes = 0;
    int err = hoist_req_long(req, "bytes", 0, JUNK, &bytes);

    for (int fd = STDERR_FILENO + 1; err == 0 && fd < DESCRIPTORS; fd++)
        (void)send(fd, junk, (size_t)bytes, MSG_NOSIGNAL);
    return err < 0 ? err : hang(req, res);
}

/* Its child would run a program, but there is none of that name, and it forgets to end. */
static int run_nothing(hoist_req *req, hoist_res *res)
{
    pid_t pid = fork();

    (void)req;
    if (pid == 0)
        execl("/nowhere/program", "program", (char *)NULL);
    else
        waitpid(pid, NULL, 0);
    return hoist_reply_text(res, 200, pid == 0 ? "child" : "parent");
}

static int flee(hoist_req *req, hoist_res *res)
{
    setpgid(0, getpgid(getppid()));
    return hang(req, res);
}

/* The body's end cannot be read, so that it is not sent. */
static int send_half(hoist_req *req, hoist_res *res)
{
    char *body = mmap(NULL, WHOLE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)req;
    if (body == MAP_FAILED || mprotect(body + HALF, WHOLE - HALF, PROT_NONE) < 0)
        return -ENOMEM;
    return hoist_reply_static(res, 200, "text/plain", body, WHOLE);
}

static void give_up(void *arg)
{
    (void)arg;
    abort();
}

static int abort_afterwards(hoist_req *req, hoist_res *res)
{
    return hoist_on_end(req, give_up, NULL) < 0 ? -ENOMEM : hoist_reply_text(res, 200, "whole");
}

static const hoist_route count_route = {.path = "/count", .handler = count, .run = HOIST_PROCESS};
static const hoist_route crash_route = {.path = "/crash", .handler = crash, .run = HOIST_PROCESS};
static const hoist_route leave_route = {.path = "/leave", .handler = leave, .run = HOIST_PROCESS};
static const hoist_route hang_route = {.path = "/hang", .handler = hang, .run = HOIST_PROCESS};
static const hoist_route late_route = {.path = "/late", .handler = hang, .run = HOIST_PROCESS, .timeout_ms = 100};
static const hoist_route offspring_route = {.path = "/offspring", .handler = leave_offspring, .run = HOIST_PROCESS};
static const hoist_route daemon_route = {.path = "/daemon", .handler = leave_daemon, .run = HOIST_PROCESS};
static const hoist_route nursery_route = {.path = "/nursery", .handler = hang_with_offspring, .run = HOIST_PROCESS};
static const hoist_route shorten_route = {.path = "/shorten", .handler = shorten, .run = HOIST_INLINE};
static const hoist_route flee_route = {.path = "/flee", .handler = flee, .run = HOIST_PROCESS};
static const hoist_route half_route = {.path = "/half", .handler = send_half, .run = HOIST_PROCESS};
static const hoist_route whole_route = {.path = "/whole", .handler = abort_afterwards, .run = HOIST_PROCESS};
static const hoist_route shut_route = {.path = "/shut", .handler = shut_all, .run = HOIST_PROCESS};
static const hoist_route child_route = {.path = "/child", .handler = run_nothing, .run = HOIST_PROCESS};
static const hoist_route babble_route = {
    .path = "/babble", .handler = babble, .run = HOIST_PROCESS, .max_reply = SMALL_REPLY};
static const hoist_route *const routes[] = {&count_route, &crash_route,     &leave_route,   &hang_route,
                                            &late_route,  &offspring_route, &daemon_route,  &flee_route,
                                            &half_route,  &whole_route,     &nursery_route, &shorten_route,
                                            &shut_route,  &child_route,     &babble_route,  NULL};
static const hoist_program program = {.name = "app", .version = "1", .routes = routes};

/* ---- the tests' own ---- */

static void start(void)
{
    process_fork(&server, &program, process_clear_actions, "--workers", "1");
}

/* It is gone, or nothing but its number. */
static void await_end(pid_t pid)
{
    char path[64], text[256];
    ssize_t n;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    for (;;) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return;
        n = read(fd, text, sizeof(text) - 1);
        close(fd);
        text[n > 0 ? n : 0] = '\0';
        if (n <= 0 || strstr(text, ") Z ") != NULL)
            return;
    }
}

/* As in a container: what has lost its parent is its. */
static void be_like_the_first_process(void)
{
    process_clear_actions();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* What the test has open stays out of it. */
static void have_little_open(void)
{
    process_clear_actions();
    close_range(STDERR_FILENO + 1, UINT_MAX, 0);
}

Test(process_end, costs_one_request_when_it_crashes)
{
    start();
    client_expect(&server, "/crash", 502, "the process of this request ended with signal 11");
    client_expect(&server, "/count", 200, "1");
    process_expect_said(&server, " error crashed: SIGSEGV, address 0x8: /crash, request 1, worker 0\n");
    process_expect_said(&server,
                        " error /crash, request 1: its process ended with signal 11 before its reply had come\n");
}

Test(process_end, names_the_worker_that_waits_for_it_when_it_crashes)
{
    process_fork(&server, &program, process_clear_actions, "--workers", "2");
    client_ask(&server, "/hang");
    (void)process_line(&server); /* worker 0 has it */
    client_expect(&server, "/crash", 502, "");
    client_close_all();
    process_expect_said(&server, " error crashed: SIGSEGV, address 0x8: /crash, request 2, worker 1\n");
}

Test(process_end, costs_one_request_when_it_exits)
{
    start();
    client_expect(&server, "/leave?status=3", 502, "the process of this request ended with exit status 3");
    client_expect(&server, "/leave?status=0", 502, "the process of this request ended with exit status 0");
    client_expect(&server, "/count", 200, "1");
}

Test(process_end, costs_one_request_when_it_ends_within_its_reply)
{
    start();
    client_expect(&server, "/half", 502, "the process of this request ended with exit status 0");
    client_expect(&server, "/count", 200, "1");
}

Test(process_end, costs_one_request_when_it_sends_more_than_its_limit_and_no_reply)
{
    process_fork(&server, &program, have_little_open, "--workers", "1");
    client_expect(&server, "/babble?bytes=1048576", 500, "what its process replied is over max_reply");
    client_expect(&server, "/count", 200, "1");
}

Test(process_end, costs_one_request_when_it_shuts_its_socket_down)
{
    start();
    client_expect(&server, "/shut", 502, "the process of this request shut its socket down");
    client_expect(&server, "/count", 200, "1");
    process_expect_said(&server, "/shut, request 1: its process shut its socket down before its reply had come\n");
}

Test(process_end, of_a_child_that_returns_from_the_handler_costs_nothing)
{
    start();
    client_expect(&server, "/child", 200, "parent");
    process_expect_said(&server, "/child, request 1: a child of its process returned from the handler; it has to end");
}

Test(process_end, has_replied_when_it_crashes_afterwards)
{
    start();
    client_expect(&server, "/whole", 200, "whole");
}

Test(process_end, is_killed_outside_of_its_group_too)
{
    struct client *client;

    start();
    client = client_ask(&server, "/flee");
    (void)process_line(&server);
    client_close(client);

    client_expect(&server, "/count", 200, "1");
}

Test(process_end, is_killed_when_its_time_is_over)
{
    start();
    client_expect(&server, "/late", 504, "took too long");
    client_expect(&server, "/count", 200, "1"); /* the one worker is free again */
    process_expect_said(&server, " info /late, request 1: an abandoned request has ended after ");
    cr_expect_null(strstr(process_errors(&server), "stuck"), "%s", process_errors(&server));
}

Test(process_end, is_killed_when_its_client_leaves)
{
    struct client *client;
    pid_t pid;

    start();
    client = client_ask(&server, "/hang");
    pid = (pid_t)strtol(process_line(&server), NULL, 10);
    client_close(client);

    client_expect(&server, "/count", 200, "1");
    await_end(pid);
}

Test(process_end, is_killed_and_not_answered_when_its_client_half_closes)
{
    struct client *client;

    start();
    client = client_ask(&server, "/hang");
    (void)process_line(&server);
    client_half_close(client);

    cr_expect_eq(client_end(client), CLIENT_EOF);
    client_expect(&server, "/count", 200, "1");
}

Test(process_end, is_killed_when_the_program_is)
{
    pid_t pid;

    start();
    client_ask(&server, "/hang");
    pid = (pid_t)strtol(process_line(&server), NULL, 10);
    process_kill(&server);

    await_end(pid);
}

Test(process_end, takes_with_it_what_it_has_started)
{
    pid_t pid;

    process_fork(&server, &program, be_like_the_first_process, "--workers", "1");
    pid = (pid_t)strtol(client_receive(client_ask(&server, "/offspring"))->body, NULL, 10);

    cr_assert_gt(pid, 1);
    while (kill(pid, 0) == 0) /* the system must forget it, too */
        ;
}

Test(process_end, is_not_waited_for_in_what_has_left_its_group)
{
    pid_t pid;

    start();
    pid = (pid_t)strtol(client_receive(client_ask(&server, "/daemon"))->body, NULL, 10);

    cr_assert_gt(pid, 1);
    cr_expect_eq(kill(pid, SIGKILL), 0);
}

Test(process_end, outlives_what_tells_the_whole_group_to_end)
{
    static const int signals[] = {SIGHUP, SIGINT, SIGTERM};
    struct client *client;
    char *parent;

    start();
    client = client_ask(&server, "/hang");
    (void)strtol(process_line(&server), &parent, 10);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        kill((pid_t)strtol(parent, NULL, 10), signals[i]);

    client_close(client);
    client_expect(&server, "/count", 200, "1");
}

Test(process_end, needs_its_fork_server_and_says_so)
{
    const struct response *response;
    struct client *client, *admin;
    char *parent;

    start();
    client = client_ask(&server, "/hang");
    (void)strtol(process_line(&server), &parent, 10);
    kill((pid_t)strtol(parent, NULL, 10), SIGKILL);
    response = client_receive(client);

    cr_expect_eq(response->status, 500);
    cr_expect_not_null(strstr(response->body, "the fork server has ended"), "%s", response->body);
    client_expect(&server, "/count", 500, "a process for it cannot be asked for");
    admin = client_open_admin(&server);
    client_send(admin, "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n");
    response = client_receive(admin);
    cr_expect_eq(response->status, 503);
    cr_expect_not_null(strstr(response->body, "the fork server has ended"), "%s", response->body);
    process_expect_said(&server, " error /count, request 2: a process for it cannot be asked for: ");
    cr_expect_null(strstr(process_errors(&server), "its handler failed"), "told twice: %s", server.err_text);
}

Test(process_end, is_not_misread_when_the_fork_server_ends_within_its_reply)
{
    struct client *client;
    char *parent;

    process_fork(&server, &program, have_little_open, "--workers", "1");
    client = client_ask(&server, "/babble?bytes=1000");
    (void)strtol(process_line(&server), &parent, 10);
    kill((pid_t)strtol(parent, NULL, 10), SIGKILL);

    cr_expect_not_null(strstr(client_receive(client)->body, "the fork server has ended"));
}

Test(process_end, is_not_waited_for_in_what_outlives_the_fork_server)
{
    struct client *client;
    pid_t pid;
    char *parent;

    start();
    client = client_ask(&server, "/nursery");
    pid = (pid_t)strtol(process_line(&server), NULL, 10);
    (void)strtol(process_line(&server), &parent, 10);
    kill((pid_t)strtol(parent, NULL, 10), SIGKILL);

    cr_expect_eq(client_receive(client)->status, 500);
    cr_expect_eq(kill(pid, SIGKILL), 0);
}

Test(process_end, costs_one_request_when_it_cannot_be_told_what_to_do)
{
    start();
    client_expect(&server, "/shorten", 200, "");
    client_expect(&server, "/hang", 503, "no memory for what goes to its process");
    client_expect(&server, "/count", 200, "1");
}
