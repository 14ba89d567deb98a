/* mhd PORT WORKERS: libmicrohttpd with that many threads, each of which serves its own connections with epoll. */
#include "client.h"
#include "work.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORKERS_MAX = 64, CONNECTIONS_MAX = 20000, IDLE_S = 120 };

static const char BODY[] = "{\"message\":\"async power\"}";

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *data, size_t *data_bytes, void **state)
{
    struct MHD_Response *response;
    enum MHD_Result queued;

    (void)arg, (void)method, (void)version, (void)data, (void)data_bytes;
    if (*state == NULL) { /* the head is there; whoever answers now closes the connection */
        *state = connection;
        return MHD_YES;
    }
    work_on(url);
    response = MHD_create_response_from_buffer(sizeof(BODY) - 1, (void *)(uintptr_t)BODY, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", "application/json");
    queued = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return queued;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct MHD_Daemon *daemon;
    unsigned workers;

    if (argc != 3)
        return 2;
    address.sin_port = htons((uint16_t)number(argv[1], PORT_MAX));
    workers = number(argv[2], WORKERS_MAX);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer, NULL, MHD_OPTION_SOCK_ADDR,
                              &address, MHD_OPTION_THREAD_POOL_SIZE, workers > 1 ? workers : 0,
                              MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                              (unsigned)IDLE_S, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U, MHD_OPTION_END);
    if (daemon == NULL) {
        fprintf(stderr, "mhd: cannot listen\n");
        return 1;
    }
    pause();
    MHD_stop_daemon(daemon);
    return 0;
}
