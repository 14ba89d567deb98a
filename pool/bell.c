/* Workers ring, the loop hears.
 *
 * Happy path: ringing is one write to an eventfd(2), which the loop polls. It calls heard() first, for what is done
 * should not wait for a system call; then it empties the eventfd and calls heard() again, for what was done meanwhile
 * by those who did not ring because it was rung already. Failures: no descriptor at start. Close: bell_close().
 */
#include "bell.h"

#include "owner.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct bell *bell = OWNER_OF(poll, struct bell, poll);
    uint64_t rings;
    ssize_t n;

    (void)status;
    (void)events;
    bell->heard(poll->data);
    n = read(bell->fd, &rings, sizeof(rings));
    (void)n;                           /* EAGAIN: there is nothing in it any more, which is just as well */
    atomic_flag_clear(&bell->is_rung); /* neither earlier nor later: else a ring is lost in the read, or in heard() */
    bell->heard(poll->data);
}

int bell_init(struct bell *bell)
{
    bell->heard = NULL;
    atomic_flag_clear(&bell->is_rung);
    bell->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return bell->fd < 0 ? -errno : 0;
}

void bell_hang(struct bell *bell, uv_loop_t *loop, void (*heard)(void *arg), void *arg)
{
    int err = uv_poll_init(loop, &bell->poll, bell->fd);

    assert(err == 0); /* as libuv itself does when it cannot poll a descriptor later */
    (void)err;
    bell->heard = heard;
    bell->poll.data = arg;
    uv_unref((uv_handle_t *)&bell->poll);
    uv_poll_start(&bell->poll, UV_READABLE, on_readable);
}

void bell_ring(struct bell *bell)
{
    const uint64_t one = 1;
    ssize_t n;

    if (atomic_flag_test_and_set(&bell->is_rung))
        return;
    n = write(bell->fd, &one, sizeof(one));
    assert(n == sizeof(one)); /* the counter is far from full: the loop empties it */
    (void)n;
}

void bell_close(struct bell *bell, void (*on_closed)(uv_handle_t *handle))
{
    if (bell->heard != NULL)
        uv_close((uv_handle_t *)&bell->poll, on_closed);
    close(bell->fd);
}
