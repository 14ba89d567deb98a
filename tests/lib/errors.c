#include "errors.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ERRORS_MAX = 64 * 1024 };

static FILE *caught;
static int saved;

void errors_catch(void)
{
    caught = tmpfile();
    cr_assert_not_null(caught);
    saved = dup(STDERR_FILENO);
    cr_assert_geq(saved, 0);
    cr_assert_eq(dup2(fileno(caught), STDERR_FILENO), STDERR_FILENO);
}

void errors_release(void)
{
    cr_assert_eq(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    close(saved);
    fclose(caught);
}

const char *errors_text(void)
{
    static char text[ERRORS_MAX];
    ssize_t n = pread(fileno(caught), text, sizeof(text) - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

void errors_forget(void)
{
    cr_assert_eq(ftruncate(fileno(caught), 0), 0);
    lseek(STDERR_FILENO, 0, SEEK_SET); /* the two have one place to write */
}

unsigned errors_count(const char *text)
{
    const char *at = errors_text(), *end;
    unsigned n = 0;

    while ((at = strstr(at, text)) != NULL && (end = strchr(at, '\n')) != NULL) {
        n++;
        at = end;
    }
    return n;
}

void errors_expect_one_line(const char *text)
{
    const char *all = errors_text();
    const char *end = strchr(all, '\n');

    cr_expect(end != NULL && end[1] == '\0', "not one line: '%s'", all);
    cr_expect_not_null(strstr(all, text), "no '%s' in '%s'", text, all);
}
