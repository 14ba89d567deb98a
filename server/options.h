/* The command line and the environment, from one table; a program's own options join it. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include "hoist.h"

#include <stdio.h>

/* All that can be set: the app's part, and what belongs to the process. */
struct options {
    hoist_config config;        /* every field set, but max_connections: 0 is as many as the descriptors allow */
    size_t worker_stack;        /* bytes */
    const char *access_log;     /* a file's name, "-" for stdout, "off", or NULL: stdout if it is a terminal */
    unsigned access_log_format; /* enum log_format */
    unsigned log_level;         /* enum log_level */
};

/* The program's own options: -EINVAL after one line in error[error_size] when a name is bad or taken, or a value is
 * missing. Once, before the others. */
int options_check_program(const hoist_program *program, char *error, size_t error_size);

/* Reads HOIST_<NAME> from the environment, where an empty one counts for nothing, then argv[1 ..]; later ones win. Sets
 * the values of the program's own options too. 0, or -EINVAL after one line in error[error_size] that names the option,
 * the value and what it takes. argv and the environment must stay in place. */
int options_read(struct options *ret_options, const hoist_program *program, int argc, char **argv, char *error,
                 size_t error_size);

/* The value of the option at argv[*i], and *i is moved on to it: what is behind its "=", "1" of a switch, else the next
 * argument, unless that one begins with "--". "": it has none. */
const char *options_value(int argc, char **argv, int *i, bool is_switch);

/* A warning in the log for each HOIST_* of the environment that is not empty and names no option: a misspelt one, or
 * another program's, so no error. */
void options_tell_unknown_variables(const hoist_program *program);

/* --help: every option with its default and range, the program's own last. */
void options_print_help(const hoist_program *program, FILE *out);

#endif
