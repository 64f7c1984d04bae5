/*
 * siege_script.c - what a script of the corpus says about itself
 *
 * Only the comments at the very top count: `-- key: word`, and free text in between. A key
 * or a word that is not known is an error, so that a misspelt expectation is none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "siege.h"

const char *const siege_expectations[SIEGE_N_EXPECTATIONS] = {
    "killed", "error", "memory", "refused", "ended", "load-rejected",
};

static const char *const triggers[] = {"message", "disconnect", "input", "load", NULL};

/* Returns the place of word among n words, or -1. */
static int
find_word(const char *word, const char *const *words, int n)
{
    for (int i = 0; i < n && words[i]; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    return -1;
}

static bool
take_key(struct siege_script *script, const char *key, const char *word)
{
    int n;

    if (strcmp(key, "expect") == 0) {
        n = find_word(word, siege_expectations, SIEGE_N_EXPECTATIONS);
        script->expect = (enum siege_expectation)n;
        return n >= 0;
    }
    if (strcmp(key, "trigger") == 0) {
        n = find_word(word, triggers, 4);
        script->trigger = (enum siege_trigger)n;
        return n >= 0;
    }
    if (strcmp(key, "reload") == 0) {
        script->rejects_reload = true;
        return strcmp(word, "rejected") == 0;
    }
    if (strcmp(key, "generation") == 0) {
        script->generation = strtoul(word, NULL, 10);
        return script->generation > 0;
    }
    script->linger_ms = atoi(word);
    return strcmp(key, "linger") == 0 && script->linger_ms > 0;
}

const char *
siege_read(struct siege_script *script)
{
    char line[256], key[32], blank[2], word[32];
    const char *wrong = "no file";
    FILE *file = fopen(script->path, "r");

    script->expect = SIEGE_N_EXPECTATIONS;
    script->trigger = SIEGE_MESSAGE;
    script->rejects_reload = false;
    script->linger_ms = 0;
    script->generation = 1;
    if (!file)
        return wrong;
    wrong = NULL;
    while (!wrong && fgets(line, sizeof line, file) && strncmp(line, "--", 2) == 0)
        if (sscanf(line, "-- %31[a-z]:%1[ ]%31[a-z0-9-]", key, blank, word) == 3 &&
            !take_key(script, key, word))
            wrong = "a key or a word that is not known";
    fclose(file);
    if (!wrong && script->expect == SIEGE_N_EXPECTATIONS)
        wrong = "it does not say what to expect";
    if (!wrong &&
        (script->trigger == SIEGE_LOAD) != (script->expect == SIEGE_LOAD_REJECTED))
        wrong = "load-rejected and trigger: load go together";
    return wrong;
}
