/* Workers ring, the loop hears: uv_async_t's job, done so that a worker which is preempted in the middle of it does not
 * make the loop wait. libuv's own (to 1.45 at least) lets the loop spin until the sender has returned from its
 * write(2), and on one CPU the sender, which is nicer than the loop, is preempted by that very write: half of the time
 * that a job adds.
 */
#ifndef POOL_BELL_H
#define POOL_BELL_H

#include <stdatomic.h>
#include <uv.h>

struct bell {
    uv_poll_t poll;           /* its data is what heard() gets */
    int fd;                   /* eventfd(2) */
    atomic_flag is_rung;      /* and not heard yet: more rings are the same one */
    void (*heard)(void *arg); /* NULL: it does not hang yet */
};

/* What can fail of a start: -errno, no descriptor. */
int bell_init(struct bell *bell);

/* heard(arg) is called on the loop, once or more, after a bell_ring(). The bell does not keep the loop alive. Loop
 * thread, once. */
void bell_hang(struct bell *bell, uv_loop_t *loop, void (*heard)(void *arg), void *arg);

/* Any thread, without a lock. */
void bell_ring(struct bell *bell);

/* Nobody may ring any more. on_closed(handle), of a bell that hangs, gets a handle whose data is arg; one that does not
 * is closed at once. */
void bell_close(struct bell *bell, void (*on_closed)(uv_handle_t *handle));

#endif
