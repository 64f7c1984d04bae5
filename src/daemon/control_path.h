/*
 * control_path.h - where the control sockets of this user's daemons are
 */
#ifndef KD_CONTROL_PATH_H
#define KD_CONTROL_PATH_H

#include <stddef.h>

#define KD_CONTROL_PATH_SIZE 104 /* what sun_path holds on every system, with NUL */
#define KD_CONTROL_MAX_FOUND 32

/* A daemon that answers. */
struct kd_control_found {
    char path[KD_CONTROL_PATH_SIZE];
    long pid;
};

/* Writes the path for this process, and makes its folder where that is needed.
 * Returns   0; -1 with a sentence in why. */
int kd_control_path(char out[KD_CONTROL_PATH_SIZE], char *why, size_t why_size);

/* Finds the daemons of this user, at most KD_CONTROL_MAX_FOUND. Files that dead ones have left
 * behind are removed.
 * Returns   how many. */
size_t kd_control_find(struct kd_control_found found[KD_CONTROL_MAX_FOUND]);

/* Connects to a control socket.
 * Returns   the descriptor, or negative errno. */
int kd_control_connect(const char *path);

#endif
