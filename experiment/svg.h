/* What the pictures share: colours, axes, text.
 */
#ifndef EXPERIMENT_SVG_H
#define EXPERIMENT_SVG_H

#include <stdio.h>

enum { SVG_WIDTH = 960, SVG_LEFT = 112, SVG_RIGHT = 24 };

/* Opens the element, with a label for who cannot see it, the style, and a background. Close it with "</svg>\n". */
void svg_begin(FILE *out, double height, const char *label);

/* Text with what XML has other uses for escaped. */
void svg_text(FILE *out, const char *text);

/* The classes of the i-th line of a chart; 32 differ by dashes and width, for who cannot tell their colours. */
void svg_series(FILE *out, size_t i);

/* The distance between the ticks of an axis from 0 to max, of which there are 4 to 10: 1, 2 or 5 times a power of 10.
 */
double svg_tick(double max);

/* A time axis from 0 to max_s at y, its gridlines going up to top. */
void svg_time_axis(FILE *out, double max_s, double top, double y);

/* Where a time is on it. */
double svg_x(double seconds, double max_s);

#endif
