/*
 * pattern.c - matches the items of a pattern
 *
 * Items are matched one after the other. Those that can go on in more than one way (choices:
 * * + - ?) keep in themselves what they take now, and are linked; when an item fails, the
 * last choice takes another way. So there is no recursion and no stack that could grow, and
 * captures need not be undone: whatever lies behind a choice is matched anew.
 *
 * Going back is what makes patterns slow: x, 64 KiB of spaces, x against "^%s*(.-)%s*$" fails
 * two thousand million times. But whether the items behind a choice match at a position does
 * not depend on how the match came there, unless they refer to a capture. So, once a match has
 * cost some, each failure is remembered, a bit per choice and position, for all that is
 * searched in this subject: then no way is tried twice, and the work is bounded by items
 * times bytes. Three facts keep it so:
 *
 *   - a run of characters that fit has one end, from wherever in it one starts. The failures
 *     of * and + in a run go from its end downwards; all that is above one has failed too.
 *     So a run is followed up to the first failure known, and what lies above is left out;
 *   - for - they go upwards, but when it has failed, it has failed for all the rest of the run;
 *   - for %b the partners in all of the subject are found in one pass.
 *
 * What remains slow are back references, which are not remembered; and a long pattern without
 * choices that nearly matches everywhere. Both can be ended: each step costs fuel, and when it
 * is used up, a hook is called.
 */
#include "pattern.h"

#include <string.h>

#include "pattern_inside.h"

#ifndef FUEL                 /* a test has less */
# define FUEL  4096          /* steps between two calls of the hook: some 40 us */
# define PIECE (1024 * 1024) /* bytes looked over at a time */
#endif
#define PLAIN_TRIES    8  /* before a plain search prepares for the worst */
#define BYTES_PER_STEP 16 /* looking over bytes is cheaper than trying ways */

/* --- steps ----------------------------------------------------------------------------- */

static void
refuel(struct kp_match *m)
{
    size_t len = (size_t)(m->subject_end - m->subject);

    m->n_steps += (uint64_t)(FUEL - m->fuel);
    m->fuel = FUEL;
    m->hooks.step(m->hooks.arg);
    if (!m->remembers && m->n_failures > len / BYTES_PER_STEP)
        kp_match_remember(m);
}

static inline void
spend(struct kp_match *m, size_t n_steps)
{
    m->fuel -= (int)n_steps;
    if (m->fuel < 0)
        refuel(m);
}

static inline void
spend_bytes(struct kp_match *m, size_t n_bytes)
{
    spend(m, n_bytes / BYTES_PER_STEP);
}

uint64_t
kp_match_steps(const struct kp_match *m)
{
    return m->n_steps + (uint64_t)(FUEL - m->fuel);
}

/* --- what is remembered ---------------------------------------------------------------- */

static inline bool
has_failed(const struct kp_match *m, const struct kp_item *item, const char *s)
{
    size_t at = (size_t)(s - m->subject);

    return item->failed != NULL && (item->failed[at >> 3] >> (at & 7) & 1);
}

static inline void
set_failed(struct kp_match *m, struct kp_item *item, const char *s)
{
    size_t at = (size_t)(s - m->subject);

    if (item->failed != NULL)
        item->failed[at >> 3] |= (uint8_t)(1u << (at & 7));
}

/* --- choices --------------------------------------------------------------------------- */

typedef const char *looker(const struct kp_item *item, const char *s, const char *end);

/* Looks over the subject with kp_single_span or kp_single_seek, in pieces, so that it can be
 * ended. */
static inline const char *
look_over(struct kp_match *m, looker *look, const struct kp_item *item, const char *s)
{
    const char *from, *piece_end;

    do {
        from = s;
        piece_end = m->subject_end - s > PIECE ? s + PIECE : m->subject_end;
        s = look(item, s, piece_end);
        spend_bytes(m, (size_t)(s - from));
    } while (s == piece_end && s < m->subject_end);
    return s;
}

/* Spans a run up to the first failure that is known. */
static const char *
span_untried(struct kp_match *m, const struct kp_item *item, const char *s)
{
    const char *from = s;

    while (s < m->subject_end && !has_failed(m, item, s + 1) &&
           kp_single_fits(item, (unsigned char)*s))
        s++;
    spend_bytes(m, (size_t)(s - from));
    return s;
}

/* Returns where the first way of a choice ends, or NULL: there is none. */
static const char *
choose(struct kp_match *m, struct kp_item *item, const char *s)
{
    const char *low = s + (item->kind == KP_ITEM_PLUS);
    bool is_at_end = s == m->subject_end;

    item->low = low;
    if (item->kind <= KP_ITEM_PLUS && item->failed == NULL) {
        s = look_over(m, kp_single_span, item, s);
        if (s < low)
            return NULL;
    } else if (item->kind == KP_ITEM_OPTIONAL && !is_at_end &&
               kp_single_fits(item, (unsigned char)*s) && !has_failed(m, item, s + 1)) {
        s++;
    } else {
        if (s < low && (is_at_end || !kp_single_fits(item, (unsigned char)*s)))
            return NULL;
        if (has_failed(m, item, low))
            return NULL;
        if (item->kind <= KP_ITEM_PLUS)
            s = span_untried(m, item, low);
    }
    item->at = s;
    return s;
}

/* Returns where the next way of a choice ends, or NULL. */
static const char *
choose_again(struct kp_match *m, struct kp_item *item)
{
    const char *s = item->at;

    set_failed(m, item, s);
    if (item->kind == KP_ITEM_LAZY) {
        if (s == m->subject_end || !kp_single_fits(item, (unsigned char)*s))
            return NULL;
        s++;
    } else if (s-- == item->low) {
        return NULL;
    }
    if (has_failed(m, item, s))
        return NULL;
    item->at = s;
    return s;
}

/* --- other items ----------------------------------------------------------------------- */

/* What is looked over once for each match need not be remembered; what more often, must. */
static void
spend_scan(struct kp_match *m, size_t n_bytes)
{
    m->n_failures += n_bytes / BYTES_PER_STEP;
    spend_bytes(m, n_bytes);
}

/* Returns where what begins with a bracket ends, or NULL. */
static const char *
balance(struct kp_match *m, const struct kp_item *item, const char *s)
{
    size_t depth = 1;

    if (s == m->subject_end || (unsigned char)*s != item->c)
        return NULL;
    if (item->partner != NULL) {
        uint32_t end = item->partner[s - m->subject];
        return end > 0 ? m->subject + end : NULL;
    }
    const char *piece = s++;
    for (; s < m->subject_end; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == item->closer && --depth == 0)
            break;
        if (c == item->c && c != item->closer)
            depth++;
        if (s - piece == PIECE) {
            spend_scan(m, PIECE);
            piece = s;
        }
    }
    spend_scan(m, (size_t)(s - piece));
    return s < m->subject_end ? s + 1 : NULL;
}

static const char *
backref(struct kp_match *m, const struct kp_item *item, const char *s)
{
    const char *text = m->captures[item->c].start;
    size_t len = (size_t)(m->captures[item->c].end - text);

    if (len > (size_t)(m->subject_end - s))
        return NULL;
    spend_bytes(m, len);
    return memcmp(text, s, len) == 0 ? s + len : NULL;
}

/* Outside of the subject there are zeros. */
static bool
at_frontier(const struct kp_match *m, const struct kp_item *item, const char *s)
{
    char before = s == m->subject ? '\0' : s[-1];
    char behind = s == m->subject_end ? '\0' : *s;

    return !kp_single_fits(item, (unsigned char)before) &&
           kp_single_fits(item, (unsigned char)behind);
}

/* Matches one item of those that are not frequent. Returns where it ends, or NULL. */
static const char *
match_item(struct kp_match *m, const struct kp_item *item, const char *s)
{
    switch ((enum kp_item_kind)item->kind) {
    case KP_ITEM_BACKREF:
        return backref(m, item, s);
    case KP_ITEM_BALANCE:
        return balance(m, item, s);
    case KP_ITEM_FRONTIER:
        return at_frontier(m, item, s) ? s : NULL;
    case KP_ITEM_END:
        return s == m->subject_end ? s : NULL;
    default:
        return NULL;
    }
}

/* --- matching -------------------------------------------------------------------------- */

/* Goes back to the last choice that has a way left. Returns where that ends, or NULL. */
static const char *
go_back(struct kp_match *m, struct kp_item **choice)
{
    while (*choice != NULL) {
        m->n_failures++;
        spend(m, 1);
        const char *s = choose_again(m, *choice);
        if (s != NULL)
            return s;
        *choice = (*choice)->before;
    }
    return NULL;
}

/* Matches all items from s on. Returns 1: m->end is the end; 0; -1: malformed. */
static int
match_here(struct kp_match *m, const char *s)
{
    struct kp_item *item = m->pattern->items, *resumed = item, *choice = NULL;

    for (;; item++) {
        switch (item->kind) {
        case KP_ITEM_CHAR:
            s = s < m->subject_end && (unsigned char)*s == item->c ? s + 1 : NULL;
            break;
        case KP_ITEM_ONE:
            s = s < m->subject_end && kp_single_fits(item, (unsigned char)*s) ? s + 1
                                                                              : NULL;
            break;
        case KP_ITEM_STAR:
        case KP_ITEM_PLUS:
        case KP_ITEM_LAZY:
        case KP_ITEM_OPTIONAL:
            s = choose(m, item, s);
            if (s != NULL) {
                item->before = choice;
                choice = item;
            }
            break;
        case KP_ITEM_OPEN:
            m->captures[item->c].start = s;
            break;
        case KP_ITEM_CLOSE:
            m->captures[item->c].end = s;
            break;
        case KP_ITEM_BAD:
            return -1;
        case KP_ITEM_DONE:
            m->end = s;
            return 1;
        default:
            s = match_item(m, item, s);
            break;
        }
        if (s == NULL) {
            spend(m, (size_t)(item - resumed));
            s = go_back(m, &choice);
            if (s == NULL)
                return 0;
            item = resumed = choice;
        }
    }
}

void
kp_match_init(struct kp_match *m, struct kp_pattern *pattern, const char *subject,
              size_t len, const struct kp_match_hooks *hooks)
{
    m->pattern = pattern;
    m->hooks = *hooks;
    m->subject = subject;
    m->subject_end = subject + len;
    m->rejected_end = NULL;
    m->fuel = FUEL;
    m->remembers = false;
    m->is_cut_off = false;
    m->n_failures = 0;
    m->n_steps = 0;
}

/* As kp_match_find, but whatever ends it is an end. */
static int
find(struct kp_match *m, const char *from)
{
    const struct kp_pattern *pattern = m->pattern;

    spend(m, 1);
    for (const char *s = from; s <= m->subject_end; s++) {
        if (pattern->first != NULL && !pattern->is_anchored) {
            s = look_over(m, kp_single_seek, pattern->first, s);
            if (s == m->subject_end)
                return 0;
        }
        int rc = match_here(m, s);
        if (rc < 0)
            return rc;
        if (rc > 0 && m->end != m->rejected_end) {
            m->start = s;
            return rc;
        }
        if (pattern->is_anchored)
            return 0;
        spend(m, 1);
    }
    return 0;
}

int
kp_match_find(struct kp_match *m, const char *from)
{
    /* A choice that was cut off in the middle has failed for a part of a run only. */
    if (m->is_cut_off)
        kp_match_forget(m);
    m->is_cut_off = true;
    int rc = find(m, from);
    m->is_cut_off = rc < 0;
    return rc;
}

/* Looks at the first few places where the first byte is. Returns where the search is to go
 * on, or where the bytes are: then *is_found. */
static const char *
try_first_byte(const char *s, const char *end, const char *bytes, size_t len,
               bool *is_found)
{
    for (int i = 0; i < PLAIN_TRIES && (size_t)(end - s) >= len; i++) {
        const char *at = memchr(s, *bytes, (size_t)(end - s) - len + 1);
        if (at == NULL)
            return end;
        *is_found = memcmp(at, bytes, len) == 0;
        if (*is_found)
            return at;
        s = at + 1;
    }
    return s;
}

const char *
kp_match_plain(struct kp_match *m, const char *from, const char *bytes, size_t len)
{
    size_t window = len > PIECE ? 2 * len : PIECE;
    bool is_found = len == 0;

    while (!is_found && (size_t)(m->subject_end - from) >= len) {
        size_t left = (size_t)(m->subject_end - from);
        const char *end = from + (left > window ? window : left);
        const char *start = from;
        /* memmem is linear, but has to prepare for it. */
        from = try_first_byte(from, end, bytes, len, &is_found);
        if (!is_found && (size_t)(end - from) >= len) {
            const char *at = memmem(from, (size_t)(end - from), bytes, len);
            is_found = at != NULL;
            from = is_found ? at : end - len + 1;
        } else if (!is_found && end < m->subject_end) {
            from = end - len + 1;
        }
        spend_bytes(m, (size_t)(from - start));
    }
    return is_found ? from : NULL;
}
