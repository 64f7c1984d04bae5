/*
 * stage.h - a new generation, made ready beside the one that serves
 */
#ifndef KP_STAGE_H
#define KP_STAGE_H

#include "carry.h"
#include "source.h"

#define KP_STAGE_TRIES 3 /* when files change while they are read */

struct kp_stage {
    struct kp_script *script;
    struct kp_generation *from; /* whose state is carried; NULL: none */
    bool drop;                  /* leave out what cannot cross */
    uint64_t number;            /* of the new generation */

    struct kp_sources sources;
    const struct kp_source_file *main;
    struct kp_generation *gen; /* the new one, until it is taken */
    struct kp_carry carry;
    bool has_carry;
    char where[64]; /* what runs beside the script itself: "self_test", "migrate" */
};

/* Reads, compiles, runs, checks the script, and carries the state of `from` (NULL: none)
 * across. Changes nothing but the stage, script->error, script->report, to which it adds what
 * was left behind, and script->last_generation.
 * Returns   0; KELPIE_ESCRIPT, -ENOMEM, negative errno of reading the main file: then
 *           script->error is the reason, further lines are details.
 * Gives     the stage, for kp_stage_take or kp_stage_clear, in any case. */
int kp_stage_run(struct kp_stage *stage, struct kp_script *script,
                 struct kp_generation *from, bool drop) KP_MUST_CHECK;

/* Frees all of the stage but the new generation.
 * Gives     that generation, for kp_generation_free. */
struct kp_generation *kp_stage_take(struct kp_stage *stage) KP_MUST_CHECK;

/* Frees the stage with its generation. */
void kp_stage_clear(struct kp_stage *stage);

#endif
