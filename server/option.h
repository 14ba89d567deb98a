/* One option: its row of the table, or the program's own, and how its value is set.
 *
 * Happy path: option_at() for each, or option_find(); then option_set(). Failures: one line in the error. Close:
 * nothing is held.
 */
#ifndef SERVER_OPTION_H
#define SERVER_OPTION_H

#include "options.h"

#include <stddef.h>
#include <stdint.h>

enum { OPTION_NAME_SIZE = 64 };

enum kind {
    KIND_GROUP,   /* a heading of --help */
    KIND_UINT,    /* unsigned */
    KIND_LIMIT,   /* unsigned; where 0 may be given it is HOIST_NO_LIMIT */
    KIND_SIZE,    /* size_t */
    KIND_CHOICE,  /* an enum: the place of the word in arg */
    KIND_TEXT,    /* const char *, not empty */
    KIND_ADDRESS, /* the same, a numeric IP address */
    KIND_LISTEN,  /* the same, as bind_address_parse() takes it, or "off" */
    KIND_SWITCH,  /* bool */
};

/* A row of the table, or an option of the program's own. */
struct option {
    enum kind kind;
    const char *name;
    size_t offset;      /* in struct options; ours only */
    void *value;        /* of the kind's type; option_at() sets ours */
    const char *preset; /* the command line's own default; NULL: *value has it from elsewhere, if there is one */
    uint64_t min, max;
    const char *arg, *help;
};

/* Where the line for people goes. */
struct option_error {
    char *text;
    size_t size;
};

/* How many are ours; the program's own have the numbers behind. */
size_t option_count_ours(void);

/* Number i; false: there are no more. */
bool option_at(size_t i, struct options *options, const hoist_program *program, struct option *ret_option);

/* The one of that name, name[0 .. len). */
bool option_find(const char *name, size_t len, struct options *options, const hoist_program *program,
                 struct option *ret_option);

/* -EINVAL after a line that names source, the value and what it should be. */
int option_set(const struct option *option, const char *source, const char *value, struct option_error *error);

/* Writes the line; -EINVAL. */
int option_fail(struct option_error *error, const char *format, ...) HOIST_PRINTF(2, 3);

#endif
