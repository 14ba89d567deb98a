/* What a supervisor is told, by the protocol of sd_notify(3): ready, stopping, and that the loop still turns. Without
 * $NOTIFY_SOCKET nobody is told anything. No call waits, and what cannot be told is logged once.
 *
 * For the process's main(): it changes the environment. Loop thread, after notify_open().
 */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <uv.h>

struct notify {
    int fd; /* -1: nobody is to be told */
    struct sockaddr_un address;
    socklen_t address_len;
    uint64_t watchdog_ms; /* between two signs of life; 0: none are asked for */
    uv_timer_t watchdog;
    bool has_timer, has_failed;
};

/* Takes $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID, which no child will see any more. No other thread may run. */
void notify_open(struct notify *notify);

/* Requests are answered from now on; status is a line for people. On loop the watchdog is fed, so a handler that holds
 * it is missed. */
void notify_ready(struct notify *notify, uv_loop_t *loop, const char *status);

void notify_stopping(struct notify *notify, const char *status);

/* The loop has to turn once more. The structure stays in place until then. */
void notify_close(struct notify *notify);

#endif
