/*
 * load_echo.c - every connection sends messages and gets them back, in their order
 */
#include "kit.h"
#include "load.h"

static void
on_answer(struct load *load, struct stream *stream, uint64_t now_ns)
{
    meter_count(&load->meter, now_ns - stream->sent_ns[stream->n_got % load->window]);
}

static void
check(struct load *load, struct stream *stream, const char *bytes, size_t len,
      uint64_t now_ns)
{
    load_verify(load, stream, stream, bytes, len, on_answer, now_ns);
}

static bool
is_complete(const struct load *load)
{
    for (unsigned i = 0; i < load->n_conns; i++)
        if (load->streams[i].n_got < load->streams[i].n_sent)
            return false;
    return true;
}

void
load_echo(struct load *load)
{
    static const struct load_talk talk = {check, is_complete};

    if (!dialect_make(&load->dialect, load->dialect_name, DIALECT_ECHO, load->size, 0))
        bench_give_up(load->dialect_name, "no such dialect");
    load_open(load, load->n_conns);
    load_talk(load, &talk);
}
