/*
 * base.h - small things that every file may use
 */
#ifndef KP_BASE_H
#define KP_BASE_H

#include <stddef.h>
#include <stdint.h>

/* The compiler warns when the result of such a function is not used. */
#define KP_MUST_CHECK         __attribute__((warn_unused_result))
#define KP_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/* A function for the rare case, kept out of the way of the one that calls it. */
#define KP_SELDOM __attribute__((cold, noinline))

/* From a pointer to a member to the struct that holds it. */
#define kp_container_of(ptr, type, member)                                               \
 ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define KP_NS_PER_MS UINT64_C(1000000)
#define KP_NS_PER_S  UINT64_C(1000000000)
#define KP_NEVER     UINT64_MAX /* a deadline that does not come */

#endif
