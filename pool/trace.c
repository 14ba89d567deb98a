/* Where a job is: its thread writes its own backtrace when a signal tells it to.
 *
 * Happy path: pool_trace_enable() once; pool_trace_ask() signals the thread that runs a job; the signal's action writes
 * the frames into the thread's seat, as text, where pool_trace_take() finds them a moment later. The thread itself
 * looks the names up, because dladdr(3) takes the dynamic linker's lock: the loop would wait for one that is stuck in
 * dlopen(3). The lock of the pool is held while the signal is sent, as in interrupt.c: the next job must not get it.
 * Failures: a thread in an uninterruptible sleep takes no signal, so its frames do not come. Close: none; the signal
 * keeps its action.
 */
#include "worker.h"

#if defined(__GLIBC__) && defined(SIGSTKFLT)

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

enum { FRAMES_MAX = 32 };

static bool is_enabled;

/* Initial-exec: read in a signal's action, where the first use of any other kind may allocate. */
static _Thread_local struct seat *volatile own_seat __attribute__((tls_model("initial-exec")));

/* Up a thread's stack, from a signal's action. */
struct walk {
    char *text; /* of POOL_TRACE_MAX bytes */
    size_t len;
    unsigned n;    /* frames in it */
    bool has_left; /* the action's own ones */
};

static void on_trace(int number);
static _Unwind_Reason_Code on_frame(struct _Unwind_Context *frame, void *arg);
static void put_frame(struct walk *walk, void *address);
static void put_text(struct walk *walk, const char *text);
static void put_offset(struct walk *walk, uintptr_t offset);

bool pool_trace_enable(void)
{
    struct sigaction action = {.sa_handler = on_trace, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    is_enabled = sigaction(POOL_TRACE_SIGNAL, &action, NULL) == 0;
    return is_enabled;
}

void trace_sit(struct seat *seat)
{
    if (seat != NULL)
        seat->thread_id = (int)syscall(SYS_gettid);
    own_seat = seat;
}

bool pool_trace_ask(struct pool *pool, const struct pool_job *job)
{
    bool is_asked = false;

    uv_mutex_lock(&pool->lock);
    if (is_enabled && job->state == POOL_JOB_RUNNING) {
        struct seat *seat = &pool->seats[job->seat];

        atomic_store(&seat->trace.is_due, true);
        is_asked = pthread_kill(seat->thread, POOL_TRACE_SIGNAL) == 0;
    }
    uv_mutex_unlock(&pool->lock);
    return is_asked;
}

bool pool_trace_take(struct pool *pool, const struct pool_job *job, char text[POOL_TRACE_MAX])
{
    const struct trace *trace = NULL;

    uv_mutex_lock(&pool->lock);
    if (job->state == POOL_JOB_RUNNING)
        trace = &pool->seats[job->seat].trace;
    uv_mutex_unlock(&pool->lock);
    if (trace == NULL || atomic_load(&trace->is_due))
        return false;
    memcpy(text, trace->text, POOL_TRACE_MAX); /* nobody writes there until it is asked again */
    return true;
}

/* On the job's thread, between two instructions of whatever it does: no lock of ours, no allocation, no printf. One
 * that comes late, to the seat's next job, finds the trace due or not, and does no harm either way. */
static void on_trace(int number)
{
    struct seat *seat = own_seat;
    int before = errno;

    (void)number;
    if (seat != NULL && atomic_load(&seat->trace.is_due)) {
        pool_trace_self(seat->trace.text);
        atomic_store(&seat->trace.is_due, false);
    }
    errno = before;
}

/* libgcc's unwinder and not backtrace(3), which loads a library and allocates when it is called first. */
void pool_trace_self(char text[POOL_TRACE_MAX])
{
    struct walk walk = {.text = text};

    text[0] = '\0';
    (void)_Unwind_Backtrace(on_frame, &walk);
}

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *frame, void *arg)
{
    struct walk *walk = arg;
    int is_interrupted = 0; /* by the signal: its address is no return address */
    uintptr_t address = _Unwind_GetIPInfo(frame, &is_interrupted);

    walk->has_left = walk->has_left || is_interrupted != 0;
    if (!walk->has_left || address == 0) /* 0: behind the last one, or a call of NULL */
        return _URC_NO_REASON;
    put_frame(walk, (void *)address);
    return ++walk->n < FRAMES_MAX ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/* As "nanosleep+0x13 (libc.so.6+0xd81f3)": what is in brackets is addr2line's to read. */
static void put_frame(struct walk *walk, void *address)
{
    uintptr_t at = (uintptr_t)address;
    Dl_info info;
    bool is_known = dladdr(address, &info) != 0 && info.dli_fname != NULL;
    const char *module = is_known ? strrchr(info.dli_fname, '/') : NULL;

    put_text(walk, walk->len > 0 ? " < " : "");
    if (!is_known) {
        put_offset(walk, at);
        return;
    }
    if (info.dli_sname != NULL) {
        put_text(walk, info.dli_sname);
        put_offset(walk, at - (uintptr_t)info.dli_saddr);
        put_text(walk, " (");
    }
    put_text(walk, module != NULL ? module + 1 : info.dli_fname);
    put_offset(walk, at - (uintptr_t)info.dli_fbase);
    put_text(walk, info.dli_sname != NULL ? ")" : "");
}

static void put_text(struct walk *walk, const char *text)
{
    while (*text != '\0' && walk->len < POOL_TRACE_MAX - 1)
        walk->text[walk->len++] = *text++;
    walk->text[walk->len] = '\0';
}

static void put_offset(struct walk *walk, uintptr_t offset)
{
    char digits[2 * sizeof(offset) + 1];
    size_t first = sizeof(digits) - 1;

    digits[first] = '\0';
    do {
        digits[--first] = "0123456789abcdef"[offset & 15];
        offset >>= 4;
    } while (offset > 0);
    put_text(walk, "+0x");
    put_text(walk, digits + first);
}

#else

bool pool_trace_enable(void)
{
    return false;
}

void trace_sit(struct seat *seat)
{
    (void)seat;
}

bool pool_trace_ask(struct pool *pool, const struct pool_job *job)
{
    (void)pool;
    (void)job;
    return false;
}

bool pool_trace_take(struct pool *pool, const struct pool_job *job, char text[POOL_TRACE_MAX])
{
    (void)pool;
    (void)job;
    (void)text;
    return false;
}

void pool_trace_self(char text[POOL_TRACE_MAX])
{
    text[0] = '\0';
}

#endif

int pool_job_thread(struct pool *pool, const struct pool_job *job)
{
    int thread = -1;

    uv_mutex_lock(&pool->lock);
    if (job->state == POOL_JOB_RUNNING)
        thread = pool->seats[job->seat].thread_id;
    uv_mutex_unlock(&pool->lock);
    return thread;
}
