/* The frame of a picture. Colours are Okabe and Ito's, which differ for colour-blind people too; those on dark ground
 * are lighter. They are written out instead of var(), which programs for slides do not know. Lines also differ by
 * dashes and width. Failures are the stream's.
 */
#include "svg.h"

#include "real.h"

enum { TICK_LEAST = -9 }; /* the power of ten of the finest tick */

enum { SERIES_DASHES = 8, SERIES_WIDTHS = 4 }; /* classes s0 to s7, w0 (as .s has it) to w3 */

static const char style[] =
    "<style>\n"
    ".h{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\n"
    ".h .ground{fill:#fff}.h text{fill:#1f2328}.h .soft{fill:#59636e}.h .strong{font-weight:600;font-size:13px}\n"
    ".h .title{font-weight:600;font-size:15px}.h .number{fill:#fff;font-size:10px}\n"
    ".h .rule{stroke:#d8dee4;fill:none}.h .frame{stroke:#8b949e;fill:none}\n"
    ".h .bar{fill:#0072b2}.h .odd{fill:#2579ac}.h .lane{fill:#f3f5f7}\n"
    ".h .wait{fill:#7d848e}.h .tick{stroke:#007a5a;stroke-width:1.2;fill:none}.h .late{fill:#d55e00}\n"
    ".h .s{fill:none;stroke-width:1.8;stroke-linejoin:round}\n"
    ".h .s0{stroke:#0072b2}.h .s1{stroke:#d55e00;stroke-dasharray:7 2}.h .s2{stroke:#007a5a;stroke-dasharray:2 2}\n"
    ".h .s3{stroke:#b0578a;stroke-dasharray:8 2 2 2}.h .s4{stroke:#a87400;stroke-dasharray:14 5}\n"
    ".h .s5{stroke:#59636e;stroke-dasharray:2 6}.h .s6{stroke:#3a8fc4;stroke-dasharray:7 2 2 2 2 2}\n"
    ".h .s7{stroke:#8c4000;stroke-dasharray:4 4}.h .w1{stroke-width:3.2}.h .w2{stroke-width:.8}.h .w3{stroke-width:5}\n"
    "@media (prefers-color-scheme:dark){@media screen{\n"
    ".h .ground{fill:#0d1117}.h text{fill:#e6edf3}.h .soft{fill:#9da7b3}.h .number{fill:#08121a}\n"
    ".h .rule{stroke:#2b323b}.h .frame{stroke:#6e7781}.h .bar{fill:#56b4e9}.h .odd{fill:#84caf0}.h "
    ".lane{fill:#161b22}\n"
    ".h .wait{fill:#7c8591}.h .tick{stroke:#2fd0a0}.h .late{fill:#ff8a3d}\n"
    ".h .s0{stroke:#56b4e9}.h .s1{stroke:#ff8a3d}.h .s2{stroke:#2fd0a0}.h .s3{stroke:#e39bc4}.h .s4{stroke:#f0c040}\n"
    ".h .s5{stroke:#9da7b3}.h .s6{stroke:#84caf0}.h .s7{stroke:#e08a50}\n"
    "}}\n"
    "@media print{.h rect,.h path{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n"
    "</style>\n";

void svg_begin(FILE *out, double height, const char *label)
{
    fprintf(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"h\" viewBox=\"0 0 %d %.0f\" width=\"%d\" height=\"%.0f\" "
        "role=\"img\" aria-label=\"",
        SVG_WIDTH, height, SVG_WIDTH, height);
    svg_text(out, label);
    fprintf(out, "\">\n%s<rect class=\"ground\" width=\"100%%\" height=\"100%%\"/>\n", style);
}

void svg_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*text, out);
        }
    }
}

void svg_series(FILE *out, size_t i)
{
    fprintf(out, "s s%zu w%zu", i % SERIES_DASHES, i / SERIES_DASHES % SERIES_WIDTHS);
}

double svg_tick(double max)
{
    double unit, steps;
    int power = TICK_LEAST;

    while (real_power_of_ten(power + 1) <= max / 4)
        power++;
    unit = real_power_of_ten(power);
    steps = max / 4 / unit;

    return unit * (steps >= 5 ? 5 : steps >= 2 ? 2 : 1);
}

double svg_x(double seconds, double max_s)
{
    return SVG_LEFT + seconds / max_s * (SVG_WIDTH - SVG_LEFT - SVG_RIGHT);
}

void svg_time_axis(FILE *out, double max_s, double top, double y)
{
    double tick_s = svg_tick(max_s);
    const char *unit = max_s < 1 ? "ms" : "s";
    double scale = max_s < 1 ? 1000 : 1;

    for (int i = 0; i * tick_s <= max_s * 1.0001; i++) {
        double x = svg_x(i * tick_s, max_s);

        fprintf(out, "<path class=\"rule\" d=\"M%.1f %.1fV%.1f\"/>", x, top, y);
        fprintf(out, "<text class=\"soft\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%g %s</text>\n", x, y + 16,
                i * tick_s * scale, unit);
    }
}
