/*
 * pattern.h - patterns of Lua, compiled and matched
 *
 * As the manual of Lua 5.4 describes them in 6.4.1. A pattern is compiled into a program, one
 * item for each of its parts; the program is matched against a subject from left to right.
 * Nothing here knows of Lua states: what may take long is told to a hook, which may jump out.
 */
#ifndef KP_PATTERN_H
#define KP_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KP_PATTERN_CAPTURES 32

/* What one character is compared with. The classes come in pairs: a class, and all else. */
enum kp_single {
    KP_SINGLE_ANY,
    KP_SINGLE_CHAR,
    KP_SINGLE_SET,
    KP_SINGLE_ALPHA, /* %a %A %c %C %d ... */
    KP_SINGLE_NOT_ALPHA,
    KP_SINGLE_CNTRL,
    KP_SINGLE_NOT_CNTRL,
    KP_SINGLE_DIGIT,
    KP_SINGLE_NOT_DIGIT,
    KP_SINGLE_GRAPH,
    KP_SINGLE_NOT_GRAPH,
    KP_SINGLE_LOWER,
    KP_SINGLE_NOT_LOWER,
    KP_SINGLE_PUNCT,
    KP_SINGLE_NOT_PUNCT,
    KP_SINGLE_SPACE,
    KP_SINGLE_NOT_SPACE,
    KP_SINGLE_UPPER,
    KP_SINGLE_NOT_UPPER,
    KP_SINGLE_ALNUM,
    KP_SINGLE_NOT_ALNUM,
    KP_SINGLE_XDIGIT,
    KP_SINGLE_NOT_XDIGIT,
    KP_SINGLE_ZERO,
    KP_SINGLE_NOT_ZERO,
};

enum kp_item_kind {
    KP_ITEM_CHAR, /* one character that is c */
    KP_ITEM_ONE,  /* one character that fits single */
    KP_ITEM_STAR, /* from here: choices, they have more than one way to go on */
    KP_ITEM_PLUS,
    KP_ITEM_LAZY,
    KP_ITEM_OPTIONAL, /* to here */
    KP_ITEM_OPEN,     /* capture c begins */
    KP_ITEM_CLOSE,    /* capture c ends */
    KP_ITEM_BACKREF,  /* capture c again */
    KP_ITEM_BALANCE,  /* %bxy: x is c, y is closer */
    KP_ITEM_FRONTIER, /* %f[set] */
    KP_ITEM_END,      /* $ */
    KP_ITEM_NEVER,    /* what cannot match */
    KP_ITEM_BAD,      /* here the pattern is malformed: an error, once it is reached */
    KP_ITEM_DONE,
};

#define KP_SET_CLASSES 22 /* as many as there are */

/* A set in brackets. With classes, its bits hold for the characters that are known: it asks
 * them for each character once. */
struct kp_set {
    uint8_t bits[32];
    uint8_t known[32];               /* in use if there are classes */
    uint8_t classes[KP_SET_CLASSES]; /* enum kp_single */
    uint8_t n_classes;
    bool is_negated; /* of what is not known */
};

struct kp_item {
    uint8_t kind;
    uint8_t single;
    uint8_t c;
    uint8_t closer;
    struct kp_set *set;
    /* of a choice, while it has ways to go on: */
    const char *at;         /* the end of what it takes now */
    const char *low;        /* the least that it can take ends here */
    struct kp_item *before; /* the choice to go back to when this one has no way left */
    /* what is known about the subject, by position; NULL as long as it does not pay: */
    union {
        uint8_t *failed;   /* of a choice: a bit where the items behind it do not match */
        uint32_t *partner; /* of BALANCE: the end of what begins here; 0: none */
    };
};

enum kp_capture_kind { KP_CAPTURE_OPEN, KP_CAPTURE_CLOSED, KP_CAPTURE_POSITION };

struct kp_pattern {
    struct kp_item *items;
    struct kp_set *sets;
    const struct kp_item *first; /* a character that each match begins with; NULL: none */
    struct kp_item *free_of;     /* no item from here on depends on a capture */
    struct kp_item *done;        /* the last one */
    const char *problem;         /* of the item that is KP_ITEM_BAD: a text for printf, */
    int problem_index;           /* with this number, if it has a %d */
    int n_captures;
    uint8_t captures[KP_PATTERN_CAPTURES]; /* what they are at the end: kp_capture_kind */
    bool is_anchored;
};

/* Returns how many bytes the items and sets of a pattern of len bytes need at most. */
size_t kp_pattern_size(size_t len);

/* Compiles a pattern; with_anchor: a ^ in front is one. Errors become items, because an error
 * behind what does not match is none.
 * Borrows   memory of kp_pattern_size bytes, aligned for pointers.
 * See       Lua 5.4 manual, 6.4.1. */
void kp_pattern_compile(struct kp_pattern *pattern, void *memory, const char *text,
                        size_t len, bool with_anchor);

struct kp_match_hooks {
    void (*step)(void *arg); /* now and then; may jump out */
    /* Gives size bytes, set to 0, that live as long as the match; may jump out. */
    void *(*alloc)(void *arg, size_t size);
    void *arg;
};

/* A pattern on its way through a subject. */
struct kp_match {
    struct kp_pattern *pattern;
    struct kp_match_hooks hooks;
    const char *subject, *subject_end;
    const char *start, *end;  /* of the match that was found last */
    const char *rejected_end; /* where the match before ended: none may end there; NULL */
    struct {
        const char *start, *end;
    } captures[KP_PATTERN_CAPTURES];
    int fuel;            /* steps until the hook is called */
    bool remembers;      /* failed and partner are in use */
    bool is_cut_off;     /* the search before was ended by an error */
    uint64_t n_failures; /* how often it had to go back */
    uint64_t n_steps;    /* without those that fuel still counts */
};

/* Starts on a subject of len bytes, not terminated. */
void kp_match_init(struct kp_match *match, struct kp_pattern *pattern,
                   const char *subject, size_t len, const struct kp_match_hooks *hooks);

/* Finds the first match that starts at `from` or later, or at `from` if it is anchored. One
 * must not go back in a subject: `from` is the end of the match before, or behind it.
 * Returns   1: found; 0: none; -1: the pattern is malformed, pattern->problem says how. */
int kp_match_find(struct kp_match *match, const char *from);

/* Finds bytes as they are; the subject is that of match, which needs no pattern.
 * Returns   the place, or NULL. */
const char *kp_match_plain(struct kp_match *match, const char *from, const char *bytes,
                           size_t len);

/* Returns how many steps were made. A step is one way tried, or 16 bytes looked over. */
uint64_t kp_match_steps(const struct kp_match *match);

#endif
