/* Happy path of the own threads: a FIFO under a mutex, a condition, and one uv_async_t for what is done. Failures: none
 * are handled, this is a measuring stick. */
#include "handover.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct handover *first, **last; /* waiting */
    struct handover *done;          /* newest first */
    uv_async_t async;
    unsigned threads;
} own = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .last = &own.first};

static void *run_thread(void *arg)
{
    struct handover *handover;
    int was_empty;

    (void)arg;
    for (;;) {
        pthread_mutex_lock(&own.lock);
        while (own.first == NULL)
            pthread_cond_wait(&own.wake, &own.lock);
        handover = own.first;
        own.first = handover->next;
        if (own.first == NULL)
            own.last = &own.first;
        pthread_mutex_unlock(&own.lock);
        handover->work(handover);
        pthread_mutex_lock(&own.lock);
        was_empty = own.done == NULL;
        handover->next = own.done;
        own.done = handover;
        pthread_mutex_unlock(&own.lock);
        if (was_empty)
            uv_async_send(&own.async);
    }
    return NULL;
}

static void on_async(uv_async_t *async)
{
    struct handover *done;

    (void)async;
    pthread_mutex_lock(&own.lock);
    done = own.done;
    own.done = NULL;
    pthread_mutex_unlock(&own.lock);
    while (done != NULL) {
        struct handover *next = done->next;
        done->done(done);
        done = next;
    }
}

void handover_start(uv_loop_t *loop, unsigned threads)
{
    pthread_t thread;

    own.threads = threads;
    uv_async_init(loop, &own.async, on_async);
    for (unsigned i = 0; i < threads; i++)
        if (pthread_create(&thread, NULL, run_thread, NULL) != 0)
            exit(1);
}

static void on_work(uv_work_t *request)
{
    struct handover *handover = request->data;

    handover->work(handover);
}

static void on_after_work(uv_work_t *request, int status)
{
    struct handover *handover = request->data;

    assert(status == 0);
    handover->done(handover);
}

void handover_submit(uv_loop_t *loop, struct handover *handover)
{
    if (own.threads == 0) {
        handover->request.data = handover;
        uv_queue_work(loop, &handover->request, on_work, on_after_work);
        return;
    }
    handover->next = NULL;
    pthread_mutex_lock(&own.lock);
    *own.last = handover;
    own.last = &handover->next;
    pthread_mutex_unlock(&own.lock);
    pthread_cond_signal(&own.wake);
}
