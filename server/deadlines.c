/* Deadlines in sorted lists, one timer for the earliest head.
 *
 * Happy path: arming appends to a list and leaves the timer alone unless it is set for later; when the timer fires,
 * what is due is called and the timer set for the earliest head that is left. Disarming never touches the timer: it
 * may fire for nothing, once.
 * Failures: only deadlines_prepare() allocates.
 * Close: the lists are freed when libuv has let go of the timer.
 */
#include "deadlines.h"

#include "hoist.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { LATE_MS = 50 }; /* a loop that comes later than this was held */

struct deadline_list {
    struct deadline_list *next;
    unsigned duration_ms;
    struct deadline ring; /* its next is the head */
};

static struct deadline *ring_of(struct deadlines *deadlines, unsigned duration_ms);
static void ring_init(struct deadline *ring);
static void ring_insert(struct deadline *ring, struct deadline *deadline);
static uint64_t ring_due(const struct deadline *ring);
static void set_timer(struct deadlines *deadlines, uint64_t due_ms);
static void on_timer(uv_timer_t *timer);
static struct deadline *earliest_ring(struct deadlines *deadlines);
static void on_close(uv_handle_t *handle);

int deadlines_init(struct deadlines *deadlines, uv_loop_t *loop)
{
    int err;

    *deadlines = (struct deadlines){.timer_ms = UINT64_MAX};
    ring_init(&deadlines->others);
    err = uv_timer_init(loop, &deadlines->timer);
    if (err < 0)
        return err;
    deadlines->timer.data = deadlines;
    uv_unref((uv_handle_t *)&deadlines->timer);
    return 0;
}

int deadlines_prepare(struct deadlines *deadlines, unsigned duration_ms)
{
    struct deadline_list *list;

    assert(duration_ms > 0);

    if (duration_ms == HOIST_NO_LIMIT || ring_of(deadlines, duration_ms) != &deadlines->others)
        return 0;
    list = malloc(sizeof(*list));
    if (list == NULL)
        return -ENOMEM;
    list->duration_ms = duration_ms;
    ring_init(&list->ring);
    list->next = deadlines->lists;
    deadlines->lists = list;
    return 0;
}

void deadline_arm(struct deadlines *deadlines, struct deadline *deadline, unsigned duration_ms)
{
    assert(deadline->expired != NULL);
    assert(duration_ms > 0);

    deadline_disarm(deadline);
    if (duration_ms == HOIST_NO_LIMIT)
        return;
    deadline->due_ms = uv_now(deadlines->timer.loop) + duration_ms;
    ring_insert(ring_of(deadlines, duration_ms), deadline);
    if (deadline->due_ms < deadlines->timer_ms)
        set_timer(deadlines, deadline->due_ms);
}

void deadline_disarm(struct deadline *deadline)
{
    if (!deadline_is_armed(deadline))
        return;
    deadline->prev->next = deadline->next;
    deadline->next->prev = deadline->prev;
    deadline->prev = deadline->next = NULL;
}

bool deadline_is_armed(const struct deadline *deadline)
{
    return deadline->next != NULL;
}

void deadlines_close(struct deadlines *deadlines, void (*on_closed)(void *arg), void *arg)
{
    assert(ring_due(&deadlines->others) == UINT64_MAX);
    for (struct deadline_list *list = deadlines->lists; list != NULL; list = list->next)
        assert(ring_due(&list->ring) == UINT64_MAX);

    deadlines->on_closed = on_closed;
    deadlines->on_closed_arg = arg;
    uv_close((uv_handle_t *)&deadlines->timer, on_close);
}

/* There are about as many lists as timeouts in the configuration, so a walk is fine. */
static struct deadline *ring_of(struct deadlines *deadlines, unsigned duration_ms)
{
    for (struct deadline_list *list = deadlines->lists; list != NULL; list = list->next)
        if (list->duration_ms == duration_ms)
            return &list->ring;
    return &deadlines->others;
}

static void ring_init(struct deadline *ring)
{
    *ring = (struct deadline){.prev = ring, .next = ring};
}

/* Behind everything that is due no later. In a list of one duration that is the end. */
static void ring_insert(struct deadline *ring, struct deadline *deadline)
{
    struct deadline *before = ring->prev;

    while (before != ring && before->due_ms > deadline->due_ms)
        before = before->prev;
    deadline->prev = before;
    deadline->next = before->next;
    before->next->prev = deadline;
    before->next = deadline;
}

/* When the head is due; UINT64_MAX when there is none. */
static uint64_t ring_due(const struct deadline *ring)
{
    return ring->next != ring ? ring->next->due_ms : UINT64_MAX;
}

static void set_timer(struct deadlines *deadlines, uint64_t due_ms)
{
    uint64_t now_ms = uv_now(deadlines->timer.loop);
    int err;

    deadlines->timer_ms = due_ms;
    if (due_ms == UINT64_MAX)
        return;
    err = uv_timer_start(&deadlines->timer, on_timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
    assert(err == 0);
    (void)err;
}

/* A loop that was held comes late. What the clients sent meanwhile is in their sockets: it is read first, in one more
 * turn. As the loop may be held in each, those that were due before that turn are over, and others have theirs. Looks
 * at all heads anew after each call, which may have changed any list. What is armed meanwhile is due later than now: so
 * this ends, and the timer is left alone until it does. */
static void on_timer(uv_timer_t *timer)
{
    struct deadlines *deadlines = (struct deadlines *)timer->data;
    uint64_t now_ms = uv_now(timer->loop);
    bool is_late = now_ms - deadlines->timer_ms > LATE_MS;
    uint64_t over_ms = is_late ? deadlines->last_ms : now_ms;
    struct deadline *ring = earliest_ring(deadlines);

    deadlines->last_ms = now_ms;
    for (; ring_due(ring) <= over_ms; ring = earliest_ring(deadlines)) {
        struct deadline *deadline = ring->next;

        deadline_disarm(deadline);
        deadline->expired(deadline);
    }
    set_timer(deadlines, ring_due(ring) > now_ms ? ring_due(ring) : now_ms + 1);
}

static struct deadline *earliest_ring(struct deadlines *deadlines)
{
    struct deadline *earliest = &deadlines->others;

    for (struct deadline_list *list = deadlines->lists; list != NULL; list = list->next)
        if (ring_due(&list->ring) < ring_due(earliest))
            earliest = &list->ring;
    return earliest;
}

static void on_close(uv_handle_t *handle)
{
    struct deadlines *deadlines = (struct deadlines *)handle->data;
    struct deadline_list *list;

    while ((list = deadlines->lists) != NULL) {
        deadlines->lists = list->next;
        free(list);
    }
    deadlines->on_closed(deadlines->on_closed_arg);
}
