/* A pseudo-terminal (pty(7)), of which the program has the one end and the test the other. */
#include "terminal.h"

#include "wait.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGS_MAX = 32 };

/* In the child, which does not outlive the test. */
static void become_program(int fd, const char *const *args)
{
    const char *program = getenv("HOIST_PROGRAM");
    const char *argv[ARGS_MAX + 1] = {program != NULL ? program : HOIST_PROGRAM_DEFAULT};

    for (size_t i = 0; i < ARGS_MAX - 1 && args[i] != NULL; i++)
        argv[i + 1] = args[i];
    unsetenv("HOIST_PROGRAM"); /* the tests' own, of which a server would warn */
    unsetenv("HOIST_EXAMPLES");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (dup2(fd, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0)
        execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

void terminal_start_list(struct terminal *terminal, const char *const *args)
{
    int fd;

    cr_assert_eq(terminal->pid, 0, "one program at a time");
    terminal->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    cr_assert(terminal->fd >= 0 && grantpt(terminal->fd) == 0 && unlockpt(terminal->fd) == 0);
    fd = open(ptsname(terminal->fd), O_RDWR | O_NOCTTY | O_CLOEXEC); /* NOLINT(concurrency-mt-unsafe): one thread */
    cr_assert_geq(fd, 0);
    terminal->pid = fork();
    cr_assert_geq(terminal->pid, 0);
    if (terminal->pid == 0)
        become_program(fd, args);
    close(fd);
}

/* Behind the end of the program, read(2) fails. */
void terminal_await(struct terminal *terminal, const char *text)
{
    ssize_t n;

    while (strstr(terminal->text, text) == NULL) {
        cr_assert(wait_for_fd(terminal->fd, POLLIN, WAIT_BOUND_MS), "no '%s' in '%s'", text, terminal->text);
        n = read(terminal->fd, terminal->text + terminal->len, sizeof(terminal->text) - 1 - terminal->len);
        cr_assert_gt(n, 0, "no '%s' in '%s', and no more comes", text, terminal->text);
        terminal->len += (size_t)n;
        terminal->text[terminal->len] = '\0';
    }
}

void terminal_close(struct terminal *terminal)
{
    if (terminal->pid == 0)
        return;
    kill(terminal->pid, SIGKILL);
    waitpid(terminal->pid, NULL, 0);
    close(terminal->fd);
    terminal->pid = 0;
}
