/* How fast a lane empties, as its jobs' ends tell. */
#include "server/route.h"

#include <criterion/criterion.h>

static const uint64_t ms = 1000000, second = 1000000000;

/* A job that took no time ends. */
static void end_job(struct lane *lane, uint64_t now_ns, unsigned behind)
{
    lane_note_end(lane, &(struct pool_job){.started_ns = now_ns, .finished_ns = now_ns, .behind = behind}, 1);
}

/* n jobs end, one every interval_ns, with others behind each. */
static uint64_t end_jobs(struct lane *lane, uint64_t now_ns, uint64_t interval_ns, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        now_ns += interval_ns;
        end_job(lane, now_ns, 1);
    }
    return now_ns;
}

Test(lane, promises_nothing_before_anything_was_measured)
{
    struct lane lane = {0};

    cr_expect_eq(lane_wait_ns(&lane, 100), 0);
    cr_expect_eq(lane_retry_after_s(&lane, 100), 1);
    end_job(&lane, second, 5);
    cr_expect_eq(lane_wait_ns(&lane, 100), 0);
}

Test(lane, guesses_from_its_first_job_until_an_interval_was_measured)
{
    const struct pool_job job = {.started_ns = second, .finished_ns = second + 120 * ms, .behind = 1};
    struct lane lane = {0}, serial = {.max_concurrency = 1}, wide = {.max_concurrency = 8};

    lane_note_end(&lane, &job, 4);
    lane_note_end(&serial, &job, 4);
    lane_note_end(&wide, &job, 4);
    cr_expect_eq(lane_wait_ns(&lane, 10), 300 * ms);
    cr_expect_eq(lane_wait_ns(&serial, 10), 1200 * ms);
    cr_expect_eq(lane_wait_ns(&wide, 10), 300 * ms);

    end_job(&lane, second + 130 * ms, 0);
    cr_expect_eq(lane_wait_ns(&lane, 1), 10 * ms);
}

Test(lane, waits_one_interval_for_each_job_ahead)
{
    struct lane lane = {0};

    end_jobs(&lane, second, 20 * ms, 2);

    cr_expect_eq(lane_wait_ns(&lane, 0), 0);
    cr_expect_eq(lane_wait_ns(&lane, 1), 20 * ms);
    cr_expect_eq(lane_wait_ns(&lane, 10), 200 * ms);
}

Test(lane, follows_a_change_without_jumping_at_every_job)
{
    struct lane lane = {0};
    uint64_t now_ns = end_jobs(&lane, second, 100 * ms, 20);

    now_ns = end_jobs(&lane, now_ns, 10 * ms, 1);
    cr_expect_gt(lane_wait_ns(&lane, 1), 80 * ms);
    end_jobs(&lane, now_ns, 10 * ms, 100);
    cr_expect_lt(lane_wait_ns(&lane, 1), 11 * ms);
    cr_expect_geq(lane_wait_ns(&lane, 1), 10 * ms - 16);
}

Test(lane, leaves_out_the_time_in_which_nothing_waited)
{
    struct lane lane = {0};
    uint64_t now_ns = end_jobs(&lane, second, 10 * ms, 2);

    end_job(&lane, now_ns + 10 * ms, 0);
    end_jobs(&lane, now_ns + 1000 * second, 10 * ms, 2);

    cr_expect_eq(lane_wait_ns(&lane, 1), 10 * ms);
}

/* The last that waited runs long, and what comes meanwhile finds another worker: there was one, maybe another lane's.
 */
Test(lane, leaves_out_the_time_before_a_job_that_did_not_wait)
{
    struct lane lane = {0};
    uint64_t now_ns = end_jobs(&lane, second, 10 * ms, 2) + 1000 * second;

    lane_note_end(&lane, &(struct pool_job){.submitted_ns = now_ns, .started_ns = now_ns, .finished_ns = now_ns + ms},
                  2);

    cr_expect_eq(lane_wait_ns(&lane, 1), 10 * ms);
    cr_expect_eq(lane.n_drains, 1);
}

Test(lane, leaves_out_the_time_after_its_last_job_was_taken_back)
{
    struct lane lane = {0};
    uint64_t now_ns = end_jobs(&lane, second, 10 * ms, 2);

    lane_note_cancel(&lane, 1);
    end_job(&lane, now_ns += 10 * ms, 1);
    lane_note_cancel(&lane, 0);
    end_job(&lane, now_ns + 1000 * second, 0);

    cr_expect_eq(lane_wait_ns(&lane, 1), 10 * ms);
    cr_expect_eq(lane.n_drains, 2);
}

/* Two workers may end their jobs in one order and report them in the other. */
Test(lane, takes_an_end_that_is_reported_late_for_no_interval)
{
    struct lane fresh = {0}, lane = {0};
    uint64_t now_ns = end_jobs(&lane, second, 10 * ms, 3);

    end_job(&lane, now_ns - second / 2, 1);
    cr_expect_leq(lane_wait_ns(&lane, 1), 10 * ms);
    end_job(&lane, now_ns + 10 * ms, 1);
    cr_expect_leq(lane_wait_ns(&lane, 1), 10 * ms);

    end_jobs(&fresh, second, 0, 1);
    end_job(&fresh, second - 1, 1);
    cr_expect_eq(lane_wait_ns(&fresh, 1), 0);
}

Test(lane, asks_to_retry_after_whole_seconds_from_one_to_an_hour)
{
    static const struct {
        uint64_t interval_ms;
        unsigned waiting, seconds;
    } rows[] = {
        {1, 1, 1}, {1000, 1, 1}, {1001, 1, 2}, {500, 3, 2}, {1000, 3600, 3600}, {1000, 3601, 3600}, {60000, 256, 3600},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct lane lane = {0};

        end_jobs(&lane, second, rows[i].interval_ms * ms, 2);
        cr_expect_eq(lane_retry_after_s(&lane, rows[i].waiting), rows[i].seconds, "row %zu", i);
    }
}

/* ---- full ---- */

Test(lane, is_full_from_the_first_refusal_on)
{
    struct lane lane = {.max_waiting = 100};

    cr_expect_eq(lane_full_ns(&lane, second, 100), 0);
    lane_note_refusal(&lane, second);
    lane_note_refusal(&lane, 2 * second);

    cr_expect_eq(lane_full_ns(&lane, 4 * second, 100), 3 * second);
}

Test(lane, stays_full_while_its_free_places_are_taken_at_once)
{
    struct lane lane = {.max_waiting = 100};

    lane_note_refusal(&lane, second);
    end_job(&lane, 2 * second, 76);

    cr_expect_eq(lane_full_ns(&lane, 4 * second, 76), 3 * second);
}

Test(lane, is_not_full_once_a_quarter_of_its_places_is_free)
{
    struct lane lane = {.max_waiting = 100};

    lane_note_refusal(&lane, second);
    end_job(&lane, 2 * second, 75);
    cr_expect_eq(lane_full_ns(&lane, 4 * second, 100), 0, "an end saw it");

    lane_note_refusal(&lane, second);
    cr_expect_eq(lane_full_ns(&lane, 4 * second, 75), 0, "whoever asks sees it");

    lane_note_refusal(&lane, second);
    lane_note_cancel(&lane, 75);
    cr_expect_eq(lane_full_ns(&lane, 4 * second, 100), 0, "its jobs were taken back");
}

Test(lane, of_one_place_is_full_until_that_is_free)
{
    struct lane lane = {.max_waiting = 1};

    lane_note_refusal(&lane, second);
    cr_expect_eq(lane_full_ns(&lane, 3 * second, 1), 2 * second);
    cr_expect_eq(lane_full_ns(&lane, 3 * second, 0), 0);
}
