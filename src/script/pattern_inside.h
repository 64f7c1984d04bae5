/*
 * pattern_inside.h - what the files of pattern.h share
 */
#ifndef KP_PATTERN_INSIDE_H
#define KP_PATTERN_INSIDE_H

#include "pattern.h"

/* Returns the class that a letter behind % means, or KP_SINGLE_CHAR: none, the letter. */
enum kp_single kp_single_class(char letter);

/* Returns whether a character fits what an item compares with. */
bool kp_single_fits(const struct kp_item *item, unsigned char c);

/* Returns where a run of characters that fit ends, at most `end`. */
const char *kp_single_span(const struct kp_item *item, const char *s, const char *end);

/* Returns the first character that fits, or `end`. */
const char *kp_single_seek(const struct kp_item *item, const char *s, const char *end);

static inline bool
kp_item_is_choice(const struct kp_item *item)
{
    return item->kind >= KP_ITEM_STAR && item->kind <= KP_ITEM_OPTIONAL;
}

/* Lets a match remember failures from now on. May jump out, as the hooks may; then it goes
 * on without. */
void kp_match_remember(struct kp_match *match);

/* Forgets all that is remembered. */
void kp_match_forget(struct kp_match *match);

#endif
