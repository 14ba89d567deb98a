/* An app's configuration: defaults and ranges.
 *
 * Happy path: defaults, then what follows from other fields and from the machine, then the ranges. Failures: -EINVAL
 * and one line that names the field and its value. Close: nothing is held.
 */
#include "config.h"

#include "listener.h"
#include "pool/pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum {
    CONNECTIONS_DEFAULT = 10000,
    CONNECTIONS_LEAST = 64,     /* fewer descriptors than this many connections need are an error at start */
    CONNECTIONS_MOST = 1000000, /* also where descriptors have no limit */
    DESCRIPTORS_OWN = 64,       /* for files, the loop, logs, the program's own */
    DESCRIPTORS_A_WORKER = 8,   /* what one handler may have open */
};

static int check_ranges(const hoist_config *config, char *error, size_t error_size);
static int limit_connections(hoist_config *config, char *error, size_t error_size);

static void default_to(unsigned *value, unsigned standard)
{
    if (*value == 0)
        *value = standard;
}

void config_set_defaults(hoist_config *config)
{
    if (config->host == NULL)
        config->host = "127.0.0.1";
    default_to(&config->max_waiting, 256);
    default_to(&config->timeout_ms, 30000);
    default_to(&config->queue_timeout_ms, HOIST_NO_LIMIT);
    default_to(&config->header_timeout_ms, 10000);
    default_to(&config->body_timeout_ms, 20000);
    default_to(&config->write_timeout_ms, 20000);
    default_to(&config->keep_alive_ms, 5000);
    default_to(&config->drain_ms, 30000);
    default_to(&config->worker_nice, 10);
    default_to(&config->ready_full_ms, 5000);
    default_to(&config->stuck_exit_ms, HOIST_NO_LIMIT);
    config->max_body = config_bytes(config->max_body, (size_t)1024 * 1024);
    config->max_reply = config_bytes(config->max_reply, (size_t)16 * 1024 * 1024);
    if (config->max_memory == HOIST_NO_LIMIT)
        config->max_memory = 0;
}

size_t config_bytes(size_t given, size_t standard)
{
    if (given == 0)
        return standard;
    return given == HOIST_NO_LIMIT ? SIZE_MAX : given;
}

int config_resolve(hoist_config *config, const hoist_config *given, char *error, size_t error_size)
{
    int err;

    *config = *given;
    config_set_defaults(config);
    config_set_workers(config);
    if (config->admin != NULL && strcmp(config->admin, "off") == 0)
        config->admin = NULL;
    err = check_ranges(config, error, error_size);
    return err < 0 ? err : limit_connections(config, error, error_size);
}

/* A machine may have more CPUs than are asked for, or than a pool takes: no reason to fail. */
void config_set_workers(hoist_config *config)
{
    unsigned most = config->workers_max != 0 ? config->workers_max : POOL_WORKERS_MAX;
    unsigned cpus = uv_available_parallelism();

    default_to(&config->workers, cpus < most ? cpus : most);
    default_to(&config->workers_max, config->workers);
}

static int check_ranges(const hoist_config *config, char *error, size_t error_size)
{
    if (config->port > 65535) {
        snprintf(error, error_size, "port: %u is not a number from 0 to 65535", config->port);
        return -EINVAL;
    }
    if (config->workers_max > POOL_WORKERS_MAX) {
        snprintf(error, error_size, "%s: %u is not a number from 1 to %d",
                 config->workers == config->workers_max ? "workers" : "workers_max", config->workers_max,
                 POOL_WORKERS_MAX);
        return -EINVAL;
    }
    if (config->workers > config->workers_max) {
        snprintf(error, error_size, "workers: %u is not a number from 1 to workers_max, which is %u", config->workers,
                 config->workers_max);
        return -EINVAL;
    }
    if (config->worker_nice > 19 && config->worker_nice != HOIST_NO_LIMIT) {
        snprintf(error, error_size, "worker_nice: %u is not a number from 1 to 19", config->worker_nice);
        return -EINVAL;
    }
    if (config->executor > HOIST_EXECUTOR_INLINE) {
        snprintf(error, error_size, "executor: %d is none of enum hoist_executor", (int)config->executor);
        return -EINVAL;
    }
    if (config->half_close > HOIST_HALF_CLOSE_FINISH) {
        snprintf(error, error_size, "half_close: %d is none of enum hoist_half_close", (int)config->half_close);
        return -EINVAL;
    }
    if (config->max_connections > CONNECTIONS_MOST && config->max_connections != HOIST_NO_LIMIT) {
        snprintf(error, error_size, "max_connections: %u is not a number from 1 to %d", config->max_connections,
                 CONNECTIONS_MOST);
        return -EINVAL;
    }
    return 0;
}

static unsigned long descriptors_taken(const hoist_config *config)
{
    return DESCRIPTORS_OWN + DESCRIPTORS_A_WORKER * (unsigned long)config->workers_max;
}

/* The arrays of descriptors that libuv and the kernel have are as long as a power of two, libuv's with two places for
 * itself: the rest of that costs nothing more, and a program may have more open than was reckoned. */
int config_fd_max(const hoist_config *config)
{
    unsigned long places = 64, most;
    struct rlimit limit;

    while (places - 2 <= descriptors_taken(config) + config->max_connections + LISTENER_BACKLOG)
        places *= 2;
    most = places - 3;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur <= most)
        most = (unsigned long)limit.rlim_cur - 1;
    return (int)most;
}

/* A connection is a descriptor, and so are things that handlers open: without a share of their own they would fail
 * first. */
static int limit_connections(hoist_config *config, char *error, size_t error_size)
{
    unsigned long taken = descriptors_taken(config);
    unsigned long room = CONNECTIONS_MOST;
    bool is_given = config->max_connections != 0 && config->max_connections != HOIST_NO_LIMIT;
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY};

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        room = limit.rlim_cur > taken ? (unsigned long)limit.rlim_cur - taken : 0;
    if (config->max_connections == 0)
        config->max_connections = room < CONNECTIONS_DEFAULT ? (unsigned)room : CONNECTIONS_DEFAULT;
    if (config->max_connections == HOIST_NO_LIMIT)
        config->max_connections = room < CONNECTIONS_MOST ? (unsigned)room : CONNECTIONS_MOST;
    if (config->max_connections <= room && room >= CONNECTIONS_LEAST)
        return 0;
    if (is_given)
        snprintf(error, error_size,
                 "max_connections: %u connections and %u workers need %lu descriptors; RLIMIT_NOFILE is %lu",
                 config->max_connections, config->workers_max,
                 taken + (config->max_connections > CONNECTIONS_LEAST ? config->max_connections : CONNECTIONS_LEAST),
                 (unsigned long)limit.rlim_cur);
    else
        snprintf(error, error_size, "%s: %u workers and %d connections need %lu descriptors; RLIMIT_NOFILE is %lu",
                 config->workers_max > config->workers ? "workers_max" : "workers", config->workers_max,
                 CONNECTIONS_LEAST, taken + CONNECTIONS_LEAST, (unsigned long)limit.rlim_cur);
    return -EINVAL;
}
