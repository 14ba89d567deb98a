/* One group per setting: a strip of /dummy, the number that waits, and a lane per worker with a bar per request.
 *
 * Happy path: measure heights, draw the axis, then the groups on top of its gridlines. Failures: a picture without
 * memory for the order of starts leaves the waiting strip out. Close: that memory is freed at once.
 */
#include "lanes.h"

#include "real.h"
#include "sample.h"
#include "svg.h"

#include <math.h>
#include <stdlib.h>

enum {
    TITLE_HEIGHT = 62,
    AXIS_HEIGHT = 34,
    GROUP_HEAD = 26,
    GROUP_GAP = 18,
    STRIP_HEIGHT = 12,
    WAIT_HEIGHT = 22,
    LANES_HEIGHT = 176, /* of all lanes of a setting, as long as one is not too thin */
    LANE_MAX = 20,
    LANE_MIN = 3,
    LABEL_HEIGHT = 13, /* from one to the next; not more than five of the thinnest lanes */
    LABEL_BELOW = 7,   /* the first one's baseline below the lanes' top: there may be /dummy right above */
    NUMBER_MIN = 18,   /* a bar this wide has room for its number */
    ROWS_MAX = 1024,
};

/* One setting's group. */
struct group {
    const struct trial *trial;
    const struct result *result;
    const char *probe;
    double max_s; /* of the axis */
    double y;     /* of its top */
    unsigned rows;
    size_t n_ran, n_bars; /* those that ran; those of them that are drawn */
    unsigned most_waiting;
    double *arrivals, *starts; /* sorted; of the n that were started */
    size_t n;
    int row_of[LANES_BARS_MAX];
};

static void group_init(struct group *group, const struct summary *summary, size_t i, double max_s, double y);
static void place_bars(struct group *group);
static void sort_waits(struct group *group);
static double group_height(const struct group *group);
static void draw_group(const struct group *group, FILE *out);
static void draw_strip(const struct group *group, double y, FILE *out);
static void draw_waiting(const struct group *group, double y, FILE *out);
static void draw_lanes(const struct group *group, double y, FILE *out);
static void draw_bar(const struct group *group, size_t i, double y, double height, FILE *out);
static void draw_legend(const char *probe, FILE *out, double y);

static double lane_height(const struct group *group)
{
    return real_min(LANE_MAX, real_max(LANE_MIN, (double)LANES_HEIGHT / group->rows));
}

void lanes_write(const struct summary *summary, FILE *out)
{
    struct group *groups = calloc(summary->n, sizeof(*groups));
    double max_s = summary_longest_s(summary), y = TITLE_HEIGHT;
    char title[SUMMARY_TEXT];

    for (size_t i = 0; i < summary->n && groups != NULL; i++) {
        group_init(&groups[i], summary, i, max_s, y);
        y += group_height(&groups[i]);
    }
    summary_title(summary->plan, title);
    svg_begin(out, y + AXIS_HEIGHT, title);
    fprintf(out, "<text class=\"title\" x=\"16\" y=\"26\">");
    svg_text(out, title);
    fputs("</text>\n", out);
    draw_legend(plan_probe(summary->plan), out, 46);
    svg_time_axis(out, max_s, TITLE_HEIGHT, y + 2);
    for (size_t i = 0; i < summary->n && groups != NULL; i++) {
        draw_group(&groups[i], out);
        free(groups[i].arrivals);
    }
    fputs("</svg>\n", out);
    free(groups);
}

/* ---- what is where ---- */

static void group_init(struct group *group, const struct summary *summary, size_t i, double max_s, double y)
{
    *group = (struct group){.trial = &summary->trials[i],
                            .result = &summary->results[i],
                            .probe = plan_probe(summary->plan),
                            .max_s = max_s,
                            .y = y,
                            .rows = 1};
    place_bars(group);
    sort_waits(group);
}

static size_t drawn(const struct group *group)
{
    return group->trial->jobs.n < LANES_BARS_MAX ? group->trial->jobs.n : LANES_BARS_MAX;
}

/* A worker's row is its seat. What waits on timers has no seat: it takes the first row that is free. */
static void place_bars(struct group *group)
{
    double free_at[ROWS_MAX] = {0};
    bool is_pool = group->trial->setting.executor == EXECUTOR_POOL;

    if (is_pool)
        group->rows = group->trial->setting.workers < ROWS_MAX ? group->trial->setting.workers : ROWS_MAX;
    for (size_t i = 0; i < drawn(group); i++) {
        const struct job *job = &group->trial->jobs.list[i];
        int row = is_pool ? job->seat : 0;

        while (!is_pool && row < ROWS_MAX && free_at[row] > job_begin_s(job) + 1e-9)
            row++;
        if (!job_has_run(job) || row < 0 || row >= ROWS_MAX) {
            group->row_of[i] = -1;
            continue;
        }
        free_at[row] = job->finished_s;
        group->row_of[i] = row;
        group->n_bars++;
        if ((unsigned)row >= group->rows)
            group->rows = (unsigned)row + 1;
    }
    group->n_ran = group->trial->n_lost;
    for (size_t i = 0; i < group->trial->jobs.n; i++)
        group->n_ran += job_has_run(&group->trial->jobs.list[i]);
}

/* Who waits at a moment: those that have come, less those that have started. */
static void sort_waits(struct group *group)
{
    const struct trial *trial = group->trial;
    size_t n = 0;

    if (trial->setting.executor == EXECUTOR_ASYNC)
        return;
    group->arrivals = calloc(2 * trial->jobs.n + 1, sizeof(double));
    if (group->arrivals == NULL)
        return;
    group->starts = group->arrivals + trial->jobs.n;
    for (size_t i = 0; i < trial->jobs.n; i++) {
        if (trial->jobs.list[i].is_shed)
            continue;
        group->starts[n] = trial->jobs.list[i].started_s;
        group->arrivals[n++] = trial_arrival_s(trial, i);
    }
    sample_sort(group->arrivals, n);
    sample_sort(group->starts, n);
    group->n = n;
    for (size_t in = 0, gone = 0; in < n; in++) {
        while (gone < n && group->starts[gone] < group->arrivals[in] + 0.001)
            gone++;
        if (in + 1 > gone && in + 1 - gone > group->most_waiting)
            group->most_waiting = (unsigned)(in + 1 - gone);
    }
}

static double group_height(const struct group *group)
{
    return GROUP_HEAD + STRIP_HEIGHT + 3 + (group->most_waiting > 0 ? WAIT_HEIGHT + 3 : 0) +
           group->rows * lane_height(group) + GROUP_GAP;
}

/* ---- drawing ---- */

static void draw_legend(const char *probe, FILE *out, double y)
{
    fprintf(out,
            "<rect class=\"bar\" x=\"16\" y=\"%.0f\" width=\"18\" height=\"9\"/>"
            "<text class=\"soft\" x=\"40\" y=\"%.0f\">a request is served</text>\n"
            "<rect class=\"wait\" x=\"176\" y=\"%.0f\" width=\"18\" height=\"9\"/>"
            "<text class=\"soft\" x=\"200\" y=\"%.0f\">requests wait</text>\n"
            "<path class=\"tick\" d=\"M306 %.0fv9m5 -9v9m5 -9v9m5 -9v9\"/>"
            "<text class=\"soft\" x=\"330\" y=\"%.0f\">%s is answered</text>\n"
            "<rect class=\"late\" x=\"474\" y=\"%.0f\" width=\"18\" height=\"9\"/>"
            "<text class=\"soft\" x=\"498\" y=\"%.0f\">%s is kept waiting</text>\n",
            y - 8, y, y - 8, y, y - 8, y, probe, y - 8, y, probe);
}

/* From 1, of all that were asked for. */
static size_t number_of(const struct group *group, size_t i)
{
    return group->trial->n_lost + i + 1;
}

static void draw_group(const struct group *group, FILE *out)
{
    char name[PLAN_TEXT], makespan[SUMMARY_TIME], dummy[SUMMARY_TIME], answered[48] = "all";
    const struct result *result = group->result;
    double y = group->y + GROUP_HEAD;

    if (!result_is_whole(result))
        (void)snprintf(answered, sizeof(answered), "%zu of %zu", result->n_answered, result->n_calls);

    fprintf(out, "<text class=\"strong\" x=\"16\" y=\"%.1f\">%s</text>", group->y + 17,
            plan_setting_name(&group->result->setting, name));
    fprintf(out, "<text class=\"soft\" x=\"%d\" y=\"%.1f\">%s answered after %s; %s after %s at most", SVG_LEFT,
            group->y + 17, answered, summary_time(group->result->makespan_s, makespan), group->probe,
            summary_time(group->result->dummy_max_s, dummy));
    if (group->n_bars < group->n_ran)
        fprintf(out, "; drawn: %zu of %zu requests, from number %zu on", group->n_bars, group->n_ran,
                number_of(group, 0));
    fputs("</text>\n", out);
    draw_strip(group, y, out);
    y += STRIP_HEIGHT + 3;
    if (group->most_waiting > 0) {
        draw_waiting(group, y, out);
        y += WAIT_HEIGHT + 3;
    }
    draw_lanes(group, y, out);
}

static void label(FILE *out, double y, const char *text)
{
    fprintf(out, "<text class=\"soft\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>", SVG_LEFT - 8, y, text);
}

static double probe_s(const struct group *group, uint64_t at_ns)
{
    return real_max(0, real_min(seconds_between(group->trial->zero_ns, at_ns), group->max_s));
}

/* A tick for each answer that came soon; a block, to scale, while somebody was kept waiting for more than a hundredth
 * of the axis. What would be drawn twice into half a pixel is drawn once. */
static void draw_strip(const struct group *group, double y, FILE *out)
{
    double late_from = -1, late_to = -1, last_x = -1;

    label(out, y + STRIP_HEIGHT - 2, group->probe);
    fputs("<path class=\"tick\" d=\"", out);
    for (size_t i = 0; i < group->trial->n_probes; i++) {
        const struct call *probe = &group->trial->probes[i];
        double x = svg_x(probe_s(group, probe->answered_ns), group->max_s);

        if (x >= last_x + 0.5 && seconds_between(probe->intended_ns, probe->answered_ns) <= group->max_s / 100) {
            fprintf(out, "M%.1f %.1fv%d", x, y, STRIP_HEIGHT);
            last_x = x;
        }
    }
    fputs("\"/>\n", out);
    for (size_t i = 0; i <= group->trial->n_probes; i++) {
        const struct call *probe = &group->trial->probes[i];
        bool is_end = i == group->trial->n_probes;
        double from = is_end ? INFINITY : probe_s(group, probe->intended_ns);
        double to = is_end ? 0 : probe_s(group, probe->answered_ns);

        if (!is_end && to - from <= group->max_s / 100)
            continue;
        if (late_to >= 0 && from > late_to) {
            fprintf(out, "<rect class=\"late\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\"/>\n",
                    svg_x(late_from, group->max_s), y, svg_x(late_to, group->max_s) - svg_x(late_from, group->max_s),
                    STRIP_HEIGHT);
            late_to = -1;
        }
        if (late_to < 0)
            late_from = from;
        late_to = real_max(late_to, to);
    }
}

static void draw_waiting(const struct group *group, double y, FILE *out)
{
    double base = y + WAIT_HEIGHT, scale = (double)WAIT_HEIGHT / group->most_waiting, last_x = SVG_LEFT, height = 0;
    char text[64];
    size_t in = 0, gone = 0;

    (void)snprintf(text, sizeof(text), "%u wait", group->most_waiting);
    label(out, y + WAIT_HEIGHT - 6, text);
    fprintf(out, "<path class=\"wait\" d=\"M%d %.1f", SVG_LEFT, base);
    while (gone < group->n) {
        double at_s =
            in < group->n && group->arrivals[in] <= group->starts[gone] ? group->arrivals[in++] : group->starts[gone++];
        double x = svg_x(real_max(0, at_s), group->max_s);

        if (x >= last_x + 0.2) { /* less cannot be seen */
            fprintf(out, "V%.1fH%.1f", base - real_min(height, WAIT_HEIGHT), x);
            last_x = x;
        }
        height = in > gone ? (double)(in - gone) * scale : 0;
    }
    fprintf(out, "V%.1fZ\"/>\n", base);
}

/* Labels of thin lanes would run into each other: then every second or fifth has one. */
static unsigned label_step(double height)
{
    return height >= LABEL_HEIGHT ? 1 : 2 * height >= LABEL_HEIGHT ? 2 : 5;
}

static void draw_lanes(const struct group *group, double y, FILE *out)
{
    double height = lane_height(group), gap = height > 8 ? 2 : height > 4 ? 1 : 0.4;
    bool is_pool = group->trial->setting.executor == EXECUTOR_POOL;
    char text[32];

    for (unsigned row = 0; row < group->rows; row++) {
        double top = y + row * height;

        fprintf(out, "<rect class=\"lane\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\"/>", SVG_LEFT, top,
                SVG_WIDTH - SVG_LEFT - SVG_RIGHT, height - gap);
        (void)snprintf(text, sizeof(text), "worker %u", row);
        if (is_pool && row % label_step(height) == 0)
            label(out, top + real_max(height / 2 + 3, LABEL_BELOW), text);
        fputc('\n', out);
    }
    if (!is_pool)
        label(out, y + group->rows * height / 2 + 4,
              group->trial->setting.executor == EXECUTOR_INLINE ? "loop" : "timers");
    for (size_t i = 0; i < drawn(group); i++)
        if (group->row_of[i] >= 0)
            draw_bar(group, i, y + group->row_of[i] * height, height - gap, out);
}

static void draw_bar(const struct group *group, size_t i, double y, double height, FILE *out)
{
    const struct job *job = &group->trial->jobs.list[i];
    double x = svg_x(job_begin_s(job), group->max_s), end = svg_x(job->finished_s, group->max_s);
    double width = real_max(0.6, end - x - (end - x > 4 ? 1 : 0));
    char waited[SUMMARY_TIME], ran[SUMMARY_TIME];

    fprintf(out, "<rect class=\"bar%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">",
            i % 2 == 1 ? " odd" : "", x, y, width, height);
    fprintf(out, "<title>request %zu: waited %s, ran %s</title></rect>", number_of(group, i),
            summary_time(trial_wait_s(group->trial, i), waited), summary_time(job->finished_s - job_begin_s(job), ran));
    if (width >= NUMBER_MIN && height >= 11)
        fprintf(out, "<text class=\"number\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%zu</text>", x + width / 2,
                y + height / 2 + 3.5, number_of(group, i));
    fputc('\n', out);
}
