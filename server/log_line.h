/* The text of one line of a log, put together on its caller's stack. Any thread; all but log_line_choose_form() and
 * log_line_print() is async-signal-safe. */
#ifndef SERVER_LOG_LINE_H
#define SERVER_LOG_LINE_H

#include "log.h"

#include <stdarg.h>
#include <stddef.h>

struct log_line {
    size_t len; /* there is room for the newline */
    char text[LOG_LINE_MAX];
};

/* Looks at stderr: from now on lines begin as a person reads them, with time and level, or as the journal does. */
void log_line_choose_form(void);

/* What a line of the error log begins with. One of the access log begins as {0}. */
void log_line_begin(struct log_line *line, enum log_level level);

/* Escaped, as far as it fits: a line break in it would let a client write lines, and a control
 * character might be obeyed by the terminal that shows them. */
void log_line_add(struct log_line *line, const char *text);
void log_line_print(struct log_line *line, const char *format, va_list args) HOIST_PRINTF(2, 0);

/* The newline; the last thing. */
void log_line_end(struct log_line *line);

#endif
