/* What a process does about its descriptors before it has any. No other thread may run. Failures: none that matters.
 */
#ifndef SERVER_DESCRIPTORS_H
#define SERVER_DESCRIPTORS_H

/* To the hard limit (RLIMIT_NOFILE). */
void descriptors_raise_limit(void);

/* Those of 0, 1 and 2 that are closed become /dev/null: else one would be a client's connection, or a file, and the log
 * writes to it by its number. */
void descriptors_open_standard(void);

/* For numbers up to fd_max: the kernel's table grows as they are used, and when threads share it that waits for all
 * CPUs to notice: some 20 ms of the start, when the loop makes room for the highest one, or of a busy server's later
 * on. */
void descriptors_make_room(int fd_max);

#endif
