/* What a program that crashes has said: which signal, in which request, where; and that it ends by that signal. */
#include "hoist_test.h"
#include "lib/client.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { LEVELS = 9 };

static struct process server;
static volatile int sink;

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(crash, .fini = tear_down, .timeout = 60);

/* ---- handlers that crash ---- */

static int compare(const void *a, const void *b)
{
    (void)a;
    (void)b;
    *(volatile int *)0xa8 = 0; /* NOLINT(*-avoid-non-const*,performance-no-int-to-ptr): not there */
    return 0;
}

/* Below a function of libc's, whose name is known whatever the linker left of others; sanitizers have none of theirs in
 * its place. */
static int find(hoist_req *req, hoist_res *res)
{
    int numbers[2] = {1, 2};
    size_t n = 2;

    (void)req;
    return hoist_reply_text(res, 200, lfind(numbers, numbers, &n, sizeof(numbers[0]), compare) != NULL ? "yes" : "no");
}

/* Each level is two frames, one of them libc's. */
static int compare_deeper(const void *a, const void *b) /* NOLINT(misc-no-recursion) */
{
    static int level;
    size_t n = 1;

    if (++level == LEVELS)
        return compare(a, b);
    return lfind(a, b, &n, sizeof(int), compare_deeper) != NULL ? 0 : 1;
}

static int find_deeper(hoist_req *req, hoist_res *res)
{
    const int number = 1;

    (void)req;
    return hoist_reply_text(res, 200, compare_deeper(&number, &number) == 0 ? "yes" : "no");
}

__attribute__((visibility("default"), noinline)) void give_up_for_good(void);

/* The call is its last instruction: what it would return to is another function. */
void give_up_for_good(void)
{
    abort();
}

__attribute__((visibility("default"), noinline)) void write_nowhere(void);

void write_nowhere(void)
{
    *(volatile int *)0xa8 = 0; /* NOLINT(*-avoid-non-const*,performance-no-int-to-ptr): not there */
}

static int call_exported(hoist_req *req, hoist_res *res)
{
    (void)req;
    write_nowhere();
    return hoist_reply_text(res, 200, "written");
}

static int give_up(hoist_req *req, hoist_res *res)
{
    (void)req;
    (void)res;
    give_up_for_good();
    return 0;
}

static int descend(int depth) /* NOLINT(misc-no-recursion) */
{
    volatile char room[1024];

    room[0] = (char)depth;
    return depth < 0 ? 0 : descend(depth + 1) + room[0];
}

static int recurse(hoist_req *req, hoist_res *res)
{
    (void)req;
    sink = descend(0);
    return hoist_reply_text(res, 200, "returned");
}

/* The C library's lock of the calendar is held then. */
static int ask_the_time(hoist_req *req, hoist_res *res)
{
    time_t now = time(NULL);
    struct tm *volatile nowhere = NULL;

    (void)req;
    localtime_r(&now, nowhere);
    return hoist_reply_text(res, 200, "now");
}

static int divide(hoist_req *req, hoist_res *res)
{
    (void)req;
    raise(SIGFPE); /* not every CPU does for 1 / 0 */
    return hoist_reply_text(res, 200, "divided");
}

/* As a library does that gives up for a debugger. */
static int trap(hoist_req *req, hoist_res *res)
{
    (void)req;
#ifdef __x86_64__
    __asm__ volatile("int3"); /* the CPU goes on behind it */
#else
    raise(SIGTRAP);
#endif
    return hoist_reply_text(res, 200, "trapped");
}

/* As of a file that somebody has cut meanwhile. */
static int read_behind(hoist_req *req, hoist_res *res)
{
    int fd = memfd_create("cut", MFD_CLOEXEC);
    volatile char *file = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);

    (void)req;
    return hoist_reply_text(res, 200, file[0] == 0 ? "yes" : "no");
}

/* Memory that was written over is read for a pointer. */
static int follow(hoist_req *req, hoist_res *res)
{
    volatile uintptr_t pointer = (uintptr_t)UINT64_C(0x2020202020202020);

    (void)req;
    *(volatile int *)pointer = 0; /* NOLINT(performance-no-int-to-ptr): no address of x86 */
    return hoist_reply_text(res, 200, "followed");
}

__attribute__((visibility("default"))) void module_loads(void);

/* For ever, and with the dynamic linker's lock. */
void module_loads(void)
{
    puts("loading");
    fflush(stdout);
    while (pause() < 0)
        ;
}

static int load_module(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, dlopen(SLOW_MODULE, RTLD_NOW) != NULL ? "loaded" : dlerror());
}

static int hello(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "hello");
}

static const hoist_route find_route = {.path = "/find", .handler = find};
static const hoist_route nested_route = {.path = "/nested", .handler = find_deeper};
static const hoist_route inline_route = {.path = "/inline", .handler = find, .run = HOIST_INLINE};
static const hoist_route exported_route = {.path = "/exported", .handler = call_exported};
static const hoist_route abort_route = {.path = "/abort", .handler = give_up};
static const hoist_route deep_route = {.path = "/deep", .handler = recurse};
static const hoist_route time_route = {.path = "/time", .handler = ask_the_time};
static const hoist_route divide_route = {.path = "/divide", .handler = divide};
static const hoist_route trap_route = {.path = "/trap", .handler = trap};
static const hoist_route behind_route = {.path = "/behind", .handler = read_behind};
static const hoist_route follow_route = {.path = "/follow", .handler = follow};
static const hoist_route load_route = {.path = "/load", .handler = load_module};
static const hoist_route hello_route = {.path = "/hello", .handler = hello, .run = HOIST_INLINE};
static const hoist_route *const routes[] = {&find_route,   &nested_route,   &inline_route, &abort_route, &deep_route,
                                            &time_route,   &divide_route,   &follow_route, &load_route,  &hello_route,
                                            &behind_route, &exported_route, &trap_route,   NULL};
static const hoist_program program = {.name = "app", .version = "1", .routes = routes};

/* ---- the program, in a process of its own ---- */

static void say_mine(int number)
{
    (void)number;
    (void)!write(STDERR_FILENO, "mine\n", 5);
    _exit(1);
}

static void set_own_actions(void)
{
    process_set_actions(say_mine);
}

static void start(void)
{
    process_fork(&server, &program, process_clear_actions, "--workers", "1");
}

/* A second request, so that the number is not what nothing is. */
static void crash_in(const char *path, int signal)
{
    start();
    cr_assert_eq(client_receive(client_ask(&server, "/hello"))->status, 200);
    client_ask(&server, path);
    cr_expect_eq(process_wait(&server), 128 + signal);
}

Test(crash, names_the_request_and_where_it_was)
{
    crash_in("/find", SIGSEGV);
    process_expect_said(&server, " error crashed: SIGSEGV, address 0xa8: /find, request 2, worker 0\n");
    process_expect_said(&server, " error crashed: backtrace: ");
    process_expect_said(&server, "lfind+0x");
}

Test(crash, names_the_whole_way_down_to_where_it_was)
{
    const char *at;
    int n = 0;

    crash_in("/nested", SIGSEGV);
    for (at = process_errors(&server); (at = strstr(at, "lfind+0x")) != NULL; at++)
        n++;

    cr_expect_eq(n, LEVELS - 1, "%s", process_errors(&server));
}

/* And not in hoist's own functions, which tell it. */
Test(crash, names_first_where_it_was)
{
    crash_in("/exported", SIGSEGV);
    process_expect_said(&server, " error crashed: backtrace: write_nowhere+0x");
}

Test(crash, tells_addresses_within_files)
{
    char own[128];

    (void)snprintf(own, sizeof(own), " error crashed: backtrace: %s+0x", program_invocation_short_name);
    crash_in("/find", SIGSEGV);
    process_expect_said(&server, own);
    process_expect_said(&server, " (libc.so.6+0x");
    cr_expect_null(strstr(process_errors(&server), " < +0x"), "in no file: %s", server.err_text);
}

Test(crash, tells_a_handler_on_the_loop)
{
    crash_in("/inline", SIGSEGV);
    process_expect_said(&server, " error crashed: SIGSEGV, address 0xa8: /inline, request 2, on the loop\n");
}

#ifdef __x86_64__
Test(crash, does_not_tell_an_address_that_it_does_not_know)
{
    crash_in("/follow", SIGSEGV);
    process_expect_said(&server, " error crashed: SIGSEGV, address unknown: /follow, request 2, worker 0\n");
}
#endif

Test(crash, of_abort)
{
    crash_in("/abort", SIGABRT);
    process_expect_said(&server, " error crashed: SIGABRT: /abort, request 2, worker 0\n");
    process_expect_said(&server, "abort+0x");
    process_expect_said(&server, "give_up_for_good+0x");
}

Test(crash, of_a_file_that_is_shorter_than_what_is_read)
{
    crash_in("/behind", SIGBUS);
    process_expect_said(&server, " error crashed: SIGBUS, address 0x");
    process_expect_said(&server, ": /behind, request 2, worker 0\n");
}

Test(crash, of_a_signal_that_was_sent)
{
    crash_in("/divide", SIGFPE);
    process_expect_said(&server, " error crashed: SIGFPE: /divide, request 2, worker 0\n");
}

Test(crash, of_a_trap)
{
    crash_in("/trap", SIGTRAP);
    process_expect_said(&server, " error crashed: SIGTRAP: /trap, request 2, worker 0\n");
}

Test(crash, has_room_to_speak_when_the_stack_is_used_up)
{
    crash_in("/deep", SIGSEGV);
    process_expect_said(&server, ": /deep, request 2, worker 0\n");
}

Test(crash, needs_no_lock_that_the_crash_holds)
{
    crash_in("/time", SIGSEGV);
    process_expect_said(&server, " error crashed: SIGSEGV, address 0x");
    process_expect_said(&server, ": /time, request 2, worker 0\n");
}

/* The other one has the dynamic linker's, and will not give it back. */
Test(crash, needs_no_lock_that_another_handler_holds)
{
    process_fork(&server, &program, process_clear_actions, "--workers", "2");
    client_ask(&server, "/load");
    cr_assert_str_eq(process_line(&server), "loading");
    client_ask(&server, "/find");
    cr_expect_eq(process_wait(&server), 128 + SIGSEGV);
    process_expect_said(&server, "lfind+0x");
}

static int full;

static void put_errors_into_it(void)
{
    process_clear_actions();
    dup2(full, STDERR_FILENO);
}

/* The request has time: a worker that is stuck would be asked where it is, by a signal, and wait no longer. */
Test(crash, does_not_wait_for_a_stderr_that_is_full)
{
    static const char byte;
    int ends[2];

    cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
    full = ends[1];
    while (write(full, &byte, 1) == 1)
        ;
    cr_assert_eq(fcntl(full, F_SETFL, 0), 0);
    process_fork(&server, &program, put_errors_into_it, "--workers", "1", "--timeout-ms", "3600000");
    client_ask(&server, "/find");
    cr_expect_eq(process_wait(&server), 128 + SIGSEGV);
}

Test(crash, between_two_requests)
{
    start();
    cr_assert_eq(client_receive(client_ask(&server, "/hello"))->status, 200);
    process_signal(&server, SIGSEGV);
    cr_expect_eq(process_wait(&server), 128 + SIGSEGV);
    process_expect_said(&server, " error crashed: SIGSEGV, in no handler\n");
}

Test(crash, leaves_an_action_of_the_program_alone)
{
    process_fork(&server, &program, set_own_actions, "--workers", "1");
    client_ask(&server, "/find");
    cr_expect_eq(process_wait(&server), 1);
    process_expect_said(&server, "mine\n");
    cr_expect_null(strstr(process_errors(&server), "crashed"));
}
