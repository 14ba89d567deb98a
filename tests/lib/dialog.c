/* Says each dialog four times and holds every answer to what all answers must have.
 *
 * Happy path: one connection for each way to cut; send all, then receive what is expected, then the answer to what is
 * behind it, or the end. Failures: cr_expect() with the row's name; what is not an answer at all ends the test.
 * Close: each connection is closed when its dialog is over.
 */
#include "dialog.h"

#include "client.h"

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LAST_WORDS GET("/dummy")

/* One of the answers that are expected. */
struct expected {
    int status;
    bool is_to_head, is_optional, is_last;
};

/* A dialog at one way to cut it. */
struct run {
    const struct dialog *dialog;
    size_t step;
    struct client *client;
};

static void hold(const struct process *server, const struct dialog *dialog, size_t step);
static bool expect_answers(struct run *run);
static const char *read_expected(const char *at, struct expected *ret_expected);
static bool expect_answer(const struct run *run, const struct response *response, const struct expected *expected);
static void expect_head(const struct run *run, const struct response *response, const struct expected *expected);
static bool is_date(const char *text);
static unsigned count(const char *head, const char *name);

void dialog_holds(const struct process *server, const struct dialog *dialog)
{
    static const size_t steps[] = {1, 3, 7};

    cr_log_info("%s", dialog->what);
    hold(server, dialog, dialog->len + sizeof(LAST_WORDS));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        hold(server, dialog, steps[i]);
}

void dialog_holds_for(const struct process *server, const char *what, const char *bytes, size_t len,
                      const char *answers)
{
    dialog_holds(server, &(struct dialog){.what = what, .bytes = bytes, .len = len, .answers = answers});
}

void dialog_holds_filled(const struct process *server, const char *what, const char *before, char fill, size_t n,
                         const char *behind, const char *answers)
{
    size_t begin = strlen(before), end = strlen(behind);
    char *bytes = malloc(begin + n + end + 1);

    cr_assert_not_null(bytes);
    memcpy(bytes, before, begin);
    memset(bytes + begin, fill, n);
    memcpy(bytes + begin + n, behind, end + 1);
    dialog_holds_for(server, what, bytes, begin + n + end, answers);
    free(bytes);
}

static void hold(const struct process *server, const struct dialog *dialog, size_t step)
{
    struct run run = {.dialog = dialog, .step = step, .client = client_open(server)};
    size_t len = dialog->len + sizeof(LAST_WORDS) - 1;
    char *bytes = malloc(len);

    cr_assert_not_null(bytes);
    memcpy(bytes, dialog->bytes, dialog->len);
    memcpy(bytes + dialog->len, LAST_WORDS, sizeof(LAST_WORDS) - 1);
    client_send_cut(run.client, bytes, len, step);
    if (expect_answers(&run)) {
        enum client_end end = client_end(run.client);

        cr_expect_eq(end, CLIENT_EOF, "%s, cut at %zu: %s", dialog->what, step,
                     end == CLIENT_RESET ? "a reset instead of an end" : "more was answered");
    }
    client_close(run.client);
    free(bytes);
}

/* False when the connection need not end now: it went on as it should, or something was wrong already. */
static bool expect_answers(struct run *run)
{
    static const struct expected last_words = {.status = 200};
    const struct response *response = NULL;
    struct expected expected = {0};

    for (const char *at = run->dialog->answers; *at != '\0' && !expected.is_last;) {
        at = read_expected(at, &expected);
        if (response == NULL)
            response = expected.is_to_head ? client_receive_head(run->client) : client_receive(run->client);
        if (expected.is_optional && response->status != expected.status)
            continue;
        if (!expect_answer(run, response, &expected))
            return false;
        if (*at == '\0' && run->dialog->says != NULL)
            cr_expect(strstr(response->head, run->dialog->says) != NULL ||
                          strstr(response->body, run->dialog->says) != NULL,
                      "%s, cut at %zu: no '%s' in %s%s", run->dialog->what, run->step, run->dialog->says,
                      response->head, response->body);
        response = NULL;
    }
    if (!expected.is_last)
        expect_answer(run, client_receive(run->client), &last_words);
    return expected.is_last;
}

static const char *read_expected(const char *at, struct expected *ret_expected)
{
    char *end;

    *ret_expected = (struct expected){.is_to_head = *at == 'h'};
    ret_expected->status = (int)strtol(at + ret_expected->is_to_head, &end, 10);
    ret_expected->is_optional = *end == '?';
    ret_expected->is_last = *end == '!';
    return end + strspn(end, "?! ");
}

static bool expect_answer(const struct run *run, const struct response *response, const struct expected *expected)
{
    cr_expect_eq(response->status, expected->status, "%s, cut at %zu: %d, not %d: %s", run->dialog->what, run->step,
                 response->status, expected->status, response->body);
    if (response->status != expected->status)
        return false;
    if (response->status >= 200)
        expect_head(run, response, expected);
    if (response->status >= 400 && !expected->is_to_head)
        cr_expect_eq(strncmp(response->body, "{\"error\":", 9), 0, "%s: %s", run->dialog->what, response->body);
    return true;
}

/* What every answer has: RFC 9110, sections 6.6.1 and 8.6; 15.5.6 for Allow; RFC 9112, section 9.6 for the end. */
static void expect_head(const struct run *run, const struct response *response, const struct expected *expected)
{
    const char *what = run->dialog->what;
    const char *connection = response_field(response, "Connection");
    const char *date = response_field(response, "Date");
    bool is_closing = connection != NULL && strcmp(connection, "close") == 0;

    cr_expect(date != NULL && is_date(date), "%s: the Date is '%s'", what, date);
    cr_expect_eq(count(response->head, "Date"), 1, "%s: %s", what, response->head);
    cr_expect_eq(count(response->head, "Content-Length"), response->status == 204 ? 0 : 1, "%s: %s", what,
                 response->head);
    cr_expect_null(response_field(response, "Transfer-Encoding"), "%s: %s", what, response->head);
    cr_expect_eq(is_closing, expected->is_last, "%s: %s", what, response->head);
    if (response->status == 405)
        cr_expect_not_null(response_field(response, "Allow"), "%s: %s", what, response->head);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, section 5.6.7). */
static bool is_date(const char *text)
{
    static const char like[] = "Aaa, 00 Aaa 0000 00:00:00 GMT";

    if (strlen(text) != sizeof(like) - 1)
        return false;
    for (size_t i = 0; like[i] != '\0'; i++) {
        bool is_digit = text[i] >= '0' && text[i] <= '9';
        bool is_letter = (text[i] >= 'A' && text[i] <= 'Z') || (text[i] >= 'a' && text[i] <= 'z');

        if (like[i] == '0' ? !is_digit : like[i] == 'A' || like[i] == 'a' ? !is_letter : text[i] != like[i])
            return false;
    }
    return true;
}

/* How many fields of that name there are. */
static unsigned count(const char *head, const char *name)
{
    size_t len = strlen(name);
    unsigned n = 0;

    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n"))
        n += strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':';
    return n;
}
