/* The pictures and the data: what must be in them. */
#include "experiment/json.h"
#include "experiment/lanes.h"
#include "experiment/plot.h"
#include "experiment/table.h"
#include "lib/fail_malloc.h"
#include "lib/trial_fixture.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct plan plan = {.jobs = 8, .clients = 8, .route = "/?a<b>\"c\""};
static struct trial trials[4];
static struct summary summary;
static char *text;
static size_t text_len;

static void set_up(void)
{
    trial_burst(&trials[0], EXECUTOR_POOL, 1, 8, 2, 0.01);
    trial_burst(&trials[1], EXECUTOR_POOL, 8, 8, 2, 0.01);
    trial_burst(&trials[2], EXECUTOR_INLINE, 0, 8, 2, 0.01);
    trial_burst(&trials[3], EXECUTOR_ASYNC, 1, 8, 2, 0.01);
    trial_summary(&summary, &plan, trials, 4);
}

static void tear_down(void)
{
    free(text);
    trial_summary_free(&summary);
}

TestSuite(lanes, .init = set_up, .fini = tear_down);

static void write_with(void (*write)(const struct summary *, FILE *))
{
    FILE *out;

    free(text);
    out = open_memstream(&text, &text_len);
    cr_assert_not_null(out);
    write(&summary, out);
    fclose(out);
}

static size_t count(const char *words)
{
    size_t n = 0;

    for (const char *at = text; (at = strstr(at, words)) != NULL; at += strlen(words))
        n++;
    return n;
}

Test(lanes, have_a_bar_for_every_request_and_a_lane_for_every_worker)
{
    write_with(lanes_write);

    cr_expect_eq(count("<rect class=\"bar\" x=\"") - 1, 16, "every other one; one is the legend's");
    cr_expect_eq(count("<rect class=\"bar odd\""), 16);
    cr_expect_eq(count("<rect class=\"lane\""), 1 + 8 + 1 + 8, "workers, the loop, timers that run at once");
}

Test(lanes, a_bar_on_the_loop_says_how_long_its_client_waited)
{
    write_with(lanes_write);

    cr_expect_eq(count("request 1: waited 0.00 ms, ran 2.000 s"), 4, "the first of each setting");
    cr_expect_eq(count("request 8: waited 14.00 s, ran 2.000 s"), 2, "the last on one worker, and on the loop");
}

Test(lanes, say_how_many_waited_at_most)
{
    write_with(lanes_write);

    cr_expect_eq(count(" wait</text>"), 1 + 2, "the legend, and two settings in which somebody waited");
    cr_expect_eq(count(">7 wait</text>"), 2, "all but the one that runs");
}

Test(lanes, labels_do_not_run_into_each_other)
{
    static const struct {
        enum executor executor;
        unsigned workers;
        size_t jobs;
        const char *has, *has_not;
    } rows[] = {
        {EXECUTOR_POOL, 8, 8, ">worker 7<", NULL},
        {EXECUTOR_POOL, 13, 13, ">worker 11<", NULL},
        {EXECUTOR_POOL, 16, 32, ">worker 14<", ">worker 1<"},
        {EXECUTOR_POOL, 32, 16, ">worker 30<", ">worker 31<"},
        {EXECUTOR_POOL, 200, 8, ">worker 195<", ">worker 196<"},
        {EXECUTOR_ASYNC, 1, 1, ">timers<", NULL},
        {EXECUTOR_ASYNC, 1, 100, ">timers<", NULL},
        {EXECUTOR_INLINE, 0, 8, ">loop<", NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double y, last_y = -INFINITY;

        trial_free(&trials[1]);
        trial_burst(&trials[1], rows[i].executor, rows[i].workers, rows[i].jobs, 1, 0);
        write_with(lanes_write);
        for (const char *at = text; (at = strstr(at, "<text class=\"soft\" x=\"104\"")) != NULL; at++) {
            cr_assert_eq(sscanf(at, "<text class=\"soft\" x=\"104\" y=\"%lf\" text-anchor=\"end\">", &y), 1);
            cr_expect_geq(y - last_y, 12, "row %zu: %g px to %.60s", i, y - last_y, at);
            last_y = y;
        }
        cr_expect_not_null(strstr(text, rows[i].has), "row %zu", i);
        cr_expect(rows[i].has_not == NULL || strstr(text, rows[i].has_not) == NULL, "row %zu", i);
    }
}

Test(lanes, show_where_dummy_was_kept_waiting)
{
    write_with(lanes_write);
    cr_expect_eq(count("<rect class=\"late\""), 1 + 1, "the legend's, and one block for the whole inline run");
}

Test(lanes, of_very_many_requests_are_of_the_first_ones)
{
    trial_free(&trials[3]);
    trial_burst(&trials[3], EXECUTOR_POOL, 8, LANES_BARS_MAX + 100, 0.01, 0);
    write_with(lanes_write);

    cr_expect_eq(count("<title>"), 24 + LANES_BARS_MAX);
    cr_expect_not_null(strstr(text, "; drawn: 3000 of 3100 requests, from number 1 on"));
}

Test(lanes, of_requests_that_the_server_no_longer_had_begin_with_the_first_that_it_had)
{
    trial_lose(&trials[0], 5);
    write_with(lanes_write);

    cr_expect_eq(count("; drawn: "), 1);
    cr_expect_not_null(strstr(text, "; drawn: 3 of 8 requests, from number 6 on"));
    cr_expect_not_null(strstr(text, "x=\"627.0\""), "5 eighths of the axis");
    cr_expect_not_null(strstr(text, "request 6: waited 10.00 s, ran 2.000 s"));
    cr_expect_not_null(strstr(text, "text-anchor=\"middle\">8</text>"));
}

/* There is no room for more than 1024 lanes. */
Test(lanes, that_have_no_room_are_told)
{
    trial_free(&trials[3]);
    trial_burst(&trials[3], EXECUTOR_ASYNC, 1, 1100, 2, 0);
    write_with(lanes_write);

    cr_expect_not_null(strstr(text, "; drawn: 1024 of 1100 requests, from number 1 on"));
}

/* The n-th line's look without its colour: its dashes and its width. */
static void look_of(unsigned n, char look[64])
{
    char dashes[32] = "", rule[32], width[8] = "";
    const char *at = text;
    unsigned series, weight;

    for (unsigned i = 0; i <= n; i++) {
        at = strstr(at, "<path class=\"s s");
        cr_assert_not_null(at);
        at += strlen("<path class=\"s s");
    }
    cr_assert_eq(sscanf(at, "%u w%u\"", &series, &weight), 2);
    (void)snprintf(rule, sizeof(rule), ".h .s%u{", series);
    at = strstr(text, rule);
    cr_assert_not_null(at, "%s", rule);
    (void)sscanf(at + strlen(rule), "stroke:#%*6[0-9a-f];stroke-dasharray:%31[0-9 ]}", dashes);
    (void)snprintf(rule, sizeof(rule), ".h .w%u{stroke-width:", weight);
    at = strstr(text, rule);
    if (at != NULL)
        (void)sscanf(at + strlen(rule), "%7[0-9.]", width);
    (void)snprintf(look, 64, "%s / %s", dashes, width);
}

Test(lanes, of_32_settings_no_two_lines_look_the_same_without_colour)
{
    static void (*const charts[])(const struct summary *, FILE *) = {plot_write_dummy, plot_write_latency};
    static struct trial many[PLAN_SETTINGS_MAX];
    char looks[2 * PLAN_SETTINGS_MAX][64];

    trial_summary_free(&summary);
    for (unsigned i = 0; i < PLAN_SETTINGS_MAX; i++)
        trial_burst(&many[i], EXECUTOR_POOL, i + 1, 8, 0.1, 0);
    trial_summary(&summary, &plan, many, PLAN_SETTINGS_MAX);
    for (size_t chart = 0; chart < 2; chart++) {
        write_with(charts[chart]);
        for (unsigned i = 0; i < 2 * PLAN_SETTINGS_MAX; i++)
            look_of(i, looks[i]);
        for (unsigned i = 0; i < PLAN_SETTINGS_MAX; i++) {
            cr_expect_str_eq(looks[i], looks[PLAN_SETTINGS_MAX + i], "the legend's %u", i);
            for (unsigned k = 0; k < i; k++)
                cr_expect_str_neq(looks[i], looks[k], "%u and %u", i, k);
        }
    }
}

/* Where the chart's line of that setting begins; the first one like it is the legend's. */
static void begin_of(unsigned i, double *ret_x, double *ret_y)
{
    const char *at = text;
    char line[32];

    (void)snprintf(line, sizeof(line), "<path class=\"s s%u w0\" d=\"M", i);
    for (unsigned n = 0; n < 2; n++) {
        at = strstr(at, line);
        cr_assert_not_null(at);
        at += strlen(line);
    }
    cr_assert_eq(sscanf(at, "%lf %lf", ret_x, ret_y), 2);
}

/* The inline server's first probe is answered at the end, and every later one sooner. */
Test(lanes, of_probes_that_have_one_place_the_longest_is_drawn)
{
    double x, y, inline_x, inline_y;

    trials[0].probes[0].answered_ns = trials[2].probes[0].answered_ns;
    write_with(plot_write_dummy);
    begin_of(0, &x, &y);
    begin_of(2, &inline_x, &inline_y);

    cr_expect_float_eq(x, inline_x, 0.01);
    cr_expect_float_eq(y, inline_y, 0.01);
}

Test(lanes, stand_alone_and_are_well_formed)
{
    static void (*const pictures[])(const struct summary *, FILE *) = {lanes_write, plot_write_dummy,
                                                                       plot_write_latency};

    for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
        write_with(pictures[i]);
        cr_expect_eq(count("<svg xmlns=\"http://www.w3.org/2000/svg\""), 1);
        cr_expect_eq(count("</svg>"), 1);
        cr_expect_eq(count("nan"), 0, "picture %zu has what is not a number", i);
        cr_expect_eq(count("inf"), 0, "picture %zu has what is no end", i);
        cr_expect_eq(count("a<b"), 0, "picture %zu does not escape", i);
        cr_expect_eq(count("http"), 1, "picture %zu needs the network", i);
    }
}

Test(lanes, without_memory_leave_something_out_and_are_whole)
{
    static void (*const pictures[])(const struct summary *, FILE *) = {lanes_write, plot_write_dummy,
                                                                       plot_write_latency};

    for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
        bool failed = true;

        for (unsigned n = 1; failed; n++) {
            fail_malloc_at(n);
            write_with(pictures[i]);
            failed = fail_malloc_failed();
            fail_malloc_at(0);
            cr_expect_eq(count("</svg>"), 1, "picture %zu, allocation %u", i, n);
        }
    }
}

Test(lanes, the_data_has_every_setting_and_escapes_text)
{
    write_with(json_print);

    cr_expect_eq(count("\"makespan_s\":"), 4);
    cr_expect_eq(count("\"executor\":\"inline\""), 2, "its setting, and Little's law");
    cr_expect_not_null(strstr(text, "\"route\":\"/?a\\u003cb>\\\"c\\\"\""), "%s", text);
    cr_expect_not_null(strstr(text, "\"cpu_share\":null"), "not a number is null");
    cr_expect_eq(count("nan"), 0);
}

Test(lanes, the_table_has_a_row_for_every_setting_twice)
{
    write_with(table_print);

    cr_expect_eq(count("\n1 worker   "), 2);
    cr_expect_eq(count("\n8 workers   "), 2);
    cr_expect_eq(count("\ninline "), 2);
    cr_expect_eq(count("\nasync "), 2);
}
