/* Requests that go on again and again: others have their turn in between. */
#include "lib/app_fixture.h"

#include <time.h>

enum { HELD_MS = 60 }; /* less than what makes the loop look at its clock anyway */

static struct app_fixture f;
static struct peer p, q, other;

static bool goes_on;

static int poll_at_once(hoist_req *req, hoist_res *res)
{
    return goes_on ? hoist_later(req, 0, poll_at_once) : hoist_reply_text(res, 200, "over");
}

/* Due again before the others have had their turn. */
static int poll_slowly(hoist_req *req, hoist_res *res)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    return goes_on ? hoist_later(req, 1, poll_slowly) : hoist_reply_text(res, 200, "over");
}

static uint64_t wait_begun_ns, wait_ended_ns;

static int end_wait(hoist_req *req, hoist_res *res)
{
    (void)req;
    wait_ended_ns = uv_hrtime();
    return hoist_reply_text(res, 200, "over");
}

static int hold_and_wait(hoist_req *req, hoist_res *res)
{
    (void)res;
    nanosleep(&(struct timespec){.tv_nsec = HELD_MS * 1000000}, NULL);
    wait_begun_ns = uv_hrtime();
    return hoist_later(req, HELD_MS, end_wait);
}

static int say(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "now");
}

static const hoist_route routes[] = {
    {.path = "/at-once", .handler = poll_at_once, .run = HOIST_ASYNC},
    {.path = "/slowly", .handler = poll_slowly, .run = HOIST_ASYNC},
    {.path = "/hold", .handler = hold_and_wait, .run = HOIST_ASYNC},
    {.path = "/say", .handler = say, .run = HOIST_INLINE},
};

static void ask(struct peer *peer, const char *target)
{
    peer_open(peer, &f);
    peer_get(peer, target);
}

static void expect_body(struct peer *peer, const char *text)
{
    cr_expect_eq(peer_answer(peer, 0)->status, 200);
    cr_expect(answer_body_is(&peer->answer, text));
    peer_close(peer);
}

/* The test's own timeout ends what does not. */
static void expect_turns(const char *target)
{
    app_fixture_serve(&f, &(hoist_config){.workers = 1}, routes, sizeof(routes) / sizeof(routes[0]));
    goes_on = true;
    ask(&p, target);
    ask(&q, target);
    ask(&other, "/say");
    expect_body(&other, "now");

    goes_on = false;
    expect_body(&p, "over");
    expect_body(&q, "over");
    app_fixture_close(&f);
}

Test(async_turns, are_had_beside_those_that_are_due_at_once, .timeout = 30)
{
    expect_turns("/at-once");
}

Test(async_turns, are_had_beside_those_whose_steps_take_longer_than_their_waits, .timeout = 30)
{
    expect_turns("/slowly");
}

/* The loop's clock, which timers go by, stands still in a turn; and it has whole milliseconds. */
Test(async_turns, do_not_count_towards_a_wait_that_begins_in_them, .timeout = 30)
{
    app_fixture_serve(&f, &(hoist_config){.workers = 1}, routes, sizeof(routes) / sizeof(routes[0]));
    ask(&p, "/hold");
    expect_body(&p, "over");

    cr_expect_geq(wait_ended_ns - wait_begun_ns, (HELD_MS - 1) * (uint64_t)1000000);
    app_fixture_close(&f);
}
