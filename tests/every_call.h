/*
 * every_call.h - a call of every function of kelpie.h, as a host would do it in a callback
 *
 * X(name, expression). In the expression w is the world of the test (reentry_kit.h), c is a
 * connection: open, closed, or NULL.
 */
#ifndef EVERY_CALL_H
#define EVERY_CALL_H

#define EVERY_CALL(X)                                                                    \
 X(kelpie_strerror, kelpie_strerror(KELPIE_ECLOSED))                                     \
 X(kelpie_version, kelpie_version())                                                     \
 X(kelpie_new, make_another())                                                           \
 X(kelpie_free, kelpie_free(w->k))                                                       \
 X(kelpie_errmsg, kelpie_errmsg(w->k))                                                   \
 X(kelpie_preload, kelpie_preload(w->k, "more", open_nothing))                           \
 X(kelpie_load, kelpie_load(w->k, "/nowhere"))                                           \
 X(kelpie_load_string,                                                                   \
   kelpie_load_string(w->k, reentry_script, strlen(reentry_script), "=new"))             \
 X(kelpie_check, expect_misuse(kelpie_check(w->k, "/nowhere")))                          \
 X(kelpie_listen, kelpie_listen(w->k, "127.0.0.1:0"))                                    \
 X(kelpie_listen_fd, kelpie_listen_fd(w->k, w->pipe[0], NULL))                           \
 X(kelpie_control, kelpie_control(w->k, w->control))                                     \
 X(kelpie_adopt, adopt_one(w))                                                           \
 X(kelpie_run, expect_misuse(kelpie_run(w->k)))                                          \
 X(kelpie_stop, kelpie_stop(w->k))                                                       \
 X(kelpie_reload, kelpie_reload(w->k))                                                   \
 X(kelpie_rollback, kelpie_rollback(w->k))                                               \
 X(kelpie_watch_scripts, kelpie_watch_scripts(w->k, 1))                                  \
 X(kelpie_drain, kelpie_drain(w->k))                                                     \
 X(kelpie_post, kelpie_post(w->k, reentry_nothing, w))                                   \
 X(kelpie_input, kelpie_input(w->k, "typed", 5))                                         \
 X(kelpie_fd, kelpie_fd(w->k))                                                           \
 X(kelpie_timeout, kelpie_timeout(w->k))                                                 \
 X(kelpie_step, expect_misuse(kelpie_step(w->k, 0)))                                     \
 X(kelpie_watch, kelpie_watch(w->k, w->pipe[0], reentry_nothing_with, w))                \
 X(kelpie_unwatch, kelpie_unwatch(w->k, w->watched[0]))                                  \
 X(kelpie_get_stats, kelpie_get_stats(w->k, &w->stats))                                  \
 X(kelpie_set_handlers, kelpie_set_handlers(w->k, NULL, NULL))                           \
 X(kelpie_set_framing, kelpie_set_framing(w->k, "crlf", 100))                            \
 X(kelpie_conn_send, kelpie_conn_send(c, "sent", 4))                                     \
 X(kelpie_conn_write, kelpie_conn_write(c, w->much, sizeof(w->much)))                    \
 X(kelpie_conn_finish, kelpie_conn_finish(c))                                            \
 X(kelpie_conn_close, kelpie_conn_close(c, "inside"))                                    \
 X(kelpie_conn_abort, kelpie_conn_abort(c))                                              \
 X(kelpie_conn_pause, kelpie_conn_pause(c))                                              \
 X(kelpie_conn_resume, kelpie_conn_resume(c))                                            \
 X(kelpie_conn_set_timeout, kelpie_conn_set_timeout(c, 1))                               \
 X(kelpie_conn_set_framing, kelpie_conn_set_framing(c, "raw"))                           \
 X(kelpie_conn_id, kelpie_conn_id(c))                                                    \
 X(kelpie_conn_number, kelpie_conn_number(c))                                            \
 X(kelpie_conn_peer, kelpie_conn_peer(c))                                                \
 X(kelpie_conn_listener, kelpie_conn_listener(c))                                        \
 X(kelpie_conn_server, kelpie_conn_server(c))                                            \
 X(kelpie_conn_is_open, kelpie_conn_is_open(c))                                          \
 X(kelpie_conn_queued, kelpie_conn_queued(c))                                            \
 X(kelpie_conn_set_user, kelpie_conn_set_user(c, w))                                     \
 X(kelpie_conn_user, kelpie_conn_user(c))                                                \
 X(kelpie_find, kelpie_find(w->k, kelpie_conn_id(c)))                                    \
 X(kelpie_client, kelpie_client(w->k, kelpie_conn_number(c)))                            \
 X(kelpie_conns, kelpie_conns(w->k, w->conns, 2))                                        \
 X(kelpie_broadcast, kelpie_broadcast(w->k, "all", 3, c))                                \
 X(kelpie_connect, reentry_connect(w))                                                   \
 X(kelpie_attempt_cancel, cancel_attempt(w))                                             \
 X(kelpie_detached, detach_one(w))                                                       \
 X(kelpie_conn_feed, kelpie_conn_feed(c, "fed\n", 4))                                    \
 X(kelpie_conn_feed_end, kelpie_conn_feed_end(c))                                        \
 X(kelpie_conn_writable, kelpie_conn_writable(c))                                        \
 X(kelpie_room_open, join_another_room(w, c))                                            \
 X(kelpie_room_close, reentry_close_room(w))                                             \
 X(kelpie_room_join, kelpie_room_join(w->room, c))                                       \
 X(kelpie_room_leave, kelpie_room_leave(w->room, c))                                     \
 X(kelpie_room_has, kelpie_room_has(w->room, c))                                         \
 X(kelpie_conn_leave_all, kelpie_conn_leave_all(c))                                      \
 X(kelpie_room_send, kelpie_room_send(w->room, "room", 4, c))                            \
 X(kelpie_room_write, kelpie_room_write(w->room, w->much, sizeof(w->much), NULL))        \
 X(kelpie_room_name, kelpie_room_name(w->room))                                          \
 X(kelpie_room_members, kelpie_room_members(w->room, w->conns, 2))                       \
 X(kelpie_conn_rooms, kelpie_conn_rooms(c, NULL, 0))                                     \
 X(kelpie_room_count, kelpie_room_count(w->room))                                        \
 X(kelpie_after, kelpie_after(w->k, NULL, 1, reentry_nothing, w))                        \
 X(kelpie_every, kelpie_every(w->k, NULL, 1, reentry_nothing, w))                        \
 X(kelpie_timer_cancel, cancel_timer(w))

#endif
