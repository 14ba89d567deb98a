/* hoist inside a program that has a libuv loop of its own.
 *
 * The problem: a program that already runs, here one that samples the load average on a timer, shall answer over HTTP,
 * and hoist_main() would want to be the program. hoist_app_start() only adds sockets to the program's loop. Inline
 * handlers run on that loop, so they share its data without a lock; blocking calls go to the workers, and the timer
 * goes on beside them. Signals, environment and exit stay the program's business.
 *
 *     PORT=8000 embed
 */
#include "hoist_uv.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 4
#define TEXT(value) TEXT_OF(value)
#define TEXT_OF(value) #value

enum { SAMPLE_MS = 100, DRAIN_MS = 5000, PORT_MAX = 65535 };

struct monitor {
    uv_loop_t loop;
    uv_timer_t timer;
    uv_signal_t interrupt, terminate;
    hoist_app *app;
    double load;
    unsigned samples;
};

static struct monitor monitor; /* the loop thread's */

/* ---- what the program did before ---- */

static void on_sample(uv_timer_t *timer)
{
    double average[3];

    (void)timer;
    uv_loadavg(average);
    monitor.load = average[0];
    monitor.samples++;
}

static void legacy_call(void)
{
    struct timespec left = {.tv_sec = 1};

    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

/* ---- its routes ---- */

static int get_load(hoist_req *req, hoist_res *res)
{
    const struct monitor *m = hoist_req_data(req);

    return hoist_reply_printf(res, 200, "application/json", "{\"load\":%.2f,\"samples\":%u}", m->load, m->samples);
}

static int get_slow(hoist_req *req, hoist_res *res)
{
    (void)req;
    legacy_call();
    return hoist_reply_text(res, 200, "done\n");
}

const hoist_route load_route = {.path = "/load", .handler = get_load, .data = &monitor, .run = HOIST_INLINE};
const hoist_route slow_route = {.path = "/slow", .handler = get_slow};

/* ---- its life ---- */

static void on_signal(uv_signal_t *handle, int number)
{
    (void)handle;
    (void)number;
    hoist_app_stop(monitor.app);
}

/* When the program's own handles are closed, too, its loop has nothing left to do and uv_run() returns. */
static void on_stopped(hoist_app *app, int err, void *arg)
{
    (void)arg;
    if (err < 0) {
        /* A handler still runs, and exit(3) would wait for its thread. */
        fprintf(stderr, "embed: stopped with a handler at work: %s\n", uv_strerror(err));
        _exit(EXIT_FAILURE);
    }
    hoist_app_free(app);
    uv_close((uv_handle_t *)&monitor.timer, NULL);
    uv_close((uv_handle_t *)&monitor.interrupt, NULL);
    uv_close((uv_handle_t *)&monitor.terminate, NULL);
}

static int start_serving(unsigned port)
{
    const hoist_config config = {.port = port, .workers = WORKERS, .drain_ms = DRAIN_MS};
    int err;

    err = hoist_app_new(&monitor.app, &config);
    if (err == 0)
        err = hoist_app_route(monitor.app, &load_route);
    if (err == 0)
        err = hoist_app_route(monitor.app, &slow_route);
    if (err == 0)
        err = hoist_app_start(monitor.app, &monitor.loop, on_stopped, NULL);
    if (err < 0)
        fprintf(stderr, "embed: %s\n", monitor.app != NULL ? hoist_app_error(monitor.app) : uv_strerror(err));
    return err;
}

/* 0 is any free one. strtoul(3) alone would take "" and "http" for 0, and "80x" for 80. */
static int read_port(unsigned *ret_port)
{
    const char *text = getenv("PORT");
    unsigned long port;
    char *end;

    if (text == NULL)
        text = "8000";
    port = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end != '\0' || port > PORT_MAX) {
        fprintf(stderr, "embed: PORT is '%s', which is not a number from 0 to %d\n", text, PORT_MAX);
        return -EINVAL;
    }
    *ret_port = (unsigned)port;
    return 0;
}

int main(void)
{
    unsigned port;

    if (read_port(&port) < 0)
        return EXIT_FAILURE;
    signal(SIGPIPE, SIG_IGN);                       /* a client that left is an error of write(2), not the end */
    setenv("UV_THREADPOOL_SIZE", TEXT(WORKERS), 1); /* before libuv's pool is first used */
    if (uv_loop_init(&monitor.loop) < 0 || start_serving(port) < 0)
        return EXIT_FAILURE;
    uv_timer_init(&monitor.loop, &monitor.timer);
    uv_timer_start(&monitor.timer, on_sample, 0, SAMPLE_MS);
    uv_signal_init(&monitor.loop, &monitor.interrupt);
    uv_signal_start(&monitor.interrupt, on_signal, SIGINT);
    uv_signal_init(&monitor.loop, &monitor.terminate);
    uv_signal_start(&monitor.terminate, on_signal, SIGTERM);
    printf("listening on 127.0.0.1:%u\n", hoist_app_port(monitor.app));
    fflush(stdout);
    uv_run(&monitor.loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&monitor.loop) < 0)
        return EXIT_FAILURE;
    uv_library_shutdown(); /* ends its threads while all that they may use is still there */
    return EXIT_SUCCESS;
}
