/*
 * carry_report.c - what is said about values on their way, collected until somebody reads it
 *
 * Memory may be what is missing: the count is right in any case, a text may be absent.
 */
#include <stdarg.h>
#include <stdio.h>

#include "carry.h"

/* Adds a text to a list, if there is memory for it. */
static void
add_text(struct kp_carry *carry, struct kp_node *list, const char *format, va_list args)
{
    struct kp_carry_problem *problem =
        kp_mem_alloc(&carry->from->script->env->mem, sizeof *problem);

    if (!problem)
        return;
    kp_list_init(&problem->node);
    vsnprintf(problem->text, sizeof problem->text, format, args);
    kp_list_append(list, &problem->node);
}

void
kp_carry_report(struct kp_carry *carry, const char *format, ...)
{
    va_list args;

    if (++carry->n_problems > KP_CARRY_MAX_PROBLEMS)
        return;
    va_start(args, format);
    add_text(carry, &carry->problems, format, args);
    va_end(args);
}

void
kp_carry_note_unasked(struct kp_carry *carry, const char *format, ...)
{
    va_list args;

    if (++carry->n_unasked > KP_CARRY_MAX_PROBLEMS)
        return;
    va_start(args, format);
    add_text(carry, &carry->unasked, format, args);
    va_end(args);
}

void
kp_carry_clear_texts(struct kp_carry *carry)
{
    struct kp_mem *mem = &carry->from->script->env->mem;
    struct kp_node *node;

    kp_list_splice(&carry->problems, &carry->unasked);
    while ((node = kp_list_pop(&carry->problems)))
        kp_mem_free(mem, kp_container_of(node, struct kp_carry_problem, node),
                    sizeof(struct kp_carry_problem));
}
