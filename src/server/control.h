/*
 * control.h - the control socket: what the operator asks a running server
 *
 * Private to src/server. control.c has the socket, control_client.c one client and its lines,
 * control_commands.c what they may say.
 */
#ifndef KP_CONTROL_H
#define KP_CONTROL_H

#include "net/unix_file.h"
#include "server.h"

#define KP_CONTROL_CLIENTS 8   /* at a time; one more is told so */
#define KP_CONTROL_LINE    256 /* bytes of the longest command, with its newline */
#define KP_CONTROL_OUT     (64 * 1024) /* bytes that a client may leave unread */

/* What a client waits for. It gets one answer, at the end of the step that did it. */
enum kp_ask {
    KP_ASK_NOTHING,
    KP_ASK_RELOAD,
    KP_ASK_RELOAD_DROP,
    KP_ASK_DRY_RUN,
    KP_ASK_ROLLBACK,
    KP_ASK_PROBATION, /* the reload was done; will the new generation stay? */
};

struct kp_control_client {
    struct kp_control *control;
    struct kp_source source; /* fd -1: this place is free */
    char in[KP_CONTROL_LINE];
    size_t n_in;
    struct kp_buf out;
    enum kp_ask ask;     /* commands wait behind it */
    bool waits;          /* for the end of the probation too */
    uint64_t generation; /* that is on probation */
    bool is_ended;       /* it has no more commands: goes when all is answered and sent */
    bool is_gone;        /* to be closed at the end of the step */
};

struct kp_control {
    kelpie *k;
    struct kp_source source; /* the listening socket */
    struct kp_unix_file file;
    struct kp_timer accept_timer; /* runs: no accepting until then */
    struct kp_control_client clients[KP_CONTROL_CLIENTS];
};

/* A phase of the step, the last one: does what clients have asked, beyond what kelpie_reload
 * and kelpie_rollback do; looks at probations; sends; frees who is gone. Does nothing without a control socket. */
void kp_control_serve(kelpie *k);

/* requests.c: a reload or roll-back is done; tells who waits for that here, and the host. */
void kp_requests_done(kelpie *k, enum kp_ask ask, int rc);

/* Answers everybody who waits for that. rc is the result, script->error its sentence. */
void kp_control_answer(kelpie *k, enum kp_ask ask, int rc);

/* Closes the control socket: who still waits is told that the server ends. */
void kp_control_close(kelpie *k);

/* control_client.c: a client takes a place and a connected socket.
 * Returns   0; -ENOMEM: the place is free, the socket the caller's. */
int kp_control_client_open(struct kp_control_client *client, struct kp_control *control,
                           int fd) KP_MUST_CHECK;

/* In each step: what was behind a command that is answered now, output, and the end. */
void kp_control_client_serve(struct kp_control_client *client);

/* Sends what can be sent and closes it, outside of a batch. */
void kp_control_client_close(struct kp_control_client *client);

/* Appends to what the client reads. A client that leaves too much unread, and one for whom
 * there is no memory, is gone. say: one line, escaped; put: bytes as they are; text: each
 * line of a text that is printable already, with a blank in front. */
void kp_control_say(struct kp_control_client *client, const char *format, ...)
    KP_PRINTF(2, 3);
void kp_control_put(struct kp_control_client *client, const void *bytes, size_t len);
void kp_control_text(struct kp_control_client *client, const char *text);

/* control_commands.c: obeys one command, a line without its newline, which it may change. */
void kp_control_obey(struct kp_control_client *client, char *line);

/* control_commands.c: tells one client the result of what it has asked. One that waits for the
 * end of the probation is told after it, by kp_control_tell_probation, when it is over. */
void kp_control_tell(struct kp_control_client *client, int rc);
void kp_control_tell_probation(struct kp_control_client *client);

#endif
