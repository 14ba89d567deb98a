/* A pseudo-terminal (pty(7)), of which the program has the one end and the test the other. */
#include "terminal.h"

#include "process.h"
#include "wait.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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
        process_become(fd, fd, process_program(), args);
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
