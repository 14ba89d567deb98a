/* Starts the program, listens to what it says, ends it.
 *
 * Happy path: fork, exec, the first line of stdout, SIGTERM, the end of stdout, waitpid. Failures: cr_assert().
 * Close: stdout is a pipe, whose end tells the end of the process; stderr is a file in memory, which holds what the
 * process wrote whether or not somebody reads it.
 */
#include "process.h"

#include "hoist.h"
#include "wait.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGS_MAX = 32, CLOSE_BOUND_MS = 30 * 1000, PASSED_FIRST = 3, PASSED_MAX = 8 };

/* For the next process. */
static struct {
    int fds[PASSED_MAX];
    size_t n;
    const char *names;
} passed;

static void await_port(struct process *process);
static void await_admin_port(struct process *process);
static void launch(struct process *process, const char *program, const char *const *args);
static int make_ends(struct process *process);
static unsigned pass_sockets(void);
static bool read_out(struct process *process, int bound_ms);
static void reap(struct process *process);
static bool has_report(struct process *process);

void process_start_list(struct process *process, const char *const *args)
{
    const char *all[ARGS_MAX] = {"--port", "0", "--access-log", "off"};
    size_t n = 4;
    bool has_admin = true;

    for (; *args != NULL; args++) {
        cr_assert_lt(n, (size_t)ARGS_MAX - 1);
        all[n++] = *args;
        has_admin = has_admin && (strcmp(args[0], "--admin") != 0 || strcmp(args[1], "off") != 0);
    }
    launch(process, process_program(), all);
    await_port(process);
    if (has_admin)
        await_admin_port(process);
}

void process_fork_list(struct process *process, const hoist_program *program, void (*prepare)(void),
                       const char *const *args)
{
    const char *argv[ARGS_MAX] = {program->name, "--port", "0"};
    int n = 3, out = make_ends(process);

    for (; *args != NULL; args++) {
        cr_assert_lt(n, ARGS_MAX - 1);
        argv[n++] = *args;
    }
    process->pid = fork();
    cr_assert_geq(process->pid, 0);
    if (process->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out, STDOUT_FILENO);
        dup2(process->err, STDERR_FILENO);
        close(out);
        pass_sockets();
        if (prepare != NULL)
            prepare();
        _exit(hoist_main(n, (char **)(uintptr_t)argv, program));
    }
    close(out);
    passed.n = 0;
    await_port(process);
    await_admin_port(process);
}

void process_clear_actions(void)
{
    process_set_actions(SIG_DFL);
}

void process_set_actions(void (*action)(int number))
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    const struct rlimit none = {0};

    setrlimit(RLIMIT_CORE, &none);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        signal(signals[i], action);
}

static void await_port(struct process *process)
{
    const char *line = process_line(process);

    cr_assert_not_null(line, "the program did not start: %s", process_errors(process));
    cr_assert(sscanf(line, "listening on 127.0.0.1:%u", &process->port) == 1 ||
                  strncmp(line, "listening on unix:", 18) == 0,
              "its first line is '%s'", line);
    (void)snprintf(process->greeting, sizeof(process->greeting), "%s", line);
}

static void await_admin_port(struct process *process)
{
    const char *line = process_line(process);

    cr_assert_not_null(line, "the program did not start: %s", process_errors(process));
    cr_assert_eq(strncmp(line, "admin on ", 9), 0, "its second line is '%s'", line);
    (void)sscanf(line, "admin on 127.0.0.1:%u", &process->admin_port);
}

int process_run_list(struct process *process, const char *const *args)
{
    launch(process, process_program(), args);
    return process_wait(process);
}

int process_run_script(struct process *process, const char *script)
{
    launch(process, "/bin/sh", (const char *const[]){"-c", script, process_program(), NULL});
    return process_wait(process);
}

const char *process_program(void)
{
    const char *program = getenv("HOIST_PROGRAM");

    return program != NULL ? program : HOIST_PROGRAM_DEFAULT;
}

static void launch(struct process *process, const char *program, const char *const *args)
{
    int out = make_ends(process);

    process->pid = fork();
    cr_assert_geq(process->pid, 0);
    if (process->pid == 0)
        process_become(out, process->err, program, args);
    close(out);
    passed.n = 0;
}

/* Of a new process: its stdout is what this returns. */
static int make_ends(struct process *process)
{
    int ends[2];

    cr_assert_eq(process->pid, 0, "one process at a time");
    memset(process, 0, sizeof(*process));
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    process->out = ends[0];
    process->err = memfd_create("stderr", MFD_CLOEXEC);
    cr_assert_geq(process->err, 0);
    return ends[1];
}

void process_pass(const int *fds, size_t n, const char *names)
{
    cr_assert_leq(n, (size_t)PASSED_MAX);
    memcpy(passed.fds, fds, n * sizeof(fds[0]));
    passed.n = n;
    passed.names = names;
}

void process_become(int out, int err, const char *program, const char *const *args)
{
    const char *argv[ARGS_MAX + 1] = {program};

    for (size_t n = 0; args[n] != NULL; n++) {
        if (n == ARGS_MAX - 1) {
            dprintf(err, "%s: more than %d arguments\n", program, ARGS_MAX - 1);
            _exit(127);
        }
        argv[n + 1] = args[n];
    }
    unsetenv("HOIST_PROGRAM"); /* the tests' own, of which a server would warn */
    unsetenv("HOIST_EXAMPLES");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0 && close_range(pass_sockets(), UINT_MAX, 0) == 0)
        execv(argv[0], (char *const *)(uintptr_t)argv);
    dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* In the child: puts them where they are looked for. The first descriptor that is not one of them. */
static unsigned pass_sockets(void)
{
    char number[16];
    int moved[PASSED_MAX];

    for (size_t i = 0; i < passed.n; i++)
        moved[i] = fcntl(passed.fds[i], F_DUPFD, PASSED_FIRST + PASSED_MAX); /* not where another one comes to */
    for (size_t i = 0; i < passed.n; i++)
        dup2(moved[i], PASSED_FIRST + (int)i);
    if (passed.n > 0) {
        (void)snprintf(number, sizeof(number), "%d", getpid());
        setenv("LISTEN_PID", number, 1);
        (void)snprintf(number, sizeof(number), "%zu", passed.n);
        setenv("LISTEN_FDS", number, 1);
        if (passed.names != NULL)
            setenv("LISTEN_FDNAMES", passed.names, 1);
    }
    return PASSED_FIRST + (unsigned)passed.n;
}

/* ---- what it says ---- */

const char *process_line(struct process *process)
{
    char *end;
    size_t len;

    while ((end = memchr(process->out_text, '\n', process->out_len)) == NULL)
        if (!read_out(process, WAIT_BOUND_MS))
            return NULL;
    len = (size_t)(end - process->out_text);
    memcpy(process->line, process->out_text, len);
    process->line[len] = '\0';
    process->out_len -= len + 1;
    memmove(process->out_text, end + 1, process->out_len + 1);
    return process->line;
}

/* Reads what there is of stdout; false: it is at its end. */
static bool read_out(struct process *process, int bound_ms)
{
    size_t room = sizeof(process->out_text) - 1 - process->out_len;
    ssize_t n;

    cr_assert_gt(room, 0, "more on stdout than a test expects");
    cr_assert(wait_for_fd(process->out, POLLIN, bound_ms), "the program neither says anything nor ends");
    n = read(process->out, process->out_text + process->out_len, room);
    cr_assert_geq(n, 0);
    process->out_len += (size_t)n;
    process->out_text[process->out_len] = '\0';
    return n > 0;
}

const char *process_errors(struct process *process)
{
    ssize_t n = pread(process->err, process->err_text, sizeof(process->err_text) - 1, 0);

    process->err_text[n > 0 ? n : 0] = '\0';
    return process->err_text;
}

void process_expect_said(struct process *process, const char *text)
{
    if (process->pid != 0)
        cr_expect_eq(process_stop(process), 0);
    cr_expect_not_null(strstr(process_errors(process), text), "no '%s' in '%s'", text, process->err_text);
}

/* ---- its end ---- */

void process_signal(const struct process *process, int signal)
{
    cr_assert_gt(process->pid, 0);
    cr_assert_eq(kill(process->pid, signal), 0);
}

int process_stop(struct process *process)
{
    process_signal(process, SIGTERM);
    return process_wait(process);
}

int process_wait(struct process *process)
{
    while (read_out(process, WAIT_BOUND_MS))
        ;
    reap(process);
    cr_expect_not(has_report(process), "%s", process->err_text);
    return process->status;
}

void process_kill(struct process *process)
{
    process_signal(process, SIGKILL);
    process_wait(process);
    cr_expect_eq(process->status, 128 + SIGKILL, "it ended before it was killed, with status %d: %s", process->status,
                 process_errors(process));
}

/* After a test that failed a handler may be stuck, so nobody waits long here. Criterion prints what fails in a suite's
 * fini and lets the test pass; a crash there it counts. */
void process_close(struct process *process)
{
    if (process->pid == 0)
        return;
    kill(process->pid, SIGTERM);
    while (wait_for_fd(process->out, POLLIN, CLOSE_BOUND_MS) &&
           read(process->out, process->out_text, sizeof(process->out_text)) > 0)
        ;
    if (!wait_for_fd(process->out, POLLIN, 0))
        kill(process->pid, SIGKILL);
    reap(process);
    if (process->status != 0 || has_report(process)) {
        cr_expect_fail("the server's exit status is %d: %s", process->status, process_errors(process));
        abort();
    }
}

static void reap(struct process *process)
{
    int status;
    pid_t pid = process->pid;

    process->pid = 0;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    process->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    close(process->out);
}

/* Their exit status may be lost to a signal or an _exit(), so their words count. */
static bool has_report(struct process *process)
{
    const char *errors = process_errors(process);

    return strstr(errors, "Sanitizer") != NULL || strstr(errors, "runtime error:") != NULL;
}
