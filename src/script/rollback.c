/*
 * rollback.c - back to the generation before, which was kept warm
 *
 *     give back   the newest data, into the old state (giveback.c); all or nothing
 *     swap        the pointer, and on_load("rollback") (swap.c); if it raises, back again
 *     adopt       each connection
 *
 * Connections, rooms and what is queued are not in Lua, so nothing happens to them. Data go
 * back only between generations of the same schema. Otherwise the old one has its data as
 * they were before the swap, which is what it understands; what has changed since is lost,
 * and is counted.
 *
 * The generation gets no new number: 3 is the same scripts in the same state of Lua that 3
 * was before. The one that failed keeps its number for ever, and the next one gets the next.
 */
#include "rollback.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "generation.h"
#include "giveback.h"
#include "reload.h"
#include "source.h"
#include "swap.h"
#include "tell.h"

static int
check_may_roll_back(struct kp_script *script)
{
    if (script->in_call)
        return kp_tell_refusal(script, KELPIE_EMISUSE, "no roll-back inside a handler");
    if (!script->previous)
        return kp_tell_refusal(script, -ENOENT, "there is no generation to roll back to");
    return 0;
}

static void
tell_given_back(struct kp_script *script, const struct kp_giveback *given)
{
    kp_tell(script, "%zu kept root%s and the data of %zu connection%s came back",
            given->n_roots, kp_tell_plural(given->n_roots), given->n_conns,
            kp_tell_plural(given->n_conns));
}

static void
tell_lost(struct kp_script *script, const struct kp_giveback *lost, lua_Integer schema,
          lua_Integer old_schema)
{
    kp_tell(script,
            "schema %lld is not %lld: kept data are as they were before the reload; what "
            "changed since in %zu kept root%s and the data of %zu connection%s is lost",
            (long long)schema, (long long)old_schema, lost->n_roots,
            kp_tell_plural(lost->n_roots), lost->n_conns, kp_tell_plural(lost->n_conns));
}

/* Brings the data to the old generation, or says that it does not. */
static int
give_back(struct kp_script *script)
{
    struct kp_generation *from = script->live, *to = script->previous;
    struct kp_giveback given;

    if (from->schema != to->schema) {
        kp_giveback_count(from, &given);
        tell_lost(script, &given, from->schema, to->schema);
        return 0;
    }
    int rc = kp_giveback(from, to, &given);
    if (rc == 0)
        tell_given_back(script, &given);
    return rc;
}

static int
reject(struct kp_script *script, int rc)
{
    if (rc == -ENOMEM)
        snprintf(script->error, KP_ERROR_SIZE, "not enough memory");
    kp_tell_failure(script, "roll-back rejected");
    kp_tell_log(script, KELPIE_LOG_ERROR);
    return rc;
}

int
kp_rollback(struct kp_script *script, const char *why)
{
    int rc = check_may_roll_back(script);
    if (rc != 0)
        return rc;

    uint64_t number = script->live->number;
    kp_tell_clear(script);
    script->error[0] = '\0';
    rc = give_back(script);
    if (rc == 0)
        rc = kp_swap_back(script);
    if (rc != 0)
        return reject(script, rc);

    script->error[0] = '\0';
    script->rollbacks++;
    kp_tell_sentence(script, "generation %" PRIu64 " rolled back to %" PRIu64 ": %s",
                     number, script->live->number, why ? why : "somebody asked for it");
    kp_tell_log(script, KELPIE_LOG_WARN);
    kp_swap_adopt(script);
    return 0;
}

int
kp_reload_rollback(struct kp_script *script)
{
    return kp_rollback(script, NULL);
}

/* Returns whether all files of a content are what they were, beginning with the main one. */
static bool
is_still_there(struct kp_sources *sources, const struct kp_content *content)
{
    const struct kp_content_file *first =
        kp_container_of(content->files.next, struct kp_content_file, node);
    const struct kp_source_file *file;

    if (kp_sources_read_main(sources, &file) != 0 || strcmp(file->path, first->path) != 0)
        return false;
    kp_list_each(node, &content->files) {
        const struct kp_content_file *known =
            kp_container_of(node, struct kp_content_file, node);

        if (kp_sources_read(sources, known->path, &file) != 0 ||
            kp_content_compare(content, file) != 0)
            return false;
    }
    return true;
}

bool
kp_reload_is_rolled_back_content(struct kp_script *script)
{
    struct kp_sources sources;

    if (kp_list_is_empty(&script->rolled_back.files))
        return false;
    kp_sources_init(&sources, script);
    bool is_same = is_still_there(&sources, &script->rolled_back);
    kp_sources_clear(&sources);
    return is_same;
}
