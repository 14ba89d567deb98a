/* Sees peers leave while nothing is read from them: they end their sending side, or are gone. Loop thread only. */
#ifndef SERVER_RDHUP_H
#define SERVER_RDHUP_H

#include <stdbool.h>
#include <uv.h>

struct rdhup;

/* Inside what wants to know. It has to stay in place while it is watched. */
struct rdhup_watch {
    /* It has ended its sending side, or is gone: by a reset, or closed as a Unix socket tells at once. May come again.
     */
    void (*on_rdhup)(struct rdhup_watch *watch, bool is_gone);
};

/* -errno: no memory, no descriptor. */
int rdhup_open(struct rdhup **ret_rdhup, uv_loop_t *loop);

/* No watch may be left. Takes NULL, too. */
void rdhup_close(struct rdhup *rdhup);

/* Begins to watch the connected socket fd. With is_ended, it is known that the peer has ended its sending side, and
 * only told when it is gone. -errno: it is not watched, for the kernel has no memory. */
int rdhup_begin(struct rdhup *rdhup, int fd, bool is_ended, struct rdhup_watch *watch);

/* Before fd is closed, which would not do it while a child that is being made still has the socket, too. */
void rdhup_end(struct rdhup *rdhup, int fd);

#endif
