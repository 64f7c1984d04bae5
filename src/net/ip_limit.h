/*
 * ip_limit.h - how many connections one address may have (max_per_ip)
 */
#ifndef KP_IP_LIMIT_H
#define KP_IP_LIMIT_H

#include "address.h"
#include "net.h"

/* Counts a connection of that peer.
 * Returns   1: counted, to be given back; 0: this peer is exempt, or there is no limit;
 *           -EUSERS: it has max_per_ip connections already; -ENOMEM. */
int kp_ip_limit_take(struct kp_net *net, const union kp_peer *peer) KP_MUST_CHECK;

/* Gives back a connection that was counted. */
void kp_ip_limit_give(struct kp_net *net, const union kp_peer *peer);

#endif
