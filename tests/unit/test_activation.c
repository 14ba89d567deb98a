/* Sockets that a supervisor passes: which is whose, and what the variables may say. */
#include "server/activation.h"

#include "lib/usage.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST = 500 }; /* the test has descriptors of its own at 3 */

static struct activation activation;
static char error[128];

/* Three descriptors; what they are is the listener's business. */
static void pass(const char *count, const char *names)
{
    char pid[16];

    usage_raise_descriptors(); /* FIRST may be above a low one */
    for (int i = 0; i < 3; i++)
        cr_assert_eq(dup2(STDIN_FILENO, FIRST + i), FIRST + i);
    (void)snprintf(pid, sizeof(pid), "%d", getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", count, 1);
    unsetenv("LISTEN_FDNAMES");
    if (names != NULL)
        setenv("LISTEN_FDNAMES", names, 1);
}

Test(activation, takes_the_socket_named_admin_for_the_admin_listener_and_the_other_one_for_requests)
{
    static const struct {
        const char *count, *names;
        int data, admin;
    } rows[] = {
        {"0", NULL, -1, -1},
        {"0", "", -1, -1},
        {"1", NULL, FIRST, -1},
        {"1", "", FIRST, -1},
        {"1", "hoist.socket", FIRST, -1},
        {"1", "admin", -1, FIRST},
        {"2", "hoist.socket:admin", FIRST, FIRST + 1},
        {"2", "admin:hoist.socket", FIRST + 1, FIRST},
        {"2", "admin", FIRST + 1, FIRST},
        {"2", "administrator:admin", FIRST, FIRST + 1},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pass(rows[i].count, rows[i].names);
        cr_assert_eq(activation_take(&activation, FIRST, error, sizeof(error)), 0, "row %zu: %s", i, error);
        cr_expect_eq(activation.data, rows[i].data, "row %zu: %d", i, activation.data);
        cr_expect_eq(activation.admin, rows[i].admin, "row %zu: %d", i, activation.admin);
    }
}

Test(activation, says_what_it_cannot_take)
{
    static const struct {
        const char *count, *names, *word;
    } rows[] = {
        {"", NULL, "LISTEN_FDS"},
        {"x", NULL, "'x'"},
        {"-1", NULL, "'-1'"},
        {"1 ", NULL, "'1 '"},
        {"4294967297", NULL, "4294967297"},
        {"2", NULL, "more than one"},
        {"2", "a:b", "more than one"},
        {"3", "admin:a:admin", "admin"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pass(rows[i].count, rows[i].names);
        error[0] = '\0';
        cr_expect_eq(activation_take(&activation, FIRST, error, sizeof(error)), -EINVAL, "row %zu", i);
        cr_expect_not_null(strstr(error, rows[i].word), "row %zu: %s", i, error);
    }
}

Test(activation, says_so_when_a_socket_is_not_there)
{
    pass("1", NULL);
    close(FIRST);

    cr_expect_eq(activation_take(&activation, FIRST, error, sizeof(error)), -EINVAL);
    cr_expect_not_null(strstr(error, "descriptor 500"), "%s", error);
}

Test(activation, leaves_alone_what_was_meant_for_another_process)
{
    pass("1", NULL);
    setenv("LISTEN_PID", "1", 1);

    cr_expect_eq(activation_take(&activation, FIRST, error, sizeof(error)), 0);
    cr_expect_eq(activation.data, -1);
}

Test(activation, keeps_sockets_and_variables_from_children)
{
    pass("2", "a:admin");
    activation_take(&activation, FIRST, error, sizeof(error));

    cr_expect(fcntl(FIRST, F_GETFD) & FD_CLOEXEC);
    cr_expect(fcntl(FIRST + 1, F_GETFD) & FD_CLOEXEC);
    cr_expect_null(getenv("LISTEN_PID"));
    cr_expect_null(getenv("LISTEN_FDS"));
    cr_expect_null(getenv("LISTEN_FDNAMES"));
}
