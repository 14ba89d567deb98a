/* A signal's action that writes two lines and lets the signal come again.
 *
 * Every thread that runs handlers gets a stack of its own for the action: what crashes may have used up the other one.
 * After the action the signal has its default action again, and a fault repeats itself where it was, so that a core
 * dump shows it there; one that was sent, as abort(3) sends it, is sent once more, and so is a trap, behind which a CPU
 * goes on. In the action is only what signal-safety(7) allows. Close: none; a thread's stack is mapped for as long as
 * libuv keeps its threads, which is to the end of the process.
 */
#include "crash.h"

#include "exchange.h"
#include "log_line.h"
#include "pool/pool.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ACTION_STACK = 64 * 1024 };

static const struct {
    int number;
    const char *name;
} signals[] = {
    {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
    {SIGILL, "SIGILL"},   {SIGABRT, "SIGABRT"}, {SIGTRAP, "SIGTRAP"},
};
enum { N_SIGNALS = sizeof(signals) / sizeof(signals[0]) };

static bool is_enabled;

/* Initial-exec: read in a signal's action, where the first use of any other kind may allocate. */
static _Thread_local struct exchange *volatile own_exchange __attribute__((tls_model("initial-exec")));
static _Thread_local bool has_stack __attribute__((tls_model("initial-exec")));

static void make_stack(void);
static void on_crash(int number, siginfo_t *info, void *context);
static const char *name_of(int number);
static void add_address(struct log_line *line, const siginfo_t *info);
static void add_place(struct log_line *line, const struct exchange *x);
static void add_number(struct log_line *line, const char *what, uint64_t number, unsigned base);
static void put(struct log_line *line);

void crash_enable(void)
{
    const struct sigaction action = {.sa_sigaction = on_crash,
                                     .sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND)};
    struct sigaction before;

    for (size_t i = 0; i < N_SIGNALS; i++)
        if (sigaction(signals[i].number, NULL, &before) == 0 && before.sa_handler == SIG_DFL)
            (void)sigaction(signals[i].number, &action, NULL);
    is_enabled = true;
}

struct exchange *crash_enter(struct exchange *x)
{
    struct exchange *before = own_exchange;

    if (is_enabled && !has_stack)
        make_stack();
    own_exchange = x;
    return before;
}

void crash_leave(struct exchange *before)
{
    own_exchange = before;
}

/* One that is there already, as a sanitizer's, stays. */
static void make_stack(void)
{
    stack_t stack = {.ss_size = ACTION_STACK}, before;

    has_stack = true;
    if (sigaltstack(NULL, &before) < 0 || (before.ss_flags & SS_DISABLE) == 0)
        return;
    stack.ss_sp = mmap(NULL, ACTION_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack.ss_sp != MAP_FAILED)
        (void)sigaltstack(&stack, NULL);
}

/* The first line before the backtrace: a stack that was written over may end the second one with another fault. */
static void on_crash(int number, siginfo_t *info, void *context)
{
    bool is_sent = info->si_code <= 0;
    char trace[POOL_TRACE_MAX];
    struct log_line line;

    (void)context;
    log_line_begin(&line, LOG_ERROR);
    log_line_add(&line, "crashed: ");
    log_line_add(&line, name_of(number));
    if (!is_sent && (number == SIGSEGV || number == SIGBUS))
        add_address(&line, info);
    add_place(&line, own_exchange);
    put(&line);

    pool_trace_self(trace);
    if (trace[0] != '\0') {
        log_line_begin(&line, LOG_ERROR);
        log_line_add(&line, "crashed: backtrace: ");
        log_line_add(&line, trace);
        put(&line);
    }
    if (is_sent || number == SIGTRAP)
        (void)raise(number);
}

static const char *name_of(int number)
{
    size_t i = 0;

    while (i < N_SIGNALS - 1 && signals[i].number != number)
        i++;
    return signals[i].name;
}

/* sigaction(2): x86 does not tell it of a bad alignment, or of a pointer that is no address in any program. */
static void add_address(struct log_line *line, const siginfo_t *info)
{
    if (info->si_code == SI_KERNEL)
        log_line_add(line, ", address unknown");
    else
        add_number(line, ", address 0x", (uintptr_t)info->si_addr, 16);
}

static void add_place(struct log_line *line, const struct exchange *x)
{
    if (x == NULL) {
        log_line_add(line, ", in no handler");
        return;
    }
    log_line_add(line, ": ");
    log_line_add(line, x->req.route->given.path);
    add_number(line, ", request ", x->id, 10);
    if (x->state == EXCHANGE_QUEUED)
        add_number(line, ", worker ", x->job.seat, 10);
    else
        log_line_add(line, ", on the loop");
}

static void add_number(struct log_line *line, const char *what, uint64_t number, unsigned base)
{
    char digits[24];
    char *first = digits + sizeof(digits) - 1;

    *first = '\0';
    do {
        *--first = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    log_line_add(line, what);
    log_line_add(line, first);
}

/* Ahead of the log's lines that still wait, and not at all if stderr would make it wait: a crash must not hang. */
static void put(struct log_line *line)
{
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};

    log_line_end(line);
    if (poll(&room, 1, 0) == 1)
        (void)!write(STDERR_FILENO, line->text, line->len);
}
