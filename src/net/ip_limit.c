/*
 * ip_limit.c - how many connections one address may have (max_per_ip)
 *
 * One counter per address that has connections now, in a map whose hash is keyed: who owns
 * a /48 of IPv6 could otherwise choose addresses that collide. An IPv6 peer counts under
 * its /64, because that is what one customer gets. Peers on this machine do not count: a
 * proxy in front has one address for everybody.
 */
#include "ip_limit.h"

#include <errno.h>
#include <string.h>

struct kp_ip_count {
    struct kp_map_node node;
    unsigned char key[16];
    size_t key_len;
    uint32_t count;
};

static struct kp_ip_count *
find_count(const struct kp_net *net, uint64_t hash, const unsigned char *key, size_t len)
{
    struct kp_map_node *node = kp_map_first(&net->by_ip, hash);

    for (; node != NULL; node = kp_map_next(node)) {
        struct kp_ip_count *count = kp_container_of(node, struct kp_ip_count, node);
        if (count->key_len == len && memcmp(count->key, key, len) == 0)
            return count;
    }
    return NULL;
}

static struct kp_ip_count *
new_count(struct kp_net *net, uint64_t hash, const unsigned char *key, size_t len)
{
    struct kp_ip_count *count = kp_mem_zalloc(&net->env->mem, sizeof(*count));

    if (count == NULL)
        return NULL;
    memcpy(count->key, key, len);
    count->key_len = len;
    if (kp_map_add(&net->by_ip, &count->node, hash) < 0) {
        kp_mem_free(&net->env->mem, count, sizeof(*count));
        return NULL;
    }
    return count;
}

int
kp_ip_limit_take(struct kp_net *net, const union kp_peer *peer)
{
    unsigned char key[16];

    if (net->limits.max_per_ip == 0 || kp_peer_is_local(peer))
        return 0;
    size_t len = kp_peer_key(key, peer);
    uint64_t hash = kp_map_hash(&net->by_ip, key, len);
    struct kp_ip_count *count = find_count(net, hash, key, len);
    if (count == NULL)
        count = new_count(net, hash, key, len);
    if (count == NULL)
        return -ENOMEM;
    if (count->count >= net->limits.max_per_ip)
        return -EUSERS;
    count->count++;
    return 1;
}

void
kp_ip_limit_give(struct kp_net *net, const union kp_peer *peer)
{
    unsigned char key[16];
    size_t len = kp_peer_key(key, peer);
    struct kp_ip_count *count =
        find_count(net, kp_map_hash(&net->by_ip, key, len), key, len);

    if (count == NULL || --count->count > 0)
        return;
    kp_map_remove(&net->by_ip, &count->node);
    kp_mem_free(&net->env->mem, count, sizeof(*count));
}
