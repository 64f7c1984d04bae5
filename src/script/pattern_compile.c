/*
 * pattern_compile.c - from the text of a pattern to its items
 *
 * Compiling cannot fail. A pattern whose end is malformed is an error only for a subject that
 * matches up to there, as in Lua: so the error becomes an item, and the last one. Because the
 * items of a pattern are matched in their order, with no alternatives, all that can be wrong
 * with captures (closed twice, referred to before its end) is known here, too.
 */
#include <string.h>

#include "pattern.h"
#include "pattern_inside.h"

struct compiler {
    struct kp_pattern *pattern;
    struct kp_item *item; /* the next one */
    struct kp_set *set;   /* the next one */
    const char *p, *end;  /* the rest of the text */
};

#define SHORTEST_SET 3 /* "[a]" */

size_t
kp_pattern_size(size_t len)
{
    return (len + 1) * sizeof(struct kp_item) +
           len / SHORTEST_SET * sizeof(struct kp_set);
}

static inline struct kp_item *
add_item(struct compiler *to, enum kp_item_kind kind, int c)
{
    struct kp_item *item = to->item++;

    item->kind = (uint8_t)kind;
    item->single = KP_SINGLE_CHAR;
    item->c = (uint8_t)c;
    item->failed = NULL; /* or partner */
    return item;
}

/* Nothing behind an error is looked at. */
static void
add_problem(struct compiler *to, const char *problem, int index)
{
    add_item(to, KP_ITEM_BAD, 0);
    to->pattern->problem = problem;
    to->pattern->problem_index = index;
    to->p = to->end;
}

/* --- sets ------------------------------------------------------------------------------ */

/* Returns the bracket that ends a set whose first character is at p, or NULL. */
static const char *
set_end(const char *p, const char *end)
{
    bool is_first = true;

    for (; p < end; p++, is_first = false) {
        if (*p == ']' && !is_first)
            return p;
        if (*p == '%')
            p++;
    }
    return NULL;
}

static void
add_range(struct kp_set *set, unsigned char from, unsigned char to)
{
    for (unsigned c = from; c <= to; c++)
        set->bits[c >> 3] |= (uint8_t)(1u << (c & 7));
}

static void
add_escaped(struct kp_set *set, char letter)
{
    enum kp_single class = kp_single_class(letter);

    if (class == KP_SINGLE_CHAR)
        add_range(set, (unsigned char)letter, (unsigned char)letter);
    else if (memchr(set->classes, (int)class, set->n_classes) == NULL)
        set->classes[set->n_classes++] = (uint8_t) class;
}

static void
negate(struct kp_set *set)
{
    for (size_t i = 0; i < sizeof(set->bits); i++)
        set->bits[i] ^= 0xff;
}

/* Reads a set; the text is behind its opening bracket. Returns NULL if it has no end. */
static struct kp_set *
read_set(struct compiler *to)
{
    const char *p = to->p;
    bool is_negated = p < to->end && *p == '^';

    p += is_negated;
    const char *end = set_end(p, to->end);
    if (end == NULL)
        return NULL;

    struct kp_set *set = to->set++;
    memset(set, 0, sizeof(*set));
    set->is_negated = is_negated;
    while (p < end) {
        if (*p == '%') {
            add_escaped(set, p[1]);
            p += 2;
        } else if (end - p > 2 && p[1] == '-') {
            add_range(set, (unsigned char)p[0], (unsigned char)p[2]);
            p += 3;
        } else {
            add_range(set, (unsigned char)*p, (unsigned char)*p);
            p++;
        }
    }
    if (set->is_negated && set->n_classes == 0)
        negate(set);
    to->p = end + 1;
    return set;
}

/* --- items ----------------------------------------------------------------------------- */

static enum kp_item_kind
read_quantifier(struct compiler *to, enum kp_item_kind without)
{
    if (to->p == to->end)
        return without;
    switch (*to->p++) {
    case '*':
        return KP_ITEM_STAR;
    case '+':
        return KP_ITEM_PLUS;
    case '-':
        return KP_ITEM_LAZY;
    case '?':
        return KP_ITEM_OPTIONAL;
    default:
        to->p--;
        return without;
    }
}

/* A character, a class or a set, and how often. */
static void
add_single(struct compiler *to)
{
    enum kp_single single = KP_SINGLE_CHAR;
    struct kp_set *set = NULL;
    char c = *to->p++;

    if (c == '.') {
        single = KP_SINGLE_ANY;
    } else if (c == '%') {
        if (to->p == to->end) {
            add_problem(to, "malformed pattern (ends with '%%')", 0);
            return;
        }
        c = *to->p++;
        single = kp_single_class(c);
    } else if (c == '[') {
        single = KP_SINGLE_SET;
        set = read_set(to);
        if (set == NULL) {
            add_problem(to, "malformed pattern (missing ']')", 0);
            return;
        }
    }
    enum kp_item_kind once = single == KP_SINGLE_CHAR ? KP_ITEM_CHAR : KP_ITEM_ONE;
    struct kp_item *item = add_item(to, read_quantifier(to, once), (unsigned char)c);
    item->single = (uint8_t)single;
    item->set = set;
}

static void
add_open(struct compiler *to)
{
    struct kp_pattern *pattern = to->pattern;
    int n = pattern->n_captures;

    if (n == KP_PATTERN_CAPTURES) {
        add_problem(to, "too many captures", 0);
        return;
    }
    pattern->captures[n] = KP_CAPTURE_OPEN;
    if (to->end - to->p > 1 && to->p[1] == ')') {
        pattern->captures[n] = KP_CAPTURE_POSITION;
        to->p++;
    }
    add_item(to, KP_ITEM_OPEN, n);
    pattern->n_captures++;
    to->p++;
}

/* Ends the capture that was opened last of those that are open. */
static void
add_close(struct compiler *to)
{
    struct kp_pattern *pattern = to->pattern;

    for (int i = pattern->n_captures - 1; i >= 0; i--) {
        if (pattern->captures[i] == KP_CAPTURE_OPEN) {
            pattern->captures[i] = KP_CAPTURE_CLOSED;
            add_item(to, KP_ITEM_CLOSE, i);
            to->p++;
            return;
        }
    }
    add_problem(to, "invalid pattern capture", 0);
}

static void
add_backref(struct compiler *to, int number)
{
    struct kp_pattern *pattern = to->pattern;
    int i = number - 1;

    if (i < 0 || i >= pattern->n_captures || pattern->captures[i] == KP_CAPTURE_OPEN) {
        add_problem(to, "invalid capture index %%%d", number);
        return;
    }
    bool is_text = pattern->captures[i] == KP_CAPTURE_CLOSED;
    struct kp_item *item = add_item(to, is_text ? KP_ITEM_BACKREF : KP_ITEM_NEVER, i);
    pattern->free_of = item + 1;
    to->p += 2;
}

static void
add_balance(struct compiler *to)
{
    if (to->end - to->p < 4) {
        add_problem(to, "malformed pattern (missing arguments to '%%b')", 0);
        return;
    }
    struct kp_item *item = add_item(to, KP_ITEM_BALANCE, (unsigned char)to->p[2]);
    item->closer = (uint8_t)to->p[3];
    to->p += 4;
}

static void
add_frontier(struct compiler *to)
{
    to->p += 2;
    if (to->p == to->end || *to->p != '[') {
        add_problem(to, "missing '[' after '%%f' in pattern", 0);
        return;
    }
    to->p++;
    struct kp_set *set = read_set(to);
    if (set == NULL) {
        add_problem(to, "malformed pattern (missing ']')", 0);
        return;
    }
    struct kp_item *item = add_item(to, KP_ITEM_FRONTIER, 0);
    item->single = KP_SINGLE_SET;
    item->set = set;
}

/* What % is followed by says what it is. */
static void
add_percent(struct compiler *to)
{
    char second = to->p + 1 < to->end ? to->p[1] : '\0';

    if (second == 'b')
        add_balance(to);
    else if (second == 'f')
        add_frontier(to);
    else if (second >= '0' && second <= '9')
        add_backref(to, second - '0');
    else
        add_single(to);
}

static void
add_next(struct compiler *to)
{
    switch (*to->p) {
    case '(':
        add_open(to);
        return;
    case ')':
        add_close(to);
        return;
    case '%':
        add_percent(to);
        return;
    case '$':
        if (to->p + 1 == to->end) {
            add_item(to, KP_ITEM_END, 0);
            to->p++;
            return;
        }
        break;
    default:
        break;
    }
    add_single(to);
}

/* A character that each match begins with makes it possible to skip to where it is. */
static const struct kp_item *
first_of(const struct kp_pattern *pattern)
{
    const struct kp_item *item = pattern->items;

    while (item->kind == KP_ITEM_OPEN)
        item++;
    bool has_one = item->kind == KP_ITEM_CHAR || item->kind == KP_ITEM_ONE ||
                   item->kind == KP_ITEM_PLUS;
    return has_one ? item : NULL;
}

void
kp_pattern_compile(struct kp_pattern *pattern, void *memory, const char *text, size_t len,
                   bool with_anchor)
{
    struct compiler to = {.pattern = pattern, .p = text, .end = text + len};

    pattern->items = memory;
    pattern->sets = (struct kp_set *)(pattern->items + len + 1);
    pattern->free_of = pattern->items;
    pattern->problem = NULL;
    pattern->problem_index = 0;
    pattern->n_captures = 0;
    pattern->is_anchored = with_anchor && len > 0 && *text == '^';
    to.p += pattern->is_anchored;
    to.item = pattern->items;
    to.set = pattern->sets;
    while (to.p < to.end)
        add_next(&to);
    pattern->done = add_item(&to, KP_ITEM_DONE, 0);
    pattern->first = first_of(pattern);
}
