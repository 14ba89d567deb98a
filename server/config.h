/* An app's configuration: the one place of its defaults and ranges. hoist.h and --help tell them to people. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include "hoist.h"

/* Sets each field that is zero and whose default is a number of its own. The others follow other fields or the machine:
 * workers, workers_max, max_connections. */
void config_set_defaults(hoist_config *config);

/* Then workers and workers_max, if they are zero: as many as there are CPUs, and as the other. */
void config_set_workers(hoist_config *config);

/* A limit in bytes: 0 is the standard one, HOIST_NO_LIMIT none, SIZE_MAX. */
size_t config_bytes(size_t given, size_t standard);

/* given with all its defaults. -EINVAL, and a line in error[error_size]: a value out of range. */
int config_resolve(hoist_config *ret_config, const hoist_config *given, char *error, size_t error_size);

/* The highest descriptor that a process with this configuration makes ready for, all fields set. */
int config_fd_max(const hoist_config *config);

#endif
