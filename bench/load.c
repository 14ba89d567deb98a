/* load PORT PATH: asks the loopback address for the same thing again and again, and prints what came as JSON.
 *
 *     -c N   connections (64)
 *     -d N   requests pipelined in one write (1)
 *     -s N   milliseconds (1000)
 *     -n N   or until so many are answered, within that time; a multiple of -d
 *     -r N   requests a second, open loop: each has its time, whether the server keeps up or not, and its latency
 *            counts from that time on; without it, closed loop: a connection asks when it has its answers
 *     -l N   milliseconds after which a 200 counts as late (1000)
 *     -f     as a real-time thread, if that is allowed: for light loads on busy machines, where the time that the
 *            client waits for its CPU would be taken for the server's
 *
 * Happy path: connects, loads, waits for what is still out (at most GRACE_S), prints.
 * Failures: a connection that breaks is counted and opened again; without a server, or with one that does not speak
 * HTTP with a Content-Length: a line on stderr, exit 1.
 */
#include "answer.h"
#include "client.h"
#include "histogram.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 10000,
    DEPTH_MAX = 64,
    MS_MAX = 120000,
    RATE_MAX = 1000000,
    REQUESTS_MAX = 1000000000,
    GRACE_S = 10,
    REQUEST_BYTES = 512,
    ANSWERS_BYTES = 32 * 1024,
    EVENTS = 256,
};

struct conn {
    int fd;
    unsigned out;     /* requests without an answer */
    uint64_t sent_ns; /* when they were sent, or in the open loop should have been */
    size_t have;
    char answers[ANSWERS_BYTES];
};

static struct options {
    const char *path;
    unsigned port, connections, depth, ms, requests, rate, late_ms;
    bool is_realtime;
} options = {.connections = 64, .depth = 1, .ms = 1000, .requests = REQUESTS_MAX, .late_ms = 1000};

static struct conn *conns;
static struct conn **idle; /* open loop: those that may ask */
static unsigned n_idle;
static char batch[DEPTH_MAX * REQUEST_BYTES];
static size_t batch_bytes;
static int epoll_fd;
static struct answer_shape shape;

static uint64_t began_ns, ends_ns, last_ns;
static uint64_t sent, due, answered; /* requests; due: whose time has come, open loop */
static struct {
    uint64_t ok, refused, other, late, broken, without_retry_after;
} count;
static struct histogram ok_times, refused_times;

static void fail(const char *what, int err)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(-err));
    exit(1);
}

/* ---- connections ---- */

static void conn_open(struct conn *conn)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    int fd = client_connect(options.port);

    if (fd < 0)
        fail("connect", fd);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    conn->fd = fd;
    conn->out = 0;
    conn->have = 0;
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* A batch is small and the one before it was read: it fits, or the connection is broken, which the read will see. */
static void conn_ask(struct conn *conn, uint64_t ns)
{
    conn->sent_ns = ns;
    conn->out = options.depth;
    sent += options.depth;
    if (send(conn->fd, batch, batch_bytes, MSG_NOSIGNAL) != (ssize_t)batch_bytes)
        shutdown(conn->fd, SHUT_RDWR);
}

/* The closed loop goes on at once. */
static void conn_rest(struct conn *conn, uint64_t ns)
{
    if (options.rate > 0)
        idle[n_idle++] = conn;
    else if (ns < ends_ns && sent + options.depth <= options.requests)
        conn_ask(conn, ns);
}

static void conn_reopen(struct conn *conn, uint64_t ns)
{
    bool was_out = conn->out > 0;

    close(conn->fd);
    conn_open(conn);
    if (was_out)
        conn_rest(conn, ns);
}

static void count_answer(const struct answer *answer, uint64_t took_ns)
{
    answered++;
    if (answer->status == 200) {
        count.ok++;
        count.late += took_ns > (uint64_t)options.late_ms * 1000000;
        histogram_add(&ok_times, took_ns, 1);
    } else if (answer->status == 503) {
        count.refused++;
        count.without_retry_after += !answer->has_retry_after;
        histogram_add(&refused_times, took_ns, 1);
    } else {
        count.other++;
    }
}

/* Takes the answers that are there; true if the server ends the connection behind one. */
static bool conn_count(struct conn *conn, uint64_t ns)
{
    size_t at = 0;
    bool closes = false;

    while (conn->out > 0 && at < conn->have && !closes) {
        struct answer answer;
        int got = answer_read(&shape, conn->answers + at, conn->have - at, &answer);
        if (got < 0)
            fail("what came is no answer with a Content-Length", got);
        if (got == 0)
            break;
        at += answer.bytes;
        conn->out--;
        closes = answer.closes;
        count_answer(&answer, ns - conn->sent_ns);
        last_ns = ns;
    }
    if (at < conn->have)
        memmove(conn->answers, conn->answers + at, conn->have - at);
    conn->have -= at;
    return closes;
}

static void conn_read(struct conn *conn, uint64_t ns)
{
    ssize_t n = recv(conn->fd, conn->answers + conn->have, sizeof(conn->answers) - conn->have, 0);
    unsigned was_out = conn->out;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        count.broken += conn->out;
        conn_reopen(conn, ns);
        return;
    }
    conn->have += (size_t)n;
    if (conn_count(conn, ns)) {
        count.broken += conn->out;
        conn->out = was_out;
        conn_reopen(conn, ns);
    } else if (was_out > 0 && conn->out == 0) {
        conn_rest(conn, ns);
    }
}

/* ---- time ---- */

static uint64_t intended_ns(uint64_t request)
{
    return began_ns + request * UINT64_C(1000000000) / options.rate;
}

/* Open loop: sends what is due, as far as connections are free, and wakes when the next one is. */
static void keep_the_rate(int timer_fd, uint64_t ns)
{
    struct itimerspec next = {0};
    uint64_t next_ns;

    while (due < options.requests && intended_ns(due) < ends_ns && intended_ns(due) <= ns)
        due++;
    while (sent < due && n_idle > 0)
        conn_ask(idle[--n_idle], intended_ns(sent));
    next_ns = intended_ns(due);
    if (due >= options.requests || next_ns >= ends_ns)
        next_ns = ends_ns + GRACE_S * UINT64_C(1000000000);
    next.it_value.tv_sec = (time_t)(next_ns / 1000000000);
    next.it_value.tv_nsec = (long)(next_ns % 1000000000);
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &next, NULL);
}

static bool is_over(uint64_t ns)
{
    if (answered + count.broken >= options.requests)
        return true;
    if (ns < ends_ns)
        return false;
    return answered + count.broken >= (options.rate > 0 ? due : sent) || ns >= ends_ns + GRACE_S * UINT64_C(1000000000);
}

static void run(int timer_fd)
{
    struct epoll_event events[EVENTS];
    uint64_t ns = began_ns, expired;

    for (unsigned i = 0; i < options.connections; i++)
        conn_rest(&conns[i], ns);
    while (!is_over(ns)) {
        int n;
        if (options.rate > 0)
            keep_the_rate(timer_fd, ns);
        n = epoll_wait(epoll_fd, events, EVENTS, 100);
        ns = now_ns();
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr != NULL)
                conn_read(events[i].data.ptr, ns);
            else if (read(timer_fd, &expired, sizeof(expired)) < 0 && errno != EAGAIN)
                fail("timer", -errno);
        }
    }
}

/* ---- before and after ---- */

static void read_options(int argc, char **argv)
{
    int letter;

    while ((letter = getopt(argc, argv, "c:d:s:n:r:l:f")) != -1) {
        switch (letter) {
        case 'c':
            options.connections = number(optarg, CONNECTIONS_MAX);
            break;
        case 'd':
            options.depth = number(optarg, DEPTH_MAX);
            break;
        case 's':
            options.ms = number(optarg, MS_MAX);
            break;
        case 'n':
            options.requests = number(optarg, REQUESTS_MAX);
            break;
        case 'r':
            options.rate = number(optarg, RATE_MAX);
            break;
        case 'l':
            options.late_ms = number(optarg, MS_MAX);
            break;
        case 'f':
            options.is_realtime = true;
            break;
        default:
            exit(2);
        }
    }
    if (argc - optind != 2 || options.connections == 0 || options.depth == 0 ||
        (options.requests != REQUESTS_MAX && options.requests % options.depth != 0) ||
        (options.rate > 0 && options.depth > 1)) {
        fprintf(stderr, "usage: load [-c N] [-d N] [-s MS] [-n N] [-r RATE] [-l MS] [-f] PORT PATH\n");
        exit(2);
    }
    options.port = number(argv[optind], PORT_MAX);
    options.path = argv[optind + 1];
}

/* Returns the timer's descriptor. */
static int prepare(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

    alarm(MS_MAX / 1000 + 2 * GRACE_S);
    conns = calloc(options.connections, sizeof(conns[0]));
    idle = calloc(options.connections, sizeof(struct conn *));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (conns == NULL || idle == NULL || epoll_fd < 0 || timer_fd < 0)
        fail("start", -errno);
    for (unsigned i = 0; i < options.depth; i++)
        batch_bytes += client_request(batch + batch_bytes, REQUEST_BYTES, options.path);
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event);
    for (unsigned i = 0; i < options.connections; i++)
        conn_open(&conns[i]);
    return timer_fd;
}

static void print_times(const char *name, const struct histogram *times)
{
    printf("\"%s_us\": {\"p50\": %.2f, \"p99\": %.2f, \"p99.9\": %.2f, \"max\": %.2f}, ", name,
           (double)histogram_at(times, 0.5) / 1e3, (double)histogram_at(times, 0.99) / 1e3,
           (double)histogram_at(times, 0.999) / 1e3, (double)times->max_ns / 1e3);
}

/* How many requests have no answer, of those that were to have one by now. */
static uint64_t unanswered(void)
{
    uint64_t expected = options.requests != REQUESTS_MAX ? options.requests : sent;

    if (options.rate > 0)
        expected = due;
    return expected - answered - count.broken;
}

/* Up to the last answer; but a server that falls silent has had all the time that there was. */
static double seconds(void)
{
    uint64_t until_ns = unanswered() > 0 && last_ns < ends_ns ? ends_ns : last_ns;

    return (double)(until_ns > began_ns ? until_ns - began_ns : 1) / 1e9;
}

static void print(bool is_realtime)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    printf("{\"seconds\": %.6f, \"answered\": %lu, \"ok\": %lu, \"refused\": %lu, \"other\": %lu, \"late\": %lu, ",
           seconds(), answered, count.ok, count.refused, count.other, count.late);
    printf("\"broken\": %lu, \"unanswered\": %lu, \"without_retry_after\": %lu, ", count.broken, unanswered(),
           count.without_retry_after);
    print_times("ok", &ok_times);
    print_times("refused", &refused_times);
    printf("\"client_cpu_s\": %.3f, \"realtime\": %s}\n",
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6,
           is_realtime ? "true" : "false");
}

int main(int argc, char **argv)
{
    struct sched_param priority = {.sched_priority = 1};
    bool is_realtime;
    int timer_fd;

    read_options(argc, argv);
    timer_fd = prepare();
    is_realtime = options.is_realtime && sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
    began_ns = now_ns();
    ends_ns = began_ns + (uint64_t)options.ms * 1000000;
    run(timer_fd);
    print(is_realtime);
    return 0;
}
