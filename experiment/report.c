/* The page, the picture and the data, each written as a whole to a file of its own.
 *
 * Happy path: report_prepare() before it is known what to write, then one file after the other. Failures: the first one
 * ends it. Close: every file is closed here.
 */
#include "report.h"

#include "json.h"
#include "lanes.h"
#include "plot.h"
#include "svg.h"
#include "table.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<style>\n"
    ":root{--ink:#1f2328;--soft:#59636e;--ground:#fff;--rule:#d8dee4;--note:#fff4e5;--edge:#d55e00}\n"
    "@media screen and (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9da7b3;--ground:#0d1117;--rule:#2b323b;"
    "--note:#2b1d10;--edge:#ff8a3d}}\n"
    "body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:62rem;color:var(--ink);background:var(--ground);"
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\n"
    "h1{font-size:1.5rem;line-height:1.25;margin:0 0 .25rem}h2{font-size:1.1rem;margin:2.5rem 0 .5rem}\n"
    ".law{margin-top:.9rem}.lead{font-size:1.15rem;margin:1rem 0 "
    "1.5rem;max-width:50rem}.soft{color:var(--soft)}p{margin:.4rem 0}\n"
    "svg{max-width:100%;height:auto;display:block}figure{margin:1.25rem 0}\n"
    "@media screen{figure{overflow-x:auto}svg{min-width:720px}}\n" /* on a telephone text could not be read else */
    /* a shadow where a table goes on, and what hides it at its end */
    ".scroll{overflow-x:auto;background:linear-gradient(270deg,var(--ground) 24px,transparent) 100%/48px 100% "
    "no-repeat local,linear-gradient(270deg,var(--soft),transparent) 100%/6px 100% no-repeat}\n"
    "table{border-collapse:collapse;font-size:.84rem;font-variant-numeric:tabular-nums;"
    "white-space:nowrap}\n"
    "th,td{text-align:right;padding:.32rem .5rem;border-bottom:1px solid var(--rule)}thead th{color:var(--soft);"
    "font-weight:500;vertical-align:bottom}th:first-child{text-align:left}tbody th{font-weight:600}\n"
    "ul.warnings{list-style:none;padding:0;margin:1.5rem 0}ul.warnings li{background:var(--note);border-left:3px solid "
    "var(--edge);padding:.35rem .75rem;margin:.3rem 0;font-size:.9rem}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem "
    "1rem;font-size:.9rem}dt{font-weight:600}dd{margin:0}\n"
    "@media screen and (max-width:30rem){dl{display:block}dt{margin-top:.6rem}}\n"
    "@media print{@page{size:A4;margin:12mm}body{padding:0;max-width:none;font-size:11px}h1{font-size:17px}h2{"
    "margin-top:1.2rem;break-after:avoid}.lead{font-size:13px;margin:.5rem 0}figure,table,li,dl{break-inside:avoid}"
    "svg{max-height:215mm}table{font-size:8.5px}th,td{padding:.2rem .3rem}}\n"
    "</style>\n";

static const char explanation[] =
    "<h2>How to read it</h2>\n<dl>\n"
    "<dt>makespan</dt><dd>from the first request to the last answer; of a burst, theory says ceil(requests / workers) "
    "x run, or, where runs differ, what they take when each goes to who is free first</dd>\n"
    "<dt>wait, run</dt><dd>until a handler was started, and in it, as the server measured them (on the loop: as the "
    "clients did)</dd>\n"
    "<dt>/dummy, or OPTIONS *</dt><dd>a request that the loop answers at once, sent at a steady pace meanwhile; its "
    "time counts from "
    "when it was due</dd>\n"
    "<dt>L, X x W</dt><dd>the clients' mean number in flight, and, by Little's law, what it must be for requests that "
    "stay as long as the server says; the two clocks must agree</dd>\n"
    "<dt>handler CPU</dt><dd>the handlers' thread CPU time over their run time: small if they wait, 100 % if they "
    "compute</dd>\n"
    "<dt>offered</dt><dd>requests' work over what the workers can do; at 100 % the queue has no end</dd>\n"
    "</dl>\n";

#define PART ".part"

static int make_path(char path[PATH_MAX], const char *folder, const char *name, const char *behind);
static int write_file(const struct summary *summary, const char *path,
                      void (*write)(const struct summary *summary, FILE *out));
static void write_page(const struct summary *summary, FILE *out);
static void write_warnings(const struct summary *summary, FILE *out);
static void write_figure(const struct summary *summary, const char *name,
                         void (*write)(const struct summary *summary, FILE *out), FILE *out);
static void write_table(const struct summary *summary, const char *name, const struct column *columns, FILE *out);

int report_prepare(const char *folder)
{
    struct stat status;

    if ((mkdir(folder, 0777) < 0 && errno != EEXIST) || stat(folder, &status) < 0)
        return -errno;
    if (!S_ISDIR(status.st_mode))
        return -ENOTDIR;
    return access(folder, W_OK | X_OK) < 0 ? -errno : 0;
}

/* Under other names first: what cannot be written as a whole leaves the last report alone. */
int report_write(const struct summary *summary, const char *folder)
{
    static const struct {
        const char *name;
        void (*write)(const struct summary *summary, FILE *out);
    } files[] = {{"lanes.svg", lanes_write}, {"data.json", json_print}, {"index.html", write_page}};
    enum { FILES = sizeof(files) / sizeof(files[0]) };
    char part[PATH_MAX], path[PATH_MAX];
    int err = 0;

    for (size_t i = 0; i < FILES && err == 0; i++) {
        err = make_path(part, folder, files[i].name, PART);
        if (err == 0)
            err = write_file(summary, part, files[i].write);
    }
    for (size_t i = 0; i < FILES; i++) {
        if (make_path(part, folder, files[i].name, PART) < 0)
            continue;
        (void)make_path(path, folder, files[i].name, "");
        if (err == 0 && rename(part, path) < 0)
            err = -errno;
        if (err < 0)
            (void)unlink(part);
    }
    return err;
}

static int make_path(char path[PATH_MAX], const char *folder, const char *name, const char *behind)
{
    int len = snprintf(path, PATH_MAX, "%s/%s%s", folder, name, behind);

    return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int write_file(const struct summary *summary, const char *path,
                      void (*write)(const struct summary *summary, FILE *out))
{
    FILE *file = fopen(path, "we");
    int err;

    if (file == NULL)
        return -errno;
    errno = 0;
    write(summary, file);
    err = ferror(file) ? -(errno != 0 ? errno : EIO) : 0;
    if (fclose(file) != 0 && err == 0)
        err = -errno;
    return err;
}

static void paragraph(FILE *out, const char *name, const char *text)
{
    if (text[0] == '\0')
        return;
    fprintf(out, "<p class=\"%s\">", name);
    svg_text(out, text);
    fputs("</p>\n", out);
}

static void write_page(const struct summary *summary, FILE *out)
{
    char title[SUMMARY_TEXT];

    summary_title(summary->plan, title);
    fputs(head, out);
    fputs("<title>", out);
    svg_text(out, title);
    fputs("</title>\n<main>\n<h1>What do more workers buy?</h1>\n", out);
    fprintf(out, "<p class=\"soft\">An experiment on %u core%s</p>\n", summary->cores, summary->cores == 1 ? "" : "s");
    paragraph(out, "lead", summary->verdict);
    write_figure(summary, "Lanes of requests", lanes_write, out);
    write_table(summary, "Measured", table_measured(), out);
    write_table(summary, "Predicted beside measured", table_predicted(summary->plan), out);
    paragraph(out, "law", summary->target);
    paragraph(out, "law", summary->law);
    write_warnings(summary, out);
    fputs("<h2>Latencies</h2>\n", out);
    write_figure(summary, "What the probe took", plot_write_dummy, out);
    write_figure(summary, "What requests took", plot_write_latency, out);
    fputs(explanation, out);
    fputs("</main>\n<script type=\"application/json\" id=\"data\">\n", out);
    json_print(summary, out);
    fputs("</script>\n</html>\n", out);
}

static void write_warnings(const struct summary *summary, FILE *out)
{
    if (summary->n_warnings == 0)
        return;
    fputs("<h2>Warnings</h2>\n<ul class=\"warnings\">\n", out);
    for (size_t i = 0; i < summary->n_warnings; i++) {
        fputs("<li>", out);
        svg_text(out, summary->warnings[i]);
        fputs("</li>\n", out);
    }
    fputs("</ul>\n", out);
}

/* What scrolls can be reached by keys, and then has a name. */
static void begin_region(const char *element, const char *name, FILE *out)
{
    fprintf(out, "<%s tabindex=\"0\" role=\"region\" aria-label=\"%s\">\n", element, name);
}

static void write_figure(const struct summary *summary, const char *name,
                         void (*write)(const struct summary *summary, FILE *out), FILE *out)
{
    begin_region("figure", name, out);
    write(summary, out);
    fputs("</figure>\n", out);
}

static void write_table(const struct summary *summary, const char *name, const struct column *columns, FILE *out)
{
    char text[TABLE_CELL], setting[PLAN_TEXT];

    fprintf(out, "<h2>%s</h2>\n", name);
    begin_region("div class=\"scroll\"", name, out);
    fprintf(out, "<table aria-label=\"%s\"><thead><tr><th scope=\"col\">Setting", name);
    for (const struct column *column = columns; column->title != NULL; column++)
        fprintf(out, "<th scope=\"col\">%s<br>%s", table_above(column, summary->plan), column->title);
    fputs("</thead><tbody>\n", out);
    for (size_t i = 0; i < summary->n; i++) {
        const struct result *result = &summary->results[i];

        fprintf(out, "<tr><th scope=\"row\">%s", plan_setting_name(&result->setting, setting));
        for (const struct column *column = columns; column->title != NULL; column++) {
            fputs("<td>", out);
            svg_text(out, table_cell(column, result, summary->plan, text));
        }
        fputc('\n', out);
    }
    fputs("</tbody></table></div>\n", out);
}
