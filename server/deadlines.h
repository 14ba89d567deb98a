/* Timeouts of one loop: any number of them on one uv_timer_t.
 *
 * Deadlines of one duration expire in the order in which they were armed, so each duration has a list that is sorted by
 * itself: arming is an append, disarming an unlink, and the timer is set for the earliest head. Durations that were not
 * prepared share one more list, kept sorted by insertion from its end; that is as cheap while later calls expire later.
 *
 * Happy path: deadlines_prepare() at start for every duration that many may have, then arm and disarm. Neither of these
 * can fail. Close: every deadline disarmed first. All of it on the loop thread. The timer alone does not keep the loop
 * alive.
 */
#ifndef SERVER_DEADLINES_H
#define SERVER_DEADLINES_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* Part of what it watches. Zero it and set expired. */
struct deadline {
    /* The deadline is disarmed by now. It may arm, disarm and free anything, itself too. */
    void (*expired)(struct deadline *deadline);

    uint64_t due_ms;              /* by uv_now(), while armed */
    struct deadline *prev, *next; /* in a ring through its list; NULL: not armed */
};

struct deadline_list;

struct deadlines {
    uv_timer_t timer;
    uint64_t timer_ms;           /* what the timer is set for; UINT64_MAX: it is not */
    uint64_t last_ms;            /* when it came last: one that comes late puts off for a turn what is due since */
    struct deadline_list *lists; /* of the prepared durations */
    struct deadline others;      /* the ring of all other durations */
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* What uv_timer_init() answers. */
int deadlines_init(struct deadlines *deadlines, uv_loop_t *loop);

/* Gives duration_ms a list of its own. Again, or with HOIST_NO_LIMIT, does nothing. -ENOMEM. */
int deadlines_prepare(struct deadlines *deadlines, unsigned duration_ms);

/* expired() is called duration_ms (at least 1) after the loop's current time. One that is armed starts anew.
 * HOIST_NO_LIMIT only disarms. */
void deadline_arm(struct deadlines *deadlines, struct deadline *deadline, unsigned duration_ms);

/* expired() will not be called; fine when it is not armed. */
void deadline_disarm(struct deadline *deadline);

bool deadline_is_armed(const struct deadline *deadline);

/* on_closed(arg) is called by the loop once *deadlines may go. */
void deadlines_close(struct deadlines *deadlines, void (*on_closed)(void *arg), void *arg);

#endif
