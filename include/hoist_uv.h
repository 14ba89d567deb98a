/* hoist inside a program that already has a libuv loop. libuv's own header wants more than ISO C: -std=gnu11, or
 * -D_GNU_SOURCE. */
#ifndef HOIST_UV_H
#define HOIST_UV_H

#include "hoist.h"

#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Starts serving on loop and returns; listens first if hoist_app_listen() was not called. After hoist_app_stop() and
 * the drain, on_stopped(app, err, arg) is called once on the loop: err is 0, or -ETIMEDOUT when after drain_ms jobs
 * were still running or waiting for hoist_finish(), clients still sent a body or had not taken their answers, or a
 * worker_fini had not returned. With 0 hoist holds no handle of loop that keeps it alive by then; hoist_app_free() may
 * be called from on_stopped. Loop thread. loop must outlive the app. Touches no signals, no environment, no limits of
 * the process: ignore SIGPIPE and set UV_THREADPOOL_SIZE to workers_max before libuv's pool is first used. On failure
 * nothing was started, and the socket is closed: -EAGAIN: libuv's pool has too few threads; -EBUSY: another app's pool
 * runs in this process; -EALREADY: this one was started before; -EINVAL: a route of HOIST_PROCESS, or a worker_init
 * that returned more than 0; -ENOMEM; what hoist_app_listen() or a worker_init answered. */
HOIST_API int hoist_app_start(hoist_app *app, uv_loop_t *loop, void (*on_stopped)(hoist_app *app, int err, void *arg),
                              void *arg);

#ifdef __cplusplus
}
#endif

#endif
