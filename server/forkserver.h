/* A process that makes processes: forked while the program has one thread, so that what it forks may call anything. A
 * program with threads cannot do that itself: its child would have one of them, and the locks that the others held.
 *
 * Happy path: forkserver_start(); forkserver_ask() for each new process, which runs serve() at the other end of a
 * socket; how it ended comes last through that. Failures: where fork(2) fails, that is how it ended. Close:
 * forkserver_stop(); when the program ends in any other way, so do all of them. When the fork server is killed, so are
 * its processes, but what they have started themselves is left to the system.
 */
#ifndef SERVER_FORKSERVER_H
#define SERVER_FORKSERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What a process's socket gives last, unless the fork server was killed. Then there is no such tag at that place. */
#define FORKSERVER_TAG UINT64_C(0x91e10da5c79e7b1d)

struct forkserver_end {
    uint64_t tag;
    int err;         /* fork(2)'s errno: there was no process; 0 */
    int status;      /* as of waitpid(2) */
    uint64_t cpu_ns; /* that it has used */
};

/* Before other threads exist. nice is added to the nice value of all that it makes. In a new process serve() is called,
 * and it ends with status 0 when serve() returns; what was open and in memory at this call is there then, but for own:
 * descriptors that are the program's alone (-1: none). A negative errno. */
int forkserver_start(void (*serve)(int fd), unsigned nice, const int *own, unsigned n_own);

bool forkserver_is_started(void);

/* Something has killed it: no process will be made any more. Any thread. */
bool forkserver_has_ended(void);

/* Makes a process. Owner of *ret_fd, a stream socket: the caller; shutdown(fd, SHUT_WR) or close(fd) kills the process
 * and those of its group. Any thread. A negative errno. */
int forkserver_ask(int *ret_fd);

/* recv(2) from such a socket, fd. 0, behind the struct forkserver_end: the process is gone; or the fork server is, and
 * what else still has the socket is not waited for. Any thread. */
ssize_t forkserver_receive(int fd, void *bytes, size_t size);

/* Kills what still runs. By the thread that started it; nothing when none did. */
void forkserver_stop(void);

#endif
