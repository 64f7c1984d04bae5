/*
 * test_room_limits.c - how long a name, how many rooms, and how much memory they may have
 */
#include "net_kit.h"

#include <unistd.h>

static void
given_a_name_when_it_is_too_long_then_there_is_no_such_room(void **state)
{
    struct net_kit *kit = *state;
    char name[KP_ROOM_MAX_NAME + 1] = "";
    struct kelpie_room *room;

    assert_int_equal(kp_room_open(&kit->net, &room, name, KP_ROOM_MAX_NAME), 0);
    kp_room_unref(room);
    assert_int_equal(kp_room_open(&kit->net, &room, name, sizeof(name)), KELPIE_EFULL);
    assert_int_equal(kit->net.n_rooms, 0);
}

static void
given_as_many_rooms_as_allowed_when_a_connection_joins_one_more_then_full(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn, *other;
    int peer = nk_pair(kit, &conn), other_peer = nk_pair(kit, &other);
    struct kelpie_room *room;

    for (int i = 0; i <= KP_ROOM_MAX_OF_CONN; i++) {
        int expected = i < KP_ROOM_MAX_OF_CONN ? 1 : KELPIE_EFULL;
        assert_int_equal(kp_room_open(&kit->net, &room, (char *)&i, sizeof(i)), 0);
        assert_int_equal(kp_room_join(room, conn), expected);
        if (expected < 0)
            assert_int_equal(kp_room_join(room, other), 1);
        kp_room_unref(room);
    }
    close(peer);
    close(other_peer);
}

static void
given_rooms_when_they_fill_their_memory_then_full_until_one_is_gone(void **state)
{
    struct net_kit *kit = *state;
    struct kp_net *net = &kit->net;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    struct kelpie_room *room, *more;

    assert_int_equal(kp_room_open(net, &room, "a", 1), 0);
    size_t others = KP_ROOM_MEMORY - net->room_bytes;
    net->room_bytes += others; /* as if there were so many */
    assert_int_equal(kp_room_open(net, &more, "b", 1), KELPIE_EFULL);
    assert_int_equal(kp_room_join(room, conn), KELPIE_EFULL);
    assert_int_equal(kp_room_open(net, &more, "a", 1), 0); /* is there already */
    kp_room_unref(more);
    kp_room_unref(room);
    assert_int_equal(kp_room_open(net, &more, "b", 1), 0);
    kp_room_unref(more);
    net->room_bytes -= others;
    close(peer);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, nk_setup, nk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_a_name_when_it_is_too_long_then_there_is_no_such_room),
        TEST(given_as_many_rooms_as_allowed_when_a_connection_joins_one_more_then_full),
        TEST(given_rooms_when_they_fill_their_memory_then_full_until_one_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
