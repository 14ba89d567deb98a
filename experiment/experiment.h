/* `hoist experiment`: what do more workers buy? Tried on the program's own routes, beside what theory predicts.
 */
#ifndef EXPERIMENT_EXPERIMENT_H
#define EXPERIMENT_EXPERIMENT_H

#include "hoist.h"

/* argv is main()'s, with "experiment" as argv[1]. Returns the exit status: 0; 1 when something failed or a burst took
 * more than 10 % more or less than predicted; 2 for a bad command line; 128 and the signal that ended it. program is
 * this library's own struct, checked. */
int experiment_main(int argc, char **argv, const hoist_program *program);

#endif
