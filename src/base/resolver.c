/*
 * resolver.c - host names to addresses, on a thread of their own
 *
 * getaddrinfo(3) may block for a minute and cannot be ended. So each look-up has a detached
 * thread, which nobody waits for: it and who asked share one block of memory, and the last
 * of the two frees it. A server that ends during a look-up lets go and is gone; the thread
 * finds that out when it comes back.
 *
 * For the same reason the block comes from malloc(3): it may live longer than the server, and
 * the allocator of its host belongs to another thread.
 *
 * See       POSIX.1-2017 getaddrinfo
 */
#include "resolver.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "thread.h"

struct kp_lookup {
    struct kp_host host;
    pthread_mutex_t lock; /* of holders and wake */
    int holders;
    void (*wake)(void *arg); /* NULL: who asked has let go */
    void *arg;
    atomic_bool is_done; /* what follows is set before, by the thread */
    int n_addresses;
    struct {
        struct sockaddr_storage addr;
        socklen_t len;
    } addresses[KP_RESOLVER_ADDRESSES];
};

/* One of the two holds it no longer. Called with the lock, which is given up. */
static void
release(struct kp_lookup *lookup)
{
    bool is_last = --lookup->holders == 0;

    pthread_mutex_unlock(&lookup->lock);
    if (!is_last)
        return;
    pthread_mutex_destroy(&lookup->lock);
    free(lookup);
}

static void
look_up(struct kp_lookup *lookup)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;

    if (getaddrinfo(lookup->host.name, lookup->host.port, &hints, &found) != 0)
        return;
    for (struct addrinfo *info = found; info != NULL; info = info->ai_next) {
        int n = lookup->n_addresses;
        if (n == KP_RESOLVER_ADDRESSES ||
            info->ai_addrlen > sizeof(lookup->addresses[n].addr))
            break;
        memcpy(&lookup->addresses[n].addr, info->ai_addr, info->ai_addrlen);
        lookup->addresses[n].len = info->ai_addrlen;
        lookup->n_addresses++;
    }
    freeaddrinfo(found);
}

static void *
run(void *arg)
{
    struct kp_lookup *lookup = arg;

    look_up(lookup);
    atomic_store(&lookup->is_done, true);
    pthread_mutex_lock(&lookup->lock);
    if (lookup->wake != NULL)
        lookup->wake(lookup->arg);
    release(lookup);
    return NULL;
}

int
kp_lookup_start(struct kp_sys *sys, struct kp_lookup **out, const struct kp_host *host,
                void (*wake)(void *arg), void *arg)
{
    struct kp_lookup *lookup = calloc(1, sizeof(*lookup));
    pthread_t thread;

    *out = NULL;
    if (lookup == NULL)
        return -ENOMEM;
    lookup->host = *host;
    lookup->holders = 2;
    lookup->wake = wake;
    lookup->arg = arg;
    int rc = -pthread_mutex_init(&lookup->lock, NULL);
    if (rc < 0)
        goto fail_free;
    rc = kp_thread_start(sys, &thread, run, lookup, 0);
    if (rc < 0)
        goto fail_destroy;
    (void)pthread_detach(thread); /* it was made a moment ago, and nobody joins it */
    *out = lookup;
    return 0;

fail_destroy:
    pthread_mutex_destroy(&lookup->lock);
fail_free:
    free(lookup);
    return rc;
}

bool
kp_lookup_is_done(const struct kp_lookup *lookup)
{
    return atomic_load(&lookup->is_done);
}

int
kp_lookup_count(const struct kp_lookup *lookup)
{
    return lookup->n_addresses;
}

const struct sockaddr *
kp_lookup_address(const struct kp_lookup *lookup, int index, socklen_t *len)
{
    *len = lookup->addresses[index].len;
    return (const struct sockaddr *)(const void *)&lookup->addresses[index].addr;
}

void
kp_lookup_let_go(struct kp_lookup *lookup)
{
    pthread_mutex_lock(&lookup->lock);
    lookup->wake = NULL;
    release(lookup);
}
