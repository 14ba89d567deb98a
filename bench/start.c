/* start PORT PATH COMMAND...: how long a server takes from exec to its first 200.
 *
 * Happy path: runs the command, asks again and again until it answers, prints the command's process id and the
 * microseconds; ends it when stdin ends.
 * Failures: the command ends, or does not answer within ten seconds: a line on stderr, exit 1.
 */
#include "client.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 10, HOLD_MS = 30000, PAUSE_NS = 100 * 1000 };

static pid_t run(char **command)
{
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(command[0], command);
        _exit(127);
    }
    return pid;
}

/* With pauses: asked without, a server on two cores takes a sixth longer to start. */
static int ask_until_it_answers(unsigned port, const char *path, pid_t pid, uint64_t until_ns)
{
    while (now_ns() < until_ns && waitpid(pid, NULL, WNOHANG) == 0) {
        int fd = client_connect(port), status;
        if (fd < 0) {
            nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
            continue;
        }
        status = client_get(fd, path);
        close(fd);
        if (status == 200)
            return 0;
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    uint64_t started_ns;
    pid_t pid;

    if (argc < 4) {
        fprintf(stderr, "usage: start PORT PATH COMMAND...\n");
        return 2;
    }
    started_ns = now_ns();
    pid = run(argv + 3);
    if (pid < 0 || ask_until_it_answers(number(argv[1], PORT_MAX), argv[2], pid,
                                        started_ns + PATIENCE_S * UINT64_C(1000000000)) < 0) {
        fprintf(stderr, "start: no answer from %s\n", argv[3]);
        if (pid > 0)
            kill(pid, SIGKILL);
        return 1;
    }
    printf("%d %.1f\n", (int)pid, (double)(now_ns() - started_ns) / 1e3);
    fflush(stdout);
    poll(&input, 1, HOLD_MS);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return 0;
}
