/* Reads the server's CSV.
 *
 * Happy path: the head names the columns, each line is a request; those of the route are kept and sorted. Columns are
 * found by name, so that the server may add some. Failures: a column is missing, a line has too few. Close:
 * jobs_free().
 */
#include "job.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum column { ROUTE, RUN, SEAT, STATUS, RECEIVED, STARTED, FINISHED, CPU, COLUMNS };

enum { CELLS_MAX = 32 };

static const char *const names[COLUMNS] = {"route",      "run",       "seat",       "status",
                                           "received_s", "started_s", "finished_s", "cpu_s"};

struct cell {
    const char *at;
    size_t len;
};

static bool find_columns(const char *line, size_t at[COLUMNS]);
static size_t split(const char *line, struct cell cells[CELLS_MAX]);
static bool cell_is(const struct cell *cell, const char *text);
static double number(const struct cell *cell);
static struct job job_of(const struct cell *cells, const size_t at[COLUMNS]);
static int by_received(const void *a, const void *b);
static void set_zero(struct jobs *jobs);

static const char *next_line(const char *line)
{
    line += strcspn(line, "\n");
    return *line == '\n' ? line + 1 : line;
}

int jobs_read(struct jobs *jobs, const char *text, const char *target)
{
    struct cell cells[CELLS_MAX];
    size_t at[COLUMNS], lines = 0, count;

    *jobs = (struct jobs){0};
    if (!find_columns(text, at))
        return -EPROTO;
    for (const char *line = text; *line != '\0'; line = next_line(line))
        lines++;
    jobs->list = calloc(lines + 1, sizeof(*jobs->list));
    if (jobs->list == NULL)
        return -ENOMEM;
    for (const char *line = next_line(text); *line != '\0'; line = next_line(line)) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        count = split(line, cells);
        for (unsigned i = 0; i < COLUMNS; i++) {
            if (at[i] >= count) {
                jobs_free(jobs);
                return -EPROTO;
            }
        }
        if (job_route_matches(cells[at[ROUTE]].at, cells[at[ROUTE]].len, target))
            jobs->list[jobs->n++] = job_of(cells, at);
    }
    qsort(jobs->list, jobs->n, sizeof(*jobs->list), by_received);
    set_zero(jobs);
    return 0;
}

void jobs_free(struct jobs *jobs)
{
    free(jobs->list);
    *jobs = (struct jobs){0};
}

/* ---- cells ---- */

static bool find_columns(const char *line, size_t at[COLUMNS])
{
    struct cell cells[CELLS_MAX];
    size_t n = split(line, cells);

    for (unsigned i = 0; i < COLUMNS; i++) {
        for (at[i] = 0; at[i] < n && !cell_is(&cells[at[i]], names[i]);)
            at[i]++;
        if (at[i] == n)
            return false;
    }
    return true;
}

/* The cells of a line; one in quotes is without them. */
static size_t split(const char *line, struct cell cells[CELLS_MAX])
{
    for (size_t n = 0; n < CELLS_MAX;) {
        bool is_quoted = *line == '"';
        struct cell *cell = &cells[n++];

        cell->at = line += is_quoted;
        cell->len = strcspn(line, is_quoted ? "\"\n" : ",\r\n");
        line += cell->len + (is_quoted && line[cell->len] == '"');
        if (*line != ',')
            return n;
        line++;
    }
    return CELLS_MAX;
}

static bool cell_is(const struct cell *cell, const char *text)
{
    return strlen(text) == cell->len && memcmp(cell->at, text, cell->len) == 0;
}

/* The text goes on behind every cell, with a byte that ends a number. */
static double number(const struct cell *cell)
{
    return cell->len > 0 ? strtod(cell->at, NULL) : NAN;
}

/* ---- jobs ---- */

static struct job job_of(const struct cell *cells, const size_t at[COLUMNS])
{
    double cpu_s = number(&cells[at[CPU]]);

    return (struct job){
        .received_s = number(&cells[at[RECEIVED]]),
        .started_s = number(&cells[at[STARTED]]),
        .finished_s = number(&cells[at[FINISHED]]),
        .cpu_s = isnan(cpu_s) ? 0 : cpu_s,
        .seat = (int)strtol(cells[at[SEAT]].at, NULL, 10),
        .status = (int)strtol(cells[at[STATUS]].at, NULL, 10),
        .is_async = cell_is(&cells[at[RUN]], "async"),
        .is_process = cell_is(&cells[at[RUN]], "process"),
        .is_shed = cells[at[STARTED]].len == 0,
    };
}

static int by_received(const void *a, const void *b)
{
    double x = ((const struct job *)a)->received_s, y = ((const struct job *)b)->received_s;

    return (x > y) - (x < y);
}

static void set_zero(struct jobs *jobs)
{
    double zero_s = jobs->n > 0 ? jobs->list[0].received_s : 0;

    for (size_t i = 0; i < jobs->n; i++) {
        jobs->list[i].received_s -= zero_s;
        jobs->list[i].started_s -= zero_s;
        jobs->list[i].finished_s -= zero_s;
    }
}

/* The byte at *target, which moves on behind it. An escape is one byte; one that means '/' is no end of a segment, and
 * nothing that a pattern could have: NUL. */
static char decoded(const char **target)
{
    char byte = *(*target)++;
    char digits[3] = "";

    if (byte == '%' && isxdigit((unsigned char)(*target)[0]) && isxdigit((unsigned char)(*target)[1])) {
        memcpy(digits, *target, 2);
        *target += 2;
        byte = (char)strtoul(digits, NULL, 16);
        if (byte == '/')
            byte = '\0';
    }
    return byte;
}

bool job_route_matches(const char *route, size_t route_len, const char *target)
{
    const char *end = route + route_len, *target_end = target + strcspn(target, "?#");

    while (route < end) {
        if (*route == '*')
            return true;
        if (*route == ':') {
            const char *begin = target;

            while (route < end && *route != '/')
                route++;
            while (target < target_end && *target != '/')
                target++;
            if (target == begin)
                return false;
        } else if (target == target_end || decoded(&target) != *route++) {
            return false;
        }
    }
    return target == target_end;
}
