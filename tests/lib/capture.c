/* A pipe in the place of a standard stream. Failures fail the test. Close: capture_release(). */
#include "capture.h"

#include "server/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct capture capture(int fd)
{
    struct capture c = {.fd = fd};
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    c.reader = ends[0];
    c.saved = dup(fd);
    cr_assert_geq(c.saved, 0);
    cr_assert_eq(dup2(ends[1], fd), fd);
    close(ends[1]);
    return c;
}

struct capture capture_narrow(int fd)
{
    struct capture c = capture(fd);

    cr_assert_geq(fcntl(fd, F_SETPIPE_SZ, 4096), 4096);
    return c;
}

void capture_release_writer(struct capture *c)
{
    cr_assert_eq(dup2(c->saved, c->fd), c->fd);
    close(c->saved);
}

void capture_release(struct capture *c)
{
    capture_release_writer(c);
    close(c->reader);
}

const char *capture_line(const struct capture *c)
{
    static char line[LOG_LINE_MAX + 1];
    size_t len = 0;

    while (read(c->reader, line + len, 1) == 1) {
        if (line[len] == '\n') {
            line[len] = '\0';
            return line;
        }
        cr_assert_lt(++len, sizeof(line));
    }
    return NULL;
}

const char *capture_text(const char *line)
{
    const char *level = line != NULL ? strchr(line, ' ') : NULL, *text = level != NULL ? strchr(level + 1, ' ') : NULL;

    cr_assert_not_null(text, "%s", line != NULL ? line : "(end)");
    return text + 1;
}
