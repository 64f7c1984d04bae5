/*
 * nearest.h - "did you mean": the known name that is most like a mistyped one
 */
#ifndef KP_NEAREST_H
#define KP_NEAREST_H

#include "base.h"

#define KP_NEAREST_MAX 48 /* longer words and names are never alike */

/* Counts the edits (a letter more, less, other, or two neighbours swapped) that make b of a.
 * Letters of different case count as alike.
 * Returns   the number; SIZE_MAX when one of them is longer than KP_NEAREST_MAX. */
size_t kp_nearest_distance(const char *a, const char *b);

/* Finds the name that is most like word, the first of equals.
 * Returns   one of the n names; NULL when none is so near that it can be meant: more than a
 *           third of the letters would have to change. */
const char *kp_nearest(const char *word, const char *const *names, size_t n);

#endif
