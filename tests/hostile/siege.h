/*
 * siege.h - one hostile script against one live server
 *
 * A script of the corpus says in comments at its top what has to become of it:
 *
 *     -- expect: killed         a handler was ended by the watchdog
 *               error           a handler raised, and was not killed
 *               memory          ... for want of memory, unless it was killed before
 *               refused         the attack came to nothing, and the script noticed: it has
 *                               answered "survived"
 *               ended           any of these; which one depends on the machine
 *               load-rejected   it never came into service; the script before serves
 *     -- trigger: message       how it is set off; this is the default: A sends "attack"
 *                disconnect     A goes
 *                input          the operator types "attack"
 *                load           it is loaded into a server that runs (with load-rejected)
 *     -- reload: rejected       the good script that is loaded afterwards must not come in
 *     -- generation: N          which one serves after the attack; the first, without it
 *     -- linger: MS             how long B goes on after that
 *
 * Client B sends a ping every millisecond from the first to the last moment, and must be
 * answered each time.
 */
#ifndef SIEGE_H
#define SIEGE_H

#include <stdbool.h>
#include <stdint.h>

enum siege_expectation {
    SIEGE_KILLED,
    SIEGE_ERROR,
    SIEGE_MEMORY,
    SIEGE_REFUSED,
    SIEGE_ENDED,
    SIEGE_LOAD_REJECTED,
    SIEGE_N_EXPECTATIONS
};

extern const char *const siege_expectations[SIEGE_N_EXPECTATIONS];

enum siege_trigger { SIEGE_MESSAGE, SIEGE_DISCONNECT, SIEGE_INPUT, SIEGE_LOAD };

struct siege_script {
    char path[256];
    enum siege_expectation expect;
    enum siege_trigger trigger;
    bool rejects_reload;
    int linger_ms;
    unsigned long generation;
};

struct siege_result {
    bool is_well;
    double ended_ms; /* from setting it off to its end */
    double wait_ms;  /* B's longest wait for an answer */
    double free_ms;  /* how long kelpie_free took */
    unsigned kills, errors;
    char why[1024];
};

/* Limits of the server, in ms. */
#define SIEGE_HANDLER_MS 100
#define SIEGE_PATIENT_MS 2000 /* for what ends by itself, unless times are judged */
#define SIEGE_LOAD_MS    500

/* Reads the comments at the top of the script at script->path.
 * Returns   NULL, or what is wrong with them. */
const char *siege_read(struct siege_script *script);

/* Runs the script. good_path is a script that is not hostile. is_strict: times count. */
void siege_run(const struct siege_script *script, const char *good_path, bool is_strict,
               struct siege_result *result);

#endif
