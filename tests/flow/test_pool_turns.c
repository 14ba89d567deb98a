/* Whose turns on a CPU are short: a worker's and the loop's, and not those of what its jobs start. */
#include "lib/pool_fixture.h"
#include "pool/worker.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct fixture f;

enum { EXIT_SHORT_TURNS = 3 };
static int child_status = -1;

/* Worker thread. */
static void fork_child(struct pool_job *job)
{
    uint64_t turn_ns = 0;
    pid_t pid = fork();

    (void)job;
    if (pid == 0) {
        priority_set_turns(2 * POOL_TURN_NS, &turn_ns);
        _exit(turn_ns == POOL_TURN_NS ? EXIT_SHORT_TURNS : EXIT_SUCCESS);
    }
    waitpid(pid, &child_status, 0);
}

Test(pool_turns, a_process_that_a_job_starts_has_usual_ones, .timeout = 30)
{
    struct pool_options options = {.workers = 1, .workers_max = 1, .nice = 1};
    struct pool_figures figures;

    cr_assert_eq(pool_reserve_threads(1, 0), 0);
    fixture_open(&f);
    fixture_start_as(&f, &options);
    pool_figures(f.pool, &figures);
    if (!figures.short_turns) {
        fixture_close(&f);
        cr_skip_test("this system has none");
    }
    f.jobs[0].job.work = fork_child;
    fixture_submit(&f, &f.lane, 0, 1);
    fixture_run_until_done(&f, 1);

    cr_assert(WIFEXITED(child_status), "status %d", child_status);
    cr_expect_eq(WEXITSTATUS(child_status), EXIT_SUCCESS);
    fixture_close(&f);
}

static uint64_t worker_turn_ns;

/* Worker thread. */
static void shorten_own(struct pool_job *job)
{
    (void)job;
    priority_set_turns(POOL_TURN_NS, &worker_turn_ns);
}

Test(pool_turns, stay_as_they_are_when_workers_are_no_nicer, .timeout = 30)
{
    struct pool_figures figures;

    fixture_start(&f, 1);
    f.jobs[0].job.work = shorten_own;
    pool_figures(f.pool, &figures);
    fixture_submit(&f, &f.lane, 0, 1);
    fixture_run_until_done(&f, 1);

    cr_expect_not(figures.short_turns);
    cr_expect_neq(worker_turn_ns, POOL_TURN_NS);
    fixture_close(&f);
}
