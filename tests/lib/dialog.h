/* What is said on one connection: a client's bytes, and the answers that must come, however the bytes are cut.
 *
 * Happy path: static tables of DIALOG() rows, and DIALOGS_HOLD(&server, rows) for each. Every row is said whole and in
 * pieces of 1, 3 and 7 bytes, each time on a connection of its own, and always with GET /dummy behind it: that is
 * answered where the connection goes on and never seen where it ends.
 * Failures: each row that does not hold fails the test, by its name.
 * Close: nothing stays open.
 */
#ifndef TESTS_LIB_DIALOG_H
#define TESTS_LIB_DIALOG_H

#include <stddef.h>

struct process;

struct dialog {
    const char *what;
    const char *bytes;
    size_t len;
    /* Statuses in their order: "404 h200 100? 400!". h: the request was HEAD, and no body may come; ?: it may be
     * missing; !: the connection ends behind it. */
    const char *answers;
    const char *says; /* must be in the last one's head or body; NULL */
};

#define DIALOG(what, text, answers)                                                                                    \
    {                                                                                                                  \
        what, text, sizeof(text) - 1, answers, NULL                                                                    \
    }
#define DIALOG_SAYS(what, text, answers, says)                                                                         \
    {                                                                                                                  \
        what, text, sizeof(text) - 1, answers, says                                                                    \
    }

#define HOST "Host: h\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"
/* The head of a request for /dummy with these fields, and nothing said of a host; each with its line's end. */
#define GET_WITH(fields) "GET /dummy HTTP/1.1\r\n" fields "\r\n"
/* The head of one for /echo; what is behind it is the body. */
#define POST_WITH(fields) "POST /echo HTTP/1.1\r\n" HOST fields "\r\n"

void dialog_holds(const struct process *server, const struct dialog *dialog);

/* The same for bytes that a test has made. */
void dialog_holds_for(const struct process *server, const char *what, const char *bytes, size_t len,
                      const char *answers);

/* And for n times the byte fill between two texts. */
void dialog_holds_filled(const struct process *server, const char *what, const char *before, char fill, size_t n,
                         const char *behind, const char *answers);

#define DIALOGS_HOLD(server, rows)                                                                                     \
    do {                                                                                                               \
        for (size_t row = 0; row < sizeof(rows) / sizeof((rows)[0]); row++)                                            \
            dialog_holds((server), &(rows)[row]);                                                                      \
    } while (0)

#endif
