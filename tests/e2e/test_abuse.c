/* Clients that leave at every state of a connection, send nonsense, or dawdle, round after round: the server holds no
 * descriptor, thread or memory for them afterwards, and answers the others. */
#include "lib/client.h"
#include "lib/process.h"
#include "lib/usage.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORKERS = 2,
    COPIES = 4,           /* of each way to leave, in one round */
    LARGE = 512 * 1024,   /* more than a socket takes that nobody reads */
    AHEAD = 120 * 1024,   /* more than the server reads ahead */
    GARBAGE = 4 * 1024,   /* bytes of one client */
    LINGERED = 16 * 1024, /* bytes behind what is refused */
    FIRST = 3,            /* rounds, in which the allocator and what is kept for reuse come to their size */
    ROUNDS = 8,
    GROWTH_MAX_KIB = 600, /* from the first rounds to the last two: less than 1 KiB for each client */
};

static struct process server;
static struct client *observer;
static char filler[LARGE];

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(abuse, .fini = tear_down, .timeout = 100);

static void start(void)
{
    memset(filler, 'x', sizeof(filler));
    /* What is larger than a page goes back to the system each time (mallopt(3)); else some of it stays or not, as small
     * blocks lie. The heap has no room to spare for it: from there glibc would take even the largest. */
    setenv("MALLOC_MMAP_THRESHOLD_", "4096", 1);
    setenv("MALLOC_TOP_PAD_", "0", 1);
    process_start(&server, "--workers", "2", "--heavy-ms", "3600000", "--header-timeout-ms", "1000",
                  "--body-timeout-ms", "1000", "--keep-alive-ms", "3600000", "--access-log", "-");
    observer = client_open(&server);
    client_get(observer, "/dummy");
    cr_assert_eq(client_receive(observer)->status, 200);
}

/* ---- how far they come ---- */

static void say_nothing(struct client *client)
{
    (void)client;
}

static void send_half_a_head(struct client *client)
{
    client_send(client, "GET /dummy HT");
}

static void send_half_a_body(struct client *client)
{
    client_send(client, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2000\r\n\r\n");
    client_send_bytes(client, filler, 1000);
}

static void send_half_a_chunk(struct client *client)
{
    client_send(client, "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n800\r\nabc");
}

static void be_told_to_continue(struct client *client)
{
    client_send(client, "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
    cr_expect_eq(client_receive_head(client)->status, 100);
}

/* The first of them run, the others wait. */
static void run_or_wait(struct client *client)
{
    client_get(client, "/sleep/3600000");
}

static void wait_on_the_loop(struct client *client)
{
    client_get(client, "/async");
}

static void send_more_than_is_read_ahead(struct client *client)
{
    client_get(client, "/async");
    client_send_bytes(client, filler, AHEAD);
}

static void read_half_an_answer(struct client *client)
{
    client_send(client, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 524288\r\n\r\n");
    client_send_bytes(client, filler, LARGE);
    cr_expect_eq(client_receive_head(client)->status, 200);
}

static void be_refused(struct client *client)
{
    client_send(client, "nonsense\r\n\r\n");
    cr_expect_eq(client_receive(client)->status, 400);
    client_send_bytes(client, filler, LINGERED);
}

static void be_answered(struct client *client)
{
    client_get(client, "/dummy");
    cr_expect_eq(client_receive(client)->status, 200);
}

static void dribble(struct client *client)
{
    static const char request[] = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";

    client_send_cut(client, request, sizeof(request) - 1, 1);
    cr_expect_str_eq(client_receive(client)->body, "hello");
}

/* ---- how they leave ---- */

static void half_close(struct client *client)
{
    client_half_close(client);
    client_close(client);
}

static void (*const begin[])(struct client *client) = {
    say_nothing,         send_half_a_head, send_half_a_body, send_half_a_chunk,
    be_told_to_continue, run_or_wait,      wait_on_the_loop, send_more_than_is_read_ahead,
    read_half_an_answer, be_refused,       be_answered,      dribble,
};
static void (*const leave[])(struct client *client) = {client_reset, client_close, half_close};

enum { BEGINS = sizeof(begin) / sizeof(begin[0]), LEAVES = sizeof(leave) / sizeof(leave[0]) };

/* ---- rounds ---- */

static void come_and_leave(void)
{
    struct client *clients[COPIES][BEGINS][LEAVES];

    for (unsigned copy = 0; copy < COPIES; copy++)
        for (unsigned i = 0; i < BEGINS; i++)
            for (unsigned j = 0; j < LEAVES; j++) {
                clients[copy][i][j] = client_open_small(&server, CLIENT_LEAST);
                begin[i](clients[copy][i][j]);
            }
    client_fence(&server);
    for (unsigned copy = 0; copy < COPIES; copy++)
        for (unsigned i = 0; i < BEGINS; i++)
            for (unsigned j = 0; j < LEAVES; j++)
                leave[j](clients[copy][i][j]);
}

/* Bytes of every value, and beginnings of requests among them; the same in every run. */
static void send_garbage(unsigned seed)
{
    static const char *const words[] = {"GET ",        "POST /echo", " HTTP/1.1\r\n",
                                        "Host: h\r\n", "\r\n\r\n",   "Content-Length: "};
    char bytes[GARBAGE];
    struct client *client = client_open(&server);

    for (unsigned i = 0; i < GARBAGE; i++) {
        seed = seed * 1103515245 + 12345;
        bytes[i] = (char)(seed >> 16);
        if (seed >> 28 == 0 && i + 20 < GARBAGE) {
            const char *word = words[(seed >> 20) % (sizeof(words) / sizeof(words[0]))];

            memcpy(bytes + i, word, strlen(word));
            i += (unsigned)strlen(word) - 1;
        }
    }
    client_send_bytes(client, bytes, GARBAGE);
    cr_expect_eq(client_receive(client)->status, 400, "garbage %u", seed);
    client_close(client);
}

/* Those that neither go on nor leave: the server ends it. */
static void dawdle(void)
{
    struct client *clients[4 * COPIES];

    for (unsigned i = 0; i < 4 * COPIES; i++) {
        clients[i] = client_open(&server);
        begin[i % 4](clients[i]);
    }
    for (unsigned i = 0; i < 4 * COPIES; i++) {
        if (i % 4 != 0)
            cr_expect_eq(client_receive(clients[i])->status, 408, "%u", i % 4);
        cr_expect_eq(client_end(clients[i]), CLIENT_EOF);
        client_close(clients[i]);
    }
}

Test(abuse, leaves_nothing_behind)
{
    unsigned fds, tasks, kib, most_before = 0, least_after = UINT_MAX;

    start();
    fds = usage_count(&server, "fd");
    tasks = usage_count(&server, "task");
    for (unsigned round = 1; round <= ROUNDS; round++) {
        come_and_leave();
        for (unsigned i = 0; i < COPIES; i++)
            send_garbage(round * COPIES + i);
        dawdle();

        usage_expect_back_to(&server, "fd", fds, observer);
        usage_expect_back_to(&server, "task", tasks, observer);
        client_await_busy(&server, 0);
        kib = usage_memory_kib(&server);
        if (round <= FIRST && kib > most_before)
            most_before = kib;
        if (round > ROUNDS - 2 && kib < least_after)
            least_after = kib;
    }
    cr_expect(usage_is_sanitized(&server) || least_after <= most_before + GROWTH_MAX_KIB, "%u KiB, and %u before",
              least_after, most_before);

    client_get(observer, "/sleep/1");
    cr_expect_eq(client_receive(observer)->status, 200);
    cr_expect_eq(process_stop(&server), 0);
}
