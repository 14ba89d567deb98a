/* Lines for people: the error log on stderr and the access log, each written by a thread of its own.
 *
 * The loop never waits for a slow sink: a line goes into a bounded buffer, and the sink's thread writes what has
 * gathered there while the next buffer fills. A line that finds it full is dropped and counted; so is one that the sink
 * did not take (ENOSPC, EPIPE), which stops nothing. Once lines get through again, the error log says how many were
 * lost. Before log_start() and after log_stop() an error line is written at once by its caller. One log in a process;
 * any thread.
 */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include "hoist.h"

#include <stdint.h>

enum {
    LOG_LINE_MAX = 2048,     /* bytes, with prefix and newline */
    LOG_BUFFER = 128 * 1024, /* bytes of a sink that wait while as many are being written */
};

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

enum log_format { LOG_COMMON, LOG_JSON };

struct log_options {
    enum log_level level;
    enum log_format access_format;
    const char *access_log; /* a file's name, in place until log_stop(); "-" for stdout; NULL: none */
};

/* Opens the access log and starts the writers. What open(2) or pthread_create(3) answered (-ENXIO: a FIFO that nobody
 * reads), -EBUSY when the log runs or a writer of the last one is still stuck; nothing was started then. */
int log_start(const struct log_options *options);

/* Writes what is left, waiting at most two seconds for the sinks, and stops the writers. */
void log_stop(void);

/* One line, "<time> <level> text", or for the journal "<priority>text"; cut at LOG_LINE_MAX bytes; control characters,
 * also those above ASCII, and bytes that are no UTF-8 as \xNN. */
__attribute__((cold)) void log_write(enum log_level level, const char *format, ...) HOIST_PRINTF(2, 3);

/* One line of the access log, cut and escaped likewise. Costs nothing when there is none: ask first. How its lines are
 * made is access.c's. */
bool log_access_wanted(void);
enum log_format log_access_format(void);
void log_access(const char *format, ...) HOIST_PRINTF(1, 2);

/* The access log's file was moved away: its writer opens it anew, at once, and writes what comes from now on there. */
void log_reopen(void);

/* Lines lost since the program began. */
uint64_t log_lost(void);

#endif
