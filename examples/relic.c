/* A relic: a library that knows nothing of threads.
 *
 * The problem: its functions keep their state in static storage and give out pointers into it, so two calls at once
 * spoil each other. It need not be rewritten and needs no lock: both its routes share one lane, and that lane runs one
 * call at a time. The answer is copied before the handler returns, while the lane is still ours. What else the program
 * serves goes on beside it.
 */
#include "hoist.h"

#include <string.h>

/* ---- the library, as it was found ---- */

#define LINESIZE 4096

static char line[LINESIZE], result[LINESIZE + 1];

/* The words of text, with one space between them. The result is overwritten by the next call. */
static char *words(const char *text)
{
    char *end = result, *word;
    size_t n;

    strncpy(line, text, LINESIZE - 1);
    for (word = strtok(line, " \t\n"); word != NULL; word = strtok(NULL, " \t\n")) {
        n = strlen(word);
        if (n + 2 > (size_t)(result + sizeof(result) - end))
            break;
        if (end != result)
            *end++ = ' ';
        memcpy(end, word, n);
        end += n;
    }
    *end = '\0';
    return result;
}

/* The same, last word first. */
static char *reverse_words(const char *text)
{
    char *start = result + LINESIZE, *word;
    size_t n;

    *start = '\0';
    strncpy(line, text, LINESIZE - 1);
    for (word = strtok(line, " \t\n"); word != NULL; word = strtok(NULL, " \t\n")) {
        n = strlen(word);
        if (n + 1 > (size_t)(start - result))
            break;
        if (*start != '\0')
            *--start = ' ';
        start -= n;
        memcpy(start, word, n);
    }
    return start;
}

/* ---- the routes ---- */

static int answer(hoist_req *req, hoist_res *res, char *relic(const char *text))
{
    const char *text = hoist_req_arg(req, "text");

    if (text == NULL || strlen(text) >= LINESIZE)
        return hoist_reply_error(res, 400, "text: at most %d bytes are needed", LINESIZE - 1);
    return hoist_reply_text(res, 200, relic(text));
}

static int get_words(hoist_req *req, hoist_res *res)
{
    return answer(req, res, words);
}

static int get_reverse_words(hoist_req *req, hoist_res *res)
{
    return answer(req, res, reverse_words);
}

const hoist_route words_route = {
    .path = "/words",
    .handler = get_words,
    .lane = "relic",
    .max_concurrency = 1,
};

const hoist_route reverse_words_route = {
    .path = "/reverse-words",
    .handler = get_reverse_words,
    .lane = "relic",
    .max_concurrency = 1,
};

int main(int argc, char **argv)
{
    static const hoist_route *const routes[] = {&words_route, &reverse_words_route, NULL};

    return hoist_main(argc, argv, &(hoist_program){.name = "relic", .version = "1", .routes = routes});
}
