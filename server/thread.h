/* What the kernel says of a thread of this process. */
#ifndef SERVER_THREAD_H
#define SERVER_THREAD_H

enum { THREAD_TEXT = 192 };

/* Its name and number, whether it runs or sleeps, and in which system call and kernel function: "hoist-w0 (4711) is
 * asleep in clock_nanosleep, at hrtimer_nanosleep". As much of it as can be read. number: of the kernel, 0 where there
 * is none. Returns text. Fit for the loop: what is read is under /proc, made in memory by the kernel when it is asked,
 * and of a thread of our own; no disk and no other thread is waited for. */
const char *thread_describe(int number, char text[THREAD_TEXT]);

#endif
