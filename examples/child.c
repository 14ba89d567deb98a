/* A command as a route. (A function that prints to stdout, crashes or never returns needs no command: HOIST_PROCESS.)
 *
 * The problem: the command may never end. It gets a pipe, what it prints is the reply, and when nobody waits for it any
 * more, or it prints more than max_reply, it is killed with all that it has started in its process group. factor(1) is
 * such a command: a number with two large prime factors keeps it busy for years. What is longer than an argument, a
 * request's body, is the command's standard input: POST /filter.
 *
 * A server that is killed or crashes takes its commands with it, but not what they have started, nor a set-user-ID
 * one, nor one that was started a millisecond ago. Where that matters: HOIST_PROCESS.
 *
 * The lane is a bulkhead: with more workers than CHILDREN_MAX other routes have the others, however long commands take.
 *
 *     child --workers 8 --factor /usr/bin/factor --filter /usr/bin/sort
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* environ, memfd_create(), pipe2() */
#endif
#include "hoist.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NO_INPUT (-1)

enum { DIGITS_MAX = 100, CHILDREN_MAX = 4, OUTPUT_MAX = 64 * 1024 };

const char *factor_program = "factor", *filter_program = "sort";

/* In front of a command: it is killed when the thread that started it ends, which here waits for it, and so ends first
 * only with the server. setpriv(1), of util-linux, becomes the command. */
#define DIES_WITH_US "setpriv", "--pdeathsig", "KILL", "--"

/* What a child must not inherit: the signals that a worker blocks, the SIGPIPE that a server ignores, our standard
 * input, and our process group, so that the child can be killed with its own children. Its stderr is the server's, the
 * log; all else is close-on-exec. in may be NO_INPUT. Returns 0 or an errno, as posix_spawn(3) does. */
static int spawn(const char *const *argv, int in, int out, pid_t *ret_pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, ignored;
    int err;

    sigemptyset(&none);
    sigemptyset(&ignored);
    sigaddset(&ignored, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &ignored);
    posix_spawn_file_actions_init(&files);
    if (in == NO_INPUT)
        err = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    else
        err = posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
    if (err == 0)
        err = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    if (err == 0)
        err = posix_spawnp(ret_pid, argv[0], &files, &attributes, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return err;
}

/* Until the child closes its end. The route's interrupt ends a read(2) that nobody waits for. */
static int copy_output(const hoist_req *req, int from, FILE *to)
{
    char bytes[4096];
    ssize_t n;

    while (!hoist_req_cancelled(req)) {
        n = read(from, bytes, sizeof(bytes));
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0 && (fwrite(bytes, 1, (size_t)n, to) < (size_t)n || fflush(to) != 0))
            return -EMSGSIZE;
    }
    return -ECANCELED;
}

/* A child that has closed its stdout may still run on, and is killed when nobody waits for it. What it leaves in the
 * background is killed, too: before waitpid(), until which its group's number is nobody else's. */
static int reap(const hoist_req *req, pid_t pid, int *ret_status)
{
    bool is_left = false;
    siginfo_t ended;

    while (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT) < 0) {
        if (errno != EINTR)
            return -errno;
        is_left = hoist_req_cancelled(req);
        if (is_left)
            kill(-pid, SIGKILL);
    }
    kill(-pid, SIGKILL);
    while (waitpid(pid, ret_status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return is_left ? -ECANCELED : 0;
}

static int run(const hoist_req *req, const char *const *argv, int in, FILE *out, int *ret_status)
{
    int ends[2], err, reap_err;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    err = spawn(argv, in, ends[1], &pid);
    close(ends[1]);
    if (err != 0) {
        close(ends[0]);
        return -err;
    }
    err = copy_output(req, ends[0], out);
    if (err < 0)
        kill(-pid, SIGKILL);
    close(ends[0]);
    reap_err = reap(req, pid, ret_status);
    return err < 0 ? err : reap_err;
}

/* Of setpriv(1), as of a shell: the command is not there, or no program. Its words are on stderr. */
static bool is_no_command(int status)
{
    return WIFEXITED(status) && (WEXITSTATUS(status) == 126 || WEXITSTATUS(status) == 127);
}

/* Why there is no reply from a command. */
static int explain(hoist_res *res, int err)
{
    switch (-err) {
    case EMSGSIZE:
        return 0; /* the stream has failed, and the server says why */
    case ECANCELED:
        return err;
    case EAGAIN:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return -EAGAIN; /* there may be enough processes, descriptors and memory again soon: 503 */
    default:
        return hoist_reply_error(res, 500, "the command cannot be run: %s", strerror(-err));
    }
}

/* What the command prints is the reply, if it ends well. */
static int reply_with_output(hoist_req *req, hoist_res *res, const char *const *argv, int in)
{
    FILE *out = hoist_res_file(res);
    int err, status = 0;

    if (out == NULL)
        return -ENOMEM;
    err = run(req, argv, in, out, &status);
    if (err < 0)
        return explain(res, err);
    if (is_no_command(status))
        return hoist_reply_error(res, 500, "the command cannot be run");
    if (WIFSIGNALED(status))
        return hoist_reply_error(res, 502, "the command was ended by signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return hoist_reply_error(res, 502, "the command's exit status is %d", WEXITSTATUS(status));
    return 0;
}

static int factor(hoist_req *req, hoist_res *res)
{
    const char *const *program = hoist_req_data(req);
    const char *number = hoist_req_arg(req, "number");

    if (number == NULL || strlen(number) > DIGITS_MAX || number[strspn(number, "0123456789")] != '\0')
        return hoist_reply_error(res, 400, "a number of at most %d digits is needed", DIGITS_MAX);
    return reply_with_output(req, res, (const char *const[]){DIES_WITH_US, *program, number, NULL}, NO_INPUT);
}

/* A file in memory that is read from its beginning. A pipe would need somebody who fills it while the output is read:
 * neither the child nor we would go on when both pipes are full. Returns its descriptor. */
static int file_with(const char *bytes, size_t len)
{
    int err, fd = memfd_create("body", MFD_CLOEXEC);
    ssize_t n = 0;

    if (fd < 0)
        return -errno;
    for (size_t at = 0; at < len && n >= 0; at += (size_t)n)
        n = write(fd, bytes + at, len - at);
    if (n >= 0 && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    err = -errno;
    close(fd);
    return err;
}

static int filter(hoist_req *req, hoist_res *res)
{
    const char *const *program = hoist_req_data(req);
    size_t len;
    const char *body = hoist_req_body(req, &len);
    int err, in = file_with(body, len);

    if (in < 0)
        return explain(res, in);
    err = reply_with_output(req, res, (const char *const[]){DIES_WITH_US, *program, NULL}, in);
    close(in);
    return err;
}

const hoist_route factor_route = {
    .path = "/factor/:number",
    .handler = factor,
    .data = &factor_program,
    .interrupt = true,
    .lane = "commands",
    .max_concurrency = CHILDREN_MAX,
    .max_reply = OUTPUT_MAX,
};

const hoist_route filter_route = {
    .method = HOIST_POST,
    .path = "/filter",
    .handler = filter,
    .data = &filter_program,
    .interrupt = true,
    .lane = "commands",
    .max_concurrency = CHILDREN_MAX,
};

static const hoist_option factor_option = {
    .name = "factor",
    .type = HOIST_OPTION_STRING,
    .value = &factor_program,
    .arg = "PROGRAM",
    .help = "the command that is called with a number",
};

static const hoist_option filter_option = {
    .name = "filter",
    .type = HOIST_OPTION_STRING,
    .value = &filter_program,
    .arg = "PROGRAM",
    .help = "the command that reads a body",
};

int main(int argc, char **argv)
{
    static const hoist_route *const routes[] = {&factor_route, &filter_route, NULL};
    static const hoist_option *const options[] = {&factor_option, &filter_option, NULL};

    return hoist_main(argc, argv,
                      &(hoist_program){.name = "child", .version = "1", .routes = routes, .options = options});
}
