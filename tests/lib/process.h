/* The built program, started by a test as a process of its own.
 *
 * Happy path: process_start(&server, "--workers", "1"), clients of server.port, process_stop(). process_run() is for a
 * command that ends by itself. The program is the environment's HOIST_PROGRAM, else this build's; process_fork() is for
 * one with routes of the test's.
 * Failures: whatever goes wrong here fails the test, and so does a report of a sanitizer in the program.
 * Close: process_close() as the suite's fini; a test that dies takes the program with it.
 */
#ifndef TESTS_LIB_PROCESS_H
#define TESTS_LIB_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

struct hoist_program;

enum { PROCESS_TEXT = 64 * 1024 };

struct process {
    pid_t pid;           /* 0: none runs */
    unsigned port;       /* where it listens; 0: on no port */
    unsigned admin_port; /* where it tells figures; 0: nowhere, or not on a port */
    int status;          /* after its end: of its exit, or 128 and the signal that ended it */
    int out, err;
    size_t out_len;
    char greeting[256];          /* the line "listening on ..." */
    char line[PROCESS_TEXT];     /* what process_line() gave */
    char out_text[PROCESS_TEXT]; /* what it wrote on stdout since then */
    char err_text[PROCESS_TEXT]; /* what process_errors() gave */
};

/* Starts the server on free ports, without an access log, and with these options, which count more. Returns when it
 * listens. */
#define process_start(process, ...) process_start_list(process, (const char *const[]){__VA_ARGS__, NULL})
void process_start_list(struct process *process, const char *const *args);

/* Options of a server that waits for its clients for as long as a test on a busy machine may take. */
#define PROCESS_PATIENT "--header-timeout-ms", "3600000", "--body-timeout-ms", "3600000", "--keep-alive-ms", "3600000"

/* The same of a program in the test's own code. prepare(), unless NULL, is called in the new process before
 * hoist_main(). */
#define process_fork(process, program, prepare, ...)                                                                   \
    process_fork_list(process, program, prepare, (const char *const[]){__VA_ARGS__, NULL})
void process_fork_list(struct process *process, const struct hoist_program *program, void (*prepare)(void),
                       const char *const *args);

/* For prepare(): under a sanitizer or a test runner signals have actions already, and a program that was just started
 * has none. Of the signals of a crash; no core is dumped either. */
void process_clear_actions(void);
void process_set_actions(void (*action)(int number));

/* Runs the program with exactly these arguments to its end; its status. Its stdout is in out_text then. */
#define process_run(process, ...) process_run_list(process, (const char *const[]){__VA_ARGS__, NULL})
int process_run_list(struct process *process, const char *const *args);

/* The same of a script of the shell's, which finds the program as $0. */
int process_run_script(struct process *process, const char *script);

/* What is started: HOIST_PROGRAM, or this build's. */
const char *process_program(void);

/* The next process that is started finds these sockets as a supervisor passes them (sd_listen_fds(3)), with names in
 * LISTEN_FDNAMES unless NULL. They stay the test's, too. */
void process_pass(const int *fds, size_t n, const char *names);

/* In a new process: becomes the program, with exactly these arguments and no more of what is open than these two, as
 * stdout and stderr, and the sockets that were passed. It does not outlive the test. */
_Noreturn void process_become(int out, int err, const char *program, const char *const *args);

/* The next line of stdout, without its end; NULL: the process has ended. */
const char *process_line(struct process *process);

/* All that came on stderr so far. */
const char *process_errors(struct process *process);

/* Expects this text there, once the server has stopped, for its log may be behind its replies. */
void process_expect_said(struct process *process, const char *text);

void process_signal(const struct process *process, int signal);

/* Waits for its end, after a SIGTERM or without; its status. */
int process_stop(struct process *process);
int process_wait(struct process *process);

/* For a server that could not stop in time because a handler of the test is stuck. */
void process_kill(struct process *process);

/* A server that still runs must stop cleanly now. */
void process_close(struct process *process);

#endif
