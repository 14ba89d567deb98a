/* Where a job is: its thread writes its own backtrace when a signal tells it to.
 *
 * Happy path: pool_trace_enable() once; pool_trace_ask() signals the thread that runs a job; the signal's action writes
 * the frames into the thread's seat, as text, where pool_trace_take() finds them a moment later. The lock of the pool
 * is held while the signal is sent, as in interrupt.c: the next job must not get it. Failures: a thread in an
 * uninterruptible sleep takes no signal, so its frames do not come. Close: none; the signal keeps its action.
 */
#include "worker.h"

#include <dlfcn.h>

#if defined(DLFO_STRUCT_HAS_EH_DBASE) && defined(SIGSTKFLT) /* glibc 2.35, and Linux */

#include <errno.h>
#include <link.h>
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

/* What an address is in. */
struct place {
    const char *module;
    uintptr_t offset;
    const char *function; /* NULL: none that the module exports */
    uintptr_t function_offset;
};

static void on_trace(int number);
static _Unwind_Reason_Code on_frame(struct _Unwind_Context *frame, void *arg);
static void put_frame(struct walk *walk, uintptr_t at);
static bool find_place(uintptr_t at, struct place *ret_place);
static void find_function(const struct dl_find_object *module, struct place *place);
static uint32_t count_symbols(const struct dl_find_object *module);
static const void *table_of(const struct dl_find_object *module, ElfW(Sxword) tag);
static bool is_in(uintptr_t offset, const ElfW(Sym) * symbol);
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
    const struct trace *trace = &pool->seats[job->seat].trace;

    if (atomic_load(&trace->is_due) || trace->job != job)
        return false;
    memcpy(text, trace->text, POOL_TRACE_MAX); /* nobody writes there until it is asked again */
    return true;
}

/* On the job's thread, between two instructions of whatever it does: no lock of ours, no allocation, no printf. One
 * that comes late, to the seat's next job, leaves a trace that says so. */
static void on_trace(int number)
{
    struct seat *seat = own_seat;
    int before = errno;

    (void)number;
    if (seat != NULL && atomic_load(&seat->trace.is_due)) {
        pool_trace_self(seat->trace.text);
        seat->trace.job = atomic_load_explicit(&seat->job, memory_order_relaxed);
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
    put_frame(walk, address - (is_interrupted == 0)); /* in the call, not behind it, where another function may begin */
    return ++walk->n < FRAMES_MAX ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/* As "nanosleep+0x13 (libc.so.6+0xd81f3)": what is in brackets is addr2line's to read. */
static void put_frame(struct walk *walk, uintptr_t at)
{
    struct place place;

    put_text(walk, walk->len > 0 ? " < " : "");
    if (!find_place(at, &place)) {
        put_offset(walk, at);
        return;
    }
    if (place.function != NULL) {
        put_text(walk, place.function);
        put_offset(walk, place.function_offset);
        put_text(walk, " (");
    }
    put_text(walk, place.module);
    put_offset(walk, place.offset);
    put_text(walk, place.function != NULL ? ")" : "");
}

/* Without dladdr(3), which takes the dynamic linker's lock: a thread that is in dlopen(3) has it, for as long as the
 * library's constructors take, and may wait there for a lock that the interrupted code holds. */
static bool find_place(uintptr_t at, struct place *ret_place)
{
    struct dl_find_object module;
    const char *slash;

    if (_dl_find_object((void *)at, &module) < 0) /* NOLINT(performance-no-int-to-ptr) */
        return false;
    slash = strrchr(module.dlfo_link_map->l_name, '/');
    *ret_place = (struct place){
        .module = slash != NULL ? slash + 1 : module.dlfo_link_map->l_name,
        .offset = at - module.dlfo_link_map->l_addr,
    };
    if (ret_place->module[0] == '\0') /* the program itself */
        ret_place->module = program_invocation_short_name;
    find_function(&module, ret_place);
    return true;
}

static void find_function(const struct dl_find_object *module, struct place *place)
{
    const ElfW(Sym) *symbols = table_of(module, DT_SYMTAB);
    const char *names = table_of(module, DT_STRTAB);
    uint32_t n = symbols != NULL && names != NULL ? count_symbols(module) : 0;

    for (uint32_t i = 0; i < n; i++) {
        if (is_in(place->offset, &symbols[i])) {
            place->function = names + symbols[i].st_name;
            place->function_offset = place->offset - symbols[i].st_value;
            return;
        }
    }
}

/* Only hash tables tell how many there are. One in GNU's form has four words, a filter of addresses, and for each
 * bucket its first symbol; behind them is a word for each symbol that the module exports, odd at the end of a bucket.
 */
static uint32_t count_symbols(const struct dl_find_object *module)
{
    const uint32_t *gnu = table_of(module, DT_GNU_HASH), *hash = table_of(module, DT_HASH);
    const uint32_t *buckets, *chains;
    uint32_t first, last = 0;

    if (gnu == NULL)
        return hash != NULL ? hash[1] : 0;
    first = gnu[1];
    buckets = gnu + 4 + gnu[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
    chains = buckets + gnu[0];
    for (const uint32_t *bucket = buckets; bucket < chains; bucket++)
        last = *bucket > last ? *bucket : last;
    if (last < first)
        return 0;
    while ((chains[last - first] & 1) == 0)
        last++;
    return last + 1;
}

/* The dynamic linker has made most of these offsets addresses; it may not write to those of the kernel's vDSO. */
static const void *table_of(const struct dl_find_object *module, ElfW(Sxword) tag)
{
    const ElfW(Dyn) *entry = module->dlfo_link_map->l_ld;
    uintptr_t at;

    while (entry->d_tag != DT_NULL && entry->d_tag != tag)
        entry++;
    if (entry->d_tag == DT_NULL)
        return NULL;
    at = entry->d_un.d_ptr;
    if (at < (uintptr_t)module->dlfo_map_start)
        at += module->dlfo_link_map->l_addr;
    return (const void *)at; /* NOLINT(performance-no-int-to-ptr) */
}

static bool is_in(uintptr_t offset, const ElfW(Sym) * symbol)
{
    return symbol->st_shndx != SHN_UNDEF && ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && offset >= symbol->st_value &&
           offset - symbol->st_value < symbol->st_size;
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
