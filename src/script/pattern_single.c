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

enum kp_single
kp_single_class(char letter)
{
#define PAIR(lower, upper, name)                                                         \
 [lower] = KP_SINGLE_##name, [upper] = KP_SINGLE_NOT_##name
    static const uint8_t classes['z' + 1] = {
        PAIR('a', 'A', ALPHA),  PAIR('c', 'C', CNTRL), PAIR('d', 'D', DIGIT),
        PAIR('g', 'G', GRAPH),  PAIR('l', 'L', LOWER), PAIR('p', 'P', PUNCT),
        PAIR('s', 'S', SPACE),  PAIR('u', 'U', UPPER), PAIR('w', 'W', ALNUM),
        PAIR('x', 'X', XDIGIT), PAIR('z', 'Z', ZERO),
    };
#undef PAIR
    unsigned char c = (unsigned char)letter;
    unsigned class = c < sizeof(classes) ? classes[c] : 0;

    return class != 0 ? (enum kp_single) class : KP_SINGLE_CHAR;
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

static inline bool
has_bit(const uint8_t *bits, unsigned char c)
{
    return (bits[c >> 3] >> (c & 7)) & 1;
}

/* Asks the classes of a set for a character, once. */
static void
learn(struct kp_set *set, unsigned char c)
{
    uint8_t bit = (uint8_t)(1u << (c & 7));
    bool has = has_bit(set->bits, c);

    for (unsigned i = 0; i < set->n_classes && !has; i++)
        has = class_has((enum kp_single)set->classes[i], c);
    if (has != set->is_negated)
        set->bits[c >> 3] |= bit;
    else
        set->bits[c >> 3] &= (uint8_t)~bit;
    set->known[c >> 3] |= bit;
}

static inline bool
set_has(struct kp_set *set, unsigned char c)
{
    if (set->n_classes > 0 && !has_bit(set->known, c))
        learn(set, c);
    return has_bit(set->bits, c);
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
        if (item->set->n_classes == 0)
            RUN_WHILE(has_bit(item->set->bits, c));
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
        if (item->set->n_classes == 0)
            RUN_WHILE(!has_bit(item->set->bits, c));
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
