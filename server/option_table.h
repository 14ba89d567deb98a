/* The table of options, in the order of --help. option.c alone reads it.
 *
 * A row: name, member of struct options, kind, default as it would be given, min, max, argument, help. A default stands
 * here only where it is the command line's own; config.c has those of hoist_config. Where neither has one, the help
 * says what there is instead.
 */
#ifndef SERVER_OPTION_TABLE_H
#define SERVER_OPTION_TABLE_H

#include "pool/pool.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

#define KIB ((uint64_t)1 << 10)
#define GIB ((uint64_t)1 << 30)
#define OR_ALL_MEMORY(bytes) ((bytes) < SIZE_MAX ? (bytes) : SIZE_MAX) /* what a 32-bit system's size_t can say */

// clang-format off
#define OPTIONS(GROUP, X)                                                                                              \
    GROUP("Listening")                                                                                                 \
    X("host", config.host, ADDRESS, NULL, 0, 0, "ADDRESS", "a numeric IPv4 or IPv6 address")                           \
    X("port", config.port, UINT, "8000", 0, 65535, "N", "0: any free one")                                             \
    X("reuseport", config.reuseport, SWITCH, NULL, 0, 1, NULL,                                                         \
      "several processes may share the port; --admin is off unless given")                                             \
    X("admin", config.admin, LISTEN, NULL, 0, 0, "HOST:PORT|unix:PATH|off",                                            \
      "figures, controls; default: 127.0.0.1:8001, a free port with --port 0")                                         \
    X("ready-full-ms", config.ready_full_ms, UINT, NULL, 1, DAY_MS, "MS", "a queue full for so long: /ready is 503")   \
    GROUP("Workers")                                                                                                   \
    X("workers", config.workers, UINT, NULL, 1, POOL_WORKERS_MAX, "N", "at work at once; default: one for each CPU")   \
    X("workers-max", config.workers_max, UINT, NULL, 1, POOL_WORKERS_MAX, "N", "for a resize; default: --workers")     \
    X("executor", config.executor, CHOICE, NULL, 0, 0, "pool|inline", "inline: handlers run on the event loop")        \
    X("worker-nice", config.worker_nice, LIMIT, NULL, 0, 19, "N", "added to the workers' nice value; 0: left alone")   \
    X("worker-stack", worker_stack, SIZE, "8M", 64 * KIB, GIB, "BYTES",                                                \
      "of a worker's stack; libuv 1.45 and newer: 8M")                                                                 \
    GROUP("Requests")                                                                                                  \
    X("queue", config.max_waiting, LIMIT, NULL, 1, 1000000, "N", "waiting for one route or lane, then 503")            \
    X("timeout-ms", config.timeout_ms, LIMIT, NULL, 0, DAY_MS, "MS", "to wait and run; 0: no limit")                   \
    X("queue-timeout-ms", config.queue_timeout_ms, LIMIT, NULL, 0, DAY_MS, "MS", "to wait, then 503; 0: no limit")     \
    X("max-body", config.max_body, SIZE, NULL, 1, GIB, "BYTES", "of a request's body, then 413")                       \
    X("max-reply", config.max_reply, SIZE, NULL, 1, GIB, "BYTES", "of a reply, then 500")                              \
    X("max-memory", config.max_memory, SIZE, NULL, 0, OR_ALL_MEMORY(1024 * GIB), "BYTES",                              \
      "for all requests, then 503; 0: no limit")                                                                       \
    X("server-timing", config.server_timing, SWITCH, NULL, 0, 1, NULL, "replies say how long they waited and ran")     \
    GROUP("Connections")                                                                                               \
    X("max-connections", config.max_connections, LIMIT, NULL, 1, 1000000, "N",                                         \
      "default: what descriptors allow, up to 10000")                                                                  \
    X("header-timeout-ms", config.header_timeout_ms, LIMIT, NULL, 1, DAY_MS, "MS", "for a whole head, then 408")       \
    X("body-timeout-ms", config.body_timeout_ms, LIMIT, NULL, 1, DAY_MS, "MS", "of a body below 500 B/s, then 408")    \
    X("write-timeout-ms", config.write_timeout_ms, LIMIT, NULL, 1, DAY_MS, "MS", "of a reply below 500 B/s")           \
    X("keep-alive-ms", config.keep_alive_ms, LIMIT, NULL, 1, DAY_MS, "MS", "of silence between two requests")          \
    X("half-close", config.half_close, CHOICE, NULL, 0, 0, "cancel|finish", "jobs of a client that stops sending")     \
    GROUP("Process")                                                                                                   \
    X("drain-ms", config.drain_ms, LIMIT, NULL, 1, DAY_MS, "MS", "for requests in flight at a stop")                   \
    X("stuck-exit-ms", config.stuck_exit_ms, LIMIT, NULL, 0, DAY_MS, "MS", "all workers stuck: exit 1; 0: never")      \
    X("access-log", access_log, TEXT, NULL, 0, 0, "FILE|-|off", "-: stdout, which is the default on a terminal")       \
    X("access-log-format", access_log_format, CHOICE, "common", 0, 0, "common|json", "a line of text, or of JSON")      \
    X("log-level", log_level, CHOICE, "info", 0, 0, "error|warning|info|debug", "how much goes to stderr")
// clang-format on

#endif
