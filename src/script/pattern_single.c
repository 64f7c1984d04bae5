/*
 * pattern_single.c - what one character of a pattern fits
 *
 * A character, any, a class, or a set. The classes are those of ctype.h, so that they follow
 * the locale as Lua's do. What an item compares with is decided once for a whole run of
 * characters, not for each: that is where a match spends its time.
 */
#include "pattern_inside.h"

#include <ctype.h>
#include <string.h>

#define ASKED_OFTEN 200 /* about as many questions as it costs to answer all 256 */

enum kp_single
kp_single_class(char letter)
{
    static const char letters[] = "aAcCdDgGlLpPsSuUwWxXzZ";
    const char *found = letter != '\0' ? strchr(letters, letter) : NULL;

    return found ? (enum kp_single)(KP_SINGLE_ALPHA + (found - letters)) : KP_SINGLE_CHAR;
}

#define EACH_CLASS(DO)                                                                   \
 DO(ALPHA, isalpha(c))                                                                   \
 DO(CNTRL, iscntrl(c))                                                                   \
 DO(DIGIT, isdigit(c))                                                                   \
 DO(GRAPH, isgraph(c))                                                                   \
 DO(LOWER, islower(c))                                                                   \
 DO(PUNCT, ispunct(c))                                                                   \
 DO(SPACE, isspace(c))                                                                   \
 DO(UPPER, isupper(c))                                                                   \
 DO(ALNUM, isalnum(c))                                                                   \
 DO(XDIGIT, isxdigit(c))                                                                 \
 DO(ZERO, c == 0)

static bool
class_has(enum kp_single class, unsigned char c)
{
    switch (class) {
#define CASE(name, test)                                                                 \
 case KP_SINGLE_##name:                                                                  \
  return (test) != 0;                                                                    \
 case KP_SINGLE_NOT_##name:                                                              \
  return !(test);
        EACH_CLASS(CASE)
#undef CASE
    default:
        return false;
    }
}

static bool
has_bit(const struct kp_set *set, unsigned char c)
{
    return (set->bits[c >> 3] >> (c & 7)) & 1;
}

static bool
in_classes(const struct kp_set *set, unsigned char c)
{
    for (unsigned i = KP_SINGLE_ALPHA; i <= KP_SINGLE_NOT_ZERO; i++) {
        if (set->classes >> i & 1 && class_has((enum kp_single)i, c))
            return true;
    }
    return false;
}

/* Answers for all characters, so that the bits say all. */
static void
fill_bits(struct kp_set *set)
{
    for (unsigned c = 0; c < 256; c++) {
        bool has = has_bit(set, (unsigned char)c) || in_classes(set, (unsigned char)c);
        if (has != set->is_negated)
            set->bits[c >> 3] |= (uint8_t)(1u << (c & 7));
        else
            set->bits[c >> 3] &= (uint8_t) ~(1u << (c & 7));
    }
    set->classes = 0;
    set->is_negated = false;
}

static bool
set_has(struct kp_set *set, unsigned char c)
{
    if (set->classes == 0)
        return has_bit(set, c) != set->is_negated;
    if (++set->n_asked > ASKED_OFTEN)
        fill_bits(set);
    return (has_bit(set, c) || in_classes(set, c)) != set->is_negated;
}

bool
kp_single_fits(const struct kp_item *item, unsigned char c)
{
    switch ((enum kp_single)item->single) {
    case KP_SINGLE_ANY:
        return true;
    case KP_SINGLE_CHAR:
        return c == item->c;
    case KP_SINGLE_SET:
        return set_has(item->set, c);
    default:
        return class_has((enum kp_single)item->single, c);
    }
}

/* Loops over what fits, or (seek) over what does not. */
#define RUN_WHILE(test)                                                                  \
 do {                                                                                    \
  for (; s < end; s++) {                                                                 \
   unsigned char c = (unsigned char)*s;                                                  \
   if (!(test))                                                                          \
    break;                                                                               \
  }                                                                                      \
  return s;                                                                              \
 } while (0)

const char *
kp_single_span(const struct kp_item *item, const char *s, const char *end)
{
    switch ((enum kp_single)item->single) {
    case KP_SINGLE_ANY:
        return end;
    case KP_SINGLE_CHAR:
        RUN_WHILE(c == item->c);
    case KP_SINGLE_SET:
        RUN_WHILE(set_has(item->set, c));
#define CASE(name, test)                                                                 \
 case KP_SINGLE_##name:                                                                  \
  RUN_WHILE(test);                                                                       \
 case KP_SINGLE_NOT_##name:                                                              \
  RUN_WHILE(!(test));
        EACH_CLASS(CASE)
#undef CASE
    }
    return s;
}

const char *
kp_single_seek(const struct kp_item *item, const char *s, const char *end)
{
    switch ((enum kp_single)item->single) {
    case KP_SINGLE_ANY:
        return s;
    case KP_SINGLE_CHAR:
        s = s < end ? memchr(s, item->c, (size_t)(end - s)) : NULL;
        return s ? s : end;
    case KP_SINGLE_SET:
        RUN_WHILE(!set_has(item->set, c));
#define CASE(name, test)                                                                 \
 case KP_SINGLE_##name:                                                                  \
  RUN_WHILE(!(test));                                                                    \
 case KP_SINGLE_NOT_##name:                                                              \
  RUN_WHILE(test);
        EACH_CLASS(CASE)
#undef CASE
    }
    return s;
}
