/* A worker never outranks the loop: workers are nicer, and the loop's thread runs in turns so short that the scheduler
 * gives it one soon. With burning cores that is the difference between 0.3 and 2.6 ms for a request that needs no
 * worker. A worker's turns are as short: its nice value makes up for that beside the loop, but a job that slept goes on
 * sooner beside other programs.
 *
 * Happy path: Linux 6.12 or newer takes the length of a turn from sched_runtime, without a privilege.
 * Failures: older kernels leave turns as they were. Close: the loop's is set back; the workers' stay, as their nice
 * values. So does RESET_ON_FORK, which only a privileged thread may take off.
 */
#include "worker.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RESET_ON_FORK = 1 }; /* children and new threads start with the system's own turns */

/* sched_setattr(2); glibc declares it from 2.41 on, under the kernel's name. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

bool priority_set_turns(uint64_t turn_ns, uint64_t *ret_turn_ns_before)
{
    struct attributes old = {0}, new; /* zeroed for valgrind, which does not know that the call fills it */

    if (syscall(SYS_sched_getattr, 0, &old, sizeof(old), 0) != 0 || old.policy != SCHED_OTHER)
        return false;
    new = old; /* with its nice value, which would else become 0 */
    new.flags |= RESET_ON_FORK;
    new.runtime = turn_ns;
    if (syscall(SYS_sched_setattr, 0, &new, 0) != 0)
        return false;
    /* Older kernels take it and forget it. */
    if (syscall(SYS_sched_getattr, 0, &new, sizeof(new), 0) != 0 || new.runtime != turn_ns)
        return false;
    if (ret_turn_ns_before != NULL)
        *ret_turn_ns_before = old.runtime;
    return true;
}

/* On Linux a nice value is a thread's, not the process's. */
void priority_set_nice(int nice)
{
    (void)setpriority(PRIO_PROCESS, 0, nice);
}
