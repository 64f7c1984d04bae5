/*
 * post.c - calls that other threads want to be done on the server's thread
 *
 * The queue is the only thing of a server that two threads touch under a lock. A call is
 * allocated with malloc(3), not through base/mem: the host's allocator and its counters
 * belong to the server's thread.
 */
#include <errno.h>
#include <stdlib.h>

#include "server.h"

struct kp_post {
    struct kp_node node;
    void (*fn)(void *arg);
    void *arg;
};

int
kp_posts_init(struct kp_post_queue *posts)
{
    kp_list_init(&posts->calls);
    return -pthread_mutex_init(&posts->lock, NULL);
}

int
kelpie_post(kelpie *k, void (*fn)(void *arg), void *arg)
{
    if (fn == NULL)
        return KELPIE_EMISUSE; /* no sentence: that belongs to the server's thread */
    struct kp_post *post = malloc(sizeof(*post));
    if (post == NULL)
        return -ENOMEM;
    *post = (struct kp_post){.fn = fn, .arg = arg};
    pthread_mutex_lock(&k->posts.lock);
    kp_list_append(&k->posts.calls, &post->node);
    pthread_mutex_unlock(&k->posts.lock);
    kp_loop_wake(&k->loop);
    return 0;
}

/* Takes all calls out of the queue, so that they run without the lock. */
static void
take_posts(kelpie *k, struct kp_node *out)
{
    kp_list_init(out);
    pthread_mutex_lock(&k->posts.lock);
    kp_list_splice(out, &k->posts.calls);
    pthread_mutex_unlock(&k->posts.lock);
}

void
kp_posts_run(kelpie *k)
{
    struct kp_node calls, *node;

    take_posts(k, &calls);
    while ((node = kp_list_pop(&calls)) != NULL) {
        struct kp_post *post = kp_container_of(node, struct kp_post, node);
        post->fn(post->arg);
        free(post);
    }
}

void
kp_posts_clear(kelpie *k)
{
    struct kp_node calls, *node;

    take_posts(k, &calls);
    while ((node = kp_list_pop(&calls)) != NULL)
        free(kp_container_of(node, struct kp_post, node));
    pthread_mutex_destroy(&k->posts.lock);
}
