/* Peers that leave unread: EPOLLRDHUP, EPOLLHUP and EPOLLERR of epoll_ctl(2).
 *
 * Happy path: a second epoll, which the loop polls like a socket. The loop's own cannot do it: libuv takes a descriptor
 * once only, and its stream's interest in it is the bytes. Edge-triggered: an end that was told does not hide that the
 * peer is gone later, and is not told in every turn. Failures: no descriptor or memory at start. Close: of the
 * handle first, then of the epoll.
 */
#include "rdhup.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_MAX = 64 }; /* a turn of the loop */

struct rdhup {
    uv_poll_t poll;
    int fd; /* epoll(7) */
};

/* One at a time: what is done about one may end the watch of the next. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct rdhup *rdhup = poll->data;
    struct epoll_event event;
    struct rdhup_watch *watch;

    (void)status;
    (void)events;
    for (int i = 0; i < EVENTS_MAX && epoll_wait(rdhup->fd, &event, 1, 0) == 1; i++) {
        watch = event.data.ptr;
        watch->on_rdhup(watch, event.events & (EPOLLHUP | EPOLLERR));
    }
}

int rdhup_open(struct rdhup **ret_rdhup, uv_loop_t *loop)
{
    struct rdhup *rdhup = malloc(sizeof(*rdhup));
    int err;

    if (rdhup == NULL)
        return -ENOMEM;
    rdhup->fd = epoll_create1(EPOLL_CLOEXEC);
    err = rdhup->fd < 0 ? -errno : uv_poll_init(loop, &rdhup->poll, rdhup->fd);
    if (err < 0) {
        if (rdhup->fd >= 0)
            close(rdhup->fd);
        free(rdhup);
        return err;
    }
    rdhup->poll.data = rdhup;
    uv_unref((uv_handle_t *)&rdhup->poll);
    uv_poll_start(&rdhup->poll, UV_READABLE, on_readable);
    *ret_rdhup = rdhup;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void rdhup_close(struct rdhup *rdhup)
{
    if (rdhup == NULL)
        return;
    uv_close((uv_handle_t *)&rdhup->poll, on_closed);
    close(rdhup->fd);
}

int rdhup_begin(struct rdhup *rdhup, int fd, bool is_ended, struct rdhup_watch *watch)
{
    struct epoll_event event = {.events = EPOLLET | (is_ended ? 0 : EPOLLRDHUP), .data.ptr = watch};

    return epoll_ctl(rdhup->fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

void rdhup_end(struct rdhup *rdhup, int fd)
{
    epoll_ctl(rdhup->fd, EPOLL_CTL_DEL, fd, NULL);
}
