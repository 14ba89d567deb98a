/* Breaking a system call that a job blocks in.
 *
 * Happy path: the thread that runs the job gets a signal whose action does nothing and has no SA_RESTART, so the call
 * it blocks in fails with EINTR (signal(7)). The lock is held meanwhile, the one system call under it: without it the
 * job could end and the signal break the next one's call. Failures: none. Close: the signal's old action comes back.
 */
#include "worker.h"

static void do_nothing(int number)
{
    (void)number;
}

void interrupts_start(struct pool *pool)
{
    struct sigaction action = {.sa_handler = do_nothing};

    pool->interrupts = true;
    sigemptyset(&action.sa_mask);
    sigaction(POOL_SIGNAL, &action, &pool->old_action);
}

void interrupts_stop(struct pool *pool)
{
    if (pool->interrupts)
        sigaction(POOL_SIGNAL, &pool->old_action, NULL);
}

void pool_interrupt(struct pool *pool, const struct pool_job *job)
{
    uv_mutex_lock(&pool->lock);
    if (job->state == POOL_JOB_RUNNING)
        pthread_kill(pool->seats[job->seat].thread, POOL_SIGNAL);
    uv_mutex_unlock(&pool->lock);
}
