/* Start a server, load it, ask it what happened, stop it.
 *
 * Happy path: start(), drive(), ask_for_jobs(), stop(): each turns the loop until its part is done. Failures: the first
 * one ends the trial with a line in bench->error; whatever was opened is closed. Close: stop() waits for the process.
 */
#include "trial.h"

#include "child.h"
#include "real.h"
#include "sample.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

enum { PROGRESS_MS = 100, OWN_ARGS_MAX = 32, NUMBER_MAX = 24, QUEUE_MIN = 256, QUEUE_MAX = 1000000 };
enum { EXIT_NS = 1000 * 1000 * 1000 };

/* What lives while one trial runs. */
struct run {
    struct bench *bench;
    struct trial *trial;
    struct child child;
    struct load load, probe;
    struct caller admin;
    uv_timer_t progress; /* wakes the loop, too, so that an interrupt is seen */
    bool has_progress, is_answered;
    int err, jobs_err; /* what reading the server's answer came to */
};

static int start(struct run *run);
static int drive(struct run *run);
static int drive_open_loads(struct run *run);
static int ask_for_jobs(struct run *run);
static bool has_answers(const struct trial *trial);
static void on_admin_open(struct caller *caller, int err);
static void on_admin_answer(struct caller *caller, const struct caller_answer *answer);
static void stop(struct run *run);
static int check(struct run *run);
static void await_exit(struct run *run);
static int fail(struct run *run, int err, const char *format, ...) HOIST_PRINTF(3, 4);
static void on_progress(uv_timer_t *timer);

/* Turns the loop until the condition holds, or something went wrong. */
#define TURN_UNTIL(run, condition)                                                                                     \
    do {                                                                                                               \
        while (((run)->err = check(run)) == 0 && !(condition))                                                         \
            uv_run((run)->bench->loop, UV_RUN_ONCE);                                                                   \
    } while (0)

int trial_run(struct trial *trial, struct bench *bench, const struct setting *setting)
{
    struct run run = {.bench = bench, .trial = trial};
    int err;

    *trial = (struct trial){.setting = *setting};
    uv_timer_init(bench->loop, &run.progress);
    run.progress.data = &run;
    uv_timer_start(&run.progress, on_progress, PROGRESS_MS, PROGRESS_MS);
    err = start(&run);
    if (err == 0)
        err = drive(&run);
    if (err == 0)
        err = ask_for_jobs(&run);
    stop(&run);
    if (err < 0)
        trial_free(trial);
    return err;
}

void trial_free(struct trial *trial)
{
    free(trial->calls);
    free(trial->probes);
    jobs_free(&trial->jobs);
    trial->calls = trial->probes = NULL;
}

/* ---- the server ---- */

/* The options of the experiment count more than those given for the server, but for the first ones. */
static int start(struct run *run)
{
    const struct plan *plan = run->bench->plan;
    const struct setting *setting = &run->trial->setting;
    const char *args[OWN_ARGS_MAX + PLAN_SERVER_ARGS_MAX];
    char workers[NUMBER_MAX], heavy[NUMBER_MAX], queue[NUMBER_MAX], connections[NUMBER_MAX];
    unsigned waiting = plan->rate > 0 || plan->jobs < QUEUE_MIN ? QUEUE_MIN : plan->jobs;
    size_t n = 0;
    int err;

    (void)snprintf(workers, sizeof(workers), "%u", setting->workers > 0 ? setting->workers : 1);
    (void)snprintf(heavy, sizeof(heavy), "%u", plan->heavy_ms);
    (void)snprintf(queue, sizeof(queue), "%u", waiting < QUEUE_MAX ? waiting : QUEUE_MAX);
    (void)snprintf(connections, sizeof(connections), "%u", plan->clients + 1); /* and the probe's: no client waits */
#define ADD(name, value) (args[n++] = (name), args[n++] = (value))
    ADD("--queue", queue);
    ADD("--keep-alive-ms", "3600000");
    ADD("--timeout-ms", "0"); /* or the last of a burst would not be answered */
    ADD("--log-level", "warning");
    if (plan->sets_heavy_ms)
        ADD("--heavy-ms", heavy);
    for (const char **arg = plan->server_args; *arg != NULL; arg++)
        args[n++] = *arg;
    ADD("--host", "127.0.0.1");
    ADD("--port", "0");
    ADD("--admin", "127.0.0.1:0");
    ADD("--access-log", "off");
    ADD("--max-connections", connections);
    ADD("--executor", setting->executor == EXECUTOR_INLINE ? "inline" : "pool");
    ADD("--workers", workers);
    ADD("--workers-max", workers);
#undef ADD
    args[n] = NULL;
    err = child_start(&run->child, run->bench->loop, run->bench->program, args);
    if (err < 0)
        return fail(run, err, "cannot start a server: %s", uv_strerror(err));
    TURN_UNTIL(run, child_is_ready(&run->child));
    return run->err;
}

/* ---- the load ---- */

static int drive(struct run *run)
{
    const struct plan *plan = run->bench->plan;
    struct load *load = &run->load, *probe = &run->probe;
    int err;

    *load = (struct load){.loop = run->bench->loop,
                          .port = run->child.port,
                          .kind = plan->rate > 0 ? LOAD_RANDOM : LOAD_BURST,
                          .request = run->bench->request[run->trial->setting.executor],
                          .n = plan->jobs,
                          .rate = plan->rate,
                          .n_callers = plan->clients};
    *probe = (struct load){.loop = run->bench->loop,
                           .port = run->child.port,
                           .kind = LOAD_STEADY,
                           .request = run->bench->probe,
                           .n = LOAD_CALLS_MAX,
                           .rate = plan->probe_rate,
                           .n_callers = 1};
    err = load_open(load);
    if (err < 0)
        return fail(run, err, "cannot open %u connections: %s", plan->clients, uv_strerror(err));
    err = load_open(probe);
    if (err == 0)
        err = drive_open_loads(run);
    else
        fail(run, err, "cannot open a connection: %s", uv_strerror(err));
    load_close(load);
    if (probe->callers != NULL)
        load_close(probe);
    while (!load_is_closed(load) || !load_is_closed(probe))
        uv_run(run->bench->loop, UV_RUN_ONCE);
    /* The trial takes the calls over, the rest goes. */
    run->trial->calls = load->calls;
    run->trial->probes = probe->calls;
    load->calls = probe->calls = NULL;
    load_free(load);
    load_free(probe);
    return err;
}

static int drive_open_loads(struct run *run)
{
    struct trial *trial = run->trial;
    struct load *load = &run->load, *probe = &run->probe;

    TURN_UNTIL(run, load_is_ready(load) && load_is_ready(probe));
    if (run->err < 0)
        return run->err;
    run->has_progress = true;
    load_start(probe);
    load_start(load);
    TURN_UNTIL(run, load_is_over(load));
    load_stop(probe);
    if (run->err == 0)
        TURN_UNTIL(run, load_is_over(probe));
    run->has_progress = false;
    trial->n_calls = load->n;
    trial->n_probes = probe->n;
    trial->zero_ns = load->calls[0].sent_ns;
    trial->late_ns = load->late_ns > probe->late_ns ? load->late_ns : probe->late_ns;
    trial->n_held = load->n_held;
    return run->err;
}

static void on_progress(uv_timer_t *timer)
{
    struct run *run = timer->data;

    if (run->has_progress && run->bench->on_progress != NULL)
        run->bench->on_progress(run->bench->arg, run->load.n_answered, run->load.n);
}

/* ---- the server's figures ---- */

static int ask_for_jobs(struct run *run)
{
    int err;

    run->admin = (struct caller){.loop = run->bench->loop,
                                 .port = run->child.admin_port,
                                 .keeps_body = true,
                                 .on_open = on_admin_open,
                                 .on_answer = on_admin_answer,
                                 .arg = run};
    err = caller_open(&run->admin);
    if (err < 0)
        return fail(run, err, "cannot reach the server's admin listener: %s", uv_strerror(err));
    TURN_UNTIL(run, run->is_answered);
    err = run->err < 0 ? run->err : run->jobs_err;
    if (err == 0)
        err = trial_place_jobs(run->trial);
    caller_close(&run->admin);
    while (run->admin.state != CALLER_CLOSED)
        uv_run(run->bench->loop, UV_RUN_ONCE);
    if (err == -EPROTO)
        return fail(run, err, "the server's /spans is not what this client reads");
    if (err == 0 && run->trial->jobs.n == 0 && has_answers(run->trial))
        return fail(run, -ENOENT, "the server's /spans has none of the requests for %s",
                    plan_target(run->bench->plan, &run->trial->setting));
    return err < 0 && run->err == 0 ? fail(run, err, "cannot keep the server's figures: %s", uv_strerror(err)) : err;
}

static bool has_answers(const struct trial *trial)
{
    size_t i = 0;

    while (i < trial->n_calls && !call_is_answered(&trial->calls[i]))
        i++;
    return i < trial->n_calls;
}

static void on_admin_open(struct caller *caller, int err)
{
    static const char request[] = "GET /spans?seconds=1000000000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    struct run *run = caller->arg;

    if (err == 0)
        caller_ask(caller, request, sizeof(request) - 1);
    else
        run->load.err = err;
}

static void on_admin_answer(struct caller *caller, const struct caller_answer *answer)
{
    struct run *run = caller->arg;

    run->is_answered = true;
    if (answer->err < 0)
        run->load.err = answer->err;
    else if (answer->status != 200)
        run->load.err = -EPROTO;
    else
        run->jobs_err = jobs_read(&run->trial->jobs, answer->body != NULL ? answer->body : "",
                                  plan_target(run->bench->plan, &run->trial->setting));
}

/* Whatever the server says that it dropped: most of that is of the probe. */
static size_t count_lost(const struct trial *trial)
{
    size_t n = 0;

    for (size_t i = 0; i < trial->n_calls; i++)
        n += trial->calls[i].status != 0;
    return n > trial->jobs.n ? n - trial->jobs.n : 0;
}

/* How much later the jobs ended than they say: an answer is never seen before its job has ended, and one of them, if
 * not the last, was seen at once. The k-th from the end is set against the k-th from the end. */
static double find_delay(const struct trial *trial, double *answered_s, double *finished_s)
{
    size_t n = 0, n_finished = 0;
    double delay_s = INFINITY;

    for (size_t i = 0; i < trial->n_calls; i++)
        if (trial->calls[i].status != 0)
            answered_s[n++] = seconds_between(trial->zero_ns, trial->calls[i].answered_ns);
    for (size_t i = 0; i < trial->jobs.n; i++)
        if (!isnan(trial->jobs.list[i].finished_s))
            finished_s[n_finished++] = trial->jobs.list[i].finished_s;
    sample_sort(answered_s, n);
    sample_sort(finished_s, n_finished);
    while (n_finished > 0) /* there are more answers */
        delay_s = real_min(delay_s, answered_s[--n] - finished_s[--n_finished]);
    return isinf(delay_s) ? 0 : delay_s;
}

int trial_place_jobs(struct trial *trial)
{
    double *values, delay_s;

    trial->n_lost = count_lost(trial);
    if (trial->n_lost == 0) /* the first one came when the first call was sent */
        return 0;
    values = calloc(trial->n_calls + trial->jobs.n, sizeof(*values));
    if (values == NULL)
        return -ENOMEM;
    delay_s = find_delay(trial, values, values + trial->n_calls);
    free(values);
    for (size_t i = 0; i < trial->jobs.n; i++) {
        trial->jobs.list[i].received_s += delay_s;
        trial->jobs.list[i].started_s += delay_s;
        trial->jobs.list[i].finished_s += delay_s;
    }
    return 0;
}

double trial_arrival_s(const struct trial *trial, size_t i)
{
    if (trial->setting.executor != EXECUTOR_INLINE || trial->n_lost + i >= trial->n_calls)
        return trial->jobs.list[i].received_s;
    return seconds_between(trial->zero_ns, trial->calls[trial->n_lost + i].intended_ns);
}

double trial_wait_s(const struct trial *trial, size_t i)
{
    return real_max(0, job_begin_s(&trial->jobs.list[i]) - trial_arrival_s(trial, i));
}

/* ---- failures and the end ---- */

/* 0, or why the trial cannot go on. */
static int check(struct run *run)
{
    int err = run->load.err < 0 ? run->load.err : run->probe.err;
    const struct child *child = &run->child;
    char name[PLAN_TEXT];

    if (*run->bench->interrupted)
        return fail(run, -EINTR, "interrupted");
    if (err < 0)
        await_exit(run);
    if (run->child.has_exited) {
        /* Its last words may still be in the pipe. */
        uv_run(run->bench->loop, UV_RUN_NOWAIT);
        return fail(run, -ECHILD, "%s: the server has ended with %s %d%s%s",
                    plan_setting_name(&run->trial->setting, name), child->signal != 0 ? "signal" : "exit status",
                    child->signal != 0 ? child->signal : child->status, child->errors[0] != '\0' ? ". It said:\n" : "",
                    child->errors);
    }
    return err < 0 ? fail(run, err, "a request failed: %s", uv_strerror(err)) : 0;
}

/* Connections break a moment before a server that crashed is known to have ended. One that has not goes on to serve. */
static void await_exit(struct run *run)
{
    uint64_t until_ns = uv_hrtime() + EXIT_NS;

    while (!run->child.has_exited && uv_hrtime() < until_ns) {
        uv_run(run->bench->loop, UV_RUN_NOWAIT);
        uv_sleep(1);
    }
}

static int fail(struct run *run, int err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(run->bench->error, sizeof(run->bench->error), format, args);
    va_end(args);
    return err;
}

static void stop(struct run *run)
{
    child_stop(&run->child);
    uv_close((uv_handle_t *)&run->progress, NULL);
    while (!child_is_gone(&run->child))
        uv_run(run->bench->loop, UV_RUN_ONCE);
    uv_run(run->bench->loop, UV_RUN_NOWAIT);
}
