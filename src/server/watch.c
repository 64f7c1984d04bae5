/*
 * watch.c - descriptors of the host in our loop: a console, a pipe of its own
 */
#include <errno.h>

#include "server.h"

struct kp_watch {
    struct kp_node node; /* in kelpie.watches */
    struct kp_source source;
    kelpie *k;
    void (*fn)(void *arg, int fd);
    void *arg;
};

static struct kp_watch *
find_watch(kelpie *k, int fd)
{
    kp_list_each(node, &k->watches) {
        struct kp_watch *watch = kp_container_of(node, struct kp_watch, node);
        if (watch->source.fd == fd)
            return watch;
    }
    return NULL;
}

static void
free_watch(struct kp_watch *watch)
{
    kp_loop_remove(&watch->k->loop, &watch->source);
    kp_list_remove(&watch->node);
    kp_mem_free(&watch->k->env.mem, watch, sizeof(*watch));
}

static void
on_watch_event(void *arg, const struct kp_event *event)
{
    struct kp_watch *watch = arg;

    if (event->watch_failed) {
        kp_log_write(&watch->k->env.log, KELPIE_LOG_ERROR,
                     "descriptor %d cannot be watched: %s", watch->source.fd,
                     kelpie_strerror(-event->error));
        free_watch(watch);
        return;
    }
    watch->fn(watch->arg, watch->source.fd); /* may free the watch */
}

int
kelpie_watch(kelpie *k, int fd, void (*fn)(void *arg, int fd), void *arg)
{
    if (fn == NULL)
        return kp_server_fail_null(k, "watch: the function");
    if (fd < 0)
        return kp_server_fail(k, -EBADF, "watch: %d is no descriptor", fd);
    if (find_watch(k, fd) != NULL)
        return kp_server_fail(k, -EEXIST, "descriptor %d is watched already", fd);

    struct kp_watch *watch = kp_mem_zalloc(&k->env.mem, sizeof(*watch));
    if (watch == NULL)
        return kp_server_fail(k, -ENOMEM, "watch: out of memory");
    watch->k = k;
    watch->fn = fn;
    watch->arg = arg;
    kp_source_init(&watch->source);
    kp_list_append(&k->watches, &watch->node);

    int rc = kp_loop_add(&k->loop, &watch->source, fd, on_watch_event, watch);
    if (rc == 0)
        rc = kp_loop_watch(&k->loop, &watch->source, KP_READ, KP_LEVEL, 0);
    if (rc < 0) {
        free_watch(watch);
        return kp_server_fail(k, rc, "watch: %s", kelpie_strerror(rc));
    }
    return 0;
}

int
kelpie_unwatch(kelpie *k, int fd)
{
    struct kp_watch *watch = find_watch(k, fd);

    if (watch == NULL)
        return kp_server_fail(k, -ENOENT, "descriptor %d is not watched", fd);
    free_watch(watch);
    return 0;
}

void
kp_watches_clear(kelpie *k)
{
    while (!kp_list_is_empty(&k->watches))
        free_watch(kp_container_of(k->watches.next, struct kp_watch, node));
}
