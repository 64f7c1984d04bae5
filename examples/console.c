/*
 * console.c - a program that computes, with a console on a port beside it
 *
 *     ./console 127.0.0.1:7000     (or unix:/tmp/console)
 *
 * The main thread counts primes. The console has a thread of its own, which alone touches the
 * server; the main thread tells it with kelpie_post of every hundred thousandth prime.
 */
#include <kelpie.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static atomic_ulong n_primes;
static atomic_bool stop_wanted;

static int
on_message(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    char text[64] = "commands: status, stop";

    (void)arg;
    if (len == 6 && memcmp(message, "status", 6) == 0)
        snprintf(text, sizeof(text), "%lu primes", atomic_load(&n_primes));
    if (len == 4 && memcmp(message, "stop", 4) == 0) {
        atomic_store(&stop_wanted, true);
        snprintf(text, sizeof(text), "stopping");
    }
    return kelpie_conn_send(conn, text, strlen(text));
}

/* Posted: runs on the console's thread. */
static void
tell_everybody(void *arg)
{
    kelpie_broadcast(arg, "another hundred thousand", 24, NULL);
}

static void *
run_console(void *arg)
{
    kelpie_run(arg);
    return NULL;
}

static bool
is_prime(unsigned long n)
{
    for (unsigned long i = 2; i * i <= n; i++)
        if (n % i == 0)
            return false;
    return n > 1;
}

int
main(int argc, char **argv)
{
    struct kelpie_handlers handlers = {.size = sizeof(handlers),
                                       .on_message = on_message};
    pthread_t thread;
    kelpie *k;

    if (kelpie_new(&k, NULL) < 0 || kelpie_set_handlers(k, &handlers, NULL) < 0)
        return 1;
    int port = kelpie_listen(k, argc > 1 ? argv[1] : "127.0.0.1:8080");
    if (port < 0 || pthread_create(&thread, NULL, run_console, k) != 0)
        return fprintf(stderr, "console: %s\n", kelpie_errmsg(k)), 1;
    fprintf(stderr, "listening, port %d\n", port);
    for (unsigned long n = 0; !atomic_load(&stop_wanted); n++) {
        if (is_prime(n) && (atomic_fetch_add(&n_primes, 1) + 1) % 100000 == 0)
            kelpie_post(k, tell_everybody, k);
    }
    kelpie_drain(k); /* the answer is still sent */
    pthread_join(thread, NULL);
    kelpie_free(k);
    return 0;
}
