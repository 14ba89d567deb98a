/* Two charts with a line per setting.
 *
 * Happy path: frame and axes, then a line per setting and its name beside a piece of it. Failures: a line that there is
 * no memory for is left out. Close: that memory is freed at once.
 */
#include "plot.h"

#include "real.h"
#include "sample.h"
#include "svg.h"

#include <stdlib.h>

enum {
    HEIGHT = 300,
    TOP = 52,
    BOTTOM = 256,
    BUCKETS = 240,
    LEGEND_STEP = 112,
    LEGEND_COLUMNS = 7,
    LEGEND_ROW = 14,
    POINTS_MAX = 400
};

/* Its path follows, and then a quote. */
static void begin_line(FILE *out, size_t series)
{
    fputs("<path class=\"", out);
    svg_series(out, series);
    fputs("\" d=\"", out);
}

static void draw_frame(const struct summary *summary, FILE *out, const char *title, double max_s)
{
    int more = LEGEND_ROW * (int)((summary->n - 1) / LEGEND_COLUMNS);
    char name[PLAN_TEXT];

    svg_begin(out, HEIGHT + more, title);
    fprintf(out, "<text class=\"strong\" x=\"16\" y=\"20\">%s</text>\n", title);
    for (size_t i = 0; i < summary->n; i++) {
        double x = SVG_LEFT + (double)(i % LEGEND_COLUMNS) * LEGEND_STEP,
               y = 40 + LEGEND_ROW * (int)(i / LEGEND_COLUMNS);

        begin_line(out, i);
        fprintf(out, "M%.0f %.0fh24\"/><text class=\"soft\" x=\"%.0f\" y=\"%.0f\">%s</text>\n", x, y - 4, x + 30, y,
                plan_setting_name(&summary->results[i].setting, name));
    }
    fprintf(out, "<g transform=\"translate(0 %d)\">\n", more);
    svg_time_axis(out, max_s, TOP, BOTTOM);
    fprintf(out, "<path class=\"frame\" d=\"M%d %dV%dH%d\"/>\n", SVG_LEFT, TOP, BOTTOM, SVG_WIDTH - SVG_RIGHT);
}

static void draw_level(FILE *out, double y, const char *text)
{
    fprintf(out,
            "<path class=\"rule\" d=\"M%d %.1fH%d\"/><text class=\"soft\" x=\"%d\" y=\"%.1f\" "
            "text-anchor=\"end\">%s</text>\n",
            SVG_LEFT, y, SVG_WIDTH - SVG_RIGHT, SVG_LEFT - 8, y + 4, text);
}

/* ---- /dummy over the time: the longest of each moment, on a logarithmic scale ---- */

struct scale {
    int least, most; /* powers of ten, in seconds */
};

static struct scale dummy_scale(const struct summary *summary)
{
    struct scale scale = {-4, -2};

    for (size_t i = 0; i < summary->n; i++)
        while (real_power_of_ten(scale.most) < summary->results[i].dummy_max_s)
            scale.most++;
    return scale;
}

static double level(const struct scale *scale, double seconds)
{
    double share = (real_log10(real_max(seconds, 1e-9)) - scale->least) / (scale->most - scale->least);

    return BOTTOM - real_min(1, real_max(0, share)) * (BOTTOM - TOP);
}

static void draw_dummy(const struct trial *trial, size_t series, const struct scale *scale, double max_s, FILE *out)
{
    double longest_s[BUCKETS] = {0};
    char move = 'M';

    for (size_t i = 0; i < trial->n_probes; i++) {
        double at_s = seconds_between(trial->zero_ns, trial->probes[i].intended_ns);
        double took_s = seconds_between(trial->probes[i].intended_ns, trial->probes[i].answered_ns);
        size_t bucket = at_s <= 0 ? 0 : (size_t)(at_s / max_s * BUCKETS);

        bucket = bucket < BUCKETS ? bucket : BUCKETS - 1;
        longest_s[bucket] = real_max(longest_s[bucket], took_s);
    }
    begin_line(out, series);
    for (size_t i = 0; i < BUCKETS; i++) {
        if (longest_s[i] <= 0)
            continue;
        fprintf(out, "%c%.1f %.1f", move, svg_x(((double)i + 0.5) / BUCKETS * max_s, max_s),
                level(scale, longest_s[i]));
        move = 'L';
    }
    fputs("\"/>\n", out);
}

void plot_write_dummy(const struct summary *summary, FILE *out)
{
    struct scale scale = dummy_scale(summary);
    double max_s = summary_longest_s(summary);
    char text[SUMMARY_TIME], title[128];

    (void)snprintf(title, sizeof(title),
                   "How long %s took, by when it was due (the longest of each moment, logarithmic)",
                   plan_probe(summary->plan));
    draw_frame(summary, out, title, max_s);
    for (int power = scale.least; power <= scale.most; power++) {
        double seconds = real_power_of_ten(power);

        (void)snprintf(text, sizeof(text), seconds < 0.9 ? "%g ms" : "%g s", seconds < 0.9 ? seconds * 1000 : seconds);
        draw_level(out, level(&scale, seconds), text);
    }
    for (size_t i = 0; i < summary->n; i++)
        draw_dummy(&summary->trials[i], i, &scale, max_s, out);
    fputs("</g></svg>\n", out);
}

/* ---- the share of requests that was answered within a time ---- */

/* Of those that were answered, at least one. */
static double *sorted_latencies(const struct trial *trial, size_t *ret_n)
{
    double *values = calloc(trial->n_calls + 1, sizeof(*values));

    *ret_n = 0;
    if (values == NULL)
        return NULL;
    for (size_t i = 0; i < trial->n_calls; i++)
        if (call_is_answered(&trial->calls[i]))
            values[(*ret_n)++] = seconds_between(trial->calls[i].intended_ns, trial->calls[i].answered_ns);
    sample_sort(values, *ret_n);
    return values;
}

static void draw_latency(const struct trial *trial, size_t series, double max_s, FILE *out)
{
    size_t n, step;
    double *values = sorted_latencies(trial, &n);
    double height = (BOTTOM - TOP) / (double)trial->n_calls; /* of one request */

    if (values == NULL)
        return;
    step = n > POINTS_MAX ? n / POINTS_MAX : 1;
    begin_line(out, series);
    fprintf(out, "M%d %d", SVG_LEFT, BOTTOM);
    for (size_t i = step - 1; i < n; i += step)
        fprintf(out, "H%.1fV%.1f", svg_x(values[i], max_s), BOTTOM - (double)(i + 1) * height);
    fprintf(out, "H%.1fV%.1f\"/>\n", svg_x(values[n - 1], max_s), BOTTOM - (double)n * height);
    free(values);
}

void plot_write_latency(const struct summary *summary, FILE *out)
{
    static const unsigned shares[] = {0, 25, 50, 75, 100};
    double max_s = 0;
    char text[SUMMARY_TIME];

    for (size_t i = 0; i < summary->n; i++) {
        size_t n;
        double *values = sorted_latencies(&summary->trials[i], &n);

        if (values != NULL)
            max_s = real_max(max_s, values[n - 1]);
        free(values);
    }
    draw_frame(summary, out, "Share of requests answered within a time", max_s > 0 ? max_s : 1);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        (void)snprintf(text, sizeof(text), "%u %%", shares[i]);
        draw_level(out, BOTTOM - shares[i] / 100.0 * (BOTTOM - TOP), text);
    }
    for (size_t i = 0; i < summary->n; i++)
        draw_latency(&summary->trials[i], i, max_s > 0 ? max_s : 1, out);
    fputs("</g></svg>\n", out);
}
