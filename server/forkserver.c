/* The process that forks, and how the program talks to it.
 *
 * Happy path: forkserver_ask() makes a pair of sockets and sends one of them over; the fork server forks, and what it
 * made has that socket. When it has ended, and what is left of its group was killed, the fork server writes how, and
 * the caller sees the end of the stream.
 * Failures: a fork server that was killed from outside is not replaced: only a program without threads could.
 * Close: when the program has ended, however that was, so have all its sockets. Its processes are then killed like any
 * that nobody waits for, and the fork server ends behind the last one.
 */
#include "forkserver.h"

#include "log.h"
#include "pool/pool.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* As many as there can be workers, each of which waits for one. */
enum { PROCESSES_MAX = POOL_WORKERS_MAX };

/* In the program. */
static int to_server = -1;
static pid_t server_pid;

/* In the fork server. polls[0] is its own socket; the others are those of its processes. Where there is nothing more to
 * hear, fd is the complement, which poll(2) ignores. */
static void (*serve_process)(int fd);
static sigset_t old_signals;
static struct pollfd polls[1 + PROCESSES_MAX];
static pid_t pids[1 + PROCESSES_MAX];
static nfds_t n_polls;

static void tell_threads(void);
static int send_descriptor(int fd);
static bool receive_descriptor(int socket, int *ret_fd);
static _Noreturn void run(int socket, unsigned nice);
static void prepare_signals(void);
static void on_child(int number);
static void make_process(int fd);
static _Noreturn void be_process(int fd, pid_t parent);
static _Noreturn void leave(int status, void *arg);
static int descriptor_of(const struct pollfd *entry);
static void kill_abandoned(void);
static void bury(void);
static uint64_t ns_of(struct timeval time);
static void tell_end(int fd, const struct forkserver_end *end);

int forkserver_start(void (*serve)(int fd), unsigned nice, const int *own, unsigned n_own)
{
    int ends[2], err;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    serve_process = serve;
    tell_threads();
    fflush(NULL); /* else each process would print again what still waits */
    server_pid = fork();
    if (server_pid == 0) {
        close(ends[0]);
        for (unsigned i = 0; i < n_own; i++)
            if (own[i] >= 0)
                close(own[i]);
        run(ends[1], nice);
    }
    err = -errno;
    close(ends[1]);
    if (server_pid < 0) {
        close(ends[0]);
        return err;
    }
    to_server = ends[0];
    return 0;
}

/* fork(2) copies what they had locked, and not them. */
static void tell_threads(void)
{
    DIR *threads = opendir("/proc/self/task");
    const struct dirent *entry;
    unsigned n = 0;

    while (threads != NULL && (entry = readdir(threads)) != NULL)
        n += entry->d_name[0] != '.';
    if (threads != NULL)
        closedir(threads);
    if (n > 1)
        log_write(LOG_WARNING,
                  "threads were there before hoist_main() (%u): a call's process has none of them, and what they hold "
                  "locked stays so",
                  n - 1);
}

bool forkserver_is_started(void)
{
    return to_server >= 0;
}

bool forkserver_has_ended(void)
{
    struct pollfd entry = {.fd = to_server}; /* POLLHUP is told unasked; with -1 nothing is */

    return poll(&entry, 1, 0) > 0;
}

int forkserver_ask(int *ret_fd)
{
    int ends[2], err;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    err = send_descriptor(ends[1]);
    close(ends[1]);
    if (err < 0)
        close(ends[0]);
    else
        *ret_fd = ends[0];
    return err;
}

ssize_t forkserver_receive(int fd, void *bytes, size_t size)
{
    struct pollfd either[] = {{.fd = fd, .events = POLLIN}, {.fd = to_server}};

    if (poll(either, 2, -1) < 0)
        return -1;
    return either[0].revents != 0 ? recv(fd, bytes, size, 0) : 0;
}

void forkserver_stop(void)
{
    if (!forkserver_is_started())
        return;
    close(to_server);
    to_server = -1;
    (void)kill(server_pid, SIGKILL); /* it may be stopped */
    while (waitpid(server_pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* ---- a descriptor through a socket: unix(7), SCM_RIGHTS ---- */

union rights {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(sizeof(int))];
};

static int send_descriptor(int fd)
{
    union rights rights = {0};
    char byte = 0;
    struct iovec bytes = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof(rights.bytes)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    ssize_t n;

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    do
        n = sendmsg(to_server, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

/* False: nothing will come any more. ret_fd is -1 when nothing came this time. */
static bool receive_descriptor(int socket, int *ret_fd)
{
    union rights rights = {0};
    char byte;
    struct iovec bytes = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof(rights.bytes)};
    ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;

    *ret_fd = -1;
    if (header != NULL && header->cmsg_type == SCM_RIGHTS)
        memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
    return n != 0;
}

/* ---- the fork server ---- */

static _Noreturn void run(int socket, unsigned nice)
{
    bool is_asked = true; /* more may be asked for */
    int fd;

    prctl(PR_SET_NAME, "hoist-fork");
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* else what its processes leave is the program's, which does not wait for it */
    (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + (int)nice);
    prepare_signals();
    n_polls = 1;
    polls[0] = (struct pollfd){.events = POLLIN};
    while (is_asked || n_polls > 1) {
        polls[0].fd = is_asked && n_polls <= PROCESSES_MAX ? socket : ~socket;
        if (ppoll(polls, n_polls, NULL, &old_signals) > 0) {
            kill_abandoned();
            fd = -1;
            if (polls[0].revents != 0)
                is_asked = receive_descriptor(socket, &fd);
            if (fd >= 0)
                make_process(fd);
        }
        bury();
    }
    _exit(0);
}

/* What ends the program, by the terminal or for its whole group, must not end this one first: the program drains, and
 * then it is the end of the socket that ends us. A new group is not the terminal's foreground, so reading from it is an
 * error (EIO), and writing to it is to be allowed. */
static void prepare_signals(void)
{
    const struct sigaction action = {.sa_handler = on_child}; /* so that ppoll(2) ends */
    sigset_t blocked;

    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGTTIN, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, &old_signals);
    sigdelset(&old_signals, SIGCHLD);
    sigaction(SIGCHLD, &action, NULL);
}

static void on_child(int number)
{
    (void)number;
}

/* Its group is made on both sides: each may be the first that needs it. */
static void make_process(int fd)
{
    pid_t parent = getpid(), pid = fork();

    if (pid == 0)
        be_process(fd, parent);
    if (pid < 0) {
        tell_end(fd, &(struct forkserver_end){.tag = FORKSERVER_TAG, .err = errno});
        return;
    }
    (void)setpgid(pid, pid);
    polls[n_polls] = (struct pollfd){.fd = fd, .events = POLLRDHUP};
    pids[n_polls] = pid;
    n_polls++;
}

static _Noreturn void be_process(int fd, pid_t parent)
{
    (void)setpgid(0, 0);
    prctl(PR_SET_NAME, "hoist-process");
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* else nobody would kill it any more */
    if (getppid() != parent)          /* which was killed before that */
        _exit(0);
    for (nfds_t i = 0; i < n_polls; i++)
        close(descriptor_of(&polls[i]));
    signal(SIGHUP, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, &old_signals, NULL);
    (void)on_exit(leave, NULL);
    serve_process(fd);
    leave(0, NULL);
}

/* Also when the call asks for exit(3), behind what it has registered for that itself: what was registered before is the
 * program's, which goes on. */
static _Noreturn void leave(int status, void *arg)
{
    (void)arg;
    fflush(NULL);
    _exit(status);
}

static int descriptor_of(const struct pollfd *entry)
{
    return entry->fd >= 0 ? entry->fd : ~entry->fd;
}

static void kill_abandoned(void)
{
    for (nfds_t i = 1; i < n_polls; i++) {
        if (polls[i].revents == 0)
            continue;
        (void)kill(-pids[i], SIGKILL);
        (void)kill(pids[i], SIGKILL); /* it may have left its group */
        polls[i].fd = ~polls[i].fd;
    }
}

/* Those that have ended, and what they had left behind. Each goes on existing until wait4(), so that its number is
 * not another's yet when the rest of its group is killed. */
static void bury(void)
{
    struct forkserver_end end = {.tag = FORKSERVER_TAG};
    siginfo_t info = {0};
    struct rusage usage;
    nfds_t i;
    int fd;

    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
        for (i = 1; i < n_polls && pids[i] != info.si_pid; i++)
            ;
        if (i < n_polls)
            (void)kill(-info.si_pid, SIGKILL);
        (void)wait4(info.si_pid, &end.status, 0, &usage);
        if (i < n_polls) {
            end.cpu_ns = ns_of(usage.ru_utime) + ns_of(usage.ru_stime);
            fd = descriptor_of(&polls[i]);
            n_polls--;
            polls[i] = polls[n_polls];
            pids[i] = pids[n_polls];
            tell_end(fd, &end);
        }
        info.si_pid = 0;
    }
}

static uint64_t ns_of(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_usec * 1000;
}

/* Whoever asked for the process reads until the end, so there is room. What was killed may have left a process that has
 * the socket, too: that does not keep it open. */
static void tell_end(int fd, const struct forkserver_end *end)
{
    (void)!send(fd, end, sizeof(*end), MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_RDWR);
    close(fd);
}
