/* The work of the routes /sleep/:ms and /spin/:ms, the same for each server written in C. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

/* By its path; anything else is no work. Blocks. */
void work_on(const char *path);

#endif
