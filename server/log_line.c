/* A line on its way into a log. Failures: what does not fit is cut. Close: nothing is held. */
#include "log_line.h"

#include "utc.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_bool is_for_journal;

static bool stderr_is_journal(void);

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
    static const char digits[] = "0123456789abcdef";
    size_t end = sizeof(line->text) - 1;

    for (const char *p = text; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        bool is_control = c < ' ' || c == 0x7f;

        if (line->len + (is_control ? 4 : 1) > end)
            break;
        if (is_control) {
            line->text[line->len++] = '\\';
            line->text[line->len++] = 'x';
            line->text[line->len++] = digits[c >> 4];
            c = (unsigned char)digits[c & 15];
        }
        line->text[line->len++] = (char)c;
    }
}

void log_line_end(struct log_line *line)
{
    line->text[line->len++] = '\n';
}
