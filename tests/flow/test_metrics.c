/* What the admin listener tells Prometheus, number by number. */
#include "lib/app_fixture.h"
#include "lib/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 6, JOBS_MOST = 3 };

static struct app_fixture f;
static struct gate gate;
static struct peer clients[CLIENTS];
static struct wire w;
static long long opened_s;

static int quick(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "quick");
}

static int held(hoist_req *req, hoist_res *res)
{
    (void)req;
    gate_pass(&gate, 0);
    return hoist_reply_text(res, 200, "held");
}

static const hoist_route routes[] = {
    {.path = "/held", .handler = held},
    {.path = "/loop", .handler = quick, .run = HOIST_INLINE},
};

static void open_all(void)
{
    opened_s = (long long)time(NULL);
    app_fixture_serve(&f, &(hoist_config){.workers = 1, .max_waiting = JOBS_MOST, .admin = "127.0.0.1:0"}, routes, 2);
    gate_open(&gate, &f.loop);
}

static void close_all(void)
{
    app_fixture_close_with(&f, &gate);
}

TestSuite(metrics, .init = open_all, .fini = close_all, .timeout = 30);

static void scrape(void)
{
    wire_open_on(&w, &f, &f.app->admin.server);
    wire_send(&w, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    cr_assert_eq(wire_answer(&w, 0)->status, 200);
    w.out[w.out_len] = '\0';
    wire_close(&w);
}

/* What follows on a line that begins so; NULL: there is none. */
static const char *value_of(const char *name)
{
    const char *at = w.out;

    while ((at = strstr(at, name)) != NULL && at[-1] != '\n')
        at++;
    return at != NULL ? at + strlen(name) : NULL;
}

static void expect(const char *name, const char *value)
{
    const char *found = value_of(name);

    cr_expect(found != NULL && strncmp(found, value, strlen(value)) == 0 && found[strlen(value)] == '\n', "%s: %.20s",
              name, found != NULL ? found : "none");
}

/* Two that have ended, one that left, one that runs, three that wait and one too many. */
Test(metrics, have_each_count_of_a_routes_jobs_and_none_of_what_the_loop_answers)
{
    unsigned n = 0;

    peer_open(&clients[n], &f);
    gate_let_go(&gate, 2);
    for (unsigned i = 0; i < 2; i++) {
        peer_get(&clients[n], "/held");
        cr_assert_eq(peer_answer(&clients[n], i)->status, 200);
    }
    peer_get(&clients[n++], "/held");
    gate_run_until_inside(&gate, 1);
    peer_open(&clients[n], &f);
    peer_get(&clients[n], "/held");
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_QUEUED) == 2);
    peer_reset(&clients[n++]);
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_QUEUED) == 1);
    for (unsigned i = 0; i < JOBS_MOST; i++, n++) {
        peer_open(&clients[n], &f);
        peer_get(&clients[n], "/held");
    }
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_QUEUED) == 1 + JOBS_MOST);
    peer_open(&clients[n], &f);
    peer_get(&clients[n], "/held");
    cr_expect_eq(peer_answer(&clients[n], 0)->status, 503);
    scrape();

    expect("hoist_jobs_admitted_total{method=\"GET\",route=\"/held\"} ", "7");
    expect("hoist_jobs_finished_total{method=\"GET\",route=\"/held\"} ", "2");
    expect("hoist_jobs_cancelled_total{method=\"GET\",route=\"/held\"} ", "1");
    expect("hoist_jobs_shed_total{method=\"GET\",route=\"/held\"} ", "1");
    expect("hoist_jobs_waiting{method=\"GET\",route=\"/held\"} ", "3");
    expect("hoist_jobs_running{method=\"GET\",route=\"/held\"} ", "1");
    expect("hoist_jobs_abandoned{method=\"GET\",route=\"/held\"} ", "0");
    expect("hoist_requests_total{method=\"GET\",route=\"/held\",status=\"200\"} ", "2");
    expect("hoist_workers_busy ", "1");
    cr_expect_null(value_of("hoist_jobs_admitted_total{method=\"GET\",route=\"/loop\"} "));
    cr_expect_null(value_of("hoist_wait_seconds_count{method=\"GET\",route=\"/loop\"} "));
    expect("hoist_run_seconds_count{method=\"GET\",route=\"/loop\"} ", "0");
}

/* Each sample is as long as a bound, so it is in that bucket and not in the one before. */
Test(metrics, have_exact_bounds_of_times)
{
    static const char *const bounds_s[] = {
        "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
        "0.5",    "1",       "2.5",    "5",     "10",     "25",    "50",   "100",   "250",  "500",
    };
    enum { BOUNDS = sizeof(bounds_s) / sizeof(bounds_s[0]) };
    char name[128], count[16];
    unsigned n_buckets = 0;

    for (size_t i = 0; i < BOUNDS; i++)
        histogram_add(&f.app->routes->figures.run, (uint64_t)(strtod(bounds_s[i], NULL) * 1e9 + 0.5));
    scrape();
    for (size_t i = 0; i < BOUNDS; i++) {
        (void)snprintf(name, sizeof(name), "hoist_run_seconds_bucket{method=\"GET\",route=\"/held\",le=\"%s\"} ",
                       bounds_s[i]);
        (void)snprintf(count, sizeof(count), "%zu", i + 1);
        expect(name, count);
    }
    for (const char *at = w.out; (at = strstr(at, "hoist_run_seconds_bucket{method=\"GET\",route=\"/held\"")) != NULL;
         at++)
        n_buckets++;
    cr_expect_eq(n_buckets, BOUNDS + 1, "and +Inf");
}

/* And no others. The handler of "/held" is in a process of its own here, so that it may be answered 502. */
Test(metrics, have_the_statuses_that_one_alerts_on_while_there_are_none)
{
    static const struct {
        const char *labels;
        int statuses[6];
    } rows[] = {
        {"method=\"GET\",route=\"/held\"", {200, 500, 502, 503, 504}},
        {"method=\"GET\",route=\"/loop\"", {200, 500, 503, 504}},
        {"method=\"\",route=\"\"", {400, 404}},
    };
    char wanted[2048];
    int len = snprintf(wanted, sizeof(wanted), "# TYPE hoist_requests_total counter\n");

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (const int *status = rows[i].statuses; *status != 0; status++)
            len += snprintf(wanted + len, sizeof(wanted) - (size_t)len, "hoist_requests_total{%s,status=\"%d\"} 0\n",
                            rows[i].labels, *status);
    (void)snprintf(wanted + len, sizeof(wanted) - (size_t)len, "# HELP ");
    f.app->routes->given.run = HOIST_PROCESS;
    scrape();
    f.app->routes->given.run = routes[0].run;

    cr_expect_not_null(strstr(w.out, wanted), "%.1000s", w.out);
}

static double own_cpu_s(void)
{
    struct timespec cpu;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9;
}

/* A millisecond: what is told has fewer digits than the clock. */
Test(metrics, have_times_in_seconds)
{
    double cpu_s, before_s = own_cpu_s();

    static const char *const names[] = {
        "hoist_handler_seconds_total{method=\"GET\",route=\"/held\"} ",
        "hoist_handler_cpu_seconds_total{method=\"GET\",route=\"/held\"} ",
        "hoist_loop_busy_seconds_total ",
        "process_cpu_seconds_total ",
    };

    scrape();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = value_of(names[i]);

        cr_assert_not_null(value, "%s", names[i]);
        cr_expect_eq(value[strspn(value, "0123456789")], '.', "%s%.20s", names[i], value);
    }
    cpu_s = strtod(value_of("process_cpu_seconds_total "), NULL);
    cr_expect(before_s - 0.001 <= cpu_s && cpu_s <= own_cpu_s() + 0.001, "%f", cpu_s);
}

/* statm's first two numbers, in pages, are all that is mapped and what of it is in RAM. */
Test(metrics, have_the_memory_that_is_in_ram)
{
    FILE *statm = fopen("/proc/self/statm", "r");
    unsigned long long mapped_pages, bytes;
    const char *value;

    cr_assert_not_null(statm);
    cr_assert_eq(fscanf(statm, "%llu", &mapped_pages), 1);
    fclose(statm);
    scrape();
    value = value_of("process_resident_memory_bytes ");
    cr_assert_not_null(value);
    bytes = strtoull(value, NULL, 10);
    cr_expect_eq(bytes % (unsigned long long)sysconf(_SC_PAGESIZE), 0);
    cr_expect_lt(bytes, mapped_pages * (unsigned long long)sysconf(_SC_PAGESIZE));
}

static const char *start_time(char text[64])
{
    const char *value;

    scrape();
    value = value_of("process_start_time_seconds ");
    cr_assert_not_null(value);
    (void)snprintf(text, 64, "%.*s", (int)strcspn(value, "\n"), value);
    return text;
}

/* Also when the clocks drift apart, as here by a second: who counts its changes counts starts. */
Test(metrics, have_the_same_start_in_every_scrape)
{
    char first[64], second[64];
    long long start_s = strtoll(start_time(first), NULL, 10);

    cr_expect(opened_s <= start_s && start_s <= (long long)time(NULL) + 1, "%lld", start_s); /* time() may be late */
    f.app->admin.begun_ns -= 1000000000;
    cr_expect_str_eq(start_time(second), first);
    f.app->admin.begun_ns += 1000000000;
}
