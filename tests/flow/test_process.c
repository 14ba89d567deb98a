/* Handlers in processes of their own: they get the whole request, and the whole reply comes back. */
#include "hoist_test.h"
#include "hoist_uv.h"
#include "lib/client.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

enum {
    BIG = 3 * 1024 * 1024,
    LARGE_BODY = 1024 * 1024,
    HUGE = 12 * 1024 * 1024,
    SMALL_REPLY = 1000,
    LONG_MS = 3600000
};

static struct process server;

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(process, .fini = tear_down, .timeout = 60);

/* ---- handlers ---- */

static int hello(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "hello");
}

static int tell_request(hoist_req *req, hoist_res *res)
{
    const char *name = hoist_req_arg(req, "name"), *colour = hoist_req_arg(req, "colour");
    const char *field = hoist_req_header(req, "x-size"), *none = hoist_req_header(req, "x-none");
    size_t len;
    const char *body = hoist_req_body(req, &len);

    if (hoist_res_header(res, "X-First", "1") < 0 || hoist_res_header(res, "X-Second", "2") < 0)
        return -ENOMEM;
    return hoist_reply_printf(res, 201, "text/x-own", "%s %s %s %s %s %s %zu %s %d", name, hoist_req_path(req), colour,
                              field, none != NULL ? none : "none", (const char *)hoist_req_data(req), len, body,
                              hoist_req_method(req) == HOIST_POST);
}

static int count(hoist_req *req, hoist_res *res)
{
    static int calls;

    (void)req;
    return hoist_reply_printf(res, 200, "text/plain", "%d", ++calls);
}

static int tell_process(hoist_req *req, hoist_res *res)
{
    static const int signals[] = {SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGCHLD};
    bool has_default = true;
    struct sigaction action;
    sigset_t blocked;

    (void)req;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        has_default = has_default && sigaction(signals[i], NULL, &action) == 0 && action.sa_handler == SIG_DFL;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    return hoist_reply_printf(res, 200, "text/plain", "%d %d %d %d", (int)getppid(), getpriority(PRIO_PROCESS, 0),
                              has_default, sigismember(&blocked, SIGCHLD));
}

/* Replies with how many of the sockets it has connections come to, and how many are for datagrams. */
static int tell_sockets(hoist_req *req, hoist_res *res)
{
    enum { DESCRIPTORS = 64 };
    int listens, type, n_listening = 0, n_datagram = 0;
    socklen_t size = sizeof(int);

    (void)req;
    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        n_listening += getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
        n_datagram += getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_DGRAM;
    }
    return hoist_reply_printf(res, 200, "text/plain", "%d %d", n_listening, n_datagram);
}

static void say_freed(void *body)
{
    free(body);
    puts("freed");
}

static int give_much(hoist_req *req, hoist_res *res)
{
    char *body = malloc(BIG);

    (void)req;
    if (body == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < BIG; i++)
        body[i] = (char)('a' + i % 26);
    return hoist_reply_give(res, 200, "text/plain", body, BIG, say_freed);
}

static void say_ended(void *arg)
{
    puts(arg);
}

static int reply_hugely(hoist_req *req, hoist_res *res)
{
    static const char body[HUGE];

    (void)req;
    return hoist_reply_static(res, 200, "application/octet-stream", body, sizeof(body));
}

static int print(hoist_req *req, hoist_res *res)
{
    static char ended[] = "ended";

    if (hoist_on_end(req, say_ended, ended) < 0 || hoist_res_type(res, 202, "text/csv") < 0)
        return -ENOMEM;
    return fputs("a,b\n", hoist_res_file(res)) < 0 ? -EIO : 0;
}

/* In each way in which code may: what it starts comes first, for stdio's is held until the end. */
static int print_to_stdout(hoist_req *req, hoist_res *res)
{
    FILE *out = hoist_res_file(res), *file = tmpfile();
    char bytes[64];
    size_t n;

    (void)req;
    if (out == NULL || file == NULL || dup2(fileno(file), STDOUT_FILENO) < 0)
        return -ENOMEM;
    puts("printed");
    if (system("echo started") != 0 || write(STDOUT_FILENO, "written\n", 8) != 8) /* NOLINT(cert-env33-c) */
        return -EIO;
    fflush(stdout);
    rewind(file);
    while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0)
        fwrite(bytes, 1, n, out);
    return ferror(stdout) || ferror(file) ? -EIO : 0;
}

static int fail(hoist_req *req, hoist_res *res)
{
    (void)req;
    (void)res;
    return -ENOENT;
}

/* With another error than the one of the call that failed. */
static int fail_otherwise(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, NULL) < 0 ? -ENOENT : 0;
}

static int twice(hoist_req *req, hoist_res *res)
{
    (void)req;
    hoist_reply_text(res, 200, "once");
    return hoist_reply_text(res, 200, "twice");
}

static int too_much(hoist_req *req, hoist_res *res)
{
    static const char body[SMALL_REPLY + 1];

    (void)req;
    return hoist_reply_static(res, 200, "text/plain", body, sizeof(body));
}

static int wait_later(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_later(req, 1, hello);
}

static int number(hoist_req *req, hoist_res *res)
{
    long size = 0;
    int err = hoist_req_long(req, "size", 0, 255, &size);

    return err < 0 ? err : hoist_reply_printf(res, 200, "text/plain", "%ld", size);
}

static int tell_limits(hoist_req *req, hoist_res *res)
{
    bool has_deadline = hoist_req_remaining_ms(req) <= LONG_MS, has_maximum = hoist_req_alloc(req, BIG) == NULL;

    return hoist_reply_printf(res, 200, "text/plain", "deadline %d, maximum %d", has_deadline, has_maximum);
}

static char data[] = "data";

/* Tells what came of a read from the terminal and of a write to it. */
static int use_terminal(hoist_req *req, hoist_res *res)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    ssize_t n_read, n_written;
    char byte;

    (void)req;
    if (fd < 0)
        return -errno;
    n_read = read(fd, &byte, 1);
    n_read = n_read < 0 ? -errno : n_read;
    n_written = write(fd, "x", 1);
    close(fd);
    return hoist_reply_printf(res, 200, "text/plain", "%d %zd", n_read == -EIO, n_written);
}

static const hoist_route terminal_route = {.path = "/terminal", .handler = use_terminal, .run = HOIST_PROCESS};
static const hoist_route request_route = {
    .method = HOIST_POST, .path = "/tell/:name", .handler = tell_request, .data = data, .run = HOIST_PROCESS};
static const hoist_route count_route = {.path = "/count", .handler = count, .run = HOIST_PROCESS};
static const hoist_route process_route = {.path = "/process", .handler = tell_process, .run = HOIST_PROCESS};
static const hoist_route limits_route = {
    .path = "/limits", .handler = tell_limits, .run = HOIST_PROCESS, .max_reply = SMALL_REPLY, .timeout_ms = LONG_MS};
static const hoist_route sockets_route = {.path = "/sockets", .handler = tell_sockets, .run = HOIST_PROCESS};
static const hoist_route much_route = {.path = "/much", .handler = give_much, .run = HOIST_PROCESS};
static const hoist_route huge_route = {.path = "/huge", .handler = reply_hugely, .run = HOIST_PROCESS};
static const hoist_route print_route = {.path = "/print", .handler = print, .run = HOIST_PROCESS};
static const hoist_route stdout_route = {.path = "/stdout", .handler = print_to_stdout, .run = HOIST_PROCESS};
static const hoist_route fail_route = {.path = "/fail", .handler = fail, .run = HOIST_PROCESS};
static const hoist_route otherwise_route = {.path = "/otherwise", .handler = fail_otherwise, .run = HOIST_PROCESS};
static const hoist_route number_route = {.path = "/number", .handler = number, .run = HOIST_PROCESS};
static const hoist_route twice_route = {.path = "/twice", .handler = twice, .run = HOIST_PROCESS};
static const hoist_route too_much_route = {
    .path = "/too-much", .handler = too_much, .run = HOIST_PROCESS, .max_reply = SMALL_REPLY};
static const hoist_route later_route = {.path = "/later", .handler = wait_later, .run = HOIST_PROCESS};
static const hoist_route *const routes[] = {
    &request_route,   &count_route,  &process_route, &much_route,     &print_route,
    &fail_route,      &number_route, &twice_route,   &too_much_route, &later_route,
    &sockets_route,   &stdout_route, &limits_route,  &terminal_route, &huge_route,
    &otherwise_route, NULL};
static const hoist_program program = {.name = "app", .version = "1", .routes = routes};

/* ---- what comes back ---- */

static void start(void)
{
    process_fork(&server, &program, process_clear_actions, "--workers", "1");
}

Test(process, gets_the_whole_request_and_sends_the_whole_reply)
{
    struct client *client;
    const struct response *response;

    start();
    client = client_open(&server);
    client_send(client,
                "POST /tell/a%20b?colour=dark%20red HTTP/1.1\r\nHost: x\r\nX-Size: 7\r\nContent-Length: 4\r\n\r\n"
                "body");
    response = client_receive(client);

    cr_expect_eq(response->status, 201);
    cr_expect_str_eq(response->body, "a b /tell/a b dark red 7 none data 4 body 1");
    cr_expect_str_eq(response_field(response, "content-type"), "text/x-own");
    cr_expect_str_eq(response_field(response, "x-first"), "1");
    cr_expect_str_eq(response_field(response, "x-second"), "2");
}

Test(process, takes_a_body_that_no_socket_holds)
{
    static char body[LARGE_BODY];
    struct client *client;
    char head[128];
    const struct response *response;

    start();
    memset(body, 'x', sizeof(body));
    client = client_open(&server);
    (void)snprintf(head, sizeof(head), "POST /tell/me HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                   sizeof(body));
    client_send(client, head);
    client_send_bytes(client, body, sizeof(body));
    response = client_receive(client);

    cr_expect_eq(response->status, 201);
    cr_expect_not_null(strstr(response->body, "1048576 xxxx"));
}

Test(process, sends_a_reply_that_no_socket_holds_and_frees_it)
{
    const struct response *response;
    size_t right = 0;

    start();
    response = client_receive(client_ask(&server, "/much"));

    cr_expect_eq(response->status, 200);
    cr_assert_eq(response->body_len, BIG);
    while (right < BIG && response->body[right] == (char)('a' + right % 26))
        right++;
    cr_expect_eq(right, BIG);
    cr_expect_str_eq(process_line(&server), "freed");
}

/* Most of it stays in the server's memory while the client does not read on. */
Test(process, has_its_reply_counted_for_max_memory)
{
    struct client *client;

    process_fork(&server, &program, process_clear_actions, "--workers", "1", "--max-memory", "1048576");
    client = client_open_small(&server, CLIENT_LEAST);
    client_get(client, "/huge");
    client_await(client, "HTTP/1.1 200");

    client_expect(&server, "/count", 503, "memory");
}

Test(process, prints_and_ends_its_exchange)
{
    const struct response *response;

    start();
    response = client_receive(client_ask(&server, "/print"));

    cr_expect_eq(response->status, 202);
    cr_expect_str_eq(response->body, "a,b\n");
    cr_expect_str_eq(response_field(response, "content-type"), "text/csv");
    cr_expect_str_eq(process_line(&server), "ended");
}

Test(process, fails_as_anywhere)
{
    start();
    client_expect(&server, "/fail", 404, "no such file");
    client_expect(&server, "/otherwise", 404, "no such file");
    client_expect(&server, "/number?size=x", 400, "size: 'x' is not a number from 0 to 255");
    client_expect(&server, "/twice", 500, "the handler replied twice");
    client_expect(&server, "/too-much", 500, "the reply has 1001 bytes; max_reply is 1000");
    client_expect(&server, "/later", 500, "");
    process_expect_said(&server, "/later: its handler returned HOIST_PENDING");
    cr_expect_null(strstr(process_errors(&server), "thread"), "told otherwise, too: %s", server.err_text);
}

Test(process, may_have_a_file_in_the_place_of_stdout)
{
    start();
    client_expect(&server, "/stdout", 200, "started\nwritten\nprinted\n");
    client_expect(&server, "/stdout", 200, "started\nwritten\nprinted\n");
}

Test(process, begins_anew_each_time)
{
    start();
    client_expect(&server, "/count", 200, "1");
    client_expect(&server, "/count", 200, "1");
}

/* What the test has open stays out of it; the supervisor's three are 3, 4 and a path. */
static void be_supervised(void)
{
    process_clear_actions();
    close_range(5, UINT_MAX, 0);
    setenv("NOTIFY_SOCKET", "@hoist-has-nobody-to-notify", 1);
}

Test(process, has_no_socket_that_the_program_listens_on_or_tells_its_supervisor_by)
{
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fds[2];

    for (size_t i = 0; i < 2; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cr_assert_eq(bind(fds[i], (const struct sockaddr *)&address, sizeof(address)), 0);
        cr_assert_eq(listen(fds[i], 64), 0);
    }
    process_pass(fds, 2, "admin:hoist.socket");
    process_fork(&server, &program, be_supervised, "--workers", "1");
    client_expect(&server, "/sockets", 200, "0 0");
}

Test(process, has_the_signals_of_a_new_program_and_a_worker_s_nice_value)
{
    int own_nice = getpriority(PRIO_PROCESS, 0) + 1, nice = own_nice + 10; /* own: not 0, which adds nothing */
    char text[64];

    cr_assert_eq(setpriority(PRIO_PROCESS, 0, own_nice), 0);
    start();
    (void)snprintf(text, sizeof(text), " %d 1 0", nice < 19 ? nice : 19);
    client_expect(&server, "/process", 200, text);
}

/* One that allows no group but the one in front to write to it, unless that ignores being told so. */
static void have_terminal(void)
{
    int terminal = posix_openpt(O_RDWR | O_NOCTTY), fd = -1;
    struct termios settings;

    process_clear_actions();
    if (terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0 && setsid() >= 0)
        fd = open(ptsname(terminal), O_RDWR | O_CLOEXEC); /* the session's from now on */
    if (fd < 0 || tcgetattr(fd, &settings) < 0)
        _exit(1);
    settings.c_lflag |= TOSTOP;
    if (tcsetattr(fd, TCSANOW, &settings) < 0)
        _exit(1);
}

Test(process, cannot_read_from_the_programs_terminal_but_may_write_to_it)
{
    process_fork(&server, &program, have_terminal, "--workers", "1");
    client_expect(&server, "/terminal", 200, "1 1");
}

Test(process, has_the_limits_of_its_route)
{
    start();
    client_expect(&server, "/limits", 200, "deadline 1, maximum 1");
}

/* ---- without a program ---- */

static void on_stopped(hoist_app *app, int err, void *arg)
{
    (void)app;
    (void)err;
    (void)arg;
}

Test(process, needs_hoist_main)
{
    uv_loop_t loop;
    hoist_app *app;

    cr_assert_eq(uv_loop_init(&loop), 0);
    cr_assert_eq(hoist_app_new(&app, NULL), 0);
    cr_assert_eq(hoist_app_route(app, &count_route), 0);

    cr_expect_eq(hoist_app_start(app, &loop, on_stopped, NULL), -EINVAL);
    cr_expect_str_eq(hoist_app_error(app), "route /count: HOIST_PROCESS needs hoist_main()");

    cr_expect_eq(hoist_app_free(app), 0);
    cr_expect_eq(uv_loop_close(&loop), 0);
}

Test(process, is_called_like_any_other_in_a_test_of_its_own)
{
    hoist_test *t = hoist_test_new(&count_route);

    cr_expect_str_eq(hoist_test_get(t, "/count")->body, "1");
    cr_expect_str_eq(hoist_test_get(t, "/count")->body, "2");
    hoist_test_free(t);
}

static void *stay(void *gate)
{
    sem_wait(gate);
    return NULL;
}

static void begin_with_a_thread(void)
{
    static sem_t gate;
    pthread_t thread;

    process_clear_actions();
    sem_init(&gate, 0, 0);
    pthread_create(&thread, NULL, stay, &gate);
}

Test(process, has_no_threads_and_says_so_when_there_were_some)
{
    process_fork(&server, &program, begin_with_a_thread, "--workers", "1");
    client_expect(&server, "/count", 200, "1");
    process_expect_said(&server, " warning threads were there before hoist_main() (1): ");
}
