/* The outcome as two tables, measured and predicted, for text and page alike; and as text.
 */
#ifndef EXPERIMENT_TABLE_H
#define EXPERIMENT_TABLE_H

#include "summary.h"

enum { TABLE_CELL = 48 };

struct column {
    const char *above, *title; /* two lines of head, the upper one maybe empty; NULL: see table_above() */
    enum column_kind { COLUMN_TIME, COLUMN_SHARE, COLUMN_CHANGE, COLUMN_TIMES, COLUMN_NUMBER, COLUMN_COUNT } kind;
    double (*value)(const struct result *result, const struct plan *plan);
};

/* End with a column without a title. */
const struct column *table_measured(void);
const struct column *table_predicted(const struct plan *plan);

/* The upper line of a column's head. */
const char *table_above(const struct column *column, const struct plan *plan);

/* The cell's text. Returns text. */
const char *table_cell(const struct column *column, const struct result *result, const struct plan *plan,
                       char text[TABLE_CELL]);

void table_print(const struct summary *summary, FILE *out);

#endif
