/*
 * announce.h - telling the operator that the server is there, and how it is
 */
#ifndef KD_ANNOUNCE_H
#define KD_ANNOUNCE_H

#include "log.h"

#define KD_PLACE_SIZE 160

/* Where one listener listens: as given, with the real port. */
struct kd_place {
    char text[KD_PLACE_SIZE];    /* "127.0.0.1:8080", "admin=[::1]:9000", "unix:/path" */
    char command[KD_PLACE_SIZE]; /* how to try it: "nc 127.0.0.1 8080" */
};

/* Fills in a place from an address as kelpie_listen takes it, and the port that it gave. */
void kd_announce_place(struct kd_place *out, const char *address, int port);

/* Says that everything is ready: five lines on a terminal, else log records. reload says how
 * it is made to load its scripts again. */
void kd_announce_start(struct kd_log *log, const char *script,
                       const struct kd_place *places, size_t n_places,
                       const char *reload);

/* Logs counters, in one record. */
void kd_announce_status(struct kd_log *log, const kelpie *k, long up_seconds);

#endif
