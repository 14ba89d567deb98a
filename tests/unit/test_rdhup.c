/* A peer that leaves behind bytes that nobody reads is seen; its bytes alone are not. */
#include "server/rdhup.h"

#include "lib/loop.h"
#include "lib/usage.h"

#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = 200 }; /* more than are heard in a turn */

struct pair {
    struct rdhup_watch watch;
    int fd, peer;
    unsigned n_heard, n_gone;
    struct pair *ends; /* whose watch it ends, too */
};

static uv_loop_t loop;
static uv_idle_t turning; /* the loop: watches alone do not */
static struct rdhup *rdhup;
static struct pair pairs[MANY];
static unsigned n_heard;

static void end(struct pair *pair)
{
    rdhup_end(rdhup, pair->fd);
}

static void on_rdhup(struct rdhup_watch *watch, bool is_gone)
{
    struct pair *pair = (struct pair *)((char *)watch - offsetof(struct pair, watch));

    n_heard++;
    pair->n_heard++;
    pair->n_gone += is_gone;
    if (pair->ends != NULL)
        end(pair->ends);
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

static void set_up(void)
{
    usage_raise_descriptors(); /* a pair takes two */
    cr_assert_eq(uv_loop_init(&loop), 0);
    uv_idle_init(&loop, &turning);
    uv_idle_start(&turning, on_idle);
    cr_assert_eq(rdhup_open(&rdhup, &loop), 0);
}

static void open_pairs(unsigned n)
{
    int fds[2];

    for (unsigned i = 0; i < n; i++) {
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        pairs[i] = (struct pair){.watch.on_rdhup = on_rdhup, .fd = fds[0], .peer = fds[1]};
        cr_assert_eq(write(fds[1], "unread", 6), 6);
        cr_assert_eq(rdhup_begin(rdhup, pairs[i].fd, false, &pairs[i].watch), 0);
    }
}

static void close_pairs(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        close(pairs[i].fd);
    uv_close((uv_handle_t *)&turning, NULL);
    rdhup_close(rdhup);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&loop), 0);
}

TestSuite(rdhup, .init = set_up);

Test(rdhup, tells_of_each_peer_that_leaves_and_of_no_other)
{
    open_pairs(3);
    cr_assert_eq(shutdown(pairs[0].peer, SHUT_WR), 0);
    close(pairs[1].peer);
    LOOP_RUN_UNTIL(&loop, n_heard == 2);
    uv_run(&loop, UV_RUN_NOWAIT);

    cr_expect_eq(pairs[0].n_heard, 1);
    cr_expect_eq(pairs[0].n_gone, 0);
    cr_expect_eq(pairs[1].n_heard, 1);
    cr_expect_eq(pairs[1].n_gone, 1);
    cr_expect_eq(pairs[2].n_heard, 0, "it has sent, but not left");
    close(pairs[0].peer);
    close(pairs[2].peer);
    close_pairs(3);
}

/* As well when the end is known and was never told. */
Test(rdhup, tells_of_a_peer_that_is_gone_after_its_end)
{
    open_pairs(2);
    end(&pairs[1]);
    cr_assert_eq(shutdown(pairs[0].peer, SHUT_WR), 0);
    cr_assert_eq(shutdown(pairs[1].peer, SHUT_WR), 0);
    LOOP_RUN_UNTIL(&loop, n_heard == 1);
    cr_assert_eq(rdhup_begin(rdhup, pairs[1].fd, true, &pairs[1].watch), 0);
    uv_run(&loop, UV_RUN_NOWAIT);
    cr_expect_eq(n_heard, 1);

    close(pairs[0].peer);
    close(pairs[1].peer);
    LOOP_RUN_UNTIL(&loop, pairs[0].n_gone == 1 && pairs[1].n_gone == 1);
    cr_expect_eq(n_heard, 3);
    close_pairs(2);
}

Test(rdhup, tells_of_many_that_leave_at_once)
{
    open_pairs(MANY);
    for (unsigned i = 0; i < MANY; i++)
        close(pairs[i].peer);
    LOOP_RUN_UNTIL(&loop, n_heard == MANY);

    for (unsigned i = 0; i < MANY; i++)
        cr_expect_eq(pairs[i].n_heard, 1);
    close_pairs(MANY);
}

Test(rdhup, tells_nothing_of_a_watch_that_ended)
{
    open_pairs(2);
    end(&pairs[0]);
    close(pairs[0].peer);
    close(pairs[1].peer);
    LOOP_RUN_UNTIL(&loop, n_heard == 1);
    uv_run(&loop, UV_RUN_NOWAIT);

    cr_expect_eq(pairs[0].n_heard, 0);
    close_pairs(2);
}

/* Both events are there when the first is heard. */
Test(rdhup, tells_nothing_of_a_watch_that_the_last_callback_ended)
{
    open_pairs(2);
    pairs[0].ends = &pairs[1];
    pairs[1].ends = &pairs[0];
    close(pairs[0].peer);
    close(pairs[1].peer);
    LOOP_RUN_UNTIL(&loop, n_heard > 0);
    uv_run(&loop, UV_RUN_NOWAIT);

    cr_expect_eq(n_heard, 1);
    close_pairs(2);
}

Test(rdhup, keeps_no_loop_alive)
{
    open_pairs(1);
    uv_idle_stop(&turning);

    cr_expect_not(uv_loop_alive(&loop));
    close(pairs[0].peer);
    close_pairs(1);
}
