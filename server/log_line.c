/* A line on its way into a log. Failures: what does not fit is cut. Close: nothing is held. */
#include "log_line.h"

#include "utc.h"
#include "utf8.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ESCAPE_LEN = sizeof("\\x1b") - 1 };

static atomic_bool is_for_journal;

static bool stderr_is_journal(void);
static void add_escape(struct log_line *line, unsigned char c);

void log_line_choose_form(void)
{
    atomic_store(&is_for_journal, stderr_is_journal());
}

/* systemd says which file its journal reads; the variable alone is also there in a terminal that systemd started. */
static bool stderr_is_journal(void)
{
    const char *journal = getenv("JOURNAL_STREAM");
    struct stat status;
    char own[64];

    if (journal == NULL || fstat(STDERR_FILENO, &status) < 0)
        return false;
    (void)snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(journal, own) == 0;
}

void log_line_begin(struct log_line *line, enum log_level level)
{
    static const struct {
        const char *name;
        const char *priority; /* for the journal, as syslog's; see sd-daemon(3) */
    } levels[] = {[LOG_ERROR] = {" error ", "<3>"},
                  [LOG_WARNING] = {" warning ", "<4>"},
                  [LOG_INFO] = {" info ", "<6>"},
                  [LOG_DEBUG] = {" debug ", "<7>"}};
    char time[UTC_TEXT];

    line->len = 0;
    if (atomic_load(&is_for_journal)) {
        log_line_add(line, levels[level].priority);
    } else {
        log_line_add(line, utc_now(time));
        log_line_add(line, levels[level].name);
    }
}

void log_line_print(struct log_line *line, const char *format, va_list args)
{
    char text[LOG_LINE_MAX];

    text[0] = '\0';
    (void)vsnprintf(text, sizeof(text), format, args);
    log_line_add(line, text);
}

void log_line_add(struct log_line *line, const char *text)
{
    const char *end = text + strlen(text);
    size_t room, len, used;

    for (const char *p = text; p < end; p += used) {
        len = utf8_len(p, (size_t)(end - p));
        used = len > 0 ? len : 1;
        room = sizeof(line->text) - 1 - line->len;
        if (len > 0 && !utf8_is_control(p)) {
            if (len > room)
                break;
            memcpy(line->text + line->len, p, len);
            line->len += len;
        } else {
            if (ESCAPE_LEN * used > room)
                break;
            for (size_t i = 0; i < used; i++)
                add_escape(line, (unsigned char)p[i]);
        }
    }
}

static void add_escape(struct log_line *line, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    const char escape[ESCAPE_LEN] = {'\\', 'x', digits[c >> 4], digits[c & 15]};

    memcpy(line->text + line->len, escape, ESCAPE_LEN);
    line->len += ESCAPE_LEN;
}

void log_line_end(struct log_line *line)
{
    line->text[line->len++] = '\n';
}
