/*
 * test_room.c - named sets of connections, and one message to all of them
 */
#include "net_kit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/cast.h"

#define UNUSED __attribute__((unused))
#define N      4

/* Four connections, all in the room "lobby". */
struct lobby {
    struct net_kit *kit;
    struct kelpie_room *room;
    struct kelpie_conn *conns[N];
    int peers[N];
};

static struct lobby
make_lobby(struct net_kit *kit)
{
    struct lobby lobby = {.kit = kit};

    assert_int_equal(kp_room_open(&kit->net, &lobby.room, "lobby", 5), 0);
    for (int i = 0; i < N; i++) {
        lobby.peers[i] = nk_pair(kit, &lobby.conns[i]);
        assert_int_equal(kp_room_join(lobby.room, lobby.conns[i]), 1);
    }
    return lobby;
}

static void
end_lobby(struct lobby *lobby)
{
    for (int i = 0; i < N; i++)
        close(lobby->peers[i]);
    kp_room_unref(lobby->room);
}

static int
room_send(struct kelpie_room *room, const char *text, const struct kelpie_conn *except)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};

    return kp_room_send(room, &part, 1, true, except);
}

static void
given_a_name_when_opened_twice_then_it_is_the_same_room_until_nobody_holds_it(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_room *one, *same, *other;

    assert_int_equal(kp_room_open(&kit->net, &one, "a\0b", 3), 0);
    assert_int_equal(kp_room_open(&kit->net, &same, "a\0b", 3), 0);
    assert_int_equal(kp_room_open(&kit->net, &other, "a\0c", 3), 0);

    assert_ptr_equal(one, same);
    assert_ptr_not_equal(one, other);
    assert_int_equal(kit->net.n_rooms, 2);
    kp_room_ref(other);
    kp_room_unref(other);
    kp_room_unref(other);
    kp_room_unref(one);
    assert_int_equal(kit->net.n_rooms, 1);
    kp_room_unref(same);
    assert_int_equal(kit->net.n_rooms, 0);
}

static void
given_a_connection_when_it_joins_and_leaves_then_the_room_lives_with_its_members(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    struct kelpie_room *room;
    int peer = nk_pair(kit, &conn);

    assert_int_equal(kp_room_open(&kit->net, &room, "", 0), 0);
    assert_int_equal(kp_room_join(room, conn), 1);
    assert_int_equal(kp_room_join(room, conn), 0);
    kp_room_unref(room);
    assert_true(kp_room_has(room, conn));
    assert_int_equal(kp_room_count(room), 1);
    kp_room_ref(room);
    assert_int_equal(kp_room_leave(room, conn), 1);
    assert_int_equal(kp_room_leave(room, conn), 0);

    assert_false(kp_room_has(room, conn));
    kp_room_unref(room);
    assert_int_equal(kit->net.n_rooms, 0);
    close(peer);
}

/* C13: stored once, shared by all. */
static void
given_members_when_sent_to_then_all_but_one_get_it_and_memory_holds_it_once(void **state)
{
    struct net_kit *kit = *state;
    struct lobby lobby = make_lobby(kit);
    char message[10000];
    memset(message, 'm', sizeof(message) - 1);
    message[sizeof(message) - 1] = '\0';
    size_t before = kit->env.mem.used;

    assert_int_equal(room_send(lobby.room, message, lobby.conns[1]), N - 1);
    size_t used = kit->env.mem.used - before;
    nk_settle(kit);

    assert_in_range(used, 10000, 12000);
    assert_int_equal(kit->net.counters.messages_out, N - 1);
    for (int i = 0; i < N; i++)
        assert_int_equal(strlen(nk_hear(kit, lobby.peers[i])), i == 1 ? 0 : 10000);
    end_lobby(&lobby);
}

/* Sends ten lines; one of them not to the second member, which says something instead. */
static void
send_burst(struct lobby *lobby)
{
    for (int i = 0; i < 10; i++) {
        char line[] =
            "line 0, which is not short at all, but longer than a piece is large";
        line[5] = (char)('0' + i);
        assert_int_equal(room_send(lobby->room, line, i == 4 ? lobby->conns[1] : NULL),
                         i == 4 ? N - 1 : N);
        if (i == 4)
            assert_int_equal(nk_send(lobby->conns[1], "own"), 0);
    }
}

static void
hear_burst(struct net_kit *kit, struct lobby *lobby)
{
    for (int i = 0; i < N; i++) {
        const char *heard = nk_hear(kit, lobby->peers[i]);
        for (int j = 0; j < 10; j++, heard = strchr(heard, '\n') + 1) {
            assert_int_equal(strncmp(heard, j == 4 && i == 1 ? "own\n" : "line ", 4), 0);
            if (j != 4 || i != 1)
                assert_int_equal(heard[5], '0' + j);
        }
        assert_string_equal(heard, "");
    }
}

/* The first time teaches how much it comes to: from then on there is one chunk for all. */
static void
given_many_messages_in_a_step_when_sent_again_then_one_block_and_a_piece_for_each(
    void **state)
{
    struct net_kit *kit = *state;
    struct lobby lobby = make_lobby(kit);

    for (int i = 0; i < 3; i++) {
        size_t calls = kit->mem.calls;
        send_burst(&lobby);
        calls = kit->mem.calls - calls;
        if (i > 0)
            assert_int_equal(calls, 1 + N + 2); /* two more pieces of the second member */
        nk_settle(kit);
        hear_burst(kit, &lobby);
    }

    size_t before = kit->env.mem.used;
    assert_int_equal(room_send(lobby.room, "one", NULL), N);
    nk_settle(kit);
    assert_int_equal(room_send(lobby.room, "another", NULL), N);
    assert_true(kit->env.mem.used - before < N * 60 + 60); /* no room for more is kept */
    nk_settle(kit);
    assert_int_equal(kit->env.mem.used, before);
    end_lobby(&lobby);
}

static void
given_members_with_several_framings_when_sent_to_then_each_gets_its_own(void **state)
{
    static const struct kp_framing framings[] = {
        {.kind = KP_FRAME_CRLF},
        {.kind = KP_FRAME_NETSTRING},
        {.kind = KP_FRAME_DELIMITER, .delimiter_len = 1, .delimiter = ";"},
        {.kind = KP_FRAME_FIXED, .fixed_size = 2},
        {.kind = KP_FRAME_FIXED, .fixed_size = 3},
        {.kind = KP_FRAME_RAW},
        {.kind = KP_FRAME_LINE},
    };
    static const char *const heard[] = {"hi\r\n", "2:hi,", "hi;", "hi", "", "hi", "hi\n"};
    struct net_kit *kit = *state;
    struct kelpie_room *room;
    int peers[7];
    assert_int_equal(kp_room_open(&kit->net, &room, "mixed", 5), 0);
    for (int i = 0; i < 7; i++) {
        struct kelpie_conn *conn;
        kit->framing = framings[i];
        peers[i] = nk_pair(kit, &conn);
        assert_int_equal(kp_room_join(room, conn), 1);
    }

    assert_int_equal(room_send(room, "hi", NULL), 6);
    nk_settle(kit);

    for (int i = 0; i < 7; i++) {
        assert_string_equal(nk_hear(kit, peers[i]), heard[i]);
        close(peers[i]);
    }
    assert_int_equal(kit->net.counters.broadcast_skipped, 1);
    kp_room_unref(room);
}

static void
given_bytes_when_written_to_a_room_then_they_are_not_wrapped(void **state)
{
    struct net_kit *kit = *state;
    struct lobby lobby = make_lobby(kit);
    struct iovec parts[2] = {{.iov_base = "by", .iov_len = 2},
                             {.iov_base = "tes", .iov_len = 3}};

    assert_int_equal(kp_room_send(lobby.room, parts, 2, false, NULL), N);
    nk_settle(kit);

    assert_string_equal(nk_hear(kit, lobby.peers[0]), "bytes");
    assert_int_equal(kit->net.counters.messages_out, 0);
    end_lobby(&lobby);
}

/* C12: a full outbox is skipped and counted. */
static void
given_a_member_with_a_full_outbox_when_sent_to_then_it_is_skipped(void **state)
{
    struct net_kit *kit = *state;
    struct lobby lobby = make_lobby(kit);
    fault_sys_fail_from(&kit->sys, FAULT_SEND, 1, EAGAIN);
    assert_int_equal(nk_write(lobby.conns[2], kit->limits.max_outbox), 0);

    assert_int_equal(room_send(lobby.room, "hello", NULL), N - 1);

    assert_int_equal(kit->net.counters.broadcast_skipped, 1);
    assert_true(kp_conn_is_open(lobby.conns[2]));
    end_lobby(&lobby);
}

/* E5: nobody is closed while the room is walked; the dropped one stays until told. */
static void
given_a_send_that_drops_members_when_walking_then_the_walk_goes_on(void **state)
{
    struct net_kit *kit = *state;
    struct lobby lobby = make_lobby(kit);
    kit->net.limits.max_outbox_total = 30;
    fault_sys_fail_from(&kit->sys, FAULT_SEND, 1, EAGAIN);

    int taken = room_send(lobby.room, "ten bytes", NULL);
    assert_int_equal(lobby.room->count, N);
    assert_int_equal(kp_room_count(lobby.room), N - 1);
    nk_settle(kit);

    assert_int_equal(taken, N);
    assert_int_equal(lobby.room->count, N - 1);
    nk_told(kit, "disconnect 0 slow reader\ngone 0\n");
    end_lobby(&lobby);
}

/* E5: rule of who gets a broadcast, as a handler of a message does it. */
static void
send_leave_join(struct net_kit *kit, struct kelpie_conn *conn, const char *message UNUSED,
                size_t len UNUSED)
{
    struct lobby *lobby = kit->user;

    assert_int_equal(kp_room_leave(lobby->room, lobby->conns[1]), 1);
    assert_int_equal(room_send(lobby->room, "news", NULL), N - 1);
    assert_int_equal(kp_room_join(lobby->room, lobby->conns[1]), 1);
    kp_conn_close(conn, "left");
}

static void
given_a_handler_that_edits_the_room_when_it_sends_then_the_members_at_that_time_get_it(
    void **state)
{
    struct net_kit *kit = *state;
    struct lobby lobby = make_lobby(kit);
    kit->user = &lobby;
    kit->on_message = send_leave_join;

    nk_say(lobby.peers[0], "go\n");
    nk_settle(kit);

    assert_string_equal(nk_hear(kit, lobby.peers[0]), "news\n");
    assert_string_equal(nk_hear(kit, lobby.peers[1]), "");
    assert_string_equal(nk_hear(kit, lobby.peers[2]), "news\n");
    end_lobby(&lobby);
}

static bool
is_still_member(struct net_kit *kit, struct kelpie_conn *conn)
{
    struct lobby *lobby = kit->user;

    assert_true(kp_room_has(lobby->room, conn));
    assert_int_equal(kp_room_count(lobby->room), N - 1);
    assert_int_equal(kp_room_join(lobby->room, conn), KELPIE_ECLOSED);
    assert_int_equal(room_send(lobby->room, "left", NULL), N - 1);
    return true;
}

static void
given_a_member_that_ends_when_told_then_it_is_in_the_room_and_afterwards_not(void **state)
{
    struct net_kit *kit = *state;
    struct lobby lobby = make_lobby(kit);
    kit->user = &lobby;
    kit->on_disconnect = is_still_member;

    close(lobby.peers[3]);
    nk_settle(kit);
    kit->on_disconnect = NULL;

    assert_int_equal(lobby.room->count, N - 1);
    assert_int_equal(kit->net.counters.broadcast_skipped, 0);
    assert_string_equal(nk_hear(kit, lobby.peers[0]), "left\n");
    lobby.peers[3] = nk_pair(kit, &lobby.conns[3]);
    end_lobby(&lobby);
}

static void
given_no_memory_when_opening_joining_and_sending_then_nothing_has_changed(void **state)
{
    struct net_kit *kit = *state;
    struct lobby lobby = make_lobby(kit);
    struct kelpie_room *room;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    fault_mem_fail_from(&kit->mem, 1);
    assert_int_equal(kp_room_open(&kit->net, &room, "other", 5), -ENOMEM);
    assert_null(room);
    assert_int_equal(kp_room_join(lobby.room, conn), -ENOMEM);
    assert_int_equal(room_send(lobby.room, "hello", NULL), -ENOMEM);
    /* The message exists, but no outbox has room for a reference: all are skipped. */
    fault_mem_fail_from(&kit->mem, 2);
    assert_int_equal(room_send(lobby.room, "hello", NULL), 0);

    assert_int_equal(kit->net.n_rooms, 1);
    assert_int_equal(kp_room_count(lobby.room), N);
    assert_int_equal(kit->net.counters.broadcast_skipped, N);
    close(peer);
    end_lobby(&lobby);
}

static void
given_no_memory_for_the_first_room_when_opened_then_the_map_is_empty(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_room *room;

    fault_mem_fail(&kit->mem, 2); /* the buckets, after the room */
    assert_int_equal(kp_room_open(&kit->net, &room, "first", 5), -ENOMEM);

    assert_int_equal(kit->net.n_rooms, 0);
}

static void
given_rooms_that_scripts_hold_when_the_net_is_cleared_then_their_handles_still_work(
    void **state)
{
    struct net_kit *kit = *state;
    struct lobby lobby = make_lobby(kit);
    struct kelpie_room *other;
    assert_int_equal(kp_room_open(&kit->net, &other, "other", 5), 0);

    kp_net_clear(&kit->net);

    assert_int_equal(kp_room_count(lobby.room), 0);
    kp_room_unref(other);
    end_lobby(&lobby);
    kp_loop_close(&kit->loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, nk_setup, nk_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(
            given_a_name_when_opened_twice_then_it_is_the_same_room_until_nobody_holds_it),
        TEST(
            given_a_connection_when_it_joins_and_leaves_then_the_room_lives_with_its_members),
        TEST(given_members_when_sent_to_then_all_but_one_get_it_and_memory_holds_it_once),
        TEST(
            given_many_messages_in_a_step_when_sent_again_then_one_block_and_a_piece_for_each),
        TEST(given_members_with_several_framings_when_sent_to_then_each_gets_its_own),
        TEST(given_bytes_when_written_to_a_room_then_they_are_not_wrapped),
        TEST(given_a_member_with_a_full_outbox_when_sent_to_then_it_is_skipped),
        TEST(given_a_send_that_drops_members_when_walking_then_the_walk_goes_on),
        TEST(
            given_a_handler_that_edits_the_room_when_it_sends_then_the_members_at_that_time_get_it),
        TEST(
            given_a_member_that_ends_when_told_then_it_is_in_the_room_and_afterwards_not),
        TEST(given_no_memory_when_opening_joining_and_sending_then_nothing_has_changed),
        TEST(given_no_memory_for_the_first_room_when_opened_then_the_map_is_empty),
        TEST(
            given_rooms_that_scripts_hold_when_the_net_is_cleared_then_their_handles_still_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
