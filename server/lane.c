/* How fast a lane empties, measured as it does.
 *
 * Happy path: each job that ends while others wait gives one interval; an exponential mean over about sixteen of them
 * follows a change without jumping at every job. Intervals across an idle lane say nothing and are left out. Failures:
 * none; nothing measured is 0. Close: nothing is held.
 */
#include "route.h"

enum { MEAN_WEIGHT = 16, RETRY_AFTER_MAX_S = 3600 };

static void note_room(struct lane *lane, unsigned waiting);

void lane_note_end(struct lane *lane, uint64_t now_ns, unsigned waiting)
{
    note_room(lane, waiting);
    if (now_ns < lane->ended_ns) /* workers may report in another order than they ended in */
        now_ns = lane->ended_ns;
    if (lane->ended_ns != 0) {
        uint64_t interval = now_ns - lane->ended_ns;

        if (lane->drain_ns == 0)
            lane->drain_ns = interval;
        else
            lane->drain_ns = (lane->drain_ns * (MEAN_WEIGHT - 1) + interval) / MEAN_WEIGHT;
    }
    lane->ended_ns = waiting > 0 ? now_ns : 0;
}

void lane_note_refusal(struct lane *lane, uint64_t now_ns)
{
    if (lane->full_ns == 0)
        lane->full_ns = now_ns;
}

static void note_room(struct lane *lane, unsigned waiting)
{
    if (waiting <= lane->max_waiting - (lane->max_waiting + 3) / 4)
        lane->full_ns = 0;
}

uint64_t lane_full_ns(struct lane *lane, uint64_t now_ns, unsigned waiting)
{
    note_room(lane, waiting);
    return lane->full_ns != 0 ? now_ns - lane->full_ns : 0;
}

uint64_t lane_wait_ns(const struct lane *lane, unsigned waiting)
{
    return lane->drain_ns * waiting;
}

unsigned lane_retry_after_s(const struct lane *lane, unsigned waiting)
{
    const uint64_t second = 1000000000;
    uint64_t seconds = (lane_wait_ns(lane, waiting) + second - 1) / second;

    if (seconds < 1)
        return 1;
    return seconds < RETRY_AFTER_MAX_S ? (unsigned)seconds : RETRY_AFTER_MAX_S;
}
