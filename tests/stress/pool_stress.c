/* The pool under random submits, cancels, resizes, serial lanes, restarts, and pauses long enough for the sweep.
 *
 *     pool_stress SECONDS [SEED] [WORKERS]
 *
 * Happy path: one line of totals, exit 0. Every job that was submitted must be run once and done once, or taken
 * back; a lane never runs more jobs at once than it may.
 * Failures: a line that says what went wrong, exit 1; a watchdog aborts when nothing moves any more.
 */
#include "pool/pool.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CLIENTS = 256, LANES = 6, WORKERS_DEFAULT = 8, ROUND_MS = 2000, PAUSE_MS = 1200, TICK_MS = 1, STALL_S = 30 };

struct lane {
    struct pool_lane lane;
    unsigned max_waiting, max_concurrency;
    atomic_uint inside;
};

struct client {
    struct pool_job job;
    struct lane *lane;
    bool is_out;     /* submitted, and neither done nor taken back */
    atomic_uint ran; /* since the submit */
};

static struct {
    unsigned long submitted, refused, cancelled, done, resizes, rounds;
} total;

static struct lane lanes[LANES] = {
    {.max_waiting = 64, .max_concurrency = 1},  {.max_waiting = 4, .max_concurrency = 1},
    {.max_waiting = 64, .max_concurrency = 3},  {.max_waiting = 64, .max_concurrency = 0},
    {.max_waiting = 128, .max_concurrency = 0}, {.max_waiting = 1, .max_concurrency = 2}};
static struct client clients[CLIENTS];
static struct pool *pool;
static uv_timer_t ticker;
static unsigned workers_max;
static bool is_open;  /* clients may submit */
static bool is_quiet; /* until the sweep has been */
static uint64_t round_ends_ns, pause_ends_ns;
static unsigned out;
static unsigned short dice[3];
static atomic_ulong progress; /* the watchdog's */

static void fail(const char *what)
{
    printf("FAILED: %s\n", what);
    exit(1);
}

/* 0 to n - 1. */
static unsigned roll(unsigned n)
{
    return (unsigned)nrand48(dice) % n;
}

static void watch(void *arg)
{
    unsigned long seen = 0, now;
    unsigned still_s = 0;

    (void)arg;
    for (;; still_s++) {
        sleep(1);
        now = atomic_load(&progress);
        if (now != seen)
            still_s = 0;
        seen = now;
        if (still_s >= STALL_S) {
            fprintf(stderr, "STALLED: %u jobs out, none done for %d s\n", out, STALL_S);
            abort();
        }
    }
}

/* Worker thread. */
static void work(struct pool_job *job)
{
    struct client *client = (struct client *)job;
    unsigned inside = atomic_fetch_add(&client->lane->inside, 1) + 1;
    unsigned chance = (unsigned)(job->submitted_ns / 64 % 4096);

    if (client->lane->max_concurrency > 0 && inside > client->lane->max_concurrency)
        fail("a lane ran more jobs at once than it may");
    if (atomic_fetch_add(&client->ran, 1) != 0)
        fail("a job ran twice");
    if (chance < 4)
        usleep(200);
    atomic_fetch_sub(&client->lane->inside, 1);
}

static void submit(struct client *client);

static void done(struct pool_job *job)
{
    struct client *client = (struct client *)job;

    if (!client->is_out || atomic_load(&client->ran) != 1)
        fail("done() without work(), or twice");
    if (job->submitted_ns > job->started_ns || job->started_ns > job->finished_ns || job->seat >= workers_max)
        fail("times or seat are wrong");
    client->is_out = false;
    out--;
    total.done++;
    atomic_fetch_add(&progress, 1);
    if (roll(64) != 0)
        submit(client);
}

static void submit(struct client *client)
{
    if (!is_open || is_quiet || client->is_out)
        return;
    client->lane = &lanes[roll(LANES)];
    atomic_store(&client->ran, 0);
    if (pool_submit(pool, &client->lane->lane, &client->job) < 0) {
        total.refused++;
        return;
    }
    client->is_out = true;
    out++;
    total.submitted++;
}

static void cancel(struct client *client)
{
    if (!client->is_out || pool_cancel(pool, &client->job) < 0)
        return;
    if (atomic_load(&client->ran) != 0)
        fail("a job that was taken back had run");
    client->is_out = false;
    out--;
    total.cancelled++;
}

static void look_around(void)
{
    struct pool_figures figures;

    pool_figures(pool, &figures);
    if (figures.busy > workers_max || figures.waiting + figures.busy > out)
        fail("figures are wrong");
}

static void on_stopped(void *arg)
{
    *(bool *)arg = true;
}

static void on_tick(uv_timer_t *timer)
{
    uint64_t now = uv_hrtime();
    unsigned i;

    atomic_fetch_add(&progress, is_quiet);
    is_quiet = now < pause_ends_ns;
    is_open = now < round_ends_ns;
    for (i = roll(64); i > 0; i--)
        submit(&clients[roll(CLIENTS)]);
    for (i = roll(16); i > 0; i--)
        cancel(&clients[roll(CLIENTS)]);
    if (roll(4) == 0) {
        pool_resize(pool, 1 + roll(workers_max));
        total.resizes++;
    }
    if (roll(16) == 0)
        look_around();
    if (is_open && roll(4000) == 0)
        pause_ends_ns = now + PAUSE_MS * UINT64_C(1000000);
    if (!is_open && out == 0) {
        uv_timer_stop(timer);
        pool_stop(pool, on_stopped, timer->data);
    }
}

static void run_round(uv_loop_t *loop)
{
    struct pool_options options = {.workers = 1 + roll(workers_max), .workers_max = workers_max};
    char error[200];
    bool stopped = false;
    unsigned i;

    if (pool_start(&pool, loop, &options, error, sizeof error) < 0)
        fail(error);
    for (i = 0; i < LANES; i++)
        pool_lane_init(pool, &lanes[i].lane, lanes[i].max_waiting, lanes[i].max_concurrency);
    round_ends_ns = uv_hrtime() + ROUND_MS * UINT64_C(1000000);
    ticker.data = &stopped;
    uv_timer_start(&ticker, on_tick, 0, TICK_MS);
    uv_run(loop, UV_RUN_DEFAULT);
    if (!stopped || out != 0)
        fail("the loop ended before the pool had stopped");
    total.rounds++;
}

int main(int argc, char **argv)
{
    uint64_t ends_ns = uv_hrtime() + (argc > 1 ? strtoull(argv[1], NULL, 10) : 10) * UINT64_C(1000000000);
    unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    uv_thread_t watchdog;
    unsigned i;

    workers_max = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : WORKERS_DEFAULT;
    dice[0] = (unsigned short)seed;
    dice[1] = (unsigned short)(seed >> 16);
    if (pool_reserve_threads(workers_max, 0) < 0 || uv_thread_create(&watchdog, watch, NULL) < 0)
        fail("no threads");
    uv_timer_init(uv_default_loop(), &ticker);
    for (i = 0; i < CLIENTS; i++)
        clients[i].job = (struct pool_job){.work = work, .done = done};
    while (uv_hrtime() < ends_ns)
        run_round(uv_default_loop());
    if (total.submitted != total.done + total.cancelled)
        fail("jobs were lost");
    printf("seed %lu, %u workers: %lu submitted, %lu done, %lu cancelled, %lu refused, %lu resizes, %lu pools\n", seed,
           workers_max, total.submitted, total.done, total.cancelled, total.refused, total.resizes, total.rounds);
    return 0;
}
