/* Code that prints: an old report that knows nothing but a FILE.
 *
 * The problem: it writes to a stream, piece by piece, and would have to be rewritten to build a string. Here it gets a
 * stream whose output is the reply, bounded by max_reply. For code that can only write to stdout: HOIST_PROCESS,
 * where stdout may be a file, as in docs/EMBEDDING.md.
 */
#include "hoist.h"

#include <errno.h>

/* ---- the report, as it was found ---- */

/* 0: Monday. The Gregorian calendar. */
static int weekday_of_first(int year, int month)
{
    static const int shift[] = {0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4};

    if (month < 3)
        year--;
    return (year + year / 4 - year / 100 + year / 400 + shift[month - 1]) % 7;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && is_leap ? 29 : days[month - 1];
}

static void print_report(FILE *out, int year, int month)
{
    int column = weekday_of_first(year, month);

    fprintf(out, "      %04d-%02d\nMo Tu We Th Fr Sa Su\n%*s", year, month, column * 3, "");
    for (int day = 1; day <= days_in(year, month); day++, column++) {
        if (day > 1)
            fputs(column % 7 == 0 ? "\n" : " ", out);
        fprintf(out, "%2d", day);
    }
    fputs("\n", out);
}

/* ---- the route ---- */

static int report(hoist_req *req, hoist_res *res)
{
    FILE *out;
    long year, month;
    int err;

    err = hoist_req_long(req, "year", 1583, 9999, &year);
    if (err < 0)
        return err;
    err = hoist_req_long(req, "month", 1, 12, &month);
    if (err < 0)
        return err;
    out = hoist_res_file(res);
    if (out == NULL)
        return -ENOMEM;
    print_report(out, (int)year, (int)month);
    return 0;
}

const hoist_route report_route = {.path = "/report/:year/:month", .handler = report};

int main(int argc, char **argv)
{
    static const hoist_route *const routes[] = {&report_route, NULL};

    return hoist_main(argc, argv, &(hoist_program){.name = "report", .version = "1", .routes = routes});
}
