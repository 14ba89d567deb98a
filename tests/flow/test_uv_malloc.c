/* Memory that runs out inside libuv, at every single place, during a start and after it.
 *
 * What libuv cannot survive: it aborts when the array of what it watches, one entry for each descriptor number, cannot
 * grow; that is all it uses realloc() for. During a start this is left out here. Afterwards it is not: the array has
 * had its last size by then, because the highest number that may ever be open was watched once.
 */
#include "lib/app_fixture.h"
#include "lib/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DESCRIPTORS = 512, PEERS = 60, AHEAD = 200 * 1024 };

static struct app_fixture f;
static struct peer peers[PEERS];
static struct gate gate;

/* ---- libuv's allocator ---- */

static atomic_uint left; /* allocations up to the one that fails, itself included; 0: none will */
static atomic_bool has_failed, grows_always;

static bool fails_now(void)
{
    unsigned n = atomic_load(&left);

    while (n > 0 && !atomic_compare_exchange_weak(&left, &n, n - 1))
        continue;
    if (n != 1)
        return false;
    atomic_store(&has_failed, true);
    errno = ENOMEM;
    return true;
}

static void *uv_own_malloc(size_t size)
{
    return fails_now() ? NULL : malloc(size);
}

static void *uv_own_calloc(size_t n, size_t size)
{
    return fails_now() ? NULL : calloc(n, size);
}

static void *uv_own_realloc(void *old, size_t size)
{
    return !atomic_load(&grows_always) && fails_now() ? NULL : realloc(old, size);
}

static void fail_at(unsigned n)
{
    atomic_store(&left, n);
    atomic_store(&has_failed, false);
}

/* Descriptors are few, so that the array that has room for all of them is small. */
static void set_up(void)
{
    const struct rlimit limit = {.rlim_cur = DESCRIPTORS, .rlim_max = DESCRIPTORS};

    cr_assert_eq(uv_replace_allocator(uv_own_malloc, uv_own_realloc, uv_own_calloc, free), 0);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

TestSuite(uv_malloc, .init = set_up, .timeout = 60);

/* ---- after a start ---- */

static int work(hoist_req *req, hoist_res *res)
{
    (void)req;
    gate_pass(&gate, 0);
    return hoist_reply_text(res, 200, "worked");
}

static int now(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "now");
}

static int later(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_later(req, 1, now);
}

static const hoist_route routes[] = {
    {.path = "/work", .handler = work},
    {.path = "/now", .handler = now, .run = HOIST_INLINE},
    {.path = "/later", .handler = later, .run = HOIST_ASYNC},
};

static void on_polled(uv_poll_t *poll, int status, int events)
{
    (void)poll;
    (void)status;
    (void)events;
}

static void on_closed(uv_handle_t *handle)
{
    handle->data = NULL;
}

/* Watches the highest descriptor that there may be, once. */
static void grow_watchers(uv_loop_t *loop)
{
    int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, DESCRIPTORS - 1), ends[2];
    uv_poll_t poll;

    cr_assert_eq(fd, DESCRIPTORS - 1);
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(dup2(ends[0], fd), fd); /* whatever stdin is, this can be polled */
    cr_assert_eq(uv_poll_init(loop, &poll, fd), 0);
    poll.data = &poll;
    cr_assert_eq(uv_poll_start(&poll, UV_READABLE, on_polled), 0);
    uv_close((uv_handle_t *)&poll, on_closed);
    LOOP_SPIN_UNTIL(loop, poll.data == NULL);
    close(fd);
    close(ends[0]);
    close(ends[1]);
}

static bool is_answered_or_gone(const struct peer *peer)
{
    return peer->at_end || peer_answers(peer) > 0;
}

/* Clients ask, for a worker, for none, for later; some leave while they wait, one sends more than is read ahead. */
static void serve_all_kinds(void)
{
    static const char *const paths[] = {"/work", "/now", "/later"};
    static char ahead[AHEAD];
    uv_buf_t buf = uv_buf_init(ahead, AHEAD);

    for (unsigned i = 0; i < PEERS; i++) {
        peer_open(&peers[i], &f);
        peer_get(&peers[i], paths[i % 3]);
    }
    gate_run_until_inside(&gate, 1);
    cr_expect_gt(uv_try_write((uv_stream_t *)&peers[0].socket, &buf, 1), 0);
    peer_reset(&peers[3]);
    peer_close(&peers[6]);
    gate_let_all_go(&gate);
    for (unsigned i = 0; i < PEERS; i++)
        if (i != 3 && i != 6)
            LOOP_RUN_UNTIL(&f.loop, is_answered_or_gone(&peers[i]));
}

Test(uv_malloc, that_fails_after_the_start_costs_a_connection_and_not_the_server)
{
    bool failed = true;

    app_fixture_serve(&f, &(hoist_config){.workers = 1}, routes, 3);
    grow_watchers(&f.loop);
    for (unsigned n = 1; failed; n++) {
        gate_open(&gate, &f.loop);
        fail_at(n);
        serve_all_kinds();
        failed = atomic_load(&has_failed);
        fail_at(0);
        for (unsigned i = 0; i < PEERS; i++) {
            if (i == 3 || i == 6)
                continue;
            cr_expect(failed || peer_answer(&peers[i], 0)->status == 200);
            peer_close(&peers[i]);
        }
        LOOP_RUN_UNTIL(&f.loop, f.app->server.n_conns == 0);
        gate_close(&gate);
    }
    app_fixture_close(&f);
}

/* ---- during a start ---- */

enum { CHILD_OK = 40, CHILD_REFUSED, CHILD_BAD };

/* libuv's threads are made once in a process, so each start has its own. */
static int start_and_stop(unsigned n)
{
    bool is_stopped = false;
    int err;

    app_fixture_open(&f, &(hoist_config){.workers = 2}, routes, 3);
    atomic_store(&grows_always, true);
    fail_at(n);
    err = hoist_app_start(f.app, &f.loop, NULL, NULL);
    if (err == 0)
        hoist_app_stop(f.app);
    else if (!atomic_load(&has_failed) || hoist_app_error(f.app)[0] == '\0')
        return CHILD_BAD;
    fail_at(0);
    for (unsigned turns = 0; turns < LOOP_TURNS_MAX && !is_stopped; turns++) {
        is_stopped = hoist_app_free(f.app) == 0;
        if (!is_stopped)
            uv_run(&f.loop, UV_RUN_ONCE);
    }
    uv_run(&f.loop, UV_RUN_DEFAULT);
    if (!is_stopped || uv_loop_close(&f.loop) < 0)
        return CHILD_BAD;
    return err < 0 ? CHILD_REFUSED : CHILD_OK;
}

Test(uv_malloc, that_fails_during_the_start_is_an_error_that_leaves_nothing)
{
    int status = 0, refused = 0;
    pid_t pid;

    for (unsigned n = 1; n < LOOP_TURNS_MAX && status != CHILD_OK; n++) {
        pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0)
            _exit(start_and_stop(n));
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFEXITED(status), "allocation %u: signal %d", n, WTERMSIG(status));
        status = WEXITSTATUS(status);
        cr_assert(status == CHILD_OK || status == CHILD_REFUSED, "allocation %u: %d", n, status);
        refused += status == CHILD_REFUSED;
    }
    cr_expect_gt(refused, 0, "nothing was allocated: nothing was tested");
}
