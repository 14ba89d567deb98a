/* Sees peers leave while their bytes are not read: they end their sending side, or reset. Loop thread only. */
#ifndef SERVER_RDHUP_H
#define SERVER_RDHUP_H

#include <stdbool.h>
#include <uv.h>

struct rdhup;

/* Inside what wants to know. It has to stay in place while it is watched. */
struct rdhup_watch {
    void (*on_rdhup)(struct rdhup_watch *watch); /* has to end the watch: the event would come again at once */
};

/* -errno: no memory, no descriptor. */
int rdhup_open(struct rdhup **ret_rdhup, uv_loop_t *loop);

/* No watch may be left. Takes NULL, too. */
void rdhup_close(struct rdhup *rdhup);

/* Begins to watch the connected socket fd. -errno: it is not watched, for the kernel has no memory. */
int rdhup_begin(struct rdhup *rdhup, int fd, struct rdhup_watch *watch);

/* Before fd is closed, which would not do it while a child that is being made still has the socket, too. */
void rdhup_end(struct rdhup *rdhup, int fd);

#endif
